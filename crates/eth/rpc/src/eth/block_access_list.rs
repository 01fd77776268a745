//! Block access lists (EIP-7928), as they are stored with their blocks.

use alloy_primitives::{Address, B256, Bytes, U64, U256};
use alloy_rlp::Decodable;
use ethrex_chain::ReplayError;
use ethrex_storage::StorageError;
use ethrex_types::{BlockAccessList, RecoveredBlock};
use serde_json::{Value, json};

use crate::{Args, Context, RpcError};

/// `null` for a block that is not known, and for one before Amsterdam.
pub(super) fn get_block_access_list(
    context: &Context,
    args: &mut Args,
) -> Result<Option<Value>, RpcError> {
    let Some(block) = context.block(args.required()?)? else { return Ok(None) };
    let Some(list) = context.access_list(&block)? else { return Ok(None) };
    let list = BlockAccessList::decode(&mut list.as_ref())
        .map_err(|source| StorageError::Corrupt { table: "access_lists", source })?;
    Ok(Some(shown(&list)))
}

impl Context {
    /// The access list of a block, in RLP; `None` before Amsterdam. Where it is not stored it is made again, as long as the state is
    /// kept that the block ran on.
    pub(crate) fn access_list(&self, block: &RecoveredBlock) -> Result<Option<Bytes>, RpcError> {
        let header = block.sealed().header();
        if header.block_access_list_hash.is_none() {
            return Ok(None);
        }
        let stored = self.chain().storage().access_list(block.sealed().hash())?;
        if stored.is_some() {
            return Ok(stored);
        }
        match self.chain().replay(block) {
            Ok(Some(replayed)) => {
                Ok(replayed.executed.block_access_list.map(|list| alloy_rlp::encode(list).into()))
            }
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
