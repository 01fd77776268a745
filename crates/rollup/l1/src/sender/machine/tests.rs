use super::*;

const GWEI: u128 = 1_000_000_000;
const MARKET: Market = Market { base_fee: GWEI, tip: GWEI, blob_base_fee: 1 };
const OPENING: Fees = Fees { max_fee: 3 * GWEI, tip: GWEI, blob_fee: 0 };

fn purpose(name: &str) -> Purpose {
    Purpose::new(name)
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn machine() -> Machine {
    let mut machine = Machine::new(Policy::documented(), 5);
    machine.observe(secs(0), Look { head: 100, nonce: 5 });
    machine
}

/// Signs the next waiting purpose and lets a node accept it.
#[track_caller]
fn send(machine: &mut Machine, now: Duration) -> u64 {
    let Some(Step::Start { purpose, nonce, fees }) = machine.next(now, &MARKET) else {
        panic!("nothing starts")
    };
    machine.started(&purpose, nonce, fees);
    assert!(!machine.answered(now, nonce, Answer::Accepted));
    nonce
}

fn mined_in(block: u64) -> Receipt {
    Receipt {
        tx: B256::repeat_byte(1),
        block,
        block_hash: B256::repeat_byte(2),
        success: true,
        gas_used: 50_000,
        created: None,
    }
}

#[test]
fn purposes_get_consecutive_nonces_in_order() {
    let mut machine = machine();
    machine.submit(purpose("a"), Kind::Plain);
    machine.submit(purpose("b"), Kind::Plain);
    assert_eq!((send(&mut machine, secs(0)), send(&mut machine, secs(0))), (5, 6));
    assert_eq!(machine.next(secs(1), &MARKET), None);
}

#[test]
fn a_purpose_under_way_is_not_queued_twice() {
    let mut machine = machine();
    machine.submit(purpose("a"), Kind::Plain);
    machine.submit(purpose("a"), Kind::Plain);
    send(&mut machine, secs(0));
    machine.submit(purpose("a"), Kind::Plain);
    assert_eq!(machine.next(secs(0), &MARKET), None);
}

#[test]
fn a_stuck_transaction_is_replaced_with_bumped_fees() {
    let mut machine = machine();
    machine.submit(purpose("a"), Kind::Plain);
    let nonce = send(&mut machine, secs(0));
    machine.observe(secs(95), Look { head: 107, nonce: 5 });
    assert_eq!(machine.next(secs(95), &MARKET), None);
    machine.observe(secs(96), Look { head: 108, nonce: 5 });
    let fees = Fees { max_fee: 3_300_000_000, tip: 1_100_000_000, blob_fee: 0 };
    assert_eq!(machine.next(secs(96), &MARKET), Some(Step::Raise { nonce, fees }));
    machine.raised(nonce, fees);
    assert_eq!(machine.next(secs(96), &MARKET), Some(Step::Again { nonce }));
    machine.answered(secs(96), nonce, Answer::Accepted);
    machine.observe(secs(287), Look { head: 120, nonce: 5 });
    assert_eq!(machine.next(secs(287), &MARKET), None, "the second raise waits twice as long");
    machine.observe(secs(288), Look { head: 121, nonce: 5 });
    assert!(matches!(machine.next(secs(288), &MARKET), Some(Step::Raise { .. })));
}

#[test]
fn a_head_that_stands_still_raises_nothing() {
    let mut machine = machine();
    machine.submit(purpose("a"), Kind::Plain);
    send(&mut machine, secs(0));
    machine.observe(secs(1000), Look { head: 100, nonce: 5 });
    assert_eq!(machine.next(secs(1000), &MARKET), None);
}

#[test]
fn only_the_lowest_nonce_is_raised_and_the_next_one_starts_its_own_wait() {
    let mut machine = machine();
    machine.submit(purpose("a"), Kind::Plain);
    machine.submit(purpose("b"), Kind::Plain);
    let (first, second) = (send(&mut machine, secs(0)), send(&mut machine, secs(0)));
    machine.observe(secs(100), Look { head: 108, nonce: 5 });
    assert!(
        matches!(machine.next(secs(100), &MARKET), Some(Step::Raise { nonce, .. }) if nonce == first)
    );
    machine.observe(secs(101), Look { head: 109, nonce: 6 });
    machine.receipt(first, Some(mined_in(109)));
    assert_eq!(machine.next(secs(101), &MARKET), None);
    machine.observe(secs(197), Look { head: 117, nonce: 6 });
    assert!(
        matches!(machine.next(secs(197), &MARKET), Some(Step::Raise { nonce, .. }) if nonce == second)
    );
}

#[test]
fn the_fee_cap_holds_a_raise_back_and_the_old_offer_stands() {
    let mut machine = machine();
    machine.submit(purpose("a"), Kind::Plain);
    let Some(Step::Start { purpose, nonce, .. }) = machine.next(secs(0), &MARKET) else { panic!() };
    machine.started(&purpose, nonce, Fees { max_fee: 9_900_000_000, ..OPENING });
    machine.answered(secs(0), nonce, Answer::Accepted);
    machine.observe(secs(100), Look { head: 108, nonce: 5 });
    assert_eq!(machine.next(secs(100), &MARKET), None);
    assert!(machine.over_cap());
    assert_eq!(machine.expected_in_pool(), [nonce]);
}

#[test]
fn a_market_above_the_cap_starts_nothing() {
    let mut machine = machine();
    machine.submit(purpose("a"), Kind::Plain);
    let dear = Market { base_fee: 20 * GWEI, ..MARKET };
    assert_eq!(machine.next(secs(0), &dear), None);
    assert!(machine.over_cap());
    assert!(machine.next(secs(0), &MARKET).is_some());
}

#[test]
fn a_transaction_the_pool_lost_is_sent_again_as_it_is() {
    let mut machine = machine();
    machine.submit(purpose("a"), Kind::Plain);
    let nonce = send(&mut machine, secs(0));
    machine.dropped(nonce);
    assert_eq!(machine.next(secs(1), &MARKET), Some(Step::Again { nonce }));
}

#[test]
fn plain_and_blob_transactions_are_never_pending_together() {
    let mut machine = machine();
    machine.submit(purpose("blob"), Kind::Blob);
    machine.submit(purpose("plain"), Kind::Plain);
    let first = send(&mut machine, secs(0));
    assert_eq!(machine.next(secs(0), &MARKET), None);
    machine.observe(secs(12), Look { head: 101, nonce: 6 });
    machine.receipt(first, Some(mined_in(101)));
    assert!(
        matches!(machine.next(secs(12), &MARKET), Some(Step::Start { purpose, .. }) if purpose.as_str() == "plain")
    );
}

#[test]
fn an_outcome_waits_for_its_confirmations_and_is_told_once() {
    let policy = Policy { confirmations: 2, ..Policy::documented() };
    let mut machine = Machine::new(policy, 5);
    machine.observe(secs(0), Look { head: 100, nonce: 5 });
    machine.submit(purpose("a"), Kind::Plain);
    let nonce = send(&mut machine, secs(0));
    machine.observe(secs(12), Look { head: 101, nonce: 6 });
    assert_eq!(machine.unexplained(), [nonce]);
    machine.receipt(nonce, Some(mined_in(101)));
    assert!(machine.told().is_empty());
    machine.observe(secs(36), Look { head: 103, nonce: 6 });
    assert_eq!(machine.told().len(), 1);
    assert!(machine.told().is_empty());
}

#[test]
fn a_reorganisation_makes_a_mined_transaction_pending_again() {
    let mut machine = machine();
    machine.submit(purpose("a"), Kind::Plain);
    let nonce = send(&mut machine, secs(0));
    machine.observe(secs(12), Look { head: 101, nonce: 6 });
    machine.receipt(nonce, Some(mined_in(101)));
    assert_eq!(machine.told().len(), 1);
    machine.observe(secs(13), Look { head: 101, nonce: 5 });
    assert_eq!(machine.next(secs(13), &MARKET), Some(Step::Again { nonce }));
}

#[test]
fn a_transaction_displaced_by_a_foreign_one_gets_a_new_nonce_and_only_after_some_blocks() {
    let mut machine = machine();
    machine.submit(purpose("a"), Kind::Plain);
    let nonce = send(&mut machine, secs(0));
    machine.observe(secs(12), Look { head: 101, nonce: 6 });
    assert!(!machine.receipt(nonce, None));
    assert_eq!(machine.next(secs(12), &MARKET), None);
    machine.observe(secs(200), Look { head: 101 + DISPLACED_AFTER, nonce: 6 });
    assert!(machine.receipt(nonce, None));
    assert_eq!(machine.requeue(nonce), Some(purpose("a")));
    assert_eq!(
        machine.next(secs(200), &MARKET),
        Some(Step::Start { purpose: purpose("a"), nonce: 6, fees: OPENING })
    );
}

#[test]
fn what_was_signed_before_a_restart_is_sent_again_and_never_signed_anew() {
    let mut machine = Machine::new(Policy::documented(), 5);
    machine.restore(purpose("a"), 5, Kind::Plain, OPENING);
    machine.observe(secs(0), Look { head: 100, nonce: 5 });
    machine.submit(purpose("a"), Kind::Plain);
    assert_eq!(machine.next(secs(0), &MARKET), Some(Step::Again { nonce: 5 }));
    machine.answered(secs(0), 5, Answer::Accepted);
    assert_eq!(machine.next(secs(0), &MARKET), None);
}

#[test]
fn what_was_mined_while_we_were_down_is_found_by_its_receipt() {
    let mut machine = Machine::new(Policy::documented(), 5);
    machine.restore(purpose("a"), 5, Kind::Plain, OPENING);
    machine.observe(secs(0), Look { head: 100, nonce: 6 });
    assert_eq!(machine.next(secs(0), &MARKET), None);
    assert_eq!(machine.unexplained(), [5]);
    machine.receipt(5, Some(mined_in(99)));
    assert_eq!(machine.told().len(), 1);
}

#[test]
fn an_underpriced_replacement_is_raised_further() {
    let mut machine = machine();
    machine.submit(purpose("a"), Kind::Plain);
    let Some(Step::Start { purpose, nonce, fees }) = machine.next(secs(0), &MARKET) else {
        panic!()
    };
    machine.started(&purpose, nonce, fees);
    machine.answered(secs(0), nonce, Answer::ReplacementUnderpriced);
    assert_eq!(machine.next(secs(0), &MARKET), None, "not in a tight loop");
    let step = machine.next(secs(2), &MARKET);
    assert!(
        matches!(step, Some(Step::Raise { fees, .. }) if fees.max_fee == 3_300_000_000),
        "{step:?}"
    );
}

#[test]
fn a_transaction_refused_for_good_frees_its_nonce() {
    let mut machine = machine();
    machine.submit(purpose("bad"), Kind::Plain);
    machine.submit(purpose("good"), Kind::Plain);
    let Some(Step::Start { purpose, nonce, fees }) = machine.next(secs(0), &MARKET) else {
        panic!()
    };
    machine.started(&purpose, nonce, fees);
    assert!(machine.answered(secs(0), nonce, Answer::Invalid));
    assert!(
        matches!(machine.next(secs(0), &MARKET), Some(Step::Start { nonce: 5, purpose, .. }) if purpose.as_str() == "good")
    );
}

#[test]
fn a_refusal_after_the_bytes_may_have_left_keeps_the_nonce() {
    let mut machine = machine();
    machine.submit(purpose("a"), Kind::Plain);
    let Some(Step::Start { purpose, nonce, fees }) = machine.next(secs(0), &MARKET) else {
        panic!()
    };
    machine.started(&purpose, nonce, fees);
    machine.unreachable(secs(0), nonce);
    assert!(!machine.answered(secs(2), nonce, Answer::Invalid));
    assert_eq!(machine.next(secs(12), &MARKET), Some(Step::Again { nonce }));
}

#[test]
fn an_account_without_funds_is_tried_again_later() {
    let mut machine = machine();
    machine.submit(purpose("a"), Kind::Plain);
    let Some(Step::Start { purpose, nonce, fees }) = machine.next(secs(0), &MARKET) else {
        panic!()
    };
    machine.started(&purpose, nonce, fees);
    machine.answered(secs(0), nonce, Answer::InsufficientFunds);
    assert_eq!(machine.next(secs(9), &MARKET), None);
    assert_eq!(machine.next(secs(10), &MARKET), Some(Step::Again { nonce }));
}

#[test]
fn no_more_than_the_limit_are_in_flight() {
    let mut machine = machine();
    for n in 0..20 {
        machine.submit(Purpose::new(format!("p{n}")), Kind::Plain);
    }
    for _ in 0..Policy::documented().max_in_flight {
        send(&mut machine, secs(0));
    }
    assert_eq!(machine.next(secs(0), &MARKET), None);
    assert_eq!(machine.load(), (8, 12));
}
