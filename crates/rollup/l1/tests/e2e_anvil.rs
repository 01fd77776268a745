//! The sender against anvil, a node that is not ours. Skipped where `contracts/node_modules` has no anvil.

use std::{sync::Arc, time::Duration};

use alloy_eips::eip4844::Blob;
use alloy_primitives::{B256, Bytes, hex};
use alloy_provider::Provider;
use ethrex_l1::{
    Client, MemoryOutbox, Outbox, Outcome, Policy, Purpose, Sender, SenderConfig, Sidecar,
    TxRequest, testing::Anvil,
};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

/// The first account of anvil's well-known mnemonic.
const KEY: &str = "0xac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
/// Creates a contract that logs the first blob hash of a call, and reverts without one.
const BLOB_LOGGER: [u8; 22] = hex!("6d5f498060095 75f5ffd5b5f5fa1005f52600e6012f3");

/// A client whose first endpoint does not answer.
fn client(anvil: &Anvil) -> Client {
    let nobody = "http://127.0.0.1:9".parse().expect("a fixed address");
    Client::connect(&[nobody, anvil.endpoint().clone()]).expect("an HTTP client")
}

#[tokio::test]
async fn e2e_plain_and_blob_transactions_and_reverts_on_anvil() {
    let Some(anvil) = Anvil::start(&[]) else { return };
    let client = client(&anvil);
    let every = Duration::from_millis(50);
    let config = SenderConfig { policy: Policy::dev(), every };
    let outbox: Arc<MemoryOutbox> = Arc::default();
    let (sender, task) = Sender::new(client.clone(), KEY.parse().unwrap(), outbox, config);
    let stop = CancellationToken::new();
    let task = tokio::spawn(task.run(stop.clone()));
    let submit = async |name: &'static str, request| {
        sender.submit(Purpose::new(name), request).await.unwrap().await.unwrap()
    };

    let Outcome::Mined(created) = submit("create", TxRequest::create(BLOB_LOGGER.to_vec())).await
    else {
        panic!("the contract is created")
    };
    let contract = created.created.unwrap();
    assert_eq!(client.code(contract).await.unwrap().len(), 14);

    let without = TxRequest::call(contract, Bytes::new());
    let refused = submit("without a blob", without.clone()).await;
    assert!(matches!(refused, Outcome::WouldRevert(_)), "{refused:?}");

    let forced = TxRequest { gas_limit: Some(100_000), ..without.clone() };
    let reverted = submit("without a blob, unchecked", forced).await;
    assert!(matches!(reverted, Outcome::Reverted(..)), "{reverted:?}");

    let sidecar = Sidecar::new(&Blob::ZERO).unwrap();
    let hash = sidecar.versioned_hash();
    let outcome = submit("with a blob", without.blob(sidecar)).await;
    let Outcome::Mined(mined) = outcome else { panic!("{outcome:?}") };
    let receipt = client.provider().get_transaction_receipt(mined.tx).await.unwrap().unwrap();
    let logged: Vec<B256> = receipt.logs()[0].topics().to_vec();
    assert_eq!(logged, [hash]);

    stop.cancel();
    task.await.unwrap().unwrap();
}

#[tokio::test]
async fn e2e_a_stuck_blob_transaction_is_replaced_on_anvil() {
    let Some(anvil) = Anvil::start(&[]) else { return };
    let client = client(&anvil);
    let provider = client.provider();
    let policy = Policy { patience: Duration::from_millis(100), ..Policy::dev() };
    let config = SenderConfig { policy, every: Duration::from_millis(50) };
    let outbox: Arc<MemoryOutbox> = Arc::default();
    let (sender, task) = Sender::new(client.clone(), KEY.parse().unwrap(), outbox.clone(), config);
    let from = sender.address();
    let stop = CancellationToken::new();
    let task = tokio::spawn(task.run(stop.clone()));
    let _: Value = provider.raw_request("evm_setAutomine".into(), (false,)).await.unwrap();

    let sidecar = Sidecar::new(&Blob::ZERO).unwrap();
    let request = TxRequest::call(from, Bytes::new()).blob(sidecar);
    let pending = sender.submit(Purpose::new("stuck"), request).await.unwrap();
    tokio::pin!(pending);
    while client.pending_nonce(from).await.unwrap() == 0 {
        tokio::task::yield_now().await;
    }
    // Blocks come, but their base fee is above what the first attempt offers, until it is replaced.
    let outcome = loop {
        let fee = "0x12a05f2000"; // 80 gwei
        let _: Value =
            provider.raw_request("anvil_setNextBlockBaseFeePerGas".into(), (fee,)).await.unwrap();
        let _: Value = provider.raw_request("evm_mine".into(), ()).await.unwrap();
        match tokio::time::timeout(Duration::from_millis(100), &mut pending).await {
            Ok(outcome) => break outcome.unwrap(),
            Err(_) => continue,
        }
    };
    let Outcome::Mined(mined) = outcome else { panic!("{outcome:?}") };
    let entry = outbox.find(31_337, &Purpose::new("stuck")).unwrap().unwrap();
    assert!(
        entry.hashes.len() > 1 && entry.hashes[1..].contains(&mined.tx),
        "a replacement is mined"
    );
    assert_eq!(client.mined_nonce(from).await.unwrap(), 1);
    stop.cancel();
    task.await.unwrap().unwrap();
}
