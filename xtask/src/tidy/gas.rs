//! The gas table of the page on native rollups: its figures are those that the contracts' tests compare.

use std::collections::BTreeMap;
use std::path::Path;

use super::Finding;
use super::tree::Tree;

/// The page, and the heading over the table.
const PAGE: &str = "docs/native-rollups/README.md";
const HEADING: &str = "### Gas on L1";
/// What each call costs, by name; forge writes it and fails where it is not so.
const SNAPSHOT: &str = "contracts/snapshots/NativeRollup.json";

/// Every call of the table is one of the snapshot, and costs what it says.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let page = Path::new(PAGE);
    let (Some(text), Some(snapshot)) = (tree.text(page), tree.text(Path::new(SNAPSHOT))) else {
        return Vec::new();
    };
    let costs: BTreeMap<String, String> = match serde_json::from_str(&snapshot) {
        Ok(costs) => costs,
        Err(why) => return vec![Finding::new(Path::new(SNAPSHOT), why.line(), why.to_string())],
    };
    let rows = text
        .lines()
        .enumerate()
        .skip_while(|(_, line)| *line != HEADING)
        .skip(1)
        .take_while(|(_, line)| !line.starts_with('#'))
        .filter(|(_, line)| line.starts_with('|'))
        // Names of columns, and the rule below them.
        .skip(2);
    let wrong = |(index, line): (usize, &str)| {
        let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
        let wrong = cells.chunks(2).filter_map(|call| differs(&costs, call));
        wrong.map(|what| Finding::new(page, index + 1, what)).collect::<Vec<_>>()
    };
    rows.flat_map(wrong).collect()
}

/// What is wrong with a call and its figure.
fn differs(costs: &BTreeMap<String, String>, call: &[&str]) -> Option<String> {
    let [name, figure] = call else { return Some("a call without a figure".into()) };
    let name = name.replace('`', "");
    match costs.get(&name) {
        None => Some(format!("`{SNAPSHOT}` knows no call `{name}`")),
        Some(cost) if *cost == figure.replace(',', "") => None,
        Some(cost) => Some(format!("`{name}` costs {cost} by `{SNAPSHOT}`, not {figure}")),
    }
}
