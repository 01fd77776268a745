//! The long way of money: in, around, and out again.

use ethrex_test_actions::{World, ether};

#[tokio::test(start_paused = true)]
async fn a_deposit_is_credited_and_committed() {
    let mut world = World::new();
    world.start();
    let alice = world.user(3);
    world.deposit(&alice, alice.address(), ether(5));
    world
        .until("the deposit is credited", |world| world.balance(alice.address()) == ether(5))
        .await;
    world.until("its batch is committed", |world| world.committed() == 1).await;
    world.stop().await;
}
