//! What a node is told, after flags and environment were read and checked.
//!
//! Units are in the types. Nothing here has a default: whoever makes a configuration says everything, and the
//! development presets are functions with a name.
//!
//! Not here: flags (`bin/ethrex`).

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};

use alloy_primitives::{Address, Bytes, U256};
use ethrex_deploy::{
    DeployConfig,
    native::{NativeDeployConfig, NativeMode},
};
use ethrex_l1::{Contracts, Policy, SigningKey};
pub use ethrex_prover::Secret;
pub use ethrex_rpc::{Accounts, Namespaces, SetLogFilter, config as rpc_limits};
pub use ethrex_settle::Da;
use ethrex_types::Genesis;
use url::Url;

/// Where a node keeps its data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DataDir {
    /// In this folder, which is made if it is not there.
    At(PathBuf),
    /// In a new folder that is removed at the end.
    Temporary,
    /// In memory; gone at the end.
    Memory,
}

/// What a node keeps in its folder. `removedb` removes exactly this.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout<'a> {
    root: &'a Path,
}

impl<'a> Layout<'a> {
    /// The layout below a folder.
    #[must_use]
    pub const fn new(root: &'a Path) -> Self {
        Self { root }
    }

    /// The database of the chain itself: of the L2 in a rollup, of the L1 otherwise.
    #[must_use]
    pub fn chain(&self) -> PathBuf {
        self.root.join("chain")
    }

    /// The database of the L1 that `l2 --dev` runs beside the rollup.
    #[must_use]
    pub fn dev_l1(&self) -> PathBuf {
        self.root.join("l1")
    }

    /// The rollup's store: batches, proofs, sent transactions.
    #[must_use]
    pub fn store(&self) -> PathBuf {
        self.root.join("rollup.sqlite")
    }

    /// The genesis of the L2 that `l2 --dev --native-rollups` has made, for other nodes of the same rollup.
    #[must_use]
    pub fn l2_genesis(&self) -> PathBuf {
        self.root.join("l2-genesis.json")
    }

    /// The secret that an L1 node shares with its consensus client. `removedb` leaves it: the other side has it too.
    #[must_use]
    pub fn jwt_secret(&self) -> PathBuf {
        self.root.join("jwt.hex")
    }

    /// The Unix socket of JSON-RPC.
    #[must_use]
    pub fn ipc(&self) -> PathBuf {
        self.root.join("ethrex.ipc")
    }

    /// Where blocks that fail their own check are written to.
    #[must_use]
    pub fn reproducers(&self) -> PathBuf {
        self.root.join("reproducers")
    }

    /// Every file and folder of a node, side files of the store included.
    #[must_use]
    pub fn entries(&self) -> Vec<PathBuf> {
        let store = self.store();
        let beside = ["sqlite-wal", "sqlite-shm", "sqlite-journal"];
        [
            self.chain(),
            self.dev_l1(),
            self.l2_genesis(),
            self.reproducers(),
            self.ipc(),
            store.clone(),
        ]
        .into_iter()
        .chain(beside.map(|extension| store.with_extension(extension)))
        .collect()
    }
}

/// Which web pages may call a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cors {
    /// None.
    Nobody,
    /// All.
    Anybody,
    /// Those of these origins, each with a scheme: `https://app.example`.
    Origins(Vec<String>),
}

/// By which names a server may be reached over HTTP. IP addresses are always good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hosts {
    /// By any.
    Any,
    /// By these.
    Names(Vec<String>),
}

/// A JSON-RPC server over HTTP or WebSocket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpConfig {
    /// Where it listens. Port 0 is a free one.
    pub listen: SocketAddr,
    /// Which web pages may call it.
    pub cors: Cors,
    /// By which names callers may reach it over HTTP.
    pub hosts: Hosts,
    /// Which methods it offers.
    pub namespaces: Namespaces,
}

/// JSON-RPC beside HTTP, and what all of it may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpcConfig {
    /// Its WebSocket server, where there is one.
    pub websocket: Option<HttpConfig>,
    /// Its Unix socket, where there is one. It offers every namespace, to the user who runs the node.
    pub ipc: Option<PathBuf>,
    /// What one caller may use.
    pub limits: RpcLimits,
    /// How what the process logs is changed, where callers of `admin` may do so.
    pub log_filter: Option<LogFilter>,
}

impl RpcConfig {
    /// HTTP alone.
    #[must_use]
    pub const fn http_only(limits: RpcLimits) -> Self {
        Self { websocket: None, ipc: None, limits, log_filter: None }
    }
}

/// Changes what the process logs: whoever has started the log knows how.
#[derive(Debug, Clone, Copy)]
pub struct LogFilter(pub SetLogFilter);

impl PartialEq for LogFilter {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::fn_addr_eq(self.0, other.0)
    }
}

impl Eq for LogFilter {}

/// What one caller of JSON-RPC may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RpcLimits {
    /// Gas of one simulated call at most.
    pub call_gas_cap: u64,
    /// Time of one simulated call at most; `None` = as long as its gas lasts.
    pub evm_timeout: Option<Duration>,
    /// Bytes of a request at most.
    pub max_request_bytes: u32,
    /// Bytes of a response at most.
    pub max_response_bytes: u32,
    /// Calls in one batch at most.
    pub max_batch: u32,
    /// Open connections of each server at most.
    pub max_connections: u32,
    /// Logs in one answer at most.
    pub max_logs: usize,
    /// Blocks that one search for logs may span.
    pub max_log_blocks: u64,
    /// What one request for traces may take.
    pub traces: TraceLimits,
}

/// What one request for traces may take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TraceLimits {
    /// Time of a request at most.
    pub time: Duration,
    /// Bytes that recording one transaction may take, as they are estimated.
    pub bytes: usize,
    /// Requests that are worked on at the same time.
    pub concurrent: usize,
    /// Blocks that one `trace_filter` may span.
    pub filter_blocks: u64,
}

/// Which program this is: callers and consensus clients ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// As releases are named, without a `v`.
    pub number: &'static str,
    /// The first bytes of the commit it is built from; zeros where that is not known.
    pub commit: [u8; 4],
}

impl Version {
    /// As `web3_clientVersion` says it: name, version, commit if it is known, system.
    #[must_use]
    pub fn client(&self) -> String {
        let (number, system) = (self.number, std::env::consts::OS);
        match self.commit {
            [0, 0, 0, 0] => format!("ethrex/v{number}/{system}"),
            commit => {
                format!("ethrex/v{number}-{}/{system}", alloy_primitives::hex::encode(commit))
            }
        }
    }
}

/// What a chain of ours needs, whoever decides its blocks.
#[derive(Debug, Clone)]
pub struct ChainConfig {
    /// Which program runs it.
    pub version: Version,
    /// Its genesis.
    pub genesis: Genesis,
    /// Its JSON-RPC server.
    pub http: HttpConfig,
    /// JSON-RPC beside that.
    pub rpc: RpcConfig,
    /// Transactions in the pool at most.
    pub mempool_size: usize,
    /// Accounts that JSON-RPC signs for, whoever asks.
    pub accounts: Accounts,
}

/// `ethrex --dev`: an L1 whose blocks come from a timer.
#[derive(Debug, Clone)]
pub struct L1DevConfig {
    /// The chain.
    pub chain: ChainConfig,
    /// Where its data is.
    pub data: DataDir,
    /// Whether each block is stored with its execution witness, for whoever asks for that of a recent block.
    pub precompute_witnesses: bool,
    /// Time from block to block. `None`: a block as soon as a transaction is pending.
    pub block_time: Option<Duration>,
    /// What goes into its blocks.
    pub builder: BuilderConfig,
    /// Prometheus metrics, where they are served.
    pub metrics: Option<SocketAddr>,
    /// Endpoints and accounts are written here as JSON once the node answers.
    pub info_file: Option<PathBuf>,
}

/// `ethrex`: an L1 node that a consensus client drives.
#[derive(Debug, Clone)]
pub struct L1Config {
    /// The chain.
    pub chain: ChainConfig,
    /// Where its data is.
    pub data: DataDir,
    /// Whether each block is stored with its execution witness, for whoever asks for that of a recent block.
    pub precompute_witnesses: bool,
    /// Where the consensus client calls.
    pub engine: EngineSettings,
    /// What goes into blocks built for it.
    pub builder: BuilderConfig,
    /// Prometheus metrics, where they are served.
    pub metrics: Option<SocketAddr>,
}

/// Where a consensus client calls, and how it proves that it may.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineSettings {
    /// Where the server listens. Port 0 is a free one.
    pub listen: SocketAddr,
    /// The file with the secret, which is made if it is not there; `None` = in the folder of the data.
    pub secret: Option<PathBuf>,
}

/// What goes into the blocks that a node builds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BuilderConfig {
    /// Free text, at most 32 bytes.
    pub extra_data: Bytes,
    /// Gas limit that blocks move towards; `None` = it stays as it is.
    pub gas_limit: Option<u64>,
    /// Blobs per block at most (EIP-7872); `None` = as many as the chain allows.
    pub max_blobs: Option<u64>,
}

impl BuilderConfig {
    /// No text, and whatever the chain allows.
    #[must_use]
    pub const fn plain() -> Self {
        Self { extra_data: Bytes::new(), gas_limit: None, max_blobs: None }
    }
}

/// Longest time without a block on a development L1.
pub const DEV_L1_BLOCK_TIME: Duration = Duration::from_secs(1);
/// Where the L1 of `l2 --dev` listens by default.
pub const DEV_L1_LISTEN: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8545);

/// `ethrex l2`: a rollup on an L1 that others run.
#[derive(Debug, Clone)]
pub struct RollupConfig {
    /// JSON-RPC endpoints of L1, tried in order.
    pub endpoints: Vec<Url>,
    /// The rollup's contracts on L1.
    pub contracts: Contracts,
    /// Everything that does not depend on which L1 it is.
    pub settings: RollupSettings,
}

/// `ethrex l2 --dev`: an L1, the contracts on it, a rollup and its prover, in one process.
#[derive(Debug, Clone)]
pub struct DevConfig {
    /// The L1. Its data is beside that of the rollup.
    pub l1: ChainConfig,
    /// What is deployed on it, and who gets deposits.
    pub deploy: DeployConfig,
    /// The rollup.
    pub settings: RollupSettings,
    /// Endpoints, addresses and accounts are written here as JSON once everything answers.
    pub info_file: Option<PathBuf>,
}

/// A rollup, but for its L1.
#[derive(Debug, Clone)]
pub struct RollupSettings {
    /// The L2 chain.
    pub chain: ChainConfig,
    /// Where its data is.
    pub data: DataDir,
    /// Prometheus metrics, where they are served.
    pub metrics: Option<SocketAddr>,
    /// How L1 is followed.
    pub watcher: WatcherConfig,
    /// How blocks are produced.
    pub sequencer: SequencerSettings,
    /// How batches are committed.
    pub committer: CommitterConfig,
    /// How batches are proven and verified.
    pub proofs: ProofConfig,
    /// What L1 transactions may cost, and when to offer more.
    pub fees: Policy,
}

/// How L1 is followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatcherConfig {
    /// Time between two looks.
    pub every: Duration,
    /// Most blocks asked for at once.
    pub max_step: u64,
    /// Blocks that must stand on top of one before it is believed.
    pub delay: u64,
}

/// How blocks are produced.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SequencerSettings {
    /// Time between two blocks.
    pub block_time: Duration,
    /// Gas limit of a block.
    pub gas_limit: u64,
    /// Receives the priority fees.
    pub coinbase: Address,
}

/// How batches are committed.
#[derive(Debug, Clone)]
pub struct CommitterConfig {
    /// Signs the commitments.
    pub key: SigningKey,
    /// Time between two batches.
    pub every: Duration,
    /// Time before the first batch after a start.
    pub first_after: Duration,
    /// Gas of the blocks of a batch at most; `None` = as much as fits its blob.
    pub gas_limit: Option<u64>,
}

/// How batches are proven and verified.
#[derive(Debug, Clone)]
pub struct ProofConfig {
    /// Signs the verifications. Never the committer's key: each key has one sender.
    pub key: SigningKey,
    /// Where provers connect. Port 0 is a free one.
    pub coordinator: SocketAddr,
    /// What provers must say. Never absent where others than this machine can connect.
    pub secret: Option<Secret>,
    /// How long a prover may work on a batch before it is given to another one.
    pub timeout: Duration,
    /// Time between two looks for proofs to send.
    pub send_every: Duration,
}

/// `ethrex l2 --native-rollups`: a native rollup on an L1 that others run.
#[derive(Debug, Clone)]
pub struct NativeConfig {
    /// JSON-RPC endpoints of L1, tried in order.
    pub endpoints: Vec<Url>,
    /// `NativeRollup` on L1.
    pub rollup: Address,
    /// The L1 block before which the contract did not exist.
    pub start_block: u64,
    /// Beacon nodes of L1, tried in order; none = blobs are known once they are proven.
    pub beacons: Vec<Url>,
    /// Everything that does not depend on which L1 it is.
    pub settings: NativeSettings,
}

/// `ethrex l2 --dev --native-rollups`: an L1 with EXECUTE, the contracts on it and a native rollup, in one process.
#[derive(Debug, Clone)]
pub struct NativeDevConfig {
    /// The L1. Its data is beside that of the rollup.
    pub l1: ChainConfig,
    /// What is deployed on it.
    pub deploy: NativeDeployConfig,
    /// Signs the deployment.
    pub deployer: SigningKey,
    /// The rollup.
    pub settings: NativeSettings,
    /// Endpoints, addresses and accounts are written here as JSON once everything answers.
    pub info_file: Option<PathBuf>,
}

/// A native rollup, but for its L1.
#[derive(Debug, Clone)]
pub struct NativeSettings {
    /// The L2 chain.
    pub chain: ChainConfig,
    /// Where its data is.
    pub data: DataDir,
    /// Prometheus metrics, where they are served.
    pub metrics: Option<SocketAddr>,
    /// How L1 is followed.
    pub watcher: WatcherConfig,
    /// How the contract must settle; `None` = as it says.
    pub mode: Option<NativeMode>,
    /// Whether this node makes blocks; `None` = it follows L1 alone.
    pub sequence: Option<NativeSequencing>,
    /// Signs what settles blocks on L1; `None` = this node settles nothing.
    pub settler: Option<SigningKey>,
    /// Time between two settlements.
    pub settle_every: Duration,
    /// Signs challenges; `None` = this node disputes nothing. It may be the settler's key.
    pub challenger: Option<SigningKey>,
    /// What L1 transactions may cost, and when to offer more.
    pub fees: Policy,
}

/// How blocks of a native rollup are made.
#[derive(Debug, Clone)]
pub struct NativeSequencing {
    /// Signs what opens a block's view of L1 and delivers messages, on L2.
    pub relayer: SigningKey,
    /// Time between two blocks.
    pub block_time: Duration,
    /// Messages of L1 that pay less, in wei, are left to others.
    pub least_claim_fee: U256,
    /// How items are posted.
    pub da: Da,
    /// Whether what is posted is also proven and settled; otherwise that is left to others.
    pub settles: bool,
}

/// `ethrex l2 prover`.
#[derive(Debug, Clone)]
pub struct ProverClientConfig {
    /// Proof coordinators, all of which are asked: `tcp://host:port`.
    pub coordinators: Vec<Url>,
    /// What they want to hear.
    pub secret: Option<Secret>,
    /// How batches are proven.
    pub backend: ProverBackend,
    /// Time between two requests while there is nothing to prove.
    pub every: Duration,
}

/// How batches are proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProverBackend {
    /// By executing them again; the proof convinces nobody else.
    Exec,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_names_its_commit_if_it_knows_it() {
        let client = |commit| Version { number: "1.2.3", commit }.client();
        assert!(client([0xab, 0, 1, 2]).starts_with("ethrex/v1.2.3-ab000102/"));
        assert!(client([0; 4]).starts_with("ethrex/v1.2.3/"));
    }

    #[test]
    fn every_path_of_a_node_is_an_entry() {
        let layout = Layout::new(Path::new("/data"));
        let entries = layout.entries();
        for path in [layout.chain(), layout.dev_l1(), layout.store(), layout.reproducers()] {
            assert!(entries.contains(&path));
        }
        assert!(entries.contains(&PathBuf::from("/data/rollup.sqlite-wal")));
        assert!(entries.iter().all(|entry| entry.parent() == Some(Path::new("/data"))));
    }
}
