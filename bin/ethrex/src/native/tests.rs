use std::io::Write as _;

use clap::Parser;
use ethrex_node::config::DataDir;
use tempfile::NamedTempFile;

use super::*;
use crate::{
    cli::{Cli, Command},
    deploy::Deployment,
    l2::L2Tool,
};

const CONTRACT: &str = "0x0101010101010101010101010101010101010101";
const KEY: &str = "0x385c546456b6a603a1cfcaa9ec9494ba4832da08dd6bcf4de9a71e4a01b74924";

fn parse(line: &str) -> L2Args {
    let words = ["ethrex", "l2", "--native-rollups"].into_iter().chain(line.split_whitespace());
    match Cli::try_parse_from(words).unwrap().command {
        Some(Command::L2(command)) => command.node,
        other => panic!("not a rollup: {other:?}"),
    }
}

fn dev(line: &str) -> Result<NativeDevConfig, ConfigError> {
    match parse(&format!("--dev {line}")).try_into()? {
        Native::Dev(config) => Ok(*config),
        Native::On(_) => panic!("not a development rollup"),
    }
}

/// A genesis file of a rollup, as a deployment writes it.
fn genesis_file() -> NamedTempFile {
    let genesis = l2_genesis(&l1_genesis(), CHAIN_ID, L2_GAS_LIMIT, &[]).unwrap();
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(&serde_json::to_vec(&genesis).unwrap()).unwrap();
    file
}

fn on(line: &str) -> Result<NativeConfig, ConfigError> {
    let file = genesis_file();
    let needed = format!(
        "--eth.rpc-url http://l1:8545 --native-rollups.contract-address {CONTRACT} --network {}",
        file.path().display()
    );
    match parse(&format!("{needed} {line}")).try_into()? {
        Native::On(config) => Ok(*config),
        Native::Dev(_) => panic!("not a rollup on another L1"),
    }
}

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
    assert_eq!(config.l1.genesis.config.amsterdam_time, Some(0));
    assert_eq!(config.l1.http.listen.to_string(), "127.0.0.1:8545");
    assert_eq!(settings.chain.genesis.config.chain_id, CHAIN_ID);
    assert_eq!(settings.chain.genesis.gas_limit, L2_GAS_LIMIT);
    assert_eq!(settings.chain.http.listen.to_string(), "127.0.0.1:1729");
    assert_eq!(settings.data, DataDir::Temporary);
    assert_eq!(config.deploy.mode, NativeMode::Inline);
    assert_eq!(config.deploy.sequencer, Some(dev::DEPLOYER.address));
    assert_eq!(config.deployer.address(), dev::DEPLOYER.address);
    assert_eq!(settings.settle_every, Duration::from_millis(200));
    let sequence = settings.sequence.as_ref().unwrap();
    assert_eq!(sequence.relayer.address(), dev::DEPLOYER.address);
    assert_eq!(sequence.block_time, Duration::from_secs(1));
    assert_eq!(sequence.least_claim_fee, U256::ZERO);
    for account in dev::RICH.into_iter().chain([dev::DEPLOYER]) {
        assert_eq!(settings.chain.genesis.alloc[&account.address].balance, DEV_BALANCE);
    }
}

#[test]
fn a_hundred_ether_is_what_it_says() {
    let ether = |text| alloy_primitives::utils::parse_ether(text).unwrap();
    assert_eq!(DEV_BALANCE, ether("100"));
    assert_eq!(RELAYER_BALANCE.parse::<U256>().unwrap(), ether("1"));
}

#[test]
fn a_sequencer_needs_a_key_and_a_follower_does_not() {
    refused(on(""), &["--native-rollups.l1-pk", "ETHREX_NATIVE_ROLLUP_L1_PK"]);
    let config = on("--native-rollups.follow").unwrap();
    let settings = config.settings;
    assert!(settings.sequence.is_none() && settings.settler.is_none());
    assert!(settings.challenger.is_none());
    let config = on(&format!("--native-rollups.follow --native-rollups.l1-pk {KEY}")).unwrap();
    assert!(config.settings.sequence.is_none());
    assert!(config.settings.settler.is_some() && config.settings.challenger.is_some());
    let config = on(&format!("--native-rollups.l1-pk {KEY} --native-rollups.no-challenge"));
    assert!(config.unwrap().settings.challenger.is_none());
}

#[test]
fn a_rollup_on_another_l1_is_told_where_everything_is() {
    let config = on(&format!("--native-rollups.l1-pk {KEY}")).unwrap();
    assert_eq!(config.rollup, Address::repeat_byte(1));
    assert_eq!(config.start_block, 0);
    assert_eq!(config.settings.settle_every, Duration::from_secs(12));
    assert_eq!(config.settings.mode, None);
    let sequence = config.settings.sequence.unwrap();
    assert_eq!(sequence.block_time, Duration::from_secs(5));
    let bare = |line: &str| Native::try_from(parse(line));
    refused(bare(""), &["--eth.rpc-url"]);
    let l1 = "--eth.rpc-url http://l1:8545";
    refused(bare(l1), &["--native-rollups.contract-address"]);
    let contract = format!("{l1} --native-rollups.contract-address {CONTRACT}");
    refused(bare(&contract), &["--network"]);
}

#[test]
fn items_are_call_data_unless_blobs_are_asked_for() {
    let sequence = dev("").unwrap().settings.sequence.unwrap();
    assert!(sequence.da == Da::Calldata && sequence.settles);
    let line = format!("--native-rollups.l1-pk {KEY} --native-rollups.da auto");
    let config = on(&format!(
        "{line} --native-rollups.no-settle --native-rollups.beacon-url http://a:1,http://b:2/key"
    ))
    .unwrap();
    let sequence = config.settings.sequence.unwrap();
    assert!(sequence.da == Da::Auto && !sequence.settles);
    let beacons: Vec<&str> = config.beacons.iter().map(Url::as_str).collect();
    assert_eq!(beacons, ["http://a:1/", "http://b:2/key"]);
    assert_eq!(on(&line).unwrap().beacons, []);
    refused(dev("--native-rollups.beacon-url http://a:1"), &["--native-rollups.beacon-url"]);
}

#[test]
fn what_only_a_validity_rollup_has_is_refused() {
    for (flag, value) in [
        ("--l1.bridge-address", CONTRACT),
        ("--l1.on-chain-proposer-address", CONTRACT),
        ("--l1.timelock-address", CONTRACT),
        ("--block-producer.coinbase-address", CONTRACT),
        ("--committer.l1-private-key", KEY),
        ("--proof-coordinator.l1-private-key", KEY),
    ] {
        refused(dev(&format!("{flag} {value}")), &[flag, "--native-rollups", "ETHREX_"]);
    }
}

#[test]
fn an_l1_of_its_own_excludes_another() {
    refused(dev("--eth.rpc-url http://l1:8545"), &["--dev", "--eth.rpc-url"]);
    refused(dev("--native-rollups.follow"), &["--dev", "--native-rollups.follow"]);
    let contract = format!("--native-rollups.contract-address {CONTRACT}");
    refused(dev(&contract), &["--dev", "--native-rollups.contract-address"]);
    refused(dev("--http.port 8545"), &["--http.port", "--dev.l1-http-port"]);
}

#[test]
fn keys_are_not_shown() {
    let error = dev("--native-rollups.l1-pk 0xc0ffee").unwrap_err().to_string();
    assert!(error.contains("--native-rollups.l1-pk") && !error.contains("c0ffee"), "{error}");
    let args = parse("--native-rollups.l1-pk 0xc0ffee");
    assert!(!format!("{args:?}").contains("c0ffee"));
}

fn deployment(line: &str) -> Result<NativeDeployment, ConfigError> {
    let needed = format!("--eth-rpc-url http://l1:8545 --private-key {KEY} {line}");
    let words = ["ethrex", "l2", "deploy", "--native-rollups"].into_iter();
    let Some(Command::L2(command)) =
        Cli::try_parse_from(words.chain(needed.split_whitespace())).unwrap().command
    else {
        panic!("not a rollup")
    };
    let Some(L2Tool::Deploy(args)) = command.tool else { panic!("not a deployment") };
    match (*args).try_into()? {
        Deployment::Native(deployment) => Ok(*deployment),
        Deployment::Validity(_) => panic!("not a native rollup"),
    }
}

#[test]
fn a_deployment_has_the_documented_defaults() {
    let found = deployment("").unwrap();
    assert_eq!(found.config.mode, NativeMode::Inline);
    assert_eq!(found.config.sequencer, Some(dev::DEPLOYER.address));
    assert_eq!(found.config.times, NativeTimes::DOCUMENTED);
    assert_eq!(found.config.l2_genesis.config.chain_id, CHAIN_ID);
    assert_eq!(found.genesis_file, PathBuf::from(GENESIS_FILE));
    assert!(found.config.l1_genesis.is_some());
    let open = deployment("--native-rollups.open --native-rollups.mode optimistic").unwrap();
    assert_eq!((open.config.sequencer, open.config.mode), (None, NativeMode::Optimistic));
    let times = "--native-rollups.forced-delay 5 --native-rollups.finality-delay 6";
    let found = deployment(times).unwrap().config.times;
    assert_eq!(found.forced_delay, Duration::from_secs(5));
    assert_eq!(found.challenge_period, Duration::from_secs(6));
    refused(deployment("--deposit-rich"), &["--deposit-rich", "--native-rollups"]);
}

#[test]
fn a_validity_rollup_still_needs_its_owners() {
    let line = format!("ethrex l2 deploy --eth-rpc-url http://l1:8545 --private-key {KEY}");
    let error = Cli::try_parse_from(line.split(' ')).unwrap_err().to_string();
    assert!(error.contains("--bridge-owner"), "{error}");
}
