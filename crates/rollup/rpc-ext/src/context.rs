//! What the methods share.

use ethrex_rpc::{Context, RpcError, register};
use ethrex_store::{Store, StoreError};
use jsonrpsee::RpcModule;

use crate::{batch, fee, proof};

/// The chain and the rollup's store.
#[derive(Debug, Clone)]
pub(crate) struct Rollup {
    pub(crate) context: Context,
    pub(crate) store: Store,
}

/// The namespace over a chain and the store of its rollup.
#[must_use]
pub fn module(context: &Context, store: &Store) -> RpcModule<impl Send + Sync + use<>> {
    let workers = context.workers();
    let mut module = RpcModule::new(Rollup { context: context.clone(), store: store.clone() });
    register(&mut module, workers, "ethrex_batchNumber", batch::batch_number);
    register(&mut module, workers, "ethrex_getBatchByNumber", batch::get_by_number);
    register(&mut module, workers, "ethrex_getBatchByBlock", batch::get_by_block);
    register(&mut module, workers, "ethrex_getL1MessageProof", proof::message_proof);
    register(&mut module, workers, "ethrex_getBaseFeeVaultAddress", fee::base_fee_vault);
    register(&mut module, workers, "ethrex_getOperatorFeeVaultAddress", fee::operator_fee_vault);
    register(&mut module, workers, "ethrex_getL1FeeVaultAddress", fee::l1_fee_vault);
    register(&mut module, workers, "ethrex_getOperatorFee", fee::operator_fee);
    register(&mut module, workers, "ethrex_getL1BlobBaseFee", fee::l1_blob_base_fee);
    module
}

/// A failure of the store is ours; the caller learns only that.
pub(crate) fn fault(error: StoreError) -> RpcError {
    RpcError::fault(error)
}
