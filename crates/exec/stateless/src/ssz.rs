//! The SSZ containers of stateless validation: what a validator is given, and what it answers.
//!
//! `schema_id (2 bytes, big-endian) ‖ SSZ(StatelessInput)` as the text of EIP-8025 of 19 August 2026 has it, with public
//! keys. An earlier state of that text has none; both are told apart by the first offset, and [`StatelessInput::public_keys`]
//! is `None` for the latter. Decoding is strict: every byte belongs to exactly one field, so a value has one encoding. Byte
//! strings share the memory of the input, which keeps what a decoder allocates below eight times its length.
//!
//! Not here: whether the payload is a block ([`crate::block_of`]), whether the witness is canonical
//! ([`crate::Witness::decode_canonical`]).

pub mod codec;
mod decode;
mod encode;
mod peek;
mod roots;

use alloy_eips::eip4895::Withdrawal;
use alloy_primitives::{Address, B256, Bloom, Bytes, FixedBytes, U256};
use ethrex_types::Fork;

use crate::ExecutionWitness;

pub use codec::SszError;
pub use decode::decode_witness;
pub use encode::{encode_witness, witness_behind};
pub use peek::{PayloadGas, peek_gas, peek_gas_limit};

/// The schema of Amsterdam, revision 1.
pub const SCHEMA_AMSTERDAM: u16 = 0x1501;
/// Bytes of a schema id in front of an input.
pub const SCHEMA_BYTES: usize = 2;
/// Longest trie node of a witness, in bytes.
pub const MAX_NODE_BYTES: usize = 1 << 10;
/// Longest code of a witness, in bytes.
pub const MAX_CODE_BYTES: usize = 1 << 16;
/// Longest header of a witness, in bytes.
pub const MAX_HEADER_BYTES: usize = 1 << 10;
/// Headers of a witness at most.
pub const MAX_HEADERS: usize = 256;
/// Longest trie node where the input has no public keys, in bytes.
pub const MAX_NODE_BYTES_WITHOUT_KEYS: usize = 1 << 20;
/// Longest code where the input has no public keys, in bytes.
pub const MAX_CODE_BYTES_WITHOUT_KEYS: usize = 1 << 24;
/// Longest extra data of a payload, in bytes.
pub const MAX_EXTRA_DATA_BYTES: usize = 32;

/// An uncompressed secp256k1 public key, with its leading 4.
pub type PublicKey = FixedBytes<65>;

/// Everything a validator needs to judge one block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatelessInput {
    /// Fork and revision of the encoding.
    pub schema: u16,
    /// The block, as a consensus client hands it to an execution client.
    pub request: NewPayloadRequest,
    /// The part of the parent state that the block reads. Its list of keys is not encoded.
    pub witness: ExecutionWitness,
    /// The chain the block is on.
    pub chain_id: u64,
    /// The key that signed each transaction; `None` in the layout without them.
    pub public_keys: Option<Vec<PublicKey>>,
}

/// A block as a consensus client hands it to an execution client.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NewPayloadRequest {
    /// Header fields and body.
    pub payload: ExecutionPayload,
    /// The versioned hashes of all blobs, in order.
    pub versioned_hashes: Vec<B256>,
    /// Parent beacon block root (EIP-4788).
    pub parent_beacon_block_root: B256,
    /// What the execution layer asks of the consensus layer.
    pub requests: ExecutionRequests,
}

/// A block without what follows from its content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExecutionPayload {
    /// Hash of the parent block.
    pub parent_hash: B256,
    /// Receives the priority fees.
    pub fee_recipient: Address,
    /// State root after the block.
    pub state_root: B256,
    /// Root of the receipts.
    pub receipts_root: B256,
    /// Bloom filter of all logs.
    pub logs_bloom: Bloom,
    /// RANDAO mix.
    pub prev_randao: B256,
    /// Height.
    pub block_number: u64,
    /// Gas limit.
    pub gas_limit: u64,
    /// Gas used.
    pub gas_used: u64,
    /// Seconds since the epoch.
    pub timestamp: u64,
    /// Free text.
    pub extra_data: Bytes,
    /// Base fee in wei per gas.
    pub base_fee_per_gas: U256,
    /// Hash of the block.
    pub block_hash: B256,
    /// EIP-2718 transactions.
    pub transactions: Vec<Bytes>,
    /// Withdrawals.
    pub withdrawals: Vec<Withdrawal>,
    /// Blob gas used.
    pub blob_gas_used: u64,
    /// Excess blob gas.
    pub excess_blob_gas: u64,
    /// RLP of the block access list (EIP-7928).
    pub block_access_list: Bytes,
    /// Slot (EIP-7843).
    pub slot_number: u64,
}

/// Requests by kind; each is the concatenation of its items, the form of EIP-7685 without the type byte.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExecutionRequests {
    /// EIP-6110, items of 192 bytes.
    pub deposits: Bytes,
    /// EIP-7002, items of 76 bytes.
    pub withdrawals: Bytes,
    /// EIP-7251, items of 116 bytes.
    pub consolidations: Bytes,
    /// EIP-8282, items of 184 bytes.
    pub builder_deposits: Bytes,
    /// EIP-8282, items of 68 bytes.
    pub builder_exits: Bytes,
}

/// What a validator answers, in 43 bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StatelessValidationResult {
    /// Root of the request; zero where the input could not be decoded.
    pub request_root: B256,
    /// Whether the block is valid by this witness.
    pub successful: bool,
    /// The chain of the input.
    pub chain_id: u64,
    /// The schema of the input.
    pub schema: u16,
}

/// The schema in which blocks of a fork are validated; `None` where there is none.
#[must_use]
pub const fn schema_of(fork: Fork) -> Option<u16> {
    match fork {
        Fork::Amsterdam => Some(SCHEMA_AMSTERDAM),
        _ => None,
    }
}
