//! Why the store cannot answer.

use std::path::PathBuf;

use ethrex_protocol::BatchNumber;

/// A failure of our disk, or of those who wrote to it. None of these is a verdict about the rollup.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The file cannot be opened.
    #[error("open the rollup store {path}; is it writable, and no directory?")]
    Open {
        /// Where it is.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
    /// The file is a SQLite database of something else.
    #[error("{path} is not a rollup store; choose another --datadir")]
    Foreign {
        /// Where it is.
        path: PathBuf,
    },
    /// The file has a schema this program does not know.
    #[error(
        "the rollup store {path} has schema version {found}, this program knows {known}; use the program that wrote it, or remove it with `ethrex l2 removedb`"
    )]
    Schema {
        /// Where it is.
        path: PathBuf,
        /// Its version.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// The store belongs to another deployment.
    #[error(
        "the rollup store belongs to another deployment: its {field} is {found}, expected {expected}; choose another --datadir"
    )]
    Identity {
        /// What differs.
        field: &'static str,
        /// What the store says.
        found: String,
        /// What the configuration says.
        expected: String,
    },
    /// A read or write failed.
    #[error("{doing}")]
    Sqlite {
        /// What was being done.
        doing: &'static str,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
    /// A row does not hold what we write.
    #[error("column {column} of the rollup store is damaged")]
    Damaged {
        /// Which column.
        column: &'static str,
    },
    /// A number above 2^63.
    #[error("{0} is too large for the rollup store")]
    TooLarge(u64),
    /// Batches are stored in order, each once.
    #[error("batch {number} cannot be stored: the next one is {expected}")]
    NotNext {
        /// What was to be stored.
        number: BatchNumber,
        /// What can be.
        expected: BatchNumber,
    },
    /// A batch that is not stored was to be changed.
    #[error("batch {0} is not stored")]
    NoBatch(BatchNumber),
    /// L1 announced two different messages with one id.
    #[error("two different L1 messages have the id {0}")]
    DepositConflict(u64),
    /// L1 announced a message whose predecessor was never seen.
    #[error("L1 message {found} follows {last:?}: one is missing between them")]
    DepositGap {
        /// The last id stored.
        last: Option<u64>,
        /// The id announced.
        found: u64,
    },
}

/// Names what was being done when SQLite failed.
pub(crate) fn sqlite(doing: &'static str) -> impl FnOnce(rusqlite::Error) -> StoreError {
    move |source| StoreError::Sqlite { doing, source }
}
