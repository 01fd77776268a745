//! One chain, as `cast` sees it.

use std::fmt::{Debug, Display};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use alloy_primitives::{Address, B256, Bytes, U64, U256};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// Enough gas for every step of the tests, at a price above any base fee of a chain that is nearly empty.
const SIGNED_FEES: [&str; 6] =
    ["--gas-limit", "500000", "--gas-price", "20000000000", "--priority-gas-price", "1000000000"];

/// The same with gas for everything that is new at Amsterdam's prices.
const HEAVY_FEES: [&str; 6] =
    ["--gas-limit", "3000000", "--gas-price", "20000000000", "--priority-gas-price", "1000000000"];

/// Runs cast against one RPC endpoint.
#[derive(Debug, Clone)]
pub struct Cast {
    program: PathBuf,
    rpc: String,
}

/// A command of cast's that did not give what was asked.
#[derive(Debug, thiserror::Error)]
pub enum CastError {
    /// It could not be started.
    #[error("start cast")]
    Start(#[source] io::Error),
    /// It ended with an error.
    #[error("cast {command}: {stderr}")]
    Failed {
        /// Its first word.
        command: String,
        /// What it said.
        stderr: String,
    },
    /// It printed something else.
    #[error("cast {command} printed `{stdout}`")]
    Output {
        /// Its first word.
        command: String,
        /// What it printed.
        stdout: String,
    },
}

/// What a mined transaction left.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// The transaction.
    pub transaction_hash: B256,
    /// 1 where it succeeded.
    pub status: U64,
    /// The contract it created.
    pub contract_address: Option<Address>,
    /// Gas it used.
    pub gas_used: U64,
    /// Wei it paid for each.
    pub effective_gas_price: U256,
    /// Where it was mined.
    pub block_number: U64,
}

impl Receipt {
    /// Wei paid to have it mined, blobs not counted.
    #[must_use]
    pub fn fee(&self) -> U256 {
        self.gas_used.to::<U256>() * self.effective_gas_price
    }
}

impl Cast {
    /// The chain behind this endpoint.
    #[must_use]
    pub fn new(program: PathBuf, rpc: &str) -> Self {
        Self { program, rpc: rpc.to_owned() }
    }

    /// Balance in wei.
    pub fn balance(&self, address: Address) -> Result<U256, CastError> {
        self.parse("balance", &[&address.to_string()])
    }

    /// Height of the newest block.
    pub fn block_number(&self) -> Result<u64, CastError> {
        self.parse("block-number", &[])
    }

    /// Sends a transaction and waits until it is mined with success.
    pub fn send(&self, key: &B256, args: &[&str]) -> Result<Receipt, CastError> {
        let key = key.to_string();
        let receipt: Receipt =
            self.json("send", &[&["--json", "--private-key", &key], args].concat())?;
        if receipt.status == U64::from(1) {
            return Ok(receipt);
        }
        Err(CastError::Failed {
            command: "send".into(),
            stderr: format!("{} reverted", receipt.transaction_hash),
        })
    }

    /// Signs a transaction without asking any node, so that the same transaction can be handed in again.
    pub fn sign(
        &self,
        key: &B256,
        chain: u64,
        nonce: u64,
        args: &[&str],
    ) -> Result<Bytes, CastError> {
        let (key, chain, nonce) = (key.to_string(), chain.to_string(), nonce.to_string());
        let offline = ["--private-key", &key, "--chain", &chain, "--nonce", &nonce];
        self.parse("mktx", &[&offline, &SIGNED_FEES[..], args].concat())
    }

    /// As [`Self::sign`], with more gas than a plain step of the tests needs.
    pub fn sign_heavy(
        &self,
        key: &B256,
        chain: u64,
        nonce: u64,
        args: &[&str],
    ) -> Result<Bytes, CastError> {
        let (key, chain, nonce) = (key.to_string(), chain.to_string(), nonce.to_string());
        let offline = ["--private-key", &key, "--chain", &chain, "--nonce", &nonce];
        self.parse("mktx", &[&offline, &HEAVY_FEES[..], args].concat())
    }

    /// Hands in a signed transaction. `Ok` is the node's word that it has it.
    pub fn publish(&self, raw: &Bytes) -> Result<B256, CastError> {
        // By standard input: with a blob it is longer than the system lets an argument be.
        let params = serde_json::json!([raw]).to_string();
        let printed = self.run_with("rpc", &["eth_sendRawTransaction", "--raw"], Some(&params))?;
        serde_json::from_str(&printed).map_err(|_| output("rpc", &printed))
    }

    /// The next nonce of an account, mined transactions only.
    pub fn nonce(&self, address: Address) -> Result<u64, CastError> {
        self.parse("nonce", &[&address.to_string()])
    }

    /// The receipt, once there is one.
    pub fn receipt(&self, hash: B256) -> Result<Option<Receipt>, CastError> {
        self.rpc("eth_getTransactionReceipt", &[&hash.to_string()])
    }

    /// Reads something from a contract, as cast prints it.
    pub fn call_text(
        &self,
        to: Address,
        signature: &str,
        args: &[&str],
    ) -> Result<String, CastError> {
        self.run("call", &[&[&to.to_string(), signature], args].concat())
    }

    /// Reads one number from a contract.
    pub fn call(&self, to: Address, signature: &str, args: &[&str]) -> Result<U256, CastError> {
        let printed = self.call_text(to, signature, args)?;
        // cast adds a short form in brackets to large numbers.
        let number = printed.split_whitespace().next().unwrap_or_default();
        number.parse().map_err(|_| output("call", &printed))
    }

    /// Calls a contract with raw data and returns the raw answer as a number.
    pub fn call_raw(&self, to: Address, data: &str) -> Result<U256, CastError> {
        self.parse("call", &[&to.to_string(), data])
    }

    /// Calls any RPC method; parameters are JSON, or strings without quotes.
    pub fn rpc<T: DeserializeOwned>(&self, method: &str, params: &[&str]) -> Result<T, CastError> {
        self.json("rpc", &[&[method], params].concat())
    }

    /// As [`Self::rpc`], where callers must prove that they know a secret (in hexadecimal digits).
    pub fn rpc_with_secret<T: DeserializeOwned>(
        &self,
        secret: &str,
        method: &str,
        params: &[&str],
    ) -> Result<T, CastError> {
        self.json("rpc", &[&["--jwt-secret", secret, method], params].concat())
    }

    /// Logs of a contract with this first topic, from the first block to the last.
    pub fn logs(&self, address: Address, topic: B256) -> Result<Vec<Value>, CastError> {
        let filter = serde_json::json!({"address": address, "topics": [topic], "fromBlock": "0x0", "toBlock": "latest"});
        self.rpc("eth_getLogs", &[&filter.to_string()])
    }

    fn parse<T: std::str::FromStr<Err: Display>>(
        &self,
        command: &str,
        args: &[&str],
    ) -> Result<T, CastError> {
        let printed = self.run(command, args)?;
        printed.trim().parse().map_err(|_| output(command, &printed))
    }

    fn json<T: DeserializeOwned>(&self, command: &str, args: &[&str]) -> Result<T, CastError> {
        let printed = self.run(command, args)?;
        serde_json::from_str(&printed).map_err(|_| output(command, &printed))
    }

    fn run(&self, command: &str, args: &[&str]) -> Result<String, CastError> {
        self.run_with(command, args, None)
    }

    fn run_with(
        &self,
        command: &str,
        args: &[&str],
        input: Option<&str>,
    ) -> Result<String, CastError> {
        let mut cast = Command::new(&self.program);
        cast.arg(command).args(["--rpc-url", &self.rpc]).args(args);
        cast.stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() });
        let mut child =
            cast.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(CastError::Start)?;
        if let (Some(input), Some(mut stdin)) = (input, child.stdin.take()) {
            // cast reads all of it before it prints; where it ended early, its status says why.
            let _ = stdin.write_all(input.as_bytes());
        }
        let out = child.wait_with_output().map_err(CastError::Start)?;
        if !out.status.success() {
            let stderr = String::from_utf8_lossy(&out.stderr).trim().to_owned();
            return Err(CastError::Failed { command: command.to_owned(), stderr });
        }
        Ok(String::from_utf8_lossy(&out.stdout).into_owned())
    }
}

fn output(command: &str, stdout: &str) -> CastError {
    CastError::Output { command: command.to_owned(), stdout: stdout.trim().to_owned() }
}
