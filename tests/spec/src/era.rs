//! Archives of the first blocks of public networks, executed from the genesis on.

use std::fs::File;
use std::io::{self, BufReader};
use std::path::Path;

use alloy_primitives::U256;
use ethrex_era::{EraBlock, EraError, EraReader};
use ethrex_types::{ChainSpec, Genesis};

use crate::archive;
use crate::ledger::{Ledger, Refused};

/// Why an archive was not executed to its end.
#[derive(Debug, thiserror::Error)]
pub enum Stuck {
    /// A file cannot be read.
    #[error("read a file")]
    Read(#[from] io::Error),
    /// The genesis file is not one.
    #[error("the genesis file")]
    Genesis(#[from] serde_json::Error),
    /// The genesis file contradicts itself.
    #[error("the genesis file")]
    Schedule(#[from] ethrex_types::chain_spec::GenesisError),
    /// The archive is broken.
    #[error("the archive")]
    Archive(#[from] EraError),
    /// The archive begins with another genesis.
    #[error("the archive begins with another genesis")]
    OtherGenesis,
    /// A block was refused.
    #[error("block {number}")]
    Refused {
        /// Which.
        number: u64,
        /// Our reason.
        #[source]
        why: Box<Refused>,
    },
    /// A block gave other receipts than the archive has, which its header does not commit to.
    #[error("block {0}: other receipts")]
    Receipts(u64),
    /// The chain weighs something else.
    #[error("total difficulty at block {number} is {ours}, the archive says {theirs}")]
    TotalDifficulty {
        /// Which.
        number: u64,
        /// As added up.
        ours: U256,
        /// As given.
        theirs: U256,
    },
}

/// Executes every block of an archive that begins with the genesis: state roots, receipts, total difficulty, accumulator.
///
/// # Errors
/// The first thing that is not as it should be.
pub fn import(genesis: &Path, path: &Path) -> Result<(), Stuck> {
    let content = if genesis.extension().is_some_and(|extension| extension == "zst") {
        archive::decompress(genesis)?
    } else {
        std::fs::read(genesis)?
    };
    let spec = ChainSpec::new(serde_json::from_slice::<Genesis>(&content)?)?;
    let state = spec.genesis_diff();
    let mut ledger = Ledger::new(spec.clone(), &state, |root| spec.genesis_header(root));
    for block in EraReader::new(BufReader::new(File::open(path)?)) {
        let EraBlock { block, receipts, total_difficulty: theirs } = block?;
        let number = block.number();
        if number == 0 {
            if block.hash() != ledger.head().hash() {
                return Err(Stuck::OtherGenesis);
            }
        } else {
            let imported = ledger
                .import_block(block)
                .map_err(|why| Stuck::Refused { number, why: Box::new(why) })?;
            if imported.executed.receipts != receipts {
                return Err(Stuck::Receipts(number));
            }
        }
        let ours = ledger.total_difficulty();
        if ours != theirs {
            return Err(Stuck::TotalDifficulty { number, ours, theirs });
        }
    }
    Ok(())
}
