//! The small files of ethereum/tests: difficulties of networks, keys, a genesis block.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, hex, keccak256};
use alloy_rlp::Decodable;
use alloy_signer_local::PrivateKeySigner;
use ethrex_types::{Block, ChainSpec, SealedBlock};
use serde::Deserialize;

use crate::difficulty::{self, DifficultyCase};
use crate::forks::{self, ForkError};

/// A file of difficulties, by name.
pub type NetworkDifficulties = BTreeMap<String, DifficultyCase>;

/// Runs one of them on the network that its file is named after.
///
/// # Errors
/// If another difficulty follows.
pub fn difficulty(file: &str, case: &DifficultyCase) -> Result<(), difficulty::Unmet> {
    difficulty::run_on(&network(file)?, case)
}

fn network(file: &str) -> Result<ChainSpec, ForkError> {
    match file.rsplit('/').next() {
        Some("difficultyCustomHomestead.json") => forks::fixture("Homestead", 1, &BTreeMap::new()),
        Some("difficultyCustomMainNetwork.json") => forks::mainnet(),
        Some("difficultyRopsten.json") => forks::ropsten(),
        _ => Err(ForkError::Unknown),
    }
}

/// A key and its address. The signature beside them is left out: it is called one of the empty string, and verifies for no hash of it
/// that is in use (plain, or as a message of EIP-191; Keccak, SHA-3, SHA-2).
#[derive(Debug, Deserialize)]
pub struct Key {
    /// What the key is made of.
    pub seed: String,
    key: String,
    addr: String,
}

/// A genesis block.
#[derive(Debug, Deserialize)]
pub struct GenesisBlock {
    genesis_rlp_hex: String,
    genesis_state_root: String,
    genesis_hash: String,
}

/// How a file was not met.
#[derive(Debug, thiserror::Error)]
pub enum Unmet {
    /// A part is no bytes.
    #[error("a part")]
    Hex(#[from] hex::FromHexError),
    /// The key is none.
    #[error("the key is none")]
    Key,
    /// The block does not decode.
    #[error("the block")]
    Block(#[from] alloy_rlp::Error),
    /// Something else came of it.
    #[error("other {0}")]
    Different(&'static str),
}

impl Key {
    /// The key is the hash of the seed, and has the address.
    ///
    /// # Errors
    /// If it is not, or has another.
    pub fn run(&self) -> Result<(), Unmet> {
        let (key, address): (B256, Address) = (self.key.parse()?, self.addr.parse()?);
        if keccak256(&self.seed) != key {
            return Err(Unmet::Different("hash of the seed"));
        }
        let signer = PrivateKeySigner::from_bytes(&key).map_err(|_| Unmet::Key)?;
        if signer.address() == address { Ok(()) } else { Err(Unmet::Different("address")) }
    }
}

impl GenesisBlock {
    /// The block has the hash and the root, and encodes to what it was.
    ///
    /// # Errors
    /// The first thing that is otherwise.
    pub fn run(&self) -> Result<(), Unmet> {
        let bytes = Bytes::from(hex::decode(&self.genesis_rlp_hex)?);
        let block = Block::decode(&mut bytes.as_ref())?;
        if alloy_rlp::encode(&block) != bytes {
            return Err(Unmet::Different("encoding"));
        }
        if block.header.state_root != self.genesis_state_root.parse::<B256>()? {
            return Err(Unmet::Different("state root"));
        }
        if SealedBlock::seal(block).hash() != self.genesis_hash.parse::<B256>()? {
            return Err(Unmet::Different("hash"));
        }
        Ok(())
    }
}
