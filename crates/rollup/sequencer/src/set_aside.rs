//! Transactions that made a block fail its own check, and when each may be tried again.
//!
//! Until then its sender waits with it, unless the sender replaces it. What made the check fail may have been the state as much as
//! the transaction, so nobody waits for ever; but each try may cost a block and all built on it, so the pauses double.

use std::collections::HashMap;

use alloy_primitives::B256;

/// Blocks that are built without a transaction after its first failure.
pub const FIRST_PAUSE: u64 = 64;
/// Blocks that are built without a transaction at most before it is tried again.
pub const LONGEST_PAUSE: u64 = 16_384;
/// Transactions held at most; beyond, the one whose turn is next may come at once.
const MAX_HELD: usize = 10_000;

/// Which transactions are passed over. No clock, no disk: blocks are its time.
#[derive(Debug, Clone, Default)]
pub struct SetAside {
    held: HashMap<B256, Held>,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    pause: u64,
    /// First block that may try it.
    until: u64,
}

impl SetAside {
    /// Whether the block with this number is to be built without the transaction.
    #[must_use]
    pub fn passes_over(&self, hash: &B256, number: u64) -> bool {
        self.held.get(hash).is_some_and(|held| number < held.until)
    }

    /// Block `number` failed its check for this transaction. Returns the first block that may try it again.
    pub fn failed(&mut self, hash: B256, number: u64) -> u64 {
        let pause = match self.held.get(&hash) {
            Some(held) => (held.pause * 2).min(LONGEST_PAUSE),
            None => FIRST_PAUSE,
        };
        if self.held.len() >= MAX_HELD && !self.held.contains_key(&hash) {
            let next = self.held.iter().min_by_key(|(_, held)| held.until).map(|(hash, _)| *hash);
            next.and_then(|next| self.held.remove(&next));
        }
        let until = number.saturating_add(pause);
        self.held.insert(hash, Held { pause, until });
        until
    }

    /// Whether none is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.held.is_empty()
    }

    /// Whether the transaction is held, due or not.
    #[must_use]
    pub fn holds(&self, hash: &B256) -> bool {
        self.held.contains_key(hash)
    }

    /// The transaction is in a published block: it passed.
    pub fn published(&mut self, hash: &B256) {
        self.held.remove(hash);
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::U256;

    use super::*;

    const TX: B256 = B256::repeat_byte(7);

    #[test]
    fn a_culprit_waits_and_is_tried_again() {
        let mut aside = SetAside::default();
        assert!(!aside.passes_over(&TX, 10));
        assert_eq!(aside.failed(TX, 10), 10 + FIRST_PAUSE);
        assert!(aside.passes_over(&TX, 9 + FIRST_PAUSE));
        assert!(!aside.passes_over(&TX, 10 + FIRST_PAUSE));
        assert!(!aside.passes_over(&B256::ZERO, 11), "others do not wait");
    }

    #[test]
    fn each_failure_doubles_the_pause_up_to_a_limit() {
        let mut aside = SetAside::default();
        let pauses: Vec<_> = (0..10).map(|_| aside.failed(TX, 0)).collect();
        assert_eq!(pauses[..3], [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]);
        assert_eq!(pauses[8..], [LONGEST_PAUSE; 2]);
    }

    #[test]
    fn a_transaction_that_passed_begins_anew() {
        let mut aside = SetAside::default();
        aside.failed(TX, 0);
        aside.failed(TX, 100);
        aside.published(&TX);
        assert!(aside.is_empty());
        assert_eq!(aside.failed(TX, 200), 200 + FIRST_PAUSE);
    }

    #[test]
    fn no_more_are_held_than_fit_and_the_next_in_turn_makes_room() {
        let mut aside = SetAside::default();
        let hash = |n: u64| B256::from(U256::from(n));
        for n in 0..=MAX_HELD as u64 {
            aside.failed(hash(n), n);
        }
        assert_eq!(aside.held.len(), MAX_HELD);
        assert!(!aside.holds(&hash(0)) && aside.holds(&hash(1)) && aside.holds(&hash(10_000)));
    }
}
