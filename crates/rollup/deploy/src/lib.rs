//! Deploys the contracts and writes the L2 genesis and addresses.

pub mod artifacts;
pub mod genesis;
