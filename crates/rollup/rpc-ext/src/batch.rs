//! Batches.

use alloy_eips::BlockId;
use alloy_primitives::{B256, U64};
use ethrex_protocol::{
    BatchNumber, L2Height,
    batch::{Batch, RpcBatch},
};
use ethrex_rpc::{Args, RpcError};

use crate::context::{Rollup, fault};

/// The last sealed batch; `null` before the first.
pub(crate) fn batch_number(rollup: &Rollup, _: &mut Args) -> Result<Option<U64>, RpcError> {
    let last = rollup.store.last_batch().map_err(fault)?;
    Ok(last.map(|number| U64::from(number.0)))
}

pub(crate) fn get_by_number(
    rollup: &Rollup,
    args: &mut Args,
) -> Result<Option<RpcBatch>, RpcError> {
    let number = args.required::<U64>()?;
    let with_hashes = args.optional::<bool>()?.unwrap_or_default();
    let stored = rollup.store.batch(BatchNumber(number.to())).map_err(fault)?;
    let Some(batch) = stored.map(|stored| stored.batch) else { return Ok(None) };
    let block_hashes = with_hashes.then(|| block_hashes(rollup, &batch)).transpose()?;
    Ok(Some(RpcBatch { batch, block_hashes }))
}

/// The batch that holds a block; `null` for a block that is unknown or not yet in a batch.
pub(crate) fn get_by_block(rollup: &Rollup, args: &mut Args) -> Result<Option<RpcBatch>, RpcError> {
    let id = args.required::<BlockId>()?;
    let Some(height) = height(rollup, id)? else { return Ok(None) };
    let stored = rollup.store.batch_of_block(height).map_err(fault)?;
    Ok(stored.map(|stored| RpcBatch { batch: stored.batch, block_hashes: None }))
}

pub(crate) fn height(rollup: &Rollup, id: BlockId) -> Result<Option<L2Height>, RpcError> {
    let Some(hash) = rollup.context.find(id)? else { return Ok(None) };
    Ok(rollup.context.chain().storage().number(hash)?.map(L2Height))
}

fn block_hashes(rollup: &Rollup, batch: &Batch) -> Result<Vec<B256>, RpcError> {
    let mut hashes = Vec::new();
    for number in batch.first_block.0..=batch.last_block.0 {
        hashes.extend(rollup.context.canonical(number)?);
    }
    Ok(hashes)
}
