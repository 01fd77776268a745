//! The same transactions on our chain and on anvil: receipts and traces are the same.
//!
//! Anvil comes with the packages of `tests/e2e/js`; where they are not installed, nothing is compared, and a line says so.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod anvil;
mod chain;
mod contracts;
mod scenario;

use std::collections::BTreeMap;

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
        tracer("callTracer", json!({})),
        tracer("callTracer", json!({"withLog": true})),
        tracer("callTracer", json!({"onlyTopCall": true})),
        tracer("prestateTracer", json!({})),
        tracer("prestateTracer", json!({"diffMode": true})),
        tracer("prestateTracer", json!({"disableCode": true, "disableStorage": true})),
        tracer("4byteTracer", Value::Null),
        tracer("noopTracer", Value::Null),
    ]
}

/// The block of calls to precompiles. Anvil shows them in Parity's traces and counts selectors in them; Parity left them out, geth
/// counts none, and so do we.
const PRECOMPILES: u64 = 7;

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
    fn compare(&mut self, about: &str, method: &str, params: &Value) {
        let ours = normal(method, params, self.ours.ask(method, params));
        let theirs = normal(method, params, self.anvil.ask(method, params));
        self.compared += 1;
        if ours != theirs {
            let at = first_difference(&ours, &theirs, String::new());
            self.differences.insert(format!("{about}: {method} {params}"), at);
        }
    }
}

/// What must differ, or differs on purpose, is taken out:
/// * hashes and times of blocks, and the blob gas price that anvil shows where there are no blobs;
/// * the gas of a whole trace: anvil says for gas used what the block had used by then, and for the limit what was left after
///   the intrinsic gas; ours are the transaction's, as geth's are, and gas used is compared with the receipt;
/// * words of errors: anvil has the names of the interpreter's results, we have geth's words;
/// * accounts that were not there before: anvil shows them as empty, geth and we do not; and code that is gone afterwards, which geth
///   and we show as empty, anvil not at all;
/// * what a selfdestruct inside the top call did, where only the top call is asked for.
fn normal(method: &str, params: &Value, mut answer: Value) -> Value {
    if method.starts_with("debug_") {
        let top = params[1]["tracerConfig"]["onlyTopCall"] == true;
        match answer.as_array_mut() {
            Some(list) => list.iter_mut().for_each(|traced| trace(&mut traced["result"], top)),
            None => trace(&mut answer, top),
        }
    }
    without_block(without_words(answer))
}

fn trace(value: &mut Value, top: bool) {
    let Some(fields) = value.as_object_mut() else { return };
    fields.remove("gas");
    fields.remove("gasUsed");
    if top {
        fields.remove("calls");
    }
    let was_there = |_: &String, account: &mut Value| {
        account["balance"] != "0x0" || !account["nonce"].is_null() || !account["code"].is_null()
    };
    for account in fields.get_mut("post").and_then(Value::as_object_mut).into_iter().flatten() {
        if let Some(account) = account
            .1
            .as_object_mut()
            .filter(|account| account.get("code").is_some_and(|code| code == "0x"))
        {
            account.remove("code");
        }
    }
    if fields.keys().all(|name| name.len() == 42) {
        fields.retain(was_there);
    } else if let Some(accounts) = fields.get_mut("pre").and_then(Value::as_object_mut) {
        accounts.retain(was_there);
    }
}

fn without_words(answer: Value) -> Value {
    match answer {
        Value::Object(fields) => {
            let field = |(name, value): (String, Value)| {
                let value = if name == "error" { true.into() } else { without_words(value) };
                (name, value)
            };
            // Of what failed, anvil's Parity traces have the gas in some cases and nothing in others.
            let failed = fields.contains_key("error") && fields.contains_key("traceAddress");
            let fields = fields.into_iter().filter(|(name, _)| !failed || name != "result");
            Value::Object(fields.map(field).collect())
        }
        Value::Array(items) => items.into_iter().map(without_words).collect(),
        value => value,
    }
}

fn without_block(answer: Value) -> Value {
    match answer {
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .filter(|(name, _)| {
                    !matches!(name.as_str(), "blockHash" | "blockTimestamp" | "blobGasPrice")
                })
                .map(|(name, value)| (name, without_block(value)))
                .collect(),
        ),
        Value::Array(items) => items.into_iter().map(without_block).collect(),
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
        let base_fee = ours.mine(&block, time);
        anvil.mine(&block, time, base_fee);
        for tx in &block {
            compare_transaction(&mut pair, number, tx);
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

fn compare_transaction(pair: &mut Pair<'_>, number: u64, tx: &Sent) {
    let Sent { name, hash, .. } = tx;
    pair.compare(name, "eth_getTransactionReceipt", &json!([hash]));
    let used = &pair.ours.ask("eth_getTransactionReceipt", &json!([hash]))["gasUsed"];
    let call = pair.ours.ask("debug_traceTransaction", &json!([hash, {"tracer": "callTracer"}]));
    assert_eq!(call["gasUsed"], *used, "{name}");
    for tracer in tracers() {
        if tracer["tracer"] == "4byteTracer" && number == PRECOMPILES {
            continue;
        }
        pair.compare(name, "debug_traceTransaction", &json!([hash, tracer]));
    }
    if number != PRECOMPILES {
        pair.compare(name, "trace_transaction", &json!([hash]));
    }
}

fn compare_block(pair: &mut Pair<'_>, number: u64) {
    let (name, precompiles) = (format!("block {number}"), number == PRECOMPILES);
    let number = format!("{number:#x}");
    if !precompiles {
        pair.compare(&name, "trace_block", &json!([number]));
        // Not `vmTrace` and `stateDiff`, which anvil has from an older revm-inspectors.
        let traces = json!([number, ["trace"]]);
        pair.compare(&name, "trace_replayBlockTransactions", &traces);
    }
    pair.compare(&name, "debug_traceBlockByNumber", &json!([number, {"tracer": "callTracer"}]));
}
