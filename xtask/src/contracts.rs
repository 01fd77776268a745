//! The contracts' committed artifacts and the golden vectors that Rust and Solidity share.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use eyre::{Context, Result, bail};

use crate::npm;
use crate::process::{cargo, check as run, command};
use crate::test::PROFILE;

/// Written by Rust, read by the tests of Rust and of Solidity: of validity rollups, and of native ones.
const PROTOCOL: &str = "fixtures/protocol";
const PROTOCOL_FILES: [&str; 1] = ["vectors.json"];
const NATIVE: &str = "fixtures/native";
const NATIVE_FILES: [&str; 3] = ["derivation.json", "encodings.json", "execute.json"];

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
    run(&mut protocol_vectors(root, &root.join(PROTOCOL)))?;
    write_native(root, &root.join(NATIVE))
}

/// Fails where the golden vectors are not what the Rust encodings give.
pub(crate) fn check_vectors(root: &Path) -> Result<()> {
    let fresh = env::temp_dir().join(format!("ethrex-vectors-{}", std::process::id()));
    fs::create_dir_all(&fresh).wrap_err("make a directory for fresh vectors")?;
    run(&mut protocol_vectors(root, &fresh))?;
    write_native(root, &fresh)?;
    let protocol = PROTOCOL_FILES.map(|file| (PROTOCOL, file));
    let native = NATIVE_FILES.map(|file| (NATIVE, file));
    let mut stale = Vec::new();
    for (dir, file) in protocol.into_iter().chain(native) {
        if read(&fresh.join(file))? != read(&root.join(dir).join(file))? {
            stale.push(format!("{dir}/{file}"));
        }
    }
    fs::remove_dir_all(&fresh).wrap_err("remove the fresh vectors")?;
    if stale.is_empty() {
        println!("the golden vectors are up to date");
        return Ok(());
    }
    bail!(
        "{} are not what the code gives: run `cargo xtask vectors` and look at the difference",
        stale.join(", ")
    )
}

fn protocol_vectors(root: &Path, dir: &Path) -> Command {
    let mut job = example(root, &["-p", "ethrex-protocol"]);
    job.arg(dir.join(PROTOCOL_FILES[0]));
    job
}

fn write_native(root: &Path, dir: &Path) -> Result<()> {
    let execute = ["-p", "ethrex-execute", "--features", "testing"];
    run(example(root, &execute).arg(dir))?;
    run(example(root, &["-p", "ethrex-settle"]).arg(dir))
}

fn example(root: &Path, package: &[&str]) -> Command {
    let rest = ["--example", "vectors", "--profile", PROFILE, "--"];
    cargo(root, &[&["run", "--quiet"], package, &rest].concat())
}

fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).wrap_err_with(|| format!("read {}", file.display()))
}
