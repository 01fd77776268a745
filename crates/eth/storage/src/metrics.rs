//! Metrics of this crate: one function per thing worth counting.

use std::time::Duration;

use metrics::{counter, gauge, histogram};

/// A block was committed.
pub(crate) fn block_committed(took: Duration) {
    histogram!("storage_commit_seconds").record(took.as_secs_f64());
}

/// The head moved; `replaced` blocks are canonical no longer.
pub(crate) fn head_moved(replaced: usize, took: Duration) {
    histogram!("storage_head_seconds").record(took.as_secs_f64());
    counter!("storage_reorged_blocks_total").increment(replaced as u64);
}

/// Layers became part of the base.
pub(crate) fn flushed(writes: usize, took: Duration) {
    histogram!("storage_flush_seconds").record(took.as_secs_f64());
    counter!("storage_flushed_writes_total").increment(writes as u64);
}

/// So many layers are in memory.
pub(crate) fn layers(count: usize) {
    gauge!("storage_layers").set(count as f64);
}
