//! KZG commitments to blobs, by the vectors of the consensus specification: openings as the precompile judges them, commitments and
//! proofs as whoever posts blobs makes them, and sidecars as the pool takes them and gives them back.
//!
//! Not here: vectors about single cells and about cells that are lost, which only nodes of the consensus layer exchange; and what
//! happens inside a check (`compute_challenge`, `compute_kzg_proof`), which the tests of the package `ethrex-program` look at.

use alloy_eips::eip4844::{BYTES_PER_COMMITMENT, Blob, kzg_to_versioned_hash};
use alloy_eips::eip7594::{BlobTransactionSidecarEip7594, CELLS_PER_EXT_BLOB};
use alloy_primitives::{B256, Bytes, hex};
use ethrex_evm::kzg::opens_to;
use ethrex_l1::Opening;

use crate::forks::ForkError;
use crate::precompiles;

mod pool;

use pool::{Sent, Waiting};

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
    /// Something else came of it.
    #[error("other {0}")]
    Different(&'static str),
    /// The network is not one we know.
    #[error("the network")]
    Fork(#[from] ForkError),
    /// The transaction could not be made: a fault of ours.
    #[error("make a transaction")]
    Unmade,
    /// The pool did not open: a fault of ours.
    #[error("open the pool")]
    Pool(#[from] ethrex_txpool::JournalError),
    /// The pool refused the transaction, and not for its sidecar.
    #[error("the pool says of the rest")]
    Rest(#[source] ethrex_txpool::AddError),
}

/// A vector, in the part of YAML that the files use.
#[derive(Debug, Clone, Copy)]
pub struct Vector<'a>(&'a str);

impl<'a> Vector<'a> {
    /// A file.
    #[must_use]
    pub const fn new(text: &'a str) -> Self {
        Self(text)
    }

    /// The value of a name, without quotes.
    fn value(&self, name: &'static str) -> Result<&'a str, Unmet> {
        let value = |line: &'a str| line.trim_start().strip_prefix(name)?.strip_prefix(": ");
        let value = self.0.lines().find_map(value).ok_or(Unmet::Missing(name))?;
        Ok(value.trim_matches(['\'', '"', ' ']))
    }

    fn bytes(&self, name: &'static str) -> Result<Bytes, Unmet> {
        Ok(hex::decode(self.value(name)?)?.into())
    }

    /// The values of a list: the lines behind its name that begin with a dash. An empty list stands beside its name.
    fn list(&self, name: &'static str) -> Result<Vec<Bytes>, Unmet> {
        let named = |line: &&str| line.trim_start().strip_prefix(name).is_some_and(is_list);
        let mut lines = self.0.lines();
        lines.find(named).ok_or(Unmet::Missing(name))?;
        let items = lines.map_while(|line| line.trim_start().strip_prefix('-'));
        items
            .map(|item| {
                Ok::<Bytes, Unmet>(hex::decode(item.trim_matches(['-', ' ', '\'']))?.into())
            })
            .collect()
    }

    /// Whether something comes of it. An output of `null` says that the input is none.
    fn is_valid(&self) -> bool {
        !self.0.lines().any(|line| line == "output: null")
    }

    /// Whether it has the cells of one whole blob, and nothing else: what a sidecar has proofs for.
    #[must_use]
    pub fn is_about_a_whole_blob(&self) -> bool {
        let lists = ["commitments", "cells", "proofs"].map(|name| self.list(name).ok());
        lists.iter().all(|list| list.as_ref().is_some_and(|it| it.len() == CELLS_PER_EXT_BLOB))
            && lists[0].iter().flatten().all(|it| Some(it) == lists[0].iter().flatten().next())
    }

    fn holds(&self) -> Result<bool, Unmet> {
        Ok(self.value("output")? == "true")
    }
}

fn is_list(rest: &str) -> bool {
    matches!(rest, ":" | ": []")
}

/// What the precompile of a node says about an opening, and the library for guests: true, false, or that it is none.
///
/// # Errors
/// If one of them says something else than the vector.
pub fn opening(vector: &Vector<'_>) -> Result<(), Unmet> {
    let [commitment, z, y, proof] = [
        vector.bytes("commitment")?,
        vector.bytes("z")?,
        vector.bytes("y")?,
        vector.bytes("proof")?,
    ];
    let holds = vector.holds()?;
    // Of what is no commitment there is no hash.
    let whole = commitment.len() == BYTES_PER_COMMITMENT;
    let hash = if whole { kzg_to_versioned_hash(&commitment) } else { B256::ZERO };
    let input = [hash.as_slice(), &z, &y, &commitment, &proof].concat();
    if precompiles::opens(&Bytes::from(input))? != holds {
        return Err(Unmet::Judged("the precompile"));
    }
    let opens = match (array(&commitment), array(&z), array(&y), array(&proof)) {
        (Some(commitment), Some(z), Some(y), Some(proof)) => opens_to(commitment, z, y, proof),
        _ => false,
    };
    if opens == holds { Ok(()) } else { Err(Unmet::Judged("the library")) }
}

fn array<const N: usize>(bytes: &Bytes) -> Option<&[u8; N]> {
    bytes.as_ref().try_into().ok()
}

/// The commitment to a blob, as whoever posts it makes it.
///
/// # Errors
/// If it is another one.
pub fn commitment(vector: &Vector<'_>) -> Result<(), Unmet> {
    made(vector, |opening| {
        let same = opening.commitment.as_slice() == vector.bytes("output")?.as_ref();
        if same { Ok(()) } else { Err(Unmet::Different("commitment")) }
    })
}

/// The proof of a whole blob, as whoever posts it makes it: with a commitment of its own, whatever the vector gives.
///
/// # Errors
/// If it is another one.
pub fn blob_proof(vector: &Vector<'_>) -> Result<(), Unmet> {
    made(vector, |opening| {
        if opening.commitment.as_slice() != vector.bytes("commitment")?.as_ref() {
            return Err(Unmet::Different("commitment"));
        }
        let same = opening.proof.as_slice() == vector.bytes("output")?.as_ref();
        if same { Ok(()) } else { Err(Unmet::Different("proof")) }
    })
}

fn made(
    vector: &Vector<'_>,
    compare: impl FnOnce(Opening) -> Result<(), Unmet>,
) -> Result<(), Unmet> {
    let blob = blob(&vector.bytes("blob")?);
    match (blob.and_then(|blob| Opening::of(&blob).ok()), vector.is_valid()) {
        (Some(opening), true) => compare(opening),
        (None, false) => Ok(()),
        _ => Err(Unmet::Judged("whoever posts blobs")),
    }
}

fn blob(bytes: &Bytes) -> Option<Box<Blob>> {
    Some(Box::new(Blob::try_from(bytes.as_ref()).ok()?))
}

/// Whether the pool takes a blob with this proof.
///
/// # Errors
/// If it judges otherwise.
pub fn sidecar(vector: &Vector<'_>) -> Result<(), Unmet> {
    let part = |name| Ok::<_, Unmet>(vec![vector.bytes(name)?]);
    judged(vector, part("blob")?, part("commitment")?, part("proof")?)
}

/// Whether the pool takes blobs with these proofs, all in one transaction.
///
/// # Errors
/// If it judges otherwise.
pub fn sidecars(vector: &Vector<'_>) -> Result<(), Unmet> {
    judged(vector, vector.list("blobs")?, vector.list("commitments")?, vector.list("proofs")?)
}

fn judged(
    vector: &Vector<'_>,
    blobs: Vec<Bytes>,
    commitments: Vec<Bytes>,
    proofs: Vec<Bytes>,
) -> Result<(), Unmet> {
    let sent = Sent { blobs, commitments, proofs, cells: false };
    if sent.offer()?.is_some() == vector.holds()? { Ok(()) } else { Err(Unmet::Judged("the pool")) }
}

/// Cells of one whole blob, and their proofs: the pool takes the blob with these proofs, gives back these cells, and does not take the
/// proofs with another blob.
///
/// # Errors
/// If it judges otherwise.
pub fn whole_blob(vector: &Vector<'_>) -> Result<(), Unmet> {
    let [commitments, cells, proofs] =
        [vector.list("commitments")?, vector.list("cells")?, vector.list("proofs")?];
    let (half, _) =
        cells.split_at_checked(CELLS_PER_EXT_BLOB / 2).ok_or(Unmet::Missing("cells"))?;
    let blob: Bytes = half.concat().into();
    let sent = |blob| Sent {
        blobs: vec![blob],
        commitments: commitments.iter().take(1).cloned().collect(),
        proofs: proofs.clone(),
        cells: true,
    };
    match (sent(blob.clone()).offer()?, vector.holds()?) {
        (None, false) => return Ok(()),
        (Some(waiting), true) => gives_back(&waiting, &cells, Some(&proofs))?,
        _ => return Err(Unmet::Judged("the pool")),
    }
    let mut other = blob.to_vec();
    *other.last_mut().ok_or(Unmet::Missing("cells"))? ^= 1;
    match sent(other.into()).offer()? {
        None => Ok(()),
        Some(_) => Err(Unmet::Judged("the pool, of another blob,")),
    }
}

/// Cells of a blob, which the pool computes for whoever asks for them.
///
/// # Errors
/// If they are others.
pub fn cells(vector: &Vector<'_>) -> Result<(), Unmet> {
    computed(vector, |output| (output.to_vec(), None))
}

/// Cells of a blob with their proofs, which the pool has from the sender.
///
/// # Errors
/// If they are others.
pub fn cells_and_proofs(vector: &Vector<'_>) -> Result<(), Unmet> {
    computed(vector, |output| {
        let (cells, proofs) = output.split_at(output.len() / 2);
        (cells.to_vec(), Some(proofs.to_vec()))
    })
}

fn computed(
    vector: &Vector<'_>,
    expected: impl FnOnce(&[Bytes]) -> (Vec<Bytes>, Option<Vec<Bytes>>),
) -> Result<(), Unmet> {
    let raw = vector.bytes("blob")?;
    if !vector.is_valid() {
        // To what is no blob there is no commitment; one that is easily proven will not do.
        let mut infinity = vec![0; BYTES_PER_COMMITMENT];
        infinity[0] = 0xc0;
        let proofs = vec![Bytes::from(infinity.clone()); CELLS_PER_EXT_BLOB];
        let commitments = vec![infinity.into()];
        let taken = Sent { blobs: vec![raw], commitments, proofs, cells: true }.offer()?.is_some();
        return if taken { Err(Unmet::Judged("the pool")) } else { Ok(()) };
    }
    let blob = blob(&raw).ok_or(Unmet::Missing("blob"))?;
    let made = BlobTransactionSidecarEip7594::try_from_blobs(vec![*blob]);
    let made = made.map_err(|_| Unmet::Judged("the library"))?;
    let copied = |points: &[alloy_eips::eip4844::Bytes48]| {
        points.iter().map(|point| Bytes::copy_from_slice(point.as_slice())).collect::<Vec<_>>()
    };
    let (cells, proofs) = expected(&vector.list("output")?);
    let sent = Sent {
        blobs: vec![raw],
        commitments: copied(&made.commitments),
        proofs: proofs.clone().unwrap_or_else(|| copied(&made.cell_proofs)),
        cells: true,
    };
    let waiting = sent.offer()?.ok_or(Unmet::Judged("the pool"))?;
    gives_back(&waiting, &cells, proofs.as_deref())
}

fn gives_back(waiting: &Waiting, cells: &[Bytes], proofs: Option<&[Bytes]>) -> Result<(), Unmet> {
    let (ours, ours_proofs) = waiting.cells()?;
    if ours != cells {
        return Err(Unmet::Different("cells"));
    }
    match proofs {
        Some(proofs) if ours_proofs != proofs => Err(Unmet::Different("proofs")),
        _ => Ok(()),
    }
}
