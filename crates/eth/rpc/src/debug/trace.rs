//! Traces as geth gives them.

use std::time::Duration;

use alloy_eips::BlockId;
use alloy_primitives::{B256, Bytes};
use alloy_rpc_types_trace::geth::{
    GethDebugTracingCallOptions, GethDebugTracingOptions, GethTrace, TraceResult,
};
use ethrex_evm::trace::{Trace, Tracer};
use ethrex_stf::{check_body, check_header};
use ethrex_types::{RecoveredBlock, SealedBlock, block::decode_block};
use serde_json::value::RawValue;

use super::timeout;
use crate::{
    Args, Context, RpcError,
    answer::{JsonList, json},
    eth::{call::Simulation, revert},
    rerun::Allowance,
};

/// What a caller asks of a tracer, checked.
struct Job<'a> {
    tracer: Tracer,
    allowance: Allowance<'a>,
    limit: usize,
}

impl<'a> Job<'a> {
    fn read(context: &'a Context, options: GethDebugTracingOptions) -> Result<Self, RpcError> {
        let each = options.timeout.as_deref().map(read_timeout).transpose()?;
        let config = &context.config().trace;
        let allowance = Allowance::start(config, each);
        let tracer = Tracer::geth(options, allowance.limits())?;
        Ok(Self { tracer, allowance, limit: config.answer_bytes })
    }
}

fn read_timeout(text: &str) -> Result<Duration, RpcError> {
    timeout::parse(text).ok_or(RpcError::InvalidParams("timeout is no duration such as \"5s\""))
}

pub(super) fn trace_transaction(
    context: &Context,
    args: &mut Args,
) -> Result<Box<RawValue>, RpcError> {
    let hash = args.required::<B256>()?;
    let job = Job::read(context, args.optional()?.unwrap_or_default())?;
    let (block, index) = context.mined(hash)?.ok_or(RpcError::TransactionNotFound)?;
    let state = context.state_before(&block)?;
    let mut rerun = context.rerun(&block, &state, job.allowance)?;
    rerun.skip_to(index)?;
    let traced = rerun.trace_next(&job.tracer)?;
    let (_, trace) = traced.expect("a transaction's place is in its block");
    json(&geth(trace), job.limit)
}

pub(super) fn trace_block_by_id(
    context: &Context,
    args: &mut Args,
) -> Result<Box<RawValue>, RpcError> {
    let id = args.required::<BlockId>()?;
    let job = Job::read(context, args.optional()?.unwrap_or_default())?;
    trace_block_of(context, &context.existing_block(id)?, &job)
}

/// A block that the caller brings along. Its header must be one that could follow its parent: what it allows bounds the work.
pub(super) fn trace_block(context: &Context, args: &mut Args) -> Result<Box<RawValue>, RpcError> {
    let raw = args.required::<Bytes>()?;
    let job = Job::read(context, args.optional()?.unwrap_or_default())?;
    let block = decode_block(&mut raw.as_ref())
        .map_err(|error| RpcError::TracingFailed(format!("could not decode block: {error}")))?;
    let parent = context.chain().storage().header(block.header.parent_hash)?;
    let parent = parent.ok_or(RpcError::ParentNotFound(block.header.parent_hash))?;
    let spec = context.chain().spec();
    let invalid = |error: &dyn std::fmt::Display| RpcError::TracingFailed(error.to_string());
    check_header(spec, &block.header, &parent).map_err(|error| invalid(&error))?;
    check_body(spec, &block).map_err(|error| invalid(&error))?;
    for tx in &block.body.transactions {
        context.chain().rules().admit(tx).map_err(|error| invalid(&error))?;
    }
    let block =
        RecoveredBlock::recover(SealedBlock::seal(block)).map_err(|error| invalid(&error))?;
    trace_block_of(context, &block, &job)
}

fn trace_block_of(
    context: &Context,
    block: &RecoveredBlock,
    job: &Job<'_>,
) -> Result<Box<RawValue>, RpcError> {
    let state = context.state_before(block)?;
    let mut rerun = context.rerun(block, &state, job.allowance)?;
    let mut list = JsonList::new(job.limit);
    while let Some((tx, trace)) = rerun.trace_next(&job.tracer)? {
        let result = geth(trace);
        list.push(&TraceResult::Success { result, tx_hash: Some(tx.hash()) })?;
    }
    list.finish()
}

pub(super) fn trace_call(context: &Context, args: &mut Args) -> Result<Box<RawValue>, RpcError> {
    let request = args.required()?;
    let id = args.optional::<BlockId>()?.unwrap_or_default();
    let options = args.optional::<GethDebugTracingCallOptions>()?.unwrap_or_default();
    let GethDebugTracingCallOptions { tracing_options, state_overrides, block_overrides, tx_index } =
        options;
    let job = Job::read(context, tracing_options)?;
    let environment = match tx_index {
        None => context.environment(Some(id))?,
        Some(index) => context.environment_inside(id, index, job.allowance)?,
    };
    let overrides = state_overrides.unwrap_or_default();
    let mut simulation = Simulation::new(context, environment, overrides, block_overrides)?;
    let call = simulation.prepare(request)?;
    let (trace, _) = simulation.trace(&call, &job.tracer)?;
    json(&geth(trace), job.limit)
}

/// The trace, with the failures of single steps in geth's words.
fn geth(trace: Trace) -> GethTrace {
    let Trace::Geth(mut trace) = trace else { unreachable!("geth's tracers give geth's traces") };
    if let GethTrace::Default(frame) = trace.as_mut() {
        for error in frame.struct_logs.iter_mut().filter_map(|step| step.error.as_mut()) {
            let name = error.trim_start_matches("Some(").trim_end_matches(')');
            *error = revert::halted(name, name.ends_with("OutOfGas") || name.ends_with("OOG"));
        }
    }
    *trace
}
