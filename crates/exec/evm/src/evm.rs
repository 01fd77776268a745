//! The EVM under the rules of a chain, in the shape alloy-evm's block executor drives.

use alloy_evm::{Database, Evm, EvmEnv, precompiles::PrecompilesMap};
use alloy_primitives::{Address, Bytes};
use revm::{
    Context, Inspector, MainBuilder, MainContext,
    context::{
        BlockEnv, CfgEnv, ContextSetters, ContextTr, JournalTr,
        result::{EVMError, ExecResultAndState, HaltReason, ResultAndState},
    },
    handler::{EthFrame, Handler, MainnetHandler, SystemCallTx},
    inspector::InspectorHandler,
    precompile::{PrecompileSpecId, Precompiles},
    primitives::hardfork::SpecId,
};

use crate::{
    constantinople,
    frames::{FrameState, Frames},
    handler::RulesHandler,
    precompile::{self, Meter},
    rules::TxRules,
    stop::StopCell,
    tx_env::TxEnv,
};

#[cfg(feature = "trace")]
use {
    crate::{
        stop::Stopped,
        trace::{Trace, TraceError, Traced, Tracer, TxPlace},
    },
    revm::{DatabaseRef, database::bal::EvmDatabaseError},
};

/// What watches a transaction where somebody asks for it.
#[cfg(feature = "trace")]
pub(crate) use crate::trace::Recorder as Observer;
/// Nobody can ask: nothing watches.
#[cfg(not(feature = "trace"))]
pub(crate) use revm::inspector::NoOpInspector as Observer;

/// Gas of a system call before Amsterdam (EIP-4788, EIP-2935, EIP-7002, EIP-7251). revm always grants what EIP-8037 adds.
const SYSTEM_CALL_GAS: u64 = 30_000_000;

pub(crate) type EvmContext<DB> = Context<BlockEnv, TxEnv, CfgEnv, DB>;

/// revm with our handler.
pub(crate) struct RulesEvm<'r, DB: Database, I> {
    inner: Frames<DB, I>,
    rules: &'r dyn TxRules,
    inspect: bool,
}

impl<'r, DB: Database, I> RulesEvm<'r, DB, I>
where
    I: Inspector<EvmContext<DB>>,
{
    pub(crate) fn new(
        db: DB,
        env: EvmEnv,
        rules: &'r dyn TxRules,
        meter: &Meter,
        stop: &StopCell,
        inspector: I,
        inspect: bool,
    ) -> Self {
        let mut precompiles = PrecompilesMap::from_static(Precompiles::new(
            PrecompileSpecId::from_spec_id(env.cfg_env.spec),
        ));
        precompile::install(&mut precompiles, rules.precompiles(), &env.block_env, meter, stop);
        let cfg = env.cfg_env.clone();
        let mut inner = Context::mainnet()
            .with_tx(TxEnv::default())
            .with_block(env.block_env)
            .with_cfg(env.cfg_env)
            .with_db(db)
            .build_mainnet_with_inspector(inspector)
            .with_precompiles(precompiles);
        constantinople::install(&cfg, &mut inner.instruction);
        Self { inner: Frames(inner), rules, inspect }
    }

    /// What transactions run under, from the next one on.
    pub(crate) fn cfg_mut(&mut self) -> &mut CfgEnv {
        &mut self.inner.0.ctx.cfg
    }

    /// Makes the precompiles that there are now warm in every transaction (EIP-2929), wherever they are put later.
    pub(crate) fn warm_precompiles(&mut self) {
        let addresses = self.inner.0.precompiles.addresses().copied().collect();
        self.inner.0.ctx.journal_mut().warm_precompiles(&addresses);
    }
}

#[cfg(feature = "trace")]
impl<DB> RulesEvm<'_, DB, Observer>
where
    DB: FrameState + DatabaseRef<Error = EvmDatabaseError<Stopped>>,
{
    /// Records the next transaction.
    pub(crate) fn observe(&mut self, tracer: &Tracer) {
        self.inner.0.inspector = Observer::new(tracer);
        self.inspect = true;
    }

    /// Ends the recording.
    pub(crate) fn observed(&mut self) -> Observer {
        self.inspect = false;
        std::mem::take(&mut self.inner.0.inspector)
    }

    /// What was recorded of the transaction that has just run, while its changes are not in the database.
    pub(crate) fn trace_of<V>(
        &mut self,
        recorder: Observer,
        result: &ResultAndState<HaltReason>,
        place: TxPlace,
        stop: &StopCell,
    ) -> Result<Trace, TraceError<V>> {
        let Context { tx, block, journaled_state, .. } = &mut self.inner.0.ctx;
        let traced = Traced { result, tx, block, place };
        recorder.finish(&traced, &mut journaled_state.database, stop)
    }
}

impl<DB, I> Evm for RulesEvm<'_, DB, I>
where
    DB: FrameState,
    I: Inspector<EvmContext<DB>>,
{
    type DB = DB;
    type Tx = TxEnv;
    type Error = EVMError<DB::Error>;
    type HaltReason = HaltReason;
    type Spec = SpecId;
    type BlockEnv = BlockEnv;
    type Precompiles = PrecompilesMap;
    type Inspector = I;

    fn block(&self) -> &BlockEnv {
        &self.inner.0.ctx.block
    }

    fn cfg_env(&self) -> &CfgEnv<SpecId> {
        &self.inner.0.ctx.cfg
    }

    fn chain_id(&self) -> u64 {
        self.inner.0.ctx.cfg.chain_id
    }

    fn transact_raw(
        &mut self,
        tx: TxEnv,
    ) -> Result<ResultAndState<HaltReason>, EVMError<DB::Error>> {
        self.inner.0.ctx.set_tx(tx);
        let mut handler = RulesHandler::new(self.rules);
        let result: Result<_, EVMError<DB::Error>> = if self.inspect {
            handler.inspect_run(&mut self.inner)
        } else {
            handler.run(&mut self.inner)
        };
        // Whatever the result, the next transaction starts clean. revm leaves an error of the outermost frame in the context
        // where paying the beneficiary fails too.
        *self.inner.0.ctx.error() = Ok(());
        let state = self.inner.0.ctx.journal_mut().finalize();
        Ok(ExecResultAndState::new(result?, state))
    }

    fn transact_system_call(
        &mut self,
        caller: Address,
        contract: Address,
        data: Bytes,
    ) -> Result<ResultAndState<HaltReason>, EVMError<DB::Error>> {
        let mut tx = TxEnv::new_system_tx_with_caller(caller, contract, data);
        if !self.inner.0.ctx.cfg.spec.is_enabled_in(SpecId::AMSTERDAM) {
            tx.0.gas_limit = SYSTEM_CALL_GAS;
        }
        self.inner.0.ctx.set_tx(tx);
        let mut handler = MainnetHandler::<_, EVMError<DB::Error>, EthFrame>::default();
        let result = handler.run_system_call(&mut self.inner);
        let state = self.inner.0.ctx.journal_mut().finalize();
        Ok(ExecResultAndState::new(result?, state))
    }

    fn finish(self) -> (DB, EvmEnv) {
        let Context { block: block_env, cfg: cfg_env, journaled_state, .. } = self.inner.0.ctx;
        (journaled_state.database, EvmEnv { block_env, cfg_env })
    }

    fn set_inspector_enabled(&mut self, enabled: bool) {
        self.inspect = enabled;
    }

    fn components(&self) -> (&DB, &I, &PrecompilesMap) {
        (
            &self.inner.0.ctx.journaled_state.database,
            &self.inner.0.inspector,
            &self.inner.0.precompiles,
        )
    }

    fn components_mut(&mut self) -> (&mut DB, &mut I, &mut PrecompilesMap) {
        (
            &mut self.inner.0.ctx.journaled_state.database,
            &mut self.inner.0.inspector,
            &mut self.inner.0.precompiles,
        )
    }
}
