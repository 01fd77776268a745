//! Changes of inputs: bytes anywhere, and fields by what they mean.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use ethrex_execute::{Attributes, DataBody, DeriveInput};
use ethrex_stateless::{
    ExecutionWitness, InvalidPayload, StatelessInput, block_of,
    ssz::{ExecutionPayload, PublicKey},
};

use crate::Dice;

/// Longest piece that is cut out, moved or repeated.
const PIECE: usize = 48;

/// One small damage of the kinds that decoders get wrong.
pub fn bytes(input: &mut Vec<u8>, dice: &mut Dice) {
    if input.is_empty() {
        return input.push(dice.byte());
    }
    let at = dice.roll(input.len());
    let len = (1 + dice.roll(PIECE)).min(input.len() - at);
    match dice.roll(10) {
        0 | 1 => input[at] ^= 1 << dice.roll(8),
        2 => input[at] = dice.of(&[0, 1, 0x7f, 0x80, 0xc0, 0xff]),
        3 => drop(input.drain(at..at + len)),
        4 => input.truncate(at),
        5 => {
            let piece = input[at..at + len].to_vec();
            let to = dice.roll(input.len());
            drop(input.splice(to..to, piece));
        }
        6 => {
            let to = dice.roll(input.len() - len + 1);
            input.copy_within(at..at + len, to);
        }
        7 | 8 => offset(input, at, dice),
        _ => input.push(dice.byte()),
    }
}

/// Takes four bytes for an offset, or eight for a number, and changes it by a little or to an extreme.
fn offset(input: &mut [u8], at: usize, dice: &mut Dice) {
    let Some(word) = input.get_mut(at..).and_then(|rest| rest.first_chunk_mut::<4>()) else {
        return;
    };
    let value = u32::from_le_bytes(*word);
    let value = match dice.roll(4) {
        0 => dice.of(&[0, 1, u32::MAX, 1 << 31, 1 << 20]),
        _ => value.wrapping_add(dice.of(&[1, 4, 20, u32::MAX, u32::MAX - 3, 32])),
    };
    *word = value.to_le_bytes();
}

/// Changes a field of an input of BLOCK or PLAIN. Half of the time the payload is given the hash that it then has, so that what is wrong with it
/// has to be found out.
pub fn stateless(input: &mut StatelessInput, other: &ExecutionWitness, dice: &mut Dice) {
    match dice.roll(10) {
        0..3 => payload(&mut input.request.payload, dice),
        3 => {
            let at = dice.roll(32);
            input.request.parent_beacon_block_root.0[at] ^= 1 << dice.roll(8);
        }
        4 => match dice.roll(3) {
            0 => input.request.versioned_hashes.push(B256::ZERO),
            1 => input.request.requests.withdrawals = vec![dice.byte(); 76].into(),
            _ => input.request.requests.deposits = vec![dice.byte(); 192].into(),
        },
        5 => keys(&mut input.public_keys, dice),
        6 => input.chain_id = number(input.chain_id, dice),
        _ => witness(&mut input.witness, other, dice),
    }
    if dice.once_in(2) {
        rehash(input);
    }
}

/// Gives the payload the hash that its content has.
pub fn rehash(input: &mut StatelessInput) {
    if let Err(InvalidPayload::BlockHash { want, .. }) = block_of(&input.request) {
        input.request.payload.block_hash = want;
    }
}

fn payload(payload: &mut ExecutionPayload, dice: &mut Dice) {
    let transactions = payload.transactions.len();
    match dice.roll(20) {
        0 => word(&mut payload.state_root, dice),
        1 => word(&mut payload.receipts_root, dice),
        2 => word(&mut payload.prev_randao, dice),
        3 => word(&mut payload.parent_hash, dice),
        4 => word(&mut payload.block_hash, dice),
        5 => payload.logs_bloom.0[dice.roll(256)] ^= 1 << dice.roll(8),
        6 => payload.fee_recipient = Address::repeat_byte(dice.byte()),
        7 => payload.gas_used = number(payload.gas_used, dice),
        8 => payload.gas_limit = number(payload.gas_limit, dice),
        9 => payload.timestamp = number(payload.timestamp, dice),
        10 => payload.block_number = number(payload.block_number, dice),
        11 => payload.slot_number = number(payload.slot_number, dice),
        12 => {
            payload.base_fee_per_gas = match dice.roll(3) {
                0 => U256::MAX,
                _ => U256::from(number(payload.base_fee_per_gas.saturating_to(), dice)),
            }
        }
        13 => payload.extra_data = vec![dice.byte(); dice.roll(34)].into(),
        14 => match dice.roll(3) {
            0 => payload.withdrawals.push(Default::default()),
            1 => payload.blob_gas_used = number(payload.blob_gas_used, dice),
            _ => payload.excess_blob_gas = number(payload.excess_blob_gas, dice),
        },
        15 => damaged(&mut payload.block_access_list, dice),
        16 if transactions > 0 => damaged(&mut payload.transactions[dice.roll(transactions)], dice),
        17 if transactions > 0 => drop(payload.transactions.remove(dice.roll(transactions))),
        18 if transactions > 1 => payload.transactions.swap(dice.roll(transactions), 0),
        _ => {
            let kind = dice.of(&[0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x7e, 0xc0]);
            payload
                .transactions
                .insert(dice.roll(transactions + 1), vec![kind, dice.byte()].into());
        }
    }
}

fn keys(keys: &mut Option<Vec<PublicKey>>, dice: &mut Dice) {
    let Some(list) = keys else { return };
    let at = dice.roll(list.len());
    match dice.roll(5) {
        0 => *keys = None,
        1 => list.push(PublicKey::repeat_byte(dice.byte())),
        2 => drop(list.pop()),
        3 if list.len() > 1 => list.swap(at, 0),
        _ => {
            if let Some(key) = list.get_mut(at) {
                key[dice.roll(65)] ^= 1 << dice.roll(8);
            }
        }
    }
}

/// Changes a witness: entries that are missing, repeated, out of order, damaged, or from another witness. Half of the time lists are sorted
/// afterwards.
pub fn witness(witness: &mut ExecutionWitness, other: &ExecutionWitness, dice: &mut Dice) {
    let (list, others) = match dice.roll(8) {
        0 | 1 => (&mut witness.codes, &other.codes),
        2 => (&mut witness.headers, &other.headers),
        _ => (&mut witness.state, &other.state),
    };
    entries(list, others, dice);
    if dice.once_in(2) {
        for list in [&mut witness.state, &mut witness.codes] {
            list.sort();
            list.dedup();
        }
    }
}

fn entries(list: &mut Vec<Bytes>, others: &[Bytes], dice: &mut Dice) {
    let at = dice.roll(list.len());
    let entry = list.get(at).cloned().unwrap_or_default();
    match dice.roll(8) {
        0 if !list.is_empty() => drop(list.remove(at)),
        1 => list.insert(at, entry),
        2 if !list.is_empty() => list.swap(at, 0),
        3 if !list.is_empty() => damaged(&mut list[at], dice),
        4 if !others.is_empty() && !list.is_empty() => list[at] = dice.of(others),
        5 => list.insert(
            at,
            dice.of(&[Bytes::new(), Bytes::from_static(&[0x80]), vec![0xc1; 600].into()]),
        ),
        _ if !others.is_empty() => list.insert(at, dice.of(others)),
        _ => list.push(entry),
    }
}

/// Changes a field of an input of DERIVE.
pub fn derive(input: &mut DeriveInput, other: &ExecutionWitness, dice: &mut Dice) {
    match dice.roll(12) {
        0..3 => attributes(&mut input.attributes, dice),
        3 => damaged(&mut input.parent_header, dice),
        4 => entries(&mut input.ancestors, &other.headers, dice),
        5 => transactions(&mut input.forced, &input.posted, dice),
        6 | 7 => transactions(&mut input.posted, &input.forced, dice),
        8 => input.chain_id = number(input.chain_id, dice),
        9 if dice.once_in(4) => {
            input.schema_id = input.schema_id.wrapping_add(dice.of(&[1, 256, u16::MAX]))
        }
        _ => {
            witness(&mut input.witness, other, dice);
            if !dice.once_in(8) {
                input.witness.headers.clear();
            }
        }
    }
}

fn attributes(attributes: &mut Attributes, dice: &mut Dice) {
    match dice.roll(7) {
        0 => attributes.timestamp = number(attributes.timestamp, dice),
        1 => attributes.gas_limit = number(attributes.gas_limit, dice),
        2 => attributes.slot_number = number(attributes.slot_number, dice),
        3 => attributes.fee_recipient = Address::repeat_byte(dice.byte()),
        4 => attributes.extra_data = vec![dice.byte(); dice.roll(34)].into(),
        5 => word(&mut attributes.prev_randao, dice),
        _ => word(&mut attributes.anchor, dice),
    }
}

fn transactions(list: &mut Vec<Bytes>, others: &[Bytes], dice: &mut Dice) {
    let at = dice.roll(list.len());
    match dice.roll(6) {
        0 if !list.is_empty() => drop(list.remove(at)),
        1 if list.len() > 1 => list.swap(at, 0),
        2 if !others.is_empty() => list.insert(at, dice.of(others)),
        3 => list.insert(at, vec![dice.byte(); dice.roll(80)].into()),
        _ => match list.get_mut(at) {
            Some(raw) => damaged(raw, dice),
            None => list.push(Bytes::new()),
        },
    }
}

/// Changes what DATA is given.
pub fn data(body: &mut DataBody, dice: &mut Dice) {
    let mut stream = body.stream.to_vec();
    match dice.roll(4) {
        0 if stream.len() > 9 => {
            stream[5..9].copy_from_slice(&(dice.roll(300) as u32).to_be_bytes())
        }
        1 if !body.blobs.is_empty() => {
            let blob = &mut body.blobs[0];
            if dice.once_in(2) {
                blob.commitment[dice.roll(48)] ^= 1
            } else {
                blob.proof[dice.roll(48)] ^= 1
            }
        }
        // In place, so that blobs stay full.
        _ if !stream.is_empty() => {
            let at = dice.roll(stream.len().min(2_000));
            stream[at] = dice.byte();
        }
        _ => stream.push(dice.byte()),
    }
    body.stream = stream.into();
}

fn damaged(entry: &mut Bytes, dice: &mut Dice) {
    let mut changed = entry.to_vec();
    bytes(&mut changed, dice);
    *entry = changed.into();
}

fn word(word: &mut B256, dice: &mut Dice) {
    *word = match dice.roll(3) {
        0 => B256::ZERO,
        1 => keccak256(&word),
        _ => {
            let mut word = *word;
            word.0[dice.roll(32)] ^= 1 << dice.roll(8);
            word
        }
    };
}

/// Another number: a little more or less, twice or half as much, or an extreme.
fn number(number: u64, dice: &mut Dice) -> u64 {
    match dice.roll(6) {
        0 => number.wrapping_add(1),
        1 => number.wrapping_sub(1),
        2 => number.wrapping_mul(2),
        3 => number / 2,
        4 => number ^ (1 << dice.roll(64)),
        _ => dice.of(&[0, 1, u64::MAX, u64::MAX / 2, 1 << 40]),
    }
}
