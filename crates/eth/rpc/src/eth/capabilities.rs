//! `eth_capabilities`: how far back this node can answer.

use alloy_primitives::U64;
use ethrex_storage::STATE_HISTORY;
use serde_json::{Value, json};

use crate::{Args, Context, RpcError};

pub(super) fn capabilities(context: &Context, _: &mut Args) -> Result<Value, RpcError> {
    let chain = context.chain();
    let head = chain.head();
    let first = U64::from(chain.spec().genesis().number.unwrap_or_default());
    let all = json!({"disabled": false, "oldestBlock": first});
    let recent = json!({
        "disabled": false,
        "oldestBlock": U64::from(chain.storage().earliest_state().number),
        "deleteStrategy": {"type": "window", "retentionBlocks": U64::from(STATE_HISTORY)},
    });
    Ok(json!({
        "head": {"number": U64::from(head.number), "hash": head.hash()},
        "state": recent,
        "tx": all,
        "logs": all,
        "receipts": all,
        "blocks": all,
        "stateproofs": recent,
    }))
}
