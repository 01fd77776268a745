//! The page of metrics: it lists what the crates record, and the dashboards ask for nothing else.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::Finding;
use super::tree::Tree;

/// The page with the list.
pub(super) const PAGE: &str = "docs/metrics.md";
/// The folder of the dashboards.
const DASHBOARDS: &str = "docs/grafana";
/// What stands above this line is written by hand.
const MARK: &str = "<!-- What follows is written by `cargo xtask metrics --write`. -->\n";
/// The file of each crate that records, and no other does.
const RECORDER: &str = "metrics.rs";
const KINDS: [&str; 3] = ["counter", "gauge", "histogram"];

/// What is recorded under one name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Metric {
    name: String,
    kind: &'static str,
    labels: Vec<String>,
    /// What the function says that records it.
    meaning: String,
}

impl Metric {
    /// Prometheus has the unit in the name.
    fn unit(&self) -> &'static str {
        let bare = self.name.strip_suffix("_total").unwrap_or(&self.name);
        match bare.rsplit_once('_').map(|(_, last)| last) {
            Some("seconds") => "seconds",
            Some("bytes") => "bytes",
            Some("gas") => "gas",
            Some("number") => "height",
            _ => "count",
        }
    }

    fn row(&self) -> String {
        let labels: Vec<String> = self.labels.iter().map(|label| format!("`{label}`")).collect();
        let (name, kind, unit) = (&self.name, self.kind, self.unit());
        format!("| `{name}` | {kind} | {} | {unit} | {} |\n", labels.join(", "), self.meaning)
    }

    /// Names under which it can be asked for: a histogram is exported as a summary.
    fn is(&self, asked: &str) -> bool {
        let part = ["_sum", "_count"].iter().find_map(|end| asked.strip_suffix(end));
        asked == self.name || (self.kind == "histogram" && part == Some(&self.name))
    }
}

/// The metrics of each crate, by its folder.
pub(super) type Metrics = BTreeMap<PathBuf, Vec<Metric>>;

/// The page is what the crates record, only the files of that name record, and the dashboards ask for what there is.
pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let metrics = find(tree);
    let mut found = Vec::new();
    if let Some(page) = tree.text(Path::new(PAGE))
        && rewritten(&page, &metrics) != page
    {
        let what = "the metrics have changed: run `cargo xtask metrics --write`";
        found.push(Finding::new(Path::new(PAGE), 1, what));
    }
    for file in tree.below("crates", "rs").filter(|file| !is_recorder(file)) {
        let text = tree.text(file).unwrap_or_default();
        for (index, line) in text.lines().enumerate() {
            if KINDS.iter().any(|kind| line.contains(&format!("{kind}!("))) {
                let what = format!("a metric belongs into the crate's `{RECORDER}`");
                found.push(Finding::new(file, index + 1, what));
            }
        }
    }
    let known: Vec<&Metric> = metrics.values().flatten().collect();
    for file in tree.below(DASHBOARDS, "json") {
        let text = tree.text(file).unwrap_or_default();
        match serde_json::from_str::<Value>(&text) {
            Err(why) => found.push(Finding::new(file, 1, format!("is no JSON: {why}"))),
            Ok(dashboard) => found.extend(asked(&dashboard).into_iter().filter_map(|name| {
                let unknown = !known.iter().any(|metric| metric.is(&name));
                unknown.then(|| Finding::new(file, 1, format!("no crate records `{name}`")))
            })),
        }
    }
    found
}

/// The page with the list as the crates have it.
pub(super) fn rewritten(page: &str, metrics: &Metrics) -> String {
    let head = page.split_once(MARK).map_or(page, |(head, _)| head);
    let mut out = format!("{head}{MARK}");
    for (krate, metrics) in metrics {
        out.push_str(&format!("\n## `{}/`\n\n", krate.display()));
        out.push_str("| metric | type | labels | unit | meaning |\n|---|---|---|---|---|\n");
        metrics.iter().for_each(|metric| out.push_str(&metric.row()));
    }
    out
}

/// What all crates record.
pub(super) fn find(tree: &Tree) -> Metrics {
    let mut all = Metrics::new();
    for file in tree.below("crates", "rs").filter(|file| is_recorder(file)) {
        let metrics = recorded(&tree.text(file).unwrap_or_default());
        if let (Some(krate), false) = (file.ancestors().nth(2), metrics.is_empty()) {
            all.insert(krate.to_owned(), metrics);
        }
    }
    all
}

fn is_recorder(file: &Path) -> bool {
    file.file_name().is_some_and(|name| name == RECORDER)
}

/// The metrics of one file, in its order.
fn recorded(text: &str) -> Vec<Metric> {
    let (mut metrics, mut doc, mut rest) = (Vec::new(), Vec::new(), text);
    while let Some((line, next)) = rest.split_once('\n') {
        let bare = line.trim();
        if let Some(words) = bare.strip_prefix("///") {
            doc.push(words.trim());
        } else if line == "}" {
            doc.clear();
        }
        for kind in KINDS {
            let Some((_, from)) = line.split_once(&format!("{kind}!(")) else { continue };
            // Arguments may go on in the lines below.
            let call = &rest[from.as_ptr() as usize - rest.as_ptr() as usize..];
            let mut arguments = strings(call);
            if arguments.is_empty() {
                continue;
            }
            let name = arguments.remove(0).0;
            let labels = arguments.into_iter().filter(|(_, is_label)| *is_label);
            let labels = labels.map(|(label, _)| label).collect();
            metrics.push(Metric { name, kind, labels, meaning: doc.join(" ").replace('|', "\\|") });
        }
        rest = next;
    }
    metrics
}

/// The string literals of a call, up to its closing bracket, each with whether a value follows it.
fn strings(call: &str) -> Vec<(String, bool)> {
    let (mut found, mut depth, mut rest) = (Vec::new(), 0_usize, call);
    while let Some(at) = rest.find(['"', '(', ')']) {
        let (sign, after) = (rest.as_bytes()[at], &rest[at + 1..]);
        rest = after;
        match sign {
            b'"' => {
                let Some((text, after)) = rest.split_once('"') else { break };
                found.push((text.to_owned(), after.trim_start().starts_with("=>")));
                rest = after;
            }
            b'(' => depth += 1,
            _ if depth == 0 => break,
            _ => depth -= 1,
        }
    }
    found
}

/// Names of ours that the queries of a dashboard ask for: those of the process are not.
fn asked(dashboard: &Value) -> Vec<String> {
    let mut names = Vec::new();
    match dashboard {
        Value::Object(fields) => {
            if let Some(Value::String(query)) = fields.get("expr") {
                // Outside of quotes; the names of functions stand before a bracket, those of variables begin with two underscores.
                for part in query.split('"').step_by(2) {
                    let mut rest = part;
                    while let Some(at) = rest.find(is_word) {
                        let word = &rest[at..];
                        let (word, after) =
                            word.split_at(word.find(|c| !is_word(c)).unwrap_or(word.len()));
                        let ours = word.contains('_')
                            && !word.starts_with("__")
                            && !word.starts_with("process_")
                            && !after.starts_with('(');
                        names.extend(ours.then(|| word.to_owned()));
                        rest = after;
                    }
                }
            }
            fields.values().for_each(|value| names.extend(asked(value)));
        }
        Value::Array(items) => items.iter().for_each(|value| names.extend(asked(value))),
        _ => {}
    }
    names
}

fn is_word(sign: char) -> bool {
    sign.is_ascii_alphanumeric() || sign == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = r#"//! Metrics.
/// A call was answered;
/// `outcome` is `ok` or `error`.
pub(crate) fn answered(method: &'static str, took: Duration) {
    counter!("rpc_calls_total", "method" => method, "outcome" => name(ok))
        .increment(1);
    histogram!(
        "rpc_call_seconds",
        "method" => method
    )
    .record(took.as_secs_f64());
}

/// How full it is.
pub(crate) fn filled(bytes: usize) {
    gauge!("txpool_bytes").set(bytes as f64);
}
"#;

    #[test]
    fn metrics_have_names_types_labels_units_and_meanings() {
        let metrics = recorded(SOURCE);
        let rows: Vec<String> = metrics.iter().map(Metric::row).collect();
        assert_eq!(
            rows,
            [
                "| `rpc_calls_total` | counter | `method`, `outcome` | count | A call was answered; `outcome` is `ok` or `error`. |\n",
                "| `rpc_call_seconds` | histogram | `method` | seconds | A call was answered; `outcome` is `ok` or `error`. |\n",
                "| `txpool_bytes` | gauge |  | bytes | How full it is. |\n",
            ]
        );
        assert!(metrics[1].is("rpc_call_seconds_sum") && metrics[1].is("rpc_call_seconds"));
        assert!(!metrics[0].is("rpc_calls_total_sum") && !metrics[1].is("rpc_call_seconds_max"));
    }

    #[test]
    fn what_is_written_by_hand_stays() {
        let metrics = Metrics::from([("crates/eth/rpc".into(), recorded(SOURCE))]);
        let page = rewritten("# Metrics\n\nText.\n", &metrics);
        assert!(
            page.starts_with("# Metrics\n\nText.\n<!--")
                && page.contains("\n## `crates/eth/rpc/`\n")
        );
        assert_eq!(rewritten(&page, &metrics), page);
    }

    #[test]
    fn queries_name_metrics() {
        let query = r#"sum by (method) (rate(rpc_calls_total{method=~"engine_.*"}[$__rate_interval])) / sum_over_time(x[1m]) / process_cpu_seconds_total"#;
        let dashboard = serde_json::json!({"panels": [{"targets": [{"expr": query}]}]});
        assert_eq!(asked(&dashboard), ["rpc_calls_total"]);
    }
}
