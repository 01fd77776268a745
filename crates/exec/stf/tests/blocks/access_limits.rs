//! Limits on what the transactions of a block touch of the state before it.

use alloy_primitives::{Address, B256, Bytes, keccak256};
use ethrex_evm::{HEADER_BYTES, Touched};
use ethrex_stf::{
    AccessLimits, BlockBuilder, BuildContext, Ethereum, InvalidTx, NotIncluded, RunError,
};
use ethrex_types::{Fork, SealedHeader};

use crate::world::{ALICE, CONTRACT, World, call, reads, tx, writes};

const NO_LIMIT: usize = usize::MAX;
/// Sender, callee and beneficiary.
const ANY_CALL: usize = 3;

fn refused(result: Result<u64, RunError<NotIncluded>>) -> u64 {
    match result.unwrap_err() {
        RunError::Invalid(NotIncluded::Invalid(InvalidTx::AccessLimit { gas })) => gas,
        other => panic!("{other}"),
    }
}

fn limits(items: usize, code_bytes: usize) -> Option<AccessLimits> {
    Some(AccessLimits { items, code_bytes, created_code: NO_LIMIT })
}

#[test]
fn system_calls_do_not_count_and_nothing_counts_twice() {
    let mut world = World::new(Fork::Amsterdam);
    let code = [reads(0, 5), reads(0, 5)].concat();
    world.deploy(CONTRACT, code.clone());
    let context = world.context();
    let mut builder = BlockBuilder::open(&context, &Ethereum, &world.state).unwrap();
    assert_eq!(builder.touched(), Touched::default());
    let all = Touched { items: ANY_CALL + 5, code_bytes: code.len() };
    for nonce in 0..3 {
        builder.push(call(nonce), ALICE).unwrap();
        assert_eq!(builder.touched(), all);
    }
}

#[test]
fn the_first_item_beyond_the_limit_stops_a_transaction() {
    let mut world = World::new(Fork::Amsterdam);
    world.deploy(CONTRACT, [reads(0, 10), writes(10, 12)].concat());
    let context = world.context();
    let need = ANY_CALL + 12;
    for items in 0..=need {
        let run = || {
            let mut builder = BlockBuilder::open(&context, &Ethereum, &world.state).unwrap();
            builder.set_access_limits(limits(items, NO_LIMIT));
            let result = builder.push(call(0), ALICE);
            if items == need {
                result.unwrap();
            } else {
                assert_eq!(refused(result), 1_000_000);
            }
            assert_eq!(builder.touched().items, items);
            builder.finish().unwrap().accesses
        };
        assert_eq!(run(), run(), "the cut at {items} is always the same");
    }
}

#[test]
fn what_was_stopped_leaves_no_trace_in_the_block_but_counts() {
    for fork in [Fork::Osaka, Fork::Amsterdam] {
        let mut world = World::new(fork);
        world.deploy(CONTRACT, [writes(0, 4), reads(4, 40)].concat());
        let light = || tx(0, Some(Address::repeat_byte(9)), 250_000, 1, &[]);
        let context = world.context();
        let mut builder = BlockBuilder::open(&context, &Ethereum, &world.state).unwrap();
        builder.set_access_limits(limits(20, NO_LIMIT));
        refused(builder.push(call(0), ALICE));
        assert_eq!(builder.touched().items, 20);
        // What is known already costs nothing, what is new is too much.
        refused(builder.push(light(), ALICE));
        builder.set_access_limits(limits(21, NO_LIMIT));
        builder.push(light(), ALICE).unwrap();
        let cut = builder.finish().unwrap();
        let plain = world.build(&Ethereum, [light()]);
        assert_eq!(cut.seal(B256::ZERO), plain.seal(B256::ZERO));
        assert_eq!((&cut.diff, &cut.receipts), (&plain.diff, &plain.receipts));
        assert_eq!(cut.block_access_list, plain.block_access_list);
        assert_eq!(cut.accesses.accounts[&CONTRACT].len(), 17);
        assert!(!plain.accesses.accounts.contains_key(&CONTRACT));
        world.judge(&Ethereum, &cut).unwrap();
    }
}

#[test]
fn a_limit_can_be_raised_between_transactions() {
    let mut world = World::new(Fork::Amsterdam);
    world.deploy(CONTRACT, reads(0, 30));
    let context = world.context();
    let mut builder = BlockBuilder::open(&context, &Ethereum, &world.state).unwrap();
    builder.set_access_limits(limits(10, NO_LIMIT));
    refused(builder.push(call(0), ALICE));
    builder.set_access_limits(None);
    builder.push(call(0), ALICE).unwrap();
    assert_eq!(builder.touched().items, ANY_CALL + 30);
    let built = builder.finish().unwrap();
    assert_eq!(built.seal(B256::ZERO), world.build(&Ethereum, [call(0)]).seal(B256::ZERO));
}

#[test]
fn code_counts_by_its_bytes_and_the_code_that_passes_the_limit_counts_too() {
    let mut world = World::new(Fork::Amsterdam);
    let (code, twin) = (vec![0x5b; 1000], Address::repeat_byte(0xc1));
    world.deploy(CONTRACT, code.clone());
    world.deploy(twin, code.clone());
    let context = world.context();
    let hash = keccak256(&code);
    let mut builder = BlockBuilder::open(&context, &Ethereum, &world.state).unwrap();
    builder.set_access_limits(limits(NO_LIMIT, 999));
    refused(builder.push(call(0), ALICE));
    assert_eq!(builder.touched().code_bytes, 1000);
    let built = builder.finish().unwrap();
    // Who executes again needs it to see how long it is.
    assert_eq!(built.accesses.codes.get(&hash), Some(&Bytes::from(code)));

    let mut builder = BlockBuilder::open(&context, &Ethereum, &world.state).unwrap();
    builder.set_access_limits(limits(NO_LIMIT, 1000));
    builder.push(call(0), ALICE).unwrap();
    builder.push(tx(1, Some(twin), 1_000_000, 0, &[]), ALICE).unwrap();
    assert_eq!(builder.touched().code_bytes, 1000, "the same code at two addresses");
}

#[test]
fn what_the_block_makes_does_not_count() {
    let world = World::new(Fork::Amsterdam);
    let context = world.context();
    let mut builder = BlockBuilder::open(&context, &Ethereum, &world.state).unwrap();
    let init = writes(0, 8);
    builder.push(tx(0, None, 3_000_000, 0, &init), ALICE).unwrap();
    assert!(builder.receipts()[0].success());
    // Sender, the new account and the beneficiary: its slots cannot have been there before.
    assert_eq!(builder.touched(), Touched { items: 3, code_bytes: 0 });
}

#[test]
fn an_ancestor_counts_with_all_between_it_and_the_parent() {
    let mut world = World::new(Fork::Amsterdam);
    let mut parent = world.parent.clone_inner();
    parent.number = 100;
    let hash = parent.hash_slow();
    world.parent = SealedHeader::new_unchecked(parent, hash);
    // BLOCKHASH of 90, of 95 and of the parent.
    let code = [[0x60, 90, 0x40], [0x60, 95, 0x40], [0x60, 100, 0x40]].concat();
    world.deploy(CONTRACT, code.clone());
    let context = BuildContext::new(&world.spec, &world.parent, &world.attributes());
    let mut builder = BlockBuilder::open(&context, &Ethereum, &world.state).unwrap();
    let need = code.len() + 10 * HEADER_BYTES;
    builder.set_access_limits(limits(NO_LIMIT, need - 1));
    refused(builder.push(call(0), ALICE));
    assert_eq!(builder.touched().code_bytes, code.len());
    builder.set_access_limits(limits(NO_LIMIT, need));
    builder.push(call(0), ALICE).unwrap();
    assert_eq!(builder.touched(), Touched { items: ANY_CALL, code_bytes: need });
    assert_eq!(builder.finish().unwrap().accesses.oldest_block_hash, Some(90));
}

#[test]
fn code_that_is_too_long_does_not_keep_others_out() {
    let mut world = World::new(Fork::Amsterdam);
    world.deploy(CONTRACT, vec![0x5b; 1000]);
    let context = world.context();
    let mut builder = BlockBuilder::open(&context, &Ethereum, &world.state).unwrap();
    builder.set_access_limits(limits(NO_LIMIT, 500));
    refused(builder.push(call(0), ALICE));
    builder.push(tx(0, Some(ALICE), 100_000, 0, &[]), ALICE).unwrap();
}

#[test]
fn the_beneficiary_counts_first_where_limits_hold() {
    let world = World::new(Fork::Amsterdam);
    let context = world.context();
    let mut builder = BlockBuilder::open(&context, &Ethereum, &world.state).unwrap();
    for items in 0..2 {
        builder.set_access_limits(limits(items, 0));
        refused(builder.push(tx(0, Some(ALICE), 100_000, 0, &[]), ALICE));
        assert_eq!(builder.touched().items, items);
    }
    builder.set_access_limits(limits(2, 0));
    builder.push(tx(0, Some(ALICE), 100_000, 0, &[]), ALICE).unwrap();
}

#[test]
fn what_an_invalid_transaction_read_counts() {
    let world = World::new(Fork::Amsterdam);
    let context = world.context();
    let mut builder = BlockBuilder::open(&context, &Ethereum, &world.state).unwrap();
    builder.set_access_limits(limits(3, 0));
    let poor = |nr| Address::repeat_byte(nr);
    let invalid = builder.push(call(0), poor(1)).unwrap_err();
    assert!(matches!(invalid, RunError::Invalid(NotIncluded::Invalid(InvalidTx::Other(_)))));
    assert_eq!(builder.touched().items, 2);
    builder.push(call(0), poor(2)).unwrap_err();
    refused(builder.push(call(0), poor(3)));
    let invalid = builder.push(call(0), poor(1)).unwrap_err();
    assert!(matches!(invalid, RunError::Invalid(NotIncluded::Invalid(InvalidTx::Other(_)))));
}

#[test]
fn a_stopped_transaction_burns_no_more_than_the_cap_on_one() {
    let mut world = World::new(Fork::Amsterdam);
    world.deploy(CONTRACT, reads(0, 30));
    let context = world.context();
    let mut builder = BlockBuilder::open(&context, &Ethereum, &world.state).unwrap();
    builder.set_access_limits(limits(10, NO_LIMIT));
    let gas = refused(builder.push(tx(0, Some(CONTRACT), 30_000_000, 0, &[]), ALICE));
    assert_eq!(gas, 1 << 24, "EIP-7825");
}
