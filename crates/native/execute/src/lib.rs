#![doc = include_str!("../README.md")]

pub mod config;
pub mod derive;
pub mod envelope;
pub mod execute;
pub mod failure;
pub mod gas;
pub mod meter;
pub mod precompile;
pub mod result;
pub mod roots;
pub mod rules;
pub mod stream;
#[cfg(feature = "testing")]
pub mod testing;

pub use config::{Caps, ConfigError, ExecuteConfig, MAX_LEVEL, level_of};
pub use derive::{Derivation, DeriveError, Derived, Frame, Offer, OpenBlock, ParentState, derive};
pub use envelope::{
    Attributes, BlobOpening, BlockBody, DataBody, DeriveInput, Flags, Header, Mode,
};
pub use execute::{Outcome, execute};
pub use failure::{FailureClass, Forbidden};
pub use precompile::{EXECUTE_ADDRESS, Execute};
pub use result::ExecuteResult;
pub use rules::{Anchored, WithExecute};
pub use stream::StreamBlock;
