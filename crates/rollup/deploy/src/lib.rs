#![doc = include_str!("../README.md")]

pub mod artifacts;
mod check;
mod config;
mod deploy;
mod deposits;
pub mod dev;
pub mod env_file;
mod error;
mod founding;
pub mod genesis;
pub mod keys;
pub mod native;
pub mod plan;

pub use config::{
    DeployConfig, Deposit, PROGRAM_VERSION, commit_hash, embedded_l1_genesis, embedded_l2_genesis,
};
pub use deploy::{Deployed, deploy, deploy_once};
pub use deposits::deposit_rich;
pub use env_file::EnvFile;
pub use error::{DeployError, Role};
