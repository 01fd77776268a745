//! The `nr_*` namespace: where a native rollup stands, and what its contracts take as proofs.
//!
//! `docs/native-rollups/rpc.md` is its manual. It computes nothing of its own: derivation, envelopes and EXECUTE are those of the node.

use std::{
    sync::{Arc, OnceLock},
    time::{SystemTime, UNIX_EPOCH},
};

use alloy_eips::{BlockId, BlockNumberOrTag};
use alloy_primitives::{Address, B256, Bytes, U64, U256};
use ethrex_execute::{BlockBody, Execute, ExecuteResult, Flags, Header, Mode, level_of};
use ethrex_rpc::{Args, Context, RpcError, register};
use ethrex_settle::{
    Blocks, Outbox, OutboxError, OutboxProof, View,
    bindings::{Message, Mode as Settlement},
    derivation::Next,
    outbox,
};
use jsonrpsee::RpcModule;
use serde::{Deserialize, Serialize};

/// What the methods work on.
#[derive(Debug)]
pub(crate) struct Rollup {
    pub(crate) context: Context,
    /// `NativeRollup` on L1.
    pub(crate) contract: Address,
    pub(crate) outbox: Outbox,
    /// There once L1 has said what the rollup is.
    pub(crate) following: Arc<OnceLock<Following>>,
}

/// What follows L1.
#[derive(Debug)]
pub(crate) struct Following {
    pub(crate) view: View,
    pub(crate) blocks: Blocks,
    /// EXECUTE as L1 has it.
    pub(crate) execute: Execute,
}

/// The namespace.
pub(crate) fn module(rollup: Rollup) -> RpcModule<Rollup> {
    let workers = rollup.context.workers().clone();
    let mut module = RpcModule::new(rollup);
    register(&mut module, &workers, "nr_syncStatus", sync_status);
    register(&mut module, &workers, "nr_getMessageProof", message_proof);
    register(&mut module, &workers, "nr_getOutboxProof", outbox_proof);
    register(&mut module, &workers, "nr_getEnvelope", envelope);
    register(&mut module, &workers, "nr_verify", verify);
    module
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct SyncStatus {
    rollup: Address,
    mode: Option<&'static str>,
    l1_chain_id: Option<U64>,
    l1_number: Option<U64>,
    r#unsafe: BlockRef,
    safe: Option<BlockRef>,
    settled: Option<BlockRef>,
    items: Option<U64>,
    position: Option<U64>,
    messages: Option<U64>,
    forced: Option<Forced>,
}

#[derive(Debug, Serialize)]
struct BlockRef {
    number: U64,
    hash: B256,
}

impl BlockRef {
    const fn new(number: u64, hash: B256) -> Self {
        Self { number: U64::from_limbs([number]), hash }
    }
}

#[derive(Debug, Serialize)]
struct Forced {
    queued: U64,
    consumed: Option<U64>,
}

fn sync_status(rollup: &Rollup, _: &mut Args) -> Result<SyncStatus, RpcError> {
    let head = rollup.context.chain().head();
    let status = SyncStatus {
        rollup: rollup.contract,
        mode: None,
        l1_chain_id: None,
        l1_number: None,
        r#unsafe: BlockRef::new(head.number, head.hash()),
        safe: None,
        settled: None,
        items: None,
        position: None,
        messages: None,
        forced: None,
    };
    let Some(following) = rollup.following.get() else { return Ok(status) };
    Ok(following.view.read(|follower| {
        let derivation = follower.derivation();
        let deployment = derivation.deployment();
        let settled = follower.settled();
        let step = settled.and_then(|settled| follower.step_of_block(settled.number));
        let genesis = deployment.genesis();
        let after = match settled {
            Some(_) => step.map(|step| step.after),
            None => Some(genesis),
        };
        let tip = follower.tip().parent;
        SyncStatus {
            mode: Some(match deployment.config.mode {
                Settlement::INLINE => "inline",
                Settlement::OPTIMISTIC => "optimistic",
                Settlement::__Invalid => "unknown",
            }),
            l1_chain_id: Some(U64::from(deployment.l1_chain_id)),
            l1_number: derivation.upto().map(U64::from),
            safe: Some(BlockRef::new(tip.number, tip.hash)),
            settled: Some(match settled {
                Some(settled) => BlockRef::new(settled.number, settled.hash),
                None => BlockRef::new(genesis.parent.number, genesis.parent.hash),
            }),
            items: Some(U64::from(derivation.items())),
            position: after.map(|after| U64::from(after.position)),
            messages: Some(U64::from(derivation.message_count())),
            forced: Some(Forced {
                queued: U64::from(derivation.forced_count()),
                consumed: after.map(|after| U64::from(after.forced)),
            }),
            ..status
        }
    }))
}

/// A message as JSON writes it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RpcMessage {
    index: U64,
    sender: Address,
    to: Address,
    value: U256,
    fee: U256,
    gas_limit: U64,
    data: Bytes,
}

impl From<Message> for RpcMessage {
    fn from(message: Message) -> Self {
        let Message { index, sender, to, value, fee, gasLimit, data } = message;
        let (index, gas_limit) = (U64::from(index), U64::from(gasLimit));
        Self { index, sender, to, value, fee, gas_limit, data }
    }
}

#[derive(Debug, Serialize)]
struct MessageProof {
    message: RpcMessage,
    leaf: B256,
    count: U64,
    root: B256,
    path: Vec<B256>,
}

fn message_proof(rollup: &Rollup, args: &mut Args) -> Result<Option<MessageProof>, RpcError> {
    let index = args.required::<U64>()?.to::<u64>();
    let count = args.optional::<U64>()?.map(|count| count.to::<u64>());
    let Some(following) = rollup.following.get() else { return Ok(None) };
    Ok(following.view.read(|follower| {
        let derivation = follower.derivation();
        let count = count.unwrap_or_else(|| derivation.message_count());
        let message = derivation.message(index)?.message.clone();
        let (path, root) = derivation.message_path(index, count)?;
        let leaf = derivation.deployment().route().inbound(&message);
        let count = U64::from(count);
        Some(MessageProof { message: message.into(), leaf, count, root, path: path.to_vec() })
    }))
}

/// One message, or those of a transaction.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Which {
    Transaction(B256),
    Index(U64),
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum OutboxAnswer {
    One(Box<RpcOutboxProof>),
    Many(Vec<RpcOutboxProof>),
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct RpcOutboxProof {
    message: RpcMessage,
    leaf: B256,
    number: U64,
    root: B256,
    path: Vec<B256>,
    account_proof: Vec<Bytes>,
    storage_proof: Vec<Bytes>,
}

impl From<OutboxProof> for RpcOutboxProof {
    fn from(proof: OutboxProof) -> Self {
        Self {
            message: proof.message.into(),
            leaf: proof.leaf,
            number: U64::from(proof.number),
            root: proof.root,
            path: proof.path.to_vec(),
            account_proof: proof.account_proof,
            storage_proof: proof.storage_proof,
        }
    }
}

fn outbox_proof(rollup: &Rollup, args: &mut Args) -> Result<Option<OutboxAnswer>, RpcError> {
    let which = args.required::<Which>()?;
    let Some(settled) = settled(rollup)? else { return Ok(None) };
    match which {
        Which::Index(index) => {
            let proof = rollup.outbox.proof(index.to(), settled).map_err(fault)?;
            Ok(proof.map(|proof| OutboxAnswer::One(Box::new(proof.into()))))
        }
        Which::Transaction(hash) => {
            let Some(at) = rollup.context.location(hash)? else { return Ok(None) };
            if at.block.number > settled {
                return Ok(None);
            }
            let receipts = rollup.context.chain().storage().receipts(at.block.hash)?;
            let receipt = receipts.and_then(|receipts| receipts.into_iter().nth(at.index));
            let sent = outbox::sent(receipt.as_slice()).map_err(fault)?;
            let proofs = sent.iter().map(|(_, message)| {
                Ok(rollup.outbox.proof(message.index, settled).map_err(fault)?.map(Into::into))
            });
            let proofs = proofs.collect::<Result<Option<Vec<_>>, RpcError>>()?;
            Ok(proofs.map(OutboxAnswer::Many))
        }
    }
}

/// The newest settled block that is part of this chain; `None` while L1 has not been read, or the chain has not caught up with it.
fn settled(rollup: &Rollup) -> Result<Option<u64>, RpcError> {
    let Some(following) = rollup.following.get() else { return Ok(None) };
    let Some(settled) = following.view.read(|follower| follower.settled()) else {
        return Ok(None);
    };
    let known = rollup.context.canonical(settled.number)? == Some(settled.hash);
    Ok(known.then_some(settled.number))
}

/// The form in which EXECUTE is to verify a block.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Form {
    Block,
    Derive,
}

fn envelope(rollup: &Rollup, args: &mut Args) -> Result<Option<Bytes>, RpcError> {
    let block = args.required::<BlockNumberOrTag>()?;
    let form = args.required::<Form>()?;
    let Some(hash) = rollup.context.find(BlockId::Number(block))? else { return Ok(None) };
    match form {
        Form::Block => block_envelope(rollup, hash),
        Form::Derive => derive_envelope(rollup, hash),
    }
}

fn block_envelope(rollup: &Rollup, hash: B256) -> Result<Option<Bytes>, RpcError> {
    let chain = rollup.context.chain();
    let Some(block) = chain.storage().block(hash)? else { return Ok(None) };
    let Some(input) = chain.stateless_input(&block).map_err(RpcError::fault)? else {
        return Ok(None);
    };
    let Ok(level) = u8::try_from(level_of(chain.spec().chain_id())) else { return Ok(None) };
    let gas_bound = block.sealed().header().gas_limit;
    let header = Header { mode: Mode::Block, level, flags: Flags::NONE, gas_bound };
    let body = BlockBody { input, inclusion_list: None };
    Ok(Some(header.wrap(&body.encode()).into()))
}

fn derive_envelope(rollup: &Rollup, hash: B256) -> Result<Option<Bytes>, RpcError> {
    let Some(Following { view, blocks, .. }) = rollup.following.get() else { return Ok(None) };
    let Some(header) = rollup.context.chain().storage().header(hash)? else { return Ok(None) };
    let next = view.read(|follower| {
        let step = follower.step_of_block(header.number).filter(|step| step.block == Some(hash))?;
        Some(follower.derivation().next(&step.at))
    });
    let Some(Next::Block(plan)) = next else { return Ok(None) };
    let Some(block) = blocks.known(&plan).map_err(RpcError::fault)? else { return Ok(None) };
    let envelope = blocks.envelope(&plan, &block).map_err(RpcError::fault)?;
    Ok(Some(envelope.into()))
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Verdict {
    success: bool,
    gas: Option<U64>,
    failure: Option<Failure>,
    output: Option<Bytes>,
    block_hash: Option<B256>,
    number: Option<U64>,
    state_root: Option<B256>,
}

#[derive(Debug, Serialize)]
struct Failure {
    class: &'static str,
    reason: String,
}

fn verify(rollup: &Rollup, args: &mut Args) -> Result<Option<Verdict>, RpcError> {
    let input = args.required::<Bytes>()?;
    let Some(Following { execute, .. }) = rollup.following.get() else { return Ok(None) };
    // No block of L1 has more for it.
    let gas = execute.config().cumulative_gas_limit;
    let outcome = execute.run(unix_time(), gas, &input).map_err(RpcError::fault)?;
    let failed = |failure| Verdict {
        success: false,
        gas: None,
        failure: Some(failure),
        output: None,
        block_hash: None,
        number: None,
        state_root: None,
    };
    Ok(Some(match outcome.result {
        Err(class) => failed(Failure { class: class.name(), reason: class.to_string() }),
        Ok(output) => {
            let block = ExecuteResult::decode(&output).ok().filter(|it| !it.block_hash.is_zero());
            Verdict {
                success: true,
                gas: Some(U64::from(outcome.gas_charged)),
                failure: None,
                block_hash: block.as_ref().map(|block| block.block_hash),
                number: block.as_ref().map(|block| U64::from(block.number)),
                state_root: block.as_ref().map(|block| block.state_root),
                output: Some(output),
            }
        }
    }))
}

fn unix_time() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock stands after 1970").as_secs()
}

fn fault(error: OutboxError) -> RpcError {
    RpcError::fault(error)
}
