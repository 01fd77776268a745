//! Cases that are known to fail, with reasons.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::report::{Kind, Outcome};

/// The list of known failures. A skip that no longer fails is a failure itself, so the list cannot grow old.
#[derive(Debug)]
pub struct Skips {
    lines: Vec<Skip>,
}

#[derive(Debug)]
struct Skip {
    kind: String,
    fragment: String,
    reason: String,
    used: AtomicBool,
}

impl Skips {
    /// The committed list.
    #[must_use]
    pub fn committed() -> Self {
        Self::parse(include_str!("../skips.txt"))
    }

    /// Lines of the form `kind name-fragment: reason`; `#` starts a comment.
    fn parse(text: &str) -> Self {
        let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
        let lines = lines.filter_map(|line| {
            let (case, reason) = line.split_once(": ")?;
            let (kind, fragment) = case.split_once(' ')?;
            Some(Skip {
                kind: kind.into(),
                fragment: fragment.into(),
                reason: reason.into(),
                used: AtomicBool::new(false),
            })
        });
        Self { lines: lines.collect() }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_failure_is_a_skip_and_a_pass_is_a_failure() {
        let skips = Skips::parse("# why\nreal holesky: no parent header\n");
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
