//! The whole round of money on the real binary, driven by cast and viem.

#[path = "e2e/dispute.rs"]
mod dispute;
#[path = "e2e/native.rs"]
mod native;

use std::process::Command;

use alloy_primitives::{B256, U256, keccak256};
use ethrex_test_e2e::round_trip::{Account, COUNTER, Chains};
use ethrex_test_e2e::{Anvil, Cast, Dev, Layer2, Tools, deploy};
use serde_json::Value;

/// Rich on the dev L1's genesis.
const RICH_KEY: &str = "0xbcdf20249abf0ed6d944c0288fad489e33f66b3960d9e6229c1cd214ed3bbe31";
const RICH: &str = "0x8943545177806ed17b9f23f0a21ee5948ecaa776";

#[test]
fn e2e_cast_takes_money_round() {
    let tools = Tools::find();
    let mut dev = Dev::start(&tools).unwrap();
    let batch = dev.chains().round(&dev.account(0).unwrap()).unwrap();
    assert!(batch > 0);
    dev.check().unwrap();
}

#[test]
fn e2e_viem_takes_money_round() {
    let tools = Tools::find();
    let mut dev = Dev::start(&tools).unwrap();
    let key = dev.account(1).unwrap().key.to_string();
    let viem = Command::new("node")
        .current_dir(&tools.js)
        .arg("round-trip.mjs")
        .arg(dev.info_file())
        .args([&key, COUNTER])
        .output()
        .expect("node starts");
    let (said, complained) =
        (String::from_utf8_lossy(&viem.stdout), String::from_utf8_lossy(&viem.stderr));
    assert!(viem.status.success(), "{complained}");
    let result: Value = serde_json::from_str(said.trim()).unwrap();
    assert!(result["batch"].as_u64().unwrap() > 0, "{result}");
    dev.check().unwrap();
}

#[test]
fn e2e_cast_takes_money_round_on_anvil() {
    let tools = Tools::find();
    let anvil = Anvil::start(&tools);
    let home = tempfile::tempdir().unwrap();
    let deployment = deploy(&tools, &anvil.rpc, home.path()).unwrap();
    let mut layer2 = Layer2::start(&tools, &anvil.rpc, &deployment).unwrap();
    let l1 = Cast::new(tools.cast.clone(), &anvil.rpc);
    let chains = Chains {
        l1: l1.clone(),
        l2: layer2.l2(),
        bridge: deployment.bridge,
        on_chain_proposer: deployment.on_chain_proposer,
    };
    let who = Account { address: RICH.parse().unwrap(), key: RICH_KEY.parse().unwrap() };
    chains.round(&who).unwrap();
    layer2.check().unwrap();

    let commits =
        l1.logs(deployment.on_chain_proposer, keccak256("BatchCommitted(bytes32)")).unwrap();
    assert!(!commits.is_empty(), "batches were committed");
    for commit in commits {
        let hash = commit["transactionHash"].as_str().unwrap();
        let tx: Value = l1.rpc("eth_getTransactionByHash", &[hash]).unwrap();
        assert_eq!(tx["type"], "0x3", "a batch goes into a blob");
        let blobs: Vec<String> = l1.rpc("anvil_getBlobsByTransactionHash", &[hash]).unwrap();
        assert_eq!(blobs.len(), 1, "one blob per batch");
        assert!(
            blobs[0].trim_start_matches("0x").contains(|c| c != '0'),
            "the blob carries the batch"
        );
    }
}

#[test]
fn e2e_the_harness_reads_cast_right() {
    let tools = Tools::find();
    let anvil = Anvil::start(&tools);
    let chain = Cast::new(tools.cast.clone(), &anvil.rpc);
    let key = RICH_KEY.parse().unwrap();
    let created = chain.send(&key, &["--create", COUNTER]).unwrap();
    let counter = created.contract_address.unwrap();
    let raw = chain.sign(&key, 9, 1, &[&counter.to_string()]).unwrap();
    assert_eq!(chain.publish(&raw).unwrap(), keccak256(&raw));
    assert!(chain.receipt(keccak256(&raw)).unwrap().is_some());
    assert_eq!(chain.call_raw(counter, "0x01").unwrap(), U256::from(1));
    assert_eq!(chain.nonce(RICH.parse().unwrap()).unwrap(), 2);
    assert!(chain.receipt(B256::ZERO).unwrap().is_none());
    assert!(chain.logs(counter, B256::ZERO).unwrap().is_empty());
    let again = chain.publish(&raw).unwrap_err();
    assert!(
        again.to_string().contains("already known") || again.to_string().contains("nonce"),
        "{again}"
    );
}
