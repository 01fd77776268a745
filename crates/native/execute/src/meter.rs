//! Counts what the transactions of a derived block touch of the state before it, and stops the one that would touch too much.
//!
//! A block that is derived must be one that anybody can prove: its witness has to fit in a call. So the cut is part of the derivation, the same
//! in a node on its own state and in EXECUTE on a witness, and it counts what a witness consists of: the nodes of a path when the path is
//! first needed, code when it is first loaded, headers back to the oldest that `BLOCKHASH` asks for.
//!
//! A transaction that touches a contract that gathers requests (EIP-7002, EIP-7251, EIP-8282) is stopped too: what it puts there would be read by
//! system calls, which do not count. What system calls touch does not count. The access that would pass a cap does not count either, and ends its transaction. Where the number
//! of items or headers decides, nothing has been read; where bytes decide, they have been read, and a witness must contain them.

use std::{
    collections::{BTreeMap, HashSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use alloy_primitives::{Address, B256, Bytes, U256};
use ethrex_stf::Accesses;
use ethrex_trie::{EMPTY_ROOT, NodeSource, StateTries};
use ethrex_types::{
    AccountInfo, SealedHeader, StateDiff, StateError, StateReader, TrieAccount, system,
};

use crate::config::Caps;

/// Counted for each account and slot beside its path: the sibling that its removal may need, as large as a node can be.
pub const SIBLING_BYTES: usize = 532;
/// Counted for each ancestor before the parent that a `BLOCKHASH` needs.
pub const HEADER_BYTES: usize = 1_024;

/// What was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Accounts and storage slots.
    pub items: usize,
    /// Bytes of code.
    pub code_bytes: usize,
    /// Ancestors before the parent.
    pub headers: usize,
    /// Bytes of trie nodes, and [`SIBLING_BYTES`] for each item.
    pub node_bytes: usize,
}

impl Usage {
    /// Bytes of the witness, as they count.
    #[must_use]
    pub const fn witness_bytes(&self) -> usize {
        let headers = self.headers.saturating_mul(HEADER_BYTES);
        self.node_bytes.saturating_add(self.code_bytes).saturating_add(headers)
    }

    const fn within(&self, caps: &Caps) -> bool {
        self.items <= caps.items
            && self.code_bytes <= caps.code_bytes
            && self.witness_bytes() <= caps.witness_bytes
    }
}

/// The state after the parent, read through its tries and counted.
pub(crate) struct Meter<'a> {
    state: &'a dyn StateReader,
    parent: u64,
    /// Who is paid at the end of every transaction.
    fee_recipient: Address,
    inner: Mutex<Inner<'a>>,
}

struct Inner<'a> {
    nodes: &'a dyn NodeSource,
    root: B256,
    /// Every node in them has been counted.
    tries: StateTries<'a>,
    counting: Option<Caps>,
    used: Usage,
    accounts: BTreeMap<Address, Option<TrieAccount>>,
    slots: BTreeMap<(Address, B256), U256>,
    /// The nodes that were counted.
    counted: HashSet<B256>,
    codes: HashSet<B256>,
    /// Everything that a witness must contain: what was counted, what system calls read, and the access at which a transaction was stopped.
    needed: Accesses,
    tripped: bool,
}

/// A transaction touched too much.
#[derive(Debug, thiserror::Error)]
#[error("the transaction touches more of the state than is allowed")]
struct Tripped;

impl<'a> Meter<'a> {
    pub(crate) fn new(
        state: &'a dyn StateReader,
        nodes: &'a dyn NodeSource,
        parent: &SealedHeader,
        fee_recipient: Address,
    ) -> Self {
        let inner = Inner::new(nodes, parent.state_root);
        Self { state, parent: parent.number, fee_recipient, inner: Mutex::new(inner) }
    }

    /// From now on accesses count, and end what passes the caps.
    pub(crate) fn start(&self, caps: Caps) {
        self.inner().counting = Some(caps);
    }

    /// From now on they do not. Whether a transaction was ended.
    pub(crate) fn stop(&self) -> bool {
        let mut inner = self.inner();
        inner.counting = None;
        std::mem::take(&mut inner.tripped)
    }

    pub(crate) fn used(&self) -> Usage {
        self.inner().used
    }

    pub(crate) fn needed(&self) -> Accesses {
        self.inner().needed.clone()
    }

    /// The root of the state that `diff` makes of the one that was read, by [`ethrex_trie::update_state`]'s procedure.
    pub(crate) fn root_after(self, diff: &StateDiff) -> Result<B256, StateError> {
        self.inner.into_inner().unwrap_or_else(PoisonError::into_inner).tries.root_after(diff)
    }

    // Nothing that holds the lock panics half-way through a change.
    fn inner(&self) -> MutexGuard<'_, Inner<'a>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn trie_account(&self, address: Address) -> Result<Option<TrieAccount>, StateError> {
        let mut inner = self.inner();
        if address != self.fee_recipient {
            inner.refuse_requests(address)?;
        }
        if let Some(account) = inner.accounts.get(&address) {
            return Ok(*account);
        }
        inner.item()?;
        let account = inner.tries.account(address)?;
        inner.needed.accounts.entry(address).or_default();
        inner.path()?;
        inner.accounts.insert(address, account);
        Ok(account)
    }
}

impl<'a> Inner<'a> {
    fn new(nodes: &'a dyn NodeSource, root: B256) -> Self {
        Self {
            nodes,
            root,
            tries: remembering(nodes, root),
            counting: None,
            used: Usage::default(),
            accounts: BTreeMap::new(),
            slots: BTreeMap::new(),
            counted: HashSet::new(),
            codes: HashSet::new(),
            needed: Accesses::default(),
            tripped: false,
        }
    }

    /// Counts `more` if it is within the caps.
    fn count(&mut self, more: Usage) -> Result<(), StateError> {
        let Some(caps) = &self.counting else { return Ok(()) };
        if !more.within(caps) {
            return Err(self.trip());
        }
        self.used = more;
        Ok(())
    }

    fn trip(&mut self) -> StateError {
        self.tripped = true;
        StateError::Backend(Arc::new(Tripped))
    }

    /// Ends a transaction that turns to a contract that gathers requests. A rollup has nobody to ask, and the system calls that empty their
    /// queues are not counted.
    fn refuse_requests(&mut self, address: Address) -> Result<(), StateError> {
        let gathers = system::CONTRACTS
            .iter()
            .any(|contract| contract.requests && contract.address == address);
        if self.counting.is_some() && gathers { Err(self.trip()) } else { Ok(()) }
    }

    /// One more account or slot is about to be read. It counts with its path.
    fn item(&mut self) -> Result<(), StateError> {
        let used = self.used;
        let result = self.count(Usage { items: used.items + 1, ..used });
        self.used = used;
        result
    }

    /// An account or slot was read. Its path is new as far as its nodes were not counted before, be it in another place.
    fn path(&mut self) -> Result<(), StateError> {
        let mut new: Vec<_> = self.tries.take_seen();
        new.retain(|(hash, _)| !self.counted.contains(hash));
        new.sort_unstable_by_key(|(hash, _)| *hash);
        new.dedup_by_key(|(hash, _)| *hash);
        let bytes: usize = new.iter().map(|(_, node)| node.len()).sum();
        let node_bytes = self.used.node_bytes + bytes + SIBLING_BYTES;
        if let Err(stop) = self.count(Usage { items: self.used.items + 1, node_bytes, ..self.used })
        {
            // The next path along these nodes has to show them again.
            self.tries = remembering(self.nodes, self.root);
            return Err(stop);
        }
        self.counted.extend(new.into_iter().map(|(hash, _)| hash));
        Ok(())
    }
}

/// The tries of a state, which tell what they load.
fn remembering(nodes: &dyn NodeSource, root: B256) -> StateTries<'_> {
    let mut tries = StateTries::open(nodes, root);
    tries.remember();
    tries
}

impl StateReader for Meter<'_> {
    fn account(&self, address: Address) -> Result<Option<AccountInfo>, StateError> {
        Ok(self.trie_account(address)?.map(AccountInfo::from))
    }

    fn storage(&self, address: Address, slot: B256) -> Result<U256, StateError> {
        self.trie_account(address)?;
        let mut inner = self.inner();
        inner.refuse_requests(address)?;
        if let Some(value) = inner.slots.get(&(address, slot)) {
            return Ok(*value);
        }
        inner.item()?;
        let value = inner.tries.slot(address, slot)?;
        inner.needed.accounts.entry(address).or_default().insert(slot);
        inner.path()?;
        inner.slots.insert((address, slot), value);
        Ok(value)
    }

    fn code(&self, hash: B256) -> Result<Option<Bytes>, StateError> {
        let code = self.state.code(hash)?;
        let mut inner = self.inner();
        if let Some(code) = &code
            && !inner.codes.contains(&hash)
        {
            inner.needed.codes.insert(hash, code.clone());
            let code_bytes = inner.used.code_bytes + code.len();
            let more = Usage { code_bytes, ..inner.used };
            inner.count(more)?;
            inner.codes.insert(hash);
        }
        Ok(code)
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, StateError> {
        let mut inner = self.inner();
        let headers = usize::try_from(self.parent.saturating_sub(number)).unwrap_or(usize::MAX);
        let more = Usage { headers: headers.max(inner.used.headers), ..inner.used };
        inner.count(more)?;
        let oldest = inner.needed.oldest_block_hash.get_or_insert(number);
        *oldest = number.min(*oldest);
        drop(inner);
        self.state.block_hash(number)
    }

    fn has_storage(&self, address: Address) -> Result<bool, StateError> {
        Ok(self.trie_account(address)?.is_some_and(|account| account.storage_root != EMPTY_ROOT))
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::keccak256;
    use ethrex_trie::{HashedNodes, Recorder, read_account, read_slot, state_root_of};
    use ethrex_types::{AccountDiff, Header};
    use proptest::prelude::*;

    use super::*;

    /// Accounts and slots go through the tries.
    struct Nothing;

    impl StateReader for Nothing {
        fn account(&self, _: Address) -> Result<Option<AccountInfo>, StateError> {
            unreachable!("accounts are read from the tries")
        }

        fn storage(&self, _: Address, _: B256) -> Result<U256, StateError> {
            unreachable!("slots are read from the tries")
        }

        fn code(&self, _: B256) -> Result<Option<Bytes>, StateError> {
            Ok(None)
        }

        fn block_hash(&self, _: u64) -> Result<Option<B256>, StateError> {
            Ok(None)
        }

        fn has_storage(&self, _: Address) -> Result<bool, StateError> {
            unreachable!("accounts are read from the tries")
        }
    }

    /// Twenty accounts; every other one has the same storage of forty slots.
    fn state() -> (B256, HashedNodes) {
        let slots = (1..=40).map(|slot| (slot_of(slot), U256::from(slot))).collect();
        let storage = [BTreeMap::new(), slots];
        let accounts = (0..20_u8).map(|number| {
            let info = Some(AccountInfo { nonce: 1, ..AccountInfo::default() });
            let storage = storage[usize::from(number) % 2].clone();
            (Address::repeat_byte(number), AccountDiff { info, storage, ..AccountDiff::default() })
        });
        let update =
            state_root_of(&StateDiff { accounts: accounts.collect(), ..StateDiff::default() });
        let storages = update.nodes.storages.into_values().flat_map(|changes| changes.nodes);
        let nodes = update.nodes.accounts.into_iter().chain(storages);
        (update.root, nodes.filter_map(|(_, node)| node).collect())
    }

    fn slot_of(number: u64) -> B256 {
        B256::from(U256::from(number))
    }

    /// The definition: each path is walked by itself.
    #[derive(Default)]
    struct Model {
        known: HashSet<(Address, Option<B256>)>,
        counted: HashSet<B256>,
        used: Usage,
    }

    impl Model {
        /// Whether the access is within the caps.
        fn access(
            &mut self,
            (root, nodes): &(B256, HashedNodes),
            caps: &Caps,
            address: Address,
            slot: Option<B256>,
        ) -> bool {
            if self.known.contains(&(address, slot)) {
                return true;
            }
            let account = read_account(nodes, *root, address).unwrap();
            let recorder = Recorder::new(nodes);
            match (slot, account) {
                (None, _) => drop(read_account(&recorder, *root, address).unwrap()),
                (Some(slot), Some(account)) => {
                    read_slot(&recorder, account.storage_root, address, slot).unwrap();
                }
                (Some(_), None) => {}
            }
            let mut new = recorder.into_nodes();
            new.retain(|node| !self.counted.contains(&keccak256(node)));
            let bytes: usize = new.iter().map(|node| node.len()).sum();
            let used = Usage {
                items: self.used.items + 1,
                node_bytes: self.used.node_bytes + bytes + SIBLING_BYTES,
                ..self.used
            };
            let within = used.within(caps);
            if within {
                self.used = used;
                self.known.insert((address, slot));
                self.counted.extend(new.iter().map(keccak256));
            }
            within
        }
    }

    proptest! {
        /// What was read and not counted, because it would have passed a cap, counts when it is read again.
        #[test]
        fn paths_count_as_if_each_were_walked_by_itself(
            accesses in proptest::collection::vec((0..25_u8, 0..45_u64, 300..4_000_usize), 1..40),
        ) {
            let state = state();
            let header = Header { state_root: state.0, ..Header::default() };
            let parent = SealedHeader::new_unchecked(header, B256::ZERO);
            let meter = Meter::new(&Nothing, &state.1, &parent, Address::ZERO);
            let mut model = Model::default();
            for (number, slot, room) in accesses {
                let (address, slot) = (Address::repeat_byte(number), slot_of(slot));
                let caps = Caps {
                    items: usize::MAX,
                    code_bytes: usize::MAX,
                    witness_bytes: model.used.witness_bytes() + room,
                };
                meter.start(caps);
                let value = meter.storage(address, slot);
                let stopped = meter.stop();
                let within = model.access(&state, &caps, address, None)
                    && model.access(&state, &caps, address, Some(slot));
                prop_assert_eq!(stopped, !within);
                prop_assert_eq!(value.is_ok(), within);
                prop_assert_eq!(meter.used(), model.used);
            }
        }
    }
}
