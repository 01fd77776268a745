//! The `debug` namespace: raw encodings, execution witnesses and traces.

use alloy_eips::{BlockId, eip2718::Encodable2718};
use alloy_primitives::{B256, Bytes};
use ethrex_chain::ReplayError;
use ethrex_stateless::ExecutionWitness;
use ethrex_types::{RecoveredBlock, alloy_consensus::TxReceipt};
use jsonrpsee::RpcModule;

use crate::{Args, Context, RpcError, register};

mod timeout;
mod trace;

pub(crate) fn module(context: &Context) -> RpcModule<Context> {
    let mut module = RpcModule::new(context.clone());
    let workers = context.workers();
    register(&mut module, workers, "debug_getRawBlock", raw_block);
    register(&mut module, workers, "debug_getRawHeader", raw_header);
    register(&mut module, workers, "debug_getRawBlockAccessList", raw_access_list);
    register(&mut module, workers, "debug_getRawReceipts", raw_receipts);
    register(&mut module, workers, "debug_getRawTransaction", raw_transaction);
    register(&mut module, workers, "debug_executionWitness", execution_witness);
    register(&mut module, workers, "debug_executionWitnessByBlockHash", execution_witness_by_hash);
    register(&mut module, workers, "debug_chainConfig", chain_config);
    let workers = context.tracers();
    register(&mut module, workers, "debug_traceTransaction", trace::trace_transaction);
    register(&mut module, workers, "debug_traceBlockByNumber", trace::trace_block_by_id);
    register(&mut module, workers, "debug_traceBlockByHash", trace::trace_block_by_id);
    register(&mut module, workers, "debug_traceBlock", trace::trace_block);
    register(&mut module, workers, "debug_traceCall", trace::trace_call);
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

fn raw_access_list(context: &Context, args: &mut Args) -> Result<Bytes, RpcError> {
    let block = context.existing_block(args.required()?)?;
    context.access_list(&block)?.ok_or(RpcError::NoAccessList)
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
    match chain.replay(block) {
        Ok(Some(replayed)) => Ok(replayed.witness),
        Ok(None) => Err(RpcError::NoWitness(hash)),
        Err(ReplayError::Storage(fault)) => Err(fault.into()),
        Err(ReplayError::State(fault)) => Err(fault.into()),
        Err(why @ (ReplayError::Invalid(_) | ReplayError::Payload(_))) => {
            tracing::error!(%hash, error = %why, "cannot execute a stored block again");
            Err(RpcError::NoWitness(hash))
        }
    }
}
