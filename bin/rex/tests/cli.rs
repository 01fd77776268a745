//! The command as its users see it: exit code, standard output, and an error that says what to do.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    process::Command,
    sync::Arc,
    thread,
};

use alloy_primitives::{Address, B256, Bytes, U256, hex, keccak256};
use alloy_sol_types::{SolError, SolEvent, SolValue};
use ethrex_protocol::{
    contracts::CommonBridge::{DepositIsZero, PrivilegedTxSent},
    deposit::PrivilegedMessage,
    messages::L1Message,
};
use serde_json::{Value, json};

const KEY: &str = "0xbcdf20249abf0ed6d944c0288fad489e33f66b3960d9e6229c1cd214ed3bbe31";
const ADDRESS: &str = "0x8943545177806ED17B9F23F0a21ee5948eCaa776";
const HASH: &str = "0x1111111111111111111111111111111111111111111111111111111111111111";

/// Code and output of a finished command.
struct Done {
    code: i32,
    stdout: String,
    stderr: String,
}

fn rex(args: &[&str]) -> Done {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rex"));
    let native = "ETHREX_NATIVE_ROLLUP_CONTRACT_ADDRESS";
    for name in ["RPC_URL", "L1_RPC_URL", "PRIVATE_KEY", "BRIDGE_ADDRESS", native] {
        command.env_remove(name);
    }
    // A bare machine has no certificates; plain HTTP must not ask for them.
    command.env("SSL_CERT_FILE", "/nonexistent").env("SSL_CERT_DIR", "/nonexistent");
    let output = command.env("NO_PROXY", "127.0.0.1").args(args).output().unwrap();
    Done {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

#[track_caller]
fn fails(args: &[&str], code: i32, says: &[&str]) {
    let done = rex(args);
    assert_eq!(done.code, code, "{}", done.stderr);
    assert_eq!(done.stdout, "");
    for text in says {
        assert!(done.stderr.contains(text), "{text:?} is missing in {:?}", done.stderr);
    }
}

#[track_caller]
fn prints(args: &[&str], stdout: &str) {
    let done = rex(args);
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert_eq!(done.stdout.trim_end(), stdout);
}

/// A node that gives each method one fixed answer: an object with `result` or `error`.
fn node(answers: &[(&str, Value)]) -> String {
    let answers: HashMap<_, _> =
        answers.iter().map(|(method, answer)| ((*method).to_owned(), answer.clone())).collect();
    let answers = Arc::new(answers);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            let answers = Arc::clone(&answers);
            thread::spawn(move || answer(stream.unwrap(), &answers));
        }
    });
    url
}

fn answer(stream: TcpStream, answers: &HashMap<String, Value>) {
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let line = line.to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let request: Value = serde_json::from_slice(&body).unwrap();
    let method = request["method"].as_str().unwrap();
    let mut response = answers
        .get(method)
        .cloned()
        .unwrap_or_else(|| json!({"error": {"code": -32601, "message": format!("no {method}")}}));
    response["jsonrpc"] = json!("2.0");
    response["id"] = request["id"].clone();
    let body = response.to_string();
    let mut stream = reader.into_inner();
    write!(
        stream,
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
}

fn result(value: impl Into<Value>) -> Value {
    let mut answer = serde_json::Map::new();
    answer.insert("result".to_owned(), value.into());
    answer.into()
}

fn receipt(status: &str) -> Value {
    json!({
        "transactionHash": HASH, "transactionIndex": "0x0", "blockHash": HASH, "blockNumber": "0xc",
        "from": ADDRESS, "to": ADDRESS, "cumulativeGasUsed": "0x5208", "gasUsed": "0x5208",
        "effectiveGasPrice": "0x1", "contractAddress": null, "logs": [], "status": status, "type": "0x2",
        "logsBloom": format!("0x{}", "00".repeat(256)),
    })
}

/// Everything a transaction needs, mined with the given status.
fn sending(status: &str) -> Vec<(&'static str, Value)> {
    vec![
        ("eth_chainId", result(json!("0x9"))),
        ("eth_getTransactionCount", result(json!("0x3"))),
        (
            "eth_feeHistory",
            result(json!({
                "oldestBlock": "0x1", "baseFeePerGas": ["0x7", "0x7"], "gasUsedRatio": [0.5], "reward": [["0x1"]],
            })),
        ),
        ("eth_estimateGas", result(json!("0x5208"))),
        ("eth_sendRawTransaction", result(json!(HASH))),
        ("eth_getTransactionReceipt", result(receipt(status))),
    ]
}

#[test]
fn an_unreachable_node_is_named_with_its_flag() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    fails(&["block-number", "--rpc-url", &url], 1, &[&url, "--rpc-url", "is the node running?"]);
}

#[test]
fn a_bad_key_is_refused_and_not_repeated() {
    let done = rex(&["address", "-k", "0x123456"]);
    assert_eq!(done.code, 1);
    assert!(done.stderr.contains("--private-key") && !done.stderr.contains("123456"));
}

#[test]
fn a_missing_bridge_is_named() {
    let url = node(&[]);
    fails(&["l2", "deposit", "5", "-k", KEY, "--rpc-url", &url], 1, &["BRIDGE_ADDRESS"]);
}

#[test]
fn a_fractional_amount_is_refused() {
    fails(&["transfer", "0.5", ADDRESS, "-k", KEY], 2, &["whole number of wei"]);
}

#[test]
fn an_address_is_that_of_its_key() {
    prints(&["address", "-k", KEY], ADDRESS);
}

#[test]
fn balances_are_in_wei_or_ether() {
    let url = node(&[("eth_getBalance", result(json!("0xde0b6b3a7640000")))]);
    prints(&["balance", ADDRESS, "--rpc-url", &url], "1000000000000000000");
    prints(&["l2", "--rpc-url", &url, "balance", ADDRESS, "--eth"], "1.000000000000000000");
}

#[test]
fn a_call_decodes_its_result() {
    let answer = format!("0x{:064x}", 5);
    let url = node(&[("eth_call", result(json!(answer)))]);
    prints(&["call", ADDRESS, "count()(uint256)", "--rpc-url", &url], "5");
    prints(&["call", ADDRESS, "count()", "--rpc-url", &url], &answer);
}

#[test]
fn a_transfer_prints_hash_block_and_gas() {
    let url = node(&sending("0x1"));
    let report = format!("transaction {HASH}\nblock       12\ngas used    21000");
    prints(&["transfer", "5", ADDRESS, "-k", KEY, "--rpc-url", &url], &report);
}

#[test]
fn a_transaction_that_reverts_fails() {
    let url = node(&sending("0x0"));
    fails(
        &["send", ADDRESS, "f()", "-k", KEY, "--rpc-url", &url],
        1,
        &[HASH, "was mined in block 12 and reverted"],
    );
}

#[test]
fn the_reason_of_a_revert_is_named() {
    let mut answers = sending("0x1");
    let data = DepositIsZero {}.abi_encode();
    let data = format!("0x{}", alloy_primitives::hex::encode(data));
    let error = json!({"error": {"code": 3, "message": "execution reverted", "data": data}});
    answers.retain(|(method, _)| *method != "eth_estimateGas");
    answers.push(("eth_estimateGas", error));
    let url = node(&answers);
    fails(
        &["send", ADDRESS, "deposit(address)", ADDRESS, "-k", KEY, "--rpc-url", &url],
        1,
        &["estimate the gas for", "reverted: DepositIsZero"],
    );
}

#[test]
fn a_deposit_to_no_contract_is_not_sent() {
    let url = node(&[("eth_getCode", result(json!("0x")))]);
    fails(
        &["l2", "deposit", "5", ADDRESS, "-k", KEY, "--l1-rpc-url", &url],
        1,
        &["is not the bridge", "--l1-rpc-url"],
    );
}

#[test]
fn a_deposit_prints_its_hash_on_the_rollup() {
    let (chain_id, bridge): (u64, Address) = (9, ADDRESS.parse().unwrap());
    let message = PrivilegedMessage::eth_deposit(chain_id, 4, bridge, U256::from(5));
    let event = PrivilegedTxSent {
        l1From: bridge,
        from: message.from,
        to: message.to,
        transactionId: U256::from(message.transaction_id),
        value: message.value,
        gasLimit: U256::from(message.gas_limit),
        data: message.data.clone(),
    };
    let log = event.encode_log_data();
    let mut receipt = receipt("0x1");
    receipt["logs"] = json!([{
        "address": ADDRESS, "topics": log.topics(), "data": log.data, "blockHash": HASH, "blockNumber": "0xc",
        "transactionHash": HASH, "transactionIndex": "0x0", "logIndex": "0x0", "removed": false,
    }]);
    let mut answers = sending("0x1");
    answers.retain(|(method, _)| *method != "eth_getTransactionReceipt");
    answers.extend([
        ("eth_getTransactionReceipt", result(receipt)),
        ("eth_getCode", result("0x60")),
        ("eth_call", result(format!("0x{chain_id:064x}"))),
    ]);
    let url = node(&answers);
    prints(
        &["l2", "deposit", "5", ADDRESS, "-k", KEY, "--l1-rpc-url", &url],
        &format!(
            "transaction {HASH}\nblock       12\ngas used    21000\nL2 hash     {}",
            message.hash()
        ),
    );
}

/// A claim of 5 wei out of batch 3, on an L1 that has verified batches up to `verified`.
fn claim(verified: u64, amount: &str) -> Done {
    let message_id = U256::from(8);
    let withdrawn = L1Message::eth_withdrawal(ADDRESS.parse().unwrap(), U256::from(5), message_id);
    let proof = json!([{
        "batch_number": 3, "message_id": message_id, "message_hash": withdrawn.leaf(), "merkle_proof": [HASH],
    }]);
    let l2 = node(&[("ethrex_getL1MessageProof", result(proof))]);
    let mut answers = sending("0x1");
    answers.push(("eth_getCode", result("0x60")));
    // Answers both who the proposer is and how far it has verified.
    answers.push(("eth_call", result(format!("0x{verified:064x}"))));
    let l1 = node(&answers);
    let endpoints = ["--l1-rpc-url", &l1, "--rpc-url", &l2];
    rex(&[&["l2", "claim-withdraw", amount, HASH, ADDRESS, "-k", KEY][..], &endpoints].concat())
}

#[test]
fn a_withdrawal_of_a_verified_batch_is_claimed() {
    let done = claim(3, "5");
    assert_eq!(done.code, 0, "{}", done.stderr);
    assert!(done.stdout.ends_with("claimed     5\n"), "{}", done.stdout);
}

#[test]
fn a_claim_before_verification_says_how_far_l1_is() {
    let done = claim(2, "5");
    assert_eq!(done.code, 1);
    assert!(
        done.stderr.contains("in batch 3 and L1 has verified batches up to 2"),
        "{}",
        done.stderr
    );
}

#[test]
fn a_claim_of_another_amount_is_not_sent() {
    let done = claim(3, "6");
    assert_eq!(done.code, 1);
    assert!(done.stderr.contains("withdraws no 6 wei"), "{}", done.stderr);
}

#[test]
fn a_claim_before_its_batch_says_to_wait() {
    let l1 = node(&[("eth_getCode", result(json!("0x60")))]);
    let l2 = node(&[("ethrex_getL1MessageProof", result(Value::Null))]);
    fails(
        &[
            "l2",
            "claim-withdraw",
            "5",
            HASH,
            ADDRESS,
            "-k",
            KEY,
            "--l1-rpc-url",
            &l1,
            "--rpc-url",
            &l2,
        ],
        1,
        &["not in a batch yet", "--wait"],
    );
}

/// Where the contract of a native rollup is.
const NATIVE: &str = "0x2222222222222222222222222222222222222222";

/// A node of a native rollup.
fn native_node(more: &[(&str, Value)]) -> String {
    let mut answers = vec![("nr_syncStatus", result(json!({"rollup": NATIVE, "mode": "inline"})))];
    answers.extend(more.iter().cloned());
    node(&answers)
}

/// An L1 where everything that is sent leaves one log of the rollup's contract.
fn l1_with_log(topics: &Value, data: &[u8], calls: Value) -> String {
    let mut receipt = receipt("0x1");
    receipt["logs"] = json!([{
        "address": NATIVE, "topics": topics, "data": hex::encode_prefixed(data), "blockHash": HASH,
        "blockNumber": "0xc", "transactionHash": HASH, "transactionIndex": "0x0", "logIndex": "0x0",
        "removed": false,
    }]);
    let mut answers = sending("0x1");
    answers.retain(|(method, _)| *method != "eth_getTransactionReceipt");
    answers.extend([
        ("eth_getTransactionReceipt", result(receipt)),
        ("eth_getCode", result("0x60")),
        ("eth_call", result(calls)),
    ]);
    node(&answers)
}

#[test]
fn a_deposit_to_a_native_rollup_is_a_message() {
    let signature = keccak256(
        "MessageSent(uint64,(uint64,address,address,uint256,uint256,uint64,bytes),bytes32)",
    );
    let to: Address = ADDRESS.parse().unwrap();
    let message = (7u64, to, to, U256::from(5), U256::from(2), 100_000u64, Bytes::new());
    let data = (message, B256::repeat_byte(9)).abi_encode_params();
    let l1 = l1_with_log(&json!([signature, B256::with_last_byte(7)]), &data, json!("0x"));
    let l2 = native_node(&[]);
    let args =
        ["l2", "deposit", "5", "--fee", "2", "-k", KEY, "--l1-rpc-url", &l1, "--rpc-url", &l2];
    let leaf = B256::repeat_byte(9);
    let said = format!(
        "transaction {HASH}\nblock       12\ngas used    21000\nmessage     7\nleaf        {leaf}"
    );
    prints(&args, &said);
    // Named by hand, the rollup's node is not asked.
    let nowhere = "http://127.0.0.1:1";
    let args = [
        "l2",
        "deposit",
        "5",
        "--native-rollup",
        NATIVE,
        "-k",
        KEY,
        "--l1-rpc-url",
        &l1,
        "--rpc-url",
        nowhere,
    ];
    prints(&args, &said);
}

#[test]
fn a_bridge_that_contradicts_the_node_gets_nothing() {
    let l2 = native_node(&[]);
    fails(
        &["l2", "deposit", "5", ADDRESS, "-k", KEY, "--rpc-url", &l2],
        1,
        &["native", NATIVE, "BRIDGE_ADDRESS"],
    );
}

#[test]
fn a_claim_on_a_native_rollup_takes_the_outbox_proof() {
    let proof = json!([{
        "message": {
            "index": "0x3", "sender": ADDRESS, "to": ADDRESS, "value": "0x5", "fee": "0x0", "gasLimit": "0x0", "data": "0x",
        },
        "leaf": HASH, "number": "0x4", "outboxRoot": HASH, "path": [HASH], "accountProof": ["0xc0"], "storageProof": ["0xc0"],
    }]);
    let l2 = native_node(&[("nr_getOutboxProof", result(proof))]);
    let success = U256::from(1).to_be_bytes::<32>();
    let topics = json!([keccak256("Claimed(uint64,bool)"), B256::with_last_byte(3)]);
    // Nothing is proven yet: the contract's outbox root is zero.
    let l1 = l1_with_log(&topics, &success, json!(B256::ZERO));
    let args = ["l2", "claim", "5", HASH, "-k", KEY, "--l1-rpc-url", &l1, "--rpc-url", &l2];
    prints(&args, &format!("transaction {HASH}\nblock       12\ngas used    21000\nclaimed     5"));
    let args = ["l2", "claim", "6", HASH, "-k", KEY, "--l1-rpc-url", &l1, "--rpc-url", &l2];
    fails(&args, 1, &["withdraws 5 wei, not 6"]);
}

#[test]
fn a_claim_on_a_native_rollup_waits_for_settlement() {
    let l1 = l1_with_log(&json!([HASH]), &[], json!(B256::ZERO));
    let l2 = native_node(&[("nr_getOutboxProof", result(Value::Null))]);
    let args = ["l2", "claim", "5", HASH, "-k", KEY, "--l1-rpc-url", &l1, "--rpc-url", &l2];
    fails(&args, 1, &["not settled", "--wait"]);
}

#[test]
fn a_transaction_is_forced_on_native_rollups_only() {
    let l2 = node(&[]);
    fails(&["l2", "force", "0x02c0", "-k", KEY, "--rpc-url", &l2], 1, &["not native", "sendToL2"]);
    let raw = [2, 0xc0];
    let signature = keccak256("ForcedTx(uint64,address,bytes)");
    let sender: Address = ADDRESS.parse().unwrap();
    let topics = json!([signature, B256::with_last_byte(1), sender.into_word()]);
    let data = (Bytes::copy_from_slice(&raw),).abi_encode_params();
    // Fifteen words of a configuration, of which the ninth is the delay and the thirteenth the fee.
    let mut config = [[0_u8; 32]; 15];
    config[8][31] = 10;
    config[12][31] = 3;
    let l1 = l1_with_log(&topics, &data, json!(hex::encode_prefixed(config.concat())));
    let l2 = native_node(&[]);
    prints(
        &["l2", "force", "0x02c0", "-k", KEY, "--l1-rpc-url", &l1, "--rpc-url", &l2],
        &format!(
            "transaction {HASH}\nblock       12\ngas used    21000\nforced      1\nL2 hash     {}\nwithin      10 s",
            keccak256(raw)
        ),
    );
}

#[test]
fn a_batch_number_is_decimal() {
    let url = node(&[("ethrex_batchNumber", result(json!("0x1f")))]);
    prints(&["l2", "batch-number", "--rpc-url", &url], "31");
    let none = node(&[("ethrex_batchNumber", result(Value::Null))]);
    fails(&["l2", "batch-number", "--rpc-url", &none], 1, &["no batch yet"]);
}

#[test]
fn what_a_node_refuses_is_passed_on() {
    let url = node(&[]);
    fails(&["block-number", "--rpc-url", &url], 1, &["no eth_blockNumber", "-32601"]);
}
