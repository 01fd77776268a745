//! The one function that is proven.

use alloy_primitives::B256;
use ethrex_protocol::{
    blob::{self, PayloadTooLong},
    effects::BatchEffects,
    fee::FeeConfig,
    messages::MessageError,
    public_inputs::PublicInputs,
    rolling::TooManyMessages,
};
use ethrex_rules::Rollup;
use ethrex_stateless::{ValidateError, Witness, WitnessError, validate};
use ethrex_types::{
    Block, RecoveredBlock, SealedBlock, SealedHeader, block::InvalidSignature,
    chain_spec::GenesisError,
};

use crate::{
    BlobOpening, ProgramInput,
    kzg::{self, BlobProofError},
};

/// Why there are no public inputs.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// A verdict on the batch: nobody can prove it.
    #[error("invalid batch")]
    Invalid(#[source] InvalidBatch),
    /// A verdict on the input alone: with a better one the batch may be proven.
    #[error("unusable input")]
    Input(#[source] InputError),
}

/// What is wrong with a batch.
#[derive(Debug, thiserror::Error)]
pub enum InvalidBatch {
    /// A block does not follow the one before it.
    #[error("block {number} has the parent {found}, but follows {expected}")]
    NotConsecutive {
        /// Height of the block.
        number: u64,
        /// Its parent hash.
        found: B256,
        /// Hash of the block before it in the batch.
        expected: B256,
    },
    /// A transaction has no sender.
    #[error("block {number} is invalid")]
    Signature {
        /// Height of the block.
        number: u64,
        /// Which transaction.
        #[source]
        source: InvalidSignature,
    },
    /// A block breaks a rule of the chain.
    #[error("block {number} is invalid: {reason}")]
    Block {
        /// Height of the block.
        number: u64,
        /// Which rule.
        reason: Box<ethrex_stf::InvalidBlock>,
    },
    /// A message that leaves the rollup cannot be read.
    #[error("read the messages that leave the rollup")]
    Messages(#[from] MessageError),
    /// More messages were consumed than a commitment can count.
    #[error("count the messages that enter the rollup")]
    TooManyMessages(#[from] TooManyMessages),
    /// The blocks do not fit in a blob, so they cannot have been published in one.
    #[error("publish the blocks")]
    TooLong(#[from] PayloadTooLong),
}

/// What is wrong with an input.
#[derive(Debug, thiserror::Error)]
pub enum InputError {
    /// There are no blocks.
    #[error("a batch without blocks")]
    NoBlocks,
    /// Not one fee config per block.
    #[error("{blocks} blocks with {fee_configs} fee configs")]
    FeeConfigCount {
        /// How many blocks.
        blocks: usize,
        /// How many fee configs.
        fee_configs: usize,
    },
    /// A fee config that the rules do not execute.
    #[error("block {number} was executed with fee vaults, which this program does not know")]
    FeeConfig {
        /// Height of the block.
        number: u64,
    },
    /// The chain's configuration contradicts itself.
    #[error("read the chain configuration")]
    Config(#[source] GenesisError),
    /// The witness is malformed.
    #[error("read the witness")]
    Witness(#[source] WitnessError),
    /// The witness lacks something that a block reads.
    #[error("validate block {number}")]
    Insufficient {
        /// Height of the block.
        number: u64,
        /// What is missing.
        #[source]
        source: ValidateError,
    },
    /// The blob commitment is not shown to be one to these blocks.
    #[error("check the blob commitment")]
    Blob(#[source] BlobProofError),
}

impl From<InvalidBatch> for ProgramError {
    fn from(reason: InvalidBatch) -> Self {
        Self::Invalid(reason)
    }
}

impl From<InputError> for ProgramError {
    fn from(reason: InputError) -> Self {
        Self::Input(reason)
    }
}

/// Executes a batch without its state, and says what is true about it.
///
/// # Errors
/// A verdict on the batch, or on the input.
pub fn prove(input: &ProgramInput) -> Result<PublicInputs, ProgramError> {
    check_fee_configs(input)?;
    let spec = input.spec().map_err(InputError::Config)?;
    let mut witness = Witness::decode(&input.witness).map_err(InputError::Witness)?;
    let mut effects = BatchEffects::new(spec.chain_id());
    let mut first_root = None;
    let mut last: Option<SealedHeader> = None;
    for block in &input.blocks {
        let number = block.header.number;
        let block = follow(block, last.as_ref())?;
        let validated =
            validate(&spec, &Rollup, &block, &witness).map_err(|e| verdict(number, e))?;
        effects.add(block.sealed().block(), &validated.receipts).map_err(InvalidBatch::Messages)?;
        first_root.get_or_insert(validated.parent_state_root);
        let header = block.sealed().sealed_header();
        witness.add_header(header.clone());
        last = Some(header);
    }
    let (Some(initial_state_root), Some(last)) = (first_root, last) else {
        return Err(InputError::NoBlocks.into());
    };
    Ok(PublicInputs {
        initial_state_root,
        final_state_root: last.state_root,
        l1_out_root: effects.l1_out_root(),
        l1_in_rolling_hash: effects.l1_in_rolling_hash().map_err(InvalidBatch::TooManyMessages)?,
        blob_versioned_hash: published(input)?,
        last_block_hash: last.hash(),
        chain_id: spec.chain_id(),
        non_privileged_count: effects.non_privileged_count(),
        balance_diffs: effects.balance_diffs().map_err(InvalidBatch::Messages)?,
        l2_in_rolling_hashes: effects
            .l2_in_rolling_hashes()
            .map_err(InvalidBatch::TooManyMessages)?,
    })
}

/// One fee config per block, and none that asks for what the rules do not do: it would be published, but not executed.
fn check_fee_configs(input: &ProgramInput) -> Result<(), InputError> {
    let (blocks, fee_configs) = (input.blocks.len(), input.fee_configs.len());
    if blocks != fee_configs {
        return Err(InputError::FeeConfigCount { blocks, fee_configs });
    }
    let unknown =
        input.blocks.iter().zip(&input.fee_configs).find(|(_, c)| **c != FeeConfig::default());
    match unknown {
        Some((block, _)) => Err(InputError::FeeConfig { number: block.header.number }),
        None => Ok(()),
    }
}

/// The block with its senders, if it follows `parent`.
fn follow(block: &Block, parent: Option<&SealedHeader>) -> Result<RecoveredBlock, InvalidBatch> {
    let number = block.header.number;
    let found = block.header.parent_hash;
    if let Some(expected) = parent.map(SealedHeader::hash).filter(|expected| *expected != found) {
        return Err(InvalidBatch::NotConsecutive { number, found, expected });
    }
    RecoveredBlock::recover(SealedBlock::seal(block.clone()))
        .map_err(|source| InvalidBatch::Signature { number, source })
}

/// Tells verdicts on a block from those on its witness.
fn verdict(number: u64, error: ValidateError) -> ProgramError {
    match error {
        ValidateError::Invalid(reason) => {
            InvalidBatch::Block { number, reason: Box::new(reason) }.into()
        }
        source @ (ValidateError::NoParent(_)
        | ValidateError::Witness(_)
        | ValidateError::Fault(_)) => InputError::Insufficient { number, source }.into(),
    }
}

/// The versioned hash of the blob that holds exactly these blocks and fee configs; zero where there is none.
fn published(input: &ProgramInput) -> Result<B256, ProgramError> {
    let Some(BlobOpening { commitment, proof }) = &input.blob else { return Ok(B256::ZERO) };
    let blob =
        blob::encode(input.blocks.iter().zip(&input.fee_configs)).map_err(InvalidBatch::TooLong)?;
    kzg::verify_blob_proof(&blob, commitment, proof).map_err(InputError::Blob)?;
    Ok(kzg::versioned_hash(commitment))
}
