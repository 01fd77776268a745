//! Deposits that come with a deployment, each made once.
//!
//! What was deposited before is read from the bridge's events, so no file has to remember it.

use std::collections::HashMap;

use alloy_primitives::{Address, U256};
use alloy_rpc_types_eth::Filter;
use alloy_sol_types::{SolCall, SolEvent};
use ethrex_l1::{Client, Outcome, Pending, Policy, Purpose, SigningKey};
use ethrex_protocol::{
    constants::BRIDGE_L2,
    contracts::{CommonBridge, CommonBridgeL2},
};

use crate::{check, config::Deposit, deploy::with_sender, error::DeployError, plan};

/// Most blocks asked for at once when deposits are looked for; many endpoints refuse more.
const LOG_STEP: u64 = 5_000;
/// Keys that deposit at the same time.
const DEPOSITORS: usize = 16;

/// Deposits half of what each key has, from and to its own account. Who got a deposit before is left out.
///
/// Returns how many have deposited now.
///
/// # Errors
/// If L1 cannot be asked, or a transaction fails. Running it again continues.
pub async fn deposit_rich(
    l1: &Client,
    keys: Vec<SigningKey>,
    policy: &Policy,
    bridge: Address,
) -> Result<usize, DeployError> {
    let made = deposits_to(l1, bridge, None).await?;
    let rich: Vec<_> = keys
        .into_iter()
        .filter(|key| !made.keys().any(|deposit| deposit.recipient == key.address()))
        .collect();
    for keys in rich.chunks(DEPOSITORS) {
        let deposits = keys.iter().map(|key| deposit_half(l1, key.clone(), policy, bridge));
        futures::future::try_join_all(deposits).await?;
    }
    Ok(rich.len())
}

async fn deposit_half(
    l1: &Client,
    key: SigningKey,
    policy: &Policy,
    bridge: Address,
) -> Result<(), DeployError> {
    let recipient = key.address();
    let amount = l1.balance(recipient).await? / U256::from(2);
    with_sender(l1, key, policy.clone(), async |sender| {
        let purpose = Purpose::new(format!("deposit:{bridge}:{recipient}"));
        let pending = sender.submit(purpose, plan::deposit(bridge, recipient, amount)).await?;
        await_deposit(recipient, pending).await
    })
    .await
}

/// Waits for the outcome of a deposit.
pub(crate) async fn await_deposit(recipient: Address, pending: Pending) -> Result<(), DeployError> {
    match pending.await? {
        Outcome::Mined(_) => Ok(()),
        Outcome::Reverted(_, revert) | Outcome::WouldRevert(revert) => {
            Err(DeployError::DepositReverted { recipient, revert })
        }
        Outcome::Refused(refusal) => Err(DeployError::DepositRefused { recipient, refusal }),
    }
}

/// The deposits that an account has not made yet, with their places in the list, which name their purposes.
pub(crate) async fn unmade(
    l1: &Client,
    depositor: Address,
    bridge: Address,
    deposits: Vec<(usize, Deposit)>,
) -> Result<Vec<(usize, Deposit)>, DeployError> {
    if deposits.is_empty() {
        return Ok(deposits);
    }
    let mut made = deposits_to(l1, bridge, Some(depositor)).await?;
    let unmade = deposits.into_iter().filter(|(_, deposit)| match made.get_mut(deposit) {
        Some(count) if *count > 0 => {
            *count -= 1;
            false
        }
        _ => true,
    });
    Ok(unmade.collect())
}

/// How often each deposit was made, by anybody or by one account.
async fn deposits_to(
    l1: &Client,
    bridge: Address,
    depositor: Option<Address>,
) -> Result<HashMap<Deposit, usize>, DeployError> {
    let first = check::view(l1, bridge, &CommonBridge::lastFetchedL1BlockCall {}).await?;
    let first = U256::from_be_bytes(first.0).saturating_to::<u64>();
    let head = l1.head().await?.number;
    let mut made = HashMap::new();
    for from in (first..=head).step_by(LOG_STEP as usize) {
        let mut filter = Filter::new()
            .address(bridge)
            .event_signature(CommonBridge::PrivilegedTxSent::SIGNATURE_HASH)
            .from_block(from)
            .to_block(head.min(from + LOG_STEP - 1));
        if let Some(depositor) = depositor {
            filter = filter.topic1(depositor.into_word());
        }
        for log in l1.logs(&filter).await? {
            if let Some(deposit) = deposit_in(&log.inner) {
                *made.entry(deposit).or_default() += 1;
            }
        }
    }
    Ok(made)
}

/// The deposit that an event of the bridge tells of, if it does.
fn deposit_in(log: &alloy_primitives::Log) -> Option<Deposit> {
    let event = CommonBridge::PrivilegedTxSent::decode_log(log).ok()?.data;
    if event.from != BRIDGE_L2 || event.to != BRIDGE_L2 {
        return None;
    }
    let mint = CommonBridgeL2::mintETHCall::abi_decode(&event.data).ok()?;
    Some(Deposit { recipient: mint.to, amount: event.value })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_deposits_count_as_deposits() {
        let event = |from, data: Vec<u8>| {
            let event = CommonBridge::PrivilegedTxSent {
                l1From: Address::ZERO,
                from,
                to: BRIDGE_L2,
                transactionId: U256::ZERO,
                value: U256::from(5),
                gasLimit: U256::from(1),
                data: data.into(),
            };
            alloy_primitives::Log { address: Address::ZERO, data: event.encode_log_data() }
        };
        let recipient = Address::repeat_byte(3);
        let mint = CommonBridgeL2::mintETHCall { to: recipient }.abi_encode();
        let deposit = Deposit { recipient, amount: U256::from(5) };
        assert_eq!(deposit_in(&event(BRIDGE_L2, mint.clone())), Some(deposit));
        assert_eq!(deposit_in(&event(recipient, mint)), None);
        assert_eq!(deposit_in(&event(BRIDGE_L2, vec![1, 2, 3, 4])), None);
    }
}
