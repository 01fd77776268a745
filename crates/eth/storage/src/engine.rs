//! The key–value engine, fenced: snapshots to read from and batches to write.

pub(crate) mod mdbx;
pub(crate) mod memory;

use alloy_primitives::Bytes;
use signet_libmdbx::{MdbxError, ReadError};

use crate::table::Table;

/// What a commit outlives once the call returns.
///
/// Either way a commit is whole or not there at all, and what the process was killed after is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The end of the process and of the machine.
    EachCommit,
    /// The end of the process. A power cut takes back the commits of the last seconds, from the newest on. For work that can be
    /// repeated, as an import from files: it saves a wait for the device per block.
    Checkpoints,
}

/// An ordered key–value store with several tables.
pub(crate) trait Engine: Send + Sync {
    /// The content at this moment; later commits do not show in it.
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError>;

    /// Applies all writes of a batch, in order, or none of them. They are on disk when this returns, as far as the
    /// [`Durability`] asks for it.
    fn commit(&self, batch: Batch) -> Result<(), EngineError>;
}

/// The content of an engine at one moment.
pub(crate) trait Snapshot: Send + Sync {
    /// The value under `key`.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, EngineError>;

    /// Visits entries in key order, from the first key that is not before `from`, until `visit` returns false.
    fn scan(
        &self,
        table: Table,
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), EngineError>;
}

/// The engine failed.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The operating system refused something.
    #[error(transparent)]
    System(std::io::Error),
    /// MDBX refused something.
    #[error(transparent)]
    Mdbx(MdbxError),
    /// MDBX failed to read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl From<MdbxError> for EngineError {
    fn from(error: MdbxError) -> Self {
        match error {
            MdbxError::Other(code) => Self::System(std::io::Error::from_raw_os_error(code)),
            error => Self::Mdbx(error),
        }
    }
}

impl EngineError {
    /// Whether opening failed because somebody else has the database open.
    pub(crate) fn is_in_use(&self) -> bool {
        match self {
            Self::System(error) => error.kind() == std::io::ErrorKind::WouldBlock,
            Self::Mdbx(error) => *error == MdbxError::Busy,
            Self::Read(_) => false,
        }
    }
}

/// Writes that belong together.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) writes: Vec<(Table, Write)>,
}

/// One write to one table.
#[derive(Debug)]
pub(crate) enum Write {
    Put(Vec<u8>, Bytes),
    Delete(Vec<u8>),
    /// Deletes every key that starts with the prefix.
    DeletePrefix(Vec<u8>),
    /// Deletes every key that is before the given one.
    DeleteBefore(Vec<u8>),
}

impl Batch {
    pub(crate) fn put(&mut self, table: Table, key: impl AsRef<[u8]>, value: impl Into<Bytes>) {
        self.writes.push((table, Write::Put(key.as_ref().to_vec(), value.into())));
    }

    pub(crate) fn delete(&mut self, table: Table, key: impl AsRef<[u8]>) {
        self.writes.push((table, Write::Delete(key.as_ref().to_vec())));
    }

    pub(crate) fn delete_prefix(&mut self, table: Table, prefix: impl AsRef<[u8]>) {
        self.writes.push((table, Write::DeletePrefix(prefix.as_ref().to_vec())));
    }

    pub(crate) fn delete_before(&mut self, table: Table, key: impl AsRef<[u8]>) {
        self.writes.push((table, Write::DeleteBefore(key.as_ref().to_vec())));
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Op {
        Put(Table, Vec<u8>, Vec<u8>),
        Delete(Table, Vec<u8>),
        DeletePrefix(Table, Vec<u8>),
        DeleteBefore(Table, Vec<u8>),
    }

    fn batches() -> impl Strategy<Value = Vec<Vec<Op>>> {
        let table = prop_oneof![Just(Table::Meta), Just(Table::Slots)];
        let key = || proptest::collection::vec(0u8..3, 1..4);
        let value = proptest::collection::vec(any::<u8>(), 0..5000);
        let op = prop_oneof![
            4 => (table.clone(), key(), value).prop_map(|(t, k, v)| Op::Put(t, k, v)),
            2 => (table.clone(), key()).prop_map(|(t, k)| Op::Delete(t, k)),
            1 => (table.clone(), key()).prop_map(|(t, k)| Op::DeletePrefix(t, k)),
            1 => (table, key()).prop_map(|(t, k)| Op::DeleteBefore(t, k)),
        ];
        proptest::collection::vec(proptest::collection::vec(op, 0..12), 1..6)
    }

    type Model = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

    fn content(snapshot: &dyn Snapshot) -> Model {
        let mut all = Model::new();
        for table in Table::ALL {
            snapshot
                .scan(table, &[], &mut |key, value| {
                    assert_eq!(snapshot.get(table, key).unwrap().unwrap(), *value);
                    all.insert((table, key.to_vec()), value.to_vec());
                    true
                })
                .unwrap();
        }
        all
    }

    fn check(engine: &dyn Engine, batches: Vec<Vec<Op>>) {
        let mut model = Model::new();
        let mut before = vec![];
        for ops in batches {
            before.push((engine.snapshot().unwrap(), model.clone()));
            let mut batch = Batch::default();
            for op in ops {
                match op {
                    Op::Put(table, key, value) => {
                        batch.put(table, key.clone(), value.clone());
                        model.insert((table, key), value);
                    }
                    Op::Delete(table, key) => {
                        batch.delete(table, key.clone());
                        model.remove(&(table, key));
                    }
                    Op::DeletePrefix(table, prefix) => {
                        batch.delete_prefix(table, prefix.clone());
                        model.retain(|(t, key), _| *t != table || !key.starts_with(&prefix));
                    }
                    Op::DeleteBefore(table, end) => {
                        batch.delete_before(table, end.clone());
                        model.retain(|(t, key), _| *t != table || *key >= end);
                    }
                }
            }
            engine.commit(batch).unwrap();
        }
        assert_eq!(content(&*engine.snapshot().unwrap()), model);
        for (snapshot, model) in before {
            assert_eq!(content(&*snapshot), model, "a snapshot has changed");
        }
        let from = (Table::Slots, vec![1u8]);
        let mut seen = vec![];
        let snapshot = engine.snapshot().unwrap();
        snapshot
            .scan(Table::Slots, &from.1, &mut |key, _| {
                seen.push(key.to_vec());
                seen.len() < 2
            })
            .unwrap();
        let expected: Vec<_> = model
            .range(from..)
            .filter(|((table, _), _)| *table == Table::Slots)
            .take(2)
            .map(|((_, key), _)| key.clone())
            .collect();
        assert_eq!(seen, expected);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn mdbx_is_a_sorted_map_with_snapshots(batches in batches()) {
            let dir = tempfile::tempdir().unwrap();
            check(&mdbx::Mdbx::open(dir.path(), Durability::EachCommit).unwrap(), batches);
        }

        #[test]
        fn memory_is_a_sorted_map_with_snapshots(batches in batches()) {
            check(&memory::Memory::default(), batches);
        }
    }
}
