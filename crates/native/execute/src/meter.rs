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
use ethrex_trie::{Nibbles, NodeSource, read_account, read_slot};
use ethrex_types::{AccountInfo, SealedHeader, StateError, StateReader, TrieAccount, system};

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
    nodes: &'a dyn NodeSource,
    root: B256,
    parent: u64,
    /// Who is paid at the end of every transaction.
    fee_recipient: Address,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    counting: Option<Caps>,
    used: Usage,
    accounts: BTreeMap<Address, Option<TrieAccount>>,
    slots: BTreeMap<(Address, B256), U256>,
    nodes: HashSet<B256>,
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
        Self {
            state,
            nodes,
            root: parent.state_root,
            parent: parent.number,
            fee_recipient,
            inner: Mutex::default(),
        }
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

    // Nothing that holds the lock panics half-way through a change.
    fn inner(&self) -> MutexGuard<'_, Inner> {
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
        let path = Path::new(self.nodes);
        let account = read_account(&path, self.root, address)?;
        inner.needed.accounts.entry(address).or_default();
        inner.path(path)?;
        inner.accounts.insert(address, account);
        Ok(account)
    }
}

impl Inner {
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

    /// An account or slot was read.
    fn path(&mut self, path: Path<'_>) -> Result<(), StateError> {
        let new = path.into_nodes();
        let new: Vec<_> = new.into_iter().filter(|(hash, _)| !self.nodes.contains(hash)).collect();
        let bytes: usize = new.iter().map(|(_, len)| len).sum();
        let node_bytes = self.used.node_bytes + bytes + SIBLING_BYTES;
        self.count(Usage { items: self.used.items + 1, node_bytes, ..self.used })?;
        self.nodes.extend(new.into_iter().map(|(hash, _)| hash));
        Ok(())
    }
}

impl StateReader for Meter<'_> {
    fn account(&self, address: Address) -> Result<Option<AccountInfo>, StateError> {
        Ok(self.trie_account(address)?.map(AccountInfo::from))
    }

    fn storage(&self, address: Address, slot: B256) -> Result<U256, StateError> {
        let account = self.trie_account(address)?;
        let mut inner = self.inner();
        inner.refuse_requests(address)?;
        if let Some(value) = inner.slots.get(&(address, slot)) {
            return Ok(*value);
        }
        inner.item()?;
        let path = Path::new(self.nodes);
        let value = match account {
            Some(account) => read_slot(&path, account.storage_root, address, slot)?,
            None => U256::ZERO,
        };
        inner.needed.accounts.entry(address).or_default().insert(slot);
        inner.path(path)?;
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
}

/// Notes the nodes of one path.
struct Path<'a> {
    nodes: &'a dyn NodeSource,
    seen: Mutex<BTreeMap<B256, usize>>,
}

impl<'a> Path<'a> {
    fn new(nodes: &'a dyn NodeSource) -> Self {
        Self { nodes, seen: Mutex::default() }
    }

    fn into_nodes(self) -> BTreeMap<B256, usize> {
        self.seen.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

impl NodeSource for Path<'_> {
    fn node(
        &self,
        owner: Option<B256>,
        path: &Nibbles,
        hash: B256,
    ) -> Result<Option<Bytes>, StateError> {
        let node = self.nodes.node(owner, path, hash)?;
        if let Some(node) = &node {
            self.seen.lock().unwrap_or_else(PoisonError::into_inner).insert(hash, node.len());
        }
        Ok(node)
    }
}
