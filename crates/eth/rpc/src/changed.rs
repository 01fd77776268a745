//! A state with changes on top that no block has made.

use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, U256};
use ethrex_types::{AccountInfo, StateDiff, StateError, StateReader};

/// A state, changed.
#[derive(Clone)]
pub(crate) struct Changed {
    state: Arc<dyn StateReader>,
    changes: StateDiff,
}

impl Changed {
    pub(crate) fn new(state: Arc<dyn StateReader>, changes: StateDiff) -> Self {
        Self { state, changes }
    }

    /// Changes it further.
    pub(crate) fn change(&mut self, later: StateDiff) {
        for (address, later) in later.accounts {
            let account = self.changes.accounts.entry(address).or_default();
            if later.wiped {
                *account = later;
            } else {
                account.info = later.info;
                account.storage.extend(later.storage);
            }
        }
        self.changes.codes.extend(later.codes);
    }
}

impl StateReader for Changed {
    fn account(&self, address: Address) -> Result<Option<AccountInfo>, StateError> {
        match self.changes.accounts.get(&address) {
            Some(changed) => Ok(changed.info),
            None => self.state.account(address),
        }
    }

    fn storage(&self, address: Address, slot: B256) -> Result<U256, StateError> {
        let Some(changed) = self.changes.accounts.get(&address) else {
            return self.state.storage(address, slot);
        };
        match changed.storage.get(&slot) {
            Some(value) => Ok(*value),
            None if changed.wiped => Ok(U256::ZERO),
            None => self.state.storage(address, slot),
        }
    }

    fn code(&self, hash: B256) -> Result<Option<Bytes>, StateError> {
        match self.changes.codes.get(&hash) {
            Some(code) => Ok(Some(code.clone())),
            None => self.state.code(hash),
        }
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, StateError> {
        self.state.block_hash(number)
    }

    fn has_storage(&self, address: Address) -> Result<bool, StateError> {
        let Some(changed) = self.changes.accounts.get(&address) else {
            return self.state.has_storage(address);
        };
        if changed.storage.values().any(|value| !value.is_zero()) {
            return Ok(true);
        }
        if changed.wiped { Ok(false) } else { self.state.has_storage(address) }
    }
}
