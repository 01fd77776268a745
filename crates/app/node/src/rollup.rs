//! `ethrex l2`: a validity rollup, on somebody's L1 or with a development L1 beside it.
//!
//! The L2 starts at once and never waits for L1. What settles it (messages, batches, proofs) starts when L1 has answered and
//! the contracts there are found to be those of this rollup.

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use axum::Router;
use ethrex_batcher::{Batcher, BatcherConfig, BatcherParts, CanonicalBlocks};
use ethrex_chain::Chain;
use ethrex_deploy::deploy;
use ethrex_l1::{
    Client, Contracts, EventConfig, EventWatcher, Sender, SenderConfig, SenderTask, Settlement,
    SigningKey, Update,
};
use ethrex_protocol::{blob, contracts::CommonBridge::PrivilegedTxSent, fee::FeeConfig};
use ethrex_rpc::modules;
use ethrex_rules::Rollup;
use ethrex_sequencer::{CheckOutcome, Checker, Inbox, Sequencer, SequencerConfig, resume};
use ethrex_stf::check_genesis;
use ethrex_store::Store;
use ethrex_txpool::PoolConfig;
use eyre::{Result, ensure};
use tokio::sync::{mpsc, watch};

use crate::{
    chain::OpenChain,
    config::{DevConfig, RollupConfig, RollupSettings},
    data::{Data, at},
    info::{self, Info, RollupInfo},
    l1::start_dev_l1,
    link::{Checked, Link},
    prover::{self, Proving},
    serve::serve_chain,
    tasks::Tasks,
    telemetry,
};

/// Updates from L1 that wait for the sequencer at most; each holds the events of one look.
const L1_UPDATES: usize = 64;

/// How long the L2 waits for L1's first answer before it goes on without.
const FIRST_LOOK: Duration = Duration::from_secs(3);

/// Runs a rollup with a development L1 beside it until `shutdown`.
///
/// # Errors
/// If it cannot start, or a part of it fails.
pub async fn run_rollup_dev(config: DevConfig, shutdown: impl Future<Output = ()>) -> Result<()> {
    tokio::pin!(shutdown);
    let mut tasks = Tasks::default();
    let _data = tokio::select! {
        started = start_dev(config, &mut tasks) => started?,
        () = &mut shutdown => return Ok(()),
    };
    tasks.run_until(shutdown).await?;
    Ok(())
}

/// Runs a rollup on an L1 that others run until `shutdown`.
///
/// # Errors
/// If it cannot start, or a part of it fails.
pub async fn run_rollup(config: RollupConfig, shutdown: impl Future<Output = ()>) -> Result<()> {
    tokio::pin!(shutdown);
    let mut tasks = Tasks::default();
    let _data = tokio::select! {
        started = start(config, &mut tasks) => started?,
        () = &mut shutdown => return Ok(()),
    };
    tasks.run_until(shutdown).await?;
    Ok(())
}

async fn start_dev(config: DevConfig, tasks: &mut Tasks) -> Result<Data> {
    let settings = &config.settings;
    let data = Data::open(&settings.data)?;
    if let Some(listen) = settings.metrics {
        telemetry::serve_metrics(tasks, listen).await?;
    }
    let rollup = OpenRollup::open(settings, &data)?;
    let l2 = rollup.serve(settings, tasks).await?;

    let l1_database = data.path(|layout| layout.dev_l1());
    let l1 = start_dev_l1(&config.l1, at(l1_database.as_deref()), tasks).await?;
    let mut info = Info::of_l1(l1.address, l1.open.chain.spec());
    let client = Client::connect(&[info.l1_rpc.parse()?])?;

    // One key has one sender: the deployer is the committer, so the deployment goes through the same queue.
    let (committer, task) = rollup.sender(&client, settings, &settings.committer.key);
    tasks.spawn("L1 sender of the committer", |stop| task.run(stop));
    let deployed = deploy(&client, &committer, config.deploy).await?;

    let coordinator =
        rollup.settle(settings, &data, client, deployed.contracts, committer, tasks).await?;
    prover::start_local(coordinator, settings.proofs.secret.clone(), tasks);
    info.rollup =
        Some(RollupInfo::new(l2, rollup.open.chain.spec(), &deployed.contracts, coordinator));
    info::announce(&info);
    if let Some(file) = &config.info_file {
        info.write(file)?;
    }
    Ok(data)
}

async fn start(config: RollupConfig, tasks: &mut Tasks) -> Result<Data> {
    let settings = &config.settings;
    let data = Data::open(&settings.data)?;
    if let Some(listen) = settings.metrics {
        telemetry::serve_metrics(tasks, listen).await?;
    }
    let client = Client::connect(&config.endpoints)?;
    let rollup = OpenRollup::open(settings, &data)?;
    let l2 = rollup.serve(settings, tasks).await?;
    let (committer, task) = rollup.sender(&client, settings, &settings.committer.key);
    tasks.spawn("L1 sender of the committer", |stop| task.run(stop));
    let coordinator =
        rollup.settle(settings, &data, client, config.contracts, committer, tasks).await?;
    tracing::info!(l2 = %l2, proof_coordinator = %coordinator, "the rollup runs");
    Ok(data)
}

/// The L2 chain and the rollup's store.
struct OpenRollup {
    open: OpenChain,
    store: Store,
}

impl OpenRollup {
    fn open(settings: &RollupSettings, data: &Data) -> Result<Self> {
        let database = data.path(|layout| layout.chain());
        // What does not fit into a blob alone could never be settled.
        let limits = |limits: PoolConfig| PoolConfig {
            max_tx_bytes: limits.max_tx_bytes.min(blob::MAX_TX_LEN),
            ..limits
        };
        let database = at(database.as_deref());
        let open = OpenChain::open(
            &settings.chain,
            database,
            |spec| {
                check_genesis(spec)?;
                Ok(Arc::new(Rollup))
            },
            Chain::open,
            limits,
        )?;
        let store = match data.path(|layout| layout.store()) {
            Some(path) => Store::open(&path)?,
            None => Store::memory()?,
        };
        Ok(Self { open, store })
    }

    /// Starts the L2's JSON-RPC server.
    async fn serve(&self, settings: &RollupSettings, tasks: &mut Tasks) -> Result<SocketAddr> {
        let coinbase = Some(settings.sequencer.coinbase);
        let context = self.open.rpc_context(&settings.chain, coinbase);
        let mut methods = modules(&context);
        methods.merge(ethrex_rpc_ext::module(&context, &self.store))?;
        serve_chain(tasks, "L2 JSON-RPC", &settings.chain, methods, Router::new()).await
    }

    /// The one sender of a key, and its loop.
    fn sender(
        &self,
        client: &Client,
        settings: &RollupSettings,
        key: &SigningKey,
    ) -> (Sender, SenderTask) {
        let config = SenderConfig { policy: settings.fees.clone(), every: settings.watcher.every };
        Sender::new(client.clone(), key.clone(), Arc::new(self.store.clone()), config)
    }

    /// Starts block production, and everything that settles blocks on L1. Returns where the proof coordinator listens.
    async fn settle(
        &self,
        settings: &RollupSettings,
        data: &Data,
        client: Client,
        contracts: Contracts,
        committer: Sender,
        tasks: &mut Tasks,
    ) -> Result<SocketAddr> {
        let chain = &self.open.chain;
        let settlement = Settlement::new(client.clone(), contracts);
        let inbox = Inbox::open(self.store.clone(), chain.spec().chain_id())?;
        let link = Link {
            settlement: settlement.clone(),
            spec: chain.spec().clone(),
            store: self.store.clone(),
            committer: committer.address(),
            proof_sender: settings.proofs.key.address(),
        };
        // Contracts that are wrong stop the start; an L1 that is down or does not answer does not.
        let first = tokio::time::timeout(FIRST_LOOK, link.look()).await;
        let checked = first.unwrap_or(Ok(None))?;
        let (gate, ready) = watch::channel(checked);
        tasks.spawn("L1 check", |stop| link.watch(gate, stop));

        let (updates, l1) = mpsc::channel(L1_UPDATES);
        self.follow_messages(
            settings,
            client.clone(),
            contracts,
            &inbox,
            ready.clone(),
            updates,
            tasks,
        );
        self.produce(settings, data, inbox, l1, tasks)?;
        self.commit(settings, settlement.clone(), committer, ready.clone(), tasks);
        let proving = Proving {
            chain: chain.clone(),
            store: self.store.clone(),
            settlement,
            sender: self.sender(&client, settings, &settings.proofs.key),
            ready,
        };
        proving.start(&settings.proofs, tasks).await
    }

    #[expect(clippy::too_many_arguments, reason = "wiring: each is used once, here")]
    fn follow_messages(
        &self,
        settings: &RollupSettings,
        client: Client,
        contracts: Contracts,
        inbox: &Inbox,
        ready: watch::Receiver<Option<Checked>>,
        updates: mpsc::Sender<Update<PrivilegedTxSent>>,
        tasks: &mut Tasks,
    ) {
        let config = EventConfig {
            name: "messages",
            every: settings.watcher.every,
            delay: settings.watcher.delay,
            max_step: settings.watcher.max_step,
        };
        let cursor = inbox.cursor();
        tasks.spawn("L1 watcher", |stop| async move {
            let Some(checked) = Checked::wait(ready, &stop).await else { return Ok(()) };
            let (next, before) = match cursor {
                Some(cursor) => (cursor.block.0 + 1, Some(cursor.hash)),
                None => (checked.deployed_at, None),
            };
            EventWatcher::new(client, contracts.bridge, next, before, config)
                .run(updates, stop)
                .await
        });
    }

    /// Fails where the chain lacks blocks that the store has in a batch: whatever were built then would contradict L1.
    fn check_same_age(&self) -> Result<()> {
        let Some(last) = self.store.last_batch()? else { return Ok(()) };
        let Some(row) = self.store.batch(last)? else { return Ok(()) };
        let height = row.batch.last_block;
        ensure!(
            self.open.chain.storage().canonical_hash(height.0)? == Some(row.last_block_hash),
            "the L2 chain in --datadir does not hold block {height}, the last of batch {last} in rollup.sqlite beside it: \
             restore both from the same time, or remove both with `ethrex l2 removedb`"
        );
        Ok(())
    }

    fn produce(
        &self,
        settings: &RollupSettings,
        data: &Data,
        inbox: Inbox,
        l1: mpsc::Receiver<Update<PrivilegedTxSent>>,
        tasks: &mut Tasks,
    ) -> Result<()> {
        let chain = self.open.chain.clone();
        self.check_same_age()?;
        let machines = resume(&chain, &inbox)?;
        tracing::info!(
            head = chain.head().number,
            next_l1_message = machines.0.next_for_block(),
            last_batch = ?self.store.last_batch()?,
            "where we stand"
        );
        let (checker, checks): (Checker, mpsc::Receiver<CheckOutcome>) =
            Checker::spawn(chain.spec().clone(), chain.rules().clone());
        let config = SequencerConfig {
            block_time: settings.sequencer.block_time,
            gas_limit: settings.sequencer.gas_limit,
            fee_recipient: settings.sequencer.coinbase,
            fee_config: FeeConfig::default(),
            reproducer_dir: data
                .path(|layout| layout.reproducers())
                .unwrap_or_else(|| std::env::temp_dir().join("ethrex-reproducers")),
        };
        let sequencer =
            Sequencer::new(chain, self.open.pool.clone(), config, inbox, machines, checker);
        tasks.spawn("sequencer", |stop| ethrex_sequencer::drive(sequencer, l1, checks, stop));
        Ok(())
    }

    fn commit(
        &self,
        settings: &RollupSettings,
        settlement: Settlement,
        sender: Sender,
        ready: watch::Receiver<Option<Checked>>,
        tasks: &mut Tasks,
    ) {
        let chain = &self.open.chain;
        let config = BatcherConfig {
            every: settings.committer.every,
            gas: settings.committer.gas_limit.unwrap_or(u64::MAX),
            chain_id: chain.spec().chain_id(),
            commit_hash: prover::commit_hash(),
        };
        let parts = BatcherParts {
            settlement,
            sender,
            store: self.store.clone(),
            blocks: Arc::new(CanonicalBlocks::new(chain.storage().clone(), FeeConfig::default())),
            head: chain.subscribe(),
        };
        let (batcher, task) = Batcher::new(config, parts);
        batcher.start_in(settings.committer.first_after);
        tasks.spawn("batcher", |stop| async move {
            // The handle lives as long as the loop: dropping it would change nothing, but the mode it set must stay readable.
            let _batcher = batcher;
            match Checked::wait(ready, &stop).await {
                Some(_) => task.run(stop).await,
                None => Ok(()),
            }
        });
    }
}
