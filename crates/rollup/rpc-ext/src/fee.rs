//! The fee parameters of a block.

use alloy_eips::BlockId;
use alloy_primitives::{Address, U64};
use ethrex_protocol::fee::FeeConfig;
use ethrex_rpc::{Args, RpcError};

use crate::{batch::height, context::Rollup};

pub(crate) fn base_fee_vault(
    rollup: &Rollup,
    args: &mut Args,
) -> Result<Option<Address>, RpcError> {
    Ok(fee_config(rollup, args)?.base_fee_vault)
}

pub(crate) fn operator_fee_vault(
    rollup: &Rollup,
    args: &mut Args,
) -> Result<Option<Address>, RpcError> {
    Ok(fee_config(rollup, args)?.operator_fee_config.map(|fee| fee.operator_fee_vault))
}

pub(crate) fn l1_fee_vault(rollup: &Rollup, args: &mut Args) -> Result<Option<Address>, RpcError> {
    Ok(fee_config(rollup, args)?.l1_fee_config.map(|fee| fee.l1_fee_vault))
}

/// Wei per unit of gas.
pub(crate) fn operator_fee(rollup: &Rollup, args: &mut Args) -> Result<U64, RpcError> {
    let fee = fee_config(rollup, args)?.operator_fee_config;
    Ok(U64::from(fee.map_or(0, |fee| fee.operator_fee_per_gas)))
}

/// Wei per unit of L1 blob gas; a JSON number.
pub(crate) fn l1_blob_base_fee(rollup: &Rollup, args: &mut Args) -> Result<u64, RpcError> {
    Ok(fee_config(rollup, args)?.l1_fee_config.map_or(0, |fee| fee.l1_fee_per_blob_gas))
}

/// The fee config under which a block was executed. The rules of this rollup know none but the empty one, which stands beside every
/// block that is published.
fn fee_config(rollup: &Rollup, args: &mut Args) -> Result<FeeConfig, RpcError> {
    let id = args.optional::<BlockId>()?.unwrap_or_default();
    match height(rollup, id)? {
        Some(_) => Ok(FeeConfig::default()),
        None => Err(RpcError::HeaderNotFound),
    }
}
