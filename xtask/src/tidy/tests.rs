//! A good tree passes; one wrong file each makes it fail.

use std::fs;
use std::path::Path;

use super::{Tree, check};

const ROOT: &str = "[workspace]\nmembers = []\n[workspace.dependencies]\nethrex-types = { path = \"crates/base/types\" }\nethrex-rules = { path = \"crates/rollup/rules\" }\nlocal-time = { package = \"tokio\", version = \"1\" }\n";

fn manifest(name: &str, rest: &str) -> String {
    format!("[package]\nname = \"{name}\"\n[lints]\nworkspace = true\n{rest}")
}

/// A small tree in order, with `changes` laid over it.
fn found(changes: &[(&str, &str)]) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = dir.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("Cargo.toml", ROOT);
    write("ARCHITECTURE.md", "A hop: `base/types/src/lib.rs::fee`. [Why](README.md).");
    write("README.md", "A tree.");
    write("crates/base/types/Cargo.toml", &manifest("ethrex-types", ""));
    write(
        "crates/base/types/src/lib.rs",
        "//! An l2 may be named in prose.\npub fn fee() {}\n#[cfg(test)]\nmod tests { use std::fs; }",
    );
    write(
        "crates/rollup/rules/Cargo.toml",
        &manifest("ethrex-rules", "[dependencies]\nethrex-types.workspace = true\n"),
    );
    write("crates/rollup/rules/src/lib.rs", "use ethrex_types::fee;\npub struct Rollup;");
    for (path, text) in changes {
        write(path, text);
    }
    let tree = Tree::read(dir.path()).unwrap();
    check(&tree).unwrap().iter().map(ToString::to_string).collect()
}

#[track_caller]
fn breaks(path: &str, text: &str, expected: &str) {
    let found = found(&[(path, text)]);
    assert!(
        found.len() == 1 && found[0].contains(expected),
        "expected `{expected}`, found {found:#?}"
    );
}

#[test]
fn a_tree_in_order_passes() {
    assert_eq!(found(&[]), Vec::<String>::new());
}

#[test]
fn a_lower_layer_must_not_use_a_higher_one() {
    let types = manifest("ethrex-types", "[dependencies]\nethrex-rules.workspace = true\n");
    let used = ("crates/base/types/src/rules.rs", "use ethrex_rules as _;");
    let found = found(&[("crates/base/types/Cargo.toml", &types), used]);
    assert_eq!(
        found,
        [
            "crates/base/types/Cargo.toml:6: layer `base` must not use `ethrex-rules` of layer `rollup` (dependencies)"
        ]
    );
}

#[test]
fn a_development_edge_is_an_edge() {
    let types = manifest("ethrex-types", "[dev-dependencies]\nethrex-rules.workspace = true\n");
    let used = ("crates/base/types/tests/rules.rs", "use ethrex_rules as _;");
    let found = found(&[("crates/base/types/Cargo.toml", &types), used]);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].contains("(dev-dependencies)"));
}

#[test]
fn an_edge_of_a_target_is_an_edge() {
    let types = manifest(
        "ethrex-types",
        "[target.'cfg(unix)'.dependencies]\nrenamed = { package = \"ethrex-rules\", path = \"../../rollup/rules\" }\n",
    );
    let used = ("crates/base/types/src/rules.rs", "use renamed as _;");
    let found = found(&[("crates/base/types/Cargo.toml", &types), used]);
    assert!(
        found.len() == 1 && found[0].contains("layer `base` must not use `ethrex-rules`"),
        "{found:#?}"
    );
}

#[test]
fn only_the_evm_crate_names_revm() {
    let rules =
        manifest("ethrex-rules", "[dependencies]\nethrex-types.workspace = true\nrevm = \"43\"\n");
    let used = ("crates/rollup/rules/src/evm.rs", "use revm as _;");
    let found = found(&[("crates/rollup/rules/Cargo.toml", &rules), used]);
    assert_eq!(found, ["crates/rollup/rules/Cargo.toml:7: only ethrex-evm may name `revm`"]);
}

#[test]
fn a_renamed_runtime_is_still_a_runtime() {
    let types = manifest("ethrex-types", "[dependencies]\nlocal-time.workspace = true\n");
    let used = ("crates/base/types/src/time.rs", "use local_time as _;");
    let found = found(&[("crates/base/types/Cargo.toml", &types), used]);
    assert_eq!(found, ["crates/base/types/Cargo.toml:6: a pure crate must not use `tokio`"]);
}

#[test]
fn an_unused_dependency_is_found() {
    let types = manifest("ethrex-types", "[dependencies]\nserde = \"1\"\n");
    breaks("crates/base/types/Cargo.toml", &types, "no source names `serde`");
}

#[test]
fn a_dependency_for_its_features_can_be_declared() {
    let types = manifest(
        "ethrex-types",
        "[dependencies]\nserde = \"1\"\n[package.metadata.tidy]\nunnamed = [\"serde\"]\n",
    );
    assert_eq!(found(&[("crates/base/types/Cargo.toml", &types)]), Vec::<String>::new());
}

#[test]
fn lints_are_inherited() {
    breaks("crates/base/types/Cargo.toml", "[package]\nname = \"ethrex-types\"\n", "lints");
}

#[test]
fn a_package_is_called_after_its_folder() {
    breaks("crates/base/types/Cargo.toml", &manifest("types", ""), "is called `ethrex-types`");
}

#[test]
fn the_lower_layers_do_not_know_rollups() {
    breaks("crates/base/types/src/fee.rs", "pub struct L2Fee;", "`L2Fee`");
    breaks("crates/eth/chain/src/fee.rs", "pub fn sequencer() {}", "`sequencer`");
}

#[test]
fn the_transaction_kinds_are_the_exception() {
    assert_eq!(
        found(&[("crates/base/types/src/tx.rs", "pub enum Tx { RollupDeposit }")]),
        Vec::<String>::new()
    );
}

#[test]
fn a_pure_crate_has_no_clock_and_no_disk() {
    breaks("crates/base/types/src/fee.rs", "use std::time::Instant;", "`Instant` in a pure crate");
    breaks(
        "crates/rollup/rules/src/fee.rs",
        "use std::{collections::{BTreeMap}, fs};",
        "`fs` in a pure crate",
    );
    breaks(
        "crates/rollup/rules/src/fee.rs",
        "fn f() { tokio::spawn(f) }",
        "`tokio` in a pure crate",
    );
}

#[test]
fn only_the_binaries_read_the_environment() {
    breaks("crates/eth/chain/src/import.rs", "fn f() { std::env::var(\"A\"); }", "only bin/ reads");
    breaks("crates/eth/chain/src/import.rs", "use std::env::{consts, args};", "only bin/ reads");
    assert_eq!(
        found(&[("bin/ethrex/src/main.rs", "fn f() { std::env::var(\"A\"); }")]),
        Vec::<String>::new()
    );
}

#[test]
fn a_walk_names_what_exists() {
    breaks("ARCHITECTURE.md", "A hop: `base/types/src/lib.rs::tip`.", "has no `tip`");
    breaks(
        "ARCHITECTURE.md",
        "A hop: `base/types/src/gone.rs::fee`.",
        "there is no `base/types/src/gone.rs`",
    );
    breaks("ARCHITECTURE.md", "A folder: `crates/moon/`.", "there is no `crates/moon/`");
}

#[test]
fn a_link_leads_somewhere() {
    breaks("README.md", "See [this](docs/gone.md#part).", "leads nowhere");
}

#[test]
fn a_file_is_named_after_its_idea() {
    breaks("crates/base/types/src/utils.rs", "", "`utils` names no idea");
}

#[test]
fn no_path_of_one_machine_is_committed() {
    let path = ["", "home", "me", "tree"].join("/");
    breaks("README.md", &format!("Go to {path} first."), "a path of one machine");
    assert_eq!(
        found(&[("README.md", "GET /eth/v1/beacon and ./home/me are fine.")]),
        Vec::<String>::new()
    );
}

#[test]
fn a_lock_file_names_no_mirror() {
    breaks(
        "package-lock.json",
        "\"resolved\": \"https://mirror.example/x.tgz\",",
        "names a mirror",
    );
}

#[test]
fn this_tree_is_read_through_git() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let tree = Tree::read(root).unwrap();
    assert!(tree.files().iter().any(|file| file == Path::new("xtask/src/tidy/tests.rs")));
}

/// A page with two ids, as it should be beside the tests of [`TESTS`].
const TABLE: &str = "| id | checks | tests | why not |\n|---|---|---|---|\n| S01 | a | 2 in `crates/base/types/tests/s.rs` | |\n| C08 | b | | later |\n";
const TESTS: (&str, &str) =
    ("crates/base/types/tests/s.rs", "fn s01_a() {} fn s01_c99() {} fn s01_b() {} fn helper() {}");
const PAGE: &str = "docs/native-rollups/coverage.md";

#[test]
fn a_table_of_ids_that_is_up_to_date_passes() {
    assert_eq!(found(&[(PAGE, TABLE), TESTS]), Vec::<String>::new());
}

#[test]
fn a_table_of_ids_must_know_the_tests() {
    let stale = TABLE.replace("2 in", "1 in");
    let changed = found(&[(PAGE, &stale), TESTS]);
    assert_eq!(changed.len(), 1, "{changed:#?}");
    assert!(changed[0].contains("the tests of S01 have changed"));

    let bare = TABLE.replace("later", "");
    let bare = found(&[(PAGE, &bare), TESTS]);
    assert!(
        bare.len() == 1 && bare[0].contains("C08 has neither a test nor a reason"),
        "{bare:#?}"
    );

    let solidity =
        ("contracts/test/A.t.sol", "function test_C09_x() public {} function setUp() public {}");
    let unknown = found(&[(PAGE, TABLE), TESTS, solidity]);
    assert!(
        unknown.len() == 1 && unknown[0].contains("`test_C09_x` is a test of C09"),
        "{unknown:#?}"
    );
}

#[test]
fn a_table_of_ids_is_rewritten_in_one_column() {
    let stale = TABLE.replace("2 in `crates/base/types/tests/s.rs`", "");
    let tests = super::coverage::Tests::from([(
        "S01".to_owned(),
        vec![("crates/base/types/tests/s.rs".into(), "s01_a".into()); 2],
    )]);
    assert_eq!(super::coverage::rewritten(&stale, &tests), TABLE);
}

#[test]
fn the_gas_table_says_what_the_snapshot_says() {
    let check = |rows: &str, expected: &[&str]| {
        let page = format!(
            "### Gas on L1\n| call | gas | call | gas |\n|---|---|---|---|\n{rows}\n### Time\n| a |"
        );
        let snapshot =
            r#"{ "post, 1,000 bytes": "96967", "claim": "51284", "not in the table": "1" }"#;
        let found = found(&[
            ("docs/native-rollups/README.md", &page),
            ("contracts/snapshots/NativeRollup.json", snapshot),
        ]);
        let what: Vec<_> = found.iter().filter_map(|line| line.rsplit(": ").next()).collect();
        assert_eq!(what, expected);
    };
    let snapshot = "contracts/snapshots/NativeRollup.json";
    check("| `post`, 1,000 bytes | 96,967 | `claim` | 51,284 |", &[]);
    let differs = format!("`claim` costs 51284 by `{snapshot}`, not 51,285");
    check("| `post`, 1,000 bytes | 96,967 | `claim` | 51,285 |", &[&differs]);
    let unknown = format!("`{snapshot}` knows no call `burn`");
    check("| `burn` | 51,284 | `claim` | 51,284 |", &[&unknown]);
}

#[test]
fn metrics_are_recorded_in_one_file_and_listed() {
    breaks(
        "crates/rollup/rules/src/fee.rs",
        "pub fn paid() { metrics::counter!(\"fees_total\").increment(1) }",
        "belongs into",
    );
    breaks("docs/metrics.md", "# Metrics\n", "run `cargo xtask metrics --write`");
    breaks("docs/grafana/x.json", r#"{"expr": "rate(fees_total[1m])"}"#, "records `fees_total`");
}
