#![doc = include_str!("../README.md")]

mod batches;
mod deposits;
mod error;
mod outbox;
mod proofs;
mod store;
mod value;

pub use batches::StoredBatch;
pub use deposits::{Cursor, QueuedDeposit};
pub use error::StoreError;
pub use store::{Identity, Store};
