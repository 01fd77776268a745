//! Where trie nodes come from.

use std::sync::{Mutex, MutexGuard, PoisonError};

use alloy_primitives::{
    B256, Bytes,
    map::{B256Map, HashMap},
};
use ethrex_types::StateError;
use nybbles::Nibbles;

use crate::{LinkedNodes, hash_all};

/// Hands out encoded trie nodes.
///
/// A node is named twice. Stores that keep one version of each trie look it up by `owner` and `path`; witnesses, which
/// hold nodes of any trie in no order, look it up by `hash`. Either way the answer must be the node that hashes to
/// `hash`: a source keyed by hash has to compute its keys itself (as [`HashedNodes`] does) and never take them on trust.
pub trait NodeSource: Send + Sync {
    /// The RLP of the node at `path` below the root, in the storage trie of `owner` (keccak256 of its address) or in
    /// the account trie (`None`). `Ok(None)` says that the source has no such node.
    fn node(
        &self,
        owner: Option<B256>,
        path: &Nibbles,
        hash: B256,
    ) -> Result<Option<Bytes>, StateError>;

    /// The same nodes joined to each other, if that is what this source consists of.
    fn linked(&self) -> Option<&LinkedNodes> {
        None
    }
}

impl<S: NodeSource + ?Sized> NodeSource for &S {
    fn node(
        &self,
        owner: Option<B256>,
        path: &Nibbles,
        hash: B256,
    ) -> Result<Option<Bytes>, StateError> {
        (**self).node(owner, path, hash)
    }

    fn linked(&self) -> Option<&LinkedNodes> {
        (**self).linked()
    }
}

/// Nodes by their hash: a witness, or with no nodes at all the source of every empty trie.
#[derive(Debug, Clone, Default)]
pub struct HashedNodes {
    nodes: B256Map<Bytes>,
}

impl FromIterator<Bytes> for HashedNodes {
    /// Hashes every node, so that no entry can pass for another. Large witnesses are hashed on all cores where the feature
    /// `parallel` is on.
    fn from_iter<I: IntoIterator<Item = Bytes>>(nodes: I) -> Self {
        let nodes: Vec<Bytes> = nodes.into_iter().collect();
        Self { nodes: hash_all(&nodes).into_iter().zip(nodes).collect() }
    }
}

impl HashedNodes {
    /// The node that hashes to `hash`.
    #[must_use]
    pub fn get(&self, hash: &B256) -> Option<&Bytes> {
        self.nodes.get(hash)
    }

    /// How many different nodes there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are no nodes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }
}

impl NodeSource for HashedNodes {
    fn node(
        &self,
        _owner: Option<B256>,
        _path: &Nibbles,
        hash: B256,
    ) -> Result<Option<Bytes>, StateError> {
        Ok(self.nodes.get(&hash).cloned())
    }
}

/// Remembers every node its inner source hands out, and asks for each once: what an execution witness must contain.
#[derive(Debug)]
pub struct Recorder<S> {
    inner: S,
    seen: Mutex<HashMap<B256, Bytes>>,
}

impl<S: NodeSource> Recorder<S> {
    /// Records what is read from `inner`.
    pub fn new(inner: S) -> Self {
        Self { inner, seen: Mutex::default() }
    }

    /// The nodes handed out so far, each once, ordered by hash so that equal work gives equal witnesses.
    pub fn into_nodes(self) -> Vec<Bytes> {
        let mut nodes: Vec<_> =
            self.seen.into_inner().unwrap_or_else(PoisonError::into_inner).into_iter().collect();
        nodes.sort_unstable_by_key(|(hash, _)| *hash);
        nodes.into_iter().map(|(_, node)| node).collect()
    }

    // A panic elsewhere cannot leave a single map insertion half done.
    fn seen(&self) -> MutexGuard<'_, HashMap<B256, Bytes>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: NodeSource> NodeSource for Recorder<S> {
    fn node(
        &self,
        owner: Option<B256>,
        path: &Nibbles,
        hash: B256,
    ) -> Result<Option<Bytes>, StateError> {
        if let Some(node) = self.seen().get(&hash) {
            return Ok(Some(node.clone()));
        }
        let found = self.inner.node(owner, path, hash)?;
        if let Some(node) = &found {
            self.seen().insert(hash, node.clone());
        }
        Ok(found)
    }
}
