//! What past blocks charged.

use alloy_eips::BlockNumberOrTag;
use alloy_primitives::U64;
use alloy_rpc_types_eth::FeeHistory;
use ethrex_types::{Receipt, RecoveredBlock, SealedHeader, alloy_consensus::Transaction};

use crate::{
    Args, Context, RpcError,
    config::{MAX_FEE_HISTORY, MAX_PERCENTILES},
    eth::gas_price::next_blob_fee,
};

pub(super) fn fee_history(context: &Context, args: &mut Args) -> Result<FeeHistory, RpcError> {
    let count = args.unprefixed::<U64>()?.to::<u64>().min(MAX_FEE_HISTORY);
    let newest = args.required::<BlockNumberOrTag>()?;
    let percentiles = args.optional::<Vec<f64>>()?.unwrap_or_default();
    check_percentiles(&percentiles)?;
    if count == 0 {
        return Ok(FeeHistory::default());
    }
    let newest = newest_header(context, newest)?;
    let count = count.min(newest.number.saturating_add(1));
    let oldest = newest.number + 1 - count;

    let mut history = FeeHistory { oldest_block: oldest, ..FeeHistory::default() };
    let mut rewards = Vec::new();
    for number in oldest..=newest.number {
        // A reorganisation meanwhile can shorten the chain.
        let Some(hash) = context.canonical(number)? else { return Err(RpcError::HeaderNotFound) };
        let storage = context.chain().storage();
        let header = storage.header(hash)?.ok_or(RpcError::HeaderNotFound)?;
        push(context, &mut history, &header);
        if !percentiles.is_empty() {
            let block = storage.block(hash)?.ok_or(RpcError::HeaderNotFound)?;
            let receipts = storage.receipts(hash)?.ok_or(RpcError::HeaderNotFound)?;
            rewards.push(block_rewards(&block, &receipts, &percentiles));
        }
    }
    let next = ethrex_stf::next_base_fee(&newest).unwrap_or_default();
    history.base_fee_per_gas.push(next.into());
    history.base_fee_per_blob_gas.push(next_blob_fee(context.chain().spec(), &newest));
    history.reward = (!percentiles.is_empty()).then_some(rewards);
    Ok(history)
}

fn newest_header(context: &Context, newest: BlockNumberOrTag) -> Result<SealedHeader, RpcError> {
    let head = context.chain().head().number;
    if let Some(requested) = newest.as_number().filter(|requested| *requested > head) {
        return Err(RpcError::BeyondHead { requested, head });
    }
    context.header(newest.into())
}

fn check_percentiles(percentiles: &[f64]) -> Result<(), RpcError> {
    if percentiles.len() > MAX_PERCENTILES {
        return Err(RpcError::InvalidParams("over the query limit 100"));
    }
    let mut least = 0.0;
    for percentile in percentiles {
        // Written so that what is not a number fails too.
        if !(*percentile >= least && *percentile <= 100.0) {
            return Err(RpcError::Percentile(*percentile));
        }
        least = *percentile;
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a ratio is shown, nothing is computed with it")]
fn push(context: &Context, history: &mut FeeHistory, header: &SealedHeader) {
    let ratio = |used: u64, of: u64| if of == 0 { 0.0 } else { used as f64 / of as f64 };
    let params = context.chain().spec().blob_params_at(header.timestamp);
    let blob_fee = params
        .zip(header.excess_blob_gas)
        .map_or(0, |(params, excess)| params.calc_blob_fee(excess));
    let max_blob_gas = params.map_or(0, |params| params.max_blob_gas_per_block());
    history.base_fee_per_gas.push(header.base_fee_per_gas.unwrap_or_default().into());
    history.gas_used_ratio.push(ratio(header.gas_used, header.gas_limit));
    history.base_fee_per_blob_gas.push(blob_fee);
    let blob_gas = header.blob_gas_used.unwrap_or_default();
    history.blob_gas_used_ratio.push(ratio(blob_gas, max_blob_gas));
}

/// The tip at each percentile of the gas of a block, with its transactions ordered by tip.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of the gas of one block, rounded as geth does"
)]
fn block_rewards(block: &RecoveredBlock, receipts: &[Receipt], percentiles: &[f64]) -> Vec<u128> {
    let header = block.sealed().header();
    let base_fee = header.base_fee_per_gas.unwrap_or_default();
    let mut before = 0;
    let mut paid: Vec<(u128, u64)> = block
        .transactions()
        .zip(receipts)
        .map(|((tx, _), receipt)| {
            let gas = receipt.cumulative_gas_used - before;
            before = receipt.cumulative_gas_used;
            // A message pays no tip.
            let tip = if tx.as_privileged().is_some() {
                None
            } else {
                tx.effective_tip_per_gas(base_fee)
            };
            (tip.unwrap_or_default(), gas)
        })
        .collect();
    paid.sort_unstable();
    percentiles
        .iter()
        .map(|percentile| {
            let threshold = (header.gas_used as f64 * percentile / 100.0) as u64;
            let mut sum = 0;
            let reached = paid.iter().find(|(_, gas)| {
                sum += gas;
                sum >= threshold
            });
            reached.or(paid.last()).map_or(0, |(tip, _)| *tip)
        })
        .collect()
}
