//! revm's frames, with a rule that revm leaves out: nothing is created where there is storage (EIP-7610).

use alloy_evm::{Database, precompiles::PrecompilesMap};
use alloy_primitives::{Address, Bytes};
use revm::{
    Inspector,
    context::{Evm as RevmEvm, FrameStack, JournalTr},
    database::{State, bal::EvmDatabaseError},
    handler::{
        EthFrame, EvmTr, FrameData, FrameInitOrResult, FrameResult, ItemOrResult,
        evm::{ContextDbError, FrameInitResult},
        instructions::EthInstructions,
    },
    inspector::InspectorEvmTr,
    interpreter::{
        CreateOutcome, FrameInput, Gas, InstructionResult, InterpreterResult,
        interpreter::EthInterpreter, interpreter_action::FrameInit,
    },
};

use crate::{db::StateDb, evm::EvmContext};

type Instructions<DB> = EthInstructions<EthInterpreter, EvmContext<DB>>;

/// revm as it is.
pub(crate) type Inner<DB, I> =
    RevmEvm<EvmContext<DB>, I, Instructions<DB>, PrecompilesMap, EthFrame>;

/// revm with frames that obey EIP-7610.
pub(crate) struct Frames<DB: Database, I>(pub(crate) Inner<DB, I>);

/// A state that can say whether an account has storage.
pub(crate) trait HasStorage: Database {
    /// Whether the account has any, as the transactions before this one left it.
    fn has_storage(&mut self, address: Address) -> Result<bool, Self::Error>;
}

impl HasStorage for State<StateDb<'_>> {
    fn has_storage(&mut self, address: Address) -> Result<bool, Self::Error> {
        if let Some(known) = self.cache.accounts.get(&address)
            && known.status.is_storage_known()
        {
            let slots = known.account.iter().flat_map(|account| account.storage.values());
            return Ok(slots.into_iter().any(|value| !value.is_zero()));
        }
        self.database.has_storage(address).map_err(EvmDatabaseError::Database)
    }
}

impl<DB: HasStorage, I> Frames<DB, I> {
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

impl<DB: HasStorage, I> EvmTr for Frames<DB, I> {
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
        self.0.frame_run()
    }

    fn frame_return_result(
        &mut self,
        result: FrameResult,
    ) -> Result<Option<FrameResult>, ContextDbError<Self::Context>> {
        self.0.frame_return_result(result)
    }
}

impl<DB: HasStorage, I: Inspector<EvmContext<DB>>> InspectorEvmTr for Frames<DB, I> {
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
