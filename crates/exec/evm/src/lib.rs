#![doc = include_str!("../README.md")]

pub mod call;
mod codes;
mod constantinople;
mod dao;
mod db;
mod deposits;
mod diff;
mod evm;
pub mod executor;
mod frames;
mod handler;
mod intrinsic;
pub mod kzg;
pub mod precompile;
pub mod rules;
mod simulated;
mod spec;
mod stop;
#[cfg(feature = "trace")]
pub mod trace;
mod tx_env;

pub use call::{Call, CallError, CallOutcome, Overrides, simulate};
pub use codes::{Code, Codes};
pub use db::{AccessLimits, Accesses, HEADER_BYTES, Touched};
pub use executor::{BlockContext, BlockExecutor, Closed, InvalidTx, RunError, SystemCallFailed};
pub use intrinsic::{InitialGas, TxBounds};
pub use precompile::{Precompile, PrecompileInput, PrecompileOutcome};
pub use revm::context::result::InvalidTransaction;
pub use rules::{EthereumTxRules, Payment, TxRules};
pub use simulated::{Simulated, SimulatedBlock, SimulatedClosed, is_precompile};
