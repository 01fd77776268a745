//! What moves between L1 and a native rollup, whose contract on L1 verifies its blocks itself.

use alloy_primitives::{Address, B256, Bytes, U64, U256, address, keccak256};
use alloy_provider::Provider;
use alloy_rpc_types_eth::TransactionRequest;
use alloy_sol_types::{SolCall, sol};
use eyre::{OptionExt, Result, WrapErr, bail, ensure};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use crate::{
    args::{ClaimArgs, DepositArgs, ForceArgs, L1Args, ProofArgs, WithdrawArgs},
    l2::event,
    rpc::{Endpoint, POLL_INTERVAL},
    transact,
};

sol! {
    /// A message from one chain to the other.
    #[derive(Debug, PartialEq, Eq)]
    struct Message {
        uint64 index;
        address sender;
        address to;
        uint256 value;
        uint256 fee;
        uint64 gasLimit;
        bytes data;
    }

    #[derive(Debug, PartialEq, Eq)]
    enum Mode { INLINE, OPTIMISTIC }

    /// What a rollup is founded on.
    #[derive(Debug, PartialEq, Eq)]
    struct Config {
        uint64 chainId;
        uint8 level;
        uint64 gasLimit;
        bytes32 genesisHash;
        bytes32 genesisStateRoot;
        uint64 genesisTimestamp;
        Mode mode;
        address sequencer;
        uint64 forcedDelay;
        uint64 sequencerTimeout;
        uint64 challengePeriod;
        uint256 bond;
        uint256 forceFeePerByte;
        uint64 maxTimestampLag;
        uint64 minBlockTime;
    }

    /// The rollup's contract on L1.
    #[derive(Debug)]
    interface NativeRollup {
        event MessageSent(uint64 indexed index, Message message, bytes32 leaf);
        event ForcedTx(uint64 indexed index, address indexed sender, bytes raw);
        event Claimed(uint64 indexed index, bool success);

        error ValueBelowFee(uint256 value, uint256 fee);
        error ForbiddenReceiver(address to);
        error MessageTooLong(uint256 length);
        error MessageGasTooHigh(uint64 gasLimit);
        error ForcedTxLengthOutOfRange(uint256 length);
        error WrongForceFee(uint256 sent, uint256 required);
        error StateRootUnknown(uint64 number);
        error OutboxUnknown(uint64 number);
        error NotInOutbox(uint64 index);
        error AlreadyClaimed(uint64 index);
        error EscrowTooSmall(uint256 required, uint256 escrow);
        error NotEnoughGas();
        error DeliveryFailed();

        function sendMessage(address to, uint256 fee, uint64 gasLimit, bytes calldata data) external payable returns (uint64 index);
        function forceTx(bytes calldata raw) external payable returns (uint64 index);
        function proveOutbox(uint64 number, bytes[] calldata accountProof, bytes[] calldata storageProof) external;
        function claim(Message calldata message, uint64 number, bytes32[] calldata path, address feeRecipient) external;
        function config() external view returns (Config memory);
        function outboxRoot(uint64 number) external view returns (bytes32);
    }

    /// The predeploy on L2 that sends messages to L1.
    #[derive(Debug)]
    interface NativeMessenger {
        event MessageSent(uint64 indexed index, Message message, bytes32 leaf);

        function send(address to, uint256 fee, uint64 gasLimit, bytes calldata data) external payable returns (uint64 index);
    }
}

/// A forced transaction pays for this many bytes at least.
const LEAST_FORCED_BYTES: usize = 256;
/// The predeploy on L2 that sends messages to L1.
const MESSENGER: Address = address!("4e52000000000000000000000000000000000002");
/// Gas of a claim beside that of the message: its checks, a new slot, and two accounts that may be new (EIP-8037).
const CLAIM_GAS: u64 = 700_000;
/// JSON-RPC code of a method that a node does not have.
const METHOD_NOT_FOUND: i64 = -32601;

/// What a rollup is, and its contract on L1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rollup {
    /// Proven in batches; deposits go to this bridge. Withdrawing needs none.
    Validity(Option<Address>),
    /// Executed by L1; everything goes through this contract.
    Native(Address),
}

impl Rollup {
    /// Which of the two it is.
    ///
    /// It is native where `--native-rollup` names its contract, and otherwise where its node answers `nr_syncStatus`. A node that cannot be
    /// reached leaves `None`.
    pub(crate) async fn of(l1: &L1Args, l2: &Endpoint) -> Result<Option<Self>> {
        if let Some(rollup) = l1.native_rollup {
            return Ok(Some(Self::Native(rollup)));
        }
        match (Self::ask(l2).await?, l1.bridge) {
            (Some(Self::Validity(_)), bridge) => Ok(Some(Self::Validity(bridge))),
            // Ether must not go elsewhere than where the user said.
            (Some(Self::Native(rollup)), Some(bridge)) => {
                ensure!(
                    rollup == bridge,
                    "the rollup's node says that it is native, with the contract {rollup}, but BRIDGE_ADDRESS is {bridge}: leave it out, or check --rpc-url"
                );
                Ok(Some(Self::Native(rollup)))
            }
            (answer, _) => Ok(answer),
        }
    }

    /// What its node says; `None` where it does not answer.
    pub(crate) async fn ask(l2: &Endpoint) -> Result<Option<Self>> {
        let request =
            async { l2.provider().raw_request::<_, SyncStatus>("nr_syncStatus".into(), ()).await };
        match request.await {
            Ok(status) => Ok(Some(Self::Native(status.rollup))),
            Err(error) => match error.as_error_resp() {
                Some(response) if response.code == METHOD_NOT_FOUND => {
                    Ok(Some(Self::Validity(None)))
                }
                Some(_) => Err(l2.explain(error)).wrap_err("ask whether the rollup is native"),
                None => Ok(None),
            },
        }
    }
}

/// As much of `nr_syncStatus` as matters here.
#[derive(Debug, Deserialize)]
struct SyncStatus {
    rollup: Address,
}

/// What `nr_getOutboxProof` says of one message.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OutboxProof {
    message: OutboxMessage,
    /// The settled block whose outbox holds the message.
    number: U64,
    path: Vec<B256>,
    account_proof: Vec<Bytes>,
    storage_proof: Vec<Bytes>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OutboxMessage {
    index: U64,
    sender: Address,
    to: Address,
    value: U256,
    fee: U256,
    gas_limit: U64,
    data: Bytes,
}

impl From<OutboxMessage> for Message {
    fn from(message: OutboxMessage) -> Self {
        let OutboxMessage { index, sender, to, value, fee, gas_limit, data } = message;
        Self { index: index.to(), sender, to, value, fee, gasLimit: gas_limit.to(), data }
    }
}

pub(crate) async fn deposit(args: &DepositArgs, rollup: Address, l1: &Endpoint) -> Result<String> {
    l1.expect_contract(rollup, "the contract of a native rollup").await?;
    let to = match args.to {
        Some(to) => to,
        None => transact::sender(&args.tx)?,
    };
    let call = NativeRollup::sendMessageCall {
        to,
        fee: args.message.fee,
        gasLimit: args.message.message_gas,
        data: Bytes::new(),
    };
    let value = args.amount.checked_add(args.message.fee).ok_or_eyre("amount and fee overflow")?;
    let request =
        TransactionRequest::default().to(rollup).value(value).input(call.abi_encode().into());
    let sent = transact::send(l1, request, &args.tx).await?;
    let Some(receipt) = &sent.receipt else { return Ok(sent.report()) };
    let sent_message = event::<NativeRollup::MessageSent>(receipt, rollup)
        .ok_or_eyre("the transaction succeeded but sent no message; is this the right contract?")?;
    Ok(format!(
        "{}\nmessage     {}\nleaf        {}",
        sent.report(),
        sent_message.index,
        sent_message.leaf
    ))
}

pub(crate) async fn withdraw(args: &WithdrawArgs, l2: &Endpoint) -> Result<String> {
    l2.expect_contract(MESSENGER, "the messenger of a native rollup").await?;
    let to = match args.to {
        Some(to) => to,
        None => transact::sender(&args.tx)?,
    };
    let call = NativeMessenger::sendCall {
        to,
        fee: args.message.fee,
        gasLimit: args.message.message_gas,
        data: Bytes::new(),
    };
    let value = args.amount.checked_add(args.message.fee).ok_or_eyre("amount and fee overflow")?;
    let request =
        TransactionRequest::default().to(MESSENGER).value(value).input(call.abi_encode().into());
    let sent = transact::send(l2, request, &args.tx).await?;
    let Some(receipt) = &sent.receipt else { return Ok(sent.report()) };
    let message = event::<NativeMessenger::MessageSent>(receipt, MESSENGER)
        .ok_or_eyre("the transaction succeeded but sent no message to L1")?;
    Ok(format!("{}\nmessage id  {}", sent.report(), message.index))
}

pub(crate) async fn claim(
    args: ClaimArgs,
    rollup: Address,
    l1: &Endpoint,
    l2: &Endpoint,
) -> Result<String> {
    l1.expect_contract(rollup, "the contract of a native rollup").await?;
    let claimer = transact::sender(&args.tx)?;
    let proof = proof(l2, args.l2_tx_hash, Instant::now() + args.wait).await?;
    ensure!(
        proof.message.value == args.amount,
        "the transaction withdraws {} wei, not {}",
        proof.message.value,
        args.amount
    );
    let number = proof.number.to::<u64>();
    let mut before = None;
    if l1.view(rollup, NativeRollup::outboxRootCall { number }).await?.is_zero() {
        let call = NativeRollup::proveOutboxCall {
            number,
            accountProof: proof.account_proof,
            storageProof: proof.storage_proof,
        };
        let request = TransactionRequest::default().to(rollup).input(call.abi_encode().into());
        before = Some(transact::submit(l1, request, &args.tx).await?);
    }
    let gas_limit = proof.message.gas_limit.to::<u64>();
    let call = NativeRollup::claimCall {
        message: proof.message.into(),
        number,
        path: proof.path,
        feeRecipient: claimer,
    };
    let mut request = TransactionRequest::default().to(rollup).input(call.abi_encode().into());
    if let Some(proving) = before {
        // Both may stand in one block. What a claim uses behind a proof that is not mined cannot be estimated.
        eprintln!("sent {}, which proves the outbox of block {number}", proving.hash);
        request.nonce = Some(proving.nonce.saturating_add(1));
        request.gas = Some(gas_limit.saturating_add(gas_limit / 32).saturating_add(CLAIM_GAS));
    }
    let sent = transact::send(l1, request, &args.tx).await?;
    let Some(receipt) = &sent.receipt else { return Ok(sent.report()) };
    event::<NativeRollup::Claimed>(receipt, rollup)
        .ok_or_eyre("the transaction succeeded but claimed nothing")?;
    Ok(format!("{}\nclaimed     {}", sent.report(), args.amount))
}

pub(crate) async fn force(args: &ForceArgs, rollup: Address, l1: &Endpoint) -> Result<String> {
    l1.expect_contract(rollup, "the contract of a native rollup").await?;
    let config = l1.view(rollup, NativeRollup::configCall {}).await?;
    let bytes = U256::from(args.raw.len().max(LEAST_FORCED_BYTES));
    let fee = config.forceFeePerByte.saturating_mul(bytes);
    let call = NativeRollup::forceTxCall { raw: args.raw.clone() };
    let request =
        TransactionRequest::default().to(rollup).value(fee).input(call.abi_encode().into());
    let sent = transact::send(l1, request, &args.tx).await?;
    let Some(receipt) = &sent.receipt else { return Ok(sent.report()) };
    let queued = event::<NativeRollup::ForcedTx>(receipt, rollup)
        .ok_or_eyre("the transaction succeeded but queued nothing; is this the right contract?")?;
    Ok(format!(
        "{}\nforced      {}\nL2 hash     {}\nwithin      {} s",
        sent.report(),
        queued.index,
        keccak256(&args.raw),
        config.forcedDelay
    ))
}

pub(crate) async fn message_proof(args: &ProofArgs, l2: &Endpoint) -> Result<String> {
    let proof = raw_proof(l2, args.hash.hash, Instant::now() + args.wait).await?;
    Ok(format!("{proof:#}"))
}

async fn proof(l2: &Endpoint, hash: B256, deadline: Instant) -> Result<OutboxProof> {
    let mut proofs: Vec<OutboxProof> = serde_json::from_value(raw_proof(l2, hash, deadline).await?)
        .wrap_err("the node's outbox proof is malformed")?;
    ensure!(
        proofs.len() == 1,
        "transaction {hash} sends {} messages to L1, and only single withdrawals are claimed here",
        proofs.len()
    );
    proofs.pop().ok_or_eyre("one proof was counted")
}

/// The proofs of a transaction's messages, once L1 has settled its block.
async fn raw_proof(l2: &Endpoint, hash: B256, deadline: Instant) -> Result<Value> {
    loop {
        let request = async {
            l2.provider().raw_request::<_, Value>("nr_getOutboxProof".into(), (hash,)).await
        };
        let proofs = l2.ask("ask for the outbox proof", request).await?;
        if proofs.as_array().is_some_and(Vec::is_empty) {
            bail!("transaction {hash} sends no message to L1");
        }
        if !proofs.is_null() {
            return Ok(proofs);
        }
        ensure!(
            Instant::now() < deadline,
            "transaction {hash} is unknown or L1 has not settled it yet; try again later or with --wait SECONDS"
        );
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use alloy_json_abi::JsonAbi;
    use alloy_sol_types::SolError;

    use super::*;

    /// What a compiled contract has.
    fn abi(json: &str) -> JsonAbi {
        let artifact: Value = serde_json::from_str(json).unwrap();
        serde_json::from_value(artifact["abi"].clone()).unwrap()
    }

    #[track_caller]
    fn check(abi: &JsonAbi, calls: &[[u8; 4]], errors: &[[u8; 4]], events: &[[u8; 32]]) {
        let has: HashSet<_> = abi.functions().map(|function| function.selector().0).collect();
        assert!(calls.iter().all(|call| has.contains(call)), "a function is not as bound");
        let has: HashSet<_> = abi.errors().map(|error| error.selector().0).collect();
        assert!(errors.iter().all(|error| has.contains(error)), "an error is not as bound");
        let has: HashSet<_> = abi.events().map(|event| event.selector().0).collect();
        assert!(events.iter().all(|event| has.contains(event)), "an event is not as bound");
    }

    #[test]
    fn the_contracts_are_as_bound() {
        use NativeMessenger::{NativeMessengerCalls, NativeMessengerEvents};
        use NativeRollup::{NativeRollupCalls, NativeRollupErrors, NativeRollupEvents};
        check(
            &abi(include_str!("../../../contracts/artifacts/NativeRollup.json")),
            NativeRollupCalls::SELECTORS,
            NativeRollupErrors::SELECTORS,
            NativeRollupEvents::SELECTORS,
        );
        check(
            &abi(include_str!("../../../contracts/artifacts/NativeMessenger.json")),
            NativeMessengerCalls::SELECTORS,
            &[],
            NativeMessengerEvents::SELECTORS,
        );
    }

    #[test]
    fn its_errors_are_named() {
        let error = NativeRollup::AlreadyClaimed { index: 4 }.abi_encode();
        let reason = crate::abi::revert_reason(&error);
        assert!(reason.contains("AlreadyClaimed") && reason.contains('4'), "{reason}");
    }
}
