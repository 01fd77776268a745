#![doc = include_str!("../README.md")]

mod answer;
mod args;
pub mod beacon;
mod block_id;
mod changed;
pub mod config;
mod context;
mod debug;
mod engine;
mod error;
mod eth;
mod listener;
mod metrics;
mod net;
mod rerun;
mod server;
mod trace;
mod txpool;
mod web3;
mod work;

pub use args::Args;
pub use config::{ApiConfig, ServerConfig, TraceConfig};
pub use context::{Context, modules};
pub use engine::{Engine, EngineConfig, ExecutionPayload, JwtSecret, SecretError};
pub use error::{CallRefused, Fault, RpcError};
pub use server::{Running, Server, ServerError};
pub use work::{Workers, register};
