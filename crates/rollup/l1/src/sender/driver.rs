//! The loop around the machine: asks L1, signs, persists, broadcasts, tells.
//!
//! It may be cancelled at any await: whatever left this process stands in the outbox.

use std::{collections::HashMap, sync::Arc, time::Duration};

use alloy_primitives::{B256, Bytes};
use tokio::{
    sync::oneshot,
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use super::{
    answer::Answer,
    handle::{Job, SenderError, SenderTask},
    machine::{Look, Machine, Mined, Outcome, REORG_DEPTH, Step},
    outbox::{Entry, Outbox, OutboxError, Purpose, State},
    request::{self, Signed, SigningKey, Terms, TxRequest},
};
use crate::{
    client::{Client, Fees, Header, Market},
    error::{L1Error, Reaction, Revert},
    metrics,
};

/// An estimate is exact for the state it saw; contracts may cost a little more a block later.
const GAS_HEADROOM: (u64, u64) = (12, 10);
/// Longest run of steps between two looks at L1, so that a machine that never rests cannot starve the rest.
const MAX_STEPS: usize = 64;

impl SenderTask {
    /// Runs until stopped. An L1 that is down is waited for.
    pub async fn run(self, stop: CancellationToken) -> Result<(), SenderError> {
        tokio::select! {
            () = stop.cancelled() => Ok(()),
            ended = self.work() => ended,
        }
    }

    async fn work(self) -> Result<(), SenderError> {
        let mut tick = interval(self.config.every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut outage = Outage::default();
        let mut driver = loop {
            tick.tick().await;
            match Driver::resume(&self).await {
                Ok(driver) => break driver,
                Err(error) => outage.tolerate(error)?,
            }
        };
        let mut inbox = self.inbox;
        loop {
            let turn = tokio::select! {
                job = inbox.recv() => match job {
                    Some(job) => driver.accept(job).await,
                    None if driver.idle() => return Ok(()),
                    None => { tick.tick().await; driver.turn().await }
                },
                _ = tick.tick() => driver.turn().await,
            };
            match turn {
                Ok(()) => outage.over(),
                Err(error) => outage.tolerate(error)?,
            }
        }
    }
}

/// Says once that L1 is down, and once that it is back.
#[derive(Debug, Default)]
struct Outage(bool);

impl Outage {
    fn tolerate(&mut self, error: SenderError) -> Result<(), SenderError> {
        if error.reaction() == Reaction::Stop {
            return Err(error);
        }
        if !std::mem::replace(&mut self.0, true) {
            tracing::warn!(%error, source = ?std::error::Error::source(&error), "cannot send to L1; trying again");
        }
        Ok(())
    }

    fn over(&mut self) {
        if std::mem::take(&mut self.0) {
            tracing::info!("sending to L1 works again");
        }
    }
}

/// What belongs to a purpose until its outcome is told.
#[derive(Debug, Default)]
struct Desk {
    /// Needed until the first attempt is signed.
    request: Option<TxRequest>,
    replies: Vec<oneshot::Sender<Outcome>>,
}

#[derive(Debug)]
struct Driver {
    client: Client,
    key: SigningKey,
    outbox: Arc<dyn Outbox>,
    chain_id: u64,
    machine: Machine,
    started: Instant,
    desks: HashMap<Purpose, Desk>,
    /// Entries of transactions that are in flight or mined and watched, by nonce.
    entries: HashMap<u64, Entry>,
    /// The head of the last look: where it is no longer part of L1, what was mined is looked up again.
    seen: Option<(u64, B256)>,
    /// It has been said that L1 is too dear.
    said_over_cap: bool,
}

impl Driver {
    /// Reads the outbox and L1, and takes back whatever was under way.
    async fn resume(task: &SenderTask) -> Result<Self, SenderError> {
        let client = task.client.clone();
        let from = task.key.address();
        let chain_id = client.chain_id().await?;
        let mined = client.mined_nonce(from).await?;
        let pending = client.pending_nonce(from).await?;
        let outbox = task.outbox.clone();
        let (last, known) = durably(&outbox, move |outbox| {
            let watched = mined.saturating_sub(REORG_DEPTH);
            Ok((outbox.last_nonce(chain_id, from)?, outbox.recent(chain_id, from, watched)?))
        })
        .await?;
        // Foreign transactions of this key that the node holds keep their nonces.
        let next = mined.max(pending).max(last.map_or(0, |nonce| nonce + 1));
        let mut machine = Machine::new(task.config.policy.clone(), next);
        let mut entries = HashMap::new();
        for entry in known {
            let (_, fees, kind) = request::inspect(&entry.raw)?;
            let purpose = entry.purpose.clone();
            match entry.state {
                State::Open => machine.restore(purpose, entry.nonce, kind, fees),
                State::Mined(at) => {
                    machine.restore_mined(purpose, entry.nonce, kind, fees, (at, true));
                }
                State::Reverted(at) => {
                    machine.restore_mined(purpose, entry.nonce, kind, fees, (at, false));
                }
                State::Void => continue,
            }
            entries.insert(entry.nonce, entry);
        }
        let (under_way, _) = machine.load();
        tracing::info!(%from, next_nonce = next, under_way, "ready to send to L1");
        Ok(Self {
            client,
            key: task.key.clone(),
            outbox,
            chain_id,
            machine,
            started: Instant::now(),
            desks: HashMap::new(),
            entries,
            seen: None,
            said_over_cap: false,
        })
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    /// Nothing is queued, under way or awaited.
    fn idle(&self) -> bool {
        self.machine.load() == (0, 0)
    }

    /// Takes a submission, unless its purpose is served already.
    async fn accept(&mut self, Job { purpose, request, reply }: Job) -> Result<(), SenderError> {
        if self.machine.knows(&purpose) {
            self.desks.entry(purpose).or_default().replies.push(reply);
            return Ok(());
        }
        let chain_id = self.chain_id;
        let known = {
            let purpose = purpose.clone();
            durably(&self.outbox, move |outbox| outbox.find(chain_id, &purpose)).await?
        };
        if let Some(Entry { state: State::Mined(mined), .. }) = known {
            tracing::debug!(%purpose, tx = %mined.tx, "already mined; nothing is sent");
            let _ = reply.send(Outcome::Mined(mined)); // the asker may have gone
            return Ok(());
        }
        self.machine.submit(purpose.clone(), request.kind());
        let desk = self.desks.entry(purpose).or_default();
        desk.request = Some(request);
        desk.replies.push(reply);
        self.steps().await
    }

    /// One look at L1, and everything that follows from it.
    async fn turn(&mut self) -> Result<(), SenderError> {
        self.look().await?;
        self.steps().await?;
        let (in_flight, waiting) = self.machine.load();
        metrics::queue(in_flight, waiting);
        Ok(())
    }

    async fn look(&mut self) -> Result<(), SenderError> {
        // The nonce first: a block between the two questions then only makes a receipt look early.
        let nonce = self.client.mined_nonce(self.key.address()).await?;
        let head = self.client.head().await?;
        self.machine.observe(self.now(), Look { head: head.number, nonce });
        match self.is_reorganised(&head).await? {
            Some(false) => self.seen = Some((head.number, head.hash)),
            Some(true) => {
                self.machine.doubt();
                self.seen = Some((head.number, head.hash));
            }
            None => {}
        }
        self.entries.retain(|&nonce, _| self.machine.watches(nonce));
        for nonce in self.machine.unexplained() {
            self.explain(nonce).await?;
        }
        for nonce in self.machine.expected_in_pool() {
            let Some(newest) = self.entries.get(&nonce).and_then(|e| e.hashes.last().copied())
            else {
                continue;
            };
            if !self.client.knows(newest).await? {
                tracing::info!(nonce, tx = %newest, "L1 has lost a transaction; sending it again");
                self.machine.dropped(nonce);
            }
        }
        self.tell().await
    }

    /// Whether the head of the last look is no longer part of L1; `None` if a node that is behind cannot say.
    async fn is_reorganised(&self, head: &Header) -> Result<Option<bool>, SenderError> {
        let Some((number, hash)) = self.seen.filter(|_| self.machine.watches_mined()) else {
            return Ok(Some(false));
        };
        if head.hash == hash || head.parent == hash {
            return Ok(Some(false));
        }
        let now = self.client.header(number).await?;
        Ok(now.map(|now| now.hash != hash))
    }

    /// Finds out which of our attempts used a nonce.
    async fn explain(&mut self, nonce: u64) -> Result<(), SenderError> {
        let Some(entry) = self.entries.get(&nonce) else { return Ok(()) };
        let mut found = None;
        for &hash in entry.hashes.iter().rev() {
            found = self.client.receipt(hash).await?;
            if found.is_some() {
                break;
            }
        }
        if self.machine.receipt(nonce, found) {
            tracing::error!(nonce, purpose = %entry.purpose, "another program uses this key: its transaction took the nonce of ours, which is signed again");
            self.displace(nonce).await?;
        }
        Ok(())
    }

    /// The transaction can never be mined: its purpose is served by a new one.
    async fn displace(&mut self, nonce: u64) -> Result<(), SenderError> {
        let Some(mut entry) = self.entries.remove(&nonce) else { return Ok(()) };
        entry.state = State::Void;
        let desk = self.desks.entry(entry.purpose.clone()).or_default();
        if desk.request.is_none() {
            desk.request = Some(request::recover(&entry.raw)?);
        }
        self.machine.requeue(nonce);
        self.put(entry).await
    }

    /// Tells the outcomes that are deep enough.
    async fn tell(&mut self) -> Result<(), SenderError> {
        for (purpose, nonce, mined, success) in self.machine.told() {
            let Some(mut entry) = self.entries.get(&nonce).cloned() else { continue };
            entry.state = if success { State::Mined(mined) } else { State::Reverted(mined) };
            let outcome = if success {
                Outcome::Mined(mined)
            } else {
                Outcome::Reverted(mined, self.reason(&entry.raw, &mined).await?)
            };
            self.entries.insert(nonce, entry.clone());
            self.put(entry).await?;
            tracing::info!(%purpose, tx = %mined.tx, block = mined.block, gas = mined.gas_used, success, "L1 transaction mined");
            self.finish(&purpose, &outcome);
        }
        Ok(())
    }

    /// Why a mined transaction reverted, as far as L1 can still tell.
    async fn reason(&self, raw: &Bytes, mined: &Mined) -> Result<Revert, SenderError> {
        let (call, _, _) = request::inspect(raw)?;
        let call = request::as_simulation(call, self.key.address());
        Ok(match self.client.call_at(call, mined.block.saturating_sub(1)).await {
            Ok(Err(revert)) => revert,
            // The state before is gone, or the call depends on its place in the block.
            Ok(Ok(_)) | Err(_) => Revert::default(),
        })
    }

    fn finish(&mut self, purpose: &Purpose, outcome: &Outcome) {
        metrics::finished(match outcome {
            Outcome::Mined(_) => "mined",
            Outcome::Reverted(..) => "reverted",
            Outcome::WouldRevert(_) => "would_revert",
            Outcome::Refused(_) => "refused",
        });
        for reply in self.desks.remove(purpose).unwrap_or_default().replies {
            let _ = reply.send(outcome.clone()); // the asker may have gone
        }
    }

    /// Does what the machine wants until it wants nothing.
    async fn steps(&mut self) -> Result<(), SenderError> {
        if self.idle() {
            return Ok(());
        }
        let market = self.client.market().await?;
        for _ in 0..MAX_STEPS {
            let Some(step) = self.machine.next(self.now(), &market) else { break };
            match step {
                Step::Start { purpose, nonce, fees } => self.start(purpose, nonce, fees).await?,
                Step::Raise { nonce, fees } => self.raise(nonce, fees, &market).await?,
                Step::Again { nonce } => self.broadcast(nonce, "again").await?,
            }
        }
        let over_cap = self.machine.over_cap();
        if over_cap {
            metrics::over_cap();
        }
        match (std::mem::replace(&mut self.said_over_cap, over_cap), over_cap) {
            (false, true) => {
                tracing::warn!(?market, "L1 is dearer than the fee caps allow; waiting");
            }
            (true, false) => tracing::info!(?market, "L1 is below the fee caps again"),
            _ => {}
        }
        Ok(())
    }

    async fn start(&mut self, purpose: Purpose, nonce: u64, fees: Fees) -> Result<(), SenderError> {
        let Some(request) = self.desks.get(&purpose).and_then(|desk| desk.request.clone()) else {
            self.machine.withdraw(&purpose);
            return Ok(());
        };
        let gas_limit = match self.gas_limit(&request).await {
            Ok(Ok(gas)) => gas,
            Ok(Err(revert)) => {
                self.machine.withdraw(&purpose);
                self.finish(&purpose, &Outcome::WouldRevert(revert));
                return Ok(());
            }
            Err(error) => {
                self.machine.postpone(self.now(), &purpose);
                return Err(error.into());
            }
        };
        let terms = Terms { chain_id: self.chain_id, nonce, gas_limit, fees };
        let Signed { hash, raw } = request::sign(&self.key, request, &terms).await;
        let entry = Entry {
            purpose: purpose.clone(),
            chain_id: self.chain_id,
            from: self.key.address(),
            nonce,
            raw,
            hashes: vec![hash],
            state: State::Open,
        };
        self.entries.insert(nonce, entry.clone());
        self.put(entry).await?;
        self.machine.started(&purpose, nonce, fees);
        tracing::info!(%purpose, tx = %hash, nonce, "sending an L1 transaction");
        self.broadcast(nonce, "new").await
    }

    /// The gas limit to sign. Without a limit of the submitter's, L1's estimate with headroom.
    async fn gas_limit(&self, request: &TxRequest) -> Result<Result<u64, Revert>, L1Error> {
        if let Some(gas) = request.gas_limit {
            return Ok(Ok(gas));
        }
        let estimate = self.client.estimate_gas(request.simulation(self.key.address())).await?;
        let (by, over) = GAS_HEADROOM;
        Ok(estimate.map(|gas| gas.saturating_mul(by) / over))
    }

    async fn raise(&mut self, nonce: u64, fees: Fees, market: &Market) -> Result<(), SenderError> {
        let Some(mut entry) = self.entries.get(&nonce).cloned() else { return Ok(()) };
        let Signed { hash, raw } = request::resign(&self.key, &entry.raw, &fees).await?;
        entry.raw = raw;
        entry.hashes.push(hash);
        self.entries.insert(nonce, entry.clone());
        tracing::warn!(purpose = %entry.purpose, tx = %hash, nonce, ?fees, ?market, "an L1 transaction is stuck; offering more");
        self.put(entry).await?;
        self.machine.raised(nonce, fees);
        self.broadcast(nonce, "bump").await
    }

    async fn broadcast(&mut self, nonce: u64, step: &'static str) -> Result<(), SenderError> {
        let Some(entry) = self.entries.get(&nonce) else { return Ok(()) };
        metrics::broadcast(step);
        let refusal = match self.client.send_raw(&entry.raw).await {
            Ok(Ok(())) => {
                self.machine.answered(self.now(), nonce, Answer::Accepted);
                return Ok(());
            }
            Ok(Err(refusal)) => refusal,
            Err(error) => {
                self.machine.unreachable(self.now(), nonce);
                return Err(error.into());
            }
        };
        let answer = Answer::of_refusal(&refusal);
        match answer {
            Answer::Accepted => {}
            Answer::InsufficientFunds => {
                metrics::unfunded();
                tracing::error!(account = %self.key.address(), %refusal, "this account cannot pay for L1 transactions; send ETH to it");
            }
            Answer::Invalid => {
                tracing::error!(purpose = %entry.purpose, nonce, %refusal, "L1 refuses a transaction for good");
            }
            _ if step == "again" => {
                tracing::debug!(purpose = %entry.purpose, nonce, %refusal, ?answer, "L1 still does not take a transaction");
            }
            _ => {
                tracing::warn!(purpose = %entry.purpose, nonce, %refusal, ?answer, "L1 did not take a transaction; trying again");
            }
        }
        if self.machine.answered(self.now(), nonce, answer)
            && let Some(mut entry) = self.entries.remove(&nonce)
        {
            entry.state = State::Void;
            let purpose = entry.purpose.clone();
            self.put(entry).await?;
            self.finish(&purpose, &Outcome::Refused(refusal));
        }
        Ok(())
    }

    async fn put(&self, entry: Entry) -> Result<(), SenderError> {
        Ok(durably(&self.outbox, move |outbox| outbox.put(&entry)).await?)
    }
}

/// Runs a call of the outbox off the async threads: it waits for a disk.
async fn durably<T: Send + 'static>(
    outbox: &Arc<dyn Outbox>,
    call: impl FnOnce(&dyn Outbox) -> Result<T, OutboxError> + Send + 'static,
) -> Result<T, OutboxError> {
    let outbox = outbox.clone();
    tokio::task::spawn_blocking(move || call(&*outbox))
        .await
        .expect("outboxes do not panic, and blocking calls are not cancelled")
}
