#![doc = include_str!("../README.md")]

mod input;
pub mod payload;
mod record;
pub mod ssz;
#[cfg(feature = "testing")]
pub mod testing;
mod validate;
mod verify;
mod witness;

pub use payload::{InvalidPayload, NotAPayload, block_of, payload_of};
pub use record::{Recording, access_set, record};
pub use ssz::{StatelessInput, StatelessValidationResult};
pub use validate::{ValidateError, Validated, validate};
pub use verify::{
    InputError, Opened, Verified, VerifyError, VerifyOptions, open, verify, verify_on,
};
pub use witness::{AccessSet, ExecutionWitness, Strictness, Witness, WitnessError, WitnessState};
