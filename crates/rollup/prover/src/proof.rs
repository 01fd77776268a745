//! A proof as it is stored, and what it must assert.

use alloy_primitives::{B256, Bytes};
use alloy_rlp::{Decodable, RlpDecodable, RlpEncodable};
use ethrex_protocol::{BatchNumber, public_inputs::PublicInputs};
use ethrex_store::{Store, StoreError, StoredBatch};

use crate::message::{ProverOutput, ProverType};

/// A proof in the store.
#[derive(Debug, Clone, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(crate) struct StoredProof {
    /// What L1 verifies; empty for execution.
    pub(crate) proof: Bytes,
    /// The public inputs as the prover sees them; empty where it did not say.
    pub(crate) public_values: Bytes,
}

impl StoredProof {
    pub(crate) fn of(output: &ProverOutput) -> Self {
        Self {
            proof: Bytes::copy_from_slice(&output.proof().proof),
            public_values: output.public_values().unwrap_or_default().to_vec().into(),
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        alloy_rlp::encode(self)
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, alloy_rlp::Error> {
        Self::decode_exact(bytes)
    }

    fn decode_exact(mut bytes: &[u8]) -> Result<Self, alloy_rlp::Error> {
        let proof = <Self as Decodable>::decode(&mut bytes)?;
        if bytes.is_empty() { Ok(proof) } else { Err(alloy_rlp::Error::UnexpectedLength) }
    }

    /// Whether the prover asserts exactly `expected`. Only a proof that L1 verifies may leave it unsaid.
    pub(crate) fn asserts(&self, prover: ProverType, expected: &PublicInputs) -> bool {
        if self.public_values.is_empty() {
            return prover != ProverType::Exec && !self.proof.is_empty();
        }
        self.public_values == expected.encode()
    }
}

/// The rollup that batches belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rollup {
    pub(crate) chain_id: u64,
    pub(crate) genesis_state_root: B256,
}

impl Rollup {
    /// What a proof of a stored batch must assert; `None` if its predecessor is not stored.
    pub(crate) fn expected(
        &self,
        store: &Store,
        batch: &StoredBatch,
    ) -> Result<Option<PublicInputs>, StoreError> {
        let before = BatchNumber(batch.batch.number.0.saturating_sub(1));
        let initial_state_root = if before == BatchNumber(0) {
            self.genesis_state_root
        } else {
            let Some(before) = store.batch(before)? else { return Ok(None) };
            before.batch.state_root
        };
        // The commit hash selects a program; no program asserts it.
        let commitment =
            batch.batch.commitment(batch.last_block_hash, batch.blob_versioned_hash, B256::ZERO);
        Ok(Some(PublicInputs::of_commitment(initial_state_root, self.chain_id, &commitment)))
    }
}
