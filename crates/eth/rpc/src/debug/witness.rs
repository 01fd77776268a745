//! What stateless validators need: the witness of a block, or of several in a row.

use std::collections::{BTreeMap, BTreeSet};

use alloy_eips::BlockId;
use alloy_primitives::{B256, Bytes};
use alloy_rlp::Decodable as _;
use ethrex_chain::ReplayError;
use ethrex_stateless::ExecutionWitness;
use ethrex_storage::{STATE_HISTORY, StorageError};
use ethrex_types::{Header, RecoveredBlock};

use crate::{Args, Context, RpcError, rerun::Allowance};

/// Of one block; or of all canonical ones from that to a second one, what their witnesses hold together.
pub(super) fn of_blocks(context: &Context, args: &mut Args) -> Result<ExecutionWitness, RpcError> {
    let first = context.existing_block(args.required()?)?;
    let Some(last) = args.optional()? else { return witness(context, &first) };
    let (first, last) = (first.sealed().sealed_header(), context.header(last)?);
    for end in [&first, &last] {
        if context.canonical(end.number)? != Some(end.hash()) {
            return Err(RpcError::NotCanonical);
        }
    }
    if first.number > last.number {
        return Err(RpcError::InvalidParams("invalid block range params"));
    }
    let (blocks, limit) = (last.number - first.number + 1, STATE_HISTORY);
    if blocks > limit {
        return Err(RpcError::TooManyBlocks { blocks, limit });
    }
    let config = &context.config().trace;
    let allowance = Allowance::start(config, None);
    let mut union = Union::default();
    for number in first.number..=last.number {
        allowance.check()?;
        let block = context.existing_block(number.into())?;
        union.add(witness(context, &block)?)?;
        // In JSON it is twice as long.
        if union.bytes > config.answer_bytes / 2 {
            return Err(RpcError::AnswerTooLong(config.answer_bytes));
        }
    }
    Ok(union.into())
}

pub(super) fn by_hash(context: &Context, args: &mut Args) -> Result<ExecutionWitness, RpcError> {
    let id = BlockId::hash(args.required::<B256>()?);
    witness(context, &context.existing_block(id)?)
}

/// The witness that was stored with the block, or one from executing it again while its parent's state is kept.
fn witness(context: &Context, block: &RecoveredBlock) -> Result<ExecutionWitness, RpcError> {
    let chain = context.chain();
    let hash = block.sealed().hash();
    if let Some(witness) = chain.witness(hash)? {
        return Ok(witness);
    }
    match chain.replay(block) {
        Ok(Some(replayed)) => Ok(replayed.witness),
        Ok(None) => Err(RpcError::NoWitness(hash)),
        Err(ReplayError::Storage(fault)) => Err(fault.into()),
        Err(ReplayError::State(fault)) => Err(fault.into()),
        Err(why @ (ReplayError::Invalid(_) | ReplayError::Payload(_))) => {
            tracing::error!(%hash, error = %why, "cannot execute a stored block again");
            Err(RpcError::NoWitness(hash))
        }
    }
}

/// Witnesses put together: each entry once, in the order that a witness has.
#[derive(Debug, Default)]
struct Union {
    state: BTreeSet<Bytes>,
    codes: BTreeSet<Bytes>,
    keys: BTreeSet<Bytes>,
    /// By height.
    headers: BTreeMap<u64, Bytes>,
    /// Of all these.
    bytes: usize,
}

impl Union {
    fn add(&mut self, witness: ExecutionWitness) -> Result<(), StorageError> {
        let ExecutionWitness { state, codes, keys, headers } = witness;
        let sets = [(&mut self.state, state), (&mut self.codes, codes), (&mut self.keys, keys)];
        for (set, entries) in sets {
            for entry in entries {
                let bytes = entry.len();
                self.bytes += if set.insert(entry) { bytes } else { 0 };
            }
        }
        for header in headers {
            let number = Header::decode(&mut header.as_ref())
                .map_err(|source| StorageError::Corrupt { table: "witnesses", source })?
                .number;
            let bytes = header.len();
            self.bytes += self.headers.insert(number, header).map_or(bytes, |_| 0);
        }
        Ok(())
    }
}

impl From<Union> for ExecutionWitness {
    fn from(union: Union) -> Self {
        let list = |set: BTreeSet<Bytes>| set.into_iter().collect();
        let (state, codes, keys) = (list(union.state), list(union.codes), list(union.keys));
        Self { state, codes, keys, headers: union.headers.into_values().collect() }
    }
}
