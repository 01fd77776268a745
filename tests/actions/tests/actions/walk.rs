//! The long way of money: in, around, and out again.

use alloy_primitives::U256;
use ethrex_protocol::{
    constants::{BRIDGE_L2, MESSENGER},
    messages::L1Message,
};
use ethrex_test_actions::{World, ether};

#[tokio::test(start_paused = true)]
async fn ether_comes_in_moves_and_goes_out_again() {
    let mut world = World::new();
    world.start();
    let (alice, bob) = (world.user(3), world.user(4));
    world.deposit(&alice, alice.address(), ether(5));
    world
        .until("the deposit is credited", |world| world.balance(alice.address()) == ether(5))
        .await;

    let sent = world.transfer(&alice, bob.address(), ether(3));
    world.until("the transfer is done", |world| world.succeeded_on_l2(sent) == Some(true)).await;
    assert_eq!(world.balance(bob.address()), ether(3));

    let withdrawn = world.withdraw(&bob, ether(1));
    world
        .until("the withdrawal is done", |world| world.succeeded_on_l2(withdrawn) == Some(true))
        .await;
    assert!(world.balance(bob.address()) < ether(2), "what was withdrawn and its gas are gone");

    let head = world.height();
    world.until("it is in a batch", |world| world.batched() >= head).await;
    let batch = world.batches().len() as u64;
    world.until("the batch is verified", |world| world.verified() >= batch).await;

    let before = world.balance_on_l1(bob.address());
    let claimed = world.claim(&bob, 1);
    world.until("it is claimed", |world| world.succeeded_on_l1(claimed) == Some(true)).await;
    let gain = world.balance_on_l1(bob.address()) - before;
    assert!(gain > ether(1) - ether(1) / U256::from(100), "all but the gas of the claim");

    let again = world.claim(&bob, 1);
    world.pass(2).await;
    assert_eq!(world.succeeded_on_l1(again), Some(false), "nothing is paid twice");
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_withdrawal_cannot_be_claimed_before_its_batch_is_verified() {
    let mut world = World::new();
    world.settings.prover.set_asleep(true);
    world.start();
    let alice = world.user(3);
    world.deposit(&alice, alice.address(), ether(2));
    world.until("the deposit is credited", |world| world.executed() == 1).await;
    world.withdraw(&alice, ether(1));
    world.pass(2).await;
    let head = world.height();
    world.until("it is committed", |world| world.batched() >= head && world.all_committed()).await;
    let early = world.claim(&alice, 1);
    world.pass(2).await;
    assert_eq!(world.succeeded_on_l1(early), Some(false));

    world.settings.prover.set_asleep(false);
    let batches = world.batches().len() as u64;
    world.until("all is verified", |world| world.verified() >= batches).await;
    let claimed = world.claim(&alice, 1);
    world.until("it is claimed", |world| world.succeeded_on_l1(claimed) == Some(true)).await;
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_deposit_that_its_receiver_refuses_goes_back_to_l1() {
    let mut world = World::new();
    world.start();
    let alice = world.user(3);
    world.deposit(&alice, MESSENGER, ether(1));
    world.until("the message is executed", |world| world.executed() == 1).await;
    assert_eq!(world.balance(MESSENGER), U256::ZERO);
    assert_eq!(world.balance(BRIDGE_L2), ether(1), "nobody can spend it");
    world.until("its batch is verified", |world| world.verified() == 1).await;
    let message = L1Message::eth_withdrawal(MESSENGER, ether(1), U256::from(1));
    assert_eq!(world.batches()[0].batch.l1_out_message_hashes, [message.leaf()]);
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn many_withdrawals_of_one_batch_are_each_claimed_once() {
    let mut world = World::new();
    world.start();
    let users: Vec<_> = (3..10).map(|number| world.user(number)).collect();
    for user in &users {
        world.deposit(user, user.address(), ether(2));
    }
    world.until("all are credited", |world| world.executed() == users.len()).await;
    for user in &users {
        world.withdraw(user, ether(1));
    }
    world.pass(2).await;
    let head = world.height();
    world.until("they are in a batch", |world| world.batched() >= head).await;
    let batch = world.batches().len() as u64;
    world.until("the batch is verified", |world| world.verified() >= batch).await;
    let claims: Vec<_> =
        users.iter().map(|user| world.claim_of(user).expect("each has a withdrawal")).collect();
    world.pass(2).await;
    for claim in claims {
        assert_eq!(world.succeeded_on_l1(claim), Some(true));
    }
    world.stop().await;
}
