//! What is wrong with flags, each message with the flag and what to do.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

use alloy_primitives::Address;
use ethrex_deploy::{keys::KeyFileError, native::NativeGenesisError};
use ethrex_types::chain_spec::GenesisError;

use crate::cli::MAX_GENESIS_BYTES;

/// Flags that do not fit each other or what they name.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error(
        "say which chain this node follows: give a public network or a genesis file with --network, or run `ethrex --dev` for one of its own"
    )]
    NoNetwork,
    #[error(
        "--dev makes its own blocks, so no consensus client calls {flag}: leave out one of them"
    )]
    NoEngine { flag: &'static str },
    #[error(
        "no home folder is known (neither XDG_DATA_HOME nor HOME is set): say where the data is with --datadir"
    )]
    NoHome,
    #[error("{flag} is missing: give it, or set {env}")]
    Missing { flag: &'static str, env: &'static str },
    #[error("{flag} does nothing without --dev: leave it out, or add --dev")]
    NeedsDev { flag: &'static str },
    #[error(
        "--dev starts and deploys to an L1 of its own, so it cannot be used with {flag}: leave out one of them (or unset {env})"
    )]
    NotWithDev { flag: &'static str, env: &'static str },
    #[error(
        "a native rollup has no use for {flag}: leave out it or --native-rollups (or unset {env})"
    )]
    NotWithNative { flag: &'static str, env: &'static str },
    #[error("make the genesis of the rollup")]
    NativeGenesis(#[from] NativeGenesisError),
    #[error("--genesis-l1-path: its first block")]
    FirstBlock(#[from] GenesisError),
    #[error("{flag} is not a private key: it must be 32 bytes in hex, and is not shown here")]
    BadKey { flag: &'static str },
    #[error(
        "--committer.l1-private-key and --proof-coordinator.l1-private-key are the same account, {account}: each must have its own, as two senders cannot share a nonce"
    )]
    SameKey { account: Address },
    #[error(
        "--block-producer.block-gas-limit is {gas}, at least {least} are needed: a message from L1 may carry that much gas, and would stop the rollup if no block could hold it"
    )]
    BlockGasTooLow { gas: u64, least: u64 },
    #[error(
        "--committer.batch-gas-limit is {batch}, less than the {block} of --block-producer.block-gas-limit: no block would fit a batch; raise it or leave it out"
    )]
    BatchBelowBlock { batch: u64, block: u64 },
    #[error(
        "--proof-coordinator.addr {addr} lets other machines connect, which needs --proof-coordinator.secret: set it here and at the provers, or listen on 127.0.0.1"
    )]
    NeedsSecret { addr: IpAddr },
    #[error("{flag} is empty: give a text, or leave it out")]
    EmptySecret { flag: &'static str },
    #[error(
        "--eth.min-retry-delay is {min} s, more than the {max} s of --eth.max-retry-delay: swap or raise them"
    )]
    RetryDelays { min: u64, max: u64 },
    #[error(
        "{first} and {second} are both {address}: give one of them another port, or 0 for a free one"
    )]
    SameAddress { first: &'static str, second: &'static str, address: SocketAddr },
    #[error(
        "--private-keys-file-path does nothing without --deposit-rich: add it, or leave both out"
    )]
    KeysWithoutDeposit,
    #[error("--private-keys-file-path {path}")]
    KeyFile {
        path: PathBuf,
        #[source]
        source: KeyFileError,
    },
    #[error("{flag} {path}: read the genesis file")]
    ReadGenesis {
        flag: &'static str,
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error(
        "{flag} {path}: {bytes} bytes are too many for a genesis file, at most {MAX_GENESIS_BYTES} are read"
    )]
    GenesisTooLarge { flag: &'static str, path: PathBuf, bytes: u64 },
    #[error("{flag} {path}: not a genesis file in geth's format")]
    ParseGenesis {
        flag: &'static str,
        path: PathBuf,
        #[source]
        source: serde_json::Error,
    },
    #[error("{flag} {path}")]
    Genesis {
        flag: &'static str,
        path: PathBuf,
        #[source]
        source: GenesisError,
    },
}
