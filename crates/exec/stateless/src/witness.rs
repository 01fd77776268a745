//! The execution witness: as it travels, and as it is read.

use std::{collections::HashMap, sync::Mutex};

use alloy_primitives::{Address, B256, Bytes, U256, keccak256, map::B256Map};
use alloy_rlp::{Decodable, RlpDecodable, RlpEncodable};
use ethrex_trie::{HashedNodes, read_account, read_slot};
use ethrex_types::{
    AccountInfo, Header, Missing, SealedHeader, StateError, StateReader, TrieAccount,
};
use serde::{Deserialize, Serialize};

/// What a block reads, in the shape of `debug_executionWitness` (geth, reth).
#[derive(
    Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, RlpEncodable, RlpDecodable,
)]
pub struct ExecutionWitness {
    /// RLP trie nodes of the account trie and of storage tries, in any order.
    pub state: Vec<Bytes>,
    /// Contract code that is run or inspected.
    #[serde(default)]
    pub codes: Vec<Bytes>,
    /// Addresses and slots that are read; informative, not needed to validate.
    #[serde(default)]
    pub keys: Vec<Bytes>,
    /// RLP headers of ancestors: the parent, and as far back as `BLOCKHASH` looks.
    #[serde(default)]
    pub headers: Vec<Bytes>,
}

/// A witness that cannot be read. It says nothing about a block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WitnessError {
    /// A header is not RLP.
    #[error("header {index} of the witness is malformed: {source}")]
    Header {
        /// Position in the witness.
        index: usize,
        /// What the decoder said.
        source: alloy_rlp::Error,
    },
}

/// A decoded witness: everything in it is keyed by its own hash, so nothing can pass for something else.
#[derive(Debug, Clone, Default)]
pub struct Witness {
    nodes: HashedNodes,
    codes: B256Map<Bytes>,
    headers: B256Map<SealedHeader>,
}

impl Witness {
    /// Hashes nodes, codes and headers.
    ///
    /// # Errors
    /// If a header is not the RLP of a header.
    pub fn decode(witness: &ExecutionWitness) -> Result<Self, WitnessError> {
        let mut headers = B256Map::default();
        for (index, bytes) in witness.headers.iter().enumerate() {
            let mut rest = bytes.as_ref();
            let header = Header::decode(&mut rest)
                .and_then(|header| {
                    if rest.is_empty() {
                        Ok(header)
                    } else {
                        Err(alloy_rlp::Error::UnexpectedLength)
                    }
                })
                .map_err(|source| WitnessError::Header { index, source })?;
            let hash = keccak256(bytes);
            headers.insert(hash, SealedHeader::new_unchecked(header, hash));
        }
        Ok(Self {
            nodes: witness.state.iter().cloned().collect(),
            codes: witness.codes.iter().map(|code| (keccak256(code), code.clone())).collect(),
            headers,
        })
    }

    /// Adds a header that has been validated, so that the next block of a range finds its parent.
    pub fn add_header(&mut self, header: SealedHeader) {
        self.headers.insert(header.hash(), header);
    }

    /// The header with this hash.
    #[must_use]
    pub fn header(&self, hash: B256) -> Option<&SealedHeader> {
        self.headers.get(&hash)
    }

    /// The trie nodes.
    #[must_use]
    pub const fn nodes(&self) -> &HashedNodes {
        &self.nodes
    }

    /// The state after `parent`.
    pub(crate) fn state_after<'w>(&'w self, parent: &'w SealedHeader) -> WitnessState<'w> {
        WitnessState { witness: self, parent, accounts: Mutex::default() }
    }
}

/// The state after one block, read from a witness.
#[derive(Debug)]
pub(crate) struct WitnessState<'w> {
    witness: &'w Witness,
    parent: &'w SealedHeader,
    /// Accounts found so far: each slot read needs its account's storage root.
    accounts: Mutex<HashMap<Address, Option<TrieAccount>>>,
}

impl WitnessState<'_> {
    fn trie_account(&self, address: Address) -> Result<Option<TrieAccount>, StateError> {
        let mut known = self.accounts.lock().expect("no holder of this lock panics");
        if let Some(account) = known.get(&address) {
            return Ok(*account);
        }
        let account = read_account(&self.witness.nodes, self.parent.state_root, address)?;
        known.insert(address, account);
        Ok(account)
    }
}

impl StateReader for WitnessState<'_> {
    fn account(&self, address: Address) -> Result<Option<AccountInfo>, StateError> {
        Ok(self.trie_account(address)?.map(AccountInfo::from))
    }

    fn storage(&self, address: Address, slot: B256) -> Result<U256, StateError> {
        match self.trie_account(address)? {
            Some(account) => read_slot(&self.witness.nodes, account.storage_root, address, slot),
            None => Ok(U256::ZERO),
        }
    }

    fn code(&self, hash: B256) -> Result<Option<Bytes>, StateError> {
        Ok(self.witness.codes.get(&hash).cloned())
    }

    /// Follows parent hashes, so that a header counts only where it really is an ancestor.
    fn block_hash(&self, number: u64) -> Result<Option<B256>, StateError> {
        let mut header = self.parent;
        while header.number > number {
            header = self
                .witness
                .header(header.parent_hash)
                .ok_or(StateError::Missing(Missing::BlockHash(header.number - 1)))?;
        }
        Ok((header.number == number).then(|| header.hash()))
    }
}
