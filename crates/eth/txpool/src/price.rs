//! What a transaction offers, compared.

use alloy_primitives::B256;
use ethrex_types::{Tx, alloy_consensus::Transaction};

use crate::{
    PoolTx,
    config::{REPLACE_BLOB_PERCENT, REPLACE_PERCENT},
};

/// Order of eviction: the lowest fee leaves first, then the lowest tip, then the newest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Price {
    max_fee: u128,
    max_tip: u128,
    age: std::cmp::Reverse<u64>,
    pub(crate) hash: B256,
}

impl Price {
    pub(crate) fn of(tx: &PoolTx) -> Self {
        Self {
            max_fee: tx.tx().max_fee_per_gas(),
            max_tip: tip_cap(tx.tx()),
            age: std::cmp::Reverse(tx.seq),
            hash: tx.hash(),
        }
    }

    /// Whether this offers more than `other`; age does not count.
    pub(crate) fn outbids(&self, other: &Self) -> bool {
        (self.max_fee, self.max_tip) > (other.max_fee, other.max_tip)
    }
}

/// The most a transaction gives to whoever builds the block, in wei per gas.
pub(crate) fn tip_cap(tx: &Tx) -> u128 {
    tx.max_priority_fee_per_gas().unwrap_or_else(|| tx.max_fee_per_gas())
}

/// What whoever builds the block gets, in wei per gas; `None` where the base fee is not covered.
pub(crate) fn effective_tip(tx: &Tx, base_fee: u64) -> Option<u128> {
    let left = tx.max_fee_per_gas().checked_sub(base_fee.into())?;
    Some(left.min(tip_cap(tx)))
}

/// Whether `new` offers enough more than `old` in every fee to take its nonce.
pub(crate) fn may_replace(new: &Tx, old: &Tx) -> bool {
    let percent =
        if old.is_blob() || new.is_blob() { REPLACE_BLOB_PERCENT } else { REPLACE_PERCENT };
    let enough = |new: u128, old: u128| new >= raised(old, percent) && new > old;
    enough(new.max_fee_per_gas(), old.max_fee_per_gas())
        && enough_or_zero(tip_cap(new), tip_cap(old), percent)
        && match (new.max_fee_per_blob_gas(), old.max_fee_per_blob_gas()) {
            (Some(new), Some(old)) => enough(new, old),
            // A sidecar is heavy: what replaces it must be as certain to be mined.
            (None, Some(_)) | (Some(_), None) | (None, None) => true,
        }
}

/// A tip of zero cannot be raised by a percentage; the fee that rose pays for the replacement.
fn enough_or_zero(new: u128, old: u128, percent: u128) -> bool {
    new >= raised(old, percent) && (new > old || old == 0)
}

/// `old` plus `percent`, rounded down as geth does.
fn raised(old: u128, percent: u128) -> u128 {
    // A fee so large that the product overflows is beyond any balance: nothing replaces it.
    old.checked_mul(100 + percent).map_or(u128::MAX, |product| product / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_raise_is_rounded_down() {
        assert_eq!(raised(15, 10), 16);
        assert_eq!(raised(1_000, 100), 2_000);
        assert_eq!(raised(u128::MAX, 10), u128::MAX);
    }
}
