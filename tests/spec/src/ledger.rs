//! A chain in memory, imported block by block exactly as a node would judge it, with nothing stored twice.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U256, keccak256, map::HashMap};
use alloy_rlp::Decodable;
use ethrex_stf::{
    Ethereum, Executed, GENERATIONS, Generation, InvalidBlock, RunError, check_body, check_header,
    check_ommers, check_terminal, execute,
};
use ethrex_trie::{
    EMPTY_ROOT, Nibbles, NodeSource, RunningTries, StateUpdate, read_account, read_slot,
    state_root_of, update_state,
};
use ethrex_types::block::InvalidSignature;
use ethrex_types::{
    AccountInfo, Block, ChainSpec, Header, RecoveredBlock, RunningRoot, SealedBlock, SealedHeader,
    StateDiff, StateError, StateReader,
};

/// A tree of blocks over one genesis, and its head.
#[derive(Debug)]
pub struct Ledger {
    spec: ChainSpec,
    head: SealedHeader,
    /// Every block so far, by hash.
    blocks: HashMap<B256, Known>,
    nodes: Nodes,
    codes: BTreeMap<B256, Bytes>,
}

/// A block as those after it see it.
#[derive(Debug)]
struct Known {
    header: SealedHeader,
    ommers: Vec<Header>,
    /// The difficulty up to and with it.
    total: U256,
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
    /// The sender of each transaction.
    pub senders: Vec<Address>,
    /// What it did.
    pub executed: Executed,
    /// The block before it.
    pub parent: SealedHeader,
}

/// Why a block did not become the head.
#[derive(Debug, thiserror::Error)]
pub enum Refused {
    /// It is not a block.
    #[error("not the RLP of a block")]
    Encoding(#[source] alloy_rlp::Error),
    /// Its parent is not known.
    #[error("unknown parent")]
    UnknownParent,
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
        let head = seal(genesis(update.root));
        let mut ledger = Self {
            spec,
            head: head.clone(),
            blocks: HashMap::default(),
            nodes: Nodes::default(),
            codes: state.codes.clone(),
        };
        ledger.add(head, Vec::new());
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

    /// The difficulty of the chain up to the head.
    #[must_use]
    pub fn total_difficulty(&self) -> U256 {
        self.blocks[&self.head.hash()].total
    }

    /// Headers from the one with this number to `last` itself, which is a known block.
    #[must_use]
    pub fn headers(&self, oldest: u64, last: &SealedHeader) -> Vec<Header> {
        let ancestors = self.back_from(last.hash()).map(|known| known.header.inner().clone());
        let mut headers: Vec<_> = ancestors.take_while(|header| header.number >= oldest).collect();
        headers.reverse();
        headers
    }

    /// A block and its ancestors, newest first.
    fn back_from(&self, hash: B256) -> impl Iterator<Item = &Known> {
        let parent = |known: &&Known| self.blocks.get(&known.header.parent_hash);
        std::iter::successors(self.blocks.get(&hash), parent)
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

    /// Judges a block, and makes it the head if it is valid: before the merge if its chain is the most difficult, after it always.
    pub fn import(&mut self, rlp: &[u8]) -> Result<Imported, Refused> {
        self.import_block(SealedBlock::seal(decode(rlp)?))
    }

    /// The same for a block that has been decoded.
    pub fn import_block(&mut self, block: SealedBlock) -> Result<Imported, Refused> {
        let header = block.header();
        let parent = self.blocks.get(&header.parent_hash).ok_or(Refused::UnknownParent)?;
        check_header(&self.spec, header, &parent.header)?;
        check_terminal(&self.spec, header, &parent.header, parent.total)?;
        check_body(&self.spec, block.block())?;
        check_ommers(&self.spec, block.block(), &self.generations(&parent.header))?;
        let parent = parent.header.clone();
        let fork = self.spec.fork_at(header.number, header.timestamp);
        let block = RecoveredBlock::recover_at(fork, block)?;
        let executed = execute(&self.spec, &Ethereum, &block, &self.state_after(&parent))?;
        let update =
            update_state(&self.nodes, parent.state_root, &executed.diff).map_err(Refused::Fault)?;
        let (block, senders) = block.into_parts();
        if update.root != block.header().state_root {
            return Err(Refused::StateRoot {
                header: block.header().state_root,
                computed: update.root,
            });
        }
        self.keep(update);
        self.codes.extend(executed.diff.codes.clone());
        let header = block.sealed_header();
        let total = self.add(header.clone(), block.body().ommers.clone());
        let merged = self.spec.is_merged(&header);
        if merged || total > self.blocks[&self.head.hash()].total {
            self.head = header;
        }
        Ok(Imported { block, senders, executed, parent })
    }

    fn generations(&self, parent: &SealedHeader) -> Vec<Generation> {
        let ancestors = self.back_from(parent.hash()).take(GENERATIONS);
        ancestors
            .map(|known| Generation { header: known.header.clone(), ommers: known.ommers.clone() })
            .collect()
    }

    /// Notes a block whose parent is known, unless it is the genesis. Returns its total difficulty.
    fn add(&mut self, header: SealedHeader, ommers: Vec<Header>) -> U256 {
        let before = self.blocks.get(&header.parent_hash).map_or(U256::ZERO, |known| known.total);
        let total = before.saturating_add(header.difficulty);
        self.blocks.insert(header.hash(), Known { header, ommers, total });
        total
    }

    /// Makes a block the head that the caller has judged, under a header over the root of its changes, and returns that root.
    pub fn extend(&mut self, mut header: Header, diff: &StateDiff) -> Result<B256, StateError> {
        let update = update_state(&self.nodes, self.head.state_root, diff)?;
        let root = update.root;
        self.keep(update);
        self.codes.extend(diff.codes.clone());
        header.state_root = root;
        // What is not judged need not name its parent rightly.
        header.parent_hash = self.head.hash();
        self.head = seal(header);
        self.add(self.head.clone(), Vec::new());
        Ok(root)
    }

    /// The state after the head.
    #[must_use]
    pub fn state(&self) -> State<'_> {
        self.state_after(&self.head)
    }

    fn state_after(&self, block: &SealedHeader) -> State<'_> {
        State { ledger: self, block: block.hash(), root: block.state_root }
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
    block: B256,
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
        let mut ancestors = self.ledger.back_from(self.block);
        let found = ancestors.find(|known| known.header.number == number);
        Ok(found.map(|known| known.header.hash()))
    }

    fn has_storage(&self, address: Address) -> Result<bool, StateError> {
        let account = read_account(&self.ledger.nodes, self.root, address)?;
        Ok(account.is_some_and(|account| account.storage_root != EMPTY_ROOT))
    }

    fn running_root(&self) -> Option<Box<dyn RunningRoot + '_>> {
        Some(Box::new(RunningTries::new(&self.ledger.nodes, self.root)))
    }
}
