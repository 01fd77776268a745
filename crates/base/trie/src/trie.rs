//! The trie in memory: an arena of loaded nodes in front of a source of blinded ones.

use alloy_primitives::{B256, Bytes};
use alloy_trie::{EMPTY_ROOT_HASH, nodes::RlpNode};
use ethrex_types::{Missing, StateError};
use nybbles::Nibbles;

use crate::{
    LinkedNodes, NodeSource,
    linked::{Found, Shape},
    node::{self, ChildRef, NodeRef, WIDTH},
};

/// A Merkle-Patricia trie that loads what it needs, keeps what it loaded, and hashes only what changed.
///
/// Every operation that returns an error leaves the content of the trie as it was, so a caller may add the missing nodes
/// to the source and go on.
pub struct Trie<'s> {
    source: &'s dyn NodeSource,
    /// What the source consists of, where its nodes are joined to each other.
    linked: Option<&'s LinkedNodes>,
    owner: Option<B256>,
    root: Link,
    slots: Vec<Slot>,
    free: Vec<u32>,
    hashes: Vec<B256>,
    /// Where the source has nodes that this trie no longer has.
    removed: Vec<Nibbles>,
    /// The nodes between the root and where the current operation stands; kept to reuse its memory.
    trail: Vec<u32>,
    /// Every node that was loaded and its hash, where somebody wants to know.
    seen: Option<Vec<(B256, Bytes)>>,
}

/// What stands in a child position.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Link {
    #[default]
    Empty,
    /// A loaded node, by its index among the slots.
    Loaded(u32),
    /// A node known by hash only, by its index among the hashes.
    Blinded(u32),
    /// A node that stands in the source, by its position there, joined to those below it. It is loaded where it changes.
    Linked(u32),
}

/// A loaded node and what is known about it.
pub(crate) struct Slot {
    pub(crate) node: Node,
    /// The RLP by which a parent names this node; `None` while the node has changes that are not hashed yet.
    pub(crate) reference: Option<RlpNode>,
    /// Whether the source has an entry at this node's path, which must go if the node moves or shrinks.
    pub(crate) stored: bool,
    /// Whether the node has changes that were not handed out by `commit` yet. Holds for all its ancestors too.
    pub(crate) unsaved: bool,
}

/// A loaded node. The path of a node is known to whoever walks to it and not stored.
pub(crate) enum Node {
    Leaf { path: Nibbles, value: Vec<u8> },
    Extension { path: Nibbles, child: Link },
    Branch([Link; WIDTH]),
}

/// A position that holds a link.
#[derive(Clone, Copy)]
enum Place {
    Root,
    Under(u32),
    Child(u32, u8),
}

impl<'s> Trie<'s> {
    /// A trie known by its root hash; nothing is read before it is needed. `owner` is the keccak256 of the address whose
    /// storage this is, or `None` for the account trie.
    #[must_use]
    pub fn open(source: &'s dyn NodeSource, owner: Option<B256>, root: B256) -> Self {
        let mut trie = Self {
            source,
            linked: source.linked(),
            owner,
            root: Link::Empty,
            slots: vec![],
            free: vec![],
            hashes: vec![],
            removed: vec![],
            trail: vec![],
            seen: None,
        };
        if root != EMPTY_ROOT_HASH {
            trie.root = trie.named(root);
        }
        trie
    }

    /// The value under `key`.
    pub fn get(&mut self, key: B256) -> Result<Option<&[u8]>, StateError> {
        let key = Nibbles::unpack(key);
        let (mut place, mut depth) = (Place::Root, 0);
        loop {
            if let Some(Found::Value(value)) = self.find_linked(place, &key, depth)? {
                return Ok(value);
            }
            let Some(id) = self.load(place, &key, depth)? else { return Ok(None) };
            match &self.slots[id as usize].node {
                Node::Leaf { path, .. } => {
                    if key.slice(depth..) != *path {
                        return Ok(None);
                    }
                    break;
                }
                Node::Extension { path, .. } => {
                    if !key.slice(depth..).starts_with(path) {
                        return Ok(None);
                    }
                    depth += path.len();
                    place = Place::Under(id);
                }
                Node::Branch(_) => {
                    place = Place::Child(id, key.get_unchecked(depth));
                    depth += 1;
                }
            }
        }
        let Link::Loaded(id) = self.link(place) else { return Ok(None) };
        match &self.slots[id as usize].node {
            Node::Leaf { value, .. } => Ok(Some(value)),
            Node::Extension { .. } | Node::Branch(_) => unreachable!("the walk ends at a leaf"),
        }
    }

    /// Goes on among the nodes of the source as far as they are joined, if `place` leads there and nobody wants to know which nodes
    /// are loaded.
    fn find_linked(
        &self,
        place: Place,
        key: &Nibbles,
        depth: usize,
    ) -> Result<Option<Found<'s>>, StateError> {
        let (Link::Linked(at), Some(linked), None) = (self.link(place), self.linked, &self.seen)
        else {
            return Ok(None);
        };
        linked.find(at, key, depth, matches!(place, Place::Under(_))).map(Some)
    }

    /// Sets the value under `key`. An empty value removes the key, as the Yellow Paper defines it.
    pub fn insert(&mut self, key: B256, value: Vec<u8>) -> Result<(), StateError> {
        if value.is_empty() {
            return self.remove(key).map(drop);
        }
        let key = Nibbles::unpack(key);
        let (mut place, mut depth) = (Place::Root, 0);
        self.trail.clear();
        loop {
            let Some(id) = self.load(place, &key, depth)? else {
                let leaf = self.add(Node::Leaf { path: key.slice(depth..), value });
                self.set_link(place, Link::Loaded(leaf));
                break;
            };
            self.trail.push(id);
            match &mut self.slots[id as usize].node {
                Node::Leaf { path, value: old } => {
                    let rest = key.slice(depth..);
                    if *path == rest {
                        if *old == value {
                            return Ok(());
                        }
                        *old = value;
                    } else {
                        self.split(id, &rest, value);
                    }
                    break;
                }
                Node::Extension { path, .. } => {
                    let rest = key.slice(depth..);
                    if !rest.starts_with(path) {
                        self.split(id, &rest, value);
                        break;
                    }
                    depth += path.len();
                    place = Place::Under(id);
                }
                Node::Branch(_) => {
                    place = Place::Child(id, key.get_unchecked(depth));
                    depth += 1;
                }
            }
        }
        self.touch_trail();
        Ok(())
    }

    /// Removes `key`, restoring the shape the trie would have had without it. Says whether the key was there.
    ///
    /// Where a branch is left with one child, that child is loaded, since its kind decides the new shape.
    pub fn remove(&mut self, key: B256) -> Result<bool, StateError> {
        let key = Nibbles::unpack(key);
        let (mut place, mut depth) = (Place::Root, 0);
        self.trail.clear();
        let leaf = loop {
            let Some(id) = self.load(place, &key, depth)? else { return Ok(false) };
            match &self.slots[id as usize].node {
                Node::Leaf { path, .. } => {
                    if *path != key.slice(depth..) {
                        return Ok(false);
                    }
                    break id;
                }
                Node::Extension { path, .. } => {
                    if !key.slice(depth..).starts_with(path) {
                        return Ok(false);
                    }
                    depth += path.len();
                    place = Place::Under(id);
                }
                Node::Branch(_) => {
                    place = Place::Child(id, key.get_unchecked(depth));
                    depth += 1;
                }
            }
            self.trail.push(id);
        };
        if let Place::Child(branch, nibble) = place {
            if let Some(only) = self.only_sibling(branch, nibble) {
                let mut sibling_path = key.slice(..depth - 1);
                sibling_path.push_unchecked(only);
                // Everything that can fail comes before the first change.
                let sibling = self.load(Place::Child(branch, only), &sibling_path, depth)?;
                let sibling = sibling.expect("the sibling is not empty");
                self.set_link(place, Link::Empty);
                self.release(leaf, key.slice(..depth));
                self.collapse(branch, only, sibling, &sibling_path);
            } else {
                self.set_link(place, Link::Empty);
                self.release(leaf, key.slice(..depth));
            }
        } else {
            self.set_link(place, Link::Empty);
            self.release(leaf, key.slice(..depth));
        }
        self.touch_trail();
        Ok(true)
    }

    /// Whether the trie has no keys.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.root == Link::Empty
    }

    /// Turns the node `id` into what its path and `rest` have in common, with the old node and a new leaf below.
    fn split(&mut self, id: u32, rest: &Nibbles, value: Vec<u8>) {
        // The top of the fork keeps the slot: it stands where the old node stood, which is what `stored` is about.
        let old = std::mem::replace(
            &mut self.slots[id as usize].node,
            Node::Branch([Link::Empty; WIDTH]),
        );
        let (common, nibble, below) = match old {
            Node::Leaf { path, value } => {
                let common = rest.common_prefix_length(&path);
                let below = self.add(Node::Leaf { path: path.slice(common + 1..), value });
                (common, path.get_unchecked(common), Link::Loaded(below))
            }
            Node::Extension { path, child } => {
                let common = rest.common_prefix_length(&path);
                let below = if common + 1 == path.len() {
                    child
                } else {
                    Link::Loaded(
                        self.add(Node::Extension { path: path.slice(common + 1..), child }),
                    )
                };
                (common, path.get_unchecked(common), below)
            }
            Node::Branch(_) => unreachable!("a branch has no path to split"),
        };
        let leaf = self.add(Node::Leaf { path: rest.slice(common + 1..), value });
        let mut children = [Link::Empty; WIDTH];
        children[usize::from(nibble)] = below;
        children[usize::from(rest.get_unchecked(common))] = Link::Loaded(leaf);
        let branch = Node::Branch(children);
        self.slots[id as usize].node = if common == 0 {
            branch
        } else {
            let child = Link::Loaded(self.add(branch));
            Node::Extension { path: rest.slice(..common), child }
        };
    }

    /// The nibble of the one other child of `branch`, if there is exactly one.
    fn only_sibling(&self, branch: u32, nibble: u8) -> Option<u8> {
        let Node::Branch(children) = &self.slots[branch as usize].node else { return None };
        let mut others = (0..WIDTH as u8)
            .filter(|&other| other != nibble && children[usize::from(other)] != Link::Empty);
        let only = others.next()?;
        others.next().is_none().then_some(only)
    }

    /// Replaces `branch`, whose last child is `sibling` at `nibble`, by that child with a longer path, and joins it with
    /// an extension above. `branch` is the last node of the trail.
    fn collapse(&mut self, branch: u32, nibble: u8, sibling: u32, sibling_path: &Nibbles) {
        let mut path = Nibbles::from_nibbles_unchecked([nibble]);
        let mut branch_path = *sibling_path;
        branch_path.pop();
        self.trail.pop();

        let above = self.trail.last().copied().and_then(|id| match &self.slots[id as usize].node {
            Node::Extension { path, .. } => Some((id, *path)),
            Node::Leaf { .. } | Node::Branch(_) => None,
        });
        // The joined node stands at the extension above if there is one, else at the branch.
        let top = above.map_or(branch, |(id, prefix)| {
            path = prefix.join(&path);
            id
        });
        let joined = match &mut self.slots[sibling as usize].node {
            Node::Leaf { path: rest, value } => {
                Node::Leaf { path: path.join(rest), value: std::mem::take(value) }
            }
            Node::Extension { path: rest, child } => {
                Node::Extension { path: path.join(rest), child: *child }
            }
            Node::Branch(_) => Node::Extension { path, child: Link::Loaded(sibling) },
        };
        if !matches!(self.slots[sibling as usize].node, Node::Branch(_)) {
            self.release(sibling, *sibling_path);
        }
        if top == branch {
            self.trail.push(branch);
        } else {
            self.release(branch, branch_path);
        }
        self.slots[top as usize].node = joined;
    }

    /// Marks the nodes of the trail as changed.
    fn touch_trail(&mut self) {
        for &id in &self.trail {
            let slot = &mut self.slots[id as usize];
            slot.reference = None;
            slot.unsaved = true;
        }
    }

    /// The node at `place`, fetched if it is blinded. `place` is `depth` nibbles down `key`.
    fn load(
        &mut self,
        place: Place,
        key: &Nibbles,
        depth: usize,
    ) -> Result<Option<u32>, StateError> {
        let (rlp, hash, shape) = match self.link(place) {
            Link::Empty => return Ok(None),
            Link::Loaded(id) => return Ok(Some(id)),
            Link::Blinded(at) => {
                let hash = self.hashes[at as usize];
                let rlp = fetch(self.source, self.owner, &key.slice(..depth), hash)?;
                (rlp, hash, &Shape::Other)
            }
            Link::Linked(at) => {
                let (rlp, hash, shape) = self.linked_nodes().node_at(at);
                (rlp.clone(), hash, shape)
            }
        };
        if !node::may_be_hashed(rlp.len(), depth) {
            return Err(StateError::Malformed(hash));
        }
        // Slots taken by the parts of a malformed node are lost, which costs memory only.
        let id = self
            .decode(&rlp, depth, shape)
            .map_err(|node::Malformed| StateError::Malformed(hash))?;
        let slot = &mut self.slots[id as usize];
        if matches!(place, Place::Under(_)) && !matches!(slot.node, Node::Branch(_)) {
            return Err(StateError::Malformed(hash));
        }
        slot.reference = Some(RlpNode::word_rlp(&hash));
        slot.stored = true;
        self.set_link(place, Link::Loaded(id));
        if let Some(seen) = &mut self.seen {
            seen.push((hash, rlp));
        }
        Ok(Some(id))
    }

    /// Remembers from now on which nodes are loaded. Each is loaded once, however many paths lead through it.
    pub(crate) fn remember(&mut self) {
        self.seen.get_or_insert_default();
    }

    /// The nodes that were loaded since [`Self::remember`] or the last call of this, by hash.
    pub(crate) fn take_seen(&mut self) -> Vec<(B256, Bytes)> {
        self.seen.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Adds an unchanged node of this shape and the nodes inlined in it.
    fn decode(&mut self, rlp: &[u8], depth: usize, shape: &Shape) -> Result<u32, node::Malformed> {
        let node = match node::decode(rlp, depth)? {
            NodeRef::Leaf(path, value) => Node::Leaf { path, value: value.to_vec() },
            NodeRef::Extension(path, child) => {
                let child = match child {
                    ChildRef::Hash(hash) => self.joined(shape, 0, hash),
                    child => self.decode_child(child, depth + path.len())?,
                };
                if let Link::Loaded(id) = child
                    && !matches!(self.slots[id as usize].node, Node::Branch(_))
                {
                    return Err(node::Malformed);
                }
                Node::Extension { path, child }
            }
            NodeRef::Branch(branch) => {
                let mut children = [Link::Empty; WIDTH];
                match branch.hashes() {
                    Some(hashes) => hashes.for_each(|(nibble, hash)| {
                        children[nibble] = self.joined(shape, nibble, hash);
                    }),
                    None => {
                        for (link, child) in children.iter_mut().zip(branch.children()) {
                            *link = self.decode_child(child, depth + 1)?;
                        }
                    }
                }
                Node::Branch(children)
            }
        };
        let id = self.add(node);
        self.slots[id as usize].unsaved = false;
        Ok(id)
    }

    fn decode_child(&mut self, child: ChildRef<'_>, depth: usize) -> Result<Link, node::Malformed> {
        match child {
            ChildRef::Empty => Ok(Link::Empty),
            ChildRef::Hash(hash) => Ok(self.named(*hash)),
            ChildRef::Inline(rlp) => {
                let id = self.decode(rlp, depth, &Shape::Other)?;
                self.slots[id as usize].reference = Some(RlpNode::from_rlp(rlp));
                Ok(Link::Loaded(id))
            }
        }
    }

    /// The child with this hash at `nibble` of a node of this shape.
    fn joined(&mut self, shape: &Shape, nibble: usize, hash: &B256) -> Link {
        match shape.child(nibble) {
            Some(at) => Link::Linked(at),
            None if matches!(shape, Shape::Other) => self.named(*hash),
            None => self.blind(*hash),
        }
    }

    /// The node with this hash: joined to others, if the source has it so.
    fn named(&mut self, hash: B256) -> Link {
        match self.linked.and_then(|linked| linked.position(&hash)) {
            Some(at) => Link::Linked(at),
            None => self.blind(hash),
        }
    }

    fn blind(&mut self, hash: B256) -> Link {
        self.hashes.push(hash);
        Link::Blinded(index(self.hashes.len() - 1))
    }

    /// Adds a changed node.
    fn add(&mut self, node: Node) -> u32 {
        let slot = Slot { node, reference: None, stored: false, unsaved: true };
        if let Some(id) = self.free.pop() {
            self.slots[id as usize] = slot;
            return id;
        }
        self.slots.push(slot);
        index(self.slots.len() - 1)
    }

    /// Frees the slot of a node that is gone from `path`.
    fn release(&mut self, id: u32, path: Nibbles) {
        if self.slots[id as usize].stored {
            self.removed.push(path);
        }
        self.free.push(id);
    }

    fn link(&self, place: Place) -> Link {
        match place {
            Place::Root => self.root,
            Place::Under(id) => match &self.slots[id as usize].node {
                Node::Extension { child, .. } => *child,
                Node::Leaf { .. } | Node::Branch(_) => unreachable!("the place is an extension"),
            },
            Place::Child(id, nibble) => match &self.slots[id as usize].node {
                Node::Branch(children) => children[usize::from(nibble)],
                Node::Leaf { .. } | Node::Extension { .. } => unreachable!("the place is a branch"),
            },
        }
    }

    fn set_link(&mut self, place: Place, link: Link) {
        match place {
            Place::Root => self.root = link,
            Place::Under(id) => match &mut self.slots[id as usize].node {
                Node::Extension { child, .. } => *child = link,
                Node::Leaf { .. } | Node::Branch(_) => unreachable!("the place is an extension"),
            },
            Place::Child(id, nibble) => match &mut self.slots[id as usize].node {
                Node::Branch(children) => children[usize::from(nibble)] = link,
                Node::Leaf { .. } | Node::Extension { .. } => unreachable!("the place is a branch"),
            },
        }
    }

    pub(crate) const fn root_link(&self) -> Link {
        self.root
    }

    pub(crate) fn slot(&self, id: u32) -> &Slot {
        &self.slots[id as usize]
    }

    pub(crate) fn slot_mut(&mut self, id: u32) -> &mut Slot {
        &mut self.slots[id as usize]
    }

    /// The nodes that links of the kind [`Link::Linked`] lead to.
    fn linked_nodes(&self) -> &'s LinkedNodes {
        self.linked.expect("only a source with linked nodes gives links to them")
    }

    /// The hash by which a node of the source is named.
    pub(crate) fn linked_hash(&self, at: u32) -> B256 {
        self.linked_nodes().hash_at(at)
    }

    pub(crate) fn blinded(&self, at: u32) -> B256 {
        self.hashes[at as usize]
    }

    /// Whether at least `count` nodes have unsaved changes; slots that are free may count too.
    #[cfg(feature = "parallel")]
    pub(crate) fn has_unsaved(&self, count: usize) -> bool {
        self.slots.iter().filter(|slot| slot.unsaved).nth(count - 1).is_some()
    }

    pub(crate) fn take_removed(&mut self) -> Vec<Nibbles> {
        std::mem::take(&mut self.removed)
    }
}

impl std::fmt::Debug for Trie<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trie")
            .field("owner", &self.owner)
            .field("root", &self.root)
            .field("loaded", &(self.slots.len() - self.free.len()))
            .finish_non_exhaustive()
    }
}

/// Asks `source` for a node that must exist, since another node or a root names it.
pub(crate) fn fetch(
    source: &dyn NodeSource,
    owner: Option<B256>,
    path: &Nibbles,
    hash: B256,
) -> Result<Bytes, StateError> {
    source.node(owner, path, hash)?.ok_or(StateError::Missing(Missing::Node(hash)))
}

fn index(at: usize) -> u32 {
    u32::try_from(at).expect("a trie in memory has fewer than 2^32 nodes")
}
