//! Making the witness of a block from a state that can be read in full.

use std::collections::BTreeSet;

use alloy_primitives::{B256, Bytes};
use alloy_rlp::encode;
use ethrex_stf::Accesses;
use ethrex_trie::{NodeSource, StateUpdate, update_state_recorded};
use ethrex_types::{BlockAccessList, Header, StateDiff, StateError, join};

use crate::{AccessSet, ExecutionWitness};

/// The accounts and slots of a block access list, changed or read.
#[must_use]
pub fn access_set(list: &BlockAccessList) -> AccessSet {
    let slots = |account: &ethrex_types::eip7928::AccountChanges| -> BTreeSet<B256> {
        let changed = account.storage_changes.iter().map(|change| change.slot);
        changed.chain(account.storage_reads.iter().copied()).map(B256::from).collect()
    };
    list.iter().map(|account| (account.address, slots(account))).collect()
}

/// Records the canonical witness of a block: the paths to all that its execution touched (`accesses`), the nodes that
/// computing the state root over its changes (`diff`) reads beside them, the code that was loaded, and headers. Nothing
/// else, and every list sorted, so that the same block gives the same bytes.
///
/// What execution touches is what the block's access list names, from Amsterdam on (EIP-7928): each account of it is loaded
/// once, and a slot of it that is not read from the state belongs to an account that had no storage before.
///
/// `nodes` is the state with root `parent_root`, and `headers` the ancestors from the oldest that `BLOCKHASH` asked for
/// (at least the parent) to the parent. The state root has been computed on the way and comes along.
///
/// # Errors
/// If the state cannot be read.
pub fn record(
    nodes: &dyn NodeSource,
    parent_root: B256,
    accesses: &Accesses,
    diff: &StateDiff,
    headers: &[Header],
) -> Result<(ExecutionWitness, StateUpdate), StateError> {
    let (recorded, (keys, codes)) = join(
        || update_state_recorded(nodes, parent_root, &accesses.accounts, diff),
        || (keys_of(&accesses.accounts), codes_of(accesses)),
    );
    let (update, state) = recorded?;
    let headers = headers.iter().map(|header| encode(header).into()).collect();
    Ok((ExecutionWitness { state, codes, keys, headers }, update))
}

fn codes_of(accesses: &Accesses) -> Vec<Bytes> {
    let mut codes: Vec<Bytes> = accesses.codes.values().cloned().collect();
    codes.sort_unstable();
    codes
}

/// Every address and slot once, in bytewise order. They share one piece of memory.
fn keys_of(accesses: &AccessSet) -> Vec<Bytes> {
    // Nearly all differ in their first bytes, which are compared without looking for them in memory.
    fn with_begin(key: &[u8]) -> (Option<u64>, &[u8]) {
        (key.first_chunk().copied().map(u64::from_be_bytes), key)
    }
    let mut keys: Vec<_> = Vec::new();
    for (address, slots) in accesses {
        keys.push(with_begin(address.as_slice()));
        keys.extend(slots.iter().map(|slot| with_begin(slot.as_slice())));
    }
    keys.sort_unstable();
    keys.dedup();
    let all = Bytes::from(keys.iter().map(|(_, key)| *key).collect::<Vec<_>>().concat());
    let mut at = 0;
    let share = |(_, key): &(Option<u64>, &[u8])| {
        let start = at;
        at += key.len();
        all.slice(start..at)
    };
    keys.iter().map(share).collect()
}
