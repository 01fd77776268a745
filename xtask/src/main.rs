#![doc = include_str!("../README.md")]

mod bench;
mod cache;
mod ci;
mod contracts;
mod fuzz;
mod guest;
mod licences;
mod npm;
mod process;
mod python;
mod test;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use eyre::{Result, bail};

const USAGE: &str = "usage: cargo xtask <task>
  ci                                       everything below that a change must pass
  test [unit|contracts|spec|eels|e2e|crash|consensus]...
                                           run suites (by default all but consensus); crash takes --kills N --seed N
  fuzz [TARGET]... [--seconds N]           look for inputs that break a target of tests/fuzz (60 s each)
  tidy [DIR]                               conventions that no compiler checks
  coverage [--write]                       list the tests by the ids of the test plan, or write them into its table
  metrics --write                          list in docs/metrics.md what the crates record; tidy checks the list
  licences                                 licences and doubled versions of dependencies
  contracts [--write]                      compare (or rewrite) the committed contract artifacts
  vectors [--check]                        write the golden vectors shared by Rust and Solidity
  bench dev-start|execute|import|storage   measure
  guest --check                            compile the proven program for a zkVM target";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("xtask: {why:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[&str]) -> Result<()> {
    let root = root();
    match words {
        ["ci"] => ci::run(&root),
        ["test", rest @ ..] => test::run(&root, rest),
        ["fuzz", rest @ ..] => fuzz::run(&root, rest),
        ["tidy"] => tidy::run(&root),
        ["tidy", dir] => tidy::run(Path::new(dir)),
        ["coverage"] => tidy::coverage(&root, false),
        ["coverage", "--write"] => tidy::coverage(&root, true),
        ["metrics", "--write"] => tidy::metrics(&root),
        ["licences"] => licences::run(&root),
        ["contracts"] => contracts::check(&root),
        ["contracts", "--write"] => contracts::write(&root),
        ["vectors"] => contracts::write_vectors(&root),
        ["vectors", "--check"] => contracts::check_vectors(&root),
        ["bench", name, rest @ ..] => bench::run(&root, name, rest),
        ["guest", "--check"] => guest::check(&root),
        [] | ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => bail!("unknown task `{}`\n{USAGE}", words.join(" ")),
    }
}

/// The workspace root: xtask is always run from a checkout, by cargo.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("xtask/ is inside the workspace")
        .to_owned()
}
