//! Follows what a contract tells, in order and without gaps: one kind of event, or several ([`Logged`]).
//!
//! The reader passes on whole blocks that are `delay` blocks old, and remembers their hashes. Where L1 turns out to
//! be reorganised below what was passed on, it says so and reads again from the last common block. An event that
//! does not decode is a fault: skipping it would leave a hole that nobody sees.
//!
//! Not here: what the events mean, and where the cursor is kept (with what the events caused, in one commit).

use std::{collections::VecDeque, marker::PhantomData, time::Duration};

use alloy_primitives::{Address, B256};
use alloy_rpc_types_eth::{Filter, Log};
use alloy_sol_types::SolEvent;
use tokio::{
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use crate::{
    client::Client,
    error::{L1Error, Reaction},
    metrics,
};

/// Passed-on blocks whose hashes are remembered: no L1 with a beacon chain goes back further than two epochs.
const TRAIL: usize = 256;
/// Of blocks that are read together, those so far below the last one are remembered too: whatever depth L1 goes back to
/// at most, the way back is less than twice as far.
const WAYPOINTS: [u64; 8] = [1, 2, 4, 8, 16, 32, 64, 128];

/// What is read from a contract's logs: one event, or a sum of several, which then keep the order they happened in.
pub trait Logged: Sized + Send + 'static {
    /// The first topics of the logs that are asked for.
    fn topics() -> Vec<B256>;

    /// Reads a log with one of these topics.
    ///
    /// # Errors
    /// If it is not what the contract would have written.
    fn read(log: &alloy_primitives::Log) -> alloy_sol_types::Result<Self>;
}

impl<E: SolEvent + Send + 'static> Logged for E {
    fn topics() -> Vec<B256> {
        vec![E::SIGNATURE_HASH]
    }

    fn read(log: &alloy_primitives::Log) -> alloy_sol_types::Result<Self> {
        E::decode_log(log).map(|log| log.data)
    }
}

/// A place on L1; sorts as things happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    /// Number of the block.
    pub block: u64,
    /// Index of the log in the block.
    pub log: u64,
}

/// An event and where it happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event<E> {
    /// Its place.
    pub at: At,
    /// Hash of the block at that place.
    pub block_hash: B256,
    /// Timestamp of that block, in seconds.
    pub timestamp: u64,
    /// The transaction that caused it.
    pub tx: B256,
    /// What it says.
    pub event: E,
}

/// News from L1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update<E> {
    /// All events of the blocks up to `upto` that were not passed on before, in order; often none.
    Read {
        /// The events.
        events: Vec<Event<E>>,
        /// The last block read: resume at the one after it.
        upto: u64,
        /// Its hash.
        hash: B256,
    },
    /// The blocks above `to` are no longer part of L1. What was passed on from them did not happen; what
    /// happened instead follows.
    Reorganised {
        /// The last block that still counts.
        to: u64,
    },
}

/// How events are read.
#[derive(Debug, Clone)]
pub struct EventConfig {
    /// Name in logs and metrics.
    pub name: &'static str,
    /// Time between two looks.
    pub every: Duration,
    /// Blocks that must stand on top of one before it is read; 0 only where L1 never reorganises.
    pub delay: u64,
    /// Most blocks asked for at once.
    pub max_step: u64,
}

/// Why events cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// L1 could not be asked.
    #[error("follow events on L1")]
    L1(#[from] L1Error),
    /// A log of the contract does not decode as the event.
    #[error("the event at {at:?} does not decode; is the contract of another version?")]
    Malformed {
        /// Where it is.
        at: At,
        /// What does not fit.
        #[source]
        source: alloy_sol_types::Error,
    },
    /// L1 answered with a log that is outside what was asked for, pending, or of another block.
    #[error("L1 answered with a log that does not belong to blocks {from} to {to}")]
    Inconsistent {
        /// First block asked for.
        from: u64,
        /// Last block asked for.
        to: u64,
    },
    /// L1 was reorganised below everything remembered.
    #[error("L1 was reorganised below block {oldest}; events already used are gone from it")]
    ReorgTooDeep {
        /// The oldest block whose hash was remembered.
        oldest: u64,
    },
}

impl EventError {
    /// The only place that decides how a loop reacts.
    pub const fn reaction(&self) -> Reaction {
        match self {
            Self::L1(error) => error.reaction(),
            Self::Inconsistent { .. } => Reaction::Retry,
            Self::Malformed { .. } | Self::ReorgTooDeep { .. } => Reaction::Stop,
        }
    }
}

/// What was read at once: events, the hash of the last block, and numbers and hashes of some before it, oldest first.
type Range<E> = (Vec<Event<E>>, B256, Vec<(u64, B256)>);

/// Reads the events `E` of one contract.
#[derive(Debug)]
pub struct EventWatcher<E> {
    client: Client,
    contract: Address,
    config: EventConfig,
    /// The first block not passed on.
    next: u64,
    /// Blocks to ask for at once; shrinks when L1 refuses, and recovers.
    step: u64,
    /// Numbers and hashes of passed-on blocks, oldest first.
    trail: VecDeque<(u64, B256)>,
    /// The first block of this run, where nothing was used before it: L1 may go back so far. `None` once the trail forgets.
    first: Option<u64>,
    events: PhantomData<fn() -> E>,
}

impl<E: Logged> EventWatcher<E> {
    /// Starts at block `next`. `before` is the hash of the block before it, where that was passed on in an earlier run;
    /// without it nothing was, so that all can be read again from there.
    pub fn new(
        client: Client,
        contract: Address,
        next: u64,
        before: Option<B256>,
        config: EventConfig,
    ) -> Self {
        let step = config.max_step.max(1);
        let trail =
            before.and_then(|hash| Some((next.checked_sub(1)?, hash))).into_iter().collect();
        let first = before.is_none().then_some(next);
        Self { client, contract, config, next, step, trail, first, events: PhantomData }
    }

    /// Passes on updates until stopped. An L1 that is down or slow is waited for.
    pub async fn run(
        mut self,
        out: mpsc::Sender<Update<E>>,
        stop: CancellationToken,
    ) -> Result<(), EventError> {
        tokio::select! {
            () = stop.cancelled() => Ok(()),
            ended = self.follow(out) => ended,
        }
    }

    async fn follow(&mut self, out: mpsc::Sender<Update<E>>) -> Result<(), EventError> {
        let mut tick = interval(self.config.every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut down = false;
        loop {
            match self.read().await {
                Ok(Some(update)) => {
                    down = false;
                    if out.send(update).await.is_err() {
                        return Ok(()); // nobody listens any more
                    }
                    continue;
                }
                Ok(None) => down = false,
                Err(error) if error.reaction() == Reaction::Stop => return Err(error),
                Err(error) => {
                    if !std::mem::replace(&mut down, true) {
                        tracing::warn!(events = self.config.name, %error, "cannot read events from L1; trying again");
                    }
                }
            }
            tick.tick().await;
        }
    }

    /// The next update, if L1 has one. Nothing is lost if the caller drops the future.
    pub async fn read(&mut self) -> Result<Option<Update<E>>, EventError> {
        let head = self.client.head().await?.number;
        if let Some(&(number, hash)) = self.trail.back() {
            if head < number {
                return Ok(None); // a node behind the others, or a reorganisation under way
            }
            match self.hash_of(number).await? {
                Some(found) if found == hash => {}
                Some(_) => return self.step_back().await.map(Some),
                None => return Ok(None), // one endpoint has two nodes, and this one is behind
            }
        }
        let Some(safe) = head.checked_sub(self.config.delay) else { return Ok(None) };
        if self.next > safe {
            return Ok(None);
        }
        let upto = safe.min(self.next.saturating_add(self.step - 1));
        let Some((events, hash, passed)) = self.read_range(upto).await? else { return Ok(None) };
        self.next = upto + 1;
        self.trail.extend(passed);
        self.trail.push_back((upto, hash));
        let surplus = self.trail.len().saturating_sub(TRAIL);
        if surplus > 0 {
            self.trail.drain(..surplus);
            self.first = None;
        }
        metrics::events_read(self.config.name, upto, events.len());
        Ok(Some(Update::Read { events, upto, hash }))
    }

    /// Events up to a block, its hash, and those of some blocks before it; `None` if L1 changed meanwhile.
    async fn read_range(&mut self, upto: u64) -> Result<Option<Range<E>>, EventError> {
        let Some(hash) = self.hash_of(upto).await? else { return Ok(None) };
        let filter = Filter::new()
            .address(self.contract)
            .event_signature(E::topics())
            .from_block(self.next)
            .to_block(upto);
        let logs = match self.client.logs(&filter).await {
            Ok(logs) => logs,
            Err(error) => {
                // The node may find the range, or the answer, too large.
                self.step = (self.step / 2).max(1);
                return Err(error.into());
            }
        };
        let mut events = Vec::with_capacity(logs.len());
        let mut known = None;
        for log in logs {
            let mut event = self.decode(&log, upto, hash)?;
            event.timestamp = match (log.block_timestamp, known) {
                (Some(timestamp), _) => timestamp,
                (None, Some((block, timestamp))) if block == event.at.block => timestamp,
                (None, _) => match self.client.header(event.at.block).await? {
                    Some(header) => header.timestamp,
                    None => return Ok(None),
                },
            };
            known = Some((event.at.block, event.timestamp));
            events.push(event);
        }
        events.sort_by_key(|event: &Event<E>| event.at);
        let mut passed = Vec::new();
        let below = WAYPOINTS.iter().rev().filter_map(|depth| upto.checked_sub(*depth));
        for number in below.filter(|number| *number >= self.next) {
            let Some(hash) = self.hash_of(number).await? else { return Ok(None) };
            passed.push((number, hash));
        }
        // The hash of the last block stands for all blocks before it.
        if self.hash_of(upto).await? != Some(hash) {
            return Ok(None);
        }
        self.step = self.step.saturating_mul(2).min(self.config.max_step.max(1));
        Ok(Some((events, hash, passed)))
    }

    fn decode(&self, log: &Log, upto: u64, hash: B256) -> Result<Event<E>, EventError> {
        let inconsistent = || EventError::Inconsistent { from: self.next, to: upto };
        let (Some(block), Some(index), Some(block_hash), Some(tx)) =
            (log.block_number, log.log_index, log.block_hash, log.transaction_hash)
        else {
            return Err(inconsistent());
        };
        let asked = (self.next..=upto).contains(&block) && log.address() == self.contract;
        if !asked || log.removed || (block == upto && block_hash != hash) {
            return Err(inconsistent());
        }
        let at = At { block, log: index };
        let event = E::read(&log.inner).map_err(|source| EventError::Malformed { at, source })?;
        Ok(Event { at, block_hash, timestamp: 0, tx, event })
    }

    /// Forgets the remembered blocks that L1 no longer has.
    async fn step_back(&mut self) -> Result<Update<E>, EventError> {
        let oldest = self.trail.front().map_or(self.next, |&(number, _)| number);
        let mut trail = self.trail.clone();
        while let Some((number, hash)) = trail.pop_back() {
            let Some(found) = self.hash_of(number).await? else {
                // A node without this block says nothing about it; the next look may.
                return Err(EventError::Inconsistent { from: number, to: number });
            };
            if found == hash {
                trail.push_back((number, hash));
                self.trail = trail;
                return Ok(self.back_to(number));
            }
        }
        match self.first {
            // All that was used was read in this run, and is read again.
            Some(first) => {
                self.trail.clear();
                Ok(self.back_to(first.saturating_sub(1)))
            }
            None => Err(EventError::ReorgTooDeep { oldest }),
        }
    }

    fn back_to(&mut self, to: u64) -> Update<E> {
        self.next = to + 1;
        metrics::reorganised(self.config.name);
        let events = self.config.name;
        tracing::warn!(events, to, "L1 was reorganised below the confirmation delay");
        Update::Reorganised { to }
    }

    async fn hash_of(&self, number: u64) -> Result<Option<B256>, EventError> {
        Ok(self.client.header(number).await?.map(|header| header.hash))
    }
}

#[cfg(test)]
mod tests;
