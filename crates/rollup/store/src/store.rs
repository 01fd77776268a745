//! Opening the file, and whose it is.

use std::{fmt, path::Path, sync::Arc, time::Duration};

use alloy_primitives::Address;
use parking_lot::{Mutex, MutexGuard};
use rusqlite::{Connection, OptionalExtension, TransactionBehavior};

use crate::{
    error::{StoreError, sqlite},
    value::{fixed, int, uint},
};

/// Marks the file as ours ("ethx").
const APPLICATION_ID: i64 = 0x6574_6878;
/// What each version of the schema added to the one before. A file of an older version gets what it lacks.
const VERSIONS: [&[&str]; 4] = [
    &[include_str!("schema.sql")],
    &[include_str!("native.sql"), include_str!("executed.sql")],
    &[include_str!("outbox_proof.sql")],
    &[include_str!("blobs.sql")],
];
/// How long a write waits for an operator's query to end.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// The rollup's memory. Cheap to clone; clones share the file.
#[derive(Clone)]
pub struct Store {
    connection: Arc<Mutex<Connection>>,
}

/// The deployment a store belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// Chain id of L1.
    pub l1_chain_id: u64,
    /// Chain id of the rollup.
    pub l2_chain_id: u64,
    /// The contract that keeps its batches.
    pub on_chain_proposer: Address,
}

impl Store {
    /// Opens a file, or creates it.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let open = |source| StoreError::Open { path: path.into(), source };
        let mut connection = Connection::open(path).map_err(open)?;
        connection.busy_timeout(BUSY_TIMEOUT).map_err(open)?;
        check_or_create(&mut connection, path)?;
        // Only after the check: this is the first thing that writes to the file.
        connection.pragma_update(None, "journal_mode", "wal").map_err(open)?;
        connection.pragma_update(None, "synchronous", "full").map_err(open)?;
        Ok(Self::over(connection))
    }

    /// A store that is gone with its last clone.
    pub fn memory() -> Result<Self, StoreError> {
        let path = Path::new(":memory:");
        let open = |source| StoreError::Open { path: path.into(), source };
        let mut connection = Connection::open_in_memory().map_err(open)?;
        check_or_create(&mut connection, path)?;
        Ok(Self::over(connection))
    }

    fn over(connection: Connection) -> Self {
        Self { connection: Arc::new(Mutex::new(connection)) }
    }

    /// Ties a fresh store to a deployment, or refuses one that is tied to another.
    pub fn expect_identity(&self, expected: &Identity) -> Result<(), StoreError> {
        let Some(found) = self.identity()? else {
            let row = (
                int(expected.l1_chain_id)?,
                int(expected.l2_chain_id)?,
                expected.on_chain_proposer.as_slice(),
            );
            let sql = "insert into identity values (0, ?, ?, ?)";
            return self.lock().execute(sql, row).map(drop).map_err(sqlite("write the identity"));
        };
        let differs = |field, found: String, expected: String| {
            if found == expected {
                Ok(())
            } else {
                Err(StoreError::Identity { field, found, expected })
            }
        };
        let text = |number: u64| number.to_string();
        differs("L1 chain id", text(found.l1_chain_id), text(expected.l1_chain_id))?;
        differs("L2 chain id", text(found.l2_chain_id), text(expected.l2_chain_id))?;
        differs(
            "OnChainProposer",
            found.on_chain_proposer.to_string(),
            expected.on_chain_proposer.to_string(),
        )
    }

    /// The deployment the store is tied to, if it is.
    pub fn identity(&self) -> Result<Option<Identity>, StoreError> {
        self.one("select * from identity", (), "read the identity", |row| {
            Ok(Identity {
                l1_chain_id: uint(row, "l1_chain_id")?,
                l2_chain_id: uint(row, "l2_chain_id")?,
                on_chain_proposer: fixed(row, "on_chain_proposer")?.into(),
            })
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock()
    }

    /// Reads at most one row.
    pub(crate) fn one<T>(
        &self,
        sql: &str,
        params: impl rusqlite::Params,
        doing: &'static str,
        read: impl FnOnce(&rusqlite::Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(sql).map_err(sqlite(doing))?;
        statement
            .query_row(params, |row| Ok(read(row)))
            .optional()
            .map_err(sqlite(doing))?
            .transpose()
    }

    /// Reads all rows.
    pub(crate) fn all<T>(
        &self,
        sql: &str,
        params: impl rusqlite::Params,
        doing: &'static str,
        mut read: impl FnMut(&rusqlite::Row<'_>) -> Result<T, StoreError>,
    ) -> Result<Vec<T>, StoreError> {
        let connection = self.lock();
        let mut statement = connection.prepare_cached(sql).map_err(sqlite(doing))?;
        let mut rows = statement.query(params).map_err(sqlite(doing))?;
        let mut found = Vec::new();
        while let Some(row) = rows.next().map_err(sqlite(doing))? {
            found.push(read(row)?);
        }
        Ok(found)
    }

    /// Writes in one transaction: all of it or nothing.
    pub(crate) fn write<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&rusqlite::Transaction<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut connection = self.lock();
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(sqlite(doing))?;
        let done = work(&transaction)?;
        transaction.commit().map_err(sqlite(doing))?;
        Ok(done)
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

/// Checks whose file it is; an empty one becomes ours.
fn check_or_create(connection: &mut Connection, path: &Path) -> Result<(), StoreError> {
    let open = |source| StoreError::Open { path: path.into(), source };
    let transaction = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(|source| match source.sqlite_error_code() {
            Some(rusqlite::ErrorCode::NotADatabase) => StoreError::Foreign { path: path.into() },
            _ => open(source),
        })?;
    let pragma = |name| transaction.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
    let application = pragma("application_id").map_err(open)?;
    let version = pragma("user_version").map_err(open)?;
    let tables: i64 = transaction
        .query_row("select count(*) from sqlite_schema", (), |row| row.get(0))
        .map_err(open)?;
    let empty = (application, version, tables) == (0, 0, 0);
    if application != APPLICATION_ID && !empty {
        return Err(StoreError::Foreign { path: path.into() });
    }
    let known = VERSIONS.len() as i64;
    let lacks = usize::try_from(version).ok().filter(|has| *has > 0 || empty);
    let Some(lacks) = lacks.and_then(|has| VERSIONS.get(has..)) else {
        return Err(StoreError::Schema { path: path.into(), found: version, known });
    };
    if lacks.is_empty() {
        return Ok(());
    }
    for sql in lacks.iter().copied().flatten() {
        transaction.execute_batch(sql).map_err(open)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(open)?;
    transaction.pragma_update(None, "user_version", known).map_err(open)?;
    transaction.commit().map_err(open)
}

#[cfg(test)]
mod tests {
    use super::*;

    const IDENTITY: Identity =
        Identity { l1_chain_id: 9, l2_chain_id: 65_536_999, on_chain_proposer: Address::ZERO };

    #[test]
    fn a_store_is_found_again_and_stays_with_its_deployment() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rollup.db");
        Store::open(&path).unwrap().expect_identity(&IDENTITY).unwrap();
        let again = Store::open(&path).unwrap();
        again.expect_identity(&IDENTITY).unwrap();
        let other = Identity { l2_chain_id: 1, ..IDENTITY };
        let error = again.expect_identity(&other).unwrap_err();
        assert!(error.to_string().contains("L2 chain id is 65536999, expected 1"), "{error}");
    }

    #[test]
    fn writes_are_synced_to_disk() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(&dir.path().join("rollup.db")).unwrap();
        let connection = store.lock();
        let synchronous: i64 =
            connection.pragma_query_value(None, "synchronous", |row| row.get(0)).unwrap();
        let journal: String =
            connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).unwrap();
        assert_eq!((synchronous, journal.as_str()), (2, "wal"));
    }

    #[test]
    fn a_store_of_an_older_version_is_brought_up_to_date() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rollup.db");
        let store = Store::open(&path).unwrap();
        store.expect_identity(&IDENTITY).unwrap();
        let older = [
            "drop table native_blobs; pragma user_version = 3",
            "drop table native_blobs; drop table native_outbox_proofs; pragma user_version = 2",
            "drop table native_blobs; drop table native_outbox_proofs; drop table native_blocks; \
             drop table native_items; drop table native_derived; drop table executed; \
             pragma user_version = 1",
        ];
        drop(store);
        for older in older {
            Connection::open(&path).unwrap().execute_batch(older).unwrap();
            let again = Store::open(&path).unwrap();
            assert_eq!(again.identity().unwrap(), Some(IDENTITY));
            assert_eq!(again.own_items().unwrap(), []);
            assert_eq!(again.executed().unwrap(), None);
            assert_eq!(again.outbox_proofs_above(0).unwrap(), []);
            assert_eq!(again.native_blob(Default::default()).unwrap(), None);
        }
    }

    #[test]
    fn a_store_of_another_schema_is_refused_with_a_way_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rollup.db");
        Store::open(&path).unwrap().lock().pragma_update(None, "user_version", 99).unwrap();
        let error = Store::open(&path).unwrap_err().to_string();
        assert!(error.contains("schema version 99") && error.contains("removedb"), "{error}");
    }

    #[test]
    fn a_file_that_is_no_store_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let text = dir.path().join("text");
        std::fs::write(&text, "x".repeat(2000)).unwrap();
        assert!(matches!(Store::open(&text), Err(StoreError::Foreign { .. })));
        assert_eq!(std::fs::read(&text).unwrap(), "x".repeat(2000).into_bytes());

        let other = dir.path().join("other.db");
        Connection::open(&other).unwrap().execute_batch("create table t (a)").unwrap();
        assert!(matches!(Store::open(&other), Err(StoreError::Foreign { .. })));
        assert!(matches!(Store::open(dir.path()), Err(StoreError::Open { .. })));
    }
}
