//! The loop that moves the rollup's chain: what L1 says first, blocks of our own behind it.
//!
//! One piece of work runs at a time: deriving the next block that L1 has, or, when all of them are derived, building one of
//! our own. So the head has one writer, and a block of our own always stands on what is known.
//!
//! Not here: reading L1 (`ethrex_l1::EventWatcher`), posting ([`crate::Poster`]) and settling ([`crate::Settler`]).

use std::{collections::HashSet, sync::Arc, time::Duration};

use alloy_primitives::B256;
use alloy_rlp::Decodable;
use ethrex_chain::{ChainError, ForkChoiceError, Moved};
use ethrex_l1::{Client, Header as L1Header, L1Error, Reaction, SigningKey, Update};
use ethrex_storage::StorageError;
use ethrex_store::DerivedBlock;
use ethrex_txpool::Pool;
use ethrex_types::{Header, Tx, alloy_consensus::transaction::SignerRecoverable};
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
    derivation::{Cursor, Deployment, Next, OutOfOrder, Plan},
    follower::Follower,
    metrics,
    operator::Operator,
    outbox::{Keeper, OutboxProofError, RootProofs},
    own::{Footing, Own, OwnError, OwnItems},
    poster::ToPost,
    reader::ReadBlob,
    sequencer::{Age, Built, Choice, Ending, Job, SequencerConfig, ending},
};

/// Time between two looks of a driver that only follows. It does nothing then.
const TICK: Duration = Duration::from_secs(1);
/// L1 blocks after which the context of an item is too old to be posted. The contract finds the hashes of 256.
const ANCHOR_WINDOW: u64 = 224;
/// Witnesses that are forgotten in one write to the disk at least.
const FEWEST_WITNESSES: u64 = 32;
/// And at most.
const MOST_WITNESSES: u64 = 4_096;
/// Part of the time lag that the contract allows, in percent, after which a context is too old.
const LAG_PERCENT: u64 = 80;

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
    /// All that L1 has is walked over.
    complete: bool,
    /// How often L1 was reorganised.
    reorganised: u64,
    /// L1 may have gone another way while no process of ours was there: whether it still has the headers of our items is to be
    /// asked before anything is built on them.
    doubted: bool,
}

/// What building blocks of our own needs.
#[derive(Debug)]
struct Sequencing {
    config: SequencerConfig,
    operator: Operator,
    set_aside: HashSet<u64>,
    next_claim: u64,
    opened: Instant,
    last_block: Instant,
}

/// A built block, and the item that begins with it if one does.
#[derive(Debug)]
struct Begun {
    own: Option<Own>,
    built: Built,
    /// The block it stands on.
    parent: B256,
    /// How often L1 had been reorganised before.
    reorganised: u64,
}

/// What L1 says about the headers that our items stand on.
#[derive(Debug)]
struct Asked {
    /// How often L1 had been reorganised before.
    reorganised: u64,
    /// The first item that it has no header for.
    lost: Option<u64>,
}

/// What is worked on.
#[derive(Debug)]
enum Work {
    Deriving(JoinHandle<Result<(Box<Plan>, DerivedBlock), BlocksError>>),
    Building(JoinHandle<Result<Option<Box<Begun>>, DriverError>>),
    Asking(JoinHandle<Result<Option<Asked>, DriverError>>),
}

#[derive(Debug)]
enum Done {
    Derived(Box<Plan>, DerivedBlock),
    Built(Box<Begun>),
    Asked(Asked),
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
        let sequencer = sequencer.map(|(config, key)| Sequencing {
            config,
            operator: Operator::new(key, chain_id),
            set_aside: HashSet::new(),
            next_claim: 0,
            opened: Instant::now(),
            last_block: Instant::now(),
        });
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
                work = self.derive_next()?;
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
                self.publish(parent)?;
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

    /// Moves head, safe and final block to where the walk and our own blocks are.
    fn follow(&mut self) -> Result<(), DriverError> {
        let walk = self.view.read(Follower::tip).parent;
        let chain = self.parts.blocks.chain().clone();
        let (number, hash) = match self.own.newest().map(|block| block.after) {
            Some(own) if own.number > walk.number => (own.number, own.hash),
            _ => (walk.number, walk.hash),
        };
        // While L1 is being read the walk may only be behind, and the head of an earlier run stands.
        let head = chain.head();
        if head.hash() != hash && (self.complete || number > head.number) {
            self.publish(hash)?;
        }
        let storage = chain.storage();
        if chain.head().number >= walk.number && walk.number > 0 {
            storage.set_safe(walk.hash)?;
            let settled = self.view.read(Follower::settled);
            if let Some(settled) = settled.filter(|settled| settled.number <= walk.number)
                && storage.canonical_hash(settled.number)? == Some(settled.hash)
            {
                storage.set_finalized(settled.hash)?;
            }
        }
        let (start, settled) =
            self.view.read(|follower| (follower.start().position, follower.settled_for_good()));
        self.own.forget(start)?;
        if let Some(settled) = settled {
            self.outbox.on_settled(settled.number)?;
            self.forget_witnesses(settled.number.min(walk.number))?;
        }
        if self.forgotten < start {
            let store = self.parts.blocks.store();
            store.drop_native_blobs_below(start).map_err(BlocksError::Store)?;
            self.forgotten = start;
        }
        self.show_to_post();
        Ok(())
    }

    /// Nobody is shown the witnesses of blocks that L1 will not take back: they go, many together.
    fn forget_witnesses(&mut self, settled: u64) -> Result<(), DriverError> {
        // An earlier run may have ended before it came to the last ones.
        let from = self.unwitnessed.unwrap_or(settled.saturating_sub(MOST_WITNESSES));
        if settled < from.saturating_add(FEWEST_WITNESSES) {
            return Ok(());
        }
        let storage = self.parts.blocks.chain().storage();
        let upto = settled.min(from.saturating_add(MOST_WITNESSES));
        let hashes = (from..upto)
            .filter_map(|number| storage.canonical_hash(number).transpose())
            .collect::<Result<Vec<_>, _>>()?;
        storage.delete_witnesses(&hashes)?;
        self.unwitnessed = Some(upto);
        Ok(())
    }

    /// Makes a block the head. Transactions of blocks that are no longer part of the chain go back to the pool; they are in its
    /// journal before the head moves.
    fn publish(&mut self, hash: B256) -> Result<(), DriverError> {
        let chain = self.parts.blocks.chain().clone();
        let (old, new) = (chain.head(), self.parts.blocks.header(hash)?);
        // Our own transactions are made anew for every item.
        let operator = self.sequencer.as_ref().map(|sequencing| sequencing.operator.address());
        let returns = |tx: &Tx| {
            operator.is_none_or(|ours| tx.recover_signer().is_ok_and(|sender| sender != ours))
        };
        let pool = &self.parts.pool;
        let Moved { fork, returned } = if chain.storage().has_state(hash) {
            chain.go_to(new, pool, returns)?
        } else {
            let canonical = chain.storage().canonical_hash(new.number)? == Some(hash);
            let moved = if canonical { chain.go_back(new, pool, returns)? } else { None };
            moved.ok_or(BlocksError::NoState(hash))?
        };
        if fork < old.number {
            let (from, to) = (old.number, fork);
            tracing::warn!(from, to, transactions = returned, "the rollup went back");
            self.outbox.on_reorg(to)?;
            // What was delivered in blocks that are gone is delivered again.
            if let Some(sequencing) = &mut self.sequencer {
                sequencing.next_claim = 0;
            }
        }
        Ok(())
    }

    /// Drops items of ours that will not come out as they were promised.
    fn abandon(&mut self, from: u64) -> Result<(), DriverError> {
        let blocks = self.own.abandon(from)?;
        metrics::abandoned(blocks);
        self.show_to_post();
        Ok(())
    }

    /// Shows the oldest item that L1 does not have, if it is complete and its turn has come.
    fn show_to_post(&self) {
        let items = self.items();
        let own = self.own.iter().find(|own| own.closed && own.position == items);
        let own = own.filter(|_| !self.doubted);
        let to_post = own.map(|own| ToPost {
            position: own.position,
            header: own.header.clone(),
            msg_count: own.context.msgCount,
            fee_recipient: own.fee_recipient,
            blocks: own.stream(),
            not_before: own.blocks.last().map_or(0, |block| block.after.timestamp),
        });
        self.to_post.send_if_modified(|shown| {
            let changed = *shown != to_post;
            *shown = to_post;
            changed
        });
    }

    /// The time on L1, as far as one can know between two of its blocks.
    fn l1_time(&self) -> Option<u64> {
        let (head, seen) = self.l1.as_ref()?;
        Some(head.timestamp + seen.elapsed().as_secs())
    }

    /// Looks after our items, and starts building a block if there is something to put into it.
    fn on_tick(&mut self) -> Result<Option<Work>, DriverError> {
        let Some(time) = self.l1_time().filter(|_| self.complete && self.sequencer.is_some())
        else {
            return Ok(None);
        };
        if self.doubted {
            return Ok(Some(self.ask()));
        }
        self.retire(time)?;
        let (Some(sequencing), Some(read)) = (&self.sequencer, self.read) else { return Ok(None) };
        let tip = self.own.tip(self.view.read(Follower::tip));
        let heartbeat =
            sequencing.config.idle_time.is_some_and(|idle| sequencing.last_block.elapsed() >= idle);
        let waits = heartbeat || self.something_waits(&tip, time, sequencing.next_claim);
        if !waits || tip.position < self.items() {
            return Ok(None);
        }
        let current = self.own.current().filter(|own| own.position == tip.position);
        let mut job = Job {
            blocks: self.parts.blocks.clone(),
            pool: self.parts.pool.clone(),
            view: self.view.clone(),
            operator: sequencing.operator.clone(),
            claims: sequencing.config.claims,
            set_aside: sequencing.set_aside.clone(),
            next_claim: sequencing.next_claim,
            at: tip,
            time,
            context: current.map(|own| own.context.clone()).unwrap_or_default(),
            fee_recipient: current.map_or(sequencing.config.fee_recipient, |own| own.fee_recipient),
            heartbeat,
        };
        let begins = current.is_none();
        let last = self.own.last_context().map_or(0, |context| context.l1Number);
        let (client, reorganised) = (self.parts.client.clone(), self.reorganised);
        Ok(Some(Work::Building(tokio::spawn(async move {
            let (mut begun, parent) = (None, job.at.parent.hash);
            if begins {
                let Some(own) = begin(&client, &job, read, last).await? else { return Ok(None) };
                job.context = own.context.clone();
                begun = Some(own);
            }
            let built = tokio::task::spawn_blocking(move || job.run()).await??;
            Ok(Some(Box::new(Begun { own: begun, built, parent, reorganised })))
        }))))
    }

    /// Asks L1 for the headers of our items that it does not have yet.
    fn ask(&self) -> Work {
        let (client, reorganised, items) =
            (self.parts.client.clone(), self.reorganised, self.items());
        let own = self.own.iter().filter(|own| own.position >= items);
        let footings: Vec<_> = own.map(Own::footing).collect();
        Work::Asking(tokio::spawn(async move {
            // Without the one before it, an item can never be posted where it was meant to be.
            if let Some(first) = footings.first().filter(|first| first.position > items) {
                return Ok(Some(Asked { reorganised, lost: Some(first.position) }));
            }
            for Footing { position, number, hash } in footings {
                match client.header(number).await {
                    Ok(Some(header)) if header.hash == hash => {}
                    Ok(Some(_)) => return Ok(Some(Asked { reorganised, lost: Some(position) })),
                    Ok(None) => return Ok(None), // a node that is behind says nothing
                    Err(error) if error.reaction() == Reaction::Stop => return Err(error.into()),
                    Err(error) => {
                        tracing::debug!(%error, "cannot ask for the headers of our items now");
                        return Ok(None);
                    }
                }
            }
            Ok(Some(Asked { reorganised, lost: None }))
        }))
    }

    fn on_asked(&mut self, asked: &Asked) -> Result<(), DriverError> {
        let Asked { reorganised, lost } = *asked;
        if reorganised != self.reorganised {
            return Ok(()); // asked too early
        }
        self.doubted = false;
        if let Some(position) = lost {
            tracing::warn!(
                position,
                "L1 went another way meanwhile; the blocks that stood on it are dropped"
            );
            self.abandon(position)?;
        }
        self.follow()
    }

    /// Closes the item that takes blocks if its time has come, and drops items that are too old to be posted.
    fn retire(&mut self, time: u64) -> Result<(), DriverError> {
        let Some(sequencing) = &self.sequencer else { return Ok(()) };
        let items = self.items();
        let waiting = self.own.iter().any(|own| own.closed && own.position >= items);
        if let Some(own) = self.own.current() {
            let stale = self.view.read(|follower| {
                let derivation = follower.derivation();
                derivation.message_count() > own.context.msgCount
                    || derivation.is_due(own.context.forcedCount, time)
            });
            let (open_for, item_time) = (sequencing.opened.elapsed(), sequencing.config.item_time);
            let age = Age { open_for, item_time, waiting, stale };
            if ending(own, &age) == Ending::Close {
                if let Some(last) = own.blocks.last().map(|block| block.after) {
                    self.outbox.on_close(own.position, last.number, last.hash)?;
                }
                self.own.close()?;
                self.show_to_post();
            }
        }
        let (Some((l1, _)), config) = (&self.l1, &self.parts.deployment.config) else {
            return Ok(());
        };
        let lag = config.maxTimestampLag.saturating_mul(LAG_PERCENT) / 100;
        let old = self.own.iter().find(|own| {
            own.position >= items
                && (l1.number.saturating_sub(own.context.l1Number) > ANCHOR_WINDOW
                    || time.saturating_sub(own.context.l1Timestamp) > lag)
        });
        if let Some(position) = old.map(|own| own.position) {
            tracing::warn!(
                position,
                "an item could not be posted in time; its transactions go into another one"
            );
            self.abandon(position)?;
            self.follow()?;
        }
        Ok(())
    }

    /// Whether a block would not be empty.
    fn something_waits(&self, tip: &Cursor, time: u64, next_claim: u64) -> bool {
        self.parts.pool.has_ready()
            || self.view.read(|follower| {
                let derivation = follower.derivation();
                derivation.message_count() > next_claim || derivation.is_due(tip.forced, time)
            })
    }

    /// Keeps a built block, and publishes it.
    fn on_built(&mut self, begun: Begun) -> Result<(), DriverError> {
        let Begun { own: begun, built: Built { choice, next_claim }, parent, reorganised } = begun;
        // L1 may have brought something while it was built.
        let tip = self.own.tip(self.view.read(Follower::tip));
        if parent != tip.parent.hash {
            return Ok(());
        }
        if let Some(sequencing) = &mut self.sequencer {
            sequencing.next_claim = next_claim;
        }
        let Some(Choice { made, digest, block, failed }) = choice else { return Ok(()) };
        let header = made.header();
        let current = self.own.current().map(|own| own.position);
        let position = begun.as_ref().map(|own| own.position).or(current);
        let stands = position == Some(tip.position)
            && tip.position >= self.items()
            && (begun.is_none() || reorganised == self.reorganised);
        if !stands {
            return Ok(());
        }
        let transactions = made.prepared.block.senders().len();
        if let Some(own) = begun {
            self.own.begin(own)?;
            if let Some(sequencing) = &mut self.sequencer {
                sequencing.opened = Instant::now();
            }
        }
        self.parts.blocks.keep(digest, made)?;
        self.own.push(block)?;
        if let Some(sequencing) = &mut self.sequencer {
            sequencing.last_block = Instant::now();
            sequencing.set_aside.extend(failed);
        }
        metrics::sequenced(transactions);
        tracing::info!(
            number = header.number,
            transactions,
            gas = header.gas_used,
            position,
            "L2 block"
        );
        self.follow()
    }
}

/// A new item on the newest L1 block that was read; `None` if L1 cannot say what its header is, or has another block there.
async fn begin(
    client: &Client,
    job: &Job,
    (number, hash): (u64, B256),
    last: u64,
) -> Result<Option<Own>, DriverError> {
    let raw = match client.raw_header(number).await {
        Ok(raw) => raw,
        Err(error) if error.reaction() == Reaction::Stop => return Err(error.into()),
        Err(error) => {
            tracing::debug!(%error, "cannot begin an item now");
            return Ok(None);
        }
    };
    let Some((found, rlp)) = raw else { return Ok(None) };
    if found.hash != hash || number < last {
        return Ok(None);
    }
    let Ok(header) = Header::decode(&mut rlp.as_ref()) else { return Ok(None) };
    let context = job.view.read(|follower| follower.derivation().context(&header, hash));
    Ok(Some(Own {
        position: job.at.position,
        context,
        header: rlp,
        fee_recipient: job.fee_recipient,
        closed: false,
        blocks: Vec::new(),
    }))
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
    };
    *work = None;
    Ok(done)
}
