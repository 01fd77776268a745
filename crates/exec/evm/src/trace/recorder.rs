//! Watches one transaction within a budget.

use std::fmt;

use alloy_primitives::{Address, Bytes, Log, U256, map::HashSet};
use alloy_rpc_types_trace::{
    geth::{
        AccountState, GethDebugBuiltInTracerType as BuiltIn, GethDebugTracerConfig,
        GethDebugTracerType, GethDebugTracingOptions, GethTrace, PreStateFrame, mux::MuxFrame,
    },
    parity::TraceType,
};
use ethrex_types::account::KECCAK_EMPTY;
use revm::{
    DatabaseRef, Inspector,
    bytecode::opcode,
    context::{
        BlockEnv, ContextTr,
        result::{HaltReason, ResultAndState},
    },
    context_interface::context::ContextError,
    database::bal::EvmDatabaseError,
    handler::FrameResult,
    interpreter::{
        CallInputs, CallOutcome, CreateInputs, CreateOutcome, FrameInput, InstructionResult,
        Interpreter,
        interpreter_types::{InputsTr, Jumps, LoopControl},
    },
};
use revm_inspectors::tracing::{
    DebugInspector, DebugInspectorError, TracingInspector, TracingInspectorConfig,
    TransactionContext,
};

use super::{
    Trace, TraceError, TraceStopped, Tracer, TracerKind, TxPlace,
    budget::{Budget, StepPlan},
};
use crate::{
    evm::EvmContext,
    stop::{StopCell, Stopped},
    tx_env::TxEnv,
};

/// Records one transaction; by default nothing.
#[derive(Default)]
pub(crate) struct Recorder(Option<Box<Active>>);

struct Active {
    tracing: Tracing,
    budget: Budget,
    /// A SELFDESTRUCT that is about to run: who, for whom, and its balance.
    dying: Option<(Address, Address, U256)>,
    /// Whether the answer shows accounts as they were, and their code.
    shows_state: Option<ShowsCode>,
}

#[derive(Clone, Copy)]
struct ShowsCode(bool);

enum Tracing {
    /// With whether flat calls name errors as Parity does.
    Geth(Box<DebugInspector>, bool),
    Parity(Box<TracingInspector>, HashSet<TraceType>),
}

/// A transaction that has run.
pub(crate) struct Traced<'a> {
    pub(crate) result: &'a ResultAndState<HaltReason>,
    pub(crate) tx: &'a TxEnv,
    pub(crate) block: &'a BlockEnv,
    pub(crate) place: TxPlace,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").finish_non_exhaustive()
    }
}

impl Recorder {
    pub(crate) fn new(tracer: &Tracer) -> Self {
        let (tracing, plan, shows_state) = match &tracer.kind {
            TracerKind::Geth(options) => {
                let inspector = DebugInspector::new(options.clone())
                    .expect("options were checked as the tracer was made");
                let plan = step_plan(&inspector);
                let tracing = Tracing::Geth(Box::new(inspector), parity_errors(options));
                (tracing, plan, shows_state(options))
            }
            TracerKind::Parity(types) => {
                let config = TracingInspectorConfig::from_parity_config(types);
                let inspector = Box::new(TracingInspector::new(config));
                (Tracing::Parity(inspector, types.clone()), StepPlan::from(&config), None)
            }
        };
        let budget = Budget::new(tracer.limits.clone(), plan);
        Self(Some(Box::new(Active { tracing, budget, dying: None, shows_state })))
    }

    /// Why the tracer stopped the transaction, if it did.
    pub(crate) fn stopped(&self) -> Option<TraceStopped> {
        self.0.as_ref().and_then(|active| active.budget.stopped())
    }

    /// What was recorded, where `db` is the state before the transaction.
    pub(crate) fn finish<DB, V>(
        self,
        traced: &Traced<'_>,
        db: &mut DB,
        stop: &StopCell,
    ) -> Result<Trace, TraceError<V>>
    where
        DB: DatabaseRef<Error = EvmDatabaseError<Stopped>>,
    {
        let Active { tracing, mut budget, shows_state, .. } =
            *self.0.expect("a transaction is traced by a recorder that was made for it");
        let read = |_: EvmDatabaseError<Stopped>| {
            TraceError::Fault(stop.take_fault().expect("a read fails only by a read fault"))
        };
        if let Some(ShowsCode(code)) = shows_state {
            count_state(&mut budget, traced, db, code).map_err(read)?;
        }
        if let Some(why) = budget.stopped() {
            return Err(TraceError::Stopped(why));
        }
        let trace = match tracing {
            Tracing::Geth(inspector, parity_errors) => {
                geth(*inspector, parity_errors, traced, db).map(Trace::Geth)
            }
            Tracing::Parity(inspector, types) => inspector
                .into_parity_builder()
                .into_trace_results_with_state(traced.result, &types, &*db)
                .map(|results| Trace::Parity(Box::new(results))),
        };
        // Some readers take a fault for absence.
        match stop.take_fault() {
            Some(fault) => Err(TraceError::Fault(fault)),
            None => trace.map_err(read),
        }
    }
}

fn geth<DB: DatabaseRef>(
    mut inspector: DebugInspector,
    parity_errors: bool,
    traced: &Traced<'_>,
    db: &mut DB,
) -> Result<Box<GethTrace>, DB::Error> {
    let TxPlace { block, index, tx } = traced.place;
    let context = TransactionContext { block_hash: block, tx_index: index, tx_hash: tx };
    if let DebugInspector::FlatCallTracer(calls) = &mut inspector {
        // The first of the calls has the gas of the whole transaction, as geth says it.
        calls.set_transaction_gas_used(traced.result.result.tx_gas_used());
    }
    let mut trace = inspector
        .get_result(Some(context), traced.tx, traced.block, traced.result, db)
        .map_err(|error| match error {
            DebugInspectorError::Database(fault) => fault,
            other => panic!("a checked tracer gives a trace: {other}"),
        })?;
    forget_the_absent(&mut trace);
    show_code_that_is_gone(&mut trace, traced);
    if let (false, GethTrace::FlatCallTracer(calls)) = (parity_errors, &mut trace) {
        calls.iter_mut().filter_map(|call| call.trace.error.as_mut()).for_each(in_geths_words);
    }
    Ok(Box::new(trace))
}

/// An account that has lost its code (EIP-7702) has empty code afterwards.
fn show_code_that_is_gone(trace: &mut GethTrace, traced: &Traced<'_>) {
    match trace {
        GethTrace::PreStateTracer(PreStateFrame::Diff(diff)) => {
            for (address, after) in &mut diff.post {
                let had_code = diff.pre.get(address).is_some_and(|before| before.code.is_some());
                let account = traced.result.state.get(address);
                if had_code && account.is_some_and(|account| account.info.is_empty_code_hash()) {
                    after.code = Some(Bytes::new());
                }
            }
        }
        GethTrace::MuxTracer(MuxFrame(all)) => {
            all.values_mut().for_each(|trace| show_code_that_is_gone(trace, traced));
        }
        _ => {}
    }
}

/// An error of Parity's as geth says it.
fn in_geths_words(error: &mut String) {
    let words = match error.as_str() {
        "Reverted" => "execution reverted",
        "Out of gas" => "out of gas",
        "Insufficient balance for transfer" => "insufficient balance for transfer",
        "Bad instruction" => "invalid opcode",
        "Stack underflow" => "stack underflow",
        "Out of stack" => "stack limit reached 1024",
        "Mutable Call In Static Context" => "write protection",
        "Out of bounds" => "return data out of bounds",
        "Invalid code" => "invalid code: must not begin with 0xef",
        "Contract address collision" => "contract address collision",
        "Max call depth exceeded" => "max call depth exceeded",
        "Bad jump destination" => "invalid jump destination",
        _ => return,
    };
    words.clone_into(error);
}

/// What was not there before a transaction, geth does not show as having been there.
fn forget_the_absent(trace: &mut GethTrace) {
    match trace {
        GethTrace::PreStateTracer(PreStateFrame::Diff(diff)) => {
            let absent = AccountState { balance: Some(U256::ZERO), ..AccountState::default() };
            diff.pre.retain(|_, account| *account != absent);
        }
        GethTrace::MuxTracer(MuxFrame(all)) => all.values_mut().for_each(forget_the_absent),
        _ => {}
    }
}

fn step_plan(inspector: &DebugInspector) -> StepPlan {
    match inspector {
        DebugInspector::CallTracer(tracing, _)
        | DebugInspector::PreStateTracer(tracing, _)
        | DebugInspector::FlatCallTracer(tracing)
        | DebugInspector::Erc7562Tracer(tracing, _)
        | DebugInspector::Default(tracing, _) => StepPlan::from(tracing.config()),
        DebugInspector::FourByte(_)
        | DebugInspector::Noop(_)
        | DebugInspector::StateGasTracer(_)
        // None that records steps can be one of several.
        | DebugInspector::Mux(..) => StepPlan::default(),
    }
}

/// Whether flat calls of these options name errors as Parity does.
fn parity_errors(options: &GethDebugTracingOptions) -> bool {
    let flat = options.tracer == Some(BuiltIn::FlatCallTracer.into());
    let config = || options.tracer_config.clone().into_flat_call_config().ok();
    flat && config().and_then(|config| config.convert_parity_errors).unwrap_or_default()
}

/// Whether a tracer of these options shows state.
fn shows_state(options: &GethDebugTracingOptions) -> Option<ShowsCode> {
    let prestate = |config: GethDebugTracerConfig| {
        let config = config.into_pre_state_config().expect("options were checked");
        ShowsCode(config.code_enabled())
    };
    match &options.tracer {
        Some(GethDebugTracerType::BuiltInTracer(BuiltIn::PreStateTracer)) => {
            Some(prestate(options.tracer_config.clone()))
        }
        Some(GethDebugTracerType::BuiltInTracer(BuiltIn::MuxTracer)) => {
            let mux =
                options.tracer_config.clone().into_mux_config().expect("options were checked");
            let config = mux.0.get(&BuiltIn::PreStateTracer.into())?.clone();
            Some(prestate(config.unwrap_or_default()))
        }
        _ => None,
    }
}

/// Counts what showing the accounts that a transaction touched takes.
fn count_state<DB: DatabaseRef>(
    budget: &mut Budget,
    traced: &Traced<'_>,
    db: &DB,
    code: bool,
) -> Result<(), DB::Error> {
    for (address, account) in &traced.result.state {
        let before = db.basic_ref(*address)?.unwrap_or_default();
        let size = match &before.code {
            _ if !code || before.code_hash == KECCAK_EMPTY => 0,
            // What an earlier transaction of the block put there, the database need not know.
            Some(code) => code.len(),
            None => db.code_by_hash_ref(before.code_hash)?.len(),
        };
        budget.state(size);
        account.storage.iter().for_each(|_| budget.state(0));
        if budget.stopped().is_some() {
            break;
        }
    }
    Ok(())
}

impl Active {
    /// Whether recording goes on; where it does not, the transaction ends as soon as the interpreter looks.
    fn goes_on<DB: alloy_evm::Database>(&self, context: &mut EvmContext<DB>) -> bool {
        if self.budget.stopped().is_none() {
            return true;
        }
        let error = context.error();
        if error.is_ok() {
            *error = Err(ContextError::Custom("the tracer stopped the run".into()));
        }
        false
    }

    /// The same inside a frame, which ends at once.
    fn goes_on_in<DB: alloy_evm::Database>(
        &self,
        interpreter: &mut Interpreter,
        context: &mut EvmContext<DB>,
    ) -> bool {
        let goes_on = self.goes_on(context);
        if !goes_on {
            // In place of a call or return that the frame was about to make, too.
            interpreter.bytecode.action().take();
            interpreter.bytecode.reset_action();
            interpreter.halt_fatal();
        }
        goes_on
    }
}

/// What a SELFDESTRUCT that is the next instruction will do.
fn dying<DB: alloy_evm::Database>(
    interpreter: &Interpreter,
    context: &EvmContext<DB>,
) -> Option<(Address, Address, U256)> {
    if interpreter.bytecode.opcode() != opcode::SELFDESTRUCT {
        return None;
    }
    let contract = interpreter.input.target_address();
    let heir = Address::from_word(interpreter.stack.peek(0).ok()?.into());
    let account = context.journaled_state.inner.state.get(&contract);
    Some((contract, heir, account.map(|account| account.info.balance).unwrap_or_default()))
}

/// Passes an event on to whichever inspector records.
macro_rules! tell {
    ($active:expr, $method:ident($($arg:expr),*)) => {
        match &mut $active.tracing {
            Tracing::Geth(inspector, _) => {
                Inspector::<EvmContext<DB>>::$method(inspector.as_mut(), $($arg),*)
            }
            Tracing::Parity(inspector, _) => {
                Inspector::<EvmContext<DB>>::$method(inspector.as_mut(), $($arg),*)
            }
        }
    };
}

impl<DB: alloy_evm::Database> Inspector<EvmContext<DB>> for Recorder {
    fn initialize_interp(&mut self, interpreter: &mut Interpreter, context: &mut EvmContext<DB>) {
        let Some(active) = &mut self.0 else { return };
        if active.goes_on_in(interpreter, context) {
            tell!(active, initialize_interp(interpreter, context));
        }
    }

    fn step(&mut self, interpreter: &mut Interpreter, context: &mut EvmContext<DB>) {
        let Some(active) = &mut self.0 else { return };
        active.budget.step(interpreter);
        if active.goes_on_in(interpreter, context) {
            active.dying = dying(interpreter, context);
            tell!(active, step(interpreter, context));
        }
    }

    fn step_end(&mut self, interpreter: &mut Interpreter, context: &mut EvmContext<DB>) {
        let Some(active) = &mut self.0 else { return };
        if active.goes_on_in(interpreter, context) {
            tell!(active, step_end(interpreter, context));
            // revm tells of those alone that moved ether.
            if let Some((contract, heir, balance)) = active.dying.take()
                && interpreter.bytecode.action().as_ref().is_some_and(|action| {
                    action.instruction_result() == Some(InstructionResult::SelfDestruct)
                })
            {
                tell!(active, selfdestruct(contract, heir, balance));
            }
        }
        // The memory that steps wrote, which only the answer for `vmTrace` has.
        if let Tracing::Parity(inspector, _) = &active.tracing {
            active.budget.recorded(inspector.recorded_bytes());
        }
    }

    fn log(&mut self, context: &mut EvmContext<DB>, log: Log) {
        let Some(active) = &mut self.0 else { return };
        active.budget.log(log.data.data.len());
        if active.goes_on(context) {
            tell!(active, log(context, log));
        }
    }

    fn log_full(&mut self, interpreter: &mut Interpreter, context: &mut EvmContext<DB>, log: Log) {
        let Some(active) = &mut self.0 else { return };
        active.budget.log(log.data.data.len());
        if active.goes_on_in(interpreter, context) {
            tell!(active, log_full(interpreter, context, log));
        }
    }

    fn call(
        &mut self,
        context: &mut EvmContext<DB>,
        inputs: &mut CallInputs,
    ) -> Option<CallOutcome> {
        let active = self.0.as_mut()?;
        active.budget.call(inputs.input.len());
        if !active.goes_on(context) {
            return None;
        }
        tell!(active, call(context, inputs))
    }

    fn call_end(
        &mut self,
        context: &mut EvmContext<DB>,
        inputs: &CallInputs,
        outcome: &mut CallOutcome,
    ) {
        let Some(active) = &mut self.0 else { return };
        if active.goes_on(context) {
            tell!(active, call_end(context, inputs, outcome));
            active.budget.output(outcome.result.output.len());
        }
    }

    fn create(
        &mut self,
        context: &mut EvmContext<DB>,
        inputs: &mut CreateInputs,
    ) -> Option<CreateOutcome> {
        let active = self.0.as_mut()?;
        active.budget.call(inputs.init_code().len());
        if !active.goes_on(context) {
            return None;
        }
        tell!(active, create(context, inputs))
    }

    fn create_end(
        &mut self,
        context: &mut EvmContext<DB>,
        inputs: &CreateInputs,
        outcome: &mut CreateOutcome,
    ) {
        let Some(active) = &mut self.0 else { return };
        if active.goes_on(context) {
            tell!(active, create_end(context, inputs, outcome));
            active.budget.output(outcome.result.output.len());
        }
    }

    fn selfdestruct(&mut self, contract: Address, target: Address, value: U256) {
        let Some(active) = &mut self.0 else { return };
        if active.budget.stopped().is_none() {
            tell!(active, selfdestruct(contract, target, value));
        }
    }

    fn frame_start(
        &mut self,
        context: &mut EvmContext<DB>,
        input: &mut FrameInput,
    ) -> Option<FrameResult> {
        let active = self.0.as_mut()?;
        tell!(active, frame_start(context, input))
    }

    fn frame_end(
        &mut self,
        context: &mut EvmContext<DB>,
        input: &FrameInput,
        result: &mut FrameResult,
    ) {
        let Some(active) = &mut self.0 else { return };
        tell!(active, frame_end(context, input, result));
    }
}
