//! Built blocks on their way to publication.
//!
//! A block is published when it and all before it have passed the stateless check. The next block may be built meanwhile.
//! One that fails takes its descendants with it.

use std::collections::VecDeque;

use alloy_primitives::B256;

/// Blocks that may be built ahead of the last published one.
pub const MAX_UNPUBLISHED: usize = 4;

/// A built block that nobody has seen yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pending {
    /// Its hash.
    pub hash: B256,
    /// Number of the first L1 message it and its ancestors have not executed.
    pub next_message: u64,
    passed: bool,
}

/// The order of built blocks, oldest first. No clock, no disk: what it is told is all it knows.
#[derive(Debug)]
pub struct Pipeline {
    published: B256,
    pending: VecDeque<Pending>,
}

impl Pipeline {
    /// Starts with the published head and nothing built on it.
    #[must_use]
    pub const fn resume(published: B256) -> Self {
        Self { published, pending: VecDeque::new() }
    }

    /// The block to build on.
    #[must_use]
    pub fn tip(&self) -> B256 {
        self.pending.back().map_or(self.published, |pending| pending.hash)
    }

    /// Whether another block may be built now.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.pending.len() < MAX_UNPUBLISHED
    }

    /// A block was built on [`Self::tip`] and stored.
    pub fn built(&mut self, hash: B256, next_message: u64) {
        self.pending.push_back(Pending { hash, next_message, passed: false });
    }

    /// A block passed its check. A block that was dropped meanwhile is ignored.
    pub fn passed(&mut self, hash: B256) {
        if let Some(pending) = self.pending.iter_mut().find(|pending| pending.hash == hash) {
            pending.passed = true;
        }
    }

    /// The next block that may be published, if its turn has come.
    #[must_use]
    pub fn publishable(&self) -> Option<Pending> {
        self.pending.front().copied().filter(|pending| pending.passed)
    }

    /// The block [`Self::publishable`] named is published.
    ///
    /// # Panics
    /// If it is not the oldest pending block: then blocks would be published out of order.
    pub fn published(&mut self, hash: B256) {
        let front = self.pending.pop_front().map(|pending| pending.hash);
        assert_eq!(front, Some(hash), "blocks are published oldest first");
        self.published = hash;
    }

    /// A block failed its check: it and all built on it are dropped. Says whether it was still pending.
    pub fn failed(&mut self, hash: B256) -> bool {
        let Some(at) = self.pending.iter().position(|pending| pending.hash == hash) else {
            return false;
        };
        self.pending.truncate(at);
        true
    }

    /// The oldest block that is not published, on which all others stand.
    #[must_use]
    pub fn oldest_pending(&self) -> Option<B256> {
        self.pending.front().map(|pending| pending.hash)
    }

    /// Number of the first message that neither a published nor a pending block has executed, given the published chain's.
    #[must_use]
    pub fn next_message(&self, published: u64) -> u64 {
        self.pending.back().map_or(published, |pending| pending.next_message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(byte: u8) -> B256 {
        B256::repeat_byte(byte)
    }

    fn three_built() -> Pipeline {
        let mut pipeline = Pipeline::resume(hash(0));
        for block in 1..=3 {
            pipeline.built(hash(block), u64::from(block));
        }
        pipeline
    }

    #[test]
    fn a_block_is_not_published_before_its_parent() {
        let mut pipeline = three_built();
        pipeline.passed(hash(2));
        assert_eq!(pipeline.publishable(), None);
        pipeline.passed(hash(1));
        assert_eq!(pipeline.publishable().unwrap().hash, hash(1));
        pipeline.published(hash(1));
        assert_eq!(pipeline.publishable().unwrap().hash, hash(2));
    }

    #[test]
    fn a_failed_block_takes_its_children_with_it() {
        let mut pipeline = three_built();
        assert!(pipeline.failed(hash(2)));
        assert_eq!(pipeline.tip(), hash(1));
        assert_eq!(pipeline.next_message(0), 1);
        pipeline.passed(hash(3));
        pipeline.passed(hash(1));
        pipeline.published(hash(1));
        assert_eq!(pipeline.publishable(), None);
        assert_eq!(pipeline.tip(), hash(1));
    }

    #[test]
    fn no_more_than_a_few_blocks_run_ahead() {
        let mut pipeline = three_built();
        assert!(pipeline.has_room());
        pipeline.built(hash(4), 4);
        assert!(!pipeline.has_room());
    }
}
