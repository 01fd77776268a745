//! MDBX: a copy-on-write B-tree in one memory-mapped file. A commit survives the death of the process and of the machine.

use std::{borrow::Cow, path::Path, time::Duration};

use alloy_primitives::Bytes;
use signet_libmdbx::{
    Database, DatabaseFlags, Environment, EnvironmentFlags, Geometry, Mode, SyncMode, WriteFlags,
    tx::aliases::{RoTxSync, RwTxUnsync},
};

use super::{Batch, Durability, Engine, EngineError, Snapshot, Write};
use crate::table::Table;

/// The file MDBX keeps everything in.
const FILE: &str = "mdbx.dat";
/// The most the file may grow to. Only address space is reserved, not disk.
const MAX_BYTES: usize = 4 << 40;
/// The file grows and shrinks in these steps.
const GROWTH_STEP: isize = 64 << 20;
/// Room for this many snapshots at once; each is some bytes of a lock table.
const MAX_READERS: u64 = 1024;
/// With [`Durability::Checkpoints`], writes of so many bytes are forced to the device together.
const CHECKPOINT_BYTES: usize = 256 << 20;
/// The same after this time at the latest.
const CHECKPOINT_PERIOD: Duration = Duration::from_secs(30);

/// An open database. No other process can open it meanwhile.
pub(crate) struct Mdbx {
    environment: Environment,
    tables: [Database; Table::ALL.len()],
}

impl Mdbx {
    /// Whether there is a database in this directory.
    pub(crate) fn exists(path: &Path) -> bool {
        path.join(FILE).exists()
    }

    pub(crate) fn open(path: &Path, durability: Durability) -> Result<Self, EngineError> {
        let mut builder = Environment::builder();
        let sync_mode = match durability {
            Durability::EachCommit => SyncMode::Durable,
            // A commit is still whole or not there; what a power cut takes is the end of the history, never its middle.
            Durability::Checkpoints => {
                builder.set_sync_bytes(CHECKPOINT_BYTES).set_sync_period(CHECKPOINT_PERIOD);
                SyncMode::SafeNoSync
            }
        };
        let environment = builder
            .set_max_dbs(Table::ALL.len())
            .set_max_readers(MAX_READERS)
            .set_geometry(Geometry {
                size: Some(0..MAX_BYTES),
                growth_step: Some(GROWTH_STEP),
                shrink_threshold: None,
                page_size: None,
            })
            .set_flags(EnvironmentFlags {
                mode: Mode::ReadWrite { sync_mode },
                exclusive: true,
                // Keys are hashes: the neighbours of what is read are not what is read next.
                no_rdahead: true,
                coalesce: true,
                ..Default::default()
            })
            .open(path)?;
        let tx = environment.begin_rw_unsync()?;
        let mut tables = [Database::freelist_db(); Table::ALL.len()];
        for (table, slot) in Table::ALL.iter().zip(&mut tables) {
            *slot = tx.create_db(Some(table.name()), DatabaseFlags::empty())?;
        }
        tx.commit()?;
        Ok(Self { environment, tables })
    }
}

impl Engine for Mdbx {
    fn snapshot(&self) -> Result<Box<dyn Snapshot>, EngineError> {
        Ok(Box::new(MdbxSnapshot { tx: self.environment.begin_ro_sync()?, tables: self.tables }))
    }

    fn commit(&self, batch: Batch) -> Result<(), EngineError> {
        let tx = self.environment.begin_rw_unsync()?;
        for (table, write) in batch.writes {
            let db = self.tables[table as usize];
            match write {
                Write::Put(key, value) => tx.put(db, key, value, WriteFlags::UPSERT)?,
                Write::Delete(key) => drop(tx.del(db, key, None)?),
                Write::DeletePrefix(prefix) => {
                    delete_while(&tx, db, &prefix, |key| key.starts_with(&prefix))?;
                }
                Write::DeleteBefore(end) => delete_while(&tx, db, &[], |key| key < &end[..])?,
            }
        }
        tx.commit()?;
        Ok(())
    }
}

/// Deletes keys from `from` on, as long as they are wanted.
fn delete_while(
    tx: &RwTxUnsync,
    db: Database,
    from: &[u8],
    wanted: impl Fn(&[u8]) -> bool,
) -> Result<(), EngineError> {
    let mut cursor = tx.cursor(db)?;
    while let Some((key, ())) = cursor.set_range::<Vec<u8>, ()>(from)? {
        if !wanted(&key) {
            break;
        }
        cursor.del()?;
    }
    Ok(())
}

struct MdbxSnapshot {
    tx: RoTxSync,
    tables: [Database; Table::ALL.len()],
}

impl Snapshot for MdbxSnapshot {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, EngineError> {
        let value = self.tx.get::<Vec<u8>>(self.tables[table as usize].dbi(), key)?;
        Ok(value.map(Bytes::from))
    }

    fn scan(
        &self,
        table: Table,
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), EngineError> {
        let mut cursor = self.tx.cursor(self.tables[table as usize])?;
        let mut entries = cursor.iter_from::<Cow<'_, [u8]>, Cow<'_, [u8]>>(from)?;
        while let Some((key, value)) = entries.borrow_next()? {
            if !visit(&key, &value) {
                break;
            }
        }
        Ok(())
    }
}
