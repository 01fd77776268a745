//! Making the witness of a block from a state that can be read in full.

use alloy_primitives::{B256, Bytes};
use alloy_rlp::encode;
use ethrex_stf::Accesses;
use ethrex_trie::{NodeSource, Recorder, StateUpdate, read_account, read_slot, update_state};
use ethrex_types::{Header, StateDiff, StateError};

use crate::ExecutionWitness;

/// Records the witness of a block: what its execution read (`accesses`), and what computing the state root over its
/// changes (`diff`) reads beside that.
///
/// `nodes` is the state with root `parent_root`, and `headers` the ancestors from the oldest that `BLOCKHASH` asked for
/// (at least the parent) to the parent. Lists come out sorted, so that the same block gives the same bytes.
/// The state root has been computed on the way and comes along.
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
    let recorder = Recorder::new(nodes);
    let mut keys = Vec::new();
    for (address, slots) in &accesses.accounts {
        keys.push(Bytes::copy_from_slice(address.as_slice()));
        let account = read_account(&recorder, parent_root, *address)?;
        for slot in slots {
            keys.push(Bytes::copy_from_slice(slot.as_slice()));
            if let Some(account) = &account {
                read_slot(&recorder, account.storage_root, *address, *slot)?;
            }
        }
    }
    let update = update_state(&recorder, parent_root, diff)?;
    let mut state = recorder.into_nodes();
    state.sort_unstable();
    keys.sort_unstable();
    keys.dedup();
    let mut codes: Vec<Bytes> = accesses.codes.values().cloned().collect();
    codes.sort_unstable();
    let headers = headers.iter().map(|header| encode(header).into()).collect();
    Ok((ExecutionWitness { state, codes, keys, headers }, update))
}
