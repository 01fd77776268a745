//! Looks for bytes that break a target of `tests/fuzz`, by coverage.
//!
//! libFuzzer needs instrumented code, which any compiler can make; the sanitizers need a nightly one, and with no `unsafe` of our own they would find
//! little that the checks of a target do not.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use eyre::{Context, OptionExt, Result, bail};

use crate::cache;
use crate::process::{capture, cargo, check, command};
use crate::test;

/// Outside the workspace: all that it depends on is compiled with instrumentation.
pub(crate) const PACKAGE: &str = "fuzz";
/// The example of `tests/fuzz` that writes the inputs to begin with.
const SEEDS: &str = "seeds";
/// One file a target.
const TARGETS: &str = "fuzz/fuzz_targets";
/// What was found before; a test gives it to the targets every day.
const KEPT: &str = "tests/fuzz/inputs";
const PROFILE: &str = "fuzz";
const DEFAULT_SECONDS: &str = "60";

/// Coverage as libFuzzer wants it. Without its unused sections a program would have more tables than code.
const FLAGS: [&str; 6] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Clink-arg=-Wl,--no-gc-sections",
];
/// Limits of one input: seconds, and megabytes of the whole process.
const LIMITS: [&str; 2] = ["-timeout=20", "-rss_limit_mb=4096"];

/// What to run.
#[derive(Debug, PartialEq, Eq)]
struct Plan<'w> {
    targets: Vec<&'w str>,
    seconds: &'w str,
}

impl<'w> Plan<'w> {
    fn parse(words: &[&'w str]) -> Result<Self> {
        let mut plan = Self { targets: vec![], seconds: DEFAULT_SECONDS };
        let mut left = words.iter();
        while let Some(word) = left.next() {
            match *word {
                "--seconds" => match left.next() {
                    Some(value) if value.parse::<u32>().is_ok_and(|seconds| seconds > 0) => {
                        plan.seconds = value;
                    }
                    _ => bail!("`--seconds` needs a number above 0"),
                },
                flag if flag.starts_with('-') => bail!("unknown option `{flag}`"),
                target => plan.targets.push(target),
            }
        }
        Ok(plan)
    }
}

/// Fuzzes the targets named by `words`, all by default, one after the other. Fails at the first input that breaks one, with its path.
pub(crate) fn run(root: &Path, words: &[&str]) -> Result<()> {
    let plan = Plan::parse(words)?;
    let known = targets(root)?;
    if let Some(unknown) = plan.targets.iter().find(|name| !known.iter().any(|one| one == *name)) {
        bail!("no target `{unknown}`: there are {}", known.join(", "));
    }
    let host = host(root)?;
    let programs = build(root, &host)?;
    let corpus = cache::root()?.join("corpus");
    // Built with the tests, where those are built.
    let built = ["build", "--quiet", "--locked", "--workspace", "--profile", test::PROFILE];
    check(&mut cargo(root, &[&built[..], &["--example", SEEDS]].concat()))?;
    let seeds = test::binary(root, test::PROFILE).with_file_name("examples").join(SEEDS);
    check(command(root, seeds, &[]).arg(&corpus))?;
    for target in
        known.iter().filter(|name| plan.targets.is_empty() || plan.targets.contains(&name.as_str()))
    {
        fuzz(root, &programs.join(target), target, &corpus.join(target), plan.seconds)?;
    }
    Ok(())
}

fn targets(root: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root.join(TARGETS)).wrap_err("list the fuzz targets")? {
        let path = entry.wrap_err("list the fuzz targets")?.path();
        names.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
    }
    names.sort_unstable();
    Ok(names)
}

/// The platform that is compiled for. It has to be named, or build scripts would be instrumented too.
pub(crate) fn host(root: &Path) -> Result<String> {
    let said = capture(&mut command(root, "rustc", &["--version", "--verbose"]))?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.ok_or_eyre("rustc does not say its host")?.to_owned())
}

/// Compiles all programs; gives their folder.
fn build(root: &Path, host: &str) -> Result<PathBuf> {
    let target_dir =
        env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let args = ["build", "--locked", "--profile", PROFILE, "--bins", "--target", host];
    let mut job = cargo(&root.join(PACKAGE), &args);
    check(job.env("RUSTFLAGS", FLAGS.join(" ")).env("CARGO_TARGET_DIR", &target_dir))?;
    Ok(target_dir.join(host).join(PROFILE))
}

fn fuzz(root: &Path, program: &Path, target: &str, corpus: &Path, seconds: &str) -> Result<()> {
    println!("\n=== {target}");
    let kept = root.join(KEPT).join(target);
    let found = corpus.with_file_name(format!("{target}-found"));
    fs::create_dir_all(&found).wrap_err_with(|| format!("create {}", found.display()))?;
    let mut job = command(root, program, &LIMITS);
    job.arg(format!("-max_total_time={seconds}"));
    job.arg(format!("-artifact_prefix={}/", found.display()));
    job.args(["-print_final_stats=1", "-verbosity=1"]).arg(corpus);
    if kept.is_dir() {
        job.arg(kept);
    }
    check(&mut job).wrap_err_with(|| {
        format!(
            "{target} does not hold on an input in {}: copy it to {KEPT}/{target}/, under a name that says what it is",
            found.display()
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_and_seconds_come_in_any_order() {
        let plan = Plan::parse(&["--seconds", "5", "block", "stream"]).unwrap();
        assert_eq!(plan, Plan { targets: vec!["block", "stream"], seconds: "5" });
        assert_eq!(Plan::parse(&[]).unwrap().seconds, DEFAULT_SECONDS);
    }

    #[test]
    fn what_is_no_number_of_seconds_is_refused() {
        for words in [&["--seconds"][..], &["--seconds", "0"], &["--seconds", "x"], &["--runs"]] {
            assert!(Plan::parse(words).is_err(), "{words:?}");
        }
    }
}
