//! revm's handler with the steps of payment left to [`TxRules`].

use std::cell::Cell;

use alloy_primitives::U256;
use revm::{
    Inspector,
    context::{
        Cfg, ContextTr, JournalTr, Transaction,
        journaled_state::{JournalCheckpoint, account::JournaledAccountTr},
        result::HaltReason,
    },
    handler::{
        EvmTr, EvmTrError, FrameResult, FrameTr, Handler, MainnetHandler, execution,
        post_execution, pre_execution, validation,
    },
    inspector::{InspectorEvmTr, InspectorHandler},
    interpreter::{
        GasTracker, InitialAndFloorGas, interpreter::EthInterpreter, interpreter_action::FrameInit,
    },
    state::EvmState,
};

use crate::rules::{Payment, TxRules};

/// Runs one transaction under the rules of a chain.
pub(crate) struct RulesHandler<'r, EVM: EvmTr, ERROR> {
    rules: &'r dyn TxRules,
    /// The message cannot start: it fails with all gas used.
    inert: Cell<bool>,
    mainnet: MainnetHandler<EVM, ERROR, EVM::Frame>,
}

impl<'r, EVM: EvmTr, ERROR> RulesHandler<'r, EVM, ERROR> {
    pub(crate) fn new(rules: &'r dyn TxRules) -> Self {
        Self {
            rules,
            inert: Cell::new(false),
            mainnet: MainnetHandler { _phantom: Default::default() },
        }
    }
}

impl<EVM, ERROR> RulesHandler<'_, EVM, ERROR>
where
    EVM: EvmTr<Context: ContextTr<Journal: JournalTr<State = EvmState>>>,
{
    fn payment(&self, evm: &mut EVM) -> Payment {
        let tx = evm.ctx_ref().tx();
        self.rules.payment(tx.tx_type(), tx.caller())
    }
}

impl<EVM, ERROR> RulesHandler<'_, EVM, ERROR>
where
    EVM: EvmTr<
            Context: ContextTr<Journal: JournalTr<State = EvmState>>,
            Frame: FrameTr<FrameResult = FrameResult, FrameInit = FrameInit>,
        >,
    ERROR: EvmTrError<EVM>,
{
    /// The first frame; `None` if the transaction ends before it, with everything undone and all gas used.
    fn start(
        &mut self,
        evm: &mut EVM,
        checkpoint: JournalCheckpoint,
        gas: &mut GasTracker,
    ) -> Result<Option<FrameInit>, ERROR> {
        if self.inert.get() {
            evm.ctx_mut().journal_mut().checkpoint_revert(checkpoint);
            return Ok(None);
        }
        let Some(first) = self.first_frame_input(evm, gas)? else {
            execution::runtime_oog_unwind(evm.ctx(), checkpoint)?;
            return Ok(None);
        };
        evm.ctx_mut().journal_mut().checkpoint_commit();
        Ok(Some(first))
    }
}

impl<EVM, ERROR> Handler for RulesHandler<'_, EVM, ERROR>
where
    EVM: EvmTr<
            Context: ContextTr<Journal: JournalTr<State = EvmState>>,
            Frame: FrameTr<FrameResult = FrameResult, FrameInit = FrameInit>,
        >,
    ERROR: EvmTrError<EVM>,
{
    type Evm = EVM;
    type Error = ERROR;
    type HaltReason = HaltReason;

    fn validate_env(&self, evm: &mut EVM) -> Result<(), ERROR> {
        match self.payment(evm) {
            Payment::Sender => validation::validate_env(evm.ctx()),
            Payment::Waived { .. } => Ok(()),
        }
    }

    fn validate_initial_tx_gas(&self, evm: &mut EVM) -> Result<InitialAndFloorGas, ERROR> {
        self.inert.set(false);
        let gas = self.mainnet.validate_initial_tx_gas(evm);
        match (self.payment(evm), gas) {
            (Payment::Waived { .. }, Err(_)) => {
                self.inert.set(true);
                // Never more than a block reserves for one transaction (EIP-7825).
                let ctx = evm.ctx_ref();
                let limit = ctx.tx().gas_limit().min(ctx.cfg().tx_gas_limit_cap());
                Ok(InitialAndFloorGas::new(limit, 0))
            }
            (_, gas) => gas,
        }
    }

    fn validate_against_state_and_deduct_caller(
        &self,
        evm: &mut EVM,
        _gas: &mut InitialAndFloorGas,
    ) -> Result<(), ERROR> {
        let mint = match self.payment(evm) {
            Payment::Sender => {
                return pre_execution::validate_against_state_and_deduct_caller(evm.ctx());
            }
            Payment::Waived { mint } => mint,
        };
        let (caller, value) = {
            let tx = evm.ctx_ref().tx();
            (tx.caller(), tx.value())
        };
        let journal = evm.ctx_mut().journal_mut();
        let balance = journal.load_account(caller)?.data.info.balance;
        if self.inert.get() {
            return Ok(());
        }
        if mint {
            if balance.checked_add(value).is_none() {
                self.inert.set(true);
            } else {
                journal.balance_incr(caller, value)?;
            }
        } else if balance < value {
            self.inert.set(true);
        }
        Ok(())
    }

    fn execution(
        &mut self,
        evm: &mut EVM,
        checkpoint: JournalCheckpoint,
        gas: &mut GasTracker,
    ) -> Result<Option<FrameResult>, ERROR> {
        let Some(first) = self.start(evm, checkpoint, gas)? else { return Ok(None) };
        let mut result = self.run_exec_loop(evm, first)?;
        self.last_frame_result(evm, &mut result, gas)?;
        Ok(Some(result))
    }

    fn reimburse_caller(&self, evm: &mut EVM, result: &mut FrameResult) -> Result<(), ERROR> {
        let mint = match self.payment(evm) {
            Payment::Sender => {
                return post_execution::reimburse_caller(evm.ctx(), result.gas(), U256::ZERO)
                    .map_err(From::from);
            }
            Payment::Waived { mint } => mint,
        };
        // What was minted for a call that failed came back to the sender: it must not exist.
        if mint && !result.instruction_result().is_ok() && !self.inert.get() {
            let (caller, value) = {
                let tx = evm.ctx_ref().tx();
                (tx.caller(), tx.value())
            };
            let mut account = evm.ctx_mut().journal_mut().load_account_mut(caller)?;
            let balance = account.data.balance().saturating_sub(value);
            account.data.set_balance(balance);
        }
        Ok(())
    }

    fn reward_beneficiary(&self, evm: &mut EVM, result: &mut FrameResult) -> Result<(), ERROR> {
        match self.payment(evm) {
            Payment::Sender => {
                post_execution::reward_beneficiary(evm.ctx(), result.gas()).map_err(From::from)
            }
            Payment::Waived { .. } => Ok(()),
        }
    }
}

impl<EVM, ERROR> InspectorHandler for RulesHandler<'_, EVM, ERROR>
where
    EVM: InspectorEvmTr<
            Context: ContextTr<Journal: JournalTr<State = EvmState>>,
            Frame: FrameTr<FrameResult = FrameResult, FrameInit = FrameInit>,
            Inspector: Inspector<<EVM as EvmTr>::Context, EthInterpreter>,
        >,
    ERROR: EvmTrError<EVM>,
{
    type IT = EthInterpreter;

    fn inspect_execution(
        &mut self,
        evm: &mut EVM,
        checkpoint: JournalCheckpoint,
        gas: &mut GasTracker,
    ) -> Result<Option<FrameResult>, ERROR> {
        let Some(first) = self.start(evm, checkpoint, gas)? else { return Ok(None) };
        let mut result = self.inspect_run_exec_loop(evm, first)?;
        self.last_frame_result(evm, &mut result, gas)?;
        Ok(Some(result))
    }
}
