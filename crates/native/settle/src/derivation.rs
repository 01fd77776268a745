//! What L1 says about a rollup, and which blocks follow from it.
//!
//! [`Derivation`] takes the events of the rollup's contract in their order and answers, for a place in the inbox, what the
//! next block is made of. It is pure and total: whatever was posted, every place has exactly one successor. The contract
//! computes the same attributes when a block is settled or disputed.
//!
//! Everything it holds is a log in the order of L1, so taking back the newest L1 blocks cuts the ends off
//! ([`Derivation::rewind`]), and forgetting settled history cuts the beginnings off ([`Derivation::prune`]).
//!
//! Not here: executing a plan (`ethrex_execute`), which L1 chain counts (`ethrex_l1`).

mod log;
mod plan;

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::{Address, B256, Bytes, keccak256};
use alloy_sol_types::SolValue;
use ethrex_execute::{
    roots::pair,
    stream::{self, StreamBlock},
};
use ethrex_types::Header;

use crate::{
    bindings::{
        Config,
        INativeRollup::{INativeRollupEvents as RollupEvent, Posted, Skipped},
        Item, L1Context, Message,
    },
    message::Route,
    tree::{Path, Tree},
};

use log::Log;
pub use plan::{Cursor, Next, Parent, Plan, attributes, timestamp};

/// A place on L1, as far as derivation cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct L1Block {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
    /// Its timestamp in seconds.
    pub timestamp: u64,
}

/// What a rollup is, as its contract says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployment {
    /// What the contract was made with.
    pub config: Config,
    /// Where it stands.
    pub rollup: Address,
    /// Chain id of L1.
    pub l1_chain_id: u64,
}

impl Deployment {
    /// The chains that messages go between.
    #[must_use]
    pub const fn route(&self) -> Route {
        Route {
            l1_chain_id: self.l1_chain_id,
            rollup: self.rollup,
            l2_chain_id: self.config.chainId,
        }
    }

    /// Where derivation begins.
    #[must_use]
    pub const fn genesis(&self) -> Cursor {
        Cursor {
            parent: Parent {
                hash: self.config.genesisHash,
                number: 0,
                timestamp: self.config.genesisTimestamp,
            },
            position: 0,
            index: 0,
            forced: 0,
        }
    }
}

/// An entry of the inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostedItem {
    /// The entry as its contract hashes it; the data root of blobs is filled in once it is proven.
    pub item: Item,
    /// Its blocks; `None` while the contents of its blobs have not been read.
    pub blocks: Option<Arc<[StreamBlock]>>,
    /// Versioned hashes of its blobs; empty where the stream came as calldata.
    pub blob_hashes: Vec<B256>,
    /// The L1 block it was posted in.
    pub l1: L1Block,
    /// L1 block of the proof of its blobs' contents, where they have been proven.
    proven_at: Option<u64>,
    /// Where it was cut short, because nobody settled it in time.
    cut: Option<Cut>,
}

/// An item that was skipped from one of its blocks on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Cut {
    /// Its blocks from this one on do not exist.
    index: u64,
    /// The cursor of the forced queue after it.
    forced: u64,
    /// L1 block in which it was skipped.
    at: u64,
}

impl PostedItem {
    /// Whether L1 knows its blocks, so that they can be settled.
    #[must_use]
    pub fn is_proven(&self) -> bool {
        !self.item.streamHash.is_zero()
    }

    /// How many of its blocks count, and where the forced queue stands after them if that was decided by skipping the rest.
    #[must_use]
    pub fn extent(&self) -> Option<(u64, Option<u64>)> {
        match (self.cut, &self.blocks) {
            (Some(cut), _) => Some((cut.index, Some(cut.forced))),
            (None, Some(blocks)) => Some((blocks.len() as u64, None)),
            (None, None) => None,
        }
    }

    /// Hash of the entry, as the inbox stores it.
    #[must_use]
    pub fn hash(&self) -> B256 {
        keccak256(self.item.abi_encode())
    }
}

/// A raw transaction that someone forced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForcedEntry {
    /// The transaction, as far as it is one.
    pub raw: Bytes,
    /// Running hash of the queue with it.
    pub acc: B256,
    /// The L1 block it was queued in.
    pub l1: L1Block,
}

/// A message that was sent on L1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SentMessage {
    /// The message.
    pub message: Message,
    /// The L1 block it was sent in.
    pub l1: L1Block,
}

/// The last block that L1 has settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// Its number.
    pub number: u64,
    /// Its hash.
    pub hash: B256,
}

/// What someone claims the blocks of an item are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Who claims it.
    pub proposer: Address,
    /// The hash after each block of the item.
    pub hashes: Vec<B256>,
    /// The cursor of the forced queue after each of them.
    pub forced_after: Vec<u64>,
    /// The L1 block it was made in.
    pub l1: L1Block,
}

#[derive(Debug, Clone)]
enum Dispute {
    Proposed { position: u64, proposal: Arc<Proposal> },
    Challenged { position: u64 },
    Finalized { position: u64 },
}

/// L1 contradicts itself: an event does not continue what came before. Its logs were read wrongly.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("L1 gave {what} {got} where {want} comes next")]
pub struct OutOfOrder {
    /// What came.
    pub what: &'static str,
    /// Its number.
    pub got: u64,
    /// The number that must come.
    pub want: u64,
}

/// Everything L1 has said that still matters.
#[derive(Debug, Clone)]
pub struct Derivation {
    deployment: Deployment,
    inbox: Log<PostedItem>,
    forced: Log<ForcedEntry>,
    /// Running hash of the forced transactions that are forgotten.
    forgotten: B256,
    messages: Log<SentMessage>,
    tree: Tree,
    /// The settled block after each L1 block that settled one.
    settled: Vec<(u64, Settled)>,
    /// What happened to proposals, with the L1 block.
    disputes: Vec<(u64, Dispute)>,
    /// The last L1 block that was applied, with all its events.
    upto: Option<u64>,
    /// The first item whose blocks are not what they were.
    disturbed: Option<u64>,
}

impl Derivation {
    /// A rollup of which nothing was read yet.
    #[must_use]
    pub fn new(deployment: Deployment) -> Self {
        Self {
            deployment,
            inbox: Log::default(),
            forced: Log::default(),
            forgotten: B256::ZERO,
            messages: Log::default(),
            tree: Tree::default(),
            settled: Vec::new(),
            disputes: Vec::new(),
            upto: None,
            disturbed: None,
        }
    }

    /// What the rollup is.
    #[must_use]
    pub const fn deployment(&self) -> &Deployment {
        &self.deployment
    }

    /// Takes the next event of the contract.
    ///
    /// # Errors
    /// If it does not continue what came before.
    pub fn apply(&mut self, l1: L1Block, event: RollupEvent) -> Result<(), OutOfOrder> {
        match event {
            RollupEvent::Posted(posted) => {
                expect("item", posted.position, self.inbox.end())?;
                let Posted { item, stream, blobHashes: blob_hashes, .. } = posted;
                let blocks = blob_hashes.is_empty().then(|| decode(&stream));
                let (proven_at, cut) = (None, None);
                self.inbox.push(PostedItem { item, blocks, blob_hashes, l1, proven_at, cut });
            }
            RollupEvent::DataProven(proven) => {
                if let Some(posted) = self.inbox.get_mut(proven.position) {
                    posted.item.streamHash = proven.streamHash;
                    posted.item.dataRoot = proven.dataRoot;
                    posted.item.blocks = proven.blocks;
                    posted.proven_at = Some(l1.number);
                    // What a blob holds never changes, so a proof that L1 takes back is no reason to forget it.
                    posted.blocks.get_or_insert_with(|| decode(&proven.stream));
                }
            }
            RollupEvent::Skipped(skipped) => {
                if let Some(posted) = self.inbox.get_mut(skipped.position) {
                    let Skipped { index, forcedAfter: forced, .. } = skipped;
                    posted.cut = Some(Cut { index, forced, at: l1.number });
                    self.disturb(skipped.position);
                }
            }
            RollupEvent::ForcedTx(forced) => {
                expect("forced transaction", forced.index, self.forced.end())?;
                let acc = self.forced_acc(forced.index).expect("the end of the queue is known");
                let acc = pair(acc, keccak256(&forced.raw));
                self.forced.push(ForcedEntry { raw: forced.raw, acc, l1 });
            }
            RollupEvent::MessageSent(sent) => {
                expect("message", sent.index, self.messages.end())?;
                self.tree.push(sent.leaf);
                self.messages.push(SentMessage { message: sent.message, l1 });
            }
            RollupEvent::Advanced(to) => {
                let settled = Settled { number: to.number, hash: to.blockHash };
                self.settled.push((l1.number, settled));
            }
            RollupEvent::Proposed(made) => {
                let proposal = Arc::new(Proposal {
                    proposer: made.proposer,
                    hashes: made.hashes,
                    forced_after: made.forcedAfter,
                    l1,
                });
                let proposed = Dispute::Proposed { position: made.position, proposal };
                self.disputes.push((l1.number, proposed));
            }
            RollupEvent::Challenged(lost) => {
                let lost = Dispute::Challenged { position: lost.position };
                self.disputes.push((l1.number, lost));
            }
            RollupEvent::Finalized(done) => {
                let done = Dispute::Finalized { position: done.position };
                self.disputes.push((l1.number, done));
            }
            RollupEvent::Opened(_) | RollupEvent::OutboxProven(_) | RollupEvent::Claimed(_) => {}
        }
        Ok(())
    }

    /// All events up to this L1 block have been applied.
    pub fn read(&mut self, upto: u64) {
        self.upto = Some(upto);
    }

    /// The last L1 block whose events have all been applied.
    #[must_use]
    pub const fn upto(&self) -> Option<u64> {
        self.upto
    }

    /// Takes back what L1 blocks above `to` said.
    pub fn rewind(&mut self, to: u64) {
        let items = self.inbox.end();
        self.inbox.rewind(|posted| posted.l1.number <= to);
        let mut disturbed = (self.inbox.end() < items).then_some(self.inbox.end());
        self.inbox.for_each_mut(|posted| {
            if posted.proven_at.is_some_and(|at| at > to) {
                posted.proven_at = None;
                posted.item.streamHash = B256::ZERO;
                posted.item.dataRoot = B256::ZERO;
                posted.item.blocks = 0;
            }
            if posted.cut.take_if(|cut| cut.at > to).is_some() {
                disturbed = Some(
                    disturbed.map_or(posted.item.position, |first| first.min(posted.item.position)),
                );
            }
        });
        if let Some(first) = disturbed {
            self.disturb(first);
        }
        self.forced.rewind(|entry| entry.l1.number <= to);
        self.messages.rewind(|sent| sent.l1.number <= to);
        self.tree.truncate(self.messages.end());
        self.settled.retain(|(at, _)| *at <= to);
        self.disputes.retain(|(at, _)| *at <= to);
        self.upto = self.upto.map(|upto| upto.min(to));
    }

    /// Forgets what is settled and stands in L1 blocks below `below`: items before `position` and forced transactions
    /// before `forced`. Messages stay: their proofs need all leaves.
    pub fn prune(&mut self, below: u64, position: u64, forced: u64) {
        self.inbox.prune(position, |posted| posted.l1.number < below);
        if let Some(last) = self.forced.prune(forced, |entry| entry.l1.number < below) {
            self.forgotten = last.acc;
        }
        let old = self.settled.iter().take_while(|(at, _)| *at < below).count();
        self.settled.drain(..old.saturating_sub(1));
        let first = self.inbox.start();
        self.disputes.retain(|(at, dispute)| *at >= below || dispute.position() >= first);
    }

    /// The first item whose blocks are not what they were when this was asked last.
    pub fn take_disturbed(&mut self) -> Option<u64> {
        self.disturbed.take()
    }

    fn disturb(&mut self, position: u64) {
        self.disturbed = Some(self.disturbed.map_or(position, |first| first.min(position)));
    }

    /// The item at a position.
    #[must_use]
    pub fn item(&self, position: u64) -> Option<&PostedItem> {
        self.inbox.get(position)
    }

    /// How many items were ever posted: the position of the next one.
    #[must_use]
    pub fn items(&self) -> u64 {
        self.inbox.end()
    }

    /// The items whose blobs have not been read and still matter, oldest first.
    pub fn unread(&self) -> impl Iterator<Item = (u64, &PostedItem)> {
        self.inbox.iter().filter(|(_, posted)| posted.extent().is_none())
    }

    /// The items from a position on whose blobs have not been proven, oldest first.
    pub fn unproven(&self, from: u64) -> impl Iterator<Item = &PostedItem> {
        let behind = self.inbox.iter().filter(move |(position, _)| *position >= from);
        behind
            .map(|(_, posted)| posted)
            .filter(|posted| !posted.is_proven() && posted.cut.is_none())
    }

    /// The contents of an item's blobs were read. Without effect where the item is gone meanwhile.
    pub fn fill(&mut self, position: u64, hashes: &[B256], stream: &[u8]) {
        if let Some(posted) = self.inbox.get_mut(position)
            && posted.blob_hashes == hashes
        {
            posted.blocks = Some(decode(stream));
        }
    }

    /// A forced transaction.
    #[must_use]
    pub fn forced(&self, index: u64) -> Option<&ForcedEntry> {
        self.forced.get(index)
    }

    /// How many transactions were ever forced.
    #[must_use]
    pub fn forced_count(&self) -> u64 {
        self.forced.end()
    }

    /// The running hash of the forced queue when it had `count` entries; `None` where that is forgotten.
    #[must_use]
    pub fn forced_acc(&self, count: u64) -> Option<B256> {
        if count == self.forced.start() {
            return Some(self.forgotten);
        }
        let Some(last) = count.checked_sub(1) else { return Some(B256::ZERO) };
        self.forced.get(last).map(|entry| entry.acc)
    }

    /// Whether the forced transaction `index` exists and is due at this time of L1.
    #[must_use]
    pub fn is_due(&self, index: u64, time: u64) -> bool {
        let delay = self.deployment.config.forcedDelay;
        self.forced(index).is_some_and(|entry| entry.l1.timestamp.saturating_add(delay) <= time)
    }

    /// A message of L1.
    #[must_use]
    pub fn message(&self, index: u64) -> Option<&SentMessage> {
        self.messages.get(index)
    }

    /// How many messages were ever sent on L1.
    #[must_use]
    pub fn message_count(&self) -> u64 {
        self.messages.end()
    }

    /// The path of a message in the tree of the first `count` messages, and that tree's root.
    #[must_use]
    pub fn message_path(&self, index: u64, count: u64) -> Option<(Path, B256)> {
        Some((self.tree.path_at(index, count)?, self.tree.root_at(count)?))
    }

    /// The last block that was executed on L1 up to this L1 block; `None` if that is the genesis, or L1 executes none.
    #[must_use]
    pub fn settled_by(&self, l1: u64) -> Option<Settled> {
        self.settled.iter().rev().find(|(at, _)| *at <= l1).map(|(_, settled)| *settled)
    }

    /// The first position whose proposal was not final at this L1 block.
    #[must_use]
    pub fn open_at(&self, l1: u64) -> u64 {
        let last = self.disputes.iter().rev().find_map(|(at, dispute)| match dispute {
            Dispute::Finalized { position } if *at <= l1 => Some(*position),
            _ => None,
        });
        last.map_or(0, |last| last + 1)
    }

    /// Proposals that stand, by position, and the first position that is not final.
    #[must_use]
    pub fn proposals(&self) -> (BTreeMap<u64, Arc<Proposal>>, u64) {
        let mut standing = BTreeMap::new();
        let mut first = 0;
        for (_, dispute) in &self.disputes {
            match dispute {
                Dispute::Proposed { position, proposal } => {
                    standing.insert(*position, proposal.clone());
                }
                Dispute::Challenged { position } => {
                    standing.split_off(position);
                }
                Dispute::Finalized { position } => {
                    first = position + 1;
                    standing = standing.split_off(&first);
                }
            }
        }
        (standing, first)
    }

    /// The last L1 block in which a proposal was refuted; 0 if none was.
    #[must_use]
    pub fn last_refuted(&self) -> u64 {
        let refuted = |(at, dispute): &(u64, Dispute)| {
            matches!(dispute, Dispute::Challenged { .. }).then_some(*at)
        };
        self.disputes.iter().rev().find_map(refuted).unwrap_or_default()
    }

    /// The context that an item posted on this L1 header will have. All its events must have been applied.
    #[must_use]
    pub fn context(&self, header: &Header, hash: B256) -> L1Context {
        let msg_count = self.messages.partition_point(|sent| sent.l1.number <= header.number);
        let delay = self.deployment.config.forcedDelay;
        let forced_count = self
            .forced
            .partition_point(|entry| entry.l1.timestamp.saturating_add(delay) <= header.timestamp);
        L1Context {
            l1Number: header.number,
            l1Timestamp: header.timestamp,
            l1Slot: header.slot_number.unwrap_or_default(),
            l1BlockHash: hash,
            msgRoot: self.tree.root_at(msg_count).expect("a count of ours is within the tree"),
            msgCount: msg_count,
            forcedAcc: self.forced_acc(forced_count).expect("what is due is known"),
            forcedCount: forced_count,
            prevRandao: header.mix_hash,
            transcript: B256::ZERO,
            rollup: self.deployment.rollup,
            l1ChainId: self.deployment.l1_chain_id,
        }
    }
}

impl Dispute {
    const fn position(&self) -> u64 {
        match self {
            Self::Proposed { position, .. }
            | Self::Challenged { position }
            | Self::Finalized { position } => *position,
        }
    }
}

fn decode(stream: &[u8]) -> Arc<[StreamBlock]> {
    stream::decode(stream).blocks.into()
}

fn expect(what: &'static str, got: u64, want: u64) -> Result<(), OutOfOrder> {
    if got == want { Ok(()) } else { Err(OutOfOrder { what, got, want }) }
}

#[cfg(test)]
mod tests;
