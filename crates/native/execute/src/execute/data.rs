//! DATA: what blocks a stream holds.

use alloy_primitives::{B256, Bytes, keccak256};
use ethrex_program::kzg::{verify_blob_proof, versioned_hash};

use super::Stop;
use crate::{
    ExecuteResult,
    envelope::{DataBody, Header, Mode},
    failure::FailureClass,
    roots::blobs_hash,
    stream::{data_root, decode_within, pack},
};

pub(super) fn data(header: &Header, body: &Bytes) -> Result<ExecuteResult, Stop> {
    let DataBody { blobs, stream } = DataBody::decode(body)?;
    // Decoding is cheaper than a proof, and may end the call.
    let decoded = decode_within(&stream, header.gas_bound)
        .map_err(|_| FailureClass::GasBound(header.gas_bound))?;
    let mut hashes: Vec<B256> = Vec::with_capacity(blobs.len());
    if !blobs.is_empty() {
        for (opening, blob) in blobs.iter().zip(pack(&stream)) {
            verify_blob_proof(&blob, &opening.commitment, &opening.proof)
                .map_err(|_| FailureClass::Blob)?;
            hashes.push(versioned_hash(&opening.commitment));
        }
    }
    let transactions: usize = decoded.blocks.iter().map(|block| block.transactions.len()).sum();
    Ok(ExecuteResult {
        mode: Mode::Data.id(),
        level: header.level,
        anchor: keccak256(&stream),
        blobs_hash: blobs_hash(&hashes),
        posted_root: data_root(&decoded.blocks),
        posted_count: transactions as u64,
        included_count: decoded.blocks.len() as u64,
        ..ExecuteResult::default()
    })
}
