//! Who may call the Engine API, over HTTP and over WebSocket.

use std::net::SocketAddr;

use alloy_primitives::Bytes;
use ethrex_rpc::{JwtSecret, Running, Server, ServerConfig};
use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{self, Message, client::IntoClientRequest as _},
};
use tokio_util::sync::CancellationToken;

use crate::world::{Node, Until, ZERO, choice, hash, valid};

async fn serve(node: &Node, secret: &JwtSecret, stop: &CancellationToken) -> Running {
    Server::new(ServerConfig::engine("127.0.0.1:0".parse().unwrap()))
        .add(node.engine.methods(&node.context))
        .unwrap()
        .authenticated(secret.clone())
        .start(stop.clone())
        .await
        .unwrap()
}

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

fn bearer(secret: &JwtSecret, at: u64) -> String {
    format!("Bearer {}", secret.token(at))
}

/// Values of the `Authorization` header that let nobody in: absent, of another secret, too old, too new, of another kind.
fn wrong_tokens(secret: &JwtSecret) -> [Option<String>; 5] {
    [
        None,
        Some(bearer(&JwtSecret::new([4; 32]), now())),
        Some(bearer(secret, now() - 120)),
        Some(bearer(secret, now() + 120)),
        Some("Basic eDp5".to_owned()),
    ]
}

/// Status of a POST with this `Authorization` header, and the body.
async fn post(address: SocketAddr, authorization: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = format!(
        "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n{authorization}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[tokio::test]
async fn only_who_knows_the_secret_is_answered() {
    let node = Node::new(Until::Osaka);
    let (secret, stop) = (JwtSecret::new([3; 32]), CancellationToken::new());
    let running = serve(&node, &secret, &stop).await;
    let call = |method: &str| {
        json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": []}).to_string()
    };
    let address = running.address();
    for refused in wrong_tokens(&secret) {
        let header = refused.map(|value| format!("Authorization: {value}\r\n")).unwrap_or_default();
        let (status, body) = post(address, &header, &call("eth_chainId")).await;
        assert_eq!(status, 401, "{header}{body}");
    }
    let good = format!("Authorization: {}\r\n", bearer(&secret, now()));
    let (status, body) = post(address, &good, &call("eth_chainId")).await;
    assert_eq!(status, 200);
    assert!(body.contains("0x9"), "{body}");
    // Not everything of `eth` is served here, and nothing else.
    for absent in ["eth_getProof", "debug_getRawBlock", "txpool_status"] {
        let (_, body) = post(address, &good, &call(absent)).await;
        assert!(body.contains("-32601"), "{absent}: {body}");
    }
    let params = json!([choice(node.head(), ZERO, ZERO), null]);
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "engine_forkchoiceUpdatedV3", "params": params});
    let (_, body) = post(address, &good, &call.to_string()).await;
    assert!(body.contains("VALID"), "{body}");
    // A request as large as blocks may be is read.
    let large = Bytes::from(vec![0; 10 * 1024 * 1024]);
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": "engine_newPayloadV4", "params": [{"extraData": large}]});
    let (status, body) = post(address, &good, &call.to_string()).await;
    assert_eq!(status, 200, "{body}");
    assert!(body.contains("-32602"), "{body}");
    stop.cancel();
    running.stopped().await.unwrap();
}

type Socket = WebSocketStream<MaybeTlsStream<TcpStream>>;

/// Opens a WebSocket with this `Authorization` header; the status where that is refused.
async fn open(address: SocketAddr, authorization: Option<&str>) -> Result<Socket, u16> {
    let mut request = format!("ws://{address}").into_client_request().unwrap();
    if let Some(value) = authorization {
        request.headers_mut().insert("authorization", value.parse().unwrap());
    }
    match connect_async(request).await {
        Ok((socket, _)) => Ok(socket),
        Err(tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
        Err(other) => panic!("{other}"),
    }
}

async fn ask(socket: &mut Socket, method: &str, params: Vec<Value>) -> Value {
    let call = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    socket.send(Message::Text(call.to_string().into())).await.unwrap();
    loop {
        if let Message::Text(text) = socket.next().await.unwrap().unwrap() {
            return serde_json::from_str(&text).unwrap();
        }
    }
}

#[tokio::test]
async fn a_websocket_opens_only_to_who_knows_the_secret() {
    let node = Node::new(Until::Osaka);
    let (secret, stop) = (JwtSecret::new([3; 32]), CancellationToken::new());
    let running = serve(&node, &secret, &stop).await;
    let address = running.address();
    for refused in wrong_tokens(&secret) {
        assert_eq!(open(address, refused.as_deref()).await.err(), Some(401), "{refused:?}");
    }
    let mut socket = open(address, Some(&bearer(&secret, now()))).await.unwrap();
    assert_eq!(ask(&mut socket, "eth_chainId", vec![]).await["result"], "0x9");
    assert_eq!(ask(&mut socket, "debug_getRawBlock", vec![]).await["error"]["code"], -32_601);

    // A whole slot over it: a payload is begun, fetched, offered and followed.
    let attributes = node.attributes(node.chain.head().timestamp + 12, 1);
    let params = vec![choice(node.head(), ZERO, ZERO), attributes];
    let begun = ask(&mut socket, "engine_forkchoiceUpdatedV3", params).await;
    let id = begun["result"]["payloadId"].clone();
    let built = ask(&mut socket, "engine_getPayloadV5", vec![id]).await;
    let offer = node.offer_of(&built["result"]);
    let status = ask(&mut socket, "engine_newPayloadV4", offer.clone()).await;
    assert_eq!(status["result"], valid(hash(&offer)));
    let params = vec![choice(hash(&offer), ZERO, ZERO), Value::Null];
    let followed = ask(&mut socket, "engine_forkchoiceUpdatedV3", params).await;
    assert_eq!(followed["result"]["payloadStatus"], valid(hash(&offer)));
    assert_eq!(node.head(), hash(&offer));
    stop.cancel();
    running.stopped().await.unwrap();
}

/// Whatever comes after a payload or a fork choice on the same connection finds what that one did.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_without_waiting_is_done_in_order() {
    let (ours, theirs) = (Node::new(Until::Osaka), Node::new(Until::Osaka));
    let offers = ours.grow(ours.head(), 1, 40);
    let (secret, stop) = (JwtSecret::new([3; 32]), CancellationToken::new());
    let running = serve(&theirs, &secret, &stop).await;
    let socket = open(running.address(), Some(&bearer(&secret, now()))).await.unwrap();
    let (mut sender, mut receiver) = socket.split();
    let calls: Vec<_> = offers
        .iter()
        .flat_map(|offer| {
            let followed = vec![choice(hash(offer), ZERO, ZERO), Value::Null];
            [("engine_newPayloadV4", offer.clone()), ("engine_forkchoiceUpdatedV3", followed)]
        })
        .collect();
    let count = calls.len();
    let send = async move {
        for (id, (method, params)) in calls.into_iter().enumerate() {
            let call = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
            sender.send(Message::Text(call.to_string().into())).await.unwrap();
        }
        sender
    };
    let receive = async {
        let mut answers = Vec::new();
        while answers.len() < count {
            if let Message::Text(text) = receiver.next().await.unwrap().unwrap() {
                answers.push(serde_json::from_str::<Value>(&text).unwrap());
            }
        }
        answers
    };
    let (_sender, answers) = tokio::join!(send, receive);
    for answer in answers {
        let result = &answer["result"];
        let status = result.get("payloadStatus").unwrap_or(result);
        assert_eq!(status["status"], "VALID", "{answer}");
    }
    assert_eq!(theirs.head(), hash(&offers[39]));
    stop.cancel();
    running.stopped().await.unwrap();
}
