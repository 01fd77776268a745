//! A state in memory, for tests.

use alloy_primitives::{Address, B256, Bytes, U256};

use crate::{AccountDiff, AccountInfo, StateDiff, StateError, StateReader};

/// A state as one diff from nothing: empty by default. It knows no ancestors.
#[derive(Debug, Clone, Default)]
pub struct DiffState(pub StateDiff);

impl DiffState {
    /// The state of one account.
    #[must_use]
    pub fn of(address: Address, info: AccountInfo) -> Self {
        let account = AccountDiff { info: Some(info), ..AccountDiff::default() };
        Self(StateDiff { accounts: [(address, account)].into(), ..StateDiff::default() })
    }
}

impl StateReader for DiffState {
    fn account(&self, address: Address) -> Result<Option<AccountInfo>, StateError> {
        Ok(self.0.accounts.get(&address).and_then(|account| account.info))
    }

    fn storage(&self, address: Address, slot: B256) -> Result<U256, StateError> {
        let account = self.0.accounts.get(&address);
        Ok(account.and_then(|account| account.storage.get(&slot)).copied().unwrap_or_default())
    }

    fn code(&self, hash: B256) -> Result<Option<Bytes>, StateError> {
        Ok(self.0.codes.get(&hash).cloned())
    }

    fn block_hash(&self, _: u64) -> Result<Option<B256>, StateError> {
        Ok(None)
    }

    fn has_storage(&self, address: Address) -> Result<bool, StateError> {
        Ok(self.0.accounts.get(&address).is_some_and(|account| !account.storage.is_empty()))
    }
}
