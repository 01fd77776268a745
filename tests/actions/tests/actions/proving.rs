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
    let mut world = unproven(3).await;
    world.settings.prover.set_asleep(false);
    world.until("what waited is verified", |world| world.verified() >= 3).await;
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
    world.pass(12).await;
    assert_eq!((world.verified(), world.verifications_sent()), (0, 0));
    assert!(world.committed() >= 2, "the rest of the rollup goes on");
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
