//! Metrics of this crate: one function per thing worth counting.

use std::time::Duration;

use metrics::{counter, gauge, histogram};

/// A block went through import; `outcome` is `valid`, `invalid` or `unknown_parent`.
pub(crate) fn imported(outcome: &'static str, took: Duration, gas: u64) {
    counter!("chain_blocks_total", "outcome" => outcome).increment(1);
    histogram!("chain_import_seconds").record(took.as_secs_f64());
    #[expect(clippy::cast_precision_loss, reason = "a metric, not money")]
    histogram!("chain_import_gas").record(gas as f64);
}

/// A block was built.
pub(crate) fn built(took: Duration, transactions: usize, gas: u64) {
    histogram!("chain_build_seconds").record(took.as_secs_f64());
    counter!("chain_built_transactions_total").increment(transactions as u64);
    counter!("chain_built_gas_total").increment(gas);
}

/// The head moved.
pub(crate) fn head(number: u64) {
    #[expect(clippy::cast_precision_loss, reason = "a metric, not money")]
    gauge!("chain_head_number").set(number as f64);
}
