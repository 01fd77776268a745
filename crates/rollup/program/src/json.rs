//! The JSON of [`ProgramInput`], as the proof coordinator sends it.
//!
//! Blocks are hex strings of their RLP: the one form in which a block survives a journey with its hash. The configuration of the
//! chain stands beside the witness, so that a prover needs no other source.

use alloy_genesis::ChainConfig;
use alloy_primitives::{Bytes, FixedBytes};
use ethrex_protocol::fee::FeeConfig;
use ethrex_stateless::ExecutionWitness;
use ethrex_types::{Block, block::decode_block};
use serde::{Deserialize, Serialize};

use crate::{BlobOpening, ProgramInput};

/// Gas limit of a block over its target; Ethereum's, and the only one there is.
const ELASTICITY_MULTIPLIER: u64 = 2;

#[derive(Serialize, Deserialize)]
pub(crate) struct Json {
    blocks: Vec<Bytes>,
    execution_witness: JsonWitness,
    elasticity_multiplier: u64,
    blob_commitment: Vec<u8>,
    blob_proof: Vec<u8>,
    fee_configs: Vec<FeeConfig>,
}

#[derive(Serialize, Deserialize)]
struct JsonWitness {
    #[serde(flatten)]
    witness: ExecutionWitness,
    chain_config: ChainConfig,
}

/// JSON that is not the input of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// A block is not RLP.
    #[error("block {index} of the batch is malformed: {source}")]
    Block {
        /// Position in the batch.
        index: usize,
        /// What the decoder said.
        source: alloy_rlp::Error,
    },
    /// A commitment or proof of another length.
    #[error("{field} has {len} bytes, expected 48")]
    Point {
        /// Which one.
        field: &'static str,
        /// Its length.
        len: usize,
    },
    /// A chain with another fee market.
    #[error("elasticity multiplier {0} is not supported, only 2")]
    Elasticity(u64),
}

impl From<ProgramInput> for Json {
    fn from(input: ProgramInput) -> Self {
        let point =
            |of: fn(BlobOpening) -> FixedBytes<48>| input.blob.map(of).unwrap_or_default().to_vec();
        Self {
            blob_commitment: point(|blob| blob.commitment),
            blob_proof: point(|blob| blob.proof),
            blocks: input.blocks.iter().map(|block| alloy_rlp::encode(block).into()).collect(),
            execution_witness: JsonWitness { witness: input.witness, chain_config: input.config },
            elasticity_multiplier: ELASTICITY_MULTIPLIER,
            fee_configs: input.fee_configs,
        }
    }
}

impl Json {
    pub(crate) fn into_input(self) -> Result<ProgramInput, JsonError> {
        if self.elasticity_multiplier != ELASTICITY_MULTIPLIER {
            return Err(JsonError::Elasticity(self.elasticity_multiplier));
        }
        let blocks = self
            .blocks
            .iter()
            .enumerate()
            .map(|(index, bytes)| block(bytes).map_err(|source| JsonError::Block { index, source }))
            .collect::<Result<_, _>>()?;
        let commitment = point("blob_commitment", &self.blob_commitment)?;
        let proof = point("blob_proof", &self.blob_proof)?;
        // A validium publishes no blob: both are zero, which is no point of the curve.
        let blob = (!commitment.is_zero() || !proof.is_zero())
            .then_some(BlobOpening { commitment, proof });
        Ok(ProgramInput {
            config: self.execution_witness.chain_config,
            blocks,
            fee_configs: self.fee_configs,
            witness: self.execution_witness.witness,
            blob,
        })
    }
}

fn block(bytes: &[u8]) -> Result<Block, alloy_rlp::Error> {
    let mut rest = bytes;
    let block = decode_block(&mut rest)?;
    if rest.is_empty() { Ok(block) } else { Err(alloy_rlp::Error::UnexpectedLength) }
}

fn point(field: &'static str, bytes: &[u8]) -> Result<FixedBytes<48>, JsonError> {
    FixedBytes::try_from(bytes).map_err(|_| JsonError::Point { field, len: bytes.len() })
}
