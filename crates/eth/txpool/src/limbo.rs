//! Blob transactions that blocks have taken.
//!
//! A block has no sidecars: a transaction of one that leaves the chain can return only if somebody has kept its blobs. Until its block is
//! final it stays in the journal, and here stands that it does. geth calls this limbo, too.

use std::collections::{BTreeMap, HashMap};

use alloy_primitives::B256;

use crate::config::{MAX_LIMBO_BLOCKS, MAX_LIMBO_BYTES};

/// Which transactions of the journal are in a block, the oldest first.
#[derive(Debug, Default)]
pub(crate) struct Limbo {
    /// Hash and bytes, by the height at which they were seen to be mined, then by arrival.
    kept: BTreeMap<(u64, u64), (B256, usize)>,
    places: HashMap<B256, (u64, u64)>,
    bytes: usize,
    next: u64,
}

impl Limbo {
    /// Keeps a transaction that is in a block at this height or below it.
    pub(crate) fn put(&mut self, hash: B256, bytes: usize, height: u64) {
        self.take(hash);
        let place = (height, self.next);
        self.next += 1;
        self.bytes += bytes;
        self.kept.insert(place, (hash, bytes));
        self.places.insert(hash, place);
    }

    /// Gives a transaction back, whose block has left the chain. Returns whether it was here.
    pub(crate) fn take(&mut self, hash: B256) -> bool {
        let Some(place) = self.places.remove(&hash) else { return false };
        let (_, bytes) = self.kept.remove(&place).expect("what has a place is kept");
        self.bytes -= bytes;
        true
    }

    pub(crate) fn contains(&self, hash: B256) -> bool {
        self.places.contains_key(&hash)
    }

    /// Lets go what is final, and the oldest where there is too much. Returns what went.
    pub(crate) fn prune(&mut self, head: u64, finalized: Option<u64>) -> Vec<B256> {
        let old = head.checked_sub(MAX_LIMBO_BLOCKS);
        let last = old.max(finalized);
        let mut gone = Vec::new();
        while let Some(((height, _), (hash, _))) = self.kept.first_key_value()
            && (last.is_some_and(|last| *height <= last) || self.bytes > MAX_LIMBO_BYTES)
        {
            gone.push(*hash);
            self.take(gone[gone.len() - 1]);
        }
        gone
    }

    /// How many there are, and their bytes.
    pub(crate) fn size(&self) -> (usize, usize) {
        (self.kept.len(), self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(n: u8) -> B256 {
        B256::repeat_byte(n)
    }

    fn three() -> Limbo {
        let mut limbo = Limbo::default();
        (1..=3).for_each(|n| limbo.put(hash(n), 100, n.into()));
        limbo
    }

    #[test]
    fn what_is_final_goes() {
        let mut limbo = three();
        assert!(limbo.prune(3, None).is_empty());
        assert_eq!(limbo.prune(3, Some(2)), [hash(1), hash(2)]);
        assert_eq!(limbo.size(), (1, 100));
        assert!(limbo.take(hash(3)) && !limbo.take(hash(3)));
        assert_eq!(limbo.size(), (0, 0));
    }

    #[test]
    fn what_is_old_goes_where_nothing_becomes_final() {
        assert!(three().prune(MAX_LIMBO_BLOCKS, None).is_empty());
        assert_eq!(three().prune(MAX_LIMBO_BLOCKS + 1, None), [hash(1)]);
    }

    #[test]
    fn the_oldest_makes_room() {
        let mut limbo = three();
        limbo.put(hash(4), MAX_LIMBO_BYTES - 150, 3);
        assert_eq!(limbo.prune(3, None), [hash(1), hash(2)]);
        assert!(limbo.contains(hash(3)) && limbo.contains(hash(4)));
    }

    #[test]
    fn one_that_is_mined_again_is_as_new_as_its_new_block() {
        let mut limbo = three();
        limbo.put(hash(1), 100, 9);
        assert_eq!(limbo.prune(9, Some(8)), [hash(2), hash(3)]);
        assert_eq!(limbo.size(), (1, 100));
    }
}
