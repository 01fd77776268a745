//! The batcher, the sender and the store against an L1 in memory, kills included. Time is paused.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use alloy_primitives::{Address, B256};
use ethrex_l1::{
    Policy, Sender, SenderConfig, Settlement, SigningKey,
    testing::{FakeL1, SettlementModel, state_root},
};
use ethrex_protocol::{blob, deposit::PrivilegedMessage, fee::FeeConfig, rolling};
use ethrex_types::{Block, BlockBody, Header, SealedHeader};
use parking_lot::Mutex;
use tokio::{sync::watch, task::JoinHandle};

use super::*;
use crate::{
    handle::Batcher,
    source::{BlockSource, SourceError},
};

const CHAIN: u64 = 65_536_999;
const KEY: &str = "0x385c546456b6a603a1cfcaa9ec9494ba4832da08dd6bcf4de9a71e4a01b74924";
const COMMIT_HASH: B256 = B256::repeat_byte(0xcc);

/// An L2 chain that a test extends block by block.
#[derive(Debug, Clone)]
struct Chain {
    blocks: Arc<Mutex<BTreeMap<u64, SourceBlock>>>,
    head: watch::Sender<SealedHeader>,
}

impl Chain {
    fn new() -> Self {
        let (head, _) = watch::channel(SealedHeader::new(Header::default()));
        Self { blocks: Arc::default(), head }
    }

    /// Publishes a block with these messages of L1 and this much extra data in its only other part, the header.
    fn publish(&self, messages: &[PrivilegedMessage], padding: usize) {
        let mut blocks = self.blocks.lock();
        let number = blocks.len() as u64 + 1;
        let header = Header {
            number,
            state_root: state_root(number),
            extra_data: vec![7; padding].into(),
            ..Header::default()
        };
        let transactions = messages.iter().map(|message| message.to_transaction(1)).collect();
        let body = BlockBody { transactions, ..BlockBody::default() };
        let header = SealedHeader::new(header);
        let source = SourceBlock {
            block: Block { header: header.inner().clone(), body },
            hash: header.hash(),
            receipts: vec![],
            fee_config: FeeConfig::default(),
            witness_len: 0,
        };
        blocks.insert(number, source);
        self.head.send_replace(header);
    }

    fn publish_empty(&self, count: usize) {
        for _ in 0..count {
            self.publish(&[], 0);
        }
    }
}

impl BlockSource for Chain {
    fn block(&self, height: L2Height) -> Result<Option<SourceBlock>, SourceError> {
        Ok(self.blocks.lock().get(&height.0).cloned())
    }
}

/// Everything that outlives a process: L1, the chain and the file of the store.
struct World {
    l1: FakeL1,
    chain: Chain,
    path: PathBuf,
    _dir: tempfile::TempDir,
}

type Task<E> = JoinHandle<Result<(), E>>;

struct Node {
    batcher: Batcher,
    stop: CancellationToken,
    tasks: (Task<BatcherError>, Task<ethrex_l1::SenderError>),
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let l1 = FakeL1::new();
        l1.deploy_settlement(SettlementModel::new(CHAIN, state_root(0)));
        Self { l1, chain: Chain::new(), path: dir.path().join("rollup.db"), _dir: dir }
    }

    fn store(&self) -> Store {
        Store::open(&self.path).unwrap()
    }

    fn start(&self) -> Node {
        let store = self.store();
        let client = self.l1.client();
        let config = SenderConfig { policy: Policy::dev(), every: Duration::from_millis(200) };
        let key: SigningKey = KEY.parse().unwrap();
        let (sender, sender_task) =
            Sender::new(client.clone(), key, Arc::new(store.clone()), config);
        let contracts = self.l1.deploy_settlement(self.l1.settlement());
        let parts = BatcherParts {
            settlement: Settlement::new(client, contracts),
            sender,
            store,
            blocks: Arc::new(self.chain.clone()),
            head: self.chain.head.subscribe(),
        };
        let config = BatcherConfig {
            every: Duration::from_secs(5),
            gas: u64::MAX,
            chain_id: CHAIN,
            commit_hash: COMMIT_HASH,
        };
        let (batcher, task) = Batcher::new(config, parts);
        let stop = CancellationToken::new();
        let tasks =
            (tokio::spawn(task.run(stop.clone())), tokio::spawn(sender_task.run(stop.clone())));
        Node { batcher, stop, tasks }
    }

    /// Lets time pass, with an L1 block every second.
    async fn pass(&self, seconds: u64) {
        for _ in 0..seconds {
            tokio::time::sleep(Duration::from_secs(1)).await;
            self.l1.mine();
        }
    }

    /// The last committed batch, and whether the blobs of all of them give the published chain back.
    fn committed(&self) -> u64 {
        let model = self.l1.settlement();
        let store = self.store();
        let mut next = 1;
        for (&number, commitment) in model.commitments.range(1..) {
            let row =
                store.batch(BatchNumber(number)).unwrap().expect("committed batches are stored");
            assert_eq!(commitment.blob_versioned_hash, row.blob_versioned_hash);
            assert_eq!(commitment.commit_hash, COMMIT_HASH);
            let bytes = &row.batch.blobs_bundle.blobs[0];
            for published in blob::decode(&blob::Blob::from_slice(bytes)).unwrap() {
                let ours = self.chain.block(L2Height(next)).unwrap().unwrap();
                assert_eq!(published.block, ours.block);
                next += 1;
            }
            assert_eq!(row.batch.last_block.0, next - 1);
            assert_eq!(commitment.state_root, state_root(next - 1));
        }
        model.last_committed
    }

    fn committer_nonce(&self) -> u64 {
        self.l1.nonce(KEY.parse::<SigningKey>().unwrap().address())
    }
}

impl Node {
    async fn kill(self) {
        self.tasks.0.abort();
        self.tasks.1.abort();
        let _ = (self.tasks.0.await, self.tasks.1.await);
    }

    async fn stop(self) {
        self.stop.cancel();
        self.tasks.0.await.unwrap().unwrap();
        self.tasks.1.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn blocks_are_committed_once_per_period_and_not_at_all_without_new_ones() {
    let world = World::new();
    let node = world.start();
    world.chain.publish_empty(3);
    world.pass(10).await;
    assert_eq!(world.committed(), 1);
    world.pass(30).await;
    assert_eq!((world.committed(), world.committer_nonce()), (1, 1));
    world.chain.publish_empty(1);
    world.pass(10).await;
    assert_eq!(world.committed(), 2);
    let progress = *node.batcher.progress().borrow();
    assert_eq!(progress, Progress { sealed: BatchNumber(2), committed: BatchNumber(2) });
    let row = world.store().batch(BatchNumber(2)).unwrap().unwrap();
    assert!(row.batch.commit_tx.is_some());
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn large_blocks_are_spread_over_batches_of_one_blob_each() {
    let world = World::new();
    let node = world.start();
    for _ in 0..5 {
        world.chain.publish(&[], 60_000);
    }
    world.pass(30).await;
    assert_eq!(world.committed(), 3, "two blocks fit in a blob");
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn deposits_are_committed_with_the_rolling_hash_that_l1_expects() {
    let world = World::new();
    let node = world.start();
    let to = Address::repeat_byte(5);
    for id in 0..3 {
        world.l1.deposit(to).await;
        let message = PrivilegedMessage::eth_deposit(CHAIN, id, to, Default::default());
        world.chain.publish(&[message], 0);
    }
    world.l1.mine();
    world.pass(10).await;
    assert_eq!(world.committed(), 1);
    let hash = world.l1.commitment(BatchNumber(1)).unwrap().l1_in_rolling_hash;
    assert_eq!(rolling::count(hash), 3);
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_deposit_that_l1_never_queued_stops_settlement_with_an_alarm() {
    let world = World::new();
    let node = world.start();
    let message = PrivilegedMessage::eth_deposit(CHAIN, 0, Address::ZERO, Default::default());
    world.chain.publish(&[message], 0);
    world.pass(10).await;
    let error = node.tasks.0.await.unwrap().unwrap_err();
    assert!(matches!(error, BatcherError::PrivilegedMismatch(BatchNumber(1))));
    assert_eq!(world.committer_nonce(), 0, "nothing was sent");
}

#[tokio::test(start_paused = true)]
async fn an_l1_that_is_down_delays_settlement_and_costs_no_extra_blobs() {
    let world = World::new();
    let node = world.start();
    world.chain.publish_empty(1);
    world.pass(10).await;
    world.l1.set_down(true);
    for _ in 0..50 {
        world.chain.publish_empty(1);
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    world.l1.set_down(false);
    world.pass(20).await;
    let model = world.l1.settlement();
    assert_eq!(
        world.committed(),
        3,
        "one batch was sealed before the outage was noticed, one after it"
    );
    assert_eq!(model.commitments[&3].state_root, state_root(51));
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_l1_drops_is_sent_again() {
    let world = World::new();
    let node = world.start();
    world.chain.publish_empty(2);
    while world.l1.pooled() == 0 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    world.l1.lose();
    world.pass(10).await;
    assert_eq!((world.committed(), world.committer_nonce()), (1, 1));
    node.stop().await;
}

/// Kills the process whenever `when` holds, starts it again, and expects that nothing is committed twice.
async fn survives_a_kill(when: impl Fn(&World) -> bool) {
    let world = World::new();
    world.chain.publish_empty(3);
    let node = world.start();
    while !when(&world) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    node.kill().await;
    world.chain.publish_empty(2);
    let node = world.start();
    world.pass(20).await;
    assert_eq!((world.committed(), world.committer_nonce()), (2, 2));
    assert_eq!(world.l1.settlement().commitments[&2].state_root, state_root(5));
    for number in 1..=2 {
        let row = world.store().batch(BatchNumber(number)).unwrap().unwrap();
        assert!(row.batch.commit_tx.is_some(), "the transaction of batch {number} is noted");
    }
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_kill_between_sent_and_mined_commits_once() {
    survives_a_kill(|world| world.l1.pooled() == 1).await;
}

#[tokio::test(start_paused = true)]
async fn a_kill_between_mined_and_noted_commits_once() {
    survives_a_kill(|world| {
        if world.l1.pooled() == 1 {
            world.l1.mine();
        }
        world.l1.settlement().last_committed == 1
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_kill_between_stored_and_sent_commits_what_was_stored() {
    let world = World::new();
    world.chain.publish_empty(3);
    let node = world.start();
    // L1 goes away after the standing is known, so the row is stored and nothing can be sent.
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.l1.set_down(true);
    tokio::time::sleep(Duration::from_secs(10)).await;
    let row = world.store().batch(BatchNumber(1)).unwrap().expect("the row stands first");
    assert!(world.l1.sent().is_empty());
    node.kill().await;

    world.chain.publish_empty(2);
    world.l1.set_down(false);
    let node = world.start();
    world.pass(5).await;
    assert_eq!(world.l1.commitment(BatchNumber(1)).unwrap().state_root, row.batch.state_root);
    world.pass(10).await;
    assert_eq!((world.committed(), world.committer_nonce()), (2, 2));
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn kills_at_any_moment_commit_every_block_once() {
    let world = World::new();
    for round in 0u64..12 {
        world.chain.publish_empty(1);
        let node = world.start();
        // Moments spread over the whole period, the same in every run.
        tokio::time::sleep(Duration::from_millis(4_700 + 97 * round)).await;
        if round % 3 == 0 {
            world.l1.mine();
        }
        node.kill().await;
    }
    let node = world.start();
    world.pass(20).await;
    let batches = world.committed();
    assert_eq!(world.committer_nonce(), batches, "one transaction per batch");
    assert_eq!(world.l1.settlement().commitments[&batches].state_root, state_root(12));
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_committed_behind_our_back_is_not_committed_again() {
    let world = World::new();
    let node = world.start();
    world.chain.publish_empty(2);
    world.l1.set_down(true);
    tokio::time::sleep(Duration::from_secs(1)).await;
    world.l1.set_down(false);
    // The node seals batch 1; before its transaction is estimated, L1 gets it from elsewhere.
    while world.store().last_batch().unwrap().is_none() {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let row = world.store().batch(BatchNumber(1)).unwrap().unwrap();
    let commitment =
        row.batch.commitment(row.last_block_hash, row.blob_versioned_hash, COMMIT_HASH);
    world.l1.change_settlement(|model| {
        model.commitments.insert(1, commitment);
        model.last_committed = 1;
    });
    world.chain.publish_empty(1);
    world.pass(20).await;
    assert_eq!(world.committed(), 2);
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn commitments_that_a_reorganisation_of_l1_takes_away_come_back() {
    let world = World::new();
    let node = world.start();
    world.chain.publish_empty(2);
    world.pass(7).await;
    assert_eq!(world.committed(), 1);
    let depth = world.l1.head() as usize;
    world.l1.reorganise(depth, false);
    assert_eq!(world.committed(), 0);
    // L1 stands still while the next batch is sealed and refused.
    world.chain.publish_empty(2);
    tokio::time::sleep(Duration::from_secs(12)).await;
    assert_eq!(world.store().last_batch().unwrap(), Some(BatchNumber(2)));
    world.pass(20).await;
    assert_eq!((world.committed(), world.committer_nonce()), (2, 2));
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn batches_reverted_on_l1_stop_settlement() {
    let world = World::new();
    let node = world.start();
    world.chain.publish_empty(2);
    world.pass(7).await;
    assert_eq!(world.committed(), 1);
    world.l1.change_settlement(|model| {
        model.commitments.remove(&1);
        model.last_committed = 0;
    });
    world.l1.mine_many(70);
    world.chain.publish_empty(2);
    world.pass(20).await;
    let error = node.tasks.0.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("reverted on L1"), "{error}");
    assert_eq!(world.committer_nonce(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_lacks_a_committed_batch_is_refused_at_start() {
    let world = World::new();
    world.l1.change_settlement(|model| {
        let genesis = model.commitments[&0].clone();
        model.commitments.insert(1, genesis);
        model.last_committed = 1;
    });
    let node = world.start();
    world.pass(2).await;
    let error = node.tasks.0.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("L1 has batch 1, the store ends with 0"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_paused_contract_is_waited_for() {
    let world = World::new();
    let node = world.start();
    world.l1.change_settlement(|model| model.refuse = Some(vec![0xd9, 0x3c, 0x06, 0x65].into()));
    world.chain.publish_empty(2);
    world.pass(20).await;
    assert_eq!(world.committed(), 0);
    world.l1.change_settlement(|model| model.refuse = None);
    world.pass(10).await;
    assert_eq!((world.committed(), world.committer_nonce()), (1, 1));
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_stopped_batcher_makes_no_batches_until_it_is_started() {
    let world = World::new();
    let node = world.start();
    node.batcher.stop();
    world.chain.publish_empty(2);
    world.pass(20).await;
    assert_eq!(world.committed(), 0);
    node.batcher.start_in(Duration::from_secs(10));
    world.pass(8).await;
    assert_eq!(world.committed(), 0);
    world.pass(12).await;
    assert_eq!(world.committed(), 1);
    node.stop().await;
}
