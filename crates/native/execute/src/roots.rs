//! Commitments over transactions and posted blocks, as the contracts compute them.

use alloy_primitives::{B256, FixedBytesSliceExt as _, keccak256};

/// Folds raw transactions: `acc' = keccak(acc ‖ keccak(raw))`, from zero.
#[must_use]
pub fn keccak_chain<T: AsRef<[u8]>>(raw: impl IntoIterator<Item = T>) -> B256 {
    raw.into_iter().fold(B256::ZERO, |acc, raw| pair(acc, keccak256(raw)))
}

/// keccak256 of versioned hashes one after the other.
#[must_use]
pub fn blobs_hash(versioned_hashes: &[B256]) -> B256 {
    keccak256(versioned_hashes.as_flattened())
}

/// Root over leaves padded with zeros to the next power of two. One leaf is its own root; the root of none is zero.
#[must_use]
pub fn merkle_root(leaves: &[B256]) -> B256 {
    let mut level = padded(leaves);
    while level.len() > 1 {
        level = level.chunks_exact(2).map(|two| pair(two[0], two[1])).collect();
    }
    level.first().copied().unwrap_or_default()
}

/// The siblings of leaf `index`, lowest first; `None` where there is no such leaf.
#[must_use]
pub fn merkle_path(leaves: &[B256], index: usize) -> Option<Vec<B256>> {
    if index >= leaves.len() {
        return None;
    }
    let (mut level, mut at, mut path) = (padded(leaves), index, Vec::new());
    while level.len() > 1 {
        path.push(level[at ^ 1]);
        level = level.chunks_exact(2).map(|two| pair(two[0], two[1])).collect();
        at /= 2;
    }
    Some(path)
}

/// keccak256 of two words.
#[must_use]
pub fn pair(left: B256, right: B256) -> B256 {
    keccak256([left.0, right.0].as_flattened())
}

fn padded(leaves: &[B256]) -> Vec<B256> {
    let mut level = leaves.to_vec();
    if !level.is_empty() {
        level.resize(level.len().next_power_of_two(), B256::ZERO);
    }
    level
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_chain_of_nothing_is_zero_and_order_matters() {
        assert_eq!(keccak_chain::<&[u8]>([]), B256::ZERO);
        let one = pair(B256::ZERO, keccak256([1]));
        assert_eq!(keccak_chain([[1]]), one);
        assert_eq!(keccak_chain([[1], [2]]), pair(one, keccak256([2])));
        assert_ne!(keccak_chain([[1], [2]]), keccak_chain([[2], [1]]));
    }

    #[test]
    fn small_trees_are_as_documented() {
        let [a, b, c] = [1, 2, 3].map(B256::repeat_byte);
        assert_eq!(merkle_root(&[]), B256::ZERO);
        assert_eq!(merkle_root(&[a]), a);
        assert_eq!(merkle_root(&[a, b]), pair(a, b));
        assert_eq!(merkle_root(&[a, b, c]), pair(pair(a, b), pair(c, B256::ZERO)));
        assert_eq!(merkle_path(&[a], 1), None);
        assert_eq!(merkle_path(&[a], 0), Some(vec![]));
    }

    proptest! {
        #[test]
        fn every_path_leads_to_the_root(seeds in proptest::collection::vec(any::<u64>(), 1..70)) {
            let leaves: Vec<B256> = seeds.iter().map(|seed| keccak256(seed.to_be_bytes())).collect();
            let root = merkle_root(&leaves);
            for (index, leaf) in leaves.iter().enumerate() {
                let path = merkle_path(&leaves, index).unwrap();
                let (mut node, mut at) = (*leaf, index);
                for sibling in path {
                    node = if at % 2 == 0 { pair(node, sibling) } else { pair(sibling, node) };
                    at /= 2;
                }
                prop_assert_eq!(node, root);
            }
        }
    }
}
