#![doc = include_str!("../README.md")]

mod rollup;
#[cfg(feature = "testing")]
pub mod testing;

pub use rollup::Rollup;
