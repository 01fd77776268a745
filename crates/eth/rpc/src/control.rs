//! What moves the head of a chain from outside: for operators.

use alloy_eips::BlockNumberOrTag;
use ethrex_chain::ChainError;
use ethrex_storage::StorageError;
use jsonrpsee::RpcModule;

use crate::{Args, Context, Methods, RpcError, register};

/// `debug_setHead`, for a chain of which nobody else decides the head.
///
/// # Panics
/// Never: the namespace is empty before.
#[must_use]
pub fn control(context: &Context) -> Methods {
    let mut module = RpcModule::new(context.clone());
    register(&mut module, context.workers(), "debug_setHead", set_head);
    module.into()
}

/// Goes back to a block of the canonical chain. Those above are canonical no more.
fn set_head(context: &Context, args: &mut Args) -> Result<(), RpcError> {
    let header = context.header(args.required::<BlockNumberOrTag>()?.into())?;
    args.end()?;
    match context.chain().advance(header.hash(), context.pool()) {
        Ok(()) => Ok(()),
        Err(ChainError::Storage(StorageError::UnknownHead(_)) | ChainError::UnknownBlock(_)) => {
            Err(RpcError::NoState(header.state_root))
        }
        Err(ChainError::Storage(fault)) => Err(fault.into()),
        Err(ChainError::State(fault)) => Err(fault.into()),
    }
}
