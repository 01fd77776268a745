//! Metrics of this crate: one function per thing worth counting.

use metrics::{counter, gauge, histogram};

/// A batch was sealed; `why` is `timer`, `size`, `privileged` or `gas`.
pub(crate) fn sealed(why: &'static str, number: u64, blocks: u64, payload: usize) {
    counter!("batcher_batches_sealed_total", "why" => why).increment(1);
    gauge!("batcher_sealed_number").set(number as f64);
    histogram!("batcher_batch_blocks").record(blocks as f64);
    histogram!("batcher_payload_bytes").record(payload as f64);
}

/// L1 has a batch.
pub(crate) fn committed(number: u64, last_block: u64) {
    gauge!("batcher_committed_number").set(number as f64);
    gauge!("batcher_committed_block_number").set(last_block as f64);
}

/// L1 did not take a batch.
pub(crate) fn refused() {
    counter!("batcher_commits_refused_total").increment(1);
}
