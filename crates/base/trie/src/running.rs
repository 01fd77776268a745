//! The root of a state that changes again and again, before any of it is stored.

use alloy_primitives::{B256, Bytes};
use ethrex_types::{RunningRoot, StateDiff, StateError};

use crate::{Nibbles, NodeSource, StorageChanges, TrieUpdates, update_state};

/// Follows the root of a state from one set of changes to the next. What one of them makes of the tries is kept here, so
/// that each costs as much as it changes.
pub struct RunningTries<'s> {
    tries: Overlay<'s>,
    root: B256,
}

/// A state's tries with changed nodes on top.
struct Overlay<'s> {
    below: &'s dyn NodeSource,
    changes: TrieUpdates,
}

impl std::fmt::Debug for RunningTries<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RunningTries").field("root", &self.root).finish_non_exhaustive()
    }
}

impl<'s> RunningTries<'s> {
    /// Starts from the state with this root.
    #[must_use]
    pub fn new(source: &'s dyn NodeSource, root: B256) -> Self {
        Self { tries: Overlay { below: source, changes: TrieUpdates::default() }, root }
    }
}

impl RunningRoot for RunningTries<'_> {
    fn apply(&mut self, diff: &StateDiff) -> Result<B256, StateError> {
        let update = update_state(&self.tries, self.root, diff)?;
        self.tries.add(update.nodes);
        self.root = update.root;
        Ok(self.root)
    }
}

impl Overlay<'_> {
    fn add(&mut self, changes: TrieUpdates) {
        self.changes.accounts.extend(changes.accounts);
        for (owner, new) in changes.storages {
            let old = self.changes.storages.entry(owner).or_default();
            if new.wiped {
                *old = StorageChanges { wiped: true, nodes: new.nodes };
            } else {
                old.nodes.extend(new.nodes);
            }
        }
    }
}

impl NodeSource for Overlay<'_> {
    fn node(
        &self,
        owner: Option<B256>,
        path: &Nibbles,
        hash: B256,
    ) -> Result<Option<Bytes>, StateError> {
        let changed = match owner {
            None => self.changes.accounts.get(path),
            Some(owner) => match self.changes.storages.get(&owner) {
                None => None,
                Some(storage) => match storage.nodes.get(path) {
                    None if storage.wiped => return Ok(None),
                    node => node,
                },
            },
        };
        match changed {
            Some(node) => Ok(node.clone()),
            None => self.below.node(owner, path, hash),
        }
    }
}
