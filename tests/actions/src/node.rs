//! One run of the rollup's process: the tasks of `ethrex l2`, wired as the node wires them.

use std::{
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use ethrex_batcher::{Batcher, BatcherConfig, BatcherParts, CanonicalBlocks};
use ethrex_chain::Chain;
use ethrex_deploy::dev;
use ethrex_l1::{
    Client, Contracts, EventConfig, EventWatcher, Policy, Sender, SenderConfig, Settlement,
    SigningKey,
};
use ethrex_protocol::{blob, fee::FeeConfig};
use ethrex_prover::{ProverType, SubmitConfig, SubmitParts, Submitter};
use ethrex_rules::Rollup;
use ethrex_sequencer::{
    CheckJob, CheckOutcome, Checker, Inbox, Sequencer, SequencerConfig, resume,
};
use ethrex_stateless::ValidateError;
use ethrex_stf::Rules;
use ethrex_storage::Storage;
use ethrex_store::Store;
use ethrex_txpool::{Pool, PoolConfig};
use ethrex_types::ChainSpec;
use tempfile::TempDir;
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::{
    prover::{self, Bench, Prover},
    world::commit_hash,
};

/// Time between two looks at L1.
const POLL: Duration = Duration::from_millis(200);
/// Time between two blocks.
const BLOCK_TIME: Duration = Duration::from_secs(1);
/// Time between two looks for proofs to send.
const PROOF_TIME: Duration = Duration::from_secs(1);
/// Blocks of L1 read at once.
const MAX_STEP: u64 = 1_000;
/// Updates of L1 that wait for the sequencer at most.
const UPDATES: usize = 64;
/// Gas limit of the blocks.
const GAS_LIMIT: u64 = 30_000_000;

/// What a process leaves behind.
#[derive(Debug)]
pub enum Disk {
    /// Databases that live as long as the test. A commit is as atomic as on a disk.
    Memory {
        /// The chain.
        storage: Storage,
        /// The rollup's store.
        store: Store,
    },
    /// Real files, opened anew by every run.
    Files(TempDir),
}

impl Disk {
    pub(crate) fn memory(spec: &ChainSpec) -> Self {
        Self::Memory {
            storage: Storage::memory(spec).expect("memory does not fail"),
            store: Store::memory().expect("memory does not fail"),
        }
    }

    pub(crate) fn files() -> Self {
        Self::Files(tempfile::tempdir().expect("there is room for a folder"))
    }

    fn open(&self, spec: &ChainSpec) -> (Storage, Store) {
        match self {
            Self::Memory { storage, store } => (storage.clone(), store.clone()),
            Self::Files(dir) => (
                Storage::open(&dir.path().join("chain"), spec).expect("nobody else has it open"),
                Store::open(&dir.path().join("rollup.sqlite")).expect("it is a store"),
            ),
        }
    }
}

/// Whether blocks are checked, or wait for it.
#[derive(Debug, Clone)]
pub struct Checks {
    held: watch::Sender<bool>,
    /// Checks that will fail although the block is right.
    failing: Arc<AtomicU64>,
}

impl Default for Checks {
    fn default() -> Self {
        Self { held: watch::Sender::new(false), failing: Arc::default() }
    }
}

impl Checks {
    /// From now on blocks wait for their check.
    pub fn hold(&self) {
        self.held.send_replace(true);
    }

    /// Checks what waits.
    pub fn release(&self) {
        self.held.send_replace(false);
    }

    /// The next so many checks fail, whatever the block.
    pub fn fail_next(&self, checks: u64) {
        self.failing.store(checks, Ordering::Relaxed);
    }

    fn fails(&self) -> bool {
        let less = |left: u64| left.checked_sub(1);
        self.failing.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok()
    }
}

/// How a node runs.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What the prover does.
    pub prover: Prover,
    /// Whether messages of L1 are read. Who does not censors them.
    pub watch: bool,
    /// Blocks of L1 on top of one before it is believed.
    pub delay: u64,
    /// Time between two batches.
    pub commit_every: Duration,
    /// What transactions on L1 may cost.
    pub fees: Policy,
    /// Whether blocks are checked.
    pub checks: Checks,
    /// What the L2 adds to plain execution.
    pub rules: Arc<dyn Rules>,
}

impl Default for Settings {
    /// Those of `ethrex l2 --dev`.
    fn default() -> Self {
        Self {
            prover: Prover::default(),
            watch: true,
            delay: 0,
            commit_every: Duration::from_secs(5),
            fees: Policy::dev(),
            checks: Checks::default(),
            rules: Arc::new(Rollup),
        }
    }
}

type Ended = Result<(), Box<dyn Error + Send + Sync>>;

/// A run of the process.
#[derive(Debug)]
pub struct Node {
    /// The L2.
    pub chain: Chain,
    /// Its pool.
    pub pool: Pool,
    /// Batches and what else is kept.
    pub store: Store,
    /// Makes batches.
    pub batcher: Batcher,
    tasks: Vec<(&'static str, JoinHandle<Ended>)>,
    stop: CancellationToken,
    reproducers: TempDir,
}

impl Node {
    /// Starts a run on what the last one left behind.
    pub(crate) fn start(
        client: &Client,
        contracts: Contracts,
        spec: &ChainSpec,
        disk: &Disk,
        settings: &Settings,
    ) -> Self {
        let (storage, store) = disk.open(spec);
        let chain = Chain::open(spec.clone(), settings.rules.clone(), storage)
            .expect("the database can be read");
        let pool = open_pool(&chain);
        let settlement = Settlement::new(client.clone(), contracts);
        let mut tasks = Tasks::default();

        let sender = |account: &dev::DevAccount, tasks: &mut Tasks, name| {
            let key: SigningKey = account.private_key.parse().expect("development keys are keys");
            let config = SenderConfig { policy: settings.fees.clone(), every: POLL };
            let (sender, task) = Sender::new(client.clone(), key, Arc::new(store.clone()), config);
            tasks.spawn(name, |stop| task.run(stop));
            sender
        };
        let committer = sender(&dev::DEPLOYER, &mut tasks, "committer");
        let proof_sender = sender(&dev::PROOF_SENDER, &mut tasks, "proof sender");

        let inbox = Inbox::open(store.clone(), spec.chain_id()).expect("the store can be read");
        let (updates, l1) = mpsc::channel(UPDATES);
        if settings.watch {
            let cursor = inbox.cursor();
            let (next, before) =
                cursor.map_or((0, None), |cursor| (cursor.block.0 + 1, Some(cursor.hash)));
            let config = EventConfig {
                name: "messages",
                every: POLL,
                delay: settings.delay,
                max_step: MAX_STEP,
            };
            let watcher = EventWatcher::new(client.clone(), contracts.bridge, next, before, config);
            tasks.spawn("watcher", |stop| watcher.run(updates, stop));
        }

        let reproducers = tempfile::tempdir().expect("there is room for a folder");
        let machines = resume(&chain, &inbox).expect("the databases can be read");
        let (checker, jobs) = Checker::queue();
        let (outcomes, checks) = mpsc::channel(1);
        let judge = (spec.clone(), settings.rules.clone());
        let when = settings.checks.clone();
        tasks.spawn("checker", |_| check(jobs, outcomes, when, judge));
        let config = SequencerConfig {
            block_time: BLOCK_TIME,
            gas_limit: GAS_LIMIT,
            fee_recipient: dev::OWNER.address,
            fee_config: FeeConfig::default(),
            reproducer_dir: reproducers.path().to_owned(),
        };
        let sequencer =
            Sequencer::new(chain.clone(), pool.clone(), config, inbox, machines, checker);
        tasks.spawn("sequencer", |stop| ethrex_sequencer::drive(sequencer, l1, checks, stop));

        let config = BatcherConfig {
            every: settings.commit_every,
            gas: u64::MAX,
            chain_id: spec.chain_id(),
            commit_hash: commit_hash(),
        };
        let parts = BatcherParts {
            settlement: settlement.clone(),
            sender: committer,
            store: store.clone(),
            blocks: Arc::new(CanonicalBlocks::new(chain.storage().clone(), FeeConfig::default())),
            head: chain.subscribe(),
        };
        let (batcher, task) = Batcher::new(config, parts);
        tasks.spawn("batcher", |stop| task.run(stop));

        let needed = ProverType::needed([false; 3]);
        let (told, verified) = watch::channel(None);
        let config = SubmitConfig {
            every: PROOF_TIME,
            needed,
            chain_id: spec.chain_id(),
            commit_hash: commit_hash(),
        };
        let parts =
            SubmitParts { settlement, sender: proof_sender, store: store.clone(), verified: told };
        tasks.spawn("submitter", |stop| Submitter::new(config, parts).run(stop));
        let bench = Bench { chain: chain.clone(), store: store.clone(), verified };
        let prover = settings.prover.clone();
        tasks.spawn("prover", |stop| prover::drive(bench, prover, stop));

        let Tasks { tasks, stop } = tasks;
        Self { chain, pool, store, batcher, tasks, stop, reproducers }
    }

    /// A task that has ended though nobody stopped it, and why. One that failed comes before those it took along.
    pub(crate) async fn failure(&mut self) -> Option<(&'static str, String)> {
        let mut quiet = None;
        let ended: Vec<_> = self.tasks.extract_if(.., |(_, task)| task.is_finished()).collect();
        for (name, task) in ended {
            match task.await.expect("tasks do not panic") {
                Ok(()) => quiet = quiet.or(Some((name, "it ended early".to_owned()))),
                Err(error) => return Some((name, error.to_string())),
            }
        }
        quiet
    }

    /// Files written for whoever looks into blocks that failed their check.
    #[must_use]
    pub fn reproducers(&self) -> usize {
        std::fs::read_dir(self.reproducers.path()).expect("the folder is ours").count()
    }

    /// Ends as on a signal: every task gets to its end.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        for (name, task) in self.tasks {
            let ended = task.await.expect("tasks do not panic");
            assert!(ended.is_ok(), "{name}: {ended:?}");
        }
    }

    /// Ends as on `kill -9`: nothing more is done. What a thread is writing at this moment is written, as a disk would.
    pub(crate) async fn kill(self) {
        for (_, task) in &self.tasks {
            task.abort();
        }
        for (_, task) in self.tasks {
            let _ = task.await; // aborted, or ended before
        }
        // The paused clock moves only once no thread of ours works any more.
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[derive(Debug, Default)]
struct Tasks {
    tasks: Vec<(&'static str, JoinHandle<Ended>)>,
    stop: CancellationToken,
}

impl Tasks {
    fn spawn<F, E>(&mut self, name: &'static str, task: impl FnOnce(CancellationToken) -> F)
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let running = task(self.stop.child_token());
        self.tasks.push((name, tokio::spawn(async move { running.await.map_err(Into::into) })));
    }
}

fn open_pool(chain: &Chain) -> Pool {
    let storage = chain.storage();
    let head = chain.head();
    let state = storage.state_at(head.hash()).expect("the database can be read");
    let standard = PoolConfig::standard();
    let config =
        PoolConfig { max_tx_bytes: standard.max_tx_bytes.min(blob::MAX_TX_LEN), ..standard };
    Pool::open(
        chain.spec().clone(),
        chain.rules().clone(),
        config,
        Arc::new(storage.clone()),
        head,
        Arc::new(state.expect("the head has a state")),
    )
    .expect("the journal can be read")
}

/// The checking thread of the node, as a task: so the paused clock waits for it.
async fn check(
    mut jobs: mpsc::Receiver<CheckJob>,
    outcomes: mpsc::Sender<CheckOutcome>,
    checks: Checks,
    (spec, rules): (ChainSpec, Arc<dyn Rules>),
) -> Result<(), tokio::task::JoinError> {
    let mut held = checks.held.subscribe();
    while let Some(job) = jobs.recv().await {
        if held.wait_for(|held| !held).await.is_err() {
            return Ok(());
        }
        let (spec, rules) = (spec.clone(), rules.clone());
        let run = move || job.run(&spec, rules.as_ref());
        let mut outcome = tokio::task::spawn_blocking(run).await?;
        if checks.fails() {
            let why = ValidateError::NoParent(outcome.hash);
            outcome.result = Err(why.into());
        }
        if outcomes.send(outcome).await.is_err() {
            return Ok(());
        }
    }
    Ok(())
}
