//! Money that leaves a native rollup long after its block was made.

use std::collections::BTreeSet;

use alloy_primitives::{Address, U256};
use ethrex_deploy::dev;
use ethrex_test_actions::{NativeNode, NativeWorld, PATIENCE, Part, Reorged, User, ether};

/// Blocks whose states a node keeps: [`ethrex_storage::STATE_HISTORY`], and a group that is flushed together.
const KEPT: u64 = ethrex_storage::STATE_HISTORY + ethrex_storage::LAYERS_PER_GROUP;

/// Receives on L1.
const CAROL: Address = Address::repeat_byte(0xca);

fn alice() -> User {
    User::new(&dev::RICH[1])
}

/// Lets the rollup make a block in each of so many seconds.
async fn blocks(world: &NativeWorld, node: &NativeNode, seconds: u64) {
    for _ in 0..seconds {
        node.transfer(&alice(), Address::repeat_byte(0xb0), U256::from(1));
        world.pass(1).await;
    }
}

/// Whether L1 has made this block final, and the node knows.
fn is_final(node: &NativeNode, number: u64) -> bool {
    node.view.read(|follower| follower.settled().is_some_and(|to| to.number >= number))
}

/// The settled block's state is one that this node does not have any more.
fn check_old(node: &NativeNode) {
    let settled = node.view.read(|follower| follower.settled()).expect("something is settled");
    assert!(node.height() >= settled.number + KEPT, "{} and {settled:?}", node.height());
    let state = node.chain.storage().state_at(settled.hash).expect("it answers");
    assert!(state.is_none(), "the state of block {} is kept for long", settled.number);
}

#[tokio::test(start_paused = true)]
async fn c05_a_withdrawal_is_claimed_after_a_challenge_period_of_hundreds_of_blocks() {
    let world = NativeWorld::patient();
    let mut node = world.start(&world.disk(), Part::Sequencer).await;
    let mut proposer = world.start(&world.disk(), Part::Settler).await;
    world.pass(2).await;
    node.withdraw(&alice(), CAROL, ether(1));
    world.until(&mut node, "the withdrawal", |node| node.nonce(alice().address()) == 1).await;
    let withdrawn = node.height();
    blocks(&world, &node, PATIENCE.as_secs()).await;
    assert_eq!(node.outbox_proof(0), None, "nothing is final yet");
    world.until(&mut node, "finality", |it| is_final(it, withdrawn)).await;
    world.until(&mut proposer, "finality", |it| is_final(it, withdrawn)).await;
    check_old(&node);

    // Whoever is asked says the same: the sequencer, who followed from the beginning, and who has only L1.
    let proof = node.outbox_proof(0).expect("it can be proven");
    assert_eq!(proposer.outbox_proof(0), Some(proof.clone()));
    let mut stranger = world.start(&world.disk(), Part::Follower).await;
    let derived = node.derived();
    world.until(&mut stranger, "the stranger's sync", |it| it.derived() >= derived).await;
    check_old(&stranger);
    let theirs = stranger.outbox_proof(0).expect("it can be proven");
    assert_eq!((&theirs.message, theirs.leaf), (&proof.message, proof.leaf));
    for node in [&node, &proposer, &stranger] {
        node.check_outbox();
    }

    world.claim(&User::new(&dev::RICH[2]), theirs).await;
    assert_eq!(world.balance_on_l1(CAROL), ether(1));
    for node in [node, proposer, stranger] {
        node.stop().await;
    }
}

#[tokio::test(start_paused = true)]
async fn c05_a_withdrawal_is_claimed_from_nodes_that_were_killed_meanwhile() {
    let world = NativeWorld::patient();
    let disks = [world.disk(), world.disk()];
    let mut node = world.start(&disks[0], Part::Sequencer).await;
    let mut proposer = world.start(&disks[1], Part::Settler).await;
    world.pass(2).await;
    node.withdraw(&alice(), CAROL, ether(1));
    world.until(&mut node, "the withdrawal", |node| node.nonce(alice().address()) == 1).await;
    let withdrawn = node.height();
    for _ in 0..3 {
        blocks(&world, &node, PATIENCE.as_secs() / 3).await;
        node.kill().await;
        proposer.kill().await;
        node = world.start(&disks[0], Part::Sequencer).await;
        proposer = world.start(&disks[1], Part::Settler).await;
        world.pass(2).await;
    }
    world.until(&mut proposer, "finality", |it| is_final(it, withdrawn)).await;
    world.until(&mut node, "finality", |it| is_final(it, withdrawn)).await;
    check_old(&node);
    node.check_outbox();
    proposer.check_outbox();
    let proof = node.outbox_proof(0).expect("it can be proven");
    assert!(proposer.outbox_proof(0).is_some());
    world.claim(&User::new(&dev::RICH[2]), proof).await;
    assert_eq!(world.balance_on_l1(CAROL), ether(1));
    node.stop().await;
    proposer.stop().await;
}

#[tokio::test(start_paused = true)]
async fn proofs_that_a_crash_has_prevented_are_made_after_the_restart() {
    let world = NativeWorld::optimistic();
    let disk = world.disk();
    let node = world.start(&disk, Part::Sequencer).await;
    world.pass(2).await;
    blocks(&world, &node, 10).await;
    node.check_outbox();
    let height = node.height();
    node.kill().await;
    disk.forget_outboxes();
    let mut node = world.start(&disk, Part::Sequencer).await;
    world.until(&mut node, "posting", |node| node.derived() >= height).await;
    node.check_outbox();
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn proofs_of_blocks_that_l1_has_taken_back_are_gone() {
    for reorged in [Reorged::Lost, Reorged::Returned] {
        let world = NativeWorld::optimistic();
        let mut node = world.start(&world.disk(), Part::Sequencer).await;
        let mut follower = world.start(&world.disk(), Part::Follower).await;
        world.pass(2).await;
        blocks(&world, &node, 8).await;
        let before: BTreeSet<_> = node.hashes(node.height()).into_iter().collect();
        world.l1.reorganise(6, reorged);
        world.pass(2).await;
        blocks(&world, &node, 2).await;
        let all = |node: &NativeNode| node.nonce(alice().address()) == 10;
        world.until(&mut node, "all transfers after the reorganisation", all).await;
        let height = node.height();
        world.until(&mut node, "posting", |node| node.derived() >= height).await;
        world.until(&mut follower, "following", |it| it.derived() >= height).await;
        if reorged == Reorged::Lost {
            let after: BTreeSet<_> = node.hashes(height).into_iter().collect();
            assert!(!before.is_subset(&after), "some blocks are gone");
        }
        node.check_outbox();
        follower.check_outbox();
        node.stop().await;
        follower.stop().await;
    }
}
