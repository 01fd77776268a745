//! The Engine API, case by case: statuses, codes and what they leave behind.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod building;
mod data;
mod fork_choice;
mod reorgs;
mod world;

use alloy_primitives::B256;
use serde_json::{Value, json};
use world::{Node, SLOT, Until, ZERO, check_invalid, choice, hash, syncing, valid};

const INVALID_PARAMS: i32 = -32_602;
const UNKNOWN_PAYLOAD: i32 = -38_001;
const FORK_CHOICE: i32 = -38_002;
const ATTRIBUTES: i32 = -38_003;
const TOO_LARGE: i32 = -38_004;
const UNSUPPORTED_FORK: i32 = -38_005;
const TOO_DEEP_REORG: i32 = -38_006;

/// A block whose state root is wrong, on the parent of `offer`, with the right hash for its content.
fn lie(offer: &[Value]) -> Vec<Value> {
    let mut lie = offer.to_vec();
    lie[0]["stateRoot"] = json!(B256::repeat_byte(1));
    rehash(lie)
}

/// Gives a changed payload the hash of its content.
fn rehash(mut offer: Vec<Value>) -> Vec<Value> {
    let node = Node::new(Until::Osaka);
    let status = node.offer(&offer);
    let told = status["validationError"].as_str().unwrap();
    let content = told.rsplit_once("gives ").unwrap().1;
    offer[0]["blockHash"] = json!(content);
    offer
}

fn at(node: &Node, number: u64) -> B256 {
    node.chain.storage().canonical_hash(number).unwrap().unwrap()
}

#[test]
fn every_fork_builds_imports_and_follows() {
    for until in [
        Until::Paris,
        Until::Shanghai,
        Until::Cancun,
        Until::Prague,
        Until::Osaka,
        Until::Amsterdam,
    ] {
        let (ours, theirs) = (Node::new(until), Node::new(until));
        assert_eq!(ours.head(), theirs.head());
        for offer in ours.grow(ours.head(), 1, 3) {
            assert_eq!(theirs.offer(&offer), valid(hash(&offer)), "{until:?}");
            assert_eq!(theirs.follow(hash(&offer)), valid(hash(&offer)));
        }
        assert_eq!(ours.head(), theirs.head(), "{until:?}");
        assert_eq!(theirs.chain.head().number, 3);
    }
}

#[test]
fn what_waits_for_its_parents_is_judged_when_they_are_here() {
    let (ours, theirs) = (Node::new(Until::Osaka), Node::new(Until::Osaka));
    let offers = ours.grow(ours.head(), 1, 5);
    for offer in [&offers[3], &offers[2], &offers[1]] {
        assert_eq!(theirs.offer(offer), syncing());
        assert_eq!(theirs.follow(hash(offer)), syncing());
    }
    assert_eq!(theirs.chain.head().number, 0);
    assert_eq!(theirs.offer(&offers[0]), valid(hash(&offers[0])));
    // Without another word about the three that waited.
    assert_eq!(theirs.offer(&offers[4]), valid(hash(&offers[4])));
    assert_eq!(theirs.follow(hash(&offers[4])), valid(hash(&offers[4])));
    assert_eq!(theirs.chain.head().number, 5);
}

#[test]
fn a_block_that_lies_is_invalid_and_so_is_all_that_stands_on_it() {
    let (ours, theirs) = (Node::new(Until::Osaka), Node::new(Until::Osaka));
    let offers = ours.grow(ours.head(), 1, 2);
    assert_eq!(theirs.offer(&offers[0]), valid(hash(&offers[0])));
    theirs.follow(hash(&offers[0]));
    let bad = lie(&offers[1]);
    let good = Some(hash(&offers[0]));
    for _ in 0..2 {
        check_invalid(&theirs.offer(&bad), good);
        check_invalid(&theirs.follow(hash(&bad)), good);
    }
    // Children that nobody has seen, one on the other.
    let mut parent = hash(&bad);
    for _ in 0..3 {
        let mut child = offers[1].clone();
        child[0]["parentHash"] = json!(parent);
        let child = rehash(child);
        parent = hash(&child);
        check_invalid(&theirs.offer(&child), good);
        check_invalid(&theirs.follow(parent), good);
    }
    assert_eq!(theirs.head(), hash(&offers[0]), "the head has not moved");
    assert_eq!(theirs.offer(&offers[1]), valid(hash(&offers[1])), "the honest one is still valid");
}

#[test]
fn children_that_came_first_are_invalid_once_their_parent_is() {
    let (ours, theirs) = (Node::new(Until::Osaka), Node::new(Until::Osaka));
    let offers = ours.grow(ours.head(), 1, 2);
    let bad = lie(&offers[0]);
    let mut child = offers[1].clone();
    child[0]["parentHash"] = json!(hash(&bad));
    let child = rehash(child);
    assert_eq!(theirs.offer(&child), syncing());
    check_invalid(&theirs.offer(&bad), Some(theirs.head()));
    check_invalid(&theirs.follow(hash(&child)), Some(theirs.head()));
    check_invalid(&theirs.offer(&child), Some(theirs.head()));
}

#[test]
fn a_payload_with_another_hash_is_no_block() {
    for until in [Until::Paris, Until::Shanghai, Until::Osaka] {
        let node = Node::new(until);
        let mut offer = node.offer_of(&node.build(node.head(), 1));
        offer[0]["blockHash"] = json!(B256::repeat_byte(9));
        let status = node.offer(&offer);
        let want = if until == Until::Paris { "INVALID_BLOCK_HASH" } else { "INVALID" };
        assert_eq!(status["status"], want, "{until:?}");
        assert_eq!(status["latestValidHash"], Value::Null);
    }
}

#[test]
fn a_transaction_that_does_not_decode_makes_no_block() {
    let node = Node::new(Until::Osaka);
    let mut offer = node.offer_of(&node.build(node.head(), 1));
    for raw in ["0x", "0x00", "0xc0", "0x02c0", "0x7f00"] {
        offer[0]["transactions"] = json!([raw]);
        check_invalid(&node.offer(&offer), None);
    }
}

#[test]
fn blobs_must_be_those_the_consensus_client_expects() {
    let node = Node::new(Until::Osaka);
    let blob = node.blob(0, b"hello");
    let built = node.build(node.head(), 1);
    assert_eq!(built["blobsBundle"]["blobs"].as_array().unwrap().len(), 1);
    assert_eq!(built["blobsBundle"]["proofs"].as_array().unwrap().len(), 128);
    let offer = node.offer_of(&built);
    assert_eq!(offer[1], json!([blob]));
    for wrong in [json!([]), json!([blob, blob]), json!([B256::repeat_byte(1)])] {
        let mut wrong_offer = offer.clone();
        wrong_offer[1] = wrong;
        check_invalid(&node.offer(&wrong_offer), None);
    }
    assert_eq!(node.offer(&offer), valid(hash(&offer)));
}

#[test]
fn versions_and_forks_must_fit() {
    for until in [Until::Shanghai, Until::Cancun, Until::Prague, Until::Osaka, Until::Amsterdam] {
        let node = Node::new(until);
        let built = node.build(node.head(), 1);
        let (new, _, get) = until.versions();
        // What each version wants is there, so that only the fork is wrong.
        for version in 2..=5 {
            let mut offer = node.offer_of(&built);
            let payload = offer[0].as_object_mut().unwrap();
            if version < 3 {
                payload.remove("blobGasUsed");
                payload.remove("excessBlobGas");
            } else {
                payload.entry("blobGasUsed").or_insert(json!("0x0"));
                payload.entry("excessBlobGas").or_insert(json!("0x0"));
            }
            if version < 5 {
                payload.remove("blockAccessList");
                payload.remove("slotNumber");
            } else {
                payload.entry("blockAccessList").or_insert(json!("0xc0"));
                payload.entry("slotNumber").or_insert(json!("0x1"));
            }
            let beside = [json!([]), json!(ZERO), json!([])];
            offer.truncate(1);
            offer.extend(beside.into_iter().take(match version {
                2 => 0,
                3 => 2,
                _ => 3,
            }));
            if version != new {
                let method = format!("engine_newPayloadV{version}");
                assert_eq!(node.code(&method, offer), UNSUPPORTED_FORK, "{until:?} {method}");
            }
        }
        let id = {
            let attributes = node.attributes(node.chain.head().timestamp + SLOT, 2);
            let params = vec![choice(node.head(), ZERO, ZERO), attributes];
            node.get(&node.fork_choice_method(), params)["payloadId"].clone()
        };
        for version in (1..=6).filter(|version| *version != get) {
            let method = format!("engine_getPayloadV{version}");
            assert_eq!(
                node.code(&method, vec![id.clone()]),
                UNSUPPORTED_FORK,
                "{until:?} {method}"
            );
        }
    }
}

#[test]
fn parameters_of_new_payload_must_be_whole() {
    let node = Node::new(Until::Osaka);
    let offer = node.offer_of(&node.build(node.head(), 1));
    for field in ["withdrawals", "blobGasUsed", "excessBlobGas", "stateRoot", "timestamp"] {
        let mut without = offer.clone();
        without[0].as_object_mut().unwrap().remove(field);
        assert_eq!(node.offer_code(&without), INVALID_PARAMS, "{field}");
    }
    for field in ["blockAccessList", "slotNumber"] {
        let mut with = offer.clone();
        with[0][field] = json!("0x01");
        assert_eq!(node.offer_code(&with), INVALID_PARAMS, "{field}");
    }
    for index in 0..4 {
        let mut without = offer.clone();
        without[index] = Value::Null;
        assert_eq!(node.offer_code(&without), INVALID_PARAMS, "{index}");
    }
    let mut more = offer;
    more.push(json!("0x"));
    assert_eq!(node.offer_code(&more), INVALID_PARAMS);

    let node = Node::new(Until::Shanghai);
    let offer = node.offer_of(&node.build(node.head(), 1));
    let mut without = offer.clone();
    without[0].as_object_mut().unwrap().remove("withdrawals");
    assert_eq!(node.offer_code(&without), INVALID_PARAMS);
    let mut with = offer.clone();
    with[0]["blobGasUsed"] = json!("0x0");
    assert_eq!(node.offer_code(&with), INVALID_PARAMS);
    assert_eq!(node.code("engine_newPayloadV1", offer), INVALID_PARAMS);

    let node = Node::new(Until::Amsterdam);
    let offer = node.offer_of(&node.build(node.head(), 1));
    for field in ["blockAccessList", "slotNumber"] {
        let mut without = offer.clone();
        without[0].as_object_mut().unwrap().remove(field);
        assert_eq!(node.offer_code(&without), INVALID_PARAMS, "{field}");
    }
}

#[test]
fn requests_must_be_in_order_and_have_content() {
    let node = Node::new(Until::Osaka);
    let mut offer = node.offer_of(&node.build(node.head(), 1));
    for bad in [
        json!(["0x"]),
        json!(["0x00"]),
        json!(["0x0101", "0x0001"]),
        json!(["0x0101", "0x0102"]),
        json!(["0x0001", "0x01"]),
        json!("0x"),
    ] {
        offer[3] = bad.clone();
        assert_eq!(node.offer_code(&offer), INVALID_PARAMS, "{bad}");
    }
    // In order, but not those of the block.
    offer[3] = json!(["0x0001"]);
    check_invalid(&node.offer(&offer), None);
}

#[test]
fn a_wrong_access_list_is_invalid() {
    let node = Node::new(Until::Amsterdam);
    let (offer, parent) = (node.offer_of(&node.build(node.head(), 1)), node.head());
    for list in ["0xc0", "0x", "0xff"] {
        let mut wrong = offer.clone();
        wrong[0]["blockAccessList"] = json!(list);
        check_invalid(&node.offer(&wrong), None);
        let told = node.offer(&wrong)["validationError"].as_str().unwrap().to_owned();
        wrong[0]["blockHash"] = json!(told.rsplit_once("gives ").unwrap().1);
        check_invalid(&node.offer(&wrong), Some(parent));
    }
    assert_eq!(node.offer(&offer), valid(hash(&offer)));
}

/// Flushing is done by a thread of its own.
fn wait_for_states_from(node: &Node, height: u64) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while node.chain.storage().earliest_state().number < height {
        assert!(std::time::Instant::now() < deadline, "states are flushed");
        std::thread::yield_now();
    }
}
