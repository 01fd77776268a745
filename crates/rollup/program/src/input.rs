//! What a prover is given for one batch.

use std::collections::BTreeSet;

use alloy_genesis::ChainConfig;
use alloy_primitives::Bytes;
use alloy_rlp::{Decodable, RlpDecodable, RlpEncodable};
use ethrex_protocol::fee::{FeeConfig, FeeConfigError};
use ethrex_stateless::ExecutionWitness;
use ethrex_types::{Block, ChainSpec, Genesis, chain_spec::GenesisError};
use serde::{Deserialize, Serialize};

use crate::{
    json::{Json, JsonError},
    kzg::{Commitment, Proof},
};

/// A batch and everything needed to prove it. Its JSON is that of the proof coordinator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "Json", try_from = "Json")]
pub struct ProgramInput {
    /// Chain id and fork schedule.
    pub config: ChainConfig,
    /// The blocks, in order.
    pub blocks: Vec<Block>,
    /// The fee config of each block.
    pub fee_configs: Vec<FeeConfig>,
    /// One witness for all blocks; its headers include the parent of the first.
    pub witness: ExecutionWitness,
    /// What ties the blocks to the published blob; `None` in a validium.
    pub blob: Option<BlobOpening>,
}

/// A KZG commitment and the proof of the whole blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlobOpening {
    /// Commitment to the blob.
    pub commitment: Commitment,
    /// Proof that the commitment is one to the blob.
    pub proof: Proof,
}

/// A block of a batch, as a node has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockInput {
    /// The block.
    pub block: Block,
    /// The fee config it is published with.
    pub fee_config: FeeConfig,
    /// What was recorded when it was built.
    pub witness: ExecutionWitness,
}

/// Bytes that are not an encoded input.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// The outer structure.
    #[error("decode the input of a batch")]
    Rlp(#[source] alloy_rlp::Error),
    /// The chain's configuration.
    #[error("decode the chain configuration of a batch")]
    Config(#[source] serde_json::Error),
    /// A fee config.
    #[error("decode fee config {index} of a batch")]
    FeeConfig {
        /// Position in the batch.
        index: usize,
        /// What is wrong with it.
        #[source]
        source: FeeConfigError,
    },
    /// A fee config with something behind it.
    #[error("bytes follow fee config {index} of a batch")]
    LongFeeConfig {
        /// Position in the batch.
        index: usize,
    },
    /// Neither no blob nor exactly one.
    #[error("a batch has a commitment and a proof, or neither; found {0} values")]
    Blob(usize),
}

impl ProgramInput {
    /// Gathers the blocks of a batch, in order.
    #[must_use]
    pub fn new(
        config: ChainConfig,
        blocks: impl IntoIterator<Item = BlockInput>,
        blob: Option<BlobOpening>,
    ) -> Self {
        let mut input = Self {
            config,
            blocks: Vec::new(),
            fee_configs: Vec::new(),
            witness: ExecutionWitness::default(),
            blob,
        };
        let mut witnesses = Vec::new();
        for block in blocks {
            input.blocks.push(block.block);
            input.fee_configs.push(block.fee_config);
            witnesses.push(block.witness);
        }
        input.witness = merge_witnesses(witnesses);
        input
    }

    /// The chain the batch is of.
    ///
    /// # Errors
    /// If the configuration contradicts itself.
    pub fn spec(&self) -> Result<ChainSpec, GenesisError> {
        ChainSpec::new(Genesis { config: self.config.clone(), ..Genesis::default() })
    }

    /// The compact form that backends hand to their guests.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let config = serde_json::to_vec(&self.config).expect("a chain configuration is JSON");
        let fee_configs = self
            .fee_configs
            .iter()
            .map(|config| {
                let mut bytes = Vec::with_capacity(config.encoded_len());
                config.encode(&mut bytes);
                bytes.into()
            })
            .collect();
        let blob = self.blob.map_or_else(Vec::new, |blob| vec![blob.commitment, blob.proof]);
        alloy_rlp::encode(WireRef {
            config: &config.into(),
            blocks: &self.blocks,
            fee_configs: &fee_configs,
            witness: &self.witness,
            blob: &blob,
        })
    }

    /// Reads what [`Self::encode`] wrote. Never panics.
    ///
    /// # Errors
    /// If the bytes are anything else.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut rest = bytes;
        let wire = Wire::decode(&mut rest).map_err(DecodeError::Rlp)?;
        if !rest.is_empty() {
            return Err(DecodeError::Rlp(alloy_rlp::Error::UnexpectedLength));
        }
        let fee_configs = wire
            .fee_configs
            .iter()
            .enumerate()
            .map(|(index, bytes)| {
                let mut rest = bytes.as_ref();
                let config = FeeConfig::decode(&mut rest)
                    .map_err(|source| DecodeError::FeeConfig { index, source })?;
                if rest.is_empty() { Ok(config) } else { Err(DecodeError::LongFeeConfig { index }) }
            })
            .collect::<Result<_, _>>()?;
        let blob = match wire.blob[..] {
            [] => None,
            [commitment, proof] => Some(BlobOpening { commitment, proof }),
            _ => return Err(DecodeError::Blob(wire.blob.len())),
        };
        Ok(Self {
            config: serde_json::from_slice(&wire.config).map_err(DecodeError::Config)?,
            blocks: wire.blocks,
            fee_configs,
            witness: wire.witness,
            blob,
        })
    }
}

/// The configuration travels as JSON: it has dozens of optional fields and no other encoding.
#[derive(RlpEncodable)]
struct WireRef<'a> {
    config: &'a Bytes,
    blocks: &'a Vec<Block>,
    fee_configs: &'a Vec<Bytes>,
    witness: &'a ExecutionWitness,
    blob: &'a Vec<Commitment>,
}

#[derive(RlpDecodable)]
struct Wire {
    config: Bytes,
    blocks: Vec<Block>,
    fee_configs: Vec<Bytes>,
    witness: ExecutionWitness,
    blob: Vec<Commitment>,
}

/// One witness that holds whatever any of these does, each thing once.
#[must_use]
pub fn merge_witnesses(witnesses: impl IntoIterator<Item = ExecutionWitness>) -> ExecutionWitness {
    let mut merged: [BTreeSet<Bytes>; 4] = Default::default();
    for witness in witnesses {
        let lists = [witness.state, witness.codes, witness.keys, witness.headers];
        for (all, list) in merged.iter_mut().zip(lists) {
            all.extend(list);
        }
    }
    let [state, codes, keys, headers] = merged.map(|all| all.into_iter().collect());
    ExecutionWitness { state, codes, keys, headers }
}

impl TryFrom<Json> for ProgramInput {
    type Error = JsonError;

    fn try_from(json: Json) -> Result<Self, JsonError> {
        json.into_input()
    }
}
