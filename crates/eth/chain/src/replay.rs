//! Executing a stored block again, for what was not kept of it.

use ethrex_stateless::{ExecutionWitness, NotAPayload, Recording, StatelessInput};
use ethrex_stf::{Executed, InvalidBlock, RunError, execute};
use ethrex_storage::StorageError;
use ethrex_types::{RecoveredBlock, StateError};

use crate::Chain;

/// What executing a stored block again gave.
#[derive(Debug, Clone)]
pub struct Replayed {
    /// Receipts, requests, changes, and what was touched.
    pub executed: Executed,
    /// The canonical witness: of this block alone, while the one that was recorded as it was built may hold what transactions
    /// read that did not get into it.
    pub witness: ExecutionWitness,
}

/// Why a stored block could not be executed again.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    /// The database failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The state could not be read.
    #[error("read state")]
    State(#[source] StateError),
    /// It was valid when it was stored, and is not any more.
    #[error("a stored block is invalid: {0}")]
    Invalid(InvalidBlock),
    /// It cannot be handed to a stateless validator of EIP-8025.
    #[error("the block is no payload")]
    Payload(#[from] NotAPayload),
}

impl Chain {
    /// Executes a stored block again and records its witness; `None` where its parent or the state after it is not kept.
    ///
    /// CPU-bound: async callers run it on a blocking thread.
    ///
    /// # Errors
    /// Only faults.
    pub fn replay(&self, block: &RecoveredBlock) -> Result<Option<Replayed>, ReplayError> {
        let parent = block.sealed().header().parent_hash;
        let (Some(state), Some(parent)) =
            (self.storage().state_at(parent)?, self.storage().header(parent)?)
        else {
            return Ok(None);
        };
        let recording = Recording::of(&state, parent.state_root);
        let executed = recording
            .watch(&state, |state| execute(self.spec(), self.rules().as_ref(), block, state));
        let executed = executed.map_err(|error| match error {
            RunError::Fault(fault) => ReplayError::State(fault),
            RunError::Invalid(why) => ReplayError::Invalid(why),
        })?;
        let headers = self.ancestors(&parent, executed.accesses.oldest_block_hash)?;
        let (witness, _) = recording
            .finish(&executed.accesses, &executed.diff, &headers)
            .map_err(ReplayError::State)?;
        Ok(Some(Replayed { executed, witness }))
    }

    /// The input by which a stranger verifies a stored block; `None` where it cannot be executed again, and for a block before
    /// Amsterdam.
    ///
    /// # Errors
    /// Only faults, and a block that no payload can carry.
    pub fn stateless_input(
        &self,
        block: &RecoveredBlock,
    ) -> Result<Option<StatelessInput>, ReplayError> {
        let Some(Replayed { executed, witness }) = self.replay(block)? else { return Ok(None) };
        let Some(access_list) = &executed.block_access_list else { return Ok(None) };
        let chain_id = self.spec().chain_id();
        let input =
            StatelessInput::of(block.sealed(), &executed.requests, access_list, witness, chain_id)?;
        Ok(Some(input))
    }
}
