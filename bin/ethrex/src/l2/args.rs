//! The flags of `ethrex l2`, spelled as operators know them.
//!
//! A default that differs with `--dev` stands in the help, and is decided in [`super`].

use std::{
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
    time::Duration,
};

use alloy_primitives::Address;
use clap::{Args, Subcommand};
use ethrex_l1::Policy;
use ethrex_node::config::Secret;
use url::Url;

use crate::{
    cli::{DataArgs, MempoolArgs, MetricsArgs, account, endpoint, secret},
    deploy::DeployArgs,
    error::ConfigError,
    native::NativeArgs,
    prover::{COORDINATOR_PORT, ProverArgs},
    removedb::RemoveDbArgs,
    rpc::{HttpArgs, RpcArgs},
};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct L2Command {
    #[command(subcommand)]
    pub(crate) tool: Option<L2Tool>,
    #[command(flatten)]
    pub(crate) node: L2Args,
}

#[derive(Debug, Subcommand)]
pub(crate) enum L2Tool {
    /// Deploy in L1 all contracts needed by an L2.
    Deploy(Box<DeployArgs>),
    /// Initialize an ethrex prover.
    #[command(visible_alias = "p")]
    Prover(ProverArgs),
    /// Remove the database of a node.
    #[command(visible_aliases = ["rm", "clean"])]
    Removedb(RemoveDbArgs),
}

#[derive(Debug, Args)]
pub(crate) struct L2Args {
    /// Run a whole rollup in this process: a development L1, the contracts on it, the sequencer and a prover.
    #[arg(id = "dev", long = "dev", help_heading = "Node options")]
    pub(crate) dev: bool,
    /// Genesis file of the L2. Default: the built-in one with chain id 65536999.
    #[arg(
        id = "network",
        long = "network",
        value_name = "GENESIS_FILE_PATH",
        env = "ETHREX_NETWORK",
        help_heading = "Node options"
    )]
    pub(crate) network: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) data: DataArgs,
    #[command(flatten)]
    pub(crate) mempool: MempoolArgs,
    #[command(flatten)]
    pub(crate) metrics: MetricsArgs,
    #[command(flatten)]
    pub(crate) http: HttpArgs,
    #[command(flatten)]
    pub(crate) rpc: RpcArgs,
    #[command(flatten)]
    pub(crate) dev_options: DevArgs,
    #[command(flatten)]
    pub(crate) eth: EthArgs,
    #[command(flatten)]
    pub(crate) watcher: WatcherArgs,
    #[command(flatten)]
    pub(crate) producer: ProducerArgs,
    #[command(flatten)]
    pub(crate) committer: CommitterArgs,
    #[command(flatten)]
    pub(crate) coordinator: CoordinatorArgs,
    #[command(flatten)]
    pub(crate) native: NativeArgs,
    /// Do not show the terminal monitor. There is none yet: the node always prints plain lines.
    #[arg(
        id = "no-monitor",
        long = "no-monitor",
        env = "ETHREX_NO_MONITOR",
        help_heading = "Monitor options"
    )]
    pub(super) no_monitor: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Development options")]
pub(crate) struct DevArgs {
    /// Port of the development L1's HTTP RPC server; 0 = a free one. Needs --dev. Default: 8545.
    #[arg(id = "dev.l1-http-port", long = "dev.l1-http-port", value_name = "PORT")]
    pub(crate) l1_http_port: Option<u16>,
    /// Write endpoints, addresses and accounts to this file as JSON once everything answers. Needs --dev.
    #[arg(id = "dev.info-file", long = "dev.info-file", value_name = "FILE")]
    pub(crate) info_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Eth options")]
pub(crate) struct EthArgs {
    /// RPC URLs of L1, tried in order. Not with --dev.
    #[arg(id = "eth.rpc-url", long = "eth.rpc-url", value_name = "RPC_URL", env = "ETHREX_ETH_RPC_URL", num_args = 1.., value_delimiter = ',', value_parser = endpoint)]
    pub(crate) urls: Vec<Url>,
    #[command(flatten)]
    pub(super) caps: FeeCapArgs,
    /// How many times longer each further wait is before a stuck L1 transaction is offered more for.
    #[arg(id = "eth.backoff-factor", long = "eth.backoff-factor", value_name = "UINT32", env = "ETHREX_BACKOFF_FACTOR", default_value_t = Policy::documented().patience_growth, value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) backoff_factor: u32,
    /// How long an L1 transaction may stay unmined before more is offered for it, in seconds. Default: 96, with --dev 10.
    #[arg(id = "eth.min-retry-delay", long = "eth.min-retry-delay", value_name = "UINT64", env = "ETHREX_MIN_RETRY_DELAY", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) min_retry_delay: Option<u64>,
    /// The longest such wait, in seconds.
    #[arg(id = "eth.max-retry-delay", long = "eth.max-retry-delay", value_name = "UINT64", env = "ETHREX_MAX_RETRY_DELAY", default_value_t = Policy::documented().max_patience.as_secs(), value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) max_retry_delay: u64,
}

/// What an L1 transaction may cost; the deployer has these flags too.
#[derive(Debug, Args)]
#[command(next_help_heading = "Eth options")]
pub(crate) struct FeeCapArgs {
    /// The most an L1 transaction may offer per gas, in wei. Default: 10000000000 (10 gwei), with --dev a hundred
    /// times that.
    #[arg(id = "eth.maximum-allowed-max-fee-per-gas", long = "eth.maximum-allowed-max-fee-per-gas", value_name = "UINT64", env = "ETHREX_MAXIMUM_ALLOWED_MAX_FEE_PER_GAS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) per_gas: Option<u64>,
    /// The most an L1 transaction may offer per blob gas, in wei. Default: 10000000000 (10 gwei), with --dev a hundred
    /// times that.
    #[arg(id = "eth.maximum-allowed-max-fee-per-blob-gas", long = "eth.maximum-allowed-max-fee-per-blob-gas", value_name = "UINT64", env = "ETHREX_MAXIMUM_ALLOWED_MAX_FEE_PER_BLOB_GAS", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) per_blob_gas: Option<u64>,
}

impl FeeCapArgs {
    pub(crate) fn apply(&self, preset: &Policy) -> Policy {
        Policy {
            max_fee: self.per_gas.map_or(preset.max_fee, u128::from),
            max_blob_fee: self.per_blob_gas.map_or(preset.max_blob_fee, u128::from),
            ..preset.clone()
        }
    }
}

impl EthArgs {
    pub(crate) fn apply(&self, preset: &Policy) -> Result<Policy, ConfigError> {
        let min = self.min_retry_delay.unwrap_or(preset.patience.as_secs());
        let max = self.max_retry_delay;
        if min > max {
            return Err(ConfigError::RetryDelays { min, max });
        }
        Ok(Policy {
            patience: Duration::from_secs(min),
            patience_growth: self.backoff_factor,
            max_patience: Duration::from_secs(max),
            ..self.caps.apply(preset)
        })
    }
}

#[derive(Debug, Args)]
#[command(next_help_heading = "L1 Watcher options")]
pub(crate) struct WatcherArgs {
    /// CommonBridge on L1. Not with --dev.
    #[arg(id = "l1.bridge-address", long = "l1.bridge-address", value_name = "ADDRESS", env = "ETHREX_WATCHER_BRIDGE_ADDRESS", value_parser = account)]
    pub(crate) bridge: Option<Address>,
    /// How often L1 is looked at, in milliseconds. Default: 12000, with --dev 200.
    #[arg(id = "watcher.watch-interval", long = "watcher.watch-interval", value_name = "UINT64", env = "ETHREX_WATCHER_WATCH_INTERVAL", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) interval: Option<u64>,
    /// Most L1 blocks asked for at once.
    #[arg(id = "watcher.max-block-step", long = "watcher.max-block-step", value_name = "UINT64", env = "ETHREX_WATCHER_MAX_BLOCK_STEP", default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) max_step: u64,
    /// Number of blocks the L1 watcher waits before trusting an L1 block. Default: 10; with --dev, and on a native
    /// rollup, which follows a reorganisation, 0.
    #[arg(
        id = "watcher.block-delay",
        long = "watcher.block-delay",
        value_name = "UINT64",
        env = "ETHREX_WATCHER_BLOCK_DELAY"
    )]
    pub(crate) delay: Option<u64>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Block producer options")]
pub(crate) struct ProducerArgs {
    /// How often the sequencer produces a block, in milliseconds; at least 1000, as timestamps count seconds.
    /// Default: 5000, with --dev 1000.
    #[arg(id = "block-producer.block-time", long = "block-producer.block-time", value_name = "UINT64", env = "ETHREX_BLOCK_PRODUCER_BLOCK_TIME", value_parser = clap::value_parser!(u64).range(1_000..))]
    pub(super) block_time: Option<u64>,
    /// Receives the priority fees of the L2.
    #[arg(id = "block-producer.coinbase-address", long = "block-producer.coinbase-address", value_name = "ADDRESS", env = "ETHREX_BLOCK_PRODUCER_COINBASE_ADDRESS", value_parser = account)]
    pub(crate) coinbase: Option<Address>,
    /// Maximum gas limit for the L2 blocks.
    #[arg(
        id = "block-producer.block-gas-limit",
        long = "block-producer.block-gas-limit",
        value_name = "UINT64",
        env = "ETHREX_BLOCK_PRODUCER_BLOCK_GAS_LIMIT",
        default_value_t = 30_000_000
    )]
    pub(super) gas_limit: u64,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "L1 Committer options")]
pub(crate) struct CommitterArgs {
    /// Private key of a funded account that the sequencer uses to send commit txs to the L1.
    #[arg(id = "committer.l1-private-key", long = "committer.l1-private-key", value_name = "PRIVATE_KEY", env = "ETHREX_COMMITTER_L1_PRIVATE_KEY", hide_env_values = true, value_parser = secret)]
    pub(crate) key: Option<Secret>,
    /// OnChainProposer on L1. Not with --dev.
    #[arg(id = "l1.on-chain-proposer-address", long = "l1.on-chain-proposer-address", value_name = "ADDRESS", env = "ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS", value_parser = account)]
    pub(crate) on_chain_proposer: Option<Address>,
    /// Timelock on L1, which commit and verify txs are sent to. Not with --dev.
    #[arg(id = "l1.timelock-address", long = "l1.timelock-address", value_name = "ADDRESS", env = "ETHREX_TIMELOCK_ADDRESS", value_parser = account)]
    pub(crate) timelock: Option<Address>,
    /// How often the sequencer commits new blocks to the L1, in milliseconds. Default: 60000, with --dev 5000.
    #[arg(id = "committer.commit-time", long = "committer.commit-time", value_name = "UINT64", env = "ETHREX_COMMITTER_COMMIT_TIME", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) commit_time: Option<u64>,
    /// Maximum gas limit for the batch. Default: as much as fits one blob.
    #[arg(
        id = "committer.batch-gas-limit",
        long = "committer.batch-gas-limit",
        value_name = "UINT64",
        env = "ETHREX_COMMITTER_BATCH_GAS_LIMIT"
    )]
    pub(super) batch_gas_limit: Option<u64>,
    /// Time before the sequencer seals the first batch after a start, in milliseconds. Default: as --committer.commit-time.
    #[arg(id = "committer.first-wake-up-time", long = "committer.first-wake-up-time", value_name = "UINT64", env = "ETHREX_COMMITTER_FIRST_WAKE_UP_TIME", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) first_wake_up: Option<u64>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Proof coordinator options")]
pub(crate) struct CoordinatorArgs {
    /// Private key of a funded account that the sequencer uses to send verify txs to the L1. Has to be a different
    /// account than --committer.l1-private-key.
    #[arg(id = "proof-coordinator.l1-private-key", long = "proof-coordinator.l1-private-key", value_name = "PRIVATE_KEY", env = "ETHREX_PROOF_COORDINATOR_L1_PRIVATE_KEY", hide_env_values = true, value_parser = secret)]
    pub(crate) key: Option<Secret>,
    /// Address provers connect to. 0.0.0.0 lets other machines connect, which needs --proof-coordinator.secret.
    #[arg(id = "proof-coordinator.addr", long = "proof-coordinator.addr", value_name = "IP_ADDRESS", env = "ETHREX_PROOF_COORDINATOR_LISTEN_ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    pub(super) addr: IpAddr,
    /// Port provers connect to; 0 = a free one.
    #[arg(id = "proof-coordinator.port", long = "proof-coordinator.port", value_name = "UINT16", env = "ETHREX_PROOF_COORDINATOR_LISTEN_PORT", default_value_t = COORDINATOR_PORT)]
    pub(super) port: u16,
    /// What provers must say in each request.
    #[arg(id = "proof-coordinator.secret", long = "proof-coordinator.secret", value_name = "SECRET", env = "ETHREX_PROOF_COORDINATOR_SECRET", hide_env_values = true, value_parser = secret)]
    pub(super) secret: Option<Secret>,
    /// How often proofs are sent to the L1, in milliseconds. Default: 5000, with --dev 1000.
    #[arg(id = "proof-coordinator.send-interval", long = "proof-coordinator.send-interval", value_name = "UINT64", env = "ETHREX_PROOF_COORDINATOR_SEND_INTERVAL", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) send_interval: Option<u64>,
    /// How long a prover may work on a batch before it is given to another one, in milliseconds.
    #[arg(id = "proof-coordinator.prover-timeout", long = "proof-coordinator.prover-timeout", value_name = "UINT64", env = "ETHREX_PROOF_COORDINATOR_PROVER_TIMEOUT", default_value_t = 600_000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) prover_timeout: u64,
}
