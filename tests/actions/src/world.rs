//! L1, rollup and users together, and what must hold whenever one looks.

use std::{collections::BTreeMap, sync::OnceLock, time::Duration};

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rpc_types_eth::Filter;
use alloy_sol_types::{SolCall, SolEvent};
use ethrex_deploy::{DeployConfig, deploy_once, dev, embedded_l2_genesis};
use ethrex_l1::{Client, Contracts, Policy, Settlement};
use ethrex_protocol::{
    BatchNumber, L2Height,
    blob::{self, Blob},
    constants::BRIDGE_L2,
    contracts::{
        CommonBridge::{self, PrivilegedTxSent, WithdrawalClaimed},
        CommonBridgeL2::{self, WithdrawalInitiated},
        Timelock,
    },
    deposit::PrivilegedMessage,
    messages::{self, L1Message},
};
use ethrex_store::StoredBatch;
use ethrex_txpool::AddError;
use ethrex_types::{ChainSpec, RecoveredBlock, SealedBlock, alloy_consensus::TxEip1559};

use crate::{
    L1,
    node::{Disk, Node, Settings},
    user::{User, balance, nonce},
};

/// Longest time that [`World::until`] waits.
const PATIENCE: u64 = 120;
/// A second, and a moment in which what starts with it comes to its end: nothing is under way when one looks.
const SECOND: Duration = Duration::from_millis(1_001);
/// Time between two looks of [`World::reach`].
const LOOK: Duration = Duration::from_millis(20);

/// Names the version of the program that proves batches.
pub(crate) fn commit_hash() -> B256 {
    ethrex_deploy::commit_hash("actions")
}

/// An L1 with the contracts on it, a rollup, and what has been seen of both.
#[derive(Debug)]
pub struct World {
    /// The L1.
    pub l1: L1,
    /// How the next run of the node runs.
    pub settings: Settings,
    contracts: Contracts,
    spec: ChainSpec,
    disk: Disk,
    node: Option<Node>,
    seen: Seen,
}

/// What has been seen so far and must stay so.
#[derive(Debug, Default)]
struct Seen {
    /// Hashes of the published L2 blocks, from block 1 on.
    published: Vec<B256>,
    /// How many messages stand on L1.
    sent: usize,
    /// Hashes of the executed messages of L1, by their numbers.
    executed: Vec<B256>,
    /// Amounts of withdrawals, by their message.
    withdrawals: BTreeMap<U256, U256>,
    committed: BatchNumber,
    verified: BatchNumber,
    /// Batches whose blob was read back.
    read_back: BatchNumber,
}

/// The contracts on L1, deployed once for all tests of a program.
struct Founded {
    blocks: Vec<SealedBlock>,
    contracts: Contracts,
    /// Next nonce of the deployer.
    nonce: u64,
}

fn founded() -> &'static Founded {
    static FOUNDED: OnceLock<Founded> = OnceLock::new();
    FOUNDED.get_or_init(|| {
        let work = || {
            tokio::runtime::Builder::new_current_thread()
                .enable_time()
                .start_paused(true)
                .build()
                .expect("the system has room for a runtime")
                .block_on(found())
        };
        std::thread::scope(|scope| scope.spawn(work).join()).expect("the deployment works")
    })
}

async fn found() -> Founded {
    let l1 = L1::new();
    let client = l1.client();
    let config = DeployConfig { deposits: Vec::new(), ..DeployConfig::dev(commit_hash()) };
    let key = dev::DEPLOYER.private_key.parse().expect("development keys are keys");
    let deployment = deploy_once(&client, key, Policy::dev(), config);
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
    let nonce = nonce(l1.chain(), dev::DEPLOYER.address);
    Founded { blocks, contracts: deployed.contracts, nonce }
}

impl World {
    /// A rollup in memory whose contracts stand, and whose node has never run.
    ///
    /// # Panics
    /// If the contracts cannot be deployed.
    #[must_use]
    pub fn new() -> Self {
        Self::on(Disk::memory)
    }

    /// The same with a node that keeps its data in files.
    ///
    /// # Panics
    /// As [`Self::new`].
    #[must_use]
    pub fn on_disk() -> Self {
        Self::on(|_| Disk::files())
    }

    fn on(disk: impl FnOnce(&ChainSpec) -> Disk) -> Self {
        let spec = ChainSpec::new(embedded_l2_genesis()).expect("the embedded genesis is one");
        let founded = founded();
        Self {
            l1: L1::new().with_blocks(&founded.blocks),
            settings: Settings::default(),
            contracts: founded.contracts,
            disk: disk(&spec),
            spec,
            node: None,
            seen: Seen::default(),
        }
    }

    /// Starts the node.
    ///
    /// # Panics
    /// If it runs.
    pub fn start(&mut self) {
        assert!(self.node.is_none(), "one node at a time");
        let client = self.l1.client();
        let node = Node::start(&client, self.contracts, &self.spec, &self.disk, &self.settings);
        self.node = Some(node);
    }

    /// Checks everything, and ends the node in order.
    pub async fn stop(&mut self) {
        self.check().await;
        self.node.take().expect("a node runs").stop().await;
    }

    /// Ends the node at once.
    ///
    /// # Panics
    /// If none runs.
    pub async fn kill(&mut self) {
        self.node.take().expect("a node runs").kill().await;
    }

    /// The running node.
    ///
    /// # Panics
    /// If none runs.
    #[must_use]
    pub fn node(&self) -> &Node {
        self.node.as_ref().expect("a node runs")
    }

    /// The contracts on L1.
    #[must_use]
    pub const fn contracts(&self) -> &Contracts {
        &self.contracts
    }

    /// The contracts, to be asked even while L1 is down for the node.
    #[must_use]
    pub fn settlement(&self) -> Settlement {
        Settlement::new(self.observer(), self.contracts)
    }

    fn observer(&self) -> Client {
        self.l1.observer()
    }

    /// A person who is rich on L1. Numbers 0 and 2 are the owner of the contracts and the proof sender.
    #[must_use]
    pub fn user(&self, number: usize) -> User {
        User::new(&dev::RICH[number])
    }

    /// Sends a deposit to the bridge on L1.
    pub fn deposit(&self, user: &User, recipient: Address, amount: U256) -> B256 {
        let call = CommonBridge::depositCall { l2Recipient: recipient };
        user.call(self.l1.chain(), self.l1.pool(), self.contracts.bridge, amount, &call)
    }

    /// Sends a message to L2 that calls a contract there in the user's name.
    pub fn message(&self, user: &User, to: Address, value: U256, data: Bytes) -> B256 {
        let values = CommonBridge::SendValues { to, gasLimit: U256::from(100_000), value, data };
        let call = CommonBridge::sendToL2Call { sendValues: values };
        let bridge = self.contracts.bridge;
        user.call(self.l1.chain(), self.l1.pool(), bridge, U256::ZERO, &call)
    }

    /// Calls the proposer as the security council.
    pub fn govern(&self, call: &impl SolCall) -> B256 {
        let call = Timelock::emergencyExecuteCall {
            target: self.contracts.on_chain_proposer,
            value: U256::ZERO,
            data: call.abi_encode().into(),
        };
        let timelock = self.contracts.timelock;
        self.user(0).call(self.l1.chain(), self.l1.pool(), timelock, U256::ZERO, &call)
    }

    /// Sends a transaction on L2.
    ///
    /// # Errors
    /// If the pool does not want it.
    pub fn send(&self, user: &User, change: impl FnOnce(&mut TxEip1559)) -> Result<B256, AddError> {
        let node = self.node();
        user.send(&node.chain, &node.pool, change)
    }

    /// Sends ether on L2.
    ///
    /// # Panics
    /// If the pool does not want it.
    pub fn transfer(&self, user: &User, to: Address, amount: U256) -> B256 {
        self.send(user, |tx| (tx.to, tx.value, tx.gas_limit) = (to.into(), amount, 21_000))
            .expect("the pool takes it")
    }

    /// Withdraws ether from L2 to the user's own account on L1.
    pub fn withdraw(&self, user: &User, amount: U256) -> B256 {
        let node = self.node();
        let call = CommonBridgeL2::withdrawCall { receiverOnL1: user.address() };
        user.call(&node.chain, &node.pool, BRIDGE_L2, amount, &call)
    }

    /// Sends the claim of a withdrawal, with the proof that its batch gives.
    ///
    /// # Panics
    /// If the message is in no batch.
    pub fn claim(&self, user: &User, message_id: u64) -> B256 {
        let id = U256::from(message_id);
        let amount = self.seen.withdrawals[&id];
        let message = L1Message::eth_withdrawal(user.address(), amount, id);
        let proof = self
            .batches()
            .iter()
            .find_map(|row| row.batch.message_proof(&message))
            .expect("the withdrawal is in a batch");
        let call = CommonBridge::claimWithdrawalCall {
            claimedAmount: amount,
            withdrawalBatchNumber: U256::from(proof.batch_number.0),
            withdrawalMessageId: id,
            withdrawalProof: proof.merkle_proof,
        };
        user.call(self.l1.chain(), self.l1.pool(), self.contracts.bridge, U256::ZERO, &call)
    }

    /// Sends the claim of the first withdrawal that is the user's and not claimed by them before; `None` without one.
    ///
    /// # Panics
    /// If the message is in no batch.
    pub fn claim_of(&self, user: &User) -> Option<B256> {
        let batches = self.batches();
        let is_theirs = |(id, amount): &(&U256, &U256)| {
            let message = L1Message::eth_withdrawal(user.address(), **amount, **id);
            batches.iter().any(|row| row.batch.message_proof(&message).is_some())
        };
        let (id, _) = self.seen.withdrawals.iter().find(is_theirs)?;
        Some(self.claim(user, id.to()))
    }

    /// Whether a transaction is in a block of L1, and did its work.
    ///
    /// # Panics
    /// If the database fails.
    #[must_use]
    pub fn succeeded_on_l1(&self, tx: B256) -> Option<bool> {
        succeeded(self.l1.chain(), tx)
    }

    /// Whether a transaction is in a published block of L2, and did its work.
    ///
    /// # Panics
    /// If the database fails.
    #[must_use]
    pub fn succeeded_on_l2(&self, tx: B256) -> Option<bool> {
        succeeded(&self.node().chain, tx)
    }

    /// Balance on L2.
    #[must_use]
    pub fn balance(&self, address: Address) -> U256 {
        balance(&self.node().chain, address)
    }

    /// Balance on L1.
    #[must_use]
    pub fn balance_on_l1(&self, address: Address) -> U256 {
        balance(self.l1.chain(), address)
    }

    /// Number of the published head of L2.
    #[must_use]
    pub fn height(&self) -> u64 {
        self.node().chain.head().number
    }

    /// The last batch committed when last looked.
    #[must_use]
    pub const fn committed(&self) -> u64 {
        self.seen.committed.0
    }

    /// The last batch verified when last looked.
    #[must_use]
    pub const fn verified(&self) -> u64 {
        self.seen.verified.0
    }

    /// How many messages of L1 were executed when last looked.
    #[must_use]
    pub fn executed(&self) -> usize {
        self.seen.executed.len()
    }

    /// How many messages stand on L1.
    #[must_use]
    pub const fn sent(&self) -> usize {
        self.seen.sent
    }

    /// How many transactions of the committer were mined since the contracts stand.
    #[must_use]
    pub fn commitments_sent(&self) -> u64 {
        nonce(self.l1.chain(), dev::DEPLOYER.address) - founded().nonce
    }

    /// How many transactions of the proof sender were mined.
    #[must_use]
    pub fn verifications_sent(&self) -> u64 {
        nonce(self.l1.chain(), dev::PROOF_SENDER.address)
    }

    /// Whether a transaction of this development account waits for a block of L1.
    #[must_use]
    pub fn waits_for_l1(&self, number: usize) -> bool {
        let content = self.l1.pool().content_from(dev::RICH[number].address);
        !content.ready.is_empty()
    }

    /// The last block that is in a stored batch.
    #[must_use]
    pub fn batched(&self) -> u64 {
        self.batches().last().map_or(0, |row| row.batch.last_block.0)
    }

    /// Number of the batch that holds a transaction of L2.
    ///
    /// # Panics
    /// If it is in none.
    #[must_use]
    pub fn batch_of(&self, tx: B256) -> u64 {
        let node = self.node();
        let place = node.chain.storage().tx_location(tx).expect("the database answers");
        let height = L2Height(place.expect("the transaction is published").block.number);
        let row = node.store.batch_of_block(height).expect("the store can be read");
        row.expect("the block is in a batch").batch.number.0
    }

    /// Whether a message of L1 waits for longer than the bridge allows.
    ///
    /// # Panics
    /// If L1 does not even answer the observer.
    pub async fn has_expired(&self) -> bool {
        self.settlement().has_expired_privileged().await.expect("the observer is answered")
    }

    /// Whether L1 has every stored batch.
    #[must_use]
    pub fn all_committed(&self) -> bool {
        self.batches().len() as u64 == self.committed()
    }

    /// Every stored batch.
    ///
    /// # Panics
    /// If the store fails.
    #[must_use]
    pub fn batches(&self) -> Vec<StoredBatch> {
        let store = &self.node().store;
        let read = |number| store.batch(BatchNumber(number)).expect("the store can be read");
        (1..).map_while(read).collect()
    }

    /// Lets time pass: each second L1 mines a block, and everything is checked.
    ///
    /// # Panics
    /// If a task of the node ends, or something does not hold.
    pub async fn pass(&mut self, seconds: u64) {
        for _ in 0..seconds {
            tokio::time::sleep(SECOND).await;
            self.l1.mine();
            self.check().await;
        }
    }

    /// Lets time pass until something is so.
    ///
    /// # Panics
    /// If it does not become so, and as [`Self::pass`].
    pub async fn until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        for _ in 0..PATIENCE {
            if is_so(self) {
                return;
            }
            self.pass(1).await;
        }
        panic!("after {PATIENCE} s it is not so that {what}; {}", self.standing());
    }

    /// Lets time pass until something is so, in small steps and without a block of L1.
    ///
    /// # Panics
    /// If it does not become so.
    pub async fn reach(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        for _ in 0..PATIENCE * 50 {
            if is_so(self) {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
        panic!("after {PATIENCE} s it is not so that {what}; {}", self.standing());
    }

    /// Lets time pass until a task of the node fails, and says which and why.
    ///
    /// # Panics
    /// If none does.
    pub async fn failure(&mut self) -> (&'static str, String) {
        for _ in 0..PATIENCE {
            tokio::time::sleep(SECOND).await;
            self.l1.mine();
            let node = self.node.as_mut().expect("a node runs");
            if let Some(failure) = node.failure().await {
                return failure;
            }
        }
        panic!("no task fails; {}", self.standing());
    }

    fn standing(&self) -> String {
        format!(
            "L1 at {}, {} transactions in its pool; L2 at {:?}, {} messages executed; batches: {:?} stored, {} committed, {} verified",
            self.l1.height(),
            self.l1.pooled(),
            self.node.as_ref().map(|node| node.chain.head().number),
            self.executed(),
            self.node.as_ref().map(|_| self.batches().len()),
            self.committed(),
            self.verified(),
        )
    }

    /// Checks what must always hold:
    ///
    /// - no task of the node has ended;
    /// - what was published stays published;
    /// - L2 executes the messages of L1 in order, each once, as they stand on L1;
    /// - the bridge holds what was deposited less what was claimed;
    /// - batches follow each other, hold the chain, and L1 has them as they are stored, blobs included;
    /// - verified ≤ committed ≤ stored;
    /// - the head validates from its witness alone.
    ///
    /// # Panics
    /// If one of these does not hold.
    pub async fn check(&mut self) {
        if let Some(node) = &mut self.node
            && let Some((task, why)) = node.failure().await
        {
            panic!("task {task} ended: {why}");
        }
        let sent = self.messages().await;
        self.seen.sent = sent.len();
        if self.node.is_some() {
            self.check_chain(&sent);
        }
        self.check_bridge(&sent).await;
        self.check_settlement().await;
    }

    /// The messages that stand on L1, in order, with the value each brings along.
    async fn messages(&self) -> Vec<PrivilegedMessage> {
        let logs = self.logs::<PrivilegedTxSent>().await;
        let message = |event| PrivilegedMessage::from_event(self.spec.chain_id(), event);
        logs.iter().map(|event| message(event).expect("the bridge keeps its ranges")).collect()
    }

    async fn logs<E: SolEvent>(&self) -> Vec<E> {
        let filter = Filter::new()
            .address(self.contracts.bridge)
            .event_signature(E::SIGNATURE_HASH)
            .from_block(0);
        let logs = self.observer().logs(&filter).await.expect("L1 answers the observer");
        let event = |log: &alloy_rpc_types_eth::Log| E::decode_log_data(log.data());
        logs.iter().map(|log| event(log).expect("the bridge is ours")).collect()
    }

    fn check_chain(&mut self, sent: &[PrivilegedMessage]) {
        let chain = self.node().chain.clone();
        let storage = chain.storage();
        let canonical = |number| storage.canonical_hash(number).expect("the database answers");
        if let (number @ 1.., Some(last)) =
            (self.seen.published.len() as u64, self.seen.published.last())
        {
            assert_eq!(canonical(number), Some(*last), "published block {number} is gone");
        }
        let head = chain.head();
        let first_new = self.seen.published.len() as u64 + 1;
        for number in first_new..=head.number {
            let hash = canonical(number).expect("blocks up to the head are canonical");
            let block = storage.block(hash).expect("the database answers").expect("it is stored");
            self.seen.published.push(hash);
            self.read_block(&block);
            if number == head.number {
                self.validate(&block);
            }
        }
        for (id, hash) in self.seen.executed.iter().enumerate() {
            if let Some(message) = sent.get(id) {
                assert_eq!(message.hash(), *hash, "message {id} is another one on L1");
            }
        }
    }

    /// Takes in a newly published block.
    fn read_block(&mut self, block: &RecoveredBlock) {
        let hash = block.sealed().hash();
        let storage = self.node().chain.storage().clone();
        let receipts = storage.receipts(hash).expect("the database answers").expect("stored");
        for (tx, _) in block.transactions() {
            if let Some(message) = tx.as_privileged() {
                let next = self.seen.executed.len() as u64;
                assert_eq!(message.nonce, next, "messages are executed in order, each once");
                self.seen.executed.push(tx.hash());
            }
        }
        for receipt in &receipts {
            let sent = messages::l1_messages(&receipt.logs).expect("the messenger is ours");
            let amounts = receipt
                .logs
                .iter()
                .filter(|log| log.address == BRIDGE_L2)
                .filter_map(|log| WithdrawalInitiated::decode_log(log).ok())
                .map(|event| event.amount);
            for (message, amount) in sent.iter().zip(amounts) {
                let known = self.seen.withdrawals.insert(message.message_id, amount);
                assert_eq!(known, None, "message {} was sent twice", message.message_id);
            }
        }
    }

    /// Validates a block as a stranger would.
    fn validate(&self, block: &RecoveredBlock) {
        let chain = &self.node().chain;
        let witness = chain.witness(block.sealed().hash()).expect("the database answers");
        let witness = witness.expect("the witness of an unverified block is kept");
        let job = ethrex_sequencer::CheckJob { block: block.sealed().clone(), witness };
        // The rules of the rollup, whatever the node under test uses.
        let outcome = job.run(&self.spec, &ethrex_rules::Rollup);
        assert!(outcome.result.is_ok(), "the head does not validate: {:?}", outcome.result);
    }

    async fn check_bridge(&self, sent: &[PrivilegedMessage]) {
        let deposited: U256 = sent
            .iter()
            .filter(|message| message.eth_recipient().is_some())
            .map(|message| message.value)
            .sum();
        let claims = self.logs::<WithdrawalClaimed>().await;
        let amount = |event: &WithdrawalClaimed| self.seen.withdrawals[&event.withdrawalId];
        let claimed: U256 = claims.iter().map(amount).sum();
        let held = self.balance_on_l1(self.contracts.bridge);
        assert_eq!(held, deposited - claimed, "the bridge holds deposits less claims");
        let mut ids: Vec<_> = claims.iter().map(|event| event.withdrawalId).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), claims.len(), "no withdrawal is claimed twice");
    }

    async fn check_settlement(&mut self) {
        let settlement = self.settlement();
        let committed = settlement.last_committed().await.expect("the observer is answered");
        let verified = settlement.last_verified().await.expect("the observer is answered");
        assert!(verified <= committed, "verified {verified}, committed {committed}");
        (self.seen.committed, self.seen.verified) = (committed, verified);
        if self.node.is_none() {
            return;
        }
        let rows = self.batches();
        assert!(committed.0 <= rows.len() as u64, "{committed} is committed and not stored");
        let mut next = L2Height(1);
        for row in &rows {
            let batch = &row.batch;
            assert_eq!(batch.first_block, next, "batches follow each other");
            next = batch.last_block.next();
            let last = self.seen.published.get(batch.last_block.0 as usize - 1);
            assert_eq!(last, Some(&row.last_block_hash), "batches hold what is published");
        }
        for row in rows.iter().take(committed.0 as usize).skip(verified.0 as usize) {
            self.check_commitment(&settlement, row).await;
        }
    }

    /// L1 has a batch as it is stored, and its blob gives the blocks back.
    async fn check_commitment(&mut self, settlement: &Settlement, row: &StoredBatch) {
        let number = row.batch.number;
        let on_l1 = settlement.committed(number).await.expect("the observer is answered");
        let on_l1 = on_l1.expect("an unverified batch is kept");
        assert_eq!(on_l1.newStateRoot, row.batch.state_root, "state root of batch {number}");
        assert_eq!(on_l1.lastBlockHash, row.last_block_hash, "last block of batch {number}");
        assert_eq!(on_l1.blobKZGVersionedHash, row.blob_versioned_hash, "blob of batch {number}");
        if number <= self.seen.read_back {
            return;
        }
        self.seen.read_back = number;
        let blob = self.l1.blob(row.blob_versioned_hash).expect("the blob was mined");
        let blob = Blob::try_from(blob.as_ref()).expect("it has the size of a blob");
        let mut height = row.batch.first_block;
        for published in blob::decode(&blob).expect("it holds blocks") {
            let hash = published.block.header.hash_slow();
            assert_eq!(self.seen.published[height.0 as usize - 1], hash, "block {height} in blob");
            height = height.next();
        }
        assert_eq!(height, row.batch.last_block.next(), "the blob holds the whole batch");
    }
}

impl Default for World {
    fn default() -> Self {
        Self::new()
    }
}

/// Whether a transaction is in a canonical block, and did its work.
fn succeeded(chain: &ethrex_chain::Chain, tx: B256) -> Option<bool> {
    let storage = chain.storage();
    let place = storage.tx_location(tx).expect("the database answers")?;
    let receipts = storage.receipts(place.block.hash).expect("the database answers")?;
    receipts.get(place.index).map(|receipt| receipt.success())
}
