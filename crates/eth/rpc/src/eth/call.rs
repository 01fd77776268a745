//! Simulated calls.

use std::{collections::BTreeMap, sync::Arc};

use alloy_eips::BlockId;
use alloy_primitives::{B256, Bytes, U256};
use alloy_rpc_types_eth::{BlockOverrides, TransactionRequest, state::StateOverride};
use ethrex_evm::{
    Call, CallError, CallOutcome, Overrides,
    call::trace_call,
    simulate,
    trace::{Trace, TraceError, Tracer},
};
use ethrex_types::{AccountInfo, Header, StateDiff, StateReader};

use crate::{
    Args, Context, RpcError,
    block_id::Environment,
    deadline::Deadline,
    error::CallRefused,
    eth::{
        overrides::{WithHashes, override_header, state_overrides},
        revert,
    },
};

pub(super) fn call(context: &Context, args: &mut Args) -> Result<Bytes, RpcError> {
    let request = args.required()?;
    let mut simulation = Simulation::read(context, args)?;
    let call = simulation.prepare(request)?;
    revert::output(simulation.run(&call)?)
}

/// Where a call runs: environment, state and overrides.
pub(crate) struct Simulation<'a> {
    context: &'a Context,
    pub(super) header: Header,
    state: Arc<dyn StateReader>,
    overrides: Overrides,
    deadline: Deadline,
    /// Block hashes in place of the chain's; `None` where nothing of the block is overridden.
    hashes: Option<BTreeMap<u64, B256>>,
}

impl<'a> Simulation<'a> {
    /// Reads the parameters after the request: block, state overrides, block overrides.
    pub(super) fn read(context: &'a Context, args: &mut Args) -> Result<Self, RpcError> {
        let environment = context.environment(args.optional::<BlockId>()?)?;
        let overrides = args.optional::<StateOverride>()?.unwrap_or_default();
        Self::new(context, environment, overrides, args.optional::<BlockOverrides>()?)
    }

    /// In this environment, with what a caller wants to be different.
    pub(crate) fn new(
        context: &'a Context,
        environment: Environment,
        overrides: StateOverride,
        block: Option<BlockOverrides>,
    ) -> Result<Self, RpcError> {
        let Environment { mut header, state } = environment;
        if let Some(block) = &block {
            override_header(context.chain().spec(), &mut header, block)?;
        }
        Ok(Self {
            context,
            header,
            state,
            deadline: context.deadline(),
            overrides: state_overrides(overrides)?,
            hashes: block.map(|block| block.block_hash.unwrap_or_default()),
        })
    }

    /// Brings a request into the form the EVM takes. Without a gas limit it gets all that one call may use.
    pub(crate) fn prepare(&mut self, request: TransactionRequest) -> Result<Call, RpcError> {
        let want = self.context.chain().spec().chain_id();
        if let Some(have) = request.chain_id.filter(|have| *have != want) {
            return Err(CallRefused::ChainId { have, want }.into());
        }
        let dynamic =
            request.max_fee_per_gas.is_some() || request.max_priority_fee_per_gas.is_some();
        if request.gas_price.is_some() && dynamic {
            return Err(CallRefused::TwoPrices.into());
        }
        let input = request
            .input
            .try_into_unique_input()
            .map_err(|_| CallRefused::TwoInputs)?
            .unwrap_or_default();
        let cap = self.context.config().call_gas_cap;
        let blobs = request.blob_versioned_hashes.unwrap_or_default();
        Ok(Call {
            from: request.from.unwrap_or_default(),
            to: request.to.unwrap_or(alloy_primitives::TxKind::Create),
            gas_limit: request.gas.unwrap_or(cap).min(cap),
            gas_price: request.max_fee_per_gas.or(request.gas_price).unwrap_or_default(),
            max_priority_fee_per_gas: dynamic
                .then(|| request.max_priority_fee_per_gas.unwrap_or_default()),
            value: request.value.unwrap_or_default(),
            input,
            nonce: None,
            access_list: request.access_list.unwrap_or_default(),
            authorization_list: request.authorization_list.unwrap_or_default(),
            max_fee_per_blob_gas: request
                .max_fee_per_blob_gas
                .or_else(|| (!blobs.is_empty()).then(|| self.blob_fee()))
                .unwrap_or_default(),
            blob_versioned_hashes: blobs,
        })
    }

    fn blob_fee(&self) -> u128 {
        let params = self.context.chain().spec().blob_params_at(self.header.timestamp);
        params
            .zip(self.header.excess_blob_gas)
            .map_or(1, |(params, excess)| params.calc_blob_fee(excess))
    }

    /// Runs a call, after the checks whose refusals have words of their own.
    pub(super) fn run(&self, call: &Call) -> Result<CallOutcome, RpcError> {
        self.check_fees(call)?;
        self.try_run(call)?
            .map_err(|reason| CallRefused::Evm { reason, gas: call.gas_limit }.into())
    }

    /// Runs a call; a refusal by the EVM is the inner error.
    pub(super) fn try_run(&self, call: &Call) -> Result<Result<CallOutcome, CallError>, RpcError> {
        let chain = self.context.chain();
        let hashed = self.hashed();
        let state = hashed.as_ref().map_or(&*self.state, |hashed| hashed);
        let (state, rules) = (self.deadline.over(state), chain.rules().as_ref());
        self.deadline.check()?;
        match simulate(chain.spec(), rules, &self.header, &state, call, &self.overrides) {
            // A read that fails because the time is over is no fault of ours.
            Err(CallError::Fault(fault)) => {
                self.deadline.check()?;
                Err(fault.into())
            }
            result => Ok(result),
        }
    }

    /// Runs a call under a tracer, after the same checks. Returns also what the call changes.
    pub(crate) fn trace(
        &self,
        call: &Call,
        tracer: &Tracer,
    ) -> Result<(Trace, StateDiff), RpcError> {
        self.check_fees(call)?;
        let chain = self.context.chain();
        let hashed = self.hashed();
        let state = hashed.as_ref().map_or(&*self.state, |hashed| hashed);
        let rules = chain.rules().as_ref();
        let (header, overrides) = (&self.header, &self.overrides);
        trace_call(chain.spec(), rules, header, state, call, overrides, tracer).map_err(|error| {
            match error {
                TraceError::Invalid(CallError::Fault(fault)) | TraceError::Fault(fault) => {
                    fault.into()
                }
                TraceError::Invalid(reason) => {
                    CallRefused::Evm { reason, gas: call.gas_limit }.into()
                }
                TraceError::Stopped(why) => RpcError::TraceStopped(why),
            }
        })
    }

    fn hashed(&self) -> Option<WithHashes<'_>> {
        self.hashes.as_ref().map(|hashes| WithHashes { state: &*self.state, hashes })
    }

    fn check_fees(&self, call: &Call) -> Result<(), RpcError> {
        let (from, fee) = (call.from, call.gas_price);
        if let Some(tip) = call.max_priority_fee_per_gas.filter(|tip| *tip > fee) {
            return Err(CallRefused::TipAboveFee { from, tip, fee }.into());
        }
        let base = self.header.base_fee_per_gas.unwrap_or_default();
        if fee > 0 && fee < u128::from(base) {
            return Err(CallRefused::FeeBelowBase { from, fee, base }.into());
        }
        let (have, want) = (self.account(call)?.balance, self.cost(call));
        if have < want {
            return Err(CallRefused::Funds { from, have, want }.into());
        }
        Ok(())
    }

    /// The most a call can take from its sender, in wei.
    fn cost(&self, call: &Call) -> U256 {
        let gas = U256::from(call.gas_price).saturating_mul(U256::from(call.gas_limit));
        gas.saturating_add(self.blob_cost(call)).saturating_add(call.value)
    }

    pub(super) fn blob_cost(&self, call: &Call) -> U256 {
        let gas = alloy_eips::eip4844::DATA_GAS_PER_BLOB * call.blob_versioned_hashes.len() as u64;
        U256::from(call.max_fee_per_blob_gas).saturating_mul(U256::from(gas))
    }

    /// The sender's account with its overrides.
    pub(super) fn account(&self, call: &Call) -> Result<AccountInfo, RpcError> {
        let mut account = self.state.account(call.from)?.unwrap_or_default();
        if let Some(over) = self.overrides.accounts.get(&call.from) {
            account.balance = over.balance.unwrap_or(account.balance);
            account.nonce = over.nonce.unwrap_or(account.nonce);
        }
        Ok(account)
    }

    /// Whether calling `address` runs code.
    pub(super) fn has_code(&self, address: alloy_primitives::Address) -> Result<bool, RpcError> {
        if let Some(code) =
            self.overrides.accounts.get(&address).and_then(|over| over.code.as_ref())
        {
            return Ok(!code.is_empty());
        }
        let account = self.state.account(address)?.unwrap_or_default();
        Ok(account.code_hash != ethrex_types::account::KECCAK_EMPTY)
    }

    pub(super) fn context(&self) -> &Context {
        self.context
    }
}
