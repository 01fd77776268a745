#![doc = include_str!("../README.md")]

pub mod case;
pub mod schema;

pub use case::{Case, Failure, cases};
pub use schema::{Schemas, SuiteError};
