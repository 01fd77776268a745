//! Rules about Markdown: what it names exists.

use std::path::{Path, PathBuf};

use super::Finding;
use super::tree::Tree;

/// The document whose every `path::function` must exist.
const WALKS: &str = "ARCHITECTURE.md";
/// Folders a walk may leave out of a path.
const SHORT_FOR: [&str; 9] = [
    "",
    "crates",
    "crates/base",
    "crates/exec",
    "crates/eth",
    "crates/rollup",
    "crates/native",
    "crates/app",
    "contracts/src",
];
/// Extensions by which a code span is taken for a file.
const FILES: [&str; 6] = [".rs", ".sol", ".mjs", ".toml", ".md", ".json"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in tree.below("", "md") {
        let Some(text) = tree.text(file) else { continue };
        let prose = without_fences(&text);
        found.extend(links(tree, file, &prose));
        if file == Path::new(WALKS) {
            found.extend(walks(tree, file, &prose));
        }
    }
    found
}

/// Text with fenced code blocks blanked; lines keep their numbers.
fn without_fences(text: &str) -> String {
    let mut inside = false;
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        let fence = line.trim_start().starts_with("```");
        if !inside && !fence {
            out.push_str(line);
        }
        out.push('\n');
        inside ^= fence;
    }
    out
}

/// Relative links must lead somewhere.
fn links(tree: &Tree, file: &Path, prose: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    for (index, line) in prose.lines().enumerate() {
        for target in line.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = target.split(['#', ' ']).next().unwrap_or_default();
            if path.is_empty() || path.contains("://") || path.starts_with("mailto:") {
                continue;
            }
            let from = file.parent().unwrap_or(Path::new(""));
            if !tree.exists(&from.join(path)) {
                found.push(Finding::new(
                    file,
                    index + 1,
                    format!("the link to `{path}` leads nowhere"),
                ));
            }
        }
    }
    found
}

/// Code spans that name a file, or an item in a file, must be true.
fn walks(tree: &Tree, file: &Path, prose: &str) -> Vec<Finding> {
    let mut found = Vec::new();
    for (index, line) in prose.lines().enumerate() {
        for span in line.split('`').skip(1).step_by(2) {
            if let Err(what) = mention(tree, span) {
                found.push(Finding::new(file, index + 1, what));
            }
        }
    }
    found
}

fn mention(tree: &Tree, span: &str) -> Result<(), String> {
    let (path, items) = span.split_once("::").unwrap_or((span, ""));
    let is_file = FILES.iter().any(|end| path.ends_with(end)) && path.contains('/');
    let is_folder = path.ends_with('/') && path.len() > 1;
    if (!is_file && !is_folder) || path.contains(['*', '<', '$', '…', ' ']) {
        return Ok(());
    }
    let Some(full) = resolve(tree, path) else { return Err(format!("there is no `{path}`")) };
    if items.is_empty() {
        return Ok(());
    }
    let text = tree.text(&full).unwrap_or_default();
    for item in items.trim_matches(['{', '}']).split(',').map(str::trim) {
        let name = item.rsplit("::").next().unwrap_or(item).trim_end_matches("()");
        if !defines(&text, name) {
            return Err(format!("`{path}` has no `{name}`"));
        }
    }
    Ok(())
}

fn resolve(tree: &Tree, path: &str) -> Option<PathBuf> {
    SHORT_FOR.iter().map(|base| Path::new(base).join(path)).find(|full| tree.exists(full))
}

/// Does the text define an item of this name, in Rust, Solidity or JavaScript?
fn defines(text: &str, name: &str) -> bool {
    const KINDS: [&str; 11] = [
        "fn",
        "function",
        "struct",
        "enum",
        "trait",
        "const",
        "type",
        "mod",
        "contract",
        "library",
        "interface",
    ];
    let mut words =
        text.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
    let mut before = "";
    words.any(|word| {
        let defined = word == name && KINDS.contains(&before);
        before = word;
        defined
    })
}
