//! Moving the base: old layers become flat state and trie nodes on disk.

use std::{
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, SyncSender, TryRecvError, sync_channel},
    },
    thread::JoinHandle,
    time::Instant,
};

use alloy_primitives::keccak256;

use crate::{
    blocks::delete_block,
    codec::{Base, encode, encode_account, encode_slot, meta},
    engine::{Batch, Write},
    error::StorageError,
    layer::{Changes, Group, LAYERS_PER_GROUP, Layer, STATE_HISTORY, Tree},
    metrics,
    storage::{BlockRef, Core},
    table::{Table, block_key, node_key, slot_key},
    undo::put_undo,
};

/// Writes per commit of a flush. A block that is committed meanwhile waits for one of these at most.
const WRITES_PER_COMMIT: usize = 8_192;

/// The thread that flushes. Ends, after the flush it may be in, when dropped.
pub(crate) struct Flusher {
    core: Arc<Core>,
    bell: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Flusher {
    pub(crate) fn spawn(core: Arc<Core>) -> Result<Self, StorageError> {
        // One waiting ring is enough: whoever answers it looks at everything there is to do.
        let (bell, rings) = sync_channel(1);
        let shared = core.clone();
        let thread = std::thread::Builder::new()
            .name("storage-flush".into())
            .spawn(move || {
                shared.work(&rings);
            })
            .map_err(StorageError::Thread)?;
        Ok(Self { core, bell: Some(bell), thread: Some(thread) })
    }

    pub(crate) fn wake(&self) {
        if let Some(bell) = &self.bell {
            // A full channel means that a ring is waiting already.
            let _ = bell.try_send(());
        }
    }
}

impl Drop for Flusher {
    fn drop(&mut self) {
        drop(self.bell.take());
        self.core.closing.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the flush thread panicked");
        }
    }
}

impl Core {
    /// Flushes at every ring, and fills the index of logs in between, until nobody can ring any more.
    fn work(&self, rings: &Receiver<()>) {
        let mut unindexed = true;
        loop {
            let ring = match rings.try_recv() {
                Err(TryRecvError::Empty) if unindexed => None,
                Err(TryRecvError::Empty) => Some(rings.recv().is_ok()),
                ring => Some(ring.is_ok()),
            };
            match ring {
                Some(true) => {
                    if let Err(error) = self.flush_due() {
                        // Nothing is lost: the layers stay, and the importer fails when there are too many.
                        tracing::error!(
                            error = &error as &dyn std::error::Error,
                            "cannot flush state"
                        );
                    }
                }
                Some(false) => return,
                None => {
                    unindexed = self.backfill_logs().unwrap_or_else(|error| {
                        // Blocks that are not indexed are searched one by one.
                        tracing::error!(
                            error = &error as &dyn std::error::Error,
                            "cannot index logs"
                        );
                        false
                    });
                }
            }
        }
    }

    /// Moves the base as far as the head allows, or a step further if the database is being closed.
    pub(crate) fn flush_due(&self) -> Result<(), StorageError> {
        let mut flushing = self.flushing.lock();
        self.end_flush(&mut flushing)?;
        while let Some(flush) = self.begin(None)? {
            *flushing = Some(flush);
            self.end_flush(&mut flushing)?;
            if self.closing.load(Ordering::Relaxed) {
                break;
            }
        }
        Ok(())
    }

    /// Finishes the flush that was begun, if one was. If that fails it stays begun: half of it may be on disk, and only the same flush
    /// can make that whole.
    pub(crate) fn end_flush(&self, flushing: &mut Option<Flush>) -> Result<(), StorageError> {
        if let Some(flush) = flushing {
            self.finish(flush)?;
            *flushing = None;
        }
        Ok(())
    }

    /// Finishes the flush to `target` that an earlier run of the program may have begun.
    pub(crate) fn finish_flush(&self, target: BlockRef) -> Result<(), StorageError> {
        let mut flushing = self.flushing.lock();
        if target == self.tree.read().base {
            return Ok(());
        }
        let dangling = StorageError::Dangling { table: Table::Layers.name() };
        *flushing = Some(self.begin(Some(target))?.ok_or(dangling)?);
        self.end_flush(&mut flushing)
    }

    /// Decides on the next base, or takes the one given, and gives up all blocks that do not stand on it.
    ///
    /// What is written next would show through below those. The others see no difference, whether a write has happened
    /// or not: their layers contain all of them. So the writes may be spread over many commits, and be repeated after a
    /// crash.
    fn begin(&self, resumed: Option<BlockRef>) -> Result<Option<Flush>, StorageError> {
        let next = |tree: &Tree| match resumed {
            Some(target) => tree.ancestor(target.hash, target.number),
            None => next_target(tree),
        };
        loop {
            let (base, target) = {
                let tree = self.tree.read();
                let Some(target) = next(&tree) else { return Ok(None) };
                (tree.base, target)
            };
            // What is read for the way back is many reads: the importer must not wait for them. One that is resumed has its way back
            // already, and the disk no longer has the values it needs.
            let mut batch = Batch::default();
            if resumed.is_none() {
                let changes = &group(&target).changes;
                put_undo(&mut batch, &*self.disk.snapshot()?, base, target.block, changes)?;
            }
            let _writer = self.writer.lock();
            if next(&self.tree.read()).is_none_or(|still| still.block != target.block) {
                continue;
            }
            self.put_base(base, target.block, batch)?;
            let abandoned = self.tree.write().raise_floor(target.block);
            return Ok(Some(Flush { target, abandoned }));
        }
    }

    fn finish(&self, flush: &Flush) -> Result<(), StorageError> {
        let start = Instant::now();
        let Flush { target, abandoned } = flush;
        let mut writes = Batch::default();
        put_changes(&mut writes, &group(target).changes);
        let count = writes.writes.len();
        let mut rest = writes.writes.into_iter().peekable();
        while rest.peek().is_some() {
            self.disk.commit(Batch { writes: rest.by_ref().take(WRITES_PER_COMMIT).collect() })?;
        }

        let _writer = self.writer.lock();
        let mut last = Batch::default();
        abandoned.iter().for_each(|block| delete_block(&mut last, *block));
        let above = BlockRef { number: target.block.number + 1, hash: Default::default() };
        last.delete_before(Table::Layers, block_key(above));
        self.put_base(target.block, target.block, last)?;
        let mut tree = self.tree.write();
        tree.settle();
        metrics::layers(tree.len());
        metrics::flushed(count, start.elapsed());
        tracing::debug!(base = %target.block, writes = count, took = ?start.elapsed(), "flushed state");
        Ok(())
    }

    fn put_base(
        &self,
        block: BlockRef,
        target: BlockRef,
        mut batch: Batch,
    ) -> Result<(), StorageError> {
        batch.put(Table::Meta, meta::BASE, encode(&Base { block, target }));
        self.disk.commit(batch)
    }
}

/// A flush on its way.
pub(crate) struct Flush {
    /// The next base.
    target: Arc<Layer>,
    /// Blocks that do not stand on it.
    abandoned: Vec<BlockRef>,
}

/// The next block to make the base: the end of the lowest group, once the head is far enough above it.
fn next_target(tree: &Tree) -> Option<Arc<Layer>> {
    let number = (tree.base.number / LAYERS_PER_GROUP + 1) * LAYERS_PER_GROUP;
    let due = tree.head.number >= number + STATE_HISTORY;
    due.then(|| tree.ancestor(tree.head.hash, number)).flatten()
}

fn group(target: &Layer) -> &Group {
    target.group.as_ref().expect("the base moves from group to group")
}

/// Writes changes into the flat state and the trie nodes, table by table in key order, which is how a B-tree likes it.
pub(crate) fn put_changes(batch: &mut Batch, changes: &Changes) {
    let mut accounts = vec![];
    let mut slots = vec![];
    for (address, diff) in &changes.accounts {
        let owner = keccak256(address);
        if diff.wiped {
            batch.delete_prefix(Table::Slots, owner);
        }
        accounts.push(match diff.info {
            Some(info) => Write::Put(owner.to_vec(), encode_account(info)),
            None => Write::Delete(owner.to_vec()),
        });
        slots.extend(diff.storage.iter().map(|(slot, value)| {
            let key = slot_key(owner, keccak256(slot)).to_vec();
            if value.is_zero() { Write::Delete(key) } else { Write::Put(key, encode_slot(*value)) }
        }));
    }
    let node = |owner, (path, node): (&_, &Option<_>)| match node {
        Some(node) => Write::Put(node_key(owner, path), alloy_primitives::Bytes::clone(node)),
        None => Write::Delete(node_key(owner, path)),
    };
    let account_nodes = changes.nodes.iter().map(|change| node(None, change)).collect();
    let mut storage_nodes = vec![];
    for (owner, storage) in &changes.storages {
        if storage.wiped {
            batch.delete_prefix(Table::StorageNodes, *owner);
        }
        storage_nodes.extend(storage.nodes.iter().map(|change| node(Some(*owner), change)));
    }
    for (table, mut writes) in [
        (Table::Accounts, accounts),
        (Table::Slots, slots),
        (Table::AccountNodes, account_nodes),
        (Table::StorageNodes, storage_nodes),
    ] {
        writes.sort_unstable_by(|a, b| key(a).cmp(key(b)));
        batch.writes.extend(writes.into_iter().map(|write| (table, write)));
    }
}

fn key(write: &Write) -> &[u8] {
    match write {
        Write::Put(key, _)
        | Write::Delete(key)
        | Write::DeletePrefix(key)
        | Write::DeleteBefore(key) => key,
    }
}
