//! Where the batcher reads published blocks.

use std::{fmt, sync::Arc};

use alloy_primitives::B256;
use alloy_rlp::Encodable;
use ethrex_protocol::{L2Height, fee::FeeConfig};
use ethrex_storage::{Storage, StorageError};
use ethrex_types::{Block, Receipt};

use crate::machine::Facts;

/// A block with all that its batch needs of it.
#[derive(Debug, Clone)]
pub struct SourceBlock {
    /// Header and body.
    pub block: Block,
    /// Its hash.
    pub hash: B256,
    /// One receipt per transaction.
    pub receipts: Vec<Receipt>,
    /// The fee parameters it was executed with.
    pub fee_config: FeeConfig,
    /// Bytes of the witness that proves it; 0 where there is none.
    pub witness_len: usize,
}

impl SourceBlock {
    pub(crate) fn facts(&self) -> Facts {
        let transactions = &self.block.body.transactions;
        Facts {
            height: L2Height(self.block.header.number),
            block_len: self.block.length(),
            fee_len: self.fee_config.encoded_len(),
            privileged: transactions.iter().filter(|tx| tx.as_privileged().is_some()).count(),
            gas: self.block.header.gas_used,
            witness_len: self.witness_len,
        }
    }
}

/// A block could not be read.
#[derive(Debug, Clone, thiserror::Error)]
#[error("read block {height}")]
pub struct SourceError {
    height: L2Height,
    #[source]
    source: Arc<dyn std::error::Error + Send + Sync>,
}

impl SourceError {
    /// A failure of the medium while reading a block.
    pub fn new(height: L2Height, source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self { height, source: Arc::new(source) }
    }
}

/// The published chain. Blocks of one height never change: only what is final for L2 is published.
pub trait BlockSource: fmt::Debug + Send + Sync + 'static {
    /// The published block at a height, if there is one.
    fn block(&self, height: L2Height) -> Result<Option<SourceBlock>, SourceError>;
}

/// The canonical chain of a database.
#[derive(Debug, Clone)]
pub struct CanonicalBlocks {
    storage: Storage,
    fee_config: FeeConfig,
}

impl CanonicalBlocks {
    /// The chain in `storage`, all of whose blocks are executed with one fee config.
    pub const fn new(storage: Storage, fee_config: FeeConfig) -> Self {
        Self { storage, fee_config }
    }

    fn read(&self, height: L2Height) -> Result<Option<SourceBlock>, StorageError> {
        let Some(hash) = self.storage.canonical_hash(height.0)? else { return Ok(None) };
        let (header, body, receipts) =
            (self.storage.header(hash)?, self.storage.body(hash)?, self.storage.receipts(hash)?);
        let (Some(header), Some(body), Some(receipts)) = (header, body, receipts) else {
            return Ok(None);
        };
        let block = Block { header: header.into_inner(), body };
        let witness_len = self.storage.witness(hash)?.map_or(0, |witness| witness.len());
        Ok(Some(SourceBlock { block, hash, receipts, fee_config: self.fee_config, witness_len }))
    }
}

impl BlockSource for CanonicalBlocks {
    fn block(&self, height: L2Height) -> Result<Option<SourceBlock>, SourceError> {
        self.read(height).map_err(|source| SourceError::new(height, source))
    }
}
