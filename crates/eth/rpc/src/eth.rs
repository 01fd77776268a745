//! The `eth` namespace.

use alloy_primitives::{Address, U64};
use jsonrpsee::RpcModule;

use crate::{Args, Context, RpcError, Workers, register};

mod access_list;
mod account;
mod accounts;
pub(crate) mod block;
mod block_access_list;
pub(crate) mod call;
mod capabilities;
mod estimate;
mod fee_history;
mod fill;
pub(crate) mod filters;
mod fork_config;
pub(crate) mod gas_price;
mod logs;
mod overrides;
pub(crate) mod receipt;
pub(crate) mod revert;
mod send;
mod simulate;
mod subscribe;
pub(crate) mod transaction;

pub use accounts::{Accounts, BadKey};

/// Its methods work on `workers`.
pub(crate) fn module(context: &Context, workers: &Workers) -> RpcModule<Context> {
    let mut module = RpcModule::new(context.clone());
    macro_rules! methods {
        ($($name:literal => $method:path,)*) => {
            $(register(&mut module, workers, $name, $method);)*
        };
    }
    methods! {
        "eth_chainId" => chain_id,
        "eth_blockNumber" => block_number,
        "eth_syncing" => syncing,
        "eth_accounts" => accounts::accounts,
        "eth_coinbase" => coinbase,
        "eth_capabilities" => capabilities::capabilities,
        "eth_config" => fork_config::config,
        "eth_gasPrice" => gas_price::gas_price,
        "eth_maxPriorityFeePerGas" => gas_price::max_priority_fee_per_gas,
        "eth_blobBaseFee" => gas_price::blob_base_fee,
        "eth_baseFee" => gas_price::base_fee,
        "eth_feeHistory" => fee_history::fee_history,
        "eth_getBalance" => account::get_balance,
        "eth_getCode" => account::get_code,
        "eth_getStorageAt" => account::get_storage_at,
        "eth_getStorageValues" => account::get_storage_values,
        "eth_getTransactionCount" => account::get_transaction_count,
        "eth_getProof" => account::get_proof,
        "eth_getBlockByHash" => block::get_block_by_hash,
        "eth_getBlockByNumber" => block::get_block_by_number,
        "eth_getHeaderByHash" => block::get_header_by_hash,
        "eth_getHeaderByNumber" => block::get_header_by_number,
        "eth_getBlockTransactionCountByHash" => block::get_transaction_count,
        "eth_getBlockTransactionCountByNumber" => block::get_transaction_count,
        "eth_getUncleCountByBlockHash" => block::get_uncle_count,
        "eth_getUncleCountByBlockNumber" => block::get_uncle_count,
        "eth_getUncleByBlockHashAndIndex" => block::get_uncle,
        "eth_getUncleByBlockNumberAndIndex" => block::get_uncle,
        "eth_getTransactionByHash" => transaction::get_by_hash,
        "eth_getTransactionByBlockHashAndIndex" => transaction::get_by_index,
        "eth_getTransactionByBlockNumberAndIndex" => transaction::get_by_index,
        "eth_getRawTransactionByHash" => transaction::get_raw_by_hash,
        "eth_getRawTransactionByBlockHashAndIndex" => transaction::get_raw_by_index,
        "eth_getRawTransactionByBlockNumberAndIndex" => transaction::get_raw_by_index,
        "eth_getTransactionReceipt" => receipt::get_receipt,
        "eth_getBlockAccessList" => block_access_list::get_block_access_list,
        "eth_getBlockReceipts" => receipt::get_block_receipts,
        "eth_getLogs" => logs::get_logs,
        "eth_newFilter" => filters::new_log_filter,
        "eth_newBlockFilter" => filters::new_block_filter,
        "eth_newPendingTransactionFilter" => filters::new_pending_filter,
        "eth_getFilterChanges" => filters::get_changes,
        "eth_getFilterLogs" => filters::get_logs,
        "eth_uninstallFilter" => filters::uninstall,
        "eth_call" => call::call,
        "eth_estimateGas" => estimate::estimate_gas,
        "eth_simulateV1" => simulate::simulate,
        "eth_createAccessList" => access_list::create_access_list,
        "eth_fillTransaction" => fill::fill_transaction,
        "eth_sign" => accounts::sign,
        "eth_signTransaction" => accounts::sign_transaction,
        "eth_sendTransaction" => accounts::send_transaction,
        "eth_sendRawTransaction" => send::send_raw_transaction,
    }
    send::register_sync(&mut module, context);
    subscribe::register(&mut module);
    module
}

fn chain_id(context: &Context, _: &mut Args) -> Result<U64, RpcError> {
    Ok(U64::from(context.chain().spec().chain_id()))
}

fn block_number(context: &Context, _: &mut Args) -> Result<U64, RpcError> {
    Ok(U64::from(context.chain().head().number))
}

/// A node without a peer-to-peer network is never behind anyone.
fn syncing(_: &Context, _: &mut Args) -> Result<bool, RpcError> {
    Ok(false)
}

/// Who receives the fees of the blocks that this node makes of its own accord.
fn coinbase(context: &Context, _: &mut Args) -> Result<Address, RpcError> {
    context.config().coinbase.ok_or(RpcError::NoCoinbase)
}
