//! Transactions on their way into the pool.

use std::time::Duration;

use alloy_primitives::{B256, Bytes};
use jsonrpsee::{RpcModule, types::ErrorObjectOwned};

use crate::{
    Args, Context, RpcError,
    config::{DEFAULT_SYNC_WAIT, MAX_SYNC_WAIT},
    eth::receipt::RpcReceipt,
};

/// Returns when the transaction is in the journal: a crash does not lose it.
pub(super) fn send_raw_transaction(context: &Context, args: &mut Args) -> Result<B256, RpcError> {
    let raw = args.required::<Bytes>()?;
    args.end()?;
    Ok(context.pool().add_raw(&raw)?)
}

/// Adds `eth_sendRawTransactionSync` (EIP-7966): sends, and waits for the receipt without holding a worker.
pub(super) fn register_sync(module: &mut RpcModule<Context>, context: &Context) {
    let context = context.clone();
    module
        .register_async_method("eth_sendRawTransactionSync", move |params, _, _| {
            let context = context.clone();
            async move {
                let args = Args::new(&params);
                send_and_wait(context, args).await.map_err(ErrorObjectOwned::from)
            }
        })
        .expect("each method is registered once");
}

async fn send_and_wait(
    context: Context,
    args: Result<Args, RpcError>,
) -> Result<RpcReceipt, RpcError> {
    let mut args = args?;
    let raw = args.required::<Bytes>()?;
    let waited =
        args.optional::<u64>()?.map_or(DEFAULT_SYNC_WAIT, Duration::from_millis).min(MAX_SYNC_WAIT);
    args.end()?;
    // Subscribed before sending, so that no block is missed.
    let mut heads = context.chain().subscribe();
    let pool = context.pool().clone();
    let hash = context.workers().run(move || Ok(pool.add_raw(&raw)?)).await?;
    let mined = async {
        loop {
            heads.changed().await.map_err(|_| RpcError::Stopping)?;
            if let Some(receipt) = receipt(&context, hash).await? {
                return Ok(receipt);
            }
        }
    };
    match tokio::time::timeout(waited, mined).await {
        Ok(result) => result,
        Err(_) => Err(RpcError::NotYetMined { hash, waited }),
    }
}

async fn receipt(context: &Context, hash: B256) -> Result<Option<RpcReceipt>, RpcError> {
    let reader = context.clone();
    context.workers().run(move || reader.receipt(hash)).await
}
