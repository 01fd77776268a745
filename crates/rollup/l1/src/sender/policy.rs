//! What a transaction may cost, and when to offer more.

use std::time::Duration;

use crate::client::{Fees, Market};

/// A replacement must offer a tenth more (the rule of every mempool for plain transactions).
const PLAIN_BUMP: (u128, u128) = (11, 10);
/// A replacement with blobs must offer twice as much (the rule of every blob pool).
const BLOB_BUMP: (u128, u128) = (2, 1);
/// The base fee may grow by an eighth per block; twice the present one lasts six full blocks.
const BASE_FEE_HEADROOM: u128 = 2;
/// The blob base fee moves in the same way.
const BLOB_FEE_HEADROOM: u128 = 2;
/// Least tip offered: one thousandth of a gwei. A tip of nothing is refused by mempools.
const MIN_TIP: u128 = 1_000_000;
/// Least blob fee offered: one gwei, below which blobs cost next to nothing anyway.
const MIN_BLOB_FEE: u128 = 1_000_000_000;

/// Whether a transaction carries blobs. Mempools keep the two apart: an account may have only one kind pending.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// EIP-1559, calldata only.
    Plain,
    /// EIP-4844.
    Blob,
}

/// Caps, patience and depth.
#[derive(Debug, Clone)]
pub struct Policy {
    /// The most ever offered per gas, in wei.
    pub max_fee: u128,
    /// The most ever offered per blob gas, in wei.
    pub max_blob_fee: u128,
    /// How long a transaction may stay unmined before the first raise.
    pub patience: Duration,
    /// Each further raise waits this many times longer than the one before.
    pub patience_growth: u32,
    /// The longest wait between two raises.
    pub max_patience: Duration,
    /// Blocks on top of a transaction's own before its outcome is told; 0 = as soon as mined.
    pub confirmations: u64,
    /// Most transactions signed and not mined at a time.
    pub max_in_flight: usize,
}

impl Policy {
    /// The documented defaults of a deployment: caps of 10 gwei, raises after 96 s, then twice as late up to 30 min.
    pub const fn documented() -> Self {
        Self {
            max_fee: 10_000_000_000,
            max_blob_fee: 10_000_000_000,
            patience: Duration::from_secs(96),
            patience_growth: 2,
            max_patience: Duration::from_secs(1800),
            confirmations: 0,
            max_in_flight: 8,
        }
    }

    /// For a development L1 that mines at once and is free of charge.
    pub const fn dev() -> Self {
        Self {
            max_fee: 1_000_000_000_000,
            max_blob_fee: 1_000_000_000_000,
            patience: Duration::from_secs(10),
            ..Self::documented()
        }
    }

    /// The fees of a first attempt; `None` while the market is above the caps.
    pub(crate) fn opening(&self, market: &Market, kind: Kind) -> Option<Fees> {
        let tip = market.tip.max(MIN_TIP).min(self.max_fee);
        let blob_fee = match kind {
            Kind::Plain => 0,
            Kind::Blob => market
                .blob_base_fee
                .saturating_mul(BLOB_FEE_HEADROOM)
                .clamp(MIN_BLOB_FEE.min(self.max_blob_fee), self.max_blob_fee),
        };
        let max_fee =
            market.base_fee.saturating_mul(BASE_FEE_HEADROOM).saturating_add(tip).min(self.max_fee);
        let affordable =
            max_fee >= market.base_fee && (kind == Kind::Plain || blob_fee >= market.blob_base_fee);
        affordable.then_some(Fees { max_fee, tip: tip.min(max_fee), blob_fee })
    }

    /// The fees of an attempt that replaces one with `previous`; `None` if the caps forbid it.
    pub(crate) fn raised(&self, previous: &Fees, market: &Market, kind: Kind) -> Option<Fees> {
        let (by, over) = match kind {
            Kind::Plain => PLAIN_BUMP,
            Kind::Blob => BLOB_BUMP,
        };
        let raise = |fee: u128| fee.saturating_mul(by).div_ceil(over);
        let least = Fees {
            max_fee: raise(previous.max_fee),
            tip: raise(previous.tip),
            blob_fee: raise(previous.blob_fee),
        };
        if least.max_fee > self.max_fee || least.blob_fee > self.max_blob_fee {
            return None;
        }
        let fresh = self.opening(market, kind).unwrap_or(least);
        let max_fee = least.max_fee.max(fresh.max_fee);
        Some(Fees {
            max_fee,
            tip: least.tip.max(fresh.tip).min(max_fee),
            blob_fee: least.blob_fee.max(fresh.blob_fee),
        })
    }

    /// How long to wait for an attempt after `raises` raises.
    pub(crate) fn patience_after(&self, raises: usize) -> Duration {
        let raises = u32::try_from(raises).unwrap_or(u32::MAX);
        let growth = self.patience_growth.saturating_pow(raises);
        self.patience.saturating_mul(growth).min(self.max_patience)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GWEI: u128 = 1_000_000_000;

    fn market(base: u128, blob: u128) -> Market {
        Market { base_fee: base, tip: GWEI, blob_base_fee: blob }
    }

    #[test]
    fn a_plain_raise_is_a_tenth_and_rounds_up() {
        let old = Fees { max_fee: 3 * GWEI + 1, tip: GWEI, blob_fee: 0 };
        let new = Policy::documented().raised(&old, &market(7, 1), Kind::Plain).unwrap();
        assert_eq!(new, Fees { max_fee: 3_300_000_002, tip: 1_100_000_000, blob_fee: 0 });
    }

    #[test]
    fn a_blob_raise_doubles_all_three_fees() {
        let old = Fees { max_fee: 2 * GWEI, tip: GWEI, blob_fee: GWEI };
        let new = Policy::documented().raised(&old, &market(7, 1), Kind::Blob).unwrap();
        assert_eq!(new, Fees { max_fee: 4 * GWEI, tip: 2 * GWEI, blob_fee: 2 * GWEI });
    }

    #[test]
    fn a_raise_follows_a_market_that_ran_away() {
        let old = Fees { max_fee: GWEI, tip: GWEI, blob_fee: 0 };
        let new = Policy::documented().raised(&old, &market(3 * GWEI, 1), Kind::Plain).unwrap();
        assert_eq!(new.max_fee, 7 * GWEI);
    }

    #[test]
    fn no_raise_goes_over_the_cap() {
        let old = Fees { max_fee: 9_900_000_000, tip: GWEI, blob_fee: 0 };
        assert_eq!(Policy::documented().raised(&old, &market(7, 1), Kind::Plain), None);
    }

    #[test]
    fn a_market_above_the_cap_is_waited_for() {
        let policy = Policy::documented();
        assert_eq!(policy.opening(&market(11 * GWEI, 1), Kind::Plain), None);
        assert_eq!(policy.opening(&market(7, 11 * GWEI), Kind::Blob), None);
        assert_eq!(policy.opening(&market(6 * GWEI, 1), Kind::Plain).unwrap().max_fee, 10 * GWEI);
    }

    #[test]
    fn patience_doubles_up_to_its_limit() {
        let policy = Policy::documented();
        let waits: Vec<u64> = (0..7).map(|n| policy.patience_after(n).as_secs()).collect();
        assert_eq!(waits, [96, 192, 384, 768, 1536, 1800, 1800]);
        assert_eq!(policy.patience_after(usize::MAX).as_secs(), 1800);
    }
}
