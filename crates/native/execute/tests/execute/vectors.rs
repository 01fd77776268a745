//! The golden vectors hold.

use ethrex_execute::{
    gas, roots, stream,
    testing::vectors::{Calls, answer},
};
use serde_json::Value;

use super::*;

const CALLS: &str = include_str!("../../../../../fixtures/native/execute.json");
const ENCODINGS: &str = include_str!("../../../../../fixtures/native/encodings.json");

#[test]
fn every_call_is_answered_as_written() {
    let calls: Calls = serde_json::from_str(CALLS).unwrap();
    assert!(calls.vectors.len() >= 300, "{}", calls.vectors.len());
    for call in &calls.vectors {
        let outcome = answer(call.timestamp, call.gas, &calls.input(call));
        let (output, failure) = match outcome.result {
            Ok(output) => (Some(output), None),
            Err(class) => (None, Some(class.name().to_owned())),
        };
        assert_eq!((&output, &failure), (&call.output, &call.failure), "{}", call.name);
        assert_eq!(outcome.gas_charged, call.gas_charged, "{}", call.name);
        assert!(call.failure.is_none() || call.gas_charged == call.gas, "{}", call.name);
        assert!(call.failure.is_some() || call.gas_charged >= gas::BASE_GAS, "{}", call.name);
    }
    for class in [
        "unknown_header",
        "too_long",
        "wrong_level",
        "out_of_gas",
        "undecodable",
        "forbidden",
        "wrong_schema",
        "input",
        "gas_bound",
        "witness_non_canonical",
        "witness_insufficient",
        "payload_invalid",
        "block_invalid",
        "unbuildable",
        "blob",
    ] {
        let found = calls.vectors.iter().any(|call| call.failure.as_deref() == Some(class));
        assert!(found, "no vector fails as {class}");
    }
}

#[test]
fn encodings_are_as_written() {
    let all: Value = serde_json::from_str(ENCODINGS).unwrap();
    let list = |name: &str| all[name].as_array().unwrap().clone();
    for vector in list("streams") {
        let decoded = stream::decode(&bytes(&vector["stream"]));
        assert_eq!(number(decoded.gas), vector["gas"]);
        assert_eq!(text(stream::data_root(&decoded.blocks)), vector["dataRoot"]);
        let blocks = vector["blocks"].as_array().unwrap();
        assert_eq!(decoded.blocks.len(), blocks.len());
        for (block, expected) in decoded.blocks.iter().zip(blocks) {
            assert_eq!(number(block.dt), expected["dt"]);
            assert_eq!(number(block.transactions.len() as u64), expected["txs"]);
            assert_eq!(text(stream::posted_root(&block.transactions)), expected["postedRoot"]);
        }
    }
    for vector in list("keccakChains") {
        let raw: Vec<Bytes> = vector["raw"].as_array().unwrap().iter().map(bytes).collect();
        assert_eq!(text(roots::keccak_chain(raw)), vector["root"]);
    }
    for vector in list("dataTrees") {
        let leaves: Vec<_> = vector["leaves"].as_array().unwrap().iter().map(word).collect();
        assert_eq!(text(roots::merkle_root(&leaves)), vector["root"]);
        for (index, path) in vector["paths"].as_array().unwrap().iter().enumerate() {
            let path: Vec<_> = path.as_array().unwrap().iter().map(word).collect();
            assert_eq!(roots::merkle_path(&leaves, index), Some(path));
        }
    }
    for vector in list("results") {
        let encoded = bytes(&vector["encoded"]);
        let result = ExecuteResult::decode(&encoded).unwrap();
        assert_eq!(result.encode(), encoded[..]);
        assert_eq!(text(result.block_hash), vector["blockHash"]);
        assert_eq!(number(result.included_count), vector["included"]);
    }
}

fn bytes(value: &Value) -> Bytes {
    value.as_str().unwrap().parse().unwrap()
}

fn word(value: &Value) -> alloy_primitives::B256 {
    value.as_str().unwrap().parse().unwrap()
}

fn text(word: alloy_primitives::B256) -> Value {
    word.to_string().into()
}

fn number(number: u64) -> Value {
    text(U256::from(number).into())
}
