//! The nodes on the way to what is only read: all keys at once, so that what their paths share is walked once, and nothing is kept but
//! the nodes.

use alloy_primitives::{B256, Bytes};
use alloy_trie::EMPTY_ROOT_HASH;
use ethrex_types::StateError;
use nybbles::Nibbles;

use crate::{
    NodeSource,
    node::{self, ChildRef, NodeRef},
    trie::fetch,
};

/// What is done with what is under a key, told by what the key is for.
type Visit<'v, T> = &'v mut dyn FnMut(&T, &[u8]) -> Result<(), StateError>;

/// A trie, and the nodes of it that were seen.
struct Paths<'s, T> {
    source: &'s dyn NodeSource,
    owner: Option<B256>,
    seen: Vec<Bytes>,
    visit: Visit<'s, T>,
}

/// Walks to all of these keys in the trie of `owner` with this root, and gives every node on the way, in no order. Keys must increase.
pub(crate) fn walk<T>(
    source: &dyn NodeSource,
    owner: Option<B256>,
    root: B256,
    keys: &[(Nibbles, T)],
    visit: Visit<'_, T>,
) -> Result<Vec<Bytes>, StateError> {
    let mut paths = Paths { source, owner, seen: Vec::new(), visit };
    if root != EMPTY_ROOT_HASH && !keys.is_empty() {
        paths.hashed(root, 0, keys, false)?;
    }
    Ok(paths.seen)
}

impl<T> Paths<'_, T> {
    /// Goes through the node that these keys lead to, which stands `depth` nibbles below the root. Each step down takes at least one
    /// nibble, so the recursion is no deeper than a key is long.
    fn hashed(
        &mut self,
        hash: B256,
        depth: usize,
        keys: &[(Nibbles, T)],
        under_extension: bool,
    ) -> Result<(), StateError> {
        let rlp = fetch(self.source, self.owner, &keys[0].0.slice(..depth), hash)?;
        if !node::may_be_hashed(rlp.len(), depth) {
            return Err(StateError::Malformed(hash));
        }
        self.inside(&rlp, hash, depth, keys, under_extension)?;
        self.seen.push(rlp);
        Ok(())
    }

    /// The same for a node that stands in the one with this hash.
    fn inside(
        &mut self,
        rlp: &[u8],
        hash: B256,
        depth: usize,
        keys: &[(Nibbles, T)],
        under_extension: bool,
    ) -> Result<(), StateError> {
        let malformed = |node::Malformed| StateError::Malformed(hash);
        match node::decode(rlp, depth).map_err(malformed)? {
            NodeRef::Leaf(..) | NodeRef::Extension(..) if under_extension => {
                Err(StateError::Malformed(hash))
            }
            NodeRef::Leaf(path, value) => {
                let ends_here = |(key, _): &&(Nibbles, T)| key.slice(depth..) == path;
                keys.iter().find(ends_here).map_or(Ok(()), |(_, what)| (self.visit)(what, value))
            }
            NodeRef::Extension(path, child) => {
                let goes_on = |(key, _): &(Nibbles, T)| key.slice(depth..).starts_with(&path);
                let mut groups = keys.chunk_by(|one, next| goes_on(one) == goes_on(next));
                let below = groups.find(|keys| goes_on(&keys[0]));
                below.map_or(Ok(()), |keys| self.child(child, hash, depth + path.len(), keys, true))
            }
            NodeRef::Branch(branch) => {
                let nibble = |(key, _): &(Nibbles, T)| key.get_unchecked(depth);
                let mut groups = keys.chunk_by(|one, next| nibble(one) == nibble(next));
                groups.try_for_each(|keys| {
                    self.child(branch.child(nibble(&keys[0])), hash, depth + 1, keys, false)
                })
            }
        }
    }

    fn child(
        &mut self,
        child: ChildRef<'_>,
        parent: B256,
        depth: usize,
        keys: &[(Nibbles, T)],
        under_extension: bool,
    ) -> Result<(), StateError> {
        match child {
            ChildRef::Empty => Ok(()),
            ChildRef::Hash(hash) => self.hashed(*hash, depth, keys, under_extension),
            ChildRef::Inline(rlp) => self.inside(rlp, parent, depth, keys, under_extension),
        }
    }
}
