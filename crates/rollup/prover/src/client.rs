//! The prover's side: asks coordinators for batches, proves them, brings the proofs.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use ethrex_program::ProgramInput;
use ethrex_protocol::BatchNumber;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    backend::{Backend, BackendError},
    message::{ProverOutput, ProverType, Request, Response, Signed},
    metrics,
    secret::Secret,
};

/// Longest answer: the input of a batch, whose witness is hex. A batch closes at 64 MiB of witness, but a single block may have
/// more: one of 30 million gas that does nothing but load contracts, 2,600 gas for 24 KiB each, has some 270 MiB.
const MAX_RESPONSE_LEN: u64 = 1024 * 1024 * 1024;
/// Longest exchange, connecting and waiting for the input included.
const EXCHANGE_DEADLINE: Duration = Duration::from_secs(600);
/// First wait after a coordinator did not answer; each further one is twice as long.
const FIRST_BACKOFF: Duration = Duration::from_millis(500);
/// Longest wait after a coordinator did not answer.
const MAX_BACKOFF: Duration = Duration::from_secs(60);
/// How often a proof is brought before it is given up: about ten minutes. It is then made again by whoever gets the batch.
const SUBMIT_ATTEMPTS: u32 = 16;

/// What a prover needs to know.
#[derive(Debug, Clone)]
pub struct ClientConfig {
    /// The coordinators, as `host:port`; all are asked in turn.
    pub coordinators: Vec<String>,
    /// What they want to hear.
    pub secret: Option<Secret>,
    /// Version of the program that proves; it must be theirs.
    pub version: String,
    /// Time between two requests while there is nothing to prove.
    pub every: Duration,
}

/// A coordinator could not be used, or a batch not be proven. The next request may fare better.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The connection failed.
    #[error("talk to the proof coordinator {coordinator}")]
    Connection {
        /// Which one.
        coordinator: String,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The answer is not of the protocol.
    #[error("read the answer of the proof coordinator {coordinator}")]
    Malformed {
        /// Which one.
        coordinator: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// The answer is not one to the request.
    #[error("the proof coordinator {coordinator} gave an answer to another request")]
    Unexpected {
        /// Which one.
        coordinator: String,
    },
    /// It runs another version.
    #[error(
        "the proof coordinator {coordinator} runs another version of the program than this prover ({version})"
    )]
    Version {
        /// Which one.
        coordinator: String,
        /// Ours.
        version: String,
    },
    /// Its deployment needs other proofs.
    #[error("the proof coordinator {coordinator} does not need {prover} proofs")]
    NotNeeded {
        /// Which one.
        coordinator: String,
        /// Ours.
        prover: ProverType,
    },
    /// It refused.
    #[error("the proof coordinator {coordinator} refused: {reason}")]
    Refused {
        /// Which one.
        coordinator: String,
        /// What it said.
        reason: String,
    },
    /// The backend failed.
    #[error("prove batch {batch}")]
    Backend {
        /// Which one.
        batch: BatchNumber,
        /// Why.
        #[source]
        source: BackendError,
    },
    /// The backend panicked.
    #[error("the {0} backend panicked")]
    Panicked(ProverType),
}

/// What one request led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// A batch was proven, and its proof accepted.
    Proven(BatchNumber),
    /// There is nothing to prove.
    Idle,
}

/// A prover.
#[derive(Debug, Clone)]
pub struct Client {
    config: ClientConfig,
    backend: Arc<dyn Backend>,
}

/// One coordinator, and when to ask it again.
struct Peer {
    address: String,
    not_before: tokio::time::Instant,
    failures: u32,
}

impl Client {
    /// A prover with this backend.
    #[must_use]
    pub const fn new(config: ClientConfig, backend: Arc<dyn Backend>) -> Self {
        Self { config, backend }
    }

    /// Proves for all coordinators until stopped. One that does not answer is asked ever less often.
    pub async fn run(self, stop: CancellationToken) {
        stop.run_until_cancelled(self.work()).await;
    }

    async fn work(&self) {
        let now = tokio::time::Instant::now();
        let mut peers: Vec<_> = self
            .config
            .coordinators
            .iter()
            .map(|address| Peer { address: address.clone(), not_before: now, failures: 0 })
            .collect();
        loop {
            let Some(next) = peers.iter().map(|peer| peer.not_before).min() else { return };
            tokio::time::sleep_until(next).await;
            for peer in &mut peers {
                if peer.not_before <= tokio::time::Instant::now() {
                    let wait = self.visit(peer).await;
                    peer.not_before = tokio::time::Instant::now() + wait;
                }
            }
        }
    }

    /// Asks one coordinator, and says how long to leave it alone.
    async fn visit(&self, peer: &mut Peer) -> Duration {
        match self.turn(&peer.address).await {
            Ok(turn) => {
                if std::mem::take(&mut peer.failures) > 0 {
                    tracing::info!(coordinator = %peer.address, "the proof coordinator answers again");
                }
                match turn {
                    Turn::Proven(_) => Duration::ZERO,
                    Turn::Idle => self.config.every,
                }
            }
            Err(error) => {
                let wait = backoff(peer.failures);
                peer.failures = peer.failures.saturating_add(1);
                let source = std::error::Error::source(&error).map(ToString::to_string);
                if peer.failures == 1 {
                    tracing::warn!(%error, source, "trying again");
                } else {
                    tracing::debug!(%error, source, failures = peer.failures, "trying again");
                }
                wait.max(self.config.every)
            }
        }
    }

    /// Asks one coordinator once; proves what it hands out, and brings the proof.
    ///
    /// # Errors
    /// If it cannot be reached, does not want us, or the batch cannot be proven.
    pub async fn turn(&self, coordinator: &str) -> Result<Turn, ClientError> {
        let Some((batch, input)) = self.ask(coordinator).await? else { return Ok(Turn::Idle) };
        let started = Instant::now();
        let output = self.prove(batch, input).await?;
        let prover = self.backend.prover_type();
        metrics::proven(prover, started.elapsed());
        tracing::info!(%batch, %prover, took = ?started.elapsed(), "proved a batch");
        self.bring(coordinator, batch, output).await?;
        Ok(Turn::Proven(batch))
    }

    async fn ask(
        &self,
        coordinator: &str,
    ) -> Result<Option<(BatchNumber, Box<ProgramInput>)>, ClientError> {
        let prover = self.backend.prover_type();
        let request =
            Request::InputRequest { commit_hash: self.config.version.clone(), prover_type: prover };
        let coordinator = coordinator.to_owned();
        match self.exchange(&coordinator, request).await? {
            Response::InputResponse { id: Some(id), input: Some(input), .. } => {
                Ok(Some((id, input)))
            }
            Response::InputResponse { id: None, .. } => Ok(None),
            Response::VersionMismatch => {
                let version = self.config.version.clone();
                Err(ClientError::Version { coordinator, version })
            }
            other => Err(unexpected(coordinator, prover, other)),
        }
    }

    async fn prove(
        &self,
        batch: BatchNumber,
        input: Box<ProgramInput>,
    ) -> Result<ProverOutput, ClientError> {
        let backend = self.backend.clone();
        tokio::task::spawn_blocking(move || backend.prove(&input))
            .await
            .map_err(|_| ClientError::Panicked(self.backend.prover_type()))?
            .inspect_err(|error| {
                tracing::error!(%batch, %error, source = ?std::error::Error::source(error), "a batch cannot be proven");
            })
            .map_err(|source| ClientError::Backend { batch, source })
    }

    /// Brings a proof; a proof may be hours of work, so a coordinator that is away for a while is waited for.
    async fn bring(
        &self,
        coordinator: &str,
        id: BatchNumber,
        proof: ProverOutput,
    ) -> Result<(), ClientError> {
        let prover = self.backend.prover_type();
        let mut attempt = 0;
        loop {
            let request = Request::ProofSubmit { id, proof: proof.clone() };
            match self.exchange(coordinator, request).await {
                Ok(Response::ProofSubmitACK { id: taken }) if taken == id => return Ok(()),
                Ok(other) => return Err(unexpected(coordinator.to_owned(), prover, other)),
                Err(error @ ClientError::Connection { .. }) if attempt + 1 < SUBMIT_ATTEMPTS => {
                    tracing::warn!(batch = %id, %error, "could not bring a proof; trying again");
                    sleep(backoff(attempt)).await;
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn exchange(&self, coordinator: &str, request: Request) -> Result<Response, ClientError> {
        let auth = self.config.secret.as_ref().map(|secret| secret.expose().to_owned());
        let signed = serde_json::to_vec(&Signed { request, auth })
            .expect("requests are JSON: their maps have text keys");
        let bytes = timeout(EXCHANGE_DEADLINE, talk(coordinator, &signed))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
            .map_err(|source| ClientError::Connection {
                coordinator: coordinator.to_owned(),
                source,
            })?;
        // Parsing an input is seconds of work.
        tokio::task::spawn_blocking(move || serde_json::from_slice(&bytes))
            .await
            .expect("parsing does not panic, and blocking calls are not cancelled")
            .map_err(|source| ClientError::Malformed {
                coordinator: coordinator.to_owned(),
                source,
            })
    }
}

async fn talk(coordinator: &str, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(coordinator).await?;
    stream.write_all(request).await?;
    stream.shutdown().await?;
    let mut bytes = Vec::new();
    stream.take(MAX_RESPONSE_LEN + 1).read_to_end(&mut bytes).await?;
    if bytes.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if bytes.len() as u64 > MAX_RESPONSE_LEN {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

fn unexpected(coordinator: String, prover: ProverType, response: Response) -> ClientError {
    match response {
        Response::ProverTypeNotNeeded { .. } => ClientError::NotNeeded { coordinator, prover },
        Response::Refused { reason } => ClientError::Refused { coordinator, reason },
        _ => ClientError::Unexpected { coordinator },
    }
}

/// How long to wait after this many failures before.
fn backoff(failures: u32) -> Duration {
    FIRST_BACKOFF.saturating_mul(2_u32.saturating_pow(failures)).min(MAX_BACKOFF)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_minute() {
        let waits: Vec<_> = [0, 1, 2, 6, 7, 100].map(|n| backoff(n).as_millis()).into();
        assert_eq!(waits, [500, 1_000, 2_000, 32_000, 60_000, 60_000]);
        let patience: Duration = (0..SUBMIT_ATTEMPTS - 1).map(backoff).sum();
        assert!(patience > Duration::from_secs(500), "{patience:?}");
    }
}
