//! Metrics of this crate: one function per thing worth counting.

use metrics::{counter, gauge};

/// A transaction was offered; `outcome` is `added`, `refused` or `fault`.
pub(crate) fn offered(outcome: &'static str) {
    counter!("txpool_offered_total", "outcome" => outcome).increment(1);
}

/// Transactions left; `why` is `replaced`, `evicted`, `expired` or `mined_or_invalid`.
pub(crate) fn dropped(why: &'static str, count: usize) {
    counter!("txpool_dropped_total", "why" => why).increment(count as u64);
}

/// How full the pool is.
#[expect(clippy::cast_precision_loss, reason = "gauges are floats; the pool is far below 2^52")]
pub(crate) fn filled(ready: usize, waiting: usize, bytes: usize) {
    gauge!("txpool_ready").set(ready as f64);
    gauge!("txpool_waiting").set(waiting as f64);
    gauge!("txpool_bytes").set(bytes as f64);
}

/// What is kept of blob transactions that are in blocks.
#[expect(clippy::cast_precision_loss, reason = "gauges are floats; the limit is far below 2^52")]
pub(crate) fn limbo((count, bytes): (usize, usize)) {
    gauge!("txpool_limbo").set(count as f64);
    gauge!("txpool_limbo_bytes").set(bytes as f64);
}
