//! The process is killed, and started again on what it left behind.

use alloy_primitives::U256;
use ethrex_test_actions::{User, World, ether};

/// A running rollup on which somebody has ether.
async fn funded(mut world: World) -> (World, User) {
    let alice = world.user(3);
    world.deposit(&alice, alice.address(), ether(10));
    world.start();
    world.until("the deposit is credited", |world| world.executed() == 1).await;
    (world, alice)
}

#[tokio::test(start_paused = true)]
async fn a_kill_between_stored_and_sent_commits_what_was_stored() {
    let (mut world, _) = funded(World::new()).await;
    world.l1.set_down(true);
    world.reach("the row is stored", |world| world.batches().len() == 1).await;
    let row = world.batches()[0].clone();
    assert_eq!(world.l1.pooled(), 0, "nothing was sent");
    world.kill().await;
    world.l1.set_down(false);
    world.start();
    world.until("it is committed", |world| world.committed() == 1).await;
    assert_eq!(world.batches()[0].batch.last_block, row.batch.last_block);
    world.until("settlement goes on", |world| world.committed() == 2).await;
    assert_eq!(world.commitments_sent(), 2);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_kill_between_sent_and_mined_commits_once() {
    let (mut world, _) = funded(World::new()).await;
    world.reach("the commitment is sent", |world| world.l1.pooled() == 1).await;
    world.kill().await;
    world.l1.mine();
    world.start();
    world.until("settlement goes on", |world| world.committed() == 2).await;
    assert_eq!(world.commitments_sent(), 2);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_kill_before_l1_forgets_the_commitment_sends_it_again() {
    let (mut world, _) = funded(World::new()).await;
    world.reach("the commitment is sent", |world| world.l1.pooled() == 1).await;
    world.kill().await;
    world.l1.drop_pool();
    world.start();
    world.until("settlement goes on", |world| world.committed() == 2).await;
    assert_eq!(world.commitments_sent(), 2);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_transaction_whose_hash_was_returned_survives_a_kill() {
    let (mut world, alice) = funded(World::on_disk()).await;
    let bob = world.user(4).address();
    let tx = world.transfer(&alice, bob, ether(3));
    world.kill().await;
    world.start();
    world.until("it is in a block", |world| world.succeeded_on_l2(tx) == Some(true)).await;
    assert_eq!(world.balance(bob), ether(3));
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn blocks_that_nobody_saw_are_forgotten_and_their_deposits_come_again() {
    let (mut world, _) = funded(World::new()).await;
    let bob = world.user(4);
    world.settings.checks.hold();
    world.deposit(&bob, bob.address(), ether(2));
    world.pass(3).await;
    let published = world.height();
    world.kill().await;
    world.settings.checks.release();
    world.start();
    assert_eq!(world.height(), published);
    world.until("the deposit is credited", |world| world.executed() == 2).await;
    assert_eq!(world.balance(bob.address()), ether(2));
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn messages_that_came_while_the_node_was_away_are_executed_in_order() {
    let (mut world, alice) = funded(World::on_disk()).await;
    world.stop().await;
    for _ in 0..5 {
        world.deposit(&alice, alice.address(), ether(1));
        world.l1.mine();
    }
    world.start();
    world.until("all are credited", |world| world.executed() == 6).await;
    assert_eq!(world.balance(alice.address()), ether(15));
    world.stop().await;
}

/// Moments spread over a whole period of settlement, the same in every run.
#[tokio::test(start_paused = true)]
async fn kills_at_any_moment_lose_nothing_and_do_nothing_twice() {
    let (mut world, alice) = funded(World::on_disk()).await;
    let bob = world.user(4);
    let mut sent = Vec::new();
    for round in 0_u64..10 {
        world.deposit(&bob, bob.address(), ether(1));
        sent.push(world.transfer(&alice, bob.address(), U256::from(1)));
        let moment = std::time::Duration::from_millis(137 + 613 * round);
        tokio::time::sleep(moment).await;
        if round % 3 != 0 {
            world.l1.mine();
        }
        if round % 4 == 1 {
            world.l1.drop_pool();
            world.deposit(&bob, bob.address(), ether(1));
        }
        world.kill().await;
        world.start();
    }
    world.pass(1).await;
    world.until("everything is executed", |world| world.executed() == world.sent()).await;
    for tx in sent {
        assert_eq!(world.succeeded_on_l2(tx), Some(true));
    }
    let batches = world.batches().len() as u64;
    world.until("and committed", |world| world.committed() > batches).await;
    assert_eq!(world.commitments_sent(), world.committed());
    world.stop().await;
}
