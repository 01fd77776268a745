//! The contracts of a native rollup: what they are told, and how they get to L1.
//!
//! `NativeRollup` and `TokenBridge` come through the deterministic deployer too, one after the other. Nothing initialises them
//! later and nobody owns them, so their addresses commit to everything they were told, but for the ether that the rollup is
//! created with: that is checked afterwards.
//!
//! Not here: the genesis of the rollup, which a deployment is given, and who settles it.

use std::time::Duration;

use alloy_primitives::{Address, B256, U256, address};
use ethrex_trie::state_root_of;
use ethrex_types::{ChainSpec, Fork, Genesis, chain_spec::GenesisError, system};

use crate::{
    config::embedded_l1_genesis,
    env_file::EnvFile,
    error::{DeployError, Role},
};

mod deploy;
mod genesis;

pub use deploy::{deploy_native, deploy_native_once};
pub use genesis::{BRIDGED_TOKEN, L1_ANCHOR, NativeGenesisError, TOKEN_FACTORY, l2_genesis};

/// The bindings of what a deployment tells the contracts and asks them.
mod bindings {
    alloy_sol_types::sol! {
        /// Whether blocks are verified before they count, or only when somebody disputes them.
        #[derive(Debug, PartialEq, Eq)]
        enum Mode { INLINE, OPTIMISTIC }

        /// Everything a rollup is told, for ever.
        #[derive(Debug, PartialEq, Eq)]
        struct Config {
            uint64 chainId;
            uint8 level;
            uint64 gasLimit;
            bytes32 genesisHash;
            bytes32 genesisStateRoot;
            uint64 genesisTimestamp;
            Mode mode;
            address sequencer;
            uint64 forcedDelay;
            uint64 sequencerTimeout;
            uint64 challengePeriod;
            uint256 bond;
            uint256 forceFeePerByte;
            uint64 maxTimestampLag;
            uint64 minBlockTime;
        }

        /// The newest block that counts.
        #[derive(Debug, PartialEq, Eq)]
        struct Head {
            bytes32 hash;
            bytes32 stateRoot;
            uint64 number;
            uint64 timestamp;
            uint64 position;
            uint64 index;
            uint64 forced;
        }

        contract NativeRollup {
            constructor(Config config) payable;
            function config() external view returns (Config);
            function escrow() external view returns (uint256);
            function head() external view returns (Head);
        }

        contract TokenBridge {
            constructor(address rollup);
            function rollup() external view returns (address);
        }
    }
}

/// The predeploy that holds all ether that is not in use on the rollup.
pub const MESSENGER: Address = address!("4e52000000000000000000000000000000000002");
/// All ether of a native rollup, in use or not: 2^100 − 1 wei.
pub const PREMINT: U256 = U256::from_limbs([u64::MAX, (1 << 36) - 1, 0, 0]);

/// How blocks come to count on L1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NativeMode {
    /// L1 executes every block.
    Inline,
    /// L1 executes a block only when somebody disputes it.
    Optimistic,
}

impl From<NativeMode> for bindings::Mode {
    fn from(mode: NativeMode) -> Self {
        match mode {
            NativeMode::Inline => Self::INLINE,
            NativeMode::Optimistic => Self::OPTIMISTIC,
        }
    }
}

/// The waiting times of a rollup; whole seconds count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NativeTimes {
    /// After this time a message or a forced transaction must be included.
    pub forced_delay: Duration,
    /// After this time without progress anybody may post.
    pub sequencer_timeout: Duration,
    /// How long a proposal may be disputed.
    pub challenge_period: Duration,
    /// How far the time of a block may lie behind that of L1.
    pub max_timestamp_lag: Duration,
    /// Least time between two blocks. L1 must be able to execute one block in this time, whatever is in it.
    pub min_block_time: Duration,
}

impl NativeTimes {
    /// For a chain of value.
    pub const DOCUMENTED: Self = Self {
        forced_delay: Duration::from_secs(600),
        sequencer_timeout: Duration::from_secs(7_200),
        challenge_period: Duration::from_secs(86_400),
        max_timestamp_lag: Duration::from_secs(3_600),
        min_block_time: Duration::from_secs(1),
    };
    /// For a development chain: nobody wants to wait.
    pub const DEVELOPMENT: Self = Self {
        forced_delay: Duration::from_secs(10),
        sequencer_timeout: Duration::from_secs(30),
        challenge_period: Duration::from_secs(30),
        ..Self::DOCUMENTED
    };
}

/// What a proposer risks: one ether.
pub const BOND: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);
/// What a forced transaction pays for each of its bytes: ten gwei.
pub const FORCE_FEE_PER_BYTE: U256 = U256::from_limbs([10_000_000_000, 0, 0, 0]);

/// What to deploy for a native rollup.
#[derive(Debug, Clone)]
pub struct NativeDeployConfig {
    /// The first block of the L1 whose fork schedule the genesis copies; `None` = not checked.
    pub l1_genesis: Option<B256>,
    /// Genesis of the rollup. The contract is told its hash and its state root.
    pub l2_genesis: Genesis,
    /// Moves all addresses. Zero gives the same ones for the same terms.
    pub salt: B256,
    /// How blocks come to count.
    pub mode: NativeMode,
    /// Who may post while it makes progress; `None` = everybody, always.
    pub sequencer: Option<Address>,
    /// Waiting times.
    pub times: NativeTimes,
    /// What a proposer risks, in wei.
    pub bond: U256,
    /// What a forced transaction pays for each of its bytes, in wei.
    pub force_fee_per_byte: U256,
}

/// Where the contracts of a native rollup are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NativeContracts {
    /// `NativeRollup`.
    pub rollup: Address,
    /// `TokenBridge`.
    pub token_bridge: Address,
}

/// A deployment that stands.
#[derive(Debug, Clone)]
pub struct DeployedNative {
    /// Where the contracts are.
    pub contracts: NativeContracts,
    /// Chain id of the L1 they are on.
    pub l1_chain_id: u64,
    /// Genesis of the rollup.
    pub l2_genesis: Genesis,
    /// Hash of its first block.
    pub genesis_hash: B256,
    /// The L1 block this run has created the rollup in; `None` = it was there.
    pub created_at: Option<u64>,
    /// The addresses as environment variables.
    pub env: EnvFile,
}

impl NativeDeployConfig {
    /// A development rollup, whose sequencer has a public key.
    #[must_use]
    pub fn dev(l2_genesis: Genesis, mode: NativeMode, sequencer: Address) -> Self {
        Self {
            l1_genesis: None,
            l2_genesis,
            salt: B256::ZERO,
            mode,
            sequencer: Some(sequencer),
            times: NativeTimes::DEVELOPMENT,
            bond: BOND,
            force_fee_per_byte: FORCE_FEE_PER_BYTE,
        }
    }

    /// What the rollup will be told.
    fn terms(&self) -> Result<Terms, DeployError> {
        let spec = ChainSpec::new(self.l2_genesis.clone())?;
        let state_root = state_root_of(&spec.genesis_diff()).root;
        let header = spec.genesis_header(state_root);
        if self.sequencer.is_some_and(|account| account.is_zero()) {
            return Err(DeployError::NoAccount { role: Role::NativeSequencer });
        }
        let given = self.funded().map(|(_, wei)| wei).fold(U256::ZERO, U256::saturating_add);
        let held = self.l2_genesis.alloc.get(&MESSENGER).map_or(U256::ZERO, |m| m.balance);
        if given.checked_add(held) != Some(PREMINT) {
            return Err(DeployError::NotPreminted { given, held });
        }
        let config = bindings::Config {
            chainId: spec.chain_id(),
            level: level(spec.chain_id()),
            gasLimit: header.gas_limit,
            genesisHash: header.hash_slow(),
            genesisStateRoot: state_root,
            genesisTimestamp: header.timestamp,
            mode: self.mode.into(),
            sequencer: self.sequencer.unwrap_or_default(),
            forcedDelay: self.times.forced_delay.as_secs(),
            sequencerTimeout: self.times.sequencer_timeout.as_secs(),
            challengePeriod: self.times.challenge_period.as_secs(),
            bond: self.bond,
            forceFeePerByte: self.force_fee_per_byte,
            maxTimestampLag: self.times.max_timestamp_lag.as_secs(),
            minBlockTime: self.times.min_block_time.as_secs(),
        };
        Ok(Terms { config, escrow: given })
    }

    /// Accounts that have ether from the genesis. L1 must hold as much.
    fn funded(&self) -> impl Iterator<Item = (Address, U256)> {
        let accounts = self.l2_genesis.alloc.iter().filter(|(address, _)| **address != MESSENGER);
        accounts.map(|(address, a)| (*address, a.balance)).filter(|(_, wei)| !wei.is_zero())
    }

    fn roles(&self) -> impl Iterator<Item = (Role, Address)> {
        let sequencer = self.sequencer.map(|account| (Role::NativeSequencer, account));
        sequencer.into_iter().chain(self.funded().map(|(account, _)| (Role::Funded, account)))
    }
}

/// How deep a chain with this id lies above L1, as EXECUTE reads it.
fn level(chain_id: u64) -> u8 {
    u8::try_from((chain_id >> 40) & 0xff).map_or(u8::MAX, |deeper| deeper.saturating_add(1))
}

/// What the rollup is told, and the ether it is created with.
#[derive(Debug)]
struct Terms {
    config: bindings::Config,
    escrow: U256,
}

/// Gas limit of the development L1: room for one settlement beside everything else.
const L1_GAS_LIMIT: u64 = 100_000_000;

/// The development L1 that can verify native rollups: that of [`embedded_l1_genesis`] at Amsterdam, with EXECUTE.
#[must_use]
pub fn l1_genesis() -> Genesis {
    let mut genesis = embedded_l1_genesis();
    genesis.gas_limit = L1_GAS_LIMIT;
    genesis.config.amsterdam_time = Some(0);
    genesis.config.extra_fields.insert("executeTime".into(), 0.into());
    system::install(&mut genesis, Fork::Amsterdam);
    genesis
}

/// Hash of the first block of a chain.
///
/// # Errors
/// If its genesis is none.
pub fn first_block(genesis: &Genesis) -> Result<B256, GenesisError> {
    let spec = ChainSpec::new(genesis.clone())?;
    Ok(spec.genesis_header(state_root_of(&spec.genesis_diff()).root).hash_slow())
}

#[cfg(test)]
mod tests {
    use ethrex_types::GenesisAccount;

    use super::*;
    use crate::dev;

    /// A rollup whose messenger holds all but what one account has.
    fn config() -> NativeDeployConfig {
        let mut genesis = l1_genesis();
        genesis.config.chain_id = 80_790_001;
        genesis.alloc.values_mut().for_each(|account| account.balance = U256::ZERO);
        let funded = |wei| GenesisAccount { balance: wei, ..GenesisAccount::default() };
        genesis.alloc.insert(dev::RICH[4].address, funded(U256::from(7)));
        genesis.alloc.insert(MESSENGER, funded(PREMINT - U256::from(7)));
        NativeDeployConfig::dev(genesis, NativeMode::Optimistic, dev::DEPLOYER.address)
    }

    #[test]
    fn all_ether_there_is() {
        assert_eq!(PREMINT, (U256::from(1) << 100) - U256::from(1));
        assert_eq!(BOND, U256::from(10).pow(U256::from(18)));
        assert_eq!(FORCE_FEE_PER_BYTE, U256::from(10).pow(U256::from(10)));
    }

    #[test]
    fn the_rollup_is_told_what_follows_from_its_genesis() {
        let config = config();
        let Terms { config: told, escrow } = config.terms().unwrap();
        assert_eq!(escrow, U256::from(7));
        assert_eq!((told.chainId, told.level), (80_790_001, 1));
        assert_eq!(told.gasLimit, config.l2_genesis.gas_limit);
        assert_eq!(told.genesisHash, first_block(&config.l2_genesis).unwrap());
        assert_eq!(told.genesisTimestamp, config.l2_genesis.timestamp);
        assert_eq!(told.mode, bindings::Mode::OPTIMISTIC);
        assert_eq!(told.sequencer, dev::DEPLOYER.address);
        assert_eq!((told.forcedDelay, told.sequencerTimeout, told.challengePeriod), (10, 30, 30));
        assert_eq!((told.maxTimestampLag, told.minBlockTime), (3_600, 1));
        let open = NativeDeployConfig { sequencer: None, ..config };
        assert_eq!(open.terms().unwrap().config.sequencer, Address::ZERO);
    }

    #[test]
    fn ether_from_nowhere_is_refused() {
        let mut config = config();
        let rich = config.l2_genesis.alloc.get_mut(&dev::RICH[4].address).unwrap();
        rich.balance = U256::from(8);
        assert!(matches!(config.terms(), Err(DeployError::NotPreminted { .. })));
        config.l2_genesis.alloc.remove(&MESSENGER);
        assert!(matches!(config.terms(), Err(DeployError::NotPreminted { .. })));
    }

    #[test]
    fn public_keys_have_roles() {
        let roles: Vec<_> = config().roles().collect();
        assert_eq!(
            roles,
            [(Role::NativeSequencer, dev::DEPLOYER.address), (Role::Funded, dev::RICH[4].address)]
        );
    }

    #[test]
    fn the_level_is_in_the_chain_id() {
        assert_eq!(level(80_790_001), 1);
        assert_eq!(level(1 << 40), 2);
        assert_eq!(level(0xfe << 40), 255);
        assert_eq!(level((0xff << 40) | 1), 255, "no such level exists, and no contract takes it");
    }

    #[test]
    fn the_development_l1_verifies_rollups() {
        let genesis = l1_genesis();
        let spec = ChainSpec::new(genesis.clone()).unwrap();
        assert_eq!(spec.fork_at(0, genesis.timestamp), Fork::Amsterdam);
        assert_eq!(genesis.config.extra_fields["executeTime"], 0);
        ethrex_stf::check_genesis(&spec).unwrap();
    }
}
