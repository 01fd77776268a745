//! Hands batches to provers, keeps proofs, submits them.
