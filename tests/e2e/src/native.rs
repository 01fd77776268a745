//! Native rollups: the processes, and the steps of the round as cast takes them.

use std::fs;
use std::path::PathBuf;

use alloy_primitives::{Address, B256, Bytes, U64, U256, address};
use serde::Deserialize;
use tempfile::TempDir;

use crate::node::{COMMITTER_KEY, NodeError, Process, RichAccount, free_port, io, read_env};
use crate::round_trip::{Account, PATIENCE, StepError};
use crate::wait;
use crate::{Cast, CastError, Receipt, Tools};

/// The predeploy that delivers messages of L1, and sends those that go there.
pub const MESSENGER: Address = address!("4e52000000000000000000000000000000000002");
/// Gas for the receiver of a message, which here is never a contract.
const MESSAGE_GAS: &str = "100000";
/// What the contract is asked to send a message.
const SEND_MESSAGE: &str = "sendMessage(address,uint256,uint64,bytes)";
/// What the messenger is asked to send a message.
pub const SEND: &str = "send(address,uint256,uint64,bytes)";
/// What the contract is asked to deliver one.
const CLAIM: &str =
    "claim((uint64,address,address,uint256,uint256,uint64,bytes),uint64,bytes32[],address)";

/// What `--dev.info-file` says of an L1, and of a native rollup on it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Info {
    /// JSON-RPC of the dev L1.
    pub l1_rpc: String,
    /// JSON-RPC of the L2, of a node that runs one.
    pub l2_rpc: Option<String>,
    /// `NativeRollup` on the L1, of a node that has deployed one.
    pub native_rollup: Option<Address>,
    /// Accounts with funds.
    pub rich_accounts: Vec<RichAccount>,
}

/// `nr_getOutboxProof`, one message.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OutboxProof {
    message: OutboxMessage,
    /// The settled block whose outbox holds it.
    pub number: U64,
    path: Vec<B256>,
    account_proof: Vec<Bytes>,
    storage_proof: Vec<Bytes>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
struct OutboxMessage {
    index: U64,
    sender: Address,
    to: Address,
    value: U256,
    fee: U256,
    gas_limit: U64,
    data: Bytes,
}

/// A node of ours with what it told about itself: the L1, with or without a rollup beside it.
#[derive(Debug)]
pub struct Node {
    process: Process,
    _home: TempDir,
    /// What it told.
    pub info: Info,
}

impl Node {
    /// `ethrex --dev --native-rollups`: an L1 that can verify native rollups, and nothing else.
    ///
    /// # Errors
    /// If it ends or says nothing.
    pub fn l1(tools: &Tools) -> Result<Self, NodeError> {
        Self::start(tools, &["--dev", "--native-rollups", "--http.port", "0"])
    }

    /// `ethrex l2 --dev --native-rollups`: everything in one process.
    ///
    /// # Errors
    /// If it ends or says nothing.
    pub fn all(tools: &Tools, flags: &[&str]) -> Result<Self, NodeError> {
        let node = ["l2", "--dev", "--native-rollups"];
        let ports = ["--http.port", "0", "--dev.l1-http-port", "0"];
        Self::start(tools, &[&node[..], &ports, flags].concat())
    }

    fn start(tools: &Tools, flags: &[&str]) -> Result<Self, NodeError> {
        let home = folder()?;
        let (info, data) = (home.path().join("info.json"), home.path().join("data"));
        let (told, data) = (info.to_string_lossy(), data.to_string_lossy());
        let files = ["--datadir", &data, "--dev.info-file", &told, "--http.addr", "127.0.0.1"];
        let args = [flags, &files].concat();
        let mut process = Process::start(&tools.ethrex, &args, &[], &home.path().join("node.log"))?;
        let text = process.until("the node writes its info file", || {
            fs::read_to_string(&info).ok().filter(|text| !text.is_empty())
        })?;
        let info = serde_json::from_str(&text).map_err(NodeError::Info)?;
        Ok(Self { process, _home: home, info })
    }

    /// A funded account.
    #[must_use]
    pub fn account(&self, index: usize) -> Account {
        let rich = &self.info.rich_accounts[index];
        Account { address: rich.address, key: rich.private_key }
    }

    /// Fails where it has ended by itself.
    ///
    /// # Errors
    /// With the end of its log.
    pub fn check(&mut self) -> Result<(), NodeError> {
        self.process.check()
    }

    /// Stops it as Ctrl-C does, and waits until it has ended with success.
    ///
    /// # Errors
    /// If it does not.
    pub fn interrupt(mut self) -> Result<(), NodeError> {
        self.process.interrupt()?;
        self.process.finish()
    }
}

/// What `ethrex l2 deploy --native-rollups` left.
#[derive(Debug)]
pub struct Deployment {
    env: Vec<(String, String)>,
    genesis: PathBuf,
    _home: TempDir,
    /// `NativeRollup`.
    pub rollup: Address,
}

/// Runs `ethrex l2 deploy --native-rollups` to its end.
///
/// # Errors
/// If it fails, or its environment file lacks the address.
pub fn deploy(tools: &Tools, l1_rpc: &str, flags: &[&str]) -> Result<Deployment, NodeError> {
    let home = folder()?;
    let (env_file, genesis) = (home.path().join(".env"), home.path().join("l2.json"));
    let (env_path, genesis_path) = (env_file.to_string_lossy(), genesis.to_string_lossy());
    let args = ["l2", "deploy", "--native-rollups", "--eth-rpc-url", l1_rpc];
    let files = ["--env-file-path", &env_path, "--genesis-l2-path", &genesis_path];
    let key = ["--private-key", COMMITTER_KEY];
    let args = [&args[..], &files, &key, flags].concat();
    Process::start(&tools.ethrex, &args, &[], &home.path().join("deploy.log"))?.finish()?;
    let env = read_env(&env_file)?;
    let name = "ETHREX_NATIVE_ROLLUP_CONTRACT_ADDRESS";
    let found = env.iter().find(|(key, _)| key == name).and_then(|(_, value)| value.parse().ok());
    let rollup = found.ok_or(NodeError::Env(name))?;
    Ok(Deployment { env, genesis, _home: home, rollup })
}

/// `ethrex l2 --native-rollups` on an L1 that runs already.
#[derive(Debug)]
pub struct Layer2 {
    process: Process,
    rpc: Cast,
    url: String,
    _home: TempDir,
}

impl Layer2 {
    /// Starts the sequencer.
    ///
    /// # Errors
    /// If it ends or nothing answers.
    pub fn sequence(tools: &Tools, l1_rpc: &str, of: &Deployment) -> Result<Self, NodeError> {
        Self::start(tools, l1_rpc, of, &["--native-rollups.l1-pk", COMMITTER_KEY])
    }

    /// Starts a sequencer that posts in blobs, and leaves proving and settling to others.
    ///
    /// # Errors
    /// If it ends or nothing answers.
    pub fn post_blobs(tools: &Tools, l1_rpc: &str, of: &Deployment) -> Result<Self, NodeError> {
        let posts = ["--native-rollups.l1-pk", COMMITTER_KEY, "--native-rollups.da", "blob"];
        let flags = [&posts[..], &["--native-rollups.no-settle"]].concat();
        Self::start(tools, l1_rpc, of, &flags)
    }

    /// Starts a node that follows L1 alone and settles with this key.
    ///
    /// # Errors
    /// If it ends or nothing answers.
    pub fn follow(
        tools: &Tools,
        l1_rpc: &str,
        of: &Deployment,
        key: &B256,
    ) -> Result<Self, NodeError> {
        let key = key.to_string();
        let flags = ["--native-rollups.follow", "--native-rollups.l1-pk", &key];
        Self::start(tools, l1_rpc, of, &flags)
    }

    /// The same, which also reads blobs that nobody has proven yet.
    ///
    /// # Errors
    /// If it ends or nothing answers.
    pub fn follow_blobs(
        tools: &Tools,
        l1_rpc: &str,
        of: &Deployment,
        key: &B256,
    ) -> Result<Self, NodeError> {
        let key = key.to_string();
        let flags = ["--native-rollups.follow", "--native-rollups.l1-pk", &key];
        // The development L1 serves its blobs beside its JSON-RPC.
        let beacon = ["--native-rollups.beacon-url", l1_rpc];
        Self::start(tools, l1_rpc, of, &[&flags[..], &beacon].concat())
    }

    /// Starts a node with these flags.
    ///
    /// # Errors
    /// If it ends or nothing answers.
    pub fn start(
        tools: &Tools,
        l1_rpc: &str,
        of: &Deployment,
        flags: &[&str],
    ) -> Result<Self, NodeError> {
        let home = folder()?;
        let (port, data) = (free_port()?.to_string(), home.path().join("data"));
        let (data, genesis) = (data.to_string_lossy(), of.genesis.to_string_lossy());
        let node = ["l2", "--native-rollups", "--no-monitor", "--eth.rpc-url", l1_rpc];
        let files = ["--datadir", &data, "--network", &genesis];
        let api = "eth,net,web3,nr,debug";
        let http = ["--http.addr", "127.0.0.1", "--http.port", &port, "--http.api", api];
        let times = ["--watcher.watch-interval", "200", "--native-rollups.block-time", "1000"];
        let settle = ["--native-rollups.advance-interval", "1000"];
        let args = [&node[..], &files, &http, &times, &settle, flags].concat();
        let mut process =
            Process::start(&tools.ethrex, &args, &of.env, &home.path().join("node.log"))?;
        let url = format!("http://127.0.0.1:{port}");
        let rpc = Cast::new(tools.cast.clone(), &url);
        process.until("the L2 answers", || rpc.block_number().ok())?;
        Ok(Self { process, rpc, url, _home: home })
    }

    /// The L2 as cast sees it.
    #[must_use]
    pub fn l2(&self) -> Cast {
        self.rpc.clone()
    }

    /// Where the L2 answers.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// `kill -9`.
    ///
    /// # Errors
    /// If it cannot be killed.
    pub fn kill(mut self) -> Result<(), NodeError> {
        self.process.kill()
    }

    /// Fails where it has ended by itself.
    ///
    /// # Errors
    /// With the end of its log.
    pub fn check(&mut self) -> Result<(), NodeError> {
        self.process.check()
    }
}

fn folder() -> Result<TempDir, NodeError> {
    let mut home = TempDir::with_prefix("ethrex-e2e-").map_err(io("make a folder for the node"))?;
    home.disable_cleanup(std::env::var_os("ETHREX_E2E_KEEP").is_some());
    Ok(home)
}

/// The two chains and the contract between them.
#[derive(Debug)]
pub struct Chains {
    /// Where money comes from.
    pub l1: Cast,
    /// Where it goes.
    pub l2: Cast,
    /// `NativeRollup` on the L1.
    pub rollup: Address,
}

impl Chains {
    /// Sends ether to an account on L2.
    pub fn deposit(&self, from: &Account, to: Address, wei: U256) -> Result<Receipt, StepError> {
        let (rollup, to, wei) = (self.rollup.to_string(), to.to_string(), wei.to_string());
        let call = [&rollup, SEND_MESSAGE, &to, "0", MESSAGE_GAS, "0x", "--value", &wei];
        Ok(self.l1.send(&from.key, &call)?)
    }

    /// Waits until an account has exactly this much on L2.
    pub fn credited(&self, who: Address, wei: U256) -> Result<(), StepError> {
        let ask = || Ok::<_, CastError>((self.l2.balance(who)? == wei).then_some(()));
        Ok(wait::until("the deposit is credited on L2", PATIENCE, ask)?)
    }

    /// Asks the messenger to pay somebody on L1.
    pub fn withdraw(&self, from: &Account, to: Address, wei: U256) -> Result<Receipt, StepError> {
        let (messenger, to, wei) = (MESSENGER.to_string(), to.to_string(), wei.to_string());
        let call = [&messenger, SEND, &to, "0", MESSAGE_GAS, "0x", "--value", &wei];
        Ok(self.l2.send(&from.key, &call)?)
    }

    /// Waits until L1 has settled the block of a withdrawal.
    pub fn claimable(&self, withdrawal: B256) -> Result<OutboxProof, StepError> {
        let hash = withdrawal.to_string();
        Ok(wait::until("the withdrawal is settled", PATIENCE, || {
            let proofs: Option<Vec<OutboxProof>> = self.l2.rpc("nr_getOutboxProof", &[&hash])?;
            Ok::<_, CastError>(proofs.and_then(|proofs| proofs.into_iter().next()))
        })?)
    }

    /// Shows L1 the outbox, unless it knows it, and has the message delivered. Returns the receipt of the latter.
    pub fn claim(&self, by: &Account, proof: &OutboxProof) -> Result<Receipt, StepError> {
        let (rollup, number) = (self.rollup.to_string(), proof.number.to::<u64>().to_string());
        let known = self.l1.call(self.rollup, "outboxRoot(uint64)(uint256)", &[&number])?;
        if known.is_zero() {
            let prove = "proveOutbox(uint64,bytes[],bytes[])";
            let (account, storage) = (list(&proof.account_proof), list(&proof.storage_proof));
            self.l1.send(&by.key, &[&rollup, prove, &number, &account, &storage])?;
        }
        let m = &proof.message;
        let (index, gas) = (m.index.to::<u64>(), m.gas_limit.to::<u64>());
        let message =
            format!("({index},{},{},{},{},{gas},{})", m.sender, m.to, m.value, m.fee, m.data);
        let (path, fee_to) = (list(&proof.path), by.address.to_string());
        Ok(self.l1.send(&by.key, &[&rollup, CLAIM, &message, &number, &path, &fee_to])?)
    }

    /// The newest block that L1 has settled.
    pub fn settled(&self) -> Result<u64, CastError> {
        let head = "head()((bytes32,bytes32,uint64,uint64,uint64,uint64,uint64))";
        let printed = self.l1.call_text(self.rollup, head, &[])?;
        let number = printed.split(',').nth(2).and_then(|word| word.split_whitespace().next());
        number
            .and_then(|number| number.parse().ok())
            .ok_or(CastError::Output { command: "call".to_owned(), stdout: printed })
    }
}

/// An array as cast takes it.
fn list<T: ToString>(entries: &[T]) -> String {
    let entries: Vec<String> = entries.iter().map(ToString::to_string).collect();
    format!("[{}]", entries.join(","))
}
