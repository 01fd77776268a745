#![doc = include_str!("../README.md")]

mod commit;
mod keccak;
mod linked;
mod node;
mod paths;
mod proof;
mod running;
mod source;
mod state;
#[cfg(feature = "testing")]
pub mod testing;
mod trie;

pub use alloy_trie::EMPTY_ROOT_HASH as EMPTY_ROOT;
pub use commit::NodeChanges;
pub use keccak::hash_all;
pub use linked::LinkedNodes;
pub use node::is_canonical_node;
pub use nybbles::Nibbles;
pub use proof::{ProofError, prove, read_value, verify_proof};
pub use running::RunningTries;
pub use source::{HashedNodes, NodeSource, Recorder};
pub use state::{
    Reads, StateTries, StateUpdate, StorageChanges, TrieUpdates, read_account, read_slot,
    state_root_of, update_state,
};
pub use trie::Trie;
