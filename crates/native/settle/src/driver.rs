//! The loop that moves the rollup's chain: what L1 says first, blocks of our own behind it.
//!
//! One piece of work runs at a time: deriving the next block that L1 has, or, when all of them are derived, building one of
//! our own. So the head has one writer, and a block of our own always stands on what is known.
//!
//! Beside it: where the head is (`head`), and blocks of our own (`building`).
//!
//! Not here: reading L1 (`ethrex_l1::EventWatcher`), posting ([`crate::Poster`]) and settling ([`crate::Settler`]).

mod building;
mod head;

use std::{sync::Arc, time::Duration};

use alloy_primitives::B256;
use ethrex_chain::{ChainError, ForkChoiceError, Moved};
use ethrex_l1::{Client, Header as L1Header, L1Error, SigningKey, Update};
use ethrex_storage::StorageError;
use ethrex_store::DerivedBlock;
use ethrex_txpool::Pool;
use parking_lot::RwLock;
use tokio::{
    sync::{mpsc, watch},
    task::{JoinError, JoinHandle},
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use crate::{
    bindings::INativeRollup::INativeRollupEvents as RollupEvent,
    blocks::{Blocks, BlocksError},
    derivation::{Deployment, Next, OutOfOrder, Plan},
    follower::Follower,
    metrics,
    outbox::{Keeper, OutboxProofError, RootProofs},
    own::{Own, OwnError, OwnItems},
    poster::ToPost,
    reader::ReadBlob,
    sequencer::SequencerConfig,
};

use building::{Asked, Begun, Sequencing};

/// Time between two looks of a driver that only follows. It does nothing then.
const TICK: Duration = Duration::from_secs(1);

/// The walk over L1, for others to look at. Cheap to clone.
#[derive(Debug, Clone)]
pub struct View(Arc<RwLock<Follower>>);

impl View {
    fn new(deployment: Deployment) -> Self {
        Self(Arc::new(RwLock::new(Follower::new(deployment))))
    }

    /// Looks at the walk. Whoever looks holds up the driver, so it must be short.
    pub fn read<T>(&self, look: impl FnOnce(&Follower) -> T) -> T {
        look(&self.0.read())
    }

    fn write<T>(&self, change: impl FnOnce(&mut Follower) -> T) -> T {
        change(&mut self.0.write())
    }
}

/// Why the chain no longer moves.
#[derive(Debug, thiserror::Error)]
pub enum DriverError {
    /// A block could not be made.
    #[error(transparent)]
    Blocks(#[from] BlocksError),
    /// The head could not be moved, or the pool could not follow it.
    #[error("publish a block")]
    Publish(#[from] ChainError),
    /// The head could not be moved below the states that are kept.
    #[error("go back to an old block")]
    GoBack(#[from] ForkChoiceError),
    /// The database failed.
    #[error("storage")]
    Storage(#[from] StorageError),
    /// Items of ours could not be kept.
    #[error(transparent)]
    Own(#[from] OwnError),
    /// What L1 will be shown could not be kept.
    #[error(transparent)]
    OutboxProof(#[from] OutboxProofError),
    /// L1 contradicts itself.
    #[error(transparent)]
    OutOfOrder(#[from] OutOfOrder),
    /// L1 cannot be used.
    #[error("look at L1")]
    L1(#[from] L1Error),
    /// A thread of ours ended early.
    #[error("a worker ended early")]
    Worker(#[from] JoinError),
    /// The chain in the database begins with another block than the contract says.
    #[error("the database holds the chain of genesis {found}, the contract that of {expected}")]
    OtherGenesis {
        /// What the contract says.
        expected: B256,
        /// What the database holds.
        found: B256,
    },
}

/// What the driver works on.
#[derive(Debug)]
pub struct DriverParts {
    /// The rollup's contract, as it was made.
    pub deployment: Deployment,
    /// Makes and finds blocks.
    pub blocks: Blocks,
    /// Transactions that wait for a block.
    pub pool: Pool,
    /// L1.
    pub client: Client,
    /// Its newest block.
    pub l1_head: watch::Receiver<Option<L1Header>>,
    /// Blocks of L1 that must stand on top of one before it is read.
    pub delay: u64,
}

/// Moves the rollup's chain.
#[derive(Debug)]
pub struct Driver {
    parts: DriverParts,
    view: View,
    own: OwnItems,
    outbox: Keeper,
    sequencer: Option<Sequencing>,
    to_post: watch::Sender<Option<ToPost>>,
    /// The last L1 block that was read.
    read: Option<(u64, B256)>,
    /// The newest L1 block, and when it was seen.
    l1: Option<(L1Header, Instant)>,
    /// Items of ours below this position are the ones that L1 has there.
    verified: u64,
    /// Blobs of items below this position are forgotten.
    forgotten: u64,
    /// Witnesses of blocks below this height are forgotten; `None` before any were in this run.
    unwitnessed: Option<u64>,
    /// The head is to go back to this block, whose state has to be computed anew.
    back: Option<B256>,
    /// And does so.
    goes_back: bool,
    /// All that L1 has is walked over.
    complete: bool,
    /// How often L1 was reorganised.
    reorganised: u64,
    /// L1 may have gone another way while no process of ours was there: whether it still has the headers of our items is to be
    /// asked before anything is built on them.
    doubted: bool,
}

/// What is worked on.
#[derive(Debug)]
enum Work {
    Deriving(JoinHandle<Result<(Box<Plan>, DerivedBlock), BlocksError>>),
    Building(JoinHandle<Result<Option<Box<Begun>>, DriverError>>),
    Asking(JoinHandle<Result<Option<Asked>, DriverError>>),
    GoingBack(JoinHandle<Result<(u64, Moved), DriverError>>),
}

#[derive(Debug)]
enum Done {
    Derived(Box<Plan>, DerivedBlock),
    Built(Box<Begun>),
    Asked(Asked),
    /// From this height.
    WentBack(u64, Moved),
    Nothing,
}

impl Driver {
    /// A driver that follows L1, and builds blocks of its own where it is given how and with which key.
    ///
    /// Returns with it what others may look at: the walk, and the oldest item that is to be posted.
    ///
    /// # Errors
    /// If a database fails, or holds another chain.
    pub fn new(
        parts: DriverParts,
        sequencer: Option<(SequencerConfig, SigningKey)>,
    ) -> Result<(Self, View, watch::Receiver<Option<ToPost>>), DriverError> {
        let storage = parts.blocks.chain().storage().clone();
        let expected = parts.deployment.config.genesisHash;
        let found = storage.canonical_hash(0)?.unwrap_or_default();
        if expected != found {
            return Err(DriverError::OtherGenesis { expected, found });
        }
        let own = OwnItems::open(parts.blocks.store().clone(), |hash| {
            let header = storage.header(hash).ok().flatten()?;
            Some((header.number, header.timestamp))
        })?;
        let proofs = RootProofs::new(parts.blocks.chain().clone(), parts.blocks.store().clone());
        let outbox = Keeper::open(proofs)?;
        let view = View::new(parts.deployment.clone());
        let (to_post, posting) = watch::channel(None);
        let chain_id = parts.deployment.config.chainId;
        let sequencer = sequencer.map(|(config, key)| Sequencing::new(config, key, chain_id));
        let shared = view.clone();
        let driver = Self {
            parts,
            view,
            own,
            outbox,
            sequencer,
            to_post,
            read: None,
            l1: None,
            verified: 0,
            forgotten: 0,
            unwitnessed: None,
            back: None,
            goes_back: false,
            complete: false,
            reorganised: 0,
            doubted: true,
        };
        Ok((driver, shared, posting))
    }

    /// Runs until stopped. `l1` brings the events of the contract from its first block on, `blobs` what strangers have posted
    /// in blobs, as far as somebody reads them.
    ///
    /// # Errors
    /// What an operator has to look at.
    pub async fn run(
        mut self,
        mut l1: mpsc::Receiver<Update<RollupEvent>>,
        mut blobs: mpsc::Receiver<ReadBlob>,
        stop: CancellationToken,
    ) -> Result<(), DriverError> {
        let every = self.sequencer.as_ref().map_or(TICK, |it| it.config.block_time);
        let mut tick = interval(every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut work: Option<Work> = None;
        loop {
            if work.is_none() {
                work = self.next_work()?;
            }
            let idle = work.is_none();
            tokio::select! {
                () = stop.cancelled() => break,
                done = join(&mut work) => self.on_done(done?)?,
                update = l1.recv() => match update {
                    Some(update) => self.on_l1(update)?,
                    // The watcher has ended: by the same token, or with an error of its own.
                    None => break,
                },
                Some(blob) = blobs.recv() => self.on_blob(&blob),
                Ok(()) = self.parts.l1_head.changed() => self.on_l1_head()?,
                _ = tick.tick(), if idle => work = self.on_tick()?,
            }
        }
        // What works writes to the database: let it finish.
        if work.is_some() {
            let _ = join(&mut work).await;
        }
        Ok(())
    }

    fn on_l1_head(&mut self) -> Result<(), DriverError> {
        let head = *self.parts.l1_head.borrow_and_update();
        self.l1 = head.map(|head| (head, Instant::now()));
        self.check_complete()
    }

    fn on_l1(&mut self, update: Update<RollupEvent>) -> Result<(), DriverError> {
        let gone = match &update {
            Update::Read { upto, hash, .. } => {
                self.read = Some((*upto, *hash));
                None
            }
            Update::Reorganised { to } => {
                tracing::warn!(
                    to,
                    "L1 was reorganised; going back to its last block that still counts"
                );
                self.read = None;
                self.reorganised += 1;
                Some(*to)
            }
        };
        self.complete = false;
        self.view.write(|follower| follower.take(update))?;
        let items = self.items();
        self.verified = self.verified.min(items);
        self.recall(self.verified)?;
        // An item whose header is gone can never be posted, and one whose place is taken not as it is.
        let lost = self.own.iter().find(|own| {
            let headless = gone.is_some_and(|to| own.context.l1Number > to);
            let taken = own.position >= self.verified && own.position < items;
            (headless && own.position >= items) || (taken && !self.is_posted(own))
        });
        self.verified = items;
        if let Some(position) = lost.map(|own| own.position) {
            self.abandon(position)?;
        }
        Ok(())
    }

    /// Fills in what we know of the blobs from this position on: ours stood in the store before they were posted.
    fn recall(&mut self, from: u64) -> Result<(), DriverError> {
        let unread: Vec<(u64, B256)> = self.view.read(|follower| {
            let unread = follower.derivation().unread().filter(|(position, _)| *position >= from);
            unread.filter_map(|(at, posted)| Some((at, *posted.blob_hashes.first()?))).collect()
        });
        for (position, hash) in unread {
            let stream = self.parts.blocks.store().native_blob(hash).map_err(BlocksError::Store)?;
            if let Some(stream) = stream {
                self.view.write(|follower| follower.fill(position, &[hash], &stream));
            }
        }
        Ok(())
    }

    /// The walk may go on through an item whose blob was read.
    fn on_blob(&mut self, blob: &ReadBlob) {
        self.complete = false;
        let ReadBlob { position, hash, stream } = blob;
        self.view.write(|follower| follower.fill(*position, &[*hash], stream));
    }

    /// How many items L1 has.
    fn items(&self) -> u64 {
        self.view.read(|follower| follower.derivation().items())
    }

    /// Whether L1 has this very item.
    fn is_posted(&self, own: &Own) -> bool {
        self.view.read(|follower| {
            follower.derivation().item(own.position).is_some_and(|posted| {
                posted.item.ctx == own.context
                    && posted.item.feeRecipient == own.fee_recipient
                    && posted.blocks.as_deref() == Some(own.stream().as_slice())
            })
        })
    }

    /// What is to be done before anything else.
    fn next_work(&mut self) -> Result<Option<Work>, DriverError> {
        if let Some(work) = self.go_back()? {
            return Ok(Some(work));
        }
        match self.derive_next()? {
            Some(work) => Ok(Some(work)),
            // When nothing is left to derive, the head may have to go back.
            None => self.go_back(),
        }
    }

    /// The next block that L1 has and we have not walked over.
    fn derive_next(&mut self) -> Result<Option<Work>, DriverError> {
        let mut known = false;
        loop {
            let (plan, tip) = self.view.write(|follower| (follower.next_plan(), follower.tip()));
            self.outbox.on_walk(&tip)?;
            let Some(plan) = plan else { break };
            if let Some(block) = self.parts.blocks.known(&plan)? {
                self.walked(&plan, block, "known")?;
                known = true;
                continue;
            }
            if known {
                self.follow()?;
            }
            // L1 went another way so far below the head that the state there must be computed anew.
            let parent = plan.at.parent.hash;
            if !self.parts.blocks.chain().storage().has_state(parent) {
                self.back = Some(parent);
                return self.go_back();
            }
            let blocks = self.parts.blocks.clone();
            let derive = move || Ok((plan.clone(), blocks.derive(&plan)?));
            return Ok(Some(Work::Deriving(tokio::task::spawn_blocking(derive))));
        }
        if known {
            self.follow()?;
        }
        self.check_complete()?;
        Ok(None)
    }

    /// Notices that all that L1 has is walked over: from here on the head follows the walk back too.
    fn check_complete(&mut self) -> Result<(), DriverError> {
        let (Some((read, _)), Some((head, _))) = (self.read, &self.l1) else { return Ok(()) };
        let walked = matches!(
            self.view.read(|follower| follower.derivation().next(&follower.tip())),
            Next::Wait
        );
        if !self.complete && walked && read.saturating_add(self.parts.delay) >= head.number {
            self.complete = true;
            let settled = self.view.read(Follower::settled);
            self.outbox.report(settled.map_or(0, |settled| settled.number));
            self.follow()?;
        }
        Ok(())
    }

    fn on_done(&mut self, done: Done) -> Result<(), DriverError> {
        match done {
            Done::Nothing => Ok(()),
            // L1 may have gone another way meanwhile.
            Done::Derived(plan, _) if !self.view.read(|follower| follower.stands(&plan)) => Ok(()),
            Done::Derived(plan, block) => {
                self.walked(&plan, block, "executed")?;
                self.follow()
            }
            Done::Built(built) => self.on_built(*built),
            Done::Asked(asked) => self.on_asked(&asked),
            Done::WentBack(from, moved) => self.on_back(from, &moved),
        }
    }

    /// A block of L1 is stored: the walk goes on.
    fn walked(
        &mut self,
        plan: &Plan,
        block: DerivedBlock,
        how: &'static str,
    ) -> Result<(), DriverError> {
        self.view.write(|follower| follower.walked(plan, block.hash, block.forced));
        let (number, position) = (plan.at.parent.number + 1, plan.at.position);
        metrics::derived(how, number);
        tracing::debug!(number, hash = %block.hash, how, "derived block");
        let promised = self.own.block_at(position, plan.at.index).map(|own| own.after.hash);
        if promised.is_some_and(|hash| hash != block.hash) {
            tracing::warn!(number, "L1 went another way than our blocks; they are dropped");
            self.abandon(position)?;
        }
        Ok(())
    }
}

/// Waits for what is worked on; for ever, if nothing is.
async fn join(work: &mut Option<Work>) -> Result<Done, DriverError> {
    let done = match work {
        None => return std::future::pending().await,
        Some(Work::Deriving(running)) => {
            let (plan, block) = running.await??;
            Done::Derived(plan, block)
        }
        Some(Work::Building(running)) => match running.await?? {
            Some(built) => Done::Built(built),
            None => Done::Nothing,
        },
        Some(Work::Asking(running)) => match running.await?? {
            Some(asked) => Done::Asked(asked),
            None => Done::Nothing,
        },
        Some(Work::GoingBack(running)) => {
            let (from, moved) = running.await??;
            Done::WentBack(from, moved)
        }
    };
    *work = None;
    Ok(done)
}
