//! What a transaction should offer.

use alloy_eips::BlockId;
use alloy_primitives::{B256, U256};
use ethrex_types::{RecoveredBlock, SealedHeader, alloy_consensus::Transaction};
use parking_lot::Mutex;

use crate::{
    Args, Context, RpcError,
    config::{DEFAULT_TIP, MAX_TIP},
};

/// Blocks that are looked at.
const SAMPLED_BLOCKS: usize = 20;
/// Cheapest transactions of each block that count.
const SAMPLES_PER_BLOCK: usize = 3;
/// Tips below this, in wei per gas, say nothing about the market.
const LEAST_TIP: u128 = 2;
/// The percentile of the samples that is suggested.
const PERCENTILE: usize = 60;

/// The suggestion at the last head it was asked for.
#[derive(Debug, Default)]
pub(crate) struct TipCache(Mutex<Option<(B256, u128)>>);

pub(super) fn gas_price(context: &Context, _: &mut Args) -> Result<U256, RpcError> {
    let head = context.chain().head();
    let base_fee = head.base_fee_per_gas.unwrap_or_default();
    Ok(U256::from(context.suggested_tip(&head)? + u128::from(base_fee)))
}

pub(super) fn max_priority_fee_per_gas(context: &Context, _: &mut Args) -> Result<U256, RpcError> {
    Ok(U256::from(context.suggested_tip(&context.chain().head())?))
}

/// Of the next block.
pub(super) fn base_fee(context: &Context, _: &mut Args) -> Result<Option<U256>, RpcError> {
    Ok(ethrex_stf::next_base_fee(&context.chain().head()).map(U256::from))
}

/// Of the next block; zero before Cancun.
pub(super) fn blob_base_fee(context: &Context, _: &mut Args) -> Result<U256, RpcError> {
    let spec = context.chain().spec();
    Ok(U256::from(next_blob_fee(spec, &context.chain().head())))
}

/// The blob base fee of the block after `parent`, in wei per blob gas; zero before Cancun.
pub(super) fn next_blob_fee(spec: &ethrex_types::ChainSpec, parent: &SealedHeader) -> u128 {
    let timestamp = parent.timestamp.saturating_add(1);
    spec.blob_params_at(timestamp)
        .zip(ethrex_stf::next_excess_blob_gas(spec, parent, timestamp))
        .map_or(0, |(params, excess)| params.calc_blob_fee(excess))
}

impl Context {
    /// A tip with which a transaction should be mined soon, judged by what the last blocks took.
    pub(super) fn suggested_tip(&self, head: &SealedHeader) -> Result<u128, RpcError> {
        if let Some((hash, tip)) = *self.tips().0.lock()
            && hash == head.hash()
        {
            return Ok(tip);
        }
        let mut samples = Vec::new();
        let mut hash = head.hash();
        for _ in 0..SAMPLED_BLOCKS {
            let Some(block) = self.block(BlockId::hash(hash))? else { break };
            samples.extend(cheapest(&block));
            if block.sealed().number() == 0 {
                break;
            }
            hash = block.sealed().header().parent_hash;
        }
        samples.sort_unstable();
        let at = samples.len().saturating_sub(1) * PERCENTILE / 100;
        let tip = samples.get(at).copied().unwrap_or(DEFAULT_TIP).min(MAX_TIP);
        *self.tips().0.lock() = Some((head.hash(), tip));
        Ok(tip)
    }
}

/// The lowest tips of a block. An empty block says that the default would have done.
fn cheapest(block: &RecoveredBlock) -> Vec<u128> {
    let base_fee = block.sealed().header().base_fee_per_gas.unwrap_or_default();
    let mut tips: Vec<_> = block
        .sealed()
        .body()
        .transactions
        .iter()
        .filter(|tx| tx.as_privileged().is_none())
        .filter_map(|tx| tx.effective_tip_per_gas(base_fee))
        .filter(|tip| *tip >= LEAST_TIP)
        .collect();
    tips.sort_unstable();
    tips.truncate(SAMPLES_PER_BLOCK);
    if tips.is_empty() { vec![DEFAULT_TIP] } else { tips }
}
