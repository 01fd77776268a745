//! The tables, and the keys of those whose keys have parts.

use alloy_primitives::B256;
use ethrex_trie::Nibbles;

use crate::storage::BlockRef;

/// A table of the database. A change to what any of them holds is a new [`SCHEMA_VERSION`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Table {
    /// A few single rows: which chain this is, where the base and the head are.
    Meta,
    /// Block hash → number.
    Numbers,
    /// Block → RLP header.
    Headers,
    /// Block → RLP body.
    Bodies,
    /// Block → hash and sender of each transaction.
    Transactions,
    /// Block → RLP receipts without blooms.
    Receipts,
    /// Number → hash of the canonical block.
    Canonical,
    /// Transaction hash → number of the canonical block and index in it.
    Lookup,
    /// Kind and shortened value, number of the canonical block → positions of its logs that have this value.
    LogIndex,
    /// Block → its layer, for blocks above the base.
    Layers,
    /// Block hash → execution witness.
    Witnesses,
    /// Block → RLP block access list (EIP-7928), from Amsterdam on.
    AccessLists,
    /// keccak256 of code → code.
    Codes,
    /// keccak256 of address → account, at the base.
    Accounts,
    /// keccak256 of address, keccak256 of slot → value, at the base.
    Slots,
    /// Path → node of the account trie, at the base.
    AccountNodes,
    /// keccak256 of address, path → node of a storage trie, at the base.
    StorageNodes,
    /// Base → the way back to the base before it.
    Undos,
    /// Number and index → blob.
    Blobs,
    /// Transaction hash → whatever the pool wants to find again.
    Journal,
}

/// Version of what the tables hold.
pub(crate) const SCHEMA_VERSION: u64 = 3;
/// The version without [`Table::LogIndex`], which is filled where it is found.
pub(crate) const SCHEMA_WITHOUT_LOG_INDEX: u64 = 2;

impl Table {
    pub(crate) const ALL: [Self; 20] = [
        Self::Meta,
        Self::Numbers,
        Self::Headers,
        Self::Bodies,
        Self::Transactions,
        Self::Receipts,
        Self::Canonical,
        Self::Lookup,
        Self::LogIndex,
        Self::Layers,
        Self::Witnesses,
        Self::AccessLists,
        Self::Codes,
        Self::Accounts,
        Self::Slots,
        Self::AccountNodes,
        Self::StorageNodes,
        Self::Undos,
        Self::Blobs,
        Self::Journal,
    ];

    /// The name on disk.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Numbers => "numbers",
            Self::Headers => "headers",
            Self::Bodies => "bodies",
            Self::Transactions => "transactions",
            Self::Receipts => "receipts",
            Self::Canonical => "canonical",
            Self::Lookup => "lookup",
            Self::LogIndex => "log_index",
            Self::Layers => "layers",
            Self::Witnesses => "witnesses",
            Self::AccessLists => "access_lists",
            Self::Codes => "codes",
            Self::Accounts => "accounts",
            Self::Slots => "slots",
            Self::AccountNodes => "account_nodes",
            Self::StorageNodes => "storage_nodes",
            Self::Undos => "undos",
            Self::Blobs => "blobs",
            Self::Journal => "journal",
        }
    }
}

/// Number, then hash: blocks of one height stand together, and heights in order.
pub(crate) fn block_key(block: BlockRef) -> [u8; 40] {
    let mut key = [0; 40];
    key[..8].copy_from_slice(&block.number.to_be_bytes());
    key[8..].copy_from_slice(block.hash.as_slice());
    key
}

/// The block a [`block_key`] names.
pub(crate) fn block_of_key(key: &[u8]) -> Option<BlockRef> {
    let (number, hash) = key.split_first_chunk::<8>()?;
    Some(BlockRef { number: u64::from_be_bytes(*number), hash: B256::try_from(hash).ok()? })
}

/// Owner and slot, both hashed.
pub(crate) fn slot_key(owner: B256, slot: B256) -> [u8; 64] {
    let mut key = [0; 64];
    key[..32].copy_from_slice(owner.as_slice());
    key[32..].copy_from_slice(slot.as_slice());
    key
}

/// The path, packed, and its length in nibbles, which tells apart paths that pack alike.
pub(crate) fn node_key(owner: Option<B256>, path: &Nibbles) -> Vec<u8> {
    let mut key = Vec::with_capacity(66);
    if let Some(owner) = owner {
        key.extend_from_slice(owner.as_slice());
    }
    key.extend_from_slice(&path.pack());
    key.push(u8::try_from(path.len()).expect("a path has at most 64 nibbles"));
    key
}

/// Number and position of a blob.
pub(crate) fn blob_key(number: u64, index: u32) -> [u8; 12] {
    let mut key = [0; 12];
    key[..8].copy_from_slice(&number.to_be_bytes());
    key[8..].copy_from_slice(&index.to_be_bytes());
    key
}
