//! Proofs are late, lost, wrong, or made by a process that died.

use ethrex_protocol::BatchNumber;
use ethrex_prover::ProverType;
use ethrex_test_actions::{Reorged, World, ether};

/// A running rollup whose prover sleeps, with so many committed batches.
async fn unproven(batches: u64) -> World {
    let mut world = World::new();
    world.settings.prover.set_asleep(true);
    world.start();
    world.until("batches are committed", |world| world.committed() >= batches).await;
    assert_eq!(world.verified(), 0);
    world
}

#[tokio::test(start_paused = true)]
async fn a_prover_that_is_late_catches_up() {
    let mut world = unproven(4).await;
    world.settings.prover.set_asleep(false);
    world.until("what waited is verified", |world| world.verified() >= 4).await;
    let batches = world.batches().len() as u64;
    world.until("and what came since", |world| world.verified() > batches).await;
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_between_commit_and_verify_verifies() {
    let mut world = unproven(1).await;
    world.kill().await;
    world.settings.prover.set_asleep(false);
    world.start();
    world.until("it is verified", |world| world.verified() >= 2).await;
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_between_proven_and_sent_verifies_once() {
    let mut world = unproven(1).await;
    world.l1.set_down(true);
    world.settings.prover.set_asleep(false);
    let proof = |world: &World| {
        world.node().store.proof(BatchNumber(1), ProverType::Exec.id()).unwrap().is_some()
    };
    world.reach("the proof is stored", proof).await;
    world.kill().await;
    world.settings.prover.set_asleep(true);
    world.l1.set_down(false);
    world.start();
    world.until("it is verified", |world| world.verified() == 1).await;
    assert_eq!(world.verifications_sent(), 1);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_kill_while_the_verification_waits_for_a_block_sends_it_once() {
    let mut world = unproven(2).await;
    world.settings.prover.set_asleep(false);
    world.reach("a verification is sent", |world| world.waits_for_l1(2)).await;
    world.kill().await;
    world.l1.mine();
    world.start();
    world.until("settlement goes on", |world| world.verified() >= 3).await;
    assert!(world.verifications_sent() <= world.verified());
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_proof_is_made_again() {
    let mut world = unproven(1).await;
    world.l1.set_down(true);
    world.settings.prover.set_asleep(false);
    world.pass(3).await;
    let store = world.node().store.clone();
    store.delete_proof(BatchNumber(1), ProverType::Exec.id()).unwrap();
    world.l1.set_down(false);
    world.until("it is verified all the same", |world| world.verified() >= 1).await;
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_proof_of_something_else_is_not_sent() {
    let mut world = unproven(1).await;
    world.settings.prover.set_lying(true);
    world.settings.prover.set_asleep(false);
    world.pass(20).await;
    assert_eq!((world.verified(), world.verifications_sent()), (0, 0));
    assert!(world.committed() >= 3, "the rest of the rollup goes on");
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_verification_that_a_reorganisation_takes_away_is_made_again() {
    let mut world = World::new();
    world.start();
    world.until("a batch is verified", |world| world.verified() == 1).await;
    world.l1.reorganise(2, Reorged::Lost);
    world.until("it is verified again", |world| world.verified() >= 2).await;
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_reorganisation_of_both_commitment_and_verification_settles_again() {
    let mut world = World::new();
    let alice = world.user(3);
    world.start();
    world.pass(1).await;
    world.l1.mine_many(3);
    world.until("a batch is verified", |world| world.verified() == 1).await;
    world.l1.reorganise(5, Reorged::Lost);
    world.check().await;
    assert_eq!((world.committed(), world.verified()), (0, 0));
    world.until("settlement goes on", |world| world.verified() >= 2).await;
    world.deposit(&alice, alice.address(), ether(1));
    world.until("deposits too", |world| world.executed() == 1).await;
    world.stop().await;
}

/// The contract verifies only messages of L1 once one has waited too long, so a censor cannot settle.
#[tokio::test(start_paused = true)]
async fn a_censored_deposit_stops_verification_until_it_is_included() {
    let mut world = World::new();
    world.settings.watch = false;
    world.settings.prover.set_asleep(true);
    world.start();
    let (alice, bob) = (world.user(3), world.user(4));
    world.settings.watch = true;
    world.kill().await;
    // Somebody has ether on L2, so that there are other transactions.
    world.deposit(&bob, bob.address(), ether(1));
    world.start();
    world.until("bob has ether", |world| world.executed() == 1).await;
    world.kill().await;

    world.settings.watch = false;
    world.start();
    world.deposit(&alice, alice.address(), ether(1));
    world.pass(1).await;
    world.transfer(&bob, alice.address(), ether(1) / alloy_primitives::U256::from(10));
    world.pass(2).await;
    world.l1.mine_after(3_001);
    assert!(world.settlement().has_expired_privileged().await.unwrap());
    let head = world.height();
    world.until("batches without it are committed", |world| world.batched() >= head).await;
    world.settings.prover.set_asleep(false);
    world.pass(30).await;
    let stuck = world.verified();
    let batch = world.batches().iter().position(|row| row.batch.last_block.0 >= head).unwrap();
    assert!(stuck <= batch as u64, "no batch with other transactions is verified");
    assert_eq!(world.executed(), 1);

    world.kill().await;
    world.settings.watch = true;
    world.start();
    world.until("the deposit is credited", |world| world.executed() == 2).await;
    let batches = world.batches().len() as u64;
    world.until("and settlement goes on", |world| world.verified() > batches).await;
    assert!(!world.settlement().has_expired_privileged().await.unwrap());
    world.stop().await;
}
