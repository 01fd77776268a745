//! Deadlines that pass, and more than fits.

use alloy_primitives::{Address, Bytes, U256};
use ethrex_protocol::constants::PRIVILEGED_TX_BUDGET;
use ethrex_test_actions::{User, World, ether};

/// Longer than the bridge waits for a message to be included.
const PAST_THE_DEADLINE: u64 = 3_001;
/// Where ether goes that nobody needs.
const SINK: Address = Address::repeat_byte(0x51);

/// A running rollup whose prover sleeps, and on which somebody has ether.
async fn funded() -> (World, User) {
    let mut world = World::new();
    world.settings.prover.set_asleep(true);
    world.start();
    let bob = world.user(4);
    world.deposit(&bob, bob.address(), ether(10));
    world.until("the deposit is credited", |world| world.executed() == 1).await;
    (world, bob)
}

/// Runs the node again, reading L1's messages or not.
async fn restart(world: &mut World, watch: bool) {
    world.kill().await;
    world.settings.watch = watch;
    world.start();
}

/// Once a message has waited too long the contract verifies no other transactions, so a censor cannot settle.
#[tokio::test(start_paused = true)]
async fn a_censored_deposit_stops_verification_until_it_is_included() {
    let (mut world, bob) = funded().await;
    let alice = world.user(3);
    restart(&mut world, false).await;
    world.deposit(&alice, alice.address(), ether(1));
    let ordinary = world.transfer(&bob, SINK, U256::from(1));
    world.until("bob is served", |world| world.succeeded_on_l2(ordinary) == Some(true)).await;
    let head = world.height();
    world.until("his block is in a batch", |world| world.batched() >= head).await;
    let batch = world.batch_of(ordinary);

    world.l1.mine_after(PAST_THE_DEADLINE);
    assert!(world.has_expired().await);
    world.settings.prover.set_asleep(false);
    world.pass(15).await;
    assert!(world.verified() < batch, "a batch with his transaction is not verified");
    assert_eq!(world.executed(), 1, "alice waits");

    restart(&mut world, true).await;
    world.until("alice is served", |world| world.executed() == 2).await;
    assert_eq!(world.balance(alice.address()), ether(1));
    let batches = world.batches().len() as u64;
    world.until("settlement goes on", |world| world.verified() > batches).await;
    assert!(!world.has_expired().await);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_deadline_that_passes_while_the_prover_is_late_stops_nothing() {
    let (mut world, bob) = funded().await;
    for _ in 0..2 {
        let ordinary = world.transfer(&bob, SINK, U256::from(1));
        world.until("bob is served", |world| world.succeeded_on_l2(ordinary) == Some(true)).await;
        let head = world.height();
        world.until("his block is in a batch", |world| world.batched() >= head).await;
        // The message of a later batch must not hold up this one.
        world.deposit(&bob, bob.address(), ether(1));
    }
    world.until("all are credited", |world| world.executed() == 3).await;
    let head = world.height();
    world.until("and committed", |world| world.batched() >= head && world.all_committed()).await;
    world.l1.mine_after(PAST_THE_DEADLINE);
    let batches = world.batches().len() as u64;
    world.settings.prover.set_asleep(false);
    world.until("all of them are verified", |world| world.verified() >= batches).await;
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn batches_with_messages_do_not_wait_for_each_other_to_be_verified() {
    let (mut world, bob) = funded().await;
    for count in 2..5 {
        world.deposit(&bob, bob.address(), ether(1));
        world.until("it is credited", |world| world.executed() == count).await;
        let head = world.height();
        world.until("and committed", |world| world.batched() >= head).await;
    }
    world.until("all are committed", World::all_committed).await;
    assert_eq!(world.verified(), 0);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn more_messages_than_a_batch_may_hold_are_spread_over_batches() {
    let mut world = World::new();
    world.start();
    let count = PRIVILEGED_TX_BUDGET + 10;
    let users: Vec<_> = (3..10).map(|number| world.user(number)).collect();
    for user in users.iter().cycle().take(count) {
        world.deposit(user, user.address(), ether(1));
    }
    world.until("all are credited", |world| world.executed() == count).await;
    let head = world.height();
    world.until("all are in batches", |world| world.batched() >= head).await;
    let batches = world.batches().len() as u64;
    assert!(batches >= 2);
    world.until("and verified", |world| world.verified() >= batches).await;
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn blocks_that_fill_a_blob_are_settled_one_by_one() {
    let (mut world, bob) = funded().await;
    world.settings.prover.set_asleep(false);
    let sent: Vec<_> = (0..3_u8)
        .map(|byte| {
            world
                .send(&bob, |tx| {
                    // Zero bytes are cheap, but a blob holds them like others.
                    tx.input = Bytes::from([&[byte; 1_000][..], &[0; 99_000]].concat());
                    (tx.to, tx.gas_limit) = (SINK.into(), 2_000_000);
                })
                .expect("alone it fits a blob")
        })
        .collect();
    for tx in &sent {
        world.until("it is in a block", |world| world.succeeded_on_l2(*tx) == Some(true)).await;
    }
    let head = world.height();
    world.until("all are in batches", |world| world.batched() >= head).await;
    let batches: Vec<_> = sent.iter().map(|tx| world.batch_of(*tx)).collect();
    assert!(batches.windows(2).all(|pair| pair[0] < pair[1]), "one in each: {batches:?}");
    world.until("and verified", |world| world.verified() >= batches[2]).await;
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_fails_is_executed_and_settled_all_the_same() {
    let (mut world, bob) = funded().await;
    world.settings.prover.set_asleep(false);
    // More than bob has on L2; what he says on L1 is not checked there.
    world.message(&bob, SINK, ether(1_000), Bytes::new());
    world.message(&bob, SINK, ether(1), Bytes::new());
    world.until("both are executed", |world| world.executed() == 3).await;
    assert_eq!(world.balance(SINK), ether(1));
    assert_eq!(world.balance(bob.address()), ether(9));
    let head = world.height();
    world.until("they are in a batch", |world| world.batched() >= head).await;
    let batches = world.batches().len() as u64;
    world.until("and verified", |world| world.verified() >= batches).await;
    world.stop().await;
}
