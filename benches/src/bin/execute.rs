//! What it costs to judge a block from its witness, beside executing it on a node's own state, and what the witness costs whoever
//! makes it. All of it side by side in one run: `--rounds N` (default 15), of which each figure is the median, or with `--least` the least:
//! on a machine that does other things too, that is what a phase takes when nothing comes between. `--real` stops after the real blocks.
//!
//! Real blocks come first, then blocks of our own at Amsterdam: judged from the bytes of EIP-8025, given to EXECUTE (BLOCK), and derived
//! by it (DERIVE). What counts as settling is the call of EXECUTE, where there is one.

use std::time::Duration;

use ethrex_benches::{
    case::{self, Case, Spent},
    sample::{least, median, millis, percentile},
};
use ethrex_test_spec::suites;
use eyre::Result;

const MEGA: f64 = 1e6;
const KIB: f64 = 1024.0;

fn main() -> Result<()> {
    ethrex_types::crypto::install();
    let args: Vec<String> = std::env::args().collect();
    let rounds = args
        .iter()
        .skip_while(|arg| *arg != "--rounds")
        .nth(1)
        .map_or(Ok(15), |count| count.parse())?;
    let figure: Figure = if args.iter().any(|arg| arg == "--least") { least } else { median };
    let suites = suites::locate();
    if suites.sample {
        println!("only the committed sample is at hand: set ETHREX_SUITES for all real blocks");
    }
    report("real blocks", &measure(case::real(&suites)?, rounds, figure)?);
    if args.iter().any(|arg| arg == "--real") {
        return Ok(());
    }
    let dir = tempfile::tempdir()?;
    let (given, derived) = case::generated(dir.path())?;
    report("our own blocks, given to EXECUTE", &measure(given, rounds, figure)?);
    report("our own blocks, derived by EXECUTE", &measure(derived, rounds, figure)?);
    Ok(())
}

/// Of several measurements, the one that counts.
type Figure = fn(&[Duration]) -> Duration;

/// A block, and what each phase of it took.
struct Row {
    name: String,
    gas: u64,
    witness: usize,
    spent: Spent,
}

impl Row {
    /// Witness bytes per million gas; an empty block has no such thing.
    fn density(&self) -> Option<f64> {
        (self.gas > 0).then(|| self.witness as f64 / (self.gas as f64 / MEGA))
    }
}

/// The cases take turns, so that whatever else the machine does meets all of them.
fn measure(cases: Vec<Case>, rounds: usize, figure: Figure) -> Result<Vec<Row>> {
    let mut taken: Vec<Vec<Spent>> = cases.iter().map(|_| Vec::new()).collect();
    // The first round only warms up.
    for round in 0..=rounds {
        for (case, taken) in cases.iter().zip(&mut taken) {
            let spent = case.round(round)?;
            if round > 0 {
                taken.push(spent);
            }
        }
    }
    let row = |(case, taken): (Case, Vec<Spent>)| {
        let (gas, witness) = (case.gas(), case.witness_bytes());
        Row { name: case.name, gas, witness, spent: summary(&taken, figure) }
    };
    Ok(cases.into_iter().zip(taken).map(row).collect())
}

/// One figure of each phase.
fn summary(taken: &[Spent], figure: Figure) -> Spent {
    let of = |phase: fn(&Spent) -> Duration| figure(&taken.iter().map(phase).collect::<Vec<_>>());
    let verify: Vec<_> = taken.iter().filter_map(|spent| spent.verify).collect();
    let call: Vec<_> = taken.iter().filter_map(|spent| spent.call).collect();
    Spent {
        senders: of(|spent| spent.senders),
        execute: of(|spent| spent.execute),
        root: of(|spent| spent.root),
        watched: of(|spent| spent.watched),
        record: of(|spent| spent.record),
        record_later: of(|spent| spent.record_later),
        encode: of(|spent| spent.encode),
        decode: of(|spent| spent.decode),
        validate: of(|spent| spent.validate),
        verify: (!verify.is_empty()).then(|| figure(&verify)),
        call: (!call.is_empty()).then(|| figure(&call)),
    }
}

fn report(title: &str, rows: &[Row]) {
    settling(title, rows);
    witnesses(title, rows);
}

fn settling(title: &str, rows: &[Row]) {
    println!("\nJudging {title}, in ms");
    println!(
        "{:<27} {:>7} | {:>8} {:>8} {:>8} {:>8} | {:>8} {:>8} {:>8} {:>8} {:>8} | {:>8} {:>7} {:>7}",
        "",
        "Mgas",
        "senders",
        "execute",
        "root",
        "plain",
        "decode",
        "validate",
        "verify",
        "EXECUTE",
        "settle",
        "÷ plain",
        "plain",
        "settle"
    );
    let (mut plain, mut settle, mut gas) = (0.0, 0.0, 0.0);
    for row in rows {
        let spent = &row.spent;
        let (verify, call) = (optional(spent.verify), optional(spent.call));
        let (one, other) = (millis(spent.plain()), millis(spent.settle()));
        let mega = row.gas as f64 / MEGA;
        println!(
            "{:<27} {mega:>7.2} | {:>8.2} {:>8.2} {:>8.2} {one:>8.2} | {:>8.2} {:>8.2} {verify:>8} {call:>8} {other:>8.2} | {:>8.2} {:>7.0} {:>7.0}",
            row.name,
            millis(spent.senders),
            millis(spent.execute),
            millis(spent.root),
            millis(spent.decode),
            millis(spent.validate),
            other / one,
            mega / one * 1e3,
            mega / other * 1e3,
        );
        plain += one;
        settle += other;
        gas += mega;
    }
    println!(
        "all: settle ÷ plain = {:.2}; plain {:.0} Mgas/s, settle {:.0} Mgas/s",
        settle / plain,
        gas / plain * 1e3,
        gas / settle * 1e3
    );
}

fn optional(time: Option<Duration>) -> String {
    time.map_or_else(|| "-".into(), |took| format!("{:.2}", millis(took)))
}

fn witnesses(title: &str, rows: &[Row]) {
    println!("\nWitnesses of {title}, in ms");
    println!(
        "{:<27} {:>9} {:>10} | {:>9} {:>9} | {:>9} {:>9} {:>9} | {:>9} {:>12} {:>9} | {:>9} {:>9}",
        "",
        "KiB",
        "KiB/Mgas",
        "execute",
        "root",
        "watched",
        "record",
        "encode",
        "making it",
        "÷ execution",
        "÷ plain",
        "afterwards",
        "÷ plain"
    );
    let (mut made, mut made_later, mut executed, mut plain) = (0.0, 0.0, 0.0, 0.0);
    for row in rows {
        let spent = &row.spent;
        let density =
            row.density().map_or_else(|| "-".into(), |bytes| format!("{:.1}", bytes / KIB));
        let execution = millis(spent.execute + spent.root);
        let (generate, later) = (spent.generate(), spent.generate_later());
        println!(
            "{:<27} {:>9.1} {density:>10} | {:>9.2} {:>9.2} | {:>9.2} {:>9.2} {:>9.2} | {generate:>9.2} {:>11.1}% {:>8.1}% | {later:>10.2} {:>8.1}%",
            row.name,
            row.witness as f64 / KIB,
            millis(spent.execute),
            millis(spent.root),
            millis(spent.watched),
            millis(spent.record),
            millis(spent.encode),
            100.0 * generate / execution,
            100.0 * generate / millis(spent.plain()),
            100.0 * later / millis(spent.plain()),
        );
        made += generate;
        made_later += later;
        executed += execution;
        plain += millis(spent.plain());
    }
    let densities: Vec<f64> = rows.iter().filter_map(Row::density).map(|it| it / KIB).collect();
    println!(
        "all: generation is {:.1}% of execution with the root, {:.1}% of that with senders ({:.1}% where it comes afterwards); KiB per Mgas: p50 {:.1}, p99 {:.1} of {} blocks",
        100.0 * made / executed,
        100.0 * made / plain,
        100.0 * made_later / plain,
        percentile(&densities, 50),
        percentile(&densities, 99),
        densities.len()
    );
}
