#![doc = include_str!("../README.md")]

mod block_files;
mod chain;
pub mod config;
mod data;
pub mod dev;
mod export;
mod import;
pub mod info;
mod inputs;
mod l1;
mod link;
mod native;
mod offline;
mod prover;
mod removedb;
mod rollup;
pub mod serve;
mod tasks;
mod telemetry;

pub use export::{ExportConfig, run_export};
pub use import::{ImportConfig, Imported, run_import};
pub use info::Info;
pub use l1::{run_l1, run_l1_dev};
pub use native::{run_native, run_native_dev};
pub use offline::genesis_state_root;
pub use prover::run_prover;
pub use removedb::removedb;
pub use rollup::{run_rollup, run_rollup_dev};
pub use tasks::Tasks;
