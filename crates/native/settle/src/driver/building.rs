//! Blocks of our own: when one is built, what becomes of it, and of the items that hold them until L1 does.

use std::collections::HashSet;

use alloy_primitives::B256;
use alloy_rlp::Decodable;
use ethrex_l1::{Client, Reaction, SigningKey};
use ethrex_types::Header;
use tokio::time::Instant;

use super::{Driver, DriverError, Work};
use crate::{
    derivation::Cursor,
    follower::Follower,
    metrics,
    operator::Operator,
    own::{Footing, Own},
    poster::ToPost,
    sequencer::{Age, Built, Choice, Ending, Job, SequencerConfig, ending},
};

/// L1 blocks after which the context of an item is too old to be posted. The contract finds the hashes of 256.
const ANCHOR_WINDOW: u64 = 224;
/// Part of the time lag that the contract allows, in percent, after which a context is too old.
const LAG_PERCENT: u64 = 80;

/// What building blocks of our own needs.
#[derive(Debug)]
pub(super) struct Sequencing {
    pub(super) config: SequencerConfig,
    pub(super) operator: Operator,
    pub(super) set_aside: HashSet<u64>,
    pub(super) next_claim: u64,
    pub(super) opened: Instant,
    pub(super) last_block: Instant,
}

/// A built block, and the item that begins with it if one does.
#[derive(Debug)]
pub(super) struct Begun {
    own: Option<Own>,
    built: Built,
    /// The block it stands on.
    parent: B256,
    /// How often L1 had been reorganised before.
    reorganised: u64,
}

/// What L1 says about the headers that our items stand on.
#[derive(Debug)]
pub(super) struct Asked {
    /// How often L1 had been reorganised before.
    reorganised: u64,
    /// The first item that it has no header for.
    lost: Option<u64>,
}

impl Sequencing {
    pub(super) fn new(config: SequencerConfig, key: SigningKey, chain_id: u64) -> Self {
        Self {
            config,
            operator: Operator::new(key, chain_id),
            set_aside: HashSet::new(),
            next_claim: 0,
            opened: Instant::now(),
            last_block: Instant::now(),
        }
    }
}

impl Driver {
    /// The time on L1, as far as one can know between two of its blocks.
    fn l1_time(&self) -> Option<u64> {
        let (head, seen) = self.l1.as_ref()?;
        Some(head.timestamp + seen.elapsed().as_secs())
    }

    /// Looks after our items, and starts building a block if there is something to put into it.
    pub(super) fn on_tick(&mut self) -> Result<Option<Work>, DriverError> {
        let Some(time) = self.l1_time().filter(|_| self.complete && self.sequencer.is_some())
        else {
            return Ok(None);
        };
        if self.doubted {
            return Ok(Some(self.ask()));
        }
        self.retire(time)?;
        if let Some(work) = self.go_back()? {
            return Ok(Some(work));
        }
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

    pub(super) fn on_asked(&mut self, asked: &Asked) -> Result<(), DriverError> {
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
    pub(super) fn on_built(&mut self, begun: Begun) -> Result<(), DriverError> {
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

    /// Shows the oldest item that L1 does not have, if it is complete and its turn has come.
    pub(super) fn show_to_post(&self) {
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

    /// Drops items of ours that will not come out as they were promised.
    pub(super) fn abandon(&mut self, from: u64) -> Result<(), DriverError> {
        let blocks = self.own.abandon(from)?;
        metrics::abandoned(blocks);
        self.show_to_post();
        Ok(())
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
