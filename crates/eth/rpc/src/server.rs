//! The server of one port: JSON-RPC at `POST /` and over WebSocket, plain routes beside it.

use std::{convert::Infallible, io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use axum::{
    Router,
    body::{Body, HttpBody as _, to_bytes},
    extract::{ConnectInfo, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Version, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
};
use bytes::Bytes;
use jsonrpsee::{Methods, RpcModule, core::RegisterMethodError, types::ErrorObjectOwned};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tower_http::cors::{Any, CorsLayer};

use crate::{
    Gate, JwtSecret, ServerConfig,
    dispatch::{Answer, Dispatcher, SharedDispatcher},
    engine, hosts,
    listener::{At, Bounded, Ending},
    namespaces,
    websocket::{self, Endpoint},
};

/// Why a server does not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The address cannot be listened on.
    #[error("cannot listen on {address}: {source}; is another process using the port?")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// Two namespaces have a method of the same name.
    #[error(transparent)]
    Duplicate(#[from] RegisterMethodError),
    /// The Unix socket cannot be listened on.
    #[error("cannot listen on {path}: {source}", path = path.display())]
    Ipc {
        /// The socket.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A namespace is asked for that does not exist here.
    #[error("there is no JSON-RPC namespace {unknown:?}; there are: {known}")]
    UnknownNamespace {
        /// What was asked for.
        unknown: String,
        /// What there is.
        known: String,
    },
    /// An allowed origin is no header value.
    #[error("CORS origin is not a valid header value")]
    Origin,
    /// The listener failed.
    #[error("serve")]
    Serve(#[source] io::Error),
}

/// A server that has not yet started: namespaces and routes are added, then it listens.
#[derive(Debug)]
pub struct Server {
    config: ServerConfig,
    methods: Methods,
    routes: Router,
    secret: Option<JwtSecret>,
}

/// A server that listens. It stops with the token it was started with.
#[derive(Debug)]
pub struct Running {
    address: SocketAddr,
    task: JoinHandle<Result<(), ServerError>>,
}

impl Running {
    /// Where it listens; with the real port where 0 was asked for.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until it has stopped and every answer is sent.
    ///
    /// # Errors
    /// If the listener failed.
    ///
    /// # Panics
    /// If serving panicked.
    pub async fn stopped(self) -> Result<(), ServerError> {
        match self.task.await {
            Ok(result) => result,
            Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Err(_) => Ok(()),
        }
    }
}

impl Server {
    /// A server without methods.
    #[must_use]
    pub fn new(config: ServerConfig) -> Self {
        Self { config, methods: Methods::new(), routes: Router::new(), secret: None }
    }

    /// Answers only those who know this secret; everybody else gets a 401, whatever was asked.
    #[must_use]
    pub fn authenticated(mut self, secret: JwtSecret) -> Self {
        self.secret = Some(secret);
        self
    }

    /// Adds a namespace.
    ///
    /// # Errors
    /// If one of its methods is there already.
    #[expect(clippy::should_implement_trait, reason = "a server is no number")]
    pub fn add(mut self, methods: impl Into<Methods>) -> Result<Self, ServerError> {
        self.methods.merge(methods)?;
        Ok(self)
    }

    /// Adds plain HTTP routes. `/` is taken.
    ///
    /// # Panics
    /// If a route is there already.
    #[must_use]
    pub fn route(mut self, routes: Router) -> Self {
        self.routes = self.routes.merge(routes);
        self
    }

    /// Listens, and answers until `stop` is cancelled.
    ///
    /// # Errors
    /// If the address is taken, a namespace does not exist, or an origin is malformed.
    pub async fn start(self, stop: CancellationToken) -> Result<Running, ServerError> {
        let root = self.root(&stop)?;
        let address = self.config.listen;
        let bind = |source| ServerError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        let listener =
            Bounded::new(listener, self.config.max_connections, self.config.idle_timeout);
        let mut router = self.routes.route("/", root);
        if let Some(secret) = self.secret {
            router = router.layer(middleware::from_fn_with_state(secret, engine::authenticate));
        }
        if let Some(http) = &self.config.http
            && let Some(cors) = cors(&http.origins)?
        {
            router = router.layer(cors);
        }
        if let Some(names) = &self.config.hosts {
            let names: Arc<[String]> = names.as_slice().into();
            router = router.layer(middleware::from_fn_with_state(names, hosts::check));
        }
        router = router.layer(middleware::from_fn(only_http_1));
        let task = tokio::spawn(async move {
            axum::serve(listener, router.into_make_service_with_connect_info::<At>())
                .with_graceful_shutdown(stop.cancelled_owned())
                .await
                .map_err(ServerError::Serve)
        });
        let (http, websocket) = (self.config.http.is_some(), self.config.websocket.is_some());
        tracing::info!(%address, http, websocket, "JSON-RPC server listens");
        Ok(Running { address, task })
    }

    /// What answers at `/`.
    fn root(&self, stop: &CancellationToken) -> Result<MethodRouter, ServerError> {
        let mut root = match &self.config.websocket {
            Some(gate) => {
                let endpoint = Arc::new(Endpoint {
                    dispatcher: self.dispatcher(gate)?,
                    origins: gate.origins.clone(),
                    max_message_bytes: self.config.max_request_bytes as usize,
                    idle_timeout: self.config.idle_timeout,
                    stop: stop.clone(),
                });
                get(websocket::upgrade).with_state(endpoint)
            }
            None => get(alive),
        };
        if let Some(gate) = &self.config.http {
            let endpoint = HttpEndpoint {
                dispatcher: self.dispatcher(gate)?,
                max_request_bytes: self.config.max_request_bytes as usize,
                patience: self.config.idle_timeout,
            };
            root = root.merge(post(answer).with_state(Arc::new(endpoint)));
        }
        Ok(root)
    }

    fn dispatcher(&self, gate: &Gate) -> Result<SharedDispatcher, ServerError> {
        let mut methods = gate.namespaces.select(&self.methods)?;
        methods.merge(rpc_modules(&methods))?;
        let (batch, bytes) = (self.config.max_batch, self.config.max_response_bytes);
        Ok(Arc::new(Dispatcher::new(methods, batch, bytes)))
    }
}

/// `rpc_modules`: which namespaces there are, in geth's words.
fn rpc_modules(methods: &Methods) -> RpcModule<()> {
    let names: std::collections::BTreeMap<_, _> =
        namespaces::names(methods).into_iter().chain(["rpc"]).map(|name| (name, "1.0")).collect();
    let mut module = RpcModule::new(());
    module
        .register_method("rpc_modules", move |_, (), _| Ok::<_, ErrorObjectOwned>(names.clone()))
        .expect("the module is empty");
    module
}

#[derive(Debug)]
struct HttpEndpoint {
    dispatcher: SharedDispatcher,
    max_request_bytes: usize,
    /// The time that a caller has to read a large answer.
    patience: Duration,
}

async fn answer(
    State(endpoint): State<Arc<HttpEndpoint>>,
    ConnectInfo(At(place)): ConnectInfo<At>,
    request: Request,
) -> Response {
    if !says_json(request.headers()) {
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, "content type must be application/json")
            .into_response();
    }
    // What is announced as too large is not waited for.
    let announced = request.body().size_hint().lower();
    if announced > endpoint.max_request_bytes as u64 {
        return (StatusCode::PAYLOAD_TOO_LARGE, "request is too large").into_response();
    }
    let Ok(message) = to_bytes(request.into_body(), endpoint.max_request_bytes).await else {
        return (StatusCode::PAYLOAD_TOO_LARGE, "request is too large or incomplete")
            .into_response();
    };
    let _working = place.work();
    let answer = endpoint.dispatcher.answer(&message, None).await;
    let length = answer.as_ref().map_or(0, |answer| answer.json.get().len());
    let body = answer.map_or_else(Body::empty, |answer| {
        let ending = answer.room.is_some().then(|| place.end_after(endpoint.patience));
        body(answer, ending)
    });
    let json = HeaderValue::from_static("application/json");
    ([(header::CONTENT_TYPE, json), (header::CONTENT_LENGTH, length.into())], body).into_response()
}

/// What is handed to the connection at once.
const CHUNK: usize = 64 * 1024;

/// The body of an answer. A large one is handed over piece by piece as it is read, and keeps its room meanwhile. Its connection is
/// `ending`, or a caller who reads a little now and then would keep the room from all others.
fn body(answer: Answer, ending: Option<Ending>) -> Body {
    let Answer { json, room } = answer;
    let bytes = Bytes::from(String::from(Box::<str>::from(json)));
    let Some(room) = room else { return Body::from(bytes) };
    let whole = (bytes, room, ending);
    Body::from_stream(futures::stream::unfold(whole, |(mut rest, room, ending)| async move {
        let next = rest.split_to(rest.len().min(CHUNK));
        (!next.is_empty()).then_some((Ok::<_, Infallible>(next), (rest, room, ending)))
    }))
}

/// Over one connection of HTTP/2 come so many requests at once that the limits here would be none.
async fn only_http_1(request: Request, next: Next) -> Response {
    if request.version() > Version::HTTP_11 {
        return StatusCode::HTTP_VERSION_NOT_SUPPORTED.into_response();
    }
    next.run(request).await
}

/// A page of a foreign origin can send other types of content without being asked whether it may.
fn says_json(headers: &HeaderMap) -> bool {
    let Some(Ok(kind)) = headers.get(header::CONTENT_TYPE).map(HeaderValue::to_str) else {
        return false;
    };
    let kind = kind.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
        || kind.eq_ignore_ascii_case("application/json-rpc")
}

/// Load balancers ask whether somebody is there.
async fn alive() -> StatusCode {
    StatusCode::OK
}

fn cors(origins: &[String]) -> Result<Option<CorsLayer>, ServerError> {
    if origins.is_empty() {
        return Ok(None);
    }
    let layer = CorsLayer::new()
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::CONTENT_TYPE]);
    if origins.iter().any(|origin| origin == "*") {
        return Ok(Some(layer.allow_origin(Any)));
    }
    let origins = origins
        .iter()
        .map(|origin| HeaderValue::from_str(origin).map_err(|_| ServerError::Origin))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Some(layer.allow_origin(origins)))
}
