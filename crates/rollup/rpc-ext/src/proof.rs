//! Proofs that a transaction's messages to L1 are in a batch.

use alloy_primitives::B256;
use ethrex_protocol::{
    BatchNumber, L2Height,
    batch::L1MessageProof,
    messages::{L1Message, MessageError, l1_messages},
};
use ethrex_rpc::{Args, RpcError};

use crate::context::{Rollup, fault};

/// A batch does not contain a message that one of its blocks has sent: store and chain have come apart.
#[derive(Debug, thiserror::Error)]
#[error("batch {} does not contain message {leaf} of its block {}", batch.0, height.0)]
struct MessageNotInBatch {
    batch: BatchNumber,
    height: L2Height,
    leaf: B256,
}

/// One proof per message of the transaction, in the order of its logs; `null` while the transaction is in no sealed batch.
pub(crate) fn message_proof(
    rollup: &Rollup,
    args: &mut Args,
) -> Result<Option<Vec<L1MessageProof>>, RpcError> {
    let Some(at) = rollup.context.location(args.required()?)? else { return Ok(None) };
    let height = L2Height(at.block.number);
    let Some(stored) = rollup.store.batch_of_block(height).map_err(fault)? else {
        return Ok(None);
    };
    let batch = stored.batch;
    messages(rollup, at.block.hash, at.index)?
        .iter()
        .map(|message| {
            let leaf = message.leaf();
            batch.message_proof(message).ok_or_else(|| {
                RpcError::fault(MessageNotInBatch { batch: batch.number, height, leaf })
            })
        })
        .collect::<Result<_, _>>()
        .map(Some)
}

/// The messages to L1 that the transaction at `index` of a block has sent.
fn messages(rollup: &Rollup, block: B256, index: usize) -> Result<Vec<L1Message>, RpcError> {
    let receipts = rollup.context.chain().storage().receipts(block)?;
    let receipt = receipts.and_then(|receipts| receipts.into_iter().nth(index));
    let logs = receipt.map(|receipt| receipt.logs).unwrap_or_default();
    l1_messages(&logs).map_err(|error: MessageError| RpcError::fault(error))
}
