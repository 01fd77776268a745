//! Walks from a root to one key without building a trie: reading, proving, verifying.

use alloy_primitives::{B256, Bytes, keccak256};
use alloy_trie::EMPTY_ROOT_HASH;
use ethrex_types::StateError;
use nybbles::Nibbles;

use crate::{
    NodeSource,
    node::{self, ChildRef, NodeRef},
    trie::fetch,
};

/// Why a proof proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The proof ends before the key is decided.
    #[error("proof lacks node {0}")]
    Incomplete(B256),
    /// A node is not the one its parent, or the root, names.
    #[error("proof node hashes to {found} instead of {expected}")]
    WrongNode {
        /// The hash by which the node is named.
        expected: B256,
        /// The hash it has.
        found: B256,
    },
    /// Bytes that are not a trie node.
    #[error("proof node {0} is malformed")]
    Malformed(B256),
    /// Nodes are left over after the key is decided.
    #[error("proof has {0} nodes too many")]
    Surplus(usize),
}

/// The value under `key` in the trie of `owner` with this root.
pub fn read_value(
    source: &dyn NodeSource,
    owner: Option<B256>,
    root: B256,
    key: B256,
) -> Result<Option<Vec<u8>>, StateError> {
    walk(root, key, |path, hash| fetch(source, owner, path, hash), StateError::Malformed)
}

/// The nodes from the root to `key`, or to where its absence shows, as `eth_getProof` returns them. A node that is
/// inlined in its parent is not listed again. The proof of anything in an empty trie is empty.
pub fn prove(
    source: &dyn NodeSource,
    owner: Option<B256>,
    root: B256,
    key: B256,
) -> Result<Vec<Bytes>, StateError> {
    let mut proof = vec![];
    let collect = |path: &Nibbles, hash| {
        let node = fetch(source, owner, path, hash)?;
        proof.push(node.clone());
        Ok(node)
    };
    walk(root, key, collect, StateError::Malformed)?;
    Ok(proof)
}

/// Checks a proof against a root and returns the value it proves, or `None` where it proves absence.
pub fn verify_proof(root: B256, key: B256, proof: &[Bytes]) -> Result<Option<Vec<u8>>, ProofError> {
    let mut rest = proof.iter();
    let next = |_: &Nibbles, expected| {
        let node = rest.next().ok_or(ProofError::Incomplete(expected))?;
        let found = keccak256(node);
        if found != expected {
            return Err(ProofError::WrongNode { expected, found });
        }
        Ok(node.clone())
    };
    let value = walk(root, key, next, ProofError::Malformed)?;
    match rest.len() {
        0 => Ok(value),
        surplus => Err(ProofError::Surplus(surplus)),
    }
}

/// Follows `key` down from `root`. Each step takes at least one nibble, so there are at most 64.
fn walk<E>(
    root: B256,
    key: B256,
    mut fetch: impl FnMut(&Nibbles, B256) -> Result<Bytes, E>,
    malformed: impl Fn(B256) -> E,
) -> Result<Option<Vec<u8>>, E> {
    if root == EMPTY_ROOT_HASH {
        return Ok(None);
    }
    let key = Nibbles::unpack(key);
    let (mut hash, mut depth) = (root, 0);
    // Under an extension only a branch may stand.
    let mut under_extension = false;
    loop {
        let node = fetch(&key.slice(..depth), hash)?;
        let whole = node::check(&node, depth, under_extension);
        if whole.is_err() || !node::may_be_hashed(node.len(), depth) {
            return Err(malformed(hash));
        }
        let mut rlp = &node[..];
        // Ends with the next node that has to be fetched; nodes inlined in this one are walked through.
        hash = loop {
            let child = match node::decode(rlp, depth).map_err(|_| malformed(hash))? {
                NodeRef::Leaf(path, value) => {
                    return Ok((path == key.slice(depth..)).then(|| value.to_vec()));
                }
                NodeRef::Extension(path, child) => {
                    if !key.slice(depth..).starts_with(&path) {
                        return Ok(None);
                    }
                    depth += path.len();
                    under_extension = true;
                    child
                }
                NodeRef::Branch(branch) => {
                    under_extension = false;
                    let nibble = key.get_unchecked(depth);
                    depth += 1;
                    branch.child(nibble)
                }
            };
            match child {
                ChildRef::Empty => return Ok(None),
                ChildRef::Hash(hash) => break *hash,
                ChildRef::Inline(inner) => rlp = inner,
            }
        };
    }
}
