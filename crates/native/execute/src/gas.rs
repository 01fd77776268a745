//! What EXECUTE costs. Everything is known before the work it pays for begins.

/// Every envelope.
pub const BASE_GAS: u64 = 50_000;
/// Every byte of an envelope: decoding, hashing, indexing.
pub const BYTE_GAS: u64 = 8;
/// Every gas of `gas_bound`.
pub const EXEC_MUL: u64 = 1;
/// Every transaction given to DERIVE, or in an inclusion list: recovering its sender, and looking at it if it is dropped.
pub const DROP_GAS: u64 = 6_000;
/// Every blob bound by DATA: one KZG proof and the evaluation of 4,096 points.
pub const BLOB_GAS: u64 = 60_000;
/// Every byte of the PLAIN form, beside the gas limit of its block.
pub const PLAIN_BYTE_GAS: u64 = 16;

/// DATA: every decompressed byte, out of `gas_bound`.
pub const DATA_BYTE_GAS: u64 = 1;
/// DATA: every block, out of `gas_bound`.
pub const DATA_BLOCK_GAS: u64 = 500;
/// DATA: every transaction, out of `gas_bound`.
pub const DATA_TX_GAS: u64 = 200;

/// What every transaction of a valid block uses at least, and what recovering its sender is worth. More transactions than `gas_bound` covers at
/// this price are not looked at.
pub const MIN_TX_GAS: u64 = 3_000;
/// Longest input, in bytes. Memory gas keeps an ordinary call below it anyway.
pub const MAX_INPUT_LEN: usize = 1 << 20;
/// What one transaction may use in regular gas at most (EIP-7825), and so what is reserved before it runs.
pub const MAX_TX_GAS: u64 = 1 << 24;

/// What header and length of an envelope cost, before its body is looked at.
#[must_use]
pub const fn envelope(len: usize, gas_bound: u64) -> u64 {
    let bytes = (len as u64).saturating_mul(BYTE_GAS);
    BASE_GAS.saturating_add(bytes).saturating_add(gas_bound.saturating_mul(EXEC_MUL))
}

/// What a PLAIN input costs.
#[must_use]
pub const fn plain(len: usize, gas_limit: u64) -> u64 {
    gas_limit.saturating_add((len as u64).saturating_mul(PLAIN_BYTE_GAS))
}

/// What is reserved of the regular dimension before a transaction with this gas limit runs.
#[must_use]
pub const fn reserved(gas_limit: u64) -> u64 {
    if gas_limit < MAX_TX_GAS { gas_limit } else { MAX_TX_GAS }
}
