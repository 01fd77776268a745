//! Tells the command which commit it is built from, where that is known.
//!
//! `ETHREX_COMMIT` says it for sources without a history; otherwise git is asked, if these sources are the root of a checkout.

use std::{env, path::Path, process::Command};

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-env-changed=ETHREX_COMMIT");
    let commit = env::var("ETHREX_COMMIT").ok().or_else(checked_out).unwrap_or_default();
    let first: String = commit.chars().take(DIGITS).collect();
    let known = first.len() == DIGITS && first.bytes().all(|byte| byte.is_ascii_hexdigit());
    let (commit, version) = (
        if known { first.to_lowercase() } else { "0".repeat(DIGITS) },
        env::var("CARGO_PKG_VERSION").unwrap_or_default(),
    );
    let version = if known { format!("{version} ({commit})") } else { version };
    println!("cargo:rustc-env=ETHREX_BUILD_COMMIT={commit}");
    println!("cargo:rustc-env=ETHREX_BUILD_VERSION={version}");
}

/// Hexadecimal digits of a commit that are told: four bytes, as the Engine API wants.
const DIGITS: usize = 8;

/// The commit that is checked out. Only what moves with it is watched, so that an edit rebuilds nothing that it did not touch.
fn checked_out() -> Option<String> {
    let root = git(&["rev-parse", "--show-toplevel"])?;
    // A tarball that was unpacked inside somebody's repository is not of that repository.
    let ours = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().ok()?;
    if Path::new(&root).canonicalize().ok()? != ours {
        return None;
    }
    let branch = git(&["symbolic-ref", "--quiet", "HEAD"]);
    for name in ["HEAD", "packed-refs"].into_iter().chain(branch.as_deref()) {
        let path = git(&["rev-parse", "--git-path", name])?;
        // Cargo builds anew each time what it watches is not there.
        if Path::new(&path).exists() {
            println!("cargo:rerun-if-changed={path}");
        }
    }
    git(&["rev-parse", "HEAD"])
}

/// What git says, in one line; `None` where there is no git, or no repository.
fn git(args: &[&str]) -> Option<String> {
    let output = Command::new("git").args(args).output().ok()?;
    let said = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| said.trim().to_owned())
}
