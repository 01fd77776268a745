//! Which chain is canonical: moving the head, and dropping blocks.

use std::{ops::Range, time::Instant};

use alloy_primitives::B256;

use crate::{
    blocks::{canonical_hash, canonize, delete_block, locate, transactions},
    codec::{encode, meta},
    engine::{Batch, Snapshot},
    error::StorageError,
    layer::Tree,
    log_index::{delete_logs, receipts},
    metrics,
    storage::{BlockRef, Storage},
    table::Table,
};

impl Storage {
    /// The canonical head.
    #[must_use]
    pub fn head(&self) -> BlockRef {
        self.core().tree.read().head
    }

    /// The newest block the consensus layer calls safe.
    #[must_use]
    pub fn safe(&self) -> Option<BlockRef> {
        self.core().tree.read().safe
    }

    /// The newest block the consensus layer calls final.
    #[must_use]
    pub fn finalized(&self) -> Option<BlockRef> {
        self.core().tree.read().finalized
    }

    /// The lowest block whose state can be read, and which can be the head.
    #[must_use]
    pub fn earliest_state(&self) -> BlockRef {
        self.core().tree.read().floor
    }

    /// Whether the block's state can be read, and so whether it can be built on and be the head.
    #[must_use]
    pub fn has_state(&self, hash: B256) -> bool {
        self.core().tree.read().usable(hash).is_some()
    }

    /// Makes a block the head and its ancestors canonical; whatever else was canonical above the fork no longer is.
    ///
    /// # Errors
    /// [`StorageError::UnknownHead`] if the block is not stored, or lies further back than state is kept.
    pub fn set_canonical(&self, hash: B256) -> Result<(), StorageError> {
        self.set_fork_choice(hash, None, None)
    }

    /// Moves the head as [`Self::set_canonical`] does, and with it the newest safe and the newest final block where they are given:
    /// all of it or nothing, in one commit. Where they are not given they stay, unless they are not among the head's ancestors any more.
    ///
    /// # Errors
    /// As [`Self::set_canonical`], and [`StorageError::UnknownBlock`] if a block that is given is not stored.
    pub fn set_fork_choice(
        &self,
        head: B256,
        safe: Option<B256>,
        finalized: Option<B256>,
    ) -> Result<(), StorageError> {
        let start = Instant::now();
        let core = self.core();
        let _writer = core.writer.lock();
        let (old, new, branch) = {
            let tree = core.tree.read();
            let unknown = StorageError::UnknownHead(head);
            let Some(new) = tree.usable(head) else { return Err(unknown) };
            (Pointers::of(&tree), new, tree.branch(head).ok_or(unknown)?)
        };
        let snapshot = core.disk.snapshot()?;
        let (added, fork) = way(&*snapshot, &branch, new)?;
        // What was safe or final on the branch that is left says nothing about the new one.
        let stays = |block: &BlockRef| block.number <= fork || added.contains(block);
        let stored = |hash: Option<B256>, old: Option<BlockRef>| match hash {
            Some(hash) => {
                locate(&*snapshot, hash)?.map(Some).ok_or(StorageError::UnknownBlock(hash))
            }
            None => Ok(old.filter(stays)),
        };
        let new = Pointers {
            head: new,
            safe: stored(safe, old.safe)?,
            finalized: stored(finalized, old.finalized)?,
        };
        if new == old {
            return Ok(());
        }
        let mut batch = Batch::default();
        switch(&mut batch, &*snapshot, fork..old.head.number, added)?;
        let left = old.head.number.saturating_sub(fork) as usize;
        new.put(&mut batch);
        core.disk.commit(batch)?;

        new.set(&mut core.tree.write());
        if new.head != old.head {
            metrics::head_moved(left, start.elapsed());
            self.wake_flusher();
        }
        Ok(())
    }

    /// Remembers the newest safe block.
    pub fn set_safe(&self, hash: B256) -> Result<(), StorageError> {
        self.set_pointer(hash, meta::SAFE, |tree| &mut tree.safe)
    }

    /// Remembers the newest final block.
    pub fn set_finalized(&self, hash: B256) -> Result<(), StorageError> {
        self.set_pointer(hash, meta::FINALIZED, |tree| &mut tree.finalized)
    }

    fn set_pointer(
        &self,
        hash: B256,
        key: &[u8],
        pointer: impl Fn(&mut Tree) -> &mut Option<BlockRef>,
    ) -> Result<(), StorageError> {
        let core = self.core();
        let _writer = core.writer.lock();
        let block =
            locate(&*core.disk.snapshot()?, hash)?.ok_or(StorageError::UnknownBlock(hash))?;
        if *pointer(&mut core.tree.write()) == Some(block) {
            return Ok(());
        }
        let mut batch = Batch::default();
        batch.put(Table::Meta, key, encode(&block));
        core.disk.commit(batch)?;
        *pointer(&mut core.tree.write()) = Some(block);
        Ok(())
    }

    /// Forgets a block and everything on top of it. Where the head is among them, their common parent becomes the head.
    /// Returns the head.
    pub fn drop_block(&self, hash: B256) -> Result<BlockRef, StorageError> {
        let core = self.core();
        let _writer = core.writer.lock();
        let tree = core.tree.read();
        let Some(block) = tree.usable(hash) else { return Err(StorageError::UnknownBlock(hash)) };
        if block == tree.floor {
            return Err(StorageError::TooDeep { number: block.number, base: tree.floor.number });
        }
        let doomed = tree.descendants(hash);
        let gone = tree.select(|layer| doomed.contains(&layer.block.hash));
        let head = if doomed.contains(&tree.head.hash) {
            let parent = tree.parent(hash).and_then(|parent| tree.usable(parent));
            parent.expect("a layer above the floor has a usable parent")
        } else {
            tree.head
        };
        drop(tree);
        self.remove(&gone, head)
    }

    /// Forgets every block above this height, canonical or not. Returns the head.
    pub fn revert_to(&self, number: u64) -> Result<BlockRef, StorageError> {
        let core = self.core();
        let _writer = core.writer.lock();
        let tree = core.tree.read();
        if number < tree.floor.number {
            return Err(StorageError::TooDeep { number, base: tree.floor.number });
        }
        let gone = tree.select(|layer| layer.block.number > number);
        let head = if tree.head.number <= number {
            tree.head
        } else if number == tree.floor.number {
            tree.floor
        } else {
            tree.ancestor(tree.head.hash, number).expect("the head stands on the floor").block
        };
        drop(tree);
        self.remove(&gone, head)
    }

    /// Deletes blocks that no others stand on. The caller holds the writer's lock.
    fn remove(&self, gone: &[BlockRef], head: BlockRef) -> Result<BlockRef, StorageError> {
        let core = self.core();
        let snapshot = core.disk.snapshot()?;
        let mut batch = Batch::default();
        for &block in gone {
            if canonical_hash(&*snapshot, block.number)? == Some(block.hash) {
                uncanonize(&mut batch, &*snapshot, block.number)?;
            }
            delete_block(&mut batch, block);
        }
        batch.put(Table::Meta, meta::HEAD, encode(&head));
        let mut tree = core.tree.write();
        let lost = |pointer: Option<BlockRef>| pointer.is_some_and(|block| gone.contains(&block));
        let (safe_lost, finalized_lost) = (lost(tree.safe), lost(tree.finalized));
        if safe_lost {
            batch.delete(Table::Meta, meta::SAFE);
        }
        if finalized_lost {
            batch.delete(Table::Meta, meta::FINALIZED);
        }
        core.disk.commit(batch)?;
        tree.remove(gone);
        tree.head = head;
        if safe_lost {
            tree.safe = None;
        }
        if finalized_lost {
            tree.finalized = None;
        }
        metrics::layers(tree.len());
        Ok(head)
    }
}

/// What the node follows.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Pointers {
    head: BlockRef,
    safe: Option<BlockRef>,
    finalized: Option<BlockRef>,
}

impl Pointers {
    const fn of(tree: &Tree) -> Self {
        Self { head: tree.head, safe: tree.safe, finalized: tree.finalized }
    }

    fn put(&self, batch: &mut Batch) {
        batch.put(Table::Meta, meta::HEAD, encode(&self.head));
        for (key, block) in [(meta::SAFE, self.safe), (meta::FINALIZED, self.finalized)] {
            match block {
                Some(block) => batch.put(Table::Meta, key, encode(&block)),
                None => batch.delete(Table::Meta, key),
            }
        }
    }

    const fn set(self, tree: &mut Tree) {
        tree.head = self.head;
        tree.safe = self.safe;
        tree.finalized = self.finalized;
    }
}

/// The way from the canonical chain to `new`: blocks that are not canonical, newest first, and the height of the canonical one below
/// them. `branch` are `new` and its ancestors, newest first.
fn way(
    snapshot: &dyn Snapshot,
    branch: &[BlockRef],
    new: BlockRef,
) -> Result<(Vec<BlockRef>, u64), StorageError> {
    let mut added = vec![];
    for &block in branch {
        if canonical_hash(snapshot, block.number)? == Some(block.hash) {
            break;
        }
        added.push(block);
    }
    let fork = added.last().map_or(new.number, |lowest| lowest.number - 1);
    Ok((added, fork))
}

/// Makes blocks canonical, and what was so at the heights above the first and up to the second no longer.
fn switch(
    batch: &mut Batch,
    snapshot: &dyn Snapshot,
    left: Range<u64>,
    added: Vec<BlockRef>,
) -> Result<(), StorageError> {
    for number in left.start + 1..=left.end {
        uncanonize(batch, snapshot, number)?;
    }
    for block in added {
        let txs = transactions(snapshot, block)?;
        let receipts = receipts(snapshot, block)?;
        canonize(batch, block, txs.into_iter().map(|tx| tx.hash), &receipts);
    }
    Ok(())
}

/// Deletes the canonical entry of a height, the lookups of its transactions and the index of its logs.
pub(crate) fn uncanonize(
    batch: &mut Batch,
    snapshot: &dyn Snapshot,
    number: u64,
) -> Result<(), StorageError> {
    let Some(hash) = canonical_hash(snapshot, number)? else { return Ok(()) };
    let block = BlockRef { number, hash };
    for tx in transactions(snapshot, block)? {
        batch.delete(Table::Lookup, tx.hash);
    }
    delete_logs(batch, number, &receipts(snapshot, block)?);
    batch.delete(Table::Canonical, number.to_be_bytes());
    Ok(())
}
