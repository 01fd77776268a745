//! Bodies of requests, to every method there is, on a chain in memory.

use std::sync::{Arc, LazyLock};

use alloy_primitives::U256;
use axum::body::{Body, to_bytes};
use ethrex_chain::Chain;
use ethrex_rpc::{ApiConfig, Context, modules};
use ethrex_stateless::testing::{TestChain, signer};
use ethrex_stf::{BlockAttributes, Ethereum, Rules};
use ethrex_storage::Storage;
use ethrex_txpool::{NoJournal, Pool, PoolConfig};
use jsonrpsee::server::{
    BatchRequestConfig, HttpRequest, ServerBuilder, ServerConfig, ServerHandle, TowerService,
    stop_channel,
};
use serde_json::Value;
use tokio::runtime::Runtime;
use tower::{Service, layer::util::Identity};

/// Bytes of a body at most, of an answer, and calls of a batch: small, so that no input runs for long.
const MAX_REQUEST_BYTES: u32 = 64 * 1024;
const MAX_RESPONSE_BYTES: u32 = 4 * 1024 * 1024;
const MAX_BATCH: u32 = 20;
/// Gas of a simulated call.
const CALL_GAS_CAP: u64 = 2_000_000;
/// What JSON-RPC calls an internal error: nothing that somebody sends may cause one.
const INTERNAL_ERROR: i64 = -32_603;

/// A node without a socket.
struct Node {
    runtime: Runtime,
    service: TowerService<Identity, Identity>,
    methods: Vec<&'static str>,
    /// Keeps it running.
    _handle: ServerHandle,
}

static NODE: LazyLock<Node> = LazyLock::new(Node::start);

impl Node {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime can be made");
        let (service, methods, handle) = runtime.block_on(async { service() });
        Self { runtime, service, methods, _handle: handle }
    }

    fn ask(&self, body: Vec<u8>) -> (u16, Vec<u8>) {
        let request = HttpRequest::builder()
            .method("POST")
            .header("content-type", "application/json")
            .body(jsonrpsee::server::HttpBody::from(body))
            .expect("it is a request");
        let mut service = self.service.clone();
        self.runtime.block_on(async move {
            let response = service.call(request).await.expect("it is answered");
            let status = response.status().as_u16();
            let body = to_bytes(Body::new(response.into_body()), usize::MAX).await;
            (status, body.expect("the answer is whole").to_vec())
        })
    }
}

fn service() -> (TowerService<Identity, Identity>, Vec<&'static str>, ServerHandle) {
    let spec = TestChain::new(&[(1, 1), (2, 2)]).spec().clone();
    let storage = Storage::memory(&spec).expect("a store in memory opens");
    let rules: Arc<dyn Rules> = Arc::new(Ethereum);
    let chain = Chain::open(spec.clone(), Arc::clone(&rules), storage.clone()).expect("it is new");
    let head = chain.head();
    let state = storage.state_at(head.hash()).expect("the store is read");
    let state = Arc::new(state.expect("the head has a state"));
    let pool = Pool::open(spec, rules, PoolConfig::standard(), Arc::new(NoJournal), head, state)
        .expect("a pool opens");
    for nonce in 0..3 {
        extend(&chain, &pool, nonce);
    }
    let api = ApiConfig { call_gas_cap: CALL_GAS_CAP, ..ApiConfig::standard("fuzz".into()) };
    let methods = modules(&Context::new(chain, pool, api));
    let (stop, handle) = stop_channel();
    let limits = ServerConfig::builder()
        .max_request_body_size(MAX_REQUEST_BYTES)
        .max_response_body_size(MAX_RESPONSE_BYTES)
        .set_batch_request_config(BatchRequestConfig::Limit(MAX_BATCH))
        .http_only()
        .build();
    let names = methods.method_names().collect();
    let service = ServerBuilder::with_config(limits).to_service_builder().build(methods, stop);
    (service, names, handle)
}

/// A block with a transaction that writes and one that only pays.
fn extend(chain: &Chain, pool: &Pool, nonce: u64) {
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
    chain.extend(prepared.expect("a block is built"), pool).expect("the store is written");
}

/// The names of all methods.
pub(crate) fn methods() -> &'static [&'static str] {
    &NODE.methods
}

/// Whatever comes is answered, in JSON-RPC, and nothing breaks on our side.
pub(crate) fn json_rpc(bytes: &[u8]) {
    let (status, answer) = NODE.ask(bytes.to_vec());
    if status != 200 {
        assert!((400..500).contains(&status), "status {status}");
        return;
    }
    let answer: Value = serde_json::from_slice(&answer).expect("an answer is JSON");
    match &answer {
        Value::Array(answers) => answers.iter().for_each(well_formed),
        // What a notification gets.
        Value::Null => {}
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
