//! revm's bundle of changes as a [`StateDiff`].

use alloy_primitives::B256;
use ethrex_types::{AccountDiff, AccountInfo, StateDiff, account::KECCAK_EMPTY};
use revm::database::{BundleAccount, BundleState};

pub(crate) fn state_diff(bundle: BundleState) -> StateDiff {
    let mut diff = StateDiff::default();
    for (address, account) in bundle.state {
        if let Some(account) = account_diff(&account) {
            diff.accounts.insert(address, account);
        }
    }
    for (hash, code) in bundle.contracts {
        if hash != KECCAK_EMPTY {
            diff.codes.insert(hash, code.original_bytes());
        }
    }
    diff
}

fn account_diff(account: &BundleAccount) -> Option<AccountDiff> {
    let wiped = account.was_destroyed();
    let storage = account
        .storage
        .iter()
        .filter(|(_, slot)| if wiped { !slot.present_value.is_zero() } else { slot.is_changed() })
        .map(|(key, slot)| (B256::from(*key), slot.present_value))
        .collect::<std::collections::BTreeMap<_, _>>();
    if !wiped && storage.is_empty() && !account.is_info_changed() {
        return None;
    }
    let info = account.info.as_ref().map(|info| AccountInfo {
        nonce: info.nonce,
        balance: info.balance,
        code_hash: info.code_hash,
    });
    // EIP-161: a touched account that is empty leaves the state.
    let info = info.filter(|info| !info.is_empty() || !storage.is_empty());
    Some(AccountDiff { info, wiped, storage })
}
