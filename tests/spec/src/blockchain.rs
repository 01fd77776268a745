//! Fixtures of execution-specs: a pre-state, and blocks that are valid or say what is wrong with them.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, U64, U256, keccak256};
use alloy_rlp::Decodable;
use ethrex_stf::InvalidBlock;
use ethrex_types::alloy_consensus::proofs::calculate_transaction_root;
use ethrex_types::{
    AccountDiff, AccountInfo, Block, BlockAccessList, ChainSpec, GenesisAccount, Header,
    SealedBlock, StateDiff,
};
use serde::Deserialize;

use crate::forks::{self, Blobs};
use crate::ledger::{Ledger, Refused};
use crate::real::{self, Untrue};

/// A file of fixtures, by name.
pub type Fixtures = BTreeMap<String, Fixture>;

/// One test.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Fixture {
    /// The fork, or the transition between two.
    pub network: String,
    #[serde(default)]
    config: Config,
    #[serde(rename = "genesisRLP")]
    genesis_rlp: Bytes,
    pre: BTreeMap<Address, Account>,
    lastblockhash: B256,
    blocks: Vec<FixtureBlock>,
}

/// What a test says of its chain, beside the fork. Older tests say nothing.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Config {
    chainid: U64,
    blob_schedule: BTreeMap<String, Blobs>,
}

impl Default for Config {
    fn default() -> Self {
        Self { chainid: U64::ONE, blob_schedule: BTreeMap::new() }
    }
}

impl Config {
    /// The chain at a fork, or through a transition.
    pub(crate) fn chain(&self, network: &str) -> Result<ChainSpec, forks::ForkError> {
        forks::fixture(network, self.chainid.to(), &self.blob_schedule)
    }
}

/// An account of the state before a test. Some files leave out what is empty.
#[derive(Debug, Deserialize)]
pub(crate) struct Account {
    #[serde(default)]
    nonce: U64,
    balance: U256,
    #[serde(default)]
    code: Bytes,
    #[serde(default)]
    storage: BTreeMap<U256, U256>,
}

impl Account {
    /// It without its storage.
    pub(crate) fn info(&self) -> AccountInfo {
        let code_hash = keccak256(&self.code);
        AccountInfo { nonce: self.nonce.to(), balance: self.balance, code_hash }
    }

    /// It as a genesis file has it.
    pub(crate) fn genesis(&self) -> GenesisAccount {
        let storage = self.storage.iter().filter(|(_, value)| !value.is_zero());
        GenesisAccount {
            nonce: Some(self.nonce.to()),
            balance: self.balance,
            code: Some(self.code.clone()),
            storage: Some(storage.map(|(slot, value)| ((*slot).into(), (*value).into())).collect()),
            private_key: None,
        }
    }
}

/// The state of these accounts, as changes to the empty state.
pub(crate) fn state_of(accounts: &BTreeMap<Address, Account>) -> StateDiff {
    let mut state = StateDiff::default();
    for (address, account) in accounts {
        let info = account.info();
        if !account.code.is_empty() {
            state.codes.insert(info.code_hash, account.code.clone());
        }
        let storage = account.storage.iter().filter(|(_, value)| !value.is_zero());
        let storage = storage.map(|(slot, value)| (B256::from(*slot), *value)).collect();
        let diff = AccountDiff { info: Some(info), wiped: false, storage };
        state.accounts.insert(*address, diff);
    }
    state
}

/// One block of a test.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FixtureBlock {
    /// The block.
    pub(crate) rlp: Bytes,
    /// What is wrong with it, where the fixture names that; see [`Self::expected`].
    pub(crate) expect_exception: Option<String>,
    /// Its header in full, which only a valid block has.
    block_header: Option<serde::de::IgnoredAny>,
    /// What it touches and changes (EIP-7928).
    pub(crate) block_access_list: Option<BlockAccessList>,
    /// What came of its transactions.
    #[serde(default)]
    receipts: Vec<FixtureReceipt>,
}

#[derive(Debug, Deserialize)]
struct FixtureReceipt {
    status: bool,
}

impl FixtureBlock {
    /// What is wrong with it.
    fn expected(&self) -> Option<&str> {
        let unnamed = self.block_header.is_none().then_some(UNNAMED);
        self.expect_exception.as_deref().or(unnamed)
    }

    /// Whether it is a transaction that is wrong with it.
    fn is_about_a_transaction(&self) -> bool {
        self.expected().is_some_and(|expected| expected.contains("TransactionException."))
    }

    /// Whether each transaction succeeded.
    pub(crate) fn successes(&self) -> impl Iterator<Item = bool> {
        self.receipts.iter().map(|receipt| receipt.status)
    }
}

/// How a fixture was not met.
#[derive(Debug, thiserror::Error)]
pub enum Unmet {
    /// The network is not one we know.
    #[error("the network")]
    Fork(#[from] forks::ForkError),
    /// A block does not decode.
    #[error("a block")]
    Encoding(#[from] alloy_rlp::Error),
    /// The pre-state has another root than the genesis block.
    #[error("the pre-state has root {computed}, the genesis block says {header}")]
    GenesisRoot {
        /// In the genesis block.
        header: B256,
        /// Of the pre-state.
        computed: B256,
    },
    /// A valid block was refused.
    #[error("block {index} is valid but was refused")]
    Refused {
        /// Position in the fixture.
        index: usize,
        /// Our reason.
        #[source]
        why: Box<Refused>,
    },
    /// An invalid block was accepted.
    #[error("block {index} was accepted in spite of {expected}")]
    Accepted {
        /// Position in the fixture.
        index: usize,
        /// What is wrong with it.
        expected: String,
    },
    /// An invalid block was refused for another reason.
    #[error("block {index} was refused, but not for {expected}")]
    OtherReason {
        /// Position in the fixture.
        index: usize,
        /// What is wrong with it.
        expected: String,
        /// Our reason.
        #[source]
        why: Box<Refused>,
    },
    /// A valid block does not hold statelessly.
    #[error("block {index}, statelessly")]
    Stateless {
        /// Position in the fixture.
        index: usize,
        /// What stateless validation said.
        #[source]
        why: Untrue,
    },
    /// The chain ended elsewhere.
    #[error("the head is {head}, the fixture says {expected}")]
    Head {
        /// Ours.
        head: B256,
        /// The fixture's.
        expected: B256,
    },
}

impl Fixture {
    /// Runs the test.
    pub fn run(&self) -> Result<(), Unmet> {
        let spec = self.chain(&self.network)?;
        let genesis = self.genesis()?;
        let mut computed = B256::ZERO;
        let header = genesis.state_root;
        let mut ledger = Ledger::new(spec, &self.state(), |root| {
            computed = root;
            genesis
        });
        if computed != header {
            return Err(Unmet::GenesisRoot { header, computed });
        }
        for (index, block) in self.blocks.iter().enumerate() {
            run_block(&mut ledger, index, block)?;
        }
        let head = ledger.head().hash();
        if head == self.lastblockhash {
            Ok(())
        } else {
            Err(Unmet::Head { head, expected: self.lastblockhash })
        }
    }

    /// The chain of this test, on its network or another.
    pub(crate) fn chain(&self, network: &str) -> Result<ChainSpec, forks::ForkError> {
        self.config.chain(network)
    }

    /// The chain with another id, with the same schedule.
    pub(crate) fn chain_with_id(
        &self,
        network: &str,
        chain_id: u64,
    ) -> Result<ChainSpec, forks::ForkError> {
        forks::fixture(network, chain_id, &self.config.blob_schedule)
    }

    /// The genesis header.
    pub(crate) fn genesis(&self) -> Result<Header, alloy_rlp::Error> {
        Ok(Block::decode(&mut self.genesis_rlp.as_ref())?.header)
    }

    /// Whether it says what its blocks touch and change (EIP-7928).
    #[must_use]
    pub fn has_access_lists(&self) -> bool {
        self.network == "Amsterdam"
    }

    /// The blocks, in order.
    pub(crate) fn blocks(&self) -> &[FixtureBlock] {
        &self.blocks
    }

    /// The state before the first block.
    pub(crate) fn state(&self) -> StateDiff {
        state_of(&self.pre)
    }
}

fn run_block(ledger: &mut Ledger, index: usize, block: &FixtureBlock) -> Result<(), Unmet> {
    let mut outcome = ledger.import(&block.rlp);
    if block.is_about_a_transaction()
        && let Err(Refused::Invalid(InvalidBlock::Root { what: "transactions root", .. })) = outcome
    {
        outcome = ledger.import_block(with_own_transactions_root(&block.rlp)?);
    }
    match (outcome, block.expected()) {
        (Ok(imported), None) => {
            real::revalidate(ledger, &imported).map_err(|why| Unmet::Stateless { index, why })
        }
        (Err(why), None) => Err(Unmet::Refused { index, why: Box::new(why) }),
        (Ok(_), Some(expected)) => Err(Unmet::Accepted { index, expected: expected.into() }),
        (Err(why), Some(expected)) if !is_for(&why, expected) => {
            Err(Unmet::OtherReason { index, expected: expected.into(), why: Box::new(why) })
        }
        (Err(_), Some(_)) => Ok(()),
    }
}

/// The block under the root of the transactions that it has. Old generators left out of the root what is no valid transaction, so that
/// every client refuses the block for that first.
fn with_own_transactions_root(mut rlp: &[u8]) -> Result<SealedBlock, Unmet> {
    let mut block = Block::decode(&mut rlp)?;
    block.header.transactions_root = calculate_transaction_root(&block.body.transactions);
    Ok(SealedBlock::seal(block))
}

/// What is wrong with a block that old fixtures leave without a header of its own and without a name for it.
const UNNAMED: &str = "something that the fixture does not name";

/// What our reason may be called (a part of its debug form) for each exception of the fixtures. An exception that is
/// not listed matches nothing, so that new fixtures ask for a new line.
const REASONS: &[(&str, &[&str])] = &[
    ("BlockException.IMPORT_IMPOSSIBLE_UNCLES_OVER_PARIS", &["Ommers", "ommers hash"]),
    ("BlockException.INCORRECT_BLOB_GAS_USED", &["BlobGasUsed"]),
    ("BlockException.BLOB_GAS_USED_ABOVE_LIMIT", &["BlobGasUsedBounds"]),
    ("BlockException.INCORRECT_BLOCK_FORMAT", &["UnexpectedField"]),
    ("BlockException.IMPORT_IMPOSSIBLE_LEGACY", &["MissingField", "UnexpectedField"]),
    ("BlockException.IMPORT_IMPOSSIBLE_LEGACY_WRONG_PARENT", &["MissingField"]),
    ("BlockException.IMPORT_IMPOSSIBLE_LONDON_WRONG_PARENT", &["UnexpectedField"]),
    // The difficulty says which side a header is on, and the total difficulty that it is the wrong one.
    ("BlockException.IMPORT_IMPOSSIBLE_PARIS_WRONG_POS", &["TerminalDifficulty"]),
    ("BlockException.IMPORT_IMPOSSIBLE_PARIS_WRONG_POW", &["TerminalDifficulty", "Difficulty"]),
    ("BlockException.IMPORT_IMPOSSIBLE_SHANGHAI", &["UnexpectedField", "Difficulty"]),
    ("BlockException.IMPORT_IMPOSSIBLE_PARIS_OVER_SHANGHAI", &["MissingField"]),
    ("BlockException.INVALID_BLOCK_TIMESTAMP_OLDER_THAN_PARENT", &["Timestamp"]),
    ("BlockException.EXTRA_DATA_INVALID_DAO", &["DaoExtraData"]),
    ("BlockException.EXTRA_DATA_TOO_BIG", &["ExtraData"]),
    ("BlockException.UNKNOWN_PARENT", &["UnknownParent"]),
    ("BlockException.INVALID_STATE_ROOT", &["StateRoot"]),
    ("BlockException.INVALID_BASEFEE_PER_GAS", &["BaseFee"]),
    ("BlockException.INVALID_GAS_USED", &["GasUsed"]),
    ("BlockException.INVALID_RECEIPTS_ROOT", &["receipts root"]),
    ("BlockException.INVALID_BLOCK_NUMBER", &["Number"]),
    ("BlockException.INVALID_LOG_BLOOM", &["LogsBloom"]),
    // A generator that did not know the type gave such a block another root for its transactions.
    ("TransactionException.TYPE_NOT_SUPPORTED", &["NotSupported", "transactions root"]),
    ("TransactionException.NONCE_MISMATCH_TOO_HIGH", &["NonceTooHigh"]),
    (UNNAMED, &[""]),
    ("BlockException.INCORRECT_EXCESS_BLOB_GAS", &["ExcessBlobGas"]),
    ("BlockException.INVALID_REQUESTS", &["requests hash"]),
    ("BlockException.INVALID_DEPOSIT_EVENT_LAYOUT", &["DepositLayout"]),
    ("BlockException.RLP_STRUCTURES_ENCODING", &["Encoding"]),
    ("BlockException.SYSTEM_CONTRACT_CALL_FAILED", &["SystemCall"]),
    ("BlockException.SYSTEM_CONTRACT_EMPTY", &["SystemCall"]),
    ("BlockException.INVALID_WITHDRAWALS_ROOT", &["withdrawals root"]),
    ("BlockException.INVALID_BLOCK_HASH", &["withdrawals root"]),
    ("BlockException.INVALID_GASLIMIT", &["GasLimit"]),
    (
        "TransactionException.INSUFFICIENT_ACCOUNT_FUNDS",
        &["LackOfFundForMaxFee", "OverflowPayment"],
    ),
    // A price beyond 128 bits is no transaction for us: nobody can pay it.
    ("TransactionException.GASLIMIT_PRICE_PRODUCT_OVERFLOW", &["LackOfFundForMaxFee", "Encoding"]),
    (
        "TransactionException.INTRINSIC_GAS_TOO_LOW",
        &["CallGasCostMoreThanGasLimit", "GasFloorMoreThanGasLimit"],
    ),
    ("TransactionException.INTRINSIC_GAS_BELOW_FLOOR_GAS_COST", &["GasFloorMoreThanGasLimit"]),
    ("TransactionException.TYPE_3_TX_INVALID_BLOB_VERSIONED_HASH", &["BlobVersionNotSupported"]),
    (
        "TransactionException.TYPE_3_TX_MAX_BLOB_GAS_ALLOWANCE_EXCEEDED",
        &["TooManyBlobs", "BlobGasUsed"],
    ),
    ("TransactionException.TYPE_3_TX_BLOB_COUNT_EXCEEDED", &["TooManyBlobs", "BlobGasUsed"]),
    ("TransactionException.TYPE_3_TX_ZERO_BLOBS", &["EmptyBlobs"]),
    ("TransactionException.TYPE_3_TX_CONTRACT_CREATION", &["BlobCreateTransaction", "Encoding"]),
    ("TransactionException.TYPE_3_TX_WITH_FULL_BLOBS", &["Encoding"]),
    ("TransactionException.INSUFFICIENT_MAX_FEE_PER_BLOB_GAS", &["BlobGasPriceGreaterThanMax"]),
    ("TransactionException.INSUFFICIENT_MAX_FEE_PER_GAS", &["GasPriceLessThanBasefee"]),
    ("TransactionException.SENDER_NOT_EOA", &["RejectCallerWithCode"]),
    ("TransactionException.GAS_LIMIT_EXCEEDS_MAXIMUM", &["TxGasLimitGreaterThanCap"]),
    ("TransactionException.GAS_ALLOWANCE_EXCEEDED", &["BlockFull"]),
    ("TransactionException.TYPE_4_EMPTY_AUTHORIZATION_LIST", &["EmptyAuthorizationList"]),
    ("TransactionException.TYPE_4_TX_CONTRACT_CREATION", &["Encoding"]),
    ("TransactionException.TYPE_4_TX_PRE_FORK", &["Eip7702NotSupported"]),
    ("TransactionException.INITCODE_SIZE_EXCEEDED", &["CreateInitCodeSizeLimit"]),
    ("TransactionException.NONCE_IS_MAX", &["NonceOverflowInTransaction"]),
    (
        "TransactionException.PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS",
        &["PriorityFeeGreaterThanMaxFee"],
    ),
];

fn is_for(why: &Refused, expected: &str) -> bool {
    let ours = format!("{why:?}");
    let listed =
        expected.split('|').filter_map(|name| REASONS.iter().find(|(listed, _)| *listed == name));
    !matches!(why, Refused::Fault(_))
        && listed.flat_map(|(_, ours)| ours.iter()).any(|part| ours.contains(part))
}
