//! BLOCK and PLAIN.

use ethrex_execute::{BlockBody, Flags, Forbidden, Header, Mode};
use ethrex_stateless::{StatelessInput, StatelessValidationResult};

use super::*;

/// The envelope of an input with this change.
fn changed(block: &TestBlock, change: impl FnOnce(&mut StatelessInput)) -> Vec<u8> {
    let mut block = block.clone();
    change(&mut block.input);
    block_envelope(&block, None)
}

fn sample() -> TestBlock {
    let mut chain = rollup();
    make(&mut chain, &[write(1, 0, 7, 7)]);
    make(&mut chain, &[transfer(1, 1), write(2, 0, 1, 0), write(3, 0, 8, 8)])
}

#[test]
fn a_valid_block_is_verified() {
    let block = sample();
    let result = succeeds(&block_envelope(&block, None));
    let header = block.block.sealed().header();
    assert_eq!(result.mode, 0);
    assert_eq!((result.chain_id, result.level, result.schema_id), (CHAIN_ID, 1, 0x1501));
    assert_eq!(result.block_hash, block.block.sealed().hash());
    assert_eq!((result.parent_hash, result.number), (header.parent_hash, header.number));
    assert_eq!(
        (result.state_root, result.receipts_root),
        (header.state_root, header.receipts_root)
    );
    assert_eq!(Some(result.anchor), header.parent_beacon_block_root);
    assert_eq!(Some(result.slot_number), header.slot_number);
    assert_eq!(Some(result.requests_hash), header.requests_hash);
    assert_eq!(result.request_root, block.input.request.hash_tree_root());
    assert_eq!((result.posted_count, result.included_count, result.forced_count), (3, 3, 0));
    assert_eq!(
        result.posted_root,
        ethrex_execute::roots::keccak_chain(&block.input.request.payload.transactions)
    );
    assert!(result.burned_fees > U256::ZERO);
    assert!(!result.il_satisfied);
}

#[test]
fn g01_a_block_costs_its_bytes_and_its_bound() {
    let block = sample();
    let envelope = block_envelope(&block, None);
    let gas_limit = block.block.sealed().header().gas_limit;
    let cost = 50_000 + 8 * envelope.len() as u64 + gas_limit;
    assert_eq!(call(PLENTY, &envelope).gas_charged, cost);
}

#[test]
fn g03_the_bound_covers_what_could_be_used() {
    let block = sample();
    let with = |gas_bound| {
        let header = Header { mode: Mode::Block, level: 1, flags: Flags::NONE, gas_bound };
        let body = BlockBody { input: block.input.clone(), inclusion_list: None };
        call(PLENTY, &header.wrap(&body.encode()))
    };
    let used = block.block.sealed().header().gas_used;
    assert!(
        matches!(with(used - 1).result, Err(FailureClass::GasBound(_))),
        "less than the block says"
    );
    assert!(
        matches!(with(used).result, Err(FailureClass::GasBound(_))),
        "the last transaction may use more"
    );
    assert!(with(3_000_000).result.is_ok());
    let outcome = with(3_000_000);
    assert!(outcome.gas_charged < call(PLENTY, &block_envelope(&block, None)).gas_charged);
}

#[test]
fn s01_s03_a_header_field_that_is_wrong_makes_another_block() {
    let block = sample();
    fails_as(
        "payload_invalid",
        &changed(&block, |input| input.request.payload.state_root.0[0] ^= 1),
    );
    fails_as("payload_invalid", &changed(&block, |input| input.request.payload.gas_used += 1));
    fails_as(
        "payload_invalid",
        &changed(&block, |input| input.request.payload.block_hash.0[0] ^= 1),
    );
}

#[test]
fn s08_what_a_rollup_may_not_have_is_forbidden() {
    let block = sample();
    let forbidden = |change: fn(&mut StatelessInput)| match fails(&changed(&block, change)) {
        FailureClass::Forbidden(what) => what,
        other => panic!("{other}"),
    };
    assert_eq!(
        forbidden(|input| input.request.payload.withdrawals.push(Default::default())),
        Forbidden::Withdrawals
    );
    assert_eq!(forbidden(|input| input.request.payload.blob_gas_used = 1), Forbidden::BlobGas);
    assert_eq!(forbidden(|input| input.request.payload.excess_blob_gas = 1), Forbidden::BlobGas);
    assert_eq!(
        forbidden(|input| input.request.payload.transactions[0] = vec![3, 1].into()),
        Forbidden::Transaction(3)
    );
    assert_eq!(
        forbidden(|input| input.request.payload.transactions[0] = vec![0x7e].into()),
        Forbidden::Transaction(0x7e)
    );
    // What does not decode, or not canonically, is no transaction of anybody.
    let payload = |change: fn(&mut Bytes)| {
        fails_as(
            "payload_invalid",
            &changed(&block, |input| change(&mut input.request.payload.transactions[0])),
        );
    };
    payload(|raw| *raw = Bytes::new());
    payload(|raw| *raw = vec![5, 1].into());
    payload(|raw| *raw = vec![6, 1].into());
    payload(|raw| *raw = [&raw[..], &[0]].concat().into());
    payload(|raw| *raw = raw.slice(..raw.len() - 1));
}

#[test]
fn s09_chain_schema_and_time_belong_together() {
    let block = sample();
    let other_chain = changed(&block, |input| input.chain_id += 1);
    // The transactions are signed for another chain.
    fails_as("block_invalid", &other_chain);
    fails_as("forbidden", &changed(&block, |input| input.chain_id = L1_CHAIN_ID));
    fails_as("forbidden", &changed(&block, |input| input.chain_id = 0));
    fails_as("wrong_level", &changed(&block, |input| input.chain_id |= 1 << 40));
    for schema in [0_u16, 0x1500, 0x1502, 0x1401, 0x1601, 0xffff] {
        let mut envelope = block_envelope(&block, None);
        envelope[14..16].copy_from_slice(&schema.to_be_bytes());
        fails_as("undecodable", &envelope);
    }
}

#[test]
fn s10_public_keys_are_those_that_signed() {
    let block = sample();
    let keys = |change: fn(&mut Vec<ethrex_stateless::ssz::PublicKey>)| {
        fails_as("input", &changed(&block, |input| change(input.public_keys.as_mut().unwrap())));
    };
    keys(|keys| keys.swap(0, 1));
    keys(|keys| keys[2][64] ^= 1);
    keys(|keys| keys[0][0] = 2);
    keys(|keys| keys.truncate(2));
    keys(|keys| keys.push(keys[0]));
    fails_as("input", &changed(&block, |input| input.public_keys = None));
}

#[test]
fn s14_versioned_hashes_have_nothing_to_be_bound_to() {
    let block = sample();
    let with = changed(&block, |input| input.request.versioned_hashes.push(Default::default()));
    assert!(matches!(fails(&with), FailureClass::Forbidden(Forbidden::VersionedHashes)));
}

#[test]
fn w01_every_node_and_code_is_needed() {
    let block = sample();
    for index in 0..block.input.witness.state.len() {
        let less = changed(&block, |input| drop(input.witness.state.remove(index)));
        fails_as("witness_insufficient", &less);
    }
    for index in 0..block.input.witness.codes.len() {
        let less = changed(&block, |input| drop(input.witness.codes.remove(index)));
        fails_as("witness_insufficient", &less);
    }
    fails_as("witness_insufficient", &changed(&block, |input| input.witness.headers.clear()));
}

#[test]
fn w03_a_witness_has_one_encoding() {
    let block = sample();
    let state =
        |change: fn(&mut Vec<Bytes>)| changed(&block, |input| change(&mut input.witness.state));
    fails_as("witness_non_canonical", &state(|state| state.swap(0, 1)));
    fails_as("witness_non_canonical", &state(|state| state.reverse()));
    fails_as("witness_non_canonical", &state(|state| state.insert(0, state[0].clone())));
    let garbage = |state: &mut Vec<Bytes>| {
        state.push(Bytes::from_static(&[0x81, 0x99]));
        state.sort();
    };
    fails_as("witness_non_canonical", &state(garbage));
    let codes = changed(&block, |input| input.witness.codes.reverse());
    fails_as("witness_non_canonical", &codes);
    // Nodes of the state at another time are surplus, and allowed.
    let mut chain = rollup();
    make(&mut chain, &[write(1, 0, 7, 7)]);
    let whole = chain.whole();
    let block = make(&mut chain, &[write(2, 0, 7, 1)]);
    let surplus = changed(&block, |input| {
        input.witness.state = whole.state.clone();
        input.witness.state.sort();
        input.witness.state.dedup();
    });
    assert_eq!(succeeds(&surplus).block_hash, block.block.sealed().hash());
}

#[test]
fn a_parent_with_absurd_numbers_is_refused_before_anything_is_computed_from_it() {
    let block = sample();
    let with = |change: fn(&mut ethrex_types::Header)| {
        changed(&block, |input| {
            let mut parent: ethrex_types::Header =
                alloy_rlp::decode_exact(input.witness.headers.last().unwrap()).unwrap();
            change(&mut parent);
            let raw = Bytes::from(alloy_rlp::encode(&parent));
            input.request.payload.parent_hash = alloy_primitives::keccak256(&raw);
            input.witness.headers = vec![raw];
        })
    };
    fails_as("forbidden", &with(|parent| parent.base_fee_per_gas = Some(u64::MAX)));
    fails_as("forbidden", &with(|parent| parent.gas_limit = u64::MAX));
    fails_as("forbidden", &with(|parent| parent.gas_used = u64::MAX));
    fails_as("forbidden", &with(|parent| parent.number = u64::MAX));
    fails_as("forbidden", &with(|parent| parent.timestamp = u64::MAX));
    fails_as("forbidden", &with(|parent| parent.excess_blob_gas = Some(u64::MAX)));
    fails_as("payload_invalid", &with(|parent| (parent.gas_limit, parent.gas_used) = (0, 0)));
}

#[test]
fn g04_blocks_on_system_contracts_that_are_not_ethereums_are_refused() {
    let beacon_roots = ethrex_types::system::CONTRACTS[0].address;
    let mut genesis = rollup().spec().genesis().clone();
    genesis.alloc.get_mut(&beacon_roots).unwrap().code = Some(Bytes::from_static(&[0x00]));
    let mut chain = TestChain::with_genesis(genesis);
    let block = make(&mut chain, &[transfer(1, 0)]);
    for input in [block_envelope(&block, None), block.input.encode()] {
        let class = fails(&input);
        assert!(
            matches!(class, FailureClass::Forbidden(Forbidden::SystemContract(at)) if at == beacon_roots),
            "{class}"
        );
    }
}

#[test]
fn the_plain_form_answers_as_eip_8025_does() {
    let block = sample();
    let plain = block.input.encode();
    let outcome = call(PLENTY, &plain);
    let gas_limit = block.block.sealed().header().gas_limit;
    assert_eq!(outcome.gas_charged, gas_limit + 16 * plain.len() as u64);
    let output = outcome.result.unwrap();
    assert_eq!(output.len(), 43);
    let expected = StatelessValidationResult {
        request_root: block.input.request.hash_tree_root(),
        successful: true,
        chain_id: CHAIN_ID,
        schema: 0x1501,
    };
    assert_eq!(StatelessValidationResult::decode(&output), Ok(expected));
    let short = call(gas_limit + 16 * plain.len() as u64 - 1, &plain);
    assert!(matches!(short.result, Err(FailureClass::OutOfGas { .. })));
}

#[test]
fn w03_the_plain_form_takes_witnesses_in_any_order() {
    let block = sample();
    let plain = |change: fn(&mut StatelessInput)| {
        let mut input = block.input.clone();
        change(&mut input);
        call(PLENTY, &input.encode()).result
    };
    assert!(plain(|input| input.witness.state.reverse()).is_ok());
    assert!(plain(|input| input.witness.state.push(Bytes::from_static(&[0x81, 0x99]))).is_ok());
    assert!(plain(|input| input.public_keys = None).is_ok());
    assert!(matches!(
        plain(|input| drop(input.witness.state.pop())),
        Err(FailureClass::WitnessInsufficient(_))
    ));
    assert!(matches!(
        plain(|input| input.request.requests.withdrawals = vec![0; 76].into()),
        Err(FailureClass::Forbidden(Forbidden::Requests))
    ));
}

#[test]
fn g05_bytes_that_are_no_body_are_undecodable() {
    let envelope = block_envelope(&sample(), None);
    for len in [14, 15, 16, 20, 100, envelope.len() - 1] {
        fails_as("undecodable", &envelope[..len]);
    }
    fails_as("undecodable", &[&envelope[..], &[0]].concat());
    let plain = &envelope[14..];
    assert!(matches!(fails(&plain[..2]), FailureClass::Undecodable(_)));
    // Every offset of the input, and the first ones of the request.
    for at in [16, 20, 32, 36, 40] {
        let mut envelope = envelope.clone();
        envelope[at..at + 4].copy_from_slice(&[0xff; 4]);
        fails_as("undecodable", &envelope);
    }
}

#[test]
fn an_inclusion_list_is_satisfied_unless_something_was_left_out() {
    let mut chain = rollup();
    make(&mut chain, &[]);
    let included = [transfer(1, 0), transfer(2, 0)];
    let block = make(&mut chain, &included);
    let satisfied = |list: Vec<Bytes>| succeeds(&block_envelope(&block, Some(list))).il_satisfied;
    assert!(satisfied(vec![]));
    assert!(satisfied(raws(&included)));
    assert!(
        satisfied(vec![Bytes::from_static(&[1, 2, 3]), Bytes::new()]),
        "bytes that are nothing"
    );
    assert!(satisfied(raws(&[transfer(1, 7)])), "a nonce that is too high");
    let heavy = signed_for(CHAIN_ID, 1, |tx| {
        tx.nonce = 1;
        tx.gas_limit = 60_000_000;
    });
    assert!(satisfied(raws(&[heavy])), "no room");
    let cheap = signed_for(CHAIN_ID, 1, |tx| {
        tx.nonce = 1;
        tx.max_fee_per_gas = 1;
    });
    assert!(satisfied(raws(&[cheap])), "below the base fee");
    let foreign = signed_for(CHAIN_ID + 1, 1, |tx| tx.nonce = 1);
    assert!(satisfied(raws(&[foreign])), "for another chain");
    let poor = signed_for(CHAIN_ID, 1, |tx| {
        tx.nonce = 1;
        tx.value = U256::MAX;
    });
    assert!(satisfied(raws(&[poor])), "beyond the balance");
    let tight = signed_for(CHAIN_ID, 1, |tx| {
        tx.nonce = 1;
        tx.gas_limit = 3_000;
    });
    assert!(satisfied(raws(&[tight])), "below the intrinsic gas");
    assert!(!satisfied(raws(&[transfer(1, 1)])), "could have followed");
    assert!(!satisfied([raws(&included), raws(&[transfer(2, 1)])].concat()));
    // The witness does not know this sender.
    fails_as("witness_insufficient", &block_envelope(&block, Some(raws(&[transfer(5, 0)]))));
}

#[test]
fn g01_every_entry_of_an_inclusion_list_is_paid_for() {
    let block = sample();
    let cost = |count| {
        let envelope = block_envelope(&block, Some(vec![Bytes::new(); count]));
        call(PLENTY, &envelope).gas_charged - 8 * envelope.len() as u64
    };
    assert_eq!(cost(7) - cost(0), 7 * 6_000);
    let alone = block_envelope(&block, None);
    assert_eq!(cost(0), call(PLENTY, &alone).gas_charged - 8 * alone.len() as u64);
}

#[test]
fn g04_more_transactions_than_are_paid_for_are_not_looked_at() {
    let block = sample();
    let many = changed(&block, |input| {
        // Any bytes: nobody reads them.
        input.request.payload.transactions = vec![Bytes::from_static(b"x"); 20_001];
    });
    assert!(matches!(fails(&many), FailureClass::GasBound(_)));
    // A valid transaction uses more than that.
    let bounds = ethrex_evm::TxBounds::at(rollup().spec(), 1, 12);
    let smallest = signed_for(CHAIN_ID, 1, |tx| {
        tx.to = TxKind::Call(ethrex_stateless::testing::signer(1).address())
    });
    let gas = bounds.initial_gas(&smallest, ethrex_stateless::testing::signer(1).address());
    assert!(gas.intrinsic >= gas::MIN_TX_GAS, "{gas:?}");
}

/// Bytes changed anywhere: what is still accepted is the same block.
#[test]
fn w02_a_changed_input_is_refused_or_means_the_same() {
    let block = sample();
    let good = block_envelope(&block, None);
    let expected = succeeds(&good);
    let mut next = numbers();
    let mut accepted = 0;
    for _ in 0..1_000 {
        let input = mutated(&good, &mut next);
        if let Ok(output) = call(PLENTY, &input).result {
            let result = ExecuteResult::decode(&output).unwrap();
            let burned_fees = result.burned_fees;
            assert_eq!(ExecuteResult { burned_fees: expected.burned_fees, ..result }, expected);
            assert!(burned_fees == expected.burned_fees || burned_fees.is_zero());
            accepted += 1;
        }
    }
    assert!(accepted < 100, "the header alone leaves room: {accepted}");
}

#[test]
fn an_inclusion_list_stands_where_its_length_says() {
    let block = sample();
    let envelope = block_envelope(&block, Some(raws(&[transfer(1, 0)])));
    let mut longer = envelope.clone();
    let last = longer.len() - 1;
    longer[last] ^= 1;
    fails_as("undecodable", &longer);
    longer[last - 3] = 0xff;
    fails_as("undecodable", &longer);
    let mut without_flag = envelope;
    without_flag[5] &= !2;
    fails_as("undecodable", &without_flag);
}
