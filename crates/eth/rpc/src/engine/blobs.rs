//! `engine_getBlobs`: blobs of transactions that wait in the pool.

use alloy_eips::{
    eip4844::{BlobAndProofV1, BlobAndProofV2, BlobCellsAndProofsV1},
    eip7594::BlobCellMask,
};
use alloy_primitives::{B128, B256};
use ethrex_txpool::PoolBlob;
use ethrex_types::Fork;

use super::Engine;
use crate::{Args, RpcError};

/// Blobs that one call may ask for: what the specification has every node serve.
const MAX_BLOBS: usize = 128;

type Blobs<T> = Result<Vec<Option<T>>, RpcError>;

/// Whole blobs with one proof each; from Osaka on there are none of these.
pub(super) fn v1(engine: &Engine, args: &mut Args) -> Blobs<BlobAndProofV1> {
    let hashes = hashes(args)?;
    if engine.fork_at(engine.chain().head().timestamp) >= Fork::Osaka {
        return Err(RpcError::UnsupportedFork);
    }
    Ok(find(engine, &hashes, PoolBlob::with_proof))
}

/// All of them with their cell proofs, or `null`: so it is before Osaka, when blobs have none.
pub(super) fn v2(
    engine: &Engine,
    args: &mut Args,
) -> Result<Option<Vec<BlobAndProofV2>>, RpcError> {
    let found: Vec<_> = v3(engine, args)?;
    Ok(found.into_iter().collect())
}

/// Those that are here, with their cell proofs.
pub(super) fn v3(engine: &Engine, args: &mut Args) -> Blobs<BlobAndProofV2> {
    let hashes = hashes(args)?;
    Ok(find(engine, &hashes, PoolBlob::with_cell_proofs))
}

/// Cells of those that are here: only the cells whose bits are set, the lowest first (EIP-8070).
pub(super) fn v4(engine: &Engine, args: &mut Args) -> Blobs<BlobCellsAndProofsV1> {
    let hashes = hashes(args)?;
    let mask = BlobCellMask::new(args.required::<B128>()?);
    Ok(find(engine, &hashes, |blob| blob.cells(mask)))
}

fn hashes(args: &mut Args) -> Result<Vec<B256>, RpcError> {
    let hashes: Vec<B256> = args.required()?;
    if hashes.len() > MAX_BLOBS {
        return Err(RpcError::TooLargeRequest { what: "blobs", limit: MAX_BLOBS as u64 });
    }
    Ok(hashes)
}

fn find<T>(
    engine: &Engine,
    hashes: &[B256],
    shown: impl Fn(&PoolBlob) -> Option<T>,
) -> Vec<Option<T>> {
    let found = engine.pool().blobs(hashes);
    hashes.iter().map(|hash| found.get(hash).and_then(&shown)).collect()
}
