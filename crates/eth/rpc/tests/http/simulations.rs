//! `eth_simulateV1` beyond what the suite of the execution APIs asks.

use alloy_primitives::{Address, U256};
use ethrex_rpc::{ApiConfig, TraceConfig};
use serde_json::{Value, json};

use crate::world::{COUNTER, REVERTER, World};

const RICH: Address = Address::repeat_byte(0xc0);
const POOR: Address = Address::repeat_byte(0xc1);

async fn simulate(world: &World, blocks: Value) -> Value {
    world.get("eth_simulateV1", json!([{"blockStateCalls": blocks}, "latest"])).await
}

#[tokio::test]
async fn calls_build_on_each_other_across_blocks_and_nothing_stays() {
    let world = World::new().await;
    let count = json!({"to": COUNTER});
    let blocks = simulate(&world, json!([{"calls": [count, count]}, {"calls": [count]}])).await;
    let returned = |block: usize, call: usize| {
        let call = &blocks[block]["calls"][call];
        assert_eq!(call["status"], "0x1", "{call}");
        call["returnData"].as_str().unwrap().parse::<U256>().unwrap()
    };
    assert_eq!([returned(0, 0), returned(0, 1), returned(1, 0)].map(|n| n.to::<u64>()), [1, 2, 3]);
    assert_eq!(blocks[1]["parentHash"], blocks[0]["hash"]);
    let logs = &blocks[0]["calls"][1]["logs"];
    assert_eq!(logs[0]["logIndex"], "0x1");
    assert_eq!(logs[0]["blockHash"], blocks[0]["hash"]);
    assert_eq!(
        world.get("eth_getStorageAt", json!([COUNTER, "0x0", "latest"])).await,
        json!(alloy_primitives::B256::ZERO)
    );
}

#[tokio::test]
async fn a_transfer_that_is_undone_leaves_no_log() {
    let world = World::new().await;
    let request = json!([{
        "blockStateCalls": [{
            "stateOverrides": {RICH.to_string(): {"balance": "0x3e8"}},
            "calls": [
                {"from": RICH, "to": POOR, "value": "0x1"},
                {"from": RICH, "to": REVERTER, "value": "0x1"},
                {"from": RICH, "to": COUNTER, "value": "0x1"},
            ],
        }],
        "traceTransfers": true,
    }, "latest"]);
    let blocks = world.get("eth_simulateV1", request).await;
    let calls = &blocks[0]["calls"];
    assert_eq!(calls[0]["logs"][0]["address"], "0xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee");
    assert_eq!(calls[1]["error"]["code"], 3);
    assert_eq!(calls[1]["logs"], json!([]));
    // The transfer comes before what the callee logs.
    assert_eq!(calls[2]["logs"][0]["address"], "0xeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeeee");
    assert_eq!(calls[2]["logs"][1]["address"], json!(COUNTER));
    assert_eq!(calls[2]["logs"][1]["logIndex"], "0x2");
}

#[tokio::test]
async fn what_cannot_be_simulated_has_its_code() {
    let world = World::new().await;
    let refused =
        async |request: Value| world.error("eth_simulateV1", json!([request, "latest"])).await.0;
    let calls = |calls: Value| json!({"blockStateCalls": [{"calls": calls}], "validation": true});
    let fee = "0x77359400";
    assert_eq!(refused(json!({"blockStateCalls": []})).await, -32_602);
    assert_eq!(
        refused(json!({"blockStateCalls": [{"blockOverrides": {"number": "0x0"}}]})).await,
        -38_020
    );
    assert_eq!(
        refused(json!({"blockStateCalls": [{"blockOverrides": {"time": "0x0"}}]})).await,
        -38_021
    );
    assert_eq!(
        refused(json!({"blockStateCalls": [{"blockOverrides": {"number": "0x101"}}]})).await,
        -38_026
    );
    let many = vec![json!({}); 5_001];
    assert_eq!(refused(json!({"blockStateCalls": [{"calls": many}]})).await, -38_026);
    let sender = world.sender();
    assert_eq!(
        refused(calls(json!([{"from": sender, "nonce": "0x1", "maxFeePerGas": fee}]))).await,
        -38_011
    );
    assert_eq!(refused(calls(json!([{"from": sender}]))).await, -38_012);
    assert_eq!(
        refused(calls(json!([{"from": sender, "to": POOR, "maxFeePerGas": fee, "gas": "0x5207"}])))
            .await,
        -38_013
    );
    assert_eq!(
        refused(calls(json!([{"from": POOR, "to": POOR, "maxFeePerGas": fee}]))).await,
        -38_014
    );
    assert_eq!(refused(calls(json!([{"from": sender, "gas": "0xffffffff"}]))).await, -38_015);
    assert_eq!(
        refused(json!({"blockStateCalls": [{"stateOverrides": {POOR.to_string(): {"movePrecompileToAddress": RICH}}}]})).await,
        -32_000
    );
}

#[tokio::test]
async fn one_simulation_answers_so_much_at_most() {
    let world = World::with_api(|config| {
        let trace = TraceConfig { answer_bytes: 10_000, ..config.trace };
        ApiConfig { trace, ..config }
    })
    .await;
    // PUSH2 2000, PUSH0, RETURN.
    let talks = json!({POOR.to_string(): {"code": "0x6107d05ff3"}});
    let calls = |count| json!([{"blockStateCalls": [{"stateOverrides": talks, "calls": vec![json!({"to": POOR}); count]}]}]);
    let blocks = world.get("eth_simulateV1", calls(2)).await;
    assert_eq!(blocks[0]["calls"][1]["returnData"].as_str().unwrap().len(), 2 + 2 * 2_000);
    let (code, message) = world.error("eth_simulateV1", calls(3)).await;
    assert!(code == -32_005 && message.contains("10000"), "{code} {message}");
}

#[tokio::test]
async fn one_simulation_uses_so_much_gas_and_time_at_most() {
    let world = World::with_api(|config| ApiConfig { call_gas_cap: 100_000, ..config }).await;
    // JUMPDEST, PUSH0, JUMP: for ever.
    let forever = json!({POOR.to_string(): {"code": "0x5b5f56"}});
    let call = json!({"to": POOR});
    let blocks = simulate(&world, json!([{"stateOverrides": forever, "calls": [call]}])).await;
    let used = |call: usize| blocks[0]["calls"][call]["gasUsed"].clone();
    assert_eq!(used(0), "0x186a0");
    assert_eq!(blocks[0]["calls"][0]["error"]["code"], -32_015);

    let none = std::time::Duration::ZERO;
    let world = World::with_api(|config| ApiConfig { evm_timeout: Some(none), ..config }).await;
    let request = json!([{"blockStateCalls": [{"calls": [{"to": COUNTER}]}]}, "latest"]);
    for (method, params) in [
        ("eth_simulateV1", request),
        ("eth_call", json!([{"to": COUNTER}, "latest"])),
        ("eth_estimateGas", json!([{"to": COUNTER}])),
    ] {
        let (code, message) = world.error(method, params).await;
        assert_eq!(code, -32_000);
        assert!(message.contains("timeout"), "{message}");
    }
}
