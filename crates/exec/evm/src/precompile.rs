//! Precompiles that a chain adds to those of its fork, injected as values.

use std::{cell::Cell, fmt::Debug, rc::Rc, sync::Arc};

use alloy_evm::precompiles::{DynPrecompile, PrecompilesMap};
use alloy_primitives::{Address, Bytes};
use ethrex_types::StateError;
use revm::{
    context::BlockEnv,
    precompile::{PrecompileError, PrecompileHalt, PrecompileId, PrecompileOutput},
};

use crate::stop::{Stop, StopCell};

/// What a precompile is called with.
#[derive(Debug, Clone, Copy)]
pub struct PrecompileInput<'a> {
    /// Call data.
    pub data: &'a [u8],
    /// Gas forwarded to the call.
    pub gas: u64,
    /// Timestamp of the block.
    pub timestamp: u64,
    /// Number of the block.
    pub block_number: u64,
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrecompileOutcome {
    /// The call succeeds.
    Returned {
        /// Gas charged. More than was forwarded is [`Self::Failed`].
        gas_used: u64,
        /// Return data.
        output: Bytes,
    },
    /// The call fails with empty return data and consumes all gas forwarded to it.
    Failed,
}

/// A precompile of a chain beside those of its fork.
///
/// It reads no state: what it answers follows from its input and from what its chain fixes. `CALL`, `STATICCALL`,
/// `DELEGATECALL` and `CALLCODE` are the same to it, and value that is sent stays at its address.
pub trait Precompile: Debug + Send + Sync {
    /// Where it is.
    fn address(&self) -> Address;

    /// Whether it exists in a block of this time. Where it does not, its address is an ordinary account.
    fn active_at(&self, timestamp: u64) -> bool;

    /// Answers a call.
    ///
    /// # Errors
    /// A fault of this node. It leaves the block undecided and never makes it invalid.
    fn call(&self, input: &PrecompileInput<'_>) -> Result<PrecompileOutcome, StateError>;
}

/// Counts what injected precompiles charge, and stops a transaction by which a block would charge too much.
///
/// The sum only grows while a transaction runs, so stopping it as soon as the limit is passed gives the verdict that its
/// end would give.
#[derive(Debug, Clone, Default)]
pub(crate) struct Meter(Rc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    limit: Option<u64>,
    /// Gas charged in the transactions that stand in the block.
    block: Cell<u64>,
    /// Gas charged in the one that runs; `None` between transactions, when nothing counts.
    tx: Cell<Option<u64>>,
}

impl Meter {
    pub(crate) fn new(limit: Option<u64>) -> Self {
        Self(Rc::new(Counts { limit, ..Counts::default() }))
    }

    /// A transaction begins.
    pub(crate) fn begin(&self) {
        self.0.tx.set(Some(0));
    }

    /// It has ended, and stands in the block or does not.
    pub(crate) fn end(&self, stands: bool) {
        let charged = self.0.tx.take().unwrap_or_default();
        if stands {
            self.0.block.set(self.0.block.get().saturating_add(charged));
        }
    }

    /// Gas charged in the transactions that stand in the block.
    pub(crate) fn used(&self) -> u64 {
        self.0.block.get()
    }

    fn charge(&self, gas: u64) -> Result<(), Stop> {
        let Some(charged) = self.0.tx.get() else { return Ok(()) };
        let charged = charged.saturating_add(gas);
        self.0.tx.set(Some(charged));
        let used = self.used().saturating_add(charged);
        match self.0.limit {
            Some(limit) if used > limit => Err(Stop::PrecompileGas { used, limit }),
            _ => Ok(()),
        }
    }
}

/// Adds to `map` those of `precompiles` that are active in `block`.
pub(crate) fn install(
    map: &mut PrecompilesMap,
    precompiles: &[Arc<dyn Precompile>],
    block: &BlockEnv,
    meter: &Meter,
    stop: &StopCell,
) {
    let (timestamp, block_number) = (block.timestamp.saturating_to(), block.number.saturating_to());
    for precompile in precompiles.iter().filter(|precompile| precompile.active_at(timestamp)) {
        let address = precompile.address();
        let (precompile, meter, stop) = (Arc::clone(precompile), meter.clone(), stop.clone());
        // A call is never cached here: whoever injects a precompile knows what is worth caching.
        let injected = DynPrecompile::new_stateful(
            PrecompileId::Custom("injected".into()),
            move |input: alloy_evm::precompiles::PrecompileInput<'_>| {
                let (gas, reservoir) = (input.gas, input.reservoir);
                let input = PrecompileInput { data: input.data, gas, timestamp, block_number };
                let failed = PrecompileOutcome::Failed;
                let outcome =
                    precompile.call(&input).map_err(|fault| halt(&stop, Stop::Fault(fault)))?;
                let outcome = match outcome {
                    PrecompileOutcome::Returned { gas_used, .. } if gas_used > gas => failed,
                    outcome => outcome,
                };
                let (charged, output) = match outcome {
                    PrecompileOutcome::Returned { gas_used, output } => {
                        (gas_used, PrecompileOutput::new(gas_used, output, reservoir))
                    }
                    PrecompileOutcome::Failed => {
                        (gas, PrecompileOutput::halt(PrecompileHalt::OutOfGas, reservoir))
                    }
                };
                meter.charge(charged).map_err(|why| halt(&stop, why))?;
                Ok(output)
            },
        );
        map.apply_precompile(&address, |_| Some(injected));
    }
}

fn halt(stop: &StopCell, why: Stop) -> PrecompileError {
    stop.set(why);
    PrecompileError::Fatal("an injected precompile stopped the run".into())
}
