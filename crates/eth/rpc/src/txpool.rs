//! The `txpool` namespace.

use std::collections::BTreeMap;

use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, U64};
use ethrex_txpool::{BySender, Content, PoolTx};
use ethrex_types::{Tx, alloy_consensus::Transaction};
use jsonrpsee::RpcModule;
use serde::Serialize;

use crate::{Args, Context, RpcError, eth::transaction::pending, register};

type RpcTx = alloy_rpc_types_eth::Transaction<Tx>;

/// By nonce, in decimal.
type ByNonce<T> = BTreeMap<u64, T>;

/// Ready and waiting transactions, in the words of the field.
#[derive(Debug, Serialize)]
struct Split<T> {
    pending: T,
    queued: T,
}

pub(crate) fn module(context: &Context) -> RpcModule<Context> {
    let mut module = RpcModule::new(context.clone());
    let workers = context.workers();
    register(&mut module, workers, "txpool_status", status);
    register(&mut module, workers, "txpool_content", content);
    register(&mut module, workers, "txpool_contentFrom", content_from);
    register(&mut module, workers, "txpool_inspect", inspect);
    module
}

fn status(context: &Context, _: &mut Args) -> Result<Split<U64>, RpcError> {
    let status = context.pool().status();
    Ok(Split { pending: U64::from(status.ready), queued: U64::from(status.waiting) })
}

fn content(
    context: &Context,
    _: &mut Args,
) -> Result<Split<BTreeMap<String, ByNonce<RpcTx>>>, RpcError> {
    let content = context.showable(context.pool().content())?;
    let show = |tx: &PoolTx| pending(tx, None);
    Ok(Split {
        pending: by_sender(&content.ready, show),
        queued: by_sender(&content.waiting, show),
    })
}

fn content_from(context: &Context, args: &mut Args) -> Result<Split<ByNonce<RpcTx>>, RpcError> {
    let content = context.showable(context.pool().content_from(args.required::<Address>()?))?;
    let all = |side: &BySender| {
        side.values().flatten().map(|tx| (tx.nonce(), pending(tx, None))).collect()
    };
    Ok(Split { pending: all(&content.ready), queued: all(&content.waiting) })
}

fn inspect(
    context: &Context,
    _: &mut Args,
) -> Result<Split<BTreeMap<String, ByNonce<String>>>, RpcError> {
    let content = context.showable(context.pool().content())?;
    Ok(Split {
        pending: by_sender(&content.ready, summary),
        queued: by_sender(&content.waiting, summary),
    })
}

impl Context {
    /// What of the pool becomes JSON is held in memory as a whole, so it is bounded before it does.
    fn showable(&self, content: Content) -> Result<Content, RpcError> {
        let sides = [&content.ready, &content.waiting];
        let txs = || sides.iter().flat_map(|side| side.values().flatten());
        let limit = self.config().max_shown_txs;
        if txs().count() > limit {
            return Err(RpcError::PoolTooLarge { what: "transactions", limit });
        }
        let limit = self.config().max_shown_tx_bytes;
        if txs().map(|tx| tx.tx().encode_2718_len()).sum::<usize>() > limit {
            return Err(RpcError::PoolTooLarge { what: "bytes of transactions", limit });
        }
        Ok(content)
    }
}

fn by_sender<T>(side: &BySender, show: impl Fn(&PoolTx) -> T) -> BTreeMap<String, ByNonce<T>> {
    side.iter()
        .map(|(sender, txs)| {
            (sender.to_string(), txs.iter().map(|tx| (tx.nonce(), show(tx))).collect())
        })
        .collect()
}

fn summary(tx: &PoolTx) -> String {
    let to = match tx.tx().to() {
        Some(to) => to.to_string(),
        None => "contract creation".to_owned(),
    };
    let tx = tx.tx();
    format!("{to}: {} wei + {} gas × {} wei", tx.value(), tx.gas_limit(), tx.max_fee_per_gas())
}
