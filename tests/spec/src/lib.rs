#![doc = include_str!("../README.md")]

pub mod access_list;
pub mod archive;
pub mod blockchain;
pub mod chain;
pub mod difficulty;
pub mod era;
pub mod execute;
pub mod families;
pub mod forks;
pub mod ledger;
pub mod prestate;
pub mod real;
pub mod report;
pub mod run;
pub mod skips;
pub mod state;
pub mod suites;
pub mod tracer;
pub mod transactions;
pub mod tries;

pub use run::run;
