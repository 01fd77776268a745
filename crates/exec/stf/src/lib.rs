#![doc = include_str!("../README.md")]

pub mod access_list;
pub mod build;
pub mod execute;
pub mod genesis;
pub mod header;
pub mod rules;
pub mod verdict;

pub use build::{BlockAttributes, BlockBuilder, BuildContext, BuiltBlock, NotIncluded};
pub use ethrex_evm::{
    AccessLimits, Accesses, InvalidTx, Precompile, PrecompileInput, PrecompileOutcome, RunError,
    Touched,
};
pub use execute::{Executed, check_body, commit_receipts, execute, execute_within};
pub use genesis::{UnusableGenesis, check_genesis};
pub use header::{check_header, next_base_fee, next_excess_blob_gas};
pub use rules::{Ethereum, Rejected, Rules};
pub use verdict::InvalidBlock;
