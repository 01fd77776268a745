//! A block is seen by nobody before it has validated from its own witness.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use alloy_primitives::{Address, B256};
use ethrex_evm::{Payment, TxRules};
use ethrex_rules::Rollup;
use ethrex_sequencer::{pipeline::MAX_UNPUBLISHED, set_aside::FIRST_PAUSE};
use ethrex_stf::{Rejected, Rules};
use ethrex_test_actions::{World, ether};
use ethrex_types::{Tx, alloy_consensus::Transaction};

/// Gas limit of the transaction that building takes and checking refuses.
const POISON: u64 = 21_777;

/// Rules with a fault: building and checking disagree about one transaction.
#[derive(Debug, Default)]
struct Disagreeing {
    asked: AtomicU64,
    /// What checking does about it.
    panics: bool,
    /// Building and checking agree from now on.
    cured: AtomicBool,
}

impl TxRules for Disagreeing {
    fn payment(&self, tx_type: u8, sender: Address) -> Payment {
        Rollup.payment(tx_type, sender)
    }
}

impl Rules for Disagreeing {
    /// The pool asks first; then each block is built, and checked before the next one is.
    fn admit(&self, tx: &Tx) -> Result<(), Rejected> {
        if tx.gas_limit() == POISON && !self.cured.load(Ordering::Relaxed) {
            let before = self.asked.fetch_add(1, Ordering::Relaxed);
            if before > 0 && before.is_multiple_of(2) {
                assert!(!self.panics, "a bug of ours");
                return Err(Rejected::UnsupportedType);
            }
        }
        Rollup.admit(tx)
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_published_before_it_is_checked() {
    let mut world = World::new();
    world.start();
    world.pass(3).await;
    world.settings.checks.hold();
    let published = world.height();
    world.pass(20).await;
    assert_eq!(world.height(), published);
    let tip = published + MAX_UNPUBLISHED as u64;
    world.settings.checks.release();
    world.reach("all that was built is published", |world| world.height() >= tip).await;
    assert!(world.height() <= tip + 1, "no more was built than may wait, and one since");
    world.stop().await;
}

/// A world where Alice sends a transaction that building takes and checking does not, and Bob sends another.
async fn poisoned(rules: Arc<Disagreeing>) -> (World, B256) {
    let mut world = World::new();
    world.settings.rules = rules;
    world.start();
    let (alice, bob) = (world.user(3), world.user(4));
    world.deposit(&alice, alice.address(), ether(2));
    world.deposit(&bob, bob.address(), ether(2));
    world.until("both have ether", |world| world.executed() == 2).await;

    let poisoned = world
        .send(&alice, |tx| (tx.to, tx.gas_limit) = (bob.address().into(), POISON))
        .expect("the pool does not know");
    let good = world.transfer(&bob, alice.address(), ether(1));
    let before = world.height();
    world.pass(6).await;
    assert_eq!(world.succeeded_on_l2(poisoned), None, "it is in no block");
    assert_eq!(world.succeeded_on_l2(good), Some(true), "its neighbour is");
    assert!(world.height() >= before + 4, "the chain goes on");
    assert_eq!(world.node().reproducers(), 1, "whoever looks into it has the block");
    (world, poisoned)
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_breaks_its_block_is_set_aside_and_the_chain_goes_on() {
    let (mut world, _) = poisoned(Arc::default()).await;
    world.until("and is settled", |world| world.committed() == 2).await;
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_check_that_panics_is_a_check_that_fails() {
    let rules = Disagreeing { panics: true, ..Disagreeing::default() };
    let (mut world, _) = poisoned(Arc::new(rules)).await;
    world.until("and is settled", |world| world.committed() == 2).await;
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_was_set_aside_is_tried_again() {
    let rules = Arc::new(Disagreeing::default());
    let (mut world, poisoned) = poisoned(rules.clone()).await;
    rules.cured.store(true, Ordering::Relaxed);
    let before = world.height();
    world.until("it is in a block", |world| world.succeeded_on_l2(poisoned) == Some(true)).await;
    assert!(world.height() >= before + FIRST_PAUSE - 10, "not before its time");
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_check_that_fails_for_no_reason_costs_the_blocks_above_it_and_no_more() {
    let mut world = World::new();
    world.start();
    let alice = world.user(3);
    world.pass(2).await;
    world.settings.checks.hold();
    world.deposit(&alice, alice.address(), ether(1));
    world.pass(4).await;
    world.settings.checks.fail_next(1);
    world.settings.checks.release();
    world.until("the deposit is credited", |world| world.executed() == 1).await;
    assert_eq!(world.balance(alice.address()), ether(1));
    world.until("and committed", |world| world.committed() == 2).await;
    world.stop().await;
}

#[tokio::test(start_paused = true)]
async fn checks_that_keep_failing_stop_the_sequencer() {
    let mut world = World::new();
    world.start();
    world.pass(2).await;
    world.settings.checks.fail_next(u64::MAX);
    let published = world.height();
    let (task, why) = world.failure().await;
    assert_eq!(task, "sequencer");
    assert!(why.contains("blocks fail their own stateless check"), "{why}");
    assert_eq!(world.height(), published, "nothing was published");
    world.kill().await;
}
