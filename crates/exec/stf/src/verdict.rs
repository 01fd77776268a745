//! The ways a block can be invalid.

use alloy_primitives::{B256, Bloom, U256};
use ethrex_evm::{InvalidTx, SystemCallFailed};

use crate::{InvalidOmmer, Rejected};

/// Why a block is invalid. A verdict: it is the same on every honest node, and never stands for a fault of ours.
#[derive(Debug, thiserror::Error)]
pub enum InvalidBlock {
    /// The header does not name this parent.
    #[error("parent hash mismatch: header has {got}, parent is {want}")]
    ParentHash {
        /// In the header.
        got: B256,
        /// Of the parent.
        want: B256,
    },
    /// The height is not the parent's plus one.
    #[error("block number mismatch: header has {got}, expected {want}")]
    Number {
        /// In the header.
        got: u64,
        /// Expected.
        want: u64,
    },
    /// The time does not advance.
    #[error("timestamp {got} is not after the parent's {parent}")]
    Timestamp {
        /// In the header, in seconds.
        got: u64,
        /// Of the parent, in seconds.
        parent: u64,
    },
    /// The gas limit moved by 1/1024 of the parent's or more, or is under 5,000.
    #[error("gas limit {got} is not within bounds of the parent's {parent}")]
    GasLimit {
        /// In the header.
        got: u64,
        /// Of the parent.
        parent: u64,
    },
    /// More gas was used than the limit.
    #[error("gas used {used} exceeds gas limit {limit}")]
    GasUsedAboveLimit {
        /// In the header.
        used: u64,
        /// In the header.
        limit: u64,
    },
    /// The extra data is longer than 32 bytes.
    #[error("extra data of {0} bytes exceeds 32")]
    ExtraData(usize),
    /// A field that proof of stake fixes has another value (EIP-3675).
    #[error("{0} must have its proof-of-stake value")]
    ProofOfStake(&'static str),
    /// A field is absent although its fork is active.
    #[error("{0} is missing")]
    MissingField(&'static str),
    /// A field is present although its fork is not active.
    #[error("{0} is not allowed before its fork")]
    UnexpectedField(&'static str),
    /// The base fee does not follow from the parent (EIP-1559).
    #[error("base fee mismatch: header has {got}, expected {want}")]
    BaseFee {
        /// In the header, in wei per gas.
        got: u64,
        /// Expected, in wei per gas.
        want: u64,
    },
    /// The excess blob gas does not follow from the parent (EIP-4844, EIP-7918).
    #[error("excess blob gas mismatch: header has {got}, expected {want}")]
    ExcessBlobGas {
        /// In the header.
        got: u64,
        /// Expected.
        want: u64,
    },
    /// The blob gas is above the maximum or no multiple of one blob's.
    #[error("blob gas used {got} exceeds the maximum {max} or is no multiple of a blob's")]
    BlobGasUsedBounds {
        /// In the header.
        got: u64,
        /// Maximum per block.
        max: u64,
    },
    /// The header's blob gas is not that of its transactions.
    #[error("blob gas used mismatch: header has {got}, transactions have {want}")]
    BlobGasUsed {
        /// In the header.
        got: u64,
        /// Of the transactions.
        want: u64,
    },
    /// A root in the header does not match the body or the execution.
    #[error("{what} mismatch: header has {got}, computed {want}")]
    Root {
        /// Which one.
        what: &'static str,
        /// In the header.
        got: B256,
        /// Computed.
        want: B256,
    },
    /// The block has ommers after the merge.
    #[error("ommers after the merge")]
    Ommers,
    /// The block has more ommers than one may have.
    #[error("{0} ommers exceed 2")]
    TooManyOmmers(usize),
    /// An ommer has no place here.
    #[error("ommer {index}: {reason}")]
    Ommer {
        /// Position in the block.
        index: usize,
        /// Why.
        reason: InvalidOmmer,
    },
    /// The header of an ommer breaks a rule.
    #[error("ommer {index}: {why}")]
    OmmerHeader {
        /// Position in the block.
        index: usize,
        /// Which.
        why: Box<Self>,
    },
    /// The difficulty does not follow from the parent.
    #[error("difficulty mismatch: header has {got}, expected {want}")]
    WorkDifficulty {
        /// In the header.
        got: U256,
        /// Expected.
        want: U256,
    },
    /// The block is under proof of work after its end, or under proof of stake before it (EIP-3675).
    #[error("wrong side of the merge: total difficulty {total}, terminal {terminal}")]
    TerminalDifficulty {
        /// Of the chain up to the parent.
        total: U256,
        /// Of the chain's rules.
        terminal: U256,
    },
    /// The extra data is of the other side of the DAO fork (EIP-779).
    #[error("extra data of the other side of the DAO fork")]
    DaoExtraData,
    /// The RLP of the block is larger than EIP-7934 allows.
    #[error("block of {got} bytes exceeds {max}")]
    Size {
        /// Bytes.
        got: usize,
        /// Limit in bytes.
        max: usize,
    },
    /// A transaction's signature recovers to no one.
    #[error("transaction {0} has an invalid signature")]
    Signature(usize),
    /// A transaction of a kind this chain does not carry.
    #[error("transaction {index}: {reason}")]
    Rejected {
        /// Position in the block.
        index: usize,
        /// Why.
        reason: Rejected,
    },
    /// A transaction that may not be executed.
    #[error("transaction {index}: {reason}")]
    Transaction {
        /// Position in the block.
        index: usize,
        /// Why.
        reason: InvalidTx,
    },
    /// A system call failed.
    #[error(transparent)]
    SystemCall(SystemCallFailed),
    /// The gas used does not match.
    #[error("gas used mismatch: header has {got}, executed {want}")]
    GasUsed {
        /// In the header.
        got: u64,
        /// Executed.
        want: u64,
    },
    /// The logs bloom does not match.
    #[error("logs bloom mismatch")]
    LogsBloom {
        /// In the header.
        got: Box<Bloom>,
        /// Computed.
        want: Box<Bloom>,
    },
    /// The block touched or changed something else than its access list says (EIP-7928).
    #[error("block access list mismatch: header has {got}, executed {want}")]
    BlockAccessList {
        /// Hash in the header.
        got: B256,
        /// Hash of what was executed.
        want: B256,
    },
    /// The block access list is longer than the gas limit allows (EIP-7928).
    #[error("block access list of {got} items exceeds {max}")]
    BlockAccessListItems {
        /// Addresses and slots.
        got: u64,
        /// Limit.
        max: u64,
    },
    /// Executing it could take more gas than was paid for. Only where a bound is given, and then no verdict on the block itself.
    #[error("transaction {index} could use more gas than the declared {bound}")]
    GasBound {
        /// Position in the block.
        index: usize,
        /// What was declared.
        bound: u64,
    },
    /// The difficulty is not zero.
    #[error("difficulty must be zero after the merge, is {0}")]
    Difficulty(U256),
}
