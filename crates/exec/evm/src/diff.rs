//! revm's bundle of changes as a [`StateDiff`].

use std::collections::BTreeMap;

use alloy_primitives::B256;
use ethrex_types::{AccountDiff, AccountInfo, StateDiff, account::KECCAK_EMPTY};
use revm::{
    database::{BundleAccount, BundleState},
    state::{AccountInfo as RevmAccountInfo, EvmState},
};

/// The changes of a block. With `clearing`, an account that is touched and empty leaves the state (EIP-161).
pub(crate) fn state_diff(bundle: BundleState, clearing: bool) -> StateDiff {
    let mut diff = StateDiff::default();
    for (address, account) in bundle.state {
        if let Some(account) = account_diff(&account, clearing) {
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

fn account_diff(account: &BundleAccount, clearing: bool) -> Option<AccountDiff> {
    let wiped = account.was_destroyed();
    let storage = account
        .storage
        .iter()
        .filter(|(_, slot)| if wiped { !slot.present_value.is_zero() } else { slot.is_changed() })
        .map(|(key, slot)| (B256::from(*key), slot.present_value))
        .collect::<BTreeMap<_, _>>();
    if !wiped && storage.is_empty() && !account.is_info_changed() {
        return None;
    }
    let info = account.info.as_ref().map(account_info);
    let info = info.filter(|info| !clearing || !info.is_empty() || !storage.is_empty());
    Some(AccountDiff { info, wiped, storage })
}

/// The changes of one transaction, without codes. What revm's journal has finalized is touched and empty only where that
/// account leaves the state.
pub(crate) fn transaction_diff(changes: &EvmState) -> StateDiff {
    let touched = changes.iter().filter(|(_, account)| account.is_touched());
    let accounts = touched.map(|(address, account)| {
        let created = account.is_created();
        let gone = account.is_selfdestructed() || account.is_empty() && !created;
        let slots = account.storage.iter().filter(|(_, slot)| {
            if created { !slot.present_value.is_zero() } else { slot.is_changed() }
        });
        let diff = AccountDiff {
            info: (!gone).then(|| account_info(&account.info)),
            wiped: gone || created,
            storage: slots.map(|(key, slot)| (B256::from(*key), slot.present_value)).collect(),
        };
        (*address, if gone { AccountDiff { storage: BTreeMap::new(), ..diff } } else { diff })
    });
    StateDiff { accounts: accounts.collect(), codes: BTreeMap::new() }
}

fn account_info(info: &RevmAccountInfo) -> AccountInfo {
    AccountInfo { nonce: info.nonce, balance: info.balance, code_hash: info.code_hash }
}
