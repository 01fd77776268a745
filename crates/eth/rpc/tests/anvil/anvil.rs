//! Anvil, and how it makes the blocks that we make.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::NamedTempFile;

use crate::{chain, scenario::Sent};

/// A running anvil; stopped when dropped.
pub(crate) struct Anvil {
    child: Child,
    address: String,
    _genesis: NamedTempFile,
}

impl Anvil {
    /// Starts it on our genesis; `None` where it is not installed.
    pub(crate) fn start() -> Option<Self> {
        let Some(program) = program() else {
            println!("skipped: anvil is not installed, `cargo xtask test e2e` installs it");
            return None;
        };
        let mut genesis = NamedTempFile::new().unwrap();
        serde_json::to_writer(&mut genesis, chain::spec().genesis()).unwrap();
        genesis.flush().unwrap();
        let mut command = Command::new(program);
        command.arg("--init").arg(genesis.path());
        let chain_id = chain::ID.to_string();
        command.args(["--hardfork", "osaka", "--chain-id", &chain_id, "--host", "127.0.0.1"]);
        command.args(["--port", "0", "--no-mining", "--order", "fifo", "--steps-tracing"]);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines
            .by_ref()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("Listening on ").map(str::to_owned));
        // It prints every call; an unread pipe would block it once full.
        std::thread::spawn(move || lines.for_each(drop));
        let anvil = Self { child, address: address.unwrap(), _genesis: genesis };
        anvil.get("anvil_setCoinbase", &json!([chain::COINBASE]));
        Some(anvil)
    }

    /// Mines one block of these transactions.
    pub(crate) fn mine(&self, txs: &[Sent], time: u64, base_fee: u64) {
        for tx in txs {
            self.get("eth_sendRawTransaction", &json!([tx.raw]));
        }
        self.get("evm_setNextBlockTimestamp", &json!([time]));
        // Its first block costs what its genesis does.
        self.get("anvil_setNextBlockBaseFeePerGas", &json!([format!("{base_fee:#x}")]));
        self.get("evm_mine", &json!([]));
    }

    /// The result, or the error as an answer.
    pub(crate) fn ask(&self, method: &str, params: &Value) -> Value {
        let answer = self.call(method, params);
        answer.get("result").or_else(|| answer.get("error")).cloned().unwrap_or_default()
    }

    fn get(&self, method: &str, params: &Value) -> Value {
        let answer = self.call(method, params);
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    fn call(&self, method: &str, params: &Value) -> Value {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let body = body.to_string();
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(
            stream,
            "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(!head.to_ascii_lowercase().contains("transfer-encoding"), "{head}");
        serde_json::from_str(body).unwrap()
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        // It may have ended already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The native executable: npm's wrapper would hide its process id.
fn program() -> Option<PathBuf> {
    let scope = Path::new(env!("CARGO_MANIFEST_DIR"))
        .ancestors()
        .nth(3)?
        .join("tests/e2e/js/node_modules/@foundry-rs");
    let mut packages = scope.read_dir().ok()?.flatten();
    packages.find_map(|package| {
        let name = package.file_name().to_string_lossy().into_owned();
        let program = package.path().join("bin/anvil");
        (name.starts_with("anvil-") && program.is_file()).then_some(program)
    })
}
