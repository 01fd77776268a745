//! Finds the cases, runs them on all cores and reports.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc::sync_channel;
use std::{fs, panic, thread};

use rayon::iter::{ParallelBridge, ParallelIterator};

use crate::access_list;
use crate::archive;
use crate::blockchain::{Fixture, Fixtures};
use crate::chain;
use crate::execute;
use crate::real::RealBlock;
use crate::report::{self, Case, Kind, Outcome};
use crate::skips::Skips;
use crate::suites::{self, Suites};

/// Archives of fixtures whose post-merge blockchain tests must pass; in the sample there is one of its own.
const ARCHIVES: [&str; 6] = [
    "eest-amsterdam-bal",
    "eest-osaka-new",
    "eest-osaka-old",
    "eest-osaka-ported-static",
    "eest-prague",
    "eest-sample",
];
/// Chains over a genesis file, with the number of their last block and the fork they run on.
const CHAINS: [(&str, &str, u64, &str); 1] =
    [("chains/ethrex/l1.json", "chains/ethrex/mixed-20x400.rlp", 20, "Osaka")];
/// How the access lists of fixtures are compared.
type Listed = (&'static str, fn(&Fixture) -> Result<(), access_list::Different>);
const LISTED: &[Listed] =
    &[("filled", access_list::as_filled), ("Amsterdam", access_list::at_amsterdam)];
/// Real blocks, one compressed JSON file each.
const REAL: &str = "stateless-blocks";
/// Files read ahead of the cores that run them: enough to keep them busy, few enough to stay small in memory.
const READ_AHEAD: usize = 8;

/// Test data that could not be read, which is a fault of the set-up and no test result.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// A file or folder.
    #[error("read {}", path.display())]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A piece of work: one file of fixtures, one chain or one block.
enum Job {
    Fixtures { name: String, content: Vec<u8> },
    Chain { genesis: PathBuf, blocks: PathBuf, last: u64, fork: &'static str },
    Real { name: String, content: Vec<u8> },
}

/// Runs every case whose name contains `filter`; true if none failed.
///
/// # Errors
/// If the test data cannot be read.
pub fn run(filter: Option<&str>) -> Result<bool, SetupError> {
    run_in(&suites::locate(), filter)
}

fn run_in(suites: &Suites, filter: Option<&str>) -> Result<bool, SetupError> {
    let skips = Skips::committed();
    let cases = Mutex::new(Vec::new());
    let (jobs, inbox) = sync_channel(READ_AHEAD);
    let read = thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let jobs = jobs;
            find(suites, &|job| jobs.send(job).is_ok())
        });
        // A panic while judging test data is a finding about this case alone.
        inbox.into_iter().par_bridge().for_each(|job| {
            let done = judge(&job, filter, &skips);
            cases.lock().expect("no case panics while it is recorded").extend(done);
        });
        reader.join().expect("the reader does not panic")
    });
    read?;
    let mut cases = cases.into_inner().expect("no case panics while it is recorded");
    cases.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    if filter.is_none() && !suites.sample {
        cases.extend(skips.unused().into_iter().map(stale));
    }
    Ok(report::print(&cases, &note(suites)))
}

fn note(suites: &Suites) -> String {
    if suites.sample {
        "spec ran only the committed sample in fixtures/spec: set ETHREX_SUITES for the full suites"
            .into()
    } else {
        format!("spec ran the full suites in {}", suites.dir.display())
    }
}

fn stale(line: String) -> Case {
    let outcome = Outcome::Failed("no case matches this line of skips.txt".into());
    Case { kind: Kind::Blockchain, fork: "skips.txt".into(), name: line, outcome }
}

/// Sends every job there is, until `send` says that nobody listens.
fn find(suites: &Suites, send: &(dyn Fn(Job) -> bool + Sync)) -> Result<(), SetupError> {
    let fault = |path: &Path| {
        let path = path.to_owned();
        move |source| SetupError::Read { path, source }
    };
    for (genesis, blocks, last, fork) in CHAINS {
        let (genesis, blocks) = (suites.dir.join(genesis), suites.dir.join(blocks));
        if genesis.is_file() && blocks.is_file() {
            send(Job::Chain { genesis, blocks, last, fork });
        } else if !suites.sample {
            fs::metadata(&blocks).map_err(fault(&blocks))?;
        }
    }
    let dir = suites.dir.join(REAL);
    for entry in fs::read_dir(&dir).map_err(fault(&dir))? {
        let path = entry.map_err(fault(&dir))?.path();
        let name =
            path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if let Some(name) = name.strip_suffix(".json.zst") {
            let content = archive::decompress(&path).map_err(fault(&path))?;
            send(Job::Real { name: name.to_owned(), content });
        }
    }
    for name in ARCHIVES {
        let path = suites.dir.join("eest").join(format!("{name}.tar.zst"));
        if suites.sample != (name == "eest-sample") {
            continue;
        }
        let wanted = |name: &str| name.contains("/blockchain_tests/") && name.ends_with(".json");
        archive::for_each_file(&path, wanted, |name, content| {
            send(Job::Fixtures { name, content })
        })
        .map_err(fault(&path))?;
    }
    Ok(())
}

fn judge(job: &Job, filter: Option<&str>, skips: &Skips) -> Vec<Case> {
    let case = |kind: Kind, fork: &str, name: &str, test: &dyn Fn() -> Result<(), String>| {
        if filter.is_some_and(|filter| !name.contains(filter)) {
            return None;
        }
        let outcome = panic::catch_unwind(panic::AssertUnwindSafe(test))
            .unwrap_or_else(|_| Err("panicked".into()));
        let outcome = outcome.map_or_else(Outcome::Failed, |()| Outcome::Passed);
        Some(Case {
            kind,
            fork: fork.into(),
            name: name.into(),
            outcome: skips.judge(kind, name, outcome),
        })
    };
    match job {
        Job::Fixtures { name, content } => match serde_json::from_slice::<Fixtures>(content) {
            Ok(fixtures) => {
                let run = |(name, fixture): (&String, &Fixture)| {
                    let whole = case(Kind::Blockchain, &fixture.network, name, &|| {
                        fixture.run().map_err(|why| chained(&why))
                    });
                    let executed = case(Kind::Execute, &fixture.network, name, &|| {
                        execute::run(fixture).map_err(|why| chained(&why))
                    });
                    let listed = if fixture.has_access_lists() { LISTED } else { &[] };
                    let listed = listed.iter().map(|(rules, test)| {
                        case(Kind::AccessList, rules, &format!("{name}@{rules}"), &|| {
                            test(fixture).map_err(|why| chained(&why))
                        })
                    });
                    listed.chain([whole, executed]).flatten().collect::<Vec<_>>()
                };
                fixtures.iter().flat_map(run).collect()
            }
            Err(why) => case(Kind::Blockchain, "unreadable", name, &|| Err(chained(&why)))
                .into_iter()
                .collect(),
        },
        Job::Real { name, content } => match serde_json::from_slice::<RealBlock>(content) {
            Ok(block) => {
                let run = || block.run().map_err(|why| chained(&why));
                case(Kind::Real, &block.fork, name, &run).into_iter().collect()
            }
            Err(why) => {
                case(Kind::Real, "unreadable", name, &|| Err(chained(&why))).into_iter().collect()
            }
        },
        Job::Chain { genesis, blocks, last, fork } => {
            let name = blocks
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default();
            let run =
                || chain::import(genesis, blocks, *last).map(drop).map_err(|why| chained(&why));
            case(Kind::Chain, fork, &name, &run).into_iter().collect()
        }
    }
}

/// An error with its causes, in one line.
fn chained(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_sample_passes() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/spec");
        assert!(run_in(&Suites { dir, sample: true }, None).unwrap());
    }

    #[test]
    fn missing_suites_are_a_fault_of_the_set_up() {
        let dir = tempfile::tempdir().unwrap().path().join("gone");
        assert!(run_in(&Suites { dir, sample: false }, None).is_err());
    }
}
