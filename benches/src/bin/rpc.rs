//! How long calls take at a thousand a second, beside anvil on the same chain in the same run.
//!
//! Time counts from when a call was due, not from when it could be sent: a server that stalls makes all that wait for it slow. One that
//! cannot keep up is not waited for without end: what it has not answered in time counts as long as it was waited for, and the share that
//! it answered is shown.

use std::{
    fs,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, hex};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use ethrex_benches::{
    http::Connection,
    sample::{millis, percentile},
};
use ethrex_test_e2e::{Anvil, Tools};
use ethrex_types::{
    Tx,
    alloy_consensus::{SignableTransaction, TxEip1559},
};
use eyre::{Context, OptionExt, Result, bail};
use serde_json::{Value, json};

/// Blocks of the chain, each with one transaction.
const BLOCKS: u64 = 10_000;
/// One block in so many has a log.
const LOG_EVERY: u64 = 500;
/// Calls due each second.
const RATE: u32 = 1_000;
/// Over so many connections.
const CONNECTIONS: u32 = 32;
/// For so long.
const SPAN: Duration = Duration::from_secs(5);
/// Answers are taken for so long after that.
const GRACE: Duration = Duration::from_secs(5);
/// Deploys a contract that logs what it is called with under one topic.
const LOGGER: [u8; 18] = hex!("69365f5f376001365fa1005f52600a6016f3");
const CHAIN_ID: u64 = 9;
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
    let dir = tempfile::tempdir()?;
    let (node, url, key) = start(&tools, dir.path())?;
    let anvil = Anvil::start(&tools);
    let wallet: PrivateKeySigner = key.parse()?;
    let logger = wallet.address().create(0);
    let ours = grow(&url, &wallet, logger)?;
    let theirs = grow(&anvil.rpc, &wallet, logger)?;
    println!(
        "built {BLOCKS} blocks in {:.1} s, anvil in {:.1} s",
        ours.took.as_secs_f64(),
        theirs.took.as_secs_f64()
    );

    println!(
        "{:<26} {:>9} {:>9} {:>9} | {:>9} {:>9} {:>9}",
        "ms, 1,000 calls/s", "p50", "p99", "answered", "anvil p50", "p99", "answered"
    );
    let calls = |grown| calls(grown, wallet.address(), logger);
    for ((name, method, params), (_, _, theirs)) in calls(&ours).into_iter().zip(calls(&theirs)) {
        let ours = measure(&url, method, &params)?.row();
        let theirs = measure(&anvil.rpc, method, &theirs)?.row();
        println!("{name:<26} {ours} | {theirs}");
    }
    drop(node);
    Ok(())
}

/// A chain that has grown.
struct Grown {
    took: Duration,
    /// Of the last transaction.
    receipt: Value,
}

/// What is asked: name, method, parameters.
fn calls(grown: &Grown, rich: Address, logger: Address) -> Vec<(String, &'static str, Value)> {
    let [tx, block] = ["transactionHash", "blockNumber"].map(|field| &grown.receipt[field]);
    let logs = [100, 1_000, BLOCKS].map(|blocks| {
        let from = BLOCKS - blocks + 1;
        let filter = json!([{"address": logger, "fromBlock": format!("{from:#x}"), "toBlock": format!("{BLOCKS:#x}")}]);
        (format!("eth_getLogs, {blocks} blocks"), "eth_getLogs", filter)
    });
    let others = [
        ("eth_call", json!([{"from": rich, "to": logger, "data": "0x01"}, "latest"])),
        ("eth_getBalance", json!([rich, "latest"])),
        ("eth_getTransactionReceipt", json!([tx])),
        ("eth_getBlockByNumber", json!([block, true])),
        ("eth_blockNumber", json!([])),
    ];
    let others = others.map(|(method, params)| (method.to_owned(), method, params));
    logs.into_iter().chain(others).collect()
}

/// Starts a development chain: the process, its endpoint, and the key of an account with funds.
fn start(tools: &Tools, dir: &std::path::Path) -> Result<(Node, String, String)> {
    let (info_file, log) = (dir.join("info.json"), dir.join("node.log"));
    let out = fs::File::create(log)?;
    let child = Command::new(&tools.ethrex)
        .args(["--dev", "--http.addr", "127.0.0.1", "--http.port", "0", "--datadir"])
        .arg(dir.join("data"))
        .arg("--dev.info-file")
        .arg(&info_file)
        .stdin(Stdio::null())
        .stderr(out.try_clone()?)
        .stdout(out)
        .spawn()
        .wrap_err("start the node")?;
    let node = Node(child);
    let begun = Instant::now();
    let info: Value = loop {
        if let Ok(text) = fs::read_to_string(&info_file)
            && let Ok(info) = serde_json::from_str(&text)
        {
            break info;
        }
        if begun.elapsed() > PATIENCE {
            bail!("the node does not start");
        }
        thread::sleep(Duration::from_millis(5));
    };
    let url = info["l1_rpc"].as_str().ok_or_eyre("no endpoint")?.to_owned();
    let key = info["rich_accounts"][0]["private_key"].as_str().ok_or_eyre("no account")?.to_owned();
    Ok((node, url, key))
}

/// Has the chain grow, a transaction a block: each waits for the one before to be mined.
fn grow(url: &str, wallet: &PrivateKeySigner, logger: Address) -> Result<Grown> {
    let send = "eth_sendRawTransactionSync";
    let begun = Instant::now();
    let mut connection = Connection::open(url)?;
    let mut receipt = Value::Null;
    for nonce in 0..BLOCKS {
        let (to, input) = match nonce {
            0 => (TxKind::Create, Bytes::from_static(&LOGGER)),
            _ if nonce % LOG_EVERY == 0 => (TxKind::Call(logger), Bytes::from_static(&[1])),
            _ => (TxKind::Call(Address::repeat_byte(0xaa)), Bytes::new()),
        };
        receipt = connection.call(send, &json!([raw(wallet, nonce, to, input)?]))?;
    }
    Ok(Grown { took: begun.elapsed(), receipt })
}

fn raw(wallet: &PrivateKeySigner, nonce: u64, to: TxKind, input: Bytes) -> Result<String> {
    let tx = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 200_000,
        max_fee_per_gas: 10_000_000_000,
        max_priority_fee_per_gas: 1,
        to,
        value: U256::ZERO,
        input,
        ..TxEip1559::default()
    };
    let hash: B256 = tx.signature_hash();
    let signed = Tx::Eip1559(tx.into_signed(wallet.sign_hash_sync(&hash)?));
    Ok(hex::encode_prefixed(signed.encoded_2718()))
}

/// How a server stood up to calls of one kind.
#[derive(Default)]
struct Measured {
    /// From when a call was due to its answer, or to when it was given up.
    times: Vec<Duration>,
    answered: usize,
}

impl Measured {
    fn row(&self) -> String {
        let ms = |percent| millis(percentile(&self.times, percent));
        let share = 100.0 * self.answered as f64 / self.times.len() as f64;
        format!("{:>9.2} {:>9.2} {share:>8.1}%", ms(50), ms(99))
    }
}

/// The time of each call, from when it was due.
fn measure(url: &str, method: &str, params: &Value) -> Result<Measured> {
    // A first answer, so that an error shows and nothing is cold.
    Connection::open(url)?.call(method, params)?;
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
    let start = Instant::now() + Duration::from_millis(50);
    let threads = (0..CONNECTIONS).map(|at| {
        let (url, body) = (url.to_owned(), body.clone());
        thread::spawn(move || -> Result<Measured> {
            let mut connection = Connection::open(&url)?;
            let every = Duration::from_secs(1) * CONNECTIONS / RATE;
            let mut due = start + Duration::from_secs(1) * at / RATE;
            let mut measured = Measured::default();
            while due < start + SPAN {
                thread::sleep(due.saturating_duration_since(Instant::now()));
                if Instant::now() < start + SPAN + GRACE {
                    match connection.exchange(&body) {
                        Ok(_) => measured.answered += 1,
                        // Whatever it still sends would be taken for the next answer.
                        Err(_) => connection = Connection::open(&url)?,
                    }
                }
                measured.times.push(due.elapsed());
                due += every;
            }
            Ok(measured)
        })
    });
    let mut all = Measured::default();
    for thread in threads.collect::<Vec<_>>() {
        let measured = thread.join().map_err(|_| eyre::eyre!("a caller panicked"))??;
        all.times.extend(measured.times);
        all.answered += measured.answered;
    }
    Ok(all)
}
