//! Rules about manifests: the folder is the layer, and a few heavy dependencies have one owner each.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use eyre::{Context, Result};
use toml::{Table, Value};

use super::Finding;
use super::code::tokens;
use super::source::PURE;
use super::tree::Tree;

/// From the ground up: a crate may use its own layer and those before it.
const LAYERS: [&str; 9] =
    ["base", "exec", "eth", "rollup", "native", "app", "bin", "tests", "xtask"];

/// Dependencies that one place fences: a name, or a prefix that ends in `*`, and who may have it.
const FENCES: [(&str, &[&str]); 12] = [
    ("revm*", &["ethrex-evm"]),
    ("alloy-evm", &["ethrex-evm"]),
    ("alloy-consensus", &["ethrex-types", "ethrex-evm"]),
    ("signet-libmdbx", &["ethrex-storage"]),
    ("reth-libmdbx", &["ethrex-storage"]),
    ("fjall", &["ethrex-storage", "ethrex-benches"]),
    ("rocksdb", &["ethrex-storage", "ethrex-benches"]),
    ("redb", &["ethrex-storage"]),
    ("rusqlite", &["ethrex-store"]),
    ("clap", &["ethrex", "rex"]),
    ("tracing-subscriber", &["ethrex", "rex"]),
    ("mockall", &[]),
];

/// What a pure crate's own dependencies never are.
const IMPURE: [&str; 7] = ["tokio*", "rand*", "getrandom", "reqwest", "hyper", "axum", "chrono"];

const TABLES: [&str; 3] = ["dependencies", "dev-dependencies", "build-dependencies"];

/// A package of the workspace, as its manifest describes it.
struct Package {
    manifest: PathBuf,
    dir: PathBuf,
    name: String,
    layer: usize,
    edges: Vec<Edge>,
    inherits_lints: bool,
    /// Dependencies that are there for a feature they switch on, so no source names them.
    unnamed: BTreeSet<String>,
}

/// One dependency, as written.
struct Edge {
    /// The name sources use.
    key: String,
    /// The package behind it.
    package: String,
    table: &'static str,
    line: usize,
}

pub(super) fn check(tree: &Tree) -> Result<Vec<Finding>> {
    let packages = packages(tree)?;
    let layer_of: BTreeMap<&str, usize> =
        packages.iter().map(|package| (package.name.as_str(), package.layer)).collect();
    let mut found = Vec::new();
    for package in &packages {
        found.extend(package.edges.iter().filter_map(|edge| upwards(package, edge, &layer_of)));
        found.extend(package.edges.iter().filter_map(|edge| fenced(package, edge)));
        found.extend(package.edges.iter().filter_map(|edge| impure(package, edge)));
        found.extend(unused(tree, package));
        found.extend(misnamed(package));
        if !package.inherits_lints {
            found.push(Finding::new(
                &package.manifest,
                1,
                "the lints of the workspace are not inherited: `[lints] workspace = true`",
            ));
        }
    }
    Ok(found)
}

fn upwards(package: &Package, edge: &Edge, layer_of: &BTreeMap<&str, usize>) -> Option<Finding> {
    let above = *layer_of.get(edge.package.as_str())?;
    (above > package.layer).then(|| {
        let what = format!(
            "layer `{}` must not use `{}` of layer `{}` ({})",
            LAYERS[package.layer], edge.package, LAYERS[above], edge.table
        );
        Finding::new(&package.manifest, edge.line, what)
    })
}

fn fenced(package: &Package, edge: &Edge) -> Option<Finding> {
    let (_, owners) = FENCES.iter().find(|(fence, _)| matches(fence, &edge.package))?;
    (!owners.contains(&package.name.as_str())).then(|| {
        let owners = if owners.is_empty() { "nobody".to_owned() } else { owners.join(" and ") };
        Finding::new(
            &package.manifest,
            edge.line,
            format!("only {owners} may name `{}`", edge.package),
        )
    })
}

fn impure(package: &Package, edge: &Edge) -> Option<Finding> {
    let pure = PURE.iter().any(|dir| package.dir == Path::new(dir)) && edge.table == "dependencies";
    (pure && IMPURE.iter().any(|name| matches(name, &edge.package))).then(|| {
        Finding::new(
            &package.manifest,
            edge.line,
            format!("a pure crate must not use `{}`", edge.package),
        )
    })
}

/// A dependency that no source of its package names.
fn unused(tree: &Tree, package: &Package) -> Vec<Finding> {
    let dir = package.dir.to_string_lossy();
    let mut named = BTreeSet::new();
    for file in tree.below(&dir, "rs") {
        let Some(text) = tree.text(file) else { continue };
        // Tests count here, so only prose is cut; a doc example may use a dev-dependency.
        named.extend(tokens(&text).into_iter().map(|token| token.text.to_owned()));
    }
    let unused = package.edges.iter().filter(|edge| {
        !named.contains(&edge.key.replace('-', "_")) && !package.unnamed.contains(&edge.key)
    });
    unused
        .map(|edge| {
            Finding::new(
                &package.manifest,
                edge.line,
                format!("no source names `{}` ({})", edge.key, edge.table),
            )
        })
        .collect()
}

/// Folder `crates/<layer>/<name>` holds package `ethrex-<name>`.
fn misnamed(package: &Package) -> Option<Finding> {
    let folder = package.dir.file_name()?.to_str()?;
    let wrong = package.dir.starts_with("crates") && package.name != format!("ethrex-{folder}");
    wrong.then(|| {
        Finding::new(
            &package.manifest,
            1,
            format!("the package in `{folder}` is called `ethrex-{folder}`"),
        )
    })
}

fn matches(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |start| name.starts_with(start))
}

fn packages(tree: &Tree) -> Result<Vec<Package>> {
    let root = Path::new("Cargo.toml");
    let shared = parse(tree, root)?;
    let shared = shared
        .get("workspace")
        .and_then(|workspace| workspace.get("dependencies"))
        .and_then(Value::as_table)
        .cloned();
    let shared = shared.unwrap_or_default();
    let mut packages = Vec::new();
    for manifest in tree.named("Cargo.toml") {
        let Some(layer) = layer(manifest) else { continue };
        packages.push(package(tree, manifest, layer, &shared)?);
    }
    Ok(packages)
}

fn package(tree: &Tree, manifest: &Path, layer: usize, shared: &Table) -> Result<Package> {
    let table = parse(tree, manifest)?;
    let text = tree.text(manifest).unwrap_or_default();
    let field = |path: &[&str]| {
        path.iter().try_fold(&table, |table, key| table.get(*key).and_then(Value::as_table))
    };
    let name = field(&["package"])
        .and_then(|package| package.get("name"))
        .and_then(Value::as_str)
        .unwrap_or_default();
    let unnamed = field(&["package", "metadata", "tidy"])
        .and_then(|tidy| tidy.get("unnamed"))
        .and_then(Value::as_array);
    let unnamed =
        unnamed.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    Ok(Package {
        manifest: manifest.to_owned(),
        dir: manifest.parent().unwrap_or(Path::new("")).to_owned(),
        name: name.to_owned(),
        layer,
        edges: edges(&table, &text, shared),
        inherits_lints: field(&["lints"])
            .and_then(|lints| lints.get("workspace"))
            .and_then(Value::as_bool)
            == Some(true),
        unnamed,
    })
}

/// All dependency tables, those of targets included.
fn edges(manifest: &Table, text: &str, shared: &Table) -> Vec<Edge> {
    let targets = manifest
        .get("target")
        .and_then(Value::as_table)
        .into_iter()
        .flat_map(Table::values)
        .filter_map(Value::as_table);
    let mut edges = Vec::new();
    for holder in std::iter::once(manifest).chain(targets) {
        for table in TABLES {
            for (key, value) in holder.get(table).and_then(Value::as_table).into_iter().flatten() {
                let inherited = value.get("workspace").and_then(Value::as_bool) == Some(true);
                let full = if inherited { shared.get(key).unwrap_or(value) } else { value };
                let package = full.get("package").and_then(Value::as_str).unwrap_or(key).to_owned();
                edges.push(Edge {
                    key: key.clone(),
                    package,
                    table,
                    line: line_of(text, table, key),
                });
            }
        }
    }
    edges
}

/// Line of `key` below a header that names `table`; 1 where the manifest is written in another way.
fn line_of(text: &str, table: &str, key: &str) -> usize {
    let mut inside = false;
    for (index, line) in text.lines().enumerate() {
        if line.starts_with('[') {
            inside = line.contains(&format!("{table}]"))
                && (table != "dependencies" || !line.contains("-dependencies"));
        }
        let named = line.strip_prefix(key).is_some_and(|rest| rest.starts_with([' ', '.', '=']));
        if inside && named {
            return index + 1;
        }
    }
    1
}

fn layer(manifest: &Path) -> Option<usize> {
    let parts: Vec<_> = manifest.parent()?.iter().filter_map(|part| part.to_str()).collect();
    let name = match parts.as_slice() {
        ["crates", layer, _] => *layer,
        ["benches"] => "tests",
        [first @ ("bin" | "tests"), _] | [first @ "xtask"] => *first,
        _ => return None,
    };
    LAYERS.iter().position(|layer| *layer == name)
}

fn parse(tree: &Tree, manifest: &Path) -> Result<Table> {
    let text = tree.text(manifest).unwrap_or_default();
    text.parse().wrap_err_with(|| format!("parse {}", manifest.display()))
}
