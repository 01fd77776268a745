//! The executable specification, in a process of its own.

use std::{
    env,
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use alloy_primitives::{B256, Bloom, Bytes, U64};
use serde::Deserialize;
use serde_json::{Value, json};

/// Where `cargo xtask test eels` says that Python has the specification.
pub const PYTHON: &str = "ETHREX_EELS_PYTHON";

/// A running specification.
#[derive(Debug)]
pub struct Eels {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

/// What the specification makes of a state, an environment, and candidates.
#[derive(Debug, Clone, Deserialize)]
pub struct Judged {
    /// What came of the block.
    pub result: Outcome,
    /// The state after it, in the form in which it is given again.
    pub alloc: Value,
}

/// What came of a block.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// State root.
    pub state_root: B256,
    /// Root of the transactions that are in the block.
    pub tx_root: B256,
    /// Receipts root.
    pub receipts_root: B256,
    /// Root of the withdrawals, from Shanghai on.
    pub withdrawals_root: Option<B256>,
    /// Bloom of all logs.
    pub logs_bloom: Bloom,
    /// Gas used.
    pub gas_used: U64,
    /// Base fee.
    pub current_base_fee: U64,
    /// Excess blob gas, from Cancun on.
    pub current_excess_blob_gas: Option<U64>,
    /// Hash of the requests, from Prague on.
    pub requests_hash: Option<B256>,
    /// The requests, each behind its type.
    #[serde(default)]
    pub requests: Vec<Bytes>,
    /// Candidates that cannot stand in the block.
    pub rejected: Vec<Rejected>,
    /// Why there is no block at all.
    pub block_exception: Option<String>,
}

/// A candidate that cannot stand in a block.
#[derive(Debug, Clone, Deserialize)]
pub struct Rejected {
    /// Its place among the candidates.
    pub index: usize,
    /// Why.
    pub error: String,
}

impl Eels {
    /// Starts it, where it is installed.
    ///
    /// # Panics
    /// If it is said to be installed and does not start.
    #[must_use]
    pub fn start() -> Option<Self> {
        let python = env::var_os(PYTHON)?;
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("oracle.py");
        let mut child = Command::new(python)
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the Python that was named starts");
        let input = child.stdin.take().expect("it is piped");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        Some(Self { child, input, output })
    }

    /// The state transition from `alloc` in the environment `env`, over candidates in RLP.
    ///
    /// # Panics
    /// If the specification fails itself.
    pub fn judge(
        &mut self,
        fork: &str,
        chain_id: u64,
        alloc: &Value,
        env: &Value,
        candidates: &[u8],
    ) -> Judged {
        let request = json!({
            "args": [
                "--input.alloc=stdin", "--input.env=stdin", "--input.txs=stdin",
                "--output.result=stdout", "--output.alloc=stdout",
                format!("--state.fork={fork}"), format!("--state.chainid={chain_id}"),
            ],
            "input": {"alloc": alloc, "env": env, "txs": Bytes::copy_from_slice(candidates)},
        });
        writeln!(self.input, "{request}").expect("the specification reads");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("the specification answers");
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }
}

impl Drop for Eels {
    fn drop(&mut self) {
        // It may have ended by itself, and nobody asks it anything more.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
