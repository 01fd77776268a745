//! Requests that no transaction can be made of.

use alloy_primitives::B256;
use ethrex_txpool::SidecarError;

/// Why a request is not completed to a transaction. In geth's words, where geth has some.
#[derive(Debug, thiserror::Error)]
pub enum FillRefused {
    /// A creation of nothing.
    #[error("contract creation without any data provided")]
    NoData,
    /// Blobs go to an account.
    #[error("missing \"to\" in blob transaction")]
    BlobsToNobody,
    /// So do authorizations (EIP-7702).
    #[error("missing \"to\" in set code transaction")]
    AuthorizationsToNobody,
    /// Blobs and authorizations do not go together.
    #[error("a transaction cannot have both blobs and an authorizationList")]
    TwoKinds,
    /// A list of blobs without any.
    #[error("need at least 1 blob for a blob transaction")]
    NoBlobs,
    /// More blobs than one transaction may have.
    #[error("too many blobs in transaction (have={have}, max={max})")]
    TooManyBlobs {
        /// In the request.
        have: usize,
        /// Under the rules of the next block.
        max: u64,
    },
    /// Commitments without proofs, or the other way round.
    #[error("blobs need both their commitments and their proofs, or neither")]
    HalfSidecar,
    /// The sidecar cannot be made, or is not of the blobs.
    #[error(transparent)]
    Sidecar(SidecarError),
    /// The hashes are not those of the blobs.
    #[error("blob hash verification failed (have={have:?}, want={want:?})")]
    BlobHashes {
        /// In the request.
        have: Vec<B256>,
        /// Of the blobs.
        want: Vec<B256>,
    },
    /// This kind of transaction has the fees of EIP-1559.
    #[error("gasPrice is not valid for a transaction with blobs or authorizations")]
    GasPrice,
    /// The chain has no base fee.
    #[error(
        "maxFeePerGas, maxPriorityFeePerGas, blobs and authorizations are not valid before London is active"
    )]
    BeforeLondon,
    /// No block takes a transaction for nothing.
    #[error("{0} must be non-zero")]
    ZeroFee(&'static str),
    /// The tip is above the fee.
    #[error("maxFeePerGas ({fee}) < maxPriorityFeePerGas ({tip})")]
    TipAboveFee {
        /// Wei per gas.
        fee: u128,
        /// Wei per gas.
        tip: u128,
    },
}
