//! Rules about Rust sources: which words and which parts of the outside world a layer may name.

use std::path::{Component, Path};

use super::Finding;
use super::code::{Token, production, tokens, words};
use super::tree::Tree;

/// Layers that do not know rollups exist.
const UNAWARE: [&str; 3] = ["base", "exec", "eth"];
/// What they never say.
const ROLLUP_WORDS: [&str; 8] =
    ["rollup", "rollups", "l2", "sequencer", "sequencers", "batcher", "batchers", "sequencing"];
/// The transaction kinds this binary decodes stand in one sum type, the rollup kinds included: data without behaviour.
const ROLLUP_DATA: &str = "crates/base/types/src/tx";

/// Crates without clock, disk, network and randomness.
pub(super) const PURE: [&str; 9] = [
    "crates/base/types",
    "crates/base/trie",
    "crates/exec/evm",
    "crates/exec/stf",
    "crates/exec/stateless",
    "crates/rollup/protocol",
    "crates/rollup/rules",
    "crates/rollup/program",
    "crates/native/execute",
];
const IMPURE_MODULES: [&str; 5] = ["fs", "net", "env", "process", "thread"];
const IMPURE_NAMES: [&str; 5] = ["tokio", "rand", "SystemTime", "Instant", "UNIX_EPOCH"];

/// Items of `std::env` that read what the process was started with.
const ENVIRONMENT: [&str; 8] =
    ["var", "var_os", "vars", "vars_os", "args", "args_os", "set_var", "remove_var"];

/// Names that say nothing about a file.
const EMPTY_NAMES: [&str; 9] =
    ["utils", "util", "helpers", "helper", "common", "misc", "manager", "mod", "types"];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in tree.below("", "rs") {
        found.extend(file_name(file));
        let Some(krate) = library(file) else { continue };
        let Some(text) = tree.text(file) else { continue };
        let code = production(&text);
        let tokens = tokens(&code);
        if UNAWARE.contains(&krate.layer)
            && !file.starts_with(ROLLUP_DATA)
            && file != Path::new(&format!("{ROLLUP_DATA}.rs"))
        {
            found.extend(rollup_words(file, &tokens));
        }
        if PURE.iter().any(|pure| file.starts_with(pure)) {
            found.extend(impurities(file, &tokens));
        } else {
            found.extend(environment(file, &tokens));
        }
    }
    found
}

/// A file of production code in `crates/`.
struct Library<'a> {
    layer: &'a str,
}

/// `crates/<layer>/<name>/src/…`, except files that hold tests or test utilities.
fn library(file: &Path) -> Option<Library<'_>> {
    let parts: Vec<&str> = file
        .components()
        .filter_map(|part| if let Component::Normal(name) = part { name.to_str() } else { None })
        .collect();
    let ["crates", layer, _, "src", inner @ ..] = parts.as_slice() else { return None };
    let test =
        inner.iter().any(|part| matches!(*part, "tests" | "tests.rs" | "testing" | "testing.rs"));
    (!test).then_some(Library { layer })
}

fn file_name(file: &Path) -> Option<Finding> {
    let stem = file.file_stem()?.to_str()?;
    let empty = EMPTY_NAMES.contains(&stem);
    empty.then(|| {
        Finding::new(
            file,
            1,
            format!("`{stem}` names no idea: call the file after its one noun or verb"),
        )
    })
}

fn rollup_words(file: &Path, tokens: &[Token<'_>]) -> Vec<Finding> {
    let named = tokens
        .iter()
        .filter(|token| words(token.text).iter().any(|word| ROLLUP_WORDS.contains(&word.as_str())));
    named
        .map(|token| {
            Finding::new(
                file,
                token.line,
                format!("`{}`: this layer does not know that rollups exist", token.text),
            )
        })
        .collect()
}

fn impurities(file: &Path, tokens: &[Token<'_>]) -> Vec<Finding> {
    let names = tokens.iter().filter(|token| IMPURE_NAMES.contains(&token.text)).copied();
    let modules =
        std_modules(tokens).into_iter().filter(|token| IMPURE_MODULES.contains(&token.text));
    let found = names.chain(modules);
    found
        .map(|token| {
            Finding::new(
                file,
                token.line,
                format!(
                    "`{}` in a pure crate: no clock, disk, network or randomness here",
                    token.text
                ),
            )
        })
        .collect()
}

/// `env::var` and its like, by whatever path; the platform's constants are no environment.
fn environment(file: &Path, tokens: &[Token<'_>]) -> Vec<Finding> {
    let path = |window: &[Token<'_>]| {
        window[0].text == "env" && window[1].text == ":" && window[2].text == ":"
    };
    let after = tokens.windows(4).filter(|window| path(window)).map(|window| window[3]);
    let groups =
        tokens.windows(4).enumerate().filter(|(_, window)| path(window) && window[3].text == "{");
    let grouped = groups.flat_map(|(at, _)| group(&tokens[at + 3..]));
    let found = after.chain(grouped).filter(|token| ENVIRONMENT.contains(&token.text));
    found
        .map(|token| {
            let what = format!("`env::{}`: only bin/ reads flags and environment", token.text);
            Finding::new(file, token.line, what)
        })
        .collect()
}

/// Modules of the standard library named by paths (`std::fs`) and by use trees (`std::{fs, io}`).
fn std_modules<'a>(tokens: &[Token<'a>]) -> Vec<Token<'a>> {
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        if token.text != "std" || tokens.get(at + 1).is_none_or(|next| next.text != ":") {
            continue;
        }
        let Some(first) = tokens.get(at + 3) else { continue };
        if first.text == "{" {
            found.extend(group(&tokens[at + 3..]));
        } else {
            found.push(*first);
        }
    }
    found
}

/// The first segment of each branch of a use tree.
fn group<'a>(tokens: &[Token<'a>]) -> Vec<Token<'a>> {
    let mut found = Vec::new();
    let mut depth = 0_usize;
    let mut fresh = false;
    for token in tokens {
        match token.text {
            "{" => {
                depth += 1;
                fresh = depth == 1;
            }
            "}" if depth <= 1 => break,
            "}" => depth -= 1,
            "," => fresh = depth == 1,
            _ if fresh => {
                found.push(*token);
                fresh = false;
            }
            _ => {}
        }
    }
    found
}
