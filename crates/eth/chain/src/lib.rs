#![doc = include_str!("../README.md")]

mod build;
mod chain;
mod import;
mod metrics;
mod witness;

pub use build::{BuildError, Prepared, Stored};
pub use chain::{Chain, ChainError, Head};
pub use import::{ImportError, Verdict};
