//! The ways a call can fail. On chain they are one; here they are told apart, for tests, metrics and whoever asks why.

use std::sync::Arc;

use alloy_primitives::Address;
use ethrex_stateless::{InputError, InvalidPayload, NotAPayload, WitnessError};
use ethrex_stf::InvalidBlock;
use ethrex_types::StateError;

use crate::envelope::Undecodable;

/// Why a call failed. All gas that was forwarded is gone, and nothing was learned about any block.
#[derive(Debug, Clone, thiserror::Error)]
pub enum FailureClass {
    /// No version of the format begins so.
    #[error("the input begins like no version of the format")]
    UnknownHeader,
    /// The input is longer than any may be.
    #[error("{0} bytes of input are more than allowed")]
    TooLong(usize),
    /// The envelope is for a chain of another level.
    #[error("level {got} is not {want}, the one below this chain")]
    WrongLevel {
        /// In the envelope, or in the chain id.
        got: u16,
        /// One more than that of the chain with this EXECUTE.
        want: u16,
    },
    /// The gas forwarded does not pay for the input.
    #[error("{cost} gas are needed, {gas} were forwarded")]
    OutOfGas {
        /// What was found to be due when it was not there.
        cost: u64,
        /// Gas forwarded.
        gas: u64,
    },
    /// The body does not decode.
    #[error("undecodable body: {0}")]
    Undecodable(Undecodable),
    /// The body holds what a rollup may not have.
    #[error("forbidden in a rollup: {0}")]
    Forbidden(Forbidden),
    /// The schema is not that of the fork at the block's time, or that fork is neither the current nor the one before.
    #[error("the schema is not the one of a fork that is accepted")]
    WrongSchema,
    /// The input beside block and witness is unusable.
    #[error(transparent)]
    Input(InputError),
    /// Executing could take more gas than was declared.
    #[error("more gas would be used than the declared {0}")]
    GasBound(u64),
    /// The witness is not in its canonical form.
    #[error("the witness is not canonical: {0}")]
    WitnessNonCanonical(WitnessError),
    /// The witness lacks something.
    #[error("the witness is insufficient: {0}")]
    WitnessInsufficient(Arc<StateError>),
    /// The witness lacks the parent's header.
    #[error("the witness is insufficient: the parent's header is missing")]
    NoParent,
    /// The payload is no block.
    #[error("the payload is no block: {0}")]
    PayloadInvalid(Arc<InvalidPayload>),
    /// The block breaks a rule.
    #[error("the block is invalid: {0}")]
    BlockInvalid(Arc<InvalidBlock>),
    /// No block can follow the parent with the attributes given.
    #[error("no block can be derived: {0}")]
    Unbuildable(Arc<InvalidBlock>),
    /// The block that was derived has requests that no payload carries: its chain's system contracts are not Ethereum's.
    #[error("no payload carries the derived block: {0}")]
    NotAPayload(NotAPayload),
    /// A commitment and its proof do not belong to the data.
    #[error("a KZG proof does not tie its commitment to the data")]
    Blob,
}

/// What a rollup may not have although Ethereum does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Forbidden {
    /// Withdrawals would make ether.
    #[error("withdrawals")]
    Withdrawals,
    /// Blob gas, in the block or before it.
    #[error("blob gas")]
    BlobGas,
    /// Versioned hashes.
    #[error("versioned hashes")]
    VersionedHashes,
    /// A transaction with blobs, or one that nobody signed.
    #[error("a transaction of type {0:#04x}")]
    Transaction(u8),
    /// Requests, in the PLAIN form.
    #[error("requests in the plain form")]
    Requests,
    /// A parent that no valid chain has: its numbers are beyond all bounds.
    #[error("a parent header beyond all bounds")]
    Parent,
    /// A system contract with code that is not Ethereum's. Blocks call it with gas that nobody pays for.
    #[error("other code in system contract {0}")]
    SystemContract(Address),
    /// The chain that verifies cannot be what it verifies.
    #[error("chain id {0}")]
    ChainId(u64),
}

impl FailureClass {
    /// A name for labels and vectors.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::UnknownHeader => "unknown_header",
            Self::TooLong(_) => "too_long",
            Self::WrongLevel { .. } => "wrong_level",
            Self::OutOfGas { .. } => "out_of_gas",
            Self::Undecodable(_) => "undecodable",
            Self::Forbidden(_) => "forbidden",
            Self::WrongSchema => "wrong_schema",
            Self::Input(_) => "input",
            Self::GasBound(_) => "gas_bound",
            Self::WitnessNonCanonical(_) => "witness_non_canonical",
            Self::WitnessInsufficient(_) | Self::NoParent => "witness_insufficient",
            Self::PayloadInvalid(_) => "payload_invalid",
            Self::BlockInvalid(_) => "block_invalid",
            Self::Unbuildable(_) | Self::NotAPayload(_) => "unbuildable",
            Self::Blob => "blob",
        }
    }
}
