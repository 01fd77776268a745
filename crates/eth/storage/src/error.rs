//! What can go wrong with the database.

use std::{path::PathBuf, sync::Arc};

use alloy_primitives::B256;
use ethrex_types::StateError;

pub use crate::engine::EngineError;

/// The database cannot do what was asked, or is not the one that was asked for.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The directory or the file in it cannot be used.
    #[error("open database in {path}")]
    Open {
        /// The directory.
        path: PathBuf,
        /// What the engine says.
        #[source]
        source: EngineError,
    },
    /// The directory cannot be made.
    #[error("create directory {path}")]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// Another process uses the database.
    #[error(
        "database in {0} is in use by another process: stop that one, or choose another --datadir"
    )]
    InUse(PathBuf),
    /// The database was written by another version of this program.
    #[error(
        "database in {path} has schema {found}, this version reads schema {expected}: run the version that made it, \
         or delete it with `ethrex removedb` and sync again"
    )]
    Schema {
        /// The directory.
        path: PathBuf,
        /// The schema on disk.
        found: u64,
        /// The schema this version reads.
        expected: u64,
    },
    /// The database belongs to a chain with another chain id.
    #[error(
        "database in {path} belongs to chain id {found}, but the genesis says {expected}: use the network it was made \
         for, or choose another --datadir"
    )]
    ChainId {
        /// The directory.
        path: PathBuf,
        /// The chain id on disk.
        found: u64,
        /// The chain id asked for.
        expected: u64,
    },
    /// The database starts from another genesis block.
    #[error(
        "database in {path} starts from genesis {found}, but the genesis given makes {expected}: use the genesis file \
         it was made from, or choose another --datadir"
    )]
    Genesis {
        /// The directory.
        path: PathBuf,
        /// The genesis hash on disk.
        found: B256,
        /// The genesis hash asked for.
        expected: B256,
    },
    /// A commit failed; nothing of it is stored.
    #[error("write to the database")]
    Write(#[source] Arc<EngineError>),
    /// A read failed.
    #[error("read from the database")]
    Read(#[source] EngineError),
    /// A row cannot be decoded.
    #[error("database is corrupt: table {table} has an unreadable row")]
    Corrupt {
        /// The table.
        table: &'static str,
        /// What is wrong with the row.
        #[source]
        source: alloy_rlp::Error,
    },
    /// A row that another row promises is absent.
    #[error("database is corrupt: table {table} lacks a row that others refer to")]
    Dangling {
        /// The table.
        table: &'static str,
    },
    /// The parent is not among the blocks that can be built on.
    #[error("parent {0} is unknown or too old to build on")]
    UnknownParent(B256),
    /// The block is not among those that can be the head.
    #[error("block {0} is unknown or too old to be the head")]
    UnknownHead(B256),
    /// The state of an older block could not be computed.
    #[error("go back below the states that are kept")]
    Undo(#[source] StateError),
    /// What is kept of flushed blocks does not lead to the state that they began with.
    #[error(
        "database is corrupt: the way back to block {block} leads to state {got} instead of {want}"
    )]
    WrongWayBack {
        /// The height.
        block: u64,
        /// Root of the state it leads to.
        got: B256,
        /// Root in the header.
        want: B256,
    },
    /// No such block.
    #[error("block {0} is unknown")]
    UnknownBlock(B256),
    /// The block is at or below the base, so it cannot be undone.
    #[error("block {number} cannot be undone: the state on disk has moved on to {base}")]
    TooDeep {
        /// The height asked for.
        number: u64,
        /// The height of the base.
        base: u64,
    },
    /// The thread that advances the base could not be started.
    #[error("start the flush thread")]
    Thread(#[source] std::io::Error),
}

impl From<StorageError> for StateError {
    fn from(error: StorageError) -> Self {
        Self::Backend(Arc::new(error))
    }
}
