//! The one command a change must pass. Steps go from cheap to dear; the first failure ends the run.

use std::path::Path;
use std::time::Instant;

use eyre::{Result, WrapErr};

use crate::process::{cargo, check, command};
use crate::{cache, fuzz, test};

const STEPS: [&str; 9] =
    ["format", "tidy", "licences", "lock", "lints", "vectors", "contracts", "docs", "test"];

/// Runs every step with cargo's and npm's caches outside the clone.
///
/// Steps that are tasks of their own run as a child with the cache in its environment, because the
/// environment of a running process cannot be changed safely.
pub(crate) fn run(root: &Path) -> Result<()> {
    let cache = cache::environment()?;
    let me = std::env::current_exe().wrap_err("find xtask's own binary")?;
    let mut took = Vec::new();
    for step in STEPS {
        println!("\n=== {step}");
        let start = Instant::now();
        let mut job = match step {
            "format" => cargo(root, &["fmt", "--all", "--check"]),
            // The lock file of the workspace is checked by every build; the fuzz programs are built by hand, and stand apart.
            "lock" => {
                let host = fuzz::host(root)?;
                cargo(&root.join(fuzz::PACKAGE), &["fetch", "--locked", "--target", &host])
            }
            "lints" => cargo(
                root,
                &[
                    "clippy",
                    "--workspace",
                    "--all-targets",
                    "--locked",
                    "--profile",
                    test::PROFILE,
                    "--",
                    "-D",
                    "warnings",
                ],
            ),
            "docs" => {
                let mut job = cargo(
                    root,
                    &["doc", "--workspace", "--no-deps", "--locked", "--profile", test::PROFILE],
                );
                job.env("RUSTDOCFLAGS", "-D warnings");
                job
            }
            "vectors" => command(root, &me, &["vectors", "--check"]),
            task => command(root, &me, &[task]),
        };
        let ran = check(job.envs(cache.iter().map(|(name, value)| (name, value))));
        took.push(format!("{step} {} s", start.elapsed().as_secs()));
        // The counts of `test` stay the last line of a good run.
        if step != "test" || ran.is_err() {
            println!("--- {}", took.join(" · "));
        }
        ran.wrap_err_with(|| format!("step {step}"))?;
    }
    Ok(())
}
