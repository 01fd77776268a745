//! Import, fork choice, head, block building, witness recording.
