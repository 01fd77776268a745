//! What a native rollup remembers: which block a plan gave, and the blocks of ours that are not on L1 yet.
//!
//! The first is a memo and may be lost; the second are blocks that users have seen, so they stand here before they are
//! published.

use alloy_primitives::{Address, B256};

use crate::{
    error::{StoreError, sqlite},
    store::Store,
    value::{bytes, fixed, int, uint},
};

/// What a plan gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DerivedBlock {
    /// Hash of the block.
    pub hash: B256,
    /// Forced transactions that it consumed.
    pub forced: u64,
    /// The gas bound with which L1 derives it.
    pub gas_bound: u64,
}

/// An inbox item of ours that is not on L1 yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnItem {
    /// The position it is meant for.
    pub position: u64,
    /// Its L1 context, as its contract encodes it.
    pub context: Vec<u8>,
    /// The L1 header that the context is taken from, in RLP.
    pub header: Vec<u8>,
    /// Receives the fees of its blocks.
    pub fee_recipient: Address,
    /// Whether it takes no more blocks.
    pub closed: bool,
}

/// A block of such an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnBlock {
    /// Its number on the rollup.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// Seconds since its parent.
    pub dt: u64,
    /// Forced transactions it has consumed.
    pub forced: u64,
    /// The transactions to be posted, encoded by whoever stores them.
    pub posted: Vec<u8>,
}

impl Store {
    /// What a plan with this digest gave.
    pub fn native_derived(&self, digest: B256) -> Result<Option<DerivedBlock>, StoreError> {
        let sql = "select * from native_derived where digest = ?";
        self.one(sql, [digest.as_slice()], "look up a derived block", |row| {
            Ok(DerivedBlock {
                hash: fixed(row, "block")?,
                forced: uint(row, "forced")?,
                gas_bound: uint(row, "gas")?,
            })
        })
    }

    /// Remembers what a plan gave.
    pub fn put_native_derived(&self, digest: B256, block: &DerivedBlock) -> Result<(), StoreError> {
        let sql = "insert or replace into native_derived values (?, ?, ?, ?)";
        let row =
            (digest.as_slice(), block.hash.as_slice(), int(block.forced)?, int(block.gas_bound)?);
        self.lock().execute(sql, row).map(drop).map_err(sqlite("remember a derived block"))
    }

    /// Stores a new item, which has no blocks yet.
    pub fn open_own_item(&self, item: &OwnItem) -> Result<(), StoreError> {
        let sql = "insert into native_items values (?, ?, ?, ?, ?)";
        let row = (
            int(item.position)?,
            &item.context,
            &item.header,
            item.fee_recipient.as_slice(),
            item.closed,
        );
        self.lock().execute(sql, row).map(drop).map_err(sqlite("store an item"))
    }

    /// Stores the block `k` of an item.
    pub fn add_own_block(&self, position: u64, k: u64, block: &OwnBlock) -> Result<(), StoreError> {
        let sql = "insert into native_blocks values (?, ?, ?, ?, ?, ?, ?)";
        let row = (
            int(position)?,
            int(k)?,
            int(block.number)?,
            block.hash.as_slice(),
            int(block.dt)?,
            int(block.forced)?,
            &block.posted,
        );
        self.lock().execute(sql, row).map(drop).map_err(sqlite("store a block of an item"))
    }

    /// An item takes no more blocks.
    pub fn close_own_item(&self, position: u64) -> Result<(), StoreError> {
        let sql = "update native_items set closed = 1 where position = ?";
        self.lock().execute(sql, [int(position)?]).map(drop).map_err(sqlite("close an item"))
    }

    /// Forgets the items from a position on: their blocks will not be part of the rollup.
    pub fn drop_own_items_from(&self, position: u64) -> Result<(), StoreError> {
        self.drop_own_items("where position >= ?", position)
    }

    /// Forgets the items below a position: L1 has them.
    pub fn drop_own_items_below(&self, position: u64) -> Result<(), StoreError> {
        self.drop_own_items("where position < ?", position)
    }

    fn drop_own_items(&self, which: &'static str, position: u64) -> Result<(), StoreError> {
        let doing = "forget items";
        let position = int(position)?;
        self.write(doing, |tx| {
            for table in ["native_blocks", "native_items"] {
                let sql = format!("delete from {table} {which}");
                tx.execute(&sql, [position]).map_err(sqlite(doing))?;
            }
            Ok(())
        })
    }

    /// Our items that are not on L1 yet with their blocks, in order.
    pub fn own_items(&self) -> Result<Vec<(OwnItem, Vec<OwnBlock>)>, StoreError> {
        let sql = "select * from native_items order by position";
        let items = self.all(sql, (), "read items", |row| {
            Ok(OwnItem {
                position: uint(row, "position")?,
                context: bytes(row, "context")?,
                header: bytes(row, "header")?,
                fee_recipient: fixed(row, "fee_recipient")?.into(),
                closed: uint(row, "closed")? == 1,
            })
        })?;
        let sql = "select * from native_blocks where position = ? order by k";
        items
            .into_iter()
            .map(|item| {
                let blocks =
                    self.all(sql, [int(item.position)?], "read blocks of an item", |row| {
                        Ok(OwnBlock {
                            number: uint(row, "number")?,
                            hash: fixed(row, "hash")?,
                            dt: uint(row, "dt")?,
                            forced: uint(row, "forced")?,
                            posted: bytes(row, "posted")?,
                        })
                    })?;
                Ok((item, blocks))
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(position: u64) -> OwnItem {
        OwnItem {
            position,
            context: vec![1, 2],
            header: vec![3],
            fee_recipient: Address::repeat_byte(4),
            closed: false,
        }
    }

    fn block(number: u64) -> OwnBlock {
        let hash = B256::left_padding_from(&number.to_be_bytes());
        OwnBlock { number, hash, dt: 2, forced: 1, posted: vec![5] }
    }

    #[test]
    fn items_are_found_again_with_their_blocks_until_they_are_dropped() {
        let store = Store::memory().unwrap();
        for position in 3..6 {
            store.open_own_item(&item(position)).unwrap();
            store.add_own_block(position, 0, &block(position * 2)).unwrap();
            store.add_own_block(position, 1, &block(position * 2 + 1)).unwrap();
        }
        store.close_own_item(3).unwrap();
        let found = store.own_items().unwrap();
        assert_eq!(found[0], (OwnItem { closed: true, ..item(3) }, vec![block(6), block(7)]));
        assert_eq!(found.len(), 3);

        store.drop_own_items_below(4).unwrap();
        store.drop_own_items_from(5).unwrap();
        assert_eq!(store.own_items().unwrap(), [(item(4), vec![block(8), block(9)])]);
        assert!(store.open_own_item(&item(4)).is_err(), "a position is used once");
        store.open_own_item(&item(5)).unwrap();
    }

    #[test]
    fn a_plan_is_remembered() {
        let store = Store::memory().unwrap();
        let digest = B256::repeat_byte(1);
        let block = DerivedBlock { hash: B256::repeat_byte(2), forced: 3, gas_bound: 4 };
        assert_eq!(store.native_derived(digest).unwrap(), None);
        store.put_native_derived(digest, &block).unwrap();
        assert_eq!(store.native_derived(digest).unwrap(), Some(block));
    }
}
