//! Blocks on demand.

use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, TxKind, hex};
use ethrex_rpc::{Gate, Namespaces, ServerConfig};
use serde_json::{Value, json};

use crate::world::{REVERTER, World};

async fn offering() -> World {
    let http = Gate { namespaces: Namespaces::only(["eth", "testing"]), ..Gate::open() };
    World::with(|config| ServerConfig { http: Some(http), ..config }).await
}

fn asked(world: &World, transactions: &Value) -> Value {
    let head = world.chain.head();
    let attributes = json!({
        "timestamp": format!("{:#x}", head.timestamp + 12),
        "prevRandao": B256::ZERO,
        "suggestedFeeRecipient": Address::repeat_byte(0xfe),
        "withdrawals": [],
        "parentBeaconBlockRoot": B256::ZERO,
    });
    json!([head.hash(), attributes, transactions, "0x74657374"])
}

#[tokio::test]
async fn a_block_has_exactly_the_transactions_that_are_given_and_changes_nothing() {
    let world = offering().await;
    let waiting = world.raw(0, Address::repeat_byte(0xaa), 1);
    world.get("eth_sendRawTransaction", json!([waiting])).await;
    let mine = |nonce: u64| world.raw(nonce, Address::repeat_byte(0xbb), 7);
    let reverting =
        hex::encode_prefixed(world.sign(2, TxKind::Call(REVERTER), 0, Bytes::new()).encoded_2718());
    let given = json!([mine(0), mine(1), reverting]);
    let built = world.get("testing_buildBlockV1", asked(&world, &given)).await;
    let payload = &built["executionPayload"];
    assert_eq!(payload["transactions"], given);
    assert_eq!(payload["extraData"], "0x74657374");
    assert_eq!(payload["blockNumber"], "0x1");
    assert_ne!(built["blockValue"], "0x0");

    let empty = world.get("testing_buildBlockV1", asked(&world, &json!([]))).await;
    assert_eq!(empty["executionPayload"]["transactions"], json!([]));
    let pooled = world.get("testing_buildBlockV1", asked(&world, &Value::Null)).await;
    assert_eq!(pooled["executionPayload"]["transactions"], json!([waiting]));
    assert_eq!(world.get("eth_blockNumber", json!([])).await, "0x0");
}

#[tokio::test]
async fn a_transaction_that_cannot_stand_in_its_place_is_an_error() {
    let world = offering().await;
    let tx = |nonce| world.raw(nonce, Address::repeat_byte(0xaa), 1);
    let (code, message) =
        world.error("testing_buildBlockV1", asked(&world, &json!([tx(0), tx(2)]))).await;
    assert_eq!(code, -32_000);
    assert!(message.starts_with("transaction 1 cannot be included"), "{message}");
    let mut late = asked(&world, &json!([]));
    late[1]["slotNumber"] = json!("0x1");
    assert_eq!(world.error("testing_buildBlockV1", late).await.0, -32_602);
    let mut past = asked(&world, &json!([]));
    past[1]["timestamp"] = json!("0x0");
    assert_eq!(world.error("testing_buildBlockV1", past).await.0, -32_602);
    let mut unknown = asked(&world, &json!([]));
    unknown[0] = json!(B256::repeat_byte(1));
    assert_eq!(world.error("testing_buildBlockV1", unknown).await.0, -32_000);
}

#[tokio::test]
async fn nobody_gets_blocks_on_demand_where_the_namespace_is_not_named() {
    let world = World::new().await;
    assert_eq!(world.error("testing_buildBlockV1", asked(&world, &json!([]))).await.0, -32_601);
    assert!(world.get("rpc_modules", json!([])).await.get("testing").is_none());
}
