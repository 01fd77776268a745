//! From a block parameter to a block, and to the state after it.

use std::sync::Arc;

use alloy_eips::{BlockId, BlockNumberOrTag, RpcBlockHash};
use alloy_primitives::{B256, hex};
use ethrex_storage::StateView;
use ethrex_types::{Header, RecoveredBlock, SealedHeader, StateReader};

use crate::{Context, RpcError};

/// What a call runs on: an environment, and a state.
pub(crate) struct Environment {
    /// The block whose environment holds. Of the pending block, what is known before it is built.
    pub(crate) header: Header,
    pub(crate) state: Arc<dyn StateReader>,
}

impl Context {
    /// The hash a block parameter names; `None` where the chain has no such block.
    ///
    /// # Errors
    /// If the tag names none, the block is not canonical as asked, or the database fails.
    pub fn find(&self, id: BlockId) -> Result<Option<B256>, RpcError> {
        let storage = self.chain().storage();
        match id {
            BlockId::Hash(RpcBlockHash { block_hash, require_canonical }) => {
                let Some(number) = storage.number(block_hash)? else { return Ok(None) };
                if require_canonical == Some(true)
                    && storage.canonical_hash(number)? != Some(block_hash)
                {
                    return Err(RpcError::NotCanonical);
                }
                Ok(Some(block_hash))
            }
            BlockId::Number(BlockNumberOrTag::Latest | BlockNumberOrTag::Pending) => {
                Ok(Some(self.chain().head().hash()))
            }
            BlockId::Number(BlockNumberOrTag::Number(number)) => self.canonical(number),
            BlockId::Number(BlockNumberOrTag::Earliest) => {
                self.canonical(self.chain().spec().genesis().number.unwrap_or_default())
            }
            BlockId::Number(BlockNumberOrTag::Safe) => {
                storage.safe().map(|block| Some(block.hash)).ok_or(RpcError::TagNotFound("safe"))
            }
            BlockId::Number(BlockNumberOrTag::Finalized) => storage
                .finalized()
                .map(|block| Some(block.hash))
                .ok_or(RpcError::TagNotFound("finalized")),
        }
    }

    /// The canonical block at this height, as far as it is published.
    ///
    /// # Errors
    /// If the database fails.
    pub fn canonical(&self, number: u64) -> Result<Option<B256>, RpcError> {
        if number > self.chain().head().number {
            return Ok(None);
        }
        Ok(self.chain().storage().canonical_hash(number)?)
    }

    pub(crate) fn header(&self, id: BlockId) -> Result<SealedHeader, RpcError> {
        let missing = match id {
            BlockId::Hash(_) => RpcError::HashNotFound,
            BlockId::Number(_) => RpcError::HeaderNotFound,
        };
        let Some(hash) = self.find(id)? else { return Err(missing) };
        self.chain().storage().header(hash)?.ok_or(missing)
    }

    pub(crate) fn block(&self, id: BlockId) -> Result<Option<RecoveredBlock>, RpcError> {
        let Some(hash) = self.find(id)? else { return Ok(None) };
        Ok(self.chain().storage().block(hash)?)
    }

    /// The block, where its absence is an error.
    pub(crate) fn existing_block(&self, id: BlockId) -> Result<RecoveredBlock, RpcError> {
        self.block(id)?.ok_or_else(|| {
            RpcError::BlockNotFound(match id {
                BlockId::Hash(hash) => hex::encode_prefixed(hash.block_hash),
                BlockId::Number(BlockNumberOrTag::Number(number)) => format!("#{number}"),
                BlockId::Number(tag) => tag.to_string(),
            })
        })
    }

    /// The state after a block; after the latest where none is named.
    pub(crate) fn state(&self, id: Option<BlockId>) -> Result<StateView, RpcError> {
        let header = self.header(id.unwrap_or_default())?;
        self.state_after(&header)
    }

    pub(crate) fn environment(&self, id: Option<BlockId>) -> Result<Environment, RpcError> {
        let id = id.unwrap_or_default();
        let header = self.header(id)?;
        let state = Arc::new(self.state_after(&header)?);
        let header =
            if id.is_pending() { self.pending_header(&header) } else { header.into_inner() };
        Ok(Environment { header, state })
    }

    pub(crate) fn state_after(&self, header: &SealedHeader) -> Result<StateView, RpcError> {
        let state = self.chain().storage().state_at(header.hash())?;
        state.ok_or(RpcError::NoState(header.state_root))
    }
}
