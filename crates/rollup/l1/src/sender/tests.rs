//! The sender against an L1 in memory, restarts included. Time is paused: it jumps when everybody waits.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use alloy_primitives::{Address, B256, Bytes};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::testing::{CHAIN_ID, Call, Contract, FakeL1, Ran};

const COUNTER: Address = Address::repeat_byte(9);
const KEY: &str = "0x385c546456b6a603a1cfcaa9ec9494ba4832da08dd6bcf4de9a71e4a01b74924";
const REFUSED: [u8; 4] = [1, 2, 3, 4];

/// Counts calls; calldata `01` reverts always, `02` only when really run, which an estimate cannot know.
#[derive(Debug, Clone, Default)]
struct Counter {
    trap: bool,
}

impl Contract for Counter {
    fn run(&mut self, call: &Call) -> Ran {
        match call.data.first() {
            Some(1) => Err(Bytes::from_static(&REFUSED)),
            Some(2) if self.trap => Err(Bytes::from_static(&REFUSED)),
            Some(3) => {
                self.trap = true;
                Ok((Bytes::new(), vec![]))
            }
            _ => Ok((Bytes::new(), vec![])),
        }
    }

    fn copy(&self) -> Box<dyn Contract> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

struct Node {
    sender: Sender,
    stop: CancellationToken,
    task: JoinHandle<Result<(), SenderError>>,
}

fn start(l1: &FakeL1, outbox: &Arc<MemoryOutbox>) -> Node {
    let config = SenderConfig { policy: Policy::documented(), every: Duration::from_secs(1) };
    let (sender, task) = Sender::new(l1.client(), KEY.parse().unwrap(), outbox.clone(), config);
    let stop = CancellationToken::new();
    let task = tokio::spawn(task.run(stop.clone()));
    Node { sender, stop, task }
}

impl Node {
    /// Ends the process, as a kill would: nothing more is written or sent.
    async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
        drop(self.stop);
    }

    async fn submit(&self, name: &'static str, data: &'static [u8]) -> Pending {
        let request = TxRequest::call(COUNTER, Bytes::from_static(data));
        self.sender.submit(Purpose::new(name), request).await.unwrap()
    }
}

/// Lets the sender run for some of its (paused) time.
async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

fn chain() -> (FakeL1, Arc<MemoryOutbox>) {
    let l1 = FakeL1::new();
    l1.install(COUNTER, Counter::default());
    (l1, Arc::default())
}

fn account() -> Address {
    KEY.parse::<SigningKey>().unwrap().address()
}

#[tokio::test(start_paused = true)]
async fn a_transaction_is_mined_and_told() {
    let (l1, outbox) = chain();
    let node = start(&l1, &outbox);
    let pending = node.submit("commit:1", &[]).await;
    pass(2).await;
    l1.mine();
    let Outcome::Mined(mined) = pending.await.unwrap() else { panic!() };
    assert_eq!((mined.block, vec![mined.tx]), (1, l1.sent()));
    node.stop.cancel();
    node.task.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn submitting_a_mined_purpose_again_sends_nothing_even_after_a_restart() {
    let (l1, outbox) = chain();
    let node = start(&l1, &outbox);
    let pending = node.submit("commit:1", &[]).await;
    pass(2).await;
    l1.mine();
    let first = pending.await.unwrap();
    assert_eq!(node.submit("commit:1", &[]).await.await.unwrap(), first);
    node.kill().await;
    let node = start(&l1, &outbox);
    assert_eq!(node.submit("commit:1", &[]).await.await.unwrap(), first);
    assert_eq!(l1.sent().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_kill_after_signing_is_followed_by_the_same_bytes() {
    let (l1, outbox) = chain();
    let node = start(&l1, &outbox);
    pass(2).await;
    // The transaction reaches the pool, but its answer never arrives; then the process dies.
    let pending = node.submit("commit:1", &[]).await;
    pass(1).await;
    drop(pending);
    node.kill().await;
    assert_eq!(l1.sent().len(), 1);
    l1.lose();

    let node = start(&l1, &outbox);
    let pending = node.submit("commit:1", &[]).await;
    pass(2).await;
    l1.mine();
    assert!(matches!(pending.await.unwrap(), Outcome::Mined(_)));
    assert_eq!(l1.sent()[0], l1.sent()[1], "the same bytes are sent again");
    assert_eq!(l1.nonce(account()), 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_mined_while_the_process_was_down_is_told() {
    let (l1, outbox) = chain();
    let node = start(&l1, &outbox);
    let _pending = node.submit("commit:1", &[]).await;
    pass(2).await;
    node.kill().await;
    l1.mine();
    let node = start(&l1, &outbox);
    let pending = node.submit("commit:1", &[]).await;
    assert!(matches!(pending.await.unwrap(), Outcome::Mined(_)));
    assert_eq!(l1.nonce(account()), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_gets_lost_changes_nothing() {
    for cut in 0..8 {
        let (l1, outbox) = chain();
        let node = start(&l1, &outbox);
        pass(2).await;
        l1.cut_answer_after(cut);
        let pending = node.submit("commit:1", &[]).await;
        pass(10).await;
        l1.mine();
        assert!(matches!(pending.await.unwrap(), Outcome::Mined(_)), "cut after {cut}");
        assert_eq!((l1.sent().len(), l1.nonce(account())), (1, 1), "cut after {cut}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_l1_that_is_down_is_waited_for() {
    let (l1, outbox) = chain();
    l1.set_down(true);
    let node = start(&l1, &outbox);
    let pending = node.submit("commit:1", &[]).await;
    pass(60).await;
    l1.set_down(false);
    pass(5).await;
    l1.mine();
    assert!(matches!(pending.await.unwrap(), Outcome::Mined(_)));
}

#[tokio::test(start_paused = true)]
async fn a_transaction_the_pool_loses_is_sent_again() {
    let (l1, outbox) = chain();
    let node = start(&l1, &outbox);
    let pending = node.submit("commit:1", &[]).await;
    pass(2).await;
    l1.lose();
    pass(5).await;
    l1.mine();
    assert!(matches!(pending.await.unwrap(), Outcome::Mined(_)));
}

#[tokio::test(start_paused = true)]
async fn a_stuck_transaction_is_raised_until_it_is_mined_and_a_restart_does_not_forget_its_attempts()
 {
    let (l1, outbox) = chain();
    let node = start(&l1, &outbox);
    l1.set_least_tip(1_200_000_000);
    let _pending = node.submit("commit:1", &[]).await;
    pass(2).await;
    l1.mine();
    pass(100).await;
    assert_eq!(l1.sent().len(), 2, "raised once, by a tenth");
    node.kill().await;
    let node = start(&l1, &outbox);
    let pending = node.submit("commit:1", &[]).await;
    pass(2).await;
    l1.mine();
    pass(100).await;
    assert_eq!(l1.sent().len(), 3, "raised again");
    l1.mine();
    let Outcome::Mined(mined) = pending.await.unwrap() else { panic!() };
    assert_eq!(mined.tx, l1.sent()[2]);
    assert_eq!(l1.nonce(account()), 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_would_revert_is_answered_with_the_reason_and_never_sent() {
    let (l1, outbox) = chain();
    let node = start(&l1, &outbox);
    let Outcome::WouldRevert(revert) = node.submit("commit:1", &[1]).await.await.unwrap() else {
        panic!()
    };
    assert_eq!(revert.selector(), Some(REFUSED));
    assert!(l1.sent().is_empty());
    // The purpose is free for another try, and the nonce too.
    let pending = node.submit("commit:1", &[]).await;
    pass(2).await;
    l1.mine();
    assert!(matches!(pending.await.unwrap(), Outcome::Mined(_)));
}

#[tokio::test(start_paused = true)]
async fn a_mined_revert_is_told_with_its_reason_and_may_be_tried_anew() {
    let (l1, outbox) = chain();
    let node = start(&l1, &outbox);
    pass(2).await;
    // Both pass their estimate; the first changes the ground under the second.
    let _trap = node.submit("trap", &[3]).await;
    let pending = node.submit("commit:1", &[2]).await;
    pass(2).await;
    l1.mine();
    let Outcome::Reverted(_, revert) = pending.await.unwrap() else { panic!() };
    assert_eq!(revert.selector(), Some(REFUSED));
    let again = node.submit("commit:1", &[]).await;
    pass(2).await;
    l1.mine();
    assert!(matches!(again.await.unwrap(), Outcome::Mined(_)));
}

#[tokio::test(start_paused = true)]
async fn a_reorganisation_brings_the_transaction_back() {
    let (l1, outbox) = chain();
    let node = start(&l1, &outbox);
    let pending = node.submit("commit:1", &[]).await;
    pass(2).await;
    l1.mine();
    pending.await.unwrap();
    l1.reorganise(1, false);
    pass(5).await;
    assert_eq!(l1.pooled(), 1, "it is in the pool again");
    l1.mine();
    pass(2).await;
    assert_eq!(l1.nonce(account()), 1);
}

/// In the same moment a block leaves L1 and another one takes its transactions: the nonce is used before and after.
#[tokio::test(start_paused = true)]
async fn what_fails_in_the_block_that_replaces_its_own_is_tried_anew() {
    for restarts in [false, true] {
        let (l1, outbox) = chain();
        let node = start(&l1, &outbox);
        let pending = node.submit("commit:1", &[2]).await;
        pass(2).await;
        l1.mine();
        let Outcome::Mined(first) = pending.await.unwrap() else { panic!() };
        let replace = || {
            l1.reorganise(1, true);
            l1.install(COUNTER, Counter { trap: true });
            l1.mine();
        };
        let node = if restarts {
            node.kill().await;
            replace();
            start(&l1, &outbox)
        } else {
            replace();
            node
        };
        pass(3).await;
        let again = node.submit("commit:1", &[]).await;
        pass(2).await;
        l1.mine();
        let Outcome::Mined(second) = again.await.unwrap() else { panic!() };
        assert_ne!(second.tx, first.tx, "restarts: {restarts}");
        assert_eq!(l1.nonce(account()), 2);
        node.kill().await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_succeeds_in_the_block_that_replaces_its_own_is_not_sent_again() {
    let (l1, outbox) = chain();
    let node = start(&l1, &outbox);
    let pending = node.submit("commit:1", &[]).await;
    pass(2).await;
    l1.mine();
    let first = pending.await.unwrap();
    l1.reorganise(1, true);
    l1.mine_many(3);
    pass(3).await;
    assert_eq!(node.submit("commit:1", &[]).await.await.unwrap(), first);
    assert_eq!((l1.sent().len(), l1.nonce(account())), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_foreign_transaction_that_takes_the_nonce_costs_no_more_than_a_new_nonce() {
    let (l1, outbox) = chain();
    let node = start(&l1, &outbox);
    let pending = node.submit("commit:1", &[]).await;
    pass(2).await;
    l1.lose();
    l1.use_nonce(account());
    for _ in 0..20 {
        l1.mine();
        pass(2).await;
    }
    let Outcome::Mined(mined) = pending.await.unwrap() else { panic!() };
    assert_eq!((mined.tx, l1.nonce(account())), (l1.sent()[1], 2));
}

#[tokio::test(start_paused = true)]
async fn a_blob_transaction_carries_its_versioned_hash() {
    let (l1, outbox) = chain();
    let node = start(&l1, &outbox);
    let blob = crate::Sidecar::new(&alloy_eips::eip4844::Blob::ZERO).unwrap();
    let request = TxRequest::call(COUNTER, Bytes::new()).blob(blob.clone());
    let pending = node.sender.submit(Purpose::new("commit:1"), request).await.unwrap();
    pass(2).await;
    l1.mine();
    assert!(matches!(pending.await.unwrap(), Outcome::Mined(_)));
    let entry = outbox.find(CHAIN_ID, &Purpose::new("commit:1")).unwrap().unwrap();
    assert_eq!(request::recover(&entry.raw).unwrap().blob, Some(blob));
}

#[tokio::test(start_paused = true)]
async fn foreign_pending_transactions_of_the_key_keep_their_nonces() {
    let (l1, outbox) = chain();
    let key: SigningKey = KEY.parse().unwrap();
    let raw = sign_plain(&key, 0, COUNTER, Bytes::new()).await;
    l1.client().send_raw(&raw).await.unwrap().unwrap();
    let node = start(&l1, &outbox);
    let pending = node.submit("commit:1", &[]).await;
    pass(2).await;
    l1.mine();
    assert!(matches!(pending.await.unwrap(), Outcome::Mined(_)));
    let hashes: Vec<B256> = l1.sent();
    assert_eq!((hashes.len(), l1.nonce(account())), (2, 2));
}

/// Counts how often each purpose was served.
#[derive(Debug, Clone, Default)]
struct Tally(BTreeMap<u8, usize>);

impl Contract for Tally {
    fn run(&mut self, call: &Call) -> Ran {
        *self.0.entry(call.data[0]).or_default() += 1;
        Ok((Bytes::new(), vec![]))
    }

    fn copy(&self) -> Box<dyn Contract> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// A small generator: histories must be the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }
}

const PURPOSES: [&str; 6] = ["p0", "p1", "p2", "p3", "p4", "p5"];

async fn submit_all(node: &Node) -> Vec<Pending> {
    let mut pending = Vec::new();
    for (id, purpose) in PURPOSES.into_iter().enumerate() {
        let request = TxRequest::call(COUNTER, vec![id as u8]);
        pending.push(node.sender.submit(Purpose::new(purpose), request).await.unwrap());
    }
    pending
}

#[tokio::test(start_paused = true)]
async fn whatever_happens_each_purpose_is_served_exactly_once() {
    for seed in 0..60 {
        let l1 = FakeL1::new();
        l1.install(COUNTER, Tally::default());
        let outbox = Arc::default();
        let mut dice = Dice(seed);
        let mut node = start(&l1, &outbox);
        let mut pending = submit_all(&node).await;
        for _ in 0..40 {
            match dice.roll(12) {
                0 => l1.lose(),
                1 => l1.set_down(true),
                2..=3 => l1.set_down(false),
                4 => l1.cut_answer_after(dice.roll(6) as usize),
                5 if l1.head() > 4 => l1.reorganise(1 + dice.roll(3) as usize, dice.roll(2) == 0),
                6 => {
                    drop(pending);
                    node.kill().await;
                    node = start(&l1, &outbox);
                    pending = submit_all(&node).await;
                }
                7 => l1.set_least_tip(1_000_000_000 + u128::from(dice.roll(3)) * 100_000_000),
                8..=9 => {
                    l1.mine();
                }
                _ => tokio::time::sleep(Duration::from_millis(100 + 900 * dice.roll(120))).await,
            }
        }
        l1.set_down(false);
        l1.set_least_tip(0);
        for _ in 0..30 {
            tokio::time::sleep(Duration::from_secs(3)).await;
            l1.mine();
        }
        for outcome in pending {
            assert!(matches!(outcome.await, Ok(Outcome::Mined(_))), "seed {seed}");
        }
        let served = l1.inspect(COUNTER, |tally: &Tally| tally.0.clone());
        assert_eq!(served, (0..6).map(|id| (id, 1)).collect(), "seed {seed}");
        assert_eq!(l1.nonce(account()), 6, "seed {seed}");
        node.kill().await;
    }
}
