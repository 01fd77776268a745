#![doc = include_str!("../README.md")]

pub mod accumulator;
pub mod e2store;
pub mod era1;

pub use era1::{EraBlock, EraError, EraReader, MAX_BLOCKS};
