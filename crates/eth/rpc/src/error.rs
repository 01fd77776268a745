//! Every error a method can answer with, and its code: the only place that knows codes.

use std::{error::Error, sync::Arc, time::Duration};

use alloy_primitives::{Address, B256, Bytes, U256, hex};
use ethrex_evm::trace::{TraceStopped, UnsupportedTracer};
use ethrex_stf::NotIncluded;
use ethrex_storage::StorageError;
use ethrex_txpool::{AddError, Refused};
use ethrex_types::StateError;
use jsonrpsee::types::ErrorObjectOwned;

mod fill;
mod simulation;

pub use fill::FillRefused;
pub use simulation::SimulationRefused;

/// Why a call is answered with an error.
#[derive(Debug, thiserror::Error)]
pub enum RpcError {
    /// A parameter is absent.
    #[error("missing value for required argument {0}")]
    MissingArgument(usize),
    /// There are more parameters than the method has.
    #[error("too many arguments, want at most {0}")]
    TooManyArguments(usize),
    /// The parameters are no list.
    #[error("non-array args")]
    NoArray,
    /// A parameter does not decode.
    #[error("invalid argument {index}: {reason}")]
    InvalidArgument {
        /// Position.
        index: usize,
        /// Why.
        reason: serde_json::Error,
    },
    /// A hexadecimal parameter lacks its prefix.
    #[error("invalid argument {0}: hex string without 0x prefix")]
    NoHexPrefix(usize),
    /// A storage key is not hexadecimal.
    #[error("invalid hex in storage key: {0:?}")]
    StorageKey(String),
    /// The parameters decode, but do not make sense.
    #[error("{0}")]
    InvalidParams(&'static str),
    /// A call was refused before it ran.
    #[error(transparent)]
    Call(Box<CallRefused>),
    /// A call reverted.
    #[error("execution reverted{}{}", if reason.is_empty() { "" } else { ": " }, reason)]
    Reverted {
        /// The decoded reason; empty where it is none that Solidity knows.
        reason: String,
        /// What the call returned.
        data: Bytes,
    },
    /// A call halted.
    #[error("{0}")]
    Halted(String),
    /// A simulation was refused, or a call in it.
    #[error(transparent)]
    Simulation(Box<SimulationRefused>),
    /// A call takes longer than it may.
    #[error("execution aborted (timeout = {0:?})")]
    TimedOut(Duration),
    /// A request is not enough to make a transaction of.
    #[error(transparent)]
    Fill(Box<FillRefused>),
    /// The node does not sign for this account.
    #[error("unknown account")]
    UnknownAccount,
    /// The node makes no blocks of its own accord.
    #[error("etherbase must be explicitly specified")]
    NoCoinbase,
    /// The pool refused a transaction.
    #[error(transparent)]
    Refused(Box<Refused>),
    /// A block was asked for with a transaction that cannot stand in it.
    #[error("transaction {index} cannot be included: {reason}")]
    NotIncluded {
        /// Position.
        index: usize,
        /// Why.
        reason: Box<NotIncluded>,
    },
    /// A transaction waits in the pool longer than the caller.
    #[error("The transaction was added to the mempool but wasn't processed in {waited:?}.")]
    NotYetMined {
        /// The transaction.
        hash: B256,
        /// How long the call has waited.
        waited: Duration,
    },
    /// The block is not known.
    #[error("header not found")]
    HeaderNotFound,
    /// The block is not known, by hash.
    #[error("header for hash not found")]
    HashNotFound,
    /// The block is known, but not canonical as was asked.
    #[error("hash is not currently canonical")]
    NotCanonical,
    /// The chain has no such block yet.
    #[error("{0} block not found")]
    TagNotFound(&'static str),
    /// A block by number or hash, where `null` is no answer.
    #[error("block {0} not found")]
    BlockNotFound(String),
    /// The state after the block is not kept.
    #[error("historical state {0} is not available")]
    NoState(B256),
    /// The witness of the block is not kept, and cannot be made again.
    #[error("witness of block {0} is not available")]
    NoWitness(B256),
    /// What is asked for was kept, and is not any more.
    #[error("pruned history unavailable")]
    Pruned,
    /// The block is older than access lists.
    #[error("block has no access list")]
    NoAccessList,
    /// The history asked for begins above the head.
    #[error("request beyond head block: requested {requested}, head {head}")]
    BeyondHead {
        /// Asked for.
        requested: u64,
        /// The head.
        head: u64,
    },
    /// A percentile is out of order or range.
    #[error("invalid reward percentile: {0}")]
    Percentile(f64),
    /// The filter is not installed (any more).
    #[error("filter not found")]
    FilterNotFound,
    /// Nothing of this name can be subscribed to.
    #[error("no {0:?} subscription in eth namespace")]
    NoSubscription(String),
    /// The subscriptions of all callers name too much.
    #[error("all subscriptions together may name {0} addresses and topics; try again later")]
    TooMuchSubscribed(usize),
    /// Too many filters are installed.
    #[error("too many filters, maximum {0}")]
    TooManyFilters(usize),
    /// A range of blocks is too long.
    #[error("block range of {blocks} exceeds the maximum of {limit}")]
    TooManyBlocks {
        /// Blocks asked for.
        blocks: u64,
        /// Limit.
        limit: u64,
    },
    /// There are too many logs.
    #[error(
        "query returned more than {limit} results. Try with this block range [{from:#x}, {to:#x}]."
    )]
    TooManyLogs {
        /// Limit.
        limit: usize,
        /// First block asked for.
        from: u64,
        /// Last block that still fits.
        to: u64,
    },
    /// The logs have too much data.
    #[error(
        "query returned more than {limit} bytes of log data. Try with this block range [{from:#x}, {to:#x}]."
    )]
    TooMuchLogData {
        /// Limit.
        limit: usize,
        /// First block asked for.
        from: u64,
        /// Last block that still fits.
        to: u64,
    },
    /// A filter names too much.
    #[error("too many {what} in the filter, want at most {limit}")]
    FilterTooWide {
        /// Addresses, or topics of one position.
        what: &'static str,
        /// Limit.
        limit: usize,
    },
    /// An answer would show too much of the pool.
    #[error("the answer would hold more than {limit} {what}; txpool_contentFrom shows one sender")]
    PoolTooLarge {
        /// Transactions, or bytes of them.
        what: &'static str,
        /// Limit.
        limit: usize,
    },
    /// The transaction is not known.
    #[error("transaction not found")]
    TransactionNotFound,
    /// The block of a transaction has fewer.
    #[error("transaction index {index} out of range for block {block}")]
    NoTransactionAt {
        /// Index asked for.
        index: u64,
        /// The block.
        block: B256,
    },
    /// The genesis block ran no transactions.
    #[error("genesis is not traceable")]
    Genesis,
    /// The block has no known parent.
    #[error("parent {0} not found")]
    ParentNotFound(B256),
    /// The state before the block is not kept.
    #[error("required historical state unavailable")]
    NoHistory,
    /// The tracer cannot be had.
    #[error(transparent)]
    Tracer(#[from] UnsupportedTracer),
    /// What was to be traced cannot run.
    #[error("tracing failed: {0}")]
    TracingFailed(String),
    /// The tracer stopped what it watched.
    #[error(transparent)]
    TraceStopped(TraceStopped),
    /// A request has traced for as long as one may.
    #[error("execution timeout")]
    TraceTimeout,
    /// The answer is too long.
    #[error("the answer exceeds the limit of {0} bytes")]
    AnswerTooLong(usize),
    /// Too many calls are asked for at once.
    #[error("{wanted} calls exceed the limit of {limit}")]
    TooManyCalls {
        /// Asked for.
        wanted: usize,
        /// Limit.
        limit: usize,
    },
    /// What is to be logged cannot be understood.
    #[error("invalid log filter: {0}")]
    LogFilter(String),
    /// There is no such method.
    #[error("method not found")]
    NoMethod,
    /// The payload is not being built (any more).
    #[error("unknown payload")]
    UnknownPayload,
    /// The blocks of a fork choice do not fit each other.
    #[error("invalid forkchoice state: {0}")]
    ForkChoice(&'static str),
    /// No payload can be built with these attributes.
    #[error("invalid payload attributes: {0}")]
    PayloadAttributes(&'static str),
    /// What is given as payload attributes has not their fields, or one of another type.
    #[error("invalid payload attributes: {0}")]
    NoAttributes(serde_json::Error),
    /// The Engine API is asked for too much at once.
    #[error("too large request: at most {limit} {what}")]
    TooLargeRequest {
        /// Bodies, blobs, or bytes of them.
        what: &'static str,
        /// Limit.
        limit: u64,
    },
    /// The version of the method is not that of the payload's fork.
    #[error("unsupported fork")]
    UnsupportedFork,
    /// The new head parts from the chain below what this node keeps the state of.
    #[error("too deep reorg: {depth} blocks would leave the chain")]
    TooDeepReorg {
        /// Blocks.
        depth: u64,
    },
    /// The server is stopping.
    #[error("the server is stopping")]
    Stopping,
    /// Our side failed.
    #[error("internal error")]
    Fault(#[source] Box<Fault>),
}

/// Something on our side failed.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The database.
    #[error(transparent)]
    Storage(StorageError),
    /// Reading state.
    #[error(transparent)]
    State(StateError),
    /// Adding to the pool.
    #[error(transparent)]
    Pool(AddError),
    /// Something that only a namespace of another crate knows.
    #[error(transparent)]
    Namespace(Arc<dyn Error + Send + Sync>),
    /// The answer cannot be written as JSON.
    #[error(transparent)]
    Encode(serde_json::Error),
}

/// A call that cannot run as it is asked for.
#[derive(Debug, thiserror::Error)]
pub enum CallRefused {
    /// Two ways of paying.
    #[error("both gasPrice and (maxFeePerGas or maxPriorityFeePerGas) specified")]
    TwoPrices,
    /// `data` and `input` differ.
    #[error(
        "both \"data\" and \"input\" are set and not equal. Please use \"input\" to pass transaction call data"
    )]
    TwoInputs,
    /// For another chain.
    #[error("chainId does not match node's (have={have}, want={want})")]
    ChainId {
        /// In the call.
        have: u64,
        /// Ours.
        want: u64,
    },
    /// The tip is above the fee.
    #[error(
        "max priority fee per gas higher than max fee per gas: address {from}, maxPriorityFeePerGas: {tip}, maxFeePerGas: {fee}"
    )]
    TipAboveFee {
        /// Sender.
        from: Address,
        /// Wei per gas.
        tip: u128,
        /// Wei per gas.
        fee: u128,
    },
    /// The fee does not cover the base fee.
    #[error(
        "max fee per gas less than block base fee: address {from}, maxFeePerGas: {fee}, baseFee: {base}"
    )]
    FeeBelowBase {
        /// Sender.
        from: Address,
        /// Wei per gas.
        fee: u128,
        /// Wei per gas.
        base: u64,
    },
    /// The sender cannot pay.
    #[error("insufficient funds for gas * price + value: address {from} have {have} want {want}")]
    Funds {
        /// Sender.
        from: Address,
        /// Wei.
        have: U256,
        /// Wei.
        want: U256,
    },
    /// The sender cannot send the value.
    #[error("insufficient funds for transfer")]
    Transfer,
    /// Whatever else the EVM refuses before it starts.
    #[error("err: {reason} (supplied gas {gas})")]
    Evm {
        /// Why.
        reason: ethrex_evm::CallError,
        /// Gas limit of the call.
        gas: u64,
    },
    /// No amount of gas that can be paid for is enough.
    #[error("gas required exceeds allowance ({0})")]
    Allowance(u64),
    /// An account is overridden in two ways.
    #[error("account {0} has both 'state' and 'stateDiff'")]
    TwoStates(Address),
    /// A precompile cannot be moved here.
    #[error("account {0} is not a precompile that can be moved")]
    MovedPrecompile(Address),
    /// No header has this blob base fee.
    #[error("blobBaseFee {0} cannot be reached")]
    BlobBaseFee(U256),
}

/// Codes that geth and the execution APIs use.
mod code {
    pub(super) const SERVER: i32 = -32_000;
    pub(super) const LIMIT: i32 = -32_005;
    /// EIP-4444.
    pub(super) const PRUNED: i32 = 4444;
    pub(super) const NOT_FOUND: i32 = -32_001;
    pub(super) const METHOD_NOT_FOUND: i32 = -32_601;
    pub(super) const INVALID_PARAMS: i32 = -32_602;
    pub(super) const INTERNAL: i32 = -32_603;
    pub(super) const NO_METHOD: i32 = -32_601;
    pub(super) const UNKNOWN_PAYLOAD: i32 = -38_001;
    pub(super) const FORK_CHOICE: i32 = -38_002;
    pub(super) const PAYLOAD_ATTRIBUTES: i32 = -38_003;
    pub(super) const TOO_LARGE_REQUEST: i32 = -38_004;
    pub(super) const UNSUPPORTED_FORK: i32 = -38_005;
    pub(super) const TOO_DEEP_REORG: i32 = -38_006;
    pub(super) const REVERTED: i32 = 3;
    /// EIP-7966.
    pub(super) const NOT_YET_MINED: i32 = 4;
}

impl RpcError {
    /// A fault of a namespace of another crate: the caller learns that we failed, the log why.
    pub fn fault(error: impl Error + Send + Sync + 'static) -> Self {
        Fault::Namespace(Arc::new(error)).into()
    }

    /// The code of the error (JSON-RPC, execution-apis, geth).
    #[must_use]
    pub fn code(&self) -> i32 {
        match self {
            Self::Simulation(refused) => refused.code(),
            Self::MissingArgument(_)
            | Self::TooManyArguments(_)
            | Self::NoArray
            | Self::InvalidArgument { .. }
            | Self::NoHexPrefix(_)
            | Self::StorageKey(_)
            | Self::FilterTooWide { .. }
            | Self::Tracer(_)
            | Self::LogFilter(_)
            | Self::InvalidParams(_) => code::INVALID_PARAMS,
            Self::Reverted { .. } => code::REVERTED,
            Self::NotYetMined { .. } => code::NOT_YET_MINED,
            Self::TooManyBlocks { .. }
            | Self::TooManyLogs { .. }
            | Self::TooMuchLogData { .. }
            | Self::PoolTooLarge { .. }
            | Self::TraceStopped(TraceStopped::Bytes(_) | TraceStopped::Steps(_))
            | Self::AnswerTooLong(_)
            | Self::TooManyCalls { .. }
            | Self::TooMuchSubscribed(_)
            | Self::TooManyFilters(_) => code::LIMIT,
            Self::NoMethod => code::NO_METHOD,
            Self::UnknownPayload => code::UNKNOWN_PAYLOAD,
            Self::ForkChoice(_) => code::FORK_CHOICE,
            Self::PayloadAttributes(_) | Self::NoAttributes(_) => code::PAYLOAD_ATTRIBUTES,
            Self::TooLargeRequest { .. } => code::TOO_LARGE_REQUEST,
            Self::UnsupportedFork => code::UNSUPPORTED_FORK,
            Self::TooDeepReorg { .. } => code::TOO_DEEP_REORG,
            Self::NoSubscription(_) => code::METHOD_NOT_FOUND,
            Self::Pruned => code::PRUNED,
            Self::NoAccessList => code::NOT_FOUND,
            Self::Fault(_) => code::INTERNAL,
            _ => code::SERVER,
        }
    }
}

impl From<RpcError> for ErrorObjectOwned {
    fn from(error: RpcError) -> Self {
        let (code, message) = (error.code(), error.to_string());
        match error {
            RpcError::Reverted { data, .. } => {
                Self::owned(code, message, Some(hex::encode_prefixed(&data)))
            }
            RpcError::NotYetMined { hash, .. } => Self::owned(code, message, Some(hash)),
            RpcError::Fault(fault) => {
                // The caller learns that we failed, the operator why.
                let error = &*fault as &(dyn Error + 'static);
                tracing::error!(error, "a call failed on our side");
                Self::owned(code, message, None::<()>)
            }
            _ => Self::owned(code, message, None::<()>),
        }
    }
}

impl From<CallRefused> for RpcError {
    fn from(refused: CallRefused) -> Self {
        Self::Call(Box::new(refused))
    }
}

impl From<FillRefused> for RpcError {
    fn from(refused: FillRefused) -> Self {
        Self::Fill(Box::new(refused))
    }
}

impl From<SimulationRefused> for RpcError {
    fn from(refused: SimulationRefused) -> Self {
        Self::Simulation(Box::new(refused))
    }
}

impl From<Fault> for RpcError {
    fn from(fault: Fault) -> Self {
        Self::Fault(Box::new(fault))
    }
}

impl From<StorageError> for RpcError {
    fn from(fault: StorageError) -> Self {
        Fault::Storage(fault).into()
    }
}

impl From<StateError> for RpcError {
    fn from(fault: StateError) -> Self {
        Fault::State(fault).into()
    }
}

impl From<AddError> for RpcError {
    fn from(error: AddError) -> Self {
        match error {
            AddError::Refused(refused) => Self::Refused(Box::new(refused)),
            fault => Fault::Pool(fault).into(),
        }
    }
}
