//! `ethrex l2 deploy`: puts the contracts of a rollup on L1 and writes down where they are.

use std::{path::PathBuf, time::Duration};

use alloy_primitives::{Address, B256};
use clap::Args;
use ethrex_deploy::{
    DeployConfig, PROGRAM_VERSION, commit_hash, deploy_once, deposit_rich, dev,
    embedded_l2_genesis, keys::read_keys,
};
use ethrex_l1::{Client, Policy, SigningKey};
use ethrex_node::config::Secret;
use url::Url;

use crate::{
    cli::{account, endpoint, key, read_genesis, secret},
    error::ConfigError,
    l2::{FeeCapArgs, missing},
    native::{self, NativeDeployArgs, NativeDeployment},
};

#[derive(Debug, Args)]
pub(crate) struct DeployArgs {
    /// RPC URLs of L1, tried in order.
    #[arg(id = "eth-rpc-url", long = "eth-rpc-url", value_name = "RPC_URL", env = "ETHREX_ETH_RPC_URL", required = true, num_args = 1.., value_delimiter = ',', value_parser = endpoint, help_heading = "Eth options")]
    urls: Vec<Url>,
    #[command(flatten)]
    caps: FeeCapArgs,
    /// Private key of a funded account that signs the deployment.
    #[arg(id = "private-key", long = "private-key", value_name = "PRIVATE_KEY", env = "ETHREX_DEPLOYER_L1_PRIVATE_KEY", hide_env_values = true, required = true, value_parser = secret, help_heading = "Deployer options")]
    key: Secret,
    /// Governance and security council of the Timelock, which owns OnChainProposer.
    #[arg(id = "on-chain-proposer-owner", long = "on-chain-proposer-owner", value_name = "ADDRESS", env = "ETHREX_ON_CHAIN_PROPOSER_OWNER", required_unless_present = "native-rollups", value_parser = account, help_heading = "Deployer options")]
    owner: Option<Address>,
    /// Owner of CommonBridge.
    #[arg(id = "bridge-owner", long = "bridge-owner", value_name = "ADDRESS", env = "ETHREX_BRIDGE_OWNER", required_unless_present = "native-rollups", value_parser = account, help_heading = "Deployer options")]
    bridge_owner: Option<Address>,
    /// The account that commits batches. The default has a public key and is refused on public networks.
    #[arg(id = "committer.l1-address", long = "committer.l1-address", value_name = "ADDRESS", env = "ETHREX_DEPLOYER_COMMITTER_L1_ADDRESS", default_value_t = dev::DEPLOYER.address, value_parser = account, help_heading = "Deployer options")]
    committer: Address,
    /// The account that sends proofs. The default has a public key and is refused on public networks.
    #[arg(id = "proof-sender.l1-address", long = "proof-sender.l1-address", value_name = "ADDRESS", env = "ETHREX_DEPLOYER_PROOF_SENDER_L1_ADDRESS", default_value_t = dev::PROOF_SENDER.address, value_parser = account, help_heading = "Deployer options")]
    proof_sender: Address,
    /// Genesis file of the L2. Default: the built-in one with chain id 65536999. With --native-rollups the file it is written
    /// to, by default l2-genesis.json.
    #[arg(
        id = "genesis-l2-path",
        long = "genesis-l2-path",
        value_name = "PATH",
        env = "ETHREX_DEPLOYER_GENESIS_L2_PATH",
        help_heading = "Deployer options"
    )]
    genesis: Option<PathBuf>,
    /// Time within which a privileged transaction must be included, in seconds.
    #[arg(id = "inclusion-max-wait", long = "inclusion-max-wait", value_name = "UINT64", env = "ETHREX_DEPLOYER_INCLUSION_MAX_WAIT", default_value_t = DeployConfig::INCLUSION_MAX_WAIT.as_secs(), value_parser = clap::value_parser!(u64).range(1..), help_heading = "Deployer options")]
    inclusion_max_wait: u64,
    /// Deploy at new addresses even if the same deployment exists.
    #[arg(
        id = "randomize-contract-deployment",
        long = "randomize-contract-deployment",
        env = "ETHREX_DEPLOYER_RANDOMIZE_CONTRACT_DEPLOYMENT",
        help_heading = "Deployer options"
    )]
    randomize: bool,
    /// Deposit half of the L1 balance of each rich account.
    #[arg(
        id = "deposit-rich",
        long = "deposit-rich",
        env = "ETHREX_DEPLOYER_DEPOSIT_RICH",
        help_heading = "Deployer options"
    )]
    deposit_rich: bool,
    /// File with the private keys of the rich accounts, one in hex per line. Default: the ten built-in accounts.
    #[arg(
        id = "private-keys-file-path",
        long = "private-keys-file-path",
        value_name = "PATH",
        env = "ETHREX_DEPLOYER_PRIVATE_KEYS_FILE_PATH",
        help_heading = "Deployer options"
    )]
    keys_file: Option<PathBuf>,
    /// File that the addresses are written to as environment variables. What else is in it stays.
    #[arg(
        id = "env-file-path",
        long = "env-file-path",
        value_name = "PATH",
        env = "ETHREX_ENV_FILE_PATH",
        default_value = ".env",
        help_heading = "Deployer options"
    )]
    env_file: PathBuf,
    #[command(flatten)]
    native: NativeDeployArgs,
}

/// What `ethrex l2 deploy` deploys.
#[derive(Debug)]
pub(crate) enum Deployment {
    /// A validity rollup.
    Validity(Box<ValidityDeployment>),
    /// A native rollup.
    Native(Box<NativeDeployment>),
}

/// A deployment, and what follows it.
#[derive(Debug)]
pub(crate) struct ValidityDeployment {
    endpoints: Vec<Url>,
    deployer: SigningKey,
    policy: Policy,
    config: DeployConfig,
    rich: Vec<SigningKey>,
    env_file: PathBuf,
}

impl TryFrom<DeployArgs> for Deployment {
    type Error = ConfigError;

    fn try_from(args: DeployArgs) -> Result<Self, ConfigError> {
        if args.native.enabled {
            args.native().map(|deployment| Self::Native(Box::new(deployment)))
        } else {
            args.validity().map(|deployment| Self::Validity(Box::new(deployment)))
        }
    }
}

impl DeployArgs {
    fn native(self) -> Result<NativeDeployment, ConfigError> {
        if self.deposit_rich {
            return Err(ConfigError::NotWithNative {
                flag: "--deposit-rich",
                env: "ETHREX_DEPLOYER_DEPOSIT_RICH",
            });
        }
        let deployer = key("--private-key", &self.key)?;
        let config = self.native.resolve(deployer.address(), self.salt())?;
        Ok(NativeDeployment {
            policy: self.caps.apply(&Policy::documented()),
            genesis_file: self.genesis.unwrap_or_else(|| native::GENESIS_FILE.into()),
            endpoints: self.urls,
            env_file: self.env_file,
            deployer,
            config,
        })
    }

    fn salt(&self) -> B256 {
        if self.randomize { B256::random() } else { B256::ZERO }
    }

    fn validity(self) -> Result<ValidityDeployment, ConfigError> {
        let args = self;
        let l2_genesis = match &args.genesis {
            Some(path) => read_genesis("--genesis-l2-path", path)?,
            None => embedded_l2_genesis(),
        };
        let owner = args.owner.ok_or_else(|| {
            missing("--on-chain-proposer-owner", "ETHREX_ON_CHAIN_PROPOSER_OWNER")
        })?;
        let bridge_owner =
            args.bridge_owner.ok_or_else(|| missing("--bridge-owner", "ETHREX_BRIDGE_OWNER"))?;
        Ok(ValidityDeployment {
            deployer: key("--private-key", &args.key)?,
            policy: args.caps.apply(&Policy::documented()),
            rich: args.rich()?,
            config: DeployConfig {
                l1_chain_id: None,
                l2_genesis,
                salt: args.salt(),
                sequencers: vec![args.committer, args.proof_sender],
                owner,
                bridge_owner,
                inclusion_max_wait: Duration::from_secs(args.inclusion_max_wait),
                commit_hash: program_commit_hash(),
                deposits: Vec::new(),
            },
            endpoints: args.urls,
            env_file: args.env_file,
        })
    }

    fn rich(&self) -> Result<Vec<SigningKey>, ConfigError> {
        match &self.keys_file {
            Some(_) if !self.deposit_rich => Err(ConfigError::KeysWithoutDeposit),
            None if !self.deposit_rich => Ok(Vec::new()),
            Some(path) => read_keys(path)
                .map_err(|source| ConfigError::KeyFile { path: path.clone(), source }),
            None => dev::RICH
                .iter()
                .map(|rich| key("--deposit-rich", &Secret::new(rich.private_key.into())))
                .collect(),
        }
    }
}

/// The hash by which the contracts know the program that this binary proves batches with.
pub(crate) fn program_commit_hash() -> B256 {
    commit_hash(PROGRAM_VERSION)
}

pub(crate) async fn run(deployment: Deployment) -> eyre::Result<()> {
    match deployment {
        Deployment::Validity(deployment) => run_validity(*deployment).await,
        Deployment::Native(deployment) => native::deploy(*deployment).await,
    }
}

async fn run_validity(deployment: ValidityDeployment) -> eyre::Result<()> {
    let ValidityDeployment { endpoints, deployer, policy, config, rich, env_file } = deployment;
    let l1 = Client::connect(&endpoints)?;
    let deployed = deploy_once(&l1, deployer, policy.clone(), config).await?;
    deployed.env.write(&env_file)?;
    let contracts = deployed.contracts;
    println!("L1 chain id        {}", deployed.l1_chain_id);
    println!("L2 chain id        {}", deployed.terms.l2_chain_id);
    println!("OnChainProposer    {}", contracts.on_chain_proposer);
    println!("CommonBridge       {}", contracts.bridge);
    println!("Timelock           {}", contracts.timelock);
    println!("L2 genesis root    {}", deployed.terms.genesis_state_root);
    println!("written to         {}", env_file.display());
    println!("This deployment requires no proof: it trusts its committer and proof sender.");
    if !deployed.created {
        println!("The contracts were there already; nothing was deployed.");
    }
    if !rich.is_empty() {
        let made = deposit_rich(&l1, rich, &policy, contracts.bridge).await?;
        println!("{made} accounts have deposited half of what they had.");
    }
    Ok(())
}
