//! What L1 will be shown of a native rollup's outbox: proofs on states that the chain's database does not keep for so long.

use alloy_primitives::B256;

use crate::{
    error::{StoreError, sqlite},
    store::Store,
    value::{bytes, fixed, int, uint},
};

/// The proof of the outbox after the last block of an inbox item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredOutboxProof {
    /// Position of the item.
    pub position: u64,
    /// Number of the block.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// Root of the outbox.
    pub root: B256,
    /// The way there from the state root, encoded by whoever stores it.
    pub proof: Vec<u8>,
}

/// For which block of which item there is a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxProofOf {
    /// Position of the item.
    pub position: u64,
    /// Number of the block.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
}

impl Store {
    /// Keeps a proof, in place of what was kept for its item.
    pub fn put_outbox_proof(&self, proof: &StoredOutboxProof) -> Result<(), StoreError> {
        let sql = "insert or replace into native_outbox_proofs values (?, ?, ?, ?, ?)";
        let row = (
            int(proof.position)?,
            int(proof.number)?,
            proof.hash.as_slice(),
            proof.root.as_slice(),
            &proof.proof,
        );
        self.lock().execute(sql, row).map(drop).map_err(sqlite("keep an outbox proof"))
    }

    /// Whether there is a proof for this block.
    pub fn has_outbox_proof(&self, number: u64, hash: B256) -> Result<bool, StoreError> {
        let sql = "select number from native_outbox_proofs where number = ? and hash = ?";
        let found =
            self.one(sql, (int(number)?, hash.as_slice()), "look for an outbox proof", |_| Ok(()))?;
        Ok(found.is_some())
    }

    /// The proof for the highest block up to this one.
    pub fn outbox_proof_upto(&self, number: u64) -> Result<Option<StoredOutboxProof>, StoreError> {
        let sql = "select * from native_outbox_proofs where number <= ? order by number desc, position desc limit 1";
        self.one(sql, [int(number)?], "read an outbox proof", |row| {
            Ok(StoredOutboxProof {
                position: uint(row, "position")?,
                number: uint(row, "number")?,
                hash: fixed(row, "hash")?,
                root: fixed(row, "root")?,
                proof: bytes(row, "proof")?,
            })
        })
    }

    /// The blocks above this one that there are proofs for.
    pub fn outbox_proofs_above(&self, number: u64) -> Result<Vec<OutboxProofOf>, StoreError> {
        let sql = "select position, number, hash from native_outbox_proofs where number > ?";
        self.all(sql, [int(number)?], "read which outbox proofs there are", |row| {
            Ok(OutboxProofOf {
                position: uint(row, "position")?,
                number: uint(row, "number")?,
                hash: fixed(row, "hash")?,
            })
        })
    }

    /// Forgets the proofs of these items.
    pub fn drop_outbox_proofs(&self, positions: &[u64]) -> Result<(), StoreError> {
        let doing = "forget outbox proofs";
        self.write(doing, |tx| {
            for position in positions {
                let sql = "delete from native_outbox_proofs where position = ?";
                tx.execute(sql, [int(*position)?]).map_err(sqlite(doing))?;
            }
            Ok(())
        })
    }

    /// Forgets the proofs of items below a position, and those of blocks below the highest one up to `settled`.
    pub fn prune_outbox_proofs(&self, position: u64, settled: u64) -> Result<(), StoreError> {
        let doing = "forget old outbox proofs";
        let (position, settled) = (int(position)?, int(settled)?);
        self.write(doing, |tx| {
            let sql = "delete from native_outbox_proofs where position < ?";
            tx.execute(sql, [position]).map_err(sqlite(doing))?;
            let sql = "delete from native_outbox_proofs where number < \
                       (select max(number) from native_outbox_proofs where number <= ?)";
            tx.execute(sql, [settled]).map(drop).map_err(sqlite(doing))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proof(position: u64, number: u64) -> StoredOutboxProof {
        let hash = B256::left_padding_from(&number.to_be_bytes());
        StoredOutboxProof { position, number, hash, root: B256::repeat_byte(7), proof: vec![1, 2] }
    }

    fn store(proofs: &[(u64, u64)]) -> Store {
        let store = Store::memory().unwrap();
        for (position, number) in proofs {
            store.put_outbox_proof(&proof(*position, *number)).unwrap();
        }
        store
    }

    fn numbers(store: &Store) -> Vec<u64> {
        let mut left = store.outbox_proofs_above(0).unwrap();
        left.sort_by_key(|of| of.number);
        left.into_iter().map(|of| of.number).collect()
    }

    #[test]
    fn the_highest_proof_up_to_a_block_is_found() {
        let store = store(&[(0, 5), (1, 9), (2, 12)]);
        let found = |upto| store.outbox_proof_upto(upto).unwrap();
        assert_eq!(found(4), None);
        assert_eq!(found(5), Some(proof(0, 5)));
        assert_eq!(found(11), Some(proof(1, 9)));
        assert_eq!(found(u64::MAX >> 1), Some(proof(2, 12)));
        assert!(store.has_outbox_proof(9, proof(1, 9).hash).unwrap());
        assert!(!store.has_outbox_proof(9, B256::ZERO).unwrap());
    }

    #[test]
    fn an_item_that_came_out_otherwise_has_its_last_proof_only() {
        let store = store(&[(0, 5), (1, 9)]);
        let other = StoredOutboxProof { hash: B256::ZERO, ..proof(1, 8) };
        store.put_outbox_proof(&other).unwrap();
        assert_eq!(numbers(&store), [5, 8]);
        store.drop_outbox_proofs(&[1, 77]).unwrap();
        assert_eq!(numbers(&store), [5]);
    }

    #[test]
    fn the_proof_that_settled_messages_need_is_never_pruned() {
        let store = store(&[(0, 5), (1, 9), (2, 12)]);
        store.prune_outbox_proofs(0, 4).unwrap();
        assert_eq!(numbers(&store), [5, 9, 12]);
        store.prune_outbox_proofs(0, 11).unwrap();
        assert_eq!(numbers(&store), [9, 12], "block 11 has none of its own");
        store.prune_outbox_proofs(2, 0).unwrap();
        assert_eq!(numbers(&store), [12]);
    }
}
