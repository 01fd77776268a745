//! How long a simulated call may take.

use std::time::{Duration, Instant};

use alloy_primitives::{Address, B256, Bytes, U256};
use ethrex_types::{AccountInfo, StateError, StateReader};

use crate::{Context, RpcError};

/// When a call must be done, if ever.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline {
    at: Option<Instant>,
    allowed: Duration,
}

impl Context {
    /// Of a call that begins now.
    pub(crate) fn deadline(&self) -> Deadline {
        let allowed = self.config().evm_timeout;
        let at = allowed.and_then(|allowed| Instant::now().checked_add(allowed));
        Deadline { at, allowed: allowed.unwrap_or_default() }
    }
}

impl Deadline {
    /// Whether there is time left.
    pub(crate) fn check(&self) -> Result<(), RpcError> {
        match self.at {
            Some(at) if Instant::now() > at => Err(RpcError::TimedOut(self.allowed)),
            _ => Ok(()),
        }
    }

    /// A state that cannot be read any more once the time is over. What a call computes without reading asks it now and then.
    pub(crate) fn over<'a>(&self, state: &'a dyn StateReader) -> Timed<'a> {
        Timed { state, deadline: *self }
    }
}

/// See [`Deadline::over`].
pub(crate) struct Timed<'a> {
    state: &'a dyn StateReader,
    deadline: Deadline,
}

/// Nobody waits for what is read.
#[derive(Debug, thiserror::Error)]
#[error("the call takes too long")]
struct TooLate;

impl Timed<'_> {
    fn check(&self) -> Result<(), StateError> {
        self.deadline.check().map_err(|_| StateError::Backend(std::sync::Arc::new(TooLate)))
    }
}

impl StateReader for Timed<'_> {
    fn account(&self, address: Address) -> Result<Option<AccountInfo>, StateError> {
        self.check()?;
        self.state.account(address)
    }

    fn storage(&self, address: Address, slot: B256) -> Result<U256, StateError> {
        self.check()?;
        self.state.storage(address, slot)
    }

    fn code(&self, hash: B256) -> Result<Option<Bytes>, StateError> {
        self.check()?;
        self.state.code(hash)
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, StateError> {
        self.check()?;
        self.state.block_hash(number)
    }

    fn has_storage(&self, address: Address) -> Result<bool, StateError> {
        self.check()?;
        self.state.has_storage(address)
    }

    fn check_wanted(&self) -> Result<(), StateError> {
        self.check()
    }
}
