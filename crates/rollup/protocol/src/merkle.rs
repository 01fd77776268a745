//! A Merkle tree whose nodes do not depend on the order of their children.
//!
//! The parent of `a` and `b` is keccak256 of the smaller followed by the larger, as OpenZeppelin's `MerkleProof` computes it, so
//! a proof is a list of siblings without directions. The leaves are padded to the next power of two by repeating the last one.
//! Leaves must be hashes of something that is not 64 bytes long; otherwise an inner node could pass for a leaf.

use alloy_primitives::{B256, keccak256};

/// The parent of two nodes.
fn parent(a: B256, b: B256) -> B256 {
    let (low, high) = if a <= b { (a, b) } else { (b, a) };
    let mut pair = [0; 64];
    pair[..32].copy_from_slice(low.as_slice());
    pair[32..].copy_from_slice(high.as_slice());
    keccak256(pair)
}

/// The leaves with the last one repeated up to a power of two.
fn padded(leaves: &[B256]) -> Vec<B256> {
    let mut level = leaves.to_vec();
    if let Some(last) = leaves.last() {
        level.resize(leaves.len().next_power_of_two(), *last);
    }
    level
}

fn level_above(level: &[B256]) -> Vec<B256> {
    level.chunks_exact(2).map(|pair| parent(pair[0], pair[1])).collect()
}

/// The root of the tree over `leaves`: zero for none, the leaf itself for one.
#[must_use]
pub fn root(leaves: &[B256]) -> B256 {
    let mut level = padded(leaves);
    while level.len() > 1 {
        level = level_above(&level);
    }
    level.first().copied().unwrap_or_default()
}

/// The siblings from the leaf at `index` up to the root, or `None` if there is no such leaf.
#[must_use]
pub fn proof(leaves: &[B256], index: usize) -> Option<Vec<B256>> {
    if index >= leaves.len() {
        return None;
    }
    let mut siblings = Vec::new();
    let mut level = padded(leaves);
    let mut at = index;
    while level.len() > 1 {
        siblings.push(level[at ^ 1]);
        level = level_above(&level);
        at /= 2;
    }
    Some(siblings)
}

/// Whether `proof` leads from `leaf` to `root`.
#[must_use]
pub fn verify(root: B256, leaf: B256, proof: &[B256]) -> bool {
    proof.iter().fold(leaf, |node, sibling| parent(node, *sibling)) == root
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn leaves(n: usize) -> Vec<B256> {
        (0..n).map(|i| keccak256(i.to_be_bytes())).collect()
    }

    #[test]
    fn no_leaf_has_a_zero_root_and_no_proof() {
        assert_eq!(root(&[]), B256::ZERO);
        assert_eq!(proof(&[], 0), None);
    }

    #[test]
    fn a_single_leaf_is_its_own_root() {
        let one = leaves(1);
        assert_eq!(root(&one), one[0]);
        assert_eq!(proof(&one, 0), Some(vec![]));
    }

    #[test]
    fn three_leaves_are_padded_with_the_last() {
        let [a, b, c] = leaves(3)[..] else { unreachable!() };
        assert_eq!(root(&[a, b, c]), parent(parent(a, b), parent(c, c)));
        assert_eq!(root(&[a, b, c]), root(&[a, b, c, c]));
    }

    proptest! {
        #[test]
        fn every_leaf_is_proven_and_nothing_else(n in 1usize..70, other in any::<[u8; 32]>()) {
            let leaves = leaves(n);
            let root = root(&leaves);
            for (index, leaf) in leaves.iter().enumerate() {
                let proof = proof(&leaves, index).unwrap();
                prop_assert_eq!(1 << proof.len(), n.next_power_of_two());
                prop_assert!(verify(root, *leaf, &proof));
                prop_assert!(!verify(root, other.into(), &proof));
            }
            prop_assert_eq!(proof(&leaves, n), None);
        }
    }
}
