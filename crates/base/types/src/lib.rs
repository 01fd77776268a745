#![doc = include_str!("../README.md")]

pub mod account;
pub mod block;
pub mod chain_spec;
#[cfg(feature = "secp256k1")]
pub mod crypto;
pub mod network;
mod parallel;
pub mod privileged;
pub mod receipt;
pub mod state;
pub mod system;
#[cfg(feature = "testing")]
pub mod testing;
pub mod tx;

pub use account::{AccountInfo, TrieAccount};
pub use alloy_consensus;
pub use alloy_eips::eip7928::{self, BlockAccessList};
pub use alloy_genesis::{Genesis, GenesisAccount};
pub use block::{Block, BlockBody, Header, RecoveredBlock, SealedBlock, SealedHeader};
pub use chain_spec::{BlobParams, ChainSpec, Fork, ForkHash, ForkId};
pub use network::Network;
pub use parallel::{Tasks, helped, join, with_tasks};
pub use privileged::PrivilegedTx;
pub use receipt::{Eip658Value, Receipt, ReceiptWithBloom};
pub use state::{AccountDiff, Missing, RunningRoot, StateDiff, StateError, StateReader};
pub use tx::{PooledTx, RecoveredTx, Tx, TxType};
