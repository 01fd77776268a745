//! Blocks to batches to commitments on L1.
