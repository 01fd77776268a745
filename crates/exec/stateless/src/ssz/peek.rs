//! Looking into an input before anything is paid for: constant work, whatever the bytes.

use crate::ssz::{
    SCHEMA_BYTES, codec,
    decode::{GAS_LIMIT, GAS_USED, INPUT, PAYLOAD, REQUEST},
};

/// Gas as the payload of an input states it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadGas {
    /// Gas limit.
    pub limit: u64,
    /// Gas used.
    pub used: u64,
}

/// The gas limit that the payload of `schema_id ‖ SSZ(StatelessInput)` states, through three offsets; `None` where they
/// point nowhere. The rest of the input may still turn out undecodable.
#[must_use]
pub fn peek_gas_limit(input: &[u8]) -> Option<u64> {
    peek_gas(input).map(|gas| gas.limit)
}

/// The same for the gas limit and the gas used.
#[must_use]
pub fn peek_gas(input: &[u8]) -> Option<PayloadGas> {
    // Both layouts begin alike.
    let request = codec::peek(input.get(SCHEMA_BYTES..)?, &INPUT, 0)?;
    let payload = codec::peek(request, &REQUEST, 0)?;
    let number = |index| codec::uint64(codec::peek(payload, &PAYLOAD, index)?);
    Some(PayloadGas { limit: number(GAS_LIMIT)?, used: number(GAS_USED)? })
}
