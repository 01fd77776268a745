//! What came of each case, and the table at the end.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Cases that are named at the end for how long they took.
const SLOWEST: usize = 5;

/// A family of test data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Block access lists of fixtures that are older than today's Amsterdam.
    AccessList,
    /// Real blocks by themselves, or with their receipts.
    Block,
    /// Fixtures of execution-specs: a pre-state and blocks.
    Blockchain,
    /// A long chain over a genesis file.
    Chain,
    /// Difficulties under proof of work.
    Difficulty,
    /// Fixtures of payloads, given to a node through its Engine API.
    Engine,
    /// Archives of the first blocks of public networks.
    Era,
    /// What fixtures do, in blocks of a native rollup.
    Execute,
    /// Openings of KZG commitments.
    Kzg,
    /// Single calls of precompiles.
    Precompile,
    /// Blocks of mainnet with the part of the state that they touch.
    Prestate,
    /// Blocks of public networks with an execution witness.
    Real,
    /// Encodings of RLP.
    Rlp,
    /// Fixtures with one transaction on a state.
    State,
    /// What go-ethereum's tools make of single blocks and transactions.
    T8n,
    /// Traces of single transactions, as geth has them.
    Tracer,
    /// Transactions by themselves, valid or not.
    Transaction,
    /// Roots of tries.
    Trie,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::AccessList => "access-list",
            Self::Block => "block",
            Self::Blockchain => "blockchain",
            Self::Chain => "chain",
            Self::Difficulty => "difficulty",
            Self::Engine => "engine",
            Self::Era => "era",
            Self::Execute => "execute",
            Self::Kzg => "kzg",
            Self::Precompile => "precompile",
            Self::Prestate => "prestate",
            Self::Real => "real",
            Self::Rlp => "rlp",
            Self::State => "state",
            Self::T8n => "t8n",
            Self::Tracer => "tracer",
            Self::Transaction => "transaction",
            Self::Trie => "trie",
        })
    }
}

/// One case and how it ended.
#[derive(Debug)]
pub struct Case {
    /// Its family.
    pub kind: Kind,
    /// The network or fork it names.
    pub fork: String,
    /// Its name, unique within the family.
    pub name: String,
    /// What came of it.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
}

/// How a case ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// As the data says.
    Passed,
    /// Otherwise, in these words.
    Failed(String),
    /// Known to fail, for this reason.
    Skipped(String),
}

#[derive(Debug, Default, Clone, Copy)]
struct Row {
    passed: usize,
    failed: usize,
    skipped: usize,
}

impl Row {
    fn add(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Passed => self.passed += 1,
            Outcome::Failed(_) => self.failed += 1,
            Outcome::Skipped(_) => self.skipped += 1,
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped)
    }
}

/// Prints failures, then skips by reason, counts by kind and fork, the slowest cases, `note`, and the total. True if nothing failed.
#[must_use]
pub fn print(cases: &[Case], note: &str) -> bool {
    let mut rows: BTreeMap<(Kind, &str), Row> = BTreeMap::new();
    let mut skips: BTreeMap<(Kind, &str), usize> = BTreeMap::new();
    let mut total = Row::default();
    for case in cases {
        rows.entry((case.kind, &case.fork)).or_default().add(&case.outcome);
        total.add(&case.outcome);
        match &case.outcome {
            Outcome::Failed(why) => println!("FAILED  {} {}: {why}", case.kind, case.name),
            Outcome::Skipped(why) => *skips.entry((case.kind, why)).or_default() += 1,
            Outcome::Passed => {}
        }
    }
    for ((kind, why), count) in skips {
        println!("skipped {kind:<11} {count:>4}: {why}");
    }
    for ((kind, fork), row) in rows {
        println!("{kind:<11} {fork:<36} [{row}]");
    }
    print_slowest(cases);
    println!("note: {note}");
    println!("{total}");
    total.failed == 0 && total.passed > 0
}

fn print_slowest(cases: &[Case]) {
    let mut slowest: Vec<_> = cases.iter().collect();
    slowest.sort_by_key(|case| Reverse(case.took));
    for case in slowest.into_iter().take(SLOWEST) {
        println!("slow    {:.1} s for {} {}", case.took.as_secs_f64(), case.kind, case.name);
    }
}
