#![doc = include_str!("../README.md")]

mod record;
mod validate;
mod witness;

pub use record::record;
pub use validate::{ValidateError, Validated, validate};
pub use witness::{ExecutionWitness, Witness, WitnessError};
