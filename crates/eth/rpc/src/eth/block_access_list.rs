//! Block access lists (EIP-7928), made again from blocks whose parent's state is kept.

use alloy_primitives::{Address, B256, Bytes, U64, U256};
use ethrex_chain::ReplayError;
use ethrex_types::{BlockAccessList, RecoveredBlock};
use serde_json::{Value, json};

use crate::{Args, Context, RpcError};

/// `null` for a block that is not known, and for one before Amsterdam.
pub(super) fn get_block_access_list(
    context: &Context,
    args: &mut Args,
) -> Result<Option<Value>, RpcError> {
    let Some(block) = context.block(args.required()?)? else { return Ok(None) };
    Ok(context.access_list(&block)?.as_ref().map(shown))
}

impl Context {
    /// The access list of a block; `None` before Amsterdam.
    pub(crate) fn access_list(
        &self,
        block: &RecoveredBlock,
    ) -> Result<Option<BlockAccessList>, RpcError> {
        let header = block.sealed().header();
        if header.block_access_list_hash.is_none() {
            return Ok(None);
        }
        match self.chain().replay(block) {
            Ok(Some(replayed)) => Ok(replayed.executed.block_access_list),
            Ok(None) => Err(RpcError::Pruned),
            Err(ReplayError::Storage(fault)) => Err(fault.into()),
            Err(ReplayError::State(fault)) => Err(fault.into()),
            Err(why @ (ReplayError::Invalid(_) | ReplayError::Payload(_))) => {
                tracing::error!(number = header.number, error = %why, "cannot execute a stored block again");
                Err(RpcError::Pruned)
            }
        }
    }
}

/// In the words of the execution APIs.
fn shown(list: &BlockAccessList) -> Value {
    let accounts = list.iter().map(|account| {
        let address: Address = account.address;
        let storage: Vec<_> = account
            .storage_changes
            .iter()
            .map(|slot| {
                let changes = slot.changes.iter();
                let changes: Vec<_> = changes
                    .map(|at| json!({"index": U64::from(at.block_access_index.0), "value": B256::from(at.new_value)}))
                    .collect();
                json!({"key": B256::from(slot.slot), "changes": changes})
            })
            .collect();
        let reads: Vec<_> = account.storage_reads.iter().map(|slot| B256::from(*slot)).collect();
        let balances: Vec<_> = account
            .balance_changes
            .iter()
            .map(|at| json!({"index": U64::from(at.block_access_index.0), "value": U256::from(at.post_balance)}))
            .collect();
        let nonces: Vec<_> = account
            .nonce_changes
            .iter()
            .map(|at| json!({"index": U64::from(at.block_access_index.0), "value": U64::from(at.new_nonce)}))
            .collect();
        let codes: Vec<_> = account
            .code_changes
            .iter()
            .map(|at| json!({"index": U64::from(at.block_access_index.0), "code": Bytes::clone(&at.new_code)}))
            .collect();
        json!({
            "address": address,
            "storageChanges": storage,
            "storageReads": reads,
            "balanceChanges": balances,
            "nonceChanges": nonces,
            "codeChanges": codes,
        })
    });
    Value::Array(accounts.collect())
}
