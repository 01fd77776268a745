//! Whole blocks, built and executed on a small state.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access_limits;
mod amsterdam;
mod precompiles;
mod random;
mod world;
