//! The epoch accumulator: the SSZ root of `List[HeaderRecord, 8192]`, where a record is a block hash and a total difficulty.

use alloy_primitives::{B256, U256};
use sha2::{Digest, Sha256};

/// Levels below the root of the list's data: room for 8,192 records.
const DEPTH: usize = 13;

/// Takes records one by one and gives the root over them, keeping one hash per level.
#[derive(Debug, Clone, Default)]
pub struct Accumulator {
    /// The left half of what is unfinished on each level.
    pending: [Option<B256>; DEPTH],
    /// The root of all the data, where every place is taken.
    full: Option<B256>,
    count: u64,
}

impl Accumulator {
    /// Adds a block.
    ///
    /// # Panics
    /// After 8,192 of them.
    pub fn add(&mut self, hash: B256, total_difficulty: U256) {
        assert!(self.full.is_none(), "an epoch has 8192 blocks");
        self.count += 1;
        let mut node = pair(hash, B256::from(total_difficulty.to_le_bytes()));
        for pending in &mut self.pending {
            match pending.take() {
                None => {
                    *pending = Some(node);
                    return;
                }
                Some(left) => node = pair(left, node),
            }
        }
        self.full = Some(node);
    }

    /// Blocks so far.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> B256 {
        let data = self.full.unwrap_or_else(|| {
            let (mut node, mut empty) = (B256::ZERO, B256::ZERO);
            for left in &self.pending {
                node = match left {
                    Some(left) => pair(*left, node),
                    None => pair(node, empty),
                };
                empty = pair(empty, empty);
            }
            node
        });
        let mut length = B256::ZERO;
        length[..8].copy_from_slice(&self.count.to_le_bytes());
        pair(data, length)
    }
}

fn pair(left: B256, right: B256) -> B256 {
    let hash = Sha256::new().chain_update(left).chain_update(right).finalize();
    B256::from_slice(&hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The root as the definition has it: all leaves, padded, hashed level by level.
    fn naive(records: &[(B256, U256)]) -> B256 {
        let mut level: Vec<B256> = records
            .iter()
            .map(|(hash, total)| pair(*hash, B256::from(total.to_le_bytes())))
            .collect();
        level.resize(1 << DEPTH, B256::ZERO);
        while level.len() > 1 {
            level = level.chunks(2).map(|two| pair(two[0], two[1])).collect();
        }
        let mut length = B256::ZERO;
        length[..8].copy_from_slice(&(records.len() as u64).to_le_bytes());
        pair(level[0], length)
    }

    #[test]
    fn the_root_is_the_one_of_the_definition_for_any_number_of_blocks() {
        for count in [0, 1, 2, 3, 7, 8, 100, 8_191, 8_192] {
            let records: Vec<_> = (0..count)
                .map(|n: u64| (B256::from(U256::from(n + 1)), U256::from(n * 17)))
                .collect();
            let mut accumulator = Accumulator::default();
            for (hash, total) in &records {
                accumulator.add(*hash, *total);
            }
            assert_eq!(accumulator.root(), naive(&records), "{count}");
            assert_eq!(accumulator.count(), count);
        }
    }
}
