#![doc = include_str!("../README.md")]

pub mod bindings;
mod blocks;
mod contract;
mod da;
pub mod derivation;
mod driver;
mod follower;
pub mod message;
mod metrics;
pub mod operator;
mod optimistic;
pub mod outbox;
mod own;
mod poster;
mod prover;
mod reader;
mod rescuer;
mod sequencer;
mod settler;
pub mod tree;

pub use blocks::{Blocks, BlocksError};
pub use contract::Contract;
pub use da::Da;
pub use derivation::{Cursor, Deployment, Derivation};
pub use driver::{Driver, DriverError, DriverParts, View};
pub use follower::{Follower, Walked};
pub use operator::{ClaimPolicy, L1_ANCHOR, MESSENGER, TOKEN_FACTORY};
pub use optimistic::{Challenger, Proposer};
pub use outbox::{Outbox, OutboxError, OutboxProof, OutboxProofError};
pub use own::OwnError;
pub use poster::{Poster, PosterError, Posting, ToPost};
pub use prover::Prover;
pub use reader::{ReadBlob, Reader};
pub use rescuer::Rescuer;
pub use sequencer::SequencerConfig;
pub use settler::{Settler, SettlerError, settlement_step};
