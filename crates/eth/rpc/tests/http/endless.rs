//! Calls that would compute for ever without reading anything: the time ends them.

use std::time::{Duration, Instant};

use alloy_primitives::Address;
use ethrex_rpc::{ApiConfig, TraceConfig};
use serde_json::{Value, json};

use crate::world::World;

const ENDLESS: Address = Address::repeat_byte(0xed);
const ALLOWED: Duration = Duration::from_millis(50);
/// Far more than a look at the clock is late, and far less than the gas would last.
const PATIENCE: Duration = Duration::from_secs(20);

/// Programs, by what keeps them busy.
const PROGRAMS: [(&str, &str); 5] = [
    // JUMPDEST, PUSH0, JUMP.
    ("jumps", "0x5b5f56"),
    // Twice: five times PUSH0, ADDRESS, GAS, CALL, POP. Each call makes two of its own, a thousand deep.
    ("calls", "0x5f5f5f5f5f305af1505f5f5f5f5f305af150"),
    // JUMPDEST, PUSH3 1000000, PUSH0, KECCAK256, POP, PUSH0, JUMP.
    ("hashes", "0x5b620f42405f20505f56"),
    // The same with 64 MB: few steps, and each takes a tenth of a second.
    ("long hashes", "0x5b63040000005f20505f56"),
    // JUMPDEST, a call of SHA-256 with a million bytes, POP, PUSH0, JUMP.
    ("precompiles", "0x5b5f5f620f42405f5f60025af1505f56"),
];

async fn without_gas_limit() -> World {
    World::with_api(|config| ApiConfig {
        call_gas_cap: u64::MAX,
        evm_timeout: Some(ALLOWED),
        ..config
    })
    .await
}

async fn check(world: &World, what: &str, method: &str, params: Value) {
    let begun = Instant::now();
    let (code, message) = world.error(method, params).await;
    assert!(message.contains("timeout"), "{what} in {method}: {message}");
    assert_eq!(code, -32_000);
    assert!(begun.elapsed() < PATIENCE, "{what} in {method} took {:?}", begun.elapsed());
}

#[tokio::test]
async fn a_call_that_never_reads_ends_in_time() {
    let world = without_gas_limit().await;
    for (what, code) in PROGRAMS {
        let overrides = json!({ENDLESS.to_string(): {"code": code}});
        let call = json!({"to": ENDLESS});
        check(&world, what, "eth_call", json!([call, "latest", overrides])).await;
        // Without it the block's gas is the bound, and may be used up before the time is.
        let ample = json!({"to": ENDLESS, "gas": "0xffffffffffffff"});
        check(&world, what, "eth_estimateGas", json!([ample, "latest", overrides])).await;
        for transfers in [false, true] {
            let block = json!({
                "stateOverrides": overrides,
                "blockOverrides": {"gasLimit": "0xffffffffffffff"},
                "calls": [call],
            });
            let request = json!([{"blockStateCalls": [block], "traceTransfers": transfers}]);
            check(&world, what, "eth_simulateV1", request).await;
        }
    }
}

#[tokio::test]
async fn a_search_that_finds_nothing_ends_in_time() {
    let world =
        World::with_api(|config| ApiConfig { evm_timeout: Some(Duration::ZERO), ..config }).await;
    world.mine();
    let filter = json!([{"fromBlock": "earliest", "address": ENDLESS}]);
    check(&world, "search", "eth_getLogs", filter).await;
}

#[tokio::test]
async fn a_trace_that_never_reads_ends_in_time() {
    let world = World::with_api(|config| ApiConfig {
        call_gas_cap: u64::MAX,
        trace: TraceConfig { time: ALLOWED, ..config.trace.clone() },
        ..config
    })
    .await;
    for (what, code) in PROGRAMS {
        let options = json!({
            "tracer": "noopTracer",
            "stateOverrides": {ENDLESS.to_string(): {"code": code}},
        });
        let params = json!([{"to": ENDLESS}, "latest", options]);
        check(&world, what, "debug_traceCall", params).await;
    }
}
