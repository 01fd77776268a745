//! Runs a block: opening system calls, transactions one by one, closing system calls and requests.

use std::borrow::Cow;

use alloy_eips::{eip4895::Withdrawal, eip7685::Requests};
use alloy_evm::{
    Evm as _, EvmEnv,
    block::{
        BlockExecutionError, BlockExecutor as _, BlockValidationError, InternalBlockExecutionError,
    },
    eth::{
        EthBlockExecutionCtx, EthBlockExecutor, EthTxResult,
        receipt_builder::{ReceiptBuilder, ReceiptBuilderCtx},
    },
};
use alloy_primitives::{Address, Bytes, Log, U256};
use ethrex_types::{
    BlockAccessList, ChainSpec, Fork, Header, Receipt, RunningRoot, StateDiff, StateError,
    StateReader, Tx, TxType,
    account::KECCAK_EMPTY,
    alloy_consensus::{Transaction as _, Typed2718 as _, transaction::Recovered},
    system,
};
use revm::{
    Database as _, DatabaseCommit as _,
    context::{
        Cfg as _,
        result::{HaltReason, InvalidTransaction},
    },
    database::{State, bal::EvmDatabaseError, states::bundle_state::BundleRetention},
    state::{Account, EvmState},
};

#[cfg(feature = "trace")]
use crate::trace::{Trace, TraceError, Tracer, TxPlace};
use crate::{
    codes::Codes,
    constantinople, dao,
    db::{AccessLimits, Accesses, StateDb, Touched},
    deposits,
    diff::{state_diff, transaction_diff},
    evm::{Observer, RulesEvm},
    precompile::Meter,
    rules::{Payment, TxRules},
    spec::ExecutorSpec,
    stop::{Stop, StopCell, Stopped},
};

/// What a block is executed under, besides its transactions.
#[derive(Debug, Clone)]
pub struct BlockContext<'a> {
    /// The header. Of a block being built, only what is known before execution counts: parent, beneficiary, number, gas limit,
    /// timestamp, mix hash, base fee, excess blob gas, parent beacon block root, slot number.
    pub header: &'a Header,
    /// Ommers, which are rewarded before the merge.
    pub ommers: &'a [Header],
    /// Withdrawals, from Shanghai on.
    pub withdrawals: Option<&'a [Withdrawal]>,
}

/// Why a transaction cannot stand at this place in the block. The block executor's state is unchanged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidTx {
    /// Its gas limit exceeds what is left in the block.
    #[error("gas limit {limit} exceeds the {available} gas left in the block")]
    BlockFull {
        /// The transaction's gas limit.
        limit: u64,
        /// Gas left in the block.
        available: u64,
    },
    /// Its nonce was used before.
    #[error("nonce too low: next nonce {state}, tx nonce {tx}")]
    NonceTooLow {
        /// The sender's next nonce.
        state: u64,
        /// The transaction's nonce.
        tx: u64,
    },
    /// A transaction before it is missing.
    #[error("nonce too high: next nonce {state}, tx nonce {tx}")]
    NonceTooHigh {
        /// The sender's next nonce.
        state: u64,
        /// The transaction's nonce.
        tx: u64,
    },
    /// It would touch more of the state before the block than is allowed ([`BlockExecutor::set_access_limits`]).
    #[error("touches more of the state than is allowed")]
    AccessLimit {
        /// Regular gas that it burnt at most until then: its gas limit, or the cap on one transaction (EIP-7825).
        gas: u64,
    },
    /// With it, the block would charge more for injected precompiles than the chain allows.
    #[error("precompiles charge {used} gas or more in the block, limit is {limit}")]
    PrecompileGas {
        /// Gas charged until it was stopped.
        used: u64,
        /// The chain's limit for a block.
        limit: u64,
    },
    /// With it, the block access list would be longer than was allowed ([`BlockExecutor::set_list_limit`]).
    #[error("block access list of {items} items exceeds {limit}")]
    AccessListFull {
        /// Accounts and slots of the list with this transaction.
        items: u64,
        /// What was allowed.
        limit: u64,
    },
    /// It leaves a deposit event behind that is not laid out as the deposit contract does it: no block with it is valid (EIP-6110).
    #[error("deposit event has an invalid layout")]
    DepositLayout,
    /// Everything else that revm checks before execution.
    #[error("{0}")]
    Other(InvalidTransaction),
}

/// A system call that the block's validity depends on did not succeed.
#[derive(Debug, thiserror::Error)]
pub enum SystemCallFailed {
    /// The contract has no code although its fork is active (EIP-7002, EIP-7251, EIP-8282).
    #[error("system contract {0} has no code")]
    NoCode(Address),
    /// The call or the decoding of its result failed.
    #[error(transparent)]
    Failed(BlockValidationError),
}

/// What a block left behind.
#[derive(Debug, Clone)]
pub struct Closed {
    /// One receipt per transaction.
    pub receipts: Vec<Receipt>,
    /// EIP-7685 requests; empty before Prague.
    pub requests: Requests,
    /// Gas used, as the header says it: after refunds, and from Amsterdam on the larger of regular and state gas without them.
    pub gas_used: u64,
    /// Blob gas used.
    pub blob_gas_used: u64,
    /// Wei burned: base fee times gas paid for, and blob fees.
    pub burned_fees: U256,
    /// Gas charged by injected precompiles.
    pub precompile_gas_used: u64,
    /// Changes of state.
    pub diff: StateDiff,
    /// What was read from the state before the block.
    pub accesses: Accesses,
    /// What the block touched and changed (EIP-7928), from Amsterdam on.
    pub block_access_list: Option<BlockAccessList>,
}

/// A verdict on what was run, or a fault that left it undecided.
#[derive(Debug, thiserror::Error)]
pub enum RunError<V> {
    /// What was run is wrong.
    #[error(transparent)]
    Invalid(V),
    /// The state could not be read.
    #[error(transparent)]
    Fault(StateError),
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Receipts;

impl ReceiptBuilder for Receipts {
    type Transaction = Tx;
    type Receipt = Receipt;

    fn build_receipt<E: alloy_evm::Evm>(&self, ctx: ReceiptBuilderCtx<'_, TxType, E>) -> Receipt {
        Receipt {
            tx_type: ctx.tx_type,
            status: ctx.result.is_success().into(),
            cumulative_gas_used: ctx.cumulative_gas_used,
            logs: ctx.result.into_logs(),
        }
    }
}

type Inner<'a> =
    EthBlockExecutor<'a, RulesEvm<'a, State<StateDb<'a>>, Observer>, ExecutorSpec, Receipts>;

/// What a transaction did, before it stands in the block.
type Output = EthTxResult<HaltReason, TxType>;

/// Executes one block on a state, transaction by transaction.
pub struct BlockExecutor<'a> {
    inner: Inner<'a>,
    /// The state root after the transactions so far, before Byzantium.
    root: Option<Box<dyn RunningRoot + 'a>>,
    rules: &'a dyn TxRules,
    /// The newest fork active in the block.
    fork: Fork,
    meter: Meter,
    burned_fees: U256,
    /// Accounts and slots in the block access list so far (EIP-7928); zero where there is none.
    list_items: u64,
    list_limit: Option<u64>,
    stop: StopCell,
}

impl std::fmt::Debug for BlockExecutor<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BlockExecutor").finish_non_exhaustive()
    }
}

impl<'a> BlockExecutor<'a> {
    /// Starts a block on the state after its parent, and makes the opening system calls (EIP-2935, EIP-4788).
    pub fn open(
        spec: &ChainSpec,
        rules: &'a dyn TxRules,
        block: &BlockContext<'a>,
        state: &'a dyn StateReader,
    ) -> Result<Self, RunError<SystemCallFailed>> {
        let fork = spec.fork_at(block.header.number, block.header.timestamp);
        Self::start(spec, rules, block, state, fork, fork >= Fork::Amsterdam)
    }

    /// As [`Self::open`], and makes a block access list whatever the fork.
    #[cfg(feature = "testing")]
    pub fn open_listing(
        spec: &ChainSpec,
        rules: &'a dyn TxRules,
        block: &BlockContext<'a>,
        state: &'a dyn StateReader,
    ) -> Result<Self, RunError<SystemCallFailed>> {
        let fork = spec.fork_at(block.header.number, block.header.timestamp);
        Self::start(spec, rules, block, state, fork, true)
    }

    /// As [`Self::open`] without what opens a block, for transactions that stand in none.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn open_bare(
        spec: &ChainSpec,
        rules: &'a dyn TxRules,
        block: &BlockContext<'a>,
        state: &'a dyn StateReader,
    ) -> Self {
        let fork = spec.fork_at(block.header.number, block.header.timestamp);
        Self::at(spec, rules, block, state, fork, false)
    }

    /// As [`Self::close`] without what closes a block: only what transactions changed.
    #[cfg(feature = "testing")]
    #[must_use]
    pub fn close_bare(self) -> StateDiff {
        take_changes(&mut self.inner.evm.into_db(), self.fork)
    }

    fn start(
        spec: &ChainSpec,
        rules: &'a dyn TxRules,
        block: &BlockContext<'a>,
        state: &'a dyn StateReader,
        fork: Fork,
        list: bool,
    ) -> Result<Self, RunError<SystemCallFailed>> {
        let mut executor = Self::at(spec, rules, block, state, fork, list);
        let opened = executor.inner.apply_pre_execution_changes();
        opened.map_err(|error| system_call_error(error, &executor.stop))?;
        executor.list_items = executor.listed();
        if dao::is_fork_block(&executor.inner.spec.chain, block.header.number) {
            executor.move_dao_funds()?;
        }
        Ok(executor)
    }

    fn at(
        spec: &ChainSpec,
        rules: &'a dyn TxRules,
        block: &BlockContext<'a>,
        state: &'a dyn StateReader,
        fork: Fork,
        list: bool,
    ) -> Self {
        let header = block.header;
        let spec = ExecutorSpec::new(spec, header);
        // A receipt of this age names the state root after its transaction.
        let root = if fork < Fork::Byzantium { state.running_root() } else { None };
        let state = StateDb::new(state, header.number);
        let stop = state.stop();
        let db = State::builder()
            .with_database(state)
            .with_bundle_update()
            .with_bal_builder_if(list)
            .build();
        let meter = Meter::new(rules.precompile_gas_limit());
        let env = block_env(&spec, header);
        let evm = RulesEvm::new(db, env, rules, &meter, &stop, Observer::default(), false);
        let ctx = EthBlockExecutionCtx {
            parent_hash: header.parent_hash,
            parent_beacon_block_root: header.parent_beacon_block_root,
            ommers: block.ommers,
            withdrawals: block.withdrawals.map(Cow::Borrowed),
            extra_data: Bytes::new(),
            tx_count_hint: None,
            slot_number: header.slot_number,
        };
        let inner = EthBlockExecutor::new(evm, ctx, spec, Receipts);
        Self {
            inner,
            root,
            rules,
            fork,
            meter,
            burned_fees: U256::ZERO,
            list_items: 0,
            list_limit: None,
            stop,
        }
    }

    fn move_dao_funds(&mut self) -> Result<(), RunError<SystemCallFailed>> {
        let changes = dao::changes(self.inner.evm.db_mut()).map_err(|_| {
            let fault = self.stop.take_fault();
            RunError::Fault(fault.expect("an account read fails only by a read fault"))
        })?;
        if let Some(root) = &mut self.root {
            root.apply(&transaction_diff(&changes)).map_err(RunError::Fault)?;
        }
        self.inner.evm.db_mut().commit(changes);
        Ok(())
    }

    /// Has codes of the state taken from here, from the next transaction on, where they are ready to run.
    pub fn set_codes(&mut self, codes: Option<&'a Codes>) {
        self.inner.evm.db_mut().database.codes = codes;
    }

    /// Limits what transactions may touch of the state before the block, from the next one on.
    pub fn set_access_limits(&mut self, limits: Option<AccessLimits>) {
        self.inner.evm.db_mut().database.limits = limits;
    }

    /// What transactions have touched of the state before the block, those included that do not stand in it.
    #[must_use]
    pub fn touched(&self) -> Touched {
        self.inner.evm.db().database.touched
    }

    /// Limits the accounts and slots of the block access list, from the next transaction on; what closes the block comes on top.
    pub fn set_list_limit(&mut self, limit: Option<u64>) {
        self.list_limit = limit;
    }

    /// Runs the next transaction. On a verdict or a fault nothing has changed but what [`Self::touched`] says.
    ///
    /// Returns the gas used.
    pub fn run(&mut self, tx: &Tx, sender: Address) -> Result<u64, RunError<InvalidTx>> {
        let output = self.execute(tx, sender).map_err(|error| self.why(tx, error));
        let judged = output.and_then(|output| Ok((self.judge(tx, &output)?, output)));
        self.meter.end(judged.is_ok());
        let (items, output) = judged?;
        self.commit(tx, sender, output, items).map_err(RunError::Fault)
    }

    /// As [`Self::run`], while `tracer` records what happens. Returns what it recorded.
    #[cfg(feature = "trace")]
    pub fn trace(
        &mut self,
        tx: &Tx,
        sender: Address,
        tracer: &Tracer,
        place: TxPlace,
    ) -> Result<Trace, TraceError<InvalidTx>> {
        self.inner.evm.observe(tracer);
        let output = self.execute(tx, sender);
        let recorder = self.inner.evm.observed();
        let traced = match output {
            Err(error) => Err(match recorder.stopped() {
                Some(why) => TraceError::Stopped(why),
                None => self.why(tx, error).into(),
            }),
            Ok(output) => self.judge(tx, &output).map_err(TraceError::from).and_then(|items| {
                let trace = self.inner.evm.trace_of(recorder, &output.result, place, &self.stop)?;
                Ok((trace, output, items))
            }),
        };
        self.meter.end(traced.is_ok());
        let (trace, output, items) = traced?;
        self.commit(tx, sender, output, items).map_err(TraceError::Fault)?;
        Ok(trace)
    }

    /// What the transactions so far, and what opened the block, have changed.
    #[cfg(feature = "trace")]
    #[must_use]
    pub fn into_changes(self) -> StateDiff {
        take_changes(&mut self.inner.evm.into_db(), self.fork)
    }

    /// Runs a transaction to its end, and commits nothing. An error without a cause: it was stopped before it began.
    fn execute(&mut self, tx: &Tx, sender: Address) -> Result<Output, Option<BlockExecutionError>> {
        self.inner.evm.db_mut().database.in_transaction = true;
        self.meter.begin();
        let result = match self.touch_beneficiary() {
            Ok(()) => {
                let tx = Recovered::new_unchecked(tx, sender);
                self.inner.execute_transaction_without_commit(tx).map_err(Some)
            }
            Err(_) => Err(None),
        };
        self.inner.evm.db_mut().database.in_transaction = false;
        result
    }

    /// Whether what a transaction did may stand in the block, and the items that the block access list then has.
    fn judge(&self, tx: &Tx, output: &Output) -> Result<u64, RunError<InvalidTx>> {
        if self.creates_too_much(&output.result.state) {
            return Err(RunError::Invalid(self.access_limit(tx)));
        }
        if !self.deposits_are_well_formed(output.result.result.logs()) {
            return Err(RunError::Invalid(InvalidTx::DepositLayout));
        }
        let items = self.list_items + self.would_list(&output.result.state);
        match self.list_limit {
            Some(limit) if items > limit => {
                Err(RunError::Invalid(InvalidTx::AccessListFull { items, limit }))
            }
            _ => Ok(items),
        }
    }

    fn commit(
        &mut self,
        tx: &Tx,
        sender: Address,
        output: Output,
        items: u64,
    ) -> Result<u64, StateError> {
        let root =
            self.root.as_mut().map(|root| root.apply(&transaction_diff(&output.result.state)));
        let root = root.transpose()?;
        self.list_items = items;
        self.inner.evm.db_mut().bump_bal_index();
        let gas = self.inner.commit_transaction(output).tx_gas_used();
        if let (Some(root), Some(receipt)) = (root, self.inner.receipts.last_mut()) {
            receipt.status = root.into();
        }
        self.burned_fees += self.burned_by(tx, sender, gas);
        Ok(gas)
    }

    /// Accounts and slots in the block access list.
    fn listed(&self) -> u64 {
        let list = self.inner.evm.db().bal_state.bal_builder.iter();
        list.flat_map(|list| list.accounts.values())
            .map(|account| 1 + account.storage.storage.len() as u64)
            .sum()
    }

    /// Accounts and slots that these changes add to the block access list.
    fn would_list(&self, changes: &EvmState) -> u64 {
        let Some(list) = &self.inner.evm.db().bal_state.bal_builder else { return 0 };
        let new = |(address, account): (&Address, &Account)| match list.accounts.get(address) {
            Some(listed) => {
                let known = &listed.storage.storage;
                account.storage.keys().filter(|slot| !known.contains_key(*slot)).count() as u64
            }
            None => 1 + account.storage.len() as u64,
        };
        changes.iter().map(new).sum()
    }

    /// Where limits hold, the beneficiary counts before a transaction runs and not after, when it is paid: otherwise a
    /// transaction could run to its end and be stopped there.
    fn touch_beneficiary(&mut self) -> Result<(), EvmDatabaseError<Stopped>> {
        let beneficiary = self.inner.evm.block().beneficiary;
        let db = self.inner.evm.db_mut();
        if db.database.limits.is_some() {
            db.basic(beneficiary)?;
        }
        Ok(())
    }

    /// Why a transaction did not run to its end; see [`Self::execute`].
    fn why(&self, tx: &Tx, error: Option<BlockExecutionError>) -> RunError<InvalidTx> {
        match self.stop.take() {
            Some(Stop::Fault(fault)) => RunError::Fault(fault),
            Some(Stop::AccessLimit) => RunError::Invalid(self.access_limit(tx)),
            Some(Stop::PrecompileGas { used, limit }) => {
                RunError::Invalid(InvalidTx::PrecompileGas { used, limit })
            }
            None => RunError::Invalid(invalid_tx(error.expect("what was stopped has a reason"))),
        }
    }

    fn access_limit(&self, tx: &Tx) -> InvalidTx {
        let cap = self.inner.evm.cfg_env().tx_gas_limit_cap();
        InvalidTx::AccessLimit { gas: tx.gas_limit().min(cap) }
    }

    /// Whether a transaction with these effects leaves a longer code behind than limits allow.
    fn creates_too_much(&self, state: &EvmState) -> bool {
        let Some(limits) = self.inner.evm.db().database.limits else { return false };
        let stays = |account: &&Account| account.is_created() && !account.is_selfdestructed();
        let mut codes =
            state.values().filter(stays).filter_map(|account| account.info.code.as_ref());
        codes.any(|code| code.len() > limits.created_code)
    }

    fn deposits_are_well_formed(&self, logs: &[Log]) -> bool {
        let contract = self.inner.spec.chain.deposit_contract();
        self.fork < Fork::Prague
            || contract.is_none_or(|contract| deposits::are_well_formed(contract, logs))
    }

    /// Gas used by the transactions so far, as a header would say it.
    #[must_use]
    pub fn gas_used(&self) -> u64 {
        if self.fork >= Fork::Amsterdam {
            self.inner.max_block_gas_used()
        } else {
            self.inner.cumulative_tx_gas_used
        }
    }

    /// Regular gas used by the transactions so far, before refunds (EIP-8037, EIP-7778).
    #[must_use]
    pub fn regular_gas_used(&self) -> u64 {
        self.inner.block_regular_gas_used
    }

    /// State gas used by the transactions so far (EIP-8037).
    #[must_use]
    pub fn state_gas_used(&self) -> u64 {
        self.inner.block_state_gas_used
    }

    /// Accounts and slots in the block access list so far; zero before Amsterdam.
    #[must_use]
    pub fn list_items(&self) -> u64 {
        self.list_items
    }

    /// Gas charged by injected precompiles in the transactions so far.
    #[must_use]
    pub fn precompile_gas_used(&self) -> u64 {
        self.meter.used()
    }

    /// Blob gas used by the transactions so far.
    #[must_use]
    pub fn blob_gas_used(&self) -> u64 {
        self.inner.blob_gas_used
    }

    /// Receipts of the transactions so far.
    #[must_use]
    pub fn receipts(&self) -> &[Receipt] {
        &self.inner.receipts
    }

    /// Makes the closing system calls, pays withdrawals and gathers requests.
    pub fn close(mut self) -> Result<Closed, RunError<SystemCallFailed>> {
        // What comes before the first transaction has index 0, the first transaction 1 (EIP-7928).
        self.inner.evm.db_mut().bump_bal_index();
        for contract in system::contracts(self.fork).filter(|contract| contract.requests) {
            self.require_code(contract.address)?;
        }
        let (evm, result) =
            self.inner.finish().map_err(|error| system_call_error(error, &self.stop))?;
        let mut db = evm.into_db();
        let diff = take_changes(&mut db, self.fork);
        Ok(Closed {
            receipts: result.receipts,
            requests: result.requests,
            gas_used: result.gas_used,
            blob_gas_used: result.blob_gas_used,
            burned_fees: self.burned_fees,
            precompile_gas_used: self.meter.used(),
            diff,
            block_access_list: db.take_built_alloy_bal(),
            accesses: db.database.accesses,
        })
    }

    /// What the sender's payment for a transaction burned (EIP-1559, EIP-4844).
    fn burned_by(&self, tx: &Tx, sender: Address, gas: u64) -> U256 {
        if self.rules.payment(tx.ty(), sender) != Payment::Sender {
            return U256::ZERO;
        }
        let block = self.inner.evm.block();
        let blob_fee = block.blob_excess_gas_and_price.map_or(0, |blob| blob.blob_gasprice);
        let blob_gas = tx.blob_gas_used().unwrap_or_default();
        U256::from(block.basefee) * U256::from(gas) + U256::from(blob_fee) * U256::from(blob_gas)
    }

    /// alloy-evm treats a missing request contract as one that returns nothing; the EIPs call such a block invalid.
    fn require_code(&mut self, address: Address) -> Result<(), RunError<SystemCallFailed>> {
        match self.inner.evm.db_mut().basic(address) {
            Ok(Some(account)) if account.code_hash != KECCAK_EMPTY => Ok(()),
            Ok(_) => Err(RunError::Invalid(SystemCallFailed::NoCode(address))),
            Err(_) => Err(RunError::Fault(
                self.stop.take_fault().expect("an account read fails only by a read fault"),
            )),
        }
    }
}

/// What was changed in this state since it was opened.
pub(crate) fn take_changes(db: &mut State<StateDb<'_>>, fork: Fork) -> StateDiff {
    db.merge_transitions(BundleRetention::PlainState);
    state_diff(db.take_bundle(), fork >= Fork::SpuriousDragon)
}

pub(crate) fn system_call_error(
    error: BlockExecutionError,
    stop: &StopCell,
) -> RunError<SystemCallFailed> {
    if let Some(fault) = stop.take_fault() {
        return RunError::Fault(fault);
    }
    RunError::Invalid(SystemCallFailed::Failed(match error {
        BlockExecutionError::Validation(error) => error,
        BlockExecutionError::Internal(error) => internal(&error),
    }))
}

fn invalid_tx(error: BlockExecutionError) -> InvalidTx {
    match error {
        BlockExecutionError::Validation(
            BlockValidationError::TransactionGasLimitMoreThanAvailableBlockGas {
                transaction_gas_limit,
                block_available_gas,
            },
        ) => InvalidTx::BlockFull { limit: transaction_gas_limit, available: block_available_gas },
        BlockExecutionError::Validation(BlockValidationError::InvalidTx { error, .. }) => {
            match error.as_invalid_tx_err().expect("our EVM reports revm's own error") {
                InvalidTransaction::NonceTooLow { tx, state } => {
                    InvalidTx::NonceTooLow { tx: *tx, state: *state }
                }
                InvalidTransaction::NonceTooHigh { tx, state } => {
                    InvalidTx::NonceTooHigh { tx: *tx, state: *state }
                }
                other => InvalidTx::Other(other.clone()),
            }
        }
        other => {
            panic!("running a transaction can only fail by a verdict or a read fault: {other}")
        }
    }
}

/// Without a read fault, what alloy-evm calls internal can only be a defect of this program.
fn internal(error: &InternalBlockExecutionError) -> BlockValidationError {
    panic!("block execution failed without a read fault: {error}")
}

/// The EVM environment of a block.
pub(crate) fn block_env(spec: &ExecutorSpec, header: &Header) -> EvmEnv {
    let blobs = spec.chain.blob_params_at(header.timestamp);
    let mut env = EvmEnv::for_eth_block(header, spec, spec.chain.chain_id(), blobs);
    if spec.chain.fork_at(header.number, header.timestamp) == Fork::Constantinople {
        constantinople::set(&mut env.cfg_env);
    }
    env
}
