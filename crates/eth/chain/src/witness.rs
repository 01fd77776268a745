//! Ancestors and witnesses of blocks.

use alloy_primitives::B256;
use alloy_rlp::Decodable;
use ethrex_stateless::{ExecutionWitness, record};
use ethrex_stf::Accesses;
use ethrex_storage::{StateView, StorageError};
use ethrex_trie::{StateUpdate, update_state};
use ethrex_types::{Header, SealedHeader, StateDiff, StateError};

use crate::{Chain, chain::Witnesses};

/// The root over a block's changes could not be computed.
pub(crate) enum CommitError {
    State(StateError),
    Storage(StorageError),
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

    /// Computes the state after a block, and records what doing so and executing it read, where this chain does.
    pub(crate) fn commit(
        &self,
        state: &StateView,
        parent: &SealedHeader,
        accesses: &Accesses,
        diff: &StateDiff,
    ) -> Result<(Option<ExecutionWitness>, StateUpdate), CommitError> {
        match self.witnesses() {
            Witnesses::None => update_state(state, parent.state_root, diff)
                .map(|update| (None, update))
                .map_err(CommitError::State),
            Witnesses::Recorded | Witnesses::Recent => {
                let headers = self
                    .ancestors(parent, accesses.oldest_block_hash)
                    .map_err(CommitError::Storage)?;
                record(state, parent.state_root, accesses, diff, &headers)
                    .map(|(witness, update)| (Some(witness), update))
                    .map_err(CommitError::State)
            }
        }
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
