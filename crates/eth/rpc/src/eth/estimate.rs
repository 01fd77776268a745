//! How much gas a call needs, by bisection as geth does it.

use alloy_primitives::{TxKind, U64, U256};
use alloy_rpc_types_eth::TransactionRequest;
use ethrex_evm::{Call, CallOutcome, TxBounds, call::CallEnd};

use crate::{
    Args, Context, RpcError,
    error::CallRefused,
    eth::{call::Simulation, revert},
};

/// Gas of a plain transfer.
const TRANSFER: u64 = 21_000;
/// Gas that a call with value hands to its callee for free, and must therefore hold back.
const CALL_STIPEND: u64 = 2_300;
/// The search ends when the interval is smaller than this share of its upper end, in thousandths.
const TOLERANCE_PER_MILLE: u64 = 15;

pub(super) fn estimate_gas(context: &Context, args: &mut Args) -> Result<U64, RpcError> {
    let request = args.required::<TransactionRequest>()?;
    estimate(Simulation::read(context, args)?, request).map(U64::from)
}

/// The gas that a call needs.
pub(super) fn estimate(
    mut simulation: Simulation<'_>,
    request: TransactionRequest,
) -> Result<u64, RpcError> {
    let wanted = request.gas;
    let call = simulation.prepare(request)?;
    let highest = highest(&simulation, &call, wanted)?;
    if is_transfer(&simulation, &call)? && highest >= TRANSFER {
        let ended = simulation.try_run(&Call { gas_limit: TRANSFER, ..call.clone() })?;
        if ended.is_ok_and(|outcome| outcome.end == CallEnd::Success) {
            return Ok(TRANSFER);
        }
    }
    bisect(&simulation, &call, highest)
}

/// The most gas the sender can ask for: what it wants, the block and the protocol allow, and it can pay.
fn highest(simulation: &Simulation<'_>, call: &Call, wanted: Option<u64>) -> Result<u64, RpcError> {
    let header = &simulation.header;
    let mut highest = wanted.filter(|gas| *gas >= TRANSFER).unwrap_or(header.gas_limit);
    let spec = simulation.context().chain().spec();
    highest = highest.min(TxBounds::at(spec, header.number, header.timestamp).max_gas_limit());
    if call.gas_price > 0 {
        let balance = simulation.account(call)?.balance;
        let Some(left) = balance.checked_sub(call.value).filter(|_| call.value <= balance) else {
            return Err(CallRefused::Transfer.into());
        };
        let blobs = simulation.blob_cost(call);
        let Some(left) = left.checked_sub(blobs) else {
            let (from, have, want) = (call.from, balance, call.value.saturating_add(blobs));
            return Err(CallRefused::Funds { from, have, want }.into());
        };
        let affordable = left / U256::from(call.gas_price);
        highest = highest.min(u64::try_from(affordable).unwrap_or(u64::MAX));
    }
    Ok(highest.min(simulation.context().config().call_gas_cap))
}

fn is_transfer(simulation: &Simulation<'_>, call: &Call) -> Result<bool, RpcError> {
    let TxKind::Call(to) = call.to else { return Ok(false) };
    let plain = call.input.is_empty()
        && call.access_list.is_empty()
        && call.authorization_list.is_empty()
        && call.blob_versioned_hashes.is_empty();
    Ok(plain && !simulation.has_code(to)?)
}

/// The least gas with which the call succeeds, up to the tolerance.
fn bisect(simulation: &Simulation<'_>, call: &Call, highest: u64) -> Result<u64, RpcError> {
    let first = simulation.run(&Call { gas_limit: highest, ..call.clone() })?;
    let first = succeeded(first, highest)?;
    let works = |gas_limit| -> Result<bool, RpcError> {
        // With less than the intrinsic gas the call is refused, which here is one more way of failing.
        let ended = simulation.try_run(&Call { gas_limit, ..call.clone() })?;
        Ok(ended.is_ok_and(|outcome| outcome.end == CallEnd::Success))
    };
    let (mut low, mut high) = (first.gas_used.saturating_sub(1), highest);
    // Calls hold back a 64th: most calls succeed with this much, so the search starts close to its end.
    let likely = (first.gas_used + first.gas_refunded + CALL_STIPEND).saturating_mul(64) / 63;
    if likely < high {
        if works(likely)? { high = likely } else { low = likely }
    }
    while low + 1 < high {
        if (high - low).saturating_mul(1_000) < high.saturating_mul(TOLERANCE_PER_MILLE) {
            break;
        }
        // Few calls need much more than they use, so the middle is not far above the lower end.
        let middle = (low + (high - low) / 2).min(low.saturating_mul(2)).max(low + 1);
        if works(middle)? { high = middle } else { low = middle }
    }
    Ok(high)
}

/// The outcome with all the gas there is, where that was enough.
fn succeeded(outcome: CallOutcome, highest: u64) -> Result<CallOutcome, RpcError> {
    match &outcome.end {
        CallEnd::Success => Ok(outcome),
        CallEnd::Halt { out_of_gas: true, .. } => Err(CallRefused::Allowance(highest).into()),
        CallEnd::Revert | CallEnd::Halt { .. } => {
            Err(revert::output(outcome).expect_err("it did not succeed"))
        }
    }
}
