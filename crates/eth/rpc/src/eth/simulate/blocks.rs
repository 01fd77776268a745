//! Which blocks a simulation has, and the headers of these.

use alloy_primitives::{B256, U256};
use alloy_rpc_types_eth::{TransactionRequest, state::StateOverride};
use ethrex_stf::{next_base_fee, next_excess_blob_gas};
use ethrex_types::{ChainSpec, Fork, Header, SealedHeader, alloy_consensus::EMPTY_OMMER_ROOT_HASH};

use super::{BlockRequest, HeaderOverrides, MAX_BLOCKS};
use crate::{RpcError, error::SimulationRefused};

/// Seconds from one block to the next where nothing else is asked for.
const SLOT: u64 = 12;

/// A block to be simulated.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) number: u64,
    pub(super) time: u64,
    pub(super) overrides: HeaderOverrides,
    pub(super) state: StateOverride,
    pub(super) calls: Vec<TransactionRequest>,
}

/// The blocks asked for, and empty ones where numbers are left out.
pub(super) fn plan(
    base: &SealedHeader,
    requests: Vec<BlockRequest>,
) -> Result<Vec<Planned>, RpcError> {
    let (mut number, mut time) = (base.number, base.timestamp);
    let mut planned = Vec::new();
    for request in requests {
        let overrides = request.block_overrides.unwrap_or_default();
        let wanted = match overrides.header.number {
            Some(wanted) => u64::try_from(wanted).map_err(|_| SimulationRefused::TooManyBlocks)?,
            None => number.saturating_add(1),
        };
        if wanted <= number {
            return Err(SimulationRefused::NumberOrder { wanted, before: number }.into());
        }
        if wanted - base.number > MAX_BLOCKS {
            return Err(SimulationRefused::TooManyBlocks.into());
        }
        for gap in number + 1..wanted {
            time = next_time(time)?;
            planned.push(Planned {
                number: gap,
                time,
                overrides: HeaderOverrides::default(),
                state: StateOverride::default(),
                calls: Vec::new(),
            });
        }
        let before = time;
        time = match overrides.header.time {
            Some(wanted) if wanted <= before => {
                return Err(SimulationRefused::TimeOrder { wanted, before }.into());
            }
            Some(wanted) => wanted,
            None => next_time(before)?,
        };
        number = wanted;
        planned.push(Planned {
            number,
            time,
            overrides,
            state: request.state_overrides.unwrap_or_default(),
            calls: request.calls.unwrap_or_default(),
        });
    }
    Ok(planned)
}

fn next_time(time: u64) -> Result<u64, RpcError> {
    time.checked_add(SLOT).ok_or(RpcError::InvalidParams("block timestamp exceeds 64 bits"))
}

/// The header of a block as far as it is known before its calls run.
pub(super) fn header(
    spec: &ChainSpec,
    parent: &SealedHeader,
    planned: &Planned,
    validated: bool,
) -> Header {
    let wanted = &planned.overrides.header;
    let fork = spec.fork_at(planned.number, planned.time);
    // Without validation a call need not pay, so nothing is asked of it.
    let base_fee = match wanted.base_fee {
        Some(fee) => fee.saturating_to(),
        None if validated => following_base_fee(parent),
        None => 0,
    };
    Header {
        parent_hash: parent.hash(),
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        beneficiary: wanted.coinbase.unwrap_or(parent.beneficiary),
        difficulty: wanted.difficulty.unwrap_or(if fork >= Fork::Paris {
            U256::ZERO
        } else {
            parent.difficulty
        }),
        number: planned.number,
        gas_limit: wanted.gas_limit.unwrap_or(parent.gas_limit),
        timestamp: planned.time,
        mix_hash: wanted.random.unwrap_or_default(),
        base_fee_per_gas: (fork >= Fork::London).then_some(base_fee),
        excess_blob_gas: next_excess_blob_gas(spec, parent, planned.time),
        parent_beacon_block_root: (fork >= Fork::Cancun)
            .then(|| wanted.beacon_root.unwrap_or(B256::ZERO)),
        slot_number: (fork >= Fork::Amsterdam).then_some(0),
        ..Header::default()
    }
}

/// The base fee of the block after this one. What is above half of what a header can say was made up, and stays: it could not rise.
fn following_base_fee(parent: &Header) -> u64 {
    match parent.base_fee_per_gas {
        Some(fee) if fee > u64::MAX / 2 => fee,
        _ => next_base_fee(parent).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_base_fee_that_cannot_rise_stays() {
        let full = |fee| Header {
            gas_limit: 30_000_000,
            gas_used: 30_000_000,
            base_fee_per_gas: Some(fee),
            ..Header::default()
        };
        assert_eq!(following_base_fee(&full(80)), 90);
        assert_eq!(following_base_fee(&full(u64::MAX)), u64::MAX);
        assert!(following_base_fee(&full(u64::MAX / 2)) > u64::MAX / 2);
    }

    fn block(number: Option<u64>, time: Option<u64>) -> BlockRequest {
        let mut overrides = HeaderOverrides::default();
        overrides.header.number = number.map(U256::from);
        overrides.header.time = time;
        BlockRequest { block_overrides: Some(overrides), ..BlockRequest::default() }
    }

    fn planned(requests: Vec<BlockRequest>) -> Result<Vec<(u64, u64)>, String> {
        let base = Header { number: 10, timestamp: 100, ..Header::default() };
        let planned = plan(&SealedHeader::new(base), requests);
        let planned = planned.map_err(|error| error.to_string())?;
        Ok(planned.iter().map(|planned| (planned.number, planned.time)).collect())
    }

    #[test]
    fn blocks_follow_each_other_every_slot_and_gaps_are_filled() {
        let blocks = vec![block(None, None), block(Some(14), Some(200)), block(None, None)];
        let expected = vec![(11, 112), (12, 124), (13, 136), (14, 200), (15, 212)];
        assert_eq!(planned(blocks), Ok(expected));
    }

    #[test]
    fn numbers_and_times_must_rise() {
        let refused = |request| planned(vec![request]).unwrap_err();
        assert_eq!(refused(block(Some(10), None)), "block numbers must be in order: 10 <= 10");
        assert_eq!(
            refused(block(Some(12), Some(112))),
            "block timestamps must be in order: 112 <= 112"
        );
    }

    #[test]
    fn so_many_blocks_are_simulated_at_most() {
        assert_eq!(planned(vec![block(Some(266), None)]).unwrap().len(), 256);
        assert_eq!(planned(vec![block(Some(267), None)]).unwrap_err(), "too many blocks");
    }
}
