//! What L1 and L2 agree on byte for byte.
