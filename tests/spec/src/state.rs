//! State tests: one transaction on a state, outside of any block, in each fork that the test names.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, TxKind, U64, U256, keccak256};
use ethrex_evm::{BlockContext, BlockExecutor, RunError};
use ethrex_stf::Ethereum;
use ethrex_trie::{state_root_of, update_state};
use ethrex_types::alloy_consensus::{Signed, TxLegacy};
use ethrex_types::{
    AccountDiff, AccountInfo, ChainSpec, Fork, Header, RunningRoot, StateDiff, StateError,
    StateReader, Tx,
};
use serde::Deserialize;

use crate::blockchain::{Account, Config, state_of};
use crate::forks::ForkError;
use crate::ledger::{Ledger, State};
use crate::transactions;

/// A file of state tests, by name.
pub type StateTests = BTreeMap<String, StateTest>;

/// One test.
#[derive(Debug, Deserialize)]
pub struct StateTest {
    env: Env,
    pre: BTreeMap<Address, Account>,
    transaction: Transactions,
    post: BTreeMap<String, Vec<Post>>,
    config: Option<Config>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Env {
    current_coinbase: Address,
    current_gas_limit: U256,
    current_number: U64,
    current_timestamp: U64,
    current_difficulty: Option<U256>,
    current_random: Option<U256>,
    current_base_fee: Option<U64>,
    current_excess_blob_gas: Option<U64>,
    slot_number: Option<U64>,
}

/// The transactions of a test: one for each choice of data, gas limit and value. Newer tests have the signed bytes beside each
/// result; older ones only ever have legacy transactions.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Transactions {
    #[serde(default)]
    data: Vec<Bytes>,
    #[serde(default)]
    gas_limit: Vec<U256>,
    #[serde(default)]
    value: Vec<String>,
    gas_price: Option<U256>,
    #[serde(default)]
    nonce: U256,
    #[serde(default)]
    to: String,
    secret_key: Option<B256>,
}

/// What must come of one of them.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Post {
    hash: B256,
    logs: B256,
    indexes: Indexes,
    txbytes: Option<Bytes>,
    expect_exception: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
struct Indexes {
    data: usize,
    gas: usize,
    value: usize,
}

/// How a test was not met.
#[derive(Debug, thiserror::Error)]
pub enum Unmet {
    /// The fork is not one we know.
    #[error("the fork")]
    Fork(#[from] ForkError),
    /// The test has no such transaction, or lacks what it takes to make it.
    #[error("transaction {0} cannot be made")]
    Transaction(usize),
    /// A transaction that is valid was refused.
    #[error("transaction {index} is valid but was refused: {why}")]
    Refused {
        /// Position in the list of results.
        index: usize,
        /// Our reason.
        why: String,
    },
    /// A transaction that is not valid ran.
    #[error("transaction {index} ran in spite of {expected}")]
    Ran {
        /// Position in the list of results.
        index: usize,
        /// What is wrong with it.
        expected: String,
    },
    /// The state afterwards is another.
    #[error("transaction {index}: the state root is {ours}, the test says {theirs}")]
    Root {
        /// Position in the list of results.
        index: usize,
        /// As computed.
        ours: B256,
        /// As given.
        theirs: B256,
    },
    /// The logs are others.
    #[error("transaction {0}: other logs")]
    Logs(usize),
    /// The state could not be read.
    #[error("fault")]
    Fault(#[from] StateError),
}

impl StateTest {
    /// The forks that the test has results for.
    pub fn forks(&self) -> impl Iterator<Item = &str> {
        self.post.keys().map(String::as_str)
    }

    /// Runs every transaction of one fork.
    ///
    /// # Errors
    /// The first that ends otherwise.
    pub fn run(&self, fork: &str) -> Result<(), Unmet> {
        let default = Config::default();
        let spec = self.config.as_ref().unwrap_or(&default).chain(fork)?;
        let pre = state_of(&self.pre);
        let root = state_root_of(&pre).root;
        let header = self.header(&spec, fork);
        let parent = Header { number: header.number.saturating_sub(1), ..Header::default() };
        let ledger = Ledger::new(spec, &pre, |state_root| Header { state_root, ..parent });
        for (index, post) in self.post.get(fork).into_iter().flatten().enumerate() {
            self.run_one(&ledger, &header, root, index, post)?;
        }
        Ok(())
    }

    fn run_one(
        &self,
        ledger: &Ledger,
        header: &Header,
        root: B256,
        index: usize,
        post: &Post,
    ) -> Result<(), Unmet> {
        let fork = ledger.spec().fork_at(header.number, header.timestamp);
        let clearing = fork >= Fork::SpuriousDragon;
        let reader = Hashes(ledger.state());
        let context = BlockContext { header, ommers: &[], withdrawals: None };
        let mut executor = BlockExecutor::open_bare(ledger.spec(), &Ethereum, &context, &reader);
        let ran = match self.transaction(fork, index, post)? {
            Some((tx, sender)) => executor.run(&tx, sender).map(drop).map_err(|why| match why {
                RunError::Invalid(why) => Ok(why.to_string()),
                RunError::Fault(fault) => Err(fault),
            }),
            None => Err(Ok("it is no transaction".into())),
        };
        match (ran, &post.expect_exception) {
            (Ok(()), None) | (Err(Ok(_)), Some(_)) => {}
            (Ok(()), Some(expected)) => {
                return Err(Unmet::Ran { index, expected: expected.clone() });
            }
            (Err(Ok(why)), None) => return Err(Unmet::Refused { index, why }),
            (Err(Err(fault)), _) => return Err(fault.into()),
        }
        let logs: Vec<_> = executor.receipts().iter().flat_map(|receipt| &receipt.logs).collect();
        if keccak256(alloy_rlp::encode(&logs)) != post.logs {
            return Err(Unmet::Logs(index));
        }
        let mut diff = executor.close_bare();
        touch(&mut diff, &self.pre, header.beneficiary, clearing);
        let ours = update_state(ledger.nodes(), root, &diff)?.root;
        if ours == post.hash { Ok(()) } else { Err(Unmet::Root { index, ours, theirs: post.hash }) }
    }

    fn header(&self, spec: &ChainSpec, fork: &str) -> Header {
        let env = &self.env;
        let timestamp = env.current_timestamp.to();
        // A transition has happened by the time of the test, which may not say so.
        let timestamp =
            if fork.contains("AtTime15k") { u64::max(timestamp, 15_000) } else { timestamp };
        let number = env.current_number.to();
        let at = spec.fork_at(number, timestamp);
        let merged = spec.terminal_total_difficulty().is_some();
        let difficulty = env.current_difficulty.unwrap_or_default();
        Header {
            number,
            timestamp,
            beneficiary: env.current_coinbase,
            gas_limit: u64::try_from(env.current_gas_limit).unwrap_or(u64::MAX),
            difficulty: if merged { U256::ZERO } else { difficulty },
            mix_hash: env.current_random.unwrap_or_default().into(),
            base_fee_per_gas: (at >= Fork::London)
                .then(|| env.current_base_fee.map_or(0, |fee| fee.to())),
            excess_blob_gas: (at >= Fork::Cancun)
                .then(|| env.current_excess_blob_gas.map_or(0, |gas| gas.to())),
            slot_number: (at >= Fork::Amsterdam)
                .then(|| env.slot_number.map_or(0, |slot| slot.to())),
            ..Header::default()
        }
    }

    /// The transaction of a result and its sender; `None` where the bytes are no transaction, or nobody signed it.
    fn transaction(
        &self,
        fork: Fork,
        index: usize,
        post: &Post,
    ) -> Result<Option<(Tx, Address)>, Unmet> {
        let Some(bytes) = &post.txbytes else {
            return self.legacy(post.indexes).map(Some).ok_or(Unmet::Transaction(index));
        };
        let Ok(tx) = alloy_eips::eip2718::Decodable2718::decode_2718_exact(bytes) else {
            return Ok(None);
        };
        Ok(transactions::recover(fork, tx))
    }

    /// A transaction that the test describes without signing it.
    fn legacy(&self, indexes: Indexes) -> Option<(Tx, Address)> {
        let of = &self.transaction;
        let to = if of.to.is_empty() { TxKind::Create } else { TxKind::Call(of.to.parse().ok()?) };
        let value = of.value.get(indexes.value)?;
        let tx = TxLegacy {
            chain_id: None,
            nonce: of.nonce.try_into().ok()?,
            gas_price: of.gas_price?.try_into().ok()?,
            gas_limit: u64::try_from(*of.gas_limit.get(indexes.gas)?).unwrap_or(u64::MAX),
            to,
            value: value.parse().ok()?,
            input: of.data.get(indexes.data)?.clone(),
        };
        let key = alloy_signer_local::PrivateKeySigner::from_bytes(&of.secret_key?).ok()?;
        let signature = alloy_primitives::Signature::test_signature();
        Some((Tx::Legacy(Signed::new_unhashed(tx, signature)), key.address()))
    }
}

/// The reference touches the beneficiary, though it pays no reward: before EIP-161 the account exists then, and after it does not if
/// it is empty.
fn touch(
    diff: &mut StateDiff,
    pre: &BTreeMap<Address, Account>,
    beneficiary: Address,
    clearing: bool,
) {
    let before = pre.get(&beneficiary).map(|account| account.info());
    let after = match diff.accounts.get(&beneficiary) {
        Some(changed) => changed.info,
        None => before,
    };
    match after {
        None if !clearing => {
            let entry = diff.accounts.entry(beneficiary).or_default();
            entry.info = Some(AccountInfo::default());
        }
        Some(info) if clearing && info.is_empty() => {
            let gone = AccountDiff { info: None, wiped: true, storage: BTreeMap::new() };
            diff.accounts.insert(beneficiary, gone);
        }
        _ => {}
    }
}

/// A state under blocks that never were: the hash of one is that of its number, written out.
struct Hashes<'a>(State<'a>);

impl StateReader for Hashes<'_> {
    fn account(&self, address: Address) -> Result<Option<AccountInfo>, StateError> {
        self.0.account(address)
    }

    fn storage(&self, address: Address, slot: B256) -> Result<U256, StateError> {
        self.0.storage(address, slot)
    }

    fn code(&self, hash: B256) -> Result<Option<Bytes>, StateError> {
        self.0.code(hash)
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, StateError> {
        Ok(Some(keccak256(number.to_string())))
    }

    fn has_storage(&self, address: Address) -> Result<bool, StateError> {
        self.0.has_storage(address)
    }

    fn running_root(&self) -> Option<Box<dyn RunningRoot + '_>> {
        None
    }
}
