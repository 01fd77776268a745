//! Metrics of this crate: one function per thing worth counting.

use metrics::{counter, gauge};

/// Number of the newest L1 block seen.
pub(crate) fn head(number: u64) {
    gauge!("l1_head_number").set(number as f64);
}

/// An endpoint did not answer; `endpoint` is its place in the configured list.
pub(crate) fn endpoint_failed(endpoint: usize) {
    counter!("l1_endpoint_failures_total", "endpoint" => endpoint.to_string()).increment(1);
}

/// Events of one kind were read up to an L1 block.
pub(crate) fn events_read(kind: &'static str, upto: u64, count: usize) {
    gauge!("l1_events_read_upto_number", "kind" => kind).set(upto as f64);
    counter!("l1_events_total", "kind" => kind).increment(count as u64);
}

/// A reorganisation of L1 reached below what the event reader had passed on.
pub(crate) fn reorganised(kind: &'static str) {
    counter!("l1_reorgs_total", "kind" => kind).increment(1);
}

/// A transaction was signed; `step` is `new`, `bump` or `again`.
pub(crate) fn broadcast(step: &'static str) {
    counter!("l1_sender_broadcasts_total", "step" => step).increment(1);
}

/// A transaction reached its end; `outcome` is `mined`, `reverted`, `would_revert` or `refused`.
pub(crate) fn finished(outcome: &'static str) {
    counter!("l1_sender_finished_total", "outcome" => outcome).increment(1);
}

/// How many transactions are signed and not mined, and how many wait to be signed.
pub(crate) fn queue(in_flight: usize, waiting: usize) {
    gauge!("l1_sender_in_flight").set(in_flight as f64);
    gauge!("l1_sender_waiting").set(waiting as f64);
}

/// The market is above the fee cap: transactions wait.
pub(crate) fn over_cap() {
    counter!("l1_sender_over_fee_cap_total").increment(1);
}

/// The account cannot pay for a transaction.
pub(crate) fn unfunded() {
    counter!("l1_sender_insufficient_funds_total").increment(1);
}
