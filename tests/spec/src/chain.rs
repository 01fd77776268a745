//! Long chains: concatenated RLP blocks over a genesis file.

use std::fs;
use std::io;
use std::path::Path;

use alloy_rlp::Header as RlpHeader;
use ethrex_types::{ChainSpec, Genesis};

use crate::ledger::{Ledger, Refused};
use crate::real::{self, Untrue};

/// Why a chain did not reach its head.
#[derive(Debug, thiserror::Error)]
pub enum Stuck {
    /// A file cannot be read.
    #[error("read the chain's files")]
    Read(#[from] io::Error),
    /// The genesis file is not one.
    #[error("the genesis file")]
    Genesis(#[from] serde_json::Error),
    /// The genesis file contradicts itself.
    #[error("the genesis file")]
    Schedule(#[from] ethrex_types::chain_spec::GenesisError),
    /// The chain file is not a row of RLP items.
    #[error("the chain file")]
    Encoding(alloy_rlp::Error),
    /// A block was refused.
    #[error("after block {head}")]
    Refused {
        /// The last block that was imported.
        head: u64,
        /// Our reason against the next one.
        #[source]
        why: Box<Refused>,
    },
    /// A block does not hold statelessly.
    #[error("the block after {head}, statelessly")]
    Stateless {
        /// The block before it.
        head: u64,
        /// What stateless validation said.
        #[source]
        why: Untrue,
    },
    /// The file ended at another height.
    #[error("the head is {head}, expected {expected}")]
    Head {
        /// Ours.
        head: u64,
        /// The one the data promises.
        expected: u64,
    },
}

/// Imports every block of `chain` over `genesis`; the head must be number `expected`.
pub fn import(genesis: &Path, chain: &Path, expected: u64) -> Result<Ledger, Stuck> {
    let genesis: Genesis = serde_json::from_slice(&fs::read(genesis)?)?;
    let spec = ChainSpec::new(genesis)?;
    let state = spec.genesis_diff();
    let mut ledger = Ledger::new(spec.clone(), &state, |root| spec.genesis_header(root));
    let blocks = fs::read(chain)?;
    let mut left = blocks.as_slice();
    while !left.is_empty() {
        let block = first_item(left).map_err(Stuck::Encoding)?;
        let head = ledger.head().number;
        let imported =
            ledger.import(block).map_err(|why| Stuck::Refused { head, why: Box::new(why) })?;
        real::revalidate(&ledger, &imported).map_err(|why| Stuck::Stateless { head, why })?;
        left = &left[block.len()..];
    }
    let head = ledger.head().number;
    if head == expected { Ok(ledger) } else { Err(Stuck::Head { head, expected }) }
}

/// The bytes of the first RLP item.
fn first_item(bytes: &[u8]) -> Result<&[u8], alloy_rlp::Error> {
    let mut rest = bytes;
    let header = RlpHeader::decode(&mut rest)?;
    let length = bytes.len() - rest.len() + header.payload_length;
    bytes.get(..length).ok_or(alloy_rlp::Error::InputTooShort)
}
