//! Runs the suites and counts: the last line printed is `N passed, N failed, N skipped`.

use std::collections::BTreeMap;
use std::ops::AddAssign;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use eyre::{Result, bail};

use crate::process::{Shown, cargo, check, command, show};
use crate::{contracts, npm, python};

/// The one profile of tests and of the binary they drive.
pub(crate) const PROFILE: &str = "ci";
/// Where the end-to-end tests keep the outside programs they drive.
pub(crate) const E2E_JS: &str = "tests/e2e/js";

/// Where the consensus tests keep the clients they drive.
const CONSENSUS_CLIENTS: [&str; 2] = ["tests/e2e/consensus/minicl", "tests/e2e/consensus/lodestar"];

/// Where the pinned packages of the executable specification are named.
const EELS: &str = "tests/eels";

/// What a test prints, past libtest's capture, when it returns early because something is absent on this machine. libtest counts it
/// as passed.
const ABSENT: &str = "skipped: ";

const DEFAULT_KILLS: &str = "10";
const DEFAULT_SEED: &str = "1";

/// A part of the tests that can be run alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Suite {
    /// Every crate's own tests, the action tests among them.
    Unit,
    /// Solidity tests, in forge.
    Contracts,
    /// Ethereum's fixtures, chains and real blocks.
    Spec,
    /// The public cases of the execution APIs.
    RpcCompat,
    /// Random blocks, computed once more by the executable specification.
    Eels,
    /// The real binary, driven by cast and viem.
    E2e,
    /// The same, killed again and again.
    Crash,
    /// An L1 node, driven by consensus clients.
    Consensus,
}

/// What runs where no suite is named.
const DEFAULT: [Suite; 7] = [
    Suite::Unit,
    Suite::Contracts,
    Suite::Spec,
    Suite::RpcCompat,
    Suite::Eels,
    Suite::E2e,
    Suite::Crash,
];
/// What runs only where it is named: minutes of slots and the packages of two more programs.
const NAMED: [Suite; 1] = [Suite::Consensus];

impl Suite {
    fn named(name: &str) -> Option<Self> {
        DEFAULT.into_iter().chain(NAMED).find(|suite| suite.name() == name)
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Unit => "unit",
            Self::Contracts => "contracts",
            Self::Spec => "spec",
            Self::RpcCompat => "rpc-compat",
            Self::Eels => "eels",
            Self::E2e => "e2e",
            Self::Crash => "crash",
            Self::Consensus => "consensus",
        }
    }
}

/// What to run.
#[derive(Debug, PartialEq, Eq)]
struct Plan {
    suites: Vec<Suite>,
    kills: String,
    seed: String,
}

impl Plan {
    fn parse(words: &[&str]) -> Result<Self> {
        let mut plan =
            Self { suites: vec![], kills: DEFAULT_KILLS.into(), seed: DEFAULT_SEED.into() };
        let mut left = words.iter();
        while let Some(word) = left.next() {
            let number = match *word {
                "--kills" => &mut plan.kills,
                "--seed" => &mut plan.seed,
                name => {
                    let Some(suite) = Suite::named(name) else {
                        bail!(
                            "no suite `{name}`: there are unit, contracts, spec, rpc-compat, eels, e2e, crash and consensus"
                        )
                    };
                    plan.suites.push(suite);
                    continue;
                }
            };
            match left.next() {
                Some(value) if value.parse::<u64>().is_ok() => *number = (*value).to_owned(),
                _ => bail!("`{word}` needs a number"),
            }
        }
        if plan.suites.is_empty() {
            plan.suites = DEFAULT.to_vec();
        }
        Ok(plan)
    }
}

/// Tests that ended in each way.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Counts {
    passed: u64,
    failed: u64,
    skipped: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// Runs the suites named by `words`, or [`DEFAULT`], and fails if any test did.
pub(crate) fn run(root: &Path, words: &[&str]) -> Result<()> {
    let plan = Plan::parse(words)?;
    let mut rows: Vec<(Suite, Counts, Duration)> = Vec::new();
    let mut notes = Vec::new();
    let mut absent = BTreeMap::new();
    for suite in &plan.suites {
        println!("\n=== {}", suite.name());
        let start = Instant::now();
        let shown = start_suite(root, *suite, &plan)?;
        let mut counts = count(&shown.output);
        if !shown.success && counts.failed == 0 {
            // It broke before or after its tests, a compile error for one.
            counts.failed = 1;
        }
        notes.extend(
            shown.output.lines().filter(|line| line.starts_with("note: ")).map(str::to_owned),
        );
        for line in shown.output.lines().filter(|line| line.starts_with(ABSENT)) {
            *absent.entry(line.to_owned()).or_insert(0_u64) += 1;
        }
        rows.push((*suite, counts, start.elapsed()));
    }

    println!();
    let mut total = Counts::default();
    for (suite, counts, took) in &rows {
        println!("{:<10} {counts} in {} s", suite.name(), took.as_secs());
        total += *counts;
    }
    for note in notes {
        println!("{note}");
    }
    for (line, times) in absent {
        println!("{line} ({times} times)");
    }
    println!("{total}");
    if total.failed > 0 {
        bail!("{} of the tests failed", total.failed);
    }
    Ok(())
}

fn start_suite(root: &Path, suite: Suite, plan: &Plan) -> Result<Shown> {
    let test = |args: &[&str]| {
        cargo(root, &[&["test", "--locked", "--no-fail-fast", "--profile", PROFILE], args].concat())
    };
    match suite {
        Suite::Unit => {
            // Some tests drive anvil, which comes with the tools of the contracts.
            contracts::project(root)?;
            show(&mut test(&["--workspace"]))
        }
        Suite::Contracts => {
            let dir = contracts::project(root)?;
            show(&mut command(&dir, npm::foundry(&dir, "forge")?, &["test"]))
        }
        // The whole workspace is named each time: with fewer packages cargo would unify fewer features, and build every
        // dependency once more for them.
        Suite::Spec => show(&mut test(&["--workspace", "--test", suite.name()])),
        Suite::Eels => {
            let mut job = test(&["--workspace", "--test", "eels", "--", "--nocapture"]);
            if let Some(python) = python::install(&root.join(EELS))? {
                job.env("ETHREX_EELS_PYTHON", python);
            }
            show(&mut job)
        }
        Suite::RpcCompat | Suite::E2e | Suite::Crash | Suite::Consensus => {
            let tools = root.join(E2E_JS);
            npm::install(&tools)?;
            if suite == Suite::Consensus {
                for client in CONSENSUS_CLIENTS {
                    npm::install(&root.join(client))?;
                }
            }
            check(&mut cargo(
                root,
                &[
                    "build",
                    "--workspace",
                    "--locked",
                    "--profile",
                    PROFILE,
                    "--bin",
                    "ethrex",
                    "--bin",
                    "rex",
                ],
            ))?;
            // One at a time: each starts several processes, and the machine may have two cores.
            let mut job = test(&["--workspace", "--test", suite.name(), "--", "--test-threads=1"]);
            job.env("ETHREX_BIN", binary(root, PROFILE)).env("ETHREX_E2E_JS", tools);
            job.env("ETHREX_CRASH_KILLS", &plan.kills).env("ETHREX_CRASH_SEED", &plan.seed);
            show(&mut job)
        }
    }
}

/// Where cargo leaves the node's binary.
pub(crate) fn binary(root: &Path, profile: &str) -> PathBuf {
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    target.join(profile).join("ethrex")
}

/// Adds up the closing lines of libtest, forge and our own runners. Tests that say they found something absent count as skipped.
fn count(output: &str) -> Counts {
    let mut total = Counts::default();
    let mut absent = 0;
    for line in output.lines() {
        absent += u64::from(line.starts_with(ABSENT));
        let line = line.trim();
        let closing = match line.split_once(": ") {
            Some(("test result", rest)) => rest,
            Some((head, rest)) if head.starts_with("Ran ") && head.contains(" test suite") => rest,
            _ if is_plain_closing(line) => line,
            _ => continue,
        };
        total += Counts {
            passed: before(closing, &["passed", "tests passed"]),
            failed: before(closing, &["failed"]),
            skipped: before(closing, &["ignored", "skipped"]),
        };
    }
    let absent = absent.min(total.passed);
    total.passed -= absent;
    total.skipped += absent;
    total
}

fn is_plain_closing(line: &str) -> bool {
    let parts: Vec<&str> = line.split(", ").collect();
    let ends = [" passed", " failed", " skipped"];
    parts.len() == 3
        && parts
            .iter()
            .zip(ends)
            .all(|(part, end)| part.strip_suffix(end).is_some_and(|n| n.parse::<u64>().is_ok()))
}

/// The number in front of any of `words`, in a line such as `12 passed; 0 failed`.
fn before(line: &str, words: &[&str]) -> u64 {
    let pieces = line.split([';', ',', '.', '(']).map(str::trim);
    let numbers = pieces.filter_map(|piece| {
        let (number, word) = piece.split_once(' ')?;
        words.contains(&word).then(|| number.parse::<u64>().ok())?
    });
    numbers.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(output: &str, passed: u64, failed: u64, skipped: u64) {
        assert_eq!(count(output), Counts { passed, failed, skipped });
    }

    #[test]
    fn libtest_lines_add_up() {
        let line = "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 2 filtered out; finished in 0.01s\n";
        check(&line.repeat(2), 6, 0, 2);
    }

    #[test]
    fn a_test_that_finds_something_absent_is_skipped_not_passed() {
        let output = "test a ... ok\ntest b ... \nskipped: anvil is not installed\nok\n\
                      test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s\n";
        check(output, 1, 0, 2);
    }

    #[test]
    fn a_failed_libtest_line_counts() {
        check("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured", 3, 2, 0);
    }

    #[test]
    fn forge_is_counted_once_not_per_suite() {
        let output = "Suite result: ok. 4 passed; 0 failed; 0 skipped; finished in 5ms\n\
                      Ran 2 test suites in 9.7ms (12.3ms CPU time): 9 tests passed, 1 failed, 2 skipped (12 total tests)\n";
        check(output, 9, 1, 2);
    }

    #[test]
    fn our_own_closing_line_counts() {
        check("blockchain Osaka 12 passed\n2396 passed, 0 failed, 3 skipped\n", 2396, 0, 3);
    }

    #[test]
    fn prose_is_not_counted() {
        check("12 passed the gate, 3 failed, nobody skipped", 0, 0, 0);
    }

    #[test]
    fn no_words_mean_the_default_suites() {
        assert_eq!(Plan::parse(&[]).unwrap().suites, DEFAULT);
    }

    #[test]
    fn consensus_clients_run_where_they_are_named() {
        assert!(!DEFAULT.contains(&Suite::Consensus));
        assert_eq!(Plan::parse(&["consensus"]).unwrap().suites, [Suite::Consensus]);
    }

    #[test]
    fn a_longer_crash_test_can_be_asked_for() {
        let plan = Plan::parse(&["crash", "--kills", "100", "--seed", "7"]).unwrap();
        assert_eq!(
            plan,
            Plan { suites: vec![Suite::Crash], kills: "100".into(), seed: "7".into() }
        );
    }

    #[test]
    fn a_mistyped_suite_is_refused() {
        assert!(Plan::parse(&["specs"]).is_err());
        assert!(Plan::parse(&["crash", "--kills", "many"]).is_err());
    }
}
