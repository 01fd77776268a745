//! revm set up for our types.
