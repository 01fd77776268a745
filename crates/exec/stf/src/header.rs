//! Checks of a header against its parent: everything that needs neither the body nor the state.

use alloy_eips::{eip1559::BaseFeeParams, eip4844::DATA_GAS_PER_BLOB};
use alloy_primitives::B64;
use ethrex_types::{
    ChainSpec, Fork, Header, SealedHeader,
    alloy_consensus::{EMPTY_OMMER_ROOT_HASH, constants::MAXIMUM_EXTRA_DATA_SIZE},
};

use crate::InvalidBlock;

/// A gas limit moves by less than the parent's divided by this (yellow paper, equation 45).
pub const GAS_LIMIT_BOUND_DIVISOR: u64 = 1024;
/// Lowest gas limit a block may have.
pub const MINIMUM_GAS_LIMIT: u64 = 5_000;

/// Checks a post-merge header against its parent (EIP-3675, EIP-1559, EIP-4844, EIP-4895, EIP-4788, EIP-7685).
///
/// # Errors
/// The first rule it breaks.
pub fn check_header(
    spec: &ChainSpec,
    header: &Header,
    parent: &SealedHeader,
) -> Result<(), InvalidBlock> {
    check_link(header, parent)?;
    check_limits(header, parent)?;
    check_proof_of_stake(header)?;
    check_base_fee(header, parent)?;
    check_fork_fields(spec, header)?;
    check_blob_gas(spec, header, parent)
}

/// The base fee of the block after `parent` (EIP-1559), in wei per gas.
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

fn check_limits(header: &Header, parent: &Header) -> Result<(), InvalidBlock> {
    let bound = parent.gas_limit / GAS_LIMIT_BOUND_DIVISOR;
    if header.gas_limit.abs_diff(parent.gas_limit) >= bound || header.gas_limit < MINIMUM_GAS_LIMIT
    {
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

fn check_base_fee(header: &Header, parent: &Header) -> Result<(), InvalidBlock> {
    let got = header.base_fee_per_gas.ok_or(InvalidBlock::MissingField("base fee"))?;
    let want = next_base_fee(parent).ok_or(InvalidBlock::MissingField("base fee of the parent"))?;
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
