//! What is kept beside blocks: witnesses until they are proven, blobs of a development chain, the journal of the pool.

use alloy_primitives::{B256, Bytes};

use crate::{
    engine::Batch,
    error::StorageError,
    storage::Storage,
    table::{Table, blob_key},
};

/// A blob and the versioned hash by which a transaction names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBlob {
    /// Versioned hash of the commitment.
    pub versioned_hash: B256,
    /// The blob.
    pub data: Bytes,
}

impl Storage {
    /// The witness stored with a block.
    pub fn witness(&self, block: B256) -> Result<Option<Bytes>, StorageError> {
        self.snapshot()?.get(Table::Witnesses, block.as_slice()).map_err(StorageError::Read)
    }

    /// Stores the witness of a block that was committed without one.
    pub fn put_witness(&self, block: B256, witness: Bytes) -> Result<(), StorageError> {
        let mut batch = Batch::default();
        batch.put(Table::Witnesses, block, witness);
        self.core().disk.commit(batch)
    }

    /// Deletes the witnesses of blocks that need no more proof.
    pub fn delete_witnesses(&self, blocks: &[B256]) -> Result<(), StorageError> {
        let mut batch = Batch::default();
        blocks.iter().for_each(|block| batch.delete(Table::Witnesses, *block));
        self.core().disk.commit(batch)
    }

    /// Keeps the blobs of the block at this height, in order.
    pub fn put_blobs(&self, number: u64, blobs: &[StoredBlob]) -> Result<(), StorageError> {
        let mut batch = Batch::default();
        batch.delete_prefix(Table::Blobs, number.to_be_bytes());
        for (index, blob) in (0..).zip(blobs) {
            let mut row = Vec::with_capacity(32 + blob.data.len());
            row.extend_from_slice(blob.versioned_hash.as_slice());
            row.extend_from_slice(&blob.data);
            batch.put(Table::Blobs, blob_key(number, index), row);
        }
        self.core().disk.commit(batch)
    }

    /// The blobs of the block at this height.
    pub fn blobs(&self, number: u64) -> Result<Vec<StoredBlob>, StorageError> {
        let prefix = number.to_be_bytes();
        let mut blobs = vec![];
        let mut broken = false;
        let collect = &mut |key: &[u8], row: &[u8]| {
            if !key.starts_with(&prefix) {
                return false;
            }
            let Some((hash, data)) = row.split_at_checked(32) else {
                broken = true;
                return false;
            };
            let versioned_hash = B256::from_slice(hash);
            blobs.push(StoredBlob { versioned_hash, data: Bytes::copy_from_slice(data) });
            true
        };
        self.snapshot()?.scan(Table::Blobs, &prefix, collect).map_err(StorageError::Read)?;
        if broken {
            return Err(crate::codec::corrupt(Table::Blobs)(alloy_rlp::Error::InputTooShort));
        }
        Ok(blobs)
    }

    /// Forgets the blobs of all blocks below this height.
    pub fn prune_blobs(&self, below: u64) -> Result<(), StorageError> {
        let mut batch = Batch::default();
        batch.delete_before(Table::Blobs, below.to_be_bytes());
        self.core().disk.commit(batch)
    }

    /// Adds transactions to the journal of the pool, in its own encoding. On disk when this returns.
    pub fn journal_put(&self, entries: &[(B256, Bytes)]) -> Result<(), StorageError> {
        let mut batch = Batch::default();
        entries.iter().for_each(|(hash, entry)| batch.put(Table::Journal, *hash, entry.clone()));
        self.core().disk.commit(batch)
    }

    /// Takes transactions off the journal.
    pub fn journal_delete(&self, hashes: &[B256]) -> Result<(), StorageError> {
        let mut batch = Batch::default();
        hashes.iter().for_each(|hash| batch.delete(Table::Journal, *hash));
        self.core().disk.commit(batch)
    }

    /// One transaction on the journal.
    pub fn journal_entry(&self, hash: B256) -> Result<Option<Bytes>, StorageError> {
        self.snapshot()?.get(Table::Journal, hash.as_slice()).map_err(StorageError::Read)
    }

    /// All that is on the journal, ordered by hash.
    pub fn journal(&self) -> Result<Vec<(B256, Bytes)>, StorageError> {
        let mut entries = vec![];
        let collect = &mut |key: &[u8], entry: &[u8]| {
            entries.push((B256::right_padding_from(key), Bytes::copy_from_slice(entry)));
            true
        };
        self.snapshot()?.scan(Table::Journal, &[], collect).map_err(StorageError::Read)?;
        Ok(entries)
    }
}
