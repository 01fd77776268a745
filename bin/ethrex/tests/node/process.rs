//! The command under test, and the consensus client that drives it: JSON over plain HTTP.

use std::{
    fs::{self, File},
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use ethrex_rpc::JwtSecret;
use serde_json::{Value, json};
use tempfile::TempDir;

/// A genesis with every fork up to Osaka.
pub(crate) const GENESIS: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../crates/rollup/deploy/genesis/l1.json");
/// A start answers by then, on a machine that does other things too.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at a log.
const PAUSE: Duration = Duration::from_millis(5);
const SECRET: [u8; 32] = [7; 32];

/// The folder of a node: its data, its secret, its log.
pub(crate) struct Home {
    folder: TempDir,
    network: &'static str,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self::of(GENESIS)
    }

    /// Of a node that follows this network, by name or by genesis file.
    pub(crate) fn of(network: &'static str) -> Self {
        let home = Self { folder: tempfile::tempdir().unwrap(), network };
        fs::write(home.path("jwt.hex"), alloy_primitives::hex::encode(SECRET)).unwrap();
        home
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path("data")
    }

    /// Starts a node here, and does not wait until it answers.
    pub(crate) fn spawn(&self) -> Child {
        let log = File::create(self.path("node.log")).unwrap();
        command(self.folder.path())
            .args(["--network", self.network, "--ipcdisable", "--http.port", "0"])
            .args(["--authrpc.port", "0", "--http.api", "admin,debug,eth,txpool,web3"])
            .args(["--log.color", "never"])
            .arg("--datadir")
            .arg(self.data())
            .arg("--authrpc.jwtsecret")
            .arg(self.path("jwt.hex"))
            .stderr(log)
            .spawn()
            .unwrap()
    }

    /// Starts a node here and waits until it answers.
    pub(crate) fn start(&self) -> Node {
        let mut child = self.spawn();
        let deadline = Instant::now() + PATIENCE;
        let address = |line: &str, name: &str| -> Option<SocketAddr> {
            let (_, value) = line.split_once(&format!(" {name}="))?;
            value.split(' ').next()?.parse().ok()
        };
        loop {
            let log = self.log();
            let ready = log.lines().find(|line| line.contains("waiting for a consensus client"));
            if let Some((http, engine)) =
                ready.and_then(|line| Some((address(line, "http")?, address(line, "authrpc")?)))
            {
                return Node { child, client: Client { http, engine } };
            }
            let ended = child.try_wait().unwrap();
            assert!(ended.is_none(), "the node ended: {ended:?}\n{log}");
            assert!(Instant::now() < deadline, "the node does not answer\n{log}");
            thread::sleep(PAUSE);
        }
    }

    /// What the node has logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path("node.log")).unwrap()
    }

    /// Runs another command on the same data.
    pub(crate) fn run(&self, name: &str, file: &Path) -> Output {
        self.tool(name, file).output().unwrap()
    }

    /// Starts another command on the same data.
    pub(crate) fn tool(&self, name: &str, file: &Path) -> Command {
        let mut command = command(self.folder.path());
        command.arg(name).args(["--network", self.network, "--datadir"]).arg(self.data()).arg(file);
        command.stderr(Stdio::null());
        command
    }
}

fn command(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ethrex"));
    command.env_clear().env("HOME", home).current_dir(home);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// A node that answers. It is killed when dropped.
pub(crate) struct Node {
    child: Child,
    pub(crate) client: Client,
}

impl Node {
    /// `kill -9`.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // It may be gone already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks a node, which may die at any moment.
#[derive(Clone, Copy)]
pub(crate) struct Client {
    http: SocketAddr,
    engine: SocketAddr,
}

impl Client {
    /// The result of a call of the Engine API; an error where the node is gone.
    pub(crate) fn engine(&self, method: &str, params: &[Value]) -> io::Result<Value> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let token = JwtSecret::new(SECRET).token(now);
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let answer = post(self.engine, &format!("Authorization: Bearer {token}\r\n"), &call)?;
        Ok(result(method, &answer))
    }

    /// The result of a call of the public namespaces, from a node that lives.
    pub(crate) fn get(&self, method: &str, params: &[Value]) -> Value {
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        result(method, &post(self.http, "", &call).unwrap())
    }

    /// The results of as many calls of one method.
    pub(crate) fn get_all(&self, method: &str, params: impl Iterator<Item = Value>) -> Vec<Value> {
        let call =
            |(id, params)| json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        let calls: Vec<Value> = params.enumerate().map(call).collect();
        if calls.is_empty() {
            return Vec::new();
        }
        let answers = post(self.http, "", &json!(calls)).unwrap();
        let answers = answers.as_array().unwrap_or_else(|| panic!("{method}: {answers}"));
        answers.iter().map(|answer| result(method, answer)).collect()
    }
}

#[track_caller]
fn result(method: &str, answer: &Value) -> Value {
    answer.get("result").unwrap_or_else(|| panic!("{method}: {answer}")).clone()
}

fn post(address: SocketAddr, headers: &str, body: &Value) -> io::Result<Value> {
    let body = body.to_string();
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    // A node that dies may leave half an answer.
    let cut = || io::Error::from(io::ErrorKind::UnexpectedEof);
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(cut)?;
    assert!(head.starts_with("HTTP/1.1 200"), "{answer}");
    serde_json::from_str(body).map_err(|_| cut())
}
