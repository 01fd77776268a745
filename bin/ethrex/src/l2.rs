//! `ethrex l2`: a rollup, with `--dev` together with an L1 of its own.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use alloy_primitives::{Address, address};
use clap::{Args, Subcommand};
use ethrex_deploy::{DeployConfig, dev, embedded_l1_genesis, embedded_l2_genesis};
use ethrex_l1::{Contracts, Policy, SigningKey};
use ethrex_node::config::{
    ChainConfig, CommitterConfig, DEV_L1_LISTEN, DevConfig, HttpConfig, ProofConfig, RollupConfig,
    RollupSettings, Secret, SequencerSettings, WatcherConfig,
};
use url::Url;

use crate::{
    cli::{
        ConfigError, DataArgs, HttpArgs, MempoolArgs, MetricsArgs, account, endpoint, key,
        read_genesis, secret,
    },
    deploy::{DeployArgs, program_commit_hash},
    prover::{COORDINATOR_PORT, ProverArgs},
    removedb::RemoveDbArgs,
};

/// Default port of an L2's JSON-RPC server.
const HTTP_PORT: u16 = 1729;
/// Receives the priority fees of a development rollup.
const DEV_COINBASE: Address = address!("0007a881CD95B1484fca47615B64803dad620C8d");
/// The most gas one transaction may have (EIP-7825), and so a message from L1.
const MAX_TX_GAS: u64 = 16_777_216;

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
    network: Option<PathBuf>,
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    mempool: MempoolArgs,
    #[command(flatten)]
    metrics: MetricsArgs,
    #[command(flatten)]
    http: HttpArgs,
    #[command(flatten)]
    dev_options: DevArgs,
    #[command(flatten)]
    eth: EthArgs,
    #[command(flatten)]
    watcher: WatcherArgs,
    #[command(flatten)]
    producer: ProducerArgs,
    #[command(flatten)]
    committer: CommitterArgs,
    #[command(flatten)]
    coordinator: CoordinatorArgs,
    /// Do not show the terminal monitor. There is none yet: the node always prints plain lines.
    #[arg(
        id = "no-monitor",
        long = "no-monitor",
        env = "ETHREX_NO_MONITOR",
        help_heading = "Monitor options"
    )]
    no_monitor: bool,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Development options")]
struct DevArgs {
    /// Port of the development L1's HTTP RPC server; 0 = a free one. Needs --dev. Default: 8545.
    #[arg(id = "dev.l1-http-port", long = "dev.l1-http-port", value_name = "PORT")]
    l1_http_port: Option<u16>,
    /// Write endpoints, addresses and accounts to this file as JSON once everything answers. Needs --dev.
    #[arg(id = "dev.info-file", long = "dev.info-file", value_name = "FILE")]
    info_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Eth options")]
pub(crate) struct EthArgs {
    /// RPC URLs of L1, tried in order. Not with --dev.
    #[arg(id = "eth.rpc-url", long = "eth.rpc-url", value_name = "RPC_URL", env = "ETHREX_ETH_RPC_URL", num_args = 1.., value_delimiter = ',', value_parser = endpoint)]
    urls: Vec<Url>,
    #[command(flatten)]
    caps: FeeCapArgs,
    /// How many times longer each further wait is before a stuck L1 transaction is offered more for.
    #[arg(id = "eth.backoff-factor", long = "eth.backoff-factor", value_name = "UINT32", env = "ETHREX_BACKOFF_FACTOR", default_value_t = Policy::documented().patience_growth, value_parser = clap::value_parser!(u32).range(1..))]
    backoff_factor: u32,
    /// How long an L1 transaction may stay unmined before more is offered for it, in seconds.
    #[arg(id = "eth.min-retry-delay", long = "eth.min-retry-delay", value_name = "UINT64", env = "ETHREX_MIN_RETRY_DELAY", default_value_t = Policy::documented().patience.as_secs(), value_parser = clap::value_parser!(u64).range(1..))]
    min_retry_delay: u64,
    /// The longest such wait, in seconds.
    #[arg(id = "eth.max-retry-delay", long = "eth.max-retry-delay", value_name = "UINT64", env = "ETHREX_MAX_RETRY_DELAY", default_value_t = Policy::documented().max_patience.as_secs(), value_parser = clap::value_parser!(u64).range(1..))]
    max_retry_delay: u64,
}

/// What an L1 transaction may cost; the deployer has these flags too.
#[derive(Debug, Args)]
#[command(next_help_heading = "Eth options")]
pub(crate) struct FeeCapArgs {
    /// The most an L1 transaction may offer per gas, in wei.
    #[arg(id = "eth.maximum-allowed-max-fee-per-gas", long = "eth.maximum-allowed-max-fee-per-gas", value_name = "UINT64", env = "ETHREX_MAXIMUM_ALLOWED_MAX_FEE_PER_GAS", default_value_t = 10_000_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    per_gas: u64,
    /// The most an L1 transaction may offer per blob gas, in wei.
    #[arg(id = "eth.maximum-allowed-max-fee-per-blob-gas", long = "eth.maximum-allowed-max-fee-per-blob-gas", value_name = "UINT64", env = "ETHREX_MAXIMUM_ALLOWED_MAX_FEE_PER_BLOB_GAS", default_value_t = 10_000_000_000, value_parser = clap::value_parser!(u64).range(1..))]
    per_blob_gas: u64,
}

impl FeeCapArgs {
    pub(crate) fn policy(&self) -> Policy {
        Policy {
            max_fee: self.per_gas.into(),
            max_blob_fee: self.per_blob_gas.into(),
            ..Policy::documented()
        }
    }
}

impl EthArgs {
    fn policy(&self) -> Result<Policy, ConfigError> {
        let (min, max) = (self.min_retry_delay, self.max_retry_delay);
        if min > max {
            return Err(ConfigError::RetryDelays { min, max });
        }
        Ok(Policy {
            patience: Duration::from_secs(min),
            patience_growth: self.backoff_factor,
            max_patience: Duration::from_secs(max),
            ..self.caps.policy()
        })
    }
}

#[derive(Debug, Args)]
#[command(next_help_heading = "L1 Watcher options")]
struct WatcherArgs {
    /// CommonBridge on L1. Not with --dev.
    #[arg(id = "l1.bridge-address", long = "l1.bridge-address", value_name = "ADDRESS", env = "ETHREX_WATCHER_BRIDGE_ADDRESS", value_parser = account)]
    bridge: Option<Address>,
    /// How often L1 is looked at, in milliseconds. Default: 12000, with --dev 200.
    #[arg(id = "watcher.watch-interval", long = "watcher.watch-interval", value_name = "UINT64", env = "ETHREX_WATCHER_WATCH_INTERVAL", value_parser = clap::value_parser!(u64).range(1..))]
    interval: Option<u64>,
    /// Most L1 blocks asked for at once.
    #[arg(id = "watcher.max-block-step", long = "watcher.max-block-step", value_name = "UINT64", env = "ETHREX_WATCHER_MAX_BLOCK_STEP", default_value_t = 5_000, value_parser = clap::value_parser!(u64).range(1..))]
    max_step: u64,
    /// Number of blocks the L1 watcher waits before trusting an L1 block. Default: 10, with --dev 0.
    #[arg(
        id = "watcher.block-delay",
        long = "watcher.block-delay",
        value_name = "UINT64",
        env = "ETHREX_WATCHER_BLOCK_DELAY"
    )]
    delay: Option<u64>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Block producer options")]
struct ProducerArgs {
    /// How often the sequencer produces a block, in milliseconds; at least 1000, as timestamps count seconds.
    /// Default: 5000, with --dev 1000.
    #[arg(id = "block-producer.block-time", long = "block-producer.block-time", value_name = "UINT64", env = "ETHREX_BLOCK_PRODUCER_BLOCK_TIME", value_parser = clap::value_parser!(u64).range(1_000..))]
    block_time: Option<u64>,
    /// Receives the priority fees of the L2.
    #[arg(id = "block-producer.coinbase-address", long = "block-producer.coinbase-address", value_name = "ADDRESS", env = "ETHREX_BLOCK_PRODUCER_COINBASE_ADDRESS", value_parser = account)]
    coinbase: Option<Address>,
    /// Maximum gas limit for the L2 blocks.
    #[arg(
        id = "block-producer.block-gas-limit",
        long = "block-producer.block-gas-limit",
        value_name = "UINT64",
        env = "ETHREX_BLOCK_PRODUCER_BLOCK_GAS_LIMIT",
        default_value_t = 30_000_000
    )]
    gas_limit: u64,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "L1 Committer options")]
struct CommitterArgs {
    /// Private key of a funded account that the sequencer uses to send commit txs to the L1.
    #[arg(id = "committer.l1-private-key", long = "committer.l1-private-key", value_name = "PRIVATE_KEY", env = "ETHREX_COMMITTER_L1_PRIVATE_KEY", hide_env_values = true, value_parser = secret)]
    key: Option<Secret>,
    /// OnChainProposer on L1. Not with --dev.
    #[arg(id = "l1.on-chain-proposer-address", long = "l1.on-chain-proposer-address", value_name = "ADDRESS", env = "ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS", value_parser = account)]
    on_chain_proposer: Option<Address>,
    /// Timelock on L1, which commit and verify txs are sent to. Not with --dev.
    #[arg(id = "l1.timelock-address", long = "l1.timelock-address", value_name = "ADDRESS", env = "ETHREX_TIMELOCK_ADDRESS", value_parser = account)]
    timelock: Option<Address>,
    /// How often the sequencer commits new blocks to the L1, in milliseconds. Default: 60000, with --dev 5000.
    #[arg(id = "committer.commit-time", long = "committer.commit-time", value_name = "UINT64", env = "ETHREX_COMMITTER_COMMIT_TIME", value_parser = clap::value_parser!(u64).range(1..))]
    commit_time: Option<u64>,
    /// Maximum gas limit for the batch. Default: as much as fits one blob.
    #[arg(
        id = "committer.batch-gas-limit",
        long = "committer.batch-gas-limit",
        value_name = "UINT64",
        env = "ETHREX_COMMITTER_BATCH_GAS_LIMIT"
    )]
    batch_gas_limit: Option<u64>,
    /// Time before the sequencer seals the first batch after a start, in milliseconds. Default: as --committer.commit-time.
    #[arg(id = "committer.first-wake-up-time", long = "committer.first-wake-up-time", value_name = "UINT64", env = "ETHREX_COMMITTER_FIRST_WAKE_UP_TIME", value_parser = clap::value_parser!(u64).range(1..))]
    first_wake_up: Option<u64>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Proof coordinator options")]
struct CoordinatorArgs {
    /// Private key of a funded account that the sequencer uses to send verify txs to the L1. Has to be a different
    /// account than --committer.l1-private-key.
    #[arg(id = "proof-coordinator.l1-private-key", long = "proof-coordinator.l1-private-key", value_name = "PRIVATE_KEY", env = "ETHREX_PROOF_COORDINATOR_L1_PRIVATE_KEY", hide_env_values = true, value_parser = secret)]
    key: Option<Secret>,
    /// Address provers connect to. 0.0.0.0 lets other machines connect, which needs --proof-coordinator.secret.
    #[arg(id = "proof-coordinator.addr", long = "proof-coordinator.addr", value_name = "IP_ADDRESS", env = "ETHREX_PROOF_COORDINATOR_LISTEN_ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    addr: IpAddr,
    /// Port provers connect to; 0 = a free one.
    #[arg(id = "proof-coordinator.port", long = "proof-coordinator.port", value_name = "UINT16", env = "ETHREX_PROOF_COORDINATOR_LISTEN_PORT", default_value_t = COORDINATOR_PORT)]
    port: u16,
    /// What provers must say in each request.
    #[arg(id = "proof-coordinator.secret", long = "proof-coordinator.secret", value_name = "SECRET", env = "ETHREX_PROOF_COORDINATOR_SECRET", hide_env_values = true, value_parser = secret)]
    secret: Option<Secret>,
    /// How often proofs are sent to the L1, in milliseconds. Default: 5000, with --dev 1000.
    #[arg(id = "proof-coordinator.send-interval", long = "proof-coordinator.send-interval", value_name = "UINT64", env = "ETHREX_PROOF_COORDINATOR_SEND_INTERVAL", value_parser = clap::value_parser!(u64).range(1..))]
    send_interval: Option<u64>,
    /// How long a prover may work on a batch before it is given to another one, in milliseconds.
    #[arg(id = "proof-coordinator.prover-timeout", long = "proof-coordinator.prover-timeout", value_name = "UINT64", env = "ETHREX_PROOF_COORDINATOR_PROVER_TIMEOUT", default_value_t = 600_000, value_parser = clap::value_parser!(u64).range(1..))]
    prover_timeout: u64,
}

/// What `--dev` decides where no flag does.
struct Preset {
    watch: u64,
    delay: u64,
    block_time: u64,
    commit_time: u64,
    send_interval: u64,
}

/// The documented defaults of a deployment.
const DOCUMENTED: Preset = Preset {
    watch: 12_000,
    delay: 10,
    block_time: 5_000,
    commit_time: 60_000,
    send_interval: 5_000,
};
/// A development L1 mines at once and never reorganises.
const DEVELOPMENT: Preset =
    Preset { watch: 200, delay: 0, block_time: 1_000, commit_time: 5_000, send_interval: 1_000 };

/// What `ethrex l2` runs.
#[derive(Debug)]
pub(crate) enum Rollup {
    /// On an L1 that others run.
    On(Box<RollupConfig>),
    /// On an L1 of its own.
    Dev(Box<DevConfig>),
}

impl TryFrom<L2Args> for Rollup {
    type Error = ConfigError;

    fn try_from(args: L2Args) -> Result<Self, ConfigError> {
        let settings = args.settings()?;
        if args.dev {
            args.dev(settings).map(|config| Self::Dev(Box::new(config)))
        } else {
            args.on(settings).map(|config| Self::On(Box::new(config)))
        }
    }
}

impl L2Args {
    fn on(self, settings: RollupSettings) -> Result<RollupConfig, ConfigError> {
        if self.dev_options.l1_http_port.is_some() {
            return Err(ConfigError::NeedsDev { flag: "--dev.l1-http-port" });
        }
        if self.dev_options.info_file.is_some() {
            return Err(ConfigError::NeedsDev { flag: "--dev.info-file" });
        }
        if self.eth.urls.is_empty() {
            return Err(missing("--eth.rpc-url", "ETHREX_ETH_RPC_URL"));
        }
        Ok(RollupConfig {
            endpoints: self.eth.urls,
            contracts: Contracts {
                timelock: self
                    .committer
                    .timelock
                    .ok_or_else(|| missing("--l1.timelock-address", "ETHREX_TIMELOCK_ADDRESS"))?,
                on_chain_proposer: self.committer.on_chain_proposer.ok_or_else(|| {
                    missing(
                        "--l1.on-chain-proposer-address",
                        "ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS",
                    )
                })?,
                bridge: self.watcher.bridge.ok_or_else(|| {
                    missing("--l1.bridge-address", "ETHREX_WATCHER_BRIDGE_ADDRESS")
                })?,
            },
            settings,
        })
    }

    fn dev(self, settings: RollupSettings) -> Result<DevConfig, ConfigError> {
        let foreign = [
            (!self.eth.urls.is_empty(), "--eth.rpc-url", "ETHREX_ETH_RPC_URL"),
            (self.watcher.bridge.is_some(), "--l1.bridge-address", "ETHREX_WATCHER_BRIDGE_ADDRESS"),
            (
                self.committer.on_chain_proposer.is_some(),
                "--l1.on-chain-proposer-address",
                "ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS",
            ),
            (self.committer.timelock.is_some(), "--l1.timelock-address", "ETHREX_TIMELOCK_ADDRESS"),
        ];
        if let Some((_, flag, env)) = foreign.into_iter().find(|(given, ..)| *given) {
            return Err(ConfigError::NotWithDev { flag, env });
        }
        let port = self.dev_options.l1_http_port.unwrap_or(DEV_L1_LISTEN.port());
        let l1 = SocketAddr::new(DEV_L1_LISTEN.ip(), port);
        distinct("--dev.l1-http-port", l1, "--http.port", settings.chain.http.listen)?;
        distinct(
            "--dev.l1-http-port",
            l1,
            "--proof-coordinator.port",
            settings.proofs.coordinator,
        )?;
        let preset = DeployConfig::dev(program_commit_hash());
        Ok(DevConfig {
            l1: ChainConfig {
                genesis: embedded_l1_genesis(),
                http: HttpConfig { listen: l1, cors: self.http.cors() },
                mempool_size: self.mempool.size,
            },
            deploy: DeployConfig {
                l2_genesis: settings.chain.genesis.clone(),
                sequencers: vec![settings.committer.key.address(), settings.proofs.key.address()],
                ..preset
            },
            settings,
            info_file: self.dev_options.info_file,
        })
    }

    fn settings(&self) -> Result<RollupSettings, ConfigError> {
        let preset = if self.dev { DEVELOPMENT } else { DOCUMENTED };
        let genesis = match &self.network {
            Some(path) => read_genesis("--network", path)?,
            None => embedded_l2_genesis(),
        };
        let chain = ChainConfig {
            genesis,
            http: self.http.resolve(HTTP_PORT),
            mempool_size: self.mempool.size,
        };
        let committer = self.committer(&preset)?;
        let proofs = self.proofs(&preset)?;
        if committer.key.address() == proofs.key.address() {
            return Err(ConfigError::SameKey { account: committer.key.address() });
        }
        distinct("--http.port", chain.http.listen, "--proof-coordinator.port", proofs.coordinator)?;
        Ok(RollupSettings {
            chain,
            data: self.data.resolve(self.dev)?,
            metrics: self.metrics.resolve(),
            watcher: WatcherConfig {
                every: Duration::from_millis(self.watcher.interval.unwrap_or(preset.watch)),
                max_step: self.watcher.max_step,
                delay: self.watcher.delay.unwrap_or(preset.delay),
            },
            sequencer: self.sequencer(&preset)?,
            committer,
            proofs,
            fees: self.eth.policy()?,
        })
    }

    fn sequencer(&self, preset: &Preset) -> Result<SequencerSettings, ConfigError> {
        let args = &self.producer;
        if args.gas_limit < MAX_TX_GAS {
            return Err(ConfigError::BlockGasTooLow { gas: args.gas_limit, least: MAX_TX_GAS });
        }
        let coinbase = match args.coinbase {
            Some(coinbase) => coinbase,
            None if self.dev => DEV_COINBASE,
            None => {
                return Err(missing(
                    "--block-producer.coinbase-address",
                    "ETHREX_BLOCK_PRODUCER_COINBASE_ADDRESS",
                ));
            }
        };
        Ok(SequencerSettings {
            block_time: Duration::from_millis(args.block_time.unwrap_or(preset.block_time)),
            gas_limit: args.gas_limit,
            coinbase,
        })
    }

    fn committer(&self, preset: &Preset) -> Result<CommitterConfig, ConfigError> {
        let args = &self.committer;
        let block = self.producer.gas_limit;
        if let Some(batch) = args.batch_gas_limit.filter(|batch| *batch < block) {
            return Err(ConfigError::BatchBelowBlock { batch, block });
        }
        let every = args.commit_time.unwrap_or(preset.commit_time);
        Ok(CommitterConfig {
            key: self.signer(
                "--committer.l1-private-key",
                "ETHREX_COMMITTER_L1_PRIVATE_KEY",
                args.key.as_ref(),
                &dev::DEPLOYER,
            )?,
            every: Duration::from_millis(every),
            first_after: Duration::from_millis(args.first_wake_up.unwrap_or(every)),
            gas_limit: args.batch_gas_limit,
        })
    }

    fn proofs(&self, preset: &Preset) -> Result<ProofConfig, ConfigError> {
        let args = &self.coordinator;
        match &args.secret {
            Some(secret) if secret.expose().is_empty() => {
                return Err(ConfigError::EmptySecret { flag: "--proof-coordinator.secret" });
            }
            None if !args.addr.is_loopback() => {
                return Err(ConfigError::NeedsSecret { addr: args.addr });
            }
            _ => {}
        }
        Ok(ProofConfig {
            key: self.signer(
                "--proof-coordinator.l1-private-key",
                "ETHREX_PROOF_COORDINATOR_L1_PRIVATE_KEY",
                args.key.as_ref(),
                &dev::PROOF_SENDER,
            )?,
            coordinator: SocketAddr::new(args.addr, args.port),
            secret: args.secret.clone(),
            timeout: Duration::from_millis(args.prover_timeout),
            send_every: Duration::from_millis(args.send_interval.unwrap_or(preset.send_interval)),
        })
    }

    /// The key of a flag. Only a development chain knows one by itself.
    fn signer(
        &self,
        flag: &'static str,
        env: &'static str,
        text: Option<&Secret>,
        known: &dev::DevAccount,
    ) -> Result<SigningKey, ConfigError> {
        match text {
            Some(text) => key(flag, text),
            None if self.dev => key(flag, &Secret::new(known.private_key.into())),
            None => Err(missing(flag, env)),
        }
    }
}

const fn missing(flag: &'static str, env: &'static str) -> ConfigError {
    ConfigError::Missing { flag, env }
}

/// Two servers cannot share a port; a free one is always another.
fn distinct(
    first: &'static str,
    one: SocketAddr,
    second: &'static str,
    other: SocketAddr,
) -> Result<(), ConfigError> {
    if one == other && one.port() != 0 {
        return Err(ConfigError::SameAddress { first, second, address: one });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
