#![doc = include_str!("../README.md")]

mod driver;
mod error;
mod handle;
mod machine;
mod metrics;
mod refusal;
mod resume;
mod seal;
mod source;

pub use error::{BatcherError, Inconsistency};
pub use ethrex_l1::Reaction;
pub use handle::{Batcher, BatcherConfig, BatcherParts, BatcherTask, Mode, Progress};
pub use machine::FitsNowhere;
pub use seal::SealError;
pub use source::{BlockSource, CanonicalBlocks, SourceBlock, SourceError};
