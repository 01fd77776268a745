#![doc = include_str!("../README.md")]

pub mod artifacts;
mod check;
pub mod deploy;
pub mod dev;
pub mod env_file;
mod error;
mod founding;
pub mod genesis;
pub mod keys;
pub mod plan;

pub use deploy::{
    DeployConfig, Deployed, Deposit, PROGRAM_VERSION, commit_hash, deploy, deploy_once,
    deposit_rich, embedded_l1_genesis, embedded_l2_genesis,
};
pub use env_file::EnvFile;
pub use error::{DeployError, Role};
