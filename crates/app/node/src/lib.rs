#![doc = include_str!("../README.md")]

mod chain;
pub mod config;
mod data;
pub mod dev;
pub mod info;
mod inputs;
mod l1;
mod link;
mod native;
mod prover;
mod removedb;
mod rollup;
pub mod tasks;
mod telemetry;

pub use info::Info;
pub use l1::run_l1_dev;
pub use native::{run_native, run_native_dev};
pub use prover::run_prover;
pub use removedb::removedb;
pub use rollup::{run_rollup, run_rollup_dev};
pub use tasks::Tasks;
