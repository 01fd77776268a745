//! Hashing what changed, and handing it out.

use std::collections::BTreeMap;

use alloy_primitives::{B256, Bytes, keccak256};
use alloy_trie::{EMPTY_ROOT_HASH, nodes::RlpNode};
use nybbles::Nibbles;

use crate::{
    node::{BranchEncoder, encode_extension, encode_leaf},
    trie::{Link, Node, Trie},
};

/// Changed nodes by path: the new RLP, or `None` where there is no node any more.
pub type NodeChanges = BTreeMap<Nibbles, Option<Bytes>>;

/// Unsaved nodes from which on hashing is worth more than one thread.
#[cfg(feature = "parallel")]
const PARALLEL_FROM: usize = 512;

/// A node that a visit computed.
struct Visited {
    id: u32,
    path: Nibbles,
    reference: RlpNode,
    /// The encoding, where a commit asked for it and the node stands on its own.
    rlp: Option<Bytes>,
}

/// Why the trie is walked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// Only hashes are wanted: hashed nodes are skipped.
    Root,
    /// Encodings are wanted: saved nodes are skipped.
    Commit,
}

impl Trie<'_> {
    /// The root hash. Only nodes on the way to a change are hashed.
    pub fn root(&mut self) -> B256 {
        let (root, visited) = self.visit_all(Purpose::Root);
        for Visited { id, reference, .. } in visited {
            self.slot_mut(id).reference = Some(reference);
        }
        root
    }

    /// The root hash, and what changed among the nodes since the trie was opened or last committed.
    ///
    /// Applying the changes to the entries of the source, by path, makes it a source for the new root. Nodes shorter
    /// than a hash are part of their parents and have no entry, except for the root.
    pub fn commit(&mut self) -> (B256, NodeChanges) {
        let (root, visited) = self.visit_all(Purpose::Commit);
        let mut changes: NodeChanges =
            self.take_removed().into_iter().map(|path| (path, None)).collect();
        for Visited { id, path, reference, rlp } in visited {
            let slot = self.slot_mut(id);
            slot.reference = Some(reference);
            slot.unsaved = false;
            let was_stored = std::mem::replace(&mut slot.stored, rlp.is_some());
            if was_stored || rlp.is_some() {
                changes.insert(path, rlp);
            }
        }
        (root, changes)
    }

    fn visit_all(&self, purpose: Purpose) -> (B256, Vec<Visited>) {
        let mut visited = vec![];
        let id = match self.root_link() {
            Link::Empty => return (EMPTY_ROOT_HASH, visited),
            Link::Blinded(at) => return (self.blinded(at), visited),
            Link::Linked(at) => return (self.linked_hash(at), visited),
            Link::Loaded(id) => id,
        };
        let reference = self.visit_root(id, purpose, &mut visited);
        // The root is named by its hash however short it is, and so has an entry of its own.
        let root = reference.as_hash().unwrap_or_else(|| keccak256(reference.as_slice()));
        if let Some(top) = visited.last_mut().filter(|_| purpose == Purpose::Commit) {
            top.rlp.get_or_insert_with(|| Bytes::copy_from_slice(reference.as_slice()));
        }
        (root, visited)
    }

    #[cfg(not(feature = "parallel"))]
    fn visit_root(&self, id: u32, purpose: Purpose, out: &mut Vec<Visited>) -> RlpNode {
        self.visit(id, Nibbles::new(), purpose, out)
    }

    /// Visits the children of a large trie's root branch on all cores.
    #[cfg(feature = "parallel")]
    fn visit_root(&self, id: u32, purpose: Purpose, out: &mut Vec<Visited>) -> RlpNode {
        use rayon::prelude::*;

        let Node::Branch(children) = &self.slot(id).node else {
            return self.visit(id, Nibbles::new(), purpose, out);
        };
        if !self.needs_visit(id, purpose) || !self.has_unsaved(PARALLEL_FROM) {
            return self.visit(id, Nibbles::new(), purpose, out);
        }
        let parts: Vec<_> = children
            .par_iter()
            .enumerate()
            .map(|(nibble, &child)| {
                let mut part = vec![];
                let path = Nibbles::from_nibbles_unchecked([nibble as u8]);
                let reference = self.visit_child(child, path, purpose, &mut part);
                (reference, part)
            })
            .collect();
        let mut branch = BranchEncoder::new();
        for (reference, part) in parts {
            out.extend(part);
            match reference {
                Some(reference) => branch.push(&reference),
                None => branch.empty(),
            }
        }
        self.finish(id, Nibbles::new(), branch.finish(), purpose, out)
    }

    fn needs_visit(&self, id: u32, purpose: Purpose) -> bool {
        let slot = self.slot(id);
        slot.reference.is_none() || purpose == Purpose::Commit && slot.unsaved
    }

    fn visit_child(
        &self,
        child: Link,
        path: Nibbles,
        purpose: Purpose,
        out: &mut Vec<Visited>,
    ) -> Option<RlpNode> {
        match child {
            Link::Empty => None,
            Link::Blinded(at) => Some(RlpNode::word_rlp(&self.blinded(at))),
            Link::Linked(at) => Some(RlpNode::word_rlp(&self.linked_hash(at))),
            Link::Loaded(id) => Some(self.visit(id, path, purpose, out)),
        }
    }

    /// Computes the reference of a node, its children first. Recursion goes one level per node on the way to a key, so
    /// it is never deeper than a key is long.
    fn visit(&self, id: u32, path: Nibbles, purpose: Purpose, out: &mut Vec<Visited>) -> RlpNode {
        let slot = self.slot(id);
        if let Some(reference) = slot.reference.as_ref().filter(|_| !self.needs_visit(id, purpose))
        {
            return reference.clone();
        }
        match &slot.node {
            Node::Leaf { path: rest, value } => {
                let mut rlp = Vec::with_capacity(40 + value.len());
                encode_leaf(rest, value, &mut rlp);
                self.finish(id, path, &rlp, purpose, out)
            }
            Node::Extension { path: rest, child } => {
                let child = self
                    .visit_child(*child, path.join(rest), purpose, out)
                    .expect("an extension has a child");
                let mut rlp = Vec::with_capacity(70);
                encode_extension(rest, &child, &mut rlp);
                self.finish(id, path, &rlp, purpose, out)
            }
            Node::Branch(children) => {
                let mut branch = BranchEncoder::new();
                for (nibble, &child) in children.iter().enumerate() {
                    match child {
                        Link::Empty => branch.empty(),
                        Link::Blinded(at) => branch.hash(&self.blinded(at)),
                        Link::Linked(at) => branch.hash(&self.linked_hash(at)),
                        Link::Loaded(child) => {
                            let mut below = path;
                            below.push_unchecked(nibble as u8);
                            branch.push(&self.visit(child, below, purpose, out));
                        }
                    }
                }
                self.finish(id, path, branch.finish(), purpose, out)
            }
        }
    }

    fn finish(
        &self,
        id: u32,
        path: Nibbles,
        rlp: &[u8],
        purpose: Purpose,
        out: &mut Vec<Visited>,
    ) -> RlpNode {
        let known = self.slot(id).reference.clone();
        let reference = known.unwrap_or_else(|| RlpNode::from_rlp(rlp));
        let wanted = purpose == Purpose::Commit && reference.is_hash();
        let rlp = wanted.then(|| Bytes::copy_from_slice(rlp));
        out.push(Visited { id, path, reference: reference.clone(), rlp });
        reference
    }
}
