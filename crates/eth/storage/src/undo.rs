//! Going back below the base: what flushed blocks changed, backwards.
//!
//! Before a group of layers is flushed, the values it overwrites are kept. With them the state after an older block is a view like any
//! other, on which blocks can be executed again; and once they have been, the base itself goes back there.

use std::sync::Arc;

use alloy_primitives::{B256, keccak256};
use alloy_rlp::{RlpDecodable, RlpEncodable};
use ethrex_trie::{TrieUpdates, update_state};
use ethrex_types::{AccountDiff, StateDiff};

use crate::{
    blocks::header,
    codec::{
        Base, LayerRow, corrupt, decode_account, decode_slot, encode, meta, read, read_existing,
    },
    engine::{Batch, Snapshot},
    error::StorageError,
    flush::put_changes,
    head::uncanonize,
    layer::{Changes, Tree},
    metrics,
    storage::{BlockRef, Storage},
    table::{Table, block_key, slot_key},
    view::StateView,
};

/// Blocks below the base whose changes are kept backwards: with the layers, some four hours of a chain on which nothing becomes final.
pub const UNDO_HISTORY: u64 = 1024;

/// A row of [`Table::Undos`]: the way from one base back to the one before it.
#[derive(Debug, RlpEncodable, RlpDecodable)]
struct UndoRow {
    /// The base before.
    base: BlockRef,
    /// What to change, without trie nodes: they are computed again.
    changes: LayerRow,
}

/// The state after a block below the base, and what it takes to make that the base.
#[derive(Debug)]
pub struct Past {
    /// The state, which may be advanced by blocks that are executed on it.
    pub state: StateView,
    block: BlockRef,
    root: B256,
    base: BlockRef,
    /// The bases on the way, the newest first.
    undone: Vec<BlockRef>,
    changes: Changes,
}

/// Adds what undoes a flush from `base` to `target`, which begins now, and forgets what is too old. Nothing is added where the way back
/// is not known: if storage is wiped that has slots on disk, as accounts could before Cancun.
pub(crate) fn put_undo(
    batch: &mut Batch,
    snapshot: &dyn Snapshot,
    base: BlockRef,
    target: BlockRef,
    changes: &Changes,
) -> Result<(), StorageError> {
    if let Some(diff) = reverse(snapshot, changes)? {
        let root = header(snapshot, base)?.state_root;
        let changes = LayerRow::new(target.hash, root, &diff, &TrieUpdates::default());
        batch.put(Table::Undos, block_key(target), encode(&UndoRow { base, changes }));
    }
    let oldest = target.number.saturating_sub(UNDO_HISTORY);
    batch.delete_before(Table::Undos, block_key(BlockRef { number: oldest, hash: B256::ZERO }));
    Ok(())
}

/// The values on disk of all that changes.
fn reverse(snapshot: &dyn Snapshot, changes: &Changes) -> Result<Option<StateDiff>, StorageError> {
    let mut before = StateDiff::default();
    for (address, diff) in &changes.accounts {
        let owner = keccak256(address);
        if diff.wiped && has_slots(snapshot, owner)? {
            return Ok(None);
        }
        let row = snapshot.get(Table::Accounts, owner.as_slice()).map_err(StorageError::Read)?;
        let mut old = AccountDiff {
            info: row.map(|row| decode_account(&row)).transpose()?,
            ..AccountDiff::default()
        };
        for slot in diff.storage.keys() {
            let key = slot_key(owner, keccak256(slot));
            let row = snapshot.get(Table::Slots, &key).map_err(StorageError::Read)?;
            let value = row.map(|row| decode_slot(&row)).transpose()?.unwrap_or_default();
            old.storage.insert(*slot, value);
        }
        before.accounts.insert(*address, old);
    }
    Ok(Some(before))
}

fn has_slots(snapshot: &dyn Snapshot, owner: B256) -> Result<bool, StorageError> {
    let mut found = false;
    snapshot
        .scan(Table::Slots, owner.as_slice(), &mut |key, _| {
            found = key.starts_with(owner.as_slice());
            false
        })
        .map_err(StorageError::Read)?;
    Ok(found)
}

impl Storage {
    /// The state after the newest block at or below `number` that the kept changes lead back to; `None` where they do not go so far.
    /// `number` is below [`Storage::earliest_state`], on the canonical chain.
    ///
    /// # Errors
    /// If the database fails, or what it keeps does not lead where it should.
    pub fn state_below(&self, number: u64) -> Result<Option<Past>, StorageError> {
        let mut flushing = self.core().flushing.lock();
        self.core().end_flush(&mut flushing)?;
        let snapshot = self.snapshot()?;
        let base: Base = read_existing(&*snapshot, Table::Meta, meta::BASE)?;
        let (mut at, mut undone, mut merged) = (base.block, vec![], Changes::default());
        while at.number > number {
            let row: Option<UndoRow> = read(&*snapshot, Table::Undos, &block_key(at))?;
            let Some(UndoRow { base, changes }) = row else { return Ok(None) };
            let (diff, trie) = changes.into_changes().map_err(corrupt(Table::Undos))?;
            merged.merge(&Changes::new(diff, trie));
            undone.push(at);
            at = base;
        }
        let diff = StateDiff {
            accounts: merged.accounts.clone().into_iter().collect(),
            ..StateDiff::default()
        };
        let root = header(&*snapshot, base.block)?.state_root;
        let want = header(&*snapshot, at)?.state_root;
        let snapshot: Arc<dyn Snapshot> = Arc::from(snapshot);
        let now = StateView::of_base(base.block, root, Arc::clone(&snapshot));
        let update = update_state(&now, root, &diff).map_err(StorageError::Undo)?;
        if update.root != want {
            return Err(StorageError::WrongWayBack { block: at.number, got: update.root, want });
        }
        let changes = Changes::new(diff, update.nodes);
        let state = StateView::over(at, want, changes.clone(), snapshot);
        Ok(Some(Past { state, block: at, root: want, base: base.block, undone, changes }))
    }

    /// Makes the block of `past` the base and the head: what was canonical above it no longer is, and its state is gone until it is
    /// executed again. Returns false, and changes nothing, if the base has moved since `past` was made.
    ///
    /// # Errors
    /// If the database fails.
    pub fn rewind(&self, past: &Past) -> Result<bool, StorageError> {
        let core = self.core();
        let mut flushing = core.flushing.lock();
        core.end_flush(&mut flushing)?;
        let _writer = core.writer.lock();
        let (base, head) = {
            let tree = core.tree.read();
            (tree.base, tree.head)
        };
        if base != past.base {
            return Ok(false);
        }
        let snapshot = core.disk.snapshot()?;
        let to = past.block;
        let mut batch = Batch::default();
        for number in to.number + 1..=head.number {
            uncanonize(&mut batch, &*snapshot, number)?;
        }
        put_changes(&mut batch, &past.changes);
        batch.delete_prefix(Table::Layers, []);
        for block in &past.undone {
            batch.delete(Table::Undos, block_key(*block));
        }
        batch.put(Table::Meta, meta::BASE, encode(&Base { block: to, target: to }));
        batch.put(Table::Meta, meta::HEAD, encode(&to));
        batch.delete(Table::Meta, meta::SAFE);
        batch.delete(Table::Meta, meta::FINALIZED);
        core.disk.commit(batch)?;
        *core.tree.write() = Tree::new(to, past.root);
        metrics::layers(0);
        tracing::warn!(from = %head, to = %to, "went back below the states that are kept");
        Ok(true)
    }
}

impl StateView {
    /// Adds what a block on top of this one changes: then this is the state after that block. Cheap where nobody else has the view.
    pub fn advance(&mut self, block: BlockRef, root: B256, diff: StateDiff, trie: TrieUpdates) {
        self.push(block, root, &Changes::new(diff, trie));
    }
}
