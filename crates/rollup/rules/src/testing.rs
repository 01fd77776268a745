//! A rollup in memory: it builds blocks on the real genesis and records their witnesses.
//!
//! Every block it makes has passed [`ethrex_stateless::validate`], so building and executing agree wherever it is used.

use std::collections::BTreeMap;

use alloy_primitives::{
    Address, B256, Bytes, TxKind, U256,
    map::{B256Map, HashMap},
};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use ethrex_stateless::{ExecutionWitness, Witness, record, validate};
use ethrex_stf::{BlockAttributes, BlockBuilder, BuildContext, NotIncluded, RunError};
use ethrex_trie::{EMPTY_ROOT, HashedNodes, read_account, read_slot, state_root_of};
use ethrex_types::{
    AccountInfo, ChainSpec, Genesis, GenesisAccount, Header, Receipt, RecoveredBlock, SealedHeader,
    StateError, StateReader, Tx,
    alloy_consensus::{SignableTransaction, TxEip1559},
};

use crate::Rollup;

const GENESIS: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/genesis/l2.json"));

/// Gas limit of the blocks.
pub const BLOCK_GAS_LIMIT: u64 = 30_000_000;
/// What an account of [`TestRollup::funded`] has in genesis.
pub const FUNDS: U256 = U256::from_limbs([10_000_000_000_000_000_000, 0, 0, 0]);

/// The rollup.
#[derive(Debug, Clone)]
pub struct TestRollup {
    spec: ChainSpec,
    headers: Vec<SealedHeader>,
    nodes: HashMap<B256, Bytes>,
    codes: B256Map<Bytes>,
}

/// A block with what came of it.
#[derive(Debug, Clone)]
pub struct TestBlock {
    /// The block.
    pub block: RecoveredBlock,
    /// One receipt per transaction.
    pub receipts: Vec<Receipt>,
    /// What a stateless validator needs.
    pub witness: ExecutionWitness,
}

/// An account with a key, known by a number.
pub fn signer(number: u8) -> PrivateKeySigner {
    PrivateKeySigner::from_bytes(&B256::with_last_byte(number)).expect("small scalars are keys")
}

/// A signed EIP-1559 transaction; `change` sets what matters.
pub fn signed(signer: &PrivateKeySigner, change: impl FnOnce(&mut TxEip1559)) -> Tx {
    let mut tx = TxEip1559 {
        chain_id: ethrex_protocol::constants::DEFAULT_L2_CHAIN_ID,
        gas_limit: 100_000,
        max_fee_per_gas: 10_000_000_000,
        max_priority_fee_per_gas: 1,
        to: TxKind::Call(Address::repeat_byte(0x11)),
        ..TxEip1559::default()
    };
    change(&mut tx);
    let signature = signer.sign_hash_sync(&tx.signature_hash()).expect("local keys sign");
    Tx::Eip1559(tx.into_signed(signature))
}

impl Default for TestRollup {
    fn default() -> Self {
        Self::new([])
    }
}

impl TestRollup {
    /// The genesis of deployments, with these accounts added.
    pub fn new(extra: impl IntoIterator<Item = (Address, GenesisAccount)>) -> Self {
        let mut genesis: Genesis = serde_json::from_str(GENESIS).expect("the genesis is JSON");
        genesis.alloc.extend(extra);
        let spec = ChainSpec::new(genesis).expect("the genesis is consistent");
        let diff = spec.genesis_diff();
        let update = state_root_of(&diff);
        let header = SealedHeader::new(spec.genesis_header(update.root));
        let mut rollup = Self {
            spec,
            headers: vec![header],
            nodes: HashMap::default(),
            codes: diff.codes.into_iter().collect(),
        };
        rollup.keep(&update.nodes);
        rollup
    }

    /// The genesis of deployments with ether for some accounts.
    pub fn funded(accounts: &[Address]) -> Self {
        let account = GenesisAccount { balance: FUNDS, ..GenesisAccount::default() };
        Self::new(accounts.iter().map(|address| (*address, account.clone())))
    }

    /// The chain.
    pub const fn spec(&self) -> &ChainSpec {
        &self.spec
    }

    /// The last block's header.
    pub fn head(&self) -> &SealedHeader {
        self.headers.last().expect("there is a genesis")
    }

    /// Balance of an account after the last block.
    pub fn balance(&self, address: Address) -> U256 {
        self.account(address).balance
    }

    /// Nonce of an account after the last block.
    pub fn nonce(&self, address: Address) -> u64 {
        self.account(address).nonce
    }

    /// A slot of an account after the last block.
    pub fn slot(&self, address: Address, slot: u64) -> U256 {
        let slot = B256::from(U256::from(slot));
        self.state().storage(address, slot).expect("the whole state is at hand")
    }

    /// Builds the next block and makes it the head.
    ///
    /// # Panics
    /// If a transaction is refused, or the block does not pass its own stateless validation.
    pub fn build(&mut self, transactions: impl IntoIterator<Item = Tx>) -> TestBlock {
        let transactions: Vec<Tx> = transactions.into_iter().collect();
        let made = self.prepare(&transactions).expect("every transaction is included");
        let TestBlock { block, witness, .. } = &made.block;
        let validated = {
            let witness = Witness::decode(witness).expect("our witness decodes");
            validate(&self.spec, &Rollup, block, &witness).expect("a built block is valid")
        };
        assert_eq!(validated.receipts, made.block.receipts, "building and executing agree");
        self.keep(&made.nodes);
        self.codes.extend(made.codes);
        self.headers.push(block.sealed().sealed_header());
        made.block
    }

    /// Why a block of these transactions cannot be built.
    ///
    /// # Panics
    /// If it can.
    pub fn refusal(&self, transactions: &[Tx]) -> RunError<NotIncluded> {
        self.prepare(transactions).err().expect("a transaction is refused")
    }

    fn prepare(&self, transactions: &[Tx]) -> Result<Made, RunError<NotIncluded>> {
        use ethrex_types::alloy_consensus::transaction::SignerRecoverable;

        let parent = self.head();
        let attributes = BlockAttributes {
            timestamp: parent.timestamp + 1,
            fee_recipient: Address::repeat_byte(0xc0),
            prev_randao: B256::ZERO,
            withdrawals: None,
            parent_beacon_block_root: None,
            slot_number: None,
            desired_gas_limit: BLOCK_GAS_LIMIT,
            extra_data: Bytes::new(),
        };
        let state = self.state();
        let context = BuildContext::new(&self.spec, parent, &attributes);
        let mut builder =
            BlockBuilder::open(&context, &Rollup, &state).expect("the genesis has its contracts");
        for tx in transactions {
            let sender = tx.recover_signer().expect("test transactions are signed");
            builder.push(tx.clone(), sender)?;
        }
        let built = builder.finish().expect("the genesis has its contracts");
        let oldest = built.accesses.oldest_block_hash.unwrap_or(parent.number);
        let headers: Vec<Header> = self
            .headers
            .iter()
            .filter(|header| header.number >= oldest.min(parent.number))
            .map(|header| header.inner().clone())
            .collect();
        let (witness, update) =
            record(&self.source(), parent.state_root, &built.accesses, &built.diff, &headers)
                .expect("the whole state is at hand");
        let block = built.seal(update.root);
        Ok(Made {
            block: TestBlock {
                block: RecoveredBlock::new_unchecked(block, built.senders),
                receipts: built.receipts,
                witness,
            },
            nodes: update.nodes,
            codes: built.diff.codes,
        })
    }

    fn account(&self, address: Address) -> AccountInfo {
        self.state().account(address).expect("the whole state is at hand").unwrap_or_default()
    }

    fn source(&self) -> HashedNodes {
        self.nodes.values().cloned().collect()
    }

    fn state(&self) -> State<'_> {
        State { rollup: self, nodes: self.source(), root: self.head().state_root }
    }

    /// Nothing is ever forgotten: nodes are kept by hash.
    fn keep(&mut self, updates: &ethrex_trie::TrieUpdates) {
        let storages = updates.storages.values().flat_map(|changes| changes.nodes.values());
        let nodes = updates.accounts.values().chain(storages).flatten();
        self.nodes.extend(nodes.map(|node| (alloy_primitives::keccak256(node), node.clone())));
    }
}

struct Made {
    block: TestBlock,
    nodes: ethrex_trie::TrieUpdates,
    codes: BTreeMap<B256, Bytes>,
}

struct State<'r> {
    rollup: &'r TestRollup,
    nodes: HashedNodes,
    root: B256,
}

impl StateReader for State<'_> {
    fn account(&self, address: Address) -> Result<Option<AccountInfo>, StateError> {
        Ok(read_account(&self.nodes, self.root, address)?.map(AccountInfo::from))
    }

    fn storage(&self, address: Address, slot: B256) -> Result<U256, StateError> {
        match read_account(&self.nodes, self.root, address)? {
            Some(account) => read_slot(&self.nodes, account.storage_root, address, slot),
            None => Ok(U256::ZERO),
        }
    }

    fn code(&self, hash: B256) -> Result<Option<Bytes>, StateError> {
        Ok(self.rollup.codes.get(&hash).cloned())
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, StateError> {
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        Ok(self.rollup.headers.get(index).map(SealedHeader::hash))
    }

    fn has_storage(&self, address: Address) -> Result<bool, StateError> {
        let account = read_account(&self.nodes, self.root, address)?;
        Ok(account.is_some_and(|account| account.storage_root != EMPTY_ROOT))
    }
}
