#![doc = include_str!("../README.md")]

mod backend;
mod client;
mod coordinator;
mod desk;
mod machine;
mod message;
mod metrics;
mod proof;
mod secret;
mod source;
mod submit;

pub use backend::{Backend, BackendError, Exec};
pub use client::{Client, ClientConfig, ClientError, Turn};
pub use coordinator::{Coordinator, CoordinatorConfig, CoordinatorError, CoordinatorParts};
pub use message::{ProofBytes, ProofFormat, ProverOutput, ProverType, Request, Response};
pub use secret::Secret;
pub use source::{InputSource, SourceError};
pub use submit::{SubmitConfig, SubmitError, SubmitParts, Submitter};
