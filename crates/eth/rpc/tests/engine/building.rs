//! Payloads that are built here: what goes in, and how long they get better.

use alloy_primitives::{Address, U256, hex};
use serde_json::json;

use crate::{
    UNKNOWN_PAYLOAD,
    world::{Node, SLOT, Until, ZERO, choice, hash, valid},
};

#[test]
fn a_payload_takes_what_waits_in_the_pool() {
    let node = Node::new(Until::Osaka);
    for nonce in 0..3 {
        node.transfer(nonce);
    }
    let built = node.build(node.head(), 1);
    let payload = &built["executionPayload"];
    assert_eq!(payload["transactions"].as_array().unwrap().len(), 3);
    assert_eq!(payload["extraData"], hex::encode_prefixed("test"));
    assert_eq!(payload["feeRecipient"], json!(Address::repeat_byte(0xfe)));
    assert_eq!(payload["withdrawals"], json!([]));
    let value: U256 = built["blockValue"].as_str().unwrap().parse().unwrap();
    assert_eq!(value, U256::from(3 * 21_000) * U256::from(1_000_000_000));
    assert_eq!(built["shouldOverrideBuilder"], false);
    assert_eq!(built["executionRequests"], json!([]));
    let offer = node.offer_of(&built);
    assert_eq!(node.offer(&offer), valid(hash(&offer)));
    assert_eq!(node.pool.status().ready, 3, "until it is the head");
    node.follow(hash(&offer));
    assert_eq!(node.pool.status().ready, 0);
}

#[test]
fn a_payload_gets_better_until_it_is_fetched() {
    let node = Node::new(Until::Osaka);
    let head = node.chain.head();
    let attributes = node.attributes(head.timestamp + SLOT, 1);
    let start = || {
        let params = vec![choice(head.hash(), ZERO, ZERO), attributes.clone()];
        node.get(&node.fork_choice_method(), params)["payloadId"].clone()
    };
    let id = start();
    node.transfer(0);
    // The same attributes continue the same payload.
    assert_eq!(start(), id);
    let fetch = || {
        let built = node.get("engine_getPayloadV5", vec![id.clone()]);
        built["executionPayload"]["transactions"].as_array().unwrap().len()
    };
    // The transfer may have come before or after the first attempt; what was fetched does not change any more.
    let count = fetch();
    node.transfer(1);
    assert_eq!(fetch(), count);
    assert_eq!(
        node.code("engine_getPayloadV5", vec![json!("0x0102030405060708")]),
        UNKNOWN_PAYLOAD
    );
}

#[test]
fn an_old_payload_is_forgotten_and_a_new_one_is_not() {
    let node = Node::new(Until::Osaka);
    let head = node.chain.head();
    let start = |salt| {
        let attributes = node.attributes(head.timestamp + SLOT, salt);
        let params = vec![choice(head.hash(), ZERO, ZERO), attributes];
        node.get(&node.fork_choice_method(), params)["payloadId"].clone()
    };
    let ids: Vec<_> = (0..40).map(start).collect();
    assert_eq!(node.code("engine_getPayloadV5", vec![ids[0].clone()]), UNKNOWN_PAYLOAD);
    node.get("engine_getPayloadV5", vec![ids[39].clone()]);
}
