//! Decides which transaction is signed, replaced or sent again next. No clock, no network, no disk.
//!
//! Purposes enter through [`Machine::submit`] in order and get consecutive nonces. What L1 shows enters through
//! [`Machine::observe`] and [`Machine::receipt`]; what to do leaves through [`Machine::next`], what came of a
//! purpose through [`Machine::told`]. Only the transaction with the lowest nonce is ever raised: the others wait
//! for it, not for a better price.
//!
//! Not here: bytes, keys and the outbox (`driver`), prices (`policy`).

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use alloy_primitives::{Address, B256};

use super::{
    answer::Answer,
    outbox::Purpose,
    policy::{Kind, Policy},
};
use crate::{
    client::{Fees, Market, Receipt},
    error::{NodeError, Revert},
};

/// Wait after an answer that may be different soon.
const RETRY: Duration = Duration::from_secs(2);
/// Wait after the account could not pay.
const RETRY_UNFUNDED: Duration = Duration::from_secs(10);
/// L1 blocks a used nonce may stay without a receipt of ours before we believe that a foreign transaction took it.
const DISPLACED_AFTER: u64 = 12;
/// Mined transactions are watched for reorganisations up to this depth.
pub(super) const REORG_DEPTH: u64 = 64;

/// Where a transaction was mined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mined {
    /// The attempt that was mined.
    pub tx: B256,
    /// The block that holds it.
    pub block: u64,
    /// Gas it used.
    pub gas_used: u64,
    /// The contract it created, if any.
    pub created: Option<Address>,
}

impl Mined {
    const fn of(receipt: &Receipt) -> Self {
        let Receipt { tx, block, gas_used, created, .. } = *receipt;
        Self { tx, block, gas_used, created }
    }
}

/// The end of a purpose, as its submitter sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Mined, and it did its work.
    Mined(Mined),
    /// Mined, and it reverted. It may be submitted anew.
    Reverted(Mined, Revert),
    /// Never signed: L1 says that it would revert. It may be submitted anew.
    WouldRevert(Revert),
    /// No node will ever take it. It may be submitted anew, changed.
    Refused(NodeError),
}

/// What the driver is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Estimate, sign with this nonce and these fees, persist, broadcast.
    Start { purpose: Purpose, nonce: u64, fees: Fees },
    /// Sign a replacement with these fees, persist, broadcast.
    Raise { nonce: u64, fees: Fees },
    /// Broadcast the newest attempt again.
    Again { nonce: u64 },
}

/// What L1 showed in one look.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    pub(super) head: u64,
    /// Transactions of the account that are mined.
    pub(super) nonce: u64,
}

#[derive(Debug)]
struct Waiting {
    purpose: Purpose,
    kind: Kind,
    not_before: Duration,
}

#[derive(Debug)]
struct Flight {
    purpose: Purpose,
    kind: Kind,
    /// Fees of all attempts, oldest first; of those before a restart only the newest is known.
    attempts: Vec<Fees>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Pending(PendingStage),
    /// `doubted`: L1 was reorganised since its receipt was read, or the process restarted. It may stand in another block
    /// now, and have failed there.
    Mined {
        mined: Mined,
        success: bool,
        told: bool,
        doubted: bool,
    },
}

#[derive(Debug)]
struct PendingStage {
    /// A node has the newest attempt.
    accepted: bool,
    /// Any attempt was ever accepted by a node.
    ever_accepted: bool,
    /// Since when it has been waiting for a block as the lowest nonce, with the newest fees.
    since: Option<(Duration, u64)>,
    /// Earliest time of the next broadcast, if it is not accepted.
    retry_at: Duration,
    /// A node said that the newest fees are too low.
    underpriced: bool,
    /// The head at which the nonce was first seen used without a receipt of ours.
    used_at: Option<u64>,
    /// Raises since the first attempt of this process.
    raises: usize,
}

impl PendingStage {
    const fn new(accepted: bool) -> Self {
        Self {
            accepted,
            ever_accepted: accepted,
            since: None,
            retry_at: Duration::ZERO,
            underpriced: false,
            used_at: None,
            raises: 0,
        }
    }
}

/// The state of one account's transactions.
#[derive(Debug)]
pub(super) struct Machine {
    policy: Policy,
    next_nonce: u64,
    look: Look,
    waiting: VecDeque<Waiting>,
    flights: BTreeMap<u64, Flight>,
    over_cap: bool,
}

impl Machine {
    /// Starts with the next nonce never used by us.
    pub(super) fn new(policy: Policy, next_nonce: u64) -> Self {
        Self {
            policy,
            next_nonce,
            look: Look { head: 0, nonce: 0 },
            waiting: VecDeque::new(),
            flights: BTreeMap::new(),
            over_cap: false,
        }
    }

    /// Takes back a transaction signed before a restart; nobody knows whether it ever left.
    pub(super) fn restore(&mut self, purpose: Purpose, nonce: u64, kind: Kind, fees: Fees) {
        let stage =
            Stage::Pending(PendingStage { ever_accepted: true, ..PendingStage::new(false) });
        self.flights.insert(nonce, Flight { purpose, kind, attempts: vec![fees], stage });
        self.next_nonce = self.next_nonce.max(nonce + 1);
    }

    /// Takes back a transaction that was mined before a restart, to be watched for reorganisations.
    pub(super) fn restore_mined(
        &mut self,
        purpose: Purpose,
        nonce: u64,
        kind: Kind,
        fees: Fees,
        (mined, success): (Mined, bool),
    ) {
        let stage = Stage::Mined { mined, success, told: true, doubted: true };
        self.flights.insert(nonce, Flight { purpose, kind, attempts: vec![fees], stage });
        self.next_nonce = self.next_nonce.max(nonce + 1);
    }

    /// Queues a purpose, unless it is queued or under way.
    pub(super) fn submit(&mut self, purpose: Purpose, kind: Kind) {
        if !self.knows(&purpose) {
            self.waiting.push_back(Waiting { purpose, kind, not_before: Duration::ZERO });
        }
    }

    /// Whether a purpose is queued, under way, or mined and not told.
    pub(super) fn knows(&self, purpose: &Purpose) -> bool {
        let waiting = self.waiting.iter().any(|job| job.purpose == *purpose);
        let flying = self.flights.values().any(|flight| {
            flight.purpose == *purpose && !matches!(flight.stage, Stage::Mined { told: true, .. })
        });
        waiting || flying
    }

    /// Takes what L1 showed.
    pub(super) fn observe(&mut self, now: Duration, look: Look) {
        self.look = look;
        self.next_nonce = self.next_nonce.max(look.nonce);
        for (&nonce, flight) in &mut self.flights {
            if let Stage::Mined { told, .. } = flight.stage
                && nonce >= look.nonce
            {
                tracing::warn!(nonce, purpose = %flight.purpose, told, "L1 was reorganised; a mined transaction is pending again");
                flight.stage = Stage::Pending(PendingStage {
                    ever_accepted: true,
                    ..PendingStage::new(false)
                });
            }
        }
        let settled = |flight: &Flight| matches!(&flight.stage, Stage::Mined { mined, told: true, .. } if look.head > mined.block + REORG_DEPTH);
        self.flights.retain(|_, flight| !settled(flight));
        self.start_waiting_clock(now);
    }

    /// L1 was reorganised: what was mined may be mined elsewhere now, with another end.
    pub(super) fn doubt(&mut self) {
        for flight in self.flights.values_mut() {
            if let Stage::Mined { doubted, .. } = &mut flight.stage {
                *doubted = true;
            }
        }
    }

    /// Whether anything is mined that a reorganisation could change.
    pub(super) fn watches_mined(&self) -> bool {
        self.flights.values().any(|flight| matches!(flight.stage, Stage::Mined { .. }))
    }

    /// The lowest pending nonce is the one a block can take: its patience runs from now on.
    fn start_waiting_clock(&mut self, now: Duration) {
        let head = self.look.head;
        if let Some((_, stage)) = self.first_pending()
            && stage.accepted
        {
            stage.since.get_or_insert((now, head));
        }
    }

    fn first_pending(&mut self) -> Option<(u64, &mut PendingStage)> {
        let used = self.look.nonce;
        self.flights.range_mut(used..).find_map(|(&nonce, flight)| match &mut flight.stage {
            Stage::Pending(stage) => Some((nonce, stage)),
            Stage::Mined { .. } => None,
        })
    }

    /// Nonces that are used on L1 while we do not know by what, or no longer for sure: the driver is to look for receipts.
    pub(super) fn unexplained(&self) -> Vec<u64> {
        self.flights
            .range(..self.look.nonce)
            .filter(|(_, flight)| {
                matches!(flight.stage, Stage::Pending(_) | Stage::Mined { doubted: true, .. })
            })
            .map(|(&nonce, _)| nonce)
            .collect()
    }

    /// Nonces that ought to be in the mempool: the driver is to ask whether they still are.
    pub(super) fn expected_in_pool(&self) -> Vec<u64> {
        self.flights
            .range(self.look.nonce..)
            .filter(|(_, flight)| matches!(&flight.stage, Stage::Pending(stage) if stage.accepted))
            .map(|(&nonce, _)| nonce)
            .collect()
    }

    /// The mempool has lost a transaction: it is sent again as it is.
    pub(super) fn dropped(&mut self, nonce: u64) {
        if let Some(stage) = self.pending(nonce) {
            stage.accepted = false;
            stage.retry_at = Duration::ZERO;
        }
    }

    /// What the receipts of a nonce's attempts say; `None` = none of them is mined, so something else used the nonce.
    ///
    /// Answers whether the transaction is displaced: it can never be mined, and its purpose is to be queued anew.
    pub(super) fn receipt(&mut self, nonce: u64, receipt: Option<Receipt>) -> bool {
        let head = self.look.head;
        if let Some(Flight { stage: Stage::Mined { .. }, .. }) = self.flights.get(&nonce) {
            if let Some(receipt) = receipt {
                self.mined_again(nonce, &receipt);
            }
            // Without a receipt it stays in doubt: a node that is behind says nothing, and nothing is sent twice for it.
            return false;
        }
        let Some(stage) = self.pending(nonce) else { return false };
        let Some(receipt) = receipt else {
            // A node behind the others, or a reorganisation, looks the same: give it some blocks.
            let since = *stage.used_at.get_or_insert(head);
            return head.saturating_sub(since) >= DISPLACED_AFTER;
        };
        if let Some(flight) = self.flights.get_mut(&nonce) {
            // A block above the head that was looked at is not covered by it.
            let (mined, doubted) = (Mined::of(&receipt), receipt.block > head);
            flight.stage = Stage::Mined { mined, success: receipt.success, told: false, doubted };
        }
        false
    }

    /// A mined transaction was looked up again. If it came to another end, that is told as if it were the first.
    fn mined_again(&mut self, nonce: u64, receipt: &Receipt) {
        let head = self.look.head;
        let Some(flight) = self.flights.get_mut(&nonce) else { return };
        let Stage::Mined { mined, success, told, doubted } = &mut flight.stage else { return };
        if *success != receipt.success {
            tracing::warn!(nonce, purpose = %flight.purpose, success = receipt.success, "L1 was reorganised; a mined transaction came to another end");
        }
        *told &= *success == receipt.success && *mined == Mined::of(receipt);
        (*mined, *success) = (Mined::of(receipt), receipt.success);
        *doubted = receipt.block > head;
    }

    /// Gives a displaced transaction's purpose a new place at the front of the queue.
    pub(super) fn requeue(&mut self, nonce: u64) -> Option<Purpose> {
        let Flight { purpose, kind, .. } = self.flights.remove(&nonce)?;
        let again = Waiting { purpose: purpose.clone(), kind, not_before: Duration::ZERO };
        self.waiting.push_front(again);
        Some(purpose)
    }

    /// Forgets a queued purpose: L1 has judged it without a transaction.
    pub(super) fn withdraw(&mut self, purpose: &Purpose) {
        self.waiting.retain(|job| job.purpose != *purpose);
    }

    /// Puts a queued purpose off, because L1 could not be asked about it.
    pub(super) fn postpone(&mut self, now: Duration, purpose: &Purpose) {
        for job in self.waiting.iter_mut().filter(|job| job.purpose == *purpose) {
            job.not_before = now + RETRY;
        }
    }

    /// The next thing to do at this time, given the market.
    pub(super) fn next(&mut self, now: Duration, market: &Market) -> Option<Step> {
        self.over_cap = false;
        self.send_again(now).or_else(|| self.raise(now, market)).or_else(|| self.start(now, market))
    }

    fn send_again(&self, now: Duration) -> Option<Step> {
        self.flights.range(self.look.nonce..).find_map(|(&nonce, flight)| match &flight.stage {
            Stage::Pending(stage)
                if !stage.accepted && !stage.underpriced && stage.retry_at <= now =>
            {
                Some(Step::Again { nonce })
            }
            _ => None,
        })
    }

    fn raise(&mut self, now: Duration, market: &Market) -> Option<Step> {
        let head = self.look.head;
        let policy = self.policy.clone();
        let (nonce, stage) = self.first_pending()?;
        if now < stage.retry_at {
            return None;
        }
        // A head that stands still is an L1 that is down: nobody could have taken our offer.
        let ignored = stage.since.is_some_and(|(since, at)| {
            head > at && now.saturating_sub(since) >= policy.patience_after(stage.raises)
        });
        if !(ignored || stage.underpriced) {
            return None;
        }
        let flight = &self.flights[&nonce];
        let previous = flight.attempts.last().expect("a flight starts with an attempt");
        match policy.raised(previous, market, flight.kind) {
            Some(fees) => Some(Step::Raise { nonce, fees }),
            None => {
                self.over_cap = true;
                if let Some(stage) = self.pending(nonce) {
                    // The old offer stands; if the node refused it for its price, it may take it later.
                    stage.underpriced = false;
                    stage.retry_at = now + RETRY_UNFUNDED;
                    stage.since = stage.since.map(|_| (now, head));
                }
                None
            }
        }
    }

    fn start(&mut self, now: Duration, market: &Market) -> Option<Step> {
        let job = self.waiting.front()?;
        let pending = || self.flights.values().filter(|f| matches!(f.stage, Stage::Pending(_)));
        let room = pending().count() < self.policy.max_in_flight;
        // Mempools refuse a plain transaction of an account that has blobs pending, and the other way round.
        let alike = pending().all(|flight| flight.kind == job.kind);
        if !room || !alike || now < job.not_before {
            return None;
        }
        let Some(fees) = self.policy.opening(market, job.kind) else {
            self.over_cap = true;
            return None;
        };
        Some(Step::Start { purpose: job.purpose.clone(), nonce: self.next_nonce, fees })
    }

    /// Whether the last [`Self::next`] held something back because of the fee caps.
    pub(super) const fn over_cap(&self) -> bool {
        self.over_cap
    }

    /// The transaction of a [`Step::Start`] is signed and durable.
    pub(super) fn started(&mut self, purpose: &Purpose, nonce: u64, fees: Fees) {
        let Some(at) = self.waiting.iter().position(|job| job.purpose == *purpose) else { return };
        let Some(job) = self.waiting.remove(at) else { return };
        let stage = Stage::Pending(PendingStage::new(false));
        let flight = Flight { purpose: job.purpose, kind: job.kind, attempts: vec![fees], stage };
        self.flights.insert(nonce, flight);
        self.next_nonce = self.next_nonce.max(nonce + 1);
    }

    /// The replacement of a [`Step::Raise`] is signed and durable.
    pub(super) fn raised(&mut self, nonce: u64, fees: Fees) {
        if let Some(flight) = self.flights.get_mut(&nonce) {
            flight.attempts.push(fees);
        }
        if let Some(stage) = self.pending(nonce) {
            stage.accepted = false;
            stage.underpriced = false;
            stage.since = None;
            stage.raises += 1;
        }
    }

    /// A node answered to a broadcast. Answers whether the transaction is void: refused for good, never taken by anyone.
    pub(super) fn answered(&mut self, now: Duration, nonce: u64, answer: Answer) -> bool {
        let last = nonce + 1 == self.next_nonce;
        let Some(flight) = self.flights.get_mut(&nonce) else { return false };
        let single = flight.attempts.len() == 1;
        let Stage::Pending(stage) = &mut flight.stage else { return false };
        match answer {
            // With a used nonce, the next look finds the receipt, or that the transaction is displaced.
            Answer::Accepted | Answer::NonceTooLow => {
                stage.accepted = true;
                stage.ever_accepted = true;
            }
            Answer::ReplacementUnderpriced | Answer::Underpriced => {
                stage.underpriced = true;
                stage.retry_at = now + RETRY;
            }
            Answer::NotNow => stage.retry_at = now + RETRY,
            Answer::Invalid if last && single && !stage.ever_accepted => {
                self.flights.remove(&nonce);
                self.next_nonce = nonce;
                return true;
            }
            Answer::InsufficientFunds | Answer::Invalid => stage.retry_at = now + RETRY_UNFUNDED,
        }
        self.start_waiting_clock(now);
        false
    }

    /// A broadcast did not reach any node.
    pub(super) fn unreachable(&mut self, now: Duration, nonce: u64) {
        if let Some(stage) = self.pending(nonce) {
            // It may have arrived all the same.
            stage.ever_accepted = true;
            stage.retry_at = now + RETRY;
        }
    }

    /// Transactions that are deep enough to be told, each once: purpose, nonce, place, success.
    pub(super) fn told(&mut self) -> Vec<(Purpose, u64, Mined, bool)> {
        let (head, depth) = (self.look.head, self.policy.confirmations);
        let mut out = Vec::new();
        for (&nonce, flight) in &mut self.flights {
            if let Stage::Mined { mined, success, told, .. } = &mut flight.stage
                && !*told
                && head >= mined.block.saturating_add(depth)
            {
                *told = true;
                out.push((flight.purpose.clone(), nonce, *mined, *success));
            }
        }
        out
    }

    /// Whether a nonce is under way or still watched for reorganisations.
    pub(super) fn watches(&self, nonce: u64) -> bool {
        self.flights.contains_key(&nonce)
    }

    /// How many are signed and not mined, and how many wait to be signed.
    pub(super) fn load(&self) -> (usize, usize) {
        let pending = self.flights.values().filter(|f| matches!(f.stage, Stage::Pending(_)));
        (pending.count(), self.waiting.len())
    }

    fn pending(&mut self, nonce: u64) -> Option<&mut PendingStage> {
        match &mut self.flights.get_mut(&nonce)?.stage {
            Stage::Pending(stage) => Some(stage),
            Stage::Mined { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests;
