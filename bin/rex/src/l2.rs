//! What moves between L1 and a rollup, and the rollup's batches.

use std::time::Duration;

use alloy_primitives::{Address, B256, U256};
use alloy_provider::Provider;
use alloy_rpc_types_eth::{TransactionReceipt, TransactionRequest};
use alloy_sol_types::{SolCall, SolEvent};
use ethrex_protocol::{
    batch::L1MessageProof,
    constants::{BRIDGE_L2, MESSENGER},
    contracts::{CommonBridge, CommonBridgeL2, Messenger, OnChainProposer},
    deposit::PrivilegedMessage,
    messages::L1Message,
};
use eyre::{OptionExt, Result, WrapErr, bail, ensure};
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    args::{BatchArgs, BridgeCommand, ClaimArgs, DepositArgs, ProofArgs, RpcArgs, WithdrawArgs},
    native::{self, Rollup},
    rpc::{Endpoint, POLL_INTERVAL},
    transact,
};

/// Does what the user asked for and says what came of it.
pub(crate) async fn run(command: BridgeCommand, rpc: RpcArgs) -> Result<String> {
    let l2 = Endpoint::l2(rpc)?;
    match command {
        BridgeCommand::Deposit(args) => {
            let l1 = Endpoint::settlement(args.l1.l1_rpc_url.clone())?;
            // A deposit needs no node of the rollup where the bridge is named.
            match Rollup::of(&args.l1, &l2).await?.unwrap_or(Rollup::Validity(args.l1.bridge)) {
                Rollup::Validity(bridge) => deposit(&args, named(bridge)?, &l1).await,
                Rollup::Native(rollup) => native::deposit(&args, rollup, &l1).await,
            }
        }
        BridgeCommand::Withdraw(args) => match kind(&l2).await? {
            Rollup::Validity(_) => withdraw(&args, &l2).await,
            Rollup::Native(_) => native::withdraw(&args, &l2).await,
        },
        BridgeCommand::ClaimWithdraw(args) => {
            let l1 = Endpoint::settlement(args.l1.l1_rpc_url.clone())?;
            match Rollup::of(&args.l1, &l2).await?.unwrap_or(Rollup::Validity(args.l1.bridge)) {
                Rollup::Validity(bridge) => claim(args, named(bridge)?, &l1, &l2).await,
                Rollup::Native(rollup) => native::claim(args, rollup, &l1, &l2).await,
            }
        }
        BridgeCommand::Force(args) => {
            let l1 = Endpoint::settlement(args.l1.l1_rpc_url.clone())?;
            match Rollup::of(&args.l1, &l2).await? {
                Some(Rollup::Native(rollup)) => native::force(&args, rollup, &l1).await,
                Some(Rollup::Validity(_)) => bail!(
                    "this rollup is not native: call sendToL2 of its CommonBridge, which it must process in time"
                ),
                None => bail!(
                    "the rollup's node does not answer: name its contract with --native-rollup"
                ),
            }
        }
        BridgeCommand::MessageProof(args) => match kind(&l2).await? {
            Rollup::Validity(_) => message_proof(&args, &l2).await,
            Rollup::Native(_) => native::message_proof(&args, &l2).await,
        },
        BridgeCommand::BatchNumber => batch_number(&l2).await,
        BridgeCommand::BatchByNumber(args) => batch_by_number(&args, &l2).await,
    }
}

/// What a rollup is where no L1 is involved. One whose node does not answer is asked again, and says so then.
async fn kind(l2: &Endpoint) -> Result<Rollup> {
    Ok(Rollup::ask(l2).await?.unwrap_or(Rollup::Validity(None)))
}

fn named(bridge: Option<Address>) -> Result<Address> {
    bridge.ok_or_eyre(
        "the rollup's contract on L1 is not known: give BRIDGE_ADDRESS, or --native-rollup for a native rollup whose node does not answer",
    )
}

async fn deposit(args: &DepositArgs, bridge: Address, l1: &Endpoint) -> Result<String> {
    l1.expect_contract(bridge, "the bridge (BRIDGE_ADDRESS)").await?;
    let l2_recipient = match args.to {
        Some(to) => to,
        None => transact::sender(&args.tx)?,
    };
    let call = CommonBridge::depositCall { l2Recipient: l2_recipient };
    let request =
        TransactionRequest::default().to(bridge).value(args.amount).input(call.abi_encode().into());
    let sent = transact::send(l1, request, &args.tx).await?;
    let Some(receipt) = &sent.receipt else { return Ok(sent.report()) };

    let chain_id = l1.view(bridge, CommonBridge::CHAIN_IDCall {}).await?;
    let chain_id = u64::try_from(chain_id).wrap_err("the bridge's chain id exceeds 64 bits")?;
    let event = event::<CommonBridge::PrivilegedTxSent>(receipt, bridge)
        .ok_or_eyre("the transaction succeeded but queued no deposit; is this the right bridge?")?;
    let message = PrivilegedMessage::from_event(chain_id, &event)?;
    Ok(format!("{}\nL2 hash     {}", sent.report(), message.hash()))
}

async fn withdraw(args: &WithdrawArgs, l2: &Endpoint) -> Result<String> {
    l2.expect_contract(BRIDGE_L2, "the bridge of an ethrex rollup").await?;
    let receiver = match args.to {
        Some(to) => to,
        None => transact::sender(&args.tx)?,
    };
    let call = CommonBridgeL2::withdrawCall { receiverOnL1: receiver };
    let request = TransactionRequest::default()
        .to(BRIDGE_L2)
        .value(args.amount)
        .input(call.abi_encode().into());
    let sent = transact::send(l2, request, &args.tx).await?;
    let Some(receipt) = &sent.receipt else { return Ok(sent.report()) };
    let message = event::<Messenger::L1Message>(receipt, MESSENGER)
        .ok_or_eyre("the transaction succeeded but sent no message to L1")?;
    Ok(format!("{}\nmessage id  {}", sent.report(), message.messageId))
}

async fn claim(args: ClaimArgs, bridge: Address, l1: &Endpoint, l2: &Endpoint) -> Result<String> {
    l1.expect_contract(bridge, "the bridge (BRIDGE_ADDRESS)").await?;
    let claimer = transact::sender(&args.tx)?;

    let deadline = Instant::now() + args.wait;
    let proofs = proofs(l2, args.l2_tx_hash, deadline).await?;
    let proof = matching(proofs, claimer, args.amount)?;
    expect_verified(l1, bridge, proof.batch_number.0, deadline, args.wait).await?;

    let call = CommonBridge::claimWithdrawalCall {
        claimedAmount: args.amount,
        withdrawalBatchNumber: U256::from(proof.batch_number.0),
        withdrawalMessageId: proof.message_id,
        withdrawalProof: proof.merkle_proof,
    };
    let request = TransactionRequest::default().to(bridge).input(call.abi_encode().into());
    let sent = transact::send(l1, request, &args.tx).await?;
    Ok(format!("{}\nclaimed     {}", sent.report(), args.amount))
}

/// The proof of the withdrawal of `amount` wei by `claimer`: the amount and the receiver are part of what was sent.
fn matching(proofs: Vec<L1MessageProof>, claimer: Address, amount: U256) -> Result<L1MessageProof> {
    let found = proofs.into_iter().find(|proof| {
        L1Message::eth_withdrawal(claimer, amount, proof.message_id).leaf() == proof.message_hash
    });
    found.ok_or_eyre(format!(
        "the transaction withdraws no {amount} wei for {claimer}; check the amount, and claim with the receiver's key"
    ))
}

/// Waits until the batch is verified on L1, as long as the user agreed to.
async fn expect_verified(
    l1: &Endpoint,
    bridge: Address,
    batch: u64,
    deadline: Instant,
    wait: Duration,
) -> Result<()> {
    let proposer = l1.view(bridge, CommonBridge::ON_CHAIN_PROPOSERCall {}).await?;
    loop {
        let verified = l1.view(proposer, OnChainProposer::lastVerifiedBatchCall {}).await?;
        if verified >= U256::from(batch) {
            return Ok(());
        }
        ensure!(
            Instant::now() < deadline,
            "the withdrawal is in batch {batch} and L1 has verified batches up to {verified} after {} s; try again later or with a longer --wait",
            wait.as_secs()
        );
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

async fn message_proof(args: &ProofArgs, l2: &Endpoint) -> Result<String> {
    let proofs = proofs(l2, args.hash.hash, Instant::now() + args.wait).await?;
    serde_json::to_string_pretty(&proofs).wrap_err("print the proofs")
}

/// The proofs of a transaction's messages, once it is in a batch.
async fn proofs(l2: &Endpoint, hash: B256, deadline: Instant) -> Result<Vec<L1MessageProof>> {
    loop {
        let request = async {
            l2.provider()
                .raw_request::<_, Option<Vec<L1MessageProof>>>(
                    "ethrex_getL1MessageProof".into(),
                    (hash,),
                )
                .await
        };
        match l2.ask("ask for the message proof", request).await? {
            Some(proofs) if proofs.is_empty() => bail!("transaction {hash} sends no message to L1"),
            Some(proofs) => return Ok(proofs),
            None => ensure!(
                Instant::now() < deadline,
                "transaction {hash} is unknown or not in a batch yet; try again later or with --wait SECONDS"
            ),
        }
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

async fn batch_number(l2: &Endpoint) -> Result<String> {
    latest_batch(l2).await.map(|number| number.to_string())
}

async fn latest_batch(l2: &Endpoint) -> Result<u64> {
    let request = async {
        l2.provider().raw_request::<_, Option<U256>>("ethrex_batchNumber".into(), ()).await
    };
    let number = l2.ask("ask for the batch number", request).await?;
    let number = number.ok_or_eyre("the rollup has no batch yet")?;
    u64::try_from(number).wrap_err("the batch number exceeds 64 bits")
}

async fn batch_by_number(args: &BatchArgs, l2: &Endpoint) -> Result<String> {
    let number = match args.batch_number {
        Some(number) => number,
        None => latest_batch(l2).await?,
    };
    let with_block_hashes = true;
    let params = (format!("{number:#x}"), with_block_hashes);
    let request = async {
        l2.provider().raw_request::<_, Value>("ethrex_getBatchByNumber".into(), params).await
    };
    let batch = l2.ask("ask for the batch", request).await?;
    ensure!(!batch.is_null(), "batch {number} does not exist yet");
    Ok(format!("{batch:#}"))
}

/// The first event of kind `E` that `contract` emitted.
pub(crate) fn event<E: SolEvent>(receipt: &TransactionReceipt, contract: Address) -> Option<E> {
    receipt
        .logs()
        .iter()
        .filter(|log| log.address() == contract)
        .find_map(|log| E::decode_log_data(log.data()).ok())
}

#[cfg(test)]
mod tests {
    use ethrex_protocol::BatchNumber;

    use super::*;

    const ALICE: Address = Address::repeat_byte(0xaa);

    fn proof(amount: u64, id: u64) -> L1MessageProof {
        let message_id = U256::from(id);
        L1MessageProof {
            batch_number: BatchNumber(1),
            message_id,
            message_hash: L1Message::eth_withdrawal(ALICE, U256::from(amount), message_id).leaf(),
            merkle_proof: vec![],
        }
    }

    #[test]
    fn the_proof_of_the_claimed_amount_is_used() {
        let found = matching(vec![proof(5, 1), proof(7, 2)], ALICE, U256::from(7)).unwrap();
        assert_eq!(found.message_id, U256::from(2));
    }

    #[test]
    fn a_wrong_amount_or_receiver_is_told_before_sending() {
        assert!(matching(vec![proof(5, 1)], ALICE, U256::from(6)).is_err());
        assert!(matching(vec![proof(5, 1)], Address::ZERO, U256::from(5)).is_err());
    }
}
