//! One blob with everything L1 and the prover want to know about it.
//!
//! Not here: what the blob says (`ethrex_protocol::blob`).

use alloy_eips::{
    eip4844::{Blob, Bytes48, kzg_to_versioned_hash},
    eip7594::BlobTransactionSidecarEip7594,
};
use alloy_primitives::B256;

/// Gas of one blob (EIP-4844).
pub const BLOB_GAS: u64 = alloy_eips::eip4844::DATA_GAS_PER_BLOB;

/// Larger tables make cell proofs faster and cost megabytes; one blob per batch needs neither.
const PRECOMPUTE: u64 = 0;

/// The blob has a field element that is not canonical, or the KZG library failed.
#[derive(Debug, thiserror::Error)]
#[error("compute the KZG commitment and proofs of a blob")]
pub struct KzgError(#[from] c_kzg::Error);

/// What shows a verifier that a blob is the one that a versioned hash names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// The KZG commitment.
    pub commitment: Bytes48,
    /// The KZG proof of the whole blob.
    pub proof: Bytes48,
}

impl Opening {
    /// Opens a blob: tens of milliseconds of CPU, so keep it off the async threads.
    ///
    /// # Errors
    /// If the blob has a field element that is not canonical.
    pub fn of(blob: &Blob) -> Result<Self, KzgError> {
        let settings = c_kzg::ethereum_kzg_settings(PRECOMPUTE);
        let raw = c_kzg::Blob::new(blob.0);
        let commitment = settings.blob_to_kzg_commitment(&raw)?.to_bytes();
        let proof = settings.compute_blob_kzg_proof(&raw, &commitment)?.to_bytes();
        Ok(Self { commitment: commitment.into_inner().into(), proof: proof.into_inner().into() })
    }

    /// The hash that names the blob on L1.
    #[must_use]
    pub fn versioned_hash(&self) -> B256 {
        kzg_to_versioned_hash(self.commitment.as_slice())
    }
}

/// The versioned hash of a blob: tens of milliseconds of CPU.
///
/// # Errors
/// If the blob has a field element that is not canonical.
pub(crate) fn versioned_hash(blob: &Blob) -> Result<B256, KzgError> {
    let settings = c_kzg::ethereum_kzg_settings(PRECOMPUTE);
    let commitment = settings.blob_to_kzg_commitment(&c_kzg::Blob::new(blob.0))?;
    Ok(kzg_to_versioned_hash(commitment.to_bytes().as_slice()))
}

/// A blob, its KZG commitment, its cell proofs (EIP-7594, for L1) and its whole-blob proof (for the prover).
#[derive(Clone, PartialEq, Eq)]
pub struct Sidecar {
    cells: BlobTransactionSidecarEip7594,
    commitment: Bytes48,
    proof: Bytes48,
}

impl Sidecar {
    /// Computes commitment and proofs: tenths of a second of CPU, so keep it off the async threads.
    pub fn new(blob: &Blob) -> Result<Self, KzgError> {
        let settings = c_kzg::ethereum_kzg_settings(PRECOMPUTE);
        let cells =
            BlobTransactionSidecarEip7594::try_from_blobs_with_settings(vec![*blob], settings)?;
        Self::from_cells(cells)
    }

    /// Completes a sidecar taken from a transaction of ours.
    pub(crate) fn from_cells(cells: BlobTransactionSidecarEip7594) -> Result<Self, KzgError> {
        let settings = c_kzg::ethereum_kzg_settings(PRECOMPUTE);
        let (Some(blob), Some(&commitment)) = (cells.blobs.first(), cells.commitments.first())
        else {
            return Err(
                c_kzg::Error::MismatchLength("a sidecar of ours has one blob".into()).into()
            );
        };
        let raw = c_kzg::Blob::new(blob.0);
        let proof =
            settings.compute_blob_kzg_proof(&raw, &c_kzg::Bytes48::new(commitment.0))?.to_bytes();
        Ok(Self { cells, commitment, proof: Bytes48::from(proof.into_inner()) })
    }

    /// The blob.
    pub fn blob(&self) -> &Blob {
        &self.cells.blobs[0]
    }

    /// The KZG commitment.
    pub const fn commitment(&self) -> Bytes48 {
        self.commitment
    }

    /// The KZG proof of the whole blob, which the prover checks.
    pub const fn proof(&self) -> Bytes48 {
        self.proof
    }

    /// The hash that names the blob on L1.
    pub fn versioned_hash(&self) -> B256 {
        kzg_to_versioned_hash(self.commitment.as_slice())
    }

    /// The sidecar a blob transaction carries.
    pub(crate) fn into_cells(self) -> BlobTransactionSidecarEip7594 {
        self.cells
    }
}

impl std::fmt::Debug for Sidecar {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sidecar").field("commitment", &self.commitment).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proofs_of_a_sidecar_verify() {
        let mut blob = Box::new(Blob::ZERO);
        blob[1..32].fill(7);
        let sidecar = Sidecar::new(&blob).unwrap();
        let settings = c_kzg::ethereum_kzg_settings(PRECOMPUTE);
        let raw = c_kzg::Blob::new(sidecar.blob().0);
        let commitment = c_kzg::Bytes48::new(sidecar.commitment().0);
        let proof = c_kzg::Bytes48::new(sidecar.proof().0);
        assert!(settings.verify_blob_kzg_proof(&raw, &commitment, &proof).unwrap());
        assert_eq!(sidecar.versioned_hash()[0], 1);
        let (commitment, proof) = (sidecar.commitment(), sidecar.proof());
        assert_eq!(Opening::of(&blob).unwrap(), Opening { commitment, proof });
        assert_eq!(versioned_hash(&blob).unwrap(), sidecar.versioned_hash());
        assert_eq!(sidecar.into_cells().cell_proofs.len(), 128);
    }

    #[test]
    fn a_blob_that_is_not_made_of_field_elements_is_refused() {
        assert!(Sidecar::new(&Blob::repeat_byte(0xff)).is_err());
    }
}
