//! The `trace` namespace: traces as Parity gave them, and explorers still read them.

use std::sync::Arc;

use alloy_eips::BlockId;
use alloy_primitives::{B256, Bytes, map::HashSet};
use alloy_rpc_types_eth::{Index, TransactionRequest, state::StateOverride};
use alloy_rpc_types_trace::parity::{
    LocalizedTransactionTrace, TraceResults, TraceResultsWithTransactionHash, TraceType,
    TransactionTrace,
};
use ethrex_evm::{
    BlockContext,
    trace::{Trace, Tracer},
};
use ethrex_types::{Header, RecoveredBlock, SealedHeader, StateDiff};
use jsonrpsee::RpcModule;
use serde_json::value::RawValue;

use crate::{
    Args, Context, RpcError,
    answer::{JsonList, json},
    block_id::Environment,
    changed::Changed,
    eth::call::Simulation,
    register,
    rerun::{Allowance, failed},
};

mod filter;
mod reward;

pub(crate) fn module(context: &Context) -> RpcModule<Context> {
    let mut module = RpcModule::new(context.clone());
    let workers = context.tracers();
    register(&mut module, workers, "trace_block", block);
    register(&mut module, workers, "trace_transaction", transaction);
    register(&mut module, workers, "trace_get", get);
    register(&mut module, workers, "trace_filter", filter::filter);
    register(&mut module, workers, "trace_call", call);
    register(&mut module, workers, "trace_callMany", call_many);
    register(&mut module, workers, "trace_rawTransaction", raw_transaction);
    register(&mut module, workers, "trace_replayTransaction", replay_transaction);
    register(&mut module, workers, "trace_replayBlockTransactions", replay_block);
    module
}

/// The kinds of trace that a caller wants.
type Types = HashSet<TraceType>;

/// A job of tracing, within what one request may take.
struct Job<'a> {
    context: &'a Context,
    tracer: Tracer,
    allowance: Allowance<'a>,
}

impl<'a> Job<'a> {
    fn new(context: &'a Context, types: Types) -> Self {
        let allowance = Allowance::start(&context.config().trace, None);
        Self { context, tracer: Tracer::parity(types, allowance.limits()), allowance }
    }

    /// For what a transaction did, call by call.
    fn calls(context: &'a Context) -> Self {
        Self::new(context, [TraceType::Trace].into_iter().collect())
    }

    fn limit(&self) -> usize {
        self.context.config().trace.answer_bytes
    }

    /// What one transaction of a block did.
    fn one(&self, block: &RecoveredBlock, index: usize) -> Result<TraceResults, RpcError> {
        let state = self.context.state_before(block)?;
        let mut rerun = self.context.rerun(block, &state, self.allowance)?;
        rerun.skip_to(index)?;
        let traced = rerun.trace_next(&self.tracer)?;
        let (_, trace) = traced.expect("a transaction's place is in its block");
        Ok(parity(trace))
    }

    /// What each transaction of a block did, handed over one by one. Nothing of the genesis block.
    fn each(
        &self,
        block: &RecoveredBlock,
        mut take: impl FnMut(usize, B256, TraceResults) -> Result<Flow, RpcError>,
    ) -> Result<Flow, RpcError> {
        let state = match self.context.state_before(block) {
            Err(RpcError::Genesis) => return Ok(Flow::GoOn),
            state => state?,
        };
        let mut rerun = self.context.rerun(block, &state, self.allowance)?;
        let mut index = 0;
        while let Some((tx, trace)) = rerun.trace_next(&self.tracer)? {
            if take(index, tx.hash(), parity(trace))? == Flow::Enough {
                return Ok(Flow::Enough);
            }
            index += 1;
        }
        Ok(Flow::GoOn)
    }
}

/// Whether whoever takes traces wants more of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Flow {
    GoOn,
    Enough,
}

fn block(context: &Context, args: &mut Args) -> Result<Option<Box<RawValue>>, RpcError> {
    let Some(block) = context.block(args.required::<BlockId>()?)? else { return Ok(None) };
    let job = Job::calls(context);
    let mut list = JsonList::new(job.limit());
    job.each(&block, |index, hash, results| {
        for trace in results.trace {
            list.push(&placed(trace, &block, Some((index, hash))))?;
        }
        Ok(Flow::GoOn)
    })?;
    for trace in reward::of(context.chain().spec(), &block) {
        list.push(&placed(trace, &block, None))?;
    }
    list.finish().map(Some)
}

fn transaction(context: &Context, args: &mut Args) -> Result<Option<Box<RawValue>>, RpcError> {
    let hash = args.required::<B256>()?;
    let Some(traces) = transaction_traces(context, hash)? else { return Ok(None) };
    json(&traces, context.config().trace.answer_bytes).map(Some)
}

/// The trace at an address, which is the path of calls to it.
fn get(context: &Context, args: &mut Args) -> Result<Option<Box<RawValue>>, RpcError> {
    let hash = args.required::<B256>()?;
    let path = args.required::<Vec<Index>>()?;
    let Some(traces) = transaction_traces(context, hash)? else { return Ok(None) };
    let at_path = |trace: &LocalizedTransactionTrace| {
        trace.trace.trace_address.iter().copied().eq(path.iter().map(|index| index.0))
    };
    let Some(trace) = traces.into_iter().find(at_path) else { return Ok(None) };
    json(&trace, context.config().trace.answer_bytes).map(Some)
}

fn transaction_traces(
    context: &Context,
    hash: B256,
) -> Result<Option<Vec<LocalizedTransactionTrace>>, RpcError> {
    let Some((block, index)) = context.mined(hash)? else { return Ok(None) };
    let results = Job::calls(context).one(&block, index)?;
    let place = |trace| placed(trace, &block, Some((index, hash)));
    Ok(Some(results.trace.into_iter().map(place).collect()))
}

fn call(context: &Context, args: &mut Args) -> Result<Box<RawValue>, RpcError> {
    let request = args.required::<TransactionRequest>()?;
    let job = Job::new(context, args.required::<Types>()?);
    let environment = context.environment(args.optional::<BlockId>()?)?;
    let overrides = args.optional()?.unwrap_or_default();
    let mut simulation = Simulation::new(context, environment, overrides, args.optional()?)?;
    let call = simulation.prepare(request)?;
    let (trace, _) = simulation.trace(&call, &job.tracer)?;
    json(&parity(trace), job.limit())
}

/// Each call sees what those before it have done.
fn call_many(context: &Context, args: &mut Args) -> Result<Box<RawValue>, RpcError> {
    let calls = args.required::<Vec<(TransactionRequest, Types)>>()?;
    let (wanted, limit) = (calls.len(), context.config().trace.calls);
    if wanted > limit {
        return Err(RpcError::TooManyCalls { wanted, limit });
    }
    let Environment { header, state } = context.environment(args.optional::<BlockId>()?)?;
    let mut state = Arc::new(Changed::new(state, StateDiff::default()));
    let allowance = Allowance::start(&context.config().trace, None);
    let mut list = JsonList::new(context.config().trace.answer_bytes);
    for (request, types) in calls {
        allowance.check()?;
        let tracer = Tracer::parity(types, allowance.limits());
        let environment = Environment { header: header.clone(), state: state.clone() };
        let mut simulation = Simulation::new(context, environment, StateOverride::default(), None)?;
        let call = simulation.prepare(request)?;
        let (trace, changes) = simulation.trace(&call, &tracer)?;
        list.push(&parity(trace))?;
        // The state is changed in place, once nobody else holds it.
        drop(simulation);
        Arc::make_mut(&mut state).change(changes);
    }
    list.finish()
}

/// A signed transaction, as if it came first in the next block.
fn raw_transaction(context: &Context, args: &mut Args) -> Result<Box<RawValue>, RpcError> {
    let raw = args.required::<Bytes>()?;
    let job = Job::new(context, args.required::<Types>()?);
    let id = args.optional::<BlockId>()?;
    let (tx, sender) = ethrex_txpool::PoolTx::from_raw(&raw)
        .map_err(|refused| RpcError::Refused(Box::new(refused)))?;
    context.chain().rules().admit(&tx).map_err(|why| RpcError::TracingFailed(why.to_string()))?;
    let parent = context.header(id.unwrap_or_default())?;
    let state = context.state_after(&parent)?;
    let header = next_header(context, &parent);
    let withdrawals = header.withdrawals_root.map(|_| [].as_slice());
    let next = BlockContext { header: &header, ommers: &[], withdrawals };
    let mut executor = context.open(&next, &state)?;
    let trace = executor.trace(&tx, sender, &job.tracer, Default::default()).map_err(failed)?;
    json(&parity(trace), job.limit())
}

/// What can be known of the block after this one. The beacon root that opens it cannot.
fn next_header(context: &Context, parent: &SealedHeader) -> Header {
    let mut header = context.pending_header(parent);
    header.parent_beacon_block_root = header.excess_blob_gas.map(|_| B256::ZERO);
    header
}

fn replay_transaction(
    context: &Context,
    args: &mut Args,
) -> Result<Option<Box<RawValue>>, RpcError> {
    let hash = args.required::<B256>()?;
    let job = Job::new(context, args.required::<Types>()?);
    let Some((block, index)) = context.mined(hash)? else { return Ok(None) };
    json(&job.one(&block, index)?, job.limit()).map(Some)
}

fn replay_block(context: &Context, args: &mut Args) -> Result<Option<Box<RawValue>>, RpcError> {
    let id = args.required::<BlockId>()?;
    let job = Job::new(context, args.required::<Types>()?);
    let Some(block) = context.block(id)? else { return Ok(None) };
    let mut list = JsonList::new(job.limit());
    job.each(&block, |_, transaction_hash, full_trace| {
        list.push(&TraceResultsWithTransactionHash { full_trace, transaction_hash })?;
        Ok(Flow::GoOn)
    })?;
    list.finish().map(Some)
}

/// A trace with its place; a reward belongs to no transaction.
fn placed(
    trace: TransactionTrace,
    block: &RecoveredBlock,
    tx: Option<(usize, B256)>,
) -> LocalizedTransactionTrace {
    LocalizedTransactionTrace {
        trace,
        block_hash: Some(block.sealed().hash()),
        block_number: Some(block.sealed().header().number),
        transaction_hash: tx.map(|(_, hash)| hash),
        transaction_position: tx.map(|(index, _)| index as u64),
    }
}

fn parity(trace: Trace) -> TraceResults {
    match trace {
        Trace::Parity(results) => *results,
        Trace::Geth(_) => unreachable!("Parity's tracers give Parity's traces"),
    }
}
