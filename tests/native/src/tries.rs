//! Tries that nobody has the time to mine: every path branches at every nibble.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicUsize, Ordering},
};

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_rlp::Encodable;
use ethrex_trie::{Nibbles, NodeSource};
use ethrex_types::{StateError, TrieAccount};

/// Nibbles of a key.
const KEY_NIBBLES: usize = 64;
const HASH_LEN: usize = 32;

/// A state made of whole cloth: only a caller who makes up the parent block has one like it.
#[derive(Debug, Clone)]
pub struct DeepState {
    /// Root of the account trie.
    pub root: B256,
    /// Its nodes, strictly ascending.
    pub nodes: Vec<Bytes>,
}

impl DeepState {
    /// The state with these accounts. Where only one of them goes on, the other child of a branch is a hash that stands for nothing.
    #[must_use]
    pub fn new(accounts: &[(Address, TrieAccount)]) -> Self {
        let leaves: Vec<_> = accounts
            .iter()
            .map(|(address, account)| (keccak256(address), alloy_rlp::encode(account)))
            .collect();
        let mut nodes = Vec::new();
        let root = node(&leaves.iter().collect::<Vec<_>>(), 0, &mut nodes);
        let hash = keccak256(&root);
        nodes.push(root.into());
        nodes.sort();
        nodes.dedup();
        Self { root: hash, nodes }
    }
}

/// An account without storage.
#[must_use]
pub fn account(nonce: u64, balance: U256, code: &[u8]) -> TrieAccount {
    let code_hash = keccak256(code);
    TrieAccount { nonce, balance, code_hash, ..TrieAccount::default() }
}

/// The node at this depth of the trie with these leaves, which agree on all nibbles before.
fn node(leaves: &[&(B256, Vec<u8>)], depth: usize, nodes: &mut Vec<Bytes>) -> Vec<u8> {
    if depth == KEY_NIBBLES {
        // An empty path with an even number of nibbles, and the value.
        let mut payload = vec![0x20];
        leaves[0].1.as_slice().encode(&mut payload);
        return list(&payload);
    }
    let nibble = |key: &B256| (key[depth / 2] >> (4 * (1 - depth % 2))) & 15;
    let mut children: BTreeMap<u8, Vec<&(B256, Vec<u8>)>> = BTreeMap::new();
    for leaf in leaves {
        children.entry(nibble(&leaf.0)).or_default().push(leaf);
    }
    let mut items: [Vec<u8>; 17] = std::array::from_fn(|_| vec![0x80]);
    for (nibble, leaves) in &children {
        let child = node(leaves, depth + 1, nodes);
        items[usize::from(*nibble)] = if child.len() < HASH_LEN {
            child
        } else {
            let hash = hash_item(keccak256(&child));
            nodes.push(child.into());
            hash
        };
    }
    if let [only] = children.keys().copied().collect::<Vec<_>>()[..] {
        let nothing = keccak256([leaves[0].0.as_slice(), &[depth as u8]].concat());
        items[usize::from((only + 1) % 16)] = hash_item(nothing);
    }
    list(&items.concat())
}

fn hash_item(hash: B256) -> Vec<u8> {
    [&[0x80 + HASH_LEN as u8], hash.as_slice()].concat()
}

fn list(payload: &[u8]) -> Vec<u8> {
    let mut list = Vec::new();
    alloy_rlp::Header { list: true, payload_length: payload.len() }.encode(&mut list);
    list.extend_from_slice(payload);
    list
}

/// RLP of a list in a list in a list, and so on.
#[must_use]
pub fn nested(depth: usize) -> Vec<u8> {
    let mut backwards = Vec::new();
    for _ in 0..depth {
        let mut header = Vec::new();
        alloy_rlp::Header { list: true, payload_length: backwards.len() }.encode(&mut header);
        backwards.extend(header.into_iter().rev());
    }
    backwards.reverse();
    backwards
}

/// Counts what is asked of the nodes behind it.
pub struct Counting<'a> {
    nodes: &'a dyn NodeSource,
    asked: AtomicUsize,
}

impl std::fmt::Debug for Counting<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Counting").field("asked", &self.asked).finish_non_exhaustive()
    }
}

impl<'a> Counting<'a> {
    /// Nothing yet.
    #[must_use]
    pub const fn new(nodes: &'a dyn NodeSource) -> Self {
        Self { nodes, asked: AtomicUsize::new(0) }
    }

    /// How often a node was asked for.
    #[must_use]
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }
}

impl NodeSource for Counting<'_> {
    fn node(
        &self,
        owner: Option<B256>,
        path: &Nibbles,
        hash: B256,
    ) -> Result<Option<Bytes>, StateError> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.nodes.node(owner, path, hash)
    }
}
