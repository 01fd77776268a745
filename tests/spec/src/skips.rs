//! Cases that are known to fail, with reasons.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::report::{Kind, Outcome};

/// The list of known failures. A skip that no longer fails, or fails otherwise than it did, is a failure itself, so the list cannot
/// grow old and hides nothing else.
#[derive(Debug)]
pub struct Skips {
    lines: Vec<Skip>,
}

#[derive(Debug)]
struct Skip {
    kind: String,
    /// Part of the names of its cases.
    fragment: String,
    /// Part of what each of them says when it fails.
    failure: String,
    reason: String,
    used: AtomicBool,
}

impl Skips {
    /// The committed list.
    #[must_use]
    pub fn committed() -> Self {
        Self::parse(include_str!("../skips.txt"))
    }

    /// Lines of the form `kind name-fragment => failure-fragment: reason`; `#` starts a comment.
    ///
    /// # Panics
    /// If a line has another form.
    fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
        let skip = |line| Skip::parse(line).unwrap_or_else(|| panic!("no skip: {line}"));
        Self { lines: lines.map(skip).collect() }
    }

    /// Turns an expected failure into a skip, and an unexpected pass into a failure.
    #[must_use]
    pub fn judge(&self, kind: Kind, name: &str, outcome: Outcome) -> Outcome {
        let kind = kind.to_string();
        let Some(skip) =
            self.lines.iter().find(|skip| skip.kind == kind && name.contains(&skip.fragment))
        else {
            return outcome;
        };
        skip.used.store(true, Ordering::Relaxed);
        match outcome {
            Outcome::Failed(why) if !why.contains(&skip.failure) => Outcome::Failed(format!(
                "fails otherwise than its skip says (\"{}\"): {why}",
                skip.failure
            )),
            Outcome::Failed(_) => Outcome::Skipped(skip.reason.clone()),
            Outcome::Passed => Outcome::Failed(format!(
                "passes although it is skipped (\"{}\"): take it off the list",
                skip.reason
            )),
            skipped @ Outcome::Skipped(_) => skipped,
        }
    }

    /// Lines that no case matched.
    #[must_use]
    pub fn unused(&self) -> Vec<String> {
        let unused = self.lines.iter().filter(|skip| !skip.used.load(Ordering::Relaxed));
        unused.map(|skip| format!("{} {}", skip.kind, skip.fragment)).collect()
    }
}

impl Skip {
    fn parse(line: &str) -> Option<Self> {
        let (case, reason) = line.split_once(": ")?;
        let (case, failure) = case.split_once(" => ")?;
        let (kind, fragment) = case.split_once(' ')?;
        Some(Self {
            kind: kind.into(),
            fragment: fragment.into(),
            failure: failure.into(),
            reason: reason.into(),
            used: AtomicBool::new(false),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skip_is_for_one_way_to_fail() {
        let skips = Skips::parse("real holesky => root: no parent header\n");
        let failed = |why: &str| skips.judge(Kind::Real, "holesky-1", Outcome::Failed(why.into()));
        assert!(matches!(failed("another root"), Outcome::Skipped(_)));
        assert!(matches!(failed("panicked"), Outcome::Failed(_)));
    }

    #[test]
    fn a_known_failure_is_a_skip_and_a_pass_is_a_failure() {
        let skips = Skips::parse("# why\nreal holesky => root: no parent header\n");
        let failed = || Outcome::Failed("root".into());
        assert_eq!(skips.judge(Kind::Real, "mainnet-1", failed()), failed());
        assert_eq!(skips.unused(), ["real holesky"]);
        assert_eq!(
            skips.judge(Kind::Real, "holesky-1", failed()),
            Outcome::Skipped("no parent header".into())
        );
        assert!(matches!(
            skips.judge(Kind::Real, "holesky-1", Outcome::Passed),
            Outcome::Failed(_)
        ));
        assert_eq!(skips.judge(Kind::Chain, "holesky-1", Outcome::Passed), Outcome::Passed);
        assert!(skips.unused().is_empty());
    }
}
