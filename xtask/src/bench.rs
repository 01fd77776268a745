//! Dispatch of the measurements: each is a program of the package in `benches/`.

use std::path::Path;

use eyre::{Result, bail};

use crate::process::{cargo, check};
use crate::{npm, test};

/// Builds for release and runs one measurement.
pub(crate) fn run(root: &Path, name: &str, rest: &[&str]) -> Result<()> {
    let mut bench = cargo(root, &["run", "--release", "-p", "ethrex-benches", "--bin", name, "--"]);
    bench.args(rest);
    match name {
        "execute" | "import" | "storage" => {}
        "dev-start" | "rpc" => {
            let tools = root.join(test::E2E_JS);
            npm::install(&tools)?;
            for program in ["ethrex", "rex"] {
                check(&mut cargo(root, &["build", "--release", "-p", program]))?;
            }
            bench.env("ETHREX_E2E_JS", tools).env("ETHREX_BIN", test::binary(root, "release"));
        }
        _ => bail!("no bench `{name}`: there are dev-start, execute, import, rpc and storage"),
    }
    check(&mut bench)
}
