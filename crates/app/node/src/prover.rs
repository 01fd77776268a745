//! Proving: the coordinator and the proof sender of a rollup, and the prover that asks them for work.

use std::{collections::BTreeSet, future::Future, net::SocketAddr, sync::Arc, time::Duration};

use alloy_primitives::B256;
use ethrex_chain::Chain;
use ethrex_deploy::PROGRAM_VERSION;
use ethrex_l1::{Sender, SenderTask, Settlement};
use ethrex_protocol::BatchNumber;
use ethrex_prover::{
    Backend, Client, ClientConfig, Coordinator, CoordinatorConfig, CoordinatorParts, Exec,
    ProverType, Secret, SubmitConfig, SubmitParts, Submitter,
};
use ethrex_storage::StorageError;
use ethrex_store::{Store, StoreError};
use ethrex_trie::state_root_of;
use eyre::{Result, ensure, eyre};
use tokio::{sync::watch, task::JoinError};
use tokio_util::sync::CancellationToken;
use url::Url;

use crate::{
    config::{ProofConfig, ProverBackend, ProverClientConfig},
    inputs::StoredInputs,
    link::Checked,
    tasks::Tasks,
};

/// Time between two requests of the prover that runs beside a development rollup.
const LOCAL_PROVER_POLL: Duration = Duration::from_millis(500);
/// Verified batches looked at, at the start, for witnesses that a crash left behind.
const PRUNED_AT_START: u64 = 64;

/// The hash by which the contracts know the program this version proves with.
pub(crate) fn commit_hash() -> B256 {
    ethrex_deploy::commit_hash(PROGRAM_VERSION)
}

/// Everything that proves and verifies batches.
pub(crate) struct Proving {
    pub(crate) chain: Chain,
    pub(crate) store: Store,
    pub(crate) settlement: Settlement,
    /// The proof sender's handle and loop.
    pub(crate) sender: (Sender, SenderTask),
    /// Tells when the contracts on L1 have been checked.
    pub(crate) ready: watch::Receiver<Option<Checked>>,
}

impl Proving {
    /// Starts the coordinator, the proof sender and the pruning of witnesses. Returns where provers connect.
    pub(crate) async fn start(self, config: &ProofConfig, tasks: &mut Tasks) -> Result<SocketAddr> {
        let spec = self.chain.spec();
        // A deployment that requires proofs is refused when the contracts are checked.
        let needed = ProverType::needed([false; 3]);
        let (verified, told) = watch::channel(None);
        let coordinator = Coordinator::bind(
            CoordinatorConfig {
                listen: config.coordinator,
                secret: config.secret.clone(),
                version: PROGRAM_VERSION.to_owned(),
                needed: needed.clone(),
                timeout: config.timeout,
                chain_id: spec.chain_id(),
                genesis_state_root: state_root_of(&spec.genesis_diff()).root,
            },
            CoordinatorParts {
                store: self.store.clone(),
                inputs: Arc::new(StoredInputs(self.chain.clone())),
                verified: told.clone(),
            },
        )
        .await?;
        let address = coordinator.address();
        tasks.spawn("proof coordinator", |stop| coordinator.run(stop));
        let (store, chain) = (self.store.clone(), self.chain.clone());
        tasks.spawn("witness pruning", |stop| prune(chain, store, told, stop));
        self.submit(config, needed, verified, tasks);
        Ok(address)
    }

    fn submit(
        self,
        config: &ProofConfig,
        needed: BTreeSet<ProverType>,
        verified: watch::Sender<Option<BatchNumber>>,
        tasks: &mut Tasks,
    ) {
        let Self { chain, store, settlement, sender: (sender, task), ready } = self;
        tasks.spawn("L1 sender of the proof sender", |stop| task.run(stop));
        let config = SubmitConfig {
            every: config.send_every,
            needed,
            chain_id: chain.spec().chain_id(),
            commit_hash: commit_hash(),
        };
        let submitter = Submitter::new(config, SubmitParts { settlement, sender, store, verified });
        tasks.spawn("proof sender", |stop| async move {
            match Checked::wait(ready, &stop).await {
                Some(_) => submitter.run(stop).await,
                None => Ok(()),
            }
        });
    }
}

/// Starts a prover in this process, for a coordinator in this process.
pub(crate) fn start_local(coordinator: SocketAddr, secret: Option<Secret>, tasks: &mut Tasks) {
    let config = ClientConfig {
        coordinators: vec![coordinator.to_string()],
        secret,
        version: PROGRAM_VERSION.to_owned(),
        every: LOCAL_PROVER_POLL,
    };
    let client = Client::new(config, Arc::new(Exec));
    tasks.spawn("prover", |stop| async move {
        client.run(stop).await;
        Ok::<_, std::convert::Infallible>(())
    });
}

/// Runs a prover until `shutdown`.
///
/// # Errors
/// If a coordinator's URL names no host and port.
pub async fn run_prover(
    config: ProverClientConfig,
    shutdown: impl Future<Output = ()>,
) -> Result<()> {
    let backend: Arc<dyn Backend> = match config.backend {
        ProverBackend::Exec => Arc::new(Exec),
    };
    let coordinators = config.coordinators.iter().map(host_and_port).collect::<Result<Vec<_>>>()?;
    ensure!(!coordinators.is_empty(), "--proof-coordinators names no coordinator");
    tracing::info!(?coordinators, backend = %backend.prover_type(), "proving");
    let config = ClientConfig {
        coordinators,
        secret: config.secret,
        version: PROGRAM_VERSION.to_owned(),
        every: config.every,
    };
    let stop = CancellationToken::new();
    tokio::select! {
        () = Client::new(config, backend).run(stop.child_token()) => {}
        () = shutdown => stop.cancel(),
    }
    Ok(())
}

fn host_and_port(url: &Url) -> Result<String> {
    match (url.host_str(), url.port()) {
        (Some(host), Some(port)) => Ok(format!("{host}:{port}")),
        _ => Err(eyre!("--proof-coordinators {url}: expected tcp://HOST:PORT")),
    }
}

/// Why witnesses could not be pruned.
#[derive(Debug, thiserror::Error)]
enum PruneError {
    #[error("read the blocks of a verified batch")]
    Store(#[from] StoreError),
    #[error("delete witnesses")]
    Storage(#[from] StorageError),
    #[error("a worker ended early")]
    Worker(#[from] JoinError),
}

/// Deletes the witnesses of blocks whose batch L1 has verified: nobody proves those again.
async fn prune(
    chain: Chain,
    store: Store,
    mut verified: watch::Receiver<Option<BatchNumber>>,
    stop: CancellationToken,
) -> Result<(), PruneError> {
    let mut done = None;
    loop {
        let reached = *verified.borrow_and_update();
        if let Some(reached) = reached {
            let from = done.unwrap_or(reached.0.saturating_sub(PRUNED_AT_START)) + 1;
            let (chain, store) = (chain.clone(), store.clone());
            tokio::task::spawn_blocking(move || prune_batches(&chain, &store, from..=reached.0))
                .await??;
            done = Some(reached.0);
        }
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            changed = verified.changed() => if changed.is_err() {
                stop.cancelled().await;
                return Ok(());
            },
        }
    }
}

fn prune_batches(
    chain: &Chain,
    store: &Store,
    batches: std::ops::RangeInclusive<u64>,
) -> Result<(), PruneError> {
    for number in batches {
        let Some(stored) = store.batch(BatchNumber(number))? else { continue };
        let (first, last) = (stored.batch.first_block.0, stored.batch.last_block.0);
        let mut hashes = Vec::new();
        for height in first..=last {
            hashes.extend(chain.storage().canonical_hash(height)?);
        }
        chain.storage().delete_witnesses(&hashes)?;
    }
    Ok(())
}
