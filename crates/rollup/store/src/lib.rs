#![doc = include_str!("../README.md")]

mod batches;
mod blobs;
mod deposits;
mod error;
mod executed;
mod native;
mod outbox;
mod outbox_proof;
mod proofs;
mod store;
mod value;

pub use batches::StoredBatch;
pub use deposits::{Cursor, QueuedDeposit};
pub use error::StoreError;
pub use executed::Executed;
pub use native::{DerivedBlock, OwnBlock, OwnItem};
pub use outbox_proof::{OutboxProofOf, StoredOutboxProof};
pub use store::{Identity, Store};
