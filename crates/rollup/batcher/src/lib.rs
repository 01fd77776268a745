#![doc = include_str!("../README.md")]

mod driver;
mod error;
mod machine;
mod metrics;
mod resume;
mod seal;
mod source;

pub use driver::{Batcher, BatcherConfig, BatcherParts, BatcherTask, Mode, Progress};
pub use error::{BatcherError, Inconsistency};
pub use ethrex_l1::Reaction;
pub use machine::FitsNowhere;
pub use seal::SealError;
pub use source::{BlockSource, CanonicalBlocks, SourceBlock, SourceError};
