//! Typed tables, atomic commits, state at block N, pruning.
