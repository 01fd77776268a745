//! What comes from outside may be anything: each caller gets the right error, and the others do not notice.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::{Duration, Instant};

use ethrex_rpc::ServerConfig;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use crate::{
    connections::Caller,
    world::{COUNTER, World},
};

const PATIENCE: Duration = Duration::from_secs(30);

fn head(length: usize) -> String {
    format!(
        "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    )
}

/// Status and body of a request whose body need not be text.
async fn post(world: &World, body: &[u8]) -> (u16, Value) {
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    stream.write_all(head(body.len()).as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    let mut answer = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, serde_json::from_str(body).unwrap_or(Value::Null))
}

#[track_caller]
fn refused(answer: &Value, code: i64) {
    assert_eq!(answer["error"]["code"], code, "{answer}");
}

/// Requests that are wrong in themselves, and their codes.
fn wrong() -> Vec<(Vec<u8>, i64)> {
    let (parse, invalid, params) = (-32_700, -32_600, -32_602);
    let call = |rest: &str| format!(r#"{{"jsonrpc":"2.0","id":1,{rest}}}"#).into_bytes();
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    vec![
        (b"".to_vec(), parse),
        (b"{".to_vec(), parse),
        (b"nonsense".to_vec(), parse),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xff\xfe\"}".to_vec(), parse),
        (b"\xc3\x28".to_vec(), parse),
        (br#"{"jsonrpc":"2.0","id":1,"method":"\ud800"}"#.to_vec(), invalid),
        (b"[]".to_vec(), invalid),
        (b"7".to_vec(), invalid),
        (b"\"eth_chainId\"".to_vec(), invalid),
        (b"{}".to_vec(), invalid),
        (br#"{"id":1,"method":"eth_chainId"}"#.to_vec(), invalid),
        (br#"{"jsonrpc":"1.0","id":1,"method":"eth_chainId"}"#.to_vec(), invalid),
        (br#"{"jsonrpc":"2.0","id":{},"method":"eth_chainId"}"#.to_vec(), invalid),
        (br#"{"jsonrpc":"2.0","id":[1],"method":"eth_chainId"}"#.to_vec(), invalid),
        (
            format!(r#"{{"jsonrpc":"2.0","id":{},"method":"eth_chainId"}}"#, "9".repeat(10_000))
                .into_bytes(),
            invalid,
        ),
        (call(r#""method":7"#), invalid),
        (call(&format!(r#""method":"{}""#, "x".repeat(100_000))), -32_601),
        (call(r#""method":"eth_getBalance","params":{"address":1}"#), params),
        (call(r#""method":"eth_getBalance","params":"0x0""#), params),
        (call(r#""method":"eth_getBalance","params":[1e999999]"#), params),
        (call(&format!(r#""method":"eth_getBalance","params":[{}]"#, "9".repeat(100_000))), params),
        (
            call(&format!(
                r#""method":"eth_getBlockByNumber","params":["0x{}",false]"#,
                "f".repeat(100_000)
            )),
            params,
        ),
        (
            call(&format!(
                r#""method":"eth_feeHistory","params":["0x{}","latest",[]]"#,
                "f".repeat(100)
            )),
            params,
        ),
        (call(&format!(r#""method":"eth_getLogs","params":[{}]"#, nested(100_000))), params),
        (call(&format!(r#""method":"eth_getLogs","params":{}"#, nested(1_000_000))), params),
        (nested(1_000_000).into_bytes(), invalid),
        ("[".repeat(1_000_000).into_bytes(), parse),
        ("{\"a\":".repeat(200_000).into_bytes(), parse),
    ]
}

#[tokio::test]
async fn what_is_wrong_has_its_code_over_http() {
    let world = World::new().await;
    for (request, code) in wrong() {
        let (status, answer) = post(&world, &request).await;
        assert_eq!(status, 200);
        // A list that is no batch of calls is answered like one: with an error for each thing in it.
        let answer = if answer.is_array() { answer[0].clone() } else { answer };
        assert_eq!(
            answer["error"]["code"],
            code,
            "{} → {answer}",
            String::from_utf8_lossy(&request[..request.len().min(120)])
        );
    }
    assert_eq!(world.get("eth_chainId", json!([])).await, "0x9");
}

#[tokio::test]
async fn what_is_wrong_has_its_code_over_a_websocket() {
    let world = World::new().await;
    let mut caller = Caller::connect(&world).await;
    for (request, code) in wrong() {
        // A frame that is no text would end the connection, and rightly so.
        let Ok(text) = String::from_utf8(request) else { continue };
        caller.send(text).await;
        let answer = caller.receive().await.expect("the connection stays");
        let answer = if answer.is_array() { answer[0].clone() } else { answer };
        refused(&answer, code);
    }
    assert_eq!(caller.ask("eth_chainId", json!([])).await["result"], "0x9");
}

#[tokio::test]
async fn a_batch_is_bounded_in_calls_and_in_bytes() {
    let change = |config| ServerConfig { max_batch: 100, max_response_bytes: 20_000, ..config };
    let world = World::with(change).await;
    let call =
        r#"{"jsonrpc":"2.0","id":1,"method":"eth_getBlockByNumber","params":["latest",true]}"#;
    let batch = |count: usize| format!("[{}]", vec![call; count].join(","));
    let (_, answer) = post(&world, batch(101).as_bytes()).await;
    refused(&answer, -32_600);
    let (_, answer) = post(&world, batch(10).as_bytes()).await;
    assert_eq!(answer.as_array().unwrap().len(), 10);
    let (_, answer) = post(&world, batch(100).as_bytes()).await;
    assert!(answer["error"]["code"].is_i64(), "{answer}");
    let (_, answer) = post(&world, format!("[{}]", "1,".repeat(2_000_000) + "1").as_bytes()).await;
    refused(&answer, -32_600);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_not_read_to_its_end() {
    let world = World::with(|config| ServerConfig { max_request_bytes: 10_000, ..config }).await;
    // What is announced is refused at once.
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    stream.write_all(head(1 << 40).as_bytes()).await.unwrap();
    let mut answer = [0; 12];
    timeout(PATIENCE, stream.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");
    // What is not is refused where it passes the limit.
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let chunk = format!("1000\r\n{}\r\n", " ".repeat(0x1000));
    let sent = async {
        // The server stops reading: whatever is sent beyond what the sockets hold finds nobody.
        while stream.write_all(chunk.as_bytes()).await.is_ok() {
            let mut answer = [0; 12];
            if let Ok(Ok(_)) =
                timeout(Duration::from_millis(1), stream.read_exact(&mut answer)).await
            {
                assert_eq!(&answer, b"HTTP/1.1 413");
                return;
            }
        }
    };
    timeout(PATIENCE, sent).await.unwrap();
    assert_eq!(world.get("eth_chainId", json!([])).await, "0x9");
}

#[tokio::test]
async fn a_message_that_is_too_large_ends_its_connection_alone() {
    let world = World::with(|config| ServerConfig { max_request_bytes: 10_000, ..config }).await;
    let mut large = Caller::connect(&world).await;
    let mut other = Caller::connect(&world).await;
    large.send(format!("\"{}\"", "x".repeat(20_000))).await;
    assert_eq!(large.receive().await, None);
    assert_eq!(other.ask("eth_chainId", json!([])).await["result"], "0x9");
}

/// Whoever does not read is not answered any further, and is disconnected in the end; meanwhile others are served.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_holds_little_and_nobody_up() {
    let idle_timeout = Duration::from_millis(500);
    let world = World::with(|config| ServerConfig { idle_timeout, ..config }).await;
    // A large answer, so that few fill what the sockets hold.
    for nonce in 0..200 {
        world.get("eth_sendRawTransaction", json!([world.raw(nonce, COUNTER, 0)])).await;
    }
    world.mine();
    let call = r#"{"jsonrpc":"2.0","id":1,"method":"eth_getBlockByNumber","params":["0x1",true]}"#;

    let mut http = TcpStream::connect(world.address).await.unwrap();
    let request = head(call.len()).replace("Connection: close\r\n", "") + call;
    // The server takes no more requests than it can answer, and ends the connection that does not move.
    let filled = async {
        let mut sent = 0;
        while http.write_all(request.as_bytes()).await.is_ok() {
            sent += 1;
            assert!(sent < 100_000, "the server reads on although nobody reads its answers");
        }
    };
    timeout(PATIENCE, filled).await.expect("it is cut off");
    let mut caller = Caller::connect(&world).await;
    let filled = async {
        let mut asked = 0;
        while caller.try_send(call).await {
            asked += 1;
            assert!(asked < 100_000, "the server reads on although nobody reads its answers");
            if asked % 500 == 0 {
                assert_eq!(world.get("eth_chainId", json!([])).await, "0x9");
            }
        }
    };
    timeout(PATIENCE, filled).await.expect("it is cut off");
    assert_eq!(world.get("eth_chainId", json!([])).await, "0x9");
    // What was buffered may still be there; then comes the end.
    let mut rest = Vec::new();
    let _ = timeout(PATIENCE, http.read_to_end(&mut rest)).await.expect("it has ended");
    let drained = async { while caller.receive().await.is_some() {} };
    timeout(PATIENCE, drained).await.expect("it has ended");
}

/// As many idle connections as this process may have: more than the server has places for, by far.
#[tokio::test(flavor = "multi_thread")]
async fn idle_connections_keep_nobody_out() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    const PLACES: u32 = 64;
    const WANTED: u64 = 10_000;
    let limit = getrlimit(Resource::Nofile);
    let most = limit.maximum.unwrap_or(u64::MAX).min(WANTED + 1_000);
    setrlimit(Resource::Nofile, Rlimit { current: Some(most), maximum: limit.maximum }).unwrap();
    let count = usize::try_from(most.min(WANTED + 500).saturating_sub(500)).unwrap();

    let world = World::with(|config| ServerConfig { max_connections: PLACES, ..config }).await;
    let mut subscriber = Caller::connect(&world).await;
    assert!(subscriber.ask("eth_subscribe", json!(["newHeads"])).await["result"].is_string());
    let mut idle = Vec::with_capacity(count);
    for at in 0..count {
        idle.push(TcpStream::connect(world.address).await.unwrap());
        if at % 1_000 == 0 {
            let start = Instant::now();
            assert_eq!(world.get("eth_chainId", json!([])).await, "0x9");
            assert!(start.elapsed() < PATIENCE / 3, "{at} idle connections delay a call");
        }
    }
    assert_eq!(world.get("eth_chainId", json!([])).await, "0x9");
    // Who has asked for something is given up last.
    world.mine();
    assert_eq!(subscriber.receive().await.unwrap()["method"], "eth_subscription");
}

#[tokio::test]
async fn what_is_refused_for_its_parameters_does_nothing() {
    let world = World::new().await;
    let raw = world.raw(0, COUNTER, 0);
    for method in ["eth_sendRawTransaction", "eth_sendRawTransactionSync"] {
        let (code, _) = world.error(method, json!([raw, "0x1", "0x2"])).await;
        assert_eq!(code, -32_602);
    }
    assert_eq!(world.pool.status().ready, 0, "nothing was sent");
    world.mine();
    let (code, _) = world.error("debug_setHead", json!(["earliest", 1])).await;
    assert_eq!((code, world.chain.head().number), (-32_602, 1), "the head has not moved");
}
