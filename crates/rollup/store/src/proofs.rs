//! Proofs of batches, until L1 has verified them.

use ethrex_protocol::BatchNumber;

use crate::{
    error::{StoreError, sqlite},
    store::Store,
    value::{bytes, int, uint},
};

impl Store {
    /// Stores the proof of a batch by one kind of prover, in place of an earlier one.
    pub fn put_proof(
        &self,
        batch: BatchNumber,
        prover: u32,
        proof: &[u8],
    ) -> Result<(), StoreError> {
        let sql = "insert or replace into proofs values (?, ?, ?)";
        let row = (int(batch.0)?, prover, proof);
        self.lock().execute(sql, row).map(drop).map_err(sqlite("store a proof"))
    }

    /// The proof of a batch by one kind of prover.
    pub fn proof(&self, batch: BatchNumber, prover: u32) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "select proof from proofs where batch = ? and prover = ?";
        self.one(sql, (int(batch.0)?, prover), "read a proof", |row| bytes(row, "proof"))
    }

    /// Batches from `first` on that one kind of prover has proven, in order.
    pub fn proven_from(
        &self,
        first: BatchNumber,
        prover: u32,
    ) -> Result<Vec<BatchNumber>, StoreError> {
        let sql = "select batch from proofs where batch >= ? and prover = ? order by batch";
        self.all(sql, (int(first.0)?, prover), "list proofs", |row| {
            Ok(BatchNumber(uint(row, "batch")?))
        })
    }

    /// Forgets a proof that L1 does not accept.
    pub fn delete_proof(&self, batch: BatchNumber, prover: u32) -> Result<(), StoreError> {
        let sql = "delete from proofs where batch = ? and prover = ?";
        self.lock()
            .execute(sql, (int(batch.0)?, prover))
            .map(drop)
            .map_err(sqlite("forget a proof"))
    }

    /// Forgets the proofs of batches that are verified.
    pub fn delete_proofs_upto(&self, last: BatchNumber) -> Result<(), StoreError> {
        let sql = "delete from proofs where batch <= ?";
        self.lock().execute(sql, [int(last.0)?]).map(drop).map_err(sqlite("forget proofs"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proofs_are_kept_by_batch_and_prover() {
        let store = Store::memory().unwrap();
        store.put_proof(BatchNumber(1), 0, &[]).unwrap();
        store.put_proof(BatchNumber(1), 2, &[2]).unwrap();
        store.put_proof(BatchNumber(2), 2, &[3]).unwrap();
        store.put_proof(BatchNumber(2), 2, &[4]).unwrap();
        assert_eq!(store.proof(BatchNumber(1), 0).unwrap(), Some(vec![]));
        assert_eq!(store.proof(BatchNumber(2), 2).unwrap(), Some(vec![4]));
        let proven = store.proven_from(BatchNumber(1), 2).unwrap();
        assert_eq!(proven, [BatchNumber(1), BatchNumber(2)]);
        store.delete_proof(BatchNumber(2), 2).unwrap();
        store.delete_proofs_upto(BatchNumber(1)).unwrap();
        assert!(store.proven_from(BatchNumber(0), 2).unwrap().is_empty());
    }
}
