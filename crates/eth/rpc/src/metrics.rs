//! Metrics of this crate: one function per thing worth counting.

use std::time::Duration;

use metrics::{counter, histogram};

/// A method was answered. Only registered methods are counted, so the label is bounded.
pub(crate) fn answered(method: &'static str, ok: bool, took: Duration) {
    let outcome = if ok { "ok" } else { "error" };
    counter!("rpc_calls_total", "method" => method, "outcome" => outcome).increment(1);
    histogram!("rpc_call_seconds", "method" => method).record(took.as_secs_f64());
}
