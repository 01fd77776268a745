//! The batcher against the real contracts on anvil: deposits read from events, committed, and found on L1 again.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use alloy_primitives::B256;
use ethrex_batcher::{
    Batcher, BatcherConfig, BatcherParts, BatcherTask, BlockSource, SourceBlock, SourceError,
};
use ethrex_deploy::{DeployConfig, Deployed, deploy_once, dev};
use ethrex_l1::{
    EventConfig, EventWatcher, Policy, Sender, SenderConfig, SenderTask, Settlement, SigningKey,
    Update,
    testing::{Anvil, state_root},
};
use ethrex_protocol::{
    BatchNumber, L2Height, contracts::CommonBridge::PrivilegedTxSent, deposit::PrivilegedMessage,
    fee::FeeConfig, rolling,
};
use ethrex_store::Store;
use ethrex_types::{Block, BlockBody, Header, SealedHeader};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

const GENESIS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/genesis/l1.json");
const COMMIT_HASH: B256 = B256::repeat_byte(0xcc);
const POLL: Duration = Duration::from_millis(50);

/// An L2 chain of hand-made blocks.
#[derive(Debug, Clone, Default)]
struct Chain(Arc<Mutex<BTreeMap<u64, SourceBlock>>>);

impl Chain {
    /// Appends a block with these messages of L1.
    fn publish(&self, messages: &[PrivilegedMessage]) -> SealedHeader {
        let mut blocks = self.0.lock();
        let number = blocks.len() as u64 + 1;
        let header = Header { number, state_root: state_root(number), ..Header::default() };
        let transactions = messages.iter().map(|message| message.to_transaction(1)).collect();
        let sealed = SealedHeader::new(header.clone());
        let body = BlockBody { transactions, ..BlockBody::default() };
        let source = SourceBlock {
            block: Block { header, body },
            hash: sealed.hash(),
            receipts: vec![],
            fee_config: FeeConfig::default(),
            witness_len: 0,
        };
        blocks.insert(number, source);
        sealed
    }
}

impl BlockSource for Chain {
    fn block(&self, height: L2Height) -> Result<Option<SourceBlock>, SourceError> {
        Ok(self.0.lock().get(&height.0).cloned())
    }
}

fn node(
    anvil: &Anvil,
    deployed: &Deployed,
    store: &Store,
    chain: &Chain,
    head: watch::Receiver<SealedHeader>,
) -> (Batcher, BatcherTask, SenderTask) {
    let key: SigningKey = dev::DEPLOYER.private_key.parse().expect("a fixed key");
    let config = SenderConfig { policy: Policy::dev(), every: POLL };
    let (sender, sending) = Sender::new(anvil.client(), key, Arc::new(store.clone()), config);
    let parts = BatcherParts {
        settlement: Settlement::new(anvil.client(), deployed.contracts),
        sender,
        store: store.clone(),
        blocks: Arc::new(chain.clone()),
        head,
    };
    let config = BatcherConfig {
        every: Duration::from_millis(300),
        gas: u64::MAX,
        chain_id: deployed.terms.l2_chain_id,
        commit_hash: COMMIT_HASH,
    };
    let (batcher, batching) = Batcher::new(config, parts);
    (batcher, batching, sending)
}

async fn deposits(anvil: &Anvil, deployed: &Deployed) -> Vec<PrivilegedMessage> {
    let config = EventConfig { name: "privileged", every: POLL, delay: 0, max_step: 1_000 };
    let bridge = deployed.contracts.bridge;
    let mut events = EventWatcher::<PrivilegedTxSent>::new(anvil.client(), bridge, 0, None, config);
    let mut messages = Vec::new();
    while let Some(update) = events.read().await.expect("anvil answers") {
        let Update::Read { events, .. } = update else { panic!("anvil was reorganised") };
        messages.extend(events.iter().map(|event| {
            PrivilegedMessage::from_event(deployed.terms.l2_chain_id, &event.event)
                .expect("the bridge keeps its ranges")
        }));
    }
    messages
}

#[tokio::test]
async fn e2e_batches_with_deposits_are_committed_to_the_real_contracts() {
    let Some(anvil) = Anvil::start(&["--init", GENESIS, "--chain-id", "9"]) else { return };
    let key: SigningKey = dev::DEPLOYER.private_key.parse().unwrap();
    let config = DeployConfig::dev(COMMIT_HASH);
    let deployed =
        Box::pin(deploy_once(&anvil.client(), key, Policy::dev(), config)).await.unwrap();
    let settlement = Settlement::new(anvil.client(), deployed.contracts);
    let messages = deposits(&anvil, &deployed).await;
    assert_eq!(messages.len(), 10);

    let (store, chain) = (Store::memory().unwrap(), Chain::default());
    let (head, published) = watch::channel(chain.publish(&messages[..3]));
    // A second process starts where the first one is killed.
    for round in 1u64..=2 {
        let (batcher, batching, sending) =
            node(&anvil, &deployed, &store, &chain, published.clone());
        let stop = CancellationToken::new();
        let batching = tokio::spawn(batching.run(stop.clone()));
        let sending = tokio::spawn(sending.run(stop.clone()));
        let mut progress = batcher.progress();
        let reached = progress.wait_for(|progress| progress.committed == BatchNumber(round));
        let reached = tokio::time::timeout(Duration::from_secs(60), reached).await;
        assert!(reached.is_ok(), "batch {round} is committed");
        batching.abort();
        sending.abort();
        let _ = (batching.await, sending.await);
        head.send_replace(chain.publish(&messages[3..]));
    }

    assert_eq!(settlement.last_committed().await.unwrap(), BatchNumber(2));
    for (number, count) in [(1, 3), (2, 7)] {
        let committed = settlement.committed(BatchNumber(number)).await.unwrap().unwrap();
        let row = store.batch(BatchNumber(number)).unwrap().unwrap();
        assert_eq!(committed.newStateRoot, row.batch.state_root);
        assert_eq!(committed.blobKZGVersionedHash, row.blob_versioned_hash);
        assert_eq!(committed.commitHash, COMMIT_HASH);
        let taken = committed.processedPrivilegedTransactionsRollingHash;
        assert_eq!(rolling::count(taken), count);
    }
}
