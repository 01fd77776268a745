//! The same transactions on our chain and on anvil: receipts and traces are the same.
//!
//! Anvil comes with the packages of `tests/e2e/js`; where they are not installed, nothing is compared, and a line says so.

mod anvil;
mod chain;
mod contracts;
mod scenario;

use std::collections::BTreeMap;

use alloy_primitives::B256;
use anvil::Anvil;
use chain::Ours;
use scenario::{Sent, blocks};
use serde_json::{Value, json};

/// Whatever a trace of one transaction can be asked for.
fn tracers() -> Vec<Value> {
    let tracer = |name: &str, config: Value| json!({"tracer": name, "tracerConfig": config});
    vec![
        json!({}),
        json!({"enableMemory": true, "enableReturnData": true}),
        json!({"disableStack": true, "disableStorage": true}),
        json!({"limit": 7}),
        tracer("callTracer", json!({})),
        tracer("callTracer", json!({"withLog": true})),
        tracer("callTracer", json!({"onlyTopCall": true})),
        tracer("prestateTracer", json!({})),
        tracer("prestateTracer", json!({"diffMode": true})),
        tracer("prestateTracer", json!({"disableCode": true, "disableStorage": true})),
        tracer("4byteTracer", Value::Null),
        tracer("noopTracer", Value::Null),
        tracer("flatCallTracer", json!({})),
        tracer(
            "muxTracer",
            json!({"callTracer": {"withLog": true}, "prestateTracer": {"diffMode": true}, "4byteTracer": null}),
        ),
    ]
}

/// Both sides of one question.
struct Pair<'a> {
    ours: &'a Ours,
    anvil: &'a Anvil,
    /// What differs, by question.
    differences: BTreeMap<String, String>,
    compared: usize,
}

impl Pair<'_> {
    /// Asks both, and notes where the answers differ after what must differ is taken out.
    fn compare(&mut self, about: &str, method: &str, params: Value) {
        let ours = normal(self.ours.ask(method, params.clone()));
        let theirs = normal(self.anvil.ask(method, params.clone()));
        self.compared += 1;
        if ours != theirs {
            let at = first_difference(&ours, &theirs, String::new());
            self.differences.insert(format!("{about}: {method} {params}"), at);
        }
    }
}

/// Hashes of blocks, and what anvil adds.
fn normal(answer: Value) -> Value {
    match answer {
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .filter(|(name, _)| !matches!(name.as_str(), "blockHash" | "blockTimestamp"))
                .map(|(name, value)| (name, normal(value)))
                .collect(),
        ),
        Value::Array(items) => items.into_iter().map(normal).collect(),
        value => value,
    }
}

/// Where two answers differ first, and how.
fn first_difference(ours: &Value, theirs: &Value, at: String) -> String {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            for name in a.keys().chain(b.keys()) {
                let (a, b) = (a.get(name), b.get(name));
                if a != b {
                    let (a, b) = (a.unwrap_or(&Value::Null), b.unwrap_or(&Value::Null));
                    return first_difference(a, b, format!("{at}.{name}"));
                }
            }
            at
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let differs = a.iter().zip(b).position(|(a, b)| a != b).unwrap_or_default();
            first_difference(&a[differs], &b[differs], format!("{at}[{differs}]"))
        }
        _ => format!("{at}: ours {}, anvil's {}", shortened(ours), shortened(theirs)),
    }
}

fn shortened(value: &Value) -> String {
    let text = value.to_string();
    text.chars().take(300).collect()
}

#[test]
fn anvil_gives_the_same_receipts_and_traces() {
    let Some(anvil) = Anvil::start() else { return };
    let ours = Ours::start();
    let mut pair = Pair { ours: &ours, anvil: &anvil, differences: BTreeMap::new(), compared: 0 };
    let mut sent = 0;
    for (index, block) in blocks().into_iter().enumerate() {
        let number = index as u64 + 1;
        let time = chain::time(number);
        let block: Vec<Sent> = block.iter().map(|wanted| wanted.sign()).collect();
        ours.mine(&block, time);
        anvil.mine(&block, time);
        for tx in &block {
            compare_transaction(&mut pair, tx.name, tx.hash);
        }
        sent += block.len();
        compare_block(&mut pair, number);
    }
    let Pair { differences, compared, .. } = pair;
    println!("{sent} transactions, {compared} answers compared with anvil's");
    assert!(sent >= 50, "{sent} transactions");
    let listed: Vec<_> =
        differences.iter().map(|(question, at)| format!("{question}\n    {at}")).collect();
    assert!(listed.is_empty(), "{} differ:\n{}", listed.len(), listed.join("\n"));
}

fn compare_transaction(pair: &mut Pair<'_>, name: &str, hash: B256) {
    pair.compare(name, "eth_getTransactionReceipt", json!([hash]));
    for tracer in tracers() {
        pair.compare(name, "debug_traceTransaction", json!([hash, tracer]));
    }
    pair.compare(name, "trace_transaction", json!([hash]));
}

fn compare_block(pair: &mut Pair<'_>, number: u64) {
    let (name, number) = (format!("block {number}"), format!("{number:#x}"));
    pair.compare(&name, "trace_block", json!([number]));
    let kinds = json!(["trace", "vmTrace", "stateDiff"]);
    pair.compare(&name, "trace_replayBlockTransactions", json!([number, kinds]));
    pair.compare(&name, "debug_traceBlockByNumber", json!([number, {"tracer": "callTracer"}]));
}
