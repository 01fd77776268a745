//! The loop around the machines: a timer, L1's messages, builds and checks.

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use alloy_primitives::{Address, B256, Bytes, hex};
use alloy_rlp::Encodable;
use ethrex_chain::{BuildError, Chain, ChainError, Stored};
use ethrex_l1::Update;
use ethrex_protocol::{
    L2Height, contracts::CommonBridge::PrivilegedTxSent, deposit::PrivilegedMessage, fee::FeeConfig,
};
use ethrex_stf::BlockAttributes;
use ethrex_storage::StorageError;
use ethrex_store::{Executed, StoreError};
use ethrex_txpool::Pool;
use ethrex_types::{RecoveredBlock, SealedHeader};
use tokio::{
    sync::mpsc,
    task::{JoinError, JoinHandle},
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use crate::{
    CheckError, CheckOutcome, Checker, Culprit, DepositError, Deposits, Filled, Inbox, InboxError,
    Pipeline, SetAside, culprit, fill, inbox::News, metrics,
};

/// Failed checks in a row that no transaction explains, after which the sequencer gives up.
const MAX_UNEXPLAINED: u32 = 3;
/// After so many blocks it is noted how many messages are executed, so that a start reads no more of the chain to find out.
const NOTE_EVERY: u64 = 1_024;

/// What the sequencer needs to know.
#[derive(Debug, Clone)]
pub struct SequencerConfig {
    /// Time between two blocks.
    pub block_time: Duration,
    /// Gas limit to move towards.
    pub gas_limit: u64,
    /// Receives the priority fees.
    pub fee_recipient: Address,
    /// Fee configuration that each block is published with.
    pub fee_config: FeeConfig,
    /// Where a block that fails its own check is written to, for whoever looks into it.
    pub reproducer_dir: PathBuf,
}

/// Why the sequencer stopped.
#[derive(Debug, thiserror::Error)]
pub enum SequencerError {
    /// The database failed.
    #[error("storage")]
    Storage(#[from] StorageError),
    /// A block could not be built.
    #[error("build block")]
    Build(#[from] BuildError),
    /// A block could not be published.
    #[error("publish block")]
    Publish(#[from] ChainError),
    /// L1's messages cannot be followed.
    #[error(transparent)]
    Deposit(#[from] DepositError),
    /// News from L1 could not be stored.
    #[error(transparent)]
    Inbox(#[from] InboxError),
    /// The rollup's store failed.
    #[error("store")]
    Store(#[from] StoreError),
    /// A message of L1 finds no room in an empty block.
    #[error("L1 message {0} does not fit into an empty block; raise the block gas limit")]
    StuckMessage(u64),
    /// Blocks fail their own check and no transaction is to blame.
    #[error("blocks fail their own stateless check; block {number}: {reason}")]
    SelfCheck {
        /// Height of the last one.
        number: u64,
        /// What the check said.
        reason: CheckError,
    },
    /// A message of L1 makes blocks fail their own check; it can be neither executed nor left out.
    #[error("L1 message {id} makes blocks fail their own stateless check: {reason}")]
    MessageFailsCheck {
        /// The message.
        id: u64,
        /// What the check said.
        reason: CheckError,
    },
    /// A thread of ours ended early.
    #[error("a worker ended early")]
    Worker(#[from] JoinError),
    /// The checking thread has ended.
    #[error("the block checker ended early")]
    CheckerEnded,
}

/// Builds, checks and publishes L2 blocks.
#[derive(Debug)]
pub struct Sequencer {
    chain: Chain,
    pool: Pool,
    config: SequencerConfig,
    inbox: Inbox,
    deposits: Deposits,
    pipeline: Pipeline,
    checker: Checker,
    /// Blocks being checked.
    checking: HashMap<B256, Built>,
    /// Transactions that made a block fail its check, and wait.
    set_aside: Arc<SetAside>,
    unexplained: u32,
}

/// A built and stored block, and how it came to be.
#[derive(Debug)]
struct Built {
    stored: Stored,
    parent: SealedHeader,
    attributes: BlockAttributes,
    filled: Filled,
    /// The messages of L1 that it executes.
    messages: Vec<PrivilegedMessage>,
}

/// `None` where the block it stood on was dropped meanwhile.
type Building = JoinHandle<Result<Option<Built>, SequencerError>>;

impl Sequencer {
    /// Puts the machines together.
    #[must_use]
    pub fn new(
        chain: Chain,
        pool: Pool,
        config: SequencerConfig,
        inbox: Inbox,
        (deposits, pipeline): (Deposits, Pipeline),
        checker: Checker,
    ) -> Self {
        Self {
            chain,
            pool,
            config,
            inbox,
            deposits,
            pipeline,
            checker,
            checking: HashMap::new(),
            set_aside: Arc::default(),
            unexplained: 0,
        }
    }

    async fn on_l1(&mut self, update: Update<PrivilegedTxSent>) -> Result<(), SequencerError> {
        match self.inbox.take(update)? {
            News::Arrived(messages) => {
                for (message, l1_block) in messages {
                    tracing::info!(
                        id = message.transaction_id,
                        l1_block,
                        value = %message.value,
                        recipient = ?message.eth_recipient(),
                        "read message from L1"
                    );
                    self.deposits.push(message, l1_block)?;
                }
            }
            News::Reorganised { to } => {
                tracing::warn!(to, "L1 was reorganised; reading its messages again");
                if self.deposits.reorganised(to)? {
                    self.drop_unpublished().await?;
                }
            }
        }
        Ok(())
    }

    /// Drops every block that is not published: L1 took back a message that one of them holds.
    async fn drop_unpublished(&mut self) -> Result<(), SequencerError> {
        if let Some(oldest) = self.pipeline.oldest_pending() {
            self.pipeline.failed(oldest);
            self.checking.clear();
            self.forget(oldest).await?;
        }
        self.deposits.dropped();
        Ok(())
    }

    /// Deletes a block and all built on it.
    async fn forget(&self, hash: B256) -> Result<(), SequencerError> {
        let storage = self.chain.storage().clone();
        tokio::task::spawn_blocking(move || storage.drop_block(hash)).await??;
        Ok(())
    }

    /// Starts building the next block on a blocking thread.
    fn start(&self) -> Building {
        let (chain, pool) = (self.chain.clone(), self.pool.clone());
        let (config, set_aside) = (self.config.clone(), self.set_aside.clone());
        let tip = self.pipeline.tip();
        let messages: Vec<PrivilegedMessage> =
            self.deposits.next(ethrex_protocol::constants::PRIVILEGED_TX_BUDGET).cloned().collect();
        tokio::task::spawn_blocking(move || {
            let built = build(&chain, &pool, &config, tip, messages, &set_aside);
            match built {
                Err(_) if !chain.storage().has_state(tip) => Ok(None),
                built => built.map(Some),
            }
        })
    }

    async fn on_built(&mut self, built: Option<Built>) -> Result<(), SequencerError> {
        // What it stands on may have been dropped while it was built.
        let Some(built) = built.filter(|built| built.parent.hash() == self.pipeline.tip()) else {
            return Ok(());
        };
        let block = built.stored.block.sealed().clone();
        // L1 may have taken back what it executes.
        if !self.deposits.next(built.messages.len()).eq(&built.messages) {
            return self.forget(block.hash()).await;
        }
        if let Some(id) = built.filled.stuck_message {
            return Err(SequencerError::StuckMessage(id));
        }
        let next = self.deposits.next_for_block() + built.filled.messages;
        self.deposits.built(next);
        self.pipeline.built(block.hash(), next);
        let witness =
            built.stored.witness.clone().expect("the chain of a rollup records witnesses");
        self.checking.insert(block.hash(), built);
        if !self.checker.submit(block, witness).await {
            return Err(SequencerError::CheckerEnded);
        }
        Ok(())
    }

    async fn on_checked(&mut self, outcome: CheckOutcome) -> Result<(), SequencerError> {
        match outcome.result {
            Ok(()) => {
                self.pipeline.passed(outcome.hash);
                self.publish().await
            }
            Err(reason) => self.on_failed(outcome.hash, reason).await,
        }
    }

    async fn publish(&mut self) -> Result<(), SequencerError> {
        while let Some(ready) = self.pipeline.publishable() {
            let (chain, pool) = (self.chain.clone(), self.pool.clone());
            tokio::task::spawn_blocking(move || chain.advance(ready.hash, &pool)).await??;
            self.pipeline.published(ready.hash);
            self.deposits.published(ready.next_message);
            self.unexplained = 0;
            let Some(built) = self.checking.remove(&ready.hash) else { continue };
            let block = &built.stored.block;
            let (header, transactions) = (block.sealed().header(), block.senders().len());
            self.release(block);
            if header.number.is_multiple_of(NOTE_EVERY) {
                let block = L2Height(header.number);
                let next_message = ready.next_message;
                self.inbox.note(&Executed { block, hash: ready.hash, next_message })?;
            }
            metrics::published(transactions);
            metrics::deposits(built.filled.messages);
            tracing::info!(
                number = header.number,
                transactions,
                messages = built.filled.messages,
                gas = header.gas_used,
                hash = %ready.hash,
                "published block"
            );
        }
        Ok(())
    }

    /// What is in a published block is set aside no longer.
    fn release(&mut self, published: &RecoveredBlock) {
        for (tx, _) in published.transactions() {
            if self.set_aside.is_empty() {
                return;
            }
            let hash = tx.hash();
            if self.set_aside.holds(&hash) {
                Arc::make_mut(&mut self.set_aside).published(&hash);
            }
        }
    }

    /// Drops a block that failed its check and all built on it, and sets aside whom it is to blame on.
    async fn on_failed(&mut self, hash: B256, reason: CheckError) -> Result<(), SequencerError> {
        let Some(built) = self.checking.remove(&hash) else { return Ok(()) };
        if !self.pipeline.failed(hash) {
            return Ok(());
        }
        self.deposits.dropped();
        let tip = self.pipeline.tip();
        let number = built.stored.block.sealed().number();
        self.checking.retain(|_, other| other.stored.block.sealed().number() < number);
        tracing::error!(number, %hash, %reason, %tip, "block failed its own stateless check and is dropped with all built on it");

        let (chain, dir) = (self.chain.clone(), self.config.reproducer_dir.clone());
        let (built, culprit) = tokio::task::spawn_blocking(move || {
            write_reproducer(&dir, &built.stored);
            let culprit = culprit::find(&chain, &built.parent, &built.attributes, &built.stored);
            chain.storage().drop_block(hash)?;
            Ok::<_, SequencerError>((built, culprit))
        })
        .await??;
        match culprit? {
            Culprit::Transaction { index, hash } => {
                let tx = &built.stored.block.sealed().body().transactions[index];
                if let Some(message) = tx.as_privileged() {
                    return Err(SequencerError::MessageFailsCheck { id: message.nonce, reason });
                }
                let retry = Arc::make_mut(&mut self.set_aside).failed(hash, number);
                tracing::error!(%hash, retry, "transaction is set aside: blocks with it fail their own check");
                Ok(())
            }
            Culprit::EmptyBlock => Err(SequencerError::SelfCheck { number, reason }),
            Culprit::None => {
                self.unexplained += 1;
                if self.unexplained >= MAX_UNEXPLAINED {
                    return Err(SequencerError::SelfCheck { number, reason });
                }
                Ok(())
            }
        }
    }
}

/// Builds and stores one block.
fn build(
    chain: &Chain,
    pool: &Pool,
    config: &SequencerConfig,
    tip: B256,
    mut messages: Vec<PrivilegedMessage>,
    set_aside: &SetAside,
) -> Result<Built, SequencerError> {
    let parent = chain.storage().header(tip)?.ok_or(BuildError::NoState(tip))?;
    let attributes = BlockAttributes {
        timestamp: unix_time().max(parent.timestamp + 1),
        fee_recipient: config.fee_recipient,
        prev_randao: B256::ZERO,
        withdrawals: None,
        parent_beacon_block_root: None,
        slot_number: None,
        desired_gas_limit: config.gas_limit,
        extra_data: Bytes::new(),
    };
    let mut filled = Filled::default();
    let prepared = chain.build(&parent, &attributes, |builder| {
        let base_fee = builder.context().header().base_fee_per_gas.unwrap_or_default();
        let mut best = pool.best(base_fee, None);
        filled = fill(builder, &messages, &mut best, set_aside, &config.fee_config)?;
        Ok(())
    })?;
    // A gas limit that still grows towards the configured one may hold the message later.
    if prepared.block.sealed().header().gas_limit < config.gas_limit {
        filled.stuck_message = None;
    }
    let stored = chain.store(prepared)?;
    messages.truncate(usize::try_from(filled.messages).unwrap_or(usize::MAX));
    Ok(Built { stored, parent, attributes, filled, messages })
}

fn unix_time() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock stands after 1970").as_secs()
}

/// Writes the block and its witness so that the failed check can be run again. Failing to write is only logged: the chain
/// goes on either way.
fn write_reproducer(dir: &std::path::Path, bad: &Stored) {
    let sealed = bad.block.sealed();
    let mut rlp = Vec::new();
    sealed.block().encode(&mut rlp);
    let file = dir.join(format!("failed-block-{}-{}.json", sealed.number(), sealed.hash()));
    let content = serde_json::json!({
        "number": sealed.number(),
        "hash": sealed.hash(),
        "block": hex::encode_prefixed(&rlp),
        "witness": bad.witness,
    });
    let written =
        std::fs::create_dir_all(dir).and_then(|()| std::fs::write(&file, content.to_string()));
    match written {
        Ok(()) => tracing::error!(file = %file.display(), "wrote the failed block and its witness"),
        Err(error) => {
            tracing::error!(%error, file = %file.display(), "could not write the failed block")
        }
    }
}

/// Runs until stopped. `l1` brings the messages of the bridge, `checks` the outcomes of the sequencer's checker.
///
/// # Errors
/// What an operator has to look at; see [`SequencerError`].
pub async fn drive(
    mut sequencer: Sequencer,
    mut l1: mpsc::Receiver<Update<PrivilegedTxSent>>,
    mut checks: mpsc::Receiver<CheckOutcome>,
    stop: CancellationToken,
) -> Result<(), SequencerError> {
    let mut tick = interval(sequencer.config.block_time);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut building: Option<Building> = None;
    let mut l1_open = true;
    loop {
        let may_build = building.is_none() && sequencer.pipeline.has_room();
        tokio::select! {
            () = stop.cancelled() => break,
            _ = tick.tick(), if may_build => building = Some(sequencer.start()),
            built = join(&mut building) => sequencer.on_built(built??).await?,
            outcome = checks.recv() => match outcome {
                Some(outcome) => sequencer.on_checked(outcome).await?,
                None => return Err(SequencerError::CheckerEnded),
            },
            update = l1.recv(), if l1_open && sequencer.deposits.has_room() => match update {
                Some(update) => sequencer.on_l1(update).await?,
                None => l1_open = false,
            },
        }
    }
    // A block being built writes to the database: let it finish.
    if let Some(building) = building {
        let _ = building.await;
    }
    Ok(())
}

/// Waits for the block being built; for ever, if there is none.
async fn join(
    building: &mut Option<Building>,
) -> Result<Result<Option<Built>, SequencerError>, JoinError> {
    let Some(running) = building else { return std::future::pending().await };
    let done = running.await;
    *building = None;
    done
}
