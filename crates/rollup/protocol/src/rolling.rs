//! The versioned hash of a run of queued messages.
//!
//! The bridge on L1 keeps a queue of message hashes; a batch says with 32 bytes how many it consumed from the front, and
//! which: two bytes of count, then bytes 2 to 32 of keccak256 over the hashes in order. Nothing consumed is zero.

use alloy_primitives::{B256, Keccak256};
use serde::{Deserialize, Serialize};

/// More hashes than the two-byte count can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{count} messages in one batch exceed {max}", max = u16::MAX)]
pub struct TooManyMessages {
    /// How many there were.
    pub count: usize,
}

/// The versioned hash of `hashes`, in queue order.
pub fn versioned_hash(hashes: &[B256]) -> Result<B256, TooManyMessages> {
    let count = u16::try_from(hashes.len()).map_err(|_| TooManyMessages { count: hashes.len() })?;
    if count == 0 {
        return Ok(B256::ZERO);
    }
    let mut hasher = Keccak256::new();
    for hash in hashes {
        hasher.update(hash);
    }
    let mut versioned = hasher.finalize();
    versioned[..2].copy_from_slice(&count.to_be_bytes());
    Ok(versioned)
}

/// How many messages a versioned hash stands for.
#[must_use]
pub const fn count(versioned: B256) -> u16 {
    u16::from_be_bytes([versioned.0[0], versioned.0[1]])
}

/// What a batch consumed from the queue of one other rollup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct L2InRollingHash {
    /// The rollup that sent the messages.
    pub chain_id: u64,
    /// Their versioned hash.
    pub rolling_hash: B256,
}

/// As RPC shows it: a pair of chain id and hash.
impl Serialize for L2InRollingHash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.chain_id, self.rolling_hash).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for L2InRollingHash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (chain_id, rolling_hash) = Deserialize::deserialize(deserializer)?;
        Ok(Self { chain_id, rolling_hash })
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::keccak256;

    use super::*;

    fn hashes(n: usize) -> Vec<B256> {
        (0..n).map(|i| keccak256(i.to_be_bytes())).collect()
    }

    #[test]
    fn nothing_consumed_is_zero() {
        assert_eq!(versioned_hash(&[]), Ok(B256::ZERO));
    }

    #[test]
    fn the_count_replaces_the_first_two_bytes_of_the_hash() {
        for n in 1..6 {
            let hashes = hashes(n);
            let hash = versioned_hash(&hashes).unwrap();
            assert_eq!(usize::from(count(hash)), n);
            assert_eq!(hash[2..], keccak256(hashes.concat())[2..]);
        }
    }

    #[test]
    fn order_matters() {
        let mut list = hashes(3);
        let before = versioned_hash(&list).unwrap();
        list.swap(0, 1);
        assert_ne!(versioned_hash(&list).unwrap(), before);
    }

    #[test]
    fn a_count_that_does_not_fit_is_refused() {
        assert!(versioned_hash(&vec![B256::ZERO; 65_535]).is_ok());
        let count = 65_536;
        assert_eq!(versioned_hash(&vec![B256::ZERO; count]), Err(TooManyMessages { count }));
    }
}
