use clap::Parser;
use ethrex_node::config::{Cors, DataDir, Hosts};

use super::*;
use crate::cli::{Cli, Command};

/// What an operator must say.
const NEEDED: &str = "--eth.rpc-url http://l1:8545 \
    --l1.bridge-address 0x0101010101010101010101010101010101010101 \
    --l1.on-chain-proposer-address 0x0202020202020202020202020202020202020202 \
    --l1.timelock-address 0x0303030303030303030303030303030303030303 \
    --block-producer.coinbase-address 0x0404040404040404040404040404040404040404 \
    --committer.l1-private-key 0x385c546456b6a603a1cfcaa9ec9494ba4832da08dd6bcf4de9a71e4a01b74924 \
    --proof-coordinator.l1-private-key 0x39725efee3fb28614de3bacaffe4cc4bd8c436257e2c8bb887c4b5c4be45e76d";

fn parse(line: &str) -> L2Args {
    let words = ["ethrex", "l2"].into_iter().chain(line.split_whitespace());
    match Cli::try_parse_from(words).unwrap().command {
        Some(Command::L2(command)) => command.node,
        other => panic!("not a rollup: {other:?}"),
    }
}

fn on(line: &str) -> Result<RollupConfig, ConfigError> {
    match parse(line).try_into()? {
        Rollup::On(config) => Ok(*config),
        Rollup::Dev(_) => panic!("not a rollup on another L1"),
    }
}

fn dev(line: &str) -> Result<DevConfig, ConfigError> {
    match parse(&format!("--dev {line}")).try_into()? {
        Rollup::Dev(config) => Ok(*config),
        Rollup::On(_) => panic!("not a development rollup"),
    }
}

/// The message of a refusal names each of these.
#[track_caller]
fn refused<T: std::fmt::Debug>(config: Result<T, ConfigError>, names: &[&str]) {
    let message = config.unwrap_err().to_string();
    for name in names {
        assert!(message.contains(name), "{name:?} is not in: {message}");
    }
}

#[test]
fn a_development_rollup_needs_no_other_flag() {
    let config = dev("").unwrap();
    let settings = &config.settings;
    assert_eq!(config.l1.http.listen.to_string(), "127.0.0.1:8545");
    assert_eq!(config.l1.genesis.config.chain_id, 9);
    assert_eq!(settings.chain.http.listen.to_string(), "127.0.0.1:1729");
    assert_eq!(settings.chain.genesis.config.chain_id, 65_536_999);
    assert_eq!(settings.data, DataDir::Temporary);
    assert_eq!(settings.watcher.every, Duration::from_millis(200));
    assert_eq!(settings.watcher.delay, 0);
    assert_eq!(settings.sequencer.block_time, Duration::from_secs(1));
    assert_eq!(settings.committer.every, Duration::from_secs(5));
    assert_eq!(settings.committer.first_after, Duration::from_secs(5));
    assert_eq!(settings.proofs.send_every, Duration::from_secs(1));
    assert_eq!(settings.proofs.coordinator.to_string(), "127.0.0.1:3900");
    assert_eq!(settings.committer.key.address(), dev::DEPLOYER.address);
    assert_eq!(settings.proofs.key.address(), dev::PROOF_SENDER.address);
    assert_eq!(config.deploy.deposits.len(), 10);
    // Four steps and the deposits are sent at once.
    assert!(settings.fees.max_in_flight >= 14);
    assert_eq!(settings.fees.patience, Duration::from_secs(10));
}

#[test]
fn a_rollup_on_another_l1_has_the_documented_defaults() {
    let config = on(NEEDED).unwrap();
    let settings = &config.settings;
    assert_eq!(config.contracts.timelock, Address::repeat_byte(3));
    assert_eq!(settings.watcher.every, Duration::from_secs(12));
    assert_eq!((settings.watcher.delay, settings.watcher.max_step), (10, 5_000));
    assert_eq!(settings.sequencer.block_time, Duration::from_secs(5));
    assert_eq!(settings.sequencer.gas_limit, 30_000_000);
    assert_eq!(settings.committer.every, Duration::from_secs(60));
    assert_eq!(settings.committer.gas_limit, None);
    assert_eq!(settings.proofs.send_every, Duration::from_secs(5));
    assert_eq!(settings.proofs.timeout, Duration::from_secs(600));
    assert_eq!(settings.fees.max_fee, 10_000_000_000);
    assert_eq!(settings.fees.max_blob_fee, 10_000_000_000);
    assert_eq!(settings.fees.patience, Duration::from_secs(96));
    assert_eq!(settings.fees.max_patience, Duration::from_secs(1800));
}

#[test]
fn everything_that_has_no_default_is_asked_for_by_name() {
    let pairs: Vec<&str> = NEEDED.split_whitespace().collect();
    for (flag, env) in [
        ("--eth.rpc-url", "ETHREX_ETH_RPC_URL"),
        ("--l1.bridge-address", "ETHREX_WATCHER_BRIDGE_ADDRESS"),
        ("--l1.on-chain-proposer-address", "ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS"),
        ("--l1.timelock-address", "ETHREX_TIMELOCK_ADDRESS"),
        ("--block-producer.coinbase-address", "ETHREX_BLOCK_PRODUCER_COINBASE_ADDRESS"),
        ("--committer.l1-private-key", "ETHREX_COMMITTER_L1_PRIVATE_KEY"),
        ("--proof-coordinator.l1-private-key", "ETHREX_PROOF_COORDINATOR_L1_PRIVATE_KEY"),
    ] {
        let rest: Vec<_> =
            pairs.chunks(2).filter(|pair| pair[0] != flag).flatten().copied().collect();
        refused(on(&rest.join(" ")), &[flag, env]);
    }
}

#[test]
fn several_endpoints_may_follow_each_other() {
    let more = format!("{NEEDED} --eth.rpc-url http://b,http://c --eth.rpc-url http://d http://e");
    let hosts: Vec<_> =
        on(&more).unwrap().endpoints.iter().map(|url| url.host_str().unwrap().to_owned()).collect();
    assert_eq!(hosts, ["l1", "b", "c", "d", "e"]);
}

#[test]
fn an_l1_of_its_own_excludes_another() {
    for (flag, value) in [
        ("--eth.rpc-url", "http://l1:8545"),
        ("--l1.bridge-address", "0x0101010101010101010101010101010101010101"),
        ("--l1.on-chain-proposer-address", "0x0101010101010101010101010101010101010101"),
        ("--l1.timelock-address", "0x0101010101010101010101010101010101010101"),
    ] {
        refused(dev(&format!("{flag} {value}")), &["--dev", flag, "ETHREX_"]);
    }
}

#[test]
fn development_options_need_dev() {
    refused(on(&format!("{NEEDED} --dev.l1-http-port 1")), &["--dev.l1-http-port"]);
    refused(on(&format!("{NEEDED} --dev.info-file f")), &["--dev.info-file"]);
}

#[test]
fn contradictions_are_named() {
    let same = "--committer.l1-private-key \
        0x39725efee3fb28614de3bacaffe4cc4bd8c436257e2c8bb887c4b5c4be45e76d";
    refused(dev(same), &["--committer.l1-private-key", "--proof-coordinator.l1-private-key"]);
    refused(
        dev("--committer.batch-gas-limit 20000000"),
        &[
            "--committer.batch-gas-limit",
            "20000000",
            "30000000",
            "--block-producer.block-gas-limit",
        ],
    );
    refused(
        dev("--block-producer.block-gas-limit 16777215"),
        &["--block-producer.block-gas-limit", "16777215", "16777216"],
    );
    refused(
        dev("--eth.min-retry-delay 10 --eth.max-retry-delay 9"),
        &["--eth.min-retry-delay", "--eth.max-retry-delay"],
    );
    refused(dev("--http.port 8545"), &["--http.port", "--dev.l1-http-port", "127.0.0.1:8545"]);
    refused(dev("--http.port 3900"), &["--http.port", "--proof-coordinator.port"]);
    assert!(dev("--http.port 0 --dev.l1-http-port 0 --proof-coordinator.port 0").is_ok());
}

#[test]
fn other_machines_need_a_secret() {
    let open = "--proof-coordinator.addr 0.0.0.0";
    refused(dev(open), &["--proof-coordinator.addr", "--proof-coordinator.secret", "0.0.0.0"]);
    let config = dev(&format!("{open} --proof-coordinator.secret hush")).unwrap();
    assert_eq!(config.settings.proofs.secret.as_ref().unwrap().expose(), "hush");
    assert!(!format!("{config:?}").contains("hush"));
    refused(dev("--proof-coordinator.secret="), &["--proof-coordinator.secret"]);
}

#[test]
fn a_bad_key_is_not_shown() {
    let error = dev("--committer.l1-private-key 0xc0ffee").unwrap_err().to_string();
    assert!(error.contains("--committer.l1-private-key") && !error.contains("c0ffee"), "{error}");
}

#[test]
fn keys_are_not_shown_by_the_arguments_either() {
    let args = parse("--committer.l1-private-key 0xc0ffee");
    assert!(!format!("{args:?}").contains("c0ffee"));
}

#[test]
fn own_keys_become_the_sequencers_of_a_development_rollup() {
    let config = dev(&format!("--committer.l1-private-key {}", dev::RICH[5].private_key)).unwrap();
    assert_eq!(config.deploy.sequencers, [dev::RICH[5].address, dev::PROOF_SENDER.address]);
}

#[test]
fn out_of_range_numbers_are_refused() {
    for bad in [
        "--block-producer.block-time 999",
        "--committer.commit-time 0",
        "--watcher.watch-interval 0",
        "--http.port 65536",
        "--mempool.maxsize 0",
        "--l1.bridge-address 0x12",
        "--eth.rpc-url localhost:8545",
        "--eth.backoff-factor 0",
    ] {
        let words = ["ethrex", "l2"].into_iter().chain(bad.split(' '));
        let error = Cli::try_parse_from(words).unwrap_err().to_string();
        assert!(error.contains(bad.split(' ').next().unwrap()), "{error}");
    }
}

#[test]
fn web_pages_may_call_where_asked_for() {
    let cors = |line| dev(line).unwrap().settings.chain.http.cors;
    assert_eq!(cors(""), Cors::Nobody);
    assert_eq!(cors("--http.corsdomain *"), Cors::Anybody);
    let two = Cors::Origins(vec!["https://a.example".into(), "http://localhost:3000".into()]);
    assert_eq!(cors("--http.corsdomain https://a.example,http://localhost:3000"), two);
}

#[test]
fn whoever_opens_a_server_to_others_is_asked_by_any_name() {
    let hosts = |line| dev(line).unwrap().settings.chain.http.hosts;
    let names = |names: &[&str]| Hosts::Names(names.iter().map(|&name| name.to_owned()).collect());
    assert_eq!(hosts(""), names(&["localhost"]));
    assert_eq!(hosts("--http.addr 0.0.0.0"), Hosts::Any);
    assert_eq!(
        hosts("--http.addr 0.0.0.0 --http.vhosts A.example,b.example"),
        names(&["a.example", "b.example"])
    );
    assert_eq!(hosts("--http.vhosts *"), Hosts::Any);
    // The L1 beside it listens here alone.
    assert_eq!(dev("--http.addr 0.0.0.0").unwrap().l1.http.hosts, names(&["localhost"]));
}
