//! Sorted maps in memory, for tests and for nodes that keep nothing.
//!
//! A snapshot shares everything with what comes after it. A commit copies only the pieces of the tables that it writes to: somebody
//! always holds a snapshot, and the cost of a block must not grow with the length of the chain.

use std::{
    collections::BTreeMap,
    ops::Bound::{Included, Unbounded},
    sync::Arc,
};

use alloy_primitives::Bytes;
use parking_lot::RwLock;

use super::{Batch, Engine, EngineError, Snapshot, Write};
use crate::table::Table;

/// Entries of a piece at most: copying one, and the list of all pieces, are both quick.
const MAX_PIECE: usize = 128;

type Tables = [Map<MAX_PIECE>; Table::ALL.len()];

/// A database that is gone when its last clone is dropped.
#[derive(Clone, Default)]
pub(crate) struct Memory {
    tables: Arc<RwLock<Tables>>,
}

impl Engine for Memory {
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError> {
        Ok(Box::new(MemorySnapshot(self.tables.read().clone())))
    }

    fn commit(&self, batch: Batch) -> Result<(), EngineError> {
        let mut tables = self.tables.write();
        for (table, write) in batch.writes {
            let entries = &mut tables[table as usize];
            match write {
                Write::Put(key, value) => entries.put(key, value),
                Write::Delete(key) => entries.remove(&key),
                Write::DeletePrefix(prefix) => {
                    entries.remove_while(&prefix, |key| key.starts_with(&prefix));
                }
                Write::DeleteBefore(end) => entries.remove_while(&[], |key| key < &end[..]),
            }
        }
        Ok(())
    }
}

struct MemorySnapshot(Tables);

impl Snapshot for MemorySnapshot {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        Ok(self.0[table as usize].get(key).cloned())
    }

    fn scan(
        &self,
        table: Table,
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), EngineError> {
        for (key, value) in self.0[table as usize].starting_at(from) {
            if !visit(key, value) {
                break;
            }
        }
        Ok(())
    }
}

type Piece = BTreeMap<Vec<u8>, Bytes>;

/// A sorted map in pieces of at most `N` entries, which clones share until one of them changes.
#[derive(Debug, Clone, Default)]
struct Map<const N: usize> {
    /// Each by a key that is not above any of its own, and above all of the piece before. None is empty.
    pieces: Arc<BTreeMap<Vec<u8>, Arc<Piece>>>,
}

impl<const N: usize> Map<N> {
    /// Where the piece stands in which this key is, or would be; `None` where it is below all of them.
    fn place(&self, key: &[u8]) -> Option<&Vec<u8>> {
        let below = self.pieces.range::<[u8], _>((Unbounded, Included(key)));
        below.map(|(place, _)| place).next_back()
    }

    fn get(&self, key: &[u8]) -> Option<&Bytes> {
        self.pieces.get(self.place(key)?)?.get(key)
    }

    /// Entries in order, from the first key that is not before this one.
    fn starting_at<'a>(&'a self, key: &'a [u8]) -> impl Iterator<Item = (&'a Vec<u8>, &'a Bytes)> {
        let first = self.place(key).map_or(key, |place| place.as_slice());
        let pieces = self.pieces.range::<[u8], _>((Included(first), Unbounded));
        pieces.flat_map(move |(_, piece)| piece.range::<[u8], _>((Included(key), Unbounded)))
    }

    fn put(&mut self, key: Vec<u8>, value: Bytes) {
        let place = self.place(&key).cloned().unwrap_or_default();
        let pieces = Arc::make_mut(&mut self.pieces);
        let piece = Arc::make_mut(pieces.entry(place).or_default());
        piece.insert(key, value);
        if piece.len() > N
            && let Some(middle) = piece.keys().nth(N.div_ceil(2)).cloned()
        {
            let upper = piece.split_off(&middle);
            pieces.insert(middle, Arc::new(upper));
        }
    }

    fn remove(&mut self, key: &[u8]) {
        let Some(place) = self.place(key).cloned() else { return };
        if !self.pieces.get(&place).is_some_and(|piece| piece.contains_key(key)) {
            return;
        }
        let pieces = Arc::make_mut(&mut self.pieces);
        let Some(piece) = pieces.get_mut(&place) else { return };
        let piece = Arc::make_mut(piece);
        piece.remove(key);
        if piece.is_empty() {
            pieces.remove(&place);
        }
    }

    /// Removes entries from `from` on, as long as their keys are wanted.
    fn remove_while(&mut self, from: &[u8], wanted: impl Fn(&[u8]) -> bool) {
        let keys = self.starting_at(from).map(|(key, _)| key).take_while(|key| wanted(key));
        for key in keys.cloned().collect::<Vec<_>>() {
            self.remove(&key);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Op {
        Put(Vec<u8>, u8),
        Remove(Vec<u8>),
        RemovePrefix(Vec<u8>),
        Copy,
    }

    fn op() -> impl Strategy<Value = Op> {
        let key = || proptest::collection::vec(0u8..4, 0..4);
        prop_oneof![
            8 => (key(), any::<u8>()).prop_map(|(key, value)| Op::Put(key, value)),
            4 => key().prop_map(Op::Remove),
            1 => key().prop_map(Op::RemovePrefix),
            1 => Just(Op::Copy),
        ]
    }

    fn check(map: &Map<3>, model: &BTreeMap<Vec<u8>, Bytes>, key: &[u8]) {
        let from: Vec<_> = map.starting_at(key).collect();
        let expected: Vec<_> = model.range(key.to_vec()..).collect();
        assert_eq!(from, expected, "from {key:?} in {map:?}");
        assert_eq!(map.get(key), model.get(key));
        assert!(map.pieces.values().all(|piece| (1..=3).contains(&piece.len())), "{map:?}");
    }

    proptest! {
        #[test]
        fn a_map_in_pieces_is_a_map(ops in proptest::collection::vec(op(), 0..80), key in proptest::collection::vec(0u8..4, 0..4)) {
            let (mut map, mut model) = (Map::<3>::default(), BTreeMap::new());
            let mut copies = vec![];
            for op in ops {
                match op {
                    Op::Put(key, value) => {
                        map.put(key.clone(), vec![value].into());
                        model.insert(key, vec![value].into());
                    }
                    Op::Remove(key) => {
                        map.remove(&key);
                        model.remove(&key);
                    }
                    Op::RemovePrefix(prefix) => {
                        map.remove_while(&prefix, |key| key.starts_with(&prefix));
                        model.retain(|key, _| !key.starts_with(&prefix));
                    }
                    Op::Copy => copies.push((map.clone(), model.clone())),
                }
                check(&map, &model, &key);
            }
            for (map, model) in copies {
                check(&map, &model, &[]);
            }
        }
    }

    #[test]
    fn a_commit_copies_only_what_it_writes_to() {
        let mut map = Map::<MAX_PIECE>::default();
        (0..10_000_u64).for_each(|n| map.put(n.to_be_bytes().to_vec(), Bytes::new()));
        let before = map.clone();
        map.put(10_000_u64.to_be_bytes().to_vec(), Bytes::new());
        map.remove(&5_000_u64.to_be_bytes());
        let shared = |place: &Vec<u8>, piece| {
            before.pieces.get(place).is_some_and(|other| Arc::ptr_eq(other, piece))
        };
        let copied = map.pieces.iter().filter(|(place, piece)| !shared(place, piece)).count();
        assert!(map.pieces.len() > 70 && copied <= 3, "{copied} of {}", map.pieces.len());
    }
}
