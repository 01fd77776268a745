//! Tries of whoever sends one.

use alloy_primitives::{B256, Bytes, keccak256};
use ethrex_trie::{
    EMPTY_ROOT, HashedNodes, Trie, is_canonical_node, prove, read_value, verify_proof,
};
use ethrex_types::StateError;

/// Bytes of one piece: the first says how many follow.
fn piece<'b>(bytes: &mut &'b [u8]) -> Option<&'b [u8]> {
    let (len, rest) = bytes.split_first_chunk::<2>()?;
    let len = usize::from(u16::from_be_bytes(*len)).min(rest.len());
    let (piece, rest) = rest.split_at(len);
    *bytes = rest;
    Some(piece)
}

/// A key, then nodes. The first node is the root; where a node stands for itself it is as good as any.
pub(crate) fn proof(mut bytes: &[u8]) {
    let Some((key, rest)) = bytes.split_first_chunk::<32>() else { return };
    bytes = rest;
    let key = B256::from(*key);
    let proof: Vec<Bytes> =
        std::iter::from_fn(|| piece(&mut bytes)).map(Bytes::copy_from_slice).collect();
    let root = proof.first().map_or(EMPTY_ROOT, keccak256);
    let nodes: HashedNodes = proof.iter().cloned().collect();
    let read = read_value(&nodes, None, root, key);
    if let Ok(value) = verify_proof(root, key, &proof) {
        let read = read.as_ref().expect("a proof has every node on the way");
        assert_eq!(read, &value);
        let again = prove(&nodes, None, root, key).expect("what can be read can be proven");
        assert_eq!(again, proof);
    }
    // A trie agrees with whoever walks it without building one.
    let mut trie = Trie::open(&nodes, None, root);
    match (trie.get(key), read) {
        (Ok(a), Ok(b)) => assert_eq!(a.map(|value| value.to_vec()), b),
        (Err(StateError::Missing(_) | StateError::Malformed(_)), Err(_)) => {}
        (a, b) => panic!("a trie says {a:?}, a walk {b:?}"),
    }
    for node in &proof {
        let _ = is_canonical_node(node);
    }
}
