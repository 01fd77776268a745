#![doc = include_str!("../README.md")]

pub mod access_list;
pub mod archive;
pub mod blockchain;
pub mod chain;
pub mod execute;
pub mod forks;
pub mod ledger;
pub mod real;
pub mod report;
pub mod run;
pub mod skips;
pub mod suites;

pub use run::run;
