//! Openings of KZG commitments, by the consensus specification.

use alloy_eips::eip4844::{BYTES_PER_COMMITMENT, kzg_to_versioned_hash};
use alloy_primitives::{B256, Bytes, hex};
use ethrex_evm::kzg::opens_to;

use crate::precompiles;

/// How a vector was not met.
#[derive(Debug, thiserror::Error)]
pub enum Unmet {
    /// The file lacks a line.
    #[error("no {0} in the file")]
    Missing(&'static str),
    /// A line is no bytes.
    #[error("a line of the file")]
    Hex(#[from] hex::FromHexError),
    /// The precompile did not run.
    #[error("the precompile")]
    Precompile(#[from] precompiles::Unmet),
    /// It was judged otherwise.
    #[error("{0} judges otherwise")]
    Judged(&'static str),
}

/// What the precompile of a node says about an opening, and the library for guests: true, false, or that it is none.
///
/// # Errors
/// If one of them says something else than the vector.
pub fn opening(vector: &str) -> Result<(), Unmet> {
    let [commitment, z, y, proof] = [
        line(vector, "commitment")?,
        line(vector, "z")?,
        line(vector, "y")?,
        line(vector, "proof")?,
    ];
    let [commitment, z, y, proof] =
        [hex::decode(commitment)?, hex::decode(z)?, hex::decode(y)?, hex::decode(proof)?];
    let holds = line(vector, "output")? == "true";
    // Of what is no commitment there is no hash.
    let whole = commitment.len() == BYTES_PER_COMMITMENT;
    let hash = if whole { kzg_to_versioned_hash(&commitment) } else { B256::ZERO };
    let input = [hash.as_slice(), &z, &y, &commitment, &proof].concat();
    if precompiles::opens(&Bytes::from(input))? != holds {
        return Err(Unmet::Judged("the precompile"));
    }
    let opens = match (commitment.try_into(), z.try_into(), y.try_into(), proof.try_into()) {
        (Ok(commitment), Ok(z), Ok(y), Ok(proof)) => opens_to(&commitment, &z, &y, &proof),
        _ => false,
    };
    if opens == holds { Ok(()) } else { Err(Unmet::Judged("the library")) }
}

/// The value of a name, without quotes.
fn line<'a>(vector: &'a str, name: &'static str) -> Result<&'a str, Unmet> {
    let value = |line: &'a str| line.trim_start().strip_prefix(name)?.strip_prefix(": ");
    let value = vector.lines().find_map(value).ok_or(Unmet::Missing(name))?;
    Ok(value.trim_matches(['\'', '"', ' ']))
}
