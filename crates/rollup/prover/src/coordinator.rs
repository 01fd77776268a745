//! The TCP server that provers ask for work and bring proofs to.
//!
//! It trusts nobody who connects: how much is read, how long it takes and how many connect at a time is bounded, and what a
//! prover claims is checked at the desk before it counts.

use std::{
    collections::{BTreeSet, HashMap},
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use alloy_primitives::B256;
use ethrex_protocol::BatchNumber;
use ethrex_store::{Store, StoredBatch};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{self, JoinError, JoinSet},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::{
    desk::{Assigned, Desk, DeskFailed, DeskHandle, Submitted},
    machine::Machine,
    message::{ProofFormat, ProverType, Request, Response, Signed},
    metrics,
    proof::Rollup,
    secret::Secret,
    source::InputSource,
};

/// Longest request. An SP1 proof for an aggregator is some 1.5 MB, and JSON takes up to four characters for a byte.
const MAX_REQUEST_LEN: u64 = 8 * 1024 * 1024;
/// Connections served at a time; more wait in the backlog of the socket.
const MAX_CONNECTIONS: usize = 32;
/// Of these, how many one other machine may hold: a stranger must not keep provers out.
const MAX_PER_ADDRESS: usize = 4;
/// Longest time from connecting to the end of the request.
const READ_DEADLINE: Duration = Duration::from_secs(30);
/// Longest time to take an answer. Inputs are tens of megabytes.
const WRITE_DEADLINE: Duration = Duration::from_secs(300);
/// Wait after the system could not accept a connection, for instance because it has no file descriptors left.
const ACCEPT_RETRY: Duration = Duration::from_secs(1);
/// Longest part of a parser's message that is repeated to whoever wrote the request.
const MAX_REASON: usize = 200;

/// What the coordinator needs to know.
#[derive(Debug, Clone)]
pub struct CoordinatorConfig {
    /// Where provers connect. Port 0 is a free one.
    pub listen: SocketAddr,
    /// What provers must say; required where others than this machine can connect.
    pub secret: Option<Secret>,
    /// Version of the program that proves, as provers name it.
    pub version: String,
    /// Who must prove each batch, see [`ProverType::needed`].
    pub needed: BTreeSet<ProverType>,
    /// How long a prover may work on a batch before another one gets it.
    pub timeout: Duration,
    /// Chain id of the rollup.
    pub chain_id: u64,
    /// State root of its genesis.
    pub genesis_state_root: B256,
}

/// What the coordinator works with.
#[derive(Debug)]
pub struct CoordinatorParts {
    /// Where batches and proofs are.
    pub store: Store,
    /// Where inputs come from.
    pub inputs: Arc<dyn InputSource>,
    /// The last batch L1 has verified, as [`crate::Submitter`] tells it; `None` until L1 was asked.
    pub verified: watch::Receiver<Option<BatchNumber>>,
}

/// The coordinator cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum CoordinatorError {
    /// Others could connect, and nobody would ask who they are.
    #[error(
        "the proof coordinator would listen on {0}, where other machines can connect, without a secret; set --proof-coordinator.secret, or listen on 127.0.0.1"
    )]
    NoSecret(SocketAddr),
    /// The address is taken, or not ours.
    #[error(
        "the proof coordinator cannot listen on {address}; choose another place with --proof-coordinator.addr and --proof-coordinator.port"
    )]
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The desk's thread panicked.
    #[error("the desk of the proof coordinator ended early")]
    DeskEnded,
}

/// The server.
#[derive(Debug)]
pub struct Coordinator {
    listener: TcpListener,
    address: SocketAddr,
    desk: Desk,
    reception: Reception,
}

/// What every connection needs.
#[derive(Debug, Clone)]
struct Reception {
    secret: Option<Secret>,
    version: Arc<str>,
    inputs: Arc<dyn InputSource>,
}

impl Coordinator {
    /// Starts to listen. Nobody is answered before [`Self::run`].
    ///
    /// # Errors
    /// If the address is open to others and there is no secret, or cannot be bound.
    pub async fn bind(
        config: CoordinatorConfig,
        parts: CoordinatorParts,
    ) -> Result<Self, CoordinatorError> {
        let listen = config.listen;
        if config.secret.is_none() && !listen.ip().is_loopback() {
            return Err(CoordinatorError::NoSecret(listen));
        }
        let failed = |source| CoordinatorError::Listen { address: listen, source };
        let listener = TcpListener::bind(listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let CoordinatorParts { store, inputs, verified } = parts;
        let rollup =
            Rollup { chain_id: config.chain_id, genesis_state_root: config.genesis_state_root };
        let machine = Machine::new(config.timeout);
        let desk = Desk { machine, needed: config.needed, rollup, store, verified };
        let reception = Reception { secret: config.secret, version: config.version.into(), inputs };
        Ok(Self { listener, address, desk, reception })
    }

    /// Where it listens, with the port that was chosen.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until stopped. Connections that are open then are cut.
    ///
    /// # Errors
    /// Only if a part of it panicked.
    pub async fn run(self, stop: CancellationToken) -> Result<(), CoordinatorError> {
        tracing::info!(address = %self.address, "provers can connect");
        let (desk, work) = self.desk.open();
        let mut working = tokio::task::spawn_blocking(work);
        let mut connections = Connections::default();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                _ = &mut working => return Err(CoordinatorError::DeskEnded),
                Some(ended) = connections.tasks.join_next_with_id() => connections.ended(ended),
                (stream, from) = accept(&self.listener), if connections.has_room() => {
                    if connections.admits(from) {
                        let served = self.reception.clone().serve(stream, desk.clone());
                        connections.serve(from, served);
                    }
                }
            }
        }
        connections.tasks.shutdown().await;
        // Without handles the desk ends after the job it is at: a proof being stored is stored.
        drop(desk);
        working.await.map_err(|_| CoordinatorError::DeskEnded)
    }
}

/// The connections being served, and who holds them.
#[derive(Debug, Default)]
struct Connections {
    tasks: JoinSet<()>,
    holders: HashMap<task::Id, IpAddr>,
}

impl Connections {
    fn has_room(&self) -> bool {
        self.tasks.len() < MAX_CONNECTIONS
    }

    /// Whether `from` holds few enough. This machine may hold all: whoever is on it can do worse.
    fn admits(&self, from: IpAddr) -> bool {
        let held = || self.holders.values().filter(|holder| **holder == from).count();
        from.is_loopback() || held() < MAX_PER_ADDRESS
    }

    fn serve(&mut self, from: IpAddr, served: impl Future<Output = ()> + Send + 'static) {
        let id = self.tasks.spawn(served).id();
        self.holders.insert(id, from);
    }

    fn ended(&mut self, ended: Result<(task::Id, ()), JoinError>) {
        let id = match ended {
            Ok((id, ())) => id,
            Err(panicked) => panicked.id(),
        };
        self.holders.remove(&id);
    }
}

/// The next connection. A system that cannot give one is asked again.
async fn accept(listener: &TcpListener) -> (TcpStream, IpAddr) {
    loop {
        match listener.accept().await {
            Ok((stream, from)) => return (stream, from.ip()),
            Err(error) => {
                tracing::warn!(%error, "cannot accept a prover's connection");
                tokio::time::sleep(ACCEPT_RETRY).await;
            }
        }
    }
}

/// A request that cannot be read.
#[derive(Debug, thiserror::Error)]
enum BadRequest {
    #[error("the request exceeds {MAX_REQUEST_LEN} bytes")]
    TooLong,
    #[error("the request took longer than {} s", READ_DEADLINE.as_secs())]
    TooSlow,
    #[error("the connection broke")]
    Broken(#[from] io::Error),
    #[error("malformed request: {0}")]
    Malformed(#[source] serde_json::Error),
    #[error("wrong or missing \"auth\"")]
    Stranger,
}

/// An answer, and the batch that goes out with it.
struct Answer {
    bytes: Vec<u8>,
    handed_out: Option<(BatchNumber, ProverType)>,
}

impl Reception {
    async fn serve(self, mut stream: TcpStream, desk: DeskHandle) {
        let (answer, outcome) = match self.read(&mut stream).await {
            Ok(request) => (self.answer(request, &desk).await, "answered"),
            Err(reason) => {
                tracing::debug!(%reason, peer = ?stream.peer_addr().ok(), "refused a prover's request");
                (refused(&reason), "refused")
            }
        };
        let sent = timeout(WRITE_DEADLINE, send(&mut stream, &answer.bytes)).await;
        let sent = sent.is_ok_and(|sent| sent.is_ok());
        if let (false, Some((batch, prover))) = (sent, answer.handed_out) {
            desk.release(batch, prover).await;
        }
        metrics::connection(if sent { outcome } else { "broken" });
    }

    async fn read(&self, stream: &mut TcpStream) -> Result<Request, BadRequest> {
        let bytes = timeout(READ_DEADLINE, read_bounded(stream))
            .await
            .map_err(|_| BadRequest::TooSlow)??;
        let Signed { request, auth } =
            serde_json::from_slice(&bytes).map_err(BadRequest::Malformed)?;
        match &self.secret {
            Some(secret) if !secret.is(auth.as_deref().unwrap_or_default()) => {
                Err(BadRequest::Stranger)
            }
            _ => Ok(request),
        }
    }

    async fn answer(&self, request: Request, desk: &DeskHandle) -> Answer {
        match request {
            Request::ProverSetup { prover_type, .. } => {
                refused(&format_args!("no {prover_type} prover needs a setup here"))
            }
            Request::InputRequest { commit_hash, prover_type } => {
                if *commit_hash != *self.version {
                    tracing::warn!(prover = %prover_type, theirs = %shorten(&commit_hash), ours = %self.version, "a prover runs another version of the program");
                    return plain(&Response::VersionMismatch);
                }
                self.hand_out(prover_type, desk).await
            }
            Request::ProofSubmit { id, proof } => {
                let prover_type = proof.proof().prover_type;
                match desk.submit(id, proof).await {
                    Ok(Submitted::Stored | Submitted::Known) => {
                        plain(&Response::ProofSubmitACK { id })
                    }
                    Ok(Submitted::NotNeeded) => {
                        plain(&Response::ProverTypeNotNeeded { prover_type })
                    }
                    Ok(Submitted::Refused(reason)) => refused(&reason),
                    Err(reason) => refused(&reason),
                }
            }
        }
    }

    async fn hand_out(&self, prover: ProverType, desk: &DeskHandle) -> Answer {
        let batch = match desk.assign(prover).await {
            Ok(Assigned::Batch(batch)) => batch,
            Ok(Assigned::Nothing) => return plain(&Response::NOTHING),
            Ok(Assigned::NotNeeded) => {
                return plain(&Response::ProverTypeNotNeeded { prover_type: prover });
            }
            Err(DeskFailed) => return refused(&DeskFailed),
        };
        let number = batch.batch.number;
        match self.input_of(batch).await {
            Some(bytes) => Answer { bytes, handed_out: Some((number, prover)) },
            None => {
                desk.release(number, prover).await;
                plain(&Response::NOTHING)
            }
        }
    }

    /// The answer that carries the input of a batch, if it can be gathered.
    async fn input_of(&self, batch: Box<StoredBatch>) -> Option<Vec<u8>> {
        let inputs = self.inputs.clone();
        let gather = move || {
            let number = batch.batch.number;
            match inputs.input(&batch) {
                Ok(Some(input)) => Some(encode(&Response::InputResponse {
                    id: Some(number),
                    input: Some(Box::new(input)),
                    format: Some(ProofFormat::Groth16),
                })),
                Ok(None) => {
                    tracing::warn!(batch = %number, "the blocks or witnesses of a batch are not at hand; it cannot be proven yet");
                    None
                }
                Err(error) => {
                    tracing::error!(batch = %number, %error, source = ?std::error::Error::source(&error), "cannot gather the input of a batch");
                    None
                }
            }
        };
        tokio::task::spawn_blocking(gather).await.ok().flatten()
    }
}

async fn read_bounded(stream: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>, BadRequest> {
    let mut bytes = Vec::new();
    stream.take(MAX_REQUEST_LEN + 1).read_to_end(&mut bytes).await?;
    if bytes.len() as u64 > MAX_REQUEST_LEN { Err(BadRequest::TooLong) } else { Ok(bytes) }
}

async fn send(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.shutdown().await
}

fn encode(response: &Response) -> Vec<u8> {
    serde_json::to_vec(response).expect("answers are JSON: their maps have text keys")
}

fn plain(response: &Response) -> Answer {
    Answer { bytes: encode(response), handed_out: None }
}

fn refused(reason: &impl ToString) -> Answer {
    plain(&Response::Refused { reason: shorten(&reason.to_string()) })
}

/// What strangers wrote, cut to a length fit for logs and answers.
fn shorten(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(MAX_REASON).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_may_be_as_long_as_the_limit_and_no_longer() {
        let limit = usize::try_from(MAX_REQUEST_LEN).unwrap();
        let mut fits = tokio::io::repeat(b' ').take(MAX_REQUEST_LEN);
        assert_eq!(read_bounded(&mut fits).await.unwrap().len(), limit);
        let mut endless = tokio::io::repeat(b' ');
        assert!(matches!(read_bounded(&mut endless).await, Err(BadRequest::TooLong)));
    }

    #[tokio::test]
    async fn one_other_machine_holds_only_a_few_connections() {
        let (stranger, other) = (IpAddr::from([9, 9, 9, 9]), IpAddr::from([8, 8, 8, 8]));
        let mut connections = Connections::default();
        for _ in 0..MAX_PER_ADDRESS {
            assert!(connections.admits(stranger));
            connections.serve(stranger, async {});
        }
        assert!(!connections.admits(stranger));
        assert!(connections.admits(other) && connections.admits([127, 0, 0, 1].into()));
        let ended = connections.tasks.join_next_with_id().await.unwrap();
        connections.ended(ended);
        assert!(connections.admits(stranger));
    }

    #[test]
    fn texts_of_strangers_are_cut() {
        assert_eq!(shorten(&"\u{1b}x".repeat(1_000)), "x".repeat(MAX_REASON));
    }
}
