//! `--native-rollups`: a rollup that L1 verifies by executing it.

use std::{fs, path::PathBuf, time::Duration};

use alloy_primitives::{Address, B256, U256};
use clap::{Args, ValueEnum};
use ethrex_deploy::{
    dev,
    native::{
        BOND, DeployedNative, FORCE_FEE_PER_BYTE, NativeDeployConfig, NativeMode, NativeTimes,
        deploy_native_once, l1_genesis, l2_genesis,
    },
};
use ethrex_l1::{Client, Policy, SigningKey};
use ethrex_node::config::{
    ChainConfig, DEV_L1_LISTEN, Da, NativeConfig, NativeDevConfig, NativeSequencing,
    NativeSettings, Secret, WatcherConfig,
};
use ethrex_types::Genesis;
use eyre::Context;
use url::Url;

use crate::{
    cli::{account, key, read_genesis, secret, version},
    error::ConfigError,
    l2::{L2Args, Preset, distinct, missing},
    rpc::{accounts, namespaces},
};

/// Chain id of the rollup that `--dev` makes, and of a deployment that names none.
const CHAIN_ID: u64 = 80_790_001;
/// Gas limit of a rollup's block: one that L1 can execute in one transaction together with its witness.
const L2_GAS_LIMIT: u64 = 9_000_000;
/// What the relayer of a new rollup has, in wei: one ether.
const RELAYER_BALANCE: &str = "1000000000000000000";
/// What each account of a development rollup has: a hundred ether.
const DEV_BALANCE: U256 = U256::from_limbs([0x6bc7_5e2d_6310_0000, 5, 0, 0]);

/// Where a deployment writes the genesis of its rollup.
pub(crate) const GENESIS_FILE: &str = "l2-genesis.json";

/// The flags of a native rollup's node.
#[derive(Debug, Args)]
#[command(next_help_heading = "Native rollup options")]
pub(crate) struct NativeArgs {
    /// Run a native rollup: plain Ethereum rules, settled by L1's EXECUTE precompile. The options of committer, proof
    /// coordinator and L1 contracts do not apply.
    #[arg(id = "native-rollups", long = "native-rollups", env = "ETHREX_NATIVE_ROLLUPS")]
    pub(crate) enabled: bool,
    /// NativeRollup on L1. Not with --dev.
    #[arg(id = "native-rollups.contract-address", long = "native-rollups.contract-address", value_name = "ADDRESS", env = "ETHREX_NATIVE_ROLLUP_CONTRACT_ADDRESS", value_parser = account)]
    contract: Option<Address>,
    /// The L1 block before which the contract did not exist: nothing older is read.
    #[arg(
        id = "native-rollups.start-block",
        long = "native-rollups.start-block",
        value_name = "UINT64",
        env = "ETHREX_NATIVE_ROLLUP_START_BLOCK",
        default_value_t = 0
    )]
    start_block: u64,
    /// How the contract settles. With --dev, what is deployed (default: inline); otherwise what is expected.
    #[arg(
        id = "native-rollups.mode",
        long = "native-rollups.mode",
        value_name = "MODE",
        env = "ETHREX_NATIVE_ROLLUP_MODE"
    )]
    mode: Option<Mode>,
    /// Make no blocks: follow L1 alone. With --native-rollups.l1-pk it still settles, and posts once posting is open to all.
    #[arg(
        id = "native-rollups.follow",
        long = "native-rollups.follow",
        env = "ETHREX_NATIVE_ROLLUP_FOLLOW"
    )]
    follow: bool,
    /// Private key of a funded L1 account that posts and settles. A sequencer needs it; a follower without it only follows.
    #[arg(id = "native-rollups.l1-pk", long = "native-rollups.l1-pk", value_name = "PRIVATE_KEY", env = "ETHREX_NATIVE_ROLLUP_L1_PK", hide_env_values = true, value_parser = secret)]
    l1_key: Option<Secret>,
    /// Private key of a funded L2 account that delivers messages of L1. Default: that of --native-rollups.l1-pk.
    #[arg(id = "native-rollups.relayer-pk", long = "native-rollups.relayer-pk", value_name = "PRIVATE_KEY", env = "ETHREX_NATIVE_ROLLUP_RELAYER_PK", hide_env_values = true, value_parser = secret)]
    relayer: Option<Secret>,
    /// Private key of a funded L1 account that disputes false proposals. Default: that of --native-rollups.l1-pk.
    #[arg(id = "native-rollups.challenger-pk", long = "native-rollups.challenger-pk", value_name = "PRIVATE_KEY", env = "ETHREX_NATIVE_ROLLUP_CHALLENGER_PK", hide_env_values = true, value_parser = secret)]
    challenger: Option<Secret>,
    /// Dispute nothing.
    #[arg(
        id = "native-rollups.no-challenge",
        long = "native-rollups.no-challenge",
        env = "ETHREX_NATIVE_ROLLUP_NO_CHALLENGE",
        conflicts_with = "native-rollups.challenger-pk"
    )]
    no_challenge: bool,
    /// How often the sequencer makes a block, in milliseconds; at least 1000, as timestamps count seconds. Default: 5000,
    /// with --dev 1000.
    #[arg(id = "native-rollups.block-time", long = "native-rollups.block-time", value_name = "UINT64", env = "ETHREX_NATIVE_ROLLUP_BLOCK_TIME", value_parser = clap::value_parser!(u64).range(1_000..))]
    block_time: Option<u64>,
    /// The sequencer delivers messages of L1 that pay at least this fee, in wei. Whoever wants can deliver the others.
    #[arg(
        id = "native-rollups.min-claim-fee",
        long = "native-rollups.min-claim-fee",
        value_name = "WEI",
        env = "ETHREX_NATIVE_ROLLUP_MIN_CLAIM_FEE",
        default_value = "0"
    )]
    least_claim_fee: U256,
    /// How the sequencer makes its blocks public on L1. A blob costs less to post than call data, but must be proven before
    /// its blocks can be settled, and the proof carries the whole blob as call data.
    #[arg(
        id = "native-rollups.da",
        long = "native-rollups.da",
        value_name = "DA",
        env = "ETHREX_NATIVE_ROLLUP_DA",
        default_value = "calldata"
    )]
    da: DataAvailability,
    /// Leave proving and settling what this sequencer posts to others: any node with --native-rollups.follow and
    /// --native-rollups.l1-pk does it, for blobs with --native-rollups.beacon-url.
    #[arg(
        id = "native-rollups.no-settle",
        long = "native-rollups.no-settle",
        env = "ETHREX_NATIVE_ROLLUP_NO_SETTLE",
        conflicts_with = "native-rollups.follow"
    )]
    no_settle: bool,
    /// Beacon nodes of L1 from which blobs are read, several separated by commas. Without one, what others post in blobs is
    /// known once somebody has proven it. Not with --dev, whose L1 serves its blobs.
    #[arg(
        id = "native-rollups.beacon-url",
        long = "native-rollups.beacon-url",
        value_name = "URL",
        env = "ETHREX_NATIVE_ROLLUP_BEACON_URL",
        value_delimiter = ','
    )]
    beacons: Vec<Url>,
    /// How often items are posted and blocks settled, in milliseconds. Default: 12000, with --dev 200.
    #[arg(id = "native-rollups.advance-interval", long = "native-rollups.advance-interval", value_name = "UINT64", env = "ETHREX_NATIVE_ROLLUP_ADVANCE_INTERVAL", value_parser = clap::value_parser!(u64).range(1..))]
    advance_interval: Option<u64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Mode {
    /// L1 executes every block.
    Inline,
    /// L1 executes a block only when somebody disputes it.
    Optimistic,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DataAvailability {
    /// As call data: everybody knows the blocks at once.
    Calldata,
    /// In blobs.
    Blob,
    /// Each item in whichever way costs this node less at L1's present fees. As long as it settles what it posts that is
    /// call data, as a proof costs more than it.
    Auto,
}

impl From<DataAvailability> for Da {
    fn from(da: DataAvailability) -> Self {
        match da {
            DataAvailability::Calldata => Self::Calldata,
            DataAvailability::Blob => Self::Blob,
            DataAvailability::Auto => Self::Auto,
        }
    }
}

impl From<Mode> for NativeMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Inline => Self::Inline,
            Mode::Optimistic => Self::Optimistic,
        }
    }
}

/// What `ethrex l2 --native-rollups` runs.
#[derive(Debug)]
pub(crate) enum Native {
    /// On an L1 that others run.
    On(Box<NativeConfig>),
    /// On an L1 of its own.
    Dev(Box<NativeDevConfig>),
}

impl TryFrom<L2Args> for Native {
    type Error = ConfigError;

    fn try_from(args: L2Args) -> Result<Self, ConfigError> {
        args.without_validity()?;
        if args.dev {
            args.native_dev().map(|config| Self::Dev(Box::new(config)))
        } else {
            args.native_on().map(|config| Self::On(Box::new(config)))
        }
    }
}

impl L2Args {
    /// Fails where something was said that only a validity rollup has.
    fn without_validity(&self) -> Result<(), ConfigError> {
        let foreign = [
            (self.watcher.bridge.is_some(), "--l1.bridge-address", "ETHREX_WATCHER_BRIDGE_ADDRESS"),
            (
                self.committer.on_chain_proposer.is_some(),
                "--l1.on-chain-proposer-address",
                "ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS",
            ),
            (self.committer.timelock.is_some(), "--l1.timelock-address", "ETHREX_TIMELOCK_ADDRESS"),
            (
                self.committer.key.is_some(),
                "--committer.l1-private-key",
                "ETHREX_COMMITTER_L1_PRIVATE_KEY",
            ),
            (
                self.coordinator.key.is_some(),
                "--proof-coordinator.l1-private-key",
                "ETHREX_PROOF_COORDINATOR_L1_PRIVATE_KEY",
            ),
            (
                self.producer.coinbase.is_some(),
                "--block-producer.coinbase-address",
                "ETHREX_BLOCK_PRODUCER_COINBASE_ADDRESS",
            ),
        ];
        match foreign.into_iter().find(|(given, ..)| *given) {
            Some((_, flag, env)) => Err(ConfigError::NotWithNative { flag, env }),
            None => Ok(()),
        }
    }

    fn native_on(self) -> Result<NativeConfig, ConfigError> {
        if self.dev_options.l1_http_port.is_some() {
            return Err(ConfigError::NeedsDev { flag: "--dev.l1-http-port" });
        }
        if self.dev_options.info_file.is_some() {
            return Err(ConfigError::NeedsDev { flag: "--dev.info-file" });
        }
        if self.eth.urls.is_empty() {
            return Err(missing("--eth.rpc-url", "ETHREX_ETH_RPC_URL"));
        }
        let rollup = self.native.contract.ok_or_else(|| {
            missing("--native-rollups.contract-address", "ETHREX_NATIVE_ROLLUP_CONTRACT_ADDRESS")
        })?;
        let Some(path) = &self.network else {
            return Err(missing("--network", "ETHREX_NETWORK"));
        };
        let genesis = read_genesis("--network", path)?;
        let settings = self.native_settings(genesis)?;
        Ok(NativeConfig {
            endpoints: self.eth.urls,
            rollup,
            start_block: self.native.start_block,
            beacons: self.native.beacons,
            settings,
        })
    }

    fn native_dev(self) -> Result<NativeDevConfig, ConfigError> {
        let foreign = [
            (!self.eth.urls.is_empty(), "--eth.rpc-url", "ETHREX_ETH_RPC_URL"),
            (
                self.native.contract.is_some(),
                "--native-rollups.contract-address",
                "ETHREX_NATIVE_ROLLUP_CONTRACT_ADDRESS",
            ),
            (self.native.follow, "--native-rollups.follow", "ETHREX_NATIVE_ROLLUP_FOLLOW"),
            (
                !self.native.beacons.is_empty(),
                "--native-rollups.beacon-url",
                "ETHREX_NATIVE_ROLLUP_BEACON_URL",
            ),
        ];
        if let Some((_, flag, env)) = foreign.into_iter().find(|(given, ..)| *given) {
            return Err(ConfigError::NotWithDev { flag, env });
        }
        let l1_genesis = l1_genesis();
        let relayer = self.relayer_key()?.address();
        let l2_genesis = match &self.network {
            Some(path) => read_genesis("--network", path)?,
            None => {
                let rich = dev::RICH.iter().map(|rich| rich.address);
                let funded: Vec<_> =
                    std::iter::once(relayer).chain(rich).map(|who| (who, DEV_BALANCE)).collect();
                l2_genesis(&l1_genesis, CHAIN_ID, L2_GAS_LIMIT, &funded)?
            }
        };
        let settings = self.native_settings(l2_genesis.clone())?;
        let port = self.dev_options.l1_http_port.unwrap_or(DEV_L1_LISTEN.port());
        let l1 = std::net::SocketAddr::new(DEV_L1_LISTEN.ip(), port);
        distinct("--dev.l1-http-port", l1, "--http.port", settings.chain.http.listen)?;
        let mode = self.native.mode.unwrap_or(Mode::Inline).into();
        let deployer = self.l1_key()?;
        let keys = [Some(&deployer), settings.settler.as_ref(), settings.challenger.as_ref()];
        let senders: Vec<_> = keys.into_iter().flatten().map(SigningKey::address).collect();
        Ok(NativeDevConfig {
            l1: ChainConfig {
                version: version(),
                genesis: l1_genesis,
                http: self.http.of_dev_l1(l1),
                rpc: self.rpc.of_dev_l1(),
                mempool_size: self.mempool.size,
                accounts: accounts(true, &senders),
            },
            deploy: NativeDeployConfig::dev(l2_genesis, mode, deployer.address()),
            deployer,
            settings,
            info_file: self.dev_options.info_file,
        })
    }

    fn native_settings(&self, genesis: Genesis) -> Result<NativeSettings, ConfigError> {
        let args = &self.native;
        let preset = self.preset();
        let settler = match &args.l1_key {
            None if args.follow => None,
            _ => Some(self.l1_key()?),
        };
        let challenger = match &args.challenger {
            _ if args.no_challenge => None,
            Some(text) => Some(key("--native-rollups.challenger-pk", text)?),
            None => settler.clone(),
        };
        let sequence = if args.follow {
            None
        } else {
            let block_time = args.block_time.unwrap_or(preset.block_time);
            let block_time = Duration::from_millis(block_time);
            Some(NativeSequencing {
                relayer: self.relayer_key()?,
                block_time,
                least_claim_fee: args.least_claim_fee,
                da: args.da.into(),
                settles: !args.no_settle,
            })
        };
        let relayer: Vec<_> = sequence.iter().map(|sequence| sequence.relayer.address()).collect();
        let namespaces = namespaces(self.dev, "nr");
        let settle_every = args.advance_interval.unwrap_or(preset.advance);
        Ok(NativeSettings {
            chain: ChainConfig {
                version: version(),
                genesis,
                http: self.http.resolve(crate::l2::HTTP_PORT, &namespaces),
                rpc: self.rpc.resolve(crate::l2::WS_PORT, &namespaces, &self.data, self.dev)?,
                mempool_size: self.mempool.size,
                accounts: accounts(self.dev, &relayer),
            },
            data: self.data.resolve(self.dev)?,
            metrics: self.metrics.resolve(),
            watcher: WatcherConfig {
                every: Duration::from_millis(self.watcher.interval.unwrap_or(preset.watch)),
                max_step: self.watcher.max_step,
                // A reorganisation of L1 rewinds the rollup, so nothing is gained by waiting.
                delay: self.watcher.delay.unwrap_or(0),
            },
            mode: args.mode.map(Into::into),
            sequence,
            settler,
            settle_every: Duration::from_millis(settle_every),
            challenger,
            fees: self.eth.apply(&preset.fees)?,
        })
    }

    fn preset(&self) -> &'static Preset {
        Preset::of(self.dev)
    }

    fn l1_key(&self) -> Result<SigningKey, ConfigError> {
        self.signer(
            "--native-rollups.l1-pk",
            "ETHREX_NATIVE_ROLLUP_L1_PK",
            self.native.l1_key.as_ref(),
            &dev::DEPLOYER,
        )
    }

    fn relayer_key(&self) -> Result<SigningKey, ConfigError> {
        match &self.native.relayer {
            Some(text) => key("--native-rollups.relayer-pk", text),
            None => self.l1_key(),
        }
    }
}

/// The flags of a native rollup's deployment.
#[derive(Debug, Args)]
#[command(next_help_heading = "Native rollup options")]
pub(crate) struct NativeDeployArgs {
    /// Deploy a native rollup: NativeRollup and its TokenBridge, which nobody owns. Writes the genesis of the rollup to
    /// --genesis-l2-path.
    #[arg(id = "native-rollups", long = "native-rollups", env = "ETHREX_NATIVE_ROLLUPS")]
    pub(crate) enabled: bool,
    /// How the contract settles.
    #[arg(
        id = "native-rollups.mode",
        long = "native-rollups.mode",
        value_name = "MODE",
        env = "ETHREX_NATIVE_ROLLUP_MODE",
        default_value = "inline"
    )]
    mode: Mode,
    /// The account that orders transactions while it makes progress. Default: the deployer.
    #[arg(id = "native-rollups.sequencer-address", long = "native-rollups.sequencer-address", visible_alias = "native-rollups.advancer-address", value_name = "ADDRESS", env = "ETHREX_NATIVE_ROLLUP_SEQUENCER_ADDRESS", value_parser = account)]
    sequencer: Option<Address>,
    /// Let everybody post, always.
    #[arg(
        id = "native-rollups.open",
        long = "native-rollups.open",
        env = "ETHREX_NATIVE_ROLLUP_OPEN",
        conflicts_with = "native-rollups.sequencer-address"
    )]
    open: bool,
    /// The account that delivers messages on L2; the genesis gives it ether, which the deployer pays on L1. Default: the
    /// deployer.
    #[arg(id = "native-rollups.relayer-address", long = "native-rollups.relayer-address", value_name = "ADDRESS", env = "ETHREX_NATIVE_ROLLUP_RELAYER_ADDRESS", value_parser = account)]
    relayer: Option<Address>,
    /// How much it gets, in wei.
    #[arg(
        id = "native-rollups.relayer-balance",
        long = "native-rollups.relayer-balance",
        value_name = "WEI",
        env = "ETHREX_NATIVE_ROLLUP_RELAYER_BALANCE",
        default_value = RELAYER_BALANCE
    )]
    relayer_balance: U256,
    /// How long a proposal may be disputed, in seconds. Only an optimistic rollup waits.
    #[arg(id = "native-rollups.finality-delay", long = "native-rollups.finality-delay", value_name = "SECONDS", env = "ETHREX_NATIVE_ROLLUP_FINALITY_DELAY", default_value_t = NativeTimes::DOCUMENTED.challenge_period.as_secs())]
    finality_delay: u64,
    /// Time within which messages and forced transactions must be included, in seconds.
    #[arg(id = "native-rollups.forced-delay", long = "native-rollups.forced-delay", value_name = "SECONDS", env = "ETHREX_NATIVE_ROLLUP_FORCED_DELAY", default_value_t = NativeTimes::DOCUMENTED.forced_delay.as_secs())]
    forced_delay: u64,
    /// Time without progress after which everybody may post, in seconds.
    #[arg(id = "native-rollups.sequencer-timeout", long = "native-rollups.sequencer-timeout", value_name = "SECONDS", env = "ETHREX_NATIVE_ROLLUP_SEQUENCER_TIMEOUT", default_value_t = NativeTimes::DOCUMENTED.sequencer_timeout.as_secs())]
    sequencer_timeout: u64,
    /// Chain id of the rollup.
    #[arg(id = "native-rollups.chain-id", long = "native-rollups.chain-id", value_name = "UINT64", env = "ETHREX_NATIVE_ROLLUP_CHAIN_ID", default_value_t = CHAIN_ID, value_parser = clap::value_parser!(u64).range(1..))]
    chain_id: u64,
    /// Gas limit of the rollup's blocks.
    #[arg(id = "l2-gas-limit", long = "l2-gas-limit", value_name = "UINT64", env = "ETHREX_L2_GAS_LIMIT", default_value_t = L2_GAS_LIMIT, value_parser = clap::value_parser!(u64).range(1..))]
    gas_limit: u64,
    /// Genesis file of the L1, whose fork times the rollup takes over. Default: that of `ethrex --dev --native-rollups`.
    #[arg(
        id = "genesis-l1-path",
        long = "genesis-l1-path",
        value_name = "PATH",
        env = "ETHREX_DEPLOYER_GENESIS_L1_PATH"
    )]
    l1_genesis: Option<PathBuf>,
}

impl NativeDeployArgs {
    /// What to deploy, for a deployer with this account.
    pub(crate) fn resolve(
        &self,
        deployer: Address,
        salt: B256,
    ) -> Result<NativeDeployConfig, ConfigError> {
        let l1 = match &self.l1_genesis {
            Some(path) => read_genesis("--genesis-l1-path", path)?,
            None => l1_genesis(),
        };
        let funded = [(self.relayer.unwrap_or(deployer), self.relayer_balance)];
        let genesis = l2_genesis(&l1, self.chain_id, self.gas_limit, &funded)?;
        Ok(NativeDeployConfig {
            l1_genesis: Some(ethrex_deploy::native::first_block(&l1)?),
            l2_genesis: genesis,
            salt,
            mode: self.mode.into(),
            sequencer: (!self.open).then(|| self.sequencer.unwrap_or(deployer)),
            times: NativeTimes {
                forced_delay: Duration::from_secs(self.forced_delay),
                sequencer_timeout: Duration::from_secs(self.sequencer_timeout),
                challenge_period: Duration::from_secs(self.finality_delay),
                ..NativeTimes::DOCUMENTED
            },
            bond: BOND,
            force_fee_per_byte: FORCE_FEE_PER_BYTE,
        })
    }
}

/// A native rollup's deployment, and where it is written down.
#[derive(Debug)]
pub(crate) struct NativeDeployment {
    pub(crate) endpoints: Vec<Url>,
    pub(crate) deployer: SigningKey,
    pub(crate) policy: Policy,
    pub(crate) config: NativeDeployConfig,
    pub(crate) genesis_file: PathBuf,
    pub(crate) env_file: PathBuf,
}

pub(crate) async fn deploy(deployment: NativeDeployment) -> eyre::Result<()> {
    let NativeDeployment { endpoints, deployer, policy, config, genesis_file, env_file } =
        deployment;
    // Without this file the contracts are of no use, so it is there before they are.
    let genesis = serde_json::to_vec_pretty(&config.l2_genesis)?;
    fs::write(&genesis_file, genesis)
        .wrap_err_with(|| format!("cannot write --genesis-l2-path {}", genesis_file.display()))?;
    let l1 = Client::connect(&endpoints)?;
    let deployed = deploy_native_once(&l1, deployer, policy, config).await?;
    deployed.env.write(&env_file)?;
    print(&deployed, &genesis_file, &env_file);
    Ok(())
}

fn print(deployed: &DeployedNative, genesis_file: &std::path::Path, env_file: &std::path::Path) {
    println!("L1 chain id        {}", deployed.l1_chain_id);
    println!("L2 chain id        {}", deployed.l2_genesis.config.chain_id);
    println!("NativeRollup       {}", deployed.contracts.rollup);
    println!("TokenBridge        {}", deployed.contracts.token_bridge);
    println!("L2 genesis block   {}", deployed.genesis_hash);
    println!("L2 genesis file    {}", genesis_file.display());
    println!("written to         {}", env_file.display());
    match deployed.created_at {
        Some(block) => println!("created in block   {block}"),
        None => println!("The contracts were there already; nothing was deployed."),
    }
}

#[cfg(test)]
mod tests;
