//! Why a transaction is not in the pool. The messages are those of geth, which wallets match on.

use alloy_primitives::{Address, U256};
use ethrex_stf::Rejected;
use ethrex_types::{Fork, StateError};

use crate::{JournalError, SidecarError};

/// Adding a transaction did not end with a durable place in the pool.
#[derive(Debug, thiserror::Error)]
pub enum AddError {
    /// The transaction is at fault.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// The state at the head could not be read.
    #[error("read state at the head")]
    State(#[from] StateError),
    /// The journal could not be written.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

/// The pool does not take this transaction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The bytes are not a transaction.
    #[error("rlp: {0}")]
    Malformed(alloy_rlp::Error),
    /// Bytes follow the transaction.
    #[error("rlp: trailing bytes after transaction")]
    TrailingBytes,
    /// The pool has it.
    #[error("already known")]
    AlreadyKnown,
    /// The chain does not carry this kind.
    #[error(transparent)]
    Rejected(#[from] Rejected),
    /// The kind comes with a later fork.
    #[error("transaction type not supported: type {kind} rejected, pool not yet in {fork:?}")]
    TypeNotActive {
        /// EIP-2718 type.
        kind: u8,
        /// The fork that brings it.
        fork: Fork,
    },
    /// It is too large.
    #[error("oversized data: transaction size {size}, limit {limit}")]
    Oversized {
        /// Bytes.
        size: usize,
        /// Limit in bytes.
        limit: usize,
    },
    /// The init code is too long (EIP-3860).
    #[error("max initcode size exceeded: code size {size}, limit {limit}")]
    InitCodeSize {
        /// Bytes.
        size: usize,
        /// Limit in bytes.
        limit: usize,
    },
    /// The gas limit is above what one transaction may have (EIP-7825).
    #[error("transaction gas limit too high (cap: {cap}, tx: {gas})")]
    GasCap {
        /// The cap.
        cap: u64,
        /// The gas limit.
        gas: u64,
    },
    /// The gas limit is above the block's.
    #[error("exceeds block gas limit")]
    BlockGasLimit,
    /// The tip is above the fee.
    #[error("max priority fee per gas higher than max fee per gas")]
    TipAboveFee,
    /// It is signed for another chain.
    #[error("invalid sender: invalid chain id for signer: have {have} want {want}")]
    ChainId {
        /// In the transaction.
        have: u64,
        /// Of this chain.
        want: u64,
    },
    /// The signature recovers to no one.
    #[error("invalid sender: invalid transaction v, r, s values")]
    Signature,
    /// The nonce cannot be followed by another (EIP-2681).
    #[error("nonce has max value")]
    NonceMax,
    /// The gas limit does not cover the transaction itself.
    #[error("intrinsic gas too low: gas {gas}, minimum needed {needed}")]
    IntrinsicGas {
        /// The gas limit.
        gas: u64,
        /// Needed.
        needed: u64,
    },
    /// The gas limit does not cover the floor of its call data (EIP-7623).
    #[error("insufficient gas for floor data gas cost: gas {gas}, minimum needed {needed}")]
    FloorGas {
        /// The gas limit.
        gas: u64,
        /// Needed.
        needed: u64,
    },
    /// The tip is below what this node asks for.
    #[error("transaction gas price below minimum: gas tip cap {tip}, minimum needed {needed}")]
    TipTooLow {
        /// Wei per gas.
        tip: u128,
        /// Wei per gas.
        needed: u128,
    },
    /// The blob fee is below the protocol's minimum.
    #[error("transaction gas price below minimum: blob fee cap {fee}, minimum needed {needed}")]
    BlobFeeTooLow {
        /// Wei per blob gas.
        fee: u128,
        /// Wei per blob gas.
        needed: u128,
    },
    /// A set-code transaction sets no code (EIP-7702).
    #[error("set code tx must have at least one authorization tuple")]
    NoAuthorization,
    /// A blob transaction has no blob.
    #[error("blobless blob transaction")]
    NoBlobs,
    /// Too many blobs.
    #[error("too many blobs in transaction: have {have}, permitted {limit}")]
    TooManyBlobs {
        /// Blobs.
        have: u64,
        /// Limit per transaction.
        limit: u64,
    },
    /// The sidecar is of another version than the fork asks for (EIP-7594).
    #[error("unexpected sidecar version, want: {want}, got: {got}")]
    SidecarVersion {
        /// Of the fork.
        want: u8,
        /// Of the sidecar.
        got: u8,
    },
    /// The sidecar does not belong to the transaction, or its proofs do not hold.
    #[error("invalid blob sidecar: {0}")]
    Sidecar(SidecarError),
    /// The sender is delegated, and has a transaction in the pool (EIP-7702).
    #[error("in-flight transaction limit reached for delegated accounts")]
    DelegatedLimit,
    /// The sender is delegated, and the nonce is not its next (EIP-7702).
    #[error("gapped-nonce tx from delegated accounts")]
    DelegatedNonceGap,
    /// The nonce was used.
    #[error("nonce too low: next nonce {next}, tx nonce {nonce}")]
    NonceTooLow {
        /// The sender's next nonce.
        next: u64,
        /// The transaction's.
        nonce: u64,
    },
    /// A blob transaction may not wait behind a gap: its sidecar is too heavy.
    #[error("nonce too high: tx nonce {nonce}, gapped nonce {gap}")]
    BlobNonceGap {
        /// The transaction's.
        nonce: u64,
        /// The first nonce that is missing.
        gap: u64,
    },
    /// The balance does not cover this transaction alone.
    #[error(
        "insufficient funds for gas * price + value: balance {balance}, tx cost {cost}, overshot {}",
        cost.saturating_sub(*balance)
    )]
    Funds {
        /// Wei.
        balance: U256,
        /// Wei.
        cost: U256,
    },
    /// The balance does not cover this transaction after those before it.
    #[error(
        "insufficient funds for gas * price + value: balance {balance}, queued cost {queued}, tx cost {cost}, overshot {}",
        queued.saturating_add(*cost).saturating_sub(*balance)
    )]
    FundsAfterQueue {
        /// Wei.
        balance: U256,
        /// Wei that the sender's other transactions may cost.
        queued: U256,
        /// Wei.
        cost: U256,
    },
    /// The sender is a contract (EIP-3607).
    #[error("sender not an eoa: address {address}, len(code): {len}")]
    SenderHasCode {
        /// The sender.
        address: Address,
        /// Bytes of code.
        len: usize,
    },
    /// It offers too little to replace the one with the same nonce.
    #[error("replacement transaction underpriced")]
    ReplaceUnderpriced,
    /// The pool is full of better paying transactions.
    #[error("transaction underpriced")]
    Underpriced,
    /// The pool is full.
    #[error("txpool is full")]
    Full,
    /// The sender has too many transactions in the pool.
    #[error("account limit exceeded: pooled {0} txs")]
    AccountLimit(usize),
}
