//! DERIVE.

use alloy_primitives::{B256, bytes};
use ethrex_execute::{
    Anchored, Attributes, Caps, Derivation, DeriveInput, Derived, ExecuteConfig, Frame, Offer,
    ParentState,
    derive::{FORCED_LANE_TXS, forced_lane},
    roots::keccak_chain,
};
use ethrex_stateless::testing::{FACTORY, READER, signer};
use proptest::prelude::*;

use super::*;

/// Derives on a node's state and by EXECUTE, which must agree, and makes the block of the included transactions, which must be the same.
#[track_caller]
fn derive_both(
    chain: &TestChain,
    attributes: &Attributes,
    forced: &[Bytes],
    posted: &[Bytes],
) -> (Derived, ExecuteResult) {
    let (derived, envelope) = derive_on(chain, &config(), attributes, forced, posted).unwrap();
    let result = succeeds(&envelope);
    assert_eq!(result.forced_root, keccak_chain(forced));
    assert_eq!(result.posted_root, keccak_chain(posted));
    assert_eq!(result.posted_count, posted.len() as u64);
    assert_eq!(
        result.included_count + result.dropped_count,
        result.forced_count + result.posted_count,
        "what is done with is in the block or dropped"
    );
    let block = filter_then_block(chain, attributes, &derived);
    assert_eq!(result.block_hash, block.block.sealed().hash(), "DERIVE = filter-then-BLOCK");
    let given = succeeds(&block_envelope(&block, None));
    let same = |result: &ExecuteResult| {
        let ExecuteResult {
            request_root,
            state_root,
            receipts_root,
            burned_fees,
            requests_hash,
            ..
        } = *result;
        (request_root, state_root, receipts_root, burned_fees, requests_hash, result.gas_used)
    };
    assert_eq!(same(&given), same(&result));
    (derived, result)
}

fn filter_then_block(chain: &TestChain, attributes: &Attributes, derived: &Derived) -> TestBlock {
    let sealed = derived.built.seal(B256::ZERO);
    let rules = rollup_rules(chain.spec());
    let included = &sealed.body().transactions;
    chain.clone().make_with(&rules, &block_attributes(attributes), included).unwrap()
}

fn grown() -> TestChain {
    let mut chain = rollup();
    make(&mut chain, &[transfer(1, 0), write(2, 0, 10, 10)]);
    chain
}

/// Reads the code of many accounts: each an item.
fn heavy(number: u8, nonce: u64, accounts: u64) -> Tx {
    // Init code that looks at the balances of accounts nobody has: for each PUSH20 address, BALANCE, POP.
    let mut code = Vec::new();
    for account in 0..accounts {
        code.push(0x73);
        code.extend_from_slice(&[0xab; 12]);
        code.extend_from_slice(&(account + (u64::from(number) << 32)).to_be_bytes());
        code.extend_from_slice(&[0x31, 0x50]);
    }
    code.push(0x00);
    signed_for(CHAIN_ID, number, |tx| {
        tx.nonce = nonce;
        tx.gas_limit = 3_000_000;
        tx.to = TxKind::Create;
        tx.input = code.into();
    })
}

#[test]
fn an_empty_block_follows_from_nothing() {
    let chain = grown();
    let (derived, result) = derive_both(&chain, &attributes(&chain), &[], &[]);
    assert_eq!((derived.forced_count, derived.included_count, derived.gas_bound), (0, 0, 0));
    assert_eq!((result.mode, result.posted_root, result.forced_root), (1, B256::ZERO, B256::ZERO));
    assert_eq!(result.number, 2);
}

#[test]
fn valid_transactions_are_included_and_others_dropped() {
    let chain = grown();
    let forced = [raw(&transfer(3, 0)), Bytes::from_static(b"garbage"), raw(&transfer(3, 5))];
    let posted = [
        raw(&transfer(1, 1)),
        Bytes::new(),
        raw(&transfer(1, 1)), // again
        raw(&write(2, 1, 10, 0)),
        raw(&signed_for(CHAIN_ID + 1, 4, |_| {})),
        raw(&transfer(3, 1)), // valid only behind the forced one
        [&raw(&transfer(4, 0))[..], &[0]].concat().into(),
    ];
    let (derived, result) = derive_both(&chain, &attributes(&chain), &forced, &posted);
    assert_eq!((result.forced_count, result.included_count, result.dropped_count), (3, 4, 6));
    assert_eq!(derived.posted, posted);
    assert_eq!(derived.built.senders, [3, 1, 2, 3].map(|number| signer(number).address()));
}

#[test]
fn g01_dropped_or_not_every_transaction_is_paid_for() {
    let chain = grown();
    let attributes = attributes(&chain);
    let forced = [Bytes::from_static(b"x")];
    let posted = [raw(&transfer(1, 1)), Bytes::new()];
    let (derived, envelope) = derive_on(&chain, &config(), &attributes, &forced, &posted).unwrap();
    let cost = 50_000 + 8 * envelope.len() as u64 + derived.gas_bound + 3 * 6_000;
    assert_eq!(call(PLENTY, &envelope).gas_charged, cost);
}

#[test]
fn the_gas_bound_is_exact() {
    let chain = grown();
    let posted = raws(&[transfer(1, 1), transfer(1, 2)]);
    let (derived, mut envelope) =
        derive_on(&chain, &config(), &attributes(&chain), &[], &posted).unwrap();
    assert!(derived.gas_bound > 400_000 && derived.gas_bound < 800_000);
    envelope[6..14].copy_from_slice(&(derived.gas_bound - 1).to_be_bytes());
    fails_as("gas_bound", &envelope);
    envelope[6..14].copy_from_slice(&chain.head().gas_limit.to_be_bytes());
    assert!(call(PLENTY, &envelope).result.is_ok());
}

#[test]
fn attributes_out_of_range_are_the_callers_fault() {
    let chain = grown();
    let good = attributes(&chain);
    let with = |change: fn(&mut Attributes)| {
        let mut changed = good.clone();
        change(&mut changed);
        assert!(derive_on(&chain, &config(), &changed, &[], &[]).is_err());
        let (_, envelope) = derive_on(&chain, &config(), &good, &[], &[]).unwrap();
        let mut input = DeriveInput::decode(&Bytes::copy_from_slice(&envelope[14..])).unwrap();
        change(&mut input.attributes);
        [&envelope[..14], &input.encode()].concat()
    };
    fails_as("unbuildable", &with(|attributes| attributes.timestamp = 12));
    fails_as("unbuildable", &with(|attributes| attributes.timestamp = 0));
    fails_as("unbuildable", &with(|attributes| attributes.gas_limit *= 2));
    fails_as("unbuildable", &with(|attributes| attributes.gas_limit = 0));
    fails_as("undecodable", &with(|attributes| attributes.extra_data = vec![0; 33].into()));
}

#[test]
fn w01_every_node_of_a_derivation_is_needed() {
    let chain = grown();
    let posted = [raw(&transfer(1, 1)), raw(&transfer(5, 9)), raw(&heavy(3, 0, 100))];
    let (_, envelope) = derive_on(&chain, &config(), &attributes(&chain), &[], &posted).unwrap();
    let input = DeriveInput::decode(&Bytes::copy_from_slice(&envelope[14..])).unwrap();
    for index in 0..input.witness.state.len() {
        let mut less = input.clone();
        less.witness.state.remove(index);
        fails_as("witness_insufficient", &[&envelope[..14], &less.encode()].concat());
    }
    let mut less = input.clone();
    less.witness.codes.clear();
    fails_as("witness_insufficient", &[&envelope[..14], &less.encode()].concat());
    let mut garbled = input;
    garbled.witness.state.reverse();
    fails_as("witness_non_canonical", &[&envelope[..14], &garbled.encode()].concat());
}

#[test]
fn c13_a_transaction_that_touches_too_much_ends_the_posted_lane() {
    let chain = grown();
    let posted = [raw(&transfer(1, 1)), raw(&heavy(3, 0, 100)), raw(&transfer(1, 2))];
    let (derived, result) = derive_both(&chain, &attributes(&chain), &[], &posted);
    assert_eq!((result.included_count, result.dropped_count), (1, 2));
    assert_eq!(derived.usage.items, config().caps.items);
    assert!(derived.usage.witness_bytes() <= config().caps.witness_bytes);
}

#[test]
fn c13_a_forced_transaction_that_is_too_heavy_for_any_block_is_dropped() {
    let chain = grown();
    let forced = raws(&[heavy(3, 0, 100), transfer(4, 0)]);
    let (derived, result) =
        derive_both(&chain, &attributes(&chain), &forced, &raws(&[transfer(1, 1)]));
    assert_eq!((derived.forced_count, result.included_count, result.dropped_count), (1, 1, 1));
}

#[test]
fn c13_a_heavy_neighbour_does_not_evict_a_forced_transaction() {
    let chain = grown();
    let forced = raws(&[heavy(3, 0, 20), heavy(4, 0, 20), transfer(5, 0)]);
    let (derived, result) =
        derive_both(&chain, &attributes(&chain), &forced, &raws(&[transfer(1, 1)]));
    assert_eq!((derived.forced_count, result.included_count, result.dropped_count), (1, 2, 0));
    // Nor do those that are only looked at: an invalid one spends caps too.
    let mut forced = raws(&[transfer(5, 9)]);
    forced.push(raw(&heavy(3, 0, 100)));
    let (derived, result) = derive_both(&chain, &attributes(&chain), &forced, &[]);
    assert_eq!((derived.forced_count, result.dropped_count), (1, 1));
    // Then it is first in the next block, and dropped there.
}

#[test]
fn c06_forced_transactions_have_half_the_gas() {
    let chain = grown();
    let with = |number: u8, gas_limit| signed_for(CHAIN_ID, number, |tx| tx.gas_limit = gas_limit);
    let half = chain.head().gas_limit / 2;
    let count = |forced: &[Tx]| {
        let (derived, result) = derive_both(&chain, &attributes(&chain), &raws(forced), &[]);
        (derived.forced_count, result.included_count)
    };
    assert_eq!(count(&[with(3, half + 1), with(4, 100_000)]), (2, 1), "too much for any block");
    assert_eq!(count(&[with(3, half), with(4, half)]), (1, 1), "the second waits");
    assert_eq!(count(&[with(3, half), with(4, half - 1_000_000)]), (2, 2));
}

#[test]
fn a_posted_transaction_that_does_not_fit_leaves_room_for_others() {
    let chain = grown();
    let most = signed_for(CHAIN_ID, 3, |tx| tx.gas_limit = chain.head().gas_limit + 1);
    let (_, result) = derive_both(&chain, &attributes(&chain), &[], &raws(&[most, transfer(1, 1)]));
    assert_eq!((result.included_count, result.dropped_count), (1, 1));
}

#[test]
fn the_forced_lane_is_a_prefix() {
    let long = |len: usize| Bytes::from(vec![0; len]);
    assert_eq!(forced_lane(&[]).len(), 0);
    assert_eq!(forced_lane(&vec![Bytes::new(); 40]).len(), FORCED_LANE_TXS);
    assert_eq!(forced_lane(&[long(16_384), long(8_192), long(1)]).len(), 2);
    assert_eq!(forced_lane(&[long(16_384), long(8_193), long(1)]).len(), 1);
}

#[test]
fn what_a_sequencer_fills_is_what_others_derive() {
    let chain = grown();
    let attributes = attributes(&chain);
    let forced = raws(&[transfer(4, 0)]);
    let everything = chain.everything();
    let state = everything.state_after(chain.head());
    let rules = rollup_rules(chain.spec());
    let caps = config().caps;
    let frame = Frame {
        spec: chain.spec(),
        rules: &rules,
        caps,
        parent: chain.head(),
        attributes: &attributes,
    };
    let state = ParentState { reader: &state, nodes: everything.nodes() };
    let derivation = Derivation::prepare(&frame, state).unwrap();
    let mut block = derivation.open(None).unwrap();
    block.force(&forced).unwrap();
    let mut offer = |tx: Tx, number| block.offer(&tx, signer(number).address()).unwrap();
    assert!(matches!(offer(transfer(1, 1), 1), Offer::Included(_)));
    assert!(matches!(offer(transfer(1, 1), 1), Offer::Refused(_)));
    let full = signed_for(CHAIN_ID, 2, |tx| tx.gas_limit = u64::MAX);
    assert!(matches!(offer(full, 2), Offer::NoRoom));
    assert!(matches!(offer(write(2, 1, 3, 0), 2), Offer::Included(_)));
    assert!(matches!(offer(heavy(3, 0, 100), 3), Offer::Heavy));
    assert!(matches!(offer(transfer(1, 2), 1), Offer::NoRoom), "nothing more is taken");
    let filled = block.finish().unwrap();
    assert_eq!(filled.posted, raws(&[transfer(1, 1), write(2, 1, 3, 0)]));
    let (derived, _) = derive_both(&chain, &attributes, &forced, &filled.posted);
    assert_eq!(derived.built.seal(B256::ZERO).hash(), filled.built.seal(B256::ZERO).hash());
    assert_eq!((filled.included_count, filled.forced_count), (3, 1));
}

#[test]
fn a_code_cap_and_a_witness_cap_stop_transactions_too() {
    let chain = grown();
    let posted = raws(&[write(1, 1, 1, 5), transfer(2, 1)]);
    let with = |caps: Caps| {
        let config = ExecuteConfig { caps, ..config() };
        let (derived, envelope) =
            derive_on(&chain, &config, &attributes(&chain), &[], &posted).unwrap();
        let l1 = self::chain(L1_CHAIN_ID);
        let outcome = execute(&config, l1.spec(), 0, 1_000, PLENTY, &envelope).unwrap();
        let result = ExecuteResult::decode(&outcome.result.unwrap()).unwrap();
        assert_eq!(result.included_count, derived.included_count as u64);
        result.included_count
    };
    let caps = config().caps;
    assert_eq!(with(caps), 2);
    assert_eq!(with(Caps { code_bytes: 10, ..caps }), 0);
    assert_eq!(with(Caps { witness_bytes: 2_000, ..caps }), 0);
    assert_eq!(with(Caps { items: 3, ..caps }), 0);
}

#[test]
fn c13_hashes_of_old_blocks_count_as_the_headers_they_need() {
    let mut chain = rollup();
    for _ in 0..70 {
        make(&mut chain, &[]);
    }
    let reading = |height: u64| {
        signed_for(CHAIN_ID, 1, |tx| {
            tx.to = TxKind::Call(READER);
            tx.input = words(&[U256::ZERO, U256::ZERO, U256::from(height)]);
        })
    };
    let included = |height| {
        let (derived, result) =
            derive_both(&chain, &attributes(&chain), &[], &raws(&[reading(height)]));
        assert!(derived.usage.witness_bytes() <= config().caps.witness_bytes);
        result.included_count
    };
    assert_eq!(included(69), 1);
    assert_eq!(included(40), 1);
    assert_eq!(included(5), 0, "65 headers are more than a witness may hold");
}

#[test]
fn r31_no_long_code_comes_into_being() {
    let chain = grown();
    let creating = |len: u64| {
        // Init code that returns this many zeros.
        let mut code = vec![0x62];
        code.extend_from_slice(&len.to_be_bytes()[5..]);
        code.extend_from_slice(&[0x5f, 0xf3]);
        let tx = signed_for(CHAIN_ID, 3, |tx| {
            tx.gas_limit = 58_000_000;
            tx.to = TxKind::Create;
            tx.input = code.into();
        });
        let (_, result) = derive_both(&chain, &attributes(&chain), &[], &raws(&[tx]));
        result.included_count
    };
    assert_eq!(creating(24_576), 1);
    assert_eq!(creating(24_577), 0, "Ethereum would take it, a derived block does not");
}

#[test]
fn r32_nobody_fills_the_queues_that_system_calls_empty() {
    let gathering = ethrex_types::system::CONTRACTS.iter().filter(|contract| contract.requests);
    let chain = grown();
    for contract in gathering.map(|contract| contract.address) {
        let call = signed_for(CHAIN_ID, 3, |tx| tx.to = TxKind::Call(contract));
        let (_, result) =
            derive_both(&chain, &attributes(&chain), &[], &raws(&[call.clone(), transfer(1, 1)]));
        assert_eq!((result.included_count, result.dropped_count), (0, 2));
        // To be paid fees there stops nobody.
        let attributes = Attributes { fee_recipient: contract, ..attributes(&chain) };
        let (_, result) = derive_both(
            &chain,
            &attributes,
            &raws(&[transfer(4, 0)]),
            &raws(&[transfer(1, 1), call]),
        );
        assert_eq!((result.included_count, result.dropped_count), (2, 1));
    }
}

#[test]
fn g03_work_that_overfills_the_access_list_counts() {
    // A small block: what closes it takes so much of the list that reading slots for all its gas is too much.
    let mut genesis = rollup().spec().genesis().clone();
    genesis.gas_limit = 9_000_000;
    let chain = TestChain::with_genesis(genesis);
    // Init code that reads 4,100 slots of the new account, which are in no witness and so count towards no cap.
    let code = bytes!("611004" "5b" "80" "54" "50" "60019003" "80600357" "00");
    let reading = |number| {
        signed_for(CHAIN_ID, number, |tx| {
            tx.gas_limit = 8_950_000;
            tx.to = TxKind::Create;
            tx.input = code.clone();
        })
    };
    let posted = raws(&[reading(1), reading(2), transfer(3, 0)]);
    let (derived, result) = derive_both(&chain, &attributes(&chain), &[], &posted);
    assert_eq!((result.included_count, result.dropped_count), (0, 3));
    assert_eq!(derived.gas_bound, 8_950_000, "the second is not run");
}

#[test]
fn g06_a_derived_block_may_verify_a_rollup_of_its_own() {
    const L3: u64 = 1 << 40;
    let mut third = self::chain(L3);
    let block = make(&mut third, &[signed_for(L3, 1, |tx| tx.gas_limit = 400_000)]);
    let mut envelope = block_envelope(&block, None);
    envelope[6..14].copy_from_slice(&400_000_u64.to_be_bytes());
    let chain = grown();
    let posted = raws(&[call_execute(CHAIN_ID, 3, 0, 15_000_000, &envelope), transfer(1, 1)]);
    let (_, result) = derive_both(&chain, &attributes(&chain), &[], &posted);
    assert_eq!(result.included_count, 2);
    assert!(result.gas_used > 400_000);
    // Where a block may not charge so much, the transaction is stopped like one that touches too much.
    let cumulative_gas_limit = result.gas_used.min(450_000);
    let strict = ExecuteConfig { cumulative_gas_limit, ..config() };
    let (derived, envelope) =
        derive_on(&chain, &strict, &attributes(&chain), &[], &posted).unwrap();
    assert_eq!((derived.included_count, derived.dropped_count), (0, 2));
    let outcome = execute(&strict, l1_spec(), 0, 1_000, PLENTY, &envelope).unwrap();
    let result = ExecuteResult::decode(&outcome.result.unwrap()).unwrap();
    assert_eq!((result.included_count, result.dropped_count), (0, 2));
    let strict =
        derive_on(&chain, &strict, &attributes(&chain), &posted[..1], &posted[1..]).unwrap().0;
    assert_eq!(
        (strict.forced_count, strict.included_count),
        (1, 1),
        "first of all, it is too heavy for any block"
    );
}

/// A caller makes up the state too, system contracts and all. It gets a failure or a block, and nothing else happens.
#[test]
fn g04_system_contracts_that_are_not_ethereums_stop_nobody() {
    let codes: [&[u8]; 8] = [
        &[],
        &[0xfe],
        &[0x5f, 0x5f, 0xfd],                   // reverts
        &[0x5b, 0x5f, 0x56],                   // never ends
        &[0x60, 0x05, 0x5f, 0xf3],             // returns five bytes
        &[0x62, 0x10, 0x00, 0x00, 0x5f, 0xf3], // returns a megabyte
        &[0x33, 0xff],                         // destroys itself
        &[0xef, 0x01, 0x00],                   // begins like a delegation
    ];
    let mut failed = 0;
    for contract in &ethrex_types::system::CONTRACTS {
        for code in codes {
            let mut genesis = rollup().spec().genesis().clone();
            let account = genesis.alloc.get_mut(&contract.address).unwrap();
            account.code = Some(Bytes::copy_from_slice(code));
            let chain = TestChain::with_genesis(genesis);
            let mut witness = chain.whole();
            witness.state.sort();
            witness.state.dedup();
            witness.codes.sort();
            witness.codes.dedup();
            witness.codes.retain(|code| !code.is_empty());
            witness.headers.clear();
            let input = DeriveInput {
                schema_id: 0x1501,
                chain_id: CHAIN_ID,
                parent_header: alloy_rlp::encode(chain.head().inner()).into(),
                ancestors: vec![],
                attributes: attributes(&chain),
                forced: vec![],
                posted: raws(&[transfer(1, 0)]),
                witness,
            };
            let header = ethrex_execute::Header {
                mode: ethrex_execute::Mode::Derive,
                level: 1,
                flags: Default::default(),
                gas_bound: 60_000_000,
            };
            match call(PLENTY, &header.wrap(&input.encode())).result {
                Ok(output) => {
                    assert!(code.is_empty() && !contract.requests, "it may be missing");
                    assert_eq!(ExecuteResult::decode(&output).unwrap().included_count, 1);
                }
                Err(class) => {
                    let expected = if code.is_empty() { "unbuildable" } else { "forbidden" };
                    assert_eq!(class.name(), expected, "{class} at {}", contract.address);
                    failed += 1;
                }
            }
        }
    }
    assert_eq!(failed, 6 * 7 + 4);
}

/// Bytes changed anywhere: a call ends, and what it accepts it says.
#[test]
fn w02_a_changed_derivation_is_refused_or_is_what_it_says() {
    let chain = grown();
    let posted = raws(&[transfer(1, 1), write(2, 1, 3, 0)]);
    let (_, good) =
        derive_on(&chain, &config(), &attributes(&chain), &raws(&[transfer(3, 0)]), &posted)
            .unwrap();
    let expected = succeeds(&good);
    let original = DeriveInput::decode(&Bytes::copy_from_slice(&good[14..])).unwrap();
    let mut next = numbers();
    for _ in 0..1_000 {
        let input = mutated(&good, &mut next);
        let Ok(output) = call(PLENTY, &input).result else { continue };
        let result = ExecuteResult::decode(&output).unwrap();
        let body = DeriveInput::decode(&Bytes::copy_from_slice(&input[14..])).unwrap();
        assert_eq!(result.parent_hash, alloy_primitives::keccak256(&body.parent_header));
        assert_eq!(result.posted_root, keccak_chain(&body.posted));
        assert_eq!(result.forced_root, keccak_chain(&body.forced));
        assert_eq!(
            (result.timestamp, result.anchor),
            (body.attributes.timestamp, body.attributes.anchor)
        );
        assert_eq!(
            (result.slot_number, result.gas_limit),
            (body.attributes.slot_number, body.attributes.gas_limit)
        );
        assert_eq!(result.chain_id, body.chain_id);
        // Who asks for the same gets the same: witness and ancestors can only be there or not.
        let asked = DeriveInput {
            witness: original.witness.clone(),
            ancestors: original.ancestors.clone(),
            ..body
        };
        if asked == original {
            assert_eq!(result.block_hash, expected.block_hash);
        }
    }
}

#[derive(Debug, Clone)]
enum Posted {
    Transfer(u8, i8),
    Write(u8, i8, u64, u64),
    Create(u8, i8),
    Heavy(u8, i8, u64),
    Foreign(u8),
    Cheap(u8),
    Garbage(Vec<u8>),
    Cut(u8),
}

fn posted() -> impl Strategy<Value = Posted> {
    let who = 1..=6_u8;
    let off = prop_oneof![6 => Just(0_i8), 1 => -1..=1_i8];
    prop_oneof![
        4 => (who.clone(), off.clone()).prop_map(|(who, off)| Posted::Transfer(who, off)),
        4 => (who.clone(), off.clone(), 0..6_u64, 0..3_u64).prop_map(|(who, off, slot, value)| Posted::Write(who, off, slot, value)),
        1 => (who.clone(), off.clone()).prop_map(|(who, off)| Posted::Create(who, off)),
        1 => (who.clone(), off, 1..120_u64).prop_map(|(who, off, items)| Posted::Heavy(who, off, items)),
        1 => who.clone().prop_map(Posted::Foreign),
        1 => who.clone().prop_map(Posted::Cheap),
        1 => proptest::collection::vec(any::<u8>(), 0..80).prop_map(Posted::Garbage),
        1 => who.prop_map(Posted::Cut),
    ]
}

/// The bytes, with a nonce that is right if everything before was included, or off by a little.
fn bytes_of(list: &[Posted], nonces: &mut [u64; 7]) -> Vec<Bytes> {
    let mut next = |who: u8, off: i8| {
        let nonce = nonces[usize::from(who)].saturating_add_signed(off.into());
        if off == 0 {
            nonces[usize::from(who)] += 1;
        }
        nonce
    };
    let one = |posted: &Posted| match *posted {
        Posted::Transfer(who, off) => raw(&transfer(who, next(who, off))),
        Posted::Write(who, off, slot, value) => raw(&write(who, next(who, off), slot, value)),
        Posted::Create(who, off) => raw(&signed_for(CHAIN_ID, who, |tx| {
            tx.nonce = next(who, off);
            tx.to = TxKind::Call(FACTORY);
            tx.input = Bytes::from_static(&[0x60, 0x01, 0x5f, 0x55, 0x5f, 0x5f, 0xf3]);
        })),
        Posted::Heavy(who, off, items) => raw(&heavy(who, next(who, off), items)),
        Posted::Foreign(who) => raw(&signed_for(1, who, |_| {})),
        Posted::Cheap(who) => raw(&signed_for(CHAIN_ID, who, |tx| tx.max_fee_per_gas = 1)),
        Posted::Garbage(ref bytes) => bytes.clone().into(),
        Posted::Cut(who) => raw(&transfer(who, 0)).slice(1..),
    };
    list.iter().map(one).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn d5_derive_is_filter_then_block(
        forced in proptest::collection::vec(posted(), 0..5),
        posted in proptest::collection::vec(posted(), 0..14),
    ) {
        let chain = grown();
        let mut nonces = [0, 1, 1, 0, 0, 0, 0];
        let forced = bytes_of(&forced, &mut nonces);
        let posted = bytes_of(&posted, &mut nonces);
        let (derived, _) = derive_both(&chain, &attributes(&chain), &forced, &posted);
        prop_assert!(derived.usage.witness_bytes() <= config().caps.witness_bytes);
    }
}

#[test]
fn rules_of_a_rollup_are_a_value() {
    // A rollup on a chain without EXECUTE derives the same blocks as one with it, as long as nobody calls it.
    let chain = grown();
    let attributes = attributes(&chain);
    let everything = chain.everything();
    let state = everything.state_after(chain.head());
    let rules = Anchored::default();
    let frame = Frame {
        spec: chain.spec(),
        rules: &rules,
        caps: config().caps,
        parent: chain.head(),
        attributes: &attributes,
    };
    let state = ParentState { reader: &state, nodes: everything.nodes() };
    let posted = raws(&[transfer(1, 1)]);
    let derived = ethrex_execute::derive(&frame, state, &[], &posted, None).unwrap();
    let (with, _) = derive_on(&chain, &config(), &attributes, &[], &posted).unwrap();
    assert_eq!(derived.built.seal(B256::ZERO).hash(), with.built.seal(B256::ZERO).hash());
}
