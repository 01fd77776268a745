//! How soon the dev rollup is there, beside anvil's start in the same run.

use std::fs;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use ethrex_benches::http::call;
use ethrex_test_e2e::{Anvil, Info, Tools};
use eyre::{Context, Result, bail};
use serde_json::{Value, json};

/// Between two questions: small beside anything that is measured.
const PAUSE: Duration = Duration::from_millis(2);
/// Nothing here takes this long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(60);

/// Killed when dropped.
struct Node(Child);

impl Drop for Node {
    fn drop(&mut self) {
        // It may have ended already, which is what is wanted.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn main() -> Result<()> {
    let tools = Tools::find();
    let start = Instant::now();
    let anvil = Anvil::start(&tools);
    let anvil_up =
        until(start, "anvil answers", || call(&anvil.rpc, "eth_blockNumber", &json!([])).ok())?.1;
    drop(anvil);

    let dir = tempfile::tempdir()?;
    let (info_file, log) = (dir.path().join("info.json"), dir.path().join("node.log"));
    let out = fs::File::create(&log)?;
    let start = Instant::now();
    let child = Command::new(&tools.ethrex)
        .args([
            "l2",
            "--dev",
            "--no-monitor",
            "--http.addr",
            "127.0.0.1",
            "--http.port",
            "0",
            "--dev.l1-http-port",
            "0",
        ])
        .args(["--proof-coordinator.port", "0", "--dev.info-file"])
        .arg(&info_file)
        .stdin(Stdio::null())
        .stderr(out.try_clone()?)
        .stdout(out)
        .spawn()
        .wrap_err("start the node")?;
    let node = Node(child);
    let info: Info = until(start, "the node says where it is", || {
        serde_json::from_str(&fs::read_to_string(&info_file).ok()?).ok()
    })?
    .0;
    let (_, answered) =
        until(start, "the L2 answers", || call(&info.l2_rpc, "eth_chainId", &json!([])).ok())?;
    let (_, block) =
        until(start, "the first L2 block", || quantity(&info, "eth_blockNumber", &json!([])))?;
    let rich = info.rich_accounts.first().map(|account| account.address);
    let (_, credited) = until(start, "the first deposit", || {
        quantity(&info, "eth_getBalance", &json!([rich, "latest"]))
    })?;
    let memory = peak_memory(node.0.id())?;

    println!("{:<28} {:>8} {:>14}", "from exec to", "ms", "anvil's start");
    for (what, took) in [
        ("first L2 answer", answered),
        ("first L2 block", block),
        ("first deposit credited", credited),
    ] {
        println!(
            "{what:<28} {:>8} {:>13.1}x",
            took.as_millis(),
            took.as_secs_f64() / anvil_up.as_secs_f64()
        );
    }
    println!("{:<28} {:>8}", "(anvil answers)", anvil_up.as_millis());
    println!("{:<28} {memory:>8} MB", "peak resident memory");
    Ok(())
}

/// A number above zero from the L2.
fn quantity(info: &Info, method: &str, params: &Value) -> Option<()> {
    let result = call(&info.l2_rpc, method, params).ok()?;
    let digits = result.as_str()?.trim_start_matches("0x").trim_start_matches('0');
    (!digits.is_empty()).then_some(())
}

fn until<T>(
    start: Instant,
    what: &str,
    mut ask: impl FnMut() -> Option<T>,
) -> Result<(T, Duration)> {
    loop {
        if let Some(answer) = ask() {
            return Ok((answer, start.elapsed()));
        }
        if start.elapsed() > PATIENCE {
            bail!("not within {} s: {what}", PATIENCE.as_secs());
        }
        thread::sleep(PAUSE);
    }
}

/// The most memory a process has held, in megabytes.
fn peak_memory(pid: u32) -> Result<u64> {
    let status =
        fs::read_to_string(format!("/proc/{pid}/status")).wrap_err("read the node's memory")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line
        .and_then(|line| line.split_whitespace().next())
        .and_then(|number| number.parse::<u64>().ok());
    Ok(kilobytes.unwrap_or(0) >> 10)
}
