#![doc = include_str!("../README.md")]

mod account;
mod admit;
mod best;
mod blobs;
pub mod config;
mod error;
pub mod journal;
mod limbo;
mod metrics;
mod pool;
mod pooled;
mod price;
mod returns;
mod view;

pub use best::Best;
pub use blobs::{PoolBlob, SidecarError, sidecar_of, sidecar_with};
pub use config::PoolConfig;
pub use error::{AddError, Refused};
pub use journal::{Journal, JournalError, NoJournal};
pub use pool::{Head, Pool};
pub use pooled::PoolTx;
pub use view::{BySender, Content, Status};
