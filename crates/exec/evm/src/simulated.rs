//! One block of calls that nobody signed, as `eth_simulateV1` needs it: system calls, calls one by one, closing calls and requests.

use std::{borrow::Cow, collections::BTreeMap};

use alloy_eips::eip7685::Requests;
use alloy_evm::{
    Evm as _,
    block::{BlockExecutionError, BlockExecutor as _},
    eth::{EthBlockExecutionCtx, EthBlockExecutor, EthTxResult},
    precompiles::DynPrecompile,
};
use alloy_primitives::{Address, B256, Bytes, Log, U256, address, b256};
use ethrex_types::{ChainSpec, Fork, Header, Receipt, StateDiff, StateError, StateReader, TxType};
use revm::{
    Inspector,
    context::{
        ContextTr as _, JournalTr as _,
        result::{EVMError, ResultAndState},
    },
    context_interface::block::BlobExcessGasAndPrice,
    database::State,
    interpreter::{
        CallInputs, CallOutcome as FrameOutcome, CreateInputs, CreateOutcome, CreateScheme,
        Interpreter,
    },
};

use crate::{
    BlockContext, SystemCallFailed,
    call::{Call, CallError, CallOutcome, outcome, tx_env},
    db::StateDb,
    evm::{EvmContext, RulesEvm},
    executor::{Receipts, RunError, block_env, system_call_error, take_changes},
    frames::{self, FrameState},
    precompile::Meter,
    rules::TxRules,
    spec::ExecutorSpec,
};

/// How calls are simulated.
#[derive(Debug, Clone, Default)]
pub struct Simulated {
    /// Whether a call needs what a transaction needs: the right nonce, and a fee that covers the base fee. Never a signature.
    pub validated: bool,
    /// Whether each transfer of ether is among the logs, as a token's would be.
    pub transfers: bool,
    /// Precompiles that are moved: from, to.
    pub moved: Vec<(Address, Address)>,
    /// Precompiles that an account takes the place of.
    pub replaced: Vec<Address>,
    /// Wei per blob gas, in place of what the header says.
    pub blob_base_fee: Option<u128>,
}

/// What a block of calls left behind.
#[derive(Debug, Clone)]
pub struct SimulatedClosed {
    /// One receipt per call.
    pub receipts: Vec<Receipt>,
    /// EIP-7685 requests; empty before Prague.
    pub requests: Requests,
    /// Gas used, as the header says it.
    pub gas_used: u64,
    /// Blob gas used.
    pub blob_gas_used: u64,
    /// Changes of state.
    pub diff: StateDiff,
}

type Inner<'a> =
    EthBlockExecutor<'a, RulesEvm<'a, State<StateDb<'a>>, Transfers>, ExecutorSpec, Receipts>;

/// Executes one block of calls on a state, call by call.
pub struct SimulatedBlock<'a> {
    inner: Inner<'a>,
    simulated: Simulated,
    chain_id: u64,
    fork: Fork,
    stop: crate::stop::StopCell,
}

impl std::fmt::Debug for SimulatedBlock<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimulatedBlock").finish_non_exhaustive()
    }
}

/// Whether there is a precompile at this address in the block of this header.
#[must_use]
pub fn is_precompile(
    spec: &ChainSpec,
    rules: &dyn TxRules,
    header: &Header,
    address: Address,
) -> bool {
    let spec_id = block_env(&ExecutorSpec::new(spec, header), header).cfg_env.spec;
    let id = revm::precompile::PrecompileSpecId::from_spec_id(spec_id);
    revm::precompile::Precompiles::new(id).contains(&address)
        || rules.precompiles().iter().any(|precompile| {
            precompile.address() == address && precompile.active_at(header.timestamp)
        })
}

impl<'a> SimulatedBlock<'a> {
    /// Starts a block on `state`, which holds what is overridden, and makes the opening system calls.
    pub fn open(
        spec: &ChainSpec,
        rules: &'a dyn TxRules,
        block: &BlockContext<'a>,
        state: &'a dyn StateReader,
        simulated: Simulated,
    ) -> Result<Self, RunError<SystemCallFailed>> {
        let header = block.header;
        let spec = ExecutorSpec::new(spec, header);
        let chain_id = spec.chain.chain_id();
        let fork = spec.chain.fork_at(header.number, header.timestamp);
        let mut env = block_env(&spec, header);
        let cfg = &mut env.cfg_env;
        cfg.disable_eip3607 = true;
        cfg.disable_block_gas_limit = true;
        cfg.disable_nonce_check = !simulated.validated;
        cfg.tx_gas_limit_cap = Some(u64::MAX);
        if let (Some(price), Some(blob)) =
            (simulated.blob_base_fee, &mut env.block_env.blob_excess_gas_and_price)
        {
            *blob = BlobExcessGasAndPrice { blob_gasprice: price, ..*blob };
        }
        let reader = StateDb::new(state, header.number).watched();
        let stop = reader.stop();
        let db = State::builder().with_database(reader).with_bundle_update().build();
        let meter = Meter::default();
        let inspector = Transfers::default();
        let mut evm = RulesEvm::new(db, env, rules, &meter, &stop, inspector, simulated.transfers);
        move_precompiles(&mut evm, &simulated);
        let ctx = EthBlockExecutionCtx {
            parent_hash: header.parent_hash,
            parent_beacon_block_root: header.parent_beacon_block_root,
            ommers: &[],
            withdrawals: block.withdrawals.map(Cow::Borrowed),
            extra_data: Bytes::new(),
            tx_count_hint: None,
            slot_number: header.slot_number,
        };
        let mut inner = EthBlockExecutor::new(evm, ctx, spec, Receipts);
        let opened = inner.apply_pre_execution_changes();
        opened.map_err(|error: BlockExecutionError| system_call_error(error, &stop))?;
        Ok(Self { inner, simulated, chain_id, fork, stop })
    }

    /// Runs the next call as a transaction of this type. On an error nothing has changed.
    ///
    /// # Errors
    /// If the call could not stand in any block, or the state cannot be read.
    pub fn run(&mut self, call: &Call, tx_type: TxType) -> Result<CallOutcome, CallError> {
        // As in `eth_call`, who offers nothing is asked for nothing.
        let free = call.gas_price == 0 && !self.simulated.validated;
        self.inner.evm.cfg_mut().disable_base_fee = free;
        let mut env = tx_env(self.chain_id, call);
        env.0.tx_type = tx_type.into();
        let (_, transfers, _) = self.inner.evm.components_mut();
        *transfers = Transfers::default();
        let ResultAndState { result, state } = match self.inner.evm.transact_raw(env) {
            Ok(result) => result,
            Err(error) => return Err(self.why(error)),
        };
        let logs = self.simulated.transfers.then(|| {
            let (_, transfers, _) = self.inner.evm.components_mut();
            std::mem::take(&mut transfers.logs)
        });
        let blob_gas_used =
            alloy_eips::eip4844::DATA_GAS_PER_BLOB * call.blob_versioned_hashes.len() as u64;
        let mut outcome = outcome(result.clone(), Default::default());
        if let Some(logs) = logs.filter(|_| result.is_success()) {
            outcome.logs = logs;
        }
        let result = ResultAndState { result, state };
        self.inner.commit_transaction(EthTxResult { result, blob_gas_used, tx_type });
        Ok(outcome)
    }

    /// The nonce of an account after the calls so far.
    ///
    /// # Errors
    /// If the state cannot be read.
    pub fn nonce(&mut self, address: Address) -> Result<u64, StateError> {
        match revm::Database::basic(self.inner.evm.db_mut(), address) {
            Ok(account) => Ok(account.map_or(0, |account| account.nonce)),
            Err(_) => Err(self.stop.take_fault().expect("an account read fails only by a fault")),
        }
    }

    /// Gas used by the calls so far.
    #[must_use]
    pub fn gas_used(&self) -> u64 {
        self.inner.cumulative_tx_gas_used
    }

    /// Makes the closing system calls, pays withdrawals and gathers requests.
    pub fn close(self) -> Result<SimulatedClosed, RunError<SystemCallFailed>> {
        let (evm, result) =
            self.inner.finish().map_err(|error| system_call_error(error, &self.stop))?;
        let (mut db, _) = evm.finish();
        Ok(SimulatedClosed {
            receipts: result.receipts,
            requests: result.requests,
            gas_used: result.gas_used,
            blob_gas_used: result.blob_gas_used,
            diff: take_changes(&mut db, self.fork),
        })
    }

    fn why(
        &self,
        error: EVMError<revm::database::bal::EvmDatabaseError<crate::stop::Stopped>>,
    ) -> CallError {
        if let Some(fault) = self.stop.take_fault() {
            return CallError::Fault(fault);
        }
        match error {
            EVMError::Transaction(invalid) => CallError::Invalid(invalid),
            other => panic!("a call can only fail by a verdict or a read fault: {other}"),
        }
    }
}

/// All at once: what is moved to the place of another takes it, wherever that one goes. Warm are the addresses of the fork all
/// the same, as in geth: what is moved is cold in its new place, and its old one stays warm.
fn move_precompiles<'a>(
    evm: &mut RulesEvm<'a, State<StateDb<'a>>, Transfers>,
    simulated: &Simulated,
) {
    evm.warm_precompiles();
    let (_, _, precompiles) = evm.components_mut();
    let mut taken = BTreeMap::<Address, DynPrecompile>::new();
    let gone = simulated.moved.iter().map(|(from, _)| from).chain(&simulated.replaced);
    for address in gone {
        precompiles.apply_precompile(address, |precompile| {
            taken.extend(precompile.map(|precompile| (*address, precompile)));
            None
        });
    }
    for (from, to) in &simulated.moved {
        if let Some(precompile) = taken.remove(from) {
            precompiles.apply_precompile(to, |_| Some(precompile));
        }
    }
}

/// Whose logs transfers of ether are: no account's.
const ETHER: Address = address!("eeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee");
/// `Transfer(address,address,uint256)`.
const TRANSFER: B256 = b256!("ddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef");

/// Gathers logs and transfers of ether in the order in which they happen, and forgets those that are undone.
#[derive(Debug, Default)]
struct Transfers {
    logs: Vec<Log>,
    /// How many there were when each of the open frames began.
    frames: Vec<usize>,
    /// Gas that the frame had left at the last step.
    gas_left: u64,
}

impl Transfers {
    fn begin(&mut self, from: Address, to: Address, value: U256) {
        self.frames.push(self.logs.len());
        self.transfer(from, to, value);
    }

    fn transfer(&mut self, from: Address, to: Address, value: U256) {
        if !value.is_zero() {
            let topics = vec![TRANSFER, from.into_word(), to.into_word()];
            let data = Bytes::from(value.to_be_bytes::<32>());
            self.logs.push(Log::new_unchecked(ETHER, topics, data));
        }
    }

    fn end(&mut self, succeeded: bool) {
        let before = self.frames.pop().unwrap_or_default();
        if !succeeded {
            self.logs.truncate(before);
        }
    }
}

impl<DB: FrameState> Inspector<EvmContext<DB>> for Transfers {
    fn step(&mut self, interpreter: &mut Interpreter, context: &mut EvmContext<DB>) {
        let left = interpreter.gas.remaining();
        let spent = std::mem::replace(&mut self.gas_left, left).saturating_sub(left);
        frames::count_steps(interpreter, context, frames::steps_of(spent).saturating_add(1));
    }

    fn log(&mut self, _: &mut EvmContext<DB>, log: Log) {
        self.logs.push(log);
    }

    fn call(&mut self, _: &mut EvmContext<DB>, inputs: &mut CallInputs) -> Option<FrameOutcome> {
        // What a delegated call shows as value was sent before.
        let value = inputs.transfer_value().unwrap_or_default();
        self.begin(inputs.transfer_from(), inputs.transfer_to(), value);
        None
    }

    fn call_end(&mut self, _: &mut EvmContext<DB>, _: &CallInputs, outcome: &mut FrameOutcome) {
        self.end(outcome.result.is_ok());
    }

    fn create(
        &mut self,
        context: &mut EvmContext<DB>,
        inputs: &mut CreateInputs,
    ) -> Option<CreateOutcome> {
        let caller = inputs.caller();
        let account = context.journal_mut().load_account(caller);
        let nonce = account.map_or(0, |account| account.data.info.nonce);
        let address = match inputs.scheme() {
            CreateScheme::Custom { address } => address,
            CreateScheme::Create | CreateScheme::Create2 { .. } => inputs.created_address(nonce),
        };
        self.begin(caller, address, inputs.value());
        None
    }

    fn create_end(
        &mut self,
        _: &mut EvmContext<DB>,
        _: &CreateInputs,
        outcome: &mut CreateOutcome,
    ) {
        self.end(outcome.result.is_ok());
    }

    fn selfdestruct(&mut self, contract: Address, target: Address, value: U256) {
        self.transfer(contract, target, value);
    }
}
