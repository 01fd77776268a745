//! Ancestors and witnesses of blocks.

use alloy_primitives::B256;
use alloy_rlp::Decodable;
use ethrex_stateless::{ExecutionWitness, Recording};
use ethrex_stf::Accesses;
use ethrex_storage::{StateView, StorageError};
use ethrex_trie::{StateUpdate, update_state};
use ethrex_types::{Header, SealedHeader, StateDiff, StateError, StateReader};

use crate::{Chain, chain::Witnesses};

/// The root over a block's changes could not be computed.
pub(crate) enum CommitError {
    State(StateError),
    Storage(StorageError),
}

/// The state before a block, and what the block reads of it, where that is recorded.
pub(crate) struct Before<'s> {
    state: &'s StateView,
    recording: Option<Recording<'s>>,
}

impl Before<'_> {
    /// Executes on this state. Whatever is read is among the accesses that [`Chain::commit`] is told.
    pub(crate) fn execute<A>(&self, work: impl FnOnce(&dyn StateReader) -> A) -> A {
        match &self.recording {
            Some(recording) => recording.watch(self.state, work),
            None => work(self.state),
        }
    }
}

impl Chain {
    /// The witness that was recorded when this block was built or imported; `None` once it has been pruned.
    ///
    /// # Errors
    /// If the database fails.
    ///
    /// # Panics
    /// If the database holds something else in its place: it stores only what [`Chain::store`] encoded.
    pub fn witness(&self, block: B256) -> Result<Option<ExecutionWitness>, StorageError> {
        let witness = self.storage().witness(block)?;
        Ok(witness.map(|bytes| {
            ExecutionWitness::decode(&mut bytes.as_ref()).expect("a stored witness decodes")
        }))
    }

    /// The state on which a block is about to be executed: `state`, the one after `parent`.
    pub(crate) fn before<'s>(&self, state: &'s StateView, parent: &SealedHeader) -> Before<'s> {
        let recording = match self.witnesses() {
            Witnesses::None => None,
            Witnesses::Recorded | Witnesses::Recent => {
                Some(Recording::of(state, parent.state_root))
            }
        };
        Before { state, recording }
    }

    /// Computes the state after a block, and records what doing so and executing it read, where this chain does.
    pub(crate) fn commit(
        &self,
        before: Before<'_>,
        parent: &SealedHeader,
        accesses: &Accesses,
        diff: &StateDiff,
    ) -> Result<(Option<ExecutionWitness>, StateUpdate), CommitError> {
        let Some(recording) = before.recording else {
            return update_state(before.state, parent.state_root, diff)
                .map(|update| (None, update))
                .map_err(CommitError::State);
        };
        let headers =
            self.ancestors(parent, accesses.oldest_block_hash).map_err(CommitError::Storage)?;
        recording
            .finish(accesses, diff, &headers)
            .map(|(witness, update)| (Some(witness), update))
            .map_err(CommitError::State)
    }

    /// Headers from the oldest that was asked for to `parent` itself, oldest first.
    pub(crate) fn ancestors(
        &self,
        parent: &SealedHeader,
        oldest: Option<u64>,
    ) -> Result<Vec<Header>, StorageError> {
        let mut headers = vec![parent.inner().clone()];
        let mut hash = parent.parent_hash;
        let oldest = oldest.unwrap_or(parent.number);
        let mut number = parent.number;
        while number > oldest {
            let Some(header) = self.storage().header(hash)? else { break };
            (hash, number) = (header.parent_hash, header.number);
            headers.push(header.into_inner());
        }
        headers.reverse();
        Ok(headers)
    }
}
