//! Batches of a rollup in memory, ready to be proven.

use alloy_primitives::FixedBytes;
use ethrex_protocol::{blob, fee::FeeConfig};
use ethrex_rules::testing::{TestBlock, TestRollup};

use crate::{BlobOpening, BlockInput, ProgramInput};

/// The input that proves these blocks, with commitment and proof of their blob.
///
/// # Panics
/// If the blocks do not fit in a blob.
pub fn batch(rollup: &TestRollup, blocks: &[TestBlock]) -> ProgramInput {
    let config = rollup.spec().genesis().config.clone();
    let inputs = blocks.iter().map(|block| BlockInput {
        block: block.block.sealed().block().clone(),
        fee_config: FeeConfig::default(),
        witness: block.witness.clone(),
    });
    let mut input = ProgramInput::new(config, inputs, None);
    input.blob = Some(open(&input));
    input
}

/// Commitment and proof, by the reference library.
fn open(input: &ProgramInput) -> BlobOpening {
    let blob = blob::encode(input.blocks.iter().zip(&input.fee_configs)).expect("the batch fits");
    let settings = c_kzg::ethereum_kzg_settings(0);
    let raw = c_kzg::Blob::new(blob.0);
    let commitment = settings.blob_to_kzg_commitment(&raw).expect("our blobs are canonical");
    let proof = settings
        .compute_blob_kzg_proof(&raw, &commitment.to_bytes())
        .expect("our blobs are canonical");
    BlobOpening {
        commitment: FixedBytes::new(commitment.to_bytes().into_inner()),
        proof: FixedBytes::new(proof.to_bytes().into_inner()),
    }
}
