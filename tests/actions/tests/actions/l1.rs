//! L1 is down, slow, forgetful, dear, or changes its mind.

use ethrex_l1::Policy;
use ethrex_test_actions::{Reorged, World, ether};

/// A running rollup with so many blocks of which none is in a batch yet.
async fn running(blocks: u64) -> World {
    let mut world = World::new();
    world.start();
    world.until("L2 has blocks", |world| world.height() >= blocks).await;
    world
}

#[tokio::test(start_paused = true)]
async fn an_l1_that_is_down_delays_settlement_and_never_blocks() {
    let mut world = running(1).await;
    let alice = world.user(3);
    world.l1.set_down(true);
    world.deposit(&alice, alice.address(), ether(1));
    let before = world.height();
    world.pass(30).await;
    assert!(world.height() >= before + 29, "a block per second");
    assert_eq!((world.committed(), world.executed()), (0, 0));
    world.l1.set_down(false);
    world.until("the deposit is credited", |world| world.executed() == 1).await;
    let batches = world.batches().len() as u64;
    world.until("what waited is committed", |world| world.committed() > batches).await;
    assert_eq!(world.balance(alice.address()), ether(1));
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_rollup_that_starts_before_its_l1_settles_later() {
    let mut world = World::new();
    world.l1.set_down(true);
    world.start();
    world.pass(10).await;
    assert!(world.height() >= 9);
    world.l1.set_down(false);
    world.until("a batch is committed", |world| world.committed() == 1).await;
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_commitment_that_l1_forgets_is_sent_again() {
    let mut world = running(1).await;
    world.reach("the commitment waits for a block", |world| world.l1.pooled() == 1).await;
    world.l1.drop_pool();
    world.until("it is committed all the same", |world| world.committed() == 1).await;
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_commitment_whose_acceptance_was_not_heard_is_not_sent_twice() {
    let mut world = running(1).await;
    world.l1.lose_answer("eth_sendRawTransaction");
    world.until("the first batch is committed", |world| world.committed() == 1).await;
    world.until("so is the second", |world| world.committed() == 2).await;
    assert_eq!(world.commitments_sent(), 2);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_commitment_that_miners_ignore_offers_more_until_they_take_it() {
    let mut world = World::new();
    world.settings.fees = Policy { patience: std::time::Duration::from_secs(3), ..Policy::dev() };
    world.start();
    world.l1.set_least_tip(3_000_000_000);
    world.until("it is committed for more", |world| world.committed() == 1).await;
    assert_eq!(world.commitments_sent(), 1, "each attempt replaces the one before");
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_commitment_that_a_reorganisation_takes_away_is_committed_again() {
    let mut world = running(1).await;
    world.until("a batch is committed", |world| world.committed() == 1).await;
    let row = world.batches()[0].clone();
    world.l1.reorganise(3, Reorged::Lost);
    world.check().await;
    assert_eq!(world.committed(), 0);
    world.until("it is committed again", |world| world.committed() == 1).await;
    assert_eq!(world.batches()[0].batch.state_root, row.batch.state_root);
    world.until("and settlement goes on", |world| world.committed() == 3).await;
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_deposit_that_a_reorganisation_moves_is_credited_once() {
    let mut world = World::new();
    world.settings.delay = 3;
    world.start();
    let (alice, bob) = (world.user(3), world.user(4));
    world.deposit(&alice, alice.address(), ether(1));
    world.pass(2).await;
    world.l1.reorganise(2, Reorged::Returned);
    // On the other side somebody else comes first.
    world.l1.drop_pool();
    world.deposit(&bob, bob.address(), ether(2));
    world.pass(1).await;
    world.deposit(&alice, alice.address(), ether(1));
    world.until("both are credited", |world| world.executed() == 2).await;
    assert_eq!(world.balance(alice.address()), ether(1));
    assert_eq!(world.balance(bob.address()), ether(2));
    world.until("and committed", |world| world.committed() == 2).await;
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_deposit_read_and_not_yet_executed_may_still_move() {
    let mut world = running(1).await;
    let alice = world.user(3);
    // No block takes the message while the checks are held and the pipeline is full.
    world.settings.checks.hold();
    world.pass(6).await;
    world.deposit(&alice, alice.address(), ether(1));
    world.pass(2).await;
    world.l1.reorganise(2, Reorged::Returned);
    world.pass(3).await;
    world.settings.checks.release();
    world.until("the deposit is credited", |world| world.executed() == 1).await;
    assert_eq!(world.balance(alice.address()), ether(1));
    world.until("and committed", |world| world.committed() == 3).await;
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_deposit_in_a_block_that_waits_for_its_check_may_still_move() {
    let mut world = running(1).await;
    let (alice, bob) = (world.user(3), world.user(4));
    world.settings.checks.hold();
    world.deposit(&alice, alice.address(), ether(1));
    // Blocks with the message are built, and nobody has seen them.
    world.pass(3).await;
    assert_eq!(world.executed(), 0);
    world.l1.reorganise(3, Reorged::Returned);
    world.l1.drop_pool();
    world.deposit(&bob, bob.address(), ether(2));
    world.pass(1).await;
    world.deposit(&alice, alice.address(), ether(1));
    world.pass(3).await;
    world.settings.checks.release();
    world.until("both are credited", |world| world.executed() == 2).await;
    assert_eq!(world.balance(alice.address()), ether(1));
    assert_eq!(world.balance(bob.address()), ether(2));
    let committed = world.committed();
    world.until("and committed", |world| world.committed() == committed + 3).await;
    world.check().await;
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_reorganisation_that_takes_an_executed_deposit_away_stops_the_sequencer() {
    let mut world = running(1).await;
    let alice = world.user(3);
    world.deposit(&alice, alice.address(), ether(1));
    world.until("the deposit is credited", |world| world.executed() == 1).await;
    world.l1.reorganise(3, Reorged::Lost);
    let (task, why) = world.failure().await;
    assert_eq!(task, "sequencer");
    assert!(why.contains("message 0 is executed on L2"), "{why}");
    world.kill().await;
}
