#![doc = include_str!("../README.md")]

mod field;
mod input;
mod json;
pub mod kzg;
mod prove;
#[cfg(feature = "testing")]
pub mod testing;

pub use input::{BlobOpening, BlockInput, DecodeError, ProgramInput, merge_witnesses};
pub use json::JsonError;
pub use prove::{InputError, InvalidBatch, ProgramError, prove};
