//! What the pool must still know after a crash.

use std::{error::Error, fmt::Debug, sync::Arc};

use alloy_primitives::{B256, Bytes};
use ethrex_storage::{Storage, StorageError};

/// Keeps the transactions whose hash was handed out. A call returns when the change is durable.
pub trait Journal: Debug + Send + Sync {
    /// Keeps transactions, with their sidecars, under their hashes.
    ///
    /// # Errors
    /// If they are not certain to be on disk.
    fn put(&self, rows: &[(B256, Bytes)]) -> Result<(), JournalError>;
    /// Forgets transactions; unknown ones are no error.
    ///
    /// # Errors
    /// If the change could not be written.
    fn delete(&self, hashes: &[B256]) -> Result<(), JournalError>;
    /// The transaction of this hash, if it is kept.
    ///
    /// # Errors
    /// If it could not be read.
    fn get(&self, hash: B256) -> Result<Option<Bytes>, JournalError>;
    /// Everything kept, in no order.
    ///
    /// # Errors
    /// If it could not be read.
    fn load(&self) -> Result<Vec<(B256, Bytes)>, JournalError>;
}

/// The journal could not be read or written.
#[derive(Debug, Clone, thiserror::Error)]
#[error("transaction journal")]
pub struct JournalError(#[source] pub Arc<dyn Error + Send + Sync>);

/// Keeps nothing, so that blob transactions do not return from blocks that leave the chain: for tests that need neither.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoJournal;

impl Journal for NoJournal {
    fn put(&self, _: &[(B256, Bytes)]) -> Result<(), JournalError> {
        Ok(())
    }

    fn delete(&self, _: &[B256]) -> Result<(), JournalError> {
        Ok(())
    }

    fn get(&self, _: B256) -> Result<Option<Bytes>, JournalError> {
        Ok(None)
    }

    fn load(&self) -> Result<Vec<(B256, Bytes)>, JournalError> {
        Ok(Vec::new())
    }
}

impl Journal for Storage {
    fn put(&self, rows: &[(B256, Bytes)]) -> Result<(), JournalError> {
        Ok(self.journal_put(rows)?)
    }

    fn delete(&self, hashes: &[B256]) -> Result<(), JournalError> {
        Ok(self.journal_delete(hashes)?)
    }

    fn get(&self, hash: B256) -> Result<Option<Bytes>, JournalError> {
        Ok(self.journal_entry(hash)?)
    }

    fn load(&self) -> Result<Vec<(B256, Bytes)>, JournalError> {
        Ok(self.journal()?)
    }
}

impl From<StorageError> for JournalError {
    fn from(fault: StorageError) -> Self {
        Self(Arc::new(fault))
    }
}
