use alloy_primitives::{Bytes, LogData};
use alloy_sol_types::{SolEvent, sol};

use super::*;
use crate::testing::{Call, Contract, FakeL1, Ran};

sol! {
    #[derive(Debug, PartialEq, Eq)]
    event Ping(uint64 indexed number);
}

const AT: Address = Address::repeat_byte(7);

/// Logs what it is sent: a number becomes a `Ping`, anything else a log with its topic and no number.
#[derive(Debug, Clone)]
struct Pinger;

impl Contract for Pinger {
    fn run(&mut self, call: &Call) -> Ran {
        let log = match <[u8; 8]>::try_from(call.data.as_ref()) {
            Ok(number) => Ping { number: u64::from_be_bytes(number) }.encode_log_data(),
            Err(_) => LogData::new_unchecked(vec![Ping::SIGNATURE_HASH], Bytes::new()),
        };
        Ok((Bytes::new(), vec![log]))
    }

    fn copy(&self) -> Box<dyn Contract> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

fn chain() -> FakeL1 {
    let l1 = FakeL1::new();
    l1.install(AT, Pinger);
    l1
}

async fn ping(l1: &FakeL1, data: impl Into<Bytes>) {
    crate::testing::send(l1, AT, data.into()).await;
    l1.mine();
}

fn watcher(l1: &FakeL1, delay: u64, max_step: u64) -> EventWatcher<Ping> {
    let every = Duration::from_millis(200);
    EventWatcher::new(
        l1.client(),
        AT,
        1,
        None,
        EventConfig { name: "ping", every, delay, max_step },
    )
}

/// Reads everything there is: numbers, and the block read last.
async fn drain(watcher: &mut EventWatcher<Ping>) -> (Vec<u64>, u64) {
    let (mut numbers, mut last) = (Vec::new(), 0);
    while let Some(update) = watcher.read().await.unwrap() {
        let Update::Read { events, upto, .. } = update else { panic!("{update:?}") };
        numbers.extend(events.into_iter().map(|event| event.event.number));
        last = upto;
    }
    (numbers, last)
}

#[tokio::test]
async fn events_come_once_and_in_order() {
    let l1 = chain();
    let mut watcher = watcher(&l1, 0, 2);
    for n in 0..5u64 {
        ping(&l1, n.to_be_bytes().to_vec()).await;
    }
    assert_eq!(drain(&mut watcher).await, (vec![0, 1, 2, 3, 4], 5));
    ping(&l1, 5u64.to_be_bytes().to_vec()).await;
    assert_eq!(drain(&mut watcher).await, (vec![5], 6));
    assert_eq!(drain(&mut watcher).await, (vec![], 0));
}

#[tokio::test]
async fn a_block_is_read_only_below_the_delay() {
    let l1 = chain();
    let mut watcher = watcher(&l1, 3, 100);
    ping(&l1, 1u64.to_be_bytes().to_vec()).await;
    l1.mine_many(2);
    assert_eq!(drain(&mut watcher).await, (vec![], 0));
    l1.mine();
    assert_eq!(drain(&mut watcher).await, (vec![1], 1));
}

#[tokio::test]
async fn a_reorganisation_is_said_and_read_again_from_the_common_block() {
    let l1 = chain();
    let mut watcher = watcher(&l1, 0, 1);
    ping(&l1, 1u64.to_be_bytes().to_vec()).await;
    ping(&l1, 2u64.to_be_bytes().to_vec()).await;
    ping(&l1, 3u64.to_be_bytes().to_vec()).await;
    assert_eq!(drain(&mut watcher).await, (vec![1, 2, 3], 3));
    l1.reorganise(2, false);
    assert_eq!(watcher.read().await.unwrap(), None, "the new branch is still shorter");
    ping(&l1, 7u64.to_be_bytes().to_vec()).await;
    ping(&l1, 8u64.to_be_bytes().to_vec()).await;
    assert_eq!(watcher.read().await.unwrap(), Some(Update::Reorganised { to: 1 }));
    assert_eq!(drain(&mut watcher).await, (vec![7, 8], 3));
}

/// After a start, much is read at once; the newest of it may be gone a moment later.
#[tokio::test]
async fn the_way_back_is_short_however_much_was_read_at_once() {
    let l1 = chain();
    let mut watcher = watcher(&l1, 0, 1_000);
    l1.mine_many(600);
    ping(&l1, 1u64.to_be_bytes().to_vec()).await;
    assert_eq!(drain(&mut watcher).await, (vec![1], 601));
    for (depth, to) in [(1, 600), (3, 597), (9, 585), (200, 0)] {
        l1.reorganise(depth, false);
        l1.mine_many(depth as u64);
        assert_eq!(watcher.read().await.unwrap(), Some(Update::Reorganised { to }), "{depth}");
        assert_eq!(drain(&mut watcher).await, (vec![], 601), "{depth}");
    }
}

#[tokio::test]
async fn a_reorganisation_of_all_that_was_read_begins_anew() {
    let l1 = chain();
    let mut watcher = watcher(&l1, 0, 10);
    ping(&l1, 1u64.to_be_bytes().to_vec()).await;
    assert_eq!(drain(&mut watcher).await, (vec![1], 1));
    l1.reorganise(1, false);
    ping(&l1, 7u64.to_be_bytes().to_vec()).await;
    assert_eq!(watcher.read().await.unwrap(), Some(Update::Reorganised { to: 0 }));
    assert_eq!(drain(&mut watcher).await, (vec![7], 1));
}

#[tokio::test]
async fn a_reorganisation_below_the_starting_point_is_a_fault() {
    let l1 = chain();
    l1.mine_many(3);
    let config =
        EventConfig { name: "ping", every: Duration::from_secs(1), delay: 0, max_step: 10 };
    let before = Some(B256::repeat_byte(0xee));
    let mut watcher = EventWatcher::<Ping>::new(l1.client(), AT, 3, before, config);
    assert!(matches!(watcher.read().await, Err(EventError::ReorgTooDeep { oldest: 2 })));
}

#[tokio::test]
async fn an_event_that_does_not_decode_stops_the_reader() {
    let l1 = chain();
    let mut watcher = watcher(&l1, 0, 10);
    ping(&l1, vec![1]).await;
    let error = watcher.read().await.unwrap_err();
    assert_eq!(error.reaction(), Reaction::Stop);
    assert!(matches!(error, EventError::Malformed { at: At { block: 1, log: 0 }, .. }));
}

#[tokio::test]
async fn an_l1_that_is_down_is_asked_again() {
    let l1 = chain();
    let mut watcher = watcher(&l1, 0, 10);
    ping(&l1, 1u64.to_be_bytes().to_vec()).await;
    l1.set_down(true);
    assert_eq!(watcher.read().await.unwrap_err().reaction(), Reaction::Retry);
    l1.set_down(false);
    assert_eq!(drain(&mut watcher).await, (vec![1], 1));
}

#[tokio::test(start_paused = true)]
async fn the_loop_waits_out_an_outage_and_stops_when_told() {
    let l1 = chain();
    ping(&l1, 1u64.to_be_bytes().to_vec()).await;
    l1.set_down(true);
    let (out, mut updates) = mpsc::channel(1);
    let stop = CancellationToken::new();
    let task = tokio::spawn(watcher(&l1, 0, 10).run(out, stop.clone()));
    tokio::task::yield_now().await;
    l1.set_down(false);
    let Some(Update::Read { events, .. }) = updates.recv().await else { panic!() };
    assert_eq!(events.len(), 1);
    stop.cancel();
    task.await.unwrap().unwrap();
}
