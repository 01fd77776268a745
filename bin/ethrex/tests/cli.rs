//! The command as operators see it: exit codes, and errors that say what to do.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::{
    fs,
    path::Path,
    process::{Command, Output, Stdio},
};

use ethrex_types::Network;

/// Runs the command in a folder of its own, with these variables and no other.
fn ethrex(args: &[&str], env: &[(&str, &str)]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    Command::new(env!("CARGO_BIN_EXE_ethrex"))
        .args(args)
        .env_clear()
        .env("HOME", folder.path())
        .envs(env.iter().copied())
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[track_caller]
fn refused(args: &[&str], env: &[(&str, &str)], names: &[&str]) {
    let output = ethrex(args, env);
    let message = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{args:?} did not fail");
    for name in names {
        assert!(message.contains(name), "{name:?} is not in: {message}");
    }
}

fn said(args: &[&str]) -> String {
    let output = ethrex(args, &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_version_is_told() {
    assert_eq!(said(&["--version"]), format!("ethrex {}\n", env!("ETHREX_BUILD_VERSION")));
    let (number, commit) = (env!("CARGO_PKG_VERSION"), env!("ETHREX_BUILD_COMMIT"));
    let known = commit != "00000000";
    let version = if known { format!("{number} ({commit})") } else { number.to_owned() };
    assert_eq!(env!("ETHREX_BUILD_VERSION"), version);
}

/// A genesis file that is always there.
const GENESIS: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/../../crates/rollup/deploy/genesis/l1.json");

#[test]
fn logs_go_to_a_folder_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("none.rlp"), []).unwrap();
    let (data, logs, file) = (path("data"), path("logs"), path("none.rlp"));
    let line = ["--network", GENESIS, "--log.dir", &logs, "import", "--datadir", &data, &file];
    assert!(said(&line).starts_with("0 blocks imported"));
    let files: Vec<_> = fs::read_dir(logs).unwrap().collect();
    let log = fs::read_to_string(files[0].as_ref().unwrap().path()).unwrap();
    assert!(files.len() == 1 && log.contains("opened database"), "{log}");
    refused(&["--log.dir", &file, "import", &file], &[], &["--log.dir", "cannot write there"]);
}

#[test]
fn flags_of_the_node_do_not_stand_before_a_command() {
    refused(&["--dev", "import", "x"], &[], &["--dev is a flag of the node", "before `import`"]);
    refused(&["--network", "sepolia", "l2", "--dev"], &[], &["--network", "before `l2`"]);
    refused(&["import", "--network", "/no/such", "x"], &[], &["--network /no/such"]);
}

#[test]
fn a_genesis_file_has_a_state_root() {
    let root = said(&["compute-state-root", "--path", GENESIS]);
    assert!(root.starts_with("0x") && root.len() == 67, "{root}");
    refused(&["compute-state-root", "--path", "/no/such"], &[], &["--path /no/such"]);
}

/// Every documented spelling that means something.
#[test]
fn help_names_every_flag_and_its_variable() {
    let check = |args: &[&str], names: &[&str]| {
        let help = said(args);
        for name in names {
            assert!(help.contains(name), "{name} is not in the help of {args:?}");
        }
    };
    check(
        &["--help"],
        &[
            "--dev",
            "--network",
            "ETHREX_NETWORK",
            "--datadir",
            "ETHREX_DATADIR",
            "--log.level",
            "ETHREX_LOG_LEVEL",
            "--log.color",
            "--mempool.maxsize",
            "--metrics",
            "--metrics.addr",
            "--metrics.port",
            "ETHREX_METRICS_PORT",
            "--http.addr",
            "ETHREX_HTTP_ADDR",
            "--http.port",
            "ETHREX_HTTP_PORT",
            "--http.corsdomain",
            "--http.vhosts",
            "ETHREX_HTTP_VHOSTS",
            "--http.api",
            "ETHREX_HTTP_API",
            "--ws.enabled",
            "ETHREX_ENABLE_WS",
            "--ws.addr",
            "ETHREX_WS_ADDR",
            "--ws.port",
            "ETHREX_WS_PORT",
            "--ws.api",
            "--ws.origins",
            "--ipcpath",
            "--ipcdisable",
            "--rpc.gascap",
            "--rpc.evmtimeout",
            "--rpc.batch-request-limit",
            "--rpc.max-request-size",
            "--rpc.max-response-size",
            "--rpc.max-connections",
            "--rpc.max-logs-per-response",
            "--rpc.max-blocks-per-filter",
            "--rpc.trace-timeout",
            "--rpc.trace-memory",
            "--rpc.max-tracing-requests",
            "--rpc.max-trace-filter-blocks",
            "--log.dir",
            "import-bench",
            "export",
            "compute-state-root",
            "--dev.info-file",
            "removedb",
        ],
    );
    let networks = Network::ALL.map(Network::name);
    check(&["--help"], &networks);
    check(&["import", "--help"], &networks);
    check(
        &["l2", "--help"],
        &[
            "--dev",
            "--network",
            "--datadir",
            "--log.level",
            "--http.addr",
            "--http.port",
            "--dev.l1-http-port",
            "--dev.info-file",
            "--no-monitor",
            "ETHREX_NO_MONITOR",
            "--eth.rpc-url",
            "ETHREX_ETH_RPC_URL",
            "--eth.maximum-allowed-max-fee-per-gas",
            "ETHREX_MAXIMUM_ALLOWED_MAX_FEE_PER_GAS",
            "--eth.maximum-allowed-max-fee-per-blob-gas",
            "ETHREX_MAXIMUM_ALLOWED_MAX_FEE_PER_BLOB_GAS",
            "--eth.backoff-factor",
            "ETHREX_BACKOFF_FACTOR",
            "--eth.min-retry-delay",
            "ETHREX_MIN_RETRY_DELAY",
            "--eth.max-retry-delay",
            "ETHREX_MAX_RETRY_DELAY",
            "--l1.bridge-address",
            "ETHREX_WATCHER_BRIDGE_ADDRESS",
            "--watcher.watch-interval",
            "ETHREX_WATCHER_WATCH_INTERVAL",
            "--watcher.max-block-step",
            "ETHREX_WATCHER_MAX_BLOCK_STEP",
            "--watcher.block-delay",
            "ETHREX_WATCHER_BLOCK_DELAY",
            "--block-producer.block-time",
            "ETHREX_BLOCK_PRODUCER_BLOCK_TIME",
            "--block-producer.coinbase-address",
            "ETHREX_BLOCK_PRODUCER_COINBASE_ADDRESS",
            "--block-producer.block-gas-limit",
            "ETHREX_BLOCK_PRODUCER_BLOCK_GAS_LIMIT",
            "--committer.l1-private-key",
            "ETHREX_COMMITTER_L1_PRIVATE_KEY",
            "--l1.on-chain-proposer-address",
            "ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS",
            "--l1.timelock-address",
            "ETHREX_TIMELOCK_ADDRESS",
            "--committer.commit-time",
            "ETHREX_COMMITTER_COMMIT_TIME",
            "--committer.batch-gas-limit",
            "ETHREX_COMMITTER_BATCH_GAS_LIMIT",
            "--committer.first-wake-up-time",
            "ETHREX_COMMITTER_FIRST_WAKE_UP_TIME",
            "--proof-coordinator.l1-private-key",
            "ETHREX_PROOF_COORDINATOR_L1_PRIVATE_KEY",
            "--proof-coordinator.addr",
            "ETHREX_PROOF_COORDINATOR_LISTEN_ADDRESS",
            "--proof-coordinator.port",
            "ETHREX_PROOF_COORDINATOR_LISTEN_PORT",
            "--proof-coordinator.send-interval",
            "ETHREX_PROOF_COORDINATOR_SEND_INTERVAL",
            "--proof-coordinator.secret",
            "--proof-coordinator.prover-timeout",
            "prover",
            "deploy",
            "removedb",
        ],
    );
    check(
        &["l2", "deploy", "--help"],
        &[
            "--eth-rpc-url",
            "ETHREX_ETH_RPC_URL",
            "--private-key",
            "ETHREX_DEPLOYER_L1_PRIVATE_KEY",
            "--on-chain-proposer-owner",
            "--bridge-owner",
            "--committer.l1-address",
            "--proof-sender.l1-address",
            "--genesis-l2-path",
            "--inclusion-max-wait",
            "--randomize-contract-deployment",
            "ETHREX_DEPLOYER_RANDOMIZE_CONTRACT_DEPLOYMENT",
            "--deposit-rich",
            "--private-keys-file-path",
            "--env-file-path",
        ],
    );
    check(
        &["l2", "prover", "--help"],
        &[
            "--backend",
            "PROVER_CLIENT_BACKEND",
            "--proof-coordinators",
            "PROVER_CLIENT_PROOF_COORDINATOR_URL",
            "--proving-time",
            "PROVER_CLIENT_PROVING_TIME",
            "--log.level",
        ],
    );
    check(&["removedb", "--help"], &["--datadir", "--force"]);
}

#[test]
fn keys_in_the_environment_do_not_show_in_the_help() {
    let output = ethrex(&["l2", "--help"], &[("ETHREX_COMMITTER_L1_PRIVATE_KEY", "hush")]);
    assert!(!String::from_utf8(output.stdout).unwrap().contains("hush"));
}

#[test]
fn an_l1_node_asks_which_chain_it_follows() {
    refused(&[], &[], &["error: say which chain", "--network", "ethrex --dev"]);
}

#[test]
fn every_variable_is_read() {
    const ACCOUNT: &str = "0x0101010101010101010101010101010101010101";
    // What is read from a variable is refused like what is read from its flag.
    for (variable, value, named) in [
        ("ETHREX_HTTP_PORT", "x", "--http.port"),
        ("ETHREX_HTTP_ADDR", "x", "--http.addr"),
        ("ETHREX_HTTP_CORSDOMAIN", "x", "--http.corsdomain"),
        ("ETHREX_HTTP_VHOSTS", "x:1", "--http.vhosts"),
        ("ETHREX_HTTP_API", "a b", "--http.api"),
        ("ETHREX_ENABLE_WS", "x", "--ws.enabled"),
        ("ETHREX_WS_ADDR", "x", "--ws.addr"),
        ("ETHREX_WS_PORT", "x", "--ws.port"),
        ("ETHREX_WS_API", "a b", "--ws.api"),
        ("ETHREX_WS_ORIGINS", "x", "--ws.origins"),
        ("ETHREX_METRICS_PORT", "x", "--metrics.port"),
        ("ETHREX_LOG_LEVEL", "info,x=loud", "--log.level"),
        ("ETHREX_NETWORK", "/no/such", "--network /no/such"),
        ("ETHREX_NO_MONITOR", "x", "--no-monitor"),
        ("ETHREX_ETH_RPC_URL", "http://l1", "--eth.rpc-url"),
        ("ETHREX_MAXIMUM_ALLOWED_MAX_FEE_PER_GAS", "0", "--eth.maximum-allowed-max-fee-per-gas"),
        (
            "ETHREX_MAXIMUM_ALLOWED_MAX_FEE_PER_BLOB_GAS",
            "0",
            "--eth.maximum-allowed-max-fee-per-blob-gas",
        ),
        ("ETHREX_BACKOFF_FACTOR", "0", "--eth.backoff-factor"),
        ("ETHREX_MIN_RETRY_DELAY", "9999", "--eth.min-retry-delay"),
        ("ETHREX_MAX_RETRY_DELAY", "1", "--eth.max-retry-delay"),
        ("ETHREX_WATCHER_BRIDGE_ADDRESS", ACCOUNT, "--l1.bridge-address"),
        ("ETHREX_WATCHER_WATCH_INTERVAL", "0", "--watcher.watch-interval"),
        ("ETHREX_WATCHER_MAX_BLOCK_STEP", "0", "--watcher.max-block-step"),
        ("ETHREX_WATCHER_BLOCK_DELAY", "x", "--watcher.block-delay"),
        ("ETHREX_BLOCK_PRODUCER_BLOCK_TIME", "1", "--block-producer.block-time"),
        ("ETHREX_BLOCK_PRODUCER_COINBASE_ADDRESS", "x", "--block-producer.coinbase-address"),
        ("ETHREX_BLOCK_PRODUCER_BLOCK_GAS_LIMIT", "1", "--block-producer.block-gas-limit"),
        ("ETHREX_COMMITTER_L1_PRIVATE_KEY", "x", "--committer.l1-private-key"),
        ("ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS", ACCOUNT, "--l1.on-chain-proposer-address"),
        ("ETHREX_TIMELOCK_ADDRESS", ACCOUNT, "--l1.timelock-address"),
        ("ETHREX_COMMITTER_COMMIT_TIME", "0", "--committer.commit-time"),
        ("ETHREX_COMMITTER_BATCH_GAS_LIMIT", "1", "--committer.batch-gas-limit"),
        ("ETHREX_COMMITTER_FIRST_WAKE_UP_TIME", "0", "--committer.first-wake-up-time"),
        ("ETHREX_PROOF_COORDINATOR_L1_PRIVATE_KEY", "x", "--proof-coordinator.l1-private-key"),
        ("ETHREX_PROOF_COORDINATOR_LISTEN_ADDRESS", "0.0.0.0", "--proof-coordinator.addr"),
        ("ETHREX_PROOF_COORDINATOR_LISTEN_PORT", "x", "--proof-coordinator.port"),
        ("ETHREX_PROOF_COORDINATOR_SEND_INTERVAL", "0", "--proof-coordinator.send-interval"),
        ("ETHREX_PROOF_COORDINATOR_PROVER_TIMEOUT", "0", "--proof-coordinator.prover-timeout"),
        ("ETHREX_PROOF_COORDINATOR_SECRET", "", "--proof-coordinator.secret"),
    ] {
        refused(&["l2", "--dev"], &[(variable, value)], &[named]);
    }
}

#[test]
fn a_variable_of_the_node_does_not_disturb_its_tools() {
    let env = [("ETHREX_HTTP_PORT", "1729"), ("ETHREX_LOG_LEVEL", "warn")];
    refused(&["l2", "removedb", "--datadir", "/no/such"], &env, &["there is no database"]);
    refused(&["removedb", "--datadir", "/no/such"], &env, &["there is no database"]);
}

const DEPLOY: [&str; 10] = [
    "l2",
    "deploy",
    "--eth-rpc-url",
    // Nothing listens on port 1 of this machine.
    "http://127.0.0.1:1",
    "--private-key",
    "0x385c546456b6a603a1cfcaa9ec9494ba4832da08dd6bcf4de9a71e4a01b74924",
    "--on-chain-proposer-owner",
    "0x4417092b70a3e5f10dc504d0947dd256b965fc62",
    "--bridge-owner",
    "0x4417092b70a3e5f10dc504d0947dd256b965fc62",
];

fn deploy_with(more: &[&'static str]) -> Vec<&'static str> {
    [&DEPLOY, more].concat()
}

#[test]
fn a_deployment_to_nowhere_ends_with_one_line() {
    let output = ethrex(&deploy_with(&["--log.level", "error"]), &[]);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        message.starts_with("error: deploy to L1") && message.lines().count() == 1,
        "{message}"
    );
}

#[test]
fn what_a_deployment_needs_is_named() {
    refused(
        &["l2", "deploy"],
        &[],
        &["--eth-rpc-url", "--private-key", "--on-chain-proposer-owner", "--bridge-owner"],
    );
    refused(
        &deploy_with(&["--private-keys-file-path", "keys.txt"]),
        &[],
        &["--private-keys-file-path", "--deposit-rich"],
    );
    refused(
        &deploy_with(&["--deposit-rich", "--private-keys-file-path", "no-such.txt"]),
        &[],
        &["--private-keys-file-path no-such.txt", "read the key file"],
    );
    refused(
        &deploy_with(&["--genesis-l2-path", "none.json"]),
        &[],
        &["--genesis-l2-path none.json"],
    );
    refused(&deploy_with(&["--inclusion-max-wait", "0"]), &[], &["--inclusion-max-wait"]);
    refused(&deploy_with(&["--committer.l1-address", "0x1"]), &[], &["--committer.l1-address"]);
}

#[test]
fn flags_of_later_features_are_not_swallowed() {
    for flag in ["--validium", "--based", "--aligned", "--sp1"] {
        refused(&["l2", flag], &[], &[flag]);
    }
}

#[test]
fn a_genesis_that_is_none_is_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let check = |text: &str, names: &[&str]| {
        let path = folder.path().join("genesis.json");
        fs::write(&path, text).unwrap();
        refused(&["--dev", "--network", path.to_str().unwrap()], &[], names);
    };
    check("{", &["--network", "geth's format"]);
    check("{}", &["--network", "geth's format", "config"]);
    check(r#"{"config":{"chainId":0},"alloc":{},"gasLimit":"0x1"}"#, &["--network", "chainId"]);
}

fn data_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("chain")).unwrap();
    fs::write(folder.path().join("chain/data"), "x").unwrap();
    fs::write(folder.path().join("rollup.sqlite"), "x").unwrap();
    folder
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn nothing_is_removed_without_a_yes() {
    let folder = data_folder();
    refused(&["removedb", "--datadir", text(folder.path())], &[], &["--force"]);
    assert!(folder.path().join("chain/data").exists());
}

#[test]
fn only_what_a_node_keeps_is_removed() {
    let folder = data_folder();
    fs::write(folder.path().join("notes.txt"), "mine").unwrap();
    said(&["removedb", "--force", "--datadir", text(folder.path())]);
    let left: Vec<_> =
        fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["notes.txt"]);

    let folder = data_folder();
    said(&["l2", "rm", "--force", "--datadir", text(folder.path())]);
    assert!(!folder.path().exists());
}
