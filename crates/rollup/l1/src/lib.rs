#![doc = include_str!("../README.md")]

mod beacon;
mod blob;
mod client;
mod error;
mod events;
mod head;
mod metrics;
mod sender;
mod settlement;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
mod transport;

pub use beacon::{Beacon, BeaconError, BlobSource, Found};
pub use blob::{BLOB_GAS, KzgError, Opening, Sidecar};
pub use client::{Client, Fees, Header, Market, Receipt};
pub use error::{L1Error, NodeError, Reaction, Revert};
pub use events::{At, Event, EventConfig, EventError, EventWatcher, Logged, Update};
pub use head::{HeadConfig, watch_head};
pub use sender::{
    Answer, BadKey, Entry, Kind, MemoryOutbox, Mined, Outbox, OutboxError, Outcome, Pending,
    Policy, Purpose, Sender, SenderConfig, SenderError, SenderStopped, SenderTask, SigningKey,
    State, TxRequest,
};
pub use settlement::{Contracts, Settlement};
