use alloy_primitives::{Bytes, TxKind, U256};
use ethrex_stateless::testing::CHAIN_ID;

use super::*;
use crate::testing::{L1_CHAIN_ID, attributes, chain, config, derive_on, l1_execute, signed_for};

/// Call data with byte strings as a contract's ABI has them.
fn call_data(strings: &[&[u8]]) -> Bytes {
    let word = |number: usize| U256::from(number).to_be_bytes::<32>();
    let mut data = vec![1, 2, 3, 4];
    data.extend_from_slice(&word(32));
    for bytes in strings {
        data.extend_from_slice(&word(bytes.len()));
        data.extend_from_slice(bytes);
        data.resize(4 + (data.len() - 4).next_multiple_of(32), 0);
    }
    data.into()
}

#[test]
fn envelopes_are_found_in_call_data() {
    let found = |data: &Bytes| envelopes(data).map(<[u8]>::to_vec).collect::<Vec<_>>();
    let (one, two) = (b"NR one".as_slice(), [b"NR two".as_slice(), &[7; 90]].concat());
    assert_eq!(found(&call_data(&[one, b"other", &two])), [one, &two]);
    assert!(found(&Bytes::new()).is_empty());
    assert!(found(&call_data(&[b"other"])).is_empty());
    let cut = call_data(&[&two]);
    assert!(found(&cut.slice(..100)).is_empty(), "cut off");
    let many = vec![one; 100];
    assert_eq!(found(&call_data(&many)).len(), MAX_PREPARED);
}

#[test]
fn what_a_block_is_going_to_ask_is_known_before() {
    let rollup = chain(CHAIN_ID);
    let envelope = |slot_number| {
        let attributes = crate::Attributes { slot_number, ..attributes(&rollup) };
        derive_on(&rollup, &config(), &attributes, &[], &[]).unwrap().1
    };
    let (paid, unpaid) = (envelope(1), envelope(2));
    let execute = l1_execute();
    let tx = |gas_limit, input: &[u8]| {
        signed_for(L1_CHAIN_ID, 1, |tx| {
            tx.gas_limit = gas_limit;
            tx.to = TxKind::Call(Address::repeat_byte(1));
            tx.input = call_data(&[input]);
        })
    };
    execute.prepare(&[tx(2_000_000, &paid), tx(10_000, &unpaid)], 1_000);
    let context = execute.context(1_000);
    let known = |input: &[u8]| context.cache.get(&key(&context, input)).is_some();
    assert!(known(&paid));
    assert!(!known(&unpaid), "nobody pays for it");
    assert!(execute.run(1_000, 10_000_000, &paid).unwrap().result.is_ok());
    assert!(execute.run(1_000, 10_000_000, &unpaid).unwrap().result.is_ok());
    assert!(known(&unpaid), "what was run is known");
}
