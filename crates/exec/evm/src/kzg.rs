//! The check that a KZG commitment opens to a value at a point (EIP-4844), in pure Rust.
//!
//! The precompile of a host uses C for the same; a proof of execution cannot, and node and guest must agree.

use revm::precompile::kzg_point_evaluation::arkworks;

/// Whether the polynomial behind `commitment` has the value `y` at `z`, as `proof` claims.
///
/// `z` and `y` are big-endian elements of the scalar field of BLS12-381. Anything that is not canonical, or no point of the
/// group, is a proof of nothing: `false`.
#[must_use]
pub fn opens_to(commitment: &[u8; 48], z: &[u8; 32], y: &[u8; 32], proof: &[u8; 48]) -> bool {
    arkworks::verify_kzg_proof(commitment, z, y, proof)
}
