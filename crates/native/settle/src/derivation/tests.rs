use alloy_primitives::U256;
use ethrex_execute::stream::{Codec, encode};

use super::*;
use crate::bindings::{
    INativeRollup::{Advanced, Challenged, DataProven, Finalized, ForcedTx, MessageSent, Proposed},
    Mode,
};

fn config() -> Config {
    Config {
        chainId: 80_790_001,
        level: 1,
        gasLimit: 12_000_000,
        genesisHash: B256::repeat_byte(0xaa),
        genesisStateRoot: B256::repeat_byte(0xbb),
        genesisTimestamp: 1_000,
        mode: Mode::INLINE,
        sequencer: Address::ZERO,
        forcedDelay: 10,
        sequencerTimeout: 30,
        challengePeriod: 30,
        bond: U256::ZERO,
        forceFeePerByte: U256::ZERO,
        maxTimestampLag: 3_600,
        minBlockTime: 1,
    }
}

fn derivation() -> Derivation {
    Derivation::new(Deployment {
        config: config(),
        rollup: Address::repeat_byte(7),
        l1_chain_id: 9,
    })
}

/// L1 blocks come every second.
fn l1(number: u64) -> L1Block {
    L1Block {
        number,
        hash: B256::left_padding_from(&number.to_be_bytes()),
        timestamp: 2_000 + number,
    }
}

fn block(dt: u64, transactions: &[&'static [u8]]) -> StreamBlock {
    let transactions = transactions.iter().map(|raw| Bytes::from_static(raw)).collect();
    StreamBlock { dt, transactions }
}

fn posted(position: u64, at: u64, forced: u64, blocks: &[StreamBlock]) -> RollupEvent {
    posted_stream(position, at, forced, encode(blocks, Codec::Raw).unwrap())
}

fn posted_stream(position: u64, at: u64, forced: u64, stream: Vec<u8>) -> RollupEvent {
    let ctx =
        L1Context { l1Number: at - 1, l1Slot: at * 2, forcedCount: forced, ..L1Context::default() };
    let item = Item {
        position,
        time: l1(at).timestamp,
        ctx,
        streamHash: keccak256(&stream),
        ..Item::default()
    };
    RollupEvent::Posted(Posted { position, item, stream: stream.into(), blobHashes: vec![] })
}

fn force(index: u64, raw: &'static [u8]) -> RollupEvent {
    RollupEvent::ForcedTx(ForcedTx { index, sender: Address::ZERO, raw: Bytes::from_static(raw) })
}

fn message(index: u64) -> RollupEvent {
    let message = Message { index, ..Message::default() };
    RollupEvent::MessageSent(MessageSent { index, message, leaf: keccak256(index.to_be_bytes()) })
}

/// Walks to the end, as if each block's hash were the digest of its plan and all forced transactions given were consumed.
fn walk(derivation: &Derivation) -> (Vec<Plan>, Cursor) {
    let (mut plans, mut at) = (vec![], derivation.deployment().genesis());
    loop {
        match derivation.next(&at) {
            Next::Wait => return (plans, at),
            Next::Skip(after) => at = after,
            Next::Block(plan) => {
                at = plan.after(plan.digest(), plan.forced.len() as u64);
                plans.push(*plan);
            }
        }
    }
}

#[test]
fn blocks_of_an_item_follow_one_another() {
    let mut derivation = derivation();
    let blocks = [block(1_000, &[b"a", b"b"]), block(2, &[]), block(1, &[b"c"])];
    derivation.apply(l1(20), posted(0, 20, 0, &blocks)).unwrap();
    let (plans, at) = walk(&derivation);
    let times: Vec<u64> = plans.iter().map(|plan| plan.attributes.timestamp).collect();
    assert_eq!(times, [2_000, 2_002, 2_003]);
    assert_eq!(plans[0].posted, [Bytes::from_static(b"a"), Bytes::from_static(b"b")]);
    let attributes = &plans[2].attributes;
    assert_eq!(attributes.extra_data.as_ref(), 0_u64.to_be_bytes());
    assert_eq!((attributes.slot_number, attributes.gas_limit), (40, 12_000_000));
    let ctx = &derivation.item(0).unwrap().item.ctx;
    assert_eq!(attributes.anchor, keccak256(ctx.abi_encode()));
    assert_eq!((at.position, at.index, at.parent.number), (1, 0, 3));
}

#[test]
fn c03_time_stays_between_parent_and_item() {
    let check = |parent, time, dt, expected| {
        assert_eq!(timestamp(&config(), parent, time, dt), expected, "{parent} {time} {dt}");
    };
    check(1_000, 2_000, 5, Some(1_005));
    check(1_000, 2_000, u64::MAX, Some(2_000));
    check(1_000, 2_000, 0, None);
    check(2_000, 2_000, 5, None);
    check(2_001, 2_000, 5, None);
    // Not older than the lag allows, whatever was posted.
    check(1_000, 20_000, 5, Some(16_400));
    check(1_000, 20_000, 0, Some(16_400));
    check(u64::MAX, u64::MAX, 1, None);
    check(u64::MAX - 1, u64::MAX, 1, Some(u64::MAX));
    check(0, 0, 0, None);
    let slow = Config { minBlockTime: 3, ..config() };
    assert_eq!(timestamp(&slow, 1_000, 2_000, 2), None);
    assert_eq!(timestamp(&slow, 1_000, 2_000, 3), Some(1_003));
    assert_eq!(timestamp(&slow, u64::MAX - 2, u64::MAX, 3), None);
}

#[test]
fn an_item_of_garbage_is_no_block_and_derivation_goes_on() {
    let mut derivation = derivation();
    for (position, garbage) in
        [&b""[..], b"NR01", b"\0\0\0\0", b"NR01\x01\0\0\0\x04junk"].into_iter().enumerate()
    {
        let stream = posted_stream(position as u64, 20, 0, garbage.to_vec());
        derivation.apply(l1(20), stream).unwrap();
    }
    let truncated = encode(&[block(1_500, &[b"a"]), block(1, &[b"b"])], Codec::Raw).unwrap();
    let mut cut = truncated[..truncated.len() - 1].to_vec();
    let len = u32::try_from(cut.len() - 9).unwrap();
    cut[5..9].copy_from_slice(&len.to_be_bytes());
    derivation.apply(l1(21), posted_stream(4, 21, 0, cut)).unwrap();
    let (plans, at) = walk(&derivation);
    assert_eq!(plans.len(), 1, "the block before the malformed one counts");
    assert_eq!((plans[0].at.position, at.position), (4, 5));
}

#[test]
fn forced_transactions_come_once_they_are_due_and_as_many_as_the_lane_takes() {
    let mut derivation = derivation();
    for (index, raw) in [&b"x"[..], b"y", b"z"].into_iter().enumerate() {
        derivation.apply(l1(5), force(index as u64, raw)).unwrap();
    }
    derivation.apply(l1(20), posted(0, 20, 2, &[block(u64::MAX, &[b"a"])])).unwrap();
    derivation.apply(l1(21), posted(1, 21, 3, &[block(u64::MAX, &[])])).unwrap();
    let (plans, at) = walk(&derivation);
    assert_eq!(plans[0].forced, [Bytes::from_static(b"x"), Bytes::from_static(b"y")]);
    assert_eq!(plans[1].forced, [Bytes::from_static(b"z")]);
    assert_eq!(at.forced, 3);

    let mut derivation = self::derivation();
    for index in 0..40 {
        derivation.apply(l1(5), force(index, b"s")).unwrap();
    }
    assert_eq!(derivation.lane(0, 40).len(), 32);
    assert_eq!(derivation.lane(38, 40).len(), 2);
    assert_eq!(derivation.lane(38, 50).len(), 2, "no more than there are");
}

#[test]
fn a_context_counts_what_l1_had_then() {
    let mut derivation = derivation();
    for index in 0..4 {
        derivation.apply(l1(index + 1), message(index)).unwrap();
        derivation.apply(l1(index + 1), force(index, b"f")).unwrap();
    }
    let header =
        Header { number: 2, timestamp: 2_013, mix_hash: B256::repeat_byte(5), ..Header::default() };
    let ctx = derivation.context(&header, B256::repeat_byte(6));
    assert_eq!((ctx.msgCount, ctx.forcedCount), (2, 3), "messages by block, forced ones by time");
    assert_eq!(ctx.msgRoot, derivation.message_path(1, 2).unwrap().1);
    assert_eq!(ctx.forcedAcc, derivation.forced(2).unwrap().acc);
    assert_eq!((ctx.prevRandao, ctx.l1Slot), (header.mix_hash, 0));
    let none = derivation.context(&Header::default(), B256::ZERO);
    assert_eq!((none.msgCount, none.forcedCount, none.forcedAcc), (0, 0, B256::ZERO));
}

#[test]
fn c02_what_l1_takes_back_leaves_no_trace() {
    let history = |upto: u64| {
        let mut derivation = derivation();
        for at in 1..=upto {
            derivation.apply(l1(at), message(at - 1)).unwrap();
            derivation.apply(l1(at), force(at - 1, b"f")).unwrap();
            let forced = at.saturating_sub(10);
            derivation.apply(l1(at), posted(at - 1, at, forced, &[block(3_600, &[b"a"])])).unwrap();
            derivation.read(at);
        }
        derivation
    };
    let mut rewound = history(30);
    for depth in [1, 2, 3, 5, 8, 11] {
        let to = rewound.upto().unwrap() - depth;
        rewound.rewind(to);
        let straight = history(to);
        assert_eq!(walk(&rewound), walk(&straight), "back to {to}");
        assert_eq!(rewound.upto(), straight.upto().or(Some(0)));
        assert_eq!(rewound.message_count(), straight.message_count());
        assert_eq!(rewound.forced_acc(to), straight.forced_acc(to));
        assert_eq!(rewound.tree.root(), straight.tree.root());
    }
}

#[test]
fn what_is_pruned_is_not_missed() {
    let mut derivation = derivation();
    for at in 1..=20 {
        derivation.apply(l1(at), force(at - 1, b"f")).unwrap();
        derivation.apply(l1(at), posted(at - 1, at, 0, &[])).unwrap();
    }
    derivation.prune(10, 5, 3);
    assert!(derivation.item(4).is_none() && derivation.item(5).is_some());
    assert!(derivation.forced(2).is_none() && derivation.forced(3).is_some());
    derivation.apply(l1(21), posted(20, 21, 0, &[])).unwrap();
    derivation.rewind(20);
    assert_eq!((derivation.items(), derivation.forced_count()), (20, 20));
}

#[test]
fn the_running_hash_goes_on_from_what_is_forgotten() {
    let (mut whole, mut pruned) = (derivation(), derivation());
    for at in 1..=5 {
        whole.apply(l1(at), force(at - 1, b"f")).unwrap();
        pruned.apply(l1(at), force(at - 1, b"f")).unwrap();
    }
    // Everything that was ever forced is consumed, and old.
    pruned.prune(100, 0, 5);
    assert!(pruned.forced(4).is_none());
    let header = Header { number: 50, timestamp: l1(50).timestamp, ..Header::default() };
    assert_eq!(pruned.context(&header, B256::ZERO), whole.context(&header, B256::ZERO));
    for derivation in [&mut whole, &mut pruned] {
        derivation.apply(l1(20), force(5, b"later")).unwrap();
    }
    assert_eq!(pruned.context(&header, B256::ZERO), whole.context(&header, B256::ZERO));
    pruned.prune(100, 0, 6);
    assert_eq!(pruned.forced_acc(6), whole.forced_acc(6));
    assert_eq!((pruned.forced_acc(5), pruned.forced_acc(0)), (None, Some(B256::ZERO)));
}

#[test]
fn a_gap_is_refused() {
    let mut derivation = derivation();
    let gap = derivation.apply(l1(1), message(1)).unwrap_err();
    assert_eq!(gap, OutOfOrder { what: "message", got: 1, want: 0 });
    assert!(derivation.apply(l1(1), force(1, b"f")).is_err());
    assert!(derivation.apply(l1(1), posted(1, 1, 0, &[])).is_err());
}

#[test]
fn a_skipped_item_ends_early_and_moves_the_forced_queue() {
    let mut derivation = derivation();
    derivation.apply(l1(1), force(0, b"heavy")).unwrap();
    derivation
        .apply(l1(20), posted(0, 20, 1, &[block(1_000, &[b"a"]), block(1, &[b"b"])]))
        .unwrap();
    derivation.apply(l1(21), posted(1, 21, 1, &[block(5, &[b"c"])])).unwrap();
    assert_eq!(walk(&derivation).0.len(), 3);
    assert_eq!(derivation.take_disturbed(), None);

    let skipped = Skipped { position: 0, index: 1, forcedAfter: 1 };
    derivation.apply(l1(80), RollupEvent::Skipped(skipped)).unwrap();
    assert_eq!(derivation.take_disturbed(), Some(0));
    let (plans, at) = walk(&derivation);
    assert_eq!(plans.iter().map(|plan| plan.at.position).collect::<Vec<_>>(), [0, 1]);
    assert_eq!((at.position, at.forced), (2, 1));

    derivation.rewind(79);
    assert_eq!(derivation.take_disturbed(), Some(0));
    assert_eq!(walk(&derivation).0.len(), 3);
}

/// Whoever has posted a blob and proves it would otherwise leave behind all that read L1 alone.
#[test]
fn a_proof_says_what_is_in_a_blob() {
    let mut derivation = derivation();
    let hashes = vec![B256::repeat_byte(1)];
    let RollupEvent::Posted(event) = posted(0, 20, 0, &[]) else { panic!("it is posted") };
    let item = Item { streamHash: B256::ZERO, blobsHash: keccak256(hashes[0]), ..event.item };
    let event = Posted { item, blobHashes: hashes, stream: Bytes::new(), ..event };
    derivation.apply(l1(20), RollupEvent::Posted(event)).unwrap();
    assert_eq!(walk(&derivation).1.position, 0);
    let stream = encode(&[block(5, &[b"a"])], Codec::Raw).unwrap();
    let proven = DataProven {
        position: 0,
        streamHash: keccak256(&stream),
        dataRoot: B256::ZERO,
        blocks: 1,
        stream: stream.into(),
    };
    derivation.apply(l1(22), RollupEvent::DataProven(proven)).unwrap();
    let (plans, at) = walk(&derivation);
    assert_eq!((plans.len(), at.position), (1, 1));
    derivation.rewind(21);
    assert!(!derivation.item(0).unwrap().is_proven());
    assert_eq!(walk(&derivation).0, plans);
}

#[test]
fn blobs_are_waited_for() {
    let mut derivation = derivation();
    let hashes = vec![B256::repeat_byte(1)];
    let RollupEvent::Posted(event) = posted(0, 20, 0, &[]) else { panic!("it is posted") };
    let item = Item { streamHash: B256::ZERO, blobsHash: keccak256(hashes[0]), ..event.item };
    let event = Posted { item, blobHashes: hashes.clone(), stream: Bytes::new(), ..event };
    derivation.apply(l1(20), RollupEvent::Posted(event)).unwrap();
    assert!(matches!(derivation.next(&derivation.deployment().genesis()), Next::Wait));
    assert_eq!(derivation.unread().map(|(position, _)| position).collect::<Vec<_>>(), [0]);

    let stream = encode(&[block(5, &[b"a"])], Codec::Raw).unwrap();
    derivation.fill(0, &[B256::ZERO], &stream);
    assert!(derivation.unread().next().is_some(), "other blobs");
    derivation.fill(0, &hashes, &stream);
    assert_eq!(walk(&derivation).0.len(), 1);
    assert!(!derivation.item(0).unwrap().is_proven());

    let proven = DataProven {
        position: 0,
        streamHash: keccak256(&stream),
        dataRoot: B256::repeat_byte(2),
        blocks: 1,
        stream: Bytes::from(stream.clone()),
    };
    derivation.apply(l1(22), RollupEvent::DataProven(proven)).unwrap();
    assert!(derivation.item(0).unwrap().is_proven());
    derivation.rewind(21);
    let item = derivation.item(0).unwrap();
    assert!(!item.is_proven() && item.item.dataRoot.is_zero() && item.blocks.is_some());
}

#[test]
fn proposals_stand_until_they_are_challenged_or_final() {
    let mut derivation = derivation();
    let propose = |position| {
        RollupEvent::Proposed(Proposed {
            position,
            proposer: Address::ZERO,
            hashes: vec![B256::repeat_byte(1)],
            forcedAfter: vec![0],
        })
    };
    for position in 0..4 {
        derivation.apply(l1(position + 1), propose(position)).unwrap();
    }
    let finalized = Finalized { position: 0, blockHash: B256::ZERO };
    derivation.apply(l1(10), RollupEvent::Finalized(finalized)).unwrap();
    let lost = Challenged { position: 2, k: 0, challenger: Address::ZERO, correctHash: B256::ZERO };
    derivation.apply(l1(11), RollupEvent::Challenged(lost)).unwrap();
    let (standing, first) = derivation.proposals();
    assert_eq!((standing.keys().copied().collect::<Vec<_>>(), first), (vec![1], 1));
    derivation.rewind(10);
    assert_eq!(derivation.proposals().0.len(), 3);
    derivation.rewind(9);
    assert_eq!(derivation.proposals(), (derivation.proposals().0, 0));
}

#[test]
fn the_newest_settled_block_counts() {
    let mut derivation = derivation();
    for number in 1..5_u64 {
        let advanced = Advanced { number, blockHash: B256::repeat_byte(1), stateRoot: B256::ZERO };
        derivation.apply(l1(number), RollupEvent::Advanced(advanced)).unwrap();
    }
    assert_eq!(derivation.settled_by(u64::MAX).unwrap().number, 4);
    derivation.rewind(2);
    assert_eq!(derivation.settled_by(u64::MAX).unwrap().number, 2);
}
