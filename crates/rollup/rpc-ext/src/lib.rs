#![doc = include_str!("../README.md")]

mod batch;
mod context;
mod fee;
mod proof;

pub use context::module;
