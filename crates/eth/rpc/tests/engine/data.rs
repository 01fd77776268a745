//! What is told of blocks, blobs and the node itself.

use alloy_primitives::{B256, Bytes};
use alloy_rlp::Decodable as _;
use ethrex_rpc::modules;
use ethrex_storage::{LAYERS_PER_GROUP, STATE_HISTORY};
use serde_json::{Value, json};

use crate::{
    INVALID_PARAMS, TOO_LARGE, UNSUPPORTED_FORK, lie, wait_for_states_from,
    world::{BLOB_BYTES, Node, Until, ZERO, check_invalid, hash},
};

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
    // Blobs have no cell proofs yet.
    let mask = json!(format!("0x{}", "ff".repeat(16)));
    assert_eq!(node.get("engine_getBlobsV2", vec![json!([first])]), Value::Null);
    assert_eq!(node.get("engine_getBlobsV3", vec![json!([first])]), json!([null]));
    assert_eq!(node.get("engine_getBlobsV4", vec![json!([first]), mask]), json!([null]));
    let node = Node::new(Until::Shanghai);
    assert_eq!(node.get("engine_getBlobsV1", vec![json!([unknown])]), json!([null]));
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
    assert!(capabilities.iter().any(|name| name == "engine_newPayloadWithWitnessV5"));
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
    for commit in ["01020304", "0x", "unknown"] {
        let theirs = json!({"code": "XX", "name": "x", "version": "1", "commit": commit});
        assert_eq!(node.get("engine_getClientVersionV1", vec![theirs]), want, "{commit}");
    }
    let theirs = json!({
        "terminalTotalDifficulty": "0x0", "terminalBlockHash": ZERO, "terminalBlockNumber": "0x0",
    });
    let ours = node.get("engine_exchangeTransitionConfigurationV1", vec![theirs.clone()]);
    assert_eq!(ours, theirs);
    assert_eq!(node.code("engine_newPayloadV9", vec![]), -32_601);
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

#[tokio::test]
async fn the_last_bad_blocks_are_shown_whole() {
    let (ours, theirs) = (Node::new(Until::Osaka), Node::new(Until::Osaka));
    ours.transfer(0);
    let bad = lie(&ours.extend(ours.head(), 1));
    assert_eq!(public(&theirs, "debug_getBadBlocks", json!([])).await["result"], json!([]));
    for _ in 0..2 {
        check_invalid(&theirs.offer(&bad), Some(theirs.head()));
    }
    let shown = public(&theirs, "debug_getBadBlocks", json!([])).await;
    let shown = shown["result"].as_array().unwrap_or_else(|| panic!("{shown}"));
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0]["hash"], bad[0]["blockHash"]);
    assert_eq!(shown[0]["block"]["stateRoot"], bad[0]["stateRoot"]);
    assert!(shown[0]["block"]["transactions"][0]["from"].is_string(), "{}", shown[0]);
    let rlp = alloy_primitives::hex::decode(shown[0]["rlp"].as_str().unwrap()).unwrap();
    let block = ethrex_types::block::decode_block(&mut rlp.as_slice()).unwrap();
    assert_eq!(json!(block.header.hash_slow()), bad[0]["blockHash"]);
    // It is no part of the chain.
    let found = public(&theirs, "eth_getBlockByHash", json!([bad[0]["blockHash"], false])).await;
    assert_eq!(found["result"], Value::Null);
}

#[tokio::test]
async fn a_valid_payload_comes_with_its_witness_where_it_is_asked_for() {
    let node = Node::new(Until::Amsterdam);
    let method = "engine_newPayloadWithWitnessV5";
    let offer = node.offer_of(&node.build(node.head(), 1));
    let answer = node.get(method, offer.clone());
    assert_eq!(answer["status"], "VALID");
    assert_eq!(answer["latestValidHash"], offer[0]["blockHash"]);
    let rlp = alloy_primitives::hex::decode(answer["witness"].as_str().unwrap()).unwrap();
    let mut rest = rlp.as_slice();
    let mut list = alloy_rlp::Header::decode_bytes(&mut rest, true).unwrap();
    assert!(rest.is_empty());
    let headers = Vec::<ethrex_types::Header>::decode(&mut list).unwrap();
    let [codes, state, keys] = [(); 3].map(|()| Vec::<Bytes>::decode(&mut list).unwrap());
    assert!(list.is_empty());
    assert_eq!(headers.last().unwrap().hash_slow(), node.head());
    // The same as for whoever asks later.
    node.follow(hash(&offer));
    let witness = public(&node, "debug_executionWitness", json!(["latest"])).await;
    let witness = &witness["result"];
    assert_eq!(witness["codes"], json!(codes));
    assert_eq!(witness["state"], json!(state));
    assert_eq!(witness["keys"], json!(keys));

    let mut bad = offer.clone();
    bad[0]["stateRoot"] = json!(B256::repeat_byte(1));
    let answer = node.get(method, bad);
    assert_eq!((&answer["status"], &answer["witness"]), (&json!("INVALID"), &Value::Null));
    let mut without = offer;
    without[0].as_object_mut().unwrap().remove("slotNumber");
    assert_eq!(node.code(method, without), INVALID_PARAMS);
}
