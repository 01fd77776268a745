#![doc = include_str!("../README.md")]

pub mod blocks;
pub mod damage;
pub mod dice;
pub mod oracle;

pub use blocks::{Made, RandomChain};
pub use dice::Dice;
