//! The state trie: accounts over storage tries.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
};

use alloy_primitives::{
    Address, B256, Bytes, U256, keccak256,
    map::{AddressMap, B256Map, Entry},
};
use alloy_rlp::Decodable;
use alloy_trie::EMPTY_ROOT_HASH;
use ethrex_types::{AccountDiff, StateDiff, StateError, TrieAccount, join};
use nybbles::Nibbles;

use crate::{HashedNodes, NodeChanges, NodeSource, Trie, keccak::hash_into, paths, read_value};

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
    tries.apply(diff, Wanted::Nodes).map(|(update, _)| update)
}

/// Accounts, and storage slots of each.
pub type Reads = BTreeMap<Address, BTreeSet<B256>>;

/// Every node on the way to these accounts and slots, in no order.
fn nodes_of(
    source: &dyn NodeSource,
    root: B256,
    reads: &[(Address, Vec<&B256>)],
) -> Result<Vec<Bytes>, StateError> {
    let addresses: Vec<_> = reads.iter().map(|(address, _)| address).collect();
    let accounts = hashes_of(&addresses).into_iter().zip(reads);
    let accounts = sorted_keys(accounts.map(|(key, (_, slots))| (key, (key, slots))));
    let mut storages = Vec::new();
    let mut nodes = paths::walk(source, None, root, &accounts, &mut |(key, slots), value| {
        storages.push((*key, decode_account(value, root)?.storage_root, *slots));
        Ok(())
    })?;
    for (owner, root, slots) in storages {
        let slots = sorted_keys(hashes_of(slots).into_iter().map(|key| (key, ())));
        nodes.extend(paths::walk(source, Some(owner), root, &slots, &mut |(), _| Ok(()))?);
    }
    Ok(nodes)
}

fn sorted_keys<T>(keys: impl Iterator<Item = (B256, T)>) -> Vec<(Nibbles, T)> {
    let mut keys: Vec<_> = keys.map(|(key, what)| (Nibbles::unpack(key), what)).collect();
    keys.sort_unstable_by_key(|(key, _)| *key);
    keys
}

fn hashes_of<T: AsRef<[u8]>>(items: &[T]) -> Vec<B256> {
    let mut hashes = vec![B256::ZERO; items.len()];
    hash_into(items, &mut hashes);
    hashes
}

/// Each once, in bytewise order: two paths may meet, and two tries may have a node in common. Nearly all nodes differ in their first
/// bytes, which are compared without looking for them in memory.
fn sorted(mut nodes: Vec<Bytes>) -> Vec<Bytes> {
    let begin = |node: &Bytes| {
        let mut begin = [0; size_of::<u64>()];
        let len = node.len().min(begin.len());
        begin[..len].copy_from_slice(&node[..len]);
        u64::from_be_bytes(begin)
    };
    let mut order: Vec<(u64, u32)> = nodes.iter().map(begin).zip(0..).collect();
    sort_by(&mut order, |(one, at), (other, there)| {
        one.cmp(other).then_with(|| nodes[*at as usize].cmp(&nodes[*there as usize]))
    });
    order.dedup_by(|(one, at), (other, there)| {
        one == other && nodes[*at as usize] == nodes[*there as usize]
    });
    order.into_iter().map(|(_, at)| std::mem::take(&mut nodes[at as usize])).collect()
}

#[cfg(feature = "parallel")]
fn sort_by<T: Send>(items: &mut [T], order: impl Fn(&T, &T) -> Ordering + Sync) {
    use rayon::prelude::*;
    items.par_sort_unstable_by(order);
}

#[cfg(not(feature = "parallel"))]
fn sort_by<T>(items: &mut [T], order: impl Fn(&T, &T) -> Ordering) {
    items.sort_unstable_by(order);
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
    /// Keys of the slots that were found, or found unset: most that are written were read before.
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
        let Loaded { account, storage, keys, .. } = loaded;
        let Some(account) = account else { return Ok(U256::ZERO) };
        let entry = keys.entry(slot);
        let key = match &entry {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(_) => keccak256(slot),
        };
        let value = storage.get(key)?;
        let value = value.map_or(Ok(U256::ZERO), |value| decode_slot(value, account.storage_root));
        entry.or_insert(key);
        if let Some(seen) = seen {
            seen.extend(storage.take_seen());
        }
        value
    }

    /// The root of the state that `diff` makes of this one, by the procedure of [`update_state`].
    ///
    /// # Errors
    /// If a node is missing or malformed.
    pub fn root_after(self, diff: &StateDiff) -> Result<B256, StateError> {
        self.apply(diff, Wanted::Root).map(|(update, _)| update.root)
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

    /// Applies a diff by the procedure of [`update_state`]. With the outcome comes every node on the way to `reads` and every node that
    /// the update reads: each once, in bytewise order.
    ///
    /// What was read before is not walked to again: [`Self::remember`] must have come first. What else is only read is walked by
    /// another core beside the update.
    ///
    /// # Errors
    /// If a node is missing or malformed.
    pub fn update_recorded(
        mut self,
        reads: &Reads,
        diff: &StateDiff,
    ) -> Result<(StateUpdate, Vec<Bytes>), StateError> {
        self.remember();
        let (source, root, left) = (self.source, self.root, self.reads_left(reads, diff));
        let (update, read) =
            join(|| self.apply(diff, Wanted::Nodes), || nodes_of(source, root, &left));
        let ((update, seen), mut nodes) = (update?, read?);
        nodes.extend(seen.into_iter().map(|(_, node)| node));
        Ok((update, sorted(nodes)))
    }

    /// The accounts and slots that were not read yet and to which the update does not go itself. It does not look at storage that is
    /// wiped.
    fn reads_left<'r>(&self, reads: &'r Reads, diff: &StateDiff) -> Vec<(Address, Vec<&'r B256>)> {
        let left = |(address, slots): (&Address, &'r BTreeSet<B256>)| {
            let read = self.accounts.get(address);
            let is_kept = |account: &&AccountDiff| account.info.is_some() && !account.wiped;
            let changed = diff.accounts.get(address);
            let written = changed.filter(is_kept);
            let is_left = |slot: &&B256| {
                !read.is_some_and(|read| read.has_read(slot))
                    && !written.is_some_and(|account| account.storage.contains_key(*slot))
            };
            let slots: Vec<_> = slots.iter().filter(is_left).collect();
            let is_reached = read.is_some() || changed.is_some();
            (!is_reached || !slots.is_empty()).then_some((*address, slots))
        };
        reads.iter().filter_map(left).collect()
    }

    /// Applies a diff. With the outcome comes every node that was loaded and not taken; of the outcome there is what is wanted.
    fn apply(
        mut self,
        diff: &StateDiff,
        wanted: Wanted,
    ) -> Result<(StateUpdate, Vec<(B256, Bytes)>), StateError> {
        let mut jobs = self.jobs(diff, wanted)?;
        jobs.sort_unstable_by_key(|job| job.loaded.key);

        let Self { mut trie, seen, .. } = self;
        let mut seen = seen.unwrap_or_default();
        let mut update = StateUpdate::default();
        let (mut present, mut gone) = (vec![], vec![]);
        for done in run_all(jobs)? {
            seen.extend(done.seen);
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

    /// What there is to do for each account of the diff. The accounts are loaded here.
    fn jobs<'d>(
        &mut self,
        diff: &'d StateDiff,
        wanted: Wanted,
    ) -> Result<Vec<AccountJob<'s, 'd>>, StateError> {
        let is_new = |address: &&Address| !self.accounts.contains_key(*address);
        let new: Vec<_> = diff.accounts.keys().filter(is_new).collect();
        let (mut keys, remember) = (hashes_of(&new).into_iter(), self.seen.is_some());
        let job = |(address, diff): (&Address, &'d AccountDiff)| {
            let loaded = match self.accounts.remove(address) {
                Some(loaded) => loaded,
                None => {
                    let key = keys.next().expect("each new address has a key");
                    Loaded::open(self.source, &mut self.trie, self.root, key, remember)?
                }
            };
            Ok(AccountJob { source: self.source, address: *address, loaded, diff, wanted })
        };
        diff.accounts.iter().map(job).collect()
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

    /// Whether the way to this slot was walked. An account that is not there has no storage to walk.
    fn has_read(&self, slot: &B256) -> bool {
        self.account.is_none() || self.keys.contains_key(slot)
    }

    /// Finds the keys of slots, all those that are not known yet at once.
    fn know<'d>(&mut self, slots: impl Iterator<Item = &'d B256>) {
        let new: Vec<B256> = slots.filter(|slot| !self.keys.contains_key(*slot)).copied().collect();
        let keys = hashes_of(&new);
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

/// One account of a diff, ready to be worked on independently of all others.
struct AccountJob<'s, 'd> {
    source: &'s dyn NodeSource,
    address: Address,
    loaded: Loaded<'s>,
    diff: &'d AccountDiff,
    wanted: Wanted,
}

/// What came of one account.
struct AccountDone {
    address: Address,
    key: B256,
    /// As it stands afterwards; `None` where it is gone.
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
        let (account, storage) = self.change()?;
        Ok(AccountDone {
            address: self.address,
            key: self.loaded.key,
            account,
            storage,
            seen: self.loaded.storage.take_seen(),
        })
    }

    /// The account afterwards, and what changed in its storage.
    fn change(&mut self) -> Result<(Option<TrieAccount>, StorageChanges), StateError> {
        let diff = self.diff;
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
