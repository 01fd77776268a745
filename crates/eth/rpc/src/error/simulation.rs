//! Why a simulation of blocks is refused, with the codes of `eth_simulateV1`.

use alloy_primitives::{Address, U256};
use ethrex_evm::{Call, InvalidTransaction, SystemCallFailed};

/// A simulation that cannot run as it is asked for, or a call in it that could not stand in its block.
#[derive(Debug, thiserror::Error)]
pub enum SimulationRefused {
    /// Nothing is to be simulated.
    #[error("empty input")]
    NoBlocks,
    /// The last block is too far above the base.
    #[error("too many blocks")]
    TooManyBlocks,
    /// There are too many calls.
    #[error("too many calls, want at most {0}")]
    TooManyCalls(usize),
    /// Numbers do not rise.
    #[error("block numbers must be in order: {wanted} <= {before}")]
    NumberOrder {
        /// Of a block.
        wanted: u64,
        /// Of the one before.
        before: u64,
    },
    /// Times do not rise.
    #[error("block timestamps must be in order: {wanted} <= {before}")]
    TimeOrder {
        /// Of a block, in seconds.
        wanted: u64,
        /// Of the one before.
        before: u64,
    },
    /// What is to be moved is no precompile.
    #[error("account {0} is not a precompile")]
    NoPrecompile(Address),
    /// A precompile is moved to where something else is put.
    #[error("account {0} is already overridden")]
    Overridden(Address),
    /// An account is overridden in two ways.
    #[error("account {0} has both 'state' and 'stateDiff'")]
    TwoStates(Address),
    /// A system call of a block fails on the state it is simulated on.
    #[error("system call failed: {0}")]
    SystemCall(SystemCallFailed),
    /// A call asks for more gas than its block has left.
    #[error("block gas limit reached: {wanted} >= {limit}")]
    BlockFull {
        /// Gas of the block with this call.
        wanted: u64,
        /// Gas limit of the block.
        limit: u64,
    },
    /// The nonce was used before.
    #[error("err: nonce too low: address {from}, tx: {tx} state: {state} (supplied gas {gas})")]
    NonceTooLow {
        /// Sender.
        from: Address,
        /// Of the call.
        tx: u64,
        /// The sender's next one.
        state: u64,
        /// Gas limit of the call.
        gas: u64,
    },
    /// A nonce is left out.
    #[error("err: nonce too high: address {from}, tx: {tx} state: {state} (supplied gas {gas})")]
    NonceTooHigh {
        /// Sender.
        from: Address,
        /// Of the call.
        tx: u64,
        /// The sender's next one.
        state: u64,
        /// Gas limit of the call.
        gas: u64,
    },
    /// There is no nonce after this one.
    #[error(
        "err: nonce has max value: address {from}, nonce: 18446744073709551615 (supplied gas {gas})"
    )]
    NonceMax {
        /// Sender.
        from: Address,
        /// Gas limit of the call.
        gas: u64,
    },
    /// The fee does not cover the base fee.
    #[error(
        "err: max fee per gas less than block base fee: address {from}, maxFeePerGas: {fee}, baseFee: {base} (supplied gas {gas})"
    )]
    FeeBelowBase {
        /// Sender.
        from: Address,
        /// Wei per gas.
        fee: u128,
        /// Wei per gas.
        base: u64,
        /// Gas limit of the call.
        gas: u64,
    },
    /// The sender cannot pay.
    #[error(
        "err: insufficient funds for gas * price + value: address {from} have {have} want {want} (supplied gas {gas})"
    )]
    Funds {
        /// Sender.
        from: Address,
        /// Wei.
        have: U256,
        /// Wei.
        want: U256,
        /// Gas limit of the call.
        gas: u64,
    },
    /// Whatever else the EVM refuses before it starts.
    #[error("err: {reason} (supplied gas {gas})")]
    Evm {
        /// Why.
        reason: InvalidTransaction,
        /// Gas limit of the call.
        gas: u64,
    },
}

impl SimulationRefused {
    /// Why the EVM does not run a call in a block with this base fee.
    pub(crate) fn of(call: &Call, base: u64, reason: InvalidTransaction) -> Self {
        let (from, gas) = (call.from, call.gas_limit);
        match reason {
            InvalidTransaction::GasPriceLessThanBasefee => {
                Self::FeeBelowBase { from, fee: call.gas_price, base, gas }
            }
            InvalidTransaction::LackOfFundForMaxFee { fee, balance } => {
                Self::Funds { from, have: *balance, want: *fee, gas }
            }
            reason => Self::Evm { reason, gas },
        }
    }

    /// The code that the execution APIs give it.
    pub(super) const fn code(&self) -> i32 {
        match self {
            Self::NoBlocks => super::code::INVALID_PARAMS,
            Self::TooManyBlocks | Self::TooManyCalls(_) => -38_026,
            Self::NumberOrder { .. } => -38_020,
            Self::TimeOrder { .. } => -38_021,
            // What geth answers, though the execution APIs have codes for some of these.
            Self::NoPrecompile(_)
            | Self::Overridden(_)
            | Self::TwoStates(_)
            | Self::SystemCall(_) => super::code::SERVER,
            Self::BlockFull { .. } => -38_015,
            Self::NonceTooLow { .. } => -38_010,
            Self::NonceTooHigh { .. } => -38_011,
            Self::NonceMax { .. } => super::code::INTERNAL,
            Self::FeeBelowBase { .. } => -38_012,
            Self::Funds { .. } => -38_014,
            Self::Evm { reason, .. } => match reason {
                InvalidTransaction::CallGasCostMoreThanGasLimit { .. }
                | InvalidTransaction::GasFloorMoreThanGasLimit { .. } => -38_013,
                InvalidTransaction::RejectCallerWithCode => -38_024,
                InvalidTransaction::CreateInitCodeSizeLimit => -38_025,
                InvalidTransaction::PriorityFeeGreaterThanMaxFee => super::code::INVALID_PARAMS,
                _ => super::code::INTERNAL,
            },
        }
    }
}
