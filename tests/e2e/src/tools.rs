//! Where the programs are: ours, and those that are not.

use std::env;
use std::path::{Path, PathBuf};

/// Paths of everything a test starts.
#[derive(Debug, Clone)]
pub struct Tools {
    /// The node under test.
    pub ethrex: PathBuf,
    /// Our command line for users.
    pub rex: PathBuf,
    /// Foundry's cast.
    pub cast: PathBuf,
    /// Foundry's anvil.
    pub anvil: PathBuf,
    /// The folder with the viem scripts and their packages.
    pub js: PathBuf,
    /// The genesis of the dev L1.
    pub l1_genesis: PathBuf,
}

impl Tools {
    /// Finds them all.
    ///
    /// # Panics
    /// If one is missing, with the command that provides it: there is nothing to test then.
    #[must_use]
    pub fn find() -> Self {
        let here = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root =
            here.ancestors().nth(2).expect("tests/e2e is two folders below the workspace root");
        let js = env::var_os("ETHREX_E2E_JS").map_or_else(|| here.join("js"), PathBuf::from);
        let ethrex = existing(env::var_os("ETHREX_BIN").map_or_else(beside, PathBuf::from));
        Self {
            rex: existing(ethrex.with_file_name("rex")),
            ethrex,
            cast: foundry(&js, "cast"),
            anvil: foundry(&js, "anvil"),
            l1_genesis: existing(root.join("crates/rollup/deploy/genesis/l1.json")),
            js,
        }
    }
}

/// `target/<profile>/ethrex`, from the test's own `target/<profile>/deps/…`.
fn beside() -> PathBuf {
    let me = env::current_exe().expect("a running program has a path");
    me.ancestors().nth(2).expect("cargo puts tests two folders deep").join("ethrex")
}

/// The native executable: npm's wrapper would hide its process id.
fn foundry(js: &Path, tool: &str) -> PathBuf {
    let scope = js.join("node_modules/@foundry-rs");
    let packages = scope
        .read_dir()
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path().join("bin").join(tool));
    existing(
        packages
            .into_iter()
            .find(|path| path.is_file() && !path.starts_with(scope.join(tool)))
            .unwrap_or_else(|| scope.join(tool).join("bin")),
    )
}

/// An absolute path: programs are started in folders of their own.
fn existing(path: PathBuf) -> PathBuf {
    assert!(
        path.is_file(),
        "{} is missing: run `cargo xtask test e2e`, which builds and installs what these tests drive",
        path.display()
    );
    std::path::absolute(path).expect("a path of a file is not empty")
}
