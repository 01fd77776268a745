//! Damaged inputs: no panic, and nothing accepted but what is true.

use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
};

use alloy_primitives::{B256, Bytes, keccak256};
use ethrex_execute::{
    BlockBody, DataBody, DeriveInput, Flags, Header, Mode, StreamBlock,
    envelope::{HEADER_LEN, Input},
    stream::{self, Codec},
    testing::{attributes, block_envelope, config, derive_on, open_blob, raw},
};
use ethrex_stateless::{ExecutionWitness, StatelessInput, block_of, testing::TestChain};
use ethrex_test_native::{
    Dice, Made, RandomChain,
    blocks::transaction,
    damage,
    oracle::{
        Words, block_words, data_gas, data_words, derive_words, execute_fully, filtered_block,
        flat, plain_answer, read_stream,
    },
};
use ethrex_types::{RecoveredBlock, Tx};

use super::*;

/// Chains whose blocks are damaged.
const CHAINS: u64 = 6;
/// Of the damaged inputs so many times fewer have blobs, as proofs take long.
const BLOBS_ONCE_IN: usize = 300;
/// So many times more streams are damaged: decoding is all that is done with them.
const STREAMS: usize = 20;

/// A valid input, and what is needed to judge what became of it.
struct Base {
    name: &'static str,
    input: Vec<u8>,
    output: Bytes,
    /// The chain before the block.
    before: TestChain,
    /// Of another block of the chain.
    other: ExecutionWitness,
}

impl Base {
    fn new(
        name: &'static str,
        input: Vec<u8>,
        before: &TestChain,
        other: &ExecutionWitness,
    ) -> Self {
        let output = call(PLENTY, &input).result.unwrap();
        Self { name, input, output, before: before.clone(), other: other.clone() }
    }
}

fn bases() -> (Vec<Base>, Vec<Base>) {
    let (mut bases, mut blobs) = (Vec::new(), Vec::new());
    for seed in 0..CHAINS {
        let mut chain = RandomChain::new(self::seed() + seed);
        let other = chain.make().block.input.witness;
        for _ in 0..seed {
            chain.make();
        }
        let wanted = chain.clone().transaction();
        let Made { before, block } = chain.make();
        let input = block_envelope(&block, None);
        bases.push(Base::new("block", input, &before, &other));
        let mut list = block.input.request.payload.transactions.clone();
        list.push(Bytes::from_static(b"nothing"));
        list.extend(block.input.request.payload.transactions.is_empty().then(|| raw(&wanted)));
        let input = block_envelope(&block, Some(list));
        if call(PLENTY, &input).result.is_ok() {
            bases.push(Base::new("block with list", input, &before, &other));
        }
        if block.input.request.requests.is_empty() {
            bases.push(Base::new("plain", block.input.encode(), &before, &other));
        }

        let dice = &mut Dice::new(seed);
        let mut posted = block.input.request.payload.transactions.clone();
        posted.push(vec![dice.byte(); 30].into());
        posted.push(raw(&transaction(dice, 1, 99)));
        let forced: Vec<Bytes> = posted.drain(..posted.len() / 3).collect();
        let asked = attributes(&before);
        let (_, input) = derive_on(&before, &config(), &asked, &forced, &posted).unwrap();
        bases.push(Base::new("derive", input, &before, &other));

        let blocks: Vec<_> = (0..=seed)
            .map(|dt| StreamBlock { dt: dt << (8 * dt), transactions: posted.clone() })
            .collect();
        let mut stream = stream::encode(&blocks, Codec::Raw).unwrap();
        let gas_bound = 2 * data_gas(&stream);
        let header = Header { mode: Mode::Data, level: 1, flags: Flags::NONE, gas_bound };
        let body = DataBody { blobs: vec![], stream: stream.clone().into() };
        bases.push(Base::new("data", header.wrap(&body.encode()), &before, &other));
        if seed == 0 {
            let opening = open_blob(&stream::pack(&stream)[0]);
            stream.resize(stream::BLOB_CAPACITY, 0);
            let body = DataBody { blobs: vec![opening], stream: stream.into() };
            blobs.push(Base::new("blob", header.wrap(&body.encode()), &before, &other));
        }
    }
    (bases, blobs)
}

/// An input with something wrong in it.
fn damaged(base: &Base, dice: &mut Dice) -> Vec<u8> {
    let mut input = base.input.clone();
    if dice.once_in(2) {
        for _ in 0..=dice.roll(3) {
            if dice.once_in(16) {
                let mut head = input.drain(..HEADER_LEN.min(input.len())).collect();
                damage::bytes(&mut head, dice);
                drop(input.splice(..0, head));
            } else {
                damage::bytes(&mut input, dice);
            }
        }
        return input;
    }
    let plain = Bytes::copy_from_slice(&input);
    let (header, body) = match Input::parse(&base.input).unwrap() {
        Input::Plain => {
            let mut input = StatelessInput::decode(&plain).unwrap();
            damage::stateless(&mut input, &base.other, dice);
            return input.encode();
        }
        Input::Envelope { header, body } => (header, Bytes::copy_from_slice(body)),
    };
    let body = match header.mode {
        Mode::Block => {
            let mut body = BlockBody::decode(&body, header.flags).unwrap();
            damage::stateless(&mut body.input, &base.other, dice);
            body.encode()
        }
        Mode::Derive => {
            let mut body = DeriveInput::decode(&body).unwrap();
            damage::derive(&mut body, &base.other, dice);
            body.encode()
        }
        Mode::Data => {
            let mut body = DataBody::decode(&body).unwrap();
            damage::data(&mut body, dice);
            body.encode()
        }
    };
    header.wrap(&body)
}

/// Checks an answer to a damaged input. Whether it is that to the undamaged one.
#[track_caller]
fn judge(base: &Base, input: &[u8], charged: u64, output: &[u8]) -> bool {
    let whole = Bytes::copy_from_slice(input);
    let len = input.len() as u64;
    let (header, body) = match Input::parse(input).unwrap() {
        Input::Plain => {
            let input = StatelessInput::decode(&whole).unwrap();
            assert_eq!(input.encode(), whole, "one value, one encoding");
            assert_eq!(charged, input.request.payload.gas_limit + 16 * len);
            assert!(is_valid(base, &input));
            assert_eq!(output[..], plain_answer(&input));
            return *output == *base.output;
        }
        Input::Envelope { header, body } => (header, Bytes::copy_from_slice(body)),
    };
    let cost = 50_000 + 8 * len + header.gas_bound;
    let words = match header.mode {
        Mode::Block => {
            let body = BlockBody::decode(&body, header.flags).unwrap();
            assert_eq!(header.wrap(&body.encode()), input, "one value, one encoding");
            assert_eq!(charged, cost + 6_000 * body.inclusion_list.iter().flatten().count() as u64);
            let recovered = recovered(&body.input);
            let mut words = block_words(&base.before, &recovered);
            if !header.flags.has(Flags::BURNED_FEES) {
                words[22] = B256::ZERO;
            }
            words[1] = B256::from(alloy_primitives::U256::from(body.input.chain_id));
            if body.inclusion_list.is_some() {
                // What a list that was damaged asks for is another test's business.
                assert!(output[4] <= 1);
                words[0][4] = output[4];
            }
            words
        }
        Mode::Derive => {
            let body = DeriveInput::decode(&body).unwrap();
            assert_eq!(header.wrap(&body.encode()), input, "one value, one encoding");
            let given = (body.forced.len() + body.posted.len()) as u64;
            assert_eq!(charged, cost + 6_000 * given);
            match rederived(base, header, &body) {
                Some(words) => words,
                None => {
                    // On another parent or chain, which the result names.
                    assert_eq!(output[4 * 32..5 * 32], keccak256(&body.parent_header)[..]);
                    assert_eq!(output[32 + 24..64], body.chain_id.to_be_bytes());
                    return false;
                }
            }
        }
        Mode::Data => {
            let body = DataBody::decode(&body).unwrap();
            assert_eq!(header.wrap(&body.encode()), input, "one value, one encoding");
            assert_eq!(charged, cost + 60_000 * body.blobs.len() as u64);
            assert!(data_gas(&body.stream) <= header.gas_bound);
            if !body.blobs.is_empty() {
                assert_eq!(body.encode(), base.input[HEADER_LEN..], "a proof of two things");
                return *output == *base.output;
            }
            data_words(&body.stream, keccak256([]))
        }
    };
    assert_eq!(output, flat(&words));
    *output == *base.output
}

fn recovered(input: &StatelessInput) -> RecoveredBlock {
    RecoveredBlock::recover(block_of(&input.request).unwrap()).unwrap()
}

fn is_valid(base: &Base, input: &StatelessInput) -> bool {
    execute_fully(&base.before, &recovered(input)).is_some()
}

/// What a node with the whole state derives; `None` where it has no such parent.
fn rederived(base: &Base, header: Header, body: &DeriveInput) -> Option<Words> {
    let before = &base.before;
    let parent = alloy_rlp::encode(before.head().inner());
    if body.parent_header[..] != parent || body.chain_id != before.spec().chain_id() {
        return None;
    }
    let asked = &body.attributes;
    let (derived, _) = derive_on(before, &config(), asked, &body.forced, &body.posted).unwrap();
    assert!(derived.gas_bound <= header.gas_bound);
    let included: Vec<Tx> = derived.built.seal(B256::ZERO).body().transactions.clone();
    let block = filtered_block(before, asked, &included).block;
    let mut words = derive_words(before, &block, &body.forced, &body.posted, derived.forced_count);
    if !header.flags.has(Flags::BURNED_FEES) {
        words[22] = B256::ZERO;
    }
    Some(words)
}

#[test]
fn d4_no_mutation_panics_or_is_accepted_as_something_else() {
    let (count, seed) = (count(), seed());
    let (bases, blobs) = bases();
    let mut ends: BTreeMap<(&str, String), usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for turn in 0..count {
        let dice = &mut Dice::new(seed.wrapping_mul(turn as u64 + 1));
        let list = if turn % BLOBS_ONCE_IN == 0 { &blobs } else { &bases };
        let base = &list[turn % list.len()];
        let input = damaged(base, dice);
        let end = catch_unwind(AssertUnwindSafe(|| {
            let outcome = call(PLENTY, &input);
            match outcome.result {
                Err(class) => {
                    assert_eq!(outcome.gas_charged, PLENTY);
                    assert!(input != base.input, "what is valid fails: {class}");
                    class.name().to_owned()
                }
                Ok(output) if judge(base, &input, outcome.gas_charged, &output) => {
                    "accepted: the same".into()
                }
                Ok(_) => "accepted: another truth".into(),
            }
        }));
        let end = end.unwrap_or_else(|_| {
            wrong.push((turn, base.name));
            "WRONG".into()
        });
        *ends.entry((base.name, end)).or_default() += 1;
    }
    println!("{count} damaged inputs");
    for ((base, end), count) in &ends {
        println!("{base:<16} {end:<24} {count}");
    }
    assert!(wrong.is_empty(), "{wrong:?}");
    // The damage is of a kind that gets past the decoder, or this would test nothing else.
    let of = |end: &str| -> usize {
        ends.iter().filter(|((_, name), _)| name == end).map(|(_, count)| count).sum()
    };
    for (class, once_in) in [
        ("undecodable", 20),
        ("witness_insufficient", 50),
        ("witness_non_canonical", 50),
        ("payload_invalid", 50),
        ("block_invalid", 100),
        ("accepted: the same", 200),
        ("accepted: another truth", 200),
    ] {
        assert!(of(class) > count / once_in, "{class}: {}", of(class));
    }
}

#[test]
fn c12_two_decoders_agree_on_any_stream() {
    let (mut blocks, mut cut) = (0, 0);
    for turn in 0..count() * STREAMS {
        let dice = &mut Dice::new((seed() << 32).wrapping_add(turn as u64));
        let bases: Vec<_> = (0..dice.roll(5)).map(|_| posted(dice)).collect();
        let mut stream = stream::encode(&bases, Codec::Raw).unwrap();
        for _ in 0..dice.roll(4) {
            // The frame is right more often than not, so that what is in it is looked at.
            let at = if dice.once_in(4) { 0 } else { stream.len().min(9) };
            let mut end = stream.split_off(at);
            damage::bytes(&mut end, dice);
            stream.extend(end);
        }
        let decoded = stream::decode(&stream);
        let expected = read_stream(&stream).unwrap_or_default();
        let same = decoded.blocks.iter().map(|block| (block.dt, block.transactions.clone()));
        assert!(same.eq(expected), "{turn}");
        assert_eq!(decoded.gas, data_gas(&stream), "{turn}");
        blocks += decoded.blocks.len();
        cut += usize::from(decoded.blocks.len() < bases.len());
    }
    assert!(blocks > count() && cut > count(), "{blocks} {cut}");
}

/// A block with numbers and lengths on both sides of where their encodings change.
fn posted(dice: &mut Dice) -> StreamBlock {
    let dt = dice.bits() >> dice.roll(64);
    let transactions = (0..dice.roll(5)).map(|_| {
        let len = dice.of(&[0, 1, 126, 127, 128, 129, 300]);
        vec![dice.byte(); len].into()
    });
    StreamBlock { dt, transactions: transactions.collect() }
}
