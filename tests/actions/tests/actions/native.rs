//! A native rollup from L1 to L2 and back, and what happens when things go wrong between.

#![expect(clippy::unwrap_used, reason = "helpers of tests unwrap")]

mod blobs;
mod crashes;
mod histories;

use std::time::Duration;

use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use alloy_rlp::Encodable;
use ethrex_deploy::{dev, native::l1_genesis};
use ethrex_execute::{
    ExecuteConfig, Flags, Mode, StreamBlock, envelope, execute,
    stream::{self, Codec},
};
use ethrex_rules::testing::signed;
use ethrex_settle::{Da, bindings::INativeRollup, settlement_step};
use ethrex_test_actions::{NativeNode, NativeWorld, Part, Reorged, User, ether};
use ethrex_types::{ChainSpec, Header, alloy_consensus::TxEip1559};

fn alice() -> User {
    User::new(&dev::RICH[1])
}

/// Where ether goes that nobody misses.
const BOB: Address = Address::repeat_byte(0xb0);

/// A raw transfer of a wei from alice to bob on L2 with this nonce.
fn raw_transfer(nonce: u64) -> Bytes {
    let signer = dev::RICH[1].private_key.parse().expect("development keys are keys");
    let tx = signed(&signer, |tx| {
        tx.chain_id = 80_790_001;
        (tx.nonce, tx.gas_limit) = (nonce, 400_000);
        (tx.to, tx.value) = (BOB.into(), U256::from(1));
    });
    tx.encoded_2718().into()
}

/// Everything the node has built is on L1, and settled there.
async fn settle_all(world: &NativeWorld, node: &mut NativeNode) {
    let height = node.height();
    world.until(node, "posting", |node| node.derived() >= height).await;
    // What is in a blob is proven first.
    world.pass(if world.da == Da::Calldata { 4 } else { 8 }).await;
    assert!(world.settled().await >= height, "settled {} of {height}", world.settled().await);
}

/// A node that never saw the sequencer gets the same chain from L1 alone.
async fn check_stranger(world: &NativeWorld, node: &NativeNode) {
    let derived = node.derived();
    let mut stranger = world.start(&world.disk(), Part::Follower).await;
    world.until(&mut stranger, "the stranger's sync", |it| it.derived() >= derived).await;
    assert_eq!(stranger.hashes(derived), node.hashes(derived));
    assert_eq!(stranger.height(), stranger.derived(), "a follower shows what is derived");
    stranger.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_transfer_is_posted_and_settled_and_a_stranger_sees_it() {
    let world = NativeWorld::new();
    let mut node = world.start(&world.disk(), Part::Sequencer).await;
    world.pass(2).await;
    for round in 1..=3 {
        node.transfer(&alice(), BOB, ether(1));
        let paid = ether(round);
        world.until(&mut node, "the transfer", |node| node.balance(BOB) == paid).await;
        settle_all(&world, &mut node).await;
    }
    check_stranger(&world, &node).await;
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_with_value_arrives_within_four_blocks() {
    let world = NativeWorld::new();
    let mut node = world.start(&world.disk(), Part::Sequencer).await;
    world.pass(2).await;
    let before = world.l1.height();
    world.send_message(&alice(), BOB, ether(2));
    world.until(&mut node, "the deposit", |node| node.balance(BOB) == ether(2)).await;
    let blocks = world.l1.height() - before;
    assert!(blocks <= 4, "it took {blocks} blocks of L1");
    settle_all(&world, &mut node).await;
    check_stranger(&world, &node).await;
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_was_promised_survives_a_crash_at_any_time() {
    let world = NativeWorld::new();
    let disk = world.disk();
    for run in 0..6 {
        let node = world.start(&disk, Part::Sequencer).await;
        world.pass(1).await;
        let promised = node.hashes(node.height());
        for _ in 0..3 {
            node.transfer(&alice(), BOB, U256::from(1));
        }
        world.pass(run % 4).await;
        assert_eq!(node.hashes(promised.len() as u64 - 1), promised, "run {run}");
        node.kill().await;
    }
    let mut node = world.start(&disk, Part::Sequencer).await;
    // The pool of these nodes has no journal: what did not get into a block is gone.
    let included = node.nonce(alice().address());
    assert!(included > 3 && node.balance(BOB) == U256::from(included));
    settle_all(&world, &mut node).await;
    check_stranger(&world, &node).await;
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_crash_within_any_tenth_of_a_second_loses_nothing() {
    crash_at_any_time(&NativeWorld::new()).await;
}

/// Kills the sequencer at many moments. Nothing promised is lost, and nothing posted twice.
async fn crash_at_any_time(world: &NativeWorld) {
    let disk = world.disk();
    let mut node = world.start(&disk, Part::Sequencer).await;
    world.pass(2).await;
    for tenth in 0..12 {
        node.transfer(&alice(), BOB, U256::from(1));
        let moment = Duration::from_millis(1_000 + tenth * 137);
        let mine = async {
            loop {
                tokio::time::sleep(Duration::from_secs(1)).await;
                world.l1.mine();
            }
        };
        let _ = tokio::time::timeout(moment, mine).await;
        let promised = node.hashes(node.height());
        node.kill().await;
        node = world.start(&disk, Part::Sequencer).await;
        let again = node.hashes(node.height());
        assert_eq!(again[..promised.len()], promised, "moment {tenth}");
    }
    settle_all(world, &mut node).await;
    check_stranger(world, &node).await;
    // One post for each item and no more: no transaction of the sequencer's was mined in vain.
    let items = world.contract().item_count().await.expect("the observer is answered");
    let sent = world.nonce_on_l1(dev::DEPLOYER.address);
    assert_eq!(sent, items);
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_l1_that_is_away_is_waited_for() {
    let world = NativeWorld::new();
    let mut node = world.start(&world.disk(), Part::Sequencer).await;
    world.pass(2).await;
    node.transfer(&alice(), BOB, ether(1));
    world.until(&mut node, "the transfer", |node| node.balance(BOB) == ether(1)).await;
    world.l1.set_down(true);
    node.transfer(&alice(), BOB, ether(1));
    world.pass(20).await;
    node.check().await;
    world.l1.set_down(false);
    world.until(&mut node, "the second transfer", |node| node.balance(BOB) == ether(2)).await;
    settle_all(&world, &mut node).await;
    check_stranger(&world, &node).await;
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn l1_goes_back_and_the_rollup_with_it() {
    for (depth, reorged) in [
        (1, Reorged::Returned),
        (2, Reorged::Lost),
        (3, Reorged::Returned),
        (5, Reorged::Lost),
        (8, Reorged::Returned),
    ] {
        reorganise(&NativeWorld::new(), depth, reorged).await;
    }
}

/// Takes L1 blocks back under a busy rollup.
async fn reorganise(world: &NativeWorld, depth: u64, reorged: Reorged) {
    let mut node = world.start(&world.disk(), Part::Sequencer).await;
    let mut follower = world.start(&world.disk(), Part::Follower).await;
    world.pass(2).await;
    world.send_message(&User::new(&dev::RICH[2]), BOB, ether(1));
    for _ in 0..8 {
        node.transfer(&alice(), Address::repeat_byte(0xca), U256::from(1));
        world.pass(1).await;
    }
    world.l1.reorganise(depth, reorged);
    world.pass(2).await;
    node.transfer(&alice(), Address::repeat_byte(0xca), U256::from(1));
    world
        .until(&mut node, "all transfers after the reorganisation", |node| {
            node.balance(Address::repeat_byte(0xca)) == U256::from(9)
        })
        .await;
    settle_all(world, &mut node).await;
    let derived = node.derived();
    world.until(&mut follower, "following", |it| it.derived() >= derived).await;
    assert_eq!(follower.hashes(derived), node.hashes(derived), "depth {depth}");
    check_stranger(world, &node).await;
    follower.stop().await;
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn c06_a_forced_transaction_is_included_by_an_idle_sequencer() {
    let world = NativeWorld::new();
    let mut node = world.start(&world.disk(), Part::Sequencer).await;
    world.pass(2).await;
    world.force(&User::new(&dev::RICH[2]), raw_transfer(0));
    world.force(&User::new(&dev::RICH[2]), Bytes::from_static(b"garbage"));
    world.force(&User::new(&dev::RICH[2]), raw_transfer(7));
    world.until(&mut node, "the forced transfer", |node| node.balance(BOB) == U256::from(1)).await;
    settle_all(&world, &mut node).await;
    assert_eq!(world.contract().head().await.unwrap().forced, 3, "all three are done with");
    check_stranger(&world, &node).await;
    node.stop().await;
}

/// A small block with the largest lane is where the contract's own work is most, beside EXECUTE's.
#[tokio::test(start_paused = true)]
async fn c06_a_full_lane_is_settled() {
    let world = NativeWorld::new();
    let mut node = world.start(&world.disk(), Part::Sequencer).await;
    world.pass(2).await;
    for _ in 0..32 {
        world.force(&User::new(&dev::RICH[2]), Bytes::from_static(b"garbage"));
    }
    let done = |node: &NativeNode| node.view.read(|follower| follower.tip().forced) == 32;
    world.until(&mut node, "the forced garbage", done).await;
    settle_all(&world, &mut node).await;
    assert_eq!(world.contract().head().await.unwrap().forced, 32, "all are done with");
    check_stranger(&world, &node).await;
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn without_its_sequencer_a_stranger_forces_posts_and_settles() {
    let world = NativeWorld::new();
    let mut node = world.start(&world.disk(), Part::Sequencer).await;
    world.pass(2).await;
    node.transfer(&alice(), BOB, ether(1));
    world.until(&mut node, "the transfer", |node| node.balance(BOB) == ether(1)).await;
    settle_all(&world, &mut node).await;
    node.kill().await;

    let mut stranger = world.start(&world.disk(), Part::Settler).await;
    world.force(&User::new(&dev::RICH[2]), raw_transfer(1));
    let expected = ether(1) + U256::from(1);
    world.until(&mut stranger, "the forced transfer", |it| it.balance(BOB) == expected).await;
    let height = stranger.height();
    world.pass(4).await;
    assert!(world.settled().await >= height);
    assert_eq!(stranger.derived(), height, "one block was enough");
    stranger.stop().await;
}

#[tokio::test(start_paused = true)]
async fn garbage_in_the_inbox_stops_nobody() {
    let world = NativeWorld::new();
    let mut node = world.start(&world.disk(), Part::Sequencer).await;
    world.pass(1).await;
    node.transfer(&alice(), BOB, ether(1));
    world.until(&mut node, "the transfer", |node| node.balance(BOB) == ether(1)).await;
    settle_all(&world, &mut node).await;
    // The sequencer's key posts what is no stream, so the items of the running sequencer are out of place.
    let post = |stream: &'static [u8]| {
        let mut header = Vec::new();
        world.l1.chain().head().inner().encode(&mut header);
        INativeRollup::postCall {
            l1Header: header.into(),
            msgCount: u64::MAX,
            feeRecipient: BOB,
            stream: Bytes::from_static(stream),
            dataGas: 1_000_000,
        }
    };
    let sequencer = User::new(&dev::DEPLOYER);
    node.kill().await;
    for stream in [&b""[..], b"NR01", b"junk", b"NR01\0\0\0\0\x03\x01\x01\x05"] {
        world.call(&sequencer, U256::ZERO, &post(stream));
        world.pass(1).await;
    }
    let mut node = world.start(&world.disk(), Part::Sequencer).await;
    world.pass(2).await;
    node.transfer(&alice(), BOB, ether(1));
    world.until(&mut node, "another transfer", |node| node.balance(BOB) == ether(2)).await;
    settle_all(&world, &mut node).await;
    assert!(world.contract().head().await.unwrap().position >= 5);
    check_stranger(&world, &node).await;
    node.stop().await;
}

/// A proposal for the item at `position` with what `change` makes of the truth.
fn propose(
    world: &NativeWorld,
    node: &NativeNode,
    position: u64,
    change: impl FnOnce(&mut Vec<B256>, &mut Vec<u64>),
) {
    let (item, steps) = node.view.read(|follower| {
        let item = follower.derivation().item(position).expect("it is posted").item.clone();
        (item, follower.steps_of(position).expect("it is walked over"))
    });
    let hashes = steps.iter().map(|walked| walked.after.parent.hash);
    let (mut hashes, mut forced): (Vec<_>, Vec<_>) =
        hashes.zip(steps.iter().map(|walked| walked.after.forced)).unzip();
    change(&mut hashes, &mut forced);
    // Of a made-up last block there is a made-up header, and of none no header.
    let (mut header, last) = (Vec::new(), *hashes.last().expect("it has blocks"));
    let none = last == steps[0].at.parent.hash;
    match node.chain.storage().header(last).expect("memory does not fail") {
        Some(_) if none => {}
        Some(known) => known.inner().encode(&mut header),
        None => made_up(node).encode(&mut header),
    }
    let call = INativeRollup::proposeCall {
        item,
        parentHash: steps[0].at.parent.hash,
        parentForced: steps[0].at.forced,
        hashes,
        forcedAfter: forced,
        lastHeader: header.into(),
    };
    world.call(&User::new(&dev::RICH[8]), ether(1), &call);
}

/// A header that no block has.
fn made_up(node: &NativeNode) -> Header {
    let head = node.chain.head().inner().clone();
    Header { state_root: B256::repeat_byte(0xee), ..head }
}

/// Standing proposals, as the node has read them.
fn standing(node: &NativeNode) -> usize {
    node.view.read(|follower| follower.derivation().proposals().0.len())
}

#[tokio::test(start_paused = true)]
async fn c07_every_kind_of_false_proposal_is_refuted_and_the_truth_becomes_final() {
    let world = NativeWorld::optimistic();
    let mut node = world.start(&world.disk(), Part::Sequencer).await;
    world.pass(2).await;
    for round in 1..=3 {
        node.transfer(&alice(), BOB, ether(1));
        world.until(&mut node, "the transfer", |node| node.balance(BOB) == ether(round)).await;
        world.pass(1).await;
    }
    let height = node.height();
    world.until(&mut node, "posting", |node| node.derived() == height).await;

    type Change = fn(&NativeNode, &mut Vec<B256>, &mut Vec<u64>);
    let lies: [Change; 3] = [
        |node, hashes, _| *hashes.last_mut().unwrap() = made_up(node).hash_slow(),
        |node, hashes, _| *hashes.last_mut().unwrap() = node.hashes(0)[0],
        |node, hashes, forced| {
            hashes.fill(made_up(node).hash_slow());
            forced.fill(0);
        },
    ];
    for (number, lie) in lies.into_iter().enumerate() {
        let refuted = node.view.read(|follower| follower.derivation().last_refuted());
        propose(&world, &node, 0, |hashes, forced| lie(&node, hashes, forced));
        let again = |node: &NativeNode| {
            node.view.read(|follower| follower.derivation().last_refuted()) > refuted
        };
        // The second lie is one block of many, or skips all: whichever, it falls.
        world.until(&mut node, &format!("refutation of lie {number}"), again).await;
        assert_eq!(standing(&node), 0);
    }
    propose(&world, &node, 0, |_, _| {});
    world.pass(3).await;
    assert_eq!(standing(&node), 1, "the truth stands");

    let mut proposer = world.start(&world.disk(), Part::Settler).await;
    world.pass(40).await;
    world
        .until(&mut proposer, "finality", |it| {
            it.view.read(|follower| follower.settled().is_some_and(|to| to.number >= height))
        })
        .await;
    assert!(world.settled().await >= height);
    proposer.stop().await;
    node.stop().await;
}

/// What EXECUTE says about a stream: its data root, transactions and blocks.
fn executed(stream: &[u8]) -> (B256, u64, u64) {
    let genesis = l1_genesis();
    let config = ExecuteConfig::from_genesis(&genesis).unwrap().unwrap();
    let time = genesis.timestamp + 1;
    let spec = ChainSpec::new(genesis).unwrap();
    let gas_bound = stream::decode(stream).gas;
    let header = envelope::Header { mode: Mode::Data, level: 1, flags: Flags::NONE, gas_bound };
    let envelope = header.wrap(&[&[0, 0], stream].concat());
    let outcome = execute(&config, &spec, 0, time, 30_000_000, &envelope).unwrap();
    let output = outcome.result.unwrap();
    let word = |index: usize| &output[index * 32..][..32];
    let part = |at: usize| u64::from_be_bytes(word(20)[at..][..8].try_into().unwrap());
    (B256::from_slice(word(18)), part(8), part(24))
}

#[test]
fn c12_a_node_reads_the_blocks_that_execute_reads_whatever_is_posted() {
    let block = |dt, lens: &[usize]| StreamBlock {
        dt,
        transactions: lens.iter().map(|len| Bytes::from(vec![0xaa; *len])).collect(),
    };
    let blocks = [block(1, &[100, 200]), block(0, &[]), block(u64::MAX, &[1, 0, 3000])];
    let whole = stream::encode(&blocks, Codec::Raw).unwrap();
    // A small generator is enough to reach every byte and every length.
    let mut state = 7_u64;
    let mut random = move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(state >> 33).unwrap()
    };
    for round in 0..300 {
        let mut stream = whole.clone();
        for _ in 0..round % 4 {
            let at = random() % stream.len();
            stream[at] = random().to_le_bytes()[0];
        }
        if round % 3 == 0 {
            stream.truncate(random() % stream.len());
        }
        let decoded = stream::decode(&stream).blocks;
        let transactions = decoded.iter().map(|block| block.transactions.len() as u64).sum();
        let expected = (stream::data_root(&decoded), transactions, decoded.len() as u64);
        assert_eq!(executed(&stream), expected, "round {round}");
    }
}

#[tokio::test(start_paused = true)]
async fn c07_a_lie_about_a_full_lane_is_refuted() {
    let world = NativeWorld::optimistic();
    let mut node = world.start(&world.disk(), Part::Sequencer).await;
    world.pass(2).await;
    for _ in 0..32 {
        world.force(&User::new(&dev::RICH[2]), Bytes::from_static(b"garbage"));
    }
    let done = |node: &NativeNode| node.view.read(|follower| follower.tip().forced) == 32;
    world.until(&mut node, "the forced garbage", done).await;
    propose(&world, &node, 0, |hashes, forced| {
        hashes.fill(made_up(&node).hash_slow());
        forced.fill(0);
    });
    let refuted =
        |node: &NativeNode| node.view.read(|follower| follower.derivation().last_refuted()) > 0;
    world.until(&mut node, "the refutation", refuted).await;
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn c07_a_true_proposal_cannot_be_refuted() {
    let world = NativeWorld::optimistic();
    let mut node = world.start(&world.disk(), Part::Sequencer).await;
    world.pass(2).await;
    for round in 1..=4 {
        node.transfer(&alice(), BOB, ether(1));
        world.until(&mut node, "the transfer", |node| node.balance(BOB) == ether(round)).await;
    }
    let height = node.height();
    world.until(&mut node, "posting", |node| node.derived() == height).await;
    let mut disputed = 0;
    for position in 0..node.view.read(|follower| follower.derivation().items()) {
        propose(&world, &node, position, |_, _| {});
        world.pass(2).await;
        let steps =
            node.view.read(|follower| follower.steps_of(position)).expect("it is walked over");
        let hashes: Vec<B256> = steps.iter().map(|step| step.after.parent.hash).collect();
        let forced: Vec<u64> = steps.iter().map(|step| step.after.forced).collect();
        for (k, walked) in steps.iter().enumerate() {
            let step = settlement_step(&node.blocks, &node.view, walked);
            let mut parent = Vec::new();
            if k > 0 {
                let header = node.blocks.header(walked.at.parent.hash).expect("it is stored");
                header.inner().encode(&mut parent);
            }
            let call = INativeRollup::challengeCall {
                k: k as u64,
                step: step.expect("memory does not fail").expect("it is known"),
                hashes: hashes.clone(),
                forcedAfter: forced.clone(),
                parentHeader: parent.into(),
            };
            let refused = world.contract().would_work(&call).await.expect("L1 answers");
            let why = refused.expect_err("the truth stands");
            assert!(why.is::<INativeRollup::NotFraud>(), "{why}");
            disputed += 1;
        }
    }
    assert_eq!(disputed, usize::try_from(height).unwrap());
    node.stop().await;
}

/// Init code that looks at the balances of so many accounts.
fn looks_at(accounts: u8) -> Bytes {
    // PUSH1 n, JUMPDEST, DUP1, BALANCE, POP, PUSH1 1, SWAP1, SUB, DUP1, PUSH1 2, JUMPI, STOP
    let code = [0x60, accounts, 0x5b, 0x80, 0x31, 0x50, 0x60, 1, 0x90, 3, 0x80, 0x60, 2, 0x57, 0];
    Bytes::copy_from_slice(&code)
}

#[tokio::test(start_paused = true)]
async fn c13_a_transaction_too_heavy_for_a_block_holds_up_nobody() {
    let world = NativeWorld::new();
    let mut node = world.start(&world.disk(), Part::Sequencer).await;
    world.pass(2).await;
    let heavy = |accounts| {
        move |tx: &mut TxEip1559| {
            (tx.to, tx.input, tx.gas_limit) = (TxKind::Create, looks_at(accounts), 2_000_000);
        }
    };
    // All that a block may touch, but for what the sequencer itself touches.
    node.send(&alice(), heavy(40));
    world.until(&mut node, "the large one", |node| node.nonce(alice().address()) == 1).await;
    node.send(&alice(), heavy(100));
    world.pass(3).await;
    node.transfer(&alice(), BOB, ether(1));
    world.until(&mut node, "the transfer after it", |node| node.balance(BOB) == ether(1)).await;
    assert_eq!(node.nonce(alice().address()), 2, "the heavy one was never included");

    // Posted or forced by force, it is dropped, and the rollup goes on.
    let signer = dev::RICH[1].private_key.parse().expect("development keys are keys");
    let raw = signed(&signer, |tx| {
        (tx.chain_id, tx.nonce) = (80_790_001, 2);
        heavy(100)(tx);
    });
    world.force(&User::new(&dev::RICH[2]), raw.encoded_2718().into());
    world.force(&User::new(&dev::RICH[2]), raw_transfer(2));
    let expected = ether(1) + U256::from(1);
    world.until(&mut node, "the forced transfer", |node| node.balance(BOB) == expected).await;
    settle_all(&world, &mut node).await;
    check_stranger(&world, &node).await;
    node.stop().await;
}
