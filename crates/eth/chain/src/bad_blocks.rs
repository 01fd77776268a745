//! The blocks that were found invalid last, whole: for whoever wants to know why.

use std::{collections::VecDeque, sync::Arc};

use alloy_rlp::Encodable as _;
use ethrex_types::SealedBlock;

/// Blocks that are kept: as many as geth keeps.
const MAX_BLOCKS: usize = 10;
/// Bytes that they may have together.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Blocks that break a rule, the newest first.
#[derive(Debug, Default)]
pub(crate) struct BadBlocks {
    kept: VecDeque<(Arc<SealedBlock>, usize)>,
    bytes: usize,
}

impl BadBlocks {
    /// Keeps a block. One that is here already stays as it is, and one that is too large is not kept.
    pub(crate) fn put(&mut self, bad: SealedBlock) {
        let (hash, bytes) = (bad.hash(), bad.block().length());
        if bytes > MAX_BYTES || self.kept.iter().any(|(kept, _)| kept.hash() == hash) {
            return;
        }
        self.kept.push_front((Arc::new(bad), bytes));
        self.bytes += bytes;
        while (self.kept.len() > MAX_BLOCKS || self.bytes > MAX_BYTES)
            && let Some((_, bytes)) = self.kept.pop_back()
        {
            self.bytes -= bytes;
        }
    }

    /// What is kept, the newest first.
    pub(crate) fn list(&self) -> Vec<Arc<SealedBlock>> {
        self.kept.iter().map(|(bad, _)| Arc::clone(bad)).collect()
    }
}

#[cfg(test)]
mod tests {
    use ethrex_types::Block;

    use super::*;

    fn bad(number: u64, extra: usize) -> SealedBlock {
        let mut block = Block::default();
        block.header.number = number;
        block.header.extra_data = vec![0; extra].into();
        SealedBlock::seal(block)
    }

    #[track_caller]
    fn check(blocks: &BadBlocks, numbers: &[u64]) {
        let kept: Vec<_> = blocks.list().iter().map(|bad| bad.number()).collect();
        assert_eq!(kept, numbers);
    }

    #[test]
    fn the_newest_are_kept_once_each() {
        let mut blocks = BadBlocks::default();
        (0..12).chain([11]).for_each(|number| blocks.put(bad(number, 0)));
        check(&blocks, &[11, 10, 9, 8, 7, 6, 5, 4, 3, 2]);
    }

    #[test]
    fn large_blocks_displace_more_and_too_large_ones_are_not_kept() {
        let mut blocks = BadBlocks::default();
        (0..4).for_each(|number| blocks.put(bad(number, 5 << 20)));
        check(&blocks, &[3, 2, 1]);
        blocks.put(bad(9, MAX_BYTES));
        check(&blocks, &[3, 2, 1]);
        assert!(blocks.bytes <= MAX_BYTES);
    }
}
