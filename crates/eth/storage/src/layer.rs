//! Layers: what each block above the base changes, in memory.

use std::{collections::HashSet, sync::Arc};

use alloy_primitives::{
    B256, Bytes,
    map::{AddressMap, B256Map, HashMap},
};
use ethrex_trie::{Nibbles, StorageChanges, TrieUpdates};
use ethrex_types::{AccountDiff, StateDiff};

use crate::storage::BlockRef;

/// Any of this many blocks below the head has its state at hand, and can be the head itself.
pub const STATE_HISTORY: u64 = 128;
/// Layers that are merged for faster reads, and flushed together. The base only ever stands on a multiple of this (or
/// on the genesis), so that a group is above the base as a whole or not at all.
pub const LAYERS_PER_GROUP: u64 = 16;

/// What one block, or a run of blocks, changes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Changes {
    pub(crate) accounts: AddressMap<AccountDiff>,
    pub(crate) nodes: HashMap<Nibbles, Option<Bytes>>,
    pub(crate) storages: B256Map<StorageChanges>,
}

impl Changes {
    pub(crate) fn new(diff: StateDiff, trie: TrieUpdates) -> Self {
        let mut accounts: AddressMap<AccountDiff> = diff.accounts.into_iter().collect();
        for diff in accounts.values_mut().filter(|diff| diff.info.is_none()) {
            // An account that is gone has no storage, whatever else the diff says.
            diff.wiped = true;
            diff.storage.clear();
        }
        let storages = trie.storages.into_iter().collect();
        Self { accounts, nodes: trie.accounts.into_iter().collect(), storages }
    }

    /// Adds what a later block changes.
    pub(crate) fn merge(&mut self, newer: &Self) {
        for (address, diff) in &newer.accounts {
            let merged = self.accounts.entry(*address).or_default();
            merged.info = diff.info;
            if diff.wiped {
                merged.wiped = true;
                merged.storage.clear();
            }
            merged.storage.extend(diff.storage.iter().map(|(slot, value)| (*slot, *value)));
        }
        self.nodes.extend(newer.nodes.iter().map(|(path, node)| (*path, node.clone())));
        for (owner, changes) in &newer.storages {
            let merged = self.storages.entry(*owner).or_default();
            if changes.wiped {
                merged.wiped = true;
                merged.nodes.clear();
            }
            merged.nodes.extend(changes.nodes.iter().map(|(path, node)| (*path, node.clone())));
        }
    }
}

/// A block above the base.
#[derive(Debug)]
pub(crate) struct Layer {
    pub(crate) block: BlockRef,
    pub(crate) parent: B256,
    pub(crate) state_root: B256,
    pub(crate) changes: Arc<Changes>,
    /// On every [`LAYERS_PER_GROUP`]th height, the changes of this block and of all before it down to the last such
    /// height (or to the genesis).
    pub(crate) group: Option<Group>,
}

/// Several layers merged.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) changes: Arc<Changes>,
    /// How many layers are in it.
    count: u64,
}

/// The layers, where they stand on, and which of them the node follows.
#[derive(Debug)]
pub(crate) struct Tree {
    pub(crate) base: BlockRef,
    pub(crate) base_root: B256,
    /// The lowest block that can be the head: where a flush is on the way to, or else the base.
    pub(crate) floor: BlockRef,
    pub(crate) head: BlockRef,
    pub(crate) safe: Option<BlockRef>,
    pub(crate) finalized: Option<BlockRef>,
    layers: B256Map<Arc<Layer>>,
}

/// All that a view of one block reads from, above the base.
pub(crate) struct Lineage {
    pub(crate) block: BlockRef,
    pub(crate) state_root: B256,
    /// Changes, newest first.
    pub(crate) parts: Vec<Arc<Changes>>,
    /// Hashes of the block and its ancestors above the base, newest first.
    pub(crate) hashes: Vec<B256>,
    base: BlockRef,
}

impl Lineage {
    /// Whether `block` is the base of this lineage or one of its blocks above.
    pub(crate) fn passes(&self, block: BlockRef) -> bool {
        self.base == block || self.hashes.contains(&block.hash)
    }
}

impl Tree {
    pub(crate) fn new(base: BlockRef, base_root: B256) -> Self {
        let layers = B256Map::default();
        Self { base, base_root, floor: base, head: base, safe: None, finalized: None, layers }
    }

    /// Makes a layer of what a block on top of `parent` changes. Costly on every [`LAYERS_PER_GROUP`]th height.
    pub(crate) fn layer(
        &self,
        block: BlockRef,
        parent: B256,
        state_root: B256,
        changes: Changes,
    ) -> Layer {
        let changes = Arc::new(changes);
        let group = block.number.is_multiple_of(LAYERS_PER_GROUP).then(|| {
            let mut members = vec![&changes];
            let mut next = self.layers.get(&parent);
            while let Some(layer) = next.filter(|_| (members.len() as u64) < LAYERS_PER_GROUP) {
                members.push(&layer.changes);
                next = self.layers.get(&layer.parent);
            }
            let count = members.len() as u64;
            let mut merged = Changes::default();
            members.into_iter().rev().for_each(|changes| merged.merge(changes));
            Group { changes: Arc::new(merged), count }
        });
        Layer { block, parent, state_root, changes, group }
    }

    pub(crate) fn insert(&mut self, layer: Layer) {
        self.layers.insert(layer.block.hash, Arc::new(layer));
    }

    pub(crate) fn len(&self) -> usize {
        self.layers.len()
    }

    pub(crate) fn contains(&self, hash: B256) -> bool {
        hash == self.base.hash || self.layers.contains_key(&hash)
    }

    /// The block with this hash, if it can be built on or be the head.
    pub(crate) fn usable(&self, hash: B256) -> Option<BlockRef> {
        if hash == self.floor.hash {
            return Some(self.floor);
        }
        let block = self.layers.get(&hash)?.block;
        (block.number > self.floor.number).then_some(block)
    }

    /// What a view of this block reads from.
    pub(crate) fn lineage(&self, hash: B256) -> Option<Lineage> {
        let block = self.usable(hash)?;
        let state_root = self.layers.get(&hash).map_or(self.base_root, |layer| layer.state_root);
        let (mut parts, mut hashes) = (vec![], vec![]);
        let (mut next, mut grouped) = (hash, 0);
        while next != self.base.hash {
            let layer = self.layers.get(&next)?;
            if grouped > 0 {
                grouped -= 1;
            } else if let Some(group) = &layer.group {
                parts.push(group.changes.clone());
                grouped = group.count - 1;
            } else {
                parts.push(layer.changes.clone());
            }
            hashes.push(next);
            next = layer.parent;
        }
        Some(Lineage { block, state_root, parts, hashes, base: self.base })
    }

    /// The blocks from `hash` down to the floor, which is not among them, newest first.
    pub(crate) fn branch(&self, hash: B256) -> Option<Vec<BlockRef>> {
        self.usable(hash)?;
        let mut branch = vec![];
        let mut next = hash;
        while next != self.floor.hash {
            let layer = self.layers.get(&next)?;
            branch.push(layer.block);
            next = layer.parent;
        }
        Some(branch)
    }

    /// The layer at this height among the ancestors of `hash`.
    pub(crate) fn ancestor(&self, hash: B256, number: u64) -> Option<Arc<Layer>> {
        let mut layer = self.layers.get(&hash)?;
        while layer.block.number > number {
            layer = self.layers.get(&layer.parent)?;
        }
        (layer.block.number == number).then(|| layer.clone())
    }

    pub(crate) fn parent(&self, hash: B256) -> Option<B256> {
        self.layers.get(&hash).map(|layer| layer.parent)
    }

    /// The block and everything on top of it.
    pub(crate) fn descendants(&self, hash: B256) -> HashSet<B256> {
        let mut found = HashSet::from([hash]);
        let mut layers: Vec<_> = self.layers.values().collect();
        layers.sort_unstable_by_key(|layer| layer.block.number);
        for layer in layers {
            if found.contains(&layer.parent) {
                found.insert(layer.block.hash);
            }
        }
        found
    }

    /// The blocks of all layers that `wanted` selects.
    pub(crate) fn select(&self, wanted: impl Fn(&Layer) -> bool) -> Vec<BlockRef> {
        self.layers.values().filter(|layer| wanted(layer)).map(|layer| layer.block).collect()
    }

    pub(crate) fn remove(&mut self, blocks: &[BlockRef]) {
        for block in blocks {
            self.layers.remove(&block.hash);
        }
    }

    /// Raises the floor to `target`, a descendant of the base. Returns the blocks that neither lead to it nor stand on
    /// it and are gone from the tree.
    pub(crate) fn raise_floor(&mut self, target: BlockRef) -> Vec<BlockRef> {
        let mut kept = self.descendants(target.hash);
        let mut next = target.hash;
        while let Some(parent) = self.parent(next) {
            kept.insert(next);
            next = parent;
        }
        let gone = self.select(|layer| !kept.contains(&layer.block.hash));
        self.remove(&gone);
        self.floor = target;
        gone
    }

    /// Makes the floor the base, now that the disk has it.
    pub(crate) fn settle(&mut self) {
        if let Some(layer) = self.layers.get(&self.floor.hash) {
            self.base_root = layer.state_root;
        }
        self.base = self.floor;
        let base = self.base.number;
        self.layers.retain(|_, layer| layer.block.number > base);
    }
}
