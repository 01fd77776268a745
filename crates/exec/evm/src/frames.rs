//! revm's frames, with a rule that revm leaves out: nothing is created where there is storage (EIP-7610).

use alloy_evm::{Database, precompiles::PrecompilesMap};
use alloy_primitives::{Address, Bytes};
use revm::{
    Inspector,
    context::{ContextTr, Evm as RevmEvm, FrameStack, JournalTr},
    context_interface::context::ContextError,
    database::{State, bal::EvmDatabaseError},
    handler::{
        EthFrame, EvmTr, FrameData, FrameInitOrResult, FrameResult, ItemOrResult,
        evm::{ContextDbError, FrameInitResult},
        instructions::EthInstructions,
    },
    inspector::InspectorEvmTr,
    interpreter::{
        CreateOutcome, FrameInput, Gas, InstructionResult, Interpreter, InterpreterResult,
        interpreter::EthInterpreter, interpreter_action::FrameInit, interpreter_types::LoopControl,
    },
};

use crate::{db::StateDb, evm::EvmContext};

type Instructions<DB> = EthInstructions<EthInterpreter, EvmContext<DB>>;

/// revm as it is.
pub(crate) type Inner<DB, I> =
    RevmEvm<EvmContext<DB>, I, Instructions<DB>, PrecompilesMap, EthFrame>;

/// revm with frames that obey EIP-7610.
pub(crate) struct Frames<DB: Database, I>(pub(crate) Inner<DB, I>);

/// What frames ask of a state beside what revm does.
pub(crate) trait FrameState: Database {
    /// Whether the account has any storage, as the transactions before this one left it.
    fn has_storage(&mut self, address: Address) -> Result<bool, Self::Error>;
    /// Whether steps are to be counted.
    fn is_watched(&self) -> bool;
    /// Counts steps of the interpreter, and fails if nobody waits for them any more.
    fn count_steps(&mut self, steps: u32) -> Result<(), Self::Error>;
}

/// Steps that run before they are counted: one by one, counting them would take as long as running them.
const STEPS_AT_ONCE: u32 = 64;
/// Gas that counts like a step.
const GAS_PER_STEP: u64 = 64;
/// What a call or a creation counts: it may be of a precompile, which takes longer than any step.
const STEPS_PER_CALL: u32 = 256;

impl FrameState for State<StateDb<'_>> {
    fn has_storage(&mut self, address: Address) -> Result<bool, Self::Error> {
        if let Some(known) = self.cache.accounts.get(&address)
            && known.status.is_storage_known()
        {
            let slots = known.account.iter().flat_map(|account| account.storage.values());
            return Ok(slots.into_iter().any(|value| !value.is_zero()));
        }
        self.database.has_storage(address).map_err(EvmDatabaseError::Database)
    }

    fn is_watched(&self) -> bool {
        self.database.is_watched()
    }

    fn count_steps(&mut self, steps: u32) -> Result<(), Self::Error> {
        self.database.count_steps(steps).map_err(EvmDatabaseError::Database)
    }
}

/// The steps that as much gas counts like. What costs as much as many small steps takes as long: hashes and copies of much memory.
pub(crate) fn steps_of(gas: u64) -> u32 {
    u32::try_from(gas / GAS_PER_STEP).unwrap_or(u32::MAX)
}

/// Counts steps that have run. If nobody waits any more the frame ends at once, and so do those above it; then the answer is false.
pub(crate) fn count_steps<DB: FrameState>(
    interpreter: &mut Interpreter,
    context: &mut EvmContext<DB>,
    steps: u32,
) -> bool {
    let Err(stopped) = context.journaled_state.database.count_steps(steps) else { return true };
    if context.error().is_ok() {
        *context.error() = Err(ContextError::Db(stopped));
    }
    interpreter.bytecode.action().take();
    interpreter.bytecode.reset_action();
    interpreter.halt_fatal();
    false
}

impl<DB: FrameState, I> Frames<DB, I> {
    /// Runs a frame as revm does, and counts the steps.
    fn run_watched(
        &mut self,
    ) -> Result<FrameInitOrResult<EthFrame>, ContextDbError<EvmContext<DB>>> {
        let frame = self.0.frame_stack.get();
        let (context, instructions) = (&mut self.0.ctx, &mut self.0.instruction);
        let (table, gas_table) = (instructions.instruction_table(), instructions.gas_table());
        let interpreter = &mut frame.interpreter;
        let end = loop {
            let gas = interpreter.gas.remaining();
            let mut run = || {
                // Four in a row: the counter of the loop costs a tenth of the smallest steps.
                for _ in 0..STEPS_AT_ONCE / 4 {
                    interpreter.step(table, gas_table, context)?;
                    interpreter.step(table, gas_table, context)?;
                    interpreter.step(table, gas_table, context)?;
                    interpreter.step(table, gas_table, context)?;
                }
                Ok(())
            };
            if let Err(end) = run() {
                break end;
            }
            let spent = gas.saturating_sub(interpreter.gas.remaining());
            let steps = STEPS_AT_ONCE.saturating_add(steps_of(spent));
            if !count_steps(interpreter, context, steps) {
                break InstructionResult::FatalExternalError;
            }
        };
        if interpreter.bytecode.action().is_none() {
            interpreter.halt(end);
        }
        let action = interpreter.take_next_action();
        let next: Result<FrameInitOrResult<EthFrame>, ContextDbError<EvmContext<DB>>> =
            frame.process_next_action(context, action);
        if next.as_ref().is_ok_and(ItemOrResult::is_result) {
            frame.set_finished(true);
        }
        next
    }

    /// What a creation comes to that has just begun where there is storage: everything undone and all gas used, as if there were
    /// code.
    fn collision(&mut self) -> Result<Option<FrameResult>, DB::Error> {
        let frame = self.0.frame_stack.get();
        let (FrameData::Create(create), FrameInput::Create(inputs)) = (&frame.data, &frame.input)
        else {
            return Ok(None);
        };
        let journal = &mut self.0.ctx.journaled_state;
        let account = journal.inner.state.get(&create.created_address);
        // Almost always there was nothing at all, which costs no look at the state.
        if account.is_none_or(|account| account.is_loaded_as_not_existing())
            || !journal.database.has_storage(create.created_address)?
        {
            return Ok(None);
        }
        journal.checkpoint_revert(frame.checkpoint);
        let gas = Gas::new_with_regular_gas_and_reservoir(inputs.gas_limit(), inputs.reservoir());
        let result = InstructionResult::CreateCollision;
        Ok(Some(FrameResult::Create(CreateOutcome {
            result: InterpreterResult { result, gas, output: Bytes::new() },
            address: None,
            charged_create_state_gas: inputs.charged_create_state_gas(),
        })))
    }
}

impl<DB: FrameState, I> EvmTr for Frames<DB, I> {
    type Context = EvmContext<DB>;
    type Instructions = Instructions<DB>;
    type Precompiles = PrecompilesMap;
    type Frame = EthFrame;

    fn all(
        &self,
    ) -> (&Self::Context, &Self::Instructions, &Self::Precompiles, &FrameStack<EthFrame>) {
        self.0.all()
    }

    fn all_mut(
        &mut self,
    ) -> (
        &mut Self::Context,
        &mut Self::Instructions,
        &mut Self::Precompiles,
        &mut FrameStack<EthFrame>,
    ) {
        self.0.all_mut()
    }

    fn frame_init(
        &mut self,
        input: FrameInit,
    ) -> Result<FrameInitResult<'_, EthFrame>, ContextDbError<Self::Context>> {
        self.0
            .ctx
            .journaled_state
            .database
            .count_steps(STEPS_PER_CALL)
            .map_err(ContextError::Db)?;
        if let ItemOrResult::Result(result) = self.0.frame_init(input)? {
            return Ok(ItemOrResult::Result(result));
        }
        if let Some(result) = self.collision()? {
            self.0.frame_stack.pop();
            return Ok(ItemOrResult::Result(result));
        }
        Ok(ItemOrResult::Item(self.0.frame_stack.get()))
    }

    fn frame_run(&mut self) -> Result<FrameInitOrResult<EthFrame>, ContextDbError<Self::Context>> {
        if self.0.ctx.journaled_state.database.is_watched() {
            return self.run_watched();
        }
        self.0.frame_run()
    }

    fn frame_return_result(
        &mut self,
        result: FrameResult,
    ) -> Result<Option<FrameResult>, ContextDbError<Self::Context>> {
        self.0.frame_return_result(result)
    }
}

impl<DB: FrameState, I: Inspector<EvmContext<DB>>> InspectorEvmTr for Frames<DB, I> {
    type Inspector = I;

    fn all_inspector(
        &self,
    ) -> (&Self::Context, &Self::Instructions, &Self::Precompiles, &FrameStack<EthFrame>, &I) {
        self.0.all_inspector()
    }

    fn all_mut_inspector(
        &mut self,
    ) -> (
        &mut Self::Context,
        &mut Self::Instructions,
        &mut Self::Precompiles,
        &mut FrameStack<EthFrame>,
        &mut I,
    ) {
        self.0.all_mut_inspector()
    }
}
