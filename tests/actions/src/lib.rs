#![doc = include_str!("../README.md")]

mod l1;
mod miner;
mod native;
mod node;
mod prover;
mod user;
mod world;

pub use l1::{L1, Reorged};
pub use native::{NativeDisk, NativeNode, NativeWorld, PATIENCE, Part};
pub use node::{Checks, Disk, Node, Settings};
pub use prover::Prover;
pub use user::{User, ether};
pub use world::World;
