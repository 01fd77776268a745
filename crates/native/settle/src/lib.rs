#![doc = include_str!("../README.md")]

pub mod bindings;
pub mod message;
pub mod tree;
