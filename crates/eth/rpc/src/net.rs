//! The `net` namespace.

use alloy_primitives::U64;
use jsonrpsee::RpcModule;

use crate::{Args, Context, RpcError, register};

pub(crate) fn module(context: &Context) -> RpcModule<Context> {
    let mut module = RpcModule::new(context.clone());
    let workers = context.workers();
    register(&mut module, workers, "net_version", version);
    register(&mut module, workers, "net_listening", listening);
    register(&mut module, workers, "net_peerCount", peer_count);
    module
}

/// The network id, which on every chain since the merge is the chain id, in decimal.
fn version(context: &Context, _: &mut Args) -> Result<String, RpcError> {
    Ok(context.chain().spec().chain_id().to_string())
}

/// This node has no peer-to-peer network.
fn listening(_: &Context, _: &mut Args) -> Result<bool, RpcError> {
    Ok(false)
}

/// See [`listening`].
fn peer_count(_: &Context, _: &mut Args) -> Result<U64, RpcError> {
    Ok(U64::ZERO)
}
