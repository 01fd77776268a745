//! Runs cases on all cores and reports.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::mpsc::sync_channel;
use std::time::{Duration, Instant};
use std::{io, panic, thread};

use rayon::ThreadPoolBuilder;
use rayon::iter::{ParallelBridge, ParallelIterator};

use crate::families;
use crate::report::{self, Case, Kind, Outcome};
use crate::skips::Skips;
use crate::suites::{self, Suites};

/// Files read ahead of the cores that run them: enough to keep them busy, few enough to stay small in memory.
const READ_AHEAD: usize = 8;

/// Why nothing ran: a fault of the set-up and no test result.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// No threads to run cases on.
    #[error("start threads")]
    Threads(#[source] rayon::ThreadPoolBuildError),
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

/// A piece of work: one file of test data, which may hold many cases.
pub type Job = Box<dyn FnOnce(&Judge<'_>) -> Vec<Case> + Send>;

/// Takes jobs; false once nobody listens any more.
pub type Sink<'a> = dyn Fn(Job) -> bool + 'a;

/// Runs single cases, and says what their outcome is worth.
#[derive(Debug)]
pub struct Judge<'a> {
    filter: Option<&'a str>,
    skips: &'a Skips,
}

impl Judge<'_> {
    /// Runs a case, unless it was not asked for. A panic while judging test data is a finding about this case alone.
    pub fn case<E: Error>(
        &self,
        kind: Kind,
        fork: &str,
        name: &str,
        test: impl FnOnce() -> Result<(), E>,
    ) -> Option<Case> {
        if self.filter.is_some_and(|filter| !name.contains(filter)) {
            return None;
        }
        let start = Instant::now();
        let ran = panic::catch_unwind(panic::AssertUnwindSafe(test));
        let outcome = match ran {
            Ok(Ok(())) => Outcome::Passed,
            Ok(Err(why)) => Outcome::Failed(chained(&why)),
            Err(_) => Outcome::Failed("panicked".into()),
        };
        let outcome = self.skips.judge(kind, name, outcome);
        Some(Case { kind, fork: fork.into(), name: name.into(), outcome, took: start.elapsed() })
    }

    /// The cases of a JSON file; one that fails where the file is none.
    pub fn file<T: serde::de::DeserializeOwned>(
        &self,
        kind: Kind,
        name: &str,
        content: &[u8],
        cases: impl FnOnce(T) -> Vec<Case>,
    ) -> Vec<Case> {
        match serde_json::from_slice(content) {
            Ok(read) => cases(read),
            Err(why) => self.case(kind, "unreadable", name, || Err(why)).into_iter().collect(),
        }
    }
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
    let judge = Judge { filter, skips: &skips };
    let cases = Mutex::new(Vec::new());
    let (jobs, inbox) = sync_channel::<Job>(READ_AHEAD);
    // Threads of its own: a case may wait for a node whose threads share work through the common ones.
    let pool = ThreadPoolBuilder::new().build().map_err(SetupError::Threads)?;
    let read = thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let jobs = jobs;
            families::find(suites, &|job| jobs.send(job).is_ok())
        });
        pool.install(|| {
            inbox.into_iter().par_bridge().for_each(|job| {
                let done = job(&judge);
                cases.lock().expect("no case panics while it is recorded").extend(done);
            });
        });
        reader.join().expect("the reader does not panic")
    });
    read?;
    let mut cases = cases.into_inner().expect("no case panics while it is recorded");
    cases.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    if filter.is_none() && !suites.sample {
        cases.extend(skips.unused().into_iter().map(stale));
    }
    Ok(report::print(&cases, &whence(suites)))
}

fn whence(suites: &Suites) -> String {
    if suites.sample {
        "spec ran only the committed sample in fixtures/spec: set ETHREX_SUITES for the full suites"
            .into()
    } else {
        format!("spec ran the full suites in {}", suites.dir.display())
    }
}

fn stale(line: String) -> Case {
    let outcome = Outcome::Failed("no case matches this line of skips.txt".into());
    let took = Duration::ZERO;
    Case { kind: Kind::Blockchain, fork: "skips.txt".into(), name: line, outcome, took }
}

/// An error with its causes, in one line.
fn chained(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

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
