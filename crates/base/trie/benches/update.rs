//! Cost of an update: 5,000 leaves changed in tries of growing size, root and changed nodes included.

#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::{collections::HashMap, time::Instant};

use alloy_primitives::{B256, Bytes, keccak256};
use ethrex_trie::{EMPTY_ROOT, HashedNodes, Nibbles, NodeSource, Trie};
use ethrex_types::StateError;

const CHANGES: u64 = 5_000;
const ROUNDS: u32 = 5;

struct PathStore(HashMap<Nibbles, Bytes>);

impl NodeSource for PathStore {
    fn node(&self, _: Option<B256>, path: &Nibbles, _: B256) -> Result<Option<Bytes>, StateError> {
        Ok(self.0.get(path).cloned())
    }
}

fn key(i: u64) -> B256 {
    keccak256(i.to_be_bytes())
}

fn main() {
    for leaves in [CHANGES, 100_000, 500_000] {
        let nothing = HashedNodes::default();
        let mut trie = Trie::open(&nothing, None, EMPTY_ROOT);
        let start = Instant::now();
        for i in 0..leaves {
            trie.insert(key(i), vec![1; 70]).unwrap();
        }
        let (root, nodes) = trie.commit();
        let built = start.elapsed();
        let store =
            PathStore(nodes.into_iter().filter_map(|(path, node)| Some((path, node?))).collect());

        let mut spent = std::time::Duration::ZERO;
        for round in 0..u64::from(ROUNDS) {
            let keys: Vec<_> = (0..CHANGES).map(|i| key((i * 7919 + round) % leaves)).collect();
            let start = Instant::now();
            let mut trie = Trie::open(&store, None, root);
            for key in &keys {
                trie.insert(*key, vec![2 + round as u8; 70]).unwrap();
            }
            assert_ne!(trie.commit().0, root);
            spent += start.elapsed();
        }
        let per_update = spent / ROUNDS / CHANGES as u32;
        println!("{leaves} leaves: built in {built:?}; {per_update:?} per update of {CHANGES}");
    }
}
