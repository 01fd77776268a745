//! Plays the public cases of the execution APIs against the real binary, over HTTP, and counts.
//!
//! Runs where the suite is at hand: `$ETHREX_SUITES`, or `shared/suites` inside or beside the workspace.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeMap,
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::ExitCode,
};

use alloy_primitives::{Address, B256, Bytes};
use ethrex_test_e2e::{Tools, consensus::L1Node};
use ethrex_test_rpc_compat::{Case, Failure, Schemas, cases};
use serde_json::{Value, json};

/// No time limit: how fast the machine is does not matter here.
const FLAGS: [&str; 4] = ["--http.api", "debug,eth,net,testing,txpool", "--rpc.evmtimeout", "0"];

/// Cases that cannot pass yet, and why. One that passes fails the run.
const SKIPPED: [(&str, &str); 0] = [];

fn main() -> ExitCode {
    let Some(suite) = suite() else {
        println!("skipped: rpc-compat is not at hand; set ETHREX_SUITES");
        return ExitCode::SUCCESS;
    };
    let only: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let schemas = Schemas::read(&suite).unwrap();
    let node = start(&suite);
    let mut report = Report::default();
    for case in cases(&suite).unwrap() {
        if only.is_empty() || only.iter().any(|part| case.name.contains(part.as_str())) {
            let played = play(node.http(), &case, &schemas);
            report.count(&case, played);
        }
    }
    for case in moved_calls().into_iter().chain(filled()).chain(unsigned()) {
        let played = play(node.http(), &case, &schemas);
        report.count(&case, played);
    }
    report.close()
}

/// The binary with the chain of the suite, its end made the head as a consensus client does.
fn start(suite: &Path) -> L1Node {
    let [genesis, chain] = ["genesis.json", "chain.rlp"].map(|name| suite.join(name));
    let node = L1Node::imported(&Tools::find(), &genesis, &chain, &FLAGS).unwrap();
    let call = fs::read(suite.join("headfcu.json")).unwrap();
    let call: Value = serde_json::from_slice(&call).unwrap();
    let params: Vec<String> =
        call["params"].as_array().unwrap().iter().map(Value::to_string).collect();
    let params: Vec<&str> = params.iter().map(String::as_str).collect();
    let answer = node.engine(call["method"].as_str().unwrap(), &params).unwrap().unwrap();
    assert_eq!(answer["payloadStatus"]["status"], "VALID", "{answer}");
    node
}

/// What else can be asked on this chain: a call may move a block past any fork, but not over the merge.
fn moved_calls() -> Vec<Case> {
    const MERGE: u8 = 36;
    let moves = [(5, 430), (37, 430), (40, 545), (50, 1), (54, u64::MAX)];
    let case = |(block, time): (u8, u64)| {
        let request = json!({
            "jsonrpc": "2.0",
            "id": 1,
            "method": "eth_call",
            "params": [{"data": "0x4360005260206000f3"}, format!("{block:#x}"), null, {"time": format!("{time:#x}")}],
        });
        let answer = if block < MERGE {
            json!({"jsonrpc": "2.0", "id": 1, "error": {"code": -32_602, "message": ""}})
        } else {
            json!({"jsonrpc": "2.0", "id": 1, "result": B256::with_last_byte(block)})
        };
        let name = format!("own/call-{block}-moved-to-{time}");
        Case { name, rounds: vec![(request.to_string(), answer)], shape_only: false }
    };
    moves.map(case).into()
}

/// Every kind of transaction is filled in, with the fields that the specification gives it. The recorded cases have none of this.
fn filled() -> Vec<Case> {
    let to = Address::repeat_byte(0xaa);
    let signed = json!({"chainId": "0x0", "address": to, "nonce": "0x0", "yParity": "0x0", "r": "0x1", "s": "0x1"});
    let kinds = [
        ("legacy", json!({"gasPrice": "0x77359400"})),
        (
            "access-list",
            json!({"gasPrice": "0x77359400", "accessList": [{"address": to, "storageKeys": []}]}),
        ),
        ("dynamic-fee", json!({"value": "0x0"})),
        ("blob-hashes", json!({"blobVersionedHashes": [B256::with_last_byte(1)]})),
        ("blob", json!({"blobs": [Bytes::from(vec![0; 131_072])]})),
        ("set-code", json!({"authorizationList": [signed]})),
    ];
    let case = |(kind, fields): (&str, Value)| {
        let mut tx = json!({"to": to, "gas": "0x186a0"});
        tx.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let request =
            json!({"jsonrpc": "2.0", "id": 1, "method": "eth_fillTransaction", "params": [tx]});
        let rounds = vec![(request.to_string(), json!({"result": null}))];
        Case { name: format!("own/fill-{kind}"), rounds, shape_only: true }
    };
    kinds.map(case).into()
}

/// The node of a public chain has no accounts, and makes no blocks of its own accord.
fn unsigned() -> Vec<Case> {
    let who = Address::repeat_byte(0xaa);
    let unknown = json!({"error": {"code": -32_000}});
    let asked = [
        ("eth_accounts", json!([]), json!({"result": []})),
        ("eth_coinbase", json!([]), unknown.clone()),
        ("eth_sign", json!([who, "0x00"]), unknown.clone()),
        ("eth_signTransaction", json!([{"from": who, "to": who}]), unknown.clone()),
        ("eth_sendTransaction", json!([{"from": who, "to": who}]), unknown),
    ];
    let case = |(method, params, mut answer): (&str, Value, Value)| {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        answer
            .as_object_mut()
            .unwrap()
            .extend([("jsonrpc".into(), "2.0".into()), ("id".into(), 1.into())]);
        Case {
            name: format!("own/{method}"),
            rounds: vec![(request.to_string(), answer)],
            shape_only: false,
        }
    };
    asked.map(case).into()
}

fn suite() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let asked = std::env::var_os("ETHREX_SUITES").map(PathBuf::from);
    let places =
        [Some(root.join("shared/suites")), root.parent().map(|up| up.join("shared/suites"))];
    let found = asked.or_else(|| places.into_iter().flatten().find(|dir| dir.is_dir()));
    found.map(|suites| suites.join("rpc-compat")).filter(|suite| suite.is_dir())
}

fn play(server: SocketAddr, case: &Case, schemas: &Schemas) -> Result<(), Failure> {
    for (request, expected) in &case.rounds {
        let got = ask(server, request).map_err(|error| Failure::None(error.to_string()))?;
        case.judge(request, expected, &got, schemas)?;
    }
    Ok(())
}

fn ask(server: SocketAddr, request: &str) -> std::io::Result<Value> {
    let mut stream = TcpStream::connect(server)?;
    let length = request.len();
    let head = format!(
        "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let start = answer.windows(4).position(|end| end == b"\r\n\r\n").unwrap_or(0) + 4;
    Ok(serde_json::from_slice(&answer[start..])?)
}

/// How cases ended, by method.
#[derive(Debug, Default)]
struct Report {
    methods: BTreeMap<String, (usize, usize)>,
    failures: Vec<String>,
    skipped: usize,
}

impl Report {
    fn count(&mut self, case: &Case, played: Result<(), Failure>) {
        let method = case.name.split('/').next().unwrap_or_default().to_owned();
        let (passed, all) = self.methods.entry(method).or_default();
        *all += 1;
        let skip = SKIPPED.iter().find(|(name, _)| *name == case.name);
        match (played, skip) {
            (Ok(()), None) => *passed += 1,
            (Ok(()), Some(_)) => {
                self.failures.push(format!("{}: passes, but is on the skip list", case.name));
            }
            (Err(_), Some((name, why))) => {
                self.skipped += 1;
                println!("skip {name}: {why}");
            }
            (Err(failure), None) => self.failures.push(format!("{}: {failure}", case.name)),
        }
    }

    fn close(self) -> ExitCode {
        for (method, (passed, all)) in &self.methods {
            println!("{method:<45} {passed:>3} of {all}");
        }
        for failure in &self.failures {
            println!("FAILED {failure}");
        }
        let passed: usize = self.methods.values().map(|(passed, _)| passed).sum();
        let all: usize = self.methods.values().map(|(_, all)| all).sum();
        println!("note: rpc-compat: {passed} of {all} cases");
        println!("{passed} passed, {} failed, {} skipped", self.failures.len(), self.skipped);
        if self.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }
}
