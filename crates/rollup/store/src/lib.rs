//! Batches, deposit cursor, proofs and sent L1 transactions, in SQLite.
