//! One call on top of a block, as `eth_call` and `eth_estimateGas` need it. Nothing it changes is kept.

use std::collections::BTreeMap;

use alloy_eips::{eip2930::AccessList, eip7702::SignedAuthorization};
use alloy_evm::Evm as _;
use alloy_primitives::{Address, B256, Bytes, Log, TxKind, U256, keccak256};
use ethrex_types::{
    AccountInfo, ChainSpec, Header, StateError, StateReader, account::KECCAK_EMPTY,
};
use revm::{
    context::{
        TxEnv as RevmTxEnv,
        either::Either,
        result::{EVMError, ExecutionResult, InvalidTransaction},
    },
    database::{State, bal::EvmDatabaseError},
};
#[cfg(feature = "trace")]
use {ethrex_types::StateDiff, revm::DatabaseCommit as _};

use crate::{
    db::{Accesses, StateDb},
    evm::{Observer, RulesEvm},
    executor::block_env,
    precompile::Meter,
    rules::TxRules,
    spec::ExecutorSpec,
    stop::{StopCell, Stopped},
    tx_env::TxEnv,
};
#[cfg(feature = "trace")]
use crate::{
    executor::take_changes,
    trace::{Trace, TraceError, Tracer, TxPlace},
};

/// A message to simulate. Fees may be zero: then no balance is needed for gas.
#[derive(Debug, Clone, Default)]
pub struct Call {
    /// Sender; needs no signature.
    pub from: Address,
    /// Callee, or creation.
    pub to: TxKind,
    /// Gas limit.
    pub gas_limit: u64,
    /// Wei per gas: the gas price, or the maximum fee where `max_priority_fee_per_gas` is set.
    pub gas_price: u128,
    /// Priority fee in wei per gas; makes this an EIP-1559 call.
    pub max_priority_fee_per_gas: Option<u128>,
    /// Wei sent along.
    pub value: U256,
    /// Call data or init code.
    pub input: Bytes,
    /// Nonce; `None` skips the check.
    pub nonce: Option<u64>,
    /// Access list (EIP-2930).
    pub access_list: AccessList,
    /// Delegations (EIP-7702); non-empty makes this a set-code call.
    pub authorization_list: Vec<SignedAuthorization>,
    /// Versioned hashes (EIP-4844); non-empty makes this a blob call.
    pub blob_versioned_hashes: Vec<B256>,
    /// Wei per blob gas.
    pub max_fee_per_blob_gas: u128,
}

/// State that a call sees in place of what the chain has.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// By account.
    pub accounts: BTreeMap<Address, AccountOverride>,
}

/// What a call sees of one account in place of what the chain has.
#[derive(Debug, Clone, Default)]
pub struct AccountOverride {
    /// Balance in wei.
    pub balance: Option<U256>,
    /// Nonce.
    pub nonce: Option<u64>,
    /// Code.
    pub code: Option<Bytes>,
    /// All storage: slots that are not listed are zero.
    pub state: Option<BTreeMap<B256, U256>>,
    /// Single slots over the chain's storage.
    pub state_diff: BTreeMap<B256, U256>,
}

/// How a call ended.
#[derive(Debug, Clone)]
pub struct CallOutcome {
    /// How the outermost frame ended.
    pub end: CallEnd,
    /// Return or revert data; for a creation, the deployed code.
    pub output: Bytes,
    /// Gas used after refunds, with the EIP-7623 floor.
    pub gas_used: u64,
    /// Gas refunded (EIP-3529).
    pub gas_refunded: u64,
    /// The most gas that was used on the way, before refunds, with the EIP-7623 floor.
    pub max_gas_used: u64,
    /// Logs, where it succeeded.
    pub logs: Vec<Log>,
    /// What it read.
    pub accesses: Accesses,
}

/// The three ways a frame ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallEnd {
    /// Returned or stopped.
    Success,
    /// Reverted; `output` says why.
    Revert,
    /// Halted: out of gas, bad jump, and so on.
    Halt {
        /// The interpreter's name of the reason.
        reason: String,
        /// Whether more gas might help.
        out_of_gas: bool,
    },
}

/// Why a call did not run.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The call could not stand in any block.
    #[error("{0}")]
    Invalid(InvalidTransaction),
    /// The state could not be read.
    #[error(transparent)]
    Fault(StateError),
}

/// Runs `call` in the environment of `header`, on `state`, under the rules of the chain.
pub fn simulate(
    spec: &ChainSpec,
    rules: &dyn TxRules,
    header: &Header,
    state: &dyn StateReader,
    call: &Call,
    overrides: &Overrides,
) -> Result<CallOutcome, CallError> {
    let overridden = Overridden::new(state, overrides);
    let state: &dyn StateReader = if overrides.accounts.is_empty() { state } else { &overridden };
    let (mut evm, stop) = set_up(spec, rules, header, state, call);
    let result = evm.transact_raw(tx_env(spec.chain_id(), call));
    let result = result.map_err(|error| refusal(error, &stop))?.result;
    let accesses = std::mem::take(&mut evm.db_mut().database.accesses);
    Ok(outcome(result, accesses))
}

/// As [`simulate`], while `tracer` records what happens. Returns what it recorded, and what the call changes.
#[cfg(feature = "trace")]
pub fn trace_call(
    spec: &ChainSpec,
    rules: &dyn TxRules,
    header: &Header,
    state: &dyn StateReader,
    call: &Call,
    overrides: &Overrides,
    tracer: &Tracer,
) -> Result<(Trace, StateDiff), TraceError<CallError>> {
    let overridden = Overridden::new(state, overrides);
    let state: &dyn StateReader = if overrides.accounts.is_empty() { state } else { &overridden };
    let (mut evm, stop) = set_up(spec, rules, header, state, call);
    evm.observe(tracer);
    let result = evm.transact_raw(tx_env(spec.chain_id(), call));
    let recorder = evm.observed();
    if let Some(why) = recorder.stopped() {
        return Err(TraceError::Stopped(why));
    }
    let result = result.map_err(|error| TraceError::Invalid(refusal(error, &stop)))?;
    let trace = evm.trace_of(recorder, &result, TxPlace::default(), &stop)?;
    let mut db = evm.into_db();
    db.commit(result.state);
    Ok((trace, take_changes(&mut db, spec.fork_at(header.number, header.timestamp))))
}

/// An EVM for one call: what a block asks of a transaction it does not ask of a call.
fn set_up<'a>(
    spec: &ChainSpec,
    rules: &'a dyn TxRules,
    header: &Header,
    state: &'a dyn StateReader,
    call: &Call,
) -> (RulesEvm<'a, State<StateDb<'a>>, Observer>, StopCell) {
    let mut env = block_env(&ExecutorSpec::new(spec, header), header);
    let cfg = &mut env.cfg_env;
    cfg.disable_eip3607 = true;
    cfg.disable_block_gas_limit = true;
    cfg.disable_nonce_check = call.nonce.is_none();
    cfg.tx_gas_limit_cap = Some(u64::MAX);
    cfg.disable_base_fee = call.gas_price == 0;
    let reader = StateDb::new(state, header.number).watched();
    let stop = reader.stop();
    let db = State::builder().with_database(reader).with_bundle_update().build();
    let evm = RulesEvm::new(db, env, rules, &Meter::default(), &stop, Observer::default(), false);
    (evm, stop)
}

/// Why a call did not run to its end.
fn refusal(error: EVMError<EvmDatabaseError<Stopped>>, stop: &StopCell) -> CallError {
    if let Some(fault) = stop.take_fault() {
        return CallError::Fault(fault);
    }
    match error {
        EVMError::Transaction(invalid) => CallError::Invalid(invalid),
        other => panic!("a call can only fail by a verdict or a read fault: {other}"),
    }
}

pub(crate) fn outcome(result: ExecutionResult, accesses: Accesses) -> CallOutcome {
    let gas_used = result.tx_gas_used();
    let gas_refunded = result.gas().inner_refunded();
    let max_gas_used = result.gas().total_gas_spent().max(result.gas().floor_gas());
    let output = result.output().cloned().unwrap_or_default();
    let end = match &result {
        ExecutionResult::Success { .. } => CallEnd::Success,
        ExecutionResult::Revert { .. } => CallEnd::Revert,
        ExecutionResult::Halt { reason, .. } => CallEnd::Halt {
            reason: format!("{reason:?}"),
            out_of_gas: matches!(reason, revm::context::result::HaltReason::OutOfGas(_)),
        },
    };
    let logs = if end == CallEnd::Success { result.into_logs() } else { Vec::new() };
    CallOutcome { end, output, gas_used, gas_refunded, max_gas_used, logs, accesses }
}

pub(crate) fn tx_env(chain_id: u64, call: &Call) -> TxEnv {
    let mut env = RevmTxEnv {
        caller: call.from,
        gas_limit: call.gas_limit,
        gas_price: call.gas_price,
        gas_priority_fee: call.max_priority_fee_per_gas,
        kind: call.to,
        value: call.value,
        data: call.input.clone(),
        nonce: call.nonce.unwrap_or_default(),
        chain_id: Some(chain_id),
        access_list: call.access_list.clone(),
        blob_hashes: call.blob_versioned_hashes.clone(),
        max_fee_per_blob_gas: call.max_fee_per_blob_gas,
        authorization_list: call.authorization_list.iter().cloned().map(Either::Left).collect(),
        ..Default::default()
    };
    env.tx_type = if !call.authorization_list.is_empty() {
        4
    } else if !call.blob_versioned_hashes.is_empty() {
        3
    } else if call.max_priority_fee_per_gas.is_some() {
        2
    } else if !call.access_list.is_empty() {
        1
    } else {
        0
    };
    TxEnv(env)
}

/// A state with some of it replaced.
struct Overridden<'a> {
    state: &'a dyn StateReader,
    overrides: &'a Overrides,
    /// Hashes of replaced codes, by account: hashed once, however often a call looks them up.
    code_hashes: BTreeMap<Address, B256>,
    codes: BTreeMap<B256, &'a Bytes>,
}

impl<'a> Overridden<'a> {
    fn new(state: &'a dyn StateReader, overrides: &'a Overrides) -> Self {
        let mut overridden =
            Self { state, overrides, code_hashes: BTreeMap::new(), codes: BTreeMap::new() };
        for (address, over) in &overrides.accounts {
            let Some(code) = &over.code else { continue };
            let hash = if code.is_empty() { KECCAK_EMPTY } else { keccak256(code) };
            overridden.code_hashes.insert(*address, hash);
            overridden.codes.insert(hash, code);
        }
        overridden
    }

    fn of(&self, address: Address) -> Option<&AccountOverride> {
        self.overrides.accounts.get(&address)
    }
}

impl StateReader for Overridden<'_> {
    fn account(&self, address: Address) -> Result<Option<AccountInfo>, StateError> {
        let account = self.state.account(address)?;
        let Some(over) = self.of(address) else { return Ok(account) };
        let account = account.unwrap_or_default();
        Ok(Some(AccountInfo {
            nonce: over.nonce.unwrap_or(account.nonce),
            balance: over.balance.unwrap_or(account.balance),
            code_hash: self.code_hashes.get(&address).copied().unwrap_or(account.code_hash),
        }))
    }

    fn storage(&self, address: Address, slot: B256) -> Result<U256, StateError> {
        let Some(over) = self.of(address) else { return self.state.storage(address, slot) };
        if let Some(value) = over.state_diff.get(&slot) {
            return Ok(*value);
        }
        match &over.state {
            Some(all) => Ok(all.get(&slot).copied().unwrap_or_default()),
            None => self.state.storage(address, slot),
        }
    }

    fn code(&self, hash: B256) -> Result<Option<Bytes>, StateError> {
        match self.codes.get(&hash) {
            Some(code) => Ok(Some((*code).clone())),
            None => self.state.code(hash),
        }
    }

    fn block_hash(&self, number: u64) -> Result<Option<B256>, StateError> {
        self.state.block_hash(number)
    }

    fn has_storage(&self, address: Address) -> Result<bool, StateError> {
        let Some(over) = self.of(address) else { return self.state.has_storage(address) };
        let mut set = over.state.iter().flatten().chain(&over.state_diff);
        if set.any(|(_, value)| !value.is_zero()) {
            return Ok(true);
        }
        if over.state.is_some() { Ok(false) } else { self.state.has_storage(address) }
    }

    fn check_wanted(&self) -> Result<(), StateError> {
        self.state.check_wanted()
    }
}
