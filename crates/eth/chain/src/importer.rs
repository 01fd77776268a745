//! The one thread on which blocks from elsewhere are judged and the head moves.

use std::{
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::JoinHandle,
};

use alloy_primitives::B256;
use ethrex_stf::check_header;
use ethrex_txpool::Pool;
use ethrex_types::SealedBlock;
use tokio::sync::watch;

use crate::{
    Chain, ForkChoice, ForkChoiceError, ForkChoiceStatus, ImportError, Rejection, Verdict,
    fork_choice, tracker::Tracker,
};

/// Blocks and fork choices that wait to be worked on. A consensus client sends a few at once; whoever finds the queue full waits.
const QUEUE: usize = 64;

/// What is known about a block after it was offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlockStatus {
    /// It holds every rule, and is stored.
    Valid,
    /// It, or a block it stands on, breaks a rule.
    Invalid(Rejection),
    /// It waits for an ancestor that is not here.
    Syncing,
    /// Its ancestors are here, but the state after its parent is not kept: it waits.
    Accepted,
}

/// Asks the importing thread. Cheap to clone; the thread ends with the last clone.
///
/// Calls block until they are answered, in the order they were asked: asynchronous callers keep them off their own threads.
#[derive(Debug, Clone)]
pub struct Importer {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
    running: watch::Receiver<()>,
}

type Reply<T> = SyncSender<T>;

enum Job {
    Block(Box<SealedBlock>, Reply<Result<BlockStatus, ImportError>>),
    ForkChoice(ForkChoice, Reply<Result<ForkChoiceStatus, ForkChoiceError>>),
}

impl Importer {
    /// Starts on its own thread: executing blocks is CPU work, and must not starve whoever serves sockets.
    ///
    /// # Errors
    /// If the system cannot start a thread.
    pub fn spawn(chain: Chain, pool: Pool) -> std::io::Result<Self> {
        let (jobs, inbox) = sync_channel(QUEUE);
        let (alive, running) = watch::channel(());
        let thread = std::thread::Builder::new().name("importer".into()).spawn(move || {
            let _alive = alive;
            let mut judge = Judge { chain, pool, tracker: Tracker::default() };
            judge.run(&inbox);
        })?;
        let inner = Inner { jobs: Some(jobs), thread: Some(thread), running };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Judges a block, and stores it if it is valid. It does not become the head here. One that cannot be judged yet is kept for a
    /// while, and judged with whatever comes later and leads to it.
    ///
    /// # Errors
    /// Only faults of ours; a wrong block is [`BlockStatus::Invalid`].
    pub fn import(&self, block: SealedBlock) -> Result<BlockStatus, ImportError> {
        self.ask(|reply| Job::Block(Box::new(block), reply)).ok_or(ImportError::Stopped)?
    }

    /// Moves the head where a consensus client wants it, if that is possible.
    ///
    /// # Errors
    /// Only faults of ours.
    pub fn set_fork_choice(&self, wanted: ForkChoice) -> Result<ForkChoiceStatus, ForkChoiceError> {
        self.ask(|reply| Job::ForkChoice(wanted, reply)).ok_or(ImportError::Stopped)?
    }

    /// Resolves when the thread has ended, which it does by itself only if it panics.
    pub async fn ended(&self) {
        let mut running = self.inner.running.clone();
        while running.changed().await.is_ok() {}
    }

    fn ask<T>(&self, job: impl FnOnce(Reply<T>) -> Job) -> Option<T> {
        let (reply, answer) = sync_channel(1);
        let jobs = self.inner.jobs.as_ref().expect("the queue is open until the handle is dropped");
        jobs.send(job(reply)).ok()?;
        answer.recv().ok()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the importing thread panicked");
        }
    }
}

/// What is on the way from a block down to the stored ones.
pub(crate) enum Connection {
    /// It is stored, and can be built on.
    Ready,
    /// It is stored, or leads to what is stored, but the state there is not kept.
    NoState,
    /// Something on the way is not here.
    Missing,
    /// Something on the way is invalid.
    Invalid(Rejection),
}

/// The state of the thread.
#[derive(Debug)]
pub(crate) struct Judge {
    pub(crate) chain: Chain,
    pub(crate) pool: Pool,
    pub(crate) tracker: Tracker,
}

impl Judge {
    fn run(&mut self, inbox: &Receiver<Job>) {
        while let Ok(job) = inbox.recv() {
            // The asker may have gone; that is fine.
            match job {
                Job::Block(block, reply) => drop(reply.send(self.import(*block))),
                Job::ForkChoice(wanted, reply) => {
                    drop(reply.send(fork_choice::apply(self, &wanted)));
                }
            }
        }
    }

    fn import(&mut self, block: SealedBlock) -> Result<BlockStatus, ImportError> {
        let hash = block.hash();
        if let Some(why) = self.tracker.rejection(hash) {
            return Ok(BlockStatus::Invalid(why.clone()));
        }
        if self.is_stored(hash)? {
            return Ok(BlockStatus::Valid);
        }
        match self.connect(block.header().parent_hash)? {
            Connection::Ready => self.judge(block),
            Connection::Invalid(why) => Ok(self.reject(hash, why)),
            Connection::Missing => {
                self.tracker.wait(block);
                Ok(BlockStatus::Syncing)
            }
            Connection::NoState => self.accept(block),
        }
    }

    /// Imports what waits between the stored blocks and this one, this one included, if nothing is missing.
    pub(crate) fn connect(&mut self, hash: B256) -> Result<Connection, ImportError> {
        let mut path = vec![];
        let mut next = hash;
        while let Some(parent) = self.tracker.parent_of_waiting(next) {
            path.push(next);
            next = parent;
        }
        if let Some(why) = self.tracker.rejection(next).cloned() {
            path.into_iter().for_each(|hash| self.tracker.reject(hash, why.clone()));
            return Ok(Connection::Invalid(why));
        }
        if !self.is_stored(next)? {
            return Ok(Connection::Missing);
        }
        if !self.chain.storage().has_state(next) {
            return Ok(Connection::NoState);
        }
        while let Some(hash) = path.pop() {
            let block = self.tracker.take(hash).expect("what is on the path waits");
            match self.judge(block)? {
                BlockStatus::Valid => {}
                BlockStatus::Invalid(why) => {
                    path.into_iter().for_each(|hash| self.tracker.reject(hash, why.clone()));
                    return Ok(Connection::Invalid(why));
                }
                BlockStatus::Syncing | BlockStatus::Accepted => return Ok(Connection::NoState),
            }
        }
        Ok(Connection::Ready)
    }

    /// Judges a block whose parent can be built on.
    fn judge(&mut self, block: SealedBlock) -> Result<BlockStatus, ImportError> {
        let (hash, parent) = (block.hash(), block.header().parent_hash);
        match self.chain.import(block)? {
            Verdict::Valid => Ok(BlockStatus::Valid),
            Verdict::Invalid(why) => {
                let latest_valid = self.as_latest_valid(parent)?;
                tracing::warn!(%hash, reason = %why, "a block is invalid");
                Ok(self.reject(hash, Rejection::new(latest_valid, &why)))
            }
            // State may be pruned between the look and the import.
            Verdict::UnknownParent => Ok(BlockStatus::Accepted),
        }
    }

    /// A block on a known parent without state: its header can be checked, and no more.
    fn accept(&mut self, block: SealedBlock) -> Result<BlockStatus, ImportError> {
        let (hash, parent) = (block.hash(), block.header().parent_hash);
        let parent = self.chain.storage().header(parent).map_err(ImportError::Storage)?;
        if let Some(parent) = parent
            && let Err(why) = check_header(self.chain.spec(), block.header(), &parent)
        {
            let latest_valid = self.as_latest_valid(parent.hash())?;
            self.chain.keep_bad(block);
            return Ok(self.reject(hash, Rejection::new(latest_valid, &why)));
        }
        self.tracker.wait(block);
        Ok(BlockStatus::Accepted)
    }

    fn reject(&mut self, hash: B256, why: Rejection) -> BlockStatus {
        self.tracker.reject(hash, why.clone());
        BlockStatus::Invalid(why)
    }

    /// A valid block as the answer names it: a block of proof of work has no name there.
    pub(crate) fn as_latest_valid(&self, hash: B256) -> Result<Option<B256>, ImportError> {
        let header = self.chain.storage().header(hash).map_err(ImportError::Storage)?;
        Ok(header.map(|header| if header.difficulty.is_zero() { hash } else { B256::ZERO }))
    }

    pub(crate) fn is_stored(&self, hash: B256) -> Result<bool, ImportError> {
        Ok(self.chain.storage().number(hash).map_err(ImportError::Storage)?.is_some())
    }
}
