//! What rows look like on disk.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rlp::{Decodable, Encodable, RlpDecodable, RlpEncodable};
use ethrex_trie::{Nibbles, NodeChanges, StorageChanges, TrieUpdates};
use ethrex_types::{AccountDiff, AccountInfo, StateDiff};

use crate::{engine::Snapshot, error::StorageError, storage::BlockRef, table::Table};

/// Keys of [`Table::Meta`].
pub(crate) mod meta {
    pub(crate) const IDENTITY: &[u8] = b"identity";
    pub(crate) const BASE: &[u8] = b"base";
    pub(crate) const HEAD: &[u8] = b"head";
    pub(crate) const SAFE: &[u8] = b"safe";
    pub(crate) const FINALIZED: &[u8] = b"finalized";
    /// The height from which on logs are indexed; absent where all are.
    pub(crate) const INDEXED_FROM: &[u8] = b"indexed_from";
}

/// Which chain the database belongs to, and how it is written. Its own encoding never changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(crate) struct Identity {
    pub(crate) schema: u64,
    pub(crate) chain_id: u64,
    pub(crate) genesis: B256,
}

/// Which block the flat state and the trie nodes on disk belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(crate) struct Base {
    pub(crate) block: BlockRef,
    /// The block a flush is on the way to; equal to `block` while none is.
    pub(crate) target: BlockRef,
}

/// One layer: what a block changes.
#[derive(Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(crate) struct LayerRow {
    pub(crate) parent: B256,
    pub(crate) state_root: B256,
    accounts: Vec<AccountRow>,
    nodes: Vec<NodeRow>,
    storages: Vec<StorageRow>,
}

#[derive(Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
struct AccountRow {
    address: Address,
    exists: bool,
    info: InfoRow,
    wiped: bool,
    storage: Vec<SlotRow>,
}

#[derive(Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
struct InfoRow {
    nonce: u64,
    balance: U256,
    /// Empty where the account has no code, as most have none.
    code_hash: Bytes,
}

#[derive(Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
struct SlotRow {
    slot: B256,
    value: U256,
}

#[derive(Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
struct NodeRow {
    /// Packed path and its length in nibbles.
    path: Bytes,
    /// Empty where the node is gone.
    node: Bytes,
}

#[derive(Debug, PartialEq, Eq, RlpEncodable, RlpDecodable)]
struct StorageRow {
    owner: B256,
    wiped: bool,
    nodes: Vec<NodeRow>,
}

impl LayerRow {
    pub(crate) fn new(
        parent: B256,
        state_root: B256,
        diff: &StateDiff,
        trie: &TrieUpdates,
    ) -> Self {
        let accounts = diff.accounts.iter().map(|(address, diff)| AccountRow {
            address: *address,
            exists: diff.info.is_some(),
            info: diff.info.unwrap_or_default().into(),
            wiped: diff.wiped,
            storage: diff.storage.iter().map(|(&slot, &value)| SlotRow { slot, value }).collect(),
        });
        let storages = trie.storages.iter().map(|(owner, changes)| StorageRow {
            owner: *owner,
            wiped: changes.wiped,
            nodes: node_rows(&changes.nodes),
        });
        Self {
            parent,
            state_root,
            accounts: accounts.collect(),
            nodes: node_rows(&trie.accounts),
            storages: storages.collect(),
        }
    }

    /// The diff without code, and the changed nodes.
    pub(crate) fn into_changes(self) -> alloy_rlp::Result<(StateDiff, TrieUpdates)> {
        let mut accounts = BTreeMap::new();
        for row in self.accounts {
            let info = AccountInfo::try_from(row.info)?;
            let diff = AccountDiff {
                info: row.exists.then_some(info),
                wiped: row.wiped,
                storage: row.storage.into_iter().map(|row| (row.slot, row.value)).collect(),
            };
            accounts.insert(row.address, diff);
        }
        let mut storages = BTreeMap::new();
        for row in self.storages {
            let changes = StorageChanges { wiped: row.wiped, nodes: node_changes(row.nodes)? };
            storages.insert(row.owner, changes);
        }
        let trie = TrieUpdates { accounts: node_changes(self.nodes)?, storages };
        Ok((StateDiff { accounts, codes: BTreeMap::new() }, trie))
    }
}

fn node_rows(changes: &NodeChanges) -> Vec<NodeRow> {
    let row = |(path, node): (&Nibbles, &Option<Bytes>)| NodeRow {
        path: crate::table::node_key(None, path).into(),
        node: node.clone().unwrap_or_default(),
    };
    changes.iter().map(row).collect()
}

fn node_changes(rows: Vec<NodeRow>) -> alloy_rlp::Result<NodeChanges> {
    let change = |row: NodeRow| {
        let bad = alloy_rlp::Error::Custom("path of a node");
        let (length, packed) = row.path.split_last().ok_or(bad)?;
        let length = usize::from(*length);
        if packed.len() > 32 || length.div_ceil(2) != packed.len() {
            return Err(bad);
        }
        let path = Nibbles::unpack(packed).slice(..length);
        Ok((path, (!row.node.is_empty()).then_some(row.node)))
    };
    rows.into_iter().map(change).collect()
}

impl From<AccountInfo> for InfoRow {
    fn from(info: AccountInfo) -> Self {
        let plain = info.code_hash == AccountInfo::default().code_hash;
        let code_hash =
            if plain { Bytes::new() } else { Bytes::copy_from_slice(&info.code_hash[..]) };
        Self { nonce: info.nonce, balance: info.balance, code_hash }
    }
}

impl TryFrom<InfoRow> for AccountInfo {
    type Error = alloy_rlp::Error;

    fn try_from(row: InfoRow) -> alloy_rlp::Result<Self> {
        let code_hash = if row.code_hash.is_empty() {
            Self::default().code_hash
        } else {
            let hash = B256::try_from(&row.code_hash[..]);
            hash.map_err(|_| alloy_rlp::Error::Custom("code hash of an account"))?
        };
        Ok(Self { nonce: row.nonce, balance: row.balance, code_hash })
    }
}

/// A row of [`Table::Accounts`].
pub(crate) fn encode_account(info: AccountInfo) -> Bytes {
    encode(&InfoRow::from(info))
}

/// Reads a row of [`Table::Accounts`].
pub(crate) fn decode_account(row: &[u8]) -> Result<AccountInfo, StorageError> {
    let info: InfoRow = decode(Table::Accounts, row)?;
    info.try_into().map_err(corrupt(Table::Accounts))
}

/// A row of [`Table::Slots`]: the value without leading zeros.
pub(crate) fn encode_slot(value: U256) -> Bytes {
    Bytes::from(value.to_be_bytes_trimmed_vec())
}

/// Reads a row of [`Table::Slots`].
pub(crate) fn decode_slot(row: &[u8]) -> Result<U256, StorageError> {
    U256::try_from_be_slice(row).ok_or_else(|| corrupt(Table::Slots)(alloy_rlp::Error::Overflow))
}

/// The RLP of `value`.
pub(crate) fn encode(value: &impl Encodable) -> Bytes {
    alloy_rlp::encode(value).into()
}

/// Reads a row that is one RLP value.
pub(crate) fn decode<T: Decodable>(table: Table, row: &[u8]) -> Result<T, StorageError> {
    alloy_rlp::decode_exact(row).map_err(corrupt(table))
}

/// The value under `key`, if there is one.
pub(crate) fn read<T: Decodable>(
    snapshot: &dyn Snapshot,
    table: Table,
    key: &[u8],
) -> Result<Option<T>, StorageError> {
    let row = snapshot.get(table, key).map_err(StorageError::Read)?;
    row.map(|row| decode(table, &row)).transpose()
}

/// The value under `key`, which must exist because another row says so.
pub(crate) fn read_existing<T: Decodable>(
    snapshot: &dyn Snapshot,
    table: Table,
    key: &[u8],
) -> Result<T, StorageError> {
    read(snapshot, table, key)?.ok_or(StorageError::Dangling { table: table.name() })
}

pub(crate) const fn corrupt(table: Table) -> impl Fn(alloy_rlp::Error) -> StorageError {
    move |source| StorageError::Corrupt { table: table.name(), source }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn nodes() -> impl Strategy<Value = NodeChanges> {
        let path = proptest::collection::vec(0u8..16, 0..=64).prop_map(Nibbles::from_nibbles);
        let node = proptest::collection::vec(any::<u8>(), 1..40).prop_map(Bytes::from);
        proptest::collection::btree_map(path, proptest::option::of(node), 0..8)
    }

    fn layer() -> impl Strategy<Value = (StateDiff, TrieUpdates)> {
        let hash = || any::<[u8; 32]>().prop_map(B256::from);
        let value = || any::<[u8; 32]>().prop_map(U256::from_be_bytes);
        let info = (any::<u64>(), value(), proptest::option::of(hash())).prop_map(
            |(nonce, balance, code)| {
                let default = AccountInfo::default();
                AccountInfo { nonce, balance, code_hash: code.unwrap_or(default.code_hash) }
            },
        );
        let account = (
            proptest::option::of(info),
            any::<bool>(),
            proptest::collection::btree_map(hash(), value(), 0..4),
        )
            .prop_map(|(info, wiped, storage)| AccountDiff { info, wiped, storage });
        let address = any::<[u8; 20]>().prop_map(Address::from);
        let accounts = proptest::collection::btree_map(address, account, 0..6);
        let storage =
            (any::<bool>(), nodes()).prop_map(|(wiped, nodes)| StorageChanges { wiped, nodes });
        let storages = proptest::collection::btree_map(hash(), storage, 0..4);
        (accounts, nodes(), storages).prop_map(|(accounts, nodes, storages)| {
            let diff = StateDiff { accounts, codes: BTreeMap::new() };
            (diff, TrieUpdates { accounts: nodes, storages })
        })
    }

    proptest! {
        #[test]
        fn layers_round_trip((diff, trie) in layer()) {
            let row = LayerRow::new(B256::repeat_byte(1), B256::repeat_byte(2), &diff, &trie);
            let read: LayerRow = decode(Table::Layers, &encode(&row)).unwrap();
            prop_assert_eq!(&read, &row);
            prop_assert_eq!(read.into_changes().unwrap(), (diff, trie));
        }

        #[test]
        fn damaged_layers_are_errors((diff, trie) in layer(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
            let row = encode(&LayerRow::new(B256::ZERO, B256::ZERO, &diff, &trie));
            let mut bytes = row.to_vec();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            if let Ok(row) = decode::<LayerRow>(Table::Layers, &bytes) {
                let _ = row.into_changes();
            }
        }

        #[test]
        fn slots_round_trip(value in any::<[u8; 32]>().prop_map(U256::from_be_bytes)) {
            prop_assert_eq!(decode_slot(&encode_slot(value)).unwrap(), value);
        }
    }
}
