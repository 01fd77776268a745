#![doc = include_str!("../README.md")]

pub mod access_list;
pub mod build;
pub mod difficulty;
pub mod execute;
pub mod genesis;
pub mod header;
pub mod ommers;
pub mod rules;
pub mod verdict;

pub use build::{BlockAttributes, BlockBuilder, BuildContext, BuiltBlock, NotIncluded};
pub use difficulty::{check_terminal, next_difficulty};
pub use ethrex_evm::{
    AccessLimits, Accesses, Code, Codes, InvalidTx, Precompile, PrecompileInput, PrecompileOutcome,
    RunError, Touched,
};
pub use execute::{
    Executed, Means, check_body, check_content, commit_receipts, execute, execute_within,
};
pub use genesis::{UnusableGenesis, check_genesis, check_start};
pub use header::{check_header, next_base_fee, next_excess_blob_gas};
pub use ommers::{GENERATIONS, Generation, InvalidOmmer, check_ommers};
pub use rules::{Ethereum, Rejected, Rules};
pub use verdict::InvalidBlock;
