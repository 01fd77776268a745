//! Crashes, and L1 going back, at the worst moments.

use std::time::Duration;

use alloy_primitives::{Address, Bytes, U256};
use ethrex_settle::{ClaimPolicy, bindings::INativeRollup};
use ethrex_test_actions::{NativeNode, NativeWorld, Part, Reorged};

use super::{BOB, alice, check_stranger, settle_all};

/// More than L1 is asked for.
const NOBODY_PAYS: u128 = u128::MAX;

#[tokio::test(start_paused = true)]
async fn what_a_reorganisation_returns_survives_a_crash_in_its_midst() {
    let world = NativeWorld::new();
    let disk = world.disk();
    let mut node = world.start(&disk.until_it_goes_back(), Part::Sequencer).await;
    world.pass(3).await;
    for _ in 0..4 {
        node.transfer(&alice(), BOB, U256::from(1));
        world.pass(1).await;
    }
    let all = U256::from(4);
    world.until(&mut node, "the transfers", |node| node.balance(BOB) == all).await;
    let before = node.height();
    world.l1.reorganise(5, Reorged::Lost);
    world.l1.mine_many(6);
    for _ in 0..2_000 {
        if node.height() < before {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert!(node.height() < before && node.balance(BOB) < all, "transfers have left the chain");
    node.kill().await;

    let mut node = world.start(&disk.with_journal(), Part::Sequencer).await;
    world.until(&mut node, "the transfers once more", |node| node.balance(BOB) == all).await;
    settle_all(&world, &mut node).await;
    check_stranger(&world, &node).await;
    node.stop().await;
}

/// Blocks were promised on headers that are gone when the sequencer comes back: nobody tells it that they are.
#[tokio::test(start_paused = true)]
async fn l1_goes_back_while_the_sequencer_is_down() {
    for depth in [2, 7] {
        let world = NativeWorld::new();
        let disk = world.disk();
        let mut node = world.start(&disk, Part::Sequencer).await;
        world.pass(3).await;
        world.l1.set_least_tip(NOBODY_PAYS);
        for _ in 0..6 {
            node.transfer(&alice(), BOB, U256::from(1));
            world.pass(1).await;
        }
        let six = U256::from(6);
        world.until(&mut node, "the transfers", |node| node.balance(BOB) == six).await;
        node.kill().await;
        world.l1.reorganise(depth, Reorged::Lost);
        world.l1.set_least_tip(0);
        world.l1.mine_many(depth + 2);

        let mut node = world.start(&disk, Part::Sequencer).await;
        world.pass(2).await;
        node.transfer(&alice(), BOB, U256::from(1));
        let seven = U256::from(7);
        world.until(&mut node, "one more transfer", |node| node.balance(BOB) == seven).await;
        settle_all(&world, &mut node).await;
        check_stranger(&world, &node).await;
        node.stop().await;
    }
}

/// Items get too old to be posted. By then the blocks below them are further back than states are kept.
#[tokio::test(start_paused = true)]
async fn what_cannot_be_posted_for_long_goes_back_below_the_states_that_are_kept() {
    let world = NativeWorld::new();
    let disk = world.disk();
    let mut node = world.start(&disk.with_journal(), Part::Sequencer).await;
    world.pass(3).await;
    world.l1.set_least_tip(NOBODY_PAYS);
    let (mut sent, mut highest) = (0_u64, 0);
    while node.height() >= highest {
        highest = node.height();
        assert!(sent < 400, "it goes back at last");
        node.transfer(&alice(), BOB, U256::from(1));
        sent += 1;
        world.pass(1).await;
        node.check().await;
    }
    assert!(highest > node.height() + 128, "from {highest} to {}", node.height());
    world.l1.set_least_tip(0);
    let all = U256::from(sent);
    world.until(&mut node, "all transfers", |node| node.balance(BOB) == all).await;
    settle_all(&world, &mut node).await;
    check_stranger(&world, &node).await;
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_pays_is_delivered_past_any_that_do_not() {
    let mut world = NativeWorld::new();
    world.claims = ClaimPolicy::Paying(U256::from(5));
    let mut node = world.start(&world.disk(), Part::Sequencer).await;
    world.pass(2).await;
    let send = |fee: u64, to| {
        let fee = U256::from(fee);
        let call =
            INativeRollup::sendMessageCall { to, fee, gasLimit: 100_000, data: Bytes::new() };
        world.call(&alice(), fee + U256::from(1), &call);
    };
    let poor = Address::repeat_byte(0xaa);
    for round in 1..=2 {
        (0..12).for_each(|_| send(4, poor));
        send(5, BOB);
        let paid = U256::from(round);
        world.until(&mut node, "the message that pays", |node| node.balance(BOB) == paid).await;
    }
    let height = node.height();
    world.pass(5).await;
    assert_eq!((node.height(), node.balance(poor)), (height, U256::ZERO));
    settle_all(&world, &mut node).await;
    check_stranger(&world, &node).await;
    node.stop().await;
}

#[tokio::test(start_paused = true)]
async fn witnesses_go_once_nobody_can_ask_for_them() {
    let world = NativeWorld::new();
    let mut node = world.start(&world.disk(), Part::Sequencer).await;
    world.pass(2).await;
    for _ in 0..40 {
        node.transfer(&alice(), BOB, U256::from(1));
        world.pass(1).await;
    }
    settle_all(&world, &mut node).await;
    let hashes = node.hashes(node.height());
    let kept = |node: &NativeNode| {
        let kept = hashes
            .iter()
            .skip(1)
            .filter(|hash| node.chain.witness(**hash).expect("the database answers").is_some());
        kept.count()
    };
    assert_eq!(kept(&node), hashes.len() - 1);
    world.pass(513).await;
    node.transfer(&alice(), BOB, U256::from(1));
    world.pass(4).await;
    node.check().await;
    // Some go together, so that some wait for others.
    assert!(kept(&node) < 32, "{} witnesses of {}", kept(&node), hashes.len());
    node.stop().await;
}

/// Whoever settles would else pay for a call that runs out of gas, again and again.
#[tokio::test(start_paused = true)]
async fn a_call_that_would_run_out_of_gas_is_known_before_it_is_paid_for() {
    let world = NativeWorld::new();
    let call = INativeRollup::sendMessageCall {
        to: BOB,
        fee: U256::ZERO,
        gasLimit: 100_000,
        data: Bytes::new(),
    };
    let contract = world.contract();
    let tried = contract.would_work_within(&call, 5_000_000).await.expect("L1 answers");
    assert!(tried.is_ok(), "{tried:?}");
    let tried = contract.would_work_within(&call, 40_000).await.expect("L1 answers");
    assert!(tried.expect_err("it is too little").data.is_empty());
}
