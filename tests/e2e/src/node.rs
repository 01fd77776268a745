//! The binary under test: `ethrex l2 --dev` alone, or `ethrex l2` with its prover on an L1 that somebody else runs.

use std::fs::{self, OpenOptions};
use std::io;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use alloy_primitives::{Address, B256, address};
use serde::{Deserialize, Serialize};
use tempfile::TempDir;

use crate::round_trip::{Account, Chains};
use crate::wait::{self, TooLate};
use crate::{Cast, CastError, Tools};

/// A start must answer by then, on a machine that does other things too.
pub(crate) const START: Duration = Duration::from_secs(60);
/// How much of a log is told when something goes wrong.
const LOG_TAIL: usize = 4_000;

/// Keys of the documented dev accounts.
pub(crate) const COMMITTER_KEY: &str =
    "0x385c546456b6a603a1cfcaa9ec9494ba4832da08dd6bcf4de9a71e4a01b74924";
const PROOF_SENDER_KEY: &str = "0x39725efee3fb28614de3bacaffe4cc4bd8c436257e2c8bb887c4b5c4be45e76d";
const OWNER: &str = "0x4417092b70a3e5f10dc504d0947dd256b965fc62";
/// Accounts that a dev node sends from or pays fees to: committer, proof sender, owner.
const OPERATORS: [Address; 3] = [
    address!("3d1e15a1a55578f7c920884a9943b3b35d0d885b"),
    address!("e25583099ba105d9ec0a67f5ae86d90e50036425"),
    address!("4417092b70a3e5f10dc504d0947dd256b965fc62"),
];

/// What `--dev.info-file` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Info {
    /// JSON-RPC of the dev L1.
    pub l1_rpc: String,
    /// JSON-RPC of the L2.
    pub l2_rpc: String,
    /// Where the L1's blobs are read.
    pub beacon: String,
    /// The L1's chain id.
    pub chain_id_l1: u64,
    /// The L2's chain id.
    pub chain_id_l2: u64,
    /// `CommonBridge` on the L1.
    pub bridge: Address,
    /// `OnChainProposer` on the L1.
    pub on_chain_proposer: Address,
    /// `Timelock` on the L1.
    pub timelock: Address,
    /// `host:port` of the proof coordinator.
    pub proof_coordinator: String,
    /// Accounts with funds.
    pub rich_accounts: Vec<RichAccount>,
}

/// A funded account of the dev chains.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RichAccount {
    /// Its address.
    pub address: Address,
    /// Its key: worthless by design.
    pub private_key: B256,
}

/// A node that did not do what it was started for.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// A file or a process.
    #[error("{doing}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// It ended by itself.
    #[error("the node ended ({status}); the end of its log:\n{log}")]
    Ended {
        /// How.
        status: ExitStatus,
        /// Its last words.
        log: String,
    },
    /// It runs, but does not answer.
    #[error("{late}; the end of its log:\n{log}")]
    Silent {
        /// What did not happen.
        late: TooLate,
        /// Its last words.
        log: String,
    },
    /// The info file is not what it should be.
    #[error("the info file is malformed")]
    Info(#[source] serde_json::Error),
    /// The environment file of a deployment lacks a line.
    #[error("the deployment wrote no {0}")]
    Env(&'static str),
}

pub(crate) fn io(doing: &'static str) -> impl FnOnce(io::Error) -> NodeError {
    move |source| NodeError::Io { doing, source }
}

/// A process with its log; killed when dropped.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts it in the folder of its log: what a program leaves where it runs stays out of the sources.
    pub(crate) fn start(
        program: &Path,
        args: &[&str],
        env: &[(String, String)],
        log: &Path,
    ) -> Result<Self, NodeError> {
        let mut command = Command::new(program);
        // The tester's own settings must not reach the node.
        for (name, _) in
            std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ETHREX_"))
        {
            command.env_remove(name);
        }
        let out = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .map_err(io("open the node's log"))?;
        let err = out.try_clone().map_err(io("open the node's log"))?;
        command.current_dir(log.parent().expect("a log is in a folder"));
        command.args(args).envs(env.iter().cloned()).stdin(Stdio::null()).stdout(out).stderr(err);
        let child = command.spawn().map_err(io("start the node"))?;
        Ok(Self { child, log: log.to_owned() })
    }

    /// Fails with the log where the process has ended.
    pub(crate) fn check(&mut self) -> Result<(), NodeError> {
        match self.child.try_wait().map_err(io("look after the node"))? {
            Some(status) => Err(NodeError::Ended { status, log: self.tail() }),
            None => Ok(()),
        }
    }

    /// Waits until `ready` gives something, or the process ends, or it takes too long.
    pub(crate) fn until<T>(
        &mut self,
        what: &'static str,
        mut ready: impl FnMut() -> Option<T>,
    ) -> Result<T, NodeError> {
        let mut ended = None;
        let waited = wait::until(what, START, || match self.check() {
            Ok(()) => Ok::<_, NodeError>(ready().map(Some)),
            Err(why) => {
                ended = Some(why);
                Ok(Some(None))
            }
        });
        match (waited, ended) {
            (_, Some(why)) => Err(why),
            (Ok(Some(answer)), None) => Ok(answer),
            (Ok(None), None) => unreachable!("only an ended process gives no answer"),
            (Err(late), None) => Err(NodeError::Silent { late, log: self.tail() }),
        }
    }

    fn tail(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&log[log.len().saturating_sub(LOG_TAIL)..]).into_owned()
    }

    /// Waits until it ends by itself with success.
    pub(crate) fn finish(&mut self) -> Result<(), NodeError> {
        let status = self.child.wait().map_err(io("wait for a command"))?;
        if status.success() { Ok(()) } else { Err(NodeError::Ended { status, log: self.tail() }) }
    }

    /// Asks it to end, as Ctrl-C does.
    pub(crate) fn interrupt(&self) -> Result<(), NodeError> {
        let mut kill = Command::new("kill");
        let status = kill.args(["-INT", &self.child.id().to_string()]).status();
        status.map(drop).map_err(io("interrupt the node"))
    }

    /// `kill -9`, and wait until it is gone.
    pub(crate) fn kill(&mut self) -> Result<(), NodeError> {
        self.child.kill().map_err(io("kill the node"))?;
        self.child.wait().map_err(io("wait for the node's end"))?;
        Ok(())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already, which is what is wanted.
        let _ = self.kill();
        if std::thread::panicking() {
            eprintln!("the end of {}:\n{}", self.log.display(), self.tail());
        }
    }
}

/// `ethrex l2 --dev` in a folder of its own. It can be killed and started again on the same data.
#[derive(Debug)]
pub struct Dev {
    tools: Tools,
    flags: &'static [&'static str],
    // Dropped before the folder that holds its log.
    process: Process,
    home: TempDir,
    /// What the running node told about itself.
    pub info: Info,
}

impl Dev {
    /// Starts one on empty data and waits until it has told where it is.
    ///
    /// # Errors
    /// If it ends or says nothing.
    pub fn start(tools: &Tools) -> Result<Self, NodeError> {
        Self::start_with(tools, &[])
    }

    /// As [`Self::start`], with more flags, which every restart repeats.
    ///
    /// # Errors
    /// If it ends or says nothing.
    pub fn start_with(tools: &Tools, flags: &'static [&'static str]) -> Result<Self, NodeError> {
        let mut home =
            TempDir::with_prefix("ethrex-e2e-").map_err(io("make a folder for the node"))?;
        home.disable_cleanup(std::env::var_os("ETHREX_E2E_KEEP").is_some());
        let (process, info) = launch(tools, home.path(), flags)?;
        Ok(Self { tools: tools.clone(), flags, process, home, info })
    }

    /// `kill -9`. The data stays.
    ///
    /// # Errors
    /// If the process cannot be killed.
    pub fn kill(&mut self) -> Result<(), NodeError> {
        self.process.kill()
    }

    /// Starts again after [`Self::kill`], on the same data.
    ///
    /// # Errors
    /// If it ends or says nothing.
    pub fn restart(&mut self) -> Result<(), NodeError> {
        (self.process, self.info) = launch(&self.tools, self.home.path(), self.flags)?;
        Ok(())
    }

    /// Starts again, and kills it `after` a moment, whether it is ready or not.
    ///
    /// # Errors
    /// If it cannot be started or killed.
    pub fn start_and_kill(&mut self, after: Duration) -> Result<(), NodeError> {
        self.process = start(&self.tools, self.home.path(), self.flags)?;
        std::thread::sleep(after);
        self.process.kill()
    }

    /// Fails where the node has ended by itself.
    ///
    /// # Errors
    /// With the end of its log.
    pub fn check(&mut self) -> Result<(), NodeError> {
        self.process.check()
    }

    /// The process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.child.id()
    }

    /// The file with [`Self::info`].
    #[must_use]
    pub fn info_file(&self) -> PathBuf {
        info_file(self.home.path())
    }

    /// A funded account that the node itself does not use, once its money is there on L2.
    ///
    /// # Errors
    /// If the money does not come.
    pub fn account(&self, index: usize) -> Result<Account, TooLate> {
        let free = self.info.rich_accounts.iter().filter(|rich| !OPERATORS.contains(&rich.address));
        let rich = free.clone().nth(index % free.count()).expect("some accounts are free to use");
        let l2 = self.l2();
        wait::until("a dev account is funded on L2", START, || {
            Ok::<_, CastError>((!l2.balance(rich.address)?.is_zero()).then_some(()))
        })?;
        Ok(Account { address: rich.address, key: rich.private_key })
    }

    /// The two chains and the contracts between them.
    #[must_use]
    pub fn chains(&self) -> Chains {
        let Info { bridge, on_chain_proposer, .. } = self.info;
        Chains { l1: self.l1(), l2: self.l2(), bridge, on_chain_proposer }
    }

    /// The L1 as cast sees it.
    #[must_use]
    pub fn l1(&self) -> Cast {
        Cast::new(self.tools.cast.clone(), &self.info.l1_rpc)
    }

    /// The L2 as cast sees it.
    #[must_use]
    pub fn l2(&self) -> Cast {
        Cast::new(self.tools.cast.clone(), &self.info.l2_rpc)
    }
}

fn info_file(home: &Path) -> PathBuf {
    home.join("info.json")
}

/// Starts a node and waits until it tells where it is.
fn launch(tools: &Tools, home: &Path, flags: &[&str]) -> Result<(Process, Info), NodeError> {
    let mut process = start(tools, home, flags)?;
    let info = info_file(home);
    let told = || fs::read_to_string(&info).ok().filter(|text| !text.is_empty());
    let text = process.until("the node writes its info file", told)?;
    Ok((process, serde_json::from_str(&text).map_err(NodeError::Info)?))
}

/// Every port is free to choose, so any number of tests may run beside each other.
fn start(tools: &Tools, home: &Path, flags: &[&str]) -> Result<Process, NodeError> {
    let info = info_file(home);
    match fs::remove_file(&info) {
        Err(why) if why.kind() != io::ErrorKind::NotFound => {
            return Err(io("remove the old info file")(why));
        }
        _ => {}
    }
    let data = home.join("data");
    let args = [
        "l2",
        "--dev",
        "--no-monitor",
        "--datadir",
        &data.to_string_lossy(),
        "--http.addr",
        "127.0.0.1",
        "--http.port",
        "0",
        "--dev.l1-http-port",
        "0",
        "--proof-coordinator.port",
        "0",
        "--dev.info-file",
        &info.to_string_lossy(),
    ];
    Process::start(&tools.ethrex, &[&args, flags].concat(), &[], &home.join("node.log"))
}

/// Addresses that `ethrex l2 deploy` wrote, as the environment of `ethrex l2`.
#[derive(Debug, Clone)]
pub struct Deployment {
    env: Vec<(String, String)>,
    /// `CommonBridge`.
    pub bridge: Address,
    /// `OnChainProposer`.
    pub on_chain_proposer: Address,
}

/// Runs `ethrex l2 deploy` on an L1 to its end.
///
/// # Errors
/// If it fails, or its environment file lacks an address.
pub fn deploy(tools: &Tools, l1_rpc: &str, home: &Path) -> Result<Deployment, NodeError> {
    let env_file = home.join("deployment.env");
    let log = home.join("deploy.log");
    let args = [
        "l2",
        "deploy",
        "--eth-rpc-url",
        l1_rpc,
        "--private-key",
        COMMITTER_KEY,
        "--on-chain-proposer-owner",
        OWNER,
        "--bridge-owner",
        OWNER,
        "--env-file-path",
        &env_file.to_string_lossy(),
    ];
    let mut process = Process::start(&tools.ethrex, &args, &[], &log)?;
    process.finish()?;
    let env = read_env(&env_file)?;
    let address = |name: &'static str| {
        let value =
            env.iter().find(|(key, _)| key == name).and_then(|(_, value)| value.parse().ok());
        value.ok_or(NodeError::Env(name))
    };
    let bridge = address("ETHREX_WATCHER_BRIDGE_ADDRESS")?;
    let on_chain_proposer = address("ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS")?;
    Ok(Deployment { env, bridge, on_chain_proposer })
}

/// The variables of an environment file.
pub(crate) fn read_env(path: &Path) -> Result<Vec<(String, String)>, NodeError> {
    let text = fs::read_to_string(path).map_err(io("read the deployment's environment file"))?;
    let lines = text.lines().filter_map(|line| line.split_once('='));
    Ok(lines.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect())
}

/// `ethrex l2` and `ethrex l2 prover` over an L1 that runs already.
#[derive(Debug)]
pub struct Layer2 {
    node: Process,
    prover: Process,
    rpc: Cast,
    _home: TempDir,
}

impl Layer2 {
    /// Starts both and waits until the RPC answers.
    ///
    /// # Errors
    /// If one of them ends or nothing answers.
    pub fn start(tools: &Tools, l1_rpc: &str, deployment: &Deployment) -> Result<Self, NodeError> {
        let home = TempDir::with_prefix("ethrex-e2e-").map_err(io("make a folder for the node"))?;
        let (http, coordinator) = (free_port()?.to_string(), free_port()?.to_string());
        let data = home.path().join("data");
        let args = [
            "l2",
            "--no-monitor",
            "--datadir",
            &data.to_string_lossy(),
            "--eth.rpc-url",
            l1_rpc,
            "--http.addr",
            "127.0.0.1",
            "--http.port",
            &http,
            "--committer.l1-private-key",
            COMMITTER_KEY,
            "--proof-coordinator.l1-private-key",
            PROOF_SENDER_KEY,
            "--proof-coordinator.port",
            &coordinator,
            // Anvil mines only when something is sent, so nothing would ever be ten blocks deep.
            "--watcher.block-delay",
            "0",
            "--watcher.watch-interval",
            "200",
            "--block-producer.block-time",
            "1000",
            "--block-producer.coinbase-address",
            OWNER,
            "--committer.commit-time",
            "3000",
            "--proof-coordinator.send-interval",
            "1000",
        ];
        let mut node =
            Process::start(&tools.ethrex, &args, &deployment.env, &home.path().join("node.log"))?;
        let rpc = Cast::new(tools.cast.clone(), &format!("http://127.0.0.1:{http}"));
        node.until("the L2 answers", || rpc.block_number().ok())?;
        let url = format!("http://127.0.0.1:{coordinator}");
        let args = [
            "l2",
            "prover",
            "--backend",
            "exec",
            "--proof-coordinators",
            &url,
            "--proving-time",
            "500",
        ];
        let prover = Process::start(&tools.ethrex, &args, &[], &home.path().join("prover.log"))?;
        Ok(Self { node, prover, rpc, _home: home })
    }

    /// The L2 as cast sees it.
    #[must_use]
    pub fn l2(&self) -> Cast {
        self.rpc.clone()
    }

    /// Fails where one of the two has ended by itself.
    ///
    /// # Errors
    /// With the end of its log.
    pub fn check(&mut self) -> Result<(), NodeError> {
        self.node.check()?;
        self.prover.check()
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> Result<u16, NodeError> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).map_err(io("find a free port"))?;
    Ok(listener.local_addr().map_err(io("find a free port"))?.port())
}
