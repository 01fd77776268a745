//! The `debug` namespace: raw encodings, execution witnesses and traces.

use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::Bytes;
use ethrex_types::alloy_consensus::TxReceipt;
use jsonrpsee::RpcModule;

use crate::{Args, Context, RpcError, eth, register};

mod bad_blocks;
mod timeout;
mod trace;
mod witness;

pub(crate) fn module(context: &Context) -> RpcModule<Context> {
    let mut module = RpcModule::new(context.clone());
    let workers = context.workers();
    register(&mut module, workers, "debug_getRawBlock", raw_block);
    register(&mut module, workers, "debug_getRawHeader", raw_header);
    register(&mut module, workers, "debug_getRawBlockAccessList", raw_access_list);
    register(&mut module, workers, "debug_getRawReceipts", raw_receipts);
    register(&mut module, workers, "debug_getRawTransaction", raw_transaction);
    register(&mut module, workers, "debug_executionWitness", witness::of_blocks);
    register(&mut module, workers, "debug_executionWitnessByBlockHash", witness::by_hash);
    register(&mut module, workers, "debug_chainConfig", chain_config);
    register(&mut module, workers, "debug_getBadBlocks", bad_blocks::bad_blocks);
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
    eth::transaction::get_raw_by_hash(context, args)
}

fn chain_config(
    context: &Context,
    _: &mut Args,
) -> Result<impl serde::Serialize + use<>, RpcError> {
    Ok(context.chain().spec().genesis().config.clone())
}
