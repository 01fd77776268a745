//! What the state says about one account.

use alloy_primitives::{B256, U256};

/// An account as it stands in the state trie: nonce, balance in wei, storage root and code hash.
pub use alloy_consensus::TrieAccount;
pub use alloy_consensus::constants::KECCAK_EMPTY;

/// The part of an account that is not storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccountInfo {
    /// Transactions sent, or for a contract, contracts created plus one (EIP-161).
    pub nonce: u64,
    /// Balance in wei.
    pub balance: U256,
    /// keccak256 of the code; [`KECCAK_EMPTY`] where there is none.
    pub code_hash: B256,
}

impl Default for AccountInfo {
    fn default() -> Self {
        Self { nonce: 0, balance: U256::ZERO, code_hash: KECCAK_EMPTY }
    }
}

impl AccountInfo {
    /// Whether EIP-161 calls this account empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nonce == 0 && self.balance.is_zero() && self.code_hash == KECCAK_EMPTY
    }
}

impl From<TrieAccount> for AccountInfo {
    fn from(account: TrieAccount) -> Self {
        Self { nonce: account.nonce, balance: account.balance, code_hash: account.code_hash }
    }
}
