//! Where the head is: it follows the walk and our own blocks, and goes back with them.

use alloy_primitives::{Address, B256};
use ethrex_chain::Moved;
use ethrex_types::{Tx, alloy_consensus::transaction::SignerRecoverable};

use super::{Driver, DriverError, Work};
use crate::{blocks::BlocksError, follower::Follower};

/// Witnesses that are forgotten in one write to the disk at least.
const FEWEST_WITNESSES: u64 = 32;
/// And at most.
const MOST_WITNESSES: u64 = 4_096;

impl Driver {
    /// Moves head, safe and final block to where the walk and our own blocks are.
    pub(super) fn follow(&mut self) -> Result<(), DriverError> {
        if self.goes_back {
            return Ok(()); // the head has one writer; it is followed again when that is done
        }
        self.back = None;
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
    /// journal before the head moves. A block whose state is not kept any more becomes the head by [`Self::go_back`].
    fn publish(&mut self, hash: B256) -> Result<(), DriverError> {
        let chain = self.parts.blocks.chain().clone();
        if !chain.storage().has_state(hash) {
            self.back = Some(hash);
            return Ok(());
        }
        let (old, new) = (chain.head().number, self.parts.blocks.header(hash)?);
        let moved = chain.go_to(new, &self.parts.pool, returns(self.operator()))?;
        self.on_moved(old, &moved)
    }

    /// Begins to make a block the head that is so far below it that its state must be computed anew, if there is one: many blocks
    /// may have to be executed for that.
    pub(super) fn go_back(&mut self) -> Result<Option<Work>, DriverError> {
        let Some(hash) = self.back.take() else { return Ok(None) };
        let chain = self.parts.blocks.chain().clone();
        if chain.storage().has_state(hash) {
            return self.publish(hash).map(|()| None);
        }
        let (old, new) = (chain.head().number, self.parts.blocks.header(hash)?);
        if chain.storage().canonical_hash(new.number)? != Some(hash) {
            return Err(BlocksError::NoState(hash).into());
        }
        let (pool, returns) = (self.parts.pool.clone(), returns(self.operator()));
        self.goes_back = true;
        Ok(Some(Work::GoingBack(tokio::task::spawn_blocking(move || {
            let moved = chain.go_back(new, &pool, returns)?.ok_or(BlocksError::NoState(hash))?;
            Ok((old, moved))
        }))))
    }

    /// The head has moved back as it was to. What L1 has next is derived first: blocks of our own that stand above may fall by that.
    pub(super) fn on_back(&mut self, old: u64, moved: &Moved) -> Result<(), DriverError> {
        self.goes_back = false;
        self.on_moved(old, moved)?;
        if self.complete { self.follow() } else { Ok(()) }
    }

    fn on_moved(&mut self, old: u64, moved: &Moved) -> Result<(), DriverError> {
        let Moved { fork, returned } = *moved;
        if fork < old {
            let (from, to) = (old, fork);
            tracing::warn!(from, to, transactions = returned, "the rollup went back");
            self.outbox.on_reorg(to)?;
            // What was delivered in blocks that are gone is delivered again.
            if let Some(sequencing) = &mut self.sequencer {
                sequencing.next_claim = 0;
            }
        }
        Ok(())
    }

    fn operator(&self) -> Option<Address> {
        self.sequencer.as_ref().map(|sequencing| sequencing.operator.address())
    }
}

/// Which transactions go back to the pool: those of our own are made anew for every item.
fn returns(operator: Option<Address>) -> impl Fn(&Tx) -> bool + Send + 'static {
    move |tx| operator.is_none_or(|ours| tx.recover_signer().is_ok_and(|sender| sender != ours))
}
