//! `engine_getPayload`: the block that was asked for.

use std::sync::Arc;

use alloy_eips::{
    eip4844::{Blob, Bytes48},
    eip7594::BlobTransactionSidecarVariant,
};
use alloy_primitives::{Bytes, U256};
use ethrex_chain::{Payload, PayloadId};
use ethrex_types::Fork;
use serde::Serialize;

use super::{Engine, ExecutionPayload};
use crate::{Args, RpcError};

/// What V2 to V6 answer: what a later version adds is absent in an earlier one.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Envelope {
    execution_payload: ExecutionPayload,
    /// Wei that the fee recipient gets.
    block_value: U256,
    #[serde(skip_serializing_if = "Option::is_none")]
    blobs_bundle: Option<BlobsBundle>,
    /// This node has no opinion on blocks that others built.
    #[serde(skip_serializing_if = "Option::is_none")]
    should_override_builder: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    execution_requests: Option<Vec<Bytes>>,
}

/// `BlobsBundleV1`, and with 128 cell proofs for each blob `BlobsBundleV2`.
#[derive(Debug, Default, Serialize)]
struct BlobsBundle {
    commitments: Vec<Bytes48>,
    proofs: Vec<Bytes48>,
    blobs: Vec<Blob>,
}

pub(super) fn v1(engine: &Engine, args: &mut Args) -> Result<ExecutionPayload, RpcError> {
    let payload = built(engine, args, Fork::Frontier, Some(Fork::Shanghai))?;
    Ok(ExecutionPayload::of(&payload.block, None))
}

pub(super) fn v2(engine: &Engine, args: &mut Args) -> Result<Envelope, RpcError> {
    let payload = built(engine, args, Fork::Frontier, Some(Fork::Cancun))?;
    Ok(Envelope {
        execution_payload: ExecutionPayload::of(&payload.block, None),
        block_value: payload.value,
        blobs_bundle: None,
        should_override_builder: None,
        execution_requests: None,
    })
}

pub(super) fn v3(engine: &Engine, args: &mut Args) -> Result<Envelope, RpcError> {
    let payload = built(engine, args, Fork::Cancun, Some(Fork::Prague))?;
    Ok(Envelope { execution_requests: None, ..whole(&payload) })
}

pub(super) fn v4(engine: &Engine, args: &mut Args) -> Result<Envelope, RpcError> {
    built(engine, args, Fork::Prague, Some(Fork::Osaka)).map(|payload| whole(&payload))
}

pub(super) fn v5(engine: &Engine, args: &mut Args) -> Result<Envelope, RpcError> {
    built(engine, args, Fork::Osaka, Some(Fork::Amsterdam)).map(|payload| whole(&payload))
}

pub(super) fn v6(engine: &Engine, args: &mut Args) -> Result<Envelope, RpcError> {
    built(engine, args, Fork::Amsterdam, None).map(|payload| whole(&payload))
}

/// The payload with this id, if it is of `from` or a later fork, and older than `until`.
fn built(
    engine: &Engine,
    args: &mut Args,
    from: Fork,
    until: Option<Fork>,
) -> Result<Arc<Payload>, RpcError> {
    let id: PayloadId = args.required()?;
    let payload = engine.payloads().get(id).ok_or(RpcError::UnknownPayload)?;
    let fork = engine.fork_at(payload.block.header().timestamp);
    if fork < from || until.is_some_and(|until| fork >= until) {
        return Err(RpcError::UnsupportedFork);
    }
    Ok(payload)
}

/// With everything that any version has.
pub(crate) fn whole(payload: &Payload) -> Envelope {
    Envelope {
        execution_payload: ExecutionPayload::of(&payload.block, payload.access_list.clone()),
        block_value: payload.value,
        blobs_bundle: Some(BlobsBundle::of(payload)),
        should_override_builder: Some(false),
        execution_requests: Some(payload.requests.iter().cloned().collect()),
    }
}

impl BlobsBundle {
    /// Sidecars are of the version that the payload's fork has: others do not get into a block.
    fn of(payload: &Payload) -> Self {
        let mut bundle = Self::default();
        for sidecar in &payload.sidecars {
            bundle.commitments.extend_from_slice(sidecar.commitments());
            bundle.blobs.extend_from_slice(sidecar.blobs());
            bundle.proofs.extend_from_slice(match sidecar.as_ref() {
                BlobTransactionSidecarVariant::Eip4844(sidecar) => &sidecar.proofs,
                BlobTransactionSidecarVariant::Eip7594(sidecar) => &sidecar.cell_proofs,
            });
        }
        bundle
    }
}
