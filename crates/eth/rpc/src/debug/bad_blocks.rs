//! `debug_getBadBlocks`: what was found invalid last.

use alloy_primitives::{Address, B256, Bytes};
use ethrex_types::{RecoveredBlock, SealedBlock};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::{
    Args, Context, RpcError,
    answer::JsonList,
    eth::block::{RpcBlock, rpc_block},
};

/// An invalid block, in geth's shape.
#[derive(Debug, Serialize)]
struct BadBlock {
    block: RpcBlock,
    hash: B256,
    rlp: Bytes,
}

/// The newest first. So few are kept that the answer has room for them.
pub(super) fn bad_blocks(context: &Context, _: &mut Args) -> Result<Box<RawValue>, RpcError> {
    let mut list = JsonList::new(context.config().trace.answer_bytes);
    for bad in context.chain().bad_blocks() {
        let (hash, rlp) = (bad.hash(), alloy_rlp::encode(bad.block()).into());
        list.push(&BadBlock { block: shown(context, &bad), hash, rlp })?;
    }
    list.finish()
}

/// A block with a signature of nobody is shown with the hashes of its transactions alone.
fn shown(context: &Context, bad: &SealedBlock) -> RpcBlock {
    let spec = context.chain().spec();
    let fork = spec.fork_at(bad.number(), bad.header().timestamp);
    let senders = RecoveredBlock::senders_at(fork, bad);
    let full = senders.is_ok();
    let senders = senders.unwrap_or_else(|_| vec![Address::ZERO; bad.body().transactions.len()]);
    rpc_block(&RecoveredBlock::new_unchecked(bad.clone(), senders), full)
}
