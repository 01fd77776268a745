//! An L1 node that a consensus client drives, and the clients that do.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use alloy_primitives::B256;
use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;

use crate::node::{NodeError, Process, free_port, io};
use crate::{Cast, CastError, Tools};

/// Name of the genesis in a node's folder.
const GENESIS: &str = "genesis.json";

/// `ethrex` with a genesis of its own, in a folder of its own. It can be killed and started again on the same data and ports.
#[derive(Debug)]
pub struct L1Node {
    tools: Tools,
    // Dropped before the folder that holds its log.
    process: Process,
    home: TempDir,
    http: u16,
    engine: u16,
    flags: &'static [&'static str],
}

impl L1Node {
    /// Starts one on empty data and waits until it answers.
    ///
    /// # Errors
    /// If it ends or says nothing.
    pub fn start(tools: &Tools, genesis: &Value) -> Result<Self, NodeError> {
        let home = folder_of_its_own()?;
        fs::write(home.path().join(GENESIS), genesis.to_string())
            .map_err(io("write the genesis"))?;
        Self::start_in(tools, home, &[])
    }

    /// Starts one with `flags` on the blocks of `chain`, a file for `ethrex import`, and waits until it answers.
    ///
    /// # Errors
    /// If the import fails, or the node ends or says nothing.
    pub fn imported(
        tools: &Tools,
        genesis: &Path,
        chain: &Path,
        flags: &'static [&'static str],
    ) -> Result<Self, NodeError> {
        let home = folder_of_its_own()?;
        fs::copy(genesis, home.path().join(GENESIS)).map_err(io("copy the genesis"))?;
        let chain = chain.to_string_lossy();
        let [network, data] = place(home.path());
        let args = ["--network", &network, "--datadir", &data, "import", &chain];
        Process::start(&tools.ethrex, &args, &[], &home.path().join("import.log"))?.finish()?;
        Self::start_in(tools, home, flags)
    }

    fn start_in(
        tools: &Tools,
        home: TempDir,
        flags: &'static [&'static str],
    ) -> Result<Self, NodeError> {
        let (http, engine) = (free_port()?, free_port()?);
        let process = launch(tools, home.path(), http, engine, flags)?;
        Ok(Self { tools: tools.clone(), process, home, http, engine, flags })
    }

    /// Calls a method of the Engine API, with the node's secret.
    ///
    /// # Errors
    /// If the secret cannot be read.
    pub fn engine(
        &self,
        method: &str,
        params: &[&str],
    ) -> Result<Result<Value, CastError>, NodeError> {
        let secret = fs::read_to_string(self.secret()).map_err(io("read the node's secret"))?;
        let cast = Cast::new(self.tools.cast.clone(), &self.engine_url());
        Ok(cast.rpc_with_secret(secret.trim(), method, params))
    }

    /// Where its JSON-RPC is.
    #[must_use]
    pub fn http(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.http).into()
    }

    /// `kill -9`. The data stays.
    ///
    /// # Errors
    /// If the process cannot be killed.
    pub fn kill(&mut self) -> Result<(), NodeError> {
        self.process.kill()
    }

    /// Starts again after [`Self::kill`].
    ///
    /// # Errors
    /// If it ends or says nothing.
    pub fn restart(&mut self) -> Result<(), NodeError> {
        self.process = launch(&self.tools, self.home.path(), self.http, self.engine, self.flags)?;
        Ok(())
    }

    /// Ctrl-C, and the end that follows.
    ///
    /// # Errors
    /// If it does not end with success.
    pub fn stop(&mut self) -> Result<(), NodeError> {
        self.process.interrupt()?;
        self.process.finish()
    }

    /// The chain as cast sees it.
    #[must_use]
    pub fn rpc(&self) -> Cast {
        Cast::new(self.tools.cast.clone(), &self.rpc_url())
    }

    fn rpc_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.http)
    }

    fn engine_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.engine)
    }

    fn secret(&self) -> PathBuf {
        self.home.path().join("data/jwt.hex")
    }
}

fn folder_of_its_own() -> Result<TempDir, NodeError> {
    let mut home = TempDir::with_prefix("ethrex-l1-").map_err(io("make a folder for the node"))?;
    home.disable_cleanup(std::env::var_os("ETHREX_E2E_KEEP").is_some());
    Ok(home)
}

/// Genesis and data.
fn place(home: &Path) -> [String; 2] {
    [GENESIS, "data"].map(|name| home.join(name).to_string_lossy().into_owned())
}

fn launch(
    tools: &Tools,
    home: &Path,
    http: u16,
    engine: u16,
    flags: &[&str],
) -> Result<Process, NodeError> {
    let [network, data] = place(home);
    let (http, engine) = (http.to_string(), engine.to_string());
    let args = [
        "--network",
        &network,
        "--datadir",
        &data,
        "--http.addr",
        "127.0.0.1",
        "--http.port",
        &http,
        "--authrpc.port",
        &engine,
    ];
    let args = [&args, flags].concat();
    let mut process = Process::start(&tools.ethrex, &args, &[], &home.join("node.log"))?;
    let cast = Cast::new(tools.cast.clone(), &format!("http://127.0.0.1:{http}"));
    process.until("the node answers", || cast.block_number().ok())?;
    Ok(process)
}

/// The consensus client without a network, in `consensus/minicl`.
#[derive(Debug)]
pub struct MiniCl {
    child: Child,
    ask: ChildStdin,
    answers: BufReader<ChildStdout>,
}

/// What a slot brought.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Slot {
    /// The slot.
    pub slot: u64,
    /// Hash of the block.
    pub hash: B256,
    /// Height of the block.
    pub number: u64,
    /// Its transactions.
    pub transactions: usize,
    /// Its blobs.
    pub blobs: usize,
    /// Its withdrawals.
    pub withdrawals: usize,
    /// Kinds of requests in it.
    pub requests: usize,
    /// The justified epoch after it.
    pub justified: u64,
    /// The final epoch after it.
    pub finalized: u64,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Answer {
    Slot(Slot),
    Failed { error: String },
}

impl MiniCl {
    /// Starts one with the rules of `fork` on the node's genesis.
    ///
    /// # Errors
    /// If it cannot be started, or ends before it is ready.
    pub fn start(node: &L1Node, fork: &str) -> Result<Self, NodeError> {
        let dir = folder().join("minicl");
        let log = File::create(node.home.path().join("minicl.log")).map_err(io("open a log"))?;
        let mut command = Command::new("node");
        command
            .current_dir(&dir)
            .arg("minicl.mjs")
            .args(["--engine", &node.engine_url(), "--rpc", &node.rpc_url(), "--fork", fork])
            .arg("--jwt")
            .arg(node.secret())
            .env("LODESTAR_PRESET", "minimal")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log);
        let mut child = command.spawn().map_err(io("start node"))?;
        let ask = child.stdin.take().expect("standard input is piped");
        let answers = BufReader::new(child.stdout.take().expect("standard output is piped"));
        let mut client = Self { child, ask, answers };
        client.line()?;
        Ok(client)
    }

    /// Asks for the next slot, and does not wait for it.
    ///
    /// # Errors
    /// If the client is gone.
    pub fn ask(&mut self) -> Result<(), NodeError> {
        self.ask.write_all(b"\n").map_err(io("ask for a slot"))
    }

    /// Waits for the slot that was asked for: what it brought, or why it failed.
    ///
    /// # Errors
    /// If the client is gone, or says something else.
    pub fn answer(&mut self) -> Result<Result<Slot, String>, NodeError> {
        let line = self.line()?;
        match serde_json::from_str(&line).map_err(NodeError::Info)? {
            Answer::Slot(slot) => Ok(Ok(slot)),
            Answer::Failed { error } => Ok(Err(error)),
        }
    }

    /// Asks for the next slot and waits for it.
    ///
    /// # Errors
    /// As [`Self::answer`].
    pub fn slot(&mut self) -> Result<Result<Slot, String>, NodeError> {
        self.ask()?;
        self.answer()
    }

    fn line(&mut self) -> Result<String, NodeError> {
        let mut line = String::new();
        self.answers.read_line(&mut line).map_err(io("read what the client says"))?;
        if line.is_empty() {
            let status = self.child.wait().map_err(io("wait for the client"))?;
            return Err(NodeError::Ended { status, log: "see minicl.log".into() });
        }
        Ok(line)
    }
}

impl Drop for MiniCl {
    fn drop(&mut self) {
        // It may be gone already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lodestar with sixteen validators, in `consensus/lodestar`.
#[derive(Debug)]
pub struct Lodestar {
    process: Process,
    /// When its first slot begins, in seconds since the epoch.
    pub genesis_time: u64,
}

/// Seconds between its slots. With two, the validators' work on a slot does not end within it on a busy machine: they miss every other
/// attestation, and nothing becomes final.
pub const LODESTAR_SLOT: u64 = 4;
/// Seconds that it has to start, before its first slot.
const LODESTAR_START: u64 = 20;

impl Lodestar {
    /// Starts one, with Capella from its genesis on.
    ///
    /// # Errors
    /// If it cannot be started.
    pub fn start(node: &L1Node) -> Result<Self, NodeError> {
        let dir = folder();
        let data = node.home.path().join("lodestar");
        let genesis: Value = node
            .rpc()
            .rpc("eth_getBlockByNumber", &["0x0", "false"])
            .map_err(|_: CastError| NodeError::Env("genesis block"))?;
        let hash = genesis["hash"].as_str().expect("a block has a hash").to_owned();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is set").as_secs();
        let genesis_time = now + LODESTAR_START;
        let (rest, p2p) = (free_port()?.to_string(), free_port()?.to_string());
        let text = |path: &Path| path.to_string_lossy().into_owned();
        let url = format!("http://127.0.0.1:{rest}");
        let args = [
            text(&dir.join("lodestar/node_modules/@chainsafe/lodestar/lib/index.js")),
            "dev".into(),
            "--dataDir".into(),
            text(&data),
            "--reset".into(),
            "--genesisValidators=16".into(),
            "--startValidators=0..15".into(),
            format!("--genesisEth1Hash={hash}"),
            format!("--genesisTime={genesis_time}"),
            "--params.ALTAIR_FORK_EPOCH=0".into(),
            "--params.BELLATRIX_FORK_EPOCH=0".into(),
            "--params.CAPELLA_FORK_EPOCH=0".into(),
            format!("--params.SECONDS_PER_SLOT={LODESTAR_SLOT}"),
            "--params.TERMINAL_TOTAL_DIFFICULTY=0".into(),
            format!("--execution.urls={}", node.engine_url()),
            format!("--jwt-secret={}", text(&node.secret())),
            "--eth1=false".into(),
            "--discv5=false".into(),
            "--listenAddress=127.0.0.1".into(),
            format!("--port={p2p}"),
            format!("--rest.port={rest}"),
            format!("--beaconNodes={url}"),
            "--suggestedFeeRecipient=0x70997970C51812dc3A010C7d01b50e0d17dc79C8".into(),
        ];
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let env = [
            ("LODESTAR_PRESET".to_owned(), "minimal".to_owned()),
            ("NODE_OPTIONS".to_owned(), format!("--require {}", text(&dir.join("loopback.cjs")))),
        ];
        let log = node.home.path().join("lodestar.log");
        drop(OpenOptions::new().create(true).append(true).open(&log));
        let process = Process::start(Path::new("node"), &args, &env, &log)?;
        Ok(Self { process, genesis_time })
    }

    /// Fails where it has ended by itself.
    ///
    /// # Errors
    /// With the end of its log.
    pub fn check(&mut self) -> Result<(), NodeError> {
        self.process.check()
    }
}

/// Where the clients are.
fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("consensus")
}
