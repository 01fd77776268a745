//! Licences of everything we depend on, and packages that are there in two versions.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use eyre::{Context, Result, bail};
use serde::Deserialize;

use crate::process::{capture, cargo};

/// Licences that let anyone use the whole under MIT or Apache-2.0. MPL-2.0 binds only its own files.
const ALLOWED: [&str; 17] = [
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "0BSD",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MPL-2.0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
    "bzip2-1.0.6",
];

/// Doubled packages we know of and cannot mend, one `name: reason` a line.
const DOUBLES: &str = "xtask/doubles.txt";

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: BTreeSet<String>,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
}

/// Fails on a licence outside the list, on an unknown double, and on a known one that is gone.
pub(crate) fn run(root: &Path) -> Result<()> {
    let metadata = capture(&mut cargo(root, &["metadata", "--format-version", "1", "--locked"]))?;
    let metadata: Metadata = serde_json::from_str(&metadata).wrap_err("read cargo's metadata")?;
    let known = root.join(DOUBLES);
    let known = fs::read_to_string(known).wrap_err_with(|| format!("read {DOUBLES}"))?;
    let tree = ["tree", "--workspace", "--duplicates", "--edges", "normal,build"];
    let plain = ["--depth", "0", "--prefix", "none", "--locked"];
    let built = capture(&mut cargo(root, &[&tree[..], &plain].concat()))?;
    let outside: Vec<&Package> = metadata
        .packages
        .iter()
        .filter(|package| !metadata.workspace_members.contains(&package.id))
        .collect();
    let mut wrong: Vec<String> = outside.iter().filter_map(|package| refused(package)).collect();
    wrong.extend(doubles(&built, &known));
    for what in &wrong {
        println!("{what}");
    }
    if !wrong.is_empty() {
        bail!("licences: {} things to settle", wrong.len());
    }
    println!("licences: {} packages in order", outside.len());
    Ok(())
}

fn refused(package: &Package) -> Option<String> {
    let licence = package.license.as_deref().unwrap_or("none");
    (!allowed(licence)).then(|| {
        format!("{} {}: licence `{licence}` is not on the list", package.name, package.version)
    })
}

/// Judges the packages that `cargo tree --duplicates` lists: those that are really built twice, not what a lock file
/// keeps for features that nobody switches on.
fn doubles(built: &str, known: &str) -> Vec<String> {
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for line in built.lines() {
        if let Some((name, version)) = line.split_once(" v") {
            versions.entry(name).or_default().insert(version.split(' ').next().unwrap_or(version));
        }
    }
    versions.retain(|_, versions| versions.len() > 1);
    let lines = known.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let known: BTreeSet<&str> = lines.filter_map(|line| line.split(':').next()).collect();
    let news =
        versions.iter().filter(|(name, _)| !known.contains(*name)).map(|(name, versions)| {
            let versions: Vec<&str> = versions.iter().copied().collect();
            format!(
                "{name}: in versions {} (bring them together, or give the reason in {DOUBLES})",
                versions.join(" and ")
            )
        });
    let gone = known.iter().filter(|name| !versions.contains_key(*name));
    news.chain(gone.map(|name| format!("{name}: no longer doubled, so take it out of {DOUBLES}")))
        .collect()
}

/// Is the SPDX expression satisfied by allowed licences alone?
fn allowed(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser { words: &words, at: 0 };
    let verdict = parser.any();
    verdict && parser.at == words.len()
}

/// Recursive descent over `any := all (OR all)*`, `all := one (AND one)*`, `one := '(' any ')' | id [WITH id]`.
struct Parser<'a> {
    words: &'a [&'a str],
    at: usize,
}

impl Parser<'_> {
    fn any(&mut self) -> bool {
        let mut verdict = self.all();
        while self.take("OR") {
            verdict |= self.all();
        }
        verdict
    }

    fn all(&mut self) -> bool {
        let mut verdict = self.one();
        while self.take("AND") {
            verdict &= self.one();
        }
        verdict
    }

    fn one(&mut self) -> bool {
        if self.take("(") {
            let verdict = self.any();
            return self.take(")") && verdict;
        }
        let Some(id) = self.words.get(self.at) else { return false };
        self.at += 1;
        if !self.take("WITH") {
            return ALLOWED.contains(id);
        }
        let exception = self.words.get(self.at).copied().unwrap_or_default();
        self.at += 1;
        ALLOWED.contains(id) || ALLOWED.contains(&format!("{id} WITH {exception}").as_str())
    }

    fn take(&mut self, word: &str) -> bool {
        let there = self.words.get(self.at) == Some(&word);
        self.at += usize::from(there);
        there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(expression: &str, expected: bool) {
        assert_eq!(allowed(expression), expected, "{expression}");
    }

    #[test]
    fn one_allowed_choice_is_enough() {
        check("GPL-3.0 OR MIT", true);
        check("MIT/Apache-2.0", true);
    }

    #[test]
    fn every_part_of_a_sum_must_be_allowed() {
        check("MIT AND GPL-3.0", false);
        check("(MIT OR Apache-2.0) AND Unicode-3.0", true);
        check("Apache-2.0 WITH LLVM-exception OR GPL-2.0", true);
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for expression in ["", "none", "MIT MIT", "(MIT", "AND", "LGPL-3.0-only"] {
            check(expression, false);
        }
    }

    #[test]
    fn a_double_needs_a_reason_and_a_reason_a_double() {
        let all = "a v1.0.0\na v2.0.0 (proc-macro)\n\nb v1.0.0\nb v1.0.0\n";
        assert_eq!(doubles(all, "# why\na: two users\n"), Vec::<String>::new());
        assert_eq!(doubles(all, "").len(), 1);
        assert_eq!(doubles(all, "a: two users\nb: gone\n").len(), 1);
    }
}
