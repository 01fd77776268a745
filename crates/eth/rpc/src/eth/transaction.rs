//! Transactions, as JSON and raw.

use alloy_eips::{BlockId, eip2718::Encodable2718};
use alloy_primitives::{B256, Bytes};
use alloy_rpc_types_eth::Index;
use ethrex_storage::TxLocation;
use ethrex_txpool::PoolTx;
use ethrex_types::{
    Header, RecoveredBlock, Tx,
    alloy_consensus::{Transaction as _, transaction::Recovered},
};

use crate::{Args, Context, RpcError};

pub(crate) type RpcTransaction = alloy_rpc_types_eth::Transaction<Tx>;

pub(super) fn get_by_hash(
    context: &Context,
    args: &mut Args,
) -> Result<Option<RpcTransaction>, RpcError> {
    let hash = args.required()?;
    // Before the chain: a transaction that is mined meanwhile is found in one of the two.
    let waiting = context.pool().get(hash);
    if let Some((block, index)) = context.mined(hash)? {
        return Ok(mined(&block, index));
    }
    Ok(waiting.map(|tx| pending(&tx, None)))
}

pub(super) fn get_by_index(
    context: &Context,
    args: &mut Args,
) -> Result<Option<RpcTransaction>, RpcError> {
    let (id, index) = (args.required::<BlockId>()?, args.required::<Index>()?);
    Ok(context.block(id)?.and_then(|block| mined(&block, index.0)))
}

/// A pending blob transaction comes with its sidecar: that is what can be sent elsewhere.
pub(crate) fn get_raw_by_hash(
    context: &Context,
    args: &mut Args,
) -> Result<Option<Bytes>, RpcError> {
    let hash = args.required()?;
    let waiting = context.pool().get(hash);
    if let Some((block, index)) = context.mined(hash)? {
        return Ok(raw(&block, index));
    }
    Ok(waiting.map(|tx| tx.encode_pooled().into()))
}

pub(super) fn get_raw_by_index(
    context: &Context,
    args: &mut Args,
) -> Result<Option<Bytes>, RpcError> {
    let (id, index) = (args.required::<BlockId>()?, args.required::<Index>()?);
    Ok(context.block(id)?.and_then(|block| raw(&block, index.0)))
}

fn raw(block: &RecoveredBlock, index: usize) -> Option<Bytes> {
    Some(block.sealed().body().transactions.get(index)?.encoded_2718().into())
}

impl Context {
    /// Where a transaction stands on the published chain.
    ///
    /// # Errors
    /// If the database fails.
    pub fn location(&self, hash: B256) -> Result<Option<TxLocation>, RpcError> {
        let location = self.chain().storage().tx_location(hash)?;
        // The lookup is written a moment before the head is published.
        Ok(location.filter(|at| at.block.number <= self.chain().head().number))
    }

    /// The block a transaction stands in, and its index there.
    pub(crate) fn mined(&self, hash: B256) -> Result<Option<(RecoveredBlock, usize)>, RpcError> {
        let Some(at) = self.location(hash)? else { return Ok(None) };
        Ok(self.chain().storage().block(at.block.hash)?.map(|block| (block, at.index)))
    }
}

/// A transaction of a block, with its place; `None` where the block has no such index.
pub(crate) fn mined(block: &RecoveredBlock, index: usize) -> Option<RpcTransaction> {
    let (tx, sender) = block.transactions().nth(index)?;
    Some(at(tx, sender, block.sealed().hash(), block.sealed().header(), index))
}

pub(super) fn at(
    tx: &Tx,
    sender: alloy_primitives::Address,
    hash: B256,
    header: &Header,
    index: usize,
) -> RpcTransaction {
    RpcTransaction {
        effective_gas_price: Some(tx.effective_gas_price(header.base_fee_per_gas)),
        inner: Recovered::new_unchecked(tx.clone(), sender),
        block_hash: Some(hash),
        block_number: Some(header.number),
        transaction_index: Some(index as u64),
        block_timestamp: Some(header.timestamp),
    }
}

/// A transaction of the pool: in a block with this base fee, or as it waits, at the most that it pays.
pub(crate) fn pending(tx: &PoolTx, base_fee: Option<u64>) -> RpcTransaction {
    let most = tx.tx().max_fee_per_gas();
    RpcTransaction {
        effective_gas_price: Some(
            base_fee.map_or(most, |fee| tx.tx().effective_gas_price(Some(fee))),
        ),
        inner: Recovered::new_unchecked(tx.tx().clone(), tx.sender()),
        block_hash: None,
        block_number: None,
        transaction_index: None,
        block_timestamp: None,
    }
}
