//! The headers of a witness.

use alloy_primitives::Bytes;

use super::{
    Answer::{Insufficient, Undecodable, Valid, Witness},
    Attack, busy, parent, reads, resealed, with,
};
use crate::{ssz::MAX_HEADERS, testing::TestChain};

/// The parent: by its hash, and by nothing else.
#[must_use]
pub fn s05() -> Vec<Attack> {
    let (chain, block) = busy();
    let honest = block.input;
    let wrong = |name, says, last: Vec<u8>| {
        let input = with(&honest, |input| {
            *input.witness.headers.last_mut().expect("the parent is there") = last.into();
        });
        Attack::new(name, &honest, input, Witness).says(says)
    };
    let good = parent(&honest);
    let mut state = good.clone();
    state.state_root = chain.head().state_root;
    let longer = [alloy_rlp::encode(&good), vec![0x80]].concat();
    let mut before = good;
    before.slot_number = None;
    let renamed = resealed(&honest, |input| input.request.payload.parent_hash[0] ^= 1);
    vec![
        Attack::none("nothing", honest.clone()),
        wrong("another state root", "the parent is", alloy_rlp::encode(&state))
            .derived(Insufficient),
        wrong("a byte behind it", "malformed", longer),
        wrong("a header of an older fork", "the parent is", alloy_rlp::encode(&before))
            .derived(Valid),
        Attack::new("another parent hash", &honest, renamed, Witness)
            .derived(Valid)
            .says("the parent is"),
    ]
}

/// The ancestors that `BLOCKHASH` looks at.
#[must_use]
pub fn s06() -> Vec<Attack> {
    let (mut chain, _) = busy();
    let honest = chain.make(&[reads(2, 1, Default::default(), 0, 2)]).input;
    let [a, b, c] = &honest.witness.headers[..] else { unreachable!("it asks for height 2") };
    let of = |headers: &[&Bytes]| {
        with(&honest, |input| {
            input.witness.headers = headers.iter().map(|header| (*header).clone()).collect();
        })
    };
    let link = |name, headers: &[&Bytes]| {
        Attack::new(name, &honest, of(headers), Witness).says("does not follow")
    };
    let mut malformed = b.to_vec();
    malformed[0] ^= 1;
    vec![
        Attack::none("nothing", honest.clone()),
        link("a gap", &[a, c]),
        link("two swapped", &[b, a, c]),
        link("the parent twice", &[a, b, c, c]),
        link("the parent not last", &[a, c, b]),
        Attack::new("the parent missing", &honest, of(&[a, b]), Witness)
            .derived(Insufficient)
            .says("the parent is"),
        Attack::new("one malformed", &honest, of(&[a, &malformed.into(), c]), Witness)
            .says("malformed"),
        Attack::new("the oldest missing", &honest, of(&[b, c]), Insufficient),
        Attack::new("none", &honest, of(&[]), Insufficient).derived(Witness),
        Attack::new("too many", &honest, of(&[b; MAX_HEADERS + 1]), Undecodable).says("items"),
        older_than_needed(),
    ]
}

fn older_than_needed() -> Attack {
    let mut chain = TestChain::new(&[]);
    let first = alloy_rlp::encode(chain.head().inner());
    chain.make(&[]);
    let honest = chain.make(&[]).input;
    assert_eq!(honest.witness.headers.len(), 1);
    let input = with(&honest, |input| input.witness.headers.insert(0, first.into()));
    Attack::new("one older than needed", &honest, input, Valid)
}
