//! The `web3` namespace.

use alloy_primitives::{B256, Bytes, keccak256};
use jsonrpsee::RpcModule;

use crate::{Args, Context, RpcError, register};

pub(crate) fn module(context: &Context) -> RpcModule<Context> {
    let mut module = RpcModule::new(context.clone());
    let workers = context.workers();
    register(&mut module, workers, "web3_clientVersion", client_version);
    register(&mut module, workers, "web3_sha3", sha3);
    module
}

fn client_version(context: &Context, _: &mut Args) -> Result<String, RpcError> {
    Ok(context.config().client_version.clone())
}

fn sha3(_: &Context, args: &mut Args) -> Result<B256, RpcError> {
    Ok(keccak256(args.required::<Bytes>()?))
}
