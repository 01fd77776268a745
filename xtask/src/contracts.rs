//! The contracts' committed artifacts and the golden vectors that Rust and Solidity share.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use eyre::{Context, Result, bail};

use crate::npm;
use crate::process::{cargo, check as run, command};
use crate::test::PROFILE;

/// Written by Rust, read by the tests of Rust and of Solidity.
const VECTORS: &str = "fixtures/protocol/vectors.json";

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

/// Writes the golden vectors.
pub(crate) fn write_vectors(root: &Path) -> Result<()> {
    run(&mut vectors(root, &root.join(VECTORS)))
}

/// Fails where the golden vectors are not what the Rust encodings give.
pub(crate) fn check_vectors(root: &Path) -> Result<()> {
    let fresh = env::temp_dir().join(format!("ethrex-vectors-{}.json", std::process::id()));
    run(&mut vectors(root, &fresh))?;
    let same = read(&fresh)? == read(&root.join(VECTORS))?;
    fs::remove_file(&fresh).wrap_err("remove the fresh vectors")?;
    if same {
        println!("{VECTORS} is up to date");
        return Ok(());
    }
    bail!(
        "{VECTORS} is not what the encodings give: run `cargo xtask vectors` and look at the difference"
    )
}

fn vectors(root: &Path, file: &Path) -> Command {
    let mut job = cargo(
        root,
        &[
            "run",
            "--quiet",
            "-p",
            "ethrex-protocol",
            "--example",
            "vectors",
            "--profile",
            PROFILE,
            "--",
        ],
    );
    job.arg(file);
    job
}

fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).wrap_err_with(|| format!("read {}", file.display()))
}
