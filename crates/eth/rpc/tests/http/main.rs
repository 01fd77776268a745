//! Real JSON over a real socket, on a chain in memory.

mod accounts;
mod admin;
mod connections;
mod endless;
mod robustness;
mod simulations;
mod testing;
mod traces;
mod witnesses;
mod world;

use alloy_primitives::{Address, B256, Bytes, TxKind, hex, keccak256};
use ethrex_rpc::{ApiConfig, Gate, ServerConfig};
use ethrex_storage::StoredBlob;
use serde_json::{Value, json};
use world::{COUNTER, HOARDER, REVERTER, World};

#[track_caller]
fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<_> =
        value.as_object().into_iter().flatten().map(|(key, _)| key.as_str()).collect();
    keys.sort_unstable();
    keys
}

#[tokio::test]
async fn a_transfer_goes_from_raw_bytes_to_its_receipt() {
    let world = World::new().await;
    assert_eq!(world.get("eth_chainId", json!([])).await, "0x9");
    assert_eq!(world.get("net_version", json!([])).await, "9");
    assert_eq!(world.get("eth_blockNumber", json!([])).await, "0x0");
    let to = Address::repeat_byte(0xaa);
    let hash = world.get("eth_sendRawTransaction", json!([world.raw(0, to, 5)])).await;
    assert_eq!(world.get("eth_getTransactionReceipt", json!([hash])).await, Value::Null);
    let pending = world.get("eth_getTransactionByHash", json!([hash])).await;
    assert_eq!(pending["blockHash"], Value::Null);
    assert_eq!(pending["nonce"], "0x0");
    let count = |tag: &str| json!([world.sender(), tag]);
    assert_eq!(world.get("eth_getTransactionCount", count("latest")).await, "0x0");
    assert_eq!(world.get("eth_getTransactionCount", count("pending")).await, "0x1");

    let block = world.mine();
    assert_eq!(world.get("eth_blockNumber", json!([])).await, "0x1");
    assert_eq!(world.get("eth_getTransactionCount", count("latest")).await, "0x1");
    assert_eq!(world.get("eth_getBalance", json!([to, "latest"])).await, "0x5");
    assert_eq!(world.get("eth_getBalance", json!([to, "0x0"])).await, "0x0");
    let receipt = world.get("eth_getTransactionReceipt", json!([hash])).await;
    assert_eq!(
        keys(&receipt),
        [
            "blockHash",
            "blockNumber",
            "contractAddress",
            "cumulativeGasUsed",
            "effectiveGasPrice",
            "from",
            "gasUsed",
            "logs",
            "logsBloom",
            "status",
            "to",
            "transactionHash",
            "transactionIndex",
            "type"
        ]
    );
    assert_eq!(receipt["status"], "0x1");
    assert_eq!(receipt["type"], "0x2");
    assert_eq!(receipt["gasUsed"], "0x5208");
    assert_eq!(receipt["contractAddress"], Value::Null);
    assert_eq!(receipt["blockHash"], json!(block));
    let base = world.chain.head().base_fee_per_gas.unwrap();
    assert_eq!(receipt["effectiveGasPrice"], format!("{:#x}", base + 1_000_000_000));
    let mined = world.get("eth_getTransactionByHash", json!([hash])).await;
    assert_eq!(mined["blockNumber"], "0x1");
    assert_eq!(mined["transactionIndex"], "0x0");
    assert_eq!(mined["yParity"], mined["v"]);
    assert_eq!(mined["gasPrice"], receipt["effectiveGasPrice"]);
    let by_index =
        world.get("eth_getTransactionByBlockNumberAndIndex", json!(["latest", "0x0"])).await;
    assert_eq!(by_index, mined);
    let none = world.get("eth_getTransactionByBlockHashAndIndex", json!([block, "0x1"])).await;
    assert_eq!(none, Value::Null);
    let raw = world.get("eth_getRawTransactionByHash", json!([hash])).await;
    assert_eq!(raw, world.raw(0, to, 5));
    assert_eq!(world.get("debug_getRawTransaction", json!([hash])).await, raw);
    let receipts = world.get("eth_getBlockReceipts", json!([block])).await;
    assert_eq!(receipts, json!([receipt]));
}

#[tokio::test]
async fn blocks_have_the_shape_of_the_execution_apis() {
    let world = World::new().await;
    world.get("eth_sendRawTransaction", json!([world.raw(0, COUNTER, 0)])).await;
    let hash = world.mine();
    let block = world.get("eth_getBlockByNumber", json!(["latest", false])).await;
    assert_eq!(
        keys(&block),
        [
            "baseFeePerGas",
            "blobGasUsed",
            "difficulty",
            "excessBlobGas",
            "extraData",
            "gasLimit",
            "gasUsed",
            "hash",
            "logsBloom",
            "miner",
            "mixHash",
            "nonce",
            "number",
            "parentBeaconBlockRoot",
            "parentHash",
            "receiptsRoot",
            "sha3Uncles",
            "size",
            "stateRoot",
            "timestamp",
            "transactions",
            "transactionsRoot",
            "uncles",
            "withdrawals",
            "withdrawalsRoot"
        ]
    );
    let raw = world.get("debug_getRawBlock", json!(["latest"])).await;
    let raw: Bytes = serde_json::from_value(raw).unwrap();
    assert_eq!(block["size"], format!("{:#x}", raw.len()));
    let header = world.get("debug_getRawHeader", json!(["0x1"])).await;
    let header: Bytes = serde_json::from_value(header).unwrap();
    assert_eq!(keccak256(header), hash);
    let full = world.get("eth_getBlockByHash", json!([hash, true])).await;
    assert_eq!(full["transactions"][0]["hash"], block["transactions"][0]);
    assert_eq!(full["transactions"][0]["from"], json!(world.sender()));
    assert_eq!(world.get("eth_getBlockByNumber", json!(["0x2", false])).await, Value::Null);
    assert_eq!(world.get("eth_getBlockByHash", json!([B256::ZERO, false])).await, Value::Null);
    let count = world.get("eth_getBlockTransactionCountByHash", json!([hash])).await;
    assert_eq!(count, "0x1");
    assert_eq!(world.get("eth_getUncleCountByBlockNumber", json!(["latest"])).await, "0x0");
    assert_eq!(
        world.error("eth_getBlockByNumber", json!(["finalized", false])).await,
        (-32_000, "finalized block not found".into())
    );

    world.get("eth_sendRawTransaction", json!([world.raw(1, COUNTER, 0)])).await;
    let pending = world.get("eth_getBlockByNumber", json!(["pending", false])).await;
    assert_eq!(pending["number"], "0x2");
    assert_eq!(pending["hash"], Value::Null);
    assert_eq!(pending["parentHash"], json!(hash));
    assert_eq!(pending["transactions"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn logs_are_found_by_range_hash_address_and_topic() {
    let world = World::new().await;
    world.get("eth_sendRawTransaction", json!([world.raw(0, COUNTER, 0)])).await;
    world.get("eth_sendRawTransaction", json!([world.raw(1, COUNTER, 0)])).await;
    let first = world.mine();
    world.mine();
    world.get("eth_sendRawTransaction", json!([world.raw(2, COUNTER, 0)])).await;
    world.mine();
    let logs = |filter: Value| {
        let world = &world;
        async move { world.get("eth_getLogs", json!([filter])).await.as_array().unwrap().clone() }
    };
    let all = logs(json!({"fromBlock": "0x0", "toBlock": "latest"})).await;
    assert_eq!(all.len(), 3);
    assert_eq!(
        keys(&all[1]),
        [
            "address",
            "blockHash",
            "blockNumber",
            "blockTimestamp",
            "data",
            "logIndex",
            "removed",
            "topics",
            "transactionHash",
            "transactionIndex"
        ]
    );
    assert_eq!(all[1]["logIndex"], "0x1");
    assert_eq!(all[1]["transactionIndex"], "0x1");
    let topic = B256::with_last_byte(0x2a);
    assert_eq!(logs(json!({"blockHash": first, "topics": [topic]})).await.len(), 2);
    assert_eq!(logs(json!({"fromBlock": "0x2", "address": COUNTER})).await.len(), 1);
    assert_eq!(logs(json!({"fromBlock": "0x0", "address": REVERTER})).await.len(), 0);
    assert_eq!(logs(json!({"fromBlock": "0x0", "topics": [null, topic]})).await.len(), 0);
    assert_eq!(
        world.error("eth_getLogs", json!([{"fromBlock": "0x2", "toBlock": "0x1"}])).await,
        (-32_602, "invalid block range params".into())
    );
    for from in ["0x0", "0x4"] {
        let far = json!([{"fromBlock": from, "toBlock": "0x4"}]);
        let beyond = "block range extends beyond current head block";
        assert_eq!(world.error("eth_getLogs", far.clone()).await, (-32_602, beyond.into()));
        // An installed filter may look forward.
        let filter = world.get("eth_newFilter", far).await;
        let found = world.get("eth_getFilterLogs", json!([filter])).await;
        assert_eq!(found.as_array().unwrap().len(), if from == "0x0" { 3 } else { 0 });
    }
}

#[tokio::test]
async fn filters_tell_what_is_new() {
    let world = World::new().await;
    let logs = world.get("eth_newFilter", json!([{"address": COUNTER}])).await;
    let blocks = world.get("eth_newBlockFilter", json!([])).await;
    let pending = world.get("eth_newPendingTransactionFilter", json!([])).await;
    let hash = world.get("eth_sendRawTransaction", json!([world.raw(0, COUNTER, 0)])).await;
    let changes = |id: &Value| {
        let (world, params) = (&world, json!([id]));
        async move { world.get("eth_getFilterChanges", params).await }
    };
    assert_eq!(changes(&pending).await, json!([hash]));
    assert_eq!(changes(&pending).await, json!([]));
    let block = world.mine();
    assert_eq!(changes(&blocks).await, json!([block]));
    assert_eq!(changes(&blocks).await, json!([]));
    let new = changes(&logs).await;
    assert_eq!(new[0]["transactionHash"], hash);
    assert_eq!(changes(&logs).await, json!([]));
    assert_eq!(world.get("eth_getFilterLogs", json!([logs])).await, new);
    assert_eq!(world.get("eth_uninstallFilter", json!([logs])).await, true);
    assert_eq!(world.get("eth_uninstallFilter", json!([logs])).await, false);
    let gone = world.error("eth_getFilterChanges", json!([logs])).await;
    assert_eq!(gone, (-32_000, "filter not found".into()));
}

#[tokio::test]
async fn calls_run_on_the_state_and_its_overrides() {
    let world = World::new().await;
    let word = |n: u64| json!(B256::from(alloy_primitives::U256::from(n)));
    assert_eq!(world.get("eth_call", json!([{"to": COUNTER}])).await, word(1));
    world.get("eth_sendRawTransaction", json!([world.raw(0, COUNTER, 0)])).await;
    world.mine();
    assert_eq!(world.get("eth_call", json!([{"to": COUNTER}, "latest"])).await, word(2));
    assert_eq!(world.get("eth_call", json!([{"to": COUNTER}, "0x0"])).await, word(1));
    let slot = json!({COUNTER.to_string(): {"stateDiff": {B256::ZERO.to_string(): word(41)}}});
    assert_eq!(world.get("eth_call", json!([{"to": COUNTER}, "latest", slot])).await, word(42));
    // NUMBER, MSTORE, RETURN.
    let code = json!({COUNTER.to_string(): {"code": "0x435f5260205ff3"}});
    let number = json!([{"to": COUNTER}, "latest", code, {"number": "0x4d2"}]);
    assert_eq!(world.get("eth_call", number).await, word(1234));
    let pending = json!([{"to": COUNTER}, "pending", code]);
    assert_eq!(world.get("eth_call", pending).await, word(2));
    // BLOCKHASH of NUMBER - 1, MSTORE, RETURN.
    let code = json!({COUNTER.to_string(): {"code": "0x60014303405f5260205ff3"}});
    let hash = json!([{"to": COUNTER}, "latest", code, {"number": "0x1"}]);
    let genesis = world.get("eth_getBlockByNumber", json!(["0x0", false])).await;
    assert_eq!(world.get("eth_call", hash).await, genesis["hash"]);
    let unknown = json!([{"to": COUNTER}, "latest", code, {"number": "0x4d2"}]);
    assert_eq!(world.get("eth_call", unknown).await, word(0));

    let answer = world.ask("eth_call", json!([{"to": REVERTER}])).await;
    assert_eq!(answer["error"]["code"], 3);
    assert_eq!(answer["error"]["message"], "execution reverted: user error");
    assert!(answer["error"]["data"].as_str().unwrap().starts_with("0x08c379a0"));
    let (code, message) =
        world.error("eth_call", json!([{"from": REVERTER, "to": COUNTER, "value": "0x1"}])).await;
    assert_eq!(code, -32_000);
    assert!(message.starts_with("insufficient funds for gas * price + value"), "{message}");
    let (_, message) = world.error("eth_call", json!([{"to": COUNTER}, "0x99"])).await;
    assert_eq!(message, "header not found");
    let two = json!([{"to": COUNTER, "gasPrice": "0x1", "maxFeePerGas": "0x1"}]);
    let (_, message) = world.error("eth_call", two).await;
    assert_eq!(message, "both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified");
}

#[tokio::test]
async fn an_estimate_is_enough_and_close() {
    let world = World::new().await;
    let transfer = json!([{"from": world.sender(), "to": Address::repeat_byte(1), "value": "0x1"}]);
    assert_eq!(world.get("eth_estimateGas", transfer).await, "0x5208");
    let estimate = |to: Address| {
        let world = &world;
        async move {
            let gas = world.get("eth_estimateGas", json!([{"to": to}])).await;
            u64::from_str_radix(&gas.as_str().unwrap()[2..], 16).unwrap()
        }
    };
    for contract in [COUNTER, HOARDER] {
        let gas = estimate(contract).await;
        let call = |gas: u64| json!([{"to": contract, "gas": format!("{gas:#x}")}]);
        world.get("eth_call", call(gas)).await;
        world.error("eth_call", call(gas * 97 / 100)).await;
    }
    assert!(estimate(HOARDER).await > 71_000, "it wants 50,000 left after the intrinsic gas");
    let answer = world.ask("eth_estimateGas", json!([{"to": REVERTER}])).await;
    assert_eq!(answer["error"]["code"], 3);
    let poor = json!([{"from": REVERTER, "to": COUNTER, "value": "0x1", "gasPrice": "0x77359400"}]);
    let (code, message) = world.error("eth_estimateGas", poor).await;
    assert_eq!((code, message.as_str()), (-32_000, "insufficient funds for transfer"));
}

#[tokio::test]
async fn an_access_list_names_what_a_call_touches() {
    let world = World::new().await;
    let result = world.get("eth_createAccessList", json!([{"to": COUNTER}])).await;
    assert_eq!(result["accessList"], json!([{"address": COUNTER, "storageKeys": [B256::ZERO]}]));
    assert!(result.get("error").is_none());
    let result = world.get("eth_createAccessList", json!([{"to": REVERTER}])).await;
    assert_eq!(result["error"], "execution reverted");
}

#[tokio::test]
async fn a_proof_verifies_against_the_state_root() {
    let world = World::new().await;
    world.get("eth_sendRawTransaction", json!([world.raw(0, COUNTER, 0)])).await;
    world.mine();
    let proof = world.get("eth_getProof", json!([COUNTER, ["0x0"], "latest"])).await;
    assert_eq!(proof["storageProof"][0]["key"], "0x0");
    assert_eq!(proof["storageProof"][0]["value"], "0x1");
    let nodes: Vec<Bytes> = serde_json::from_value(proof["accountProof"].clone()).unwrap();
    let key = keccak256(COUNTER);
    let root = world.chain.head().state_root;
    assert!(ethrex_trie::verify_proof(root, key, &nodes).unwrap().is_some());
    let nodes: Vec<Bytes> =
        serde_json::from_value(proof["storageProof"][0]["proof"].clone()).unwrap();
    let root: B256 = serde_json::from_value(proof["storageHash"].clone()).unwrap();
    let value = ethrex_trie::verify_proof(root, keccak256(B256::ZERO), &nodes).unwrap();
    assert_eq!(value, Some(vec![1]));
    let slot = world.get("eth_getStorageAt", json!([COUNTER, "0x0", "latest"])).await;
    assert_eq!(slot, json!(B256::with_last_byte(1)));
    assert_eq!(
        world.error("eth_getStorageAt", json!([COUNTER, "0xasdf", "latest"])).await,
        (-32_602, "invalid hex in storage key: \"0xasdf\"".into())
    );
}

#[tokio::test]
async fn fees_are_suggested_and_remembered() {
    let world = World::new().await;
    for nonce in 0..3 {
        world.get("eth_sendRawTransaction", json!([world.raw(nonce, COUNTER, 0)])).await;
        world.mine();
    }
    assert_eq!(world.get("eth_maxPriorityFeePerGas", json!([])).await, "0x3b9aca00");
    assert_eq!(world.get("eth_blobBaseFee", json!([])).await, "0x1");
    let history = world.get("eth_feeHistory", json!(["0x2", "latest", [10, 90]])).await;
    assert_eq!(history["oldestBlock"], "0x2");
    assert_eq!(history["baseFeePerGas"].as_array().unwrap().len(), 3);
    assert_eq!(history["gasUsedRatio"].as_array().unwrap().len(), 2);
    assert_eq!(history["reward"][1], json!(["0x3b9aca00", "0x3b9aca00"]));
    let next = world.get("eth_getBlockByNumber", json!(["pending", false])).await;
    assert_eq!(history["baseFeePerGas"][2], next["baseFeePerGas"]);
    let (code, message) = world.error("eth_feeHistory", json!(["0x1", "0x9", []])).await;
    assert_eq!(
        (code, message.as_str()),
        (-32_000, "request beyond head block: requested 9, head 3")
    );
    let (_, message) = world.error("eth_feeHistory", json!(["0x1", "latest", [50, 10]])).await;
    assert_eq!(message, "invalid reward percentile: 10");
}

#[tokio::test]
async fn the_pool_shows_itself() {
    let world = World::new().await;
    world.get("eth_sendRawTransaction", json!([world.raw(0, COUNTER, 3)])).await;
    world.get("eth_sendRawTransaction", json!([world.raw(2, COUNTER, 0)])).await;
    let status = world.get("txpool_status", json!([])).await;
    assert_eq!(status, json!({"pending": "0x1", "queued": "0x1"}));
    let content = world.get("txpool_content", json!([])).await;
    let sender = world.sender().to_string();
    assert_eq!(content["pending"][&sender]["0"]["value"], "0x3");
    assert_eq!(content["queued"][&sender]["2"]["blockHash"], Value::Null);
    let from = world.get("txpool_contentFrom", json!([world.sender()])).await;
    assert_eq!(from["pending"], content["pending"][&sender]);
    let nobody = world.get("txpool_contentFrom", json!([Address::ZERO])).await;
    assert_eq!(nobody, json!({"pending": {}, "queued": {}}));
    let inspect = world.get("txpool_inspect", json!([])).await;
    let expected = format!("{COUNTER}: 3 wei + 200000 gas × 3000000000 wei");
    assert_eq!(inspect["pending"][&sender]["0"], json!(expected));
}

#[tokio::test]
async fn a_refused_transaction_says_why() {
    let world = World::new().await;
    let send = |raw: Value| {
        let world = &world;
        async move { world.error("eth_sendRawTransaction", json!([raw])).await }
    };
    world.get("eth_sendRawTransaction", json!([world.raw(0, COUNTER, 0)])).await;
    let again = send(json!(world.raw(0, COUNTER, 0))).await;
    assert_eq!(again, (-32_000, "already known".into()));
    let cheap = send(json!(world.raw(0, COUNTER, 1))).await;
    assert_eq!(cheap, (-32_000, "replacement transaction underpriced".into()));
    world.mine();
    let old = send(json!(world.raw(0, COUNTER, 2))).await;
    assert_eq!(old, (-32_000, "nonce too low: next nonce 1, tx nonce 0".into()));
    assert_eq!(send(json!("0x7ec0")).await, (-32_000, "transaction type not supported".into()));
    assert_eq!(send(json!("1234")).await.0, -32_602, "bytes without a prefix are no transaction");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_synchronous_send_waits_for_the_receipt() {
    let world = World::new().await;
    let mut arrivals = world.pool.subscribe();
    let params = json!([world.raw(0, COUNTER, 0), 10_000]);
    let (receipt, ()) = tokio::join!(world.get("eth_sendRawTransactionSync", params), async {
        arrivals.changed().await.unwrap();
        world.mine();
    });
    assert_eq!(receipt["status"], "0x1");
    let answer =
        world.ask("eth_sendRawTransactionSync", json!([world.raw(1, COUNTER, 0), 1])).await;
    assert_eq!(answer["error"]["code"], 4);
    let hash = world.sign(1, TxKind::Call(COUNTER), 0, Bytes::new());
    assert_eq!(answer["error"]["data"], json!(hash.tx_hash()));
}

#[tokio::test]
async fn blobs_of_a_block_are_served_as_a_beacon_node_does() {
    let world = World::new().await;
    let hash = |byte: u8| {
        let mut hash = B256::repeat_byte(byte);
        hash[0] = 1;
        hash
    };
    let blob = |byte: u8| StoredBlob { versioned_hash: hash(byte), data: vec![byte; 4].into() };
    let block = world.mine_these(vec![(world.blob_tx(0, vec![hash(1), hash(2)]), world.sender())]);
    // The third is of no transaction of the block.
    world.chain.storage().put_blobs(1, &[blob(1), blob(2), blob(3)]).unwrap();
    let (status, body_of_all) = world.fetch("/eth/v1/beacon/blobs/1").await;
    assert_eq!(status, 200);
    assert_eq!(
        serde_json::from_str::<Value>(&body_of_all).unwrap(),
        json!({"execution_optimistic": false, "finalized": false, "data": ["0x01010101", "0x02020202"]})
    );
    let one = format!("/eth/v1/beacon/blobs/head?versioned_hashes={}", hash(2));
    let (_, body) = world.fetch(&one).await;
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["data"], json!(["0x02020202"]));
    let (_, by_hash) = world.fetch(&format!("/eth/v1/beacon/blobs/{block}")).await;
    assert_eq!(by_hash, body_of_all);
    let stale = format!("/eth/v1/beacon/blobs/head?versioned_hashes={}", hash(3));
    let (_, body) = world.fetch(&stale).await;
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["data"], json!([]));
    world.mine();
    world.chain.storage().put_blobs(2, &[blob(1)]).unwrap();
    let (_, body) = world.fetch("/eth/v1/beacon/blobs/2").await;
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["data"], json!([]));
    assert_eq!(world.fetch("/eth/v1/beacon/blobs/9").await.0, 404);
    assert_eq!(world.fetch("/eth/v1/beacon/blobs/x").await.0, 400);
    let (status, body) = world.fetch("/eth/v1/beacon/genesis").await;
    assert_eq!(status, 200);
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["data"]["genesis_time"], "0");
}

#[tokio::test]
async fn malformed_requests_have_their_codes() {
    let world = World::new().await;
    assert_eq!(world.error("eth_nothing", json!([])).await.0, -32_601);
    assert_eq!(
        world.error("eth_getBalance", json!([])).await,
        (-32_602, "missing value for required argument 0".into())
    );
    assert_eq!(
        world.error("debug_getRawBlock", json!(["2"])).await,
        (-32_602, "invalid argument 0: hex string without 0x prefix".into())
    );
    assert_eq!(
        world.error("eth_chainId", json!([1])).await,
        (-32_602, "too many arguments, want at most 0".into())
    );
    let (status, body) = world.post("{").await;
    assert!(status == 200 || status == 400);
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()["error"]["code"], -32_700);
    let batch = json!([
        {"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"},
        {"jsonrpc": "2.0", "id": 2, "method": "web3_sha3", "params": ["0x"]},
    ]);
    let (_, body) = world.post(&batch.to_string()).await;
    let answers: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(answers[0]["result"], "0x9");
    assert_eq!(answers[1]["result"], json!(keccak256([])));
    assert_eq!(world.fetch("/").await.0, 200);
    assert_eq!(world.fetch("/nowhere").await.0, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn junk_is_answered_and_never_breaks_a_method() {
    let world = World::new().await;
    world.get("eth_sendRawTransaction", json!([world.raw(0, COUNTER, 0)])).await;
    let hash = world.mine();
    world.get("eth_sendRawTransaction", json!([world.raw(1, COUNTER, 0)])).await;
    let blob = B256::with_last_byte(1);
    let max = "0xffffffffffffffff";
    let wide = format!("0x{}", "f".repeat(64));
    let auth = json!({
        "chainId": "0x0", "address": COUNTER, "nonce": max, "yParity": "0x0", "r": "0x1", "s": "0x1"
    });
    let junk = [
        Value::Null,
        json!(true),
        json!(-1),
        json!(1e300),
        json!(""),
        json!("0x"),
        json!("0xzz"),
        json!("0x0"),
        json!("latest"),
        json!("pending"),
        json!(max),
        json!(wide),
        json!(hash),
        json!(COUNTER),
        json!([]),
        json!([1e300, -1]),
        json!({}),
        json!({"blockHash": hash, "requireCanonical": true}),
        json!({"fromBlock": "0x0", "toBlock": max}),
        json!({"fromBlock": max, "toBlock": max}),
        json!({"to": COUNTER, "gas": max, "gasPrice": wide, "value": wide}),
        json!({"to": COUNTER, "from": world.sender(), "gas": "0x0", "maxFeePerGas": max}),
        json!({"data": "0xfe", "from": world.sender(), "blobVersionedHashes": [blob]}),
        json!({"to": COUNTER, "blobVersionedHashes": [blob], "authorizationList": [auth]}),
        json!({"from": world.sender(), "authorizationList": [auth], "data": "0x60"}),
        json!({"number": max, "time": max, "gasLimit": max, "baseFee": wide, "blobBaseFee": wide}),
        json!({"time": "0x0", "number": "0x0", "blobBaseFee": "0x5", "blockHash": {"0x1": wide}}),
        json!({COUNTER.to_string(): {"balance": wide, "nonce": max, "code": "0xef"}}),
        json!({COUNTER.to_string(): [wide]}),
    ];
    let mut asked = Vec::new();
    for method in world.methods.method_names() {
        // Waits for a block that nobody builds.
        if method == "eth_sendRawTransactionSync" {
            continue;
        }
        for first in &junk {
            asked.push((method, json!([first])));
            for second in &junk {
                asked.push((method, json!([first, second])));
            }
        }
    }
    for method in ["eth_call", "eth_estimateGas", "eth_createAccessList"] {
        for (call, state) in junk.iter().flat_map(|call| junk.iter().map(move |it| (call, it))) {
            asked.push((method, json!([call, "latest", state])));
            asked.push((method, json!([call, "pending", null, state])));
        }
    }
    for (method, params) in asked {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let (answer, _) = world.methods.raw_json_request(&request.to_string(), 1).await.unwrap();
        let answer: Value = serde_json::from_str(answer.get()).unwrap();
        // A fault would mean that the caller's junk was taken for ours.
        assert_ne!(answer["error"]["code"], -32_603, "{request}: {answer}");
    }
}

#[tokio::test]
async fn limits_hold() {
    let world =
        World::with(|config| ServerConfig { max_request_bytes: 1_000, max_batch: 2, ..config })
            .await;
    let long = json!({"jsonrpc": "2.0", "id": 1, "method": "web3_sha3", "params": [hex::encode_prefixed([0; 1_000])]});
    assert_eq!(world.post(&long.to_string()).await.0, 413);
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "eth_chainId"});
    let (_, body) = world.post(&json!([call, call, call]).to_string()).await;
    assert!(serde_json::from_str::<Value>(&body).unwrap()["error"]["code"].is_i64(), "{body}");
    let (_, body) = world.post(&json!([call, call]).to_string()).await;
    assert!(serde_json::from_str::<Value>(&body).unwrap().is_array());
}

#[tokio::test]
async fn too_many_logs_are_refused_and_a_filter_goes_past_them() {
    // Each log of the counter has 32 bytes of data.
    for (max_logs, max_log_bytes, message) in [
        (
            2,
            usize::MAX,
            "query returned more than 2 results. Try with this block range [0x1, 0x2].",
        ),
        (
            usize::MAX,
            95,
            "query returned more than 95 bytes of log data. Try with this block range [0x1, 0x2].",
        ),
    ] {
        let world = World::with_api(|config| ApiConfig { max_logs, max_log_bytes, ..config }).await;
        let id = world.get("eth_newFilter", json!([{"address": COUNTER}])).await;
        let mut last = B256::ZERO;
        for nonce in 0..3 {
            world.get("eth_sendRawTransaction", json!([world.raw(nonce, COUNTER, 0)])).await;
            last = world.mine();
        }
        let refused = (-32_005, message.to_owned());
        let all = json!([{"fromBlock": "0x1", "toBlock": "latest"}]);
        assert_eq!(world.error("eth_getLogs", all).await, refused);
        let fits = json!([{"fromBlock": "0x1", "toBlock": "0x2"}]);
        assert_eq!(world.get("eth_getLogs", fits).await.as_array().unwrap().len(), 2);
        let one = world.get("eth_getLogs", json!([{"blockHash": last}])).await;
        assert_eq!(one.as_array().unwrap().len(), 1);
        assert_eq!(world.error("eth_getFilterChanges", json!([id])).await, refused);
        assert_eq!(world.get("eth_getFilterChanges", json!([id])).await, json!([]));
        world.get("eth_sendRawTransaction", json!([world.raw(3, COUNTER, 0)])).await;
        world.mine();
        let next = world.get("eth_getFilterChanges", json!([id])).await;
        assert_eq!(next[0]["blockNumber"], "0x4");
    }
}

#[tokio::test]
async fn a_filter_names_so_many_addresses_and_topics_at_most() {
    let world = World::new().await;
    let word = |n: usize| B256::from(alloy_primitives::U256::from(n));
    let addresses = |n| (0..n).map(|n| Address::from_word(word(n))).collect::<Vec<_>>();
    let topics = |n| (0..n).map(word).collect::<Vec<_>>();
    for method in ["eth_newFilter", "eth_getLogs"] {
        let most = topics(1_000);
        world.get(method, json!([{"address": addresses(1_000), "topics": [most, most]}])).await;
        assert_eq!(
            world.error(method, json!([{"address": addresses(1_001)}])).await,
            (-32_602, "too many addresses in the filter, want at most 1000".into())
        );
        assert_eq!(
            world.error(method, json!([{"topics": [null, topics(1_001)]}])).await,
            (-32_602, "too many topics of one position in the filter, want at most 1000".into())
        );
    }
}

#[tokio::test]
async fn no_more_of_the_pool_is_shown_than_fits() {
    for (max_shown_txs, max_shown_tx_bytes, message) in [
        (1, usize::MAX, "more than 1 transactions"),
        (usize::MAX, 200, "more than 200 bytes of transactions"),
    ] {
        let world =
            World::with_api(|config| ApiConfig { max_shown_txs, max_shown_tx_bytes, ..config })
                .await;
        world.get("eth_sendRawTransaction", json!([world.raw(0, COUNTER, 0)])).await;
        world.get("txpool_content", json!([])).await;
        world.get("eth_sendRawTransaction", json!([world.raw(2, COUNTER, 0)])).await;
        for method in ["txpool_content", "txpool_inspect"] {
            let (code, text) = world.error(method, json!([])).await;
            assert_eq!(code, -32_005);
            assert!(text.contains(message), "{text}");
        }
    }
}

#[tokio::test]
async fn a_connection_on_which_nothing_moves_is_closed_and_makes_room() {
    let idle_timeout = std::time::Duration::from_millis(20);
    let change = |config| ServerConfig { max_connections: 1, idle_timeout, ..config };
    let world = World::with(change).await;
    let mut silent = tokio::net::TcpStream::connect(world.address).await.unwrap();
    // The only place is taken; this waits in the backlog until the silent one is closed.
    assert_eq!(world.get("eth_chainId", json!([])).await, "0x9");
    let mut rest = Vec::new();
    tokio::io::AsyncReadExt::read_to_end(&mut silent, &mut rest).await.unwrap();
    assert!(rest.is_empty());
}

#[tokio::test]
async fn browsers_are_let_in_only_where_configured() {
    let ask = "POST / HTTP/1.1\r\nHost: x\r\nOrigin: http://app\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]";
    let preflight = "OPTIONS / HTTP/1.1\r\nHost: x\r\nOrigin: http://app\r\nAccess-Control-Request-Method: POST\r\nConnection: close\r\n\r\n";
    let closed = World::new().await;
    assert_eq!(closed.http(preflight).await.0, 405);
    let open = World::with(|config| ServerConfig {
        http: Some(Gate { origins: vec!["*".into()], ..Gate::open() }),
        ..config
    })
    .await;
    assert_eq!(open.http(preflight).await.0, 200);
    assert_eq!(open.http(ask).await.0, 200);
}

#[tokio::test]
async fn a_server_stops_when_told_and_frees_its_port() {
    let mut world = World::new().await;
    world.get("eth_chainId", json!([])).await;
    world.stop.cancel();
    world.running.take().unwrap().stopped().await.unwrap();
    tokio::net::TcpListener::bind(world.address).await.unwrap();
}
