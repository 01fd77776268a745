//! Connections that stay: WebSocket and the Unix socket, and what is subscribed to over them.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    os::unix::fs::PermissionsExt as _,
    time::{Duration, Instant},
};

use alloy_primitives::{Address, B256, U256};
use ethrex_rpc::{Gate, Ipc, IpcConfig, Namespaces, Server, ServerConfig, ServerError};
use ethrex_types::SealedHeader;
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpStream, UnixStream},
    time::timeout,
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{Message, client::IntoClientRequest as _, http::HeaderValue},
};
use tokio_util::sync::CancellationToken;

use crate::world::{COUNTER, World};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(20);

/// A WebSocket connection.
pub(crate) struct Caller {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    next: u64,
    /// Notifications that came before an answer.
    notices: Vec<Value>,
}

impl Caller {
    pub(crate) async fn connect(world: &World) -> Self {
        let (socket, _) = connect_async(format!("ws://{}", world.address)).await.unwrap();
        Self { socket, next: 0, notices: Vec::new() }
    }

    pub(crate) async fn send(&mut self, text: impl Into<String>) {
        self.socket.send(Message::Text(text.into().into())).await.unwrap();
    }

    /// Whether the connection still takes it.
    pub(crate) async fn try_send(&mut self, text: &str) -> bool {
        self.socket.send(Message::Text(text.into())).await.is_ok()
    }

    /// The next text; `None` once the connection is closed.
    pub(crate) async fn receive(&mut self) -> Option<Value> {
        loop {
            match timeout(PATIENCE, self.socket.next()).await.expect("something comes in time")? {
                Ok(Message::Text(text)) => return Some(serde_json::from_str(&text).unwrap()),
                Ok(Message::Ping(_) | Message::Pong(_)) => {}
                Ok(_) | Err(_) => return None,
            }
        }
    }

    pub(crate) async fn ask(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        let id = self.next;
        self.send(
            json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params}).to_string(),
        )
        .await;
        loop {
            let message = self.receive().await.expect("the connection stays");
            if message["id"] == id {
                return message;
            }
            self.notices.push(message);
        }
    }

    async fn subscribe(&mut self, params: Value) -> String {
        let answer = self.ask("eth_subscribe", params).await;
        answer["result"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// What the next notification tells, and that it is of this subscription.
    async fn told(&mut self, subscription: &str) -> Value {
        let notice = if self.notices.is_empty() {
            self.receive().await.expect("the connection stays")
        } else {
            self.notices.remove(0)
        };
        assert_eq!(notice["method"], "eth_subscription", "{notice}");
        assert_eq!(notice["params"]["subscription"], subscription);
        notice["params"]["result"].clone()
    }
}

/// A block like another one, with other text in it: a sibling, once both are stored.
async fn reorganise(world: &World, parent: B256) -> SealedHeader {
    world.chain.publish(parent).unwrap();
    world.mine_as(Address::repeat_byte(0xaa), Vec::new());
    world.chain.head()
}

#[tokio::test]
async fn a_name_that_is_not_the_servers_is_refused_over_http() {
    let hosts = Some(vec!["localhost".to_owned()]);
    let world = World::with(|config| ServerConfig { hosts, ..config }).await;
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}"#;
    let ask = async |host: &str| {
        let kind = "Content-Type: application/json";
        let length = body.len();
        world.http(&format!("POST / HTTP/1.1\r\n{host}Connection: close\r\n{kind}\r\nContent-Length: {length}\r\n\r\n{body}")).await
    };
    let port = world.address.port();
    for good in ["localhost".to_owned(), format!("LOCALHOST:{port}"), world.address.to_string()] {
        let (status, answer) = ask(&format!("Host: {good}\r\n")).await;
        assert!(status == 200 && answer.contains("0x9"), "{good}: {status} {answer}");
    }
    for bad in ["rebound.example".to_owned(), format!("rebound.example:{port}")] {
        let (status, answer) = ask(&format!("Host: {bad}\r\n")).await;
        assert!(
            status == 403 && answer.starts_with("invalid host specified"),
            "{bad}: {status} {answer}"
        );
    }
    let (status, _) = world.fetch("/eth/v1/beacon/blobs/0").await;
    assert_eq!(status, 403);
    // A page says its origin when it connects, and none is allowed here.
    let mut caller = Caller::connect(&world).await;
    assert_eq!(caller.ask("eth_chainId", json!([])).await["result"], "0x9");
}

#[tokio::test]
async fn the_same_methods_answer_over_a_websocket() {
    let world = World::new().await;
    let mut caller = Caller::connect(&world).await;
    assert_eq!(caller.ask("eth_chainId", json!([])).await["result"], "0x9");
    let missing = caller.ask("eth_getBalance", json!([])).await;
    assert_eq!(missing["error"]["code"], -32_602);
    caller
        .send(r#"[{"jsonrpc":"2.0","id":"a","method":"eth_blockNumber"},{"jsonrpc":"2.0","id":7,"method":"eth_none"},5]"#)
        .await;
    let batch = caller.receive().await.unwrap();
    assert_eq!(batch[0], json!({"jsonrpc": "2.0", "id": "a", "result": "0x0"}));
    assert_eq!(batch[1]["error"]["code"], -32_601);
    assert_eq!(batch[2]["error"]["code"], -32_600);
}

#[tokio::test]
async fn subscriptions_are_for_connections_that_stay() {
    let world = World::new().await;
    let refused = (-32_601, "notifications not supported".to_owned());
    assert_eq!(world.error("eth_subscribe", json!(["newHeads"])).await, refused);
    let mut caller = Caller::connect(&world).await;
    let unknown = caller.ask("eth_subscribe", json!(["weather"])).await;
    assert_eq!(unknown["error"]["code"], -32_601);
    let id = caller.subscribe(json!(["newHeads"])).await;
    assert_eq!(caller.ask("eth_unsubscribe", json!([id])).await["result"], true);
    assert_eq!(caller.ask("eth_unsubscribe", json!([id])).await["result"], false);
    world.mine();
    // Nothing was told in between.
    assert_eq!(caller.ask("eth_blockNumber", json!([])).await["result"], "0x1");
    assert!(caller.notices.is_empty());
}

#[tokio::test]
async fn new_heads_are_told_and_those_of_another_branch_too() {
    let world = World::new().await;
    let genesis = world.chain.head().hash();
    let mut caller = Caller::connect(&world).await;
    let id = caller.subscribe(json!(["newHeads"])).await;
    let first = world.mine();
    let told = caller.told(&id).await;
    assert_eq!(told["hash"], json!(first));
    assert_eq!(told["number"], "0x1");
    assert!(told["parentHash"].is_string() && told.get("transactions").is_none());
    let second = world.mine();
    assert_eq!(caller.told(&id).await["hash"], json!(second));
    let sibling = reorganise(&world, genesis).await;
    // Going back to the genesis tells nothing, for it is no new block.
    assert_eq!(caller.told(&id).await["hash"], json!(sibling.hash()));
}

#[tokio::test]
async fn logs_are_told_and_taken_back() {
    let world = World::new().await;
    let genesis = world.chain.head().hash();
    let mut caller = Caller::connect(&world).await;
    let id = caller.subscribe(json!(["logs", {"address": COUNTER}])).await;
    let others = json!(["logs", {"address": Address::repeat_byte(1)}]);
    caller.subscribe(others).await;
    world.get("eth_sendRawTransaction", json!([world.raw(0, COUNTER, 0)])).await;
    let block = world.mine();
    let told = caller.told(&id).await;
    assert_eq!(told["blockHash"], json!(block));
    assert_eq!(told["removed"], false);
    reorganise(&world, genesis).await;
    let removed = caller.told(&id).await;
    assert_eq!(removed["blockHash"], json!(block));
    assert_eq!(removed["removed"], true);
}

#[tokio::test]
async fn pending_transactions_are_told_by_hash_or_as_a_whole() {
    let world = World::new().await;
    let mut hashes = Caller::connect(&world).await;
    let mut whole = Caller::connect(&world).await;
    let by_hash = hashes.subscribe(json!(["newPendingTransactions"])).await;
    let full = whole.subscribe(json!(["newPendingTransactions", true])).await;
    for nonce in 0..2 {
        let raw = world.raw(nonce, COUNTER, 0);
        let hash = world.get("eth_sendRawTransaction", json!([raw])).await;
        assert_eq!(hashes.told(&by_hash).await, hash);
        let told = whole.told(&full).await;
        assert_eq!(told["hash"], hash);
        assert_eq!(told["nonce"], json!(format!("{nonce:#x}")));
        assert_eq!(told["blockHash"], Value::Null);
    }
}

#[tokio::test]
async fn so_many_subscriptions_are_on_one_connection_at_most() {
    let world = World::new().await;
    let mut caller = Caller::connect(&world).await;
    for _ in 0..256 {
        caller.subscribe(json!(["newHeads"])).await;
    }
    let refused = caller.ask("eth_subscribe", json!(["newHeads"])).await;
    assert_eq!(refused["error"]["code"], -32_005, "{refused}");
}

#[tokio::test]
async fn pages_of_other_origins_cannot_connect() {
    let gate = Gate { origins: vec!["https://app.example".into()], ..Gate::open() };
    let world = World::with(|config| ServerConfig { websocket: Some(gate), ..config }).await;
    let connect = async |origin: &'static str| {
        let mut request = format!("ws://{}", world.address).into_client_request().unwrap();
        request.headers_mut().insert("origin", HeaderValue::from_static(origin));
        connect_async(request).await.is_ok()
    };
    assert!(connect("https://app.example").await);
    assert!(!connect("https://evil.example").await);
    assert_eq!(Caller::connect(&world).await.ask("eth_chainId", json!([])).await["result"], "0x9");
}

#[tokio::test]
async fn a_transport_offers_its_namespaces_alone() {
    let http = Gate { namespaces: Namespaces::only(["eth", "net"]), ..Gate::open() };
    let websocket = Gate { namespaces: Namespaces::only(["web3"]), ..Gate::open() };
    let world = World::with(|config| ServerConfig {
        http: Some(http),
        websocket: Some(websocket),
        ..config
    })
    .await;
    let mut caller = Caller::connect(&world).await;
    assert_eq!(world.get("eth_chainId", json!([])).await, "0x9");
    assert_eq!(world.error("web3_clientVersion", json!([])).await.0, -32_601);
    assert_eq!(
        world.get("rpc_modules", json!([])).await,
        json!({"eth": "1.0", "net": "1.0", "rpc": "1.0"})
    );
    assert_eq!(caller.ask("eth_chainId", json!([])).await["error"]["code"], -32_601);
    assert!(caller.ask("web3_clientVersion", json!([])).await["result"].is_string());

    let gate = Gate { namespaces: Namespaces::only(["personal"]), ..Gate::open() };
    let config = ServerConfig { http: Some(gate), ..ServerConfig::loopback(0) };
    let server = Server::new(config).add(world.methods.clone()).unwrap();
    let refused = server.start(CancellationToken::new()).await.unwrap_err();
    assert!(matches!(refused, ServerError::UnknownNamespace { .. }), "{refused}");
}

#[tokio::test]
async fn programs_of_the_same_user_reach_every_namespace_over_the_unix_socket() {
    let world = World::new().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("node.ipc");
    // What an earlier run has left behind is no obstacle.
    std::fs::write(&path, "").unwrap();
    let config = IpcConfig {
        path: path.clone(),
        max_request_bytes: 10_000,
        max_response_bytes: 1_000_000,
        max_batch: 10,
        max_connections: 2,
        write_timeout: PATIENCE,
    };
    let ipc = Ipc::bind(config.clone(), world.methods.clone()).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let stop = CancellationToken::new();
    let serving = tokio::spawn(ipc.serve(stop.clone()));
    assert!(Ipc::bind(config, world.methods.clone()).is_err(), "one listens already");

    let mut stream = BufReader::new(UnixStream::connect(&path).await.unwrap());
    let calls = concat!(
        r#"{"jsonrpc":"2.0","id":1,"method":"eth_chainId"}"#,
        r#"[{"jsonrpc":"2.0","id":2,"method":"debug_chainConfig"}] "#,
        r#"{"jsonrpc":"2.0","id":3,"method":"eth_subscribe","params":["newHeads"]}"#,
    );
    stream.write_all(calls.as_bytes()).await.unwrap();
    let mut answers = Vec::new();
    for _ in 0..3 {
        let mut line = String::new();
        timeout(PATIENCE, stream.read_line(&mut line)).await.unwrap().unwrap();
        answers.push(serde_json::from_str::<Value>(&line).unwrap());
    }
    let answer = |id: u64| {
        let of = |answer: &&Value| answer["id"] == id || answer[0]["id"] == id;
        answers.iter().find(of).unwrap_or_else(|| panic!("no answer {id} in {answers:?}"))
    };
    assert_eq!(answer(1)["result"], "0x9");
    assert_eq!(answer(2)[0]["result"]["chainId"], 9);
    assert!(answer(3)["result"].is_string());
    let block = world.mine();
    let mut line = String::new();
    timeout(PATIENCE, stream.read_line(&mut line)).await.unwrap().unwrap();
    let notice: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(notice["params"]["result"]["hash"], json!(block));

    // What is no JSON is refused, and ends the connection: nobody knows where the next message begins.
    stream.write_all(b"hello").await.unwrap();
    let mut rest = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut rest)).await.unwrap().unwrap();
    assert!(rest.contains("-32700"), "{rest}");

    stop.cancel();
    serving.await.unwrap().unwrap();
    assert!(!path.exists());
}

#[tokio::test]
async fn the_head_goes_back_where_it_is_told_to() {
    let world = World::new().await;
    let to = Address::repeat_byte(0xaa);
    world.get("eth_sendRawTransaction", json!([world.raw(0, to, 5)])).await;
    world.mine();
    world.mine();
    assert_eq!(world.get("debug_setHead", json!(["0x0"])).await, Value::Null);
    assert_eq!(world.get("eth_blockNumber", json!([])).await, "0x0");
    assert_eq!(world.get("eth_getBalance", json!([to, "latest"])).await, json!(U256::ZERO));
    assert_eq!(world.error("debug_setHead", json!(["0x9"])).await.0, -32_000);
    world.mine();
    assert_eq!(world.get("eth_blockNumber", json!([])).await, "0x1");
}

/// A filter that names as much as it may.
fn wide(salt: u64) -> Value {
    let words = |place: u64| -> Vec<B256> {
        (0..1_000).map(|at| B256::from(U256::from(salt << 32 | place << 16 | at))).collect()
    };
    let addresses: Vec<_> = words(9).into_iter().map(Address::from_word).collect();
    json!({"address": addresses, "topics": [words(0), words(1), words(2), words(3)]})
}

#[tokio::test]
async fn filters_of_subscriptions_are_bounded_together() {
    let world = World::new().await;
    let mut caller = Caller::connect(&world).await;
    let mut ids = Vec::new();
    for salt in 0..200 {
        ids.push(caller.subscribe(json!(["logs", wide(salt)])).await);
    }
    let refused = caller.ask("eth_subscribe", json!(["logs", wide(200)])).await;
    assert_eq!(refused["error"]["code"], -32_005, "{refused}");
    // Others are not refused, nor is who has made room again.
    let mut other = Caller::connect(&world).await;
    other.subscribe(json!(["newHeads"])).await;
    assert_eq!(caller.ask("eth_unsubscribe", json!([ids[0]])).await["result"], true);
    let deadline = Instant::now() + PATIENCE;
    while caller.ask("eth_subscribe", json!(["logs", wide(201)])).await["error"].is_object() {
        assert!(Instant::now() < deadline, "a subscription that has ended keeps its room");
    }
}
