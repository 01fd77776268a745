#![doc = include_str!("../README.md")]

pub mod batch;
pub mod blob;
pub mod constants;
pub mod contracts;
pub mod deposit;
pub mod effects;
pub mod fee;
pub mod height;
pub mod merkle;
pub mod messages;
pub mod public_inputs;
pub mod rolling;

pub use height::{BatchNumber, L1Height, L2Height};
