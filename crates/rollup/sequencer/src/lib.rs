#![doc = include_str!("../README.md")]

pub mod checker;
mod culprit;
pub mod deposits;
mod driver;
mod fill;
pub mod inbox;
mod metrics;
pub mod pipeline;
mod resume;
pub mod set_aside;

pub use checker::{CheckError, CheckJob, CheckOutcome, Checker};
pub use culprit::Culprit;
pub use deposits::{DepositError, Deposits};
pub use driver::{Sequencer, SequencerConfig, SequencerError, drive};
pub use fill::{Filled, fill};
pub use inbox::{Inbox, InboxError};
pub use pipeline::Pipeline;
pub use resume::{ResumeError, next_message_id, resume};
pub use set_aside::SetAside;
