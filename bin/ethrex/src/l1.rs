//! `ethrex`: an L1 node, of which only the development chain exists yet.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use ethrex_deploy::{embedded_l1_genesis, native};
use ethrex_node::config::{ChainConfig, L1DevConfig};

use crate::{
    cli::{DataArgs, HttpArgs, MempoolArgs, MetricsArgs, read_genesis},
    error::ConfigError,
};

/// Default port of an L1's JSON-RPC server.
pub(crate) const HTTP_PORT: u16 = 8545;

#[derive(Debug, Args)]
pub(crate) struct L1Args {
    /// Run a development chain: a block as soon as a transaction is pending, and every second otherwise.
    #[arg(id = "dev", long = "dev", help_heading = "Node options")]
    pub(crate) dev: bool,
    /// Genesis file of the chain. Default: the built-in development chain with chain id 9.
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

impl TryFrom<L1Args> for L1DevConfig {
    type Error = ConfigError;

    fn try_from(args: L1Args) -> Result<Self, ConfigError> {
        if !args.dev {
            return Err(ConfigError::OnlyDev);
        }
        let genesis = match &args.network {
            Some(path) => read_genesis("--network", path)?,
            None if args.native => native::l1_genesis(),
            None => embedded_l1_genesis(),
        };
        Ok(Self {
            chain: ChainConfig {
                genesis,
                http: args.http.resolve(HTTP_PORT),
                mempool_size: args.mempool.size,
            },
            data: args.data.resolve(true)?,
            precompute_witnesses: args.precompute_witnesses,
            block_time: args.block_time.map(Duration::from_secs),
            metrics: args.metrics.resolve(),
            info_file: args.info_file,
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use ethrex_node::config::DataDir;

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

    #[test]
    fn without_dev_it_says_what_there_is() {
        let error = config("ethrex").unwrap_err();
        assert!(error.to_string().contains("ethrex --dev"));
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
