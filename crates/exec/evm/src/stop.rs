//! Why a run ended before its end.

use std::{cell::RefCell, rc::Rc};

use ethrex_types::StateError;
use revm::context::DBErrorMarker;

/// What ended a run.
#[derive(Debug, Clone)]
pub(crate) enum Stop {
    /// The state could not be read, or an injected precompile could not answer.
    Fault(StateError),
    /// The transaction would touch more than is allowed.
    AccessLimit,
    /// The block would charge more for injected precompiles than is allowed.
    PrecompileGas { used: u64, limit: u64 },
}

/// Holds the first reason to stop. revm and alloy-evm wrap errors in layers, and closing a block consumes the
/// database; whoever holds a clone of this cell learns the reason as it was.
#[derive(Debug, Clone, Default)]
pub(crate) struct StopCell(Rc<RefCell<Option<Stop>>>);

impl StopCell {
    pub(crate) fn set(&self, why: Stop) {
        self.0.borrow_mut().get_or_insert(why);
    }

    pub(crate) fn is_set(&self) -> bool {
        self.0.borrow().is_some()
    }

    pub(crate) fn take(&self) -> Option<Stop> {
        self.0.borrow_mut().take()
    }

    /// The fault, where nothing else can have stopped a run: limits hold for the transactions of a block alone.
    pub(crate) fn take_fault(&self) -> Option<StateError> {
        match self.take()? {
            Stop::Fault(fault) => Some(fault),
            Stop::AccessLimit | Stop::PrecompileGas { .. } => {
                panic!("limits hold inside transactions only")
            }
        }
    }
}

/// The error revm sees; the reason is in the [`StopCell`].
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the run was stopped")]
pub(crate) struct Stopped;

impl DBErrorMarker for Stopped {}
