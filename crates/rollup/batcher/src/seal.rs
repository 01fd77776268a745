//! From blocks to everything L1 and the prover want to know about their batch.

use alloy_primitives::{B256, Bytes};
use alloy_sol_types::SolCall;
use ethrex_l1::{KzgError, Purpose, Sidecar};
use ethrex_protocol::{
    batch::{Batch, BlobsBundle},
    blob::{self, PayloadTooLong},
    effects::BatchEffects,
    messages::MessageError,
    rolling::TooManyMessages,
};
use ethrex_store::StoredBatch;

use crate::{machine::Span, source::SourceBlock};

/// Blocks of ours do not make a batch: a part of this program that ran before us is wrong.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// A span without blocks.
    #[error("a batch needs a block")]
    Empty,
    /// The system contracts logged something else than messages.
    #[error("gather the messages of a batch")]
    Messages(#[from] MessageError),
    /// The contract cannot count so many messages.
    #[error("count the messages of a batch")]
    TooMany(#[from] TooManyMessages),
    /// The blocks are larger than they were when the batch was closed.
    #[error("write a batch into a blob")]
    TooLong(#[from] PayloadTooLong),
    /// The KZG library failed.
    #[error("commit to the blob of a batch")]
    Kzg(#[from] KzgError),
    /// The stored blob is not one.
    #[error("the stored blob of a batch has {0} bytes")]
    NotABlob(usize),
}

/// Seals a batch: about 200 ms of CPU for the KZG proofs, so keep it off the async threads.
pub(crate) fn seal(
    chain_id: u64,
    span: &Span,
    blocks: &[SourceBlock],
) -> Result<(StoredBatch, Sidecar), SealError> {
    let last = blocks.last().ok_or(SealError::Empty)?;
    let mut effects = BatchEffects::new(chain_id);
    for source in blocks {
        effects.add(&source.block, &source.receipts)?;
    }
    let blob = blob::encode(blocks.iter().map(|source| (&source.block, &source.fee_config)))?;
    let sidecar = Sidecar::new(&blob)?;
    let batch = Batch {
        number: span.number,
        first_block: span.first,
        last_block: span.last,
        state_root: last.block.header.state_root,
        l1_in_messages_rolling_hash: effects.l1_in_rolling_hash()?,
        l2_in_message_rolling_hashes: effects.l2_in_rolling_hashes()?,
        l1_out_message_hashes: effects.l1_out_leaves(),
        non_privileged_transactions: effects.non_privileged_count(),
        balance_diffs: effects.balance_diffs()?,
        blobs_bundle: BlobsBundle {
            blobs: vec![Bytes::copy_from_slice(blob.as_slice())],
            commitments: vec![sidecar.commitment()],
            proofs: vec![sidecar.proof()],
        },
        commit_tx: None,
        verify_tx: None,
    };
    let blob_versioned_hash = sidecar.versioned_hash();
    Ok((StoredBatch { batch, last_block_hash: last.hash, blob_versioned_hash }, sidecar))
}

/// The sidecar of a batch that was sealed in an earlier run. As slow as [`seal`].
pub(crate) fn sidecar_of(sealed: &StoredBatch) -> Result<Sidecar, SealError> {
    let bytes = sealed.batch.blobs_bundle.blobs.first().map(AsRef::as_ref).unwrap_or_default();
    let blob = blob::Blob::try_from(bytes).map_err(|_| SealError::NotABlob(bytes.len()))?;
    Ok(Sidecar::new(&blob)?)
}

/// The call that commits a batch; Timelock and OnChainProposer take the same.
pub(crate) fn calldata(sealed: &StoredBatch, commit_hash: B256) -> Bytes {
    let commitment =
        sealed.batch.commitment(sealed.last_block_hash, sealed.blob_versioned_hash, commit_hash);
    commitment.to_call(sealed.batch.number).abi_encode().into()
}

/// Names the commitment of this batch with this content, in the outbox and in logs.
pub(crate) fn purpose(sealed: &StoredBatch) -> Purpose {
    let content = alloy_primitives::hex::encode(&sealed.payload_hash()[..4]);
    Purpose::new(format!("commit:{}:{content}", sealed.batch.number))
}
