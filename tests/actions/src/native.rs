//! A native rollup on an L1 that verifies it: the tasks of the node, wired as the node wires them.

use std::{
    error::Error,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use alloy_eips::eip4844::Blob;
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rlp::Encodable;
use alloy_sol_types::SolCall;
use ethrex_chain::Chain;
use ethrex_deploy::{
    dev,
    native::{
        NativeDeployConfig, NativeMode, NativeTimes, deploy_native_once, l1_genesis, l2_genesis,
    },
};
use ethrex_execute::{Anchored, ExecuteConfig};
use ethrex_l1::{
    EventConfig, EventWatcher, HeadConfig, MemoryOutbox, Outcome, Policy, Purpose, Sender,
    SenderConfig, Sidecar, SigningKey, TxRequest, watch_head,
};
use ethrex_settle::{
    Blocks, Challenger, ClaimPolicy, Contract, Da, Driver, DriverParts, MESSENGER, Outbox,
    OutboxProof, Poster, Posting, Proposer, Prover, Reader, Rescuer, SequencerConfig, Settler,
    View,
    bindings::{INativeMessenger, INativeRollup},
};
use ethrex_storage::Storage;
use ethrex_store::Store;
use ethrex_txpool::{Journal, JournalError, NoJournal, Pool, PoolConfig};
use ethrex_types::{ChainSpec, Genesis, SealedBlock, alloy_consensus::TxEip1559};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use crate::{
    L1, User, ether,
    user::{balance, nonce},
};

/// Time between two looks at L1.
const POLL: Duration = Duration::from_millis(200);
/// Time between two blocks of the sequencer.
const BLOCK_TIME: Duration = Duration::from_secs(1);
/// A second, and a moment in which what starts with it comes to its end.
const SECOND: Duration = Duration::from_millis(1_001);
/// Updates of L1 that wait for the driver at most.
const UPDATES: usize = 64;
/// Chain id of the rollup.
const CHAIN_ID: u64 = 80_790_001;
/// Gas limit of its blocks.
const GAS_LIMIT: u64 = 9_000_000;

/// More than any call of these tests needs.
const GAS: u64 = 5_000_000;

/// How long a proposal can be disputed where nobody is in a hurry: more blocks than a node keeps states.
pub const PATIENCE: Duration = Duration::from_secs(200);

/// What a node does beside following L1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Builds blocks, posts them and settles them.
    Sequencer,
    /// Builds blocks and posts them, and leaves settling to others.
    Poster,
    /// Settles blocks with a key of its own.
    Settler,
    /// Nothing.
    Follower,
}

/// The contracts on L1, deployed once for all tests of a program.
struct Founded {
    blocks: Vec<SealedBlock>,
    rollup: Address,
    genesis: Genesis,
}

fn founded(mode: NativeMode, challenge_period: Duration) -> &'static Founded {
    static INLINE: OnceLock<Founded> = OnceLock::new();
    static OPTIMISTIC: OnceLock<Founded> = OnceLock::new();
    static PATIENT: OnceLock<Founded> = OnceLock::new();
    let founded = match mode {
        NativeMode::Inline => &INLINE,
        NativeMode::Optimistic if challenge_period == PATIENCE => &PATIENT,
        NativeMode::Optimistic => &OPTIMISTIC,
    };
    founded.get_or_init(|| {
        let work = || {
            tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .expect("the system has room for a runtime")
                .block_on(found(mode, challenge_period))
        };
        std::thread::scope(|scope| scope.spawn(work).join()).expect("the deployment works")
    })
}

async fn found(mode: NativeMode, challenge_period: Duration) -> Founded {
    let l1 = L1::verifying();
    let client = l1.client();
    let funded = [(dev::DEPLOYER.address, ether(10)), (dev::RICH[1].address, ether(10))];
    let genesis = l2_genesis(&l1_genesis(), CHAIN_ID, GAS_LIMIT, &funded).expect("it is one");
    let config = NativeDeployConfig {
        times: NativeTimes { challenge_period, ..NativeTimes::DEVELOPMENT },
        ..NativeDeployConfig::dev(genesis.clone(), mode, dev::DEPLOYER.address)
    };
    let key = dev::RICH[3].private_key.parse().expect("development keys are keys");
    let deployment = deploy_native_once(&client, key, Policy::dev(), config);
    let mining = async {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            l1.mine();
        }
    };
    let deployed = tokio::select! {
        deployed = deployment => deployed.expect("the contracts can be deployed"),
        () = mining => unreachable!("mining does not end"),
    };
    let blocks = (1..=l1.height()).map(|number| l1.block(number)).collect();
    Founded { blocks, rollup: deployed.contracts.rollup, genesis }
}

/// What a process leaves behind.
#[derive(Debug, Clone)]
pub struct NativeDisk {
    storage: Storage,
    store: Store,
    journal: Arc<dyn Journal>,
}

/// The journal of a pool whose process dies when its chain goes back: what it would write afterwards never arrives.
#[derive(Debug)]
struct UntilItGoesBack {
    storage: Storage,
    highest: AtomicU64,
}

impl UntilItGoesBack {
    fn lives(&self) -> bool {
        let height = self.storage.head().number;
        self.highest.fetch_max(height, Ordering::Relaxed) <= height
    }
}

impl Journal for UntilItGoesBack {
    fn put(&self, rows: &[(B256, Bytes)]) -> Result<(), JournalError> {
        if self.lives() { self.storage.put(rows) } else { Ok(()) }
    }

    fn delete(&self, hashes: &[B256]) -> Result<(), JournalError> {
        if self.lives() { self.storage.delete(hashes) } else { Ok(()) }
    }

    fn get(&self, hash: B256) -> Result<Option<Bytes>, JournalError> {
        self.storage.get(hash)
    }

    fn load(&self) -> Result<Vec<(B256, Bytes)>, JournalError> {
        self.storage.load()
    }
}

impl NativeDisk {
    /// The same for a node whose pool has a journal, as all but those of tests have.
    #[must_use]
    pub fn with_journal(&self) -> Self {
        Self { journal: Arc::new(self.storage.clone()), ..self.clone() }
    }

    /// The same for a node that dies in the moment in which its chain goes back: its journal gets nothing from then on.
    #[must_use]
    pub fn until_it_goes_back(&self) -> Self {
        let (storage, highest) = (self.storage.clone(), AtomicU64::new(0));
        Self { journal: Arc::new(UntilItGoesBack { storage, highest }), ..self.clone() }
    }

    /// Loses all that was kept of outboxes, as a crash before the first of it would.
    ///
    /// # Panics
    /// If the store does not answer.
    pub fn forget_outboxes(&self) {
        let kept = self.store.outbox_proofs_above(0).expect("it answers");
        let positions: Vec<_> = kept.into_iter().map(|of| of.position).collect();
        self.store.drop_outbox_proofs(&positions).expect("it answers");
    }

    fn new(spec: &ChainSpec) -> Self {
        Self {
            storage: Storage::memory(spec).expect("memory does not fail"),
            store: Store::memory().expect("memory does not fail"),
            journal: Arc::new(NoJournal),
        }
    }
}

/// An L1 with the contracts on it, and the genesis of a rollup.
#[derive(Debug)]
pub struct NativeWorld {
    /// The L1.
    pub l1: L1,
    /// How sequencers post.
    pub da: Da,
    /// Which messages sequencers deliver.
    pub claims: ClaimPolicy,
    mode: NativeMode,
    rollup: Address,
    spec: ChainSpec,
}

impl Default for NativeWorld {
    fn default() -> Self {
        Self::new()
    }
}

impl NativeWorld {
    /// A rollup whose contracts stand, and of which no node runs.
    ///
    /// # Panics
    /// If the contracts cannot be deployed.
    #[must_use]
    pub fn new() -> Self {
        Self::of(NativeMode::Inline, NativeTimes::DEVELOPMENT.challenge_period)
    }

    /// The same with a contract that executes only what somebody disputes.
    ///
    /// # Panics
    /// As [`Self::new`].
    #[must_use]
    pub fn optimistic() -> Self {
        Self::of(NativeMode::Optimistic, NativeTimes::DEVELOPMENT.challenge_period)
    }

    /// The same where a proposal can be disputed for [`PATIENCE`].
    ///
    /// # Panics
    /// As [`Self::new`].
    #[must_use]
    pub fn patient() -> Self {
        Self::of(NativeMode::Optimistic, PATIENCE)
    }

    fn of(mode: NativeMode, challenge_period: Duration) -> Self {
        let founded = founded(mode, challenge_period);
        let l1 = L1::verifying().with_blocks(&founded.blocks);
        // What would work is asked for at the time of the day, so L1 must not be years behind.
        let now =
            SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock stands after 1970");
        l1.mine_after(now.as_secs() - l1.chain().head().timestamp);
        Self {
            l1,
            da: Da::Calldata,
            claims: ClaimPolicy::All,
            mode,
            rollup: founded.rollup,
            spec: ChainSpec::new(founded.genesis.clone()).expect("the genesis is consistent"),
        }
    }

    /// The same with sequencers that post in blobs.
    #[must_use]
    pub fn with_blobs(self) -> Self {
        Self { da: Da::Blob, ..self }
    }

    /// An empty disk.
    #[must_use]
    pub fn disk(&self) -> NativeDisk {
        NativeDisk::new(&self.spec)
    }

    /// The contract, asked over a connection without faults.
    #[must_use]
    pub fn contract(&self) -> Contract {
        Contract::new(self.l1.observer(), self.rollup)
    }

    /// Starts a node on what another run has left behind.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start(&self, disk: &NativeDisk, part: Part) -> NativeNode {
        NativeNode::start(self, disk, part).await
    }

    /// Lets seconds pass: in each, L1 mines a block.
    pub async fn pass(&self, seconds: u64) {
        for _ in 0..seconds {
            tokio::time::sleep(SECOND).await;
            self.l1.mine();
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }

    /// Lets time pass until something holds.
    ///
    /// # Panics
    /// If it does not for a long time, or a task of the node ends.
    pub async fn until(
        &self,
        node: &mut NativeNode,
        what: &str,
        holds: impl Fn(&NativeNode) -> bool,
    ) {
        for _ in 0..90 {
            if holds(node) {
                return;
            }
            self.pass(1).await;
            node.check().await;
        }
        panic!("{what} does not come true");
    }

    /// Sends a message with value to L2.
    pub fn send_message(&self, user: &User, to: Address, value: U256) -> B256 {
        let call = INativeRollup::sendMessageCall {
            to,
            fee: U256::ZERO,
            gasLimit: 100_000,
            data: Bytes::new(),
        };
        self.call(user, value, &call)
    }

    /// Forces a raw transaction.
    pub fn force(&self, user: &User, raw: Bytes) -> B256 {
        let fee = U256::from(10_000_000_000_u64) * U256::from(raw.len().max(256));
        let call = INativeRollup::forceTxCall { raw };
        self.call(user, fee, &call)
    }

    /// Shows L1 the outbox that a proof leads to, and claims its message.
    pub async fn claim(&self, user: &User, proof: OutboxProof) {
        let number = proof.number;
        let prove = INativeRollup::proveOutboxCall {
            number,
            accountProof: proof.account_proof,
            storageProof: proof.storage_proof,
        };
        self.call(user, U256::ZERO, &prove);
        let claim = INativeRollup::claimCall {
            message: proof.message,
            number,
            path: proof.path.to_vec(),
            feeRecipient: user.address(),
        };
        self.call(user, U256::ZERO, &claim);
        self.pass(1).await;
    }

    /// Balance on L1.
    #[must_use]
    pub fn balance_on_l1(&self, address: Address) -> U256 {
        balance(self.l1.chain(), address)
    }

    /// Posts an item in this blob with the sequencer's key.
    ///
    /// # Panics
    /// If L1 does not take it.
    pub async fn post_blob(&self, blob: &Blob) {
        let mut header = Vec::new();
        self.l1.chain().head().inner().encode(&mut header);
        let call = INativeRollup::postBlobsCall {
            l1Header: header.into(),
            msgCount: u64::MAX,
            feeRecipient: Address::ZERO,
            blobs: U256::from(1),
        };
        let sidecar = Sidecar::new(blob).expect("it is made of field elements");
        let request = TxRequest::call(self.rollup, call.abi_encode()).blob(sidecar);
        let key = dev::DEPLOYER.private_key.parse().expect("development keys are keys");
        let config = SenderConfig { policy: Policy::dev(), every: POLL };
        let (sender, task) =
            Sender::new(self.l1.observer(), key, Arc::new(MemoryOutbox::default()), config);
        let stop = CancellationToken::new();
        let running = tokio::spawn(task.run(stop.clone()));
        let pending = sender.submit(Purpose::new("blob"), request).await.expect("it runs");
        self.pass(3).await;
        let outcome = pending.await.expect("it runs");
        assert!(matches!(outcome, Outcome::Mined(_)), "{outcome:?}");
        stop.cancel();
        running.await.expect("tasks do not panic").expect("L1 answers");
    }

    /// Next nonce on L1.
    #[must_use]
    pub fn nonce_on_l1(&self, address: Address) -> u64 {
        nonce(self.l1.chain(), address)
    }

    /// Calls the contract on L1.
    ///
    /// # Panics
    /// If the pool does not want the transaction.
    pub fn call(&self, user: &User, value: U256, call: &impl SolCall) -> B256 {
        let input = Bytes::from(call.abi_encode());
        let sent = user.send(self.l1.chain(), self.l1.pool(), |tx| {
            (tx.to, tx.value, tx.input, tx.gas_limit) = (self.rollup.into(), value, input, GAS);
        });
        sent.expect("the pool takes it")
    }

    /// The settled head.
    ///
    /// # Panics
    /// If L1 does not answer.
    pub async fn settled(&self) -> u64 {
        self.contract().head().await.expect("the observer is answered").number
    }
}

type Ended = Result<(), Box<dyn Error + Send + Sync>>;

/// A run of a node.
#[derive(Debug)]
pub struct NativeNode {
    /// The L2.
    pub chain: Chain,
    /// Its pool.
    pub pool: Pool,
    /// What it has derived.
    pub view: View,
    /// Its blocks.
    pub blocks: Blocks,
    /// Its messages to L1.
    pub outbox: Outbox,
    store: Store,
    tasks: Vec<(&'static str, JoinHandle<Ended>)>,
    stop: CancellationToken,
}

impl NativeNode {
    async fn start(world: &NativeWorld, disk: &NativeDisk, part: Part) -> Self {
        let client = world.l1.client();
        let (spec, NativeDisk { storage, store, journal }) = (&world.spec, disk.clone());
        let execute = ExecuteConfig::from_genesis(spec.genesis())
            .expect("the genesis is consistent")
            .expect("the genesis repeats its L1's limits");
        let rules = Arc::new(Anchored::new(spec, Some(execute.clone())));
        let chain = Chain::open(spec.clone(), rules, storage).expect("the database can be read");
        let pool = open_pool(&chain, journal);
        let contract = Contract::new(world.l1.observer(), world.rollup);
        let deployment = contract.deployment().await.expect("the observer is answered");
        let contract = Contract::new(client.clone(), world.rollup);
        let blocks =
            Blocks::new(chain.clone(), store.clone(), execute.caps, deployment.config.level);
        let mut tasks = Tasks::default();

        let (heads, l1_head) = watch::channel(None);
        let looking = client.clone();
        tasks.spawn("L1 head", |stop| async move {
            watch_head(looking, HeadConfig { every: POLL }, heads, stop).await;
            Ok::<_, std::io::Error>(())
        });
        let config = EventConfig { name: "rollup", every: POLL, delay: 0, max_step: 1_000 };
        let (updates, l1) = mpsc::channel(UPDATES);
        let watcher = EventWatcher::new(client.clone(), world.rollup, 0, None, config);
        tasks.spawn("watcher", |stop| watcher.run(updates, stop));

        let key = |account: &dev::DevAccount| -> SigningKey {
            account.private_key.parse().expect("development keys are keys")
        };
        let sequences = matches!(part, Part::Sequencer | Part::Poster);
        let sequencer = sequences.then(|| {
            let config = SequencerConfig {
                block_time: BLOCK_TIME,
                item_time: BLOCK_TIME * 2,
                idle_time: None,
                fee_recipient: dev::DEPLOYER.address,
                claims: world.claims,
            };
            (config, key(&dev::DEPLOYER))
        });
        let parts = DriverParts {
            deployment,
            blocks: blocks.clone(),
            pool: pool.clone(),
            client: client.clone(),
            l1_head,
            delay: 0,
        };
        let (driver, view, to_post) = Driver::new(parts, sequencer).expect("the database is ours");
        let (read, read_blobs) = mpsc::channel(UPDATES);
        tasks.spawn("driver", |stop| driver.run(l1, read_blobs, stop));
        let source = Arc::new(world.l1.clone());
        let reader = Reader::new(client.clone(), source, store.clone(), view.clone(), read, POLL);
        tasks.spawn("reader", |stop| reader.run(stop));

        let sender = |account: &dev::DevAccount, tasks: &mut Tasks, name| {
            let config = SenderConfig { policy: Policy::dev(), every: POLL };
            let outbox = Arc::new(store.clone());
            let (sender, task) = Sender::new(client.clone(), key(account), outbox, config);
            tasks.spawn(name, |stop| task.run(stop));
            sender
        };
        if sequences {
            let sender = sender(&dev::DEPLOYER, &mut tasks, "sequencer's sender");
            let posting = Posting { da: world.da, proves: part == Part::Sequencer, every: POLL };
            let poster = Poster::new(contract.clone(), sender, to_post, store.clone(), posting);
            tasks.spawn("poster", |stop| poster.run(stop));
        }
        let account = match part {
            Part::Sequencer => Some(dev::RICH[5]),
            Part::Settler => Some(dev::RICH[6]),
            Part::Poster | Part::Follower => None,
        };
        if let Some(account) = account {
            let sender = sender(&account, &mut tasks, "settler's sender");
            let (blocks, view) = (blocks.clone(), view.clone());
            let recipient = account.address;
            let rescuer =
                Rescuer::new(contract.clone(), sender.clone(), view.clone(), recipient, POLL);
            if part == Part::Settler {
                tasks.spawn("rescuer", |stop| rescuer.run(stop));
            }
            let prover =
                Prover::new(contract.clone(), sender.clone(), store.clone(), view.clone(), POLL);
            tasks.spawn("prover", |stop| prover.run(stop));
            match world.mode {
                NativeMode::Inline => {
                    let settler = Settler::new(contract, sender, blocks, view, POLL);
                    tasks.spawn("settler", |stop| settler.run(stop));
                }
                NativeMode::Optimistic => {
                    let parts = (contract.clone(), sender.clone(), blocks.clone(), view.clone());
                    let challenger = Challenger::new(parts.0, parts.1, parts.2, parts.3, POLL);
                    tasks.spawn("challenger", |stop| challenger.run(stop));
                    if part == Part::Settler {
                        let proposer = Proposer::new(contract, sender, blocks, view, POLL);
                        tasks.spawn("proposer", |stop| proposer.run(stop));
                    }
                }
            }
        }
        let Tasks { tasks, stop } = tasks;
        let outbox = Outbox::new(chain.clone(), store.clone());
        Self { chain, pool, view, blocks, outbox, store, tasks, stop }
    }

    /// Number of the head.
    #[must_use]
    pub fn height(&self) -> u64 {
        self.chain.head().number
    }

    /// Number of the last block derived from L1.
    #[must_use]
    pub fn derived(&self) -> u64 {
        self.view.read(|follower| follower.tip().parent.number)
    }

    /// Balance at the head.
    #[must_use]
    pub fn balance(&self, address: Address) -> U256 {
        balance(&self.chain, address)
    }

    /// Sends a transaction.
    ///
    /// # Panics
    /// If the pool does not want it.
    pub fn send(&self, user: &User, change: impl FnOnce(&mut TxEip1559)) -> B256 {
        user.send(&self.chain, &self.pool, change).expect("the pool takes it")
    }

    /// Sends ether.
    ///
    /// # Panics
    /// If the pool does not want it.
    pub fn transfer(&self, user: &User, to: Address, amount: U256) -> B256 {
        self.send(user, |tx| (tx.to, tx.value) = (to.into(), amount))
    }

    /// Asks for ether on L1.
    pub fn withdraw(&self, user: &User, to: Address, amount: U256) -> B256 {
        let (fee, data) = (U256::ZERO, Bytes::new());
        let call = INativeMessenger::sendCall { to, fee, gasLimit: 100_000, data };
        user.call(&self.chain, &self.pool, MESSENGER, amount, &call)
    }

    /// What L1 is shown of a message to it, as the node answers whoever asks.
    ///
    /// # Panics
    /// If the database fails, or its state is not what its logs say.
    #[must_use]
    pub fn outbox_proof(&self, message: u64) -> Option<OutboxProof> {
        let settled = self.view.read(|follower| follower.settled())?;
        let known = self.chain.storage().canonical_hash(settled.number).expect("it answers");
        assert_eq!(known, Some(settled.hash), "what L1 has settled is on this chain");
        self.outbox.proof(message, settled.number).expect("the logs agree with the state")
    }

    /// Checks that what L1 will be shown is kept for the last block of every item, and for no block that the chain has not.
    ///
    /// # Panics
    /// If it is not.
    pub fn check_outbox(&self) {
        let ends: Vec<_> = self.view.read(|follower| {
            let steps = follower.steps_from(0, 0).expect("nothing is forgotten in so short a time");
            let ends = steps.filter(|walked| walked.after.position > walked.at.position);
            ends.map(|walked| walked.after.parent).filter(|block| block.number > 0).collect()
        });
        assert!(!ends.is_empty(), "items were walked over");
        for block in ends {
            let kept = self.store.has_outbox_proof(block.number, block.hash);
            assert!(kept.expect("it answers"), "block {} ends an item", block.number);
        }
        for of in self.store.outbox_proofs_above(0).expect("it answers") {
            let hash = self.chain.storage().canonical_hash(of.number).expect("it answers");
            assert_eq!(hash, Some(of.hash), "block {} is gone", of.number);
        }
    }

    /// Next nonce of an account at the head.
    #[must_use]
    pub fn nonce(&self, address: Address) -> u64 {
        nonce(&self.chain, address)
    }

    /// Hashes of the canonical chain.
    ///
    /// # Panics
    /// If the database fails.
    #[must_use]
    pub fn hashes(&self, upto: u64) -> Vec<B256> {
        let storage = self.chain.storage();
        let hash = |number| storage.canonical_hash(number).expect("the database answers");
        (0..=upto).map(|number| hash(number).expect("it is canonical")).collect()
    }

    /// Fails if a task has ended.
    ///
    /// # Panics
    /// Then.
    pub async fn check(&mut self) {
        let ended = self.tasks.iter().position(|(_, task)| task.is_finished());
        if let Some((name, task)) = ended.map(|at| self.tasks.swap_remove(at)) {
            let ended = task.await.expect("tasks do not panic");
            panic!("{name} has ended: {ended:?}");
        }
    }

    /// Ends as on a signal.
    ///
    /// # Panics
    /// If a task has failed.
    pub async fn stop(self) {
        self.stop.cancel();
        for (name, task) in self.tasks {
            let ended = task.await.expect("tasks do not panic");
            assert!(ended.is_ok(), "{name}: {ended:?}");
        }
    }

    /// Ends as on `kill -9`.
    pub async fn kill(self) {
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

fn open_pool(chain: &Chain, journal: Arc<dyn Journal>) -> Pool {
    let storage = chain.storage();
    let head = chain.head();
    let state = storage.state_at(head.hash()).expect("the database can be read");
    Pool::open(
        chain.spec().clone(),
        chain.rules().clone(),
        PoolConfig::standard(),
        journal,
        head,
        Arc::new(state.expect("the head has a state")),
    )
    .expect("the journal can be read")
}
