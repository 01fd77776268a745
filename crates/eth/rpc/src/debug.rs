//! The `debug` namespace: raw encodings and execution witnesses.

use alloy_eips::{BlockId, eip2718::Encodable2718};
use alloy_primitives::{B256, Bytes};
use ethrex_stateless::{ExecutionWitness, record};
use ethrex_stf::{RunError, execute};
use ethrex_types::{Header, RecoveredBlock, alloy_consensus::TxReceipt};
use jsonrpsee::RpcModule;

use crate::{Args, Context, RpcError, register};

pub(crate) fn module(context: &Context) -> RpcModule<Context> {
    let mut module = RpcModule::new(context.clone());
    let workers = context.workers();
    register(&mut module, workers, "debug_getRawBlock", raw_block);
    register(&mut module, workers, "debug_getRawHeader", raw_header);
    register(&mut module, workers, "debug_getRawReceipts", raw_receipts);
    register(&mut module, workers, "debug_getRawTransaction", raw_transaction);
    register(&mut module, workers, "debug_executionWitness", execution_witness);
    register(&mut module, workers, "debug_executionWitnessByBlockHash", execution_witness_by_hash);
    register(&mut module, workers, "debug_chainConfig", chain_config);
    module
}

fn raw_block(context: &Context, args: &mut Args) -> Result<Bytes, RpcError> {
    let block = context.existing_block(args.required()?)?;
    Ok(alloy_rlp::encode(block.sealed().block()).into())
}

fn raw_header(context: &Context, args: &mut Args) -> Result<Bytes, RpcError> {
    let block = context.existing_block(args.required()?)?;
    Ok(alloy_rlp::encode(block.sealed().header()).into())
}

fn raw_receipts(context: &Context, args: &mut Args) -> Result<Vec<Bytes>, RpcError> {
    let hash = context.existing_block(args.required()?)?.sealed().hash();
    let receipts = context.chain().storage().receipts(hash)?;
    let receipts = receipts.ok_or_else(|| RpcError::BlockNotFound(hash.to_string()))?;
    Ok(receipts.iter().map(|receipt| receipt.with_bloom_ref().encoded_2718().into()).collect())
}

fn raw_transaction(context: &Context, args: &mut Args) -> Result<Option<Bytes>, RpcError> {
    let Some(at) = context.location(args.required()?)? else { return Ok(None) };
    let body = context.chain().storage().body(at.block.hash)?;
    Ok(body.and_then(|body| Some(body.transactions.get(at.index)?.encoded_2718().into())))
}

fn chain_config(
    context: &Context,
    _: &mut Args,
) -> Result<impl serde::Serialize + use<>, RpcError> {
    Ok(context.chain().spec().genesis().config.clone())
}

fn execution_witness(context: &Context, args: &mut Args) -> Result<ExecutionWitness, RpcError> {
    witness(context, &context.existing_block(args.required()?)?)
}

fn execution_witness_by_hash(
    context: &Context,
    args: &mut Args,
) -> Result<ExecutionWitness, RpcError> {
    let id = BlockId::hash(args.required::<B256>()?);
    witness(context, &context.existing_block(id)?)
}

/// The witness that was stored with the block, or one from executing it again while its parent's state is kept.
fn witness(context: &Context, block: &RecoveredBlock) -> Result<ExecutionWitness, RpcError> {
    let chain = context.chain();
    let hash = block.sealed().hash();
    if let Some(witness) = chain.witness(hash)? {
        return Ok(witness);
    }
    let parent = block.sealed().header().parent_hash;
    let (Some(state), Some(header)) =
        (chain.storage().state_at(parent)?, chain.storage().header(parent)?)
    else {
        return Err(RpcError::NoWitness(hash));
    };
    let executed = execute(chain.spec(), chain.rules().as_ref(), block, &state).map_err(
        |error| match error {
            RunError::Fault(fault) => fault.into(),
            // It was valid when it was stored.
            RunError::Invalid(_) => RpcError::NoWitness(hash),
        },
    )?;
    let oldest = executed.accesses.oldest_block_hash.unwrap_or(header.number);
    let headers = ancestors(context, header.into_inner(), oldest)?;
    let root = headers.last().map(|parent| parent.state_root).unwrap_or_default();
    let (witness, _) = record(&state, root, &executed.accesses, &executed.diff, &headers)?;
    Ok(witness)
}

/// Headers from `oldest` to `parent`, oldest first.
fn ancestors(context: &Context, parent: Header, oldest: u64) -> Result<Vec<Header>, RpcError> {
    let mut headers = vec![parent];
    while let Some(last) = headers.last().filter(|last| last.number > oldest) {
        let Some(header) = context.chain().storage().header(last.parent_hash)? else { break };
        headers.push(header.into_inner());
    }
    headers.reverse();
    Ok(headers)
}
