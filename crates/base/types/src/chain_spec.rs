//! Which rules hold at which height and time: the fork schedule of one chain.

use std::{collections::BTreeSet, sync::Arc};

use alloy_consensus::{EMPTY_OMMER_ROOT_HASH, constants::EMPTY_WITHDRAWALS};
use alloy_eips::{
    eip1559::INITIAL_BASE_FEE, eip7685::EMPTY_REQUESTS_HASH, eip7892::BlobScheduleBlobParams,
    eip7928::constants::EMPTY_BLOCK_ACCESS_LIST_HASH,
};
use alloy_genesis::{ChainConfig, Genesis};
use alloy_hardforks::{EthereumHardforks, ForkCondition};
use alloy_primitives::{Address, B256, U256, keccak256};

use crate::{AccountDiff, AccountInfo, Header, StateDiff};

pub use alloy_eip2124::{ForkHash, ForkId};
pub use alloy_eips::eip7840::BlobParams;
/// A hard fork of Ethereum, oldest first.
pub use alloy_hardforks::EthereumHardfork as Fork;

/// One chain: its genesis and its fork schedule. Cheap to clone.
#[derive(Debug, Clone)]
pub struct ChainSpec {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    genesis: Genesis,
    blobs: BlobScheduleBlobParams,
}

/// What is wrong with a genesis file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GenesisError {
    /// A later fork is scheduled before an earlier one.
    #[error("genesis config: {later:?} is scheduled before {earlier:?}")]
    ForkOrder {
        /// The fork that must come first.
        earlier: Fork,
        /// The fork that came too early.
        later: Fork,
    },
    /// The chain id is zero.
    #[error("genesis config: chainId must not be 0")]
    NoChainId,
    /// The two halves of Spurious Dragon are scheduled apart, as on no chain they are.
    #[error("genesis config: eip155Block and eip158Block differ")]
    SpuriousDragon,
    /// The blob parameters from a fork on are such that no blob fee can be computed.
    #[error(
        "genesis config: blobSchedule from {0:?} on: want 1 <= max <= {MAX_BLOBS}, target <= max, baseFeeUpdateFraction >= 1"
    )]
    BlobSchedule(Fork),
}

/// Blobs per block at most: far more than a network can carry, and far too few for blob gas to overflow.
pub const MAX_BLOBS: u64 = 1 << 16;

/// The forks activated by timestamp, in order.
pub(crate) const TIMED: [Fork; 10] = [
    Fork::Shanghai,
    Fork::Cancun,
    Fork::Prague,
    Fork::Osaka,
    Fork::Bpo1,
    Fork::Bpo2,
    Fork::Bpo3,
    Fork::Bpo4,
    Fork::Bpo5,
    Fork::Amsterdam,
];

/// The forks activated by block number, in order.
const BY_BLOCK: [Fork; 12] = [
    Fork::Homestead,
    Fork::Tangerine,
    Fork::SpuriousDragon,
    Fork::Byzantium,
    Fork::Constantinople,
    Fork::Petersburg,
    Fork::Istanbul,
    Fork::MuirGlacier,
    Fork::Berlin,
    Fork::London,
    Fork::ArrowGlacier,
    Fork::GrayGlacier,
];

impl ChainSpec {
    /// Checks a genesis file and makes it a chain.
    ///
    /// # Errors
    /// If the chain id is zero, the timestamp forks are out of order, or blob parameters make no sense.
    pub fn new(genesis: Genesis) -> Result<Self, GenesisError> {
        if genesis.config.chain_id == 0 {
            return Err(GenesisError::NoChainId);
        }
        let blobs = blob_schedule(&genesis.config);
        let spec = Self { inner: Arc::new(Inner { genesis, blobs }) };
        let requires = [
            (Fork::Shanghai, Fork::Cancun),
            (Fork::Cancun, Fork::Prague),
            (Fork::Prague, Fork::Osaka),
            (Fork::Osaka, Fork::Amsterdam),
        ];
        if let (Some(replay), Some(clearing)) =
            (spec.config().eip155_block, spec.config().eip158_block)
            && replay != clearing
        {
            return Err(GenesisError::SpuriousDragon);
        }
        spec.check_block_forks()?;
        for (earlier, later) in requires {
            let time = |fork| spec.ethereum_fork_activation(fork).as_timestamp();
            if time(later).is_some_and(|later| time(earlier).is_none_or(|earlier| earlier > later))
            {
                return Err(GenesisError::ForkOrder { earlier, later });
            }
        }
        // Parameters change at forks only.
        for fork in TIMED {
            let since = spec.ethereum_fork_activation(fork).as_timestamp();
            if let Some(params) = since.and_then(|since| spec.blob_params_at(since))
                && !is_usable(&params)
            {
                return Err(GenesisError::BlobSchedule(fork));
            }
        }
        Ok(spec)
    }

    fn config(&self) -> &ChainConfig {
        &self.inner.genesis.config
    }

    /// Forks by block number must not come before their predecessors. What a file leaves out between two others is theirs.
    fn check_block_forks(&self) -> Result<(), GenesisError> {
        let scheduled =
            BY_BLOCK.into_iter().filter_map(|fork| match self.ethereum_fork_activation(fork) {
                ForkCondition::Block(block) => Some((fork, block)),
                _ => None,
            });
        let scheduled: Vec<_> = scheduled.collect();
        match scheduled.windows(2).find(|pair| pair[0].1 > pair[1].1) {
            Some(pair) => Err(GenesisError::ForkOrder { earlier: pair[0].0, later: pair[1].0 }),
            None => Ok(()),
        }
    }

    /// The chain id (EIP-155).
    #[must_use]
    pub fn chain_id(&self) -> u64 {
        self.inner.genesis.config.chain_id
    }

    /// The genesis file this chain was made from.
    #[must_use]
    pub fn genesis(&self) -> &Genesis {
        &self.inner.genesis
    }

    /// The newest fork active at this height and time.
    #[must_use]
    pub fn fork_at(&self, number: u64, timestamp: u64) -> Fork {
        if let Some(fork) = TIMED
            .into_iter()
            .rev()
            .find(|fork| self.ethereum_fork_activation(*fork).active_at_timestamp(timestamp))
        {
            return fork;
        }
        let by_block = BY_BLOCK.into_iter().chain([Fork::Paris]);
        by_block
            .rev()
            .find(|fork| self.ethereum_fork_activation(*fork).active_at_block(number))
            .unwrap_or(Fork::Frontier)
    }

    /// Whether a block with this header is under proof of stake (EIP-3675).
    ///
    /// On a chain with a terminal total difficulty the header says it, by having no difficulty of its own: whether it may is for
    /// whoever knows the difficulty before it to check.
    #[must_use]
    pub fn is_merged(&self, header: &Header) -> bool {
        match self.terminal_total_difficulty() {
            None => false,
            Some(total) => total.is_zero() || header.difficulty.is_zero(),
        }
    }

    /// The total difficulty with which proof of work ends; zero where it never began, `None` where it never ends.
    #[must_use]
    pub fn terminal_total_difficulty(&self) -> Option<U256> {
        self.inner.genesis.config.terminal_total_difficulty
    }

    /// The block of the DAO fork, and whether this chain is the side that moves the funds (EIP-779).
    #[must_use]
    pub fn dao_fork(&self) -> Option<(u64, bool)> {
        let config = &self.inner.genesis.config;
        config.dao_fork_block.map(|block| (block, config.dao_fork_support))
    }

    /// What a node of this chain calls its rules at this height and time (EIP-2124, EIP-6122): a checksum of the genesis and the
    /// forks so far, and the next fork that is scheduled.
    #[must_use]
    pub fn fork_id(&self, genesis_hash: B256, number: u64, timestamp: u64) -> ForkId {
        let (blocks, times) = self.fork_points();
        let mut hash = ForkHash::from(genesis_hash);
        let points = blocks
            .iter()
            .map(|block| (*block, number))
            .chain(times.iter().map(|time| (*time, timestamp)));
        for (point, at) in points {
            if at < point {
                return ForkId { hash, next: point };
            }
            hash += point;
        }
        ForkId { hash, next: 0 }
    }

    /// The heights, then the times, at which rules change after the genesis; each once, in order.
    #[must_use]
    pub fn fork_points(&self) -> (BTreeSet<u64>, BTreeSet<u64>) {
        let config = self.config();
        let blocks = [
            config.homestead_block,
            config.dao_fork_block,
            config.eip150_block,
            config.eip155_block,
            config.eip158_block,
            config.byzantium_block,
            config.constantinople_block,
            config.petersburg_block,
            config.istanbul_block,
            config.muir_glacier_block,
            config.berlin_block,
            config.london_block,
            config.arrow_glacier_block,
            config.gray_glacier_block,
            config.merge_netsplit_block,
        ];
        let since = self.genesis().timestamp;
        let times =
            TIMED.iter().filter_map(|fork| self.ethereum_fork_activation(*fork).as_timestamp());
        (
            blocks.into_iter().flatten().filter(|block| *block > 0).collect(),
            times.filter(|time| *time > since).collect(),
        )
    }

    /// Blob parameters at this time (EIP-7840, EIP-7892); `None` before Cancun.
    #[must_use]
    pub fn blob_params_at(&self, timestamp: u64) -> Option<BlobParams> {
        let blobs = &self.inner.blobs;
        if let Some(params) = blobs.active_scheduled_params_at_timestamp(timestamp) {
            return Some(*params);
        }
        if self.is_osaka_active_at_timestamp(timestamp) {
            Some(*blobs.osaka())
        } else if self.is_prague_active_at_timestamp(timestamp) {
            Some(*blobs.prague())
        } else if self.is_cancun_active_at_timestamp(timestamp) {
            Some(*blobs.cancun())
        } else {
            None
        }
    }

    /// The deposit contract whose logs become EIP-6110 requests, where the chain has one.
    #[must_use]
    pub fn deposit_contract(&self) -> Option<Address> {
        self.inner.genesis.config.deposit_contract_address
    }

    /// The state of the genesis block, as changes to the empty state.
    #[must_use]
    pub fn genesis_diff(&self) -> StateDiff {
        let mut diff = StateDiff::default();
        for (address, account) in &self.inner.genesis.alloc {
            let mut info = AccountInfo {
                nonce: account.nonce.unwrap_or_default(),
                balance: account.balance,
                ..AccountInfo::default()
            };
            if let Some(code) = account.code.as_ref().filter(|code| !code.is_empty()) {
                info.code_hash = keccak256(code);
                diff.codes.insert(info.code_hash, code.clone());
            }
            let storage = account
                .storage
                .iter()
                .flatten()
                .map(|(slot, value)| (*slot, U256::from_be_bytes(value.0)))
                .filter(|(_, value)| !value.is_zero())
                .collect();
            diff.accounts.insert(*address, AccountDiff { info: Some(info), wiped: false, storage });
        }
        diff
    }

    /// The genesis header over a state root that the caller has computed from [`Self::genesis_diff`].
    #[must_use]
    pub fn genesis_header(&self, state_root: B256) -> Header {
        let genesis = &self.inner.genesis;
        let (number, time) = (genesis.number.unwrap_or_default(), genesis.timestamp);
        let fork = self.fork_at(number, time);
        let from = |activation: Fork| fork >= activation;
        let base_fee = genesis
            .base_fee_per_gas
            .map_or(INITIAL_BASE_FEE, |fee| u64::try_from(fee).unwrap_or(u64::MAX));
        Header {
            parent_hash: genesis.parent_hash.unwrap_or_default(),
            ommers_hash: EMPTY_OMMER_ROOT_HASH,
            beneficiary: genesis.coinbase,
            state_root,
            difficulty: genesis.difficulty,
            number,
            gas_limit: genesis.gas_limit,
            timestamp: time,
            extra_data: genesis.extra_data.clone(),
            mix_hash: genesis.mix_hash,
            nonce: genesis.nonce.to_be_bytes().into(),
            base_fee_per_gas: from(Fork::London).then_some(base_fee),
            withdrawals_root: from(Fork::Shanghai).then_some(EMPTY_WITHDRAWALS),
            parent_beacon_block_root: from(Fork::Cancun).then_some(B256::ZERO),
            blob_gas_used: from(Fork::Cancun).then(|| genesis.blob_gas_used.unwrap_or_default()),
            excess_blob_gas: from(Fork::Cancun)
                .then(|| genesis.excess_blob_gas.unwrap_or_default()),
            requests_hash: from(Fork::Prague).then_some(EMPTY_REQUESTS_HASH),
            block_access_list_hash: from(Fork::Amsterdam).then_some(EMPTY_BLOCK_ACCESS_LIST_HASH),
            slot_number: from(Fork::Amsterdam).then(|| genesis.slot_number.unwrap_or_default()),
            ..Header::default()
        }
    }
}

impl EthereumHardforks for ChainSpec {
    fn ethereum_fork_activation(&self, fork: Fork) -> ForkCondition {
        let config = &self.inner.genesis.config;
        let at_block =
            |block: Option<u64>| block.map_or(ForkCondition::Never, ForkCondition::Block);
        let at_time =
            |time: Option<u64>| time.map_or(ForkCondition::Never, ForkCondition::Timestamp);
        match fork {
            Fork::Frontier => ForkCondition::Block(0),
            Fork::Homestead => at_block(config.homestead_block),
            Fork::Dao => at_block(config.dao_fork_block),
            Fork::Tangerine => at_block(config.eip150_block),
            Fork::SpuriousDragon => at_block(config.eip158_block.or(config.eip155_block)),
            Fork::Byzantium => at_block(config.byzantium_block),
            Fork::Constantinople => at_block(config.constantinople_block),
            // Where a file leaves it out, Constantinople begins without EIP-1283, as geth has it.
            Fork::Petersburg => at_block(config.petersburg_block.or(config.constantinople_block)),
            Fork::Istanbul => at_block(config.istanbul_block),
            Fork::MuirGlacier => at_block(config.muir_glacier_block),
            Fork::Berlin => at_block(config.berlin_block),
            Fork::London => at_block(config.london_block),
            Fork::ArrowGlacier => at_block(config.arrow_glacier_block),
            Fork::GrayGlacier => at_block(config.gray_glacier_block),
            Fork::Paris => paris(config),
            Fork::Shanghai => at_time(config.shanghai_time),
            Fork::Cancun => at_time(config.cancun_time),
            Fork::Prague => at_time(config.prague_time),
            Fork::Osaka => at_time(config.osaka_time),
            Fork::Bpo1 => at_time(config.bpo1_time),
            Fork::Bpo2 => at_time(config.bpo2_time),
            Fork::Bpo3 => at_time(config.bpo3_time),
            Fork::Bpo4 => at_time(config.bpo4_time),
            Fork::Bpo5 => at_time(config.bpo5_time),
            Fork::Amsterdam => at_time(config.amsterdam_time),
            _ => ForkCondition::Never,
        }
    }
}

/// The blob parameters of a configuration. Its keys are names of forks, and files spell Amsterdam's in lower case.
fn blob_schedule(config: &ChainConfig) -> BlobScheduleBlobParams {
    let Some(params) = config.blob_schedule.get("amsterdam") else {
        return config.blob_schedule_blob_params();
    };
    let mut config = config.clone();
    config.blob_schedule.insert("Amsterdam".into(), *params);
    config.blob_schedule_blob_params()
}

/// Whether blob fees can be computed with these parameters: EIP-7918 divides by the maximum, EIP-4844 by the fraction.
fn is_usable(params: &BlobParams) -> bool {
    (1..=MAX_BLOBS).contains(&params.max_blob_count)
        && params.target_blob_count <= params.max_blob_count
        && params.update_fraction > 0
}

/// The merge: from the start where the terminal difficulty is zero, where it happened on a public network, or by block where
/// the config names one; else no one knows the height beforehand.
fn paris(config: &ChainConfig) -> ForkCondition {
    let Some(total_difficulty) = config.terminal_total_difficulty else {
        return ForkCondition::Never;
    };
    let happened = MERGED.iter().find(|(chain_id, terminal, _)| {
        *chain_id == config.chain_id && *terminal == total_difficulty
    });
    let block = match (happened, config.merge_netsplit_block) {
        _ if total_difficulty.is_zero() => Some(0),
        (Some((_, _, block)), _) => Some(*block),
        (None, netsplit) => netsplit,
    };
    match block {
        Some(block) => ForkCondition::TTD {
            activation_block_number: block,
            fork_block: config.merge_netsplit_block,
            total_difficulty,
        },
        None => ForkCondition::Never,
    }
}

/// Public networks that began under proof of work: chain id, terminal total difficulty, and the first block without it.
const MERGED: [(u64, U256, u64); 2] = [
    (1, U256::from_limbs([0xd808_a128_d738_0000, 0xc70, 0, 0]), 15_537_394),
    (11_155_111, U256::from_limbs([17_000_000_000_000_000, 0, 0, 0]), 1_450_409),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(config: serde_json::Value) -> Result<ChainSpec, GenesisError> {
        let config = serde_json::from_value(config).unwrap();
        ChainSpec::new(Genesis { config, ..Genesis::default() })
    }

    fn timed() -> ChainSpec {
        spec(serde_json::json!({
            "chainId": 7, "terminalTotalDifficulty": 0, "terminalTotalDifficultyPassed": true,
            "londonBlock": 0, "shanghaiTime": 0, "cancunTime": 10, "pragueTime": 20, "osakaTime": 30, "bpo1Time": 40,
            "blobSchedule": { "bpo1": { "target": 10, "max": 15, "baseFeeUpdateFraction": 8_346_193 } },
        }))
        .unwrap()
    }

    #[test]
    fn a_fork_is_active_from_its_second_on() {
        for (time, fork) in [
            (0, Fork::Shanghai),
            (9, Fork::Shanghai),
            (10, Fork::Cancun),
            (20, Fork::Prague),
            (39, Fork::Osaka),
            (40, Fork::Bpo1),
            (u64::MAX, Fork::Bpo1),
        ] {
            assert_eq!(timed().fork_at(1, time), fork, "at {time}");
        }
    }

    #[test]
    fn blob_parameters_follow_the_forks() {
        let max = |time| timed().blob_params_at(time).map(|params| params.max_blob_count);
        assert_eq!(
            [max(9), max(10), max(20), max(30), max(40)],
            [None, Some(6), Some(9), Some(9), Some(15)]
        );
    }

    #[test]
    fn a_chain_without_an_id_or_with_forks_out_of_order_is_refused() {
        assert_eq!(spec(serde_json::json!({ "chainId": 0 })).unwrap_err(), GenesisError::NoChainId);
        let late = serde_json::json!({ "chainId": 1, "shanghaiTime": 0, "cancunTime": 9, "pragueTime": 5 });
        assert_eq!(
            spec(late).unwrap_err(),
            GenesisError::ForkOrder { earlier: Fork::Cancun, later: Fork::Prague }
        );
        let skipped = serde_json::json!({ "chainId": 1, "shanghaiTime": 0, "pragueTime": 5 });
        assert!(spec(skipped).is_err());
    }

    #[test]
    fn blob_parameters_that_allow_no_fee_are_refused() {
        let with = |target: u64, max: u64, fraction: u64| {
            spec(serde_json::json!({
                "chainId": 7, "shanghaiTime": 0, "cancunTime": 0, "pragueTime": 0, "osakaTime": 5,
                "blobSchedule": {
                    "osaka": { "target": target, "max": max, "baseFeeUpdateFraction": fraction },
                },
            }))
        };
        assert!(with(6, 9, 5_007_716).is_ok());
        assert!(with(9, 9, 1).is_ok());
        for (target, max, fraction) in [(0, 0, 1), (10, 9, 1), (6, 9, 0), (6, u64::MAX, 1)] {
            let refused = with(target, max, fraction).unwrap_err();
            assert_eq!(
                refused,
                GenesisError::BlobSchedule(Fork::Osaka),
                "{target} {max} {fraction}"
            );
        }
    }

    #[test]
    fn amsterdam_follows_osaka_and_may_have_blob_parameters() {
        let with = |osaka: Option<u64>, key: &str| {
            spec(serde_json::json!({
                "chainId": 7, "shanghaiTime": 0, "cancunTime": 0, "pragueTime": 0, "osakaTime": osaka, "amsterdamTime": 9,
                "blobSchedule": { key: { "target": 14, "max": 21, "baseFeeUpdateFraction": 11_684_671 } },
            }))
        };
        let order = GenesisError::ForkOrder { earlier: Fork::Osaka, later: Fork::Amsterdam };
        assert_eq!(with(None, "amsterdam").unwrap_err(), order);
        assert_eq!(with(Some(10), "amsterdam").unwrap_err(), order);
        for key in ["amsterdam", "Amsterdam"] {
            let chain = with(Some(3), key).unwrap();
            let max = |time| chain.blob_params_at(time).map(|params| params.max_blob_count);
            assert_eq!((max(8), max(9)), (Some(9), Some(21)), "{key}");
            assert_eq!((chain.fork_at(1, 8), chain.fork_at(1, 9)), (Fork::Osaka, Fork::Amsterdam));
        }
    }

    #[test]
    fn a_genesis_at_amsterdam_has_an_empty_access_list_and_a_slot() {
        let mut genesis = timed().genesis().clone();
        genesis.config.amsterdam_time = Some(40);
        genesis.timestamp = 40;
        let header = ChainSpec::new(genesis.clone()).unwrap().genesis_header(B256::ZERO);
        assert_eq!(header.block_access_list_hash, Some(keccak256([0xc0])));
        assert_eq!(header.slot_number, Some(0));
        genesis.slot_number = Some(5);
        let header = ChainSpec::new(genesis).unwrap().genesis_header(B256::ZERO);
        assert_eq!(header.slot_number, Some(5));
    }

    #[test]
    fn the_genesis_header_has_the_fields_of_its_fork() {
        let header = timed().genesis_header(B256::ZERO);
        assert!(header.withdrawals_root.is_some() && header.blob_gas_used.is_none());
        assert_eq!(header.base_fee_per_gas, Some(INITIAL_BASE_FEE));
    }
}
