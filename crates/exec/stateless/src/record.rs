//! Making the witness of a block from a state that can be read in full.

use std::{
    collections::BTreeSet,
    fmt, mem,
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rlp::encode;
use ethrex_stf::Accesses;
use ethrex_trie::{NodeSource, StateTries, StateUpdate};
use ethrex_types::{
    AccountInfo, BlockAccessList, Header, RunningRoot, StateDiff, StateError, StateReader, Tasks,
    join, with_tasks,
};

use crate::{AccessSet, ExecutionWitness};

/// Reads that are walked to together: so few that an idle core soon has work, so many that handing them over costs nothing beside them.
const BATCH: usize = 128;

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
    Recording::of(nodes, parent_root).finish(accesses, diff, headers)
}

/// The same for whoever is about to execute the block: an idle core walks to what is read while the block still runs.
pub struct Recording<'s> {
    tries: Mutex<StateTries<'s>>,
    /// Whether the block has run to its end: then two cores are free, and share what is left.
    has_run: AtomicBool,
}

impl fmt::Debug for Recording<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording").finish_non_exhaustive()
    }
}

impl<'s> Recording<'s> {
    /// Will record what a block reads of `nodes`, the state with root `parent_root`.
    #[must_use]
    pub fn of(nodes: &'s dyn NodeSource, parent_root: B256) -> Self {
        let mut tries = StateTries::open(nodes, parent_root);
        tries.remember();
        Self { tries: Mutex::new(tries), has_run: AtomicBool::new(false) }
    }

    /// Executes on `state`, which is the same state; `work` reads it as it is given it. All it reads must be among the accesses that
    /// [`Self::finish`] is told.
    pub fn watch<A>(&self, state: &dyn StateReader, work: impl FnOnce(&dyn StateReader) -> A) -> A {
        with_tasks(|tasks| {
            let done = work(&Watched { state, recording: self, tasks, reads: Mutex::default() });
            self.has_run.store(true, Relaxed);
            done
        })
    }

    /// Records the witness: see [`record`].
    ///
    /// # Errors
    /// If the state cannot be read.
    pub fn finish(
        self,
        accesses: &Accesses,
        diff: &StateDiff,
        headers: &[Header],
    ) -> Result<(ExecutionWitness, StateUpdate), StateError> {
        let tries = self.tries.into_inner().expect("no holder of this lock panics");
        let (recorded, (keys, codes)) = join(
            || tries.update_recorded(&accesses.accounts, diff),
            || (keys_of(&accesses.accounts), codes_of(accesses)),
        );
        let (update, state) = recorded?;
        let headers = headers.iter().map(|header| encode(header).into()).collect();
        Ok((ExecutionWitness { state, codes, keys, headers }, update))
    }

    /// Walks to what was read, until the block has run.
    fn walk(&self, reads: &[Read]) {
        let mut tries = self.tries.lock().expect("no holder of this lock panics");
        for read in reads {
            if self.has_run.load(Relaxed) {
                return;
            }
            // A node that cannot be read here fails whoever needs it: nothing counts as read, so it is read again at the end.
            let _ = match *read {
                Read::Account(address) => tries.account(address).map(drop),
                Read::Slot(address, slot) => tries.slot(address, slot).map(drop),
            };
        }
    }
}

/// Something that execution read.
enum Read {
    Account(Address),
    Slot(Address, B256),
}

/// A state that has what is read of it walked to.
struct Watched<'w, 't, 's> {
    state: &'w dyn StateReader,
    recording: &'t Recording<'s>,
    tasks: &'w Tasks<'w, 't>,
    /// What was read and not handed over yet.
    reads: Mutex<Vec<Read>>,
}

impl Watched<'_, '_, '_> {
    fn note(&self, read: Read) {
        let mut reads = self.reads.lock().expect("no holder of this lock panics");
        reads.push(read);
        if reads.len() < BATCH {
            return;
        }
        let batch = mem::replace(&mut *reads, Vec::with_capacity(BATCH));
        drop(reads);
        let recording = self.recording;
        self.tasks.hand_out(move || recording.walk(&batch));
    }
}

impl StateReader for Watched<'_, '_, '_> {
    fn account(&self, address: Address) -> Result<Option<AccountInfo>, StateError> {
        self.note(Read::Account(address));
        self.state.account(address)
    }

    fn storage(&self, address: Address, slot: B256) -> Result<U256, StateError> {
        self.note(Read::Slot(address, slot));
        self.state.storage(address, slot)
    }

    fn code(&self, hash: B256) -> Result<Option<Bytes>, StateError> {
        self.state.code(hash)
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, StateError> {
        self.state.block_hash(number)
    }

    fn has_storage(&self, address: Address) -> Result<bool, StateError> {
        self.state.has_storage(address)
    }

    fn check_wanted(&self) -> Result<(), StateError> {
        self.state.check_wanted()
    }

    fn running_root(&self) -> Option<Box<dyn RunningRoot + '_>> {
        self.state.running_root()
    }
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

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, atomic::AtomicUsize},
        thread,
        time::{Duration, Instant},
    };

    use ethrex_trie::{HashedNodes, Nibbles, state_root_of};
    use ethrex_types::{AccountDiff, testing::DiffState};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    /// A state whose every other node cannot be read while it is shaky.
    struct Shaky {
        nodes: HashedNodes,
        is_shaky: AtomicBool,
        asked: AtomicUsize,
    }

    impl NodeSource for Shaky {
        fn node(
            &self,
            owner: Option<B256>,
            path: &Nibbles,
            hash: B256,
        ) -> Result<Option<Bytes>, StateError> {
            let asked = self.asked.fetch_add(1, Relaxed);
            if self.is_shaky.load(Relaxed) && asked.is_multiple_of(2) {
                return Err(StateError::Backend(Arc::new(std::io::Error::other("shaky"))));
            }
            self.nodes.node(owner, path, hash)
        }
    }

    fn address(n: u64) -> Address {
        Address::left_padding_from(&n.to_be_bytes())
    }

    fn account(slots: impl Iterator<Item = u64>, value: u64) -> AccountDiff {
        let info = AccountInfo { balance: U256::from(value), ..AccountInfo::default() };
        let storage = slots.map(|slot| (B256::from(U256::from(slot)), U256::from(value)));
        AccountDiff { info: Some(info), storage: storage.collect(), ..AccountDiff::default() }
    }

    fn diff(accounts: impl Iterator<Item = (u64, AccountDiff)>) -> StateDiff {
        let accounts = accounts.map(|(n, account)| (address(n), account)).collect();
        StateDiff { accounts, ..StateDiff::default() }
    }

    #[test]
    fn a_witness_is_the_same_however_much_was_walked_while_the_block_ran() {
        let before = state_root_of(&diff((0..400).map(|n| (n, account(0..n % 7, 1)))));
        let changes = before.nodes.storages.into_values().map(|storage| storage.nodes);
        let nodes = changes.chain([before.nodes.accounts]).flatten();
        let nodes: HashedNodes = nodes.filter_map(|(_, node)| node).collect();
        let diff = diff((0..400).step_by(3).map(|n| (n, account(2..5, n % 2))));
        // Beyond what is there, too.
        let reads: AccessSet = (0..500)
            .step_by(2)
            .map(|n| (address(n), (0..n % 5).map(|slot| B256::from(U256::from(slot))).collect()))
            .collect();
        let accesses = Accesses { accounts: reads, ..Accesses::default() };
        let headers = [Header::default()];
        let want = record(&nodes, before.root, &accesses, &diff, &headers).unwrap();

        let source = Shaky { nodes, is_shaky: AtomicBool::new(false), asked: AtomicUsize::new(0) };
        for (is_shaky, share) in [(false, 1), (false, 2), (true, 1), (true, 2)] {
            let recording = Recording::of(&source, before.root);
            source.is_shaky.store(is_shaky, Relaxed);
            source.asked.store(0, Relaxed);
            recording.watch(&DiffState::default(), |state| {
                for (address, slots) in accesses.accounts.iter().step_by(share) {
                    state.account(*address).unwrap();
                    for slot in slots {
                        state.storage(*address, *slot).unwrap();
                    }
                }
                let begun = Instant::now();
                while source.asked.load(Relaxed) < 100 {
                    assert!(begun.elapsed() < PATIENCE, "nothing is walked while the block runs");
                    thread::yield_now();
                }
            });
            source.is_shaky.store(false, Relaxed);
            assert_eq!(recording.finish(&accesses, &diff, &headers).unwrap(), want);
        }
    }
}
