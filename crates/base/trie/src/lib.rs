#![doc = include_str!("../README.md")]

mod commit;
mod node;
mod proof;
mod source;
mod state;
mod trie;

pub use alloy_trie::EMPTY_ROOT_HASH as EMPTY_ROOT;
pub use commit::NodeChanges;
pub use node::is_canonical_node;
pub use nybbles::Nibbles;
pub use proof::{ProofError, prove, read_value, verify_proof};
pub use source::{HashedNodes, NodeSource, Recorder};
pub use state::{
    StateUpdate, StorageChanges, TrieUpdates, read_account, read_slot, state_root_of, update_state,
};
pub use trie::Trie;
