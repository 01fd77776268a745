//! Checks of a header against its parent: everything that needs neither the body nor the state.

use alloy_eips::{
    eip1559::{BaseFeeParams, DEFAULT_ELASTICITY_MULTIPLIER, INITIAL_BASE_FEE},
    eip4844::DATA_GAS_PER_BLOB,
};
use alloy_primitives::B64;
use ethrex_types::{
    ChainSpec, Fork, Header, SealedHeader,
    alloy_consensus::{EMPTY_OMMER_ROOT_HASH, constants::MAXIMUM_EXTRA_DATA_SIZE},
};

use crate::{InvalidBlock, next_difficulty};

/// A gas limit moves by less than the parent's divided by this (yellow paper, equation 45).
pub const GAS_LIMIT_BOUND_DIVISOR: u64 = 1024;
/// Lowest gas limit a block may have.
pub const MINIMUM_GAS_LIMIT: u64 = 5_000;
/// Highest gas limit a block may have, which only a genesis comes near.
const MAXIMUM_GAS_LIMIT: u64 = i64::MAX as u64;

/// Extra data of the first blocks after the DAO fork, on the side that moved the funds (EIP-779).
const DAO_EXTRA_DATA: &[u8] = b"dao-hard-fork";
/// How many blocks have it.
const DAO_BLOCKS: u64 = 10;

/// Checks a header against its parent (EIP-3675, EIP-1559, EIP-4844, EIP-4895, EIP-4788, EIP-7685).
///
/// Under proof of work the difficulty is checked and the seal is not: what is before the merge is known by its hash. Whether
/// proof of work has ended is for [`crate::check_terminal`].
///
/// # Errors
/// The first rule it breaks.
pub fn check_header(
    spec: &ChainSpec,
    header: &Header,
    parent: &SealedHeader,
) -> Result<(), InvalidBlock> {
    check_link(header, parent)?;
    check_limits(spec, header, parent)?;
    if spec.is_merged(header) {
        check_proof_of_stake(header)?;
    } else {
        check_proof_of_work(spec, header, parent)?;
    }
    check_base_fee(spec, header, parent)?;
    check_fork_fields(spec, header)?;
    check_blob_gas(spec, header, parent)
}

/// The base fee of the block after `parent` (EIP-1559), in wei per gas; `None` where the parent has none. The first block of
/// London has [`INITIAL_BASE_FEE`].
#[must_use]
pub fn next_base_fee(parent: &Header) -> Option<u64> {
    parent.next_block_base_fee(BaseFeeParams::ethereum())
}

/// The excess blob gas of the block after `parent` at `timestamp` (EIP-4844, EIP-7691, EIP-7918); `None` before Cancun.
#[must_use]
pub fn next_excess_blob_gas(spec: &ChainSpec, parent: &Header, timestamp: u64) -> Option<u64> {
    let params = spec.blob_params_at(timestamp)?;
    // The first block of Cancun has a parent without blob fields: its excess starts at zero.
    Some(parent.next_block_excess_blob_gas(params).unwrap_or_default())
}

fn check_link(header: &Header, parent: &SealedHeader) -> Result<(), InvalidBlock> {
    if header.parent_hash != parent.hash() {
        return Err(InvalidBlock::ParentHash { got: header.parent_hash, want: parent.hash() });
    }
    let want = parent.number.saturating_add(1);
    if header.number != want {
        return Err(InvalidBlock::Number { got: header.number, want });
    }
    if header.timestamp <= parent.timestamp {
        return Err(InvalidBlock::Timestamp { got: header.timestamp, parent: parent.timestamp });
    }
    Ok(())
}

fn check_limits(spec: &ChainSpec, header: &Header, parent: &Header) -> Result<(), InvalidBlock> {
    // EIP-1559: the limit that was a target becomes one, at the first block of London.
    let limit = if is_first_of_london(spec, header) {
        parent.gas_limit.saturating_mul(DEFAULT_ELASTICITY_MULTIPLIER)
    } else {
        parent.gas_limit
    };
    let bound = limit / GAS_LIMIT_BOUND_DIVISOR;
    let allowed = MINIMUM_GAS_LIMIT..=MAXIMUM_GAS_LIMIT;
    if header.gas_limit.abs_diff(limit) >= bound || !allowed.contains(&header.gas_limit) {
        return Err(InvalidBlock::GasLimit { got: header.gas_limit, parent: parent.gas_limit });
    }
    if header.gas_used > header.gas_limit {
        return Err(InvalidBlock::GasUsedAboveLimit {
            used: header.gas_used,
            limit: header.gas_limit,
        });
    }
    if header.extra_data.len() > MAXIMUM_EXTRA_DATA_SIZE {
        return Err(InvalidBlock::ExtraData(header.extra_data.len()));
    }
    Ok(())
}

fn check_proof_of_stake(header: &Header) -> Result<(), InvalidBlock> {
    if !header.difficulty.is_zero() {
        return Err(InvalidBlock::Difficulty(header.difficulty));
    }
    if header.nonce != B64::ZERO {
        return Err(InvalidBlock::ProofOfStake("nonce"));
    }
    if header.ommers_hash != EMPTY_OMMER_ROOT_HASH {
        return Err(InvalidBlock::ProofOfStake("ommers hash"));
    }
    Ok(())
}

/// Difficulty, the end of proof of work and what the DAO fork wrote into headers.
fn check_proof_of_work(
    spec: &ChainSpec,
    header: &Header,
    parent: &Header,
) -> Result<(), InvalidBlock> {
    // No fork by time is older than proof of stake.
    if spec.is_merged(parent) || spec.fork_at(header.number, header.timestamp) >= Fork::Shanghai {
        return Err(InvalidBlock::Difficulty(header.difficulty));
    }
    let (got, want) = (header.difficulty, next_difficulty(spec, parent, header.timestamp));
    if got != want {
        return Err(InvalidBlock::WorkDifficulty { got, want });
    }
    let Some((fork, moved)) = spec.dao_fork() else { return Ok(()) };
    let has = header.extra_data.as_ref() == DAO_EXTRA_DATA;
    match header.number.checked_sub(fork) {
        Some(0..DAO_BLOCKS) if has != moved => Err(InvalidBlock::DaoExtraData),
        _ => Ok(()),
    }
}

/// Whether a block is the first with a base fee, on a chain that did not begin with one.
fn is_first_of_london(spec: &ChainSpec, header: &Header) -> bool {
    let has_base_fee = |number| spec.fork_at(number, 0) >= Fork::London;
    has_base_fee(header.number) && header.number.checked_sub(1).is_some_and(|n| !has_base_fee(n))
}

fn check_base_fee(spec: &ChainSpec, header: &Header, parent: &Header) -> Result<(), InvalidBlock> {
    if spec.fork_at(header.number, header.timestamp) < Fork::London {
        return match header.base_fee_per_gas {
            Some(_) => Err(InvalidBlock::UnexpectedField("base fee")),
            None => Ok(()),
        };
    }
    let got = header.base_fee_per_gas.ok_or(InvalidBlock::MissingField("base fee"))?;
    let want = if is_first_of_london(spec, header) {
        INITIAL_BASE_FEE
    } else {
        next_base_fee(parent).ok_or(InvalidBlock::MissingField("base fee of the parent"))?
    };
    if got != want {
        return Err(InvalidBlock::BaseFee { got, want });
    }
    Ok(())
}

fn check_fork_fields(spec: &ChainSpec, header: &Header) -> Result<(), InvalidBlock> {
    let fork = spec.fork_at(header.number, header.timestamp);
    let fields = [
        ("withdrawals root", Fork::Shanghai, header.withdrawals_root.is_some()),
        ("parent beacon block root", Fork::Cancun, header.parent_beacon_block_root.is_some()),
        ("blob gas used", Fork::Cancun, header.blob_gas_used.is_some()),
        ("excess blob gas", Fork::Cancun, header.excess_blob_gas.is_some()),
        ("requests hash", Fork::Prague, header.requests_hash.is_some()),
        ("block access list hash", Fork::Amsterdam, header.block_access_list_hash.is_some()),
        ("slot number", Fork::Amsterdam, header.slot_number.is_some()),
    ];
    for (name, since, present) in fields {
        match (fork >= since, present) {
            (true, false) => return Err(InvalidBlock::MissingField(name)),
            (false, true) => return Err(InvalidBlock::UnexpectedField(name)),
            _ => {}
        }
    }
    Ok(())
}

fn check_blob_gas(spec: &ChainSpec, header: &Header, parent: &Header) -> Result<(), InvalidBlock> {
    let Some(params) = spec.blob_params_at(header.timestamp) else { return Ok(()) };
    let got = header.blob_gas_used.unwrap_or_default();
    let max = params.max_blob_gas_per_block();
    if got > max || !got.is_multiple_of(DATA_GAS_PER_BLOB) {
        return Err(InvalidBlock::BlobGasUsedBounds { got, max });
    }
    let got = header.excess_blob_gas.unwrap_or_default();
    let want = next_excess_blob_gas(spec, parent, header.timestamp).unwrap_or_default();
    if got != want {
        return Err(InvalidBlock::ExcessBlobGas { got, want });
    }
    Ok(())
}
