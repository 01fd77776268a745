//! The one signer of L1 transactions for a key.
//!
//! [`Sender`] is the handle, [`SenderTask`] the loop behind it. What to do next is decided by the pure
//! [`machine`]; [`outbox`] is the memory that survives a restart.

mod answer;
mod driver;
mod handle;
mod machine;
mod outbox;
mod policy;
mod request;

pub use answer::Answer;
pub use handle::{Pending, Sender, SenderConfig, SenderError, SenderStopped, SenderTask};
pub use machine::{Mined, Outcome};
pub use outbox::{Entry, MemoryOutbox, Outbox, OutboxError, Purpose, State};
pub use policy::{Kind, Policy};
#[cfg(any(test, feature = "testing"))]
pub(crate) use request::sign_plain;
pub use request::{BadKey, SigningKey, TxRequest};

#[cfg(test)]
mod tests;
