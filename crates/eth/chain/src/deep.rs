//! Reorganisations that begin below the states that are kept.
//!
//! The blocks of the new branch are executed on a view of the old state first, and nothing changes before the last of them is known to be
//! valid: what a consensus client asks for may turn out invalid, and then the head must be where it was.

use alloy_primitives::B256;
use ethrex_stf::InvalidBlock;
use ethrex_storage::{BlockRef, Past, StorageError};
use ethrex_txpool::Pool;
use ethrex_types::{SealedBlock, SealedHeader, Tx};

use crate::{
    Chain, ForkChoice, ForkChoiceError, ForkChoiceStatus, Head, Moved, Prepared, Rejection,
    importer::Judge,
};

/// Blocks that are executed again for one fork choice at most: all of them are in memory until the head has moved.
const MAX_EXECUTED: u64 = 2048;

/// A branch, and where it leaves the canonical chain.
struct Branch {
    fork: SealedHeader,
    /// From the block after the fork to the head.
    blocks: Vec<SealedBlock>,
}

impl Branch {
    fn contains(&self, hash: B256) -> bool {
        self.blocks.iter().any(|block| block.hash() == hash)
    }
}

/// Moves to a head that stands on blocks without state.
pub(crate) fn apply(
    judge: &mut Judge,
    wanted: &ForkChoice,
) -> Result<ForkChoiceStatus, ForkChoiceError> {
    let Some(branch) = branch(judge, wanted.head)? else { return Ok(ForkChoiceStatus::Syncing) };
    let storage = judge.chain.storage().clone();
    for (block, what) in wanted.below_head() {
        let canonical = storage.number(block)?.is_some_and(|number| number <= branch.fork.number)
            && is_canonical(judge, block)?;
        if !canonical && !branch.contains(block) {
            return Ok(ForkChoiceStatus::Inconsistent(what));
        }
    }
    let depth = judge.chain.head().number.saturating_sub(branch.fork.number);
    let too_deep = Ok(ForkChoiceStatus::TooDeep { depth });
    if depth + branch.blocks.len() as u64 > MAX_EXECUTED {
        return too_deep;
    }
    let Some(mut past) = storage.state_below(branch.fork.number)? else { return too_deep };
    // Both are forgotten on the way back; what the consensus client does not say now stays if it still can.
    let stays = |old: &BlockRef| old.number <= branch.fork.number || branch.contains(old.hash);
    let kept = |old: Option<BlockRef>| old.filter(stays).map(|block| block.hash);
    let safe = wanted.safe.or(kept(storage.safe()));
    let finalized = wanted.finalized.or(kept(storage.finalized()));
    let left = judge.chain.transactions_above(branch.fork.number)?;
    let executed = match execute(&judge.chain, &mut past, branch)? {
        Ok(executed) => executed,
        Err(Refused { parent, why, invalid }) => {
            // A parent on the branch was valid a moment ago, and is not stored.
            let latest_valid = judge.as_latest_valid(parent)?.or(Some(parent));
            let why = Rejection::new(latest_valid, &why);
            invalid.into_iter().for_each(|hash| judge.tracker.reject(hash, why.clone()));
            return Ok(ForkChoiceStatus::Invalid(why));
        }
    };
    judge.pool.save_reorged(&left);
    if !judge.chain.rewind(&past, executed)? {
        // The base has moved, which it does at most once while nothing else does.
        return Ok(ForkChoiceStatus::Syncing);
    }
    let head = storage.header(wanted.head)?.ok_or(StorageError::UnknownBlock(wanted.head))?;
    judge.chain.move_head(head.clone(), safe, finalized, (&judge.pool, left))?;
    Ok(ForkChoiceStatus::Applied(Box::new(head)))
}

/// The blocks from the canonical chain to `head`, whether they wait or are stored without state.
fn branch(judge: &Judge, head: B256) -> Result<Option<Branch>, StorageError> {
    let storage = judge.chain.storage();
    let (mut blocks, mut next) = (vec![], head);
    while !is_canonical(judge, next)? {
        let block = match judge.tracker.waiting(next) {
            Some(block) => block.clone(),
            None => match storage.block(next)? {
                Some(block) => block.into_parts().0,
                None => return Ok(None),
            },
        };
        next = block.header().parent_hash;
        blocks.push(block);
        if blocks.len() as u64 > MAX_EXECUTED {
            break;
        }
    }
    blocks.reverse();
    Ok(storage.header(next)?.map(|fork| Branch { fork, blocks }))
}

fn is_canonical(judge: &Judge, hash: B256) -> Result<bool, StorageError> {
    let storage = judge.chain.storage();
    let Some(number) = storage.number(hash)? else { return Ok(false) };
    Ok(storage.canonical_hash(number)? == Some(hash))
}

/// A branch of which a block is invalid, and with it all that stand on it.
struct Refused {
    /// The last block that is not.
    parent: B256,
    why: InvalidBlock,
    invalid: Vec<B256>,
}

/// Executes what is canonical above `past` up to the fork, and the branch.
fn execute(
    chain: &Chain,
    past: &mut Past,
    branch: Branch,
) -> Result<Result<Vec<Prepared>, Refused>, ForkChoiceError> {
    let storage = chain.storage();
    let start = past.state.block();
    let missing = |hash| StorageError::UnknownBlock(hash);
    let mut parent = storage.header(start.hash)?.ok_or(missing(start.hash))?;
    let mut blocks = Vec::with_capacity(branch.blocks.len());
    for number in start.number + 1..=branch.fork.number {
        let hash = storage.canonical_hash(number)?.ok_or(missing(branch.fork.hash()))?;
        blocks.push(storage.block(hash)?.ok_or(missing(hash))?.into_parts().0);
    }
    blocks.extend(branch.blocks);
    let mut executed: Vec<Prepared> = Vec::with_capacity(blocks.len());
    let mut rest = blocks.into_iter();
    while let Some(block) = rest.next() {
        let header = block.sealed_header();
        match chain.check_on(block, &parent, &past.state)? {
            Ok(mut prepared) => {
                // It was recorded without the headers of blocks that are not stored yet.
                prepared.witness = None;
                let at = BlockRef { number: header.number, hash: header.hash() };
                let (diff, nodes) = (prepared.diff.clone(), prepared.nodes.clone());
                past.state.advance(at, header.state_root, diff, nodes);
                executed.push(prepared);
                parent = header;
            }
            Err(why) => {
                let invalid = [header.hash()].into_iter().chain(rest.map(|block| block.hash()));
                let (parent, invalid) = (parent.hash(), invalid.collect());
                return Ok(Err(Refused { parent, why, invalid }));
            }
        }
    }
    Ok(Ok(executed))
}

impl Chain {
    /// Makes a block of the chain the head again, whether its state is kept or must be computed anew. Of what left the chain, those
    /// transactions return to the pool of which `returns` says so. `None`, and nothing has changed, if the block is below all that
    /// leads back to a state.
    ///
    /// # Errors
    /// If the database fails. The head has moved even where the pool could not follow.
    pub fn go_back(
        &self,
        to: Head,
        pool: &Pool,
        returns: impl Fn(&Tx) -> bool,
    ) -> Result<Option<Moved>, ForkChoiceError> {
        let storage = self.storage();
        if storage.has_state(to.hash()) {
            return Ok(Some(self.go_to(to, pool, returns)?));
        }
        let fork = to.number;
        let mut left = self.transactions_above(fork)?;
        left.retain(returns);
        // The base moves at most once while nothing else does.
        for _ in 0..2 {
            let Some(mut past) = storage.state_below(fork)? else { return Ok(None) };
            let branch = Branch { fork: to.clone(), blocks: Vec::new() };
            let executed = execute(self, &mut past, branch)?;
            let executed = executed.map_err(|refused| ForkChoiceError::Again(refused.why))?;
            pool.save_reorged(&left);
            if self.rewind(&past, executed)? {
                let returned = left.len();
                self.move_head(to, None, None, (pool, left))?;
                return Ok(Some(Moved { fork, returned }));
            }
        }
        Ok(None)
    }
}
