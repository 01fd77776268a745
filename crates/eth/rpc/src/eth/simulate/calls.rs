//! One simulated call: how it becomes a transaction, and how it may fail.

use alloy_primitives::{Signature, TxKind, U256};
use alloy_rpc_types_eth::{TransactionRequest, simulate::SimulateError};
use ethrex_evm::{Call, CallError, CallOutcome, SimulatedBlock};
use ethrex_types::{
    ChainSpec, Header, Tx, TxType,
    alloy_consensus::{
        SignableTransaction as _, TxEip1559, TxEip2930, TxEip4844, TxEip7702, TxLegacy,
    },
};

use super::fault_of;
use crate::{
    RpcError,
    deadline::Deadline,
    error::{CallRefused, SimulationRefused},
};

/// A call that is ready to run.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) call: Call,
    chain_id: u64,
    nonce: u64,
    kind: TxType,
}

/// Fills in what a request leaves out.
pub(super) fn prepare(
    spec: &ChainSpec,
    header: &Header,
    request: TransactionRequest,
    block: &mut SimulatedBlock<'_>,
    gas_left: u64,
    validated: bool,
) -> Result<Prepared, RpcError> {
    let want = spec.chain_id();
    if let Some(have) = request.chain_id.filter(|have| *have != want) {
        return Err(CallRefused::ChainId { have, want }.into());
    }
    let dynamic = request.max_fee_per_gas.is_some() || request.max_priority_fee_per_gas.is_some();
    if request.gas_price.is_some() && dynamic {
        return Err(CallRefused::TwoPrices.into());
    }
    let kind = kind(&request);
    let from = request.from.unwrap_or_default();
    let input = request.input.try_into_unique_input().map_err(|_| CallRefused::TwoInputs)?;
    let used = block.gas_used();
    let room = header.gas_limit.saturating_sub(used);
    let gas = request.gas.unwrap_or(room);
    if gas > room {
        let (limit, wanted) = (header.gas_limit, used.saturating_add(gas));
        return Err(SimulationRefused::BlockFull { wanted, limit }.into());
    }
    let expected = block.nonce(from)?;
    let nonce = request.nonce.unwrap_or(expected);
    let priced_once = matches!(kind, TxType::Legacy | TxType::Eip2930);
    let call = Call {
        from,
        to: request.to.unwrap_or(TxKind::Create),
        gas_limit: gas.min(gas_left),
        gas_price: request.max_fee_per_gas.or(request.gas_price).unwrap_or_default(),
        max_priority_fee_per_gas: (!priced_once)
            .then(|| request.max_priority_fee_per_gas.unwrap_or_default()),
        value: request.value.unwrap_or_default(),
        input: input.unwrap_or_default(),
        nonce: Some(nonce),
        access_list: request.access_list.unwrap_or_default(),
        authorization_list: request.authorization_list.unwrap_or_default(),
        blob_versioned_hashes: request.blob_versioned_hashes.unwrap_or_default(),
        max_fee_per_blob_gas: request.max_fee_per_blob_gas.unwrap_or_default(),
    };
    if validated {
        check_nonce(&call, nonce, expected)?;
    }
    Ok(Prepared { call, chain_id: want, nonce, kind })
}

/// The type of the transaction that a request describes; that of EIP-1559 where it may be any.
fn kind(request: &TransactionRequest) -> TxType {
    let has = |list: Option<usize>| list.is_some_and(|length| length > 0);
    if has(request.authorization_list.as_ref().map(Vec::len)) {
        TxType::Eip7702
    } else if has(request.blob_versioned_hashes.as_ref().map(Vec::len)) {
        TxType::Eip4844
    } else if request.gas_price.is_none() {
        TxType::Eip1559
    } else if request.access_list.is_some() {
        TxType::Eip2930
    } else {
        TxType::Legacy
    }
}

/// The EVM checks nonces too, but only after the fees.
fn check_nonce(call: &Call, tx: u64, state: u64) -> Result<(), RpcError> {
    let from = call.from;
    let gas = call.gas_limit;
    let refused = match tx.cmp(&state) {
        std::cmp::Ordering::Less => SimulationRefused::NonceTooLow { from, tx, state, gas },
        std::cmp::Ordering::Greater => SimulationRefused::NonceTooHigh { from, tx, state, gas },
        std::cmp::Ordering::Equal if tx == u64::MAX => SimulationRefused::NonceMax { from, gas },
        std::cmp::Ordering::Equal => return Ok(()),
    };
    Err(refused.into())
}

/// Runs a call. Also gives the transaction that it would be, unsigned.
pub(super) fn run(
    block: &mut SimulatedBlock<'_>,
    header: &Header,
    prepared: &Prepared,
    deadline: &Deadline,
) -> Result<(CallOutcome, Tx), RpcError> {
    let outcome = match block.run(&prepared.call, prepared.kind) {
        Ok(outcome) => outcome,
        Err(CallError::Fault(fault)) => return Err(fault_of(deadline, fault)),
        Err(CallError::Invalid(reason)) => {
            let base = header.base_fee_per_gas.unwrap_or_default();
            return Err(SimulationRefused::of(&prepared.call, base, reason).into());
        }
    };
    Ok((outcome, prepared.tx()))
}

impl Prepared {
    /// The transaction with a signature of zeros: nobody has signed it.
    fn tx(&self) -> Tx {
        let call = self.call.clone();
        let (chain_id, nonce, gas_limit) = (self.chain_id, self.nonce, call.gas_limit);
        let (to, value, input) = (call.to, call.value, call.input);
        let signature = Signature::new(U256::ZERO, U256::ZERO, false);
        let callee = to.to().copied().unwrap_or_default();
        let max_fee_per_gas = call.gas_price;
        let max_priority_fee_per_gas = call.max_priority_fee_per_gas.unwrap_or_default();
        let (gas_price, access_list) = (call.gas_price, call.access_list);
        match self.kind {
            TxType::Eip2930 => {
                let tx = TxEip2930 {
                    chain_id,
                    nonce,
                    gas_price,
                    gas_limit,
                    to,
                    value,
                    access_list,
                    input,
                };
                Tx::Eip2930(tx.into_signed(signature))
            }
            TxType::Eip4844 => Tx::Eip4844(
                TxEip4844 {
                    chain_id,
                    nonce,
                    gas_limit,
                    max_fee_per_gas,
                    max_priority_fee_per_gas,
                    to: callee,
                    value,
                    access_list,
                    blob_versioned_hashes: call.blob_versioned_hashes,
                    max_fee_per_blob_gas: call.max_fee_per_blob_gas,
                    input,
                }
                .into_signed(signature),
            ),
            TxType::Eip7702 => Tx::Eip7702(
                TxEip7702 {
                    chain_id,
                    nonce,
                    gas_limit,
                    max_fee_per_gas,
                    max_priority_fee_per_gas,
                    to: callee,
                    value,
                    access_list,
                    authorization_list: call.authorization_list,
                    input,
                }
                .into_signed(signature),
            ),
            TxType::Legacy => {
                let chain_id = None;
                let tx = TxLegacy { chain_id, nonce, gas_price, gas_limit, to, value, input };
                Tx::Legacy(tx.into_signed(signature))
            }
            _ => Tx::Eip1559(
                TxEip1559 {
                    chain_id,
                    nonce,
                    gas_limit,
                    max_fee_per_gas,
                    max_priority_fee_per_gas,
                    to,
                    value,
                    access_list,
                    input,
                }
                .into_signed(signature),
            ),
        }
    }
}

/// A call that ran and failed, as part of an answer.
pub(super) fn failure(error: RpcError) -> SimulateError {
    const REVERTED: i32 = 3;
    const HALTED: i32 = -32_015;
    let message = error.to_string();
    match error {
        RpcError::Reverted { data, .. } => {
            SimulateError { code: REVERTED, message, data: Some(data) }
        }
        _ => SimulateError { code: HALTED, message, data: None },
    }
}
