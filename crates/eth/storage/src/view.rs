//! The state after one block.

use std::{fmt, sync::Arc};

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use ethrex_trie::{EMPTY_ROOT, Nibbles, NodeSource, RunningTries, prove, read_account, read_slot};
use ethrex_types::{
    AccountInfo, RunningRoot, StateError, StateReader, TrieAccount, account::KECCAK_EMPTY,
};

use crate::{
    blocks::canonical_hash,
    codec::{Base, decode_account, decode_slot, meta, read_existing},
    engine::Snapshot,
    error::StorageError,
    layer::{Changes, Lineage},
    storage::{BlockRef, Storage},
    table::{Table, node_key, slot_key},
};

/// The state after one block, as it is and will be: later commits, flushes and reorgs do not show in it.
///
/// Cheap to clone. Keeps superseded pages of the database alive, so it is for a piece of work, not for good.
#[derive(Clone)]
pub struct StateView {
    block: BlockRef,
    root: B256,
    /// What stands above the base, newest first.
    parts: Vec<Arc<Changes>>,
    /// Hashes of the block and its ancestors down to the base, newest first.
    hashes: Vec<B256>,
    base: Arc<dyn Snapshot>,
}

/// Proof of an account and of slots in it, as `eth_getProof` returns it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountProof {
    /// The account; `None` where the proof shows that there is none.
    pub account: Option<TrieAccount>,
    /// Nodes from the state root to the account.
    pub proof: Vec<Bytes>,
    /// One proof per slot asked for, in that order.
    pub slots: Vec<SlotProof>,
}

/// Proof of one slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotProof {
    /// The slot.
    pub slot: B256,
    /// Its value; zero where the proof shows that it is unset.
    pub value: U256,
    /// Nodes from the storage root to the slot.
    pub proof: Vec<Bytes>,
}

impl Storage {
    /// The state after this block; `None` if the block is unknown or lies further back than state is kept.
    pub fn state_at(&self, hash: B256) -> Result<Option<StateView>, StorageError> {
        let core = self.core();
        let Some(lineage) = core.tree.read().lineage(hash) else { return Ok(None) };
        let snapshot = core.disk.snapshot()?;
        // The base may have moved on in between. That does no harm as long as it moved along this lineage, whose layers
        // contain all that was written; otherwise the block has just been given up.
        let base: Base = read_existing(&*snapshot, Table::Meta, meta::BASE)?;
        if !lineage.passes(base.target) {
            return Ok(None);
        }
        let Lineage { block, state_root, parts, hashes, .. } = lineage;
        Ok(Some(StateView { block, root: state_root, parts, hashes, base: Arc::from(snapshot) }))
    }
}

impl StateView {
    /// The state on disk.
    pub(crate) fn of_base(base: BlockRef, root: B256, disk: Arc<dyn Snapshot>) -> Self {
        Self { block: base, root, parts: vec![], hashes: vec![base.hash], base: disk }
    }

    /// The state on disk with changes that lead to a block below it.
    pub(crate) fn over(
        block: BlockRef,
        root: B256,
        changes: Changes,
        disk: Arc<dyn Snapshot>,
    ) -> Self {
        Self { block, root, parts: vec![Arc::new(changes)], hashes: vec![block.hash], base: disk }
    }

    /// Adds what the next block changes.
    pub(crate) fn push(&mut self, block: BlockRef, root: B256, changes: &Changes) {
        match self.parts.first_mut() {
            Some(newest) => Arc::make_mut(newest).merge(changes),
            None => self.parts.push(Arc::new(changes.clone())),
        }
        self.hashes.insert(0, block.hash);
        (self.block, self.root) = (block, root);
    }

    /// The state root.
    #[must_use]
    pub const fn root(&self) -> B256 {
        self.root
    }

    /// The block after which this is the state.
    #[must_use]
    pub const fn block(&self) -> BlockRef {
        self.block
    }

    /// Proves an account and slots in it.
    pub fn proof(&self, address: Address, slots: &[B256]) -> Result<AccountProof, StateError> {
        let owner = keccak256(address);
        let account = read_account(self, self.root, address)?;
        let storage_root = account.map_or(EMPTY_ROOT, |account| account.storage_root);
        let slots = slots.iter().map(|&slot| {
            let value = read_slot(self, storage_root, address, slot)?;
            let proof = prove(self, Some(owner), storage_root, keccak256(slot))?;
            Ok(SlotProof { slot, value, proof })
        });
        Ok(AccountProof {
            account,
            proof: prove(self, None, self.root, owner)?,
            slots: slots.collect::<Result<_, StateError>>()?,
        })
    }

    fn row(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StateError> {
        Ok(self.base.get(table, key).map_err(StorageError::Read)?)
    }
}

impl StateReader for StateView {
    fn account(&self, address: Address) -> Result<Option<AccountInfo>, StateError> {
        if let Some(diff) = self.parts.iter().find_map(|part| part.accounts.get(&address)) {
            return Ok(diff.info);
        }
        let row = self.row(Table::Accounts, keccak256(address).as_slice())?;
        Ok(row.map(|row| decode_account(&row)).transpose()?)
    }

    fn storage(&self, address: Address, slot: B256) -> Result<U256, StateError> {
        for diff in self.parts.iter().filter_map(|part| part.accounts.get(&address)) {
            if let Some(value) = diff.storage.get(&slot) {
                return Ok(*value);
            }
            if diff.wiped {
                return Ok(U256::ZERO);
            }
        }
        let row = self.row(Table::Slots, &slot_key(keccak256(address), keccak256(slot)))?;
        Ok(row.map_or(Ok(U256::ZERO), |row| decode_slot(&row))?)
    }

    fn code(&self, hash: B256) -> Result<Option<Bytes>, StateError> {
        if hash == KECCAK_EMPTY {
            return Ok(Some(Bytes::new()));
        }
        self.row(Table::Codes, hash.as_slice())
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, StateError> {
        let Some(back) = self.block.number.checked_sub(number) else { return Ok(None) };
        let recent = usize::try_from(back).ok().and_then(|back| self.hashes.get(back));
        match recent {
            Some(hash) => Ok(Some(*hash)),
            // The base and all before it are canonical for good.
            None => Ok(canonical_hash(&*self.base, number)?),
        }
    }

    fn has_storage(&self, address: Address) -> Result<bool, StateError> {
        let account = read_account(self, self.root, address)?;
        Ok(account.is_some_and(|account| account.storage_root != EMPTY_ROOT))
    }

    fn running_root(&self) -> Option<Box<dyn RunningRoot + '_>> {
        Some(Box::new(RunningTries::new(self, self.root)))
    }
}

impl NodeSource for StateView {
    fn node(
        &self,
        owner: Option<B256>,
        path: &Nibbles,
        _hash: B256,
    ) -> Result<Option<Bytes>, StateError> {
        let Some(owner) = owner else {
            if let Some(node) = self.parts.iter().find_map(|part| part.nodes.get(path)) {
                return Ok(node.clone());
            }
            return self.row(Table::AccountNodes, &node_key(None, path));
        };
        for storage in self.parts.iter().filter_map(|part| part.storages.get(&owner)) {
            if let Some(node) = storage.nodes.get(path) {
                return Ok(node.clone());
            }
            if storage.wiped {
                return Ok(None);
            }
        }
        self.row(Table::StorageNodes, &node_key(Some(owner), path))
    }
}

impl fmt::Debug for StateView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateView")
            .field("block", &self.block)
            .field("root", &self.root)
            .finish_non_exhaustive()
    }
}
