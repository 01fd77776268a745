//! The contracts' committed artifacts and the golden vectors that Rust and Solidity share.

use std::path::{Path, PathBuf};

use eyre::Result;

use crate::npm;
use crate::process::{cargo, check as run, command};

/// The Foundry project, with its packages installed.
pub(crate) fn project(root: &Path) -> Result<PathBuf> {
    let dir = root.join("contracts");
    npm::install(&dir)?;
    Ok(dir)
}

/// Fails where a fresh build with the pinned compiler differs from what is committed.
pub(crate) fn check(root: &Path) -> Result<()> {
    run(&mut command(&project(root)?, "node", &["tools/build.mjs", "--check"]))
}

/// Rewrites the committed artifacts.
pub(crate) fn write(root: &Path) -> Result<()> {
    run(&mut command(&project(root)?, "node", &["tools/build.mjs"]))
}

/// Writes `fixtures/protocol`, or fails where it is not what the Rust encodings give.
pub(crate) fn vectors(root: &Path, only_check: bool) -> Result<()> {
    let check: &[&str] = if only_check { &["--", "--check"] } else { &[] };
    run(&mut cargo(
        root,
        &[&["run", "--quiet", "-p", "ethrex-protocol", "--example", "vectors"], check].concat(),
    ))
}
