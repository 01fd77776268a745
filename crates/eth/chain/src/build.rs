//! Building the next block.

use std::time::Instant;

use alloy_eips::eip7685::Requests;
use alloy_primitives::Bytes;
use ethrex_stateless::ExecutionWitness;
use ethrex_stf::{BlockAttributes, BlockBuilder, BuildContext, BuiltBlock, InvalidBlock, RunError};
use ethrex_storage::{StateView, StorageError};
use ethrex_trie::TrieUpdates;
use ethrex_types::{Receipt, RecoveredBlock, SealedHeader, StateDiff, StateError};

use crate::{
    Chain, metrics,
    witness::{Before, CommitError},
};

/// A block that has been built or checked, with everything needed to store it.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// The block and its senders.
    pub block: RecoveredBlock,
    /// One receipt per transaction.
    pub receipts: Vec<Receipt>,
    /// Changes of state.
    pub diff: StateDiff,
    /// Changes of trie nodes.
    pub nodes: TrieUpdates,
    /// EIP-7685 requests; empty before Prague.
    pub requests: Requests,
    /// RLP of what the block touches and changes (EIP-7928), from Amsterdam on.
    pub access_list: Option<Bytes>,
    /// What a stateless validator needs to check the block, on a chain that records it.
    pub witness: Option<ExecutionWitness>,
}

/// What is left of a [`Prepared`] block once it is stored.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The block and its senders.
    pub block: RecoveredBlock,
    /// What a stateless validator needs to check the block, on a chain that records it.
    pub witness: Option<ExecutionWitness>,
}

/// Why no block was built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The next block is one under proof of work, which nobody builds here.
    #[error("the block after {0} is before the merge, and only blocks after it are built")]
    NotMerged(alloy_primitives::B256),
    /// The parent's state is not at hand.
    #[error("state after block {0} is not available")]
    NoState(alloy_primitives::B256),
    /// The chain's own system calls fail on this state: no block can follow.
    #[error("system calls fail on the parent's state: {0}")]
    BrokenChain(InvalidBlock),
    /// The state could not be read.
    #[error("read state")]
    State(#[source] StateError),
    /// The database failed.
    #[error("read parent")]
    Storage(#[source] StorageError),
}

impl From<CommitError> for BuildError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::State(fault) => Self::State(fault),
            CommitError::Storage(fault) => Self::Storage(fault),
        }
    }
}

impl From<RunError<InvalidBlock>> for BuildError {
    fn from(error: RunError<InvalidBlock>) -> Self {
        match error {
            RunError::Invalid(why) => Self::BrokenChain(why),
            RunError::Fault(fault) => Self::State(fault),
        }
    }
}

impl Chain {
    /// Builds the block after `parent`. `fill` appends the transactions.
    ///
    /// Nothing is stored. CPU-bound: async callers run it on a blocking thread.
    ///
    /// # Errors
    /// Only faults, a chain whose system contracts are broken, and one whose next block is under proof of work.
    pub fn build(
        &self,
        parent: &SealedHeader,
        attributes: &BlockAttributes,
        fill: impl FnOnce(&mut BlockBuilder<'_>) -> Result<(), StateError>,
    ) -> Result<Prepared, BuildError> {
        let start = Instant::now();
        if !self.is_built_on(parent).map_err(BuildError::Storage)? {
            return Err(BuildError::NotMerged(parent.hash()));
        }
        let state = self
            .storage()
            .state_at(parent.hash())
            .map_err(BuildError::Storage)?
            .ok_or(BuildError::NoState(parent.hash()))?;
        let context = BuildContext::new(self.spec(), parent, attributes);
        let before = self.before(&state, parent);
        let built = before.execute(|state| {
            let mut builder = BlockBuilder::open(&context, self.rules().as_ref(), state)?;
            fill(&mut builder).map_err(BuildError::State)?;
            Ok::<_, BuildError>(builder.finish()?)
        })?;
        let prepared = self.complete_on(before, parent, built)?;
        let gas = prepared.block.sealed().header().gas_used;
        metrics::built(start.elapsed(), prepared.block.senders().len(), gas);
        Ok(prepared)
    }

    /// Completes a block that was built on `state`, the state after `parent`: computes the state root, and records the
    /// witness where this chain does. Nothing is stored.
    ///
    /// # Errors
    /// Only faults.
    pub fn complete(
        &self,
        parent: &SealedHeader,
        state: &StateView,
        built: BuiltBlock,
    ) -> Result<Prepared, BuildError> {
        self.complete_on(self.before(state, parent), parent, built)
    }

    fn complete_on(
        &self,
        before: Before<'_>,
        parent: &SealedHeader,
        built: BuiltBlock,
    ) -> Result<Prepared, BuildError> {
        let (witness, update) = self.commit(before, parent, &built.accesses, &built.diff)?;
        let block = built.seal(update.root);
        Ok(Prepared {
            block: RecoveredBlock::new_unchecked(block, built.senders),
            receipts: built.receipts,
            diff: built.diff,
            nodes: update.nodes,
            requests: built.requests,
            access_list: built
                .block_access_list
                .as_ref()
                .map(|list| alloy_rlp::encode(list).into()),
            witness,
        })
    }
}
