//! Where the head goes, and where it does not.

use alloy_primitives::B256;
use ethrex_storage::Storage;
use serde_json::{Value, json};

use crate::{
    ATTRIBUTES, FORK_CHOICE, INVALID_PARAMS, UNSUPPORTED_FORK,
    world::{Node, SLOT, Until, ZERO, choice, genesis, hash, syncing, valid},
};

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
    // Unless it is not below the head any more.
    node.follow(side);
    assert_eq!(node.chain.storage().safe(), None);
    assert_eq!(node.chain.storage().finalized().unwrap().hash, fork);
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
        changed("timestamp", json!("0x0")),
        changed("withdrawals", Value::Null),
        changed("parentBeaconBlockRoot", Value::Null),
        // What is no set of attributes is a wrong one.
        changed("timestamp", json!("soon")),
        changed("prevRandao", Value::Null),
        changed("suggestedFeeRecipient", json!("0x1234")),
        // Those of Amsterdam.
        changed("slotNumber", json!("0x1")),
        json!("0x"),
    ];
    for (attributes, offer) in cases.into_iter().zip(&offers) {
        theirs.offer(offer);
        let params = vec![choice(hash(offer), ZERO, ZERO), attributes];
        assert_eq!(theirs.code("engine_forkchoiceUpdatedV3", params.clone()), ATTRIBUTES);
        assert_eq!(theirs.head(), hash(offer), "the head has moved all the same: {params:?}");
    }
    let whole = |mut attributes: Value| {
        attributes["slotNumber"] = json!("0x1");
        attributes["targetGasLimit"] = json!("0x1c9c380");
        attributes
    };
    let code = |version: u8, attributes: Value| {
        let params = vec![choice(theirs.head(), ZERO, ZERO), attributes];
        theirs.code(&format!("engine_forkchoiceUpdatedV{version}"), params)
    };
    // Fields are looked at before the fork.
    assert_eq!(code(4, whole(good.clone())), UNSUPPORTED_FORK);
    for missing in ["slotNumber", "targetGasLimit", "withdrawals"] {
        let mut attributes = whole(good.clone());
        attributes.as_object_mut().unwrap().remove(missing);
        assert_eq!(code(4, attributes), ATTRIBUTES, "{missing}");
    }
    assert_eq!(code(3, whole(good.clone())), ATTRIBUTES);
    assert_eq!(code(2, changed("parentBeaconBlockRoot", Value::Null)), UNSUPPORTED_FORK);
    assert_eq!(code(2, good.clone()), ATTRIBUTES);
    assert_eq!(code(1, good), INVALID_PARAMS);

    let node = Node::new(Until::Shanghai);
    let mut bad = node.attributes(node.chain.head().timestamp + SLOT, 1);
    bad.as_object_mut().unwrap().remove("withdrawals");
    let params = vec![choice(node.head(), ZERO, ZERO), bad];
    assert_eq!(node.code("engine_forkchoiceUpdatedV2", params), ATTRIBUTES);
}

#[test]
fn more_parameters_than_there_are_change_nothing() {
    let (ours, theirs) = (Node::new(Until::Osaka), Node::new(Until::Osaka));
    let offer = ours.extend(ours.head(), 1);
    let (before, after) = (theirs.head(), hash(&offer));
    let mut more = offer.clone();
    more.push(json!("0x"));
    assert_eq!(theirs.offer_code(&more), INVALID_PARAMS);
    assert_eq!(theirs.follow(after), syncing(), "it was not even looked at");
    theirs.offer(&offer);
    let params = vec![choice(after, ZERO, ZERO), Value::Null, Value::Null, json!("0x")];
    assert_eq!(theirs.code(&theirs.fork_choice_method(), params), INVALID_PARAMS);
    assert_eq!(theirs.head(), before, "the head has not moved");
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
