//! The round of money on a native rollup: with its sequencer, and without.

use alloy_primitives::{Address, B256, U256, keccak256, utils::parse_ether};
use ethrex_test_e2e::native::{Chains, Layer2, MESSENGER, Node, SEND, deploy};
use ethrex_test_e2e::round_trip::{Account, COUNTER};
use ethrex_test_e2e::{Cast, CastError, Receipt, Tools, wait};
use serde_json::Value;

use ethrex_test_e2e::round_trip::PATIENCE;

/// Chain id of a deployment that names none.
const CHAIN_ID: u64 = 80_790_001;

fn ether(text: &str) -> U256 {
    parse_ether(text).expect("a constant")
}

fn block(receipt: &Receipt) -> u64 {
    receipt.block_number.to()
}

#[test]
fn e2e_native_rollup_takes_money_round() {
    takes_money_round(&["--native-rollups.mode", "inline"]);
}

#[test]
fn e2e_native_rollup_in_blobs_takes_money_round() {
    takes_money_round(&["--native-rollups.da", "blob"]);
}

#[test]
fn e2e_optimistic_native_rollup_takes_money_round() {
    takes_money_round(&["--native-rollups.mode", "optimistic"]);
}

fn takes_money_round(flags: &[&str]) {
    let tools = Tools::find();
    let mut node = Node::all(&tools, flags).unwrap();
    let cast = |rpc: &str| Cast::new(tools.cast.clone(), rpc);
    let chains = Chains {
        l1: cast(&node.info.l1_rpc),
        l2: cast(node.info.l2_rpc.as_ref().unwrap()),
        rollup: node.info.native_rollup.unwrap(),
    };
    let who = node.account(1);
    round(&chains, &who);
    node.check().unwrap();
    node.interrupt().unwrap();
}

/// The whole round for one account, every step checked.
fn round(chains: &Chains, who: &Account) {
    let before = chains.l2.balance(who.address).unwrap();
    let deposit = chains.deposit(who, who.address, ether("5")).unwrap();
    chains.credited(who.address, before + ether("5")).unwrap();
    let credited_at = chains.l1.block_number().unwrap();

    let friend = Address::repeat_byte(0xf1);
    let value = ether("0.25").to_string();
    chains.l2.send(&who.key, &[&friend.to_string(), "--value", &value]).unwrap();
    assert_eq!(chains.l2.balance(friend).unwrap(), ether("0.25"), "the friend got what was sent");

    let created = chains.l2.send(&who.key, &["--create", COUNTER]).unwrap();
    let counter = created.contract_address.unwrap();
    chains.l2.send(&who.key, &[&counter.to_string()]).unwrap();
    let counted = chains.l2.call_raw(counter, "0x01").unwrap();
    assert_eq!(counted, U256::from(1), "the contract counted the call");

    let amount = ether("1.5");
    let receiver = Address::repeat_byte(0xf2);
    let asked_at = chains.l1.block_number().unwrap();
    let withdrawal = chains.withdraw(who, receiver, amount).unwrap();
    let proof = chains.claimable(withdrawal.transaction_hash).unwrap();
    let settled_at = chains.l1.block_number().unwrap();
    let claim = chains.claim(who, &proof).unwrap();
    assert_eq!(chains.l1.balance(receiver).unwrap(), amount, "the claim paid the amount");
    let again = chains.claim(who, &proof);
    assert!(again.is_err(), "a claim pays once: {again:?}");
    check_envelopes(chains, block(&withdrawal));
    let message: Value = chains.l2.rpc("nr_getMessageProof", &["0x0"]).unwrap();
    assert_eq!(message["message"]["value"].as_str(), Some(format!("{:#x}", ether("5")).as_str()));
    assert_eq!(message["path"].as_array().map(Vec::len), Some(32));
    println!(
        "L1 blocks: {} from deposit to credit, {} from withdrawal to settlement, {} from settlement to claim",
        credited_at - block(&deposit),
        settled_at - asked_at,
        block(&claim) - settled_at,
    );
}

/// What EXECUTE is called with for a settled block gives that block, in both forms.
fn check_envelopes(chains: &Chains, number: u64) {
    let number = format!("{number:#x}");
    let block: Value = chains.l2.rpc("eth_getBlockByNumber", &[&number, "false"]).unwrap();
    for form in ["block", "derive"] {
        let envelope: String = chains.l2.rpc("nr_getEnvelope", &[&number, form]).unwrap();
        let verdict: Value = chains.l2.rpc("nr_verify", &[&envelope]).unwrap();
        assert_eq!(verdict["success"], true, "{form}: {verdict}");
        assert_eq!(verdict["blockHash"], block["hash"], "{form}");
        assert_eq!(verdict["stateRoot"], block["stateRoot"], "{form}");
        // One byte of the witness changed, and nothing is learned.
        let last = if envelope.ends_with('0') { "1" } else { "0" };
        let broken = format!("{}{last}", &envelope[..envelope.len() - 1]);
        let verdict: Value = chains.l2.rpc("nr_verify", &[&broken]).unwrap();
        assert_eq!(verdict["success"], false, "{form}: {verdict}");
        assert!(verdict["failure"]["class"].is_string(), "{form}: {verdict}");
    }
}

#[test]
fn e2e_native_rollup_needs_no_sequencer() {
    let tools = Tools::find();
    let mut l1 = Node::l1(&tools).unwrap();
    let l1_rpc = l1.info.l1_rpc.clone();
    let times = ["--native-rollups.forced-delay", "5", "--native-rollups.sequencer-timeout", "15"];
    let deployment = deploy(&tools, &l1_rpc, &times).unwrap();
    let sequencer = Layer2::sequence(&tools, &l1_rpc, &deployment).unwrap();
    let chains = Chains {
        l1: Cast::new(tools.cast.clone(), &l1_rpc),
        l2: sequencer.l2(),
        rollup: deployment.rollup,
    };

    // While the sequencer lives, the user gets ether on L2, and L1 settles it.
    let (user, stranger) = (l1.account(1), l1.account(4));
    chains.deposit(&user, user.address, ether("5")).unwrap();
    chains.credited(user.address, ether("5")).unwrap();
    let credited_in = chains.l2.block_number().unwrap();
    wait::until("L1 settles the deposit", PATIENCE, || {
        Ok::<_, CastError>((chains.settled()? >= credited_in).then_some(()))
    })
    .unwrap();
    sequencer.kill().unwrap();

    // The user signs a withdrawal; a stranger forces it, settles it and claims it for the user.
    let receiver = Address::repeat_byte(0xf3);
    let amount = ether("1.5");
    let args = [
        &MESSENGER.to_string(),
        SEND,
        &receiver.to_string(),
        "0",
        "100000",
        "0x",
        "--value",
        &amount.to_string(),
    ]
    .map(|arg| arg.to_owned());
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let raw = chains.l1.sign_heavy(&user.key, CHAIN_ID, 0, &args).unwrap();
    let forced = force(&chains, &stranger, &raw.to_string());

    let mut follower = Layer2::follow(&tools, &l1_rpc, &deployment, &stranger.key).unwrap();
    let chains = Chains { l2: follower.l2(), ..chains };
    let withdrawal = keccak256(&raw);
    let mined = wait::until("the forced transaction is executed", PATIENCE, || {
        chains.l2.receipt(withdrawal)
    })
    .unwrap();
    assert_eq!(mined.status.to::<u64>(), 1, "the forced withdrawal worked");
    let proof = chains.claimable(withdrawal).unwrap();
    let claim = chains.claim(&stranger, &proof).unwrap();
    assert_eq!(chains.l1.balance(receiver).unwrap(), amount, "the user was paid");
    println!("L1 blocks from forcing to claim: {}", block(&claim) - block(&forced));
    follower.check().unwrap();
    l1.check().unwrap();

    // A second stranger, with nothing but L1, arrives at the same chain.
    let other = Layer2::follow(&tools, &l1_rpc, &deployment, &l1.account(5).key).unwrap();
    let number = format!("{:#x}", mined.block_number);
    let same = wait::until("another follower has the block", PATIENCE, || {
        let block: Value = other.l2().rpc("eth_getBlockByNumber", &[&number, "false"])?;
        Ok::<_, CastError>(block["hash"].as_str().map(str::to_owned))
    })
    .unwrap();
    let block: Value = chains.l2.rpc("eth_getBlockByNumber", &[&number, "false"]).unwrap();
    assert_eq!(block["hash"], same, "both followers have the same block");
    assert_ne!(same.parse::<B256>().unwrap(), B256::ZERO);
}

#[test]
fn e2e_native_rollup_in_blobs_is_proven_and_settled_by_a_stranger() {
    let tools = Tools::find();
    let mut l1 = Node::l1(&tools).unwrap();
    let l1_rpc = l1.info.l1_rpc.clone();
    // Strangers let a part of the timeout pass before they prove.
    let deployment =
        deploy(&tools, &l1_rpc, &["--native-rollups.sequencer-timeout", "60"]).unwrap();
    let mut sequencer = Layer2::post_blobs(&tools, &l1_rpc, &deployment).unwrap();
    let stranger = l1.account(4);
    let mut follower = Layer2::follow_blobs(&tools, &l1_rpc, &deployment, &stranger.key).unwrap();
    let chains = Chains {
        l1: Cast::new(tools.cast.clone(), &l1_rpc),
        l2: sequencer.l2(),
        rollup: deployment.rollup,
    };

    let (user, receiver) = (l1.account(1), Address::repeat_byte(0xf4));
    chains.deposit(&user, user.address, ether("5")).unwrap();
    chains.credited(user.address, ether("5")).unwrap();
    let withdrawal = chains.withdraw(&user, receiver, ether("1.5")).unwrap();

    // The stranger has it all from L1, proves and settles it, and has the proof of the withdrawal.
    let chains = Chains { l2: follower.l2(), ..chains };
    let proof = chains.claimable(withdrawal.transaction_hash).unwrap();
    sequencer.check().unwrap();
    sequencer.kill().unwrap();
    chains.claim(&stranger, &proof).unwrap();
    assert_eq!(chains.l1.balance(receiver).unwrap(), ether("1.5"), "the user was paid");
    let provers = provers(&chains);
    assert!(!provers.is_empty(), "nothing was in a blob");
    assert!(provers.iter().all(|prover| *prover == stranger.address), "{provers:?}");
    follower.check().unwrap();
    l1.check().unwrap();

    // Without blobs, the events of L1 say the same.
    let number = format!("{:#x}", block(&withdrawal));
    let expected: Value = chains.l2.rpc("eth_getBlockByNumber", &[&number, "false"]).unwrap();
    let other = Layer2::follow(&tools, &l1_rpc, &deployment, &l1.account(5).key).unwrap();
    let found = wait::until("another follower has the block", PATIENCE, || {
        let block: Value = other.l2().rpc("eth_getBlockByNumber", &[&number, "false"])?;
        Ok::<_, CastError>((!block.is_null()).then_some(block))
    })
    .unwrap();
    assert_eq!(found["hash"], expected["hash"]);
}

/// Who has proven what is in a blob.
fn provers(chains: &Chains) -> Vec<Address> {
    let topic = keccak256("DataProven(uint64,bytes32,bytes32,uint64,bytes)");
    let logs = chains.l1.logs(chains.rollup, topic).unwrap();
    let sender = |log: &Value| {
        let hash = log["transactionHash"].as_str().unwrap();
        let tx: Value = chains.l1.rpc("eth_getTransactionByHash", &[hash]).unwrap();
        tx["from"].as_str().unwrap().parse().unwrap()
    };
    logs.iter().map(sender).collect()
}

/// Queues a signed L2 transaction on L1.
fn force(chains: &Chains, by: &Account, raw: &str) -> Receipt {
    /// Wei for each byte, and the least number of bytes that is paid for.
    const FEE: (u64, usize) = (10_000_000_000, 256);
    let bytes = (raw.len() / 2 - 1).max(FEE.1);
    let fee = (U256::from(FEE.0) * U256::from(bytes)).to_string();
    let call = [&chains.rollup.to_string(), "forceTx(bytes)", raw, "--value", &fee];
    chains.l1.send(&by.key, &call).unwrap()
}
