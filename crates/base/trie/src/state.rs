//! The state trie: accounts over storage tries.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{
    Address, B256, Bytes, U256, keccak256,
    map::{AddressMap, B256Map, Entry},
};
use alloy_rlp::Decodable;
use alloy_trie::EMPTY_ROOT_HASH;
use ethrex_types::{AccountDiff, StateDiff, StateError, TrieAccount};

use crate::{HashedNodes, NodeChanges, NodeSource, Trie, keccak::hash_into, read_value};

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
    let tries = StateTries::open(source, parent);
    tries.apply(None, diff, Wanted::Nodes).map(|(update, _)| update)
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
    let mut tries = StateTries::open(source, parent);
    tries.remember();
    let (update, seen) = tries.apply(Some(reads), diff, Wanted::Nodes)?;
    let mut nodes = sorted(seen.into_iter().map(|(_, node)| node));
    // Two storage tries may have a node in common.
    nodes.dedup();
    Ok((update, nodes))
}

/// In bytewise order. Nearly all nodes differ in their first bytes, which are compared without looking for them in memory.
fn sorted(nodes: impl Iterator<Item = Bytes>) -> Vec<Bytes> {
    let begin = |node: &Bytes| {
        let mut begin = [0; size_of::<u128>()];
        let len = node.len().min(begin.len());
        begin[..len].copy_from_slice(&node[..len]);
        u128::from_be_bytes(begin)
    };
    let mut nodes: Vec<_> = nodes.map(|node| (begin(&node), node)).collect();
    nodes.sort_unstable();
    nodes.into_iter().map(|(_, node)| node).collect()
}

/// The tries of one state, kept as they are loaded: each node is taken from the source and decoded once for all that is
/// read, and for the update that follows.
pub struct StateTries<'s> {
    source: &'s dyn NodeSource,
    root: B256,
    trie: Trie<'s>,
    accounts: AddressMap<Loaded<'s>>,
    /// The nodes that were loaded, where somebody wants to know.
    seen: Option<Vec<(B256, Bytes)>>,
}

/// An account that was looked at.
struct Loaded<'s> {
    key: B256,
    account: Option<TrieAccount>,
    storage: Trie<'s>,
    /// Keys of the slots that were looked at: most that are written were read before.
    keys: B256Map<B256>,
}

/// What of an update is wanted, beside the root.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Root,
    Nodes,
}

impl std::fmt::Debug for StateTries<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StateTries")
            .field("root", &self.root)
            .field("accounts", &self.accounts.len())
            .finish_non_exhaustive()
    }
}

impl<'s> StateTries<'s> {
    /// The state with this root; nothing is read before it is needed.
    #[must_use]
    pub fn open(source: &'s dyn NodeSource, root: B256) -> Self {
        let trie = Trie::open(source, None, root);
        Self { source, root, trie, accounts: AddressMap::default(), seen: None }
    }

    /// Remembers from now on which nodes are loaded, see [`Self::take_seen`].
    pub fn remember(&mut self) {
        self.trie.remember();
        self.seen.get_or_insert_default();
    }

    /// The nodes that reading has loaded since [`Self::remember`] or the last call of this, by hash: those on the paths to
    /// what was read that were on no path before.
    pub fn take_seen(&mut self) -> Vec<(B256, Bytes)> {
        self.seen.as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// The account at `address`.
    ///
    /// # Errors
    /// If a node is missing or malformed.
    pub fn account(&mut self, address: Address) -> Result<Option<TrieAccount>, StateError> {
        self.load(address).map(|(loaded, _)| loaded.account)
    }

    /// The slot of `address`; zero where unset.
    ///
    /// # Errors
    /// If a node is missing or malformed.
    pub fn slot(&mut self, address: Address, slot: B256) -> Result<U256, StateError> {
        let (loaded, seen) = self.load(address)?;
        let Some(account) = loaded.account else { return Ok(U256::ZERO) };
        let key = *loaded.keys.entry(slot).or_insert_with(|| keccak256(slot));
        let value = loaded.storage.get(key)?;
        let value = value.map_or(Ok(U256::ZERO), |value| decode_slot(value, account.storage_root));
        if let Some(seen) = seen {
            seen.extend(loaded.storage.take_seen());
        }
        value
    }

    /// The root of the state that `diff` makes of this one, by the procedure of [`update_state`].
    ///
    /// # Errors
    /// If a node is missing or malformed.
    pub fn root_after(self, diff: &StateDiff) -> Result<B256, StateError> {
        self.apply(None, diff, Wanted::Root).map(|(update, _)| update.root)
    }

    /// The account at `address`, and where loaded nodes are noted.
    #[expect(clippy::type_complexity, reason = "two borrows of different parts of `self`")]
    fn load(
        &mut self,
        address: Address,
    ) -> Result<(&mut Loaded<'s>, Option<&mut Vec<(B256, Bytes)>>), StateError> {
        let mut seen = self.seen.as_mut();
        let loaded = match self.accounts.entry(address) {
            Entry::Occupied(entry) => entry.into_mut(),
            Entry::Vacant(entry) => {
                let (key, remember) = (keccak256(address), seen.is_some());
                let loaded = Loaded::open(self.source, &mut self.trie, self.root, key, remember);
                if let Some(seen) = &mut seen {
                    seen.extend(self.trie.take_seen());
                }
                entry.insert(loaded?)
            }
        };
        Ok((loaded, seen))
    }

    /// Applies a diff. `reads` are looked at first, in all tries; with the outcome comes every node that was loaded and not
    /// taken. Of the outcome there is what is wanted.
    fn apply(
        mut self,
        reads: Option<&Reads>,
        diff: &StateDiff,
        wanted: Wanted,
    ) -> Result<(StateUpdate, Vec<(B256, Bytes)>), StateError> {
        let mut jobs = self.jobs(reads, diff, wanted)?;
        jobs.sort_unstable_by_key(|job| job.loaded.key);

        let Self { mut trie, seen, .. } = self;
        let mut seen = seen.unwrap_or_default();
        let mut update = StateUpdate::default();
        let (mut present, mut gone) = (vec![], vec![]);
        for done in run_all(jobs)? {
            seen.extend(done.seen);
            if !done.changed {
                continue;
            }
            if done.storage.wiped || !done.storage.nodes.is_empty() {
                update.nodes.storages.insert(done.key, done.storage);
            }
            match done.account {
                Some(account) => present.push((done.key, account)),
                None => gone.push(done.key),
            }
            update.accounts.insert(done.address, done.account);
        }
        for (key, account) in present {
            trie.insert(key, alloy_rlp::encode(account))?;
        }
        for key in gone {
            trie.remove(key)?;
        }
        (update.root, update.nodes.accounts) = finish(&mut trie, wanted);
        seen.extend(trie.take_seen());
        Ok((update, seen))
    }

    /// What there is to do for each account of the diff, and for each that is only read. The accounts are loaded here.
    fn jobs<'d>(
        &mut self,
        reads: Option<&'d Reads>,
        diff: &'d StateDiff,
        wanted: Wanted,
    ) -> Result<Vec<AccountJob<'s, 'd>>, StateError> {
        let changed = diff.accounts.iter().map(|(address, diff)| {
            let reads = reads.and_then(|reads| reads.get(address)).unwrap_or(&NOTHING);
            (*address, Some(diff), reads)
        });
        let read = reads.into_iter().flatten();
        let read = read
            .filter(|(address, _)| !diff.accounts.contains_key(*address))
            .map(|(address, slots)| (*address, None, slots));
        let all: Vec<_> = changed.chain(read).collect();

        let is_new = |address: &Address| !self.accounts.contains_key(address);
        let new: Vec<_> = all.iter().map(|(address, ..)| *address).filter(is_new).collect();
        let mut keys = vec![B256::ZERO; new.len()];
        hash_into(&new, &mut keys);
        let (mut keys, remember) = (keys.into_iter(), self.seen.is_some());
        let job = |(address, diff, reads)| {
            let loaded = match self.accounts.remove(&address) {
                Some(loaded) => loaded,
                None => {
                    let key = keys.next().expect("each new address has a key");
                    Loaded::open(self.source, &mut self.trie, self.root, key, remember)?
                }
            };
            Ok(AccountJob { source: self.source, address, loaded, diff, reads, wanted })
        };
        all.into_iter().map(job).collect()
    }
}

impl<'s> Loaded<'s> {
    fn open(
        source: &'s dyn NodeSource,
        trie: &mut Trie<'s>,
        root: B256,
        key: B256,
        remember: bool,
    ) -> Result<Self, StateError> {
        let account = trie.get(key)?.map(|value| decode_account(value, root)).transpose()?;
        let storage_root = account.map_or(EMPTY_ROOT_HASH, |account| account.storage_root);
        let mut storage = Trie::open(source, Some(key), storage_root);
        if remember {
            storage.remember();
        }
        Ok(Self { key, account, storage, keys: B256Map::default() })
    }

    /// Finds the keys of slots, all those that are not known yet at once.
    fn know<'d>(&mut self, slots: impl Iterator<Item = &'d B256>) {
        let new: Vec<B256> = slots.filter(|slot| !self.keys.contains_key(*slot)).copied().collect();
        let mut keys = vec![B256::ZERO; new.len()];
        hash_into(&new, &mut keys);
        self.keys.extend(new.into_iter().zip(keys));
    }
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
    value.map_or(Ok(U256::ZERO), |value| decode_slot(&value, storage_root))
}

/// One account of a diff or of what is read, ready to be worked on independently of all others.
struct AccountJob<'s, 'd> {
    source: &'s dyn NodeSource,
    address: Address,
    loaded: Loaded<'s>,
    /// `None` where the account is only read.
    diff: Option<&'d AccountDiff>,
    /// Slots to look at first.
    reads: &'d BTreeSet<B256>,
    wanted: Wanted,
}

/// What came of one account.
struct AccountDone {
    address: Address,
    key: B256,
    /// Whether it is one of the diff.
    changed: bool,
    /// As it stands afterwards, if it is.
    account: Option<TrieAccount>,
    storage: StorageChanges,
    /// The nodes of its storage that were loaded.
    seen: Vec<(B256, Bytes)>,
}

#[cfg(feature = "parallel")]
fn run_all(jobs: Vec<AccountJob<'_, '_>>) -> Result<Vec<AccountDone>, StateError> {
    use rayon::prelude::*;
    jobs.into_par_iter().map(AccountJob::run).collect()
}

#[cfg(not(feature = "parallel"))]
fn run_all(jobs: Vec<AccountJob<'_, '_>>) -> Result<Vec<AccountDone>, StateError> {
    jobs.into_iter().map(AccountJob::run).collect()
}

impl AccountJob<'_, '_> {
    fn run(mut self) -> Result<AccountDone, StateError> {
        self.loaded.know(self.reads.iter());
        for slot in self.reads {
            self.loaded.storage.get(self.loaded.keys[slot])?;
        }
        let (account, storage) = match self.diff {
            Some(diff) => self.change(diff)?,
            None => (None, StorageChanges::default()),
        };
        Ok(AccountDone {
            address: self.address,
            key: self.loaded.key,
            changed: self.diff.is_some(),
            account,
            storage,
            seen: self.loaded.storage.take_seen(),
        })
    }

    /// The account afterwards, and what changed in its storage.
    fn change(
        &mut self,
        diff: &AccountDiff,
    ) -> Result<(Option<TrieAccount>, StorageChanges), StateError> {
        self.loaded.know(diff.storage.keys());
        let Loaded { key, account, storage, keys } = &mut self.loaded;
        let before = account.map_or(EMPTY_ROOT_HASH, |account| account.storage_root);
        let Some(info) = diff.info else {
            let storage = StorageChanges { wiped: before != EMPTY_ROOT_HASH, ..Default::default() };
            return Ok((None, storage));
        };
        let wiped = diff.wiped && before != EMPTY_ROOT_HASH;
        let (storage_root, nodes) = match (diff.storage.is_empty(), wiped) {
            (true, false) => (before, NodeChanges::new()),
            (true, true) => (EMPTY_ROOT_HASH, NodeChanges::new()),
            (false, false) => update_storage(storage, keys, &diff.storage, self.wanted)?,
            (false, true) => {
                // Nothing is loaded into a trie that starts empty.
                let mut fresh = Trie::open(self.source, Some(*key), EMPTY_ROOT_HASH);
                update_storage(&mut fresh, keys, &diff.storage, self.wanted)?
            }
        };
        let account = TrieAccount {
            nonce: info.nonce,
            balance: info.balance,
            storage_root,
            code_hash: info.code_hash,
        };
        Ok((Some(account), StorageChanges { wiped, nodes }))
    }
}

fn update_storage(
    trie: &mut Trie<'_>,
    keys: &B256Map<B256>,
    slots: &BTreeMap<B256, U256>,
    wanted: Wanted,
) -> Result<(B256, NodeChanges), StateError> {
    let mut slots: Vec<_> = slots.iter().map(|(slot, value)| (keys[slot], *value)).collect();
    slots.sort_unstable_by_key(|(key, value)| (value.is_zero(), *key));
    for (key, value) in slots {
        if value.is_zero() {
            trie.remove(key)?;
        } else {
            trie.insert(key, alloy_rlp::encode(value))?;
        }
    }
    Ok(finish(trie, wanted))
}

/// The root, and of the changed nodes what is wanted.
fn finish(trie: &mut Trie<'_>, wanted: Wanted) -> (B256, NodeChanges) {
    match wanted {
        Wanted::Root => (trie.root(), NodeChanges::new()),
        Wanted::Nodes => trie.commit(),
    }
}

fn decode_account(value: &[u8], root: B256) -> Result<TrieAccount, StateError> {
    decode_exact(value).ok_or(StateError::Malformed(root))
}

/// The value of a slot that has a leaf. A slot that is zero has none.
fn decode_slot(value: &[u8], root: B256) -> Result<U256, StateError> {
    decode_exact(value).filter(|value: &U256| !value.is_zero()).ok_or(StateError::Malformed(root))
}

/// Decodes a leaf's value, which must be nothing but the encoding.
fn decode_exact<T: Decodable>(mut value: &[u8]) -> Option<T> {
    T::decode(&mut value).ok().filter(|_| value.is_empty())
}
