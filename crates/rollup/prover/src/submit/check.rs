//! Compares what provers assert with what L1 stores.

use alloy_primitives::{B256, Bytes, U256};
use ethrex_protocol::{
    BatchNumber,
    contracts::OnChainProposer::batchCommitmentsReturn,
    public_inputs::{Commitment, CommitmentOutOfRange, PublicInputs},
};

use super::Proven;
use crate::message::ProverType;

/// L1 and a prover contradict each other. Whoever is right, nothing may be sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Alarm {
    /// The contracts belong to another rollup.
    #[error("the contracts on L1 are those of chain {on_l1}, this rollup is chain {ours}")]
    ChainId { ours: u64, on_l1: U256 },
    /// L1 stores what no batcher wrote.
    #[error("the commitment of batch {batch} on L1 is out of range: {source}")]
    OutOfRange { batch: BatchNumber, source: CommitmentOutOfRange },
    /// The proof is one of something else.
    #[error(
        "the {prover} proof of batch {batch} asserts {asserted}, but by what L1 stores it must assert {expected}"
    )]
    Inputs { batch: BatchNumber, prover: ProverType, asserted: Bytes, expected: Bytes },
    /// L1 will verify the batch with the key of another program.
    #[error(
        "batch {batch} is committed for the program {on_l1}, this node proves with {ours}; run the version that committed it, or have the batch reverted"
    )]
    Program { batch: BatchNumber, ours: B256, on_l1: B256 },
}

/// What is known before the first batch is compared.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checked {
    pub(super) chain_id: u64,
    pub(super) commit_hash: B256,
    /// State root after the batch before, as L1 stores it.
    pub(super) initial_root: B256,
}

impl Checked {
    /// Whether all proofs of a batch assert what L1 will check them against.
    pub(super) fn check(
        &self,
        proven: &Proven,
        on_l1: &batchCommitmentsReturn,
    ) -> Result<(), Alarm> {
        let batch = proven.number();
        // L1 shows no lists; those of the batch must do. A wrong one fails where a proof is required.
        let row = &proven.batch.batch;
        let commitment = Commitment::of_storage(
            on_l1,
            row.balance_diffs.clone(),
            row.l2_in_message_rolling_hashes.clone(),
        )
        .map_err(|source| Alarm::OutOfRange { batch, source })?;
        let expected = PublicInputs::of_commitment(self.initial_root, self.chain_id, &commitment);
        for (&prover, proof) in &proven.proofs {
            if !proof.asserts(prover, &expected) {
                let (asserted, expected) = (proof.public_values.clone(), expected.encode().into());
                return Err(Alarm::Inputs { batch, prover, asserted, expected });
            }
            // Execution has no key that a program version selects.
            if prover != ProverType::Exec && commitment.commit_hash != self.commit_hash {
                let (ours, on_l1) = (self.commit_hash, commitment.commit_hash);
                return Err(Alarm::Program { batch, ours, on_l1 });
            }
        }
        Ok(())
    }
}

/// Whether the contracts are those of this rollup.
pub(super) fn chain_id(ours: u64, on_l1: U256) -> Result<(), Alarm> {
    if on_l1 == U256::from(ours) { Ok(()) } else { Err(Alarm::ChainId { ours, on_l1 }) }
}
