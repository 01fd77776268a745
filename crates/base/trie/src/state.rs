//! The state trie: accounts over storage tries.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_rlp::Decodable;
use alloy_trie::EMPTY_ROOT_HASH;
use ethrex_types::{AccountDiff, StateDiff, StateError, TrieAccount};

use crate::{HashedNodes, NodeChanges, NodeSource, Trie, read_value};

/// What a diff makes of a state trie.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StateUpdate {
    /// The new state root.
    pub root: B256,
    /// What changed among the nodes.
    pub nodes: TrieUpdates,
    /// Every account of the diff as it now stands in the trie; `None` where it is gone.
    pub accounts: BTreeMap<Address, Option<TrieAccount>>,
}

/// Changed nodes of the account trie and of all storage tries.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrieUpdates {
    /// Changes in the account trie.
    pub accounts: NodeChanges,
    /// Changes in storage tries, by keccak256 of the address.
    pub storages: BTreeMap<B256, StorageChanges>,
}

/// Changed nodes of one storage trie.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StorageChanges {
    /// Whether every node from before is gone, before `nodes` applies.
    pub wiped: bool,
    /// Changed nodes by path.
    pub nodes: NodeChanges,
}

/// Applies a diff to the state with root `parent`, by the canonical update procedure.
///
/// Storage tries come first, on all cores where the feature `parallel` is on, then the account trie. Within a trie,
/// what is set goes in by the order of key hashes, then what is deleted goes out by the same order: a branch then never
/// collapses on the way to a shape in which it stands, so no sibling is asked for that the final shape does not need.
/// Which nodes are read is therefore a function of the tries and the diff alone: the paths to the keys of the diff, and
/// the surviving child of each branch that collapses. A witness is sufficient by this rule, so changing it changes
/// consensus wherever stateless validation is part of it. Storage tries are independent, so threads change nothing.
pub fn update_state(
    source: &dyn NodeSource,
    parent: B256,
    diff: &StateDiff,
) -> Result<StateUpdate, StateError> {
    update(source, parent, None, diff).map(|(update, _)| update)
}

/// No slots.
static NOTHING: BTreeSet<B256> = BTreeSet::new();

/// Accounts, and storage slots of each.
pub type Reads = BTreeMap<Address, BTreeSet<B256>>;

/// The same, together with every node on the way to `reads` and every node that the update reads: each once, in bytewise order.
///
/// It costs less than reading first and updating then, because no node is loaded twice.
pub fn update_state_recorded(
    source: &dyn NodeSource,
    parent: B256,
    reads: &Reads,
    diff: &StateDiff,
) -> Result<(StateUpdate, Vec<Bytes>), StateError> {
    let (update, mut nodes) = update(source, parent, Some(reads), diff)?;
    nodes.sort_unstable();
    // Two storage tries may have a node in common.
    nodes.dedup();
    Ok((update, nodes))
}

/// `reads` are looked at first, in all tries; with them comes every node that is loaded.
fn update(
    source: &dyn NodeSource,
    parent: B256,
    reads: Option<&Reads>,
    diff: &StateDiff,
) -> Result<(StateUpdate, Vec<Bytes>), StateError> {
    let mut trie = Trie::open(source, None, parent);
    if reads.is_some() {
        trie.remember();
    }
    let mut jobs = Vec::with_capacity(diff.accounts.len());
    for (address, diff) in &diff.accounts {
        let reads = reads.map(|reads| reads.get(address).unwrap_or(&NOTHING));
        jobs.push(AccountJob::open(&mut trie, parent, *address, Some(diff), reads)?);
    }
    for (address, slots) in reads.into_iter().flatten() {
        if !diff.accounts.contains_key(address) {
            jobs.push(AccountJob::open(&mut trie, parent, *address, None, Some(slots))?);
        }
    }
    jobs.sort_unstable_by_key(|job| job.key);

    let mut update = StateUpdate::default();
    let (mut present, mut gone, mut seen) = (vec![], vec![], vec![]);
    for (job, done) in jobs.iter().zip(run_all(source, &jobs)?) {
        seen.extend(done.seen);
        if job.diff.is_none() {
            continue;
        }
        if done.storage.wiped || !done.storage.nodes.is_empty() {
            update.nodes.storages.insert(job.key, done.storage);
        }
        match done.account {
            Some(account) => present.push((job.key, account)),
            None => gone.push(job.key),
        }
        update.accounts.insert(job.address, done.account);
    }
    for (key, account) in present {
        trie.insert(key, alloy_rlp::encode(account))?;
    }
    for key in gone {
        trie.remove(key)?;
    }
    (update.root, update.nodes.accounts) = trie.commit();
    seen.extend(trie.take_seen());
    Ok((update, seen))
}

/// The root of the state that `diff` makes out of nothing, and its nodes.
#[must_use]
pub fn state_root_of(diff: &StateDiff) -> StateUpdate {
    update_state(&HashedNodes::default(), EMPTY_ROOT_HASH, diff)
        .expect("a trie that starts empty reads no nodes")
}

/// The account at `address` in the state with this root.
pub fn read_account(
    source: &dyn NodeSource,
    root: B256,
    address: Address,
) -> Result<Option<TrieAccount>, StateError> {
    let value = read_value(source, None, root, keccak256(address))?;
    value.map(|value| decode_account(&value, root)).transpose()
}

/// The slot of `address` in the storage with this root; zero where unset.
pub fn read_slot(
    source: &dyn NodeSource,
    storage_root: B256,
    address: Address,
    slot: B256,
) -> Result<U256, StateError> {
    let value = read_value(source, Some(keccak256(address)), storage_root, keccak256(slot))?;
    // A slot that is zero has no leaf.
    value.map_or(Ok(U256::ZERO), |value| {
        decode_exact(&value)
            .filter(|value: &U256| !value.is_zero())
            .ok_or(StateError::Malformed(storage_root))
    })
}

/// One account of a diff or of what is read, ready to be worked on independently of all others.
struct AccountJob<'d> {
    address: Address,
    key: B256,
    before: Option<TrieAccount>,
    /// `None` where the account is only read.
    diff: Option<&'d AccountDiff>,
    /// Slots to look at first, where what is loaded is remembered.
    reads: Option<&'d BTreeSet<B256>>,
}

/// What came of one account.
#[derive(Default)]
struct AccountDone {
    /// As it stands afterwards, if it is one of the diff.
    account: Option<TrieAccount>,
    storage: StorageChanges,
    /// The nodes of its storage that were loaded.
    seen: Vec<Bytes>,
}

#[cfg(feature = "parallel")]
fn run_all(
    source: &dyn NodeSource,
    jobs: &[AccountJob<'_>],
) -> Result<Vec<AccountDone>, StateError> {
    use rayon::prelude::*;
    jobs.par_iter().map(|job| job.run(source)).collect()
}

#[cfg(not(feature = "parallel"))]
fn run_all(
    source: &dyn NodeSource,
    jobs: &[AccountJob<'_>],
) -> Result<Vec<AccountDone>, StateError> {
    jobs.iter().map(|job| job.run(source)).collect()
}

impl<'d> AccountJob<'d> {
    fn open(
        trie: &mut Trie<'_>,
        root: B256,
        address: Address,
        diff: Option<&'d AccountDiff>,
        reads: Option<&'d BTreeSet<B256>>,
    ) -> Result<Self, StateError> {
        let key = keccak256(address);
        let before = trie.get(key)?.map(|value| decode_account(value, root)).transpose()?;
        Ok(Self { address, key, before, diff, reads })
    }

    fn run(&self, source: &dyn NodeSource) -> Result<AccountDone, StateError> {
        let before = self.before.map_or(EMPTY_ROOT_HASH, |account| account.storage_root);
        let mut trie = Trie::open(source, Some(self.key), before);
        if let Some(slots) = self.reads {
            trie.remember();
            for slot in slots {
                trie.get(keccak256(slot))?;
            }
        }
        let done = match self.diff {
            Some(diff) => self.change(source, &mut trie, before, diff)?,
            None => AccountDone::default(),
        };
        Ok(AccountDone { seen: trie.take_seen(), ..done })
    }

    /// The account afterwards, and what changed in its storage, which is `trie` with this root.
    fn change(
        &self,
        source: &dyn NodeSource,
        trie: &mut Trie<'_>,
        before: B256,
        diff: &AccountDiff,
    ) -> Result<AccountDone, StateError> {
        let Some(info) = diff.info else {
            let storage = StorageChanges { wiped: before != EMPTY_ROOT_HASH, ..Default::default() };
            return Ok(AccountDone { storage, ..AccountDone::default() });
        };
        let wiped = diff.wiped && before != EMPTY_ROOT_HASH;
        let (storage_root, nodes) = match (diff.storage.is_empty(), wiped) {
            (true, false) => (before, NodeChanges::new()),
            (true, true) => (EMPTY_ROOT_HASH, NodeChanges::new()),
            (false, false) => update_storage(trie, &diff.storage)?,
            (false, true) => {
                // Nothing is loaded into a trie that starts empty.
                let mut fresh = Trie::open(source, Some(self.key), EMPTY_ROOT_HASH);
                update_storage(&mut fresh, &diff.storage)?
            }
        };
        let account = TrieAccount {
            nonce: info.nonce,
            balance: info.balance,
            storage_root,
            code_hash: info.code_hash,
        };
        let storage = StorageChanges { wiped, nodes };
        Ok(AccountDone { account: Some(account), storage, seen: vec![] })
    }
}

fn update_storage(
    trie: &mut Trie<'_>,
    slots: &BTreeMap<B256, U256>,
) -> Result<(B256, NodeChanges), StateError> {
    let mut slots: Vec<_> = slots.iter().map(|(slot, value)| (keccak256(slot), *value)).collect();
    slots.sort_unstable_by_key(|(key, value)| (value.is_zero(), *key));
    for (key, value) in slots {
        if value.is_zero() {
            trie.remove(key)?;
        } else {
            trie.insert(key, alloy_rlp::encode(value))?;
        }
    }
    Ok(trie.commit())
}

fn decode_account(value: &[u8], root: B256) -> Result<TrieAccount, StateError> {
    decode_exact(value).ok_or(StateError::Malformed(root))
}

/// Decodes a leaf's value, which must be nothing but the encoding.
fn decode_exact<T: Decodable>(mut value: &[u8]) -> Option<T> {
    T::decode(&mut value).ok().filter(|_| value.is_empty())
}
