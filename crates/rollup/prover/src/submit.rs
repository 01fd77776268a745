//! Has L1 verify what is proven.
//!
//! A look at L1 says what is verified and committed; consecutive batches whose proofs are all stored go out in one
//! `verifyBatches`. Before that every proof is compared with what L1 itself stores of its batch ([`check`]): where no proof is
//! required L1 would believe anything, so a difference halts settlement until somebody has looked.
//!
//! Not here: nonces, fees and restarts of transactions (`ethrex_l1::Sender`).

mod check;
mod verdict;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use alloy_primitives::{B256, Bytes, U256, hex};
use alloy_sol_types::SolCall;
use ethrex_l1::{
    L1Error, Outcome, Pending, Purpose, Reaction, Revert, Sender, SenderStopped, Settlement, State,
    TxRequest,
};
use ethrex_protocol::{BatchNumber, contracts::Timelock};
use ethrex_store::{Store, StoreError, StoredBatch};
use tokio::{
    sync::watch,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use crate::{message::ProverType, metrics, proof::StoredProof};
use check::{Alarm, Checked};
use verdict::Verdict;

/// Most batches in one transaction. Verifying one takes up to some 400,000 gas, and a transaction has 2^24 (EIP-7825).
const MAX_BATCHES: u64 = 16;
/// Wait after L1 refused a verification.
const RETRY: Duration = Duration::from_secs(10);
/// Time between two alarms while settlement is halted.
const ALARM_EVERY: Duration = Duration::from_secs(60);
/// Proofs of so many verified batches are kept: L1 may be reorganised, and a proof may be hours of work.
const KEEP_PROOFS: u64 = 64;
/// So many verified batches are looked at for the transaction that verified them.
const MAX_NOTES: u64 = 64;

/// What the submitter needs to know.
#[derive(Debug, Clone)]
pub struct SubmitConfig {
    /// Time between two looks.
    pub every: Duration,
    /// Whose proofs a batch needs, see [`ProverType::needed`].
    pub needed: BTreeSet<ProverType>,
    /// Chain id of the rollup.
    pub chain_id: u64,
    /// Names the program that proves, as batches are committed with it.
    pub commit_hash: B256,
}

/// What the submitter works with.
#[derive(Debug)]
pub struct SubmitParts {
    /// The contracts.
    pub settlement: Settlement,
    /// The signer of the proof sender's key.
    pub sender: Sender,
    /// Where batches and proofs are.
    pub store: Store,
    /// Told the last batch that L1 has verified, first once L1 was asked.
    pub verified: watch::Sender<Option<BatchNumber>>,
}

/// Why the submitter stopped.
#[derive(Debug, thiserror::Error)]
pub enum SubmitError {
    /// L1 cannot be asked.
    #[error("ask L1 about settlement")]
    L1(#[from] L1Error),
    /// The store failed.
    #[error("read or write proofs")]
    Store(#[from] StoreError),
    /// The sender has ended.
    #[error("send a verification")]
    Sender(#[from] SenderStopped),
}

impl SubmitError {
    /// The only place that decides how the loop reacts.
    #[must_use]
    pub const fn reaction(&self) -> Reaction {
        match self {
            Self::L1(error) => error.reaction(),
            Self::Store(_) | Self::Sender(_) => Reaction::Stop,
        }
    }
}

/// A batch whose proofs are all stored.
#[derive(Debug, Clone)]
struct Proven {
    batch: StoredBatch,
    proofs: BTreeMap<ProverType, StoredProof>,
}

impl Proven {
    const fn number(&self) -> BatchNumber {
        self.batch.batch.number
    }
}

/// A verification that is being sent.
#[derive(Debug)]
struct UnderWay {
    first: BatchNumber,
    batches: usize,
    outcome: Pending,
}

/// The loop that has batches verified.
#[derive(Debug)]
pub struct Submitter {
    config: SubmitConfig,
    parts: SubmitParts,
    under_way: Option<UnderWay>,
    /// Most batches in the next transaction: one while a proof is being looked for that L1 does not accept.
    most: u64,
    not_before: Instant,
    /// It has been said that L1 does not answer.
    away: bool,
    /// It has been said why L1 refuses.
    refusing: Option<Verdict>,
}

/// Why a look at L1 ended early.
#[derive(Debug)]
enum Ended {
    Failed(SubmitError),
    Alarm(Alarm),
}

impl<E: Into<SubmitError>> From<E> for Ended {
    fn from(error: E) -> Self {
        Self::Failed(error.into())
    }
}

impl From<Alarm> for Ended {
    fn from(alarm: Alarm) -> Self {
        Self::Alarm(alarm)
    }
}

impl Submitter {
    /// A submitter that has looked at nothing yet.
    #[must_use]
    pub fn new(config: SubmitConfig, parts: SubmitParts) -> Self {
        Self {
            config,
            parts,
            under_way: None,
            most: MAX_BATCHES,
            not_before: Instant::now(),
            away: false,
            refusing: None,
        }
    }

    /// Runs until stopped. An L1 that is down is waited for; an alarm halts settlement and nothing else.
    ///
    /// # Errors
    /// What no waiting helps against.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), SubmitError> {
        metrics::halted(false);
        let mut tick = interval(self.config.every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let turn = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                (sent, outcome) = under_way(&mut self.under_way) => self.settle(sent, outcome).await,
                _ = tick.tick() => self.turn().await,
            };
            match turn {
                Ok(()) => {}
                Err(Ended::Alarm(alarm)) => {
                    stop.run_until_cancelled(sound(&alarm)).await;
                    return Ok(());
                }
                // The sender ends by the same token, and may be faster.
                Err(Ended::Failed(SubmitError::Sender(_))) if stop.is_cancelled() => return Ok(()),
                Err(Ended::Failed(error)) => self.tolerate(error)?,
            }
        }
    }

    fn tolerate(&mut self, error: SubmitError) -> Result<(), SubmitError> {
        if error.reaction() == Reaction::Stop {
            return Err(error);
        }
        if !std::mem::replace(&mut self.away, true) {
            let source = std::error::Error::source(&error).map(ToString::to_string);
            tracing::warn!(%error, source, "verification waits for L1");
        }
        Ok(())
    }

    /// One look at L1; sends what can be sent.
    async fn turn(&mut self) -> Result<(), Ended> {
        if self.under_way.is_some() || Instant::now() < self.not_before {
            return Ok(());
        }
        let verified = self.parts.settlement.last_verified().await?;
        let committed = self.parts.settlement.last_committed().await?;
        if std::mem::take(&mut self.away) {
            tracing::info!("L1 answers again; verification goes on");
        }
        self.tell(verified).await?;
        let last = committed.min(BatchNumber(verified.0.saturating_add(self.most)));
        let needed = self.config.needed.clone();
        let run = self.store(move |store| proven(store, verified.next(), last, &needed)).await?;
        let run = self.check(verified, run).await?;
        if run.is_empty() { Ok(()) } else { self.send(&run).await }
    }

    /// Tells who wants to know how far L1 is, and notes it in the store.
    async fn tell(&self, verified: BatchNumber) -> Result<(), Ended> {
        if *self.parts.verified.borrow() == Some(verified) {
            return Ok(());
        }
        let l1 = self.parts.settlement.client().chain_id().await?;
        self.store(move |store| {
            note(store, l1, verified)?;
            store.delete_proofs_upto(BatchNumber(verified.0.saturating_sub(KEEP_PROOFS)))
        })
        .await?;
        metrics::verified(verified.0);
        self.parts.verified.send_replace(Some(verified));
        Ok(())
    }

    /// The batches of `run` that are on L1 as they are proven.
    async fn check(&self, verified: BatchNumber, run: Vec<Proven>) -> Result<Vec<Proven>, Ended> {
        if run.is_empty() {
            return Ok(run);
        }
        let settlement = &self.parts.settlement;
        check::chain_id(self.config.chain_id, settlement.rollup_chain_id().await?)?;
        // Absent only while L1 is being reorganised.
        let Some(before) = settlement.committed(verified).await? else { return Ok(Vec::new()) };
        let mut initial_root = before.newStateRoot;
        let mut checked = Vec::with_capacity(run.len());
        for proven in run {
            let Some(on_l1) = settlement.committed(proven.number()).await? else { break };
            let expected = Checked {
                chain_id: self.config.chain_id,
                commit_hash: self.config.commit_hash,
                initial_root,
            };
            expected.check(&proven, &on_l1)?;
            initial_root = on_l1.newStateRoot;
            checked.push(proven);
        }
        Ok(checked)
    }

    async fn send(&mut self, run: &[Proven]) -> Result<(), Ended> {
        let Some(first) = run.first() else { return Ok(()) };
        let request = TxRequest::call(self.parts.settlement.contracts().timelock, calldata(run));
        let purpose = purpose(&first.batch);
        tracing::info!(first = %first.number(), batches = run.len(), "sending proven batches to L1");
        let outcome = self.parts.sender.submit(purpose, request).await?;
        self.under_way = Some(UnderWay { first: first.number(), batches: run.len(), outcome });
        Ok(())
    }

    async fn settle(
        &mut self,
        (first, batches): (BatchNumber, usize),
        outcome: Result<Outcome, SenderStopped>,
    ) -> Result<(), Ended> {
        self.under_way = None;
        match outcome? {
            Outcome::Mined(mined) => {
                tracing::info!(%first, batches, tx = %mined.tx, l1_block = mined.block, gas = mined.gas_used, "L1 has verified batches");
                self.most = MAX_BATCHES;
                self.refusing = None;
                Ok(())
            }
            Outcome::Reverted(_, revert) | Outcome::WouldRevert(revert) => {
                self.reverted(first, batches, &revert).await
            }
            Outcome::Refused(error) => {
                tracing::error!(%first, %error, "no L1 node takes the verification");
                self.refused();
                Ok(())
            }
        }
    }

    /// L1 does not verify this; tries what may help.
    async fn reverted(
        &mut self,
        first: BatchNumber,
        batches: usize,
        revert: &Revert,
    ) -> Result<(), Ended> {
        let verdict = Verdict::of(revert);
        self.refused();
        match verdict {
            Verdict::BadProof(prover) if batches == 1 && self.config.needed.contains(&prover) => {
                tracing::error!(batch = %first, %prover, "L1 does not accept a proof; it is thrown away and made again");
                self.store(move |store| store.delete_proof(first, prover.id())).await?;
            }
            Verdict::BadProof(_) if batches > 1 => {
                tracing::warn!(%first, batches, %revert, "L1 does not accept one of the proofs; looking for it");
                self.most = 1;
                self.not_before = Instant::now();
            }
            Verdict::Stale => {
                tracing::info!(%first, %revert, "L1 is elsewhere than we believed; looking again");
            }
            Verdict::Expired => self.say_once(verdict, || {
                tracing::error!(%first, "messages of L1 have waited longer than the bridge allows; L1 verifies no batch with other transactions before they are included");
            }),
            Verdict::BadProof(_) | Verdict::Other => {
                self.most = 1;
                self.say_once(verdict, || {
                    tracing::error!(%first, batches, %revert, "L1 refuses to verify; trying again");
                });
            }
        }
        Ok(())
    }

    fn refused(&mut self) {
        metrics::refused();
        self.not_before = Instant::now() + RETRY;
    }

    fn say_once(&mut self, verdict: Verdict, say: impl FnOnce()) {
        if self.refusing.replace(verdict) != Some(verdict) {
            say();
        }
    }

    /// Uses the store off the async threads: it waits for a disk.
    async fn store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let store = self.parts.store.clone();
        tokio::task::spawn_blocking(move || work(&store))
            .await
            .expect("the store does not panic, and blocking calls are not cancelled")
    }
}

/// Waits for the outcome of the verification that is under way; for ever if none is.
async fn under_way(
    under_way: &mut Option<UnderWay>,
) -> ((BatchNumber, usize), Result<Outcome, SenderStopped>) {
    match under_way {
        Some(sent) => ((sent.first, sent.batches), (&mut sent.outcome).await),
        None => std::future::pending().await,
    }
}

/// Repeats an alarm for ever.
async fn sound(alarm: &Alarm) {
    metrics::halted(true);
    let mut again = interval(ALARM_EVERY);
    loop {
        again.tick().await;
        tracing::error!(%alarm, "settlement is halted: nothing is sent to L1 until an operator has looked and restarts the node");
    }
}

/// The consecutive batches from `first` to `last` whose proofs are all stored.
fn proven(
    store: &Store,
    first: BatchNumber,
    last: BatchNumber,
    needed: &BTreeSet<ProverType>,
) -> Result<Vec<Proven>, StoreError> {
    let mut run = Vec::new();
    for number in (first.0..=last.0).map(BatchNumber) {
        let Some(batch) = store.batch(number)? else { break };
        let mut proofs = BTreeMap::new();
        for &prover in needed {
            let Some(bytes) = store.proof(number, prover.id())? else { return Ok(run) };
            let Ok(proof) = StoredProof::decode(&bytes) else {
                tracing::error!(batch = %number, %prover, "a stored proof is damaged; it is made again");
                store.delete_proof(number, prover.id())?;
                return Ok(run);
            };
            proofs.insert(prover, proof);
        }
        run.push(Proven { batch, proofs });
    }
    Ok(run)
}

/// Notes which transaction verified each of the newest verified batches.
///
/// From the outbox and not from outcomes, which a restart may lose. A transaction verifies its first batch and all up to the
/// next one that a transaction of ours starts with.
fn note(store: &Store, l1_chain: u64, verified: BatchNumber) -> Result<(), StoreError> {
    let oldest = verified.0.saturating_sub(MAX_NOTES) + 1;
    let mut tx = None;
    for number in (oldest..=verified.0).map(BatchNumber) {
        let Some(row) = store.batch(number)? else { continue };
        if let Some(State::Mined(mined)) = store.sent(l1_chain, &purpose(&row))? {
            tx = Some(mined.tx);
        }
        if let (None, Some(tx)) = (row.batch.verify_tx, tx) {
            store.set_verify_tx(number, number, tx)?;
        }
    }
    Ok(())
}

/// Names the verification that starts with this batch, in the outbox and in logs. What else it verifies is left out: one that
/// is under way must be found again after a restart, when more batches are proven.
fn purpose(first: &StoredBatch) -> Purpose {
    let content = hex::encode(&first.last_block_hash[..4]);
    Purpose::new(format!("verify:{}:{content}", first.batch.number))
}

/// `verifyBatches` with one entry per batch and kind, empty where no such proof is needed.
fn calldata(run: &[Proven]) -> Vec<u8> {
    let of = |prover| -> Vec<Bytes> {
        run.iter()
            .map(|batch| batch.proofs.get(&prover).map_or_else(Bytes::new, |p| p.proof.clone()))
            .collect()
    };
    let first = run.first().map_or(0, |batch| batch.number().0);
    Timelock::verifyBatchesCall {
        firstBatchNumber: U256::from(first),
        risc0Proofs: of(ProverType::Risc0),
        sp1Proofs: of(ProverType::Sp1),
        tdxSignatures: of(ProverType::Tdx),
    }
    .abi_encode()
}

#[cfg(test)]
mod tests;
