//! Metrics of this crate: one function per thing worth counting.

use std::time::Duration;

use metrics::{counter, histogram};

/// A block was published.
pub(crate) fn published(transactions: usize) {
    counter!("sequencer_blocks_total").increment(1);
    counter!("sequencer_transactions_total").increment(transactions as u64);
}

/// Messages of L1 were executed in a published block.
pub(crate) fn deposits(count: u64) {
    counter!("sequencer_l1_messages_total").increment(count);
}

/// A block was checked statelessly.
pub(crate) fn checked(outcome: &'static str, took: Duration) {
    counter!("sequencer_checks_total", "outcome" => outcome).increment(1);
    histogram!("sequencer_check_seconds").record(took.as_secs_f64());
}
