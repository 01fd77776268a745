//! The table of test ids: every id is checked by a test of that name, or says why not.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::Finding;
use super::code::tokens;
use super::tree::Tree;

/// The page with the table: id, what it checks, tests, why not.
pub(super) const PAGE: &str = "docs/native-rollups/coverage.md";
/// The chores' own tests speak of tests.
const NOT_TESTS: &str = "xtask";
/// How names of tests begin in Solidity.
const SOLIDITY: [&str; 3] = ["test", "testFuzz", "invariant"];

/// Names of the tests of each id, with their file.
pub(super) type Tests = BTreeMap<String, Vec<(PathBuf, String)>>;

/// The table is what the tests say, and every id without a test has a reason.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let page = Path::new(PAGE);
    let Some(text) = tree.text(page) else { return Vec::new() };
    let mut tests = find(tree);
    let mut found = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let Some([id, _, listed, reason]) = row(line) else { continue };
        let here = tests.remove(id).unwrap_or_default();
        if listed != summary(&here) {
            let what =
                format!("the tests of {id} have changed: run `cargo xtask coverage --write`");
            found.push(Finding::new(page, index + 1, what));
        }
        if here.is_empty() && reason.is_empty() {
            let what = format!("{id} has neither a test nor a reason");
            found.push(Finding::new(page, index + 1, what));
        }
    }
    for (id, unknown) in tests {
        for (file, name) in unknown {
            let what = format!("`{name}` is a test of {id}, which `{PAGE}` does not know");
            found.push(Finding::new(&file, 1, what));
        }
    }
    found
}

/// The page with the third column as the tests are.
pub(super) fn rewritten(page: &str, tests: &Tests) -> String {
    let mut out = String::with_capacity(page.len());
    for line in page.lines() {
        match row(line) {
            Some([id, checks, _, reason]) => {
                let tests = tests.get(id).map(|tests| summary(tests)).unwrap_or_default();
                let cells = [id, checks, &tests, reason];
                let cells = cells
                    .map(|cell| if cell.is_empty() { " ".into() } else { format!(" {cell} ") });
                out.push_str(&format!("|{}|", cells.join("|")));
            }
            None => out.push_str(line),
        }
        out.push('\n');
    }
    out
}

/// The tests of every id, by name.
pub(super) fn find(tree: &Tree) -> Tests {
    let mut tests = Tests::new();
    let files = tree.below("", "rs").chain(tree.below("contracts", "sol"));
    for file in files.filter(|file| !file.starts_with(NOT_TESTS)) {
        let Some(text) = tree.text(file) else { continue };
        let tokens = tokens(&text);
        for pair in tokens.windows(2) {
            let ids = match pair[0].text {
                "fn" => rust_ids(pair[1].text),
                "function" => solidity_ids(pair[1].text),
                _ => continue,
            };
            for id in ids {
                tests.entry(id).or_default().push((file.clone(), pair[1].text.to_owned()));
            }
        }
    }
    tests
}

/// `12 in `a.rs`, 3 in `b.t.sol``.
fn summary(tests: &[(PathBuf, String)]) -> String {
    let mut files: BTreeMap<&Path, usize> = BTreeMap::new();
    for (file, _) in tests {
        *files.entry(file).or_default() += 1;
    }
    let files: Vec<String> =
        files.iter().map(|(file, count)| format!("{count} in `{}`", file.display())).collect();
    files.join(", ")
}

/// The cells of a row that begins with an id.
fn row(line: &str) -> Option<[&str; 4]> {
    let cells: Vec<&str> =
        line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim).collect();
    let cells = <[&str; 4]>::try_from(cells).ok()?;
    is_id(cells[0]).then_some(cells)
}

fn rust_ids(name: &str) -> Vec<String> {
    leading_ids(name.split('_')).filter(|ids| !ids.is_empty()).unwrap_or_default()
}

fn solidity_ids(name: &str) -> Vec<String> {
    let mut parts = name.split('_');
    let known = parts.next().is_some_and(|first| SOLIDITY.contains(&first));
    if known { leading_ids(parts).unwrap_or_default() } else { Vec::new() }
}

/// The ids a name begins with; `None` where nothing follows them, because such a name says nothing.
fn leading_ids<'n>(parts: impl Iterator<Item = &'n str>) -> Option<Vec<String>> {
    let mut ids = Vec::new();
    for part in parts {
        let id = part.to_uppercase();
        if !is_id(&id) {
            return Some(ids);
        }
        ids.push(id);
    }
    None
}

/// `S05`, `C12`, `D3`.
fn is_id(text: &str) -> bool {
    let Some((letter, digits)) = text.split_at_checked(1) else { return false };
    let length = match letter {
        "S" | "W" | "G" | "C" => 2,
        "D" => 1,
        _ => return false,
    };
    digits.len() == length && digits.bytes().all(|byte| byte.is_ascii_digit())
}
