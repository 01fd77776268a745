#![doc = include_str!("../README.md")]

mod append;
mod build;
mod chain;
mod import;
mod metrics;
mod replay;
mod witness;
mod work;

pub use append::{AppendError, Appended};
pub use build::{BuildError, Prepared, Stored};
pub use chain::{Chain, ChainError, Head, KEPT_WITNESSES};
pub use import::{ImportError, Verdict};
pub use replay::{ReplayError, Replayed};
