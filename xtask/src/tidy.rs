//! The conventions that no compiler checks.
//!
//! Each rule is a function from the [`Tree`] to what it found; this file is the list of the rules.

mod code;
mod coverage;
mod docs;
mod gas;
mod manifests;
mod metrics;
mod places;
mod source;
#[cfg(test)]
mod tests;
mod tree;

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use eyre::{Context, Result, bail};

use self::tree::Tree;

/// One broken convention.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Finding {
    file: PathBuf,
    line: usize,
    what: String,
}

impl Finding {
    fn new(file: &Path, line: usize, what: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, what: what.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file.display(), self.line, self.what)
    }
}

/// Checks the tree at `root` and fails with a list of what is wrong.
pub(crate) fn run(root: &Path) -> Result<()> {
    let tree = Tree::read(root)?;
    let found = check(&tree)?;
    if found.is_empty() {
        println!("tidy: {} files in order", tree.files().len());
        return Ok(());
    }
    for finding in &found {
        println!("{finding}");
    }
    bail!("tidy: {} conventions broken", found.len())
}

/// Prints the tests of each id of the table of test ids, or brings the table up to date.
pub(crate) fn coverage(root: &Path, write: bool) -> Result<()> {
    let tree = Tree::read(root)?;
    let tests = coverage::find(&tree);
    if !write {
        for (id, tests) in &tests {
            for (file, name) in tests {
                println!("{id} {}::{name}", file.display());
            }
        }
        return Ok(());
    }
    let page = root.join(coverage::PAGE);
    let text = fs::read_to_string(&page).wrap_err_with(|| format!("read {}", page.display()))?;
    fs::write(&page, coverage::rewritten(&text, &tests))
        .wrap_err_with(|| format!("write {}", page.display()))
}

/// Brings the page of metrics up to date.
pub(crate) fn metrics(root: &Path) -> Result<()> {
    let page = root.join(metrics::PAGE);
    let text = fs::read_to_string(&page).wrap_err_with(|| format!("read {}", page.display()))?;
    let metrics = metrics::find(&Tree::read(root)?);
    fs::write(&page, metrics::rewritten(&text, &metrics))
        .wrap_err_with(|| format!("write {}", page.display()))
}

fn check(tree: &Tree) -> Result<Vec<Finding>> {
    let mut found = manifests::check(tree)?;
    found.extend(source::check(tree));
    found.extend(docs::check(tree));
    found.extend(places::check(tree));
    found.extend(coverage::check(tree));
    found.extend(gas::check(tree));
    found.extend(metrics::check(tree));
    found.sort();
    found.dedup();
    Ok(found)
}
