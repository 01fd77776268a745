//! What those do who run the rollup and its contracts.

use alloy_primitives::U256;
use ethrex_protocol::{
    BatchNumber,
    contracts::OnChainProposer::{pauseCall, revertBatchCall, unpauseCall},
};
use ethrex_test_actions::{World, ether};

#[tokio::test(start_paused = true)]
async fn a_paused_contract_is_waited_for() {
    let mut world = World::new();
    world.start();
    let alice = world.user(3);
    world.until("a batch is verified", |world| world.verified() == 1).await;
    world.govern(&pauseCall {});
    world.pass(1).await;
    let (committed, verified) = (world.committed(), world.verified());
    world.deposit(&alice, alice.address(), ether(1));
    world.pass(12).await;
    assert_eq!((world.committed(), world.verified()), (committed, verified));
    assert_eq!(world.balance(alice.address()), ether(1), "the chain goes on");
    world.govern(&unpauseCall {});
    world.until("settlement goes on", |world| world.verified() > committed).await;
    assert_eq!(world.commitments_sent(), world.committed());
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn reverted_batches_stop_the_batcher_until_they_are_forgotten_here_too() {
    let mut world = World::new();
    world.settings.prover.set_asleep(true);
    world.start();
    let alice = world.user(3);
    world.deposit(&alice, alice.address(), ether(3));
    world.until("the deposit is credited", |world| world.executed() == 1).await;
    world.withdraw(&alice, ether(1));
    world.until("batches are committed", |world| world.committed() == 2).await;
    world.govern(&pauseCall {});
    world.govern(&revertBatchCall { batchNumber: U256::from(1) });
    world.govern(&unpauseCall {});
    let (task, why) = world.failure().await;
    assert_eq!(task, "batcher");
    assert!(why.contains("batches were reverted on L1"), "{why}");

    world.node().store.delete_batches_from(BatchNumber(1)).expect("the store works");
    world.kill().await;
    world.settings.prover.set_asleep(false);
    world.start();
    world.until("the chain is settled anew", |world| world.verified() >= 1).await;
    let claimed = world.claim(&alice, 1);
    world
        .until("the withdrawal is paid", |world| world.succeeded_on_l1(claimed) == Some(true))
        .await;
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_batcher_that_is_stopped_makes_no_batches_until_it_is_started() {
    let mut world = World::new();
    world.start();
    world.node().batcher.stop();
    world.pass(15).await;
    assert_eq!(world.batches().len(), 0);
    world.node().batcher.start();
    world.until("a batch is verified", |world| world.verified() == 1).await;
    assert!(world.batches()[0].batch.last_block.0 >= 14, "it holds what waited");
    world.stop().await;
}
