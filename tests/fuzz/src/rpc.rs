//! Bodies of requests, to every method there is, on a chain in memory.

use std::{
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
    sync::{Arc, LazyLock},
};

use alloy_primitives::U256;
use ethrex_chain::{Chain, Prepared};
use ethrex_rpc::{Accounts, ApiConfig, Context, Methods, Running, Server, ServerConfig, modules};
use ethrex_stateless::testing::{TestChain, signer};
use ethrex_stf::{BlockAttributes, Ethereum, Rules};
use ethrex_storage::Storage;
use ethrex_txpool::{NoJournal, Pool, PoolConfig};
use serde_json::Value;
use tokio::runtime::Runtime;

/// Bytes of a body at most, of an answer, and calls of a batch: small, so that no input runs for long.
const MAX_REQUEST_BYTES: u32 = 64 * 1024;
const MAX_RESPONSE_BYTES: u32 = 4 * 1024 * 1024;
const MAX_BATCH: u32 = 20;
/// Gas of a simulated call.
const CALL_GAS_CAP: u64 = 2_000_000;
/// What JSON-RPC calls an internal error: nothing that somebody sends may cause one.
pub(crate) const INTERNAL_ERROR: i64 = -32_603;

/// A node that listens, on the loopback interface.
struct Node {
    /// Keeps it running.
    _runtime: Runtime,
    address: SocketAddr,
    methods: Vec<&'static str>,
}

static NODE: LazyLock<Node> = LazyLock::new(Node::start);

impl Node {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime can be made");
        let methods = node_methods();
        let names = methods.method_names().collect();
        let running = runtime.block_on(serve(methods));
        Self { _runtime: runtime, address: running.address(), methods: names }
    }

    /// The status of the answer, and its body.
    fn ask(&self, body: &[u8]) -> (u16, Vec<u8>) {
        let stream = TcpStream::connect(self.address).expect("it listens");
        let head = format!(
            "POST / HTTP/1.1\r\nhost: fuzz\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        let mut writer = &stream;
        // A request that is refused by its head may be answered before its body was taken.
        let _ = writer.write_all(&[head.as_bytes(), body].concat());
        answer(BufReader::new(&stream))
    }
}

fn answer(mut reader: impl BufRead) -> (u16, Vec<u8>) {
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).expect("it answers");
        line.trim_end().to_ascii_lowercase()
    };
    let status = line().split(' ').nth(1).and_then(|status| status.parse().ok());
    let mut length = 0;
    loop {
        let header = line();
        if header.is_empty() {
            break;
        }
        if let Some(value) = header.strip_prefix("content-length:") {
            length = value.trim().parse().expect("a length is a number");
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).expect("the answer is whole");
    (status.expect("an answer has a status"), body)
}

async fn serve(methods: Methods) -> Running {
    let config = ServerConfig {
        max_request_bytes: MAX_REQUEST_BYTES,
        max_response_bytes: MAX_RESPONSE_BYTES,
        max_batch: MAX_BATCH,
        ..ServerConfig::loopback(0)
    };
    let server = Server::new(config).add(methods).expect("names are distinct");
    server.start(Default::default()).await.expect("a port is free")
}

fn node_methods() -> Methods {
    let (chain, pool) = chain();
    for nonce in 0..3 {
        chain.extend(prepare(&chain, nonce), &pool).expect("the store is written");
    }
    let keys = [1, 2].map(|account| signer(account).to_bytes());
    let api = ApiConfig {
        call_gas_cap: CALL_GAS_CAP,
        accounts: Accounts::new(keys).expect("the keys of signers are valid"),
        ..ApiConfig::standard("fuzz".into())
    };
    modules(&Context::new(chain, pool, api))
}

/// An Amsterdam chain without blocks.
pub(crate) fn chain() -> (Chain, Pool) {
    let spec = TestChain::new(&[(1, 1), (2, 2)]).spec().clone();
    let storage = Storage::memory(&spec).expect("a store in memory opens");
    let rules: Arc<dyn Rules> = Arc::new(Ethereum);
    let chain = Chain::open(spec.clone(), Arc::clone(&rules), storage.clone()).expect("it is new");
    let head = chain.head();
    let state = storage.state_at(head.hash()).expect("the store is read");
    let state = Arc::new(state.expect("the head has a state"));
    let pool = Pool::open(spec, rules, PoolConfig::standard(), Arc::new(NoJournal), head, state)
        .expect("a pool opens");
    (chain, pool)
}

/// A next block with a transaction that writes and one that only pays, both of this nonce.
pub(crate) fn prepare(chain: &Chain, nonce: u64) -> Prepared {
    let parent = chain.head();
    let attributes = BlockAttributes {
        timestamp: parent.timestamp + 12,
        fee_recipient: signer(1).address(),
        prev_randao: Default::default(),
        withdrawals: None,
        parent_beacon_block_root: Some(Default::default()),
        slot_number: Some(parent.number + 1),
        desired_gas_limit: parent.gas_limit,
        extra_data: Default::default(),
    };
    let transactions = [
        ethrex_stateless::testing::attacks::writes(1, nonce, &[(nonce, 7)]),
        ethrex_stateless::testing::signed(2, |tx| {
            tx.nonce = nonce;
            tx.value = U256::from(nonce);
        }),
    ];
    let prepared = chain.build(&parent, &attributes, |builder| {
        for (number, tx) in (1..).zip(transactions) {
            builder.push(tx, signer(number).address()).expect("it is valid");
        }
        Ok(())
    });
    prepared.expect("a block is built")
}

/// The names of all methods.
pub(crate) fn methods() -> &'static [&'static str] {
    &NODE.methods
}

/// Whatever comes is answered, in JSON-RPC, and nothing breaks on our side.
pub(crate) fn json_rpc(bytes: &[u8]) {
    let (status, answer) = NODE.ask(bytes);
    if status != 200 {
        assert!((400..500).contains(&status), "status {status}");
        return;
    }
    if answer.is_empty() {
        // What notifications get.
        return;
    }
    match &serde_json::from_slice(&answer).expect("an answer is JSON") {
        Value::Array(answers) => answers.iter().for_each(well_formed),
        answer => well_formed(answer),
    }
}

fn well_formed(answer: &Value) {
    assert_eq!(answer["jsonrpc"], "2.0", "{answer}");
    assert!(answer.get("id").is_some(), "{answer}");
    match (answer.get("result"), answer.get("error")) {
        (Some(_), None) => {}
        (None, Some(error)) => {
            assert!(error["message"].is_string(), "{answer}");
            let code = error["code"].as_i64().expect("a code is a number");
            assert_ne!(code, INTERNAL_ERROR, "{answer}");
        }
        _ => panic!("neither a result nor an error: {answer}"),
    }
}
