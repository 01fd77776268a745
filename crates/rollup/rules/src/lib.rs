//! Rules of a validity rollup.
