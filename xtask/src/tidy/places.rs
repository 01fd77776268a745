//! Rules about places: nothing committed may depend on one machine or on one mirror of a registry.

use std::path::Path;

use super::Finding;
use super::tree::Tree;

/// First components of absolute paths that exist on somebody's machine only.
const MACHINE: [&str; 5] = ["work", "farm", "root", "home", "Users"];
/// Configuration that names a registry of one's own.
const OWN_REGISTRY: [(&str, &str); 3] =
    [(".npmrc", "registry"), ("config.toml", "[source."), ("config.toml", "[registries")];
/// The one source of crates that a lock file may name.
const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in tree.files() {
        let Some(text) = tree.text(file) else { continue };
        let name = file.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        for (index, line) in text.lines().enumerate() {
            if let Some(what) = machine_path(line).or_else(|| registry(name, line)) {
                found.push(Finding::new(file, index + 1, what));
            }
        }
    }
    found
}

fn machine_path(line: &str) -> Option<String> {
    for name in MACHINE {
        for (at, _) in line.match_indices(name) {
            let Some(before) = line[..at].strip_suffix('/') else { continue };
            let before = before.chars().next_back();
            let after = line[at + name.len()..].strip_prefix('/');
            let absolute = before.is_none_or(|c| !c.is_alphanumeric() && !"_.-/}~".contains(c));
            let deeper = after.is_some_and(|rest| {
                rest.starts_with(|c: char| c.is_alphanumeric() || c == '.' || c == '_')
            });
            if absolute && deeper {
                return Some(format!("a path of one machine: `/{name}/…`"));
            }
        }
    }
    None
}

fn registry(name: &str, line: &str) -> Option<String> {
    let line = line.trim();
    if name == "package-lock.json" && line.starts_with("\"resolved\": \"http") {
        return Some(
            "a lock file that names a mirror: write it with `--omit-lockfile-registry-resolved`"
                .into(),
        );
    }
    if name == "Cargo.lock" && line.starts_with("source = ") && !line.contains(CRATES_IO) {
        return Some("a crate that does not come from crates.io".into());
    }
    let own = OWN_REGISTRY
        .iter()
        .any(|(file, start)| Path::new(name) == Path::new(file) && line.starts_with(start));
    own.then(|| "a registry of one machine".into())
}
