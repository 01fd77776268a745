#![doc = include_str!("../README.md")]

pub mod candidates;
pub mod chain;
pub mod oracle;

pub use candidates::Candidates;
pub use chain::{Made, RandomChain};
pub use oracle::{Eels, Judged};
