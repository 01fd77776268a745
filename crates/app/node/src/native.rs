//! `ethrex l2 --native-rollups`: a rollup that L1 verifies itself, on somebody's L1 or with a development L1 beside it.
//!
//! The L2 answers at once. What follows L1 starts when L1 has said what the rollup is; what settles is there for everybody with a key,
//! whether this node makes blocks or not.

mod rpc;

use std::{
    future::Future,
    net::SocketAddr,
    path::Path,
    sync::{Arc, OnceLock},
    time::Duration,
};

use alloy_primitives::{Address, U256};
use axum::Router;
use ethrex_chain::Chain;
use ethrex_deploy::native::{NativeMode, deploy_native};
use ethrex_execute::{Anchored, Execute, ExecuteConfig, level_of, stream};
use ethrex_l1::{
    Beacon, BlobSource, Client, EventConfig, EventWatcher, HeadConfig, L1Error, Reaction, Sender,
    SenderConfig, SigningKey, watch_head,
};
use ethrex_rpc::modules;
use ethrex_settle::{
    Blocks, Challenger, ClaimPolicy, Contract, Deployment, Driver, DriverParts, Outbox, Poster,
    Posting, Proposer, Prover, Reader, Rescuer, SequencerConfig, Settler, ToPost, View,
    bindings::Mode,
};
use ethrex_stf::check_genesis;
use ethrex_store::{Identity, Store};
use ethrex_txpool::PoolConfig;
use ethrex_types::{ChainSpec, Genesis};
use eyre::{Context as _, Result, ensure};
use tokio::sync::{mpsc, watch};
use url::Url;

use crate::{
    chain::OpenChain,
    config::{NativeConfig, NativeDevConfig, NativeSequencing, NativeSettings},
    data::{Data, at},
    info::{self, Info, NativeInfo},
    l1::start_dev_l1,
    serve::serve_chain,
    tasks::Tasks,
    telemetry,
};
use rpc::Following;

/// Updates from L1 that wait for the driver at most; each holds the events of one look.
const L1_UPDATES: usize = 64;
/// Blobs that were read and wait for the driver at most; each is 128 KiB.
const READ_BLOBS: usize = 8;
/// An idle sequencer makes a block after this share of its timeout.
const IDLE_SHARE: u32 = 2;
/// Time between two looks at an L1 that does not answer.
const RETRY: Duration = Duration::from_secs(2);

/// Runs a native rollup with a development L1 beside it until `shutdown`.
///
/// # Errors
/// If it cannot start, or a part of it fails.
pub async fn run_native_dev(
    config: NativeDevConfig,
    shutdown: impl Future<Output = ()>,
) -> Result<()> {
    tokio::pin!(shutdown);
    let mut tasks = Tasks::default();
    let _data = tokio::select! {
        started = start_dev(config, &mut tasks) => started?,
        () = &mut shutdown => return Ok(()),
    };
    tasks.run_until(shutdown).await?;
    Ok(())
}

/// Runs a native rollup on an L1 that others run until `shutdown`.
///
/// # Errors
/// If it cannot start, or a part of it fails.
pub async fn run_native(config: NativeConfig, shutdown: impl Future<Output = ()>) -> Result<()> {
    tokio::pin!(shutdown);
    let mut tasks = Tasks::default();
    let _data = tokio::select! {
        started = start(config, &mut tasks) => started?,
        () = &mut shutdown => return Ok(()),
    };
    tasks.run_until(shutdown).await?;
    Ok(())
}

async fn start_dev(config: NativeDevConfig, tasks: &mut Tasks) -> Result<Data> {
    let settings = &config.settings;
    let data = Data::open(&settings.data)?;
    if let Some(listen) = settings.metrics {
        telemetry::serve_metrics(tasks, listen).await?;
    }
    let rollup = OpenNative::open(settings, &data)?;
    let l1_database = data.path(|layout| layout.dev_l1());
    let l1 = start_dev_l1(&config.l1, at(l1_database.as_deref()), tasks).await?;
    let mut info = Info::of_l1(l1.address, l1.open.chain.spec());
    let client = Client::connect(&[info.l1_rpc.parse()?])?;
    let blobs = blob_source(&[info.beacon.parse()?])?;

    let mut senders = rollup.senders(&client, settings);
    let deployer = senders.of(&config.deployer, tasks);
    let mode = config.deploy.mode;
    let deployed = deploy_native(&client, &deployer, config.deploy).await?;
    let l2_genesis = data.path(|layout| layout.l2_genesis());
    if let Some(file) = &l2_genesis {
        write_genesis(file, &deployed.l2_genesis)?;
    }

    let contract = deployed.contracts.rollup;
    let l2 = rollup.serve(settings, contract, tasks).await?;
    let start_block = deployed.created_at.unwrap_or_default();
    let l1 = L1 { client, blobs, rollup: contract, start_block };
    rollup.follow(settings, l1, senders, tasks).await?;
    let native = NativeInfo::new(l2, rollup.open.chain.spec(), &deployed.contracts, mode);
    info.native = Some(NativeInfo { l2_genesis, ..native });
    info::announce(&info);
    if let Some(file) = &config.info_file {
        info.write(file)?;
    }
    Ok(data)
}

async fn start(config: NativeConfig, tasks: &mut Tasks) -> Result<Data> {
    let settings = &config.settings;
    let data = Data::open(&settings.data)?;
    if let Some(listen) = settings.metrics {
        telemetry::serve_metrics(tasks, listen).await?;
    }
    let client = Client::connect(&config.endpoints)?;
    let blobs = blob_source(&config.beacons)?;
    let rollup = OpenNative::open(settings, &data)?;
    let l2 = rollup.serve(settings, config.rollup, tasks).await?;
    tracing::info!(l2 = %l2, "the L2 answers");
    let senders = rollup.senders(&client, settings);
    let (rollup_at, start_block) = (config.rollup, config.start_block);
    let l1 = L1 { client, blobs, rollup: rollup_at, start_block };
    rollup.follow(settings, l1, senders, tasks).await?;
    Ok(data)
}

/// Where blobs are read, if anywhere.
fn blob_source(beacons: &[Url]) -> Result<Option<Arc<dyn BlobSource>>> {
    if beacons.is_empty() {
        return Ok(None);
    }
    Ok(Some(Arc::new(Beacon::connect(beacons)?)))
}

/// The settlement chain, and what of it matters.
struct L1 {
    client: Client,
    blobs: Option<Arc<dyn BlobSource>>,
    /// `NativeRollup`.
    rollup: Address,
    /// The block before which it did not exist.
    start_block: u64,
}

/// For other nodes of the same rollup.
fn write_genesis(file: &Path, genesis: &Genesis) -> Result<()> {
    let json = serde_json::to_vec_pretty(genesis).wrap_err("encode the L2 genesis")?;
    std::fs::write(file, json).wrap_err_with(|| format!("cannot write {}", file.display()))
}

/// Why this node cannot be one of that rollup.
#[derive(Debug, thiserror::Error)]
enum NativeError {
    #[error(
        "the genesis of this rollup has no executeTime, so it is none that L1 can verify; take the one that `ethrex l2 deploy --native-rollups` wrote"
    )]
    NoExecute,
    #[error("chain id {0} is deeper than EXECUTE goes")]
    Level(u64),
    #[error(
        "there is no NativeRollup at {address} on L1 (chain id {chain_id}); check --native-rollups.contract-address, or deploy with `ethrex l2 deploy --native-rollups`"
    )]
    NoContract { address: Address, chain_id: u64 },
    #[error(
        "NativeRollup {address} is that of chain id {theirs}, but this rollup's genesis has {ours}; check --network and --native-rollups.contract-address"
    )]
    OtherChain { address: Address, theirs: u64, ours: u64 },
    #[error(
        "NativeRollup {address} settles in another mode than --native-rollups.mode says; leave it out"
    )]
    OtherMode { address: Address },
    #[error(
        "only {sequencer} may post to NativeRollup {address}, and --native-rollups.l1-pk is {ours}; use its key, or --native-rollups.follow"
    )]
    NotSequencer { address: Address, sequencer: Address, ours: Address },
    #[error("{account} ({role}) has no ETH on L1 to pay for transactions; fund it")]
    Unfunded { account: Address, role: &'static str },
}

/// The L2 chain, and what the node remembers beside it.
struct OpenNative {
    open: OpenChain,
    store: Store,
    following: Arc<OnceLock<Following>>,
    execute: ExecuteConfig,
}

impl OpenNative {
    fn open(settings: &NativeSettings, data: &Data) -> Result<Self> {
        let database = data.path(|layout| layout.chain());
        // What is larger fits into no posted block.
        let limits = |limits: PoolConfig| PoolConfig {
            max_tx_bytes: limits.max_tx_bytes.min(stream::MAX_BLOCK_LEN),
            ..limits
        };
        let genesis = &settings.chain.genesis;
        let execute = ExecuteConfig::from_genesis(genesis)?.ok_or(NativeError::NoExecute)?;
        let config = execute.clone();
        let open = OpenChain::open(
            &settings.chain,
            at(database.as_deref()),
            |spec| {
                check_genesis(spec)?;
                Ok(Arc::new(Anchored::new(spec, Some(config))))
            },
            Chain::open,
            limits,
        )?;
        let store = match data.path(|layout| layout.store()) {
            Some(path) => Store::open(&path)?,
            None => Store::memory()?,
        };
        Ok(Self { open, store, following: Arc::default(), execute })
    }

    /// Starts the L2's JSON-RPC server.
    async fn serve(
        &self,
        settings: &NativeSettings,
        contract: Address,
        tasks: &mut Tasks,
    ) -> Result<SocketAddr> {
        // Fees of a rollup's blocks go to who sends its transactions.
        let coinbase = settings.sequence.as_ref().map(|sequence| sequence.relayer.address());
        let context = self.open.rpc_context(&settings.chain, coinbase);
        let native = rpc::module(rpc::Rollup {
            context: context.clone(),
            contract,
            outbox: Outbox::new(self.open.chain.clone(), self.store.clone()),
            following: Arc::clone(&self.following),
        });
        let mut methods = modules(&context);
        methods.merge(native)?;
        serve_chain(tasks, "L2 JSON-RPC", &settings.chain, methods, Router::new()).await
    }

    fn senders(&self, client: &Client, settings: &NativeSettings) -> Senders {
        let policy = settings.fees.clone();
        Senders {
            client: client.clone(),
            store: self.store.clone(),
            config: SenderConfig { policy, every: settings.watcher.every },
            made: Vec::new(),
        }
    }

    /// Starts what follows L1, makes blocks and settles them.
    async fn follow(
        &self,
        settings: &NativeSettings,
        l1: L1,
        mut senders: Senders,
        tasks: &mut Tasks,
    ) -> Result<()> {
        let L1 { client, blobs: blob_source, rollup: address, start_block } = l1;
        let contract = Contract::new(client.clone(), address);
        let deployment = self.deployment(&contract).await?;
        self.check(settings, &client, &deployment).await?;
        let chain = &self.open.chain;
        let chain_id = chain.spec().chain_id();
        let level = u8::try_from(level_of(chain_id)).map_err(|_| NativeError::Level(chain_id))?;
        let blocks = Blocks::new(chain.clone(), self.store.clone(), self.execute.caps, level);
        // A sequencer that makes no progress loses its exclusive right, so one with nothing to do makes an empty block in time.
        let config = &deployment.config;
        let idle_time = (!config.sequencer.is_zero())
            .then(|| Duration::from_secs(config.sequencerTimeout) / IDLE_SHARE);
        let sequencer = settings.sequence.as_ref().map(|sequence| {
            let config = SequencerConfig {
                block_time: sequence.block_time,
                // An item that is not posted cannot be settled, and one that waits to be settled can as well take blocks.
                item_time: settings.settle_every,
                idle_time,
                fee_recipient: sequence.relayer.address(),
                claims: ClaimPolicy::Paying(sequence.least_claim_fee),
            };
            (config, sequence.relayer.clone())
        });
        tracing::info!(
            rollup = %address,
            mode = ?deployment.config.mode,
            sequencer = %deployment.config.sequencer,
            head = chain.head().number,
            "where we stand"
        );
        let execute = self.l1_execute(&deployment, level)?;
        let optimistic = deployment.config.mode == Mode::OPTIMISTIC;
        let (head, l1_head) = watch::channel(None);
        let looks = HeadConfig { every: settings.watcher.every };
        let looking = client.clone();
        tasks.spawn("L1 head", |stop| async move {
            watch_head(looking, looks, head, stop).await;
            Ok::<_, L1Error>(())
        });
        let parts = DriverParts {
            deployment,
            blocks: blocks.clone(),
            pool: self.open.pool.clone(),
            client: client.clone(),
            l1_head,
            delay: settings.watcher.delay,
        };
        let (driver, view, to_post) = Driver::new(parts, sequencer)?;
        let following = Following { view: view.clone(), blocks: blocks.clone(), execute };
        ensure!(self.following.set(following).is_ok(), "a rollup is followed once");

        let config = EventConfig {
            name: "rollup",
            every: settings.watcher.every,
            delay: settings.watcher.delay,
            max_step: settings.watcher.max_step,
        };
        let (updates, l1) = mpsc::channel(L1_UPDATES);
        let watcher = EventWatcher::new(client.clone(), address, start_block, None, config);
        tasks.spawn("L1 watcher", |stop| watcher.run(updates, stop));
        let (read, read_blobs) = mpsc::channel(READ_BLOBS);
        tasks.spawn("driver", |stop| driver.run(l1, read_blobs, stop));
        if let Some(source) = blob_source {
            let (store, every) = (self.store.clone(), settings.watcher.every);
            let reader = Reader::new(client, source, store, view.clone(), read, every);
            tasks.spawn("blob reader", |stop| reader.run(stop));
        }

        let (store, every) = (self.store.clone(), settings.settle_every);
        let settling = Settling { contract, blocks, view, store, every };
        if let Some(key) = &settings.settler {
            let sender = senders.of(key, tasks);
            match &settings.sequence {
                Some(sequence) => settling.post(sequence, sender.clone(), to_post, tasks),
                None => settling.rescue(sender.clone(), tasks),
            }
            if settings.sequence.as_ref().is_none_or(|sequence| sequence.settles) {
                settling.prove(sender.clone(), tasks);
                if optimistic {
                    settling.propose(sender, tasks);
                } else {
                    settling.settle(sender, tasks);
                }
            }
        }
        if let Some(key) = settings.challenger.as_ref().filter(|_| optimistic) {
            settling.challenge(senders.of(key, tasks), tasks);
        }
        Ok(())
    }

    /// What the rollup is, as soon as L1 says it.
    async fn deployment(&self, contract: &Contract) -> Result<Deployment> {
        let mut said = false;
        loop {
            let error = match look(contract).await {
                Ok(Some(deployment)) => return Ok(deployment),
                Ok(None) => {
                    let chain_id = contract.client().chain_id().await?;
                    return Err(
                        NativeError::NoContract { address: contract.address(), chain_id }.into()
                    );
                }
                Err(error) => error,
            };
            if !matches!(error.reaction(), Reaction::Retry) {
                return Err(error.into());
            }
            if !said {
                tracing::warn!(%error, "L1 does not answer; the chain waits for it");
                said = true;
            }
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Whether this node can do what it was started for.
    async fn check(
        &self,
        settings: &NativeSettings,
        client: &Client,
        deployment: &Deployment,
    ) -> Result<()> {
        let (config, address) = (&deployment.config, deployment.rollup);
        let ours = self.open.chain.spec().chain_id();
        if config.chainId != ours {
            return Err(NativeError::OtherChain { address, theirs: config.chainId, ours }.into());
        }
        let mode = match config.mode {
            Mode::OPTIMISTIC => NativeMode::Optimistic,
            _ => NativeMode::Inline,
        };
        if settings.mode.is_some_and(|expected| expected != mode) {
            return Err(NativeError::OtherMode { address }.into());
        }
        if let (Some(_), Some(key)) = (&settings.sequence, &settings.settler) {
            let (sequencer, ours) = (config.sequencer, key.address());
            if !sequencer.is_zero() && sequencer != ours {
                return Err(NativeError::NotSequencer { address, sequencer, ours }.into());
            }
        }
        let keys = [(&settings.settler, "settler"), (&settings.challenger, "challenger")];
        for (key, role) in keys {
            let Some(account) = key.as_ref().map(SigningKey::address) else { continue };
            if client.balance(account).await? == U256::ZERO {
                return Err(NativeError::Unfunded { account, role }.into());
            }
        }
        self.store.expect_identity(&Identity {
            l1_chain_id: deployment.l1_chain_id,
            l2_chain_id: ours,
            on_chain_proposer: address,
        })?;
        Ok(())
    }

    /// EXECUTE as the chain below has it: its forks are those of this one.
    fn l1_execute(&self, deployment: &Deployment, level: u8) -> Result<Execute> {
        let mut genesis = self.open.chain.spec().genesis().clone();
        genesis.config.chain_id = deployment.l1_chain_id;
        let spec = ChainSpec::new(genesis)?;
        Ok(Execute::new(spec, self.execute.clone(), level.saturating_sub(1)))
    }
}

/// What settles blocks, each part for whoever has a key.
struct Settling {
    contract: Contract,
    blocks: Blocks,
    view: View,
    store: Store,
    every: Duration,
}

impl Settling {
    /// Posts what this node's sequencer has made.
    fn post(
        &self,
        sequence: &NativeSequencing,
        sender: Sender,
        items: watch::Receiver<Option<ToPost>>,
        tasks: &mut Tasks,
    ) {
        let posting = Posting { da: sequence.da, proves: sequence.settles, every: self.every };
        let (contract, store) = (self.contract.clone(), self.store.clone());
        let poster = Poster::new(contract, sender, items, store, posting);
        tasks.spawn("poster", |stop| poster.run(stop));
    }

    /// Shows L1 what is in blobs.
    fn prove(&self, sender: Sender, tasks: &mut Tasks) {
        let (contract, store) = (self.contract.clone(), self.store.clone());
        let prover = Prover::new(contract, sender, store, self.view.clone(), self.every);
        tasks.spawn("blob prover", |stop| prover.run(stop));
    }

    /// Posts for forced transactions when the sequencer is gone.
    fn rescue(&self, sender: Sender, tasks: &mut Tasks) {
        let recipient = sender.address();
        let (contract, view) = (self.contract.clone(), self.view.clone());
        let rescuer = Rescuer::new(contract, sender, view, recipient, self.every);
        tasks.spawn("rescuer", |stop| rescuer.run(stop));
    }

    /// Has L1 execute every block.
    fn settle(&self, sender: Sender, tasks: &mut Tasks) {
        let (contract, blocks) = (self.contract.clone(), self.blocks.clone());
        let settler = Settler::new(contract, sender, blocks, self.view.clone(), self.every);
        tasks.spawn("settler", |stop| settler.run(stop));
    }

    /// Says what the blocks are, and risks a bond for it.
    fn propose(&self, sender: Sender, tasks: &mut Tasks) {
        let (contract, blocks) = (self.contract.clone(), self.blocks.clone());
        let proposer = Proposer::new(contract, sender, blocks, self.view.clone(), self.every);
        tasks.spawn("proposer", |stop| proposer.run(stop));
    }

    /// Has L1 execute a block that somebody lies about.
    fn challenge(&self, sender: Sender, tasks: &mut Tasks) {
        let (contract, blocks) = (self.contract.clone(), self.blocks.clone());
        let challenger = Challenger::new(contract, sender, blocks, self.view.clone(), self.every);
        tasks.spawn("challenger", |stop| challenger.run(stop));
    }
}

/// Asks L1 once; `None` where there is no contract.
async fn look(contract: &Contract) -> Result<Option<Deployment>, L1Error> {
    if contract.client().code(contract.address()).await?.is_empty() {
        return Ok(None);
    }
    contract.deployment().await.map(Some)
}

/// The senders of this node: one for each key, however many tasks it has.
struct Senders {
    client: Client,
    store: Store,
    config: SenderConfig,
    made: Vec<Sender>,
}

impl Senders {
    fn of(&mut self, key: &SigningKey, tasks: &mut Tasks) -> Sender {
        if let Some(sender) = self.made.iter().find(|sender| sender.address() == key.address()) {
            return sender.clone();
        }
        let outbox = Arc::new(self.store.clone());
        let (sender, task) =
            Sender::new(self.client.clone(), key.clone(), outbox, self.config.clone());
        tasks.spawn("L1 sender", |stop| task.run(stop));
        self.made.push(sender.clone());
        sender
    }
}
