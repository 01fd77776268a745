//! The rollup's chain as L1 says it is, block by block.
//!
//! [`Follower`] walks the inbox: it says which block comes next, is told what that block turned out to be, and remembers
//! the walk. Where L1 takes items back it takes back their blocks, and goes on from the last one that still stands.
//!
//! Not here: executing blocks and moving the head ([`crate::driver`]).

use std::collections::VecDeque;

use alloy_primitives::B256;
use ethrex_l1::{Event, Update};

use crate::{
    bindings::INativeRollup::INativeRollupEvents as RollupEvent,
    derivation::{
        Cursor, Deployment, Derivation, L1Block, Next, OutOfOrder, Parent, Plan, Settled,
    },
};

/// L1 blocks that may be taken back: what was derived from older ones is forgotten once it is settled.
const REORG_DEPTH: u64 = 512;

/// One step of the walk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Walked {
    /// Where it began.
    pub at: Cursor,
    /// Where it ended.
    pub after: Cursor,
    /// Whether there is a block; otherwise the step was skipped.
    pub block: Option<B256>,
}

/// The walk over the inbox.
#[derive(Debug)]
pub struct Follower {
    derivation: Derivation,
    /// Steps that are not forgotten, in order.
    walk: VecDeque<Walked>,
    /// Where the first of them began.
    start: Cursor,
}

impl Follower {
    /// At the beginning, with nothing read.
    #[must_use]
    pub fn new(deployment: Deployment) -> Self {
        let start = deployment.genesis();
        Self { derivation: Derivation::new(deployment), walk: VecDeque::new(), start }
    }

    /// What L1 has said.
    #[must_use]
    pub const fn derivation(&self) -> &Derivation {
        &self.derivation
    }

    /// Takes news of L1.
    ///
    /// # Errors
    /// If they do not continue what came before.
    pub fn take(&mut self, update: Update<RollupEvent>) -> Result<(), OutOfOrder> {
        match update {
            Update::Read { events, upto, .. } => {
                for Event { at, block_hash, timestamp, event, .. } in events {
                    let l1 = L1Block { number: at.block, hash: block_hash, timestamp };
                    self.derivation.apply(l1, event)?;
                }
                self.derivation.read(upto);
            }
            Update::Reorganised { to } => self.derivation.rewind(to),
        }
        self.retract();
        self.prune();
        Ok(())
    }

    /// The contents of an item's blobs were read, proven or not.
    pub fn fill(&mut self, position: u64, hashes: &[B256], stream: &[u8]) {
        self.derivation.fill(position, hashes, stream);
    }

    /// Where the walk stands.
    #[must_use]
    pub fn tip(&self) -> Cursor {
        self.walk.back().map_or(self.start, |walked| walked.after)
    }

    /// The next block, or that there is none. Steps without a block are walked.
    pub fn next_plan(&mut self) -> Option<Box<Plan>> {
        loop {
            let at = self.tip();
            match self.derivation.next(&at) {
                Next::Block(plan) => return Some(plan),
                Next::Skip(after) => self.walk.push_back(Walked { at, after, block: None }),
                Next::Wait => return None,
            }
        }
    }

    /// Whether this plan is what comes at the tip. While it was executed L1 may have gone another way, and another item may stand
    /// at the same place.
    #[must_use]
    pub fn stands(&self, plan: &Plan) -> bool {
        matches!(self.derivation.next(&self.tip()), Next::Block(next) if *next == *plan)
    }

    /// The plan at the tip turned out to be this block, which consumed so many forced transactions.
    ///
    /// # Panics
    /// If the plan is not that of the tip.
    pub fn walked(&mut self, plan: &Plan, block: B256, forced: u64) {
        assert_eq!(plan.at, self.tip(), "plans are executed where the walk stands");
        let after = plan.after(block, forced);
        self.walk.push_back(Walked { at: plan.at, after, block: Some(block) });
    }

    /// Where the first step began that is not forgotten.
    #[must_use]
    pub const fn start(&self) -> &Cursor {
        &self.start
    }

    /// The steps of the walk from this place in the inbox on; `None` if it does not pass there, or no longer knows.
    #[must_use]
    pub fn steps_from(&self, position: u64, index: u64) -> Option<impl Iterator<Item = &Walked>> {
        let place = |cursor: &Cursor| (cursor.position, cursor.index);
        let first = self.walk.partition_point(|walked| place(&walked.at) < (position, index));
        let begins = self.walk.get(first).map_or_else(|| self.tip(), |walked| walked.at);
        (place(&begins) == (position, index)).then(|| self.walk.range(first..))
    }

    /// The steps of a whole item; `None` while some of them are still to come, or are forgotten.
    #[must_use]
    pub fn steps_of(&self, position: u64) -> Option<Vec<Walked>> {
        let steps =
            self.steps_from(position, 0)?.take_while(|walked| walked.at.position == position);
        (self.tip().position > position).then(|| steps.copied().collect())
    }

    /// The last block that L1 has settled; `None` while that is the genesis, or is not walked over yet.
    #[must_use]
    pub fn settled(&self) -> Option<Settled> {
        self.settled_by(u64::MAX)
    }

    /// The last block of which L1 will not take back that it is settled.
    #[must_use]
    pub fn settled_for_good(&self) -> Option<Settled> {
        self.settled_by(self.derivation.upto()?.checked_sub(REORG_DEPTH)?)
    }

    /// The last block that was settled at this L1 block.
    fn settled_by(&self, l1: u64) -> Option<Settled> {
        if let Some(settled) = self.derivation.settled_by(l1) {
            return Some(settled);
        }
        let open = self.derivation.open_at(l1);
        let last = self.walk.partition_point(|walked| walked.at.position < open).checked_sub(1)?;
        let Parent { number, hash, .. } = self.walk[last].after.parent;
        (number > 0).then_some(Settled { number, hash })
    }

    /// The step of the walk that ended with this block.
    #[must_use]
    pub fn step_of_block(&self, number: u64) -> Option<&Walked> {
        let first = self.walk.partition_point(|walked| walked.after.parent.number < number);
        self.walk.get(first).filter(|walked| walked.block.is_some())
    }

    /// Takes back the steps of items that are gone or were cut, and all behind them. They are walked anew.
    fn retract(&mut self) {
        let Some(first) = self.derivation.take_disturbed() else { return };
        while self.walk.back().is_some_and(|walked| walked.at.position >= first) {
            self.walk.pop_back();
        }
    }

    /// Forgets steps that are settled and so old that L1 does not take them back.
    fn prune(&mut self) {
        let Some(upto) = self.derivation.upto() else { return };
        // Whatever L1 takes back, the block that is settled then is part of the walk.
        let Some(settled) = self.settled_for_good() else { return };
        let below = upto.saturating_sub(REORG_DEPTH);
        let old = |walked: &Walked| {
            walked.after.parent.number < settled.number
                && self
                    .derivation
                    .item(walked.at.position)
                    .is_some_and(|item| item.l1.number < below)
        };
        while self.walk.front().is_some_and(old) {
            let Some(walked) = self.walk.pop_front() else { break };
            self.start = walked.after;
        }
        self.derivation.prune(below, self.start.position, self.start.forced);
    }
}

#[cfg(test)]
mod tests;
