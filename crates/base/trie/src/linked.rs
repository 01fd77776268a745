//! Nodes that know their children: joined up once, so that whoever reads follows indices.

use alloy_primitives::{B256, Bytes, map::B256Map};
use ethrex_types::StateError;
use nybbles::Nibbles;

use crate::{
    NodeSource, hash_all, is_canonical_node,
    node::{self, ChildRef, KEY_NIBBLES, NodeRef, WIDTH},
};

/// Nodes from which on looking at each of them is worth more than one thread.
#[cfg(feature = "parallel")]
const PARALLEL_FROM: usize = 512;

/// Nodes by their hash, as [`HashedNodes`](crate::HashedNodes) are, each of which has been read beforehand and joined to those of its
/// children that are here.
///
/// A [`Trie`](crate::Trie) over them looks nothing up and decodes nothing on its way to what it only reads. So a witness, of which every
/// node is read, costs a core that executes less, for work that all cores do before.
#[derive(Debug, Clone, Default)]
pub struct LinkedNodes {
    nodes: Vec<Bytes>,
    hashes: Vec<B256>,
    shapes: Vec<Shape>,
    positions: B256Map<u32>,
}

/// How a node is joined to others.
#[derive(Debug, Clone)]
pub(crate) enum Shape {
    Leaf,
    Extension(Child),
    Branch([Child; WIDTH]),
    /// A node with others inlined, or bytes that are no node: for whoever gets there to decode.
    Other,
}

/// What stands in a child position of a node: nothing, a node that is here, or the hash of one that is not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Child(u32);

/// Where a walk along a key ends.
pub(crate) enum Found<'n> {
    /// Where it is known what is under the key.
    Value(Option<&'n [u8]>),
    /// At a node that is not joined to its parent, or not to its children.
    Beyond,
}

impl Child {
    const NONE: Self = Self(u32::MAX);
    const ABSENT: Self = Self(u32::MAX - 1);

    /// The position of a node that is here.
    pub(crate) fn position(self) -> Option<u32> {
        (self.0 < Self::ABSENT.0).then_some(self.0)
    }
}

impl Shape {
    fn of(rlp: &[u8], positions: &B256Map<u32>) -> Self {
        let named = |hash: &B256| positions.get(hash).map_or(Child::ABSENT, |at| Child(*at));
        match node::parse(rlp) {
            Ok(NodeRef::Leaf(..)) => Self::Leaf,
            Ok(NodeRef::Extension(path, ChildRef::Hash(hash))) if path.len() < KEY_NIBBLES => {
                Self::Extension(named(hash))
            }
            Ok(NodeRef::Branch(branch)) => branch.hashes().map_or(Self::Other, |hashes| {
                let mut children = [Child::NONE; WIDTH];
                hashes.for_each(|(nibble, hash)| children[nibble] = named(hash));
                Self::Branch(children)
            }),
            Ok(NodeRef::Extension(..)) | Err(node::Malformed) => Self::Other,
        }
    }

    /// The child at this nibble of a branch, or below an extension (at 0).
    pub(crate) fn child(&self, nibble: usize) -> Option<u32> {
        match self {
            Self::Branch(children) => children[nibble].position(),
            Self::Extension(child) => child.position(),
            Self::Leaf | Self::Other => None,
        }
    }
}

impl FromIterator<Bytes> for LinkedNodes {
    /// Hashes every node, so that no entry can pass for another, and joins them: on all cores where the feature `parallel` is on.
    fn from_iter<I: IntoIterator<Item = Bytes>>(nodes: I) -> Self {
        let nodes: Vec<Bytes> = nodes.into_iter().collect();
        let hashes = hash_all(&nodes);
        let positions: B256Map<u32> = hashes.iter().copied().zip(0..).collect();
        let shapes = shapes(&nodes, &positions);
        Self { nodes, hashes, shapes, positions }
    }
}

fn shapes(nodes: &[Bytes], positions: &B256Map<u32>) -> Vec<Shape> {
    #[cfg(feature = "parallel")]
    if nodes.len() >= PARALLEL_FROM {
        use rayon::prelude::*;
        return nodes.par_iter().map(|node| Shape::of(node, positions)).collect();
    }
    nodes.iter().map(|node| Shape::of(node, positions)).collect()
}

impl LinkedNodes {
    /// The position of the first that is no canonical node, see [`is_canonical_node`].
    #[must_use]
    pub fn first_not_canonical(&self) -> Option<usize> {
        // What has another shape was found canonical when it was read.
        let mut suspects = self.nodes.iter().zip(&self.shapes);
        suspects.position(|(node, shape)| matches!(shape, Shape::Other) && !is_canonical_node(node))
    }

    /// The position of the node that hashes to `hash`.
    pub(crate) fn position(&self, hash: &B256) -> Option<u32> {
        self.positions.get(hash).copied()
    }

    /// A node, its hash, and what it is joined to.
    pub(crate) fn node_at(&self, position: u32) -> (&Bytes, B256, &Shape) {
        let at = position as usize;
        (&self.nodes[at], self.hashes[at], &self.shapes[at])
    }

    pub(crate) fn hash_at(&self, position: u32) -> B256 {
        self.hashes[position as usize]
    }

    /// Follows `key` down from the node at `position`, which stands `depth` nibbles below the root and maybe under an extension. Every
    /// step takes at least one nibble.
    ///
    /// # Errors
    /// If a node on the way cannot stand where it stands.
    pub(crate) fn find(
        &self,
        position: u32,
        key: &Nibbles,
        mut depth: usize,
        mut under_extension: bool,
    ) -> Result<Found<'_>, StateError> {
        let mut at = position;
        loop {
            let (rlp, hash, shape) = self.node_at(at);
            let child = match shape {
                Shape::Other => return Ok(Found::Beyond),
                // Two hashes are more than the length of one: such a branch may be named by hash anywhere.
                Shape::Branch(children) if depth < KEY_NIBBLES => {
                    (depth, under_extension) = (depth + 1, false);
                    children[usize::from(key.get_unchecked(depth - 1))]
                }
                Shape::Extension(child) if !under_extension => {
                    let NodeRef::Extension(path, _) = decode_at(rlp, depth, hash)? else {
                        unreachable!("this is the shape of an extension")
                    };
                    if !key.slice(depth..).starts_with(&path) {
                        return Ok(Found::Value(None));
                    }
                    (depth, under_extension) = (depth + path.len(), true);
                    *child
                }
                Shape::Leaf if !under_extension => {
                    let NodeRef::Leaf(path, value) = decode_at(rlp, depth, hash)? else {
                        unreachable!("this is the shape of a leaf")
                    };
                    return Ok(Found::Value((key.slice(depth..) == path).then_some(value)));
                }
                Shape::Branch(_) | Shape::Extension(_) | Shape::Leaf => {
                    return Err(StateError::Malformed(hash));
                }
            };
            at = match child {
                Child::NONE => return Ok(Found::Value(None)),
                Child::ABSENT => return Ok(Found::Beyond),
                Child(position) => position,
            };
        }
    }
}

/// Reads a node that stands by itself `depth` nibbles below the root.
fn decode_at(rlp: &[u8], depth: usize, hash: B256) -> Result<NodeRef<'_>, StateError> {
    let node = node::may_be_hashed(rlp.len(), depth).then(|| node::decode(rlp, depth));
    node.and_then(Result::ok).ok_or(StateError::Malformed(hash))
}

impl NodeSource for LinkedNodes {
    fn node(
        &self,
        _owner: Option<B256>,
        _path: &Nibbles,
        hash: B256,
    ) -> Result<Option<Bytes>, StateError> {
        Ok(self.position(&hash).map(|at| self.nodes[at as usize].clone()))
    }

    fn linked(&self) -> Option<&LinkedNodes> {
        Some(self)
    }
}
