//! What changes a node from outside: for operators.

use alloy_eips::BlockNumberOrTag;
use ethrex_chain::ChainError;
use ethrex_storage::StorageError;
use jsonrpsee::RpcModule;

use crate::{Args, Context, Methods, RpcError, Workers, register};

/// `debug_setHead`, for a chain whose head no other task of this node decides. A consensus client moves it again with its next fork choice.
///
/// # Panics
/// Never: the namespace is empty before.
#[must_use]
pub fn control(context: &Context) -> Methods {
    let mut module = RpcModule::new(context.clone());
    register(&mut module, context.workers(), "debug_setHead", set_head);
    module.into()
}

/// Changes what the process logs, to a filter as `--log.level` takes it; the error says what is wrong with it.
pub type SetLogFilter = fn(&str) -> Result<(), String>;

/// `admin_setLogLevel`, for a process whose log can be changed.
///
/// # Panics
/// Never: the namespace is empty before.
#[must_use]
pub fn log_level(set: SetLogFilter) -> Methods {
    let mut module = RpcModule::new(set);
    register(&mut module, &Workers::new(1), "admin_setLogLevel", set_log_level);
    module.into()
}

/// What is said holds until the next change, or the end of the process.
fn set_log_level(set: &SetLogFilter, args: &mut Args) -> Result<bool, RpcError> {
    let filter = args.unprefixed::<String>()?;
    args.end()?;
    set(&filter).map_err(RpcError::LogFilter)?;
    tracing::info!(?filter, "a caller has changed what is logged");
    Ok(true)
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
