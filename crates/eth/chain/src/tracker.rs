//! What an importer remembers of blocks that it could not store: those that are invalid, and those that wait for an ancestor.

use std::collections::{HashMap, VecDeque};

use alloy_primitives::B256;
use alloy_rlp::Encodable;
use ethrex_types::SealedBlock;

/// Invalid blocks that are remembered. Whoever is forgotten is judged again if it comes again, and so are its descendants.
const MAX_INVALID: usize = 1024;
/// Blocks that wait for an ancestor at most. A consensus client that is ahead asks for a sync long before.
const MAX_WAITING: usize = 128;
/// Bytes that these may have together.
const MAX_WAITING_BYTES: usize = 64 * 1024 * 1024;
/// Letters of a reason that are kept: some name what came from outside.
const MAX_REASON: usize = 512;

/// Why a block is invalid, by itself or by an ancestor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// The newest valid ancestor; zero where that is a block of proof of work, `None` where it is not known.
    pub latest_valid: Option<B256>,
    /// What is wrong.
    pub reason: String,
}

impl Rejection {
    /// For this reason.
    #[must_use]
    pub fn new(latest_valid: Option<B256>, reason: &impl ToString) -> Self {
        let reason = reason.to_string().chars().take(MAX_REASON).collect();
        Self { latest_valid, reason }
    }
}

/// Blocks that are not stored. Bounded: the oldest are forgotten first.
#[derive(Debug, Default)]
pub(crate) struct Tracker {
    invalid: HashMap<B256, Rejection>,
    invalid_order: VecDeque<B256>,
    waiting: HashMap<B256, (SealedBlock, usize)>,
    waiting_order: VecDeque<B256>,
    waiting_bytes: usize,
}

impl Tracker {
    /// Why this block is invalid, if it is known to be.
    pub(crate) fn rejection(&self, hash: B256) -> Option<&Rejection> {
        self.invalid.get(&hash)
    }

    /// Remembers that a block is invalid; it no longer waits.
    pub(crate) fn reject(&mut self, hash: B256, why: Rejection) {
        drop(self.take(hash));
        if self.invalid.insert(hash, why).is_none() {
            self.invalid_order.push_back(hash);
        }
        if self.invalid.len() > MAX_INVALID
            && let Some(oldest) = self.invalid_order.pop_front()
        {
            self.invalid.remove(&oldest);
        }
    }

    /// Keeps a block that cannot be judged yet.
    pub(crate) fn wait(&mut self, block: SealedBlock) {
        let (hash, bytes) = (block.hash(), block.block().length());
        if self.waiting.contains_key(&hash) || bytes > MAX_WAITING_BYTES {
            return;
        }
        self.waiting.insert(hash, (block, bytes));
        self.waiting_order.push_back(hash);
        self.waiting_bytes += bytes;
        while (self.waiting.len() > MAX_WAITING || self.waiting_bytes > MAX_WAITING_BYTES)
            && let Some(oldest) = self.waiting_order.front().copied()
        {
            drop(self.take(oldest));
        }
    }

    /// A block that waits.
    pub(crate) fn waiting(&self, hash: B256) -> Option<&SealedBlock> {
        self.waiting.get(&hash).map(|(block, _)| block)
    }

    /// The parent of a block that waits.
    pub(crate) fn parent_of_waiting(&self, hash: B256) -> Option<B256> {
        self.waiting.get(&hash).map(|(block, _)| block.header().parent_hash)
    }

    /// Takes out a block that waits.
    pub(crate) fn take(&mut self, hash: B256) -> Option<SealedBlock> {
        let (block, bytes) = self.waiting.remove(&hash)?;
        self.waiting_order.retain(|waiting| *waiting != hash);
        self.waiting_bytes -= bytes;
        Some(block)
    }
}

#[cfg(test)]
mod tests {
    use ethrex_types::Block;

    use super::*;

    fn block(number: u64) -> SealedBlock {
        let mut block = Block::default();
        block.header.number = number;
        SealedBlock::seal(block)
    }

    fn hash(number: u64) -> B256 {
        alloy_primitives::keccak256(number.to_be_bytes())
    }

    #[test]
    fn the_oldest_invalid_blocks_are_forgotten() {
        let mut tracker = Tracker::default();
        let why = Rejection::new(None, &"x".repeat(10_000));
        assert_eq!(why.reason.len(), MAX_REASON);
        for number in 0..MAX_INVALID as u64 + 5 {
            tracker.reject(hash(number), why.clone());
            tracker.reject(hash(number), why.clone());
        }
        assert_eq!(tracker.invalid.len(), MAX_INVALID);
        assert_eq!(tracker.invalid_order.len(), MAX_INVALID);
        assert!(tracker.rejection(hash(4)).is_none() && tracker.rejection(hash(5)).is_some());
    }

    #[test]
    fn the_oldest_waiting_blocks_are_forgotten() {
        let mut tracker = Tracker::default();
        for number in 0..MAX_WAITING as u64 + 5 {
            tracker.wait(block(number));
            tracker.wait(block(number));
        }
        assert_eq!(tracker.waiting.len(), MAX_WAITING);
        assert!(tracker.take(block(4).hash()).is_none());
        assert!(tracker.take(block(5).hash()).is_some());
        assert_eq!(tracker.waiting_order.len(), MAX_WAITING - 1);
    }

    #[test]
    fn a_block_that_turns_out_invalid_no_longer_waits() {
        let mut tracker = Tracker::default();
        tracker.wait(block(1));
        tracker.reject(block(1).hash(), Rejection::new(None, &"bad"));
        assert!(tracker.take(block(1).hash()).is_none());
        assert_eq!((tracker.waiting_bytes, tracker.waiting_order.len()), (0, 0));
    }
}
