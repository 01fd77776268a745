//! A chain in memory, imported block by block exactly as a node would judge it, with nothing stored twice.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256, keccak256, map::HashMap};
use alloy_rlp::Decodable;
use ethrex_stf::{Ethereum, Executed, InvalidBlock, RunError, check_body, check_header, execute};
use ethrex_trie::{
    Nibbles, NodeSource, StateUpdate, read_account, read_slot, state_root_of, update_state,
};
use ethrex_types::block::InvalidSignature;
use ethrex_types::{
    AccountInfo, Block, ChainSpec, Header, RecoveredBlock, SealedBlock, SealedHeader, StateDiff,
    StateError, StateReader,
};

/// A chain from its genesis to its head.
#[derive(Debug)]
pub struct Ledger {
    spec: ChainSpec,
    head: SealedHeader,
    /// Headers from genesis on, by number.
    headers: Vec<Header>,
    nodes: Nodes,
    codes: BTreeMap<B256, Bytes>,
}

/// Every node of every state so far, by hash.
#[derive(Debug, Default)]
struct Nodes(HashMap<B256, Bytes>);

impl NodeSource for Nodes {
    fn node(
        &self,
        _owner: Option<B256>,
        _path: &Nibbles,
        hash: B256,
    ) -> Result<Option<Bytes>, StateError> {
        Ok(self.0.get(&hash).cloned())
    }
}

/// A block that was imported, with what it takes to check it again without the chain.
#[derive(Debug)]
pub struct Imported {
    /// The block.
    pub block: SealedBlock,
    /// What it did.
    pub executed: Executed,
}

/// Why a block did not become the head.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It is not a block.
    #[error("not the RLP of a block")]
    Encoding(#[source] alloy_rlp::Error),
    /// A transaction's signature recovers to nobody.
    #[error(transparent)]
    Signature(#[from] InvalidSignature),
    /// It breaks a rule.
    #[error(transparent)]
    Invalid(#[from] InvalidBlock),
    /// The state it leaves has another root than it says.
    #[error("state root mismatch: header has {header}, computed {computed}")]
    StateRoot {
        /// In the header.
        header: B256,
        /// Of the state.
        computed: B256,
    },
    /// The state could not be read: a fault of ours, never what a test expects.
    #[error("fault")]
    Fault(#[source] StateError),
}

impl From<RunError<InvalidBlock>> for Refused {
    fn from(error: RunError<InvalidBlock>) -> Self {
        match error {
            RunError::Invalid(verdict) => Self::Invalid(verdict),
            RunError::Fault(fault) => Self::Fault(fault),
        }
    }
}

impl Ledger {
    /// A chain with only its genesis: a state, and the header made over its root.
    pub fn new(spec: ChainSpec, state: &StateDiff, genesis: impl FnOnce(B256) -> Header) -> Self {
        let update = state_root_of(state);
        let header = genesis(update.root);
        let head = seal(header.clone());
        let mut ledger = Self {
            spec,
            head,
            headers: vec![header],
            nodes: Nodes::default(),
            codes: state.codes.clone(),
        };
        ledger.keep(update);
        ledger
    }

    /// The chain's rules.
    #[must_use]
    pub const fn spec(&self) -> &ChainSpec {
        &self.spec
    }

    /// The newest block's header.
    #[must_use]
    pub const fn head(&self) -> &SealedHeader {
        &self.head
    }

    /// Headers from genesis to the head.
    #[must_use]
    pub fn headers(&self) -> &[Header] {
        &self.headers
    }

    /// Code by its hash.
    #[must_use]
    pub const fn codes(&self) -> &BTreeMap<B256, Bytes> {
        &self.codes
    }

    /// All trie nodes.
    #[must_use]
    pub fn nodes(&self) -> &dyn NodeSource {
        &self.nodes
    }

    /// Judges a block and makes it the head if it is valid.
    pub fn import(&mut self, rlp: &[u8]) -> Result<Imported, Refused> {
        let block = decode(rlp)?;
        check_header(&self.spec, &block.header, &self.head)?;
        check_body(&self.spec, &block)?;
        let block = RecoveredBlock::recover(SealedBlock::seal(block))?;
        let executed = execute(&self.spec, &Ethereum, &block, &self.state())?;
        let update = update_state(&self.nodes, self.head.state_root, &executed.diff)
            .map_err(Refused::Fault)?;
        let (block, _) = block.into_parts();
        if update.root != block.header().state_root {
            return Err(Refused::StateRoot {
                header: block.header().state_root,
                computed: update.root,
            });
        }
        self.keep(update);
        self.codes.extend(executed.diff.codes.clone());
        self.headers.push(block.header().clone());
        self.head = block.sealed_header();
        Ok(Imported { block, executed })
    }

    /// Makes a block the head that the caller has judged, under a header over the root of its changes, and returns that root.
    pub fn extend(&mut self, mut header: Header, diff: &StateDiff) -> Result<B256, StateError> {
        let update = update_state(&self.nodes, self.head.state_root, diff)?;
        let root = update.root;
        self.keep(update);
        self.codes.extend(diff.codes.clone());
        header.state_root = root;
        self.headers.push(header.clone());
        self.head = seal(header);
        Ok(root)
    }

    /// The state after the head.
    #[must_use]
    pub fn state(&self) -> State<'_> {
        State { ledger: self, root: self.head.state_root }
    }

    fn keep(&mut self, update: StateUpdate) {
        let storages = update.nodes.storages.into_values().map(|storage| storage.nodes);
        let nodes = storages.chain([update.nodes.accounts]).flatten().filter_map(|(_, node)| node);
        self.nodes.0.extend(nodes.map(|node| (keccak256(&node), node)));
    }
}

/// One whole block and nothing after it.
fn decode(mut rlp: &[u8]) -> Result<Block, Refused> {
    let block = Block::decode(&mut rlp).map_err(Refused::Encoding)?;
    if rlp.is_empty() {
        Ok(block)
    } else {
        Err(Refused::Encoding(alloy_rlp::Error::UnexpectedLength))
    }
}

/// Hashes a header.
#[must_use]
pub fn seal(header: Header) -> SealedHeader {
    let hash = header.hash_slow();
    SealedHeader::new_unchecked(header, hash)
}

/// The state after one block, read straight from trie nodes.
#[derive(Debug)]
pub struct State<'a> {
    ledger: &'a Ledger,
    root: B256,
}

impl StateReader for State<'_> {
    fn account(&self, address: Address) -> Result<Option<AccountInfo>, StateError> {
        let account = read_account(&self.ledger.nodes, self.root, address)?;
        Ok(account.map(|account| AccountInfo {
            nonce: account.nonce,
            balance: account.balance,
            code_hash: account.code_hash,
        }))
    }

    fn storage(&self, address: Address, slot: B256) -> Result<U256, StateError> {
        let Some(account) = read_account(&self.ledger.nodes, self.root, address)? else {
            return Ok(U256::ZERO);
        };
        read_slot(&self.ledger.nodes, account.storage_root, address, slot)
    }

    fn code(&self, hash: B256) -> Result<Option<Bytes>, StateError> {
        Ok(self.ledger.codes.get(&hash).cloned())
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, StateError> {
        let header =
            usize::try_from(number).ok().and_then(|number| self.ledger.headers.get(number));
        Ok(header.map(Header::hash_slow))
    }
}
