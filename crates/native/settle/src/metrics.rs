//! Metrics of this crate: one function per thing worth counting.

use metrics::{counter, gauge, histogram};

/// A block was derived from L1; `how` is `known` or `executed`.
pub(crate) fn derived(how: &'static str, number: u64) {
    counter!("settle_derived_blocks_total", "how" => how).increment(1);
    #[expect(clippy::cast_precision_loss, reason = "a metric, not money")]
    gauge!("settle_derived_number").set(number as f64);
}

/// A block of our own was published.
pub(crate) fn sequenced(transactions: usize) {
    counter!("settle_sequenced_blocks_total").increment(1);
    counter!("settle_sequenced_transactions_total").increment(transactions as u64);
}

/// Blocks of ours were dropped, because L1 went another way.
pub(crate) fn abandoned(blocks: usize) {
    counter!("settle_abandoned_blocks_total").increment(blocks as u64);
}

/// An item was posted; `form` is `calldata` or `blob`.
pub(crate) fn posted(form: &'static str, bytes: usize, blocks: usize) {
    counter!("settle_posted_items_total", "form" => form).increment(1);
    counter!("settle_posted_bytes_total").increment(bytes as u64);
    counter!("settle_posted_blocks_total").increment(blocks as u64);
}

/// The contents of somebody's blob were read.
pub(crate) fn read_blob() {
    counter!("settle_read_blobs_total").increment(1);
}

/// The contents of a blob were proven.
pub(crate) fn proven() {
    counter!("settle_proven_blobs_total").increment(1);
}

/// L1 did not take a transaction of ours; `kind` is what it was for.
pub(crate) fn refused(kind: &'static str) {
    counter!("settle_refused_total", "kind" => kind).increment(1);
}

/// Blocks were settled in one transaction.
pub(crate) fn settled(steps: usize, bytes: usize, gas: u64) {
    counter!("settle_settled_steps_total").increment(steps as u64);
    #[expect(clippy::cast_precision_loss, reason = "a metric, not money")]
    histogram!("settle_advance_bytes").record(bytes as f64);
    #[expect(clippy::cast_precision_loss, reason = "a metric, not money")]
    histogram!("settle_advance_gas").record(gas as f64);
}

/// A false proposal was disputed with success.
pub(crate) fn challenged() {
    counter!("settle_challenges_total").increment(1);
}
