//! The HTTP server: JSON-RPC at `POST /`, plain routes beside it.

use std::{io, net::SocketAddr};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderValue, Method, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::post,
};
use jsonrpsee::{
    Methods,
    core::RegisterMethodError,
    server::{BatchRequestConfig, ServerHandle, TowerService, stop_channel},
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tower::{Service, layer::util::Identity};
use tower_http::cors::{Any, CorsLayer};

use crate::{JwtSecret, ServerConfig, engine, listener::Bounded};

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

    /// Adds plain HTTP routes. `POST /` and `GET /` are taken.
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
    /// If the address is taken, or an origin is malformed.
    pub async fn start(self, stop: CancellationToken) -> Result<Running, ServerError> {
        let cors = cors(&self.config.cors)?;
        let address = self.config.listen;
        let bind = |source| ServerError::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(bind)?;
        let address = listener.local_addr().map_err(bind)?;
        let listener =
            Bounded::new(listener, self.config.max_connections, self.config.idle_timeout);
        let (service, handle) = json_rpc(&self.config, self.methods);
        let mut router = self
            .routes
            .merge(Router::new().route("/", post(answer).get(alive)).with_state(service));
        if let Some(secret) = self.secret {
            router = router.layer(middleware::from_fn_with_state(secret, engine::authenticate));
        }
        if let Some(cors) = cors {
            router = router.layer(cors);
        }
        let task = tokio::spawn(async move {
            let result = axum::serve(listener, router)
                .with_graceful_shutdown(stop.cancelled_owned())
                .await
                .map_err(ServerError::Serve);
            // Ends what jsonrpsee still has open; it has ended already if the handle says so.
            let _ = handle.stop();
            result
        });
        tracing::info!(%address, "JSON-RPC server listens");
        Ok(Running { address, task })
    }
}

type JsonRpc = TowerService<Identity, Identity>;

fn json_rpc(config: &ServerConfig, methods: Methods) -> (JsonRpc, ServerHandle) {
    let (stop, handle) = stop_channel();
    let limits = jsonrpsee::server::ServerConfig::builder()
        .max_request_body_size(config.max_request_bytes)
        .max_response_body_size(config.max_response_bytes)
        .max_connections(config.max_connections)
        .set_batch_request_config(BatchRequestConfig::Limit(config.max_batch))
        .http_only()
        .build();
    let service = jsonrpsee::server::ServerBuilder::with_config(limits)
        .to_service_builder()
        .build(methods, stop);
    (service, handle)
}

async fn answer(State(mut service): State<JsonRpc>, request: Request) -> Response {
    match service.call(request).await {
        Ok(response) => response.map(Body::new),
        Err(error) => {
            tracing::warn!(%error, "answer a request");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
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
