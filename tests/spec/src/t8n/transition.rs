//! A block on a state: what its transactions do, and what it commits to afterwards.

use std::collections::BTreeMap;

use alloy_eips::eip7685::Requests;
use alloy_primitives::{Address, B256, Bloom, Bytes, U64, U256, keccak256};
use ethrex_evm::{BlockContext, BlockExecutor, RunError};
use ethrex_stf::{Ethereum, commit_receipts};
use ethrex_trie::{state_root_of, update_state};
use ethrex_types::alloy_consensus::proofs::{
    calculate_transaction_root, calculate_withdrawals_root,
};
use ethrex_types::{
    AccountInfo, ChainSpec, Fork, Header, Missing, Receipt, RunningRoot, StateDiff, StateError,
    StateReader, Tx,
};
use serde::Deserialize;

use super::input::{self, Env};
use super::{Files, Unmet, same};
use crate::blockchain::{Account, state_of};
use crate::forks;
use crate::ledger::{Ledger, State};
use crate::transactions;

/// What a miner is paid from Byzantium to Constantinople, in wei (EIP-649).
const BYZANTIUM_REWARD: u64 = 3_000_000_000_000_000_000;
/// Ommers are from as many generations at most.
const OMMER_GENERATIONS: u64 = 7;

/// What a tool writes.
#[derive(Debug, Deserialize)]
struct Output {
    alloc: Option<BTreeMap<Address, Account>>,
    result: Option<Results>,
    /// The transactions as a body has them.
    body: Option<Bytes>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Results {
    state_root: B256,
    tx_root: B256,
    receipts_root: B256,
    logs_hash: B256,
    logs_bloom: Bloom,
    receipts: Vec<ShownReceipt>,
    #[serde(default)]
    rejected: Vec<Rejected>,
    current_difficulty: Option<U256>,
    gas_used: U64,
    current_base_fee: Option<U64>,
    withdrawals_root: Option<B256>,
    current_excess_blob_gas: Option<U64>,
    blob_gas_used: Option<U64>,
    requests_hash: Option<B256>,
    requests: Option<Vec<Bytes>>,
}

/// What the root of receipts does not commit to.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ShownReceipt {
    transaction_hash: B256,
    gas_used: U64,
}

/// A transaction that cannot stand where it is. Why is said in go-ethereum's words.
#[derive(Debug, Deserialize)]
struct Rejected {
    index: usize,
}

/// The input of a call.
pub(super) struct Transition {
    pub(super) spec: ChainSpec,
    pub(super) env: Env,
    pub(super) header: Header,
    pub(super) ledger: Ledger,
    /// `None` where one does not decode.
    pub(super) txs: Vec<Option<Tx>>,
}

/// What came of it.
struct Outcome {
    included: Vec<Tx>,
    /// Gas used by each of them.
    gas: Vec<u64>,
    rejected: Vec<usize>,
    receipts: Vec<Receipt>,
    blob_gas_used: u64,
    requests: Requests,
    diff: StateDiff,
}

impl Transition {
    pub(super) fn read(
        files: &Files,
        folder: u8,
        fork: &str,
        [env, txs]: [&str; 2],
    ) -> Result<Self, Unmet> {
        let spec = forks::public(1, fork)?;
        let env: Env = files.json(folder, env)?;
        let header = env.header(&spec);
        let pre = state_of(&files.json(folder, "alloc.json")?);
        let parent = Header { number: header.number.saturating_sub(1), ..Header::default() };
        let ledger = Ledger::new(spec.clone(), &pre, |state_root| Header { state_root, ..parent });
        let txs = input::transactions(files, folder, txs)?;
        Ok(Self { spec, env, header, ledger, txs })
    }

    pub(super) fn fork(&self) -> Fork {
        self.spec.fork_at(self.header.number, self.header.timestamp)
    }

    /// Runs what can stand in the block. Before the merge the tools pay no reward unless they are told to.
    fn run(&self) -> Result<Outcome, Unmet> {
        let fork = self.fork();
        let state = Named { state: self.ledger.state(), env: &self.env };
        let context = BlockContext {
            header: &self.header,
            ommers: &[],
            withdrawals: self.env.withdrawals.as_deref(),
        };
        let mut executor =
            BlockExecutor::open(&self.spec, &Ethereum, &context, &state).map_err(unclosed)?;
        let (mut included, mut gas, mut rejected) = (Vec::new(), Vec::new(), Vec::new());
        for (index, tx) in self.txs.iter().enumerate() {
            let signed = tx.clone().and_then(|tx| transactions::recover(fork, tx));
            let Some((tx, sender)) = signed else {
                rejected.push(index);
                continue;
            };
            match executor.run(&tx, sender) {
                Ok(used) => {
                    included.push(tx);
                    gas.push(used);
                }
                Err(RunError::Invalid(_)) => rejected.push(index),
                Err(RunError::Fault(fault)) => return Err(fault.into()),
            }
        }
        let (receipts, blob_gas_used) = (executor.receipts().to_vec(), executor.blob_gas_used());
        let (requests, diff) = if fork >= Fork::Paris {
            let closed = executor.close().map_err(unclosed)?;
            (closed.requests, closed.diff)
        } else {
            (Requests::default(), executor.close_bare())
        };
        Ok(Outcome { included, gas, rejected, receipts, blob_gas_used, requests, diff })
    }
}

/// Runs the transactions of a call, and compares all that it answers.
pub(super) fn run(
    files: &Files,
    folder: u8,
    fork: &str,
    [env, txs, expected]: [&str; 3],
) -> Result<(), Unmet> {
    let transition = Transition::read(files, folder, fork, [env, txs])?;
    let outcome = transition.run()?;
    let expected: Output = files.json(folder, expected)?;
    if let Some(body) = &expected.body {
        same("body", &Bytes::from(alloy_rlp::encode(&outcome.included)), body)?;
    }
    let root = transition.ledger.head().state_root;
    let root = update_state(transition.ledger.nodes(), root, &outcome.diff)?.root;
    if let Some(alloc) = &expected.alloc {
        same("state root", &root, &state_root_of(&state_of(alloc)).root)?;
    }
    match &expected.result {
        Some(result) => compare(&transition, &outcome, root, result),
        None => Ok(()),
    }
}

fn compare(
    transition: &Transition,
    outcome: &Outcome,
    root: B256,
    theirs: &Results,
) -> Result<(), Unmet> {
    let Transition { env, header, .. } = transition;
    let fork = transition.fork();
    let (receipts_root, bloom) = commit_receipts(&outcome.receipts);
    let logs: Vec<_> = outcome.receipts.iter().flat_map(|receipt| &receipt.logs).collect();
    let hashes: Vec<_> = outcome.included.iter().map(Tx::hash).collect();
    let rejected: Vec<_> = theirs.rejected.iter().map(|rejected| rejected.index).collect();
    same("rejected", &outcome.rejected, &rejected)?;
    same("gas used", &outcome.gas.iter().sum::<u64>(), &theirs.gas_used.to())?;
    let receipts = || theirs.receipts.iter();
    same("gas of each", &outcome.gas, &receipts().map(|it| it.gas_used.to()).collect())?;
    same("hashes", &hashes, &receipts().map(|it| it.transaction_hash).collect())?;
    same("state root", &root, &theirs.state_root)?;
    same("transactions root", &calculate_transaction_root(&outcome.included), &theirs.tx_root)?;
    same("receipts root", &receipts_root, &theirs.receipts_root)?;
    same("logs", &keccak256(alloy_rlp::encode(&logs)), &theirs.logs_hash)?;
    same("bloom", &bloom, &theirs.logs_bloom)?;
    let since = |first: Fork| fork >= first;
    let difficulty = (!since(Fork::Paris)).then_some(header.difficulty);
    same("difficulty", &difficulty, &theirs.current_difficulty)?;
    // Where the file gives a base fee before London, the tool repeats it.
    if since(Fork::London) {
        let theirs = theirs.current_base_fee.map(|fee| fee.to());
        same("base fee", &header.base_fee_per_gas, &theirs)?;
    }
    let withdrawals = env.withdrawals.as_deref().filter(|_| since(Fork::Shanghai));
    same(
        "withdrawals root",
        &withdrawals.map(calculate_withdrawals_root),
        &theirs.withdrawals_root,
    )?;
    if let Some(excess) = theirs.current_excess_blob_gas {
        same("excess blob gas", &header.excess_blob_gas, &Some(excess.to()))?;
    }
    if let Some(used) = theirs.blob_gas_used {
        same("blob gas used", &outcome.blob_gas_used, &used.to())?;
    }
    let requests_hash = since(Fork::Prague).then(|| outcome.requests.requests_hash());
    same("requests hash", &requests_hash, &theirs.requests_hash)?;
    // The first byte is the kind; a kind without requests is left out.
    let requests = outcome.requests.iter().filter(|list| list.len() > 1).cloned();
    same("requests", &requests.collect(), &theirs.requests.clone().unwrap_or_default())
}

/// Rewards of a miner and ommers, on an empty state. The tool pays a reward that it is told; a chain pays what its fork says. So ours
/// are counted in another unit.
pub(super) fn rewards(
    files: &Files,
    folder: u8,
    fork: &str,
    reward: U256,
    expected: &str,
) -> Result<(), Unmet> {
    let transition = Transition::read(files, folder, fork, ["env.json", "txs.json"])?;
    let expected: Output = files.json(folder, expected)?;
    // The first blocks have no ommers of their generations; a later block pays them the same.
    let number = transition.header.number + OMMER_GENERATIONS;
    let header = Header { number, ..transition.header };
    let ommers = transition.env.ommers(number);
    let context = BlockContext { header: &header, ommers: &ommers, withdrawals: None };
    let state = Named { state: transition.ledger.state(), env: &transition.env };
    let executor =
        BlockExecutor::open(&transition.spec, &Ethereum, &context, &state).map_err(unclosed)?;
    let mut diff = executor.close().map_err(unclosed)?.diff;
    let unit = U256::from(BYZANTIUM_REWARD) / reward;
    for account in diff.accounts.values_mut().filter_map(|account| account.info.as_mut()) {
        let (units, rest) = account.balance.div_rem(unit);
        same("rest of a reward", &rest, &U256::ZERO)?;
        account.balance = units;
    }
    let root =
        update_state(transition.ledger.nodes(), transition.ledger.head().state_root, &diff)?.root;
    let theirs = expected.result.as_ref().map(|result| result.state_root);
    same("state root", &Some(root), &theirs)
}

/// A transaction reads the hash of a block that is not named: that is a fault of the input, and no hash.
pub(super) fn unknown_hash(files: &Files, folder: u8, fork: &str, txs: &str) -> Result<(), Unmet> {
    match Transition::read(files, folder, fork, ["env.json", txs])?.run() {
        Err(Unmet::Fault(StateError::Missing(Missing::BlockHash(_)))) => Ok(()),
        Err(why) => Err(why),
        Ok(_) => Err(Unmet::MadeUp),
    }
}

fn unclosed<V: std::fmt::Display>(error: RunError<V>) -> Unmet {
    match error {
        RunError::Invalid(why) => Unmet::Unclosed(why.to_string()),
        RunError::Fault(fault) => Unmet::Fault(fault),
    }
}

/// A state under the blocks whose hashes the surroundings name.
pub(super) struct Named<'a> {
    pub(super) state: State<'a>,
    pub(super) env: &'a Env,
}

impl StateReader for Named<'_> {
    fn account(&self, address: Address) -> Result<Option<AccountInfo>, StateError> {
        self.state.account(address)
    }

    fn storage(&self, address: Address, slot: B256) -> Result<U256, StateError> {
        self.state.storage(address, slot)
    }

    fn code(&self, hash: B256) -> Result<Option<Bytes>, StateError> {
        self.state.code(hash)
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, StateError> {
        let missing = StateError::Missing(Missing::BlockHash(number));
        self.env.block_hash(number).map(Some).ok_or(missing)
    }

    fn has_storage(&self, address: Address) -> Result<bool, StateError> {
        self.state.has_storage(address)
    }

    fn running_root(&self) -> Option<Box<dyn RunningRoot + '_>> {
        self.state.running_root()
    }
}
