//! Ancestors and witnesses of blocks.

use alloy_primitives::B256;
use alloy_rlp::Decodable;
use ethrex_stateless::ExecutionWitness;
use ethrex_storage::StorageError;
use ethrex_types::{Header, SealedHeader};

use crate::Chain;

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
