//! What blocks under proof of work need of the chain before them: its total difficulty, and the ancestors of ommers.

use std::collections::VecDeque;

use alloy_primitives::{B256, U256};
use ethrex_stf::{GENERATIONS, Generation, InvalidBlock, check_ommers, check_terminal};
use ethrex_storage::StorageError;
use ethrex_types::{Block, SealedHeader};

use crate::Chain;

/// Blocks whose total difficulty is remembered: a side chain leaves the last ones.
const REMEMBERED: usize = 256;

/// The total difficulties of the blocks that were judged last.
#[derive(Debug, Default)]
pub(crate) struct Totals(VecDeque<(B256, U256)>);

impl Totals {
    fn of(&self, hash: B256) -> Option<U256> {
        self.0.iter().rev().find(|(known, _)| *known == hash).map(|(_, total)| *total)
    }

    fn remember(&mut self, hash: B256, total: U256) {
        if self.0.len() == REMEMBERED {
            self.0.pop_front();
        }
        self.0.push_back((hash, total));
    }
}

impl Chain {
    /// Checks what a block before the merge, or the first one after it, owes to its ancestors.
    pub(crate) fn check_work(
        &self,
        block: &Block,
        parent: &SealedHeader,
    ) -> Result<Result<(), InvalidBlock>, StorageError> {
        if self.spec().is_merged(parent) {
            return Ok(Ok(()));
        }
        let total = self.total_difficulty(parent)?;
        if let Err(why) = check_terminal(self.spec(), &block.header, parent, total) {
            return Ok(Err(why));
        }
        if block.body.ommers.is_empty() {
            return Ok(Ok(()));
        }
        let generations = self.generations(parent)?;
        Ok(check_ommers(self.spec(), block, &generations))
    }

    /// Whether the block after this one is under proof of stake, and so can be built.
    pub(crate) fn is_built_on(&self, parent: &SealedHeader) -> Result<bool, StorageError> {
        let Some(terminal) = self.spec().terminal_total_difficulty() else { return Ok(false) };
        Ok(self.spec().is_merged(parent) || self.total_difficulty(parent)? >= terminal)
    }

    /// The difficulty of all blocks up to and with this one. It is not stored: the first call after a start may walk back to
    /// the genesis, later ones find the blocks that were judged last.
    pub(crate) fn total_difficulty(&self, header: &SealedHeader) -> Result<U256, StorageError> {
        let mut totals = self.totals().lock();
        let mut sum = U256::ZERO;
        let mut at = header.clone();
        let total = loop {
            if let Some(total) = totals.of(at.hash()) {
                break sum.saturating_add(total);
            }
            sum = sum.saturating_add(at.difficulty);
            let Some(parent) = self.storage().header(at.parent_hash)? else { break sum };
            at = parent;
        };
        if totals.of(header.hash()).is_none() {
            totals.remember(header.hash(), total);
        }
        Ok(total)
    }

    /// The nearest ancestors of a block, its parent first.
    fn generations(&self, parent: &SealedHeader) -> Result<Vec<Generation>, StorageError> {
        let mut generations = Vec::with_capacity(GENERATIONS);
        let mut next = Some(parent.clone());
        while let Some(header) = next.filter(|_| generations.len() < GENERATIONS) {
            let body = self.storage().body(header.hash())?;
            let ommers = body.map(|body| body.ommers).unwrap_or_default();
            next = self.storage().header(header.parent_hash)?;
            generations.push(Generation { header, ommers });
        }
        Ok(generations)
    }
}
