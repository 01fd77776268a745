//! Reading state, and what a block changes in it.

use std::{collections::BTreeMap, error::Error, sync::Arc};

use alloy_primitives::{Address, B256, Bytes, U256};

use crate::AccountInfo;

/// The state after one block, as execution reads it.
///
/// Absence is an answer (`None`, zero); an error is always a fault of the reader, never a verdict on what is executed.
pub trait StateReader: Send + Sync {
    /// The account at `address`, or `None` where the trie has no leaf for it.
    fn account(&self, address: Address) -> Result<Option<AccountInfo>, StateError>;
    /// The value of storage slot `slot` of `address`; zero where unset.
    fn storage(&self, address: Address, slot: B256) -> Result<U256, StateError>;
    /// The code whose keccak256 is `hash`.
    fn code(&self, hash: B256) -> Result<Option<Bytes>, StateError>;
    /// The hash of the ancestor block with this number, for `BLOCKHASH`.
    fn block_hash(&self, number: u64) -> Result<Option<B256>, StateError>;
    /// Whether the account at `address` has any storage: then nothing may be created there (EIP-7610).
    fn has_storage(&self, address: Address) -> Result<bool, StateError>;
    /// Fails once nobody waits any more for what is computed from this state. Asked now and then by long computations, those too that
    /// read nothing.
    fn check_wanted(&self) -> Result<(), StateError> {
        Ok(())
    }
    /// Follows the root from this state on, change by change; `None` where the reader cannot compute roots.
    ///
    /// Only blocks from before Byzantium ask for it: their receipts name the root after each transaction.
    fn running_root(&self) -> Option<Box<dyn RunningRoot + '_>> {
        None
    }
}

/// A state root that is kept up with changes made one after the other.
pub trait RunningRoot {
    /// Applies what changed since the last call, and gives the root now.
    ///
    /// # Errors
    /// If the state cannot be read.
    fn apply(&mut self, diff: &StateDiff) -> Result<B256, StateError>;
}

/// Why a read of state could not be answered.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StateError {
    /// A witness does not contain what was asked; a complete one would.
    #[error("witness is incomplete: {0}")]
    Missing(Missing),
    /// A node in a witness or a database is not a trie node.
    #[error("trie node {0} is malformed")]
    Malformed(B256),
    /// A block needs the root after each of its transactions, and the state that it runs on cannot compute roots.
    #[error("no state root can be computed on this state")]
    NoRoot,
    /// The database failed.
    #[error("read state")]
    Backend(#[source] Arc<dyn Error + Send + Sync>),
}

/// What a witness lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Missing {
    /// A trie node, by hash.
    #[error("trie node {0}")]
    Node(B256),
    /// Contract code, by hash.
    #[error("code {0}")]
    Code(B256),
    /// The hash of an ancestor block, by number.
    #[error("header of block {0}")]
    BlockHash(u64),
    /// The path to an account.
    #[error("account {0}")]
    Account(Address),
    /// The ommers of ancestors, by which those of a block are judged.
    #[error("ommers of ancestors")]
    Ommers,
}

/// What one block (or the genesis) changes in the state, ordered by address and slot.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StateDiff {
    /// Changed accounts.
    pub accounts: BTreeMap<Address, AccountDiff>,
    /// Code that appears with this diff, by keccak256.
    pub codes: BTreeMap<B256, Bytes>,
}

/// What changes in one account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AccountDiff {
    /// The account afterwards; `None` where it no longer exists.
    pub info: Option<AccountInfo>,
    /// Whether all storage from before is gone, before `storage` applies.
    pub wiped: bool,
    /// Changed slots and their values afterwards; zero deletes the slot.
    pub storage: BTreeMap<B256, U256>,
}

impl StateDiff {
    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.accounts.is_empty() && self.codes.is_empty()
    }
}
