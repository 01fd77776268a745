use alloy_primitives::{Address, Bytes, keccak256};
use alloy_sol_types::SolValue;
use ethrex_execute::stream::{Codec, StreamBlock, encode};
use ethrex_l1::At;

use super::*;
use crate::bindings::{
    Config,
    INativeRollup::{Advanced, Finalized, Posted, Skipped},
    Item, L1Context, Mode,
};

fn deployment() -> Deployment {
    let config = Config {
        chainId: 80_790_001,
        level: 1,
        gasLimit: 9_000_000,
        genesisHash: B256::repeat_byte(0xaa),
        genesisStateRoot: B256::ZERO,
        genesisTimestamp: 1_000,
        mode: Mode::INLINE,
        sequencer: Address::ZERO,
        forcedDelay: 10,
        sequencerTimeout: 30,
        challengePeriod: 30,
        bond: Default::default(),
        forceFeePerByte: Default::default(),
        maxTimestampLag: 3_600,
        minBlockTime: 1,
    };
    Deployment { config, rollup: Address::repeat_byte(7), l1_chain_id: 9 }
}

/// The event of an item with so many blocks, in this L1 block. `tag` tells items at the same place apart.
fn posted(position: u64, at: u64, blocks: usize, tag: u64) -> Event<RollupEvent> {
    let transactions = vec![Bytes::from(tag.to_be_bytes().to_vec())];
    let stream = encode(&vec![StreamBlock { dt: 1, transactions }; blocks], Codec::Raw).unwrap();
    let ctx = L1Context { l1Number: at - 1, ..L1Context::default() };
    let streamed = keccak256(&stream);
    let item =
        Item { position, time: 100_000 + at * 100, ctx, streamHash: streamed, ..Item::default() };
    let event = Posted { position, item, stream: stream.into(), blobHashes: vec![] };
    event_at(at, RollupEvent::Posted(event))
}

fn event_at(at: u64, event: RollupEvent) -> Event<RollupEvent> {
    let block_hash = keccak256(at.abi_encode());
    let timestamp = 100_000 + at * 100;
    Event { at: At { block: at, log: 0 }, block_hash, timestamp, tx: B256::ZERO, event }
}

fn read(follower: &mut Follower, upto: u64, events: Vec<Event<RollupEvent>>) {
    follower.take(Update::Read { events, upto, hash: keccak256(upto.abi_encode()) }).unwrap();
}

/// Walks as far as L1 goes. The hash of each block is the digest of its plan.
fn walk(follower: &mut Follower) {
    while let Some(plan) = follower.next_plan() {
        follower.walked(&plan, plan.digest(), plan.forced.len() as u64);
    }
}

/// Items with 2, 0, 1, 2, 0, 1, … blocks, one in each L1 block.
fn history(upto: u64, tag: u64) -> Follower {
    let mut follower = Follower::new(deployment());
    extend(&mut follower, 1, upto, tag);
    follower
}

fn extend(follower: &mut Follower, from: u64, upto: u64, tag: u64) {
    for at in from..=upto {
        let blocks = [2, 0, 1][usize::try_from((at - 1) % 3).unwrap()];
        read(follower, at, vec![posted(at - 1, at, blocks, tag)]);
        walk(follower);
    }
}

#[test]
fn c12_the_walk_is_the_same_however_l1_came_there() {
    for depth in 1..=8 {
        let mut bent = history(20, 1);
        bent.take(Update::Reorganised { to: 20 - depth }).unwrap();
        extend(&mut bent, 21 - depth, 20, 2);
        let mut straight = history(20 - depth, 1);
        extend(&mut straight, 21 - depth, 20, 2);
        assert_eq!(bent.walk, straight.walk, "depth {depth}");
        // The newest item has no blocks: without it nothing is another.
        assert_eq!(bent.tip() == history(20, 1).tip(), depth == 1);
    }
}

#[test]
fn a_plan_does_not_stand_once_its_item_is_another() {
    let mut follower = history(3, 1);
    read(&mut follower, 4, vec![posted(3, 4, 2, 1)]);
    let plan = follower.next_plan().unwrap();
    assert!(follower.stands(&plan));
    follower.take(Update::Reorganised { to: 3 }).unwrap();
    assert!(!follower.stands(&plan), "the item is gone");
    read(&mut follower, 4, vec![posted(3, 4, 2, 2)]);
    assert_eq!(follower.tip(), plan.at, "the walk is where it was");
    assert!(!follower.stands(&plan), "another item is there");
    let plan = follower.next_plan().unwrap();
    follower.walked(&plan, plan.digest(), 0);
    assert!(!follower.stands(&plan), "it is done with");
}

#[test]
fn steps_are_found_by_place_and_by_block() {
    let follower = history(6, 1);
    let places: Vec<_> = follower.walk.iter().map(|it| (it.at.position, it.at.index)).collect();
    assert_eq!(places, [(0, 0), (0, 1), (1, 0), (2, 0), (3, 0), (3, 1), (4, 0), (5, 0)]);
    let from = |position, index| follower.steps_from(position, index).map(Iterator::count);
    assert_eq!((from(0, 0), from(0, 1), from(3, 1)), (Some(8), Some(7), Some(3)));
    assert_eq!((from(6, 0), from(7, 0), from(0, 2)), (Some(0), None, None));
    assert_eq!(follower.steps_of(3).map(|steps| steps.len()), Some(2));
    assert_eq!(follower.steps_of(6), None);
    let numbers: Vec<_> = (1..=6).map(|n| follower.step_of_block(n).unwrap().at.position).collect();
    assert_eq!(numbers, [0, 0, 2, 3, 3, 5]);
    assert!(follower.step_of_block(7).is_none());
}

#[test]
fn a_skipped_item_takes_back_what_was_built_on_it() {
    let mut follower = history(6, 1);
    let before = follower.tip();
    let skipped = Skipped { position: 3, index: 1, forcedAfter: 0 };
    read(&mut follower, 7, vec![event_at(7, RollupEvent::Skipped(skipped))]);
    assert_eq!(follower.tip().position, 3);
    walk(&mut follower);
    assert_eq!((follower.tip().position, follower.tip().parent.number), (6, 5));
    assert!(follower.steps_from(4, 0).is_some(), "settlement goes on at the next item");

    follower.take(Update::Reorganised { to: 6 }).unwrap();
    walk(&mut follower);
    assert_eq!(follower.tip(), before);
}

#[test]
fn what_is_settled_and_old_is_forgotten_and_nothing_else() {
    let mut follower = history(9, 1);
    let hash = follower.step_of_block(4).unwrap().after.parent.hash;
    let advanced = Advanced { number: 4, blockHash: hash, stateRoot: B256::ZERO };
    read(&mut follower, 10, vec![event_at(10, RollupEvent::Advanced(advanced))]);
    assert_eq!(follower.start().position, 0, "L1 may still go back");
    assert_eq!(follower.settled().map(|settled| settled.number), Some(4));
    let tip = follower.tip();
    read(&mut follower, 10 + REORG_DEPTH, vec![]);
    assert_eq!(follower.start().position, 3, "what comes after the settled block is needed");
    assert_eq!(follower.tip(), tip);
    assert!(follower.derivation().item(2).is_none() && follower.derivation().item(3).is_some());
}

#[test]
fn what_was_final_before_is_settled_again_when_l1_goes_back() {
    let mut follower = history(9, 1);
    let finalized = |position, at| {
        let done = Finalized { position, blockHash: B256::ZERO };
        event_at(at, RollupEvent::Finalized(done))
    };
    let number = |settled: Option<Settled>| settled.map(|settled| settled.number);
    read(&mut follower, 10, (0..=3).map(|position| finalized(position, 10)).collect());
    assert_eq!((number(follower.settled()), number(follower.settled_for_good())), (Some(5), None));
    let late = 9 + REORG_DEPTH;
    read(&mut follower, late, (4..=5).map(|position| finalized(position, late)).collect());
    read(&mut follower, late + 100, vec![]);
    assert_eq!(number(follower.settled()), Some(6));
    assert_eq!(number(follower.settled_for_good()), Some(5));
    follower.take(Update::Reorganised { to: late - 1 }).unwrap();
    assert_eq!(number(follower.settled()), Some(5));
}
