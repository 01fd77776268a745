//! Reads blobs from beacon nodes: an execution node keeps none.
//!
//! `GET /eth/v1/beacon/blobs/{slot}?versioned_hashes=…` of the beacon API. A beacon node keeps blobs for about 18 days. The
//! development L1 serves the same beside its JSON-RPC.
//!
//! Not here: what a blob says, and which blobs matter.

use std::{fmt, future::Future, pin::Pin};

use alloy_eips::eip4844::Blob;
use alloy_primitives::{B256, Bytes};
use reqwest::StatusCode;
use serde::Deserialize;
use url::Url;

use crate::{blob::versioned_hash, error::L1Error, transport::http_client};

/// Longest answer: a node that knows no filter sends all blobs of a block, two hexadecimal digits for a byte. There is room
/// for more than any fork of today allows.
const MAX_ANSWER: usize = 64 << 20;

/// A blob, or `None` where the one who was asked does not have it.
pub type Found<'a> = Pin<Box<dyn Future<Output = Result<Option<Box<Blob>>, L1Error>> + Send + 'a>>;

/// Where blobs of L1 are read.
pub trait BlobSource: fmt::Debug + Send + Sync + 'static {
    /// The blob with this versioned hash, which a block of this slot carries. What is returned has that hash.
    fn blob(&self, slot: u64, hash: B256) -> Found<'_>;
}

/// What was wrong with a beacon node's answer. It never shows the endpoint, which often holds the key of whoever pays for it.
#[derive(Debug, thiserror::Error)]
pub enum BeaconError {
    /// There is no answer.
    #[error("no answer")]
    Http(#[source] reqwest::Error),
    /// It is an answer of another kind.
    #[error("it answered {0}")]
    Status(StatusCode),
    /// It is too long.
    #[error("its answer is longer than {MAX_ANSWER} bytes")]
    TooLong,
    /// It is no list of blobs.
    #[error("its answer is no list of blobs")]
    Malformed(#[source] serde_json::Error),
}

/// Beacon nodes, tried in order. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Beacon {
    http: reqwest::Client,
    endpoints: Vec<Url>,
}

#[derive(Debug, Deserialize)]
struct Blobs {
    data: Vec<Bytes>,
}

impl Beacon {
    /// A reader over these endpoints. Connects when first used.
    ///
    /// # Errors
    /// If there is none, or the HTTP client cannot be set up.
    pub fn connect(endpoints: &[Url]) -> Result<Self, L1Error> {
        if endpoints.is_empty() {
            return Err(L1Error::NoEndpoint);
        }
        Ok(Self { http: http_client()?, endpoints: endpoints.to_vec() })
    }

    async fn ask(&self, endpoint: &Url, slot: u64, hash: B256) -> Result<Vec<Bytes>, BeaconError> {
        let http = |error: reqwest::Error| BeaconError::Http(error.without_url());
        let mut url = endpoint.clone();
        let base = endpoint.path().trim_end_matches('/');
        url.set_path(&format!("{base}/eth/v1/beacon/blobs/{slot}"));
        url.query_pairs_mut().append_pair("versioned_hashes", &hash.to_string());
        let mut answer = self.http.get(url).send().await.map_err(http)?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(Vec::new()),
            other => return Err(BeaconError::Status(other)),
        }
        let mut body = Vec::new();
        while let Some(part) = answer.chunk().await.map_err(http)? {
            if body.len() + part.len() > MAX_ANSWER {
                return Err(BeaconError::TooLong);
            }
            body.extend_from_slice(&part);
        }
        let blobs: Blobs = serde_json::from_slice(&body).map_err(BeaconError::Malformed)?;
        Ok(blobs.data)
    }
}

impl BlobSource for Beacon {
    fn blob(&self, slot: u64, hash: B256) -> Found<'_> {
        Box::pin(async move {
            let mut failed = None;
            for endpoint in &self.endpoints {
                match self.ask(endpoint, slot, hash).await {
                    Ok(blobs) => {
                        if let Some(blob) = named(blobs, hash).await {
                            return Ok(Some(blob));
                        }
                    }
                    Err(error) => failed = Some(error),
                }
            }
            failed.map_or(Ok(None), |error| Err(L1Error::Beacon(error)))
        })
    }
}

/// The blob of this hash among others, if it is there: nobody is believed.
async fn named(blobs: Vec<Bytes>, hash: B256) -> Option<Box<Blob>> {
    let find = move || {
        let mut blobs = blobs.iter().filter_map(|bytes| Blob::try_from(bytes.as_ref()).ok());
        blobs.find(|blob| versioned_hash(blob).is_ok_and(|found| found == hash)).map(Box::new)
    };
    tokio::task::spawn_blocking(find).await.expect("KZG does not panic on any blob")
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    /// A beacon node that gives each caller the same answer, and what it was asked first.
    async fn serve(status: &'static str, body: String) -> (Url, tokio::task::JoinHandle<String>) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/key/", listener.local_addr().unwrap()).parse().unwrap();
        let serving = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut asked = vec![0; 4096];
            let read = stream.read(&mut asked).await.unwrap();
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            stream.write_all(head.as_bytes()).await.unwrap();
            stream.write_all(body.as_bytes()).await.unwrap();
            asked.truncate(read);
            String::from_utf8(asked).unwrap()
        });
        (url, serving)
    }

    fn blob(byte: u8) -> Box<Blob> {
        let mut blob = Box::new(Blob::ZERO);
        blob[1..32].fill(byte);
        blob
    }

    fn answer(blobs: &[Box<Blob>]) -> String {
        serde_json::json!({ "execution_optimistic": false, "finalized": true, "data": blobs })
            .to_string()
    }

    #[tokio::test]
    async fn the_blob_of_a_hash_is_found_among_others() {
        let hash = versioned_hash(&blob(2)).unwrap();
        let (url, serving) = serve("200 OK", answer(&[blob(1), blob(2)])).await;
        let found = Beacon::connect(&[url]).unwrap().blob(77, hash).await.unwrap();
        assert_eq!(found, Some(blob(2)));
        let asked = serving.await.unwrap();
        let expected = format!("GET /key/eth/v1/beacon/blobs/77?versioned_hashes={hash} ");
        assert!(asked.starts_with(&expected), "{asked}");
    }

    #[tokio::test]
    async fn another_blob_is_not_believed_and_the_next_node_is_asked() {
        let hash = versioned_hash(&blob(2)).unwrap();
        let (lying, _first) = serve("200 OK", answer(&[blob(1)])).await;
        let (absent, _second) = serve("404 Not Found", "{}".to_owned()).await;
        let (honest, _third) = serve("200 OK", answer(&[blob(2)])).await;
        let found = Beacon::connect(&[lying, absent, honest]).unwrap().blob(1, hash).await;
        assert_eq!(found.unwrap(), Some(blob(2)));
        let (absent, _fourth) = serve("404 Not Found", "{}".to_owned()).await;
        assert_eq!(Beacon::connect(&[absent]).unwrap().blob(1, hash).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_node_that_fails_is_no_word_about_the_blob() {
        for (status, body) in [("500 Internal Server Error", "{}"), ("200 OK", "{\"data\":[1]}")] {
            let (url, _serving) = serve(status, body.to_owned()).await;
            let error = Beacon::connect(&[url]).unwrap().blob(1, B256::ZERO).await.unwrap_err();
            let shown = format!("{error:?} {error} {:?}", std::error::Error::source(&error));
            assert!(matches!(error, L1Error::Beacon(_)) && !shown.contains("key"), "{shown}");
        }
    }
}
