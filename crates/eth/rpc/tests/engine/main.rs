//! The Engine API, case by case: statuses, codes and what they leave behind.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod world;

use alloy_primitives::{Address, B256, U256, hex};
use ethrex_rpc::modules;
use ethrex_storage::{LAYERS_PER_GROUP, STATE_HISTORY, Storage, UNDO_HISTORY};
use serde_json::{Value, json};
use world::{
    BLOB_BYTES, Node, SLOT, Until, ZERO, check_invalid, choice, genesis, hash, syncing, valid,
};

const INVALID_PARAMS: i32 = -32_602;
const UNKNOWN_PAYLOAD: i32 = -38_001;
const FORK_CHOICE: i32 = -38_002;
const ATTRIBUTES: i32 = -38_003;
const TOO_LARGE: i32 = -38_004;
const UNSUPPORTED_FORK: i32 = -38_005;
const TOO_DEEP_REORG: i32 = -38_006;
/// Blocks that leave the chain and blocks that come for them, at most, where these must be executed again.
const MAX_EXECUTED: u64 = 2048;

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
fn blobs_of_the_pool_are_served() {
    let node = Node::new(Until::Osaka);
    let (first, second) = (node.blob(0, b"one"), node.blob(1, b"two"));
    let unknown = B256::repeat_byte(1);
    let all = node.get("engine_getBlobsV2", vec![json!([second, first])]);
    assert_eq!(all.as_array().unwrap().len(), 2);
    assert_eq!(all[0]["proofs"].as_array().unwrap().len(), 128);
    assert_eq!(all[0]["blob"].as_str().unwrap().len(), 2 + 2 * BLOB_BYTES);
    assert_eq!(node.get("engine_getBlobsV2", vec![json!([first, unknown])]), Value::Null);
    let some = node.get("engine_getBlobsV3", vec![json!([first, unknown])]);
    assert_eq!((&some[0], &some[1]), (&all[1], &Value::Null));
    // Cells 0 and 127: the blob's own first cell is its first 2048 bytes.
    let mask = json!("0x80000000000000000000000000000001");
    let cells = node.get("engine_getBlobsV4", vec![json!([first, unknown]), mask]);
    assert_eq!(cells[1], Value::Null);
    assert_eq!(cells[0]["blob_cells"].as_array().unwrap().len(), 2);
    let cell = cells[0]["blob_cells"][0].as_str().unwrap();
    assert_eq!(cell[..4098], all[1]["blob"].as_str().unwrap()[..4098]);
    assert_eq!(cells[0]["proofs"], json!([all[1]["proofs"][0], all[1]["proofs"][127]]));
    let empty =
        node.get("engine_getBlobsV4", vec![json!([]), json!(format!("0x{}", "0".repeat(32)))]);
    assert_eq!(empty, json!([]));
    let many = json!(vec![unknown; 129]);
    assert_eq!(node.code("engine_getBlobsV2", vec![many.clone()]), TOO_LARGE);
    assert_eq!(node.code("engine_getBlobsV3", vec![many]), TOO_LARGE);
    assert_eq!(node.code("engine_getBlobsV1", vec![json!([first])]), UNSUPPORTED_FORK);
    let short = vec![json!([first]), json!("0x01")];
    assert_eq!(node.code("engine_getBlobsV4", short), INVALID_PARAMS);

    let node = Node::new(Until::Prague);
    let first = node.blob(0, b"one");
    let some = node.get("engine_getBlobsV1", vec![json!([unknown, first])]);
    assert_eq!(some[0], Value::Null);
    assert_eq!(some[1]["proof"].as_str().unwrap().len(), 98);
    for method in ["engine_getBlobsV2", "engine_getBlobsV3"] {
        assert_eq!(node.code(method, vec![json!([first])]), UNSUPPORTED_FORK);
    }
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
    let offer = node.offer_of(&node.build(node.head(), 1));
    for list in ["0xc0", "0x", "0xff"] {
        let mut wrong = offer.clone();
        wrong[0]["blockAccessList"] = json!(list);
        check_invalid(&node.offer(&wrong), None);
        let told = node.offer(&wrong)["validationError"].as_str().unwrap().to_owned();
        wrong[0]["blockHash"] = json!(told.rsplit_once("gives ").unwrap().1);
        check_invalid(&node.offer(&wrong), None);
    }
    assert_eq!(node.offer(&offer), valid(hash(&offer)));
}

#[test]
fn safe_and_final_blocks_must_be_ancestors() {
    let node = Node::new(Until::Osaka);
    let fork = node.head();
    let ours = node.grow(fork, 1, 3);
    let side = hash(&node.grow(fork, 2, 1)[0]);
    let (low, high) = (hash(&ours[0]), hash(&ours[2]));
    let method = node.fork_choice_method();
    let unknown = B256::repeat_byte(1);
    for (safe, finalized) in
        [(side, ZERO), (ZERO, side), (unknown, ZERO), (ZERO, unknown), (low, side), (side, low)]
    {
        let before = node.head();
        let params = vec![choice(high, safe, finalized)];
        assert_eq!(node.code(&method, params), FORK_CHOICE);
        assert_eq!(node.head(), before, "nothing has moved");
    }
    node.get(&method, vec![choice(high, low, fork)]);
    assert_eq!(node.chain.storage().safe().unwrap().hash, low);
    assert_eq!(node.chain.storage().finalized().unwrap().hash, fork);
    // Zero leaves what was said before.
    node.get(&method, vec![choice(high, ZERO, ZERO)]);
    assert_eq!(node.chain.storage().safe().unwrap().hash, low);
    assert_eq!(
        node.code(&method, vec![choice(low, high, ZERO)]),
        FORK_CHOICE,
        "not above the head"
    );
    assert_eq!(node.code(&method, vec![choice(ZERO, ZERO, ZERO)]), FORK_CHOICE);
    assert_eq!(node.follow(unknown), syncing());
    assert_eq!(node.code(&method, vec![json!({"headBlockHash": high})]), INVALID_PARAMS);
}

#[test]
fn the_head_moves_back_but_not_below_what_is_final() {
    let node = Node::new(Until::Osaka);
    let offers = node.grow(node.head(), 1, 4);
    let hashes: Vec<_> = offers.iter().map(hash).collect();
    assert_eq!(node.follow(hashes[1]), valid(hashes[1]));
    assert_eq!(node.head(), hashes[1]);
    assert_eq!(node.chain.storage().canonical_hash(3).unwrap(), None);
    assert_eq!(node.follow(hashes[3]), valid(hashes[3]));
    assert_eq!(node.chain.head().number, 4);

    let method = node.fork_choice_method();
    node.get(&method, vec![choice(hashes[3], hashes[2], hashes[2])]);
    let attributes = node.attributes(node.chain.head().timestamp + SLOT, 1);
    let updated = node.get(&method, vec![choice(hashes[0], ZERO, ZERO), attributes]);
    assert_eq!(updated, json!({"payloadStatus": valid(hashes[0]), "payloadId": null}));
    assert_eq!(node.head(), hashes[3], "the head has not moved");
    assert_eq!(node.follow(hashes[2]), valid(hashes[2]));
    assert_eq!(node.head(), hashes[2], "what is final can be the head");
}

#[test]
fn wrong_attributes_do_not_move_the_head_back() {
    let (ours, theirs) = (Node::new(Until::Osaka), Node::new(Until::Osaka));
    let offers = ours.grow(ours.head(), 1, 8);
    let good = theirs.attributes(theirs.chain.head().timestamp + 100 * SLOT, 1);
    let changed = |field: &str, value: Value| {
        let mut attributes = good.clone();
        match value {
            Value::Null => drop(attributes.as_object_mut().unwrap().remove(field)),
            value => attributes[field] = value,
        }
        attributes
    };
    let cases = [
        (changed("timestamp", json!("0x0")), ATTRIBUTES, UNSUPPORTED_FORK),
        (changed("withdrawals", Value::Null), ATTRIBUTES, ATTRIBUTES),
        (changed("parentBeaconBlockRoot", Value::Null), ATTRIBUTES, ATTRIBUTES),
        (changed("slotNumber", json!("0x1")), ATTRIBUTES, UNSUPPORTED_FORK),
    ];
    for ((attributes, v3, v4), offer) in cases.into_iter().zip(&offers) {
        theirs.offer(offer);
        let params = vec![choice(hash(offer), ZERO, ZERO), attributes];
        assert_eq!(theirs.code("engine_forkchoiceUpdatedV3", params.clone()), v3, "{params:?}");
        assert_eq!(theirs.head(), hash(offer), "the head has moved all the same");
        let v4 = if params[1].get("slotNumber").is_some() { v4 } else { ATTRIBUTES };
        assert_eq!(theirs.code("engine_forkchoiceUpdatedV4", params.clone()), v4, "{params:?}");
        // Malformed attributes are malformed parameters, before anything moves.
        let malformed = vec![params[0].clone(), json!({"timestamp": "soon"})];
        assert_eq!(theirs.code("engine_forkchoiceUpdatedV3", malformed), INVALID_PARAMS);
    }
    let v2 = vec![choice(theirs.head(), ZERO, ZERO), changed("parentBeaconBlockRoot", Value::Null)];
    assert_eq!(theirs.code("engine_forkchoiceUpdatedV2", v2), UNSUPPORTED_FORK);
    let v2 = vec![choice(theirs.head(), ZERO, ZERO), good.clone()];
    assert_eq!(theirs.code("engine_forkchoiceUpdatedV2", v2), ATTRIBUTES);
    let v1 = vec![choice(theirs.head(), ZERO, ZERO), good];
    assert_eq!(theirs.code("engine_forkchoiceUpdatedV1", v1), INVALID_PARAMS);

    let node = Node::new(Until::Shanghai);
    let mut bad = node.attributes(node.chain.head().timestamp + SLOT, 1);
    bad.as_object_mut().unwrap().remove("withdrawals");
    let choice = choice(node.head(), ZERO, ZERO);
    let code = |attributes: Value| {
        node.code("engine_forkchoiceUpdatedV2", vec![choice.clone(), attributes])
    };
    assert_eq!(code(bad), INVALID_PARAMS);
}

#[test]
fn columns_of_blobs_are_sixteen_bytes_or_nothing() {
    let node = Node::new(Until::Amsterdam);
    let method = "engine_forkchoiceUpdatedV4";
    let state = choice(node.head(), ZERO, ZERO);
    for good in [Value::Null, json!(format!("0x{}", "ff".repeat(16)))] {
        node.get(method, vec![state.clone(), Value::Null, good]);
    }
    for bad in ["0x", "0xff", &format!("0x{}", "ff".repeat(17))] {
        let params = vec![state.clone(), Value::Null, json!(bad)];
        assert_eq!(node.code(method, params), INVALID_PARAMS, "{bad}");
    }
    // A gas limit that the consensus client names is what the block moves towards.
    let limit = node.chain.head().gas_limit;
    let mut attributes = node.attributes(node.chain.head().timestamp + SLOT, 1);
    attributes["targetGasLimit"] = json!(format!("{:#x}", limit + 10));
    let id = node.get(method, vec![state, attributes])["payloadId"].clone();
    let built = node.get("engine_getPayloadV6", vec![id]);
    assert_eq!(built["executionPayload"]["gasLimit"], format!("{:#x}", limit + 10));
    assert_eq!(built["executionPayload"]["slotNumber"], "0x7");
}

#[test]
fn a_reorg_may_be_as_deep_as_states_are_kept() {
    let node = Node::new(Until::Osaka);
    let common = node.grow(node.head(), 1, 20);
    let fork = hash(&common[19]);
    // A branch of one block, long before the other branch grows over it.
    let side = node.extend(fork, 2);
    node.transfer(0);
    let long = node.grow(fork, 1, 128);
    let head = hash(&long[127]);
    assert_eq!(node.pool.status().ready, 0, "the transfer is mined");
    assert_eq!(node.follow(hash(&side)), valid(hash(&side)), "128 blocks leave the chain");
    assert_eq!(node.head(), hash(&side));
    assert_eq!(at(&node, 21), hash(&side));
    assert_eq!(node.chain.storage().canonical_hash(22).unwrap(), None);
    assert_eq!(node.pool.status().ready, 1, "and the transfer is pending again");
    assert_eq!(node.follow(head), valid(head), "and they come back");
    assert_eq!(node.chain.head().number, 148);
    assert_eq!(node.pool.status().ready, 0);
}

#[test]
fn a_reorg_may_begin_below_the_states_that_are_kept() {
    let (ours, theirs) = (Node::new(Until::Osaka), Node::new(Until::Osaka));
    let common = ours.grow(ours.head(), 1, 20);
    let fork = hash(&common[19]);
    ours.transfer(0);
    // The other branch is three blocks long, with the same transfer in another block.
    for offer in &common {
        theirs.offer(offer);
    }
    theirs.follow(fork);
    let mut side = theirs.grow(fork, 2, 1);
    theirs.transfer(0);
    side.extend(theirs.grow(hash(&side[0]), 2, 2));

    let long = ours.grow(fork, 1, 180);
    let head = hash(&long[179]);
    wait_for_states_from(&ours, 64);
    let accepted = json!({"status": "ACCEPTED", "latestValidHash": null, "validationError": null});
    assert_eq!(ours.offer(&side[0]), accepted);
    let bad = lie(&side[1]);
    assert_eq!(ours.offer(&bad), accepted);
    check_invalid(&ours.follow(hash(&bad)), Some(hash(&side[0])));
    assert_eq!(ours.head(), head, "the head has not moved");
    assert_eq!(at(&ours, 21), hash(&long[0]));
    assert_eq!(ours.offer(&side[1]), accepted);
    assert_eq!(ours.offer(&side[2]), accepted);
    let tip = hash(&side[2]);
    let method = ours.fork_choice_method();
    assert_eq!(ours.code(&method, vec![choice(tip, head, ZERO)]), FORK_CHOICE);
    let updated = ours.get(&method, vec![choice(tip, hash(&side[0]), fork), Value::Null]);
    assert_eq!(updated["payloadStatus"], valid(tip));
    assert_eq!(ours.head(), tip);
    assert_eq!(ours.chain.storage().finalized().unwrap().hash, fork);
    assert_eq!(at(&ours, 21), hash(&side[0]));
    assert_eq!(ours.chain.storage().canonical_hash(24).unwrap(), None);
    let state = ours.chain.storage().state_at(tip).unwrap().unwrap();
    assert_eq!(state.root(), theirs.chain.head().state_root);
    // The chain goes on from here, and the way back to the long branch is open.
    ours.extend(tip, 3);
    assert_eq!(ours.follow(head), valid(head));
    assert_eq!((ours.head(), ours.chain.head().number), (head, 200));
    ours.extend(head, 3);
    // Canonical blocks whose state is gone can be the head again, too.
    let low = hash(&long[9]);
    assert_eq!(ours.follow(low), valid(low));
    assert_eq!(ours.chain.head().number, 30);
}

#[test]
fn a_reorg_below_all_that_is_known_is_too_deep_and_changes_nothing() {
    let node = Node::new(Until::Osaka);
    let height = STATE_HISTORY + UNDO_HISTORY + 3 * LAYERS_PER_GROUP;
    // The way back ends at the base below the oldest changes that are kept. A branch parts there, and one a block below.
    let last = 2 * LAYERS_PER_GROUP;
    node.grow(node.head(), 1, last as usize - 1);
    let below = node.head();
    let too_deep = node.extend(below, 2);
    let fork = hash(&node.extend(below, 1));
    let deepest = node.extend(fork, 2);
    node.grow(fork, 1, (height - last) as usize);
    let head = node.head();
    assert_eq!(node.chain.head().number, height);
    wait_for_states_from(&node, height - STATE_HISTORY);

    for _ in 0..2 {
        node.offer(&too_deep);
        let params = vec![choice(hash(&too_deep), ZERO, ZERO)];
        assert_eq!(node.code(&node.fork_choice_method(), params), TOO_DEEP_REORG);
        assert_eq!((node.head(), at(&node, height)), (head, head), "the head has not moved");
    }
    // The chain goes on from here.
    node.extend(head, 3);
    node.offer(&deepest);
    assert_eq!(node.follow(hash(&deepest)), valid(hash(&deepest)), "over a thousand blocks leave");
    assert_eq!(node.chain.head().number, last + 1);

    // The way to the old head is open as long as what leaves and what comes back are few enough together.
    let most = MAX_EXECUTED - (height - last);
    node.grow(hash(&deepest), 3, most as usize);
    let longest = node.head();
    let params = vec![choice(head, ZERO, ZERO)];
    assert_eq!(node.code(&node.fork_choice_method(), params), TOO_DEEP_REORG);
    assert_eq!(node.head(), longest, "the head has not moved");
    node.follow(at(&node, last + most));
    assert_eq!(node.follow(head), valid(head), "one block less leaves");
    assert_eq!(node.chain.head().number, height);
}

/// Flushing is done by a thread of its own.
fn wait_for_states_from(node: &Node, height: u64) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while node.chain.storage().earliest_state().number < height {
        assert!(std::time::Instant::now() < deadline, "states are flushed");
        std::thread::yield_now();
    }
}

#[test]
fn blobs_of_a_block_that_leaves_the_chain_are_pending_again() {
    let node = Node::new(Until::Osaka);
    let fork = node.head();
    let side = node.extend(fork, 2);
    node.follow(fork);
    let blob = node.blob(0, b"hello");
    let served = || node.get("engine_getBlobsV2", vec![json!([blob])]);
    let before = served();
    let taken = node.extend(fork, 1);
    assert_eq!(taken[1], json!([blob]));
    assert_eq!((node.pool.status().ready, served()), (0, Value::Null));
    assert_eq!(node.follow(hash(&side)), valid(hash(&side)));
    assert_eq!((node.pool.status().ready, served()), (1, before));
    let again = node.extend(hash(&side), 3);
    assert_eq!(again[1], json!([blob]), "another block has taken it");
    // Once that block is final, its blobs are no longer kept.
    let rows = || node.chain.storage().journal().unwrap().len();
    assert_eq!(rows(), 1);
    node.get(&node.fork_choice_method(), vec![choice(hash(&again), hash(&again), hash(&again))]);
    assert_eq!(rows(), 0);
}

#[test]
fn bodies_are_served_by_hash_and_by_height() {
    let node = Node::new(Until::Amsterdam);
    let offers = node.grow(node.head(), 1, 3);
    let unknown = B256::repeat_byte(1);
    let hashes = json!([hash(&offers[1]), unknown, node.chain.spec().genesis().nonce]);
    assert_eq!(node.code("engine_getPayloadBodiesByHashV1", vec![hashes]), INVALID_PARAMS);
    let hashes = json!([hash(&offers[1]), unknown]);
    let bodies = node.get("engine_getPayloadBodiesByHashV1", vec![hashes.clone()]);
    assert_eq!(bodies, json!([{"transactions": [], "withdrawals": []}, null]));
    let bodies = node.get("engine_getPayloadBodiesByHashV2", vec![hashes]);
    assert_eq!(bodies[0]["blockAccessList"], offers[1][0]["blockAccessList"]);
    assert!(bodies[0]["blockAccessList"].as_str().unwrap().len() > 4);

    let range =
        |start: u64, count: u64| vec![json!(format!("{start:#x}")), json!(format!("{count:#x}"))];
    let bodies = node.get("engine_getPayloadBodiesByRangeV2", range(2, 1024));
    assert_eq!(bodies.as_array().unwrap().len(), 2, "no trailing nulls");
    assert_eq!(bodies[1]["blockAccessList"], offers[2][0]["blockAccessList"]);
    assert_eq!(node.get("engine_getPayloadBodiesByRangeV1", range(9, 1)), json!([]));
    for method in ["engine_getPayloadBodiesByRangeV1", "engine_getPayloadBodiesByRangeV2"] {
        assert_eq!(node.code(method, range(0, 1)), INVALID_PARAMS);
        assert_eq!(node.code(method, range(1, 0)), INVALID_PARAMS);
        assert_eq!(node.code(method, range(1, 1025)), TOO_LARGE);
    }
    let many = json!(vec![unknown; 1025]);
    assert_eq!(node.code("engine_getPayloadBodiesByHashV1", vec![many]), TOO_LARGE);

    let node = Node::new(Until::Osaka);
    let offer = node.extend(node.head(), 1);
    let bodies = node.get("engine_getPayloadBodiesByHashV2", vec![json!([hash(&offer)])]);
    assert_eq!(bodies[0]["blockAccessList"], Value::Null);
}

#[test]
fn a_node_says_who_it_is_and_what_it_can() {
    let node = Node::new(Until::Osaka);
    let capabilities =
        node.get("engine_exchangeCapabilities", vec![json!(["engine_newPayloadV1"])]);
    let capabilities: Vec<String> = serde_json::from_value(capabilities).unwrap();
    assert!(!capabilities.iter().any(|name| name == "engine_exchangeCapabilities"));
    for (name, versions) in [
        ("newPayload", 5),
        ("forkchoiceUpdated", 4),
        ("getPayload", 6),
        ("getPayloadBodiesByHash", 2),
        ("getPayloadBodiesByRange", 2),
        ("getBlobs", 4),
    ] {
        for version in 1..=versions {
            assert!(capabilities.contains(&format!("engine_{name}V{version}")), "{name} {version}");
        }
    }
    let theirs = json!({"code": "LS", "name": "Lodestar", "version": "1", "commit": "0x01020304"});
    let ours = node.get("engine_getClientVersionV1", vec![theirs]);
    let want =
        json!([{"code": "EX", "name": "ethrex", "version": "1.2.3", "commit": "0x01020304"}]);
    assert_eq!(ours, want);
    let theirs = json!({
        "terminalTotalDifficulty": "0x0", "terminalBlockHash": ZERO, "terminalBlockNumber": "0x0",
    });
    let ours = node.get("engine_exchangeTransitionConfigurationV1", vec![theirs.clone()]);
    assert_eq!(ours, theirs);
    assert_eq!(node.code("engine_newPayloadV9", vec![]), -32_601);
}

#[test]
fn a_fork_choice_survives_a_restart() {
    let spec = ethrex_types::ChainSpec::new(genesis(Until::Osaka)).unwrap();
    let storage = Storage::memory(&spec).unwrap();
    assert_eq!(storage.safe(), None);
    let node = Node::new(Until::Osaka);
    let offers = node.grow(node.head(), 1, 3);
    let (head, safe, last) = (hash(&offers[2]), hash(&offers[1]), hash(&offers[0]));
    node.get(&node.fork_choice_method(), vec![choice(head, safe, last)]);
    let storage = node.chain.storage();
    assert_eq!(storage.head().hash, head);
    assert_eq!(storage.safe().unwrap().hash, safe);
    assert_eq!(storage.finalized().unwrap().hash, last);
}

/// Calls a method of the public namespaces.
async fn public(node: &Node, method: &str, params: Value) -> Value {
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let (answer, _) = modules(&node.context).raw_json_request(&call.to_string(), 1).await.unwrap();
    serde_json::from_str(answer.get()).unwrap()
}

#[tokio::test]
async fn access_lists_outlive_the_states_they_were_made_on() {
    let node = Node::new(Until::Amsterdam);
    let offers = node.grow(node.head(), 1, (STATE_HISTORY + 2 * LAYERS_PER_GROUP) as usize);
    wait_for_states_from(&node, LAYERS_PER_GROUP);
    let number = json!(["0x1"]);
    let raw = public(&node, "debug_getRawBlockAccessList", number.clone()).await;
    assert_eq!(raw["result"], offers[0][0]["blockAccessList"]);
    let list = public(&node, "eth_getBlockAccessList", number).await;
    let accounts = list["result"].as_array().unwrap_or_else(|| panic!("{list}"));
    // The system contracts, at least; each with what became of it.
    assert!(accounts.len() > 1, "{list}");
    assert!(accounts.iter().any(|account| account["storageChanges"] != json!([])), "{list}");
    let none = public(&node, "eth_getBlockAccessList", json!(["0xffff"])).await;
    assert_eq!(none["result"], Value::Null);
}
