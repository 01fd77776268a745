//! Traces: what a transaction did inside, and what a request for one may take.

use std::time::Duration;

use alloy_primitives::{Address, B256, Bytes, U256, hex};
use ethrex_rpc::{ApiConfig, TraceConfig};
use serde_json::{Value, json};

use crate::world::{COUNTER, REVERTER, World};

/// Where overrides put code.
const HERE: Address = Address::repeat_byte(0xc5);

/// A chain whose first block calls the counter twice and the reverter once.
async fn world() -> (World, Vec<Value>) {
    with(|config| config).await
}

async fn with(change: impl FnOnce(TraceConfig) -> TraceConfig) -> (World, Vec<Value>) {
    let changed = |config: ApiConfig| ApiConfig { trace: change(config.trace.clone()), ..config };
    let world = World::with_api(changed).await;
    let mut hashes = Vec::new();
    for (nonce, to) in [COUNTER, COUNTER, REVERTER].into_iter().enumerate() {
        let raw = world.raw(nonce as u64, to, 0);
        hashes.push(world.get("eth_sendRawTransaction", json!([raw])).await);
    }
    world.mine();
    (world, hashes)
}

/// A call of this code, as `debug_traceCall` takes it.
fn call_of(code: &str, config: Value) -> Value {
    let mut config = config;
    config["stateOverrides"] = json!({HERE.to_string(): {"code": code}});
    json!([{"to": HERE, "gas": "0x1c9c380"}, "latest", config])
}

#[tokio::test]
async fn a_transaction_is_traced_where_it_stands_in_its_block() {
    let (world, hashes) = world().await;
    let prestate = json!([hashes[1], {"tracer": "prestateTracer"}]);
    let before = world.get("debug_traceTransaction", prestate).await;
    let counter = &before[COUNTER.to_string().to_lowercase()];
    let slot = B256::ZERO.to_string();
    assert_eq!(counter["storage"][&slot], B256::with_last_byte(1).to_string(), "{before}");

    let steps = world.get("debug_traceTransaction", json!([hashes[1]])).await;
    assert_eq!(steps["failed"], false);
    assert_eq!(steps["returnValue"], B256::with_last_byte(2).to_string());
    let receipt = world.get("eth_getTransactionReceipt", json!([hashes[1]])).await;
    let used: U256 = receipt["gasUsed"].as_str().unwrap().parse().unwrap();
    assert_eq!(U256::from(steps["gas"].as_u64().unwrap()), used);
    let ops: Vec<_> =
        steps["structLogs"].as_array().unwrap().iter().map(|step| step["op"].clone()).collect();
    assert_eq!(ops[..4], [json!("PUSH0"), json!("SLOAD"), json!("PUSH1"), json!("ADD")]);

    let failed = json!([hashes[2], {"tracer": "callTracer"}]);
    let failed = world.get("debug_traceTransaction", failed).await;
    assert_eq!(failed["error"], "execution reverted");
    assert_eq!(failed["revertReason"], "user error");
}

#[tokio::test]
async fn a_block_is_traced_by_number_by_hash_and_from_its_bytes() {
    let (world, hashes) = world().await;
    let tracer = json!({"tracer": "callTracer", "tracerConfig": {"withLog": true}});
    let by_number = world.get("debug_traceBlockByNumber", json!(["0x1", tracer])).await;
    let list = by_number.as_array().unwrap();
    assert_eq!(list.iter().map(|it| it["txHash"].clone()).collect::<Vec<_>>(), hashes);
    for (traced, hash) in list.iter().zip(&hashes) {
        let alone = world.get("debug_traceTransaction", json!([hash, tracer])).await;
        assert_eq!(traced["result"], alone);
    }
    assert_eq!(list[0]["result"]["logs"].as_array().unwrap().len(), 1);
    let hash = world.chain.head().hash();
    assert_eq!(world.get("debug_traceBlockByHash", json!([hash, tracer])).await, by_number);
    let raw = world.get("debug_getRawBlock", json!(["0x1"])).await;
    assert_eq!(world.get("debug_traceBlock", json!([raw, tracer])).await, by_number);
}

#[tokio::test]
async fn a_block_of_the_callers_must_follow_its_parent() {
    let (world, _) = world().await;
    let raw = world.get("debug_getRawBlock", json!(["0x1"])).await;
    let raw = hex::decode(raw.as_str().unwrap()).unwrap();
    let block: ethrex_types::Block = alloy_rlp::decode_exact(&raw).unwrap();
    for (change, expected) in [
        (
            Box::new(|block: &mut ethrex_types::Block| block.header.gas_limit *= 2)
                as Box<dyn Fn(&mut ethrex_types::Block)>,
            "gas limit",
        ),
        (Box::new(|block| block.header.number = 7), "number"),
        (Box::new(|block| block.header.parent_hash = B256::repeat_byte(1)), "not found"),
        (Box::new(|block| block.body.transactions.truncate(1)), "transactions root"),
    ] {
        let mut block = block.clone();
        change(&mut block);
        let raw = Bytes::from(alloy_rlp::encode(&block));
        let (code, message) = world.error("debug_traceBlock", json!([raw])).await;
        assert!(code == -32000 && message.contains(expected), "{code} {message}");
    }
    let (_, message) = world.error("debug_traceBlock", json!(["0xc0"])).await;
    assert!(message.contains("could not decode block"), "{message}");
}

#[tokio::test]
async fn a_call_is_traced_on_the_state_inside_a_block() {
    let (world, _) = world().await;
    let call = json!({"to": COUNTER});
    for (index, count) in [(0, 1), (1, 2), (2, 3)] {
        let config = json!({"tracer": "callTracer", "txIndex": format!("{index:#x}")});
        let traced = world.get("debug_traceCall", json!([call, "0x1", config])).await;
        assert_eq!(traced["output"], B256::with_last_byte(count).to_string());
    }
    let after = world.get("debug_traceCall", json!([call, "0x1"])).await;
    assert_eq!(after["returnValue"], B256::with_last_byte(3).to_string());
    let config = json!({"txIndex": "0x3"});
    let (_, message) = world.error("debug_traceCall", json!([call, "0x1", config])).await;
    assert!(message.starts_with("transaction index 3 out of range for block"), "{message}");
    // Overrides hold for calls under a tracer, too.
    let time = json!({"tracer": "callTracer", "blockOverrides": {"time": "0x7fffffff"}});
    let traced = world.get("debug_traceCall", call_of("0x425f5260205ff3", time)).await;
    assert_eq!(traced["output"], B256::from(U256::from(0x7fff_ffff)).to_string());
}

#[tokio::test]
async fn tracers_that_are_not_there_are_refused() {
    let (world, hashes) = world().await;
    for tracer in
        ["fancyTracer", "{step: function() {}, fault: function() {}, result: function() {}}"]
    {
        let config = json!([hashes[0], {"tracer": tracer}]);
        let (code, message) = world.error("debug_traceTransaction", config).await;
        assert_eq!(code, -32602);
        assert!(message.contains("not supported") && message.contains("callTracer"), "{message}");
    }
    let nested = json!({"tracer": "muxTracer", "tracerConfig": {"muxTracer": {}}});
    let (_, message) = world.error("debug_traceTransaction", json!([hashes[0], nested])).await;
    assert_eq!(message, "muxTracer cannot run muxTracer");
    let config = json!({"tracer": "callTracer", "tracerConfig": {"withLog": "yes"}});
    let (_, message) = world.error("debug_traceTransaction", json!([hashes[0], config])).await;
    assert_eq!(message, "invalid config of tracer callTracer");
    let (_, message) =
        world.error("debug_traceTransaction", json!([hashes[0], {"timeout": "soon"}])).await;
    assert_eq!(message, "timeout is no duration such as \"5s\"");
    // Options that ask for what happens anyway.
    let config = json!({"reexec": 128, "timeout": "5s", "tracer": ""});
    world.get("debug_traceTransaction", json!([hashes[0], config])).await;
}

#[tokio::test]
async fn what_cannot_be_traced_is_named() {
    let (world, _) = world().await;
    let (code, message) = world.error("debug_traceTransaction", json!([B256::ZERO])).await;
    assert_eq!((code, message.as_str()), (-32000, "transaction not found"));
    let (_, message) = world.error("debug_traceBlockByNumber", json!(["0x0"])).await;
    assert_eq!(message, "genesis is not traceable");
    let (_, message) = world.error("debug_traceBlockByNumber", json!(["0x9"])).await;
    assert_eq!(message, "block #9 not found");
    assert_eq!(world.get("trace_transaction", json!([B256::ZERO])).await, Value::Null);
    assert_eq!(world.get("trace_block", json!(["0x0"])).await, json!([]));
}

#[tokio::test]
async fn several_tracers_run_at_once() {
    let (world, hashes) = world().await;
    let one = |tracer: &str| json!([hashes[0], {"tracer": tracer}]);
    let config = json!({"callTracer": null, "prestateTracer": {}, "4byteTracer": {}});
    let all = json!([hashes[0], {"tracer": "muxTracer", "tracerConfig": config}]);
    let all = world.get("debug_traceTransaction", all).await;
    for tracer in ["callTracer", "prestateTracer", "4byteTracer"] {
        assert_eq!(all[tracer], world.get("debug_traceTransaction", one(tracer)).await, "{tracer}");
    }
}

/// JUMPDEST PUSH0 JUMP: as many steps as there is gas for.
const LOOP: &str = "0x5b5f56";
/// The same after memory has grown to 100,000 bytes.
const LOOP_WITH_MEMORY: &str = "0x5f620186a0525b600656";
/// Calls the identity precompile with 100,000 bytes, again and again.
const LOOP_OF_CALLS: &str = "0x5b5f5f620186a05f60045afa505f56";

#[tokio::test]
async fn a_trace_that_takes_too_much_memory_ends_and_names_the_limit() {
    let (world, _) = with(|config| TraceConfig { bytes: 8_000_000, ..config }).await;
    let calls = json!({"tracer": "callTracer"});
    for (code, config) in [
        (LOOP, json!({})),
        (LOOP_WITH_MEMORY, json!({"enableMemory": true, "disableStack": true})),
        // CALLs of itself with all its memory: the input of each is recorded.
        ("0x5f620186a0525b5f5f620186a05f305afa50600656", calls),
    ] {
        let (code, message) = world.error("debug_traceCall", call_of(code, config)).await;
        assert_eq!(message, "trace exceeds the limit of 8000000 recorded bytes");
        assert_eq!(code, -32005);
    }
    let overrides = json!({HERE.to_string(): {"code": LOOP}});
    let call = json!([{"to": HERE}, ["vmTrace"], "latest", overrides]);
    let (_, message) = world.error("trace_call", call).await;
    assert_eq!(message, "trace exceeds the limit of 8000000 recorded bytes");
    // What records no steps may run for long.
    let ended = world.get("debug_traceCall", call_of(LOOP, json!({"tracer": "noopTracer"}))).await;
    assert_eq!(ended, json!({}));
    // Nor does what is recorded only at first.
    let ended = world.get("debug_traceCall", call_of(LOOP, json!({"limit": 100}))).await;
    assert_eq!(ended["structLogs"].as_array().unwrap().len(), 100);
}

#[tokio::test]
async fn a_trace_of_too_many_steps_or_bytes_or_for_too_long_ends_and_names_the_limit() {
    let (world, _) = with(|config| TraceConfig { steps: 1_000, ..config }).await;
    let (_, message) = world.error("debug_traceCall", call_of(LOOP, json!({}))).await;
    assert_eq!(message, "trace exceeds the limit of 1000 recorded steps");
    let (world, _) = with(|config| TraceConfig { answer_bytes: 10_000, ..config }).await;
    let (code, message) =
        world.error("debug_traceCall", call_of(LOOP, json!({"limit": 1_000}))).await;
    assert_eq!(message, "the answer exceeds the limit of 10000 bytes");
    assert_eq!(code, -32005);
    let (world, hashes) = with(|config| TraceConfig { time: Duration::ZERO, ..config }).await;
    for tracer in ["callTracer", "noopTracer"] {
        let config = json!({"tracer": tracer});
        let (_, message) = world.error("debug_traceCall", call_of(LOOP_OF_CALLS, config)).await;
        assert_eq!(message, "execution timeout");
    }
    let (_, message) = world.error("debug_traceTransaction", json!([hashes[0]])).await;
    assert_eq!(message, "execution timeout");
    let (world, _) = self::world().await;
    // Longer than any clock goes on.
    let config = json!({"timeout": "4000000000000000h"});
    world.get("debug_traceCall", call_of("0x425f5260205ff3", config)).await;
    let config = json!({"timeout": "1ns", "tracer": "callTracer"});
    let (_, message) = world.error("debug_traceCall", call_of(LOOP, config)).await;
    assert_eq!(message, "execution timeout");
}

#[tokio::test]
async fn parity_traces_have_their_places() {
    let (world, hashes) = world().await;
    let block = world.get("trace_block", json!(["0x1"])).await;
    let traces = block.as_array().unwrap();
    assert_eq!(traces.len(), 3, "no rewards since the merge");
    for (index, (trace, hash)) in traces.iter().zip(&hashes).enumerate() {
        assert_eq!(trace["transactionHash"], *hash);
        assert_eq!(trace["transactionPosition"], index);
        assert_eq!(trace["blockNumber"], 1);
        assert_eq!(trace["blockHash"], json!(world.chain.head().hash()));
        assert_eq!(trace["type"], "call");
        assert_eq!(world.get("trace_transaction", json!([hash])).await, json!([trace]));
        assert_eq!(world.get("trace_get", json!([hash, []])).await, *trace);
        assert_eq!(world.get("trace_get", json!([hash, ["0x0"]])).await, Value::Null);
    }
    assert_eq!(traces[2]["error"], "Reverted");
    let kinds = json!(["trace", "stateDiff"]);
    let replayed = world.get("trace_replayBlockTransactions", json!(["0x1", kinds])).await;
    for (replayed, hash) in replayed.as_array().unwrap().iter().zip(&hashes) {
        let mut alone = world.get("trace_replayTransaction", json!([hash, kinds])).await;
        assert!(alone["stateDiff"].is_object() && alone["vmTrace"].is_null(), "{alone}");
        alone["transactionHash"] = hash.clone();
        assert_eq!(*replayed, alone);
    }
}

#[tokio::test]
async fn traces_are_filtered_by_address_and_page() {
    let (world, hashes) = world().await;
    world.get("eth_sendRawTransaction", json!([world.raw(3, COUNTER, 0)])).await;
    world.mine();
    let found = |filter: Value| {
        let world = &world;
        async move {
            let traces = world.get("trace_filter", json!([filter])).await;
            let hashes = traces.as_array().unwrap().iter();
            hashes.map(|trace| trace["transactionHash"].clone()).collect::<Vec<_>>()
        }
    };
    let range = |mut filter: Value| {
        filter["fromBlock"] = json!("0x0");
        filter["toBlock"] = json!("latest");
        filter
    };
    let all = found(range(json!({}))).await;
    assert_eq!(all[..3], hashes[..]);
    assert_eq!(all.len(), 4);
    let counted = found(range(json!({"toAddress": [COUNTER]}))).await;
    assert_eq!(counted, [hashes[0].clone(), hashes[1].clone(), all[3].clone()]);
    let page = found(range(json!({"toAddress": [COUNTER], "after": 1, "count": 1}))).await;
    assert_eq!(page, hashes[1..2]);
    assert!(found(range(json!({"count": 0}))).await.is_empty());
    let both = json!({"fromAddress": [REVERTER], "toAddress": [REVERTER]});
    assert!(found(range(both.clone())).await.is_empty());
    let mut either = both;
    either["mode"] = json!("union");
    assert_eq!(found(range(either)).await, hashes[2..3]);
    assert_eq!(found(json!({})).await, all[3..], "the head where no range is given");

    let (code, message) =
        world.error("trace_filter", json!([{"fromBlock": "0x2", "toBlock": "0x1"}])).await;
    assert_eq!((code, message.as_str()), (-32602, "invalid block range"));
    let (world, _) = with(|config| TraceConfig { filter_blocks: 1, ..config }).await;
    let (_, message) = world.error("trace_filter", json!([range(json!({}))])).await;
    assert_eq!(message, "block range of 2 exceeds the maximum of 1");
}

#[tokio::test]
async fn calls_are_traced_one_after_the_other() {
    let (world, _) = world().await;
    let call = json!([{"to": COUNTER}, ["trace", "stateDiff", "vmTrace"]]);
    let one = world.get("trace_call", json!([call[0], call[1]])).await;
    assert_eq!(one["output"], B256::with_last_byte(3).to_string());
    assert_eq!(one["trace"][0]["result"]["output"], one["output"]);
    assert!(!one["vmTrace"]["ops"].as_array().unwrap().is_empty());
    let many = world.get("trace_callMany", json!([[call, call, call], "latest"])).await;
    let outputs: Vec<_> = many.as_array().unwrap().iter().map(|it| it["output"].clone()).collect();
    let counts = [3, 4, 5].map(|count| json!(B256::with_last_byte(count).to_string()));
    assert_eq!(outputs, counts);
    assert_eq!(many[0], one);
    let (world, _) = with(|config| TraceConfig { calls: 1, ..config }).await;
    let (code, message) = world.error("trace_callMany", json!([[call, call]])).await;
    assert_eq!((code, message.as_str()), (-32005, "2 calls exceed the limit of 1"));
}

#[tokio::test]
async fn a_signed_transaction_is_traced_before_it_is_sent() {
    let (world, _) = world().await;
    let traced =
        world.get("trace_rawTransaction", json!([world.raw(3, COUNTER, 0), ["trace"]])).await;
    assert_eq!(traced["output"], B256::with_last_byte(3).to_string());
    let again = json!([world.raw(0, COUNTER, 0), ["trace"]]);
    let (_, message) = world.error("trace_rawTransaction", again).await;
    assert!(message.contains("nonce too low"), "{message}");
    let (_, message) = world.error("trace_rawTransaction", json!(["0x1234", ["trace"]])).await;
    assert!(!message.is_empty());
    // Nothing of it has happened.
    assert_eq!(
        world.get("eth_getTransactionCount", json!([world.sender(), "pending"])).await,
        "0x3"
    );
}

#[tokio::test]
async fn a_selfdestruct_is_shown_where_no_ether_moves() {
    let (world, _) = world().await;
    // ADDRESS SELFDESTRUCT: for itself, which moves nothing.
    let config = json!({"tracer": "callTracer"});
    let traced = world.get("debug_traceCall", call_of("0x30ff", config)).await;
    let here = json!(HERE.to_string().to_lowercase());
    let end = &traced["calls"][0];
    assert_eq!([&end["type"], &end["from"], &end["to"]], [&json!("SELFDESTRUCT"), &here, &here]);
}

#[tokio::test]
async fn the_code_that_a_block_made_is_known_to_the_rest_of_it() {
    let (world, _) = world().await;
    // Deploys the one byte STOP, at 0x…: PUSH1 1 PUSH0 RETURN.
    let create = world.sign(3, alloy_primitives::TxKind::Create, 0, hex!("60015ff3").into());
    let created = world.sender().create(3);
    let raw = hex::encode_prefixed(alloy_eips::eip2718::Encodable2718::encoded_2718(&create));
    world.get("eth_sendRawTransaction", json!([raw])).await;
    let call = world.get("eth_sendRawTransaction", json!([world.raw(4, created, 0)])).await;
    world.mine();
    let prestate = json!([call, {"tracer": "prestateTracer"}]);
    let before = world.get("debug_traceTransaction", prestate).await;
    assert_eq!(before[created.to_string().to_lowercase()]["code"], "0x00", "{before}");
}

#[tokio::test]
async fn the_deepest_calls_are_answered() {
    let (world, _) = world().await;
    // Calls itself with all its gas: some five hundred calls deep.
    for config in [json!({"tracer": "callTracer"}), json!({"tracer": "flatCallTracer"})] {
        let mut call = call_of("0x5f5f5f5f5f305af100", config);
        call[0]["gas"] = json!("0x2faf080");
        let request =
            json!({"jsonrpc": "2.0", "id": 1, "method": "debug_traceCall", "params": call});
        let (status, body) = world.post(&request.to_string()).await;
        assert_eq!(status, 200);
        // Too deep for the reader of the other tests.
        assert!(body.matches(r#""gasUsed""#).count() > 500, "{}", &body[..200]);
    }
    let overrides = json!({HERE.to_string(): {"code": "0x5f5f5f5f5f305af100"}});
    let call = json!([{"to": HERE, "gas": "0x2faf080"}, ["trace", "vmTrace"], "latest", overrides]);
    let request = json!({"jsonrpc": "2.0", "id": 1, "method": "trace_call", "params": call});
    let (_, body) = world.post(&request.to_string()).await;
    assert!(body.matches(r#""sub":{"#).count() > 500, "{}", &body[..200]);
}

#[tokio::test]
async fn a_block_whose_state_is_gone_cannot_be_traced() {
    let (world, hashes) = world().await;
    let genesis = world.chain.storage().canonical_hash(0).unwrap().unwrap();
    // State goes at last when so many blocks wait that storing one more waits for it.
    let gone = || world.chain.storage().state_at(genesis).unwrap().is_none();
    for _ in 0..1_000 {
        if gone() {
            break;
        }
        world.mine();
    }
    assert!(gone(), "the state of the genesis is kept for ever");
    for (method, params) in [
        ("debug_traceTransaction", json!([hashes[0]])),
        ("debug_traceBlockByNumber", json!(["0x1"])),
        ("trace_block", json!(["0x1"])),
    ] {
        let (code, message) = world.error(method, params).await;
        assert_eq!((code, message.as_str()), (-32000, "required historical state unavailable"));
    }
    // That of recent blocks is there.
    world.get("debug_traceBlockByNumber", json!(["latest"])).await;
}
