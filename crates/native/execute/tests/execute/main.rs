//! EXECUTE from outside: envelopes of real blocks, wrong in every way there is a name for.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod attacks;
mod block;
mod data;
mod derive;
mod levels;
mod onchain;
mod vectors;

use alloy_primitives::{Address, Bytes, TxKind, U256};
use ethrex_execute::{ExecuteResult, FailureClass, Outcome, execute, gas, testing::*};
use ethrex_stateless::testing::{CHAIN_ID, TestBlock, TestChain, WRITER, words};
use ethrex_types::Tx;

/// Gas that pays for every envelope here.
const PLENTY: u64 = 200_000_000;

/// Calls EXECUTE on the L1 at this time.
fn call_at(timestamp: u64, gas: u64, input: &[u8]) -> Outcome {
    execute(&config(), l1_spec(), 0, timestamp, gas, input).unwrap()
}

fn call(gas: u64, input: &[u8]) -> Outcome {
    call_at(1_000, gas, input)
}

/// What a call that succeeds gives. Exactly its cost is charged, and one gas less is too little.
#[track_caller]
fn succeeds(input: &[u8]) -> ExecuteResult {
    let outcome = call(PLENTY, input);
    let output = outcome.result.unwrap();
    let exact = call(outcome.gas_charged, input);
    assert_eq!((exact.gas_charged, exact.result.unwrap()), (outcome.gas_charged, output.clone()));
    let short = call(outcome.gas_charged - 1, input);
    assert_eq!(short.gas_charged, outcome.gas_charged - 1);
    assert!(matches!(short.result, Err(FailureClass::OutOfGas { .. })), "{:?}", short.result);
    ExecuteResult::decode(&output).unwrap()
}

/// The class of a call that fails. All gas is gone.
#[track_caller]
fn fails(input: &[u8]) -> FailureClass {
    let outcome = call(PLENTY, input);
    assert_eq!(outcome.gas_charged, PLENTY);
    outcome.result.unwrap_err()
}

#[track_caller]
fn fails_as(class: &str, input: &[u8]) {
    let found = fails(input);
    assert_eq!(found.name(), class, "{found}");
}

fn transfer(number: u8, nonce: u64) -> Tx {
    signed_for(CHAIN_ID, number, |tx| {
        tx.nonce = nonce;
        tx.value = U256::from(1 + nonce);
        tx.gas_limit = 400_000;
        tx.to = TxKind::Call(Address::repeat_byte(0x20 + number));
    })
}

fn write(number: u8, nonce: u64, slot: u64, value: u64) -> Tx {
    signed_for(CHAIN_ID, number, |tx| {
        tx.nonce = nonce;
        tx.to = TxKind::Call(WRITER);
        tx.input = words(&[U256::from(slot), U256::from(value)]);
    })
}

fn rollup() -> TestChain {
    chain(CHAIN_ID)
}

/// The next block of a rollup, under its own rules.
fn make(chain: &mut TestChain, transactions: &[Tx]) -> TestBlock {
    let rules = rollup_rules(chain.spec());
    let attributes = block_attributes(&attributes(chain));
    chain.make_with(&rules, &attributes, transactions).unwrap()
}

fn raws(transactions: &[Tx]) -> Vec<Bytes> {
    transactions.iter().map(raw).collect()
}

/// Numbers below a bound, always the same.
fn numbers() -> impl FnMut(usize) -> usize {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    }
}

/// An input with one to three bytes changed, removed or inserted.
fn mutated(input: &[u8], next: &mut impl FnMut(usize) -> usize) -> Vec<u8> {
    let mut input = input.to_vec();
    for _ in 0..1 + next(3) {
        let at = next(input.len());
        match next(6) {
            0 => input[at] = next(256) as u8,
            1 => drop(input.remove(at)),
            2 => input.insert(at, next(256) as u8),
            _ => input[at] ^= 1 << next(8),
        }
    }
    input
}

#[test]
fn g01_what_is_no_input_fails_whatever_the_gas() {
    for input in [
        &[][..],
        &[0x4e],
        b"NR",
        &[0x4e, 0x52, 1, 0, 1, 0],
        &[0; 100],
        b"NR\x02\0\x01\0\0\0\0\0\0\0\0\0",
    ] {
        for gas in [0, 1, PLENTY] {
            let outcome = call(gas, input);
            assert_eq!(outcome.gas_charged, gas);
            assert!(matches!(outcome.result, Err(FailureClass::UnknownHeader)), "{input:?}");
        }
    }
}

#[test]
fn g02_nothing_is_looked_at_before_it_is_paid_for() {
    // The body is garbage, and nobody finds out.
    for mode in [0, 1, 5] {
        let mut input = vec![0x4e, 0x52, 1, mode, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        input.resize(gas::MAX_INPUT_LEN, 0xff);
        let mut cost = gas::envelope(input.len(), 0);
        if mode == 5 {
            input[14..16].copy_from_slice(&[0, 17]);
            cost += 17 * gas::BLOB_GAS;
        }
        let outcome = call(cost - 1, &input);
        assert!(matches!(outcome.result, Err(FailureClass::OutOfGas { .. })), "{mode}");
        assert!(matches!(call(cost, &input).result, Err(FailureClass::Undecodable(_))), "{mode}");
        input.push(0);
        assert!(matches!(call(PLENTY, &input).result, Err(FailureClass::TooLong(_))), "{mode}");
    }
    let mut bound = vec![0x4e, 0x52, 1, 0, 1, 0];
    bound.extend_from_slice(&u64::MAX.to_be_bytes());
    assert!(matches!(call(u64::MAX - 1, &bound).result, Err(FailureClass::OutOfGas { .. })));
}
