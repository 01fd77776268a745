//! `engine_newPayload`: is this block valid?

use alloy_primitives::{B256, Bytes};
use alloy_rlp::Encodable as _;
use ethrex_chain::BlockStatus;
use ethrex_stateless::{ExecutionWitness, InvalidPayload};
use ethrex_types::Fork;
use serde::Serialize;

use super::{
    Engine, ExecutionPayload,
    payload::Beside,
    status::{PayloadStatus, Status},
};
use crate::{Args, RpcError};

pub(super) fn v1(engine: &Engine, args: &mut Args) -> Result<PayloadStatus, RpcError> {
    let payload: ExecutionPayload = args.required()?;
    args.end()?;
    require(payload.withdrawals.is_none(), "withdrawals are not supported in V1")?;
    without_blob_gas(&payload)?;
    without_access_list(&payload)?;
    judge(engine, payload, Beside::default(), Status::InvalidBlockHash)
}

pub(super) fn v2(engine: &Engine, args: &mut Args) -> Result<PayloadStatus, RpcError> {
    let payload: ExecutionPayload = args.required()?;
    args.end()?;
    without_blob_gas(&payload)?;
    without_access_list(&payload)?;
    let fork = engine.fork_at(payload.timestamp);
    if fork >= Fork::Cancun {
        return Err(RpcError::UnsupportedFork);
    }
    let shanghai = fork >= Fork::Shanghai;
    require(
        payload.withdrawals.is_some() == shanghai,
        "withdrawals must be present from Shanghai on, and only then",
    )?;
    judge(engine, payload, Beside::default(), Status::Invalid)
}

pub(super) fn v3(engine: &Engine, args: &mut Args) -> Result<PayloadStatus, RpcError> {
    let payload: ExecutionPayload = args.required()?;
    let beside = beside(args)?;
    args.end()?;
    with_blob_gas(&payload)?;
    without_access_list(&payload)?;
    within(engine, &payload, Fork::Cancun, Some(Fork::Prague))?;
    judge(engine, payload, beside, Status::Invalid)
}

pub(super) fn v4(engine: &Engine, args: &mut Args) -> Result<PayloadStatus, RpcError> {
    let payload: ExecutionPayload = args.required()?;
    let beside = beside(args)?;
    let beside = Beside { requests: Some(requests(args)?), ..beside };
    args.end()?;
    with_blob_gas(&payload)?;
    without_access_list(&payload)?;
    within(engine, &payload, Fork::Prague, Some(Fork::Amsterdam))?;
    judge(engine, payload, beside, Status::Invalid)
}

pub(super) fn v5(engine: &Engine, args: &mut Args) -> Result<PayloadStatus, RpcError> {
    let (payload, beside) = amsterdam(engine, args)?;
    judge(engine, payload, beside, Status::Invalid)
}

/// The parameters of V5.
fn amsterdam(engine: &Engine, args: &mut Args) -> Result<(ExecutionPayload, Beside), RpcError> {
    let payload: ExecutionPayload = args.required()?;
    let beside = beside(args)?;
    let beside = Beside { requests: Some(requests(args)?), ..beside };
    args.end()?;
    with_blob_gas(&payload)?;
    require(payload.block_access_list.is_some(), "blockAccessList is missing")?;
    require(payload.slot_number.is_some(), "slotNumber is missing")?;
    within(engine, &payload, Fork::Amsterdam, None)?;
    Ok((payload, beside))
}

/// A status, and what a stateless validator needs to come to the same one.
#[derive(Debug, Serialize)]
pub(super) struct Witnessed {
    #[serde(flatten)]
    status: PayloadStatus,
    /// RLP of headers, codes, nodes and keys, in the shape that geth gives the answer of this name; `null` unless the payload is valid.
    witness: Option<Bytes>,
}

/// As V5, and beside a valid status the witness of the block.
pub(super) fn with_witness_v5(engine: &Engine, args: &mut Args) -> Result<Witnessed, RpcError> {
    let (payload, beside) = amsterdam(engine, args)?;
    let hash = payload.block_hash;
    let status = judge(engine, payload, beside, Status::Invalid)?;
    let witness = match status.status {
        Status::Valid => witness(engine, hash)?,
        _ => None,
    };
    Ok(Witnessed { status, witness })
}

/// `None` where the state is gone that the block ran on.
fn witness(engine: &Engine, hash: B256) -> Result<Option<Bytes>, RpcError> {
    let chain = engine.chain();
    let Some(block) = chain.storage().block(hash)? else { return Ok(None) };
    let replayed = chain.replay(&block).map_err(RpcError::fault)?;
    Ok(replayed.map(|replayed| encode_witness(&replayed.witness)))
}

/// A list of four lists: headers as they are, everything else as strings of bytes.
fn encode_witness(witness: &ExecutionWitness) -> Bytes {
    let mut lists = list_of(&witness.headers.concat());
    for list in [&witness.codes, &witness.state, &witness.keys] {
        list.encode(&mut lists);
    }
    list_of(&lists).into()
}

/// A list of what is encoded already.
fn list_of(items: &[u8]) -> Vec<u8> {
    let mut list = Vec::with_capacity(items.len() + 9);
    alloy_rlp::Header { list: true, payload_length: items.len() }.encode(&mut list);
    list.extend_from_slice(items);
    list
}

/// Versioned hashes and the parent beacon block root, from V3 on.
fn beside(args: &mut Args) -> Result<Beside, RpcError> {
    Ok(Beside {
        versioned_hashes: Some(args.required()?),
        parent_beacon_block_root: Some(args.required::<B256>()?),
        requests: None,
    })
}

/// Requests by type, in order, each with content (EIP-7685).
fn requests(args: &mut Args) -> Result<Vec<Bytes>, RpcError> {
    let requests: Vec<Bytes> = args.required()?;
    require(requests.iter().all(|request| request.len() > 1), "an execution request is empty")?;
    require(
        requests.is_sorted_by(|before, after| before[0] < after[0]),
        "execution requests are not in ascending order of their types",
    )?;
    Ok(requests)
}

fn require(holds: bool, what: &'static str) -> Result<(), RpcError> {
    if holds { Ok(()) } else { Err(RpcError::InvalidParams(what)) }
}

fn without_blob_gas(payload: &ExecutionPayload) -> Result<(), RpcError> {
    let absent = payload.blob_gas_used.is_none() && payload.excess_blob_gas.is_none();
    require(absent, "blob gas is not supported before V3")
}

fn with_blob_gas(payload: &ExecutionPayload) -> Result<(), RpcError> {
    require(payload.withdrawals.is_some(), "withdrawals are missing")?;
    require(payload.blob_gas_used.is_some(), "blobGasUsed is missing")?;
    require(payload.excess_blob_gas.is_some(), "excessBlobGas is missing")
}

fn without_access_list(payload: &ExecutionPayload) -> Result<(), RpcError> {
    let absent = payload.block_access_list.is_none() && payload.slot_number.is_none();
    require(absent, "blockAccessList and slotNumber are not supported before V5")
}

/// Whether the payload is of `from` or a later fork, and older than `until`.
fn within(
    engine: &Engine,
    payload: &ExecutionPayload,
    from: Fork,
    until: Option<Fork>,
) -> Result<(), RpcError> {
    let fork = engine.fork_at(payload.timestamp);
    if fork >= from && until.is_none_or(|until| fork < until) {
        Ok(())
    } else {
        Err(RpcError::UnsupportedFork)
    }
}

/// `bad_hash` is what a payload with another hash than its own is called.
fn judge(
    engine: &Engine,
    payload: ExecutionPayload,
    beside: Beside,
    bad_hash: Status,
) -> Result<PayloadStatus, RpcError> {
    let block = match payload.into_block(beside) {
        Ok(block) => block,
        Err(why @ InvalidPayload::BlockHash { .. }) => {
            return Ok(PayloadStatus::malformed(bad_hash, &why));
        }
        Err(why) => return Ok(PayloadStatus::malformed(Status::Invalid, &why)),
    };
    let hash = block.hash();
    Ok(match engine.importer().import(block).map_err(RpcError::fault)? {
        BlockStatus::Valid => PayloadStatus::valid(hash),
        BlockStatus::Invalid(why) => why.into(),
        BlockStatus::Syncing => PayloadStatus::syncing(),
        BlockStatus::Accepted => PayloadStatus::accepted(),
    })
}
