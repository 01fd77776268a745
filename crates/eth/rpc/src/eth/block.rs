//! Blocks and headers.

use std::time::{SystemTime, UNIX_EPOCH};

use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{B256, U64, U256};
use alloy_rlp::Encodable;
use alloy_rpc_types_eth::{BlockTransactions, Index};
use ethrex_stf::{BlockAttributes, BuildContext};
use ethrex_types::{Header, RecoveredBlock, SealedHeader, alloy_consensus::Transaction};
use serde_json::Value;

use crate::{
    Args, Context, RpcError,
    error::Fault,
    eth::transaction::{self, RpcTransaction},
};

pub(super) type RpcHeader = alloy_rpc_types_eth::Header;
pub(crate) type RpcBlock = alloy_rpc_types_eth::Block<RpcTransaction>;

pub(super) fn get_block_by_hash(
    context: &Context,
    args: &mut Args,
) -> Result<Option<RpcBlock>, RpcError> {
    let (hash, full) = (args.required::<B256>()?, args.optional()?.unwrap_or_default());
    Ok(context.block(BlockId::hash(hash))?.map(|block| rpc_block(&block, full)))
}

pub(super) fn get_block_by_number(
    context: &Context,
    args: &mut Args,
) -> Result<Option<Value>, RpcError> {
    let tag = args.required::<BlockNumberOrTag>()?;
    let full = args.optional()?.unwrap_or_default();
    if tag.is_pending() {
        return context.pending_block(full).map(Some);
    }
    let block = context.block(tag.into())?.map(|block| rpc_block(&block, full));
    block.map(serde_json::to_value).transpose().map_err(|error| Fault::Encode(error).into())
}

pub(super) fn get_header_by_hash(
    context: &Context,
    args: &mut Args,
) -> Result<Option<RpcHeader>, RpcError> {
    let hash = args.required::<B256>()?;
    Ok(context.chain().storage().header(hash)?.map(RpcHeader::from_sealed))
}

pub(super) fn get_header_by_number(
    context: &Context,
    args: &mut Args,
) -> Result<Option<RpcHeader>, RpcError> {
    let Some(hash) = context.find(args.required::<BlockNumberOrTag>()?.into())? else {
        return Ok(None);
    };
    Ok(context.chain().storage().header(hash)?.map(RpcHeader::from_sealed))
}

pub(super) fn get_transaction_count(
    context: &Context,
    args: &mut Args,
) -> Result<Option<U64>, RpcError> {
    let block = context.block(args.required()?)?;
    Ok(block.map(|block| U64::from(block.senders().len())))
}

pub(super) fn get_uncle_count(context: &Context, args: &mut Args) -> Result<Option<U64>, RpcError> {
    let block = context.block(args.required()?)?;
    Ok(block.map(|block| U64::from(block.sealed().body().ommers.len())))
}

pub(super) fn get_uncle(context: &Context, args: &mut Args) -> Result<Option<RpcBlock>, RpcError> {
    let (id, index) = (args.required::<BlockId>()?, args.required::<Index>()?);
    Ok(context.block(id)?.and_then(|block| {
        let ommer = block.sealed().body().ommers.get(index.0)?;
        Some(RpcBlock {
            header: RpcHeader::new(ommer.clone()),
            uncles: Vec::new(),
            transactions: BlockTransactions::Uncle,
            withdrawals: None,
        })
    }))
}

/// A block as it is shown, with whole transactions or their hashes.
pub(crate) fn rpc_block(block: &RecoveredBlock, full: bool) -> RpcBlock {
    let sealed = block.sealed();
    let body = sealed.body();
    let transactions = if full {
        let all = (0..body.transactions.len()).filter_map(|at| transaction::mined(block, at));
        BlockTransactions::Full(all.collect())
    } else {
        BlockTransactions::Hashes(body.transactions.iter().map(|tx| tx.hash()).collect())
    };
    RpcBlock {
        header: RpcHeader::from_sealed(sealed.sealed_header())
            .with_size(Some(U256::from(sealed.block().length()))),
        uncles: body.ommers.iter().map(Header::hash_slow).collect(),
        transactions,
        withdrawals: body.withdrawals.clone(),
    }
}

impl Context {
    /// The environment of the block after `head`, as far as it is known.
    pub(crate) fn pending_header(&self, head: &SealedHeader) -> Header {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let attributes = BlockAttributes {
            timestamp: now.max(head.timestamp.saturating_add(1)),
            fee_recipient: head.beneficiary,
            prev_randao: head.mix_hash,
            withdrawals: None,
            parent_beacon_block_root: None,
            slot_number: None,
            desired_gas_limit: head.gas_limit,
            extra_data: Default::default(),
        };
        BuildContext::new(self.chain().spec(), head, &attributes).header().clone()
    }

    /// What the next block would take from the pool, without having been executed: hash, nonce and miner are unknown.
    fn pending_block(&self, full: bool) -> Result<Value, RpcError> {
        let header = self.pending_header(&self.chain().head());
        let base_fee = header.base_fee_per_gas.unwrap_or_default();
        let mut gas = header.gas_limit;
        let blob_fee = self.pool().head().blob_fee;
        let txs: Vec<_> = self
            .pool()
            .best(base_fee, blob_fee)
            .take_while(|tx| {
                let fits = tx.tx().gas_limit() <= gas;
                gas = gas.saturating_sub(tx.tx().gas_limit());
                fits
            })
            .collect();
        let transactions = if full {
            BlockTransactions::Full(
                txs.iter().map(|tx| transaction::pending(tx, Some(base_fee))).collect(),
            )
        } else {
            BlockTransactions::Hashes(txs.iter().map(|tx| tx.hash()).collect())
        };
        let withdrawals = header.withdrawals_root.is_some().then(Default::default);
        let header = RpcHeader::new(header);
        let block = RpcBlock { header, uncles: Vec::new(), transactions, withdrawals };
        let mut json = serde_json::to_value(block).map_err(Fault::Encode)?;
        for unknown in ["hash", "nonce", "miner"] {
            json[unknown] = Value::Null;
        }
        Ok(json)
    }
}
