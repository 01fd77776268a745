//! `ethrex`: an L1 node that a consensus client drives, or a development chain.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use alloy_primitives::Bytes;
use clap::Args;
use ethrex_deploy::{embedded_l1_genesis, native};
use ethrex_node::config::{
    BuilderConfig, ChainConfig, EngineSettings, L1Config, L1DevConfig, Namespaces,
};

use crate::{
    cli::{DataArgs, MempoolArgs, MetricsArgs, public_or_file, read_genesis, version},
    error::ConfigError,
    rpc::{HttpArgs, RpcArgs, accounts},
};

/// Default port of an L1's JSON-RPC server.
pub(crate) const HTTP_PORT: u16 = 8545;
/// Default port of its WebSocket server.
pub(crate) const WS_PORT: u16 = 8546;
/// Default port of the Engine API.
const AUTHRPC_PORT: u16 = 8551;
/// Gas limit that blocks move towards by default.
const GAS_LIMIT: u64 = 60_000_000;
/// What blocks say by default.
const EXTRA_DATA: &str = concat!("ethrex ", env!("CARGO_PKG_VERSION"));
/// Bytes that extra data may have.
const MAX_EXTRA_DATA: usize = 32;

#[derive(Debug, Args)]
pub(crate) struct L1Args {
    /// Run a development chain: a block as soon as a transaction is pending, and every second otherwise.
    #[arg(id = "dev", long = "dev", help_heading = "Node options")]
    pub(crate) dev: bool,
    /// Name of a public network (mainnet, sepolia, holesky, hoodi), or a genesis file in geth's format. Default with --dev: the built-in development chain with chain id 9.
    #[arg(
        id = "network",
        long = "network",
        value_name = "GENESIS_FILE_PATH",
        env = "ETHREX_NETWORK",
        help_heading = "Node options"
    )]
    pub(crate) network: Option<PathBuf>,
    /// A development chain that can verify native rollups: Amsterdam, EXECUTE and a gas limit of 100 million. Needs --dev.
    #[arg(
        id = "native-rollups",
        long = "native-rollups",
        env = "ETHREX_NATIVE_ROLLUPS",
        conflicts_with = "network",
        help_heading = "Development options"
    )]
    pub(crate) native: bool,
    /// Compute the execution witness of each block as it comes, and keep those of the last 1024 for debug_executionWitness.
    /// Without it a witness is made when it is asked for.
    #[arg(
        id = "precompute-witnesses",
        long = "precompute-witnesses",
        env = "ETHREX_PRECOMPUTE_WITNESSES",
        help_heading = "Node options"
    )]
    pub(crate) precompute_witnesses: bool,
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
    pub(crate) engine: EngineArgs,
    #[command(flatten)]
    pub(crate) builder: BuilderArgs,
    /// Seconds from block to block of the development chain. Default: a block as soon as a transaction is pending.
    #[arg(
        id = "dev.block-time",
        long = "dev.block-time",
        value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..),
        help_heading = "Development options"
    )]
    pub(crate) block_time: Option<u64>,
    /// Write endpoints and accounts to this file as JSON once the node answers. Needs --dev.
    #[arg(
        id = "dev.info-file",
        long = "dev.info-file",
        value_name = "FILE",
        help_heading = "Development options"
    )]
    pub(crate) info_file: Option<PathBuf>,
}

/// Where a consensus client calls.
#[derive(Debug, Args)]
pub(crate) struct EngineArgs {
    /// Address the Engine API listens on. Default: 127.0.0.1.
    #[arg(
        id = "authrpc.addr",
        long = "authrpc.addr",
        value_name = "ADDRESS",
        help_heading = "RPC options"
    )]
    addr: Option<IpAddr>,
    /// Port of the Engine API; 0 = a free one. Default: 8551.
    #[arg(
        id = "authrpc.port",
        long = "authrpc.port",
        value_name = "PORT",
        help_heading = "RPC options"
    )]
    port: Option<u16>,
    /// File with the secret that the consensus client has too: 32 bytes in hexadecimal. It is made if it is not there.
    ///
    /// Default: jwt.hex in the folder of the database.
    #[arg(
        id = "authrpc.jwtsecret",
        long = "authrpc.jwtsecret",
        value_name = "JWTSECRET_PATH",
        env = "JWTSECRET_PATH",
        help_heading = "RPC options"
    )]
    secret: Option<PathBuf>,
}

impl EngineArgs {
    fn resolve(self) -> EngineSettings {
        let addr = self.addr.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST));
        let listen = SocketAddr::new(addr, self.port.unwrap_or(AUTHRPC_PORT));
        EngineSettings { listen, secret: self.secret }
    }

    /// A flag that means nothing on a chain that makes its own blocks. The variable may be meant for another node.
    fn given(&self) -> Option<&'static str> {
        let addr = self.addr.map(|_| "--authrpc.addr");
        addr.or_else(|| self.port.map(|_| "--authrpc.port"))
    }
}

/// What goes into blocks.
#[derive(Debug, Args)]
pub(crate) struct BuilderArgs {
    /// Text in each block that this node builds, at most 32 bytes. Default: name and version; with --dev none.
    #[arg(
        id = "builder.extra-data",
        long = "builder.extra-data",
        value_name = "EXTRA_DATA",
        value_parser = extra_data,
        help_heading = "Block building options"
    )]
    extra_data: Option<Bytes>,
    /// Gas limit that blocks built here move towards. Default: 60000000; with --dev that of the genesis.
    #[arg(
        id = "builder.gas-limit",
        long = "builder.gas-limit",
        value_name = "GAS_LIMIT",
        value_parser = clap::value_parser!(u64).range(5_000..),
        help_heading = "Block building options"
    )]
    gas_limit: Option<u64>,
    /// Blobs in a block built here at most (EIP-7872). Default: as many as the chain allows.
    #[arg(
        id = "builder.max-blobs",
        long = "builder.max-blobs",
        value_name = "MAX_BLOBS",
        value_parser = clap::value_parser!(u64).range(1..),
        help_heading = "Block building options"
    )]
    max_blobs: Option<u64>,
}

impl BuilderArgs {
    fn resolve(self, dev: bool) -> BuilderConfig {
        let text = if dev { "" } else { EXTRA_DATA };
        BuilderConfig {
            extra_data: self.extra_data.unwrap_or_else(|| Bytes::from_static(text.as_bytes())),
            gas_limit: self.gas_limit.or((!dev).then_some(GAS_LIMIT)),
            max_blobs: self.max_blobs,
        }
    }
}

fn extra_data(text: &str) -> Result<Bytes, TooLong> {
    if text.len() > MAX_EXTRA_DATA {
        return Err(TooLong);
    }
    Ok(Bytes::copy_from_slice(text.as_bytes()))
}

#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("a block has room for {MAX_EXTRA_DATA} bytes")]
struct TooLong;

/// What `ethrex` without a command runs.
#[derive(Debug)]
pub(crate) enum L1 {
    /// A node that a consensus client drives.
    Node(Box<L1Config>),
    /// A chain that makes its own blocks.
    Dev(Box<L1DevConfig>),
}

impl TryFrom<L1Args> for L1 {
    type Error = ConfigError;

    fn try_from(args: L1Args) -> Result<Self, ConfigError> {
        if args.dev {
            args.try_into().map(|config| Self::Dev(Box::new(config)))
        } else {
            args.try_into().map(|config| Self::Node(Box::new(config)))
        }
    }
}

impl TryFrom<L1Args> for L1Config {
    type Error = ConfigError;

    fn try_from(args: L1Args) -> Result<Self, ConfigError> {
        for (given, flag) in [
            (args.native, "--native-rollups"),
            (args.block_time.is_some(), "--dev.block-time"),
            (args.info_file.is_some(), "--dev.info-file"),
        ] {
            if given {
                return Err(ConfigError::NeedsDev { flag });
            }
        }
        let network = args.network.as_ref().ok_or(ConfigError::NoNetwork)?;
        let namespaces = Namespaces::only(["eth", "net", "web3"]);
        let chain = ChainConfig {
            version: version(),
            genesis: public_or_file(network)?,
            http: args.http.resolve(HTTP_PORT, &namespaces),
            rpc: args.rpc.resolve(WS_PORT, &namespaces, &args.data, false)?,
            mempool_size: args.mempool.size,
            accounts: accounts(false, &[]),
        };
        let engine = args.engine.resolve();
        if engine.listen == chain.http.listen && engine.listen.port() != 0 {
            let (first, second) = ("--authrpc.port", "--http.port");
            return Err(ConfigError::SameAddress { first, second, address: engine.listen });
        }
        Ok(Self {
            chain,
            data: args.data.resolve(false)?,
            precompute_witnesses: args.precompute_witnesses,
            engine,
            builder: args.builder.resolve(false),
            metrics: args.metrics.resolve(),
        })
    }
}

impl TryFrom<L1Args> for L1DevConfig {
    type Error = ConfigError;

    fn try_from(args: L1Args) -> Result<Self, ConfigError> {
        if let Some(flag) = args.engine.given() {
            return Err(ConfigError::NoEngine { flag });
        }
        let genesis = match &args.network {
            Some(path) => read_genesis("--network", path)?,
            None if args.native => native::l1_genesis(),
            None => embedded_l1_genesis(),
        };
        Ok(Self {
            chain: ChainConfig {
                version: version(),
                genesis,
                http: args.http.resolve(HTTP_PORT, &Namespaces::All),
                rpc: args.rpc.resolve(WS_PORT, &Namespaces::All, &args.data, true)?,
                mempool_size: args.mempool.size,
                accounts: accounts(true, &[]),
            },
            data: args.data.resolve(true)?,
            precompute_witnesses: args.precompute_witnesses,
            block_time: args.block_time.map(Duration::from_secs),
            builder: args.builder.resolve(true),
            metrics: args.metrics.resolve(),
            info_file: args.info_file,
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use ethrex_node::config::DataDir;
    use ethrex_types::Network;

    use super::*;
    use crate::cli::Cli;

    fn config(line: &str) -> Result<L1DevConfig, ConfigError> {
        Cli::try_parse_from(line.split(' ')).unwrap().l1.try_into()
    }

    #[test]
    fn a_development_chain_needs_no_other_flag() {
        let config = config("ethrex --dev").unwrap();
        assert_eq!(config.chain.genesis.config.chain_id, 9);
        assert_eq!(config.chain.http.listen.to_string(), "127.0.0.1:8545");
        assert_eq!(config.data, DataDir::Temporary);
        assert_eq!(config.metrics, None);
    }

    #[test]
    fn a_development_chain_can_keep_to_a_clock() {
        let block_time = |line| config(line).unwrap().block_time;
        assert_eq!(block_time("ethrex --dev"), None);
        assert_eq!(block_time("ethrex --dev --dev.block-time 2"), Some(Duration::from_secs(2)));
        assert!(Cli::try_parse_from("ethrex --dev --dev.block-time 0".split(' ')).is_err());
    }

    fn node(line: &str) -> Result<L1Config, ConfigError> {
        Cli::try_parse_from(line.split(' ')).unwrap().l1.try_into()
    }

    /// A genesis file that is always there.
    const GENESIS: &str =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../crates/rollup/deploy/genesis/l1.json");

    #[test]
    fn without_dev_a_consensus_client_drives_it() {
        let config = node(&format!("ethrex --network {GENESIS} --datadir /x")).unwrap();
        assert_eq!(config.engine.listen.to_string(), "127.0.0.1:8551");
        assert_eq!(config.engine.secret, None);
        assert_eq!(config.builder.gas_limit, Some(60_000_000));
        assert_eq!(config.builder.extra_data[..], *EXTRA_DATA.as_bytes());
        assert_eq!(config.builder.max_blobs, None);
        let flags = "--authrpc.addr 127.0.0.2 --authrpc.port 1 --authrpc.jwtsecret /s \
                     --builder.extra-data hi --builder.gas-limit 30000000 --builder.max-blobs 3";
        let config = node(&format!("ethrex --network {GENESIS} --datadir /x {flags}")).unwrap();
        assert_eq!(config.engine.listen.to_string(), "127.0.0.2:1");
        assert_eq!(config.engine.secret, Some("/s".into()));
        assert_eq!(config.builder.gas_limit, Some(30_000_000));
        assert_eq!(config.builder.extra_data[..], *b"hi");
        assert_eq!(config.builder.max_blobs, Some(3));
    }

    #[test]
    fn public_networks_are_known_by_name() {
        let id = |name| {
            let config = node(&format!("ethrex --network {name} --datadir /x")).unwrap();
            config.chain.genesis.config.chain_id
        };
        for network in Network::ALL {
            assert_eq!(id(network.name()), network.chain_id());
        }
    }

    #[test]
    fn without_dev_it_asks_for_a_network() {
        let error = node("ethrex").unwrap_err().to_string();
        assert!(error.contains("--network") && error.contains("ethrex --dev"), "{error}");
    }

    #[test]
    fn flags_of_the_other_kind_of_chain_are_refused() {
        let error = config("ethrex --dev --authrpc.port 8551").unwrap_err().to_string();
        assert!(error.contains("--authrpc.port"), "{error}");
        let error = node("ethrex --dev.block-time 2").unwrap_err().to_string();
        assert!(error.contains("--dev.block-time"), "{error}");
        let ports = format!("ethrex --network {GENESIS} --http.port 7 --authrpc.port 7");
        assert!(node(&ports).unwrap_err().to_string().contains("--http.port"));
    }

    #[test]
    fn what_no_block_can_hold_is_refused() {
        let parse = |line: &str| Cli::try_parse_from(line.split(' '));
        assert!(parse(&format!("ethrex --builder.extra-data {}", "x".repeat(32))).is_ok());
        assert!(parse(&format!("ethrex --builder.extra-data {}", "x".repeat(33))).is_err());
        assert!(parse("ethrex --builder.gas-limit 4999").is_err());
        assert!(parse("ethrex --builder.max-blobs 0").is_err());
    }

    #[test]
    fn a_chain_for_native_rollups_has_execute() {
        let genesis = config("ethrex --dev --native-rollups").unwrap().chain.genesis;
        assert_eq!(genesis.config.amsterdam_time, Some(0));
        assert_eq!(genesis.config.extra_fields["executeTime"], 0);
        assert_eq!(genesis.gas_limit, 100_000_000);
    }

    #[test]
    fn witnesses_may_be_computed_beforehand() {
        assert!(!config("ethrex --dev").unwrap().precompute_witnesses);
        assert!(config("ethrex --dev --precompute-witnesses").unwrap().precompute_witnesses);
    }

    #[test]
    fn data_may_be_kept() {
        let data = |line| config(line).unwrap().data;
        assert_eq!(data("ethrex --dev --datadir memory"), DataDir::Memory);
        assert_eq!(data("ethrex --dev --datadir /x/y"), DataDir::At("/x/y".into()));
    }

    #[test]
    fn a_genesis_file_that_is_not_there_is_named() {
        let error = config("ethrex --dev --network /no/such.json").unwrap_err().to_string();
        assert!(error.contains("--network /no/such.json"), "{error}");
    }
}
