#![doc = include_str!("../README.md")]

mod anvil;
mod cast;
pub mod consensus;
mod feeder;
pub mod native;
mod node;
mod random;
mod rex;
pub mod round_trip;
mod tools;
pub mod wait;

pub use anvil::Anvil;
pub use cast::{Cast, CastError, Receipt};
pub use feeder::Feeder;
pub use node::{Dev, Info, Layer2, NodeError, RichAccount, deploy};
pub use random::Random;
pub use rex::Rex;
pub use tools::Tools;
