//! Where the head is: it follows the walk and our own blocks, and goes back with them.

use alloy_primitives::B256;
use ethrex_chain::Moved;
use ethrex_types::{Tx, alloy_consensus::transaction::SignerRecoverable};

use super::{Driver, DriverError};
use crate::{blocks::BlocksError, follower::Follower};

/// Witnesses that are forgotten in one write to the disk at least.
const FEWEST_WITNESSES: u64 = 32;
/// And at most.
const MOST_WITNESSES: u64 = 4_096;

impl Driver {
    /// Moves head, safe and final block to where the walk and our own blocks are.
    pub(super) fn follow(&mut self) -> Result<(), DriverError> {
        let walk = self.view.read(Follower::tip).parent;
        let chain = self.parts.blocks.chain().clone();
        let (number, hash) = match self.own.newest().map(|block| block.after) {
            Some(own) if own.number > walk.number => (own.number, own.hash),
            _ => (walk.number, walk.hash),
        };
        // While L1 is being read the walk may only be behind, and the head of an earlier run stands.
        let head = chain.head();
        if head.hash() != hash && (self.complete || number > head.number) {
            self.publish(hash)?;
        }
        let storage = chain.storage();
        if chain.head().number >= walk.number && walk.number > 0 {
            storage.set_safe(walk.hash)?;
            let settled = self.view.read(Follower::settled);
            if let Some(settled) = settled.filter(|settled| settled.number <= walk.number)
                && storage.canonical_hash(settled.number)? == Some(settled.hash)
            {
                storage.set_finalized(settled.hash)?;
            }
        }
        let (start, settled) =
            self.view.read(|follower| (follower.start().position, follower.settled_for_good()));
        self.own.forget(start)?;
        if let Some(settled) = settled {
            self.outbox.on_settled(settled.number)?;
            self.forget_witnesses(settled.number.min(walk.number))?;
        }
        if self.forgotten < start {
            let store = self.parts.blocks.store();
            store.drop_native_blobs_below(start).map_err(BlocksError::Store)?;
            self.forgotten = start;
        }
        self.show_to_post();
        Ok(())
    }

    /// Nobody is shown the witnesses of blocks that L1 will not take back: they go, many together.
    fn forget_witnesses(&mut self, settled: u64) -> Result<(), DriverError> {
        // An earlier run may have ended before it came to the last ones.
        let from = self.unwitnessed.unwrap_or(settled.saturating_sub(MOST_WITNESSES));
        if settled < from.saturating_add(FEWEST_WITNESSES) {
            return Ok(());
        }
        let storage = self.parts.blocks.chain().storage();
        let upto = settled.min(from.saturating_add(MOST_WITNESSES));
        let hashes = (from..upto)
            .filter_map(|number| storage.canonical_hash(number).transpose())
            .collect::<Result<Vec<_>, _>>()?;
        storage.delete_witnesses(&hashes)?;
        self.unwitnessed = Some(upto);
        Ok(())
    }

    /// Makes a block the head. Transactions of blocks that are no longer part of the chain go back to the pool; they are in its
    /// journal before the head moves.
    pub(super) fn publish(&mut self, hash: B256) -> Result<(), DriverError> {
        let chain = self.parts.blocks.chain().clone();
        let (old, new) = (chain.head(), self.parts.blocks.header(hash)?);
        // Our own transactions are made anew for every item.
        let operator = self.sequencer.as_ref().map(|sequencing| sequencing.operator.address());
        let returns = |tx: &Tx| {
            operator.is_none_or(|ours| tx.recover_signer().is_ok_and(|sender| sender != ours))
        };
        let pool = &self.parts.pool;
        let Moved { fork, returned } = if chain.storage().has_state(hash) {
            chain.go_to(new, pool, returns)?
        } else {
            let canonical = chain.storage().canonical_hash(new.number)? == Some(hash);
            let moved = if canonical { chain.go_back(new, pool, returns)? } else { None };
            moved.ok_or(BlocksError::NoState(hash))?
        };
        if fork < old.number {
            let (from, to) = (old.number, fork);
            tracing::warn!(from, to, transactions = returned, "the rollup went back");
            self.outbox.on_reorg(to)?;
            // What was delivered in blocks that are gone is delivered again.
            if let Some(sequencing) = &mut self.sequencer {
                sequencing.next_claim = 0;
            }
        }
        Ok(())
    }
}
