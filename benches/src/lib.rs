#![doc = include_str!("../README.md")]

pub mod case;
pub mod http;
pub mod sample;
pub mod workload;
