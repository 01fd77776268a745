//! The proof that a KZG commitment is one to a given blob (EIP-4844, `verify_blob_kzg_proof`), without C code.
//!
//! Blob and commitment are hashed to a point; the blob's polynomial is evaluated there, and the proof shows that the committed
//! polynomial has the same value. Equal values at a point nobody could choose mean equal polynomials.

use alloy_primitives::{B256, FixedBytes, U256};
use ethrex_evm::kzg::opens_to;
use ethrex_protocol::blob::{BYTES_PER_BLOB, Blob, FIELD_ELEMENTS_PER_BLOB};
use sha2::{Digest, Sha256};

use crate::field::Scalar;

/// A KZG commitment: a compressed point of BLS12-381's first group.
pub type Commitment = FixedBytes<48>;
/// A KZG proof: such a point too.
pub type Proof = FixedBytes<48>;

/// `FIAT_SHAMIR_PROTOCOL_DOMAIN` of the specification.
const DOMAIN: &[u8; 16] = b"FSBLOBVERIFY_V1_";
/// `VERSIONED_HASH_VERSION_KZG`.
const VERSION: u8 = 1;
const ELEMENTS: u64 = FIELD_ELEMENTS_PER_BLOB as u64;

/// The proof does not show that the commitment is one to the blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BlobProofError {
    /// The blob is none: 32 bytes of it exceed the order of the field.
    #[error("field element {index} of the blob is not canonical")]
    Element {
        /// Position in the blob.
        index: usize,
    },
    /// Commitment and proof do not belong to the blob, or are no points.
    #[error("the KZG proof does not tie the commitment to the blob")]
    Opening,
}

/// Checks that `commitment` is one to `blob`, as `proof` claims.
///
/// # Errors
/// If the claim is not shown.
pub fn verify_blob_proof(
    blob: &Blob,
    commitment: &Commitment,
    proof: &Proof,
) -> Result<(), BlobProofError> {
    let elements = elements(blob)?;
    let point = challenge(blob, commitment);
    let value = evaluate(&elements, point);
    if opens_to(&commitment.0, &point.to_be_bytes(), &value.to_be_bytes(), &proof.0) {
        Ok(())
    } else {
        Err(BlobProofError::Opening)
    }
}

/// The hash by which L1 names the blob behind a commitment.
#[must_use]
pub fn versioned_hash(commitment: &Commitment) -> B256 {
    let mut hash = B256::new(Sha256::digest(commitment).into());
    hash[0] = VERSION;
    hash
}

fn elements(blob: &Blob) -> Result<Vec<Scalar>, BlobProofError> {
    let (elements, _) = blob.as_chunks::<32>();
    elements
        .iter()
        .enumerate()
        .map(|(index, bytes)| Scalar::canonical(bytes).ok_or(BlobProofError::Element { index }))
        .collect()
}

/// The point at which blob and commitment are compared.
fn challenge(blob: &Blob, commitment: &Commitment) -> Scalar {
    const { assert!(BYTES_PER_BLOB == 32 * FIELD_ELEMENTS_PER_BLOB) };
    let mut hasher = Sha256::new();
    hasher.update(DOMAIN);
    hasher.update(u128::from(ELEMENTS).to_be_bytes());
    hasher.update(blob);
    hasher.update(commitment);
    Scalar::reduced(&hasher.finalize().into())
}

/// The value at `point` of the polynomial that takes `values` on the 4,096 roots of unity in bit-reversed order.
///
/// Barycentric: `(z^n - 1) / n * sum(f_i * w_i / (z - w_i))`. Zeros, which pad most blobs, add nothing and cost nothing.
fn evaluate(values: &[Scalar], point: Scalar) -> Scalar {
    debug_assert_eq!(values.len(), FIELD_ELEMENTS_PER_BLOB);
    let roots = roots_of_unity();
    let bits = FIELD_ELEMENTS_PER_BLOB.trailing_zeros();
    let mut terms = Vec::new();
    let mut distances = Vec::new();
    for (index, value) in values.iter().enumerate().filter(|(_, value)| !value.is_zero()) {
        let root = roots[index.reverse_bits() >> (usize::BITS - bits)];
        let distance = point.sub(root);
        if distance.is_zero() {
            return *value;
        }
        terms.push(value.mul(root));
        distances.push(distance);
    }
    Scalar::invert_all(&mut distances);
    let sum = terms
        .iter()
        .zip(distances)
        .fold(Scalar::ZERO, |sum, (term, inverse)| sum.add(term.mul(inverse)));
    let one = Scalar::from_u64(1);
    let vanishing = point.pow(U256::from(ELEMENTS)).sub(one);
    sum.mul(vanishing).mul(Scalar::from_u64(ELEMENTS).inverse())
}

/// The powers of the primitive root, in their order.
fn roots_of_unity() -> Vec<Scalar> {
    let root = Scalar::root_of_unity(ELEMENTS);
    std::iter::successors(Some(Scalar::from_u64(1)), |power| Some(power.mul(root)))
        .take(FIELD_ELEMENTS_PER_BLOB)
        .collect()
}

#[cfg(test)]
mod tests;
