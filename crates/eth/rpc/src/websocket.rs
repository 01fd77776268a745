//! JSON-RPC over WebSocket: every text or binary message is a call or a batch.

use std::{io, sync::Arc, time::Duration};

use axum::{
    extract::{
        ConnectInfo, State, WebSocketUpgrade,
        ws::{Message, WebSocket, rejection::WebSocketUpgradeRejection},
    },
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use bytes::Bytes;
use futures::{
    SinkExt, StreamExt,
    stream::{SplitSink, SplitStream},
};
use serde_json::value::RawValue;
use tokio_util::sync::CancellationToken;

use crate::{
    dispatch::SharedDispatcher,
    listener::{At, Place},
    session::{self, Session, Writer},
};

/// The WebSocket side of a server.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) dispatcher: SharedDispatcher,
    /// Pages of these origins may connect; `*` allows all. A browser always says the origin, and nothing else need do so.
    pub(crate) origins: Vec<String>,
    pub(crate) max_message_bytes: usize,
    /// A connection on which nothing moves for so long is closed; it is pinged before.
    pub(crate) idle_timeout: Duration,
    pub(crate) stop: CancellationToken,
}

/// Answers `GET /`: begins a conversation where the caller asks for one.
pub(crate) async fn upgrade(
    State(endpoint): State<Arc<Endpoint>>,
    ConnectInfo(At(place)): ConnectInfo<At>,
    headers: HeaderMap,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
) -> Response {
    // Load balancers ask whether somebody is there.
    if !headers.contains_key(header::UPGRADE) {
        return StatusCode::OK.into_response();
    }
    let upgrade = match upgrade {
        Ok(upgrade) => upgrade,
        Err(rejection) => return rejection.into_response(),
    };
    if !endpoint.admits(&headers) {
        return (StatusCode::FORBIDDEN, "origin not allowed").into_response();
    }
    upgrade
        .max_message_size(endpoint.max_message_bytes)
        .max_frame_size(endpoint.max_message_bytes)
        .on_failed_upgrade(|error| tracing::debug!(%error, "upgrade a connection"))
        .on_upgrade(move |socket| converse(endpoint, place, socket))
}

impl Endpoint {
    fn admits(&self, headers: &HeaderMap) -> bool {
        let Some(origin) = headers.get(header::ORIGIN) else { return true };
        self.origins.iter().any(|allowed| allowed == "*" || allowed.as_bytes() == origin.as_bytes())
    }
}

async fn converse(endpoint: Arc<Endpoint>, place: Arc<Place>, socket: WebSocket) {
    let (sink, stream) = socket.split();
    let (session, outbox) = session::open(Arc::clone(&endpoint.dispatcher), Some(place));
    let writer = Frames { sink, ping_every: endpoint.idle_timeout / 3 };
    tokio::select! {
        () = endpoint.stop.cancelled() => {}
        () = read(stream, session) => {}
        () = outbox.write_to(writer, endpoint.idle_timeout) => {}
    }
}

async fn read(mut stream: SplitStream<WebSocket>, mut session: Session) {
    while let Some(Ok(message)) = stream.next().await {
        match message {
            Message::Text(text) => session.take(Bytes::from(text)).await,
            Message::Binary(bytes) => session.take(bytes).await,
            Message::Ping(_) | Message::Pong(_) => {}
            Message::Close(_) => return,
        }
    }
}

/// Messages as text frames.
struct Frames {
    sink: SplitSink<WebSocket, Message>,
    ping_every: Duration,
}

impl Writer for Frames {
    async fn write(&mut self, message: Box<RawValue>) -> io::Result<()> {
        let text = String::from(Box::<str>::from(message));
        self.sink.send(Message::Text(text.into())).await.map_err(io::Error::other)
    }

    async fn idle(&mut self) -> io::Result<()> {
        tokio::time::sleep(self.ping_every).await;
        self.sink.send(Message::Ping(Bytes::new())).await.map_err(io::Error::other)
    }
}
