#![doc = include_str!("../README.md")]

mod append;
mod bad_blocks;
mod build;
mod chain;
mod deep;
mod fill;
mod fork_choice;
mod import;
mod importer;
mod metrics;
mod payload;
mod replay;
mod tracker;
mod witness;
mod work;

pub use append::{AppendError, Appended};
pub use build::{BuildError, Prepared, Stored};
pub use chain::{Chain, ChainError, Head, KEPT_WITNESSES, Moved};
pub use fill::{Filled, Room, fill};
pub use fork_choice::{ForkChoice, ForkChoiceError, ForkChoiceStatus};
pub use import::{ImportError, Verdict};
pub use importer::{BlockStatus, Importer};
pub use payload::{ExactError, Payload, PayloadId, Payloads};
pub use replay::{ReplayError, Replayed};
pub use tracker::Rejection;
