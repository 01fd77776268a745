//! `eth_simulateV1`: blocks of calls on top of a block, each building on the state of those before.

mod blocks;
mod calls;
mod state;

use alloy_eips::{BlockId, eip4895::Withdrawals};
use alloy_primitives::{B256, U256};
use alloy_rlp::Encodable;
use alloy_rpc_types_eth::{
    BlockOverrides, BlockTransactions, Log, TransactionRequest, simulate::SimCallResult,
    state::StateOverride,
};
use ethrex_evm::{BlockContext, CallOutcome, RunError, SimulatedBlock, SystemCallFailed};
use ethrex_stf::commit_receipts;
use ethrex_storage::StateView;
use ethrex_trie::update_state;
use ethrex_types::{
    Block, BlockBody, Fork, SealedHeader, StateError, Tx,
    alloy_consensus::proofs::{calculate_transaction_root, calculate_withdrawals_root},
};
use serde::Deserialize;
use serde_json::Value;

use crate::{
    Args, Context, RpcError,
    deadline::Deadline,
    error::{Fault, SimulationRefused},
    eth::{
        block::{RpcBlock, RpcHeader},
        revert, transaction,
    },
};
use blocks::Planned;
use state::Layered;

/// Blocks between the base and the last simulated one at most, those included that fill gaps.
const MAX_BLOCKS: u64 = 256;
/// Calls in one simulation at most: each has a transaction and a receipt in memory.
const MAX_CALLS: usize = 5_000;

/// Bytes that say where a log stands, at least.
const LOG_BYTES: usize = 128;

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request {
    block_state_calls: Vec<BlockRequest>,
    #[serde(default)]
    trace_transfers: bool,
    #[serde(default)]
    validation: bool,
    #[serde(default)]
    return_full_transactions: bool,
}

/// One block of calls.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BlockRequest {
    block_overrides: Option<HeaderOverrides>,
    state_overrides: Option<StateOverride>,
    calls: Option<Vec<TransactionRequest>>,
}

/// What a block has in place of what would follow from the one before.
#[derive(Debug, Clone, Default, Deserialize)]
struct HeaderOverrides {
    #[serde(flatten)]
    header: BlockOverrides,
    withdrawals: Option<Withdrawals>,
}

pub(super) fn simulate(context: &Context, args: &mut Args) -> Result<Vec<Value>, RpcError> {
    let request = args.required::<Request>()?;
    let base = args.optional::<BlockId>()?.unwrap_or_default();
    if request.block_state_calls.is_empty() {
        return Err(SimulationRefused::NoBlocks.into());
    }
    let calls = request.block_state_calls.iter().flat_map(|block| &block.calls).map(Vec::len);
    if calls.sum::<usize>() > MAX_CALLS {
        return Err(SimulationRefused::TooManyCalls(MAX_CALLS).into());
    }
    let base = context.header(base)?;
    let view = context.state_after(&base)?;
    let planned = blocks::plan(&base, request.block_state_calls)?;
    let mut simulation = Simulation {
        context,
        view: &view,
        deadline: context.deadline(),
        state: Layered::new(&view),
        parent: base,
        gas_left: context.config().call_gas_cap,
        answer_bytes: 0,
        validated: request.validation,
        transfers: request.trace_transfers,
    };
    let simulated = planned.into_iter().map(|planned| {
        let block = simulation.block(planned)?;
        block.into_json(request.return_full_transactions)
    });
    simulated.collect()
}

/// Where a simulation stands.
struct Simulation<'a> {
    context: &'a Context,
    view: &'a StateView,
    deadline: Deadline,
    /// The state after what was simulated so far.
    state: Layered<'a>,
    /// The block before the next one.
    parent: SealedHeader,
    /// Gas that the calls to come may use together.
    gas_left: u64,
    /// Bytes of the answer that the calls so far have made, in hexadecimal.
    answer_bytes: usize,
    validated: bool,
    transfers: bool,
}

/// A simulated block and what came of its calls.
struct Simulated {
    header: SealedHeader,
    body: BlockBody,
    senders: Vec<alloy_primitives::Address>,
    results: Vec<SimCallResult>,
}

impl Simulation<'_> {
    fn block(&mut self, planned: Planned) -> Result<Simulated, RpcError> {
        // Also a block without calls takes its time: its state root is over all that was simulated before.
        self.deadline.check()?;
        let spec = self.context.chain().spec();
        let rules = self.context.chain().rules().as_ref();
        let mut header = blocks::header(spec, &self.parent, &planned, self.validated);
        let fork = spec.fork_at(header.number, header.timestamp);
        let withdrawals =
            (fork >= Fork::Shanghai).then(|| planned.overrides.withdrawals.unwrap_or_default());
        let replaced = state::apply(spec, rules, &header, planned.state, &mut self.state)?;
        let mode = ethrex_evm::Simulated {
            validated: self.validated,
            transfers: self.transfers,
            moved: replaced.moved,
            replaced: replaced.replaced,
            blob_base_fee: blob_base_fee(&planned.overrides.header)?,
        };

        let limit = self.context.config().trace.answer_bytes;
        let timed = self.deadline.over(&self.state);
        let mut run = Run { txs: Vec::new(), senders: Vec::new(), outcomes: Vec::new() };
        let closed = {
            let context = BlockContext {
                header: &header,
                ommers: &[],
                withdrawals: withdrawals.as_ref().map(|list| list.as_slice()),
            };
            let mut block = SimulatedBlock::open(spec, rules, &context, &timed, mode)
                .map_err(|error| system_call(&self.deadline, error))?;
            for request in planned.calls {
                self.deadline.check()?;
                let call = calls::prepare(
                    spec,
                    &header,
                    request,
                    &mut block,
                    self.gas_left,
                    self.validated,
                )?;
                let (outcome, tx) = calls::run(&mut block, &header, &call, &self.deadline)?;
                self.gas_left = self.gas_left.saturating_sub(outcome.gas_used);
                self.answer_bytes += answer_bytes(&outcome);
                if self.answer_bytes > limit {
                    return Err(RpcError::AnswerTooLong(limit));
                }
                run.push(call.call.from, outcome, tx);
            }
            block.close().map_err(|error| system_call(&self.deadline, error))?
        };
        self.state.merge(closed.diff);

        let update = update_state(self.view, self.view.root(), self.state.diff())?;
        let (receipts_root, logs_bloom) = commit_receipts(&closed.receipts);
        header.state_root = update.root;
        header.receipts_root = receipts_root;
        header.logs_bloom = logs_bloom;
        header.gas_used = closed.gas_used;
        header.transactions_root = calculate_transaction_root(&run.txs);
        header.withdrawals_root =
            withdrawals.as_ref().map(|list| calculate_withdrawals_root(list.as_slice()));
        header.blob_gas_used = (fork >= Fork::Cancun).then_some(closed.blob_gas_used);
        header.requests_hash = (fork >= Fork::Prague).then(|| closed.requests.requests_hash());
        let header = SealedHeader::new(header);
        self.state.remember(header.number, header.hash());
        self.parent = header.clone();
        let results = results(&header, &run);
        let body = BlockBody { transactions: run.txs, ommers: Vec::new(), withdrawals };
        Ok(Simulated { header, body, senders: run.senders, results })
    }
}

/// Bytes of an answer that say what a call returned and logged, in hexadecimal.
fn answer_bytes(outcome: &CallOutcome) -> usize {
    let logs = outcome.logs.iter().map(|log| log.data.data.len() + LOG_BYTES);
    2 * (outcome.output.len() + logs.sum::<usize>())
}

/// The calls of one block that have run.
struct Run {
    txs: Vec<Tx>,
    senders: Vec<alloy_primitives::Address>,
    outcomes: Vec<CallOutcome>,
}

impl Run {
    fn push(&mut self, sender: alloy_primitives::Address, outcome: CallOutcome, tx: Tx) {
        self.txs.push(tx);
        self.senders.push(sender);
        self.outcomes.push(outcome);
    }
}

fn blob_base_fee(overrides: &BlockOverrides) -> Result<Option<u128>, RpcError> {
    let fee = overrides.blob_base_fee.map(u128::try_from).transpose();
    fee.map_err(|_| RpcError::InvalidParams("blobBaseFee exceeds 128 bits"))
}

fn system_call(deadline: &Deadline, error: RunError<SystemCallFailed>) -> RpcError {
    match error {
        RunError::Invalid(why) => SimulationRefused::SystemCall(why).into(),
        RunError::Fault(fault) => fault_of(deadline, fault),
    }
}

/// A read that failed because the time is over is no fault of ours.
fn fault_of(deadline: &Deadline, fault: StateError) -> RpcError {
    deadline.check().err().unwrap_or_else(|| fault.into())
}

/// What came of the calls, with everything that their place adds.
fn results(header: &SealedHeader, run: &Run) -> Vec<SimCallResult> {
    let mut log_index = 0;
    let numbered = (0..).zip(&run.txs).zip(&run.outcomes);
    numbered
        .map(|((index, tx), outcome)| {
            let logs = outcome.logs.iter().map(|log| {
                log_index += 1;
                Log {
                    inner: log.clone(),
                    block_hash: Some(header.hash()),
                    block_number: Some(header.number),
                    block_timestamp: Some(header.timestamp),
                    transaction_hash: Some(tx.hash()),
                    transaction_index: Some(index),
                    log_index: Some(log_index - 1),
                    removed: false,
                }
            });
            let logs = logs.collect();
            let (return_data, error) = match revert::output(outcome.clone()) {
                Ok(output) => (output, None),
                Err(error) => (Default::default(), Some(calls::failure(error))),
            };
            SimCallResult {
                return_data,
                logs,
                gas_used: outcome.gas_used,
                max_used_gas: Some(outcome.max_gas_used),
                status: error.is_none(),
                error,
            }
        })
        .collect()
}

impl Simulated {
    fn into_json(self, full: bool) -> Result<Value, RpcError> {
        let hash = self.header.hash();
        let transactions = if full {
            let all = self.body.transactions.iter().zip(&self.senders).enumerate();
            let all = all.map(|(index, (tx, sender))| {
                transaction::at(tx, *sender, hash, &self.header, index)
            });
            BlockTransactions::Full(all.collect())
        } else {
            BlockTransactions::Hashes(self.body.transactions.iter().map(Tx::hash).collect())
        };
        let withdrawals = self.body.withdrawals.clone();
        let block = Block { header: self.header.clone().into_inner(), body: self.body };
        let block = RpcBlock {
            header: RpcHeader::from_sealed(self.header).with_size(Some(U256::from(block.length()))),
            uncles: Vec::<B256>::new(),
            transactions,
            withdrawals,
        };
        let mut json = serde_json::to_value(block).map_err(Fault::Encode)?;
        json["calls"] = serde_json::to_value(self.results).map_err(Fault::Encode)?;
        Ok(json)
    }
}
