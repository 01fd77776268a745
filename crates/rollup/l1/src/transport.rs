//! Several HTTP endpoints that look like one: a call goes to the first that answers.
//!
//! Only failures of the exchange move on to the next endpoint. An error object is an answer.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use alloy_json_rpc::{RequestPacket, ResponsePacket};
use alloy_rpc_client::RpcClient;
use alloy_transport::{BoxTransport, RpcError, TransportError, TransportErrorKind, TransportFut};
use alloy_transport_http::Http;
use tower::Service;
use url::Url;

use crate::{error::L1Error, metrics};

/// Longest wait for one answer: a blob transaction on a slow line takes seconds, a dead line must not hold the loop.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Builds the client over `urls`, tried in order.
pub(crate) fn over_http(urls: &[Url]) -> Result<RpcClient, L1Error> {
    if urls.is_empty() {
        return Err(L1Error::NoEndpoint);
    }
    let http = http_client()?;
    let endpoints = urls
        .iter()
        .map(|url| BoxTransport::new(Http::with_client(http.clone(), url.clone())))
        .collect();
    Ok(RpcClient::new(FallThrough::new(endpoints), false))
}

/// The HTTP client for everything of L1.
pub(crate) fn http_client() -> Result<reqwest::Client, L1Error> {
    install_tls_provider();
    reqwest::Client::builder()
        .timeout(REQUEST_TIMEOUT)
        // Proxies of the environment are for people; only `bin` reads the environment.
        .no_proxy()
        .connect_timeout(CONNECT_TIMEOUT)
        .build()
        .map_err(L1Error::HttpClient)
}

/// reqwest is built without a TLS provider of its own; the first caller installs ring's for the process.
fn install_tls_provider() {
    // An error means that a provider is already installed, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Tries endpoints in order, starting with the one that answered last.
#[derive(Debug, Clone)]
pub(crate) struct FallThrough {
    endpoints: Arc<[BoxTransport]>,
    preferred: Arc<AtomicUsize>,
}

impl FallThrough {
    pub(crate) fn new(endpoints: Vec<BoxTransport>) -> Self {
        Self { endpoints: endpoints.into(), preferred: Arc::new(AtomicUsize::new(0)) }
    }

    async fn exchange(self, request: RequestPacket) -> Result<ResponsePacket, TransportError> {
        let count = self.endpoints.len();
        let first = self.preferred.load(Ordering::Relaxed);
        let mut last = None;
        for index in (0..count).map(|step| (first + step) % count) {
            match self.endpoints[index].clone().call(request.clone()).await {
                Ok(answer) => {
                    self.preferred.store(index, Ordering::Relaxed);
                    return Ok(answer);
                }
                Err(error) => {
                    let error = without_url(error);
                    metrics::endpoint_failed(index);
                    tracing::debug!(endpoint = index, %error, "an L1 endpoint did not answer");
                    last = Some(error);
                }
            }
        }
        Err(last.unwrap_or_else(|| TransportErrorKind::custom_str("no L1 endpoint")))
    }
}

/// The URL of an endpoint often holds the key of whoever pays for it: errors are shown, so they must not.
fn without_url(error: TransportError) -> TransportError {
    match error {
        RpcError::Transport(TransportErrorKind::Custom(error)) => {
            let error = match error.downcast::<reqwest::Error>() {
                Ok(http) => Box::new(http.without_url()),
                Err(other) => other,
            };
            RpcError::Transport(TransportErrorKind::Custom(error))
        }
        other => other,
    }
}

impl Service<RequestPacket> for FallThrough {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: RequestPacket) -> Self::Future {
        Box::pin(self.clone().exchange(request))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{client::Client, testing::FakeL1};

    fn pair() -> (FakeL1, FakeL1, Client) {
        let (first, second) = (FakeL1::new(), FakeL1::new());
        second.mine_many(7);
        let endpoints = [first.clone(), second.clone()].map(BoxTransport::new).to_vec();
        (first, second, Client::with_transport(FallThrough::new(endpoints)))
    }

    async fn head(client: &Client) -> Option<u64> {
        client.head().await.ok().map(|head| head.number)
    }

    #[tokio::test]
    async fn the_next_endpoint_is_asked_when_one_does_not_answer() {
        let (first, second, client) = pair();
        assert_eq!(head(&client).await, Some(0));
        first.set_down(true);
        assert_eq!(head(&client).await, Some(7));
        first.set_down(false);
        assert_eq!(head(&client).await, Some(7), "the one that answered last is asked first");
        second.set_down(true);
        assert_eq!(head(&client).await, Some(0));
        first.set_down(true);
        assert_eq!(head(&client).await, None);
    }

    #[tokio::test]
    async fn an_error_object_is_an_answer() {
        let (_first, second, client) = pair();
        let refused = client.send_raw(&vec![0xff].into()).await.unwrap();
        assert!(refused.is_err());
        assert!(second.sent().is_empty());
    }

    #[tokio::test]
    async fn an_error_never_shows_the_key_in_an_endpoint() {
        // Nothing listens on port 1.
        let url = "http://user:hush@127.0.0.1:1/v3/hush?key=hush".parse().unwrap();
        let error = Client::connect(&[url]).unwrap().head().await.unwrap_err();
        let shown = format!("{error:?} {error} {:?}", std::error::Error::source(&error));
        assert!(!shown.contains("hush"), "{shown}");
    }

    #[test]
    fn no_endpoint_is_an_error() {
        assert!(matches!(over_http(&[]), Err(L1Error::NoEndpoint)));
    }
}
