#![doc = include_str!("../README.md")]

mod blocks;
mod codec;
mod commit;
mod engine;
mod error;
mod flush;
mod head;
mod layer;
mod log_index;
mod metrics;
mod open;
mod sidecar;
mod storage;
mod table;
mod undo;
mod view;

pub use engine::Durability;
pub use error::{EngineError, StorageError};
pub use layer::{LAYERS_PER_GROUP, STATE_HISTORY};
pub use log_index::{LogCandidate, LogQuery, LogReader};
pub use sidecar::StoredBlob;
pub use storage::{BlockRef, NewBlock, Storage, TxLocation};
pub use undo::{Past, UNDO_HISTORY};
pub use view::{AccountProof, SlotProof, StateView};

#[cfg(test)]
mod tests;
