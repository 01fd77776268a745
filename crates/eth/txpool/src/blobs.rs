//! Checks of a blob sidecar.

use alloy_eips::{
    eip4844::{BYTES_PER_BLOB, BlobTransactionValidationError},
    eip7594::BlobTransactionSidecarVariant,
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

/// Checks that the sidecar is of these hashes and that its proofs hold. Takes milliseconds per blob.
pub(crate) fn check_sidecar(
    sidecar: &BlobTransactionSidecarVariant,
    hashes: &[B256],
) -> Result<(), SidecarError> {
    let (blobs, commitments) = (sidecar.blobs().len(), sidecar.commitments().len());
    let (proofs, per_blob) = match sidecar {
        BlobTransactionSidecarVariant::Eip4844(sidecar) => (sidecar.proofs.len(), 1),
        BlobTransactionSidecarVariant::Eip7594(sidecar) => {
            (sidecar.cell_proofs.len(), alloy_eips::eip7594::CELLS_PER_EXT_BLOB)
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

/// Bytes a sidecar keeps in memory.
pub(crate) fn sidecar_bytes(sidecar: &BlobTransactionSidecarVariant) -> usize {
    const POINT: usize = 48;
    let proofs = match sidecar {
        BlobTransactionSidecarVariant::Eip4844(sidecar) => sidecar.proofs.len(),
        BlobTransactionSidecarVariant::Eip7594(sidecar) => sidecar.cell_proofs.len(),
    };
    sidecar.blobs().len() * BYTES_PER_BLOB + (sidecar.commitments().len() + proofs) * POINT
}
