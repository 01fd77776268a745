//! Metrics of this crate: one function per thing worth counting.

use std::time::Duration;

use metrics::{counter, gauge, histogram};

use crate::message::ProverType;

/// A batch was handed to a prover.
pub(crate) fn assigned(prover: ProverType) {
    counter!("prover_batches_assigned_total", "prover" => prover.to_string()).increment(1);
}

/// A prover brought a proof; `outcome` is `stored`, `known` or `refused`.
pub(crate) fn submitted(prover: ProverType, outcome: &'static str) {
    counter!("prover_proofs_total", "prover" => prover.to_string(), "outcome" => outcome)
        .increment(1);
}

/// A connection ended; `outcome` is `answered`, `refused` or `broken`.
pub(crate) fn connection(outcome: &'static str) {
    counter!("prover_connections_total", "outcome" => outcome).increment(1);
}

/// A batch was proven here.
pub(crate) fn proven(prover: ProverType, took: Duration) {
    histogram!("prover_proving_seconds", "prover" => prover.to_string()).record(took.as_secs_f64());
}

/// The last batch that L1 has verified.
pub(crate) fn verified(number: u64) {
    gauge!("prover_verified_number").set(number as f64);
}

/// L1 refused a verification.
pub(crate) fn refused() {
    counter!("prover_verifications_refused_total").increment(1);
}

/// Whether settlement is halted because a proof contradicts L1.
pub(crate) fn halted(halted: bool) {
    gauge!("prover_settlement_halted").set(f64::from(u8::from(halted)));
}
