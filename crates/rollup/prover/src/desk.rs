//! The desk of the coordinator: one thread that knows who proves what, and alone stores proofs.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use ethrex_protocol::BatchNumber;
use ethrex_store::{Store, StoreError, StoredBatch};
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    machine::{Machine, View},
    message::{ProverOutput, ProverType},
    metrics,
    proof::{Rollup, StoredProof},
};

/// Jobs that may wait: one per connection at most.
const INBOX: usize = 64;

/// What the desk says to a prover that asks for work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Assigned {
    /// Prove this batch.
    Batch(Box<StoredBatch>),
    /// There is nothing to prove.
    Nothing,
    /// Nobody needs such proofs.
    NotNeeded,
}

/// What the desk says to a prover that brings a proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Submitted {
    /// The proof is stored.
    Stored,
    /// There is one already, or L1 has verified the batch.
    Known,
    /// Nobody needs such proofs.
    NotNeeded,
    /// The proof is not taken.
    Refused(Refusal),
}

/// Why a proof is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// There is no such batch.
    #[error("there is no such batch")]
    UnknownBatch,
    /// Nobody was asked to prove it since this coordinator started, and the proof does not say what it proves.
    #[error("the batch was not handed out, and the proof does not say what it proves")]
    NotAssigned,
    /// It proves something else, or nothing.
    #[error("the public inputs are not those of the batch")]
    WrongInputs,
}

/// The desk failed, or has ended. The prover may ask again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the coordinator cannot reach its store")]
pub(crate) struct DeskFailed;

enum Job {
    Assign {
        prover: ProverType,
        reply: oneshot::Sender<Result<Assigned, StoreError>>,
    },
    Submit {
        batch: BatchNumber,
        output: ProverOutput,
        reply: oneshot::Sender<Result<Submitted, StoreError>>,
    },
    Release {
        batch: BatchNumber,
        prover: ProverType,
    },
}

/// Asks the desk. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct DeskHandle {
    jobs: mpsc::Sender<Job>,
}

impl DeskHandle {
    pub(crate) async fn assign(&self, prover: ProverType) -> Result<Assigned, DeskFailed> {
        let (reply, answer) = oneshot::channel();
        self.ask(Job::Assign { prover, reply }, answer).await
    }

    pub(crate) async fn submit(
        &self,
        batch: BatchNumber,
        output: ProverOutput,
    ) -> Result<Submitted, DeskFailed> {
        let (reply, answer) = oneshot::channel();
        self.ask(Job::Submit { batch, output, reply }, answer).await
    }

    /// The prover will bring nothing: its batch goes to the next one.
    pub(crate) async fn release(&self, batch: BatchNumber, prover: ProverType) {
        let _ = self.jobs.send(Job::Release { batch, prover }).await; // nobody is left to mind
    }

    async fn ask<T>(
        &self,
        job: Job,
        answer: oneshot::Receiver<Result<T, StoreError>>,
    ) -> Result<T, DeskFailed> {
        self.jobs.send(job).await.map_err(|_| DeskFailed)?;
        answer.await.map_err(|_| DeskFailed)?.map_err(|error| {
            tracing::error!(%error, source = ?std::error::Error::source(&error), "the rollup store failed a prover");
            DeskFailed
        })
    }
}

/// The desk.
#[derive(Debug)]
pub(crate) struct Desk {
    pub(crate) machine: Machine,
    pub(crate) needed: BTreeSet<ProverType>,
    pub(crate) rollup: Rollup,
    pub(crate) store: Store,
    /// The last batch L1 has verified; `None` until L1 was asked.
    pub(crate) verified: watch::Receiver<Option<BatchNumber>>,
}

impl Desk {
    /// A handle, and the loop that serves it until all handles are gone; it belongs on a thread that may block.
    pub(crate) fn open(mut self) -> (DeskHandle, impl FnOnce() + Send + 'static) {
        let (jobs, mut inbox) = mpsc::channel(INBOX);
        let work = move || {
            let started = Instant::now();
            while let Some(job) = inbox.blocking_recv() {
                self.serve(started.elapsed(), job);
            }
        };
        (DeskHandle { jobs }, work)
    }

    fn serve(&mut self, now: Duration, job: Job) {
        // An asker may have gone; what was decided holds all the same.
        match job {
            Job::Assign { prover, reply } => drop(reply.send(self.assign(now, prover))),
            Job::Submit { batch, output, reply } => drop(reply.send(self.submit(batch, &output))),
            Job::Release { batch, prover } => self.machine.release(batch, prover),
        }
    }

    /// The work for a prover that asks now.
    fn assign(&mut self, now: Duration, prover: ProverType) -> Result<Assigned, StoreError> {
        if !self.needed.contains(&prover) {
            return Ok(Assigned::NotNeeded);
        }
        let Some(verified) = *self.verified.borrow() else { return Ok(Assigned::Nothing) };
        let Some(sealed) = self.store.last_batch()? else { return Ok(Assigned::Nothing) };
        let proven = self.store.proven_from(verified.next(), prover.id())?;
        let view = View { verified, sealed, proven: &proven };
        let Some(number) = self.machine.assign(now, prover, view) else {
            return Ok(Assigned::Nothing);
        };
        let Some(batch) = self.store.batch(number)? else {
            self.machine.release(number, prover);
            return Ok(Assigned::Nothing);
        };
        metrics::assigned(prover);
        tracing::info!(batch = %number, %prover, "handed a batch to a prover");
        Ok(Assigned::Batch(Box::new(batch)))
    }

    /// Takes a proof, or says why not.
    fn submit(
        &mut self,
        number: BatchNumber,
        output: &ProverOutput,
    ) -> Result<Submitted, StoreError> {
        let prover = output.proof().prover_type;
        let submitted = self.judge(number, prover, output)?;
        match submitted {
            Submitted::Stored => {
                metrics::submitted(prover, "stored");
                tracing::info!(batch = %number, %prover, "stored the proof of a batch");
            }
            Submitted::Known => metrics::submitted(prover, "known"),
            Submitted::NotNeeded => metrics::submitted(prover, "refused"),
            Submitted::Refused(reason) => {
                metrics::submitted(prover, "refused");
                tracing::warn!(batch = %number, %prover, %reason, "refused a proof; if its prover is honest, the batch cannot be settled");
            }
        }
        Ok(submitted)
    }

    fn judge(
        &mut self,
        number: BatchNumber,
        prover: ProverType,
        output: &ProverOutput,
    ) -> Result<Submitted, StoreError> {
        if !self.needed.contains(&prover) {
            return Ok(Submitted::NotNeeded);
        }
        let settled = self.verified.borrow().is_some_and(|verified| number <= verified);
        if settled || self.store.proof(number, prover.id())?.is_some() {
            return Ok(Submitted::Known);
        }
        let refused = |reason| Ok(Submitted::Refused(reason));
        let Some(batch) = self.store.batch(number)? else { return refused(Refusal::UnknownBatch) };
        let proof = StoredProof::of(output);
        // Who was asked is forgotten at a restart. A proof of what the batch needs is welcome from whoever brings it, but one
        // that leaves this to L1 to find out only from somebody who was given the input.
        if proof.public_values.is_empty() && !self.machine.is_assigned(number, prover) {
            return refused(Refusal::NotAssigned);
        }
        let Some(expected) = self.rollup.expected(&self.store, &batch)? else {
            return refused(Refusal::UnknownBatch);
        };
        if !proof.asserts(prover, &expected) {
            self.machine.release(number, prover);
            return refused(Refusal::WrongInputs);
        }
        self.store.put_proof(number, prover.id(), &proof.encode())?;
        self.machine.release(number, prover);
        Ok(Submitted::Stored)
    }
}

#[cfg(test)]
pub(crate) mod tests;
