//! What a prover is given for a batch, gathered from the chain's database.

use ethrex_chain::Chain;
use ethrex_program::{BlobOpening, BlockInput, ProgramInput};
use ethrex_protocol::fee::FeeConfig;
use ethrex_prover::{InputSource, SourceError};
use ethrex_storage::StorageError;
use ethrex_store::StoredBatch;
use ethrex_types::Block;

/// Published blocks with the witnesses recorded when they were built.
#[derive(Debug, Clone)]
pub(crate) struct StoredInputs(pub(crate) Chain);

impl InputSource for StoredInputs {
    fn input(&self, stored: &StoredBatch) -> Result<Option<ProgramInput>, SourceError> {
        let batch = &stored.batch;
        let bundle = &batch.blobs_bundle;
        let ([commitment], [proof]) = (bundle.commitments.as_slice(), bundle.proofs.as_slice())
        else {
            return Ok(None);
        };
        let mut blocks = Vec::new();
        for height in batch.first_block.0..=batch.last_block.0 {
            let block = self
                .block(height)
                .map_err(|fault| SourceError::new("read a block of a batch", fault))?;
            let Some(block) = block else { return Ok(None) };
            blocks.push(block);
        }
        let opening = BlobOpening { commitment: *commitment, proof: *proof };
        let config = self.0.spec().genesis().config.clone();
        Ok(Some(ProgramInput::new(config, blocks, Some(opening))))
    }
}

impl StoredInputs {
    fn block(&self, height: u64) -> Result<Option<BlockInput>, StorageError> {
        let storage = self.0.storage();
        let Some(hash) = storage.canonical_hash(height)? else { return Ok(None) };
        let found = (storage.header(hash)?, storage.body(hash)?, self.0.witness(hash)?);
        let (Some(header), Some(body), Some(witness)) = found else { return Ok(None) };
        let block = Block { header: header.into_inner(), body };
        Ok(Some(BlockInput { block, fee_config: FeeConfig::default(), witness }))
    }
}
