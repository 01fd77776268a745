//! Any bytes: no panic, and nothing accepted but what was valid before.

use alloy_primitives::Bytes;
use ethrex_stateless::{
    StatelessInput, Verified, VerifyOptions,
    ssz::{peek_gas, peek_gas_limit},
};
use ethrex_types::ChainSpec;
use proptest::prelude::*;

use crate::{CANONICAL, TOLERANT, busy, judge};

/// Mutations of the unit run; the count of the issue is reached where EXECUTE is tested.
const MUTATIONS: u64 = 4_000;
const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// A small generator of numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides.max(1) as u64) as usize
    }
}

/// One small damage of the kinds that decoders get wrong.
fn damage(bytes: &mut Vec<u8>, dice: &mut Dice) {
    let at = dice.roll(bytes.len());
    let len = dice.roll(40).min(bytes.len() - at);
    match dice.roll(8) {
        0 => bytes[at] ^= 1 << dice.roll(8),
        1 => bytes[at] = [0, 1, 0x7f, 0x80, 0xff][dice.roll(5)],
        2 => drop(bytes.drain(at..at + len)),
        3 => bytes.truncate(at),
        4 => {
            let piece = bytes[at..at + len].to_vec();
            let to = dice.roll(bytes.len());
            drop(bytes.splice(to..to, piece));
        }
        5 => {
            let to = dice.roll(bytes.len() - len + 1);
            bytes.copy_within(at..at + len, to);
        }
        6 => {
            // A word that may be an offset: off by a little.
            let word = at / 4 * 4 + 2;
            if let Some(word) = bytes.get_mut(word..word + 4) {
                let value = u32::from_le_bytes(word.try_into().unwrap());
                let delta = [1, 4, 20, u32::MAX, u32::MAX - 3, 1 << 31][dice.roll(6)];
                word.copy_from_slice(&value.wrapping_add(delta).to_le_bytes());
            }
        }
        _ => bytes.push(dice.roll(256) as u8),
    }
}

fn judge_any(spec: &ChainSpec, bytes: &Bytes, options: &VerifyOptions) -> Option<Verified> {
    let _ = (peek_gas(bytes), peek_gas_limit(bytes));
    let input = StatelessInput::decode(bytes).ok()?;
    assert_eq!(input.encode(), *bytes, "one value, one encoding");
    assert_eq!(peek_gas_limit(bytes), Some(input.request.payload.gas_limit));
    judge(spec, &input, options).ok()
}

#[test]
fn d4_no_mutation_is_accepted_as_something_else() {
    let (chain, block) = busy();
    let valid = block.input.encode();
    let mut dice = Dice(SEED);
    let (mut decoded, mut accepted) = (0, 0);
    for turn in 0..MUTATIONS {
        let mut bytes = valid.clone();
        for _ in 0..=dice.roll(2) {
            damage(&mut bytes, &mut dice);
        }
        if bytes == valid {
            continue;
        }
        let bytes = Bytes::from(bytes);
        decoded += u64::from(StatelessInput::decode(&bytes).is_ok());
        for options in [&CANONICAL, &TOLERANT] {
            let Some(verified) = judge_any(chain.spec(), &bytes, options) else { continue };
            accepted += 1;
            assert_eq!(verified.block, block.block, "mutation {turn}");
            assert_eq!(verified.request_root, block.input.request.hash_tree_root());
            assert_eq!(verified.validated.state_root, block.block.sealed().header().state_root);
        }
    }
    // The damage is of a kind that gets past the decoder, or this would test nothing else.
    assert!(decoded > MUTATIONS / 10, "{decoded} decoded, {accepted} accepted");
}

/// The same on the parts by themselves, so that hashes do not catch everything.
#[test]
fn d4_no_mutation_of_a_witness_changes_a_verdict() {
    let (chain, block) = busy();
    let mut dice = Dice(SEED ^ 1);
    for turn in 0..MUTATIONS / 4 {
        let mut input = block.input.clone();
        let witness = &mut input.witness;
        let list = match dice.roll(3) {
            0 => &mut witness.codes,
            1 => &mut witness.headers,
            _ => &mut witness.state,
        };
        let at = dice.roll(list.len());
        let mut entry = list[at].to_vec();
        match dice.roll(4) {
            0 => drop(list.remove(at)),
            1 => {
                let to = dice.roll(list.len());
                list.swap(at, to);
            }
            _ => {
                damage(&mut entry, &mut dice);
                list[at] = entry.into();
            }
        }
        for options in [&CANONICAL, &TOLERANT] {
            if let Ok(verified) = judge(chain.spec(), &input, options) {
                assert_eq!(verified.block, block.block, "mutation {turn}");
            }
        }
    }
}

proptest! {
    #[test]
    fn d4_arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2_000), schema in any::<bool>()) {
        let mut bytes = bytes;
        if schema && bytes.len() >= 6 {
            // Far enough into the decoder: the right schema and the right first offset.
            bytes[..6].copy_from_slice(&[0x15, 0x01, 20, 0, 0, 0]);
        }
        let bytes = Bytes::from(bytes);
        let _ = (peek_gas(&bytes), peek_gas_limit(&bytes));
        if let Ok(input) = StatelessInput::decode(&bytes) {
            prop_assert_eq!(input.encode(), bytes);
        }
    }
}
