//! Running a block again under tracers.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use alloy_eips::BlockId;
use ethrex_evm::{
    BlockContext, BlockExecutor,
    trace::{Trace, TraceError, TraceLimits, Tracer, TxPlace},
};
use ethrex_stf::RunError;
use ethrex_storage::StateView;
use ethrex_types::{RecoveredBlock, StateDiff, StateReader, Tx};

use crate::{Context, RpcError, block_id::Environment, changed::Changed, config::TraceConfig};

/// How long and how much one request may trace.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowance<'a> {
    config: &'a TraceConfig,
    end: Instant,
    /// For each transaction, where the caller has asked for it.
    each: Option<Duration>,
}

impl<'a> Allowance<'a> {
    /// Starts now. `each` is what the caller allows one transaction.
    pub(crate) fn start(config: &'a TraceConfig, each: Option<Duration>) -> Self {
        Self { config, end: Instant::now() + config.time, each }
    }

    /// For the next transaction.
    pub(crate) fn limits(&self) -> TraceLimits {
        // What is too long to be added ends later than all of it.
        let each = self.each.and_then(|each| Instant::now().checked_add(each));
        let end = each.map_or(self.end, |each| self.end.min(each));
        TraceLimits {
            bytes: self.config.bytes,
            steps: self.config.steps,
            interrupted: Arc::new(move || Instant::now() > end),
        }
    }

    /// Refuses to go on after the end.
    pub(crate) fn check(&self) -> Result<(), RpcError> {
        if Instant::now() > self.end { Err(RpcError::TraceTimeout) } else { Ok(()) }
    }
}

/// A block that runs again, transaction by transaction, by the rules it ran by.
pub(crate) struct Rerun<'a> {
    executor: BlockExecutor<'a>,
    block: &'a RecoveredBlock,
    next: usize,
    allowance: Allowance<'a>,
}

impl Context {
    /// The state that a block ran on, as long as it is kept.
    pub(crate) fn state_before(&self, block: &RecoveredBlock) -> Result<StateView, RpcError> {
        let header = block.sealed().header();
        if header.number == self.chain().spec().genesis().number.unwrap_or_default() {
            return Err(RpcError::Genesis);
        }
        let state = self.chain().storage().state_at(header.parent_hash)?;
        state.ok_or(RpcError::NoHistory)
    }

    /// Starts a block again: with its opening system calls, before its first transaction.
    pub(crate) fn rerun<'a>(
        &'a self,
        block: &'a RecoveredBlock,
        state: &'a dyn StateReader,
        allowance: Allowance<'a>,
    ) -> Result<Rerun<'a>, RpcError> {
        let body = block.sealed().body();
        let header = block.sealed().header();
        self.chain().rules().prepare(&body.transactions, header.timestamp);
        let withdrawals = body.withdrawals.as_ref().map(|list| list.as_slice());
        let context = BlockContext { header, ommers: &body.ommers, withdrawals };
        let executor = self.open(&context, state)?;
        Ok(Rerun { executor, block, next: 0, allowance })
    }

    /// The environment of a block, and the state before the transaction of this index in it.
    pub(crate) fn environment_inside(
        &self,
        id: BlockId,
        index: u64,
        allowance: Allowance<'_>,
    ) -> Result<Environment, RpcError> {
        let block = self.existing_block(id)?;
        let in_range = usize::try_from(index).ok();
        let in_range = in_range.filter(|index| *index < block.sealed().body().transactions.len());
        let Some(before) = in_range else {
            return Err(RpcError::NoTransactionAt { index, block: block.sealed().hash() });
        };
        let state = self.state_before(&block)?;
        let mut rerun = self.rerun(&block, &state, allowance)?;
        rerun.skip_to(before)?;
        let changes = rerun.into_changes();
        let state = Arc::new(Changed::new(Arc::new(state), changes));
        Ok(Environment { header: block.sealed().header().clone(), state })
    }

    /// Opens a block on a state.
    pub(crate) fn open<'a>(
        &'a self,
        block: &BlockContext<'a>,
        state: &'a dyn StateReader,
    ) -> Result<BlockExecutor<'a>, RpcError> {
        let (spec, rules) = (self.chain().spec(), self.chain().rules().as_ref());
        BlockExecutor::open(spec, rules, block, state).map_err(|error| match error {
            RunError::Fault(fault) => fault.into(),
            RunError::Invalid(why) => RpcError::TracingFailed(why.to_string()),
        })
    }
}

impl<'a> Rerun<'a> {
    /// Runs the transactions before this one, untraced.
    pub(crate) fn skip_to(&mut self, index: usize) -> Result<(), RpcError> {
        for (tx, sender) in self.block.transactions().take(index).skip(self.next) {
            self.allowance.check()?;
            self.executor.run(tx, sender).map_err(|error| failed(error.into()))?;
            self.next += 1;
        }
        Ok(())
    }

    /// Runs the next transaction under a tracer; `None` after the last.
    pub(crate) fn trace_next(
        &mut self,
        tracer: &Tracer,
    ) -> Result<Option<(&'a Tx, Trace)>, RpcError> {
        let Some((tx, sender)) = self.block.transactions().nth(self.next) else { return Ok(None) };
        self.allowance.check()?;
        let tracer = tracer.within(self.allowance.limits());
        let place = TxPlace {
            block: Some(self.block.sealed().hash()),
            index: Some(self.next),
            tx: Some(tx.hash()),
        };
        let trace = self.executor.trace(tx, sender, &tracer, place).map_err(failed)?;
        self.next += 1;
        Ok(Some((tx, trace)))
    }

    /// What has changed since the state before the block.
    pub(crate) fn into_changes(self) -> StateDiff {
        self.executor.into_changes()
    }
}

/// Why there is no trace.
pub(crate) fn failed<V: std::fmt::Display>(error: TraceError<V>) -> RpcError {
    match error {
        TraceError::Invalid(why) => RpcError::TracingFailed(why.to_string()),
        TraceError::Stopped(why) => RpcError::TraceStopped(why),
        TraceError::Fault(fault) => fault.into(),
    }
}
