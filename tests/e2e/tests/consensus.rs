//! Consensus clients drive the node: it builds, imports and follows their blocks, is killed once, and goes on.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use alloy_primitives::B256;
use ethrex_test_e2e::consensus::{L1Node, LODESTAR_SLOT, Lodestar, MiniCl, Slot};
use ethrex_test_e2e::{Cast, CastError, Feeder, Random, Tools, wait};
use serde_json::{Value, json};

const SLOTS: u64 = 64;
/// Slots of an epoch of the minimal preset.
const EPOCH: u64 = 8;
/// A slot may take so long on a machine that does other things too, a restart of the node included.
const PATIENCE: Duration = Duration::from_secs(180);
/// A funded account of the genesis.
const KEY: &str = "0xbcdf20249abf0ed6d944c0288fad489e33f66b3960d9e6229c1cd214ed3bbe31";

/// The genesis of the dev L1, with the forks up to `last`.
fn genesis(tools: &Tools, last: &str) -> Value {
    const FORKS: [&str; 4] = ["shanghaiTime", "cancunTime", "pragueTime", "osakaTime"];
    let text = std::fs::read_to_string(&tools.l1_genesis).unwrap();
    let mut genesis: Value = serde_json::from_str(&text).unwrap();
    let config = genesis["config"].as_object_mut().unwrap();
    let kept = FORKS.iter().position(|fork| *fork == last).unwrap();
    for later in &FORKS[kept + 1..] {
        config.remove(*later);
    }
    config.insert("terminalTotalDifficultyPassed".into(), json!(true));
    genesis["timestamp"] = json!("0x0");
    genesis["difficulty"] = json!("0x0");
    genesis
}

fn block(cast: &Cast, tag: &str) -> Value {
    cast.rpc("eth_getBlockByNumber", &[tag, "false"]).unwrap()
}

/// 64 slots, with transactions that concern the consensus client in each epoch, and a node that dies in the middle of one.
fn mini(fork: &str, last: &str, seed: u64) {
    let tools = Tools::find();
    let mut node = L1Node::start(&tools, &genesis(&tools, last)).unwrap();
    let cast = node.rpc();
    let mut client = MiniCl::start(&node, fork).unwrap();
    let chain_id = cast.rpc::<alloy_primitives::U64>("eth_chainId", &[]).unwrap().to();
    let mut feeder = Feeder::new(cast.clone(), KEY, chain_id, last == "osakaTime");
    let mut random = Random::new(seed);
    let dies_in = SLOTS / 3 + random.below(SLOTS / 3);
    let mut slots: Vec<Slot> = Vec::new();
    for epoch in 0..SLOTS / EPOCH {
        let sent = [
            feeder.blob(format!("blob of epoch {epoch}").as_bytes()).unwrap(),
            feeder.delegation().unwrap(),
            feeder.withdrawal_request(u8::try_from(epoch).unwrap()).unwrap(),
        ];
        for slot in epoch * EPOCH + 1..=(epoch + 1) * EPOCH {
            let done = if slot == dies_in {
                die(&mut node, &mut client, Duration::from_millis(random.below(300)))
            } else {
                client.slot().unwrap().unwrap()
            };
            assert_eq!((done.slot, done.number), (slot, slot), "every slot has its block");
            slots.push(done);
        }
        check_epoch(&cast, &slots[slots.len() - EPOCH as usize..], &sent);
    }
    let last = slots.last().unwrap();
    assert!(last.justified >= 6 && last.finalized >= 5, "{last:?}");
    assert!(slots.iter().map(|slot| slot.withdrawals).sum::<usize>() > 0, "validators withdraw");
    assert_eq!(block(&cast, "latest")["hash"], json!(last.hash));
    let finalized = block(&cast, "finalized")["number"].as_str().unwrap().to_owned();
    let want = last.finalized * EPOCH;
    assert_eq!(finalized, format!("{want:#x}"), "the first block of the final epoch is final here");
    println!("{fork}: {SLOTS} slots, justified {}, finalized {}", last.justified, last.finalized);
    drop(client);
    node.stop().unwrap();
}

/// Kills the node a moment after a slot was asked for, and starts it again: the slot comes all the same.
fn die(node: &mut L1Node, client: &mut MiniCl, after: Duration) -> Slot {
    client.ask().unwrap();
    thread::sleep(after);
    node.kill().unwrap();
    let first = client.answer().unwrap();
    node.restart().unwrap();
    first.unwrap_or_else(|_| {
        wait::until("the slot comes after a restart", PATIENCE, || client.slot().unwrap().map(Some))
            .unwrap()
    })
}

fn check_epoch(cast: &Cast, slots: &[Slot], sent: &[B256]) {
    for hash in sent {
        let receipt = cast.receipt(*hash).unwrap().expect("what was sent is mined in its epoch");
        assert_eq!(receipt.status.to::<u64>(), 1, "{hash} succeeds");
    }
    assert_eq!(slots.iter().map(|slot| slot.transactions).sum::<usize>(), sent.len());
    assert_eq!(slots.iter().map(|slot| slot.blobs).sum::<usize>(), 1, "the blob is in a block");
    assert_eq!(slots.iter().map(|slot| slot.requests).sum::<usize>(), 1, "so is the request");
}

#[test]
fn the_state_transition_of_electra_accepts_64_of_our_blocks() {
    mini("electra", "pragueTime", 1);
}

#[test]
fn the_state_transition_of_fulu_accepts_64_of_our_blocks() {
    mini("fulu", "osakaTime", 2);
}

#[test]
fn lodestar_runs_64_slots_of_capella_on_us() {
    let tools = Tools::find();
    let mut node = L1Node::start(&tools, &genesis(&tools, "shanghaiTime")).unwrap();
    let cast = node.rpc();
    let mut client = Lodestar::start(&node).unwrap();
    let chain_id = cast.rpc::<alloy_primitives::U64>("eth_chainId", &[]).unwrap().to();
    let mut feeder = Feeder::new(cast.clone(), KEY, chain_id, false);
    let mut reach = |slot: u64| {
        let begins = client.genesis_time + slot * LODESTAR_SLOT;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let patience = Duration::from_secs(begins.saturating_sub(now)) + PATIENCE;
        wait::until("the chain reaches a slot", patience, || {
            client.check().unwrap();
            let head: Value = cast.rpc("eth_getBlockByNumber", &["latest", "false"])?;
            let time = head["timestamp"].as_str().and_then(|it| it.strip_prefix("0x"));
            let time = time.and_then(|it| u64::from_str_radix(it, 16).ok());
            Ok::<_, CastError>(time.filter(|time| *time >= begins).map(drop))
        })
        .unwrap();
    };
    let mut sent = Vec::new();
    for epoch in 0..SLOTS / EPOCH {
        reach((epoch * EPOCH).max(1));
        sent.push(feeder.transfer().unwrap());
        if epoch == 3 {
            let before = block(&cast, "latest");
            node.kill().unwrap();
            node.restart().unwrap();
            let number = before["number"].as_str().unwrap();
            assert_eq!(block(&cast, number)["hash"], before["hash"], "what was served is there");
        }
    }
    reach(SLOTS);
    for hash in sent {
        assert!(cast.receipt(hash).unwrap().is_some(), "{hash} is mined");
    }
    let number = |tag: &str| {
        let block = block(&cast, tag);
        u64::from_str_radix(&block["number"].as_str().unwrap()[2..], 16).unwrap()
    };
    let (head, safe, finalized) = (number("latest"), number("safe"), number("finalized"));
    println!("capella: head {head}, safe {safe}, finalized {finalized}");
    assert!(head >= SLOTS - 2 * EPOCH, "few slots were missed: {head}");
    assert!(finalized >= SLOTS - 5 * EPOCH && safe >= finalized, "{safe} {finalized}");
    let withdrawals = (1..=head).any(|height| {
        block(&cast, &format!("{height:#x}"))["withdrawals"]
            .as_array()
            .is_some_and(|it| !it.is_empty())
    });
    println!("capella: withdrawals {withdrawals}");
    drop(client);
    node.stop().unwrap();
}
