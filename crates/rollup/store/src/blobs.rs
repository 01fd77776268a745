//! What the blobs of a native rollup's inbox hold, until L1 has settled their items.
//!
//! A blob of ours stands here before the transaction that posts it is signed, and one of a stranger once it was read: L1
//! forgets blobs after weeks, and contracts never see them.

use alloy_primitives::B256;

use crate::{
    error::{StoreError, sqlite},
    store::Store,
    value::{bytes, int},
};

impl Store {
    /// Keeps the stream in a blob with this versioned hash, for the item at a position.
    pub fn put_native_blob(
        &self,
        hash: B256,
        position: u64,
        stream: &[u8],
    ) -> Result<(), StoreError> {
        // The same blob may be posted again at a later position, if L1 has taken it back.
        let sql = "insert or replace into native_blobs values (?, ?, ?)";
        let row = (hash.as_slice(), int(position)?, stream);
        self.lock().execute(sql, row).map(drop).map_err(sqlite("keep a blob"))
    }

    /// The stream in the blob with this versioned hash.
    pub fn native_blob(&self, hash: B256) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "select stream from native_blobs where hash = ?";
        self.one(sql, [hash.as_slice()], "look up a blob", |row| bytes(row, "stream"))
    }

    /// Forgets the blobs of items below a position: L1 knows their blocks.
    pub fn drop_native_blobs_below(&self, position: u64) -> Result<(), StoreError> {
        let sql = "delete from native_blobs where position < ?";
        self.lock().execute(sql, [int(position)?]).map(drop).map_err(sqlite("forget blobs"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_blob_is_kept_until_its_item_is_settled() {
        let store = Store::memory().unwrap();
        let (one, two) = (B256::repeat_byte(1), B256::repeat_byte(2));
        store.put_native_blob(one, 3, b"one").unwrap();
        store.put_native_blob(two, 4, b"two").unwrap();
        // L1 went back, and the first is posted behind the second.
        store.put_native_blob(one, 5, b"one").unwrap();
        store.drop_native_blobs_below(5).unwrap();
        assert_eq!(store.native_blob(one).unwrap().as_deref(), Some(&b"one"[..]));
        assert_eq!(store.native_blob(two).unwrap(), None);
    }
}
