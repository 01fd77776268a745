//! Checks of a blob sidecar.

use std::sync::Arc;

use alloy_eips::{
    eip4844::{
        BYTES_PER_BLOB, Blob, BlobAndProofV1, BlobAndProofV2, BlobCellsAndProofsV1,
        BlobTransactionSidecar, BlobTransactionValidationError, Bytes48,
    },
    eip7594::{
        BlobCellMask, BlobTransactionSidecarEip7594, BlobTransactionSidecarVariant,
        CELLS_PER_EXT_BLOB,
    },
};
use alloy_primitives::B256;
use c_kzg::KzgSettings;
use ethrex_types::Fork;

use crate::Refused;

/// Why a sidecar does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SidecarError {
    /// The numbers of blobs, commitments, proofs and hashes do not agree.
    #[error("{blobs} blobs, {commitments} commitments and {proofs} proofs for {hashes} hashes")]
    Count {
        /// Blobs.
        blobs: usize,
        /// KZG commitments.
        commitments: usize,
        /// KZG proofs.
        proofs: usize,
        /// Versioned hashes.
        hashes: usize,
    },
    /// A commitment is not the one the transaction names.
    #[error("blob hash mismatch: have {have}, commitment hashes to {want}")]
    Hash {
        /// In the transaction.
        have: B256,
        /// Of the commitment.
        want: B256,
    },
    /// A blob is not made of field elements.
    #[error("a blob has an element that is not below the BLS modulus")]
    Blob,
    /// The proofs do not verify, or are no curve points.
    #[error("invalid KZG proof")]
    Proof,
}

/// Loaded on the first blob transaction, without precomputed tables: 2 MB and tens of milliseconds instead of hundreds.
fn kzg() -> &'static KzgSettings {
    c_kzg::ethereum_kzg_settings(0)
}

/// The version of sidecars that the network exchanges under `fork` (EIP-7594).
fn version(fork: Fork) -> u8 {
    u8::from(fork >= Fork::Osaka)
}

/// Checks the version only: what a fork may change about a sidecar that was valid before it.
pub(crate) fn check_version(
    sidecar: &BlobTransactionSidecarVariant,
    fork: Fork,
) -> Result<(), Refused> {
    let (want, got) = (version(fork), u8::from(sidecar.is_eip7594()));
    if want == got { Ok(()) } else { Err(Refused::SidecarVersion { want, got }) }
}

/// The sidecar of these blobs, as the network exchanges it under `fork`. Takes milliseconds per blob, with cell proofs some hundred.
///
/// # Errors
/// If a blob has an element that is no field element.
pub fn sidecar_of(
    blobs: Vec<Blob>,
    fork: Fork,
) -> Result<BlobTransactionSidecarVariant, SidecarError> {
    let made = if version(fork) == 0 {
        BlobTransactionSidecar::try_from_blobs_with_settings(blobs, kzg()).map(Into::into)
    } else {
        BlobTransactionSidecarEip7594::try_from_blobs_with_settings(blobs, kzg()).map(Into::into)
    };
    made.map_err(|_| SidecarError::Blob)
}

/// The same from commitments and proofs that were made elsewhere: one proof for each blob, or under Osaka one for each of its cells.
/// Takes milliseconds per blob.
///
/// # Errors
/// If they are not of these blobs.
pub fn sidecar_with(
    blobs: Vec<Blob>,
    commitments: Vec<Bytes48>,
    proofs: Vec<Bytes48>,
    fork: Fork,
) -> Result<BlobTransactionSidecarVariant, SidecarError> {
    let sidecar: BlobTransactionSidecarVariant = if version(fork) == 0 {
        BlobTransactionSidecar { blobs, commitments, proofs }.into()
    } else {
        BlobTransactionSidecarEip7594 { blobs, commitments, cell_proofs: proofs }.into()
    };
    let hashes: Vec<_> = sidecar.versioned_hashes().collect();
    check_sidecar(&sidecar, &hashes)?;
    Ok(sidecar)
}

/// Checks that the sidecar is of these hashes and that its proofs hold. Takes milliseconds per blob.
pub(crate) fn check_sidecar(
    sidecar: &BlobTransactionSidecarVariant,
    hashes: &[B256],
) -> Result<(), SidecarError> {
    let (blobs, commitments) = (sidecar.blobs().len(), sidecar.commitments().len());
    let (proofs, per_blob) = match sidecar {
        BlobTransactionSidecarVariant::Eip4844(sidecar) => (sidecar.proofs.len(), 1),
        BlobTransactionSidecarVariant::Eip7594(sidecar) => {
            (sidecar.cell_proofs.len(), CELLS_PER_EXT_BLOB)
        }
    };
    let hashes_len = hashes.len();
    if blobs != hashes_len || commitments != hashes_len || proofs != blobs * per_blob {
        return Err(SidecarError::Count { blobs, commitments, proofs, hashes: hashes_len });
    }
    sidecar.validate(hashes, kzg()).map_err(|error| match error {
        BlobTransactionValidationError::WrongVersionedHash { have, expected } => {
            SidecarError::Hash { have, want: expected }
        }
        _ => SidecarError::Proof,
    })
}

/// One blob of a transaction in the pool.
#[derive(Debug, Clone)]
pub struct PoolBlob {
    sidecar: Arc<BlobTransactionSidecarVariant>,
    index: usize,
}

impl PoolBlob {
    pub(crate) const fn new(sidecar: Arc<BlobTransactionSidecarVariant>, index: usize) -> Self {
        Self { sidecar, index }
    }

    /// The blob with its one proof; `None` where the sidecar has cell proofs.
    #[must_use]
    pub fn with_proof(&self) -> Option<BlobAndProofV1> {
        let sidecar = self.sidecar.as_eip4844()?;
        let blob = Box::new(*sidecar.blobs.get(self.index)?);
        Some(BlobAndProofV1 { blob, proof: *sidecar.proofs.get(self.index)? })
    }

    /// The blob with its cell proofs; `None` where the sidecar has none (EIP-7594).
    #[must_use]
    pub fn with_cell_proofs(&self) -> Option<BlobAndProofV2> {
        let sidecar = self.sidecar.as_eip7594()?;
        let blob = Box::new(*sidecar.blobs.get(self.index)?);
        let proofs = sidecar.cell_proofs.chunks(CELLS_PER_EXT_BLOB).nth(self.index)?.to_vec();
        Some(BlobAndProofV2 { blob, proofs })
    }

    /// Those cells of the blob that `mask` has, with their proofs; `None` where the sidecar has no cell proofs. Takes milliseconds.
    #[must_use]
    pub fn cells(&self, mask: BlobCellMask) -> Option<BlobCellsAndProofsV1> {
        let sidecar = self.sidecar.as_eip7594()?;
        // It was checked when it came, so its cells can be computed.
        sidecar.blob_cells_and_proofs_with_settings(self.index, mask, kzg()).ok().flatten()
    }
}

/// Bytes a sidecar keeps in memory.
pub(crate) fn sidecar_bytes(sidecar: &BlobTransactionSidecarVariant) -> usize {
    const POINT: usize = 48;
    let proofs = match sidecar {
        BlobTransactionSidecarVariant::Eip4844(sidecar) => sidecar.proofs.len(),
        BlobTransactionSidecarVariant::Eip7594(sidecar) => sidecar.cell_proofs.len(),
    };
    sidecar.blobs().len() * BYTES_PER_BLOB + (sidecar.commitments().len() + proofs) * POINT
}
