//! Python packages, pinned by a committed list.

use std::fs;
use std::path::{Path, PathBuf};

use eyre::{Context, Result};

use crate::cache;
use crate::process::{check, command};

/// Copy of the list that the installed packages came from.
const STAMP: &str = ".installed-requirements";
/// Exits with 0 where environments can be made, by a Python that the packages run on.
const USABLE: &str = "import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))";

/// Installs exactly what `dir/requirements.txt` lists into an environment of its own, which outlives the clone, unless that is what is
/// installed; gives its interpreter. Nothing where there is no Python to do it.
pub(crate) fn install(dir: &Path) -> Result<Option<PathBuf>> {
    let list = dir.join("requirements.txt");
    let wanted = fs::read(&list).wrap_err_with(|| format!("read {}", list.display()))?;
    let name = dir.file_name().expect("a folder in the workspace has a name");
    let home = cache::root()?.join("python").join(name);
    let python = home.join("bin/python");
    if fs::read(home.join(STAMP)).is_ok_and(|installed| installed == wanted) && python.exists() {
        return Ok(Some(python));
    }
    if !command(dir, "python3", &["-c", USABLE]).status().is_ok_and(|status| status.success()) {
        println!("note: no Python 3.11 or newer that can make environments");
        return Ok(None);
    }
    check(command(dir, "python3", &["-m", "venv", "--clear"]).arg(&home))?;
    let mut pip =
        command(dir, &python, &["-m", "pip", "install", "--quiet", "--no-deps", "--requirement"]);
    check(pip.arg(&list)).wrap_err("pip installs the executable specification")?;
    fs::write(home.join(STAMP), wanted).wrap_err("remember what pip installed")?;
    Ok(Some(python))
}
