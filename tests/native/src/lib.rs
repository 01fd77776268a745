#![doc = include_str!("../README.md")]

pub mod blocks;
pub mod damage;
pub mod dice;
pub mod oracle;
pub mod tries;

pub use blocks::{Made, RandomChain};
pub use dice::Dice;
