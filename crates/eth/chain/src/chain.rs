//! The chain: its rules, its storage and its head.

use std::{ops::Range, sync::Arc};

use alloy_primitives::B256;
use ethrex_stf::Rules;
use ethrex_storage::{NewBlock, Past, Storage, StorageError};
use ethrex_txpool::Pool;
use ethrex_types::{ChainSpec, SealedBlock, SealedHeader, StateError, Tx};
use parking_lot::Mutex;
use tokio::sync::watch;

use crate::{Prepared, Stored, bad_blocks::BadBlocks, metrics, work::Totals};

/// The published head.
pub type Head = SealedHeader;

/// One chain. Cheap to clone; all clones are the same chain.
#[derive(Debug, Clone)]
pub struct Chain {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    spec: ChainSpec,
    rules: Arc<dyn Rules>,
    storage: Storage,
    head: watch::Sender<Head>,
    /// Whether blocks are stored with their witness.
    witnesses: Witnesses,
    /// Before the merge, the difficulty of the chain up to the last blocks.
    totals: Mutex<Totals>,
    /// What was found invalid last.
    bad_blocks: Mutex<BadBlocks>,
    /// Serialises writers: blocks are stored and the head moves one at a time.
    writer: Mutex<()>,
}

/// Blocks below the head whose witnesses stay where a chain keeps recent ones; a little longer, since they go together.
pub const KEPT_WITNESSES: u64 = 1024;
/// Blocks after which witnesses that are too old go, together: one write to the disk, and not one per block.
const PRUNED_TOGETHER: u64 = 32;

/// Transactions of blocks that left the chain, of which no more return to the pool: about as many as it holds.
const MAX_RETURNED: usize = 20_000;

/// Whether a chain records what its blocks read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Witnesses {
    /// Always; whoever has the blocks proven deletes the witnesses.
    Recorded,
    /// Always; the last [`KEPT_WITNESSES`] stay.
    Recent,
    None,
}

/// How the head moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moved {
    /// Height of the newest block that was part of the chain before, and is now.
    pub fork: u64,
    /// Transactions of blocks that left the chain, which the pool was given.
    pub returned: usize,
}

/// Why a chain could not be opened or its head moved.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The block to publish is not stored.
    #[error("block {0} is not stored")]
    UnknownBlock(B256),
    /// The state of the new head could not be read.
    #[error("read state of the new head")]
    State(#[source] StateError),
}

impl Chain {
    /// Opens the chain that `storage` holds; its head is the last one published. Each block is stored with its witness.
    ///
    /// # Errors
    /// If the database fails.
    pub fn open(
        spec: ChainSpec,
        rules: Arc<dyn Rules>,
        storage: Storage,
    ) -> Result<Self, ChainError> {
        Self::with_witnesses(spec, rules, storage, Witnesses::Recorded)
    }

    /// The same for a chain that nobody proves: no witness is recorded.
    ///
    /// # Errors
    /// If the database fails.
    pub fn open_unwitnessed(
        spec: ChainSpec,
        rules: Arc<dyn Rules>,
        storage: Storage,
    ) -> Result<Self, ChainError> {
        Self::with_witnesses(spec, rules, storage, Witnesses::None)
    }

    /// The same for a chain of which anybody may ask for the witness of a recent block: each block is stored with its witness,
    /// and the last [`KEPT_WITNESSES`] stay.
    ///
    /// # Errors
    /// If the database fails.
    pub fn open_precomputing(
        spec: ChainSpec,
        rules: Arc<dyn Rules>,
        storage: Storage,
    ) -> Result<Self, ChainError> {
        Self::with_witnesses(spec, rules, storage, Witnesses::Recent)
    }

    fn with_witnesses(
        spec: ChainSpec,
        rules: Arc<dyn Rules>,
        storage: Storage,
        witnesses: Witnesses,
    ) -> Result<Self, ChainError> {
        let at = storage.head();
        let head = storage.header(at.hash)?.ok_or(ChainError::UnknownBlock(at.hash))?;
        metrics::head(head.number);
        let (head, _) = watch::channel(head);
        let (totals, bad_blocks, writer) = (Mutex::default(), Mutex::default(), Mutex::new(()));
        let inner = Inner { spec, rules, storage, head, witnesses, totals, bad_blocks, writer };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Genesis and fork schedule.
    #[must_use]
    pub fn spec(&self) -> &ChainSpec {
        &self.inner.spec
    }

    /// What this chain adds to plain execution.
    #[must_use]
    pub fn rules(&self) -> &Arc<dyn Rules> {
        &self.inner.rules
    }

    /// Blocks and state.
    #[must_use]
    pub fn storage(&self) -> &Storage {
        &self.inner.storage
    }

    pub(crate) fn totals(&self) -> &Mutex<Totals> {
        &self.inner.totals
    }

    /// The last few blocks that were judged and found invalid, the newest first. None of them is part of the chain.
    #[must_use]
    pub fn bad_blocks(&self) -> Vec<Arc<SealedBlock>> {
        self.inner.bad_blocks.lock().list()
    }

    pub(crate) fn keep_bad(&self, bad: SealedBlock) {
        self.inner.bad_blocks.lock().put(bad);
    }

    pub(crate) fn witnesses(&self) -> Witnesses {
        self.inner.witnesses
    }

    /// The head as the world sees it.
    #[must_use]
    pub fn head(&self) -> Head {
        self.inner.head.borrow().clone()
    }

    /// Follows the head.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Head> {
        self.inner.head.subscribe()
    }

    /// Stores a block durably without publishing it. Its state can be built on at once.
    ///
    /// # Errors
    /// If the database fails.
    pub fn store(&self, prepared: Prepared) -> Result<Stored, StorageError> {
        let _writer = self.inner.writer.lock();
        commit(prepared, |new| self.inner.storage.commit_block(new))
    }

    /// Stores a block built on the head, publishes it, and moves the pool on to it: what [`Self::store`] and [`Self::advance`]
    /// do, in one durable commit.
    ///
    /// # Errors
    /// As these two; the block is published even where the pool could not follow.
    pub fn extend(&self, prepared: Prepared, pool: &Pool) -> Result<Stored, ChainError> {
        let stored = self.store_head(prepared)?;
        self.follow(pool, Vec::new())?;
        Ok(stored)
    }

    /// Stores a block and makes it the head.
    pub(crate) fn store_head(&self, prepared: Prepared) -> Result<Stored, ChainError> {
        let _writer = self.inner.writer.lock();
        let stored = commit(prepared, |new| self.inner.storage.commit_head(new))?;
        self.announce(stored.block.sealed().sealed_header())?;
        Ok(stored)
    }

    /// Makes a stored block the head, durably, and tells everyone.
    ///
    /// # Errors
    /// If the block is not stored or the database fails.
    pub fn publish(&self, hash: B256) -> Result<(), ChainError> {
        let _writer = self.inner.writer.lock();
        let header = self.inner.storage.header(hash)?.ok_or(ChainError::UnknownBlock(hash))?;
        self.inner.storage.set_canonical(hash)?;
        Ok(self.announce(header)?)
    }

    /// Publishes a block built on the head, and moves the pool on to it.
    ///
    /// # Errors
    /// As [`Self::publish`]; the block is published even where the pool could not follow.
    pub fn advance(&self, hash: B256, pool: &Pool) -> Result<(), ChainError> {
        self.publish(hash)?;
        self.follow(pool, Vec::new())
    }

    /// Makes a stored block the head, and with it the newest safe and the newest final block where they are given, in one durable
    /// commit; tells everyone, and moves the pool on to it. What left the chain returns to the pool.
    ///
    /// # Errors
    /// If one of them is not stored, the state of the head is not kept, or the database fails. The head has moved even where the
    /// pool could not follow.
    pub fn set_fork_choice(
        &self,
        head: Head,
        safe: Option<B256>,
        finalized: Option<B256>,
        pool: &Pool,
    ) -> Result<(), ChainError> {
        let left = if self.inner.head.borrow().hash() == head.hash() {
            Vec::new()
        } else {
            self.transactions_above(self.fork_of(&head)?.number)?
        };
        self.move_head(head, safe, finalized, (pool, left))
    }

    /// Makes a stored block the head, and moves the pool on to it, as [`Self::set_fork_choice`] does. Of what left the chain, only
    /// the transactions return of which `returns` says so.
    ///
    /// # Errors
    /// As [`Self::set_fork_choice`].
    pub fn go_to(
        &self,
        head: Head,
        pool: &Pool,
        returns: impl Fn(&Tx) -> bool,
    ) -> Result<Moved, ChainError> {
        let fork = self.fork_of(&head)?.number;
        let mut left = self.transactions_above(fork)?;
        left.retain(returns);
        let returned = left.len();
        self.move_head(head, None, None, (pool, left))?;
        Ok(Moved { fork, returned })
    }

    /// The same, where the caller knows what left the chain.
    pub(crate) fn move_head(
        &self,
        head: Head,
        safe: Option<B256>,
        finalized: Option<B256>,
        (pool, left): (&Pool, Vec<Tx>),
    ) -> Result<(), ChainError> {
        let hash = head.hash();
        pool.save_reorged(&left);
        {
            let _writer = self.inner.writer.lock();
            let moves = self.inner.head.borrow().hash() != hash;
            self.inner.storage.set_fork_choice(hash, safe, finalized)?;
            if moves {
                self.announce(head)?;
            }
        }
        // Not only where the head moves: the pool may have failed to follow the last time.
        if pool.head().header.hash() != hash {
            self.follow(pool, left)?;
        }
        if let Some(block) = self.inner.storage.finalized() {
            pool.on_finalized(block.number);
        }
        Ok(())
    }

    /// The newest canonical block that `head` stands on.
    fn fork_of(&self, head: &Head) -> Result<Head, StorageError> {
        let storage = &self.inner.storage;
        let mut fork = head.clone();
        while storage.canonical_hash(fork.number)? != Some(fork.hash()) {
            let parent = storage.header(fork.parent_hash)?;
            fork = parent.ok_or(StorageError::UnknownBlock(fork.parent_hash))?;
        }
        Ok(fork)
    }

    /// Transactions of canonical blocks above a height, the oldest first.
    pub(crate) fn transactions_above(&self, number: u64) -> Result<Vec<Tx>, StorageError> {
        let storage = &self.inner.storage;
        let mut left = Vec::new();
        for number in number + 1..=self.inner.head.borrow().number {
            let Some(hash) = storage.canonical_hash(number)? else { break };
            let Some(body) = storage.body(hash)? else { break };
            left.extend(body.transactions);
            if left.len() > MAX_RETURNED {
                break;
            }
        }
        Ok(left)
    }

    /// Goes back to a block below the states that are kept, and stores blocks on it that were executed on its state. The head is that
    /// block for whoever starts from the database now, and nobody else hears of it. False if the database has moved on meanwhile.
    pub(crate) fn rewind(&self, past: &Past, blocks: Vec<Prepared>) -> Result<bool, StorageError> {
        let _writer = self.inner.writer.lock();
        if !self.inner.storage.rewind(past)? {
            return Ok(false);
        }
        for prepared in blocks {
            commit(prepared, |new| self.inner.storage.commit_block(new))?;
        }
        Ok(true)
    }

    /// Tells everyone of a new head, and forgets witnesses that are too far below it. The caller holds the writer's lock.
    fn announce(&self, head: Head) -> Result<(), StorageError> {
        metrics::head(head.number);
        let reached = head.number;
        let before = self.inner.head.send_replace(head).number;
        match self.inner.witnesses {
            Witnesses::Recent => self.forget_witnesses(kept_from(before)..kept_from(reached)),
            Witnesses::Recorded | Witnesses::None => Ok(()),
        }
    }

    /// Forgets the witnesses of canonical blocks; those of others went with them.
    fn forget_witnesses(&self, heights: Range<u64>) -> Result<(), StorageError> {
        if heights.is_empty() {
            return Ok(());
        }
        let storage = &self.inner.storage;
        let hashes = heights
            .filter_map(|height| storage.canonical_hash(height).transpose())
            .collect::<Result<Vec<_>, _>>()?;
        storage.delete_witnesses(&hashes)
    }

    fn follow(&self, pool: &Pool, left: Vec<Tx>) -> Result<(), ChainError> {
        let head = self.head();
        let hash = head.hash();
        let state = self.inner.storage.state_at(hash)?.ok_or(ChainError::UnknownBlock(hash))?;
        pool.on_head(head, Arc::new(state), left).map_err(ChainError::State)
    }
}

/// The lowest block whose witness stays while the head is at this height.
const fn kept_from(head: u64) -> u64 {
    (head / PRUNED_TOGETHER * PRUNED_TOGETHER).saturating_sub(KEPT_WITNESSES)
}

/// Hands a block to the storage, and keeps what others still want of it.
fn commit(
    prepared: Prepared,
    store: impl FnOnce(NewBlock<'_>) -> Result<(), StorageError>,
) -> Result<Stored, StorageError> {
    let Prepared { block, receipts, diff, nodes, access_list, witness, .. } = prepared;
    let encoded = witness.as_ref().map(|witness| alloy_rlp::encode(witness).into());
    store(NewBlock {
        block: &block,
        receipts: &receipts,
        diff,
        trie: nodes,
        witness: encoded,
        access_list,
    })?;
    Ok(Stored { block, witness })
}
