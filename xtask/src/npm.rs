//! Programs that come from npm, pinned by committed lock files.

use std::fs;
use std::path::{Path, PathBuf};

use eyre::{Context, Result, bail};

use crate::process::{check, command};

/// Copy of the lock file that the installed packages came from.
const STAMP: &str = "node_modules/.installed-lock";

/// Installs exactly what `dir/package-lock.json` says, unless that is what is installed.
pub(crate) fn install(dir: &Path) -> Result<()> {
    let lock = dir.join("package-lock.json");
    let wanted = fs::read(&lock).wrap_err_with(|| format!("read {}", lock.display()))?;
    if fs::read(dir.join(STAMP)).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    let mut npm = command(dir, "npm", &["ci", "--no-audit", "--no-fund", "--loglevel=error"]);
    check(&mut npm).wrap_err(
        "npm (which comes with Node.js 20 or newer) installs the outside programs the tests drive",
    )?;
    fs::write(dir.join(STAMP), wanted).wrap_err("remember what npm installed")
}

/// The native executable of a Foundry tool. Its npm wrapper would stand between us and its process id.
pub(crate) fn foundry(dir: &Path, tool: &str) -> Result<PathBuf> {
    let scope = dir.join("node_modules/@foundry-rs");
    let prefix = format!("{tool}-");
    for entry in fs::read_dir(&scope).wrap_err_with(|| format!("read {}", scope.display()))? {
        let entry = entry.wrap_err_with(|| format!("read {}", scope.display()))?;
        let binary = entry.path().join("bin").join(tool);
        if entry.file_name().to_string_lossy().starts_with(&prefix) && binary.is_file() {
            return Ok(binary);
        }
    }
    bail!(
        "{tool} is not among the packages in {}: has it a build for this platform?",
        scope.display()
    )
}
