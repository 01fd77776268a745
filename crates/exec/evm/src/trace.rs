//! Tracers: what a transaction or a call did inside, step by step or call by call, as geth and Parity report it.
//!
//! A trace runs the handler that execution runs; the tracer only watches. What it may record is bounded by [`TraceLimits`].
//!
//! Not here: which transactions run before the traced one ([`crate::BlockExecutor::trace`], [`crate::call::trace_call`]).

mod budget;
mod options;
mod recorder;

use std::{fmt, sync::Arc};

use alloy_primitives::{B256, map::HashSet};
use alloy_rpc_types_trace::{
    geth::{GethDebugTracingOptions, GethTrace},
    parity::{TraceResults, TraceType},
};
use ethrex_types::StateError;

use crate::executor::RunError;

pub use options::UnsupportedTracer;
pub(crate) use recorder::{Recorder, Traced};

/// What to record, and how much of it. Used again for each transaction.
#[derive(Debug, Clone)]
pub struct Tracer {
    pub(crate) kind: TracerKind,
    pub(crate) limits: TraceLimits,
}

#[derive(Debug, Clone)]
pub(crate) enum TracerKind {
    Geth(GethDebugTracingOptions),
    Parity(HashSet<TraceType>),
}

impl Tracer {
    /// A tracer of geth's `debug` namespace; without a name, the one for single steps.
    ///
    /// # Errors
    /// If there is no such tracer, or its configuration does not decode.
    pub fn geth(
        options: GethDebugTracingOptions,
        limits: TraceLimits,
    ) -> Result<Self, UnsupportedTracer> {
        let options = options::checked(options)?;
        Ok(Self { kind: TracerKind::Geth(options), limits })
    }

    /// The same tracer with these limits.
    #[must_use]
    pub fn within(&self, limits: TraceLimits) -> Self {
        Self { kind: self.kind.clone(), limits }
    }

    /// A tracer of Parity's `trace` namespace.
    #[must_use]
    pub fn parity(types: HashSet<TraceType>, limits: TraceLimits) -> Self {
        Self { kind: TracerKind::Parity(types), limits }
    }
}

/// What the tracing of one transaction may take.
#[derive(Clone)]
pub struct TraceLimits {
    /// Bytes of memory that the recording may take, estimated.
    pub bytes: usize,
    /// Steps that may be recorded, where steps are.
    pub steps: u64,
    /// Asked every thousand steps and at each call: whether nobody wants the answer any more.
    pub interrupted: Arc<dyn Fn() -> bool + Send + Sync>,
}

impl fmt::Debug for TraceLimits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceLimits")
            .field("bytes", &self.bytes)
            .field("steps", &self.steps)
            .finish_non_exhaustive()
    }
}

/// Why a tracer stopped what it watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TraceStopped {
    /// See [`TraceLimits::bytes`].
    #[error("trace exceeds the limit of {0} recorded bytes")]
    Bytes(usize),
    /// See [`TraceLimits::steps`].
    #[error("trace exceeds the limit of {0} recorded steps")]
    Steps(u64),
    /// See [`TraceLimits::interrupted`].
    #[error("execution timeout")]
    Interrupted,
}

/// Why there is no trace.
#[derive(Debug, thiserror::Error)]
pub enum TraceError<V> {
    /// What was run is wrong.
    #[error(transparent)]
    Invalid(V),
    /// The tracer stopped it.
    #[error(transparent)]
    Stopped(TraceStopped),
    /// The state could not be read.
    #[error(transparent)]
    Fault(StateError),
}

impl<V> From<RunError<V>> for TraceError<V> {
    fn from(error: RunError<V>) -> Self {
        match error {
            RunError::Invalid(verdict) => Self::Invalid(verdict),
            RunError::Fault(fault) => Self::Fault(fault),
        }
    }
}

/// Where a transaction stands, for tracers that repeat it in their answer. Nothing of it is known of a call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TxPlace {
    /// Hash of the block.
    pub block: Option<B256>,
    /// Index in it.
    pub index: Option<usize>,
    /// Hash of the transaction.
    pub tx: Option<B256>,
}

/// What was recorded.
#[derive(Debug, Clone)]
pub enum Trace {
    /// By [`Tracer::geth`].
    Geth(Box<GethTrace>),
    /// By [`Tracer::parity`].
    Parity(Box<TraceResults>),
}
