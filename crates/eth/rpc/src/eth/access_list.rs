//! The access list that makes a call cheapest.

use std::collections::BTreeMap;

use alloy_eips::eip2930::{AccessList, AccessListItem, AccessListResult};
use alloy_primitives::{Address, TxKind, U256, address};
use alloy_rpc_types_eth::TransactionRequest;
use ethrex_evm::{Accesses, Call, CallOutcome, call::CallEnd};

use crate::{
    Args, Context, RpcError,
    eth::{call::Simulation, revert},
};

/// Rounds after which a list that still changes is taken as it is. Each round can only find what the one before has led to.
const MAX_ROUNDS: usize = 16;
/// Precompiles are warm from the start; they stand at the first addresses, and P256VERIFY (EIP-7951) here.
const P256_VERIFY: Address = address!("0000000000000000000000000000000000000100");
/// The last of the first precompiles (EIP-2537).
const LAST_PRECOMPILE: u64 = 0x11;

pub(super) fn create_access_list(
    context: &Context,
    args: &mut Args,
) -> Result<AccessListResult, RpcError> {
    let request = args.required::<TransactionRequest>()?;
    let mut simulation = Simulation::read(context, args)?;
    let mut call = simulation.prepare(request)?;
    let callee = match call.to {
        TxKind::Call(to) => to,
        TxKind::Create => call.from.create(simulation.account(&call)?.nonce),
    };
    let warm = [call.from, callee, simulation.header.beneficiary];
    let mut outcome = simulation.run(&call)?;
    for _ in 0..MAX_ROUNDS {
        let list = list(&outcome.accesses, &call.access_list, &warm);
        if list == call.access_list {
            break;
        }
        call = Call { access_list: list, ..call };
        outcome = simulation.run(&call)?;
    }
    Ok(AccessListResult {
        gas_used: U256::from(outcome.gas_used),
        error: failure(outcome),
        access_list: call.access_list,
    })
}

fn failure(outcome: CallOutcome) -> Option<String> {
    match outcome.end {
        CallEnd::Success => None,
        // The field says only that it reverted: the data is not part of the answer.
        CallEnd::Revert => Some("execution reverted".to_owned()),
        CallEnd::Halt { .. } => revert::output(outcome).err().map(|error| error.to_string()),
    }
}

/// What was read and is not warm anyway, together with what the caller has listed.
fn list(accesses: &Accesses, listed: &AccessList, warm: &[Address; 3]) -> AccessList {
    let mut all: BTreeMap<_, _> = accesses
        .accounts
        .iter()
        .filter(|(address, slots)| {
            let free = warm.contains(*address) || is_precompile(**address);
            !free || !slots.is_empty()
        })
        .map(|(address, slots)| (*address, slots.clone()))
        .collect();
    for item in listed.iter() {
        all.entry(item.address).or_default().extend(item.storage_keys.iter().copied());
    }
    AccessList(
        all.into_iter()
            .map(|(address, slots)| AccessListItem {
                address,
                storage_keys: slots.into_iter().collect(),
            })
            .collect(),
    )
}

fn is_precompile(address: Address) -> bool {
    let number = U256::from_be_slice(address.as_slice());
    address == P256_VERIFY || (!number.is_zero() && number <= U256::from(LAST_PRECOMPILE))
}
