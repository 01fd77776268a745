//! Sorted maps in memory, for tests. A commit while a snapshot is alive copies the tables it writes to.

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::Bytes;
use parking_lot::RwLock;

use super::{Batch, Engine, EngineError, Snapshot, Write};
use crate::table::Table;

type Tables = [Arc<BTreeMap<Vec<u8>, Bytes>>; Table::ALL.len()];

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
            let entries = Arc::make_mut(&mut tables[table as usize]);
            match write {
                Write::Put(key, value) => drop(entries.insert(key, value)),
                Write::Delete(key) => drop(entries.remove(&key)),
                Write::DeletePrefix(prefix) => entries.retain(|key, _| !key.starts_with(&prefix)),
                Write::DeleteBefore(end) => *entries = entries.split_off(&end),
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
        for (key, value) in self.0[table as usize].range(from.to_vec()..) {
            if !visit(key, value) {
                break;
            }
        }
        Ok(())
    }
}
