//! The sequencer's items that are not on L1 yet: at most one takes blocks, those before it wait to be posted.
//!
//! Every change is stored before it is told to anyone, so after a crash the same blocks are still promised and the same
//! bytes are posted.

use std::collections::VecDeque;

use alloy_primitives::{Address, B256, Bytes};
use alloy_rlp::Decodable;
use alloy_sol_types::SolValue;
use ethrex_execute::stream::StreamBlock;
use ethrex_store::{OwnBlock, OwnItem, Store, StoreError};

use crate::{
    bindings::L1Context,
    derivation::{Cursor, Parent},
};

/// A block of an item of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    /// Where the walk stands after it, apart from the item it goes on in.
    pub(crate) after: Parent,
    /// The cursor of the forced queue after it.
    pub(crate) forced: u64,
    /// What is posted of it.
    pub(crate) posted: StreamBlock,
}

/// An item of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Own {
    /// The position it is meant for.
    pub(crate) position: u64,
    /// What its blocks know of L1.
    pub(crate) context: L1Context,
    /// The L1 header that says so, in RLP.
    pub(crate) header: Bytes,
    /// Receives the fees of its blocks.
    pub(crate) fee_recipient: Address,
    /// Whether it takes no more blocks.
    pub(crate) closed: bool,
    /// Its blocks.
    pub(crate) blocks: Vec<Block>,
}

/// The header of L1 that an item of ours stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Footing {
    /// The position of the item.
    pub(crate) position: u64,
    /// The header's number.
    pub(crate) number: u64,
    /// The header's hash.
    pub(crate) hash: B256,
}

impl Own {
    /// The header of L1 without which it cannot be posted.
    #[must_use]
    pub(crate) const fn footing(&self) -> Footing {
        let L1Context { l1Number: number, l1BlockHash: hash, .. } = self.context;
        Footing { position: self.position, number, hash }
    }

    /// Bytes of all its transactions.
    #[must_use]
    pub(crate) fn bytes(&self) -> usize {
        self.blocks.iter().flat_map(|block| &block.posted.transactions).map(|raw| raw.len()).sum()
    }

    /// What is to be posted.
    #[must_use]
    pub(crate) fn stream(&self) -> Vec<StreamBlock> {
        self.blocks.iter().map(|block| block.posted.clone()).collect()
    }
}

/// Why our items could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum OwnError {
    /// The store failed.
    #[error("store an item of ours")]
    Store(#[from] StoreError),
    /// A stored item is not what was stored.
    #[error("stored item {position} of ours is damaged")]
    Damaged {
        /// Its position.
        position: u64,
    },
}

/// Our items, oldest first, as the store has them.
#[derive(Debug)]
pub(crate) struct OwnItems {
    store: Store,
    items: VecDeque<Own>,
}

impl OwnItems {
    /// Reads back what an earlier run has stored. `header` says what the chain knows of a block: its number and timestamp.
    ///
    /// # Errors
    /// If the store fails or is damaged.
    pub(crate) fn open(
        store: Store,
        header: impl Fn(B256) -> Option<(u64, u64)>,
    ) -> Result<Self, OwnError> {
        let mut items = VecDeque::new();
        for (item, blocks) in store.own_items()? {
            let damaged = || OwnError::Damaged { position: item.position };
            let mut own = Own {
                position: item.position,
                context: L1Context::abi_decode(&item.context).map_err(|_| damaged())?,
                header: item.header.into(),
                fee_recipient: item.fee_recipient,
                closed: item.closed,
                blocks: Vec::new(),
            };
            for stored in blocks {
                let Some((number, timestamp)) = header(stored.hash) else { return Err(damaged()) };
                let transactions =
                    Vec::<Bytes>::decode(&mut stored.posted.as_slice()).map_err(|_| damaged())?;
                own.blocks.push(Block {
                    after: Parent { hash: stored.hash, number, timestamp },
                    forced: stored.forced,
                    posted: StreamBlock { dt: stored.dt, transactions },
                });
            }
            items.push_back(own);
        }
        Ok(Self { store, items })
    }

    /// All items, oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Own> {
        self.items.iter()
    }

    /// The item that takes blocks.
    #[must_use]
    pub(crate) fn current(&self) -> Option<&Own> {
        self.items.back().filter(|own| !own.closed)
    }

    /// Where the next block of ours stands: behind the newest of ours, or where L1's walk does if that is further.
    #[must_use]
    pub(crate) fn tip(&self, walk: Cursor) -> Cursor {
        let (Some(own), Some(newest)) = (self.items.back(), self.newest()) else { return walk };
        if newest.after.number <= walk.parent.number {
            return walk;
        }
        let (position, index) = if own.closed {
            (own.position + 1, 0)
        } else {
            (own.position, own.blocks.len() as u64)
        };
        Cursor { parent: newest.after, position, index, forced: newest.forced }
    }

    /// The newest block of ours.
    #[must_use]
    pub(crate) fn newest(&self) -> Option<&Block> {
        self.items.iter().rev().find_map(|own| own.blocks.last())
    }

    /// The context of the newest item.
    #[must_use]
    pub(crate) fn last_context(&self) -> Option<&L1Context> {
        self.items.back().map(|own| &own.context)
    }

    /// Begins an item.
    ///
    /// # Errors
    /// If the store fails.
    ///
    /// # Panics
    /// If another one still takes blocks.
    pub(crate) fn begin(&mut self, own: Own) -> Result<(), OwnError> {
        assert!(self.current().is_none(), "one item takes blocks at a time");
        self.store.open_own_item(&OwnItem {
            position: own.position,
            context: own.context.abi_encode(),
            header: own.header.to_vec(),
            fee_recipient: own.fee_recipient,
            closed: own.closed,
        })?;
        self.items.push_back(own);
        Ok(())
    }

    /// Adds a block to the item that takes blocks. It may be shown to users afterwards, and not before.
    ///
    /// # Errors
    /// If the store fails.
    ///
    /// # Panics
    /// If no item takes blocks.
    pub(crate) fn push(&mut self, block: Block) -> Result<(), OwnError> {
        let own = self.items.back_mut().filter(|own| !own.closed).expect("an item takes blocks");
        let stored = OwnBlock {
            number: block.after.number,
            hash: block.after.hash,
            dt: block.posted.dt,
            forced: block.forced,
            posted: alloy_rlp::encode(&block.posted.transactions),
        };
        self.store.add_own_block(own.position, own.blocks.len() as u64, &stored)?;
        own.blocks.push(block);
        Ok(())
    }

    /// The item that takes blocks is complete. One without blocks is forgotten.
    ///
    /// # Errors
    /// If the store fails.
    pub(crate) fn close(&mut self) -> Result<(), OwnError> {
        let Some(own) = self.items.back_mut().filter(|own| !own.closed) else { return Ok(()) };
        if own.blocks.is_empty() {
            self.store.drop_own_items_from(own.position)?;
            self.items.pop_back();
        } else {
            self.store.close_own_item(own.position)?;
            own.closed = true;
        }
        Ok(())
    }

    /// The block `k` of the item at a position.
    #[must_use]
    pub(crate) fn block_at(&self, position: u64, k: u64) -> Option<&Block> {
        let own = self.items.iter().find(|own| own.position == position)?;
        own.blocks.get(usize::try_from(k).ok()?)
    }

    /// L1 will not take back the items below this position.
    ///
    /// # Errors
    /// If the store fails.
    pub(crate) fn forget(&mut self, below: u64) -> Result<(), OwnError> {
        if self.items.front().is_some_and(|own| own.position < below) {
            self.store.drop_own_items_below(below)?;
            self.items.retain(|own| own.position >= below);
        }
        Ok(())
    }

    /// The items from this position on will not be posted as they are. Returns how many blocks they had.
    ///
    /// # Errors
    /// If the store fails.
    pub(crate) fn abandon(&mut self, from: u64) -> Result<usize, OwnError> {
        self.store.drop_own_items_from(from)?;
        let gone = self.items.iter().filter(|own| own.position >= from);
        let blocks = gone.map(|own| own.blocks.len()).sum();
        self.items.retain(|own| own.position < from);
        Ok(blocks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(position: u64) -> Own {
        Own {
            position,
            context: L1Context { l1Number: position * 2, ..L1Context::default() },
            header: Bytes::from_static(b"header"),
            fee_recipient: Address::repeat_byte(1),
            closed: false,
            blocks: vec![],
        }
    }

    fn block(number: u64) -> Block {
        let hash = B256::left_padding_from(&number.to_be_bytes());
        let transactions = vec![Bytes::from_static(b"one"), Bytes::from_static(b"two")];
        Block {
            after: Parent { hash, number, timestamp: number + 100 },
            forced: number,
            posted: StreamBlock { dt: 1, transactions },
        }
    }

    fn header(hash: B256) -> Option<(u64, u64)> {
        let number = u64::from_be_bytes(*hash.last_chunk().unwrap());
        Some((number, number + 100))
    }

    fn walk(position: u64, number: u64) -> Cursor {
        Cursor { parent: block(number).after, position, index: 0, forced: number }
    }

    /// Items 3 (blocks 7 and 8, complete) and 4 (block 9).
    fn two(store: &Store) -> OwnItems {
        let mut own = OwnItems::open(store.clone(), header).unwrap();
        own.begin(item(3)).unwrap();
        own.push(block(7)).unwrap();
        own.push(block(8)).unwrap();
        own.close().unwrap();
        own.begin(item(4)).unwrap();
        own.push(block(9)).unwrap();
        own
    }

    #[test]
    fn after_a_crash_the_same_is_promised() {
        let store = Store::memory().unwrap();
        let own = two(&store);
        let again = OwnItems::open(store, header).unwrap();
        assert_eq!(again.items, own.items);
        assert!(again.items[0].closed && again.current().is_some());
    }

    #[test]
    fn a_block_that_the_chain_does_not_know_is_damage() {
        let store = Store::memory().unwrap();
        two(&store);
        let damaged = OwnItems::open(store, |_| None).unwrap_err();
        assert!(matches!(damaged, OwnError::Damaged { position: 3 }));
    }

    #[test]
    fn the_tip_is_that_of_whoever_is_further() {
        let store = Store::memory().unwrap();
        let mut own = two(&store);
        let tip = own.tip(walk(3, 6));
        assert_eq!((tip.position, tip.index, tip.parent.number, tip.forced), (4, 1, 9, 9));
        own.close().unwrap();
        let tip = own.tip(walk(4, 8));
        assert_eq!((tip.position, tip.index, tip.parent.number), (5, 0, 9));
        assert_eq!(own.tip(walk(5, 9)), walk(5, 9));
        assert_eq!(own.tip(walk(6, 12)), walk(6, 12), "somebody else went on");
    }

    #[test]
    fn what_is_abandoned_is_gone_for_good() {
        let store = Store::memory().unwrap();
        let mut own = two(&store);
        assert_eq!(own.abandon(4).unwrap(), 1);
        assert_eq!(own.newest().unwrap().after.number, 8);
        own.forget(4).unwrap();
        assert_eq!(OwnItems::open(store, header).unwrap().items, []);
    }

    #[test]
    fn an_item_without_blocks_is_not_closed_but_forgotten() {
        let store = Store::memory().unwrap();
        let mut own = OwnItems::open(store.clone(), header).unwrap();
        own.begin(item(3)).unwrap();
        own.close().unwrap();
        assert!(own.newest().is_none() && store.own_items().unwrap().is_empty());
    }
}
