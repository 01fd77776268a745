//! Transactions that the node completes, signs and sends for its callers.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use alloy_eips::eip2718::Decodable2718 as _;
use alloy_primitives::{Address, B256, Bytes, Signature, hex};
use ethrex_rpc::{Accounts, ApiConfig};
use ethrex_types::PooledTx;
use futures::future::join_all;
use serde_json::{Value, json};

use crate::{
    keys,
    world::{COUNTER, REVERTER, World},
};

const FRIEND: Address = Address::repeat_byte(0xaa);

/// A node that signs for the only account with funds, and one without.
async fn signing() -> World {
    World::with_api(with_accounts).await
}

fn with_accounts(config: ApiConfig) -> ApiConfig {
    let accounts = Accounts::new([7, 8].map(B256::repeat_byte)).unwrap();
    ApiConfig { coinbase: Some(FRIEND), accounts, ..config }
}

fn decoded(raw: &Value) -> PooledTx {
    PooledTx::decode_2718_exact(&hex::decode(raw.as_str().unwrap()).unwrap()).unwrap()
}

#[tokio::test]
async fn a_node_signs_for_nobody_unless_told_so() {
    let world = World::new().await;
    assert_eq!(world.get("eth_accounts", json!([])).await, json!([]));
    let unknown = (-32_000, "unknown account".to_owned());
    let request = json!([{"from": world.sender(), "to": FRIEND}]);
    assert_eq!(world.error("eth_sendTransaction", request.clone()).await, unknown);
    assert_eq!(world.error("eth_signTransaction", request).await, unknown);
    assert_eq!(world.error("eth_sign", json!([world.sender(), "0x00"])).await, unknown);
    let none = (-32_000, "etherbase must be explicitly specified".to_owned());
    assert_eq!(world.error("eth_coinbase", json!([])).await, none);

    let world = signing().await;
    let accounts = world.get("eth_accounts", json!([])).await;
    assert_eq!(
        (accounts[0].clone(), accounts.as_array().unwrap().len()),
        (json!(world.sender()), 2)
    );
    assert_eq!(
        world.error("eth_sendTransaction", json!([{"from": FRIEND, "to": FRIEND}])).await,
        unknown
    );
    assert_eq!(world.error("eth_sendTransaction", json!([{"to": FRIEND}])).await, unknown);
    assert_eq!(world.get("eth_coinbase", json!([])).await, json!(FRIEND));
}

#[tokio::test]
async fn a_message_is_signed_as_eip_191_says() {
    let world = signing().await;
    let signed = world.get("eth_sign", json!([world.sender(), "0xdeadbeef"])).await;
    let signature = hex::decode(signed.as_str().unwrap()).unwrap();
    assert_eq!(signature.len(), 65);
    let signature = Signature::from_raw(&signature).unwrap();
    let message = hex!("deadbeef");
    assert_eq!(signature.recover_address_from_msg(message).unwrap(), world.sender());
}

#[tokio::test]
async fn what_is_left_open_is_filled_in() {
    let world = signing().await;
    let request = json!([{"from": world.sender(), "to": COUNTER, "value": "0x5"}]);
    let filled = world.get("eth_fillTransaction", request.clone()).await;
    let tx = &filled["tx"];
    assert_eq!(
        keys(tx),
        [
            "accessList",
            "chainId",
            "gas",
            "gasPrice",
            "input",
            "maxFeePerGas",
            "maxPriorityFeePerGas",
            "nonce",
            "to",
            "type",
            "value"
        ]
    );
    assert_eq!(tx["type"], "0x2");
    assert_eq!(
        (&tx["chainId"], &tx["nonce"], &tx["value"]),
        (&json!("0x9"), &json!("0x0"), &json!("0x5"))
    );
    let base = u128::from(world.chain.head().base_fee_per_gas.unwrap());
    let tip = world.get("eth_maxPriorityFeePerGas", json!([])).await;
    assert_eq!(tx["maxPriorityFeePerGas"], tip);
    let tip = u128::from_str_radix(tip.as_str().unwrap().trim_start_matches("0x"), 16).unwrap();
    assert_eq!(tx["maxFeePerGas"], format!("{:#x}", tip + 2 * base));
    assert_eq!(tx["gas"], world.get("eth_estimateGas", request).await);

    // What is given stays, and decides the type.
    let given = json!([{
        "from": world.sender(), "to": FRIEND, "nonce": "0x7", "gas": "0x5300", "gasPrice": "0x77359400", "input": "0x01"
    }]);
    let tx = world.get("eth_fillTransaction", given).await["tx"].clone();
    assert_eq!(keys(&tx), ["chainId", "gas", "gasPrice", "input", "nonce", "to", "type", "value"]);
    assert_eq!(
        (&tx["type"], &tx["nonce"], &tx["gas"]),
        (&json!("0x0"), &json!("0x7"), &json!("0x5300"))
    );
    let listed = json!([{
        "from": world.sender(), "to": FRIEND, "gasPrice": "0x77359400", "accessList": [{"address": COUNTER, "storageKeys": []}]
    }]);
    assert_eq!(world.get("eth_fillTransaction", listed).await["tx"]["type"], "0x1");
}

#[tokio::test]
async fn a_filled_transaction_can_be_signed_and_sent() {
    let world = signing().await;
    let request = json!([{"from": world.sender(), "to": COUNTER}]);
    let signed = world.get("eth_signTransaction", request.clone()).await;
    let tx = decoded(&signed["raw"]);
    assert_eq!(signed["tx"]["hash"], json!(tx.tx_hash()));
    assert_eq!(signed["tx"]["yParity"], signed["tx"]["v"]);
    assert_eq!(
        world.get("eth_sendRawTransaction", json!([signed["raw"]])).await,
        json!(tx.tx_hash())
    );
    // The pool has the first nonce now.
    let sent = world.get("eth_sendTransaction", request).await;
    world.mine();
    for hash in [json!(tx.tx_hash()), sent.clone()] {
        let receipt = world.get("eth_getTransactionReceipt", json!([hash])).await;
        assert_eq!((&receipt["status"], &receipt["from"]), (&json!("0x1"), &json!(world.sender())));
    }
    assert_eq!(world.get("eth_getTransactionByHash", json!([sent])).await["nonce"], "0x1");
}

#[tokio::test]
async fn callers_at_the_same_time_get_different_nonces() {
    let world = signing().await;
    let request = json!([{"from": world.sender(), "to": FRIEND, "value": "0x1"}]);
    let sends = (0..12).map(|_| world.get("eth_sendTransaction", request.clone()));
    let mut hashes: Vec<_> = join_all(sends).await.iter().map(Value::to_string).collect();
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), 12);
    world.mine();
    assert_eq!(world.get("eth_getBalance", json!([FRIEND])).await, "0xc");
}

/// The commitment to a blob of zeros, and all its proofs, are the point at infinity.
fn infinity() -> String {
    format!("0xc0{}", "00".repeat(47))
}

/// Fills in and sends blobs of zeros; `proofs` for each is what its fork wants.
async fn takes_blobs(world: &World, proofs: usize) {
    let (from, blob) = (world.sender(), Bytes::from(vec![0; 131_072]));
    let request = json!([{"from": from, "to": FRIEND, "blobs": [blob], "gas": "0x5208"}]);
    let filled = world.get("eth_fillTransaction", request.clone()).await;
    let tx = &filled["tx"];
    assert_eq!((&tx["type"], &tx["blobs"]), (&json!("0x3"), &json!([blob])));
    assert_eq!(tx["commitments"], json!([infinity()]));
    assert_eq!(tx["proofs"], json!(vec![infinity(); proofs]));
    assert_eq!(tx.get("cellProofs"), None);
    assert_eq!(tx["blobVersionedHashes"].as_array().unwrap().len(), 1);
    assert_eq!(tx["maxFeePerBlobGas"], "0x2");

    let hash = world.get("eth_sendTransaction", request).await;
    let pending = world.get("eth_getTransactionByHash", json!([hash])).await;
    assert_eq!(pending["blobVersionedHashes"], tx["blobVersionedHashes"]);
    // As a wallet gives them that has computed all.
    let complete = |proofs: usize, commitment: String| {
        json!([{
            "from": from, "to": FRIEND, "gas": "0x5208",
            "blobs": [blob], "commitments": [commitment], "proofs": vec![infinity(); proofs],
        }])
    };
    let again = world.get("eth_signTransaction", complete(proofs, infinity())).await;
    assert_eq!(again["tx"]["proofs"], tx["proofs"]);
    let sent = world.get("eth_sendRawTransaction", json!([again["raw"]])).await;
    assert_eq!(sent, again["tx"]["hash"]);
    // Those of the other fork, and such as are of other blobs.
    let other = if proofs == 1 { 128 } else { 1 };
    let (code, why) = world.error("eth_signTransaction", complete(other, infinity())).await;
    assert!(code == -32_000 && why.contains(&format!("{other} proofs for 1 hashes")), "{why}");
    let generator = "0x97f1d3a73197d7942695638c4fa9ac0fc3688c4f9774b905a14e3a3f171bac586c55e83ff97a1aeffb3af00adb22c6bb";
    let (code, why) = world.error("eth_signTransaction", complete(proofs, generator.into())).await;
    assert_eq!((code, why.as_str()), (-32_000, "invalid KZG proof"));
}

#[tokio::test]
async fn blobs_get_their_commitments_proofs_and_hashes() {
    takes_blobs(&signing().await, 1).await;
}

#[tokio::test]
async fn since_osaka_each_cell_of_a_blob_gets_a_proof() {
    takes_blobs(&World::of_osaka(with_accounts).await, 128).await;
}

#[tokio::test]
async fn an_unsigned_transaction_is_encoded_with_zeros_for_its_signature() {
    let world = signing().await;
    let fields = json!({"to": FRIEND, "nonce": "0x1", "gas": "0x5208", "value": "0x2"});
    let with = |name: &str, value: &str| {
        let mut fields = fields.clone();
        fields[name] = json!(value);
        json!([fields])
    };
    let legacy = world.get("eth_fillTransaction", with("gasPrice", "0x3")).await;
    let to = hex::encode(FRIEND);
    // A list of nonce, price, gas, receiver, value, input, and three times nothing.
    assert_eq!(legacy["raw"], format!("0xdf010382520894{to}0280808080"));
    let mut dynamic = with("maxFeePerGas", "0x3");
    dynamic[0]["maxPriorityFeePerGas"] = json!("0x1");
    let dynamic = world.get("eth_fillTransaction", dynamic).await;
    assert_eq!(dynamic["raw"], format!("0x02e20901010382520894{to}0280c0808080"));
}

#[tokio::test]
async fn what_makes_no_transaction_is_refused() {
    let world = signing().await;
    let from = world.sender();
    let hash = B256::repeat_byte(1);
    let blob = Bytes::from(vec![0; 131_072]);
    let bad_blob = Bytes::from(vec![0xff; 131_072]);
    let auth = json!([{"chainId": "0x9", "address": FRIEND, "nonce": "0x0", "yParity": "0x0", "r": "0x1", "s": "0x1"}]);
    for (request, code, message) in [
        (json!({"from": from}), -32_000, "contract creation without any data provided"),
        (
            json!({"to": FRIEND, "chainId": "0x1"}),
            -32_000,
            "chainId does not match node's (have=1, want=9)",
        ),
        (
            json!({"to": FRIEND, "input": "0x01", "data": "0x02"}),
            -32_000,
            "both \"data\" and \"input\" are set and not equal",
        ),
        (
            json!({"to": FRIEND, "gasPrice": "0x1", "maxFeePerGas": "0x1"}),
            -32_000,
            "both gasPrice and (maxFeePerGas",
        ),
        (json!({"to": FRIEND, "gasPrice": "0x0"}), -32_000, "gasPrice must be non-zero"),
        (
            json!({"to": FRIEND, "maxFeePerGas": "0x0", "maxPriorityFeePerGas": "0x0"}),
            -32_000,
            "maxFeePerGas must be non-zero",
        ),
        (
            json!({"to": FRIEND, "maxFeePerGas": "0x1", "maxPriorityFeePerGas": "0x2"}),
            -32_000,
            "maxFeePerGas (1) < maxPriorityFeePerGas (2)",
        ),
        (json!({"blobVersionedHashes": [hash]}), -32_000, "missing \"to\" in blob transaction"),
        (json!({"to": FRIEND, "blobVersionedHashes": []}), -32_000, "need at least 1 blob"),
        (json!({"to": FRIEND, "blobs": []}), -32_000, "need at least 1 blob"),
        (
            json!({"to": FRIEND, "blobVersionedHashes": vec![hash; 7]}),
            -32_000,
            "too many blobs in transaction (have=7, max=6)",
        ),
        (
            json!({"to": FRIEND, "blobVersionedHashes": [hash], "maxFeePerBlobGas": "0x0"}),
            -32_000,
            "maxFeePerBlobGas must be non-zero",
        ),
        (
            json!({"to": FRIEND, "blobVersionedHashes": [hash], "gasPrice": "0x1"}),
            -32_000,
            "gasPrice is not valid",
        ),
        (
            json!({"to": FRIEND, "blobVersionedHashes": [hash], "blobs": [blob]}),
            -32_000,
            "blob hash verification failed",
        ),
        (json!({"to": FRIEND, "blobs": [blob], "commitments": []}), -32_000, "blobs need both"),
        (json!({"to": FRIEND, "proofs": []}), -32_000, "blobs need both"),
        (
            json!({"to": FRIEND, "blobs": [bad_blob]}),
            -32_000,
            "a blob has an element that is not below",
        ),
        (json!({"to": FRIEND, "blobs": ["0x00"]}), -32_602, "invalid argument 0"),
        (
            json!({"to": FRIEND, "blobs": [blob], "commitments": [], "proofs": []}),
            -32_000,
            "1 blobs, 0 commitments and 0 proofs",
        ),
        (
            json!({"to": FRIEND, "blobs": [blob], "commitments": "x", "proofs": []}),
            -32_602,
            "invalid argument 0",
        ),
        (
            json!({"to": FRIEND, "blobVersionedHashes": [hash], "authorizationList": auth}),
            -32_000,
            "a transaction cannot have both",
        ),
        (json!({"authorizationList": auth}), -32_000, "missing \"to\" in set code transaction"),
        (json!({"to": "x"}), -32_602, "invalid argument 0"),
        (json!([]), -32_602, "invalid argument 0"),
        (json!({"from": from, "to": REVERTER}), 3, "execution reverted: user error"),
        (
            json!({"from": Address::repeat_byte(9), "to": FRIEND, "value": "0x1"}),
            -32_000,
            "insufficient funds",
        ),
    ] {
        let (got, said) = world.error("eth_fillTransaction", json!([request])).await;
        assert!(got == code && said.starts_with(message), "{request}: {got} {said}");
    }
    let (code, _) = world.error("eth_fillTransaction", json!([])).await;
    assert_eq!(code, -32_602);
    // Nothing of it came into the pool.
    assert_eq!(world.get("txpool_status", json!([])).await["pending"], "0x0");
}
