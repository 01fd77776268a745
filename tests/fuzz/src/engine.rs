//! Parameters of `engine_newPayload`, to every version of it, on a chain in memory.

use std::sync::{Mutex, PoisonError};

use alloy_primitives::{B256, Bytes};
use ethrex_chain::{Importer, Payloads, Prepared};
use ethrex_rpc::{Engine, EngineConfig, ExecutionPayload};
use serde_json::{Value, json};

use crate::rpc::{INTERNAL_ERROR, chain, prepare};

const VERSIONS: [&str; 5] = [
    "engine_newPayloadV1",
    "engine_newPayloadV2",
    "engine_newPayloadV3",
    "engine_newPayloadV4",
    "engine_newPayloadV5",
];
/// Valid payloads that a node takes until a new one is put in its place: it keeps each, in memory here.
const PAYLOADS_OF_A_NODE: u32 = 1_000;

/// A node, and how many valid payloads it may still take.
static NODE: Mutex<Option<(Engine, u32)>> = Mutex::new(None);

fn start() -> Engine {
    let (chain, pool) = chain();
    let importer = Importer::spawn(chain.clone(), pool.clone()).expect("a thread starts");
    let payloads = Payloads::spawn(chain.clone(), pool.clone(), None).expect("a thread starts");
    let config = EngineConfig {
        extra_data: Bytes::new(),
        gas_limit: chain.head().gas_limit,
        version: "fuzz".into(),
        commit: [0; 4],
    };
    Engine::new(chain, pool, importer, payloads, config)
}

/// A status or a refusal, whatever comes. A hash that does not fit is mended, so that what is behind that check is reached.
pub(crate) fn payload(bytes: &[u8]) {
    let Ok(Value::Array(params)) = serde_json::from_slice(bytes) else { return };
    let mut node = NODE.lock().unwrap_or_else(PoisonError::into_inner);
    let (engine, left) = node.get_or_insert_with(|| (start(), PAYLOADS_OF_A_NODE));
    for method in VERSIONS {
        let Some(wanted) = offer(engine, method, &params, left) else { continue };
        let mut mended = params.clone();
        mended[0]["blockHash"] = json!(wanted);
        let again = offer(engine, method, &mended, left);
        assert_eq!(again, None, "{method}: the hash that it gave itself does not fit");
    }
    if *left == 0 {
        *node = None;
    }
}

/// Checks what is answered. Gives the hash that the payload should have said, where that was wrong with it.
fn offer(engine: &Engine, method: &str, params: &[Value], left: &mut u32) -> Option<B256> {
    let status = match engine.call(method, params.to_vec()) {
        Ok(status) => status,
        Err(error) => {
            assert_ne!(i64::from(error.code()), INTERNAL_ERROR, "{method}: {error}");
            return None;
        }
    };
    match status["status"].as_str().expect("a status is a word") {
        "VALID" => {
            assert_eq!(status["latestValidHash"], params[0]["blockHash"], "{method}");
            assert_eq!(status["validationError"], Value::Null, "{method}");
            *left = left.saturating_sub(1);
        }
        "SYNCING" | "ACCEPTED" => assert_eq!(status["latestValidHash"], Value::Null, "{method}"),
        "INVALID" | "INVALID_BLOCK_HASH" => {
            let why = status["validationError"].as_str().expect("what is invalid has a reason");
            let (_, wanted) = why.split_once("its content gives ")?;
            return Some(wanted.parse().expect("a hash is told"));
        }
        other => panic!("{method}: {other}"),
    }
    None
}

/// The payloads of two blocks, and each as it would be in an older version.
pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let (chain, pool) = chain();
    let mut seeds = Vec::new();
    for nonce in 0..2 {
        let prepared = prepare(&chain, nonce);
        seeds.extend(versions(&prepared));
        chain.extend(prepared, &pool).expect("the store is written");
    }
    seeds.iter().map(|params| params.to_string().into_bytes()).collect()
}

fn versions(prepared: &Prepared) -> [Value; 4] {
    let payload =
        json!(ExecutionPayload::of(prepared.block.sealed(), prepared.access_list.clone()));
    let without = |names: &[&str]| {
        let mut payload = payload.clone();
        let fields = payload.as_object_mut().expect("a payload is an object");
        names.iter().for_each(|name| drop(fields.remove(*name)));
        payload
    };
    let requests: Vec<Bytes> = prepared.requests.iter().cloned().collect();
    let fourth = without(&["blockAccessList", "slotNumber"]);
    let second = without(&["blockAccessList", "slotNumber", "blobGasUsed", "excessBlobGas"]);
    [
        json!([payload, [], B256::ZERO, requests]),
        json!([fourth, [], B256::ZERO, requests]),
        json!([fourth, [], B256::ZERO]),
        json!([second]),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_payload_is_valid_and_a_wrong_hash_is_mended() {
        let engine = start();
        let params: Value = serde_json::from_slice(&seeds()[0]).expect("a seed is JSON");
        let mut params = params.as_array().expect("parameters are a list").clone();
        let mut left = 1;
        let hash = std::mem::replace(&mut params[0]["blockHash"], json!(B256::ZERO));
        let wanted = offer(&engine, VERSIONS[4], &params, &mut left);
        assert_eq!(json!(wanted), hash);
        params[0]["blockHash"] = hash;
        assert_eq!(offer(&engine, VERSIONS[4], &params, &mut left), None);
        assert_eq!(left, 0, "it was valid");
    }
}
