//! The next block at a place in the inbox.

use alloy_primitives::{B256, Bytes, keccak256};
use alloy_sol_types::SolValue;
use ethrex_execute::{
    Attributes,
    derive::{FORCED_LANE_TXS, forced_lane},
    roots::keccak_chain,
};

use super::Derivation;
use crate::bindings::{Config, Item};

/// The block that another one stands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Parent {
    /// Its hash.
    pub hash: B256,
    /// Its number.
    pub number: u64,
    /// Its timestamp in seconds.
    pub timestamp: u64,
}

/// A place in the inbox: between two blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// The block before.
    pub parent: Parent,
    /// The item that the next block belongs to.
    pub position: u64,
    /// Which of the item's blocks comes next.
    pub index: u64,
    /// The next transaction of the forced queue.
    pub forced: u64,
}

/// What comes at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// This block.
    Block(Box<Plan>),
    /// No block: an item without blocks, or a block that is not after its parent. Derivation goes on here.
    Skip(Cursor),
    /// The item has not been posted, or the contents of its blobs have not been read.
    Wait,
}

/// Everything that determines a block, its parent included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Where it stands.
    pub at: Cursor,
    /// The posted time since the parent, in seconds.
    pub dt: u64,
    /// Number of blocks of its item; of one that was cut short, no limit.
    pub blocks: u64,
    /// Header fields that do not follow from the parent.
    pub attributes: Attributes,
    /// Forced transactions, of which the block consumes a beginning.
    pub forced: Vec<Bytes>,
    /// Posted transactions.
    pub posted: Vec<Bytes>,
}

impl Plan {
    /// Hash over everything that determines the block: equal digests, equal blocks.
    #[must_use]
    pub fn digest(&self) -> B256 {
        let attributes = &self.attributes;
        let words = (
            self.at.parent.hash,
            self.at.parent.number,
            attributes.timestamp,
            attributes.fee_recipient,
            attributes.prev_randao,
            attributes.gas_limit,
            attributes.slot_number,
            keccak256(&attributes.extra_data),
            attributes.anchor,
            keccak_chain(&self.forced),
            keccak_chain(&self.posted),
        );
        keccak256(words.abi_encode_params())
    }

    /// The place after this block, which has this hash and consumed so many forced transactions.
    #[must_use]
    pub fn after(&self, hash: B256, forced: u64) -> Cursor {
        let parent = Parent {
            hash,
            number: self.at.parent.number + 1,
            timestamp: self.attributes.timestamp,
        };
        let forced = self.at.forced + forced;
        Cursor { parent, forced, ..self.at }.step(self.blocks)
    }
}

impl Cursor {
    /// The same block before, one index on in an item of so many blocks.
    fn step(self, blocks: u64) -> Self {
        let index = self.index + 1;
        if index < blocks {
            Self { index, ..self }
        } else {
            Self { position: self.position + 1, index: 0, ..self }
        }
    }
}

/// The timestamp of a block that was posted `dt` seconds after its parent in an item of this time; `None` if there is no
/// such block.
#[must_use]
pub fn timestamp(config: &Config, parent: u64, time: u64, dt: u64) -> Option<u64> {
    let earliest = time.saturating_sub(config.maxTimestampLag);
    let timestamp = parent.saturating_add(dt).max(earliest).min(time);
    let first = parent.checked_add(config.minBlockTime.max(1))?;
    (timestamp >= first).then_some(timestamp)
}

/// Header fields of a block of an item.
#[must_use]
pub fn attributes(config: &Config, item: &Item, timestamp: u64) -> Attributes {
    Attributes {
        timestamp,
        fee_recipient: item.feeRecipient,
        prev_randao: item.ctx.prevRandao,
        gas_limit: config.gasLimit,
        slot_number: item.ctx.l1Slot,
        extra_data: Bytes::copy_from_slice(&item.position.to_be_bytes()),
        anchor: keccak256(item.ctx.abi_encode()),
    }
}

impl Derivation {
    /// The forced transactions that a block at `cursor` is given under a context with `count` of them.
    #[must_use]
    pub fn lane(&self, cursor: u64, count: u64) -> Vec<Bytes> {
        let entries = (cursor..count).take(FORCED_LANE_TXS).map_while(|index| self.forced(index));
        let due: Vec<Bytes> = entries.map(|entry| entry.raw.clone()).collect();
        forced_lane(&due).to_vec()
    }

    /// What comes at `at`.
    #[must_use]
    pub fn next(&self, at: &Cursor) -> Next {
        let Some(posted) = self.item(at.position) else { return Next::Wait };
        let Some((count, cut)) = posted.extent() else { return Next::Wait };
        if let Some(forced) = cut.filter(|_| at.index >= count) {
            return Next::Skip(Cursor { forced, ..at.step(count) });
        }
        let Some(blocks) = &posted.blocks else { return Next::Wait };
        let block = usize::try_from(at.index).ok().and_then(|index| blocks.get(index));
        let Some(block) = block else { return Next::Skip(at.step(count)) };
        // An item that is cut ends with a step of its own, which moves the forced queue.
        let count = if cut.is_some() { u64::MAX } else { count };
        let (config, item) = (&self.deployment().config, &posted.item);
        match timestamp(config, at.parent.timestamp, item.time, block.dt) {
            None => Next::Skip(at.step(count)),
            Some(timestamp) => Next::Block(Box::new(Plan {
                at: *at,
                dt: block.dt,
                blocks: count,
                attributes: attributes(config, item, timestamp),
                forced: self.lane(at.forced, item.ctx.forcedCount),
                posted: block.transactions.clone(),
            })),
        }
    }
}
