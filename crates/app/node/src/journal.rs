//! The pool's journal, kept in the chain's database.

use std::sync::Arc;

use alloy_primitives::{B256, Bytes};
use ethrex_storage::{Storage, StorageError};
use ethrex_txpool::{Journal, JournalError};

/// Journal rows of one chain's database.
#[derive(Debug, Clone)]
pub(crate) struct StorageJournal(pub(crate) Storage);

fn fault(error: StorageError) -> JournalError {
    JournalError(Arc::new(error))
}

impl Journal for StorageJournal {
    fn put(&self, hash: B256, raw: &[u8]) -> Result<(), JournalError> {
        self.0.journal_put(&[(hash, Bytes::copy_from_slice(raw))]).map_err(fault)
    }

    fn delete(&self, hashes: &[B256]) -> Result<(), JournalError> {
        self.0.journal_delete(hashes).map_err(fault)
    }

    fn load(&self) -> Result<Vec<(B256, Bytes)>, JournalError> {
        self.0.journal().map_err(fault)
    }
}
