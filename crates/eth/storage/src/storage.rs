//! The handle, and what it shares.

use std::{
    fmt,
    sync::{Arc, atomic::AtomicBool},
};

use alloy_primitives::{B256, Bytes};
use alloy_rlp::{RlpDecodable, RlpEncodable};
use ethrex_trie::TrieUpdates;
use ethrex_types::{Receipt, RecoveredBlock, StateDiff};
use parking_lot::{Mutex, RwLock};

use crate::{
    commit::Committer,
    engine::Snapshot,
    error::StorageError,
    flush::{Flush, Flusher},
    layer::Tree,
};

/// A block by height and hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, RlpEncodable, RlpDecodable)]
pub struct BlockRef {
    /// Height.
    pub number: u64,
    /// Hash of the header.
    pub hash: B256,
}

impl fmt::Display for BlockRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.number, self.hash)
    }
}

/// Where a canonical transaction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TxLocation {
    /// The block.
    pub block: BlockRef,
    /// Position in the block.
    pub index: usize,
}

/// An executed block, with all that is stored of it.
#[derive(Debug, Clone)]
pub struct NewBlock<'a> {
    /// The block and the senders of its transactions.
    pub block: &'a RecoveredBlock,
    /// One receipt per transaction.
    pub receipts: &'a [Receipt],
    /// What the block changes in the state.
    pub diff: StateDiff,
    /// What that changes among the trie nodes.
    pub trie: TrieUpdates,
    /// What is needed to execute the block again without the state.
    pub witness: Option<Bytes>,
    /// RLP of what the block touches and changes (EIP-7928), from Amsterdam on.
    pub access_list: Option<Bytes>,
}

/// The database of a node. Cheap to clone; the database closes with the last clone and the last view.
///
/// All methods block on the disk: asynchronous callers keep them off their own threads.
#[derive(Clone)]
pub struct Storage {
    shared: Arc<Shared>,
}

struct Shared {
    flusher: Flusher,
    core: Arc<Core>,
}

/// What the handle and the flush thread work on.
pub(crate) struct Core {
    pub(crate) disk: Committer,
    pub(crate) tree: RwLock<Tree>,
    /// Held while disk and tree change together. Always taken before the lock of the tree.
    pub(crate) writer: Mutex<()>,
    /// Held by whoever flushes, and what is left of a flush that failed: nothing else may move the base before that is done. Always
    /// taken before the writer.
    pub(crate) flushing: Mutex<Option<Flush>>,
    /// The handle is gone: whoever flushes stops at the next group.
    pub(crate) closing: AtomicBool,
}

impl Storage {
    pub(crate) fn start(core: Core) -> Result<Self, StorageError> {
        let core = Arc::new(core);
        let flusher = Flusher::spawn(core.clone())?;
        Ok(Self { shared: Arc::new(Shared { flusher, core }) })
    }

    pub(crate) fn core(&self) -> &Core {
        &self.shared.core
    }

    pub(crate) fn snapshot(&self) -> Result<Box<dyn Snapshot>, StorageError> {
        self.core().disk.snapshot()
    }

    /// Lets the flush thread look whether there is work.
    pub(crate) fn wake_flusher(&self) {
        self.shared.flusher.wake();
    }
}

impl fmt::Debug for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tree = self.core().tree.read();
        f.debug_struct("Storage")
            .field("base", &tree.base)
            .field("head", &tree.head)
            .field("layers", &tree.len())
            .finish_non_exhaustive()
    }
}
