//! Receipts.

use alloy_eips::BlockId;
use alloy_primitives::B256;
use alloy_rpc_types_eth::{Log, TransactionReceipt};
use ethrex_types::{
    ChainSpec, Receipt, RecoveredBlock,
    alloy_consensus::{ReceiptWithBloom, Transaction, TxReceipt},
};

use crate::{Args, Context, RpcError};

pub(crate) type RpcReceipt = TransactionReceipt<ReceiptWithBloom<Receipt<Log>>>;

pub(super) fn get_receipt(
    context: &Context,
    args: &mut Args,
) -> Result<Option<RpcReceipt>, RpcError> {
    context.receipt(args.required()?)
}

pub(super) fn get_block_receipts(
    context: &Context,
    args: &mut Args,
) -> Result<Option<Vec<RpcReceipt>>, RpcError> {
    context.receipts_of(args.required()?)
}

impl Context {
    /// The receipt of a mined transaction.
    pub(super) fn receipt(&self, hash: B256) -> Result<Option<RpcReceipt>, RpcError> {
        let Some(at) = self.location(hash)? else { return Ok(None) };
        let receipts = self.receipts_of(BlockId::hash(at.block.hash))?;
        Ok(receipts.and_then(|receipts| receipts.into_iter().nth(at.index)))
    }

    fn receipts_of(&self, id: BlockId) -> Result<Option<Vec<RpcReceipt>>, RpcError> {
        let Some(block) = self.block(id)? else { return Ok(None) };
        let receipts = self.chain().storage().receipts(block.sealed().hash())?;
        Ok(receipts.map(|receipts| rpc_receipts(self.chain().spec(), &block, receipts)))
    }
}

/// The receipts of a block with everything that its place adds.
fn rpc_receipts(
    spec: &ChainSpec,
    block: &RecoveredBlock,
    receipts: Vec<Receipt>,
) -> Vec<RpcReceipt> {
    let (hash, header) = (block.sealed().hash(), block.sealed().header());
    let blob_fee = spec
        .blob_params_at(header.timestamp)
        .zip(header.excess_blob_gas)
        .map(|(params, excess)| params.calc_blob_fee(excess));
    let (mut gas_before, mut log_index) = (0, 0);
    let numbered = (0..).zip(block.transactions()).zip(receipts);
    numbered
        .map(|((index, (tx, sender)), receipt)| {
            let bloom = receipt.bloom();
            let gas_used = receipt.cumulative_gas_used - gas_before;
            gas_before = receipt.cumulative_gas_used;
            let inner = receipt.map_logs(|log| {
                log_index += 1;
                Log {
                    inner: log,
                    block_hash: Some(hash),
                    block_number: Some(header.number),
                    block_timestamp: Some(header.timestamp),
                    transaction_hash: Some(tx.hash()),
                    transaction_index: Some(index),
                    log_index: Some(log_index - 1),
                    removed: false,
                }
            });
            let blob_gas_used = tx.blob_gas_used();
            RpcReceipt {
                inner: ReceiptWithBloom::new(inner, bloom),
                transaction_hash: tx.hash(),
                transaction_index: Some(index),
                block_hash: Some(hash),
                block_number: Some(header.number),
                gas_used,
                effective_gas_price: tx.effective_gas_price(header.base_fee_per_gas),
                blob_gas_used,
                blob_gas_price: blob_gas_used.and(blob_fee),
                from: sender,
                to: tx.to(),
                contract_address: tx.is_create().then(|| sender.create(tx.nonce())),
            }
        })
        .collect()
}
