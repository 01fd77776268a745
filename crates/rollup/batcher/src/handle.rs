//! What others hold of the batcher: its switch and its progress.

use std::{sync::Arc, time::Duration};

use alloy_primitives::B256;
use ethrex_l1::{Sender, Settlement};
use ethrex_protocol::BatchNumber;
use ethrex_store::Store;
use ethrex_types::SealedHeader;
use tokio::{sync::watch, time::Instant};

use crate::source::BlockSource;

/// What the batcher needs to know.
#[derive(Debug, Clone)]
pub struct BatcherConfig {
    /// Time between two batches, if there are blocks.
    pub every: Duration,
    /// Most gas in one batch; `u64::MAX` = no limit.
    pub gas: u64,
    /// Chain id of the rollup.
    pub chain_id: u64,
    /// Hash of the version of the program that proves the batches.
    pub commit_hash: B256,
}

/// What the batcher works with.
#[derive(Debug)]
pub struct BatcherParts {
    /// The contracts.
    pub settlement: Settlement,
    /// The signer of the committer's key.
    pub sender: Sender,
    /// Where batches are remembered.
    pub store: Store,
    /// Where blocks are read.
    pub blocks: Arc<dyn BlockSource>,
    /// The published head.
    pub head: watch::Receiver<SealedHeader>,
}

/// Whether batches are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// They are.
    Running,
    /// They are not, until somebody starts the batcher.
    Stopped,
    /// They are from this time on.
    From(Instant),
}

/// How far settlement has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// The last batch whose row is stored.
    pub sealed: BatchNumber,
    /// The last batch known to be committed on L1.
    pub committed: BatchNumber,
}

/// Handle of the batcher. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Batcher {
    mode: watch::Sender<Mode>,
    progress: watch::Receiver<Progress>,
}

impl Batcher {
    /// A handle, and the loop that must run for it to do anything.
    pub fn new(config: BatcherConfig, parts: BatcherParts) -> (Self, BatcherTask) {
        let (mode, wanted) = watch::channel(Mode::Running);
        let (told, progress) = watch::channel(Progress::default());
        let handle = Self { mode, progress };
        (handle, BatcherTask { config, parts, mode: wanted, progress: told })
    }

    /// Makes batches from now on.
    pub fn start(&self) {
        self.mode.send_replace(Mode::Running);
    }

    /// Makes batches after a while.
    pub fn start_in(&self, delay: Duration) {
        self.mode.send_replace(Mode::From(Instant::now() + delay));
    }

    /// Makes no more batches; one that is under way is still committed.
    pub fn stop(&self) {
        self.mode.send_replace(Mode::Stopped);
    }

    /// Whether batches are made.
    pub fn mode(&self) -> Mode {
        *self.mode.borrow()
    }

    /// How far settlement has come, now and whenever it changes.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.progress.clone()
    }
}

/// The loop behind [`Batcher`].
#[derive(Debug)]
pub struct BatcherTask {
    pub(crate) config: BatcherConfig,
    pub(crate) parts: BatcherParts,
    pub(crate) mode: watch::Receiver<Mode>,
    pub(crate) progress: watch::Sender<Progress>,
}
