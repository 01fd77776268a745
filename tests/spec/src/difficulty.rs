//! Difficulties, fork by fork: what follows from a parent after so many seconds.

use std::collections::BTreeMap;

use alloy_primitives::{B256, U64, U256};
use ethrex_stf::next_difficulty;
use ethrex_types::alloy_consensus::EMPTY_OMMER_ROOT_HASH;
use ethrex_types::{ChainSpec, Header};
use serde::Deserialize;

use crate::forks::{self, ForkError};

/// A file: by test, then by fork, then by case. A test has remarks beside its forks.
#[derive(Debug, Deserialize)]
pub struct DifficultyFile(BTreeMap<String, BTreeMap<String, Cases>>);

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Cases {
    Cases(BTreeMap<String, DifficultyCase>),
    Remarks(serde::de::IgnoredAny),
}

/// One case.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DifficultyCase {
    parent_timestamp: U64,
    parent_difficulty: U256,
    /// A number of ommers, or the hash over them.
    #[serde(default)]
    parent_uncles: U256,
    current_timestamp: U64,
    current_block_number: U64,
    current_difficulty: U256,
}

/// How a case was not met.
#[derive(Debug, thiserror::Error)]
pub enum Unmet {
    /// The fork is not one we know.
    #[error("the fork")]
    Fork(#[from] ForkError),
    /// Another difficulty follows.
    #[error("the difficulty is {ours}, the test says {theirs}")]
    Difficulty {
        /// As computed.
        ours: U256,
        /// As given.
        theirs: U256,
    },
}

impl DifficultyFile {
    /// Each case with its fork and its name.
    pub fn cases(&self) -> impl Iterator<Item = (&str, &str, &DifficultyCase)> {
        self.0.values().flatten().flat_map(|(fork, cases)| {
            let cases = match cases {
                Cases::Cases(cases) => Some(cases),
                Cases::Remarks(_) => None,
            };
            cases.into_iter().flatten().map(|(name, case)| (fork.as_str(), name.as_str(), case))
        })
    }
}

/// Runs a case.
///
/// # Errors
/// If another difficulty follows.
pub fn run(fork: &str, case: &DifficultyCase) -> Result<(), Unmet> {
    run_on(&forks::fixture(fork, 1, &BTreeMap::new())?, case)
}

/// Runs a case on a chain.
pub(crate) fn run_on(spec: &ChainSpec, case: &DifficultyCase) -> Result<(), Unmet> {
    let none =
        case.parent_uncles.is_zero() || B256::from(case.parent_uncles) == EMPTY_OMMER_ROOT_HASH;
    let parent = Header {
        number: case.current_block_number.to::<u64>().saturating_sub(1),
        timestamp: case.parent_timestamp.to(),
        difficulty: case.parent_difficulty,
        ommers_hash: if none { EMPTY_OMMER_ROOT_HASH } else { B256::ZERO },
        ..Header::default()
    };
    let ours = next_difficulty(spec, &parent, case.current_timestamp.to());
    let theirs = case.current_difficulty;
    if ours == theirs { Ok(()) } else { Err(Unmet::Difficulty { ours, theirs }) }
}
