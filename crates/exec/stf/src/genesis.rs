//! Whether blocks can follow a genesis.

use alloy_primitives::Address;
use ethrex_types::{ChainSpec, Fork, system};

use crate::header::MINIMUM_GAS_LIMIT;

/// Timestamps and amounts of blob gas above this leave too little room for the blocks that follow.
const HIGHEST_START: u64 = i64::MAX as u64;

/// Why no valid block can follow a genesis. Named as in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UnusableGenesis {
    /// The chain would not begin at its genesis.
    #[error("genesis: number must be 0, is {0}")]
    Number(u64),
    /// Every block after it would break the lower bound.
    #[error("genesis: gasLimit {0} is below {MINIMUM_GAS_LIMIT}")]
    GasLimit(u64),
    /// No later timestamp is left.
    #[error("genesis: timestamp {0} is too far in the future")]
    Timestamp(u64),
    /// It does not fit into a header.
    #[error("genesis: baseFeePerGas {0} exceeds 64 bits")]
    BaseFee(u128),
    /// It would overflow.
    #[error("genesis: excessBlobGas {0} is too high")]
    ExcessBlobGas(u64),
    /// The first blocks would need proof of work.
    #[error(
        "genesis config: the chain must be merged from block 0; set terminalTotalDifficulty to 0"
    )]
    NotMerged,
    /// A contract that closes every block is not there.
    #[error("genesis alloc: system contract {address} has no code, which {fork:?} needs")]
    SystemContract {
        /// Where it must be.
        address: Address,
        /// The fork that needs it.
        fork: Fork,
    },
}

/// Checks that blocks can be built on the genesis of a chain: as [`check_start`], and it is merged from the start.
///
/// # Errors
/// The first thing that makes it impossible.
pub fn check_genesis(spec: &ChainSpec) -> Result<(), UnusableGenesis> {
    check_start(spec)?;
    match spec.terminal_total_difficulty() {
        Some(total) if total.is_zero() => Ok(()),
        _ => Err(UnusableGenesis::NotMerged),
    }
}

/// Checks that blocks can follow the genesis of a chain, which may begin under proof of work.
///
/// # Errors
/// The first thing that makes it impossible.
pub fn check_start(spec: &ChainSpec) -> Result<(), UnusableGenesis> {
    let genesis = spec.genesis();
    if let Some(number) = genesis.number.filter(|number| *number != 0) {
        return Err(UnusableGenesis::Number(number));
    }
    if genesis.gas_limit < MINIMUM_GAS_LIMIT {
        return Err(UnusableGenesis::GasLimit(genesis.gas_limit));
    }
    if genesis.timestamp > HIGHEST_START {
        return Err(UnusableGenesis::Timestamp(genesis.timestamp));
    }
    if let Some(fee) = genesis.base_fee_per_gas.filter(|fee| *fee > u64::MAX.into()) {
        return Err(UnusableGenesis::BaseFee(fee));
    }
    if let Some(excess) = genesis.excess_blob_gas.filter(|excess| *excess > HIGHEST_START) {
        return Err(UnusableGenesis::ExcessBlobGas(excess));
    }
    let fork = spec.fork_at(0, genesis.timestamp);
    for contract in system::contracts(fork).filter(|contract| contract.requests) {
        let code = genesis.alloc.get(&contract.address).and_then(|account| account.code.as_ref());
        if code.is_none_or(|code| code.is_empty()) {
            let (address, fork) = (contract.address, contract.since);
            return Err(UnusableGenesis::SystemContract { address, fork });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use alloy_primitives::U256;
    use ethrex_types::Genesis;

    use super::*;

    fn genesis() -> Genesis {
        let mut genesis = Genesis { gas_limit: 30_000_000, ..Genesis::default() };
        let config = &mut genesis.config;
        config.chain_id = 9;
        config.london_block = Some(0);
        config.terminal_total_difficulty = Some(U256::ZERO);
        config.shanghai_time = Some(0);
        config.cancun_time = Some(0);
        config.prague_time = Some(0);
        system::install(&mut genesis, Fork::Amsterdam);
        genesis
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut Genesis), result: Result<(), UnusableGenesis>) {
        let mut genesis = genesis();
        change(&mut genesis);
        assert_eq!(check_genesis(&ChainSpec::new(genesis).unwrap()), result);
    }

    #[test]
    fn a_genesis_on_which_blocks_can_stand_is_taken() {
        check(|_| {}, Ok(()));
        check(|genesis| genesis.gas_limit = MINIMUM_GAS_LIMIT, Ok(()));
    }

    #[test]
    fn a_genesis_that_no_block_can_follow_is_refused() {
        use UnusableGenesis::*;
        check(|genesis| genesis.number = Some(1), Err(Number(1)));
        check(|genesis| genesis.gas_limit = 4_999, Err(GasLimit(4_999)));
        check(|genesis| genesis.timestamp = u64::MAX, Err(Timestamp(u64::MAX)));
        check(|genesis| genesis.base_fee_per_gas = Some(u128::MAX), Err(BaseFee(u128::MAX)));
        check(|genesis| genesis.excess_blob_gas = Some(u64::MAX), Err(ExcessBlobGas(u64::MAX)));
        let at_amsterdam = |genesis: &mut Genesis| {
            genesis.config.osaka_time = Some(0);
            genesis.config.amsterdam_time = Some(0);
        };
        check(at_amsterdam, Ok(()));
        for contract in system::CONTRACTS.iter().filter(|contract| contract.requests) {
            let (address, fork) = (contract.address, contract.since);
            let remove = |genesis: &mut Genesis| {
                at_amsterdam(genesis);
                genesis.alloc.remove(&address);
            };
            check(remove, Err(SystemContract { address, fork }));
        }
        check(
            |genesis| {
                genesis.config.terminal_total_difficulty = None;
                genesis.config.shanghai_time = None;
                genesis.config.cancun_time = None;
                genesis.config.prague_time = None;
            },
            Err(NotMerged),
        );
    }
}
