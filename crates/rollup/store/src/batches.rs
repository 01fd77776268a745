//! Batches: what was sealed, and how far it is settled.
//!
//! A row stands here before the L1 transaction that commits it is signed, so a restart can only ever
//! send what it describes.

use alloy_primitives::{B256, Bytes, keccak256};
use ethrex_protocol::{
    BatchNumber, L2Height,
    batch::{Batch, BlobsBundle},
    blob,
};
use rusqlite::Row;

use crate::{
    error::{StoreError, sqlite},
    store::Store,
    value::{concat, fixed, fixed_list, fixed_or_null, int, text, uint},
};

/// A batch with what its commitment needs beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredBatch {
    /// The batch; its blob, if it has one, with the proof of the whole blob.
    pub batch: Batch,
    /// Hash of its last block.
    pub last_block_hash: B256,
    /// Versioned hash of its blob; zero in a validium.
    pub blob_versioned_hash: B256,
}

impl StoredBatch {
    /// Hash of the published bytes, without padding: names the content of the batch in logs and purposes.
    pub fn payload_hash(&self) -> B256 {
        keccak256(self.payload().unwrap_or_default())
    }

    /// Length of the published bytes, without the zeros behind them.
    pub fn payload_len(&self) -> usize {
        self.payload().map_or(0, |payload| payload.len())
    }

    /// The published bytes without the zeros behind them; `None` without a blob of ours.
    fn payload(&self) -> Option<Vec<u8>> {
        let [bytes] = self.batch.blobs_bundle.blobs.as_slice() else { return None };
        let blob = blob::Blob::try_from(bytes.as_ref()).ok()?;
        let mut payload = blob::from_blob(&blob).ok()?;
        payload.truncate(payload.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1));
        Some(payload)
    }
}

impl Store {
    /// Stores the next batch. A batch that is stored already, exactly so, is left as it is.
    pub fn insert_batch(&self, sealed: &StoredBatch) -> Result<(), StoreError> {
        let doing = "store a batch";
        let batch = &sealed.batch;
        if let Some(known) = self.batch(batch.number)?
            && known == *sealed
        {
            return Ok(());
        }
        let last = self.last_batch()?;
        let expected = last.unwrap_or_default().next();
        if batch.number != expected {
            return Err(StoreError::NotNext { number: batch.number, expected });
        }
        let json = |column| move |_| StoreError::Damaged { column };
        let rolling = serde_json::to_string(&batch.l2_in_message_rolling_hashes)
            .map_err(json("l2_in_rolling_hashes"))?;
        let diffs = serde_json::to_string(&batch.balance_diffs).map_err(json("balance_diffs"))?;
        let bundle = &batch.blobs_bundle;
        let row = rusqlite::named_params! {
            ":number": int(batch.number.0)?,
            ":first_block": int(batch.first_block.0)?,
            ":last_block": int(batch.last_block.0)?,
            ":state_root": batch.state_root.as_slice(),
            ":last_block_hash": sealed.last_block_hash.as_slice(),
            ":l1_in_rolling_hash": batch.l1_in_messages_rolling_hash.as_slice(),
            ":l2_in_rolling_hashes": rolling,
            ":non_privileged": int(batch.non_privileged_transactions)?,
            ":l1_out_leaves": concat(&batch.l1_out_message_hashes),
            ":balance_diffs": diffs,
            ":payload": sealed.payload(),
            ":payload_hash": sealed.payload_hash().to_vec(),
            ":blob_versioned_hash": sealed.blob_versioned_hash.as_slice(),
            ":blob_commitment": bundle.commitments.first().map(|c| c.to_vec()),
            ":blob_proof": bundle.proofs.first().map(|p| p.to_vec()),
            ":commit_tx": batch.commit_tx.map(|tx| tx.to_vec()),
            ":verify_tx": batch.verify_tx.map(|tx| tx.to_vec()),
        };
        let sql = "insert into batches values (:number, :first_block, :last_block, :state_root, \
                   :last_block_hash, :l1_in_rolling_hash, :l2_in_rolling_hashes, :non_privileged, \
                   :l1_out_leaves, :balance_diffs, :payload, :payload_hash, :blob_versioned_hash, \
                   :blob_commitment, :blob_proof, :commit_tx, :verify_tx)";
        self.lock().execute(sql, row).map(drop).map_err(sqlite(doing))
    }

    /// A batch by its number.
    pub fn batch(&self, number: BatchNumber) -> Result<Option<StoredBatch>, StoreError> {
        let sql = "select * from batches where number = ?";
        self.one(sql, [int(number.0)?], "read a batch", read)
    }

    /// The batch that holds a block.
    pub fn batch_of_block(&self, height: L2Height) -> Result<Option<StoredBatch>, StoreError> {
        let sql = "select * from batches where last_block >= ?1 and first_block <= ?1 \
                   order by last_block limit 1";
        self.one(sql, [int(height.0)?], "find the batch of a block", read)
    }

    /// Number of the last stored batch.
    pub fn last_batch(&self) -> Result<Option<BatchNumber>, StoreError> {
        let sql = "select number from batches order by number desc limit 1";
        self.one(sql, (), "read the last batch", |row| Ok(BatchNumber(uint(row, "number")?)))
    }

    /// Notes the L1 transaction that committed a batch.
    pub fn set_commit_tx(&self, number: BatchNumber, tx: B256) -> Result<(), StoreError> {
        let sql = "update batches set commit_tx = ? where number = ?";
        let changed = self
            .lock()
            .execute(sql, (tx.as_slice(), int(number.0)?))
            .map_err(sqlite("note a commitment"))?;
        if changed == 0 { Err(StoreError::NoBatch(number)) } else { Ok(()) }
    }

    /// Notes the L1 transaction that verified some consecutive batches.
    pub fn set_verify_tx(
        &self,
        first: BatchNumber,
        last: BatchNumber,
        tx: B256,
    ) -> Result<(), StoreError> {
        let sql = "update batches set verify_tx = ? where number between ? and ?";
        let row = (tx.as_slice(), int(first.0)?, int(last.0)?);
        let changed = self.lock().execute(sql, row).map_err(sqlite("note a verification"))?;
        if changed == 0 { Err(StoreError::NoBatch(first)) } else { Ok(()) }
    }

    /// Forgets a batch and all later ones, with their proofs: L1 has reverted them, or never took them.
    pub fn delete_batches_from(&self, first: BatchNumber) -> Result<(), StoreError> {
        let doing = "forget batches";
        let first = int(first.0)?;
        self.write(doing, |tx| {
            tx.execute("delete from batches where number >= ?", [first]).map_err(sqlite(doing))?;
            tx.execute("delete from proofs where batch >= ?", [first]).map_err(sqlite(doing))?;
            Ok(())
        })
    }

    /// Leaves of the messages to L1 of a batch, without reading its blob.
    pub fn l1_out_leaves(&self, number: BatchNumber) -> Result<Option<Vec<B256>>, StoreError> {
        let sql = "select l1_out_leaves from batches where number = ?";
        let doing = "read the messages of a batch";
        self.one(sql, [int(number.0)?], doing, |row| fixed_list(row, "l1_out_leaves"))
    }
}

fn read(row: &Row<'_>) -> Result<StoredBatch, StoreError> {
    let json = |column| move |_| StoreError::Damaged { column };
    let payload: Option<Vec<u8>> =
        row.get("payload").map_err(|_| StoreError::Damaged { column: "payload" })?;
    let blobs_bundle = match payload {
        Some(payload) => BlobsBundle {
            blobs: vec![Bytes::copy_from_slice(
                blob::to_blob(&payload)
                    .map_err(|_| StoreError::Damaged { column: "payload" })?
                    .as_slice(),
            )],
            commitments: vec![fixed(row, "blob_commitment")?],
            proofs: vec![fixed(row, "blob_proof")?],
        },
        None => BlobsBundle::default(),
    };
    Ok(StoredBatch {
        batch: Batch {
            number: BatchNumber(uint(row, "number")?),
            first_block: L2Height(uint(row, "first_block")?),
            last_block: L2Height(uint(row, "last_block")?),
            state_root: fixed(row, "state_root")?,
            l1_in_messages_rolling_hash: fixed(row, "l1_in_rolling_hash")?,
            l2_in_message_rolling_hashes: serde_json::from_str(&text(row, "l2_in_rolling_hashes")?)
                .map_err(json("l2_in_rolling_hashes"))?,
            l1_out_message_hashes: fixed_list(row, "l1_out_leaves")?,
            non_privileged_transactions: uint(row, "non_privileged")?,
            balance_diffs: serde_json::from_str(&text(row, "balance_diffs")?)
                .map_err(json("balance_diffs"))?,
            blobs_bundle,
            commit_tx: fixed_or_null(row, "commit_tx")?,
            verify_tx: fixed_or_null(row, "verify_tx")?,
        },
        last_block_hash: fixed(row, "last_block_hash")?,
        blob_versioned_hash: fixed(row, "blob_versioned_hash")?,
    })
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{FixedBytes, U256};
    use ethrex_protocol::{messages::BalanceDiff, rolling::L2InRollingHash};

    use super::*;

    fn batch(number: u64) -> StoredBatch {
        let blob = blob::to_blob(&[number as u8, 0, 7, 0, 0]).unwrap();
        StoredBatch {
            batch: Batch {
                number: BatchNumber(number),
                first_block: L2Height(number * 10 - 9),
                last_block: L2Height(number * 10),
                state_root: B256::repeat_byte(1),
                l1_in_messages_rolling_hash: B256::repeat_byte(2),
                l2_in_message_rolling_hashes: vec![L2InRollingHash {
                    chain_id: 7,
                    rolling_hash: B256::repeat_byte(3),
                }],
                l1_out_message_hashes: vec![B256::repeat_byte(4), B256::repeat_byte(5)],
                non_privileged_transactions: 12,
                balance_diffs: vec![BalanceDiff { value: U256::MAX, ..BalanceDiff::default() }],
                blobs_bundle: BlobsBundle {
                    blobs: vec![Bytes::copy_from_slice(blob.as_slice())],
                    commitments: vec![FixedBytes::repeat_byte(6)],
                    proofs: vec![FixedBytes::repeat_byte(7)],
                },
                commit_tx: None,
                verify_tx: None,
            },
            last_block_hash: B256::repeat_byte(8),
            blob_versioned_hash: B256::repeat_byte(9),
        }
    }

    #[test]
    fn a_batch_comes_back_as_it_was_stored() {
        let store = Store::memory().unwrap();
        store.insert_batch(&batch(1)).unwrap();
        let mut bare = batch(2);
        bare.batch.blobs_bundle = BlobsBundle::default();
        bare.batch.l1_out_message_hashes.clear();
        store.insert_batch(&bare).unwrap();
        assert_eq!(store.batch(BatchNumber(1)).unwrap(), Some(batch(1)));
        assert_eq!(store.batch(BatchNumber(2)).unwrap(), Some(bare));
        assert_eq!(store.batch(BatchNumber(3)).unwrap(), None);
        assert_eq!(store.last_batch().unwrap(), Some(BatchNumber(2)));
    }

    #[test]
    fn batches_are_stored_in_order_and_once() {
        let store = Store::memory().unwrap();
        assert!(matches!(store.insert_batch(&batch(2)), Err(StoreError::NotNext { .. })));
        store.insert_batch(&batch(1)).unwrap();
        store.insert_batch(&batch(1)).unwrap();
        let mut other = batch(1);
        other.batch.state_root = B256::ZERO;
        assert!(matches!(store.insert_batch(&other), Err(StoreError::NotNext { .. })));
    }

    #[test]
    fn a_block_is_found_in_its_batch() {
        let store = Store::memory().unwrap();
        store.insert_batch(&batch(1)).unwrap();
        store.insert_batch(&batch(2)).unwrap();
        let of = |height| {
            store.batch_of_block(L2Height(height)).unwrap().map(|found| found.batch.number.0)
        };
        assert_eq!(
            [of(0), of(1), of(10), of(11), of(20), of(21)],
            [None, Some(1), Some(1), Some(2), Some(2), None]
        );
    }

    #[test]
    fn settlement_is_noted_on_the_row() {
        let store = Store::memory().unwrap();
        store.insert_batch(&batch(1)).unwrap();
        store.insert_batch(&batch(2)).unwrap();
        store.set_commit_tx(BatchNumber(1), B256::repeat_byte(0xaa)).unwrap();
        store.set_verify_tx(BatchNumber(1), BatchNumber(2), B256::repeat_byte(0xbb)).unwrap();
        let stored = store.batch(BatchNumber(1)).unwrap().unwrap().batch;
        assert_eq!(stored.commit_tx, Some(B256::repeat_byte(0xaa)));
        assert_eq!(stored.verify_tx, Some(B256::repeat_byte(0xbb)));
        let missing = store.set_commit_tx(BatchNumber(9), B256::ZERO);
        assert!(matches!(missing, Err(StoreError::NoBatch(BatchNumber(9)))));
    }

    #[test]
    fn forgotten_batches_make_room_for_others_and_take_their_proofs_along() {
        let store = Store::memory().unwrap();
        for number in 1..4 {
            store.insert_batch(&batch(number)).unwrap();
            store.put_proof(BatchNumber(number), 0, &[1]).unwrap();
        }
        store.delete_batches_from(BatchNumber(2)).unwrap();
        assert_eq!(store.last_batch().unwrap(), Some(BatchNumber(1)));
        assert_eq!(store.proof(BatchNumber(2), 0).unwrap(), None);
        assert!(store.proof(BatchNumber(1), 0).unwrap().is_some());
    }

    #[test]
    fn message_leaves_are_read_alone() {
        let store = Store::memory().unwrap();
        store.insert_batch(&batch(1)).unwrap();
        let leaves = store.l1_out_leaves(BatchNumber(1)).unwrap().unwrap();
        assert_eq!(leaves, batch(1).batch.l1_out_message_hashes);
        assert_eq!(store.l1_out_leaves(BatchNumber(2)).unwrap(), None);
    }
}
