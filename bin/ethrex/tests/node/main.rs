//! The node as its consensus client and its callers see it, over sockets.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod branches;
mod kill;
mod process;

use ethrex_types::Network;
use serde_json::{Value, json};

use branches::{follow, grow};
use process::Home;

#[test]
fn a_node_says_which_commit_it_is_built_from() {
    let home = Home::new();
    let node = home.start();
    let theirs =
        json!({"code": "LS", "name": "lodestar", "version": "1.0.0", "commit": "0x01020304"});
    let ours = node.client.engine("engine_getClientVersionV1", &[theirs]).unwrap();
    let (number, commit) = (env!("CARGO_PKG_VERSION"), env!("ETHREX_BUILD_COMMIT"));
    let expected = json!([
        {"code": "EX", "name": "ethrex", "version": number, "commit": format!("0x{commit}")}
    ]);
    assert_eq!(ours, expected);
    let version = node.client.get("web3_clientVersion", &[]);
    let known = if commit == "00000000" { String::new() } else { format!("-{commit}") };
    assert!(
        version.as_str().unwrap().starts_with(&format!("ethrex/v{number}{known}/")),
        "{version}"
    );
}

/// Times and checksums of the last forks are those that the tests of other clients have.
#[test]
fn a_public_network_has_its_first_block_and_its_forks() {
    for (network, last, fork_id) in [
        (Network::Mainnet, 1_767_747_671_u64, "0x07c9462e"),
        (Network::Sepolia, 1_791_294_816, "0x6c1d9423"),
        (Network::Holesky, 1_760_389_824, "0x9bc6cb31"),
        (Network::Hoodi, 1_762_955_544, "0x23aa1351"),
    ] {
        let home = Home::of(network.name());
        let node = home.start();
        let chain_id = format!("{:#x}", network.chain_id());
        assert_eq!(node.client.get("eth_chainId", &[]), json!(chain_id));
        let block = node.client.get("eth_getBlockByNumber", &[json!("0x0"), json!(false)]);
        assert_eq!(block["hash"], json!(network.genesis_hash()), "{}", network.name());
        let forks = node.client.get("eth_config", &[]);
        let fork = &forks["last"];
        assert_eq!(fork["activationTime"], last, "{forks}");
        assert_eq!(fork["forkId"], fork_id, "{forks}");
        assert_eq!(fork["chainId"], chain_id, "{forks}");
        let blobs = json!({"target": 14, "max": 21, "baseFeeUpdateFraction": 11_684_671});
        assert_eq!(fork["blobSchedule"], blobs, "{forks}");
    }
}

#[test]
fn holesky_knows_its_forks_from_the_first_block_on() {
    let home = Home::of("holesky");
    let node = home.start();
    let forks = node.client.get("eth_config", &[]);
    let fork = |which: &str| {
        let fork = &forks[which];
        json!([fork["activationTime"], fork["forkId"], fork["blobSchedule"]])
    };
    assert_eq!(fork("current"), json!([1_695_902_100, "0xc61a6098", null]), "{forks}");
    assert_eq!(fork("next"), json!([1_696_000_704, "0xfd4f016b", null]), "{forks}");
    let deposits = &forks["last"]["systemContracts"]["DEPOSIT_CONTRACT_ADDRESS"];
    assert_eq!(deposits, "0x4242424242424242424242424242424242424242");
}

#[test]
fn what_a_node_logs_can_be_changed_while_it_runs() {
    const DETAIL: &str = "a consensus client introduced itself";
    let home = Home::new();
    let node = home.start();
    let introduce = || {
        let theirs = json!({"code": "LS", "name": "x", "version": "1", "commit": "0x01020304"});
        node.client.engine("engine_getClientVersionV1", &[theirs]).unwrap();
    };
    introduce();
    assert!(!home.log().contains(DETAIL));
    let filter = json!("info,ethrex_rpc=debug");
    assert_eq!(node.client.get("admin_setLogLevel", &[filter]), true);
    introduce();
    assert!(home.log().contains(DETAIL), "{}", home.log());
}

#[test]
fn an_operator_can_take_the_head_back_and_a_consensus_client_move_it_on() {
    let (maker, home) = (Home::new(), Home::new());
    let blocks = grow(&maker, &[], 3, 0);
    let node = home.start();
    let head = || node.client.get("eth_blockNumber", &[]);
    for block in &blocks {
        block.offer(&node.client).unwrap();
        follow(&node.client, block.hash, Value::Null).unwrap();
    }
    assert_eq!(head(), "0x3");
    node.client.get("debug_setHead", &[json!("0x1")]);
    assert_eq!(head(), "0x1");
    follow(&node.client, blocks[2].hash, Value::Null).unwrap();
    assert_eq!(head(), "0x3");
}
