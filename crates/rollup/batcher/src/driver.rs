//! The loop around the machine: reads blocks, seals, stores, submits.

use std::time::Duration;

use ethrex_l1::{Outcome, Pending, Reaction, Revert, SenderStopped, TxRequest};
use ethrex_protocol::{BatchNumber, L2Height};
use ethrex_store::{Store, StoredBatch};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use crate::{
    error::BatcherError,
    handle::{BatcherConfig, BatcherParts, BatcherTask, Mode, Progress},
    machine::{Limits, Machine, Span},
    metrics,
    refusal::Refusal,
    resume::{Resume, Standing, resume},
    seal::{self, SealError},
    source::SourceBlock,
};

/// Time between two looks at the timer. It costs nothing while nothing is due.
const TICK: Duration = Duration::from_millis(200);
/// Wait before L1 is asked again where we stand, after it refused or was away.
const RETRY: Duration = Duration::from_secs(2);

impl BatcherTask {
    /// Runs until stopped. An L1 that is down is waited for.
    pub async fn run(self, stop: CancellationToken) -> Result<(), BatcherError> {
        let mut driver = Driver::new(self);
        let mut tick = interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let turn = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                (span, outcome) = under_way(&mut driver.under_way) => driver.settle(span, outcome),
                _ = tick.tick() => driver.turn().await,
            };
            match turn {
                Ok(()) => {}
                // The sender ends by the same token, and may be faster.
                Err(BatcherError::Sender(_)) if stop.is_cancelled() => return Ok(()),
                Err(error) => driver.tolerate(error)?,
            }
        }
    }
}

/// The batch whose commitment is under way.
#[derive(Debug)]
struct UnderWay {
    number: BatchNumber,
    last: L2Height,
    outcome: Pending,
}

/// Waits for the outcome of the commitment that is under way; for ever if none is.
async fn under_way(
    under_way: &mut Option<UnderWay>,
) -> ((BatchNumber, L2Height), Result<Outcome, SenderStopped>) {
    match under_way {
        Some(commit) => ((commit.number, commit.last), (&mut commit.outcome).await),
        None => std::future::pending().await,
    }
}

/// What the loop is doing.
#[derive(Debug)]
enum Stage {
    /// L1 is to be asked where we stand, not before this time.
    Unknown { not_before: Duration },
    /// Batches are made.
    Known(Machine),
}

#[derive(Debug)]
struct Driver {
    config: BatcherConfig,
    parts: BatcherParts,
    mode: watch::Receiver<Mode>,
    progress: watch::Sender<Progress>,
    started: Instant,
    stage: Stage,
    under_way: Option<UnderWay>,
    /// It has been said that L1 does not answer.
    away: bool,
    /// It has been said that L1 refuses the batch.
    refusing: bool,
}

impl Driver {
    fn new(BatcherTask { config, parts, mode, progress }: BatcherTask) -> Self {
        Self {
            config,
            parts,
            mode,
            progress,
            started: Instant::now(),
            stage: Stage::Unknown { not_before: Duration::ZERO },
            under_way: None,
            away: false,
            refusing: false,
        }
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// One look: finds out where we stand, or fills the open batch and seals it if it is closed.
    async fn turn(&mut self) -> Result<(), BatcherError> {
        if self.under_way.is_some() || !self.runs() {
            return Ok(());
        }
        if let Stage::Unknown { not_before } = self.stage {
            return if self.now() >= not_before { self.find_out().await } else { Ok(()) };
        }
        self.fill().await?;
        let Stage::Known(machine) = &self.stage else { return Ok(()) };
        match machine.closed() {
            Some(span) => self.seal(span).await,
            None => Ok(()),
        }
    }

    fn runs(&self) -> bool {
        match *self.mode.borrow() {
            Mode::Running => true,
            Mode::Stopped => false,
            Mode::From(time) => Instant::now() >= time,
        }
    }

    /// Asks L1, the store and the chain where we stand.
    async fn find_out(&mut self) -> Result<(), BatcherError> {
        let committed = self.parts.settlement.last_committed().await?;
        let found = self.parts.settlement.committed(committed).await?;
        let on_l1 = found.map(|found| (found.newStateRoot, found.lastBlockHash));
        let l1_head = self.parts.settlement.client().head().await?.number;
        let chain_id = self.parts.settlement.client().chain_id().await?;
        let (row, sent, next_sent, last) = self
            .store(move |store| {
                let sent = |row: &Option<StoredBatch>| match row {
                    Some(row) => store.sent(chain_id, &seal::purpose(row)),
                    None => Ok(None),
                };
                let (row, next) = (store.batch(committed)?, store.batch(committed.next())?);
                let last = store.last_batch()?.map(|number| store.batch(number)).transpose()?;
                Ok((row.clone(), sent(&row)?, sent(&next)?, last.flatten()))
            })
            .await?;
        let in_chain = match &last {
            Some(row) => self.block(row.batch.last_block).await?.map(|block| block.hash),
            None => None,
        };
        let sealed = last.as_ref().map_or(committed, |row| row.batch.number);
        let standing = Standing { committed, on_l1, row, sent, next_sent, l1_head, last, in_chain };
        let next = resume(standing)?;
        if std::mem::take(&mut self.away) {
            tracing::info!("L1 answers again; settlement goes on");
        }
        self.progress.send_replace(Progress { sealed, committed });
        match next {
            Resume::AskAgain => {
                tracing::warn!(%committed, %sealed, "L1 is being reorganised; waiting for lost commitments to come back");
                self.ask_again();
            }
            Resume::Fill { number, first } => {
                tracing::info!(%committed, next = %number, %first, "batches continue");
                self.open(number, first);
            }
            Resume::Submit(row) => {
                tracing::info!(%committed, batch = %row.batch.number, "a sealed batch has no outcome yet; submitting it");
                self.submit(*row, None).await?;
            }
        }
        Ok(())
    }

    fn ask_again(&mut self) {
        self.stage = Stage::Unknown { not_before: self.now() + RETRY };
    }

    fn open(&mut self, number: BatchNumber, first: L2Height) {
        let limits = Limits { every: self.config.every, gas: self.config.gas };
        self.stage = Stage::Known(Machine::new(limits, self.now(), number, first));
    }

    /// Tells the machine about published blocks and the time.
    async fn fill(&mut self) -> Result<(), BatcherError> {
        let head = L2Height(self.parts.head.borrow().number);
        loop {
            let Stage::Known(machine) = &self.stage else { return Ok(()) };
            let Some(height) = machine.wants(head) else { break };
            let block = self.block(height).await?.ok_or(BatcherError::Missing(height))?;
            if let Stage::Known(machine) = &mut self.stage {
                machine.push(&block.facts())?;
            }
        }
        let now = self.now();
        if let Stage::Known(machine) = &mut self.stage {
            machine.tick(now);
        }
        Ok(())
    }

    /// Seals a closed batch, stores its row, and only then submits it.
    async fn seal(&mut self, span: Span) -> Result<(), BatcherError> {
        let (blocks, chain_id) = (self.parts.blocks.clone(), self.config.chain_id);
        let (row, sidecar) = off_thread(move || {
            let mut inside = Vec::new();
            let mut height = span.first;
            while height <= span.last {
                inside.push(blocks.block(height)?.ok_or(BatcherError::Missing(height))?);
                height = height.next();
            }
            seal::seal(chain_id, &span, &inside).map_err(|source| sealing(span.number, source))
        })
        .await?;
        let stored = row.clone();
        self.store(move |store| store.insert_batch(&stored)).await?;
        let blocks = span.last.0 - span.first.0 + 1;
        let transactions = row.batch.non_privileged_transactions;
        metrics::sealed(span.why, span.number.0, blocks, row.payload_len());
        tracing::info!(batch = %span.number, first = %span.first, last = %span.last, transactions, bytes = row.payload_len(), why = span.why, "sealed a batch");
        self.progress.send_modify(|progress| progress.sealed = span.number);
        self.submit(row, Some(sidecar)).await
    }

    /// Hands a stored batch to the sender.
    async fn submit(
        &mut self,
        row: StoredBatch,
        sidecar: Option<ethrex_l1::Sidecar>,
    ) -> Result<(), BatcherError> {
        let (number, last) = (row.batch.number, row.batch.last_block);
        let data = seal::calldata(&row, self.config.commit_hash);
        let purpose = seal::purpose(&row);
        let sidecar = match sidecar {
            Some(sidecar) => sidecar,
            None => off_thread(move || seal::sidecar_of(&row))
                .await
                .map_err(|source| sealing(number, source))?,
        };
        let timelock = self.parts.settlement.contracts().timelock;
        let request = TxRequest::call(timelock, data).blob(sidecar);
        let outcome = self.parts.sender.submit(purpose, request).await?;
        self.under_way = Some(UnderWay { number, last, outcome });
        Ok(())
    }

    /// The commitment that was under way has ended.
    fn settle(
        &mut self,
        (number, last): (BatchNumber, L2Height),
        outcome: Result<Outcome, SenderStopped>,
    ) -> Result<(), BatcherError> {
        self.under_way = None;
        match outcome? {
            Outcome::Mined(mined) => {
                self.parts.store.set_commit_tx(number, mined.tx)?;
                metrics::committed(number.0, last.0);
                self.refusing = false;
                tracing::info!(batch = %number, last_block = %last, tx = %mined.tx, l1_block = mined.block, "batch committed on L1");
                self.progress.send_modify(|progress| progress.committed = number);
                self.go_on(number, last);
                Ok(())
            }
            Outcome::WouldRevert(revert) | Outcome::Reverted(_, revert) => {
                self.refused(number, revert)
            }
            Outcome::Refused(refusal) => {
                metrics::refused();
                tracing::error!(batch = %number, %refusal, "no L1 node takes the commitment; trying again");
                self.ask_again();
                Ok(())
            }
        }
    }

    /// The next batch opens. After a restart there is no machine yet: L1 is asked once more.
    fn go_on(&mut self, number: BatchNumber, last: L2Height) {
        let now = self.now();
        match &mut self.stage {
            Stage::Known(machine) => machine.committed(now),
            Stage::Unknown { .. } => self.open(number.next(), last.next()),
        }
    }

    /// The contract does not take a batch: either somebody has committed it, or it has to wait, or we must stop.
    fn refused(&mut self, batch: BatchNumber, revert: Revert) -> Result<(), BatcherError> {
        metrics::refused();
        match Refusal::of(&revert) {
            Refusal::Reconcile => {
                tracing::warn!(%batch, %revert, "L1 has moved on without us; looking again");
            }
            Refusal::Wait(why) => {
                if !std::mem::replace(&mut self.refusing, true) {
                    tracing::error!(%batch, %revert, why, "L1 does not take the batch; trying again");
                }
            }
            Refusal::PrivilegedMismatch => return Err(BatcherError::PrivilegedMismatch(batch)),
            Refusal::Stop(reason) => return Err(BatcherError::Refused { batch, reason, revert }),
        }
        self.ask_again();
        Ok(())
    }

    /// Goes on after an error that time may heal, and says so once.
    fn tolerate(&mut self, error: BatcherError) -> Result<(), BatcherError> {
        if error.reaction() == Reaction::Stop {
            return Err(error);
        }
        if !std::mem::replace(&mut self.away, true) {
            tracing::warn!(%error, source = ?std::error::Error::source(&error), "settlement waits for L1");
        }
        self.ask_again();
        Ok(())
    }

    async fn block(&self, height: L2Height) -> Result<Option<SourceBlock>, BatcherError> {
        let blocks = self.parts.blocks.clone();
        Ok(off_thread(move || blocks.block(height)).await?)
    }

    async fn store<T: Send + 'static>(
        &self,
        call: impl FnOnce(&Store) -> Result<T, ethrex_store::StoreError> + Send + 'static,
    ) -> Result<T, BatcherError> {
        let store = self.parts.store.clone();
        Ok(off_thread(move || call(&store)).await?)
    }
}

fn sealing(batch: BatchNumber, source: SealError) -> BatcherError {
    BatcherError::Seal { batch, source: Box::new(source) }
}

/// Runs work that waits for a disk or burns CPU off the async threads.
async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work)
        .await
        .expect("the batcher's work does not panic, and blocking work is not cancelled")
}

#[cfg(test)]
mod tests;
