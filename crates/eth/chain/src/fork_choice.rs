//! Where a consensus client wants the head.

use alloy_primitives::B256;
use ethrex_stf::InvalidBlock;
use ethrex_storage::StorageError;
use ethrex_types::SealedHeader;

use crate::{
    Chain, ChainError, ImportError, Rejection, deep,
    importer::{Connection, Judge},
};

/// The three blocks that a consensus client follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ForkChoice {
    /// The head of the canonical chain.
    pub head: B256,
    /// The newest block that will stay under common assumptions; `None` where there is none yet.
    pub safe: Option<B256>,
    /// The newest block that stays for good; `None` where there is none yet.
    pub finalized: Option<B256>,
}

impl ForkChoice {
    /// Those blocks that must be ancestors of the head, with what they are called.
    pub(crate) fn below_head(&self) -> impl Iterator<Item = (B256, &'static str)> + use<> {
        let named = [(self.finalized, "finalized"), (self.safe, "safe")];
        named.into_iter().filter_map(|(block, what)| Some((block?, what)))
    }
}

/// What became of a fork choice. None of these is a fault of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForkChoiceStatus {
    /// The head is where it was wanted.
    Applied(Box<SealedHeader>),
    /// The block is older than what is final: the head stays.
    Skipped,
    /// The head is invalid; nothing has changed.
    Invalid(Rejection),
    /// The head, or what leads to it, is not here; nothing has changed.
    Syncing,
    /// The safe or the final block is not an ancestor of the head; nothing has changed.
    Inconsistent(&'static str),
    /// The chains part below what this node keeps the state of; nothing has changed.
    TooDeep {
        /// Blocks that would leave the chain.
        depth: u64,
    },
}

/// Something on our side failed. The head may have moved.
#[derive(Debug, thiserror::Error)]
pub enum ForkChoiceError {
    /// A block on the way to the head could not be judged.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The head could not be moved, or the pool could not follow it.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// A block of the chain was executed again, and is valid no more: the database or this program is damaged.
    #[error("a block of the chain is invalid when it is executed again")]
    Again(#[source] InvalidBlock),
}

impl From<StorageError> for ForkChoiceError {
    fn from(error: StorageError) -> Self {
        Self::Chain(error.into())
    }
}

/// Judges what waits below the wanted head, and moves there.
pub(crate) fn apply(
    judge: &mut Judge,
    wanted: &ForkChoice,
) -> Result<ForkChoiceStatus, ForkChoiceError> {
    if let Some(why) = judge.tracker.rejection(wanted.head) {
        return Ok(ForkChoiceStatus::Invalid(why.clone()));
    }
    let connection = judge.connect(wanted.head)?;
    let chain = &judge.chain;
    match connection {
        Connection::Invalid(why) => return Ok(ForkChoiceStatus::Invalid(why)),
        Connection::Missing => return Ok(ForkChoiceStatus::Syncing),
        Connection::NoState | Connection::Ready if is_below_finalized(chain, wanted.head)? => {
            return Ok(ForkChoiceStatus::Skipped);
        }
        Connection::NoState | Connection::Ready if is_before_the_merge(chain, wanted.head)? => {
            let why = &"the block is under proof of work, and more work is to come";
            return Ok(ForkChoiceStatus::Invalid(Rejection::new(Some(B256::ZERO), why)));
        }
        Connection::NoState => return deep::apply(judge, wanted),
        Connection::Ready => {}
    }
    let head = chain.storage().header(wanted.head)?;
    let head = head.ok_or(StorageError::UnknownBlock(wanted.head))?;
    for (block, what) in wanted.below_head() {
        if !is_ancestor(chain, block, &head)? {
            return Ok(ForkChoiceStatus::Inconsistent(what));
        }
    }
    chain.set_fork_choice(head.clone(), wanted.safe, wanted.finalized, &judge.pool)?;
    Ok(ForkChoiceStatus::Applied(Box::new(head)))
}

/// Whether a block stands strictly below the newest final one. Then it is not a head any more, but what a consensus client that
/// has just started replays.
fn is_below_finalized(chain: &Chain, hash: B256) -> Result<bool, StorageError> {
    let storage = chain.storage();
    let (Some(finalized), Some(number)) = (storage.finalized(), storage.number(hash)?) else {
        return Ok(false);
    };
    Ok(number < finalized.number && storage.canonical_hash(number)? == Some(hash))
}

/// Whether a block is one that others under proof of work follow. A consensus client takes over at the last of them (EIP-3675).
fn is_before_the_merge(chain: &Chain, hash: B256) -> Result<bool, StorageError> {
    let Some(header) = chain.storage().header(hash)? else { return Ok(false) };
    Ok(!header.difficulty.is_zero() && !chain.is_built_on(&header)?)
}

/// Whether a block is `head` or stands below it.
fn is_ancestor(chain: &Chain, block: B256, head: &SealedHeader) -> Result<bool, StorageError> {
    let storage = chain.storage();
    let Some(number) = storage.number(block)? else { return Ok(false) };
    let mut next = head.clone();
    // Above the canonical chain a branch is followed block by block; it is no longer than the history of states.
    while next.number > number && storage.canonical_hash(next.number)? != Some(next.hash()) {
        let Some(parent) = storage.header(next.parent_hash)? else { return Ok(false) };
        next = parent;
    }
    if next.number <= number {
        return Ok(next.hash() == block);
    }
    Ok(storage.canonical_hash(number)? == Some(block))
}
