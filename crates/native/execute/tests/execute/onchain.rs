//! EXECUTE where contracts meet it: through calls, in blocks of an L1.

use alloy_primitives::B256;
use ethrex_execute::{EXECUTE_ADDRESS, ExecuteConfig, Header, Mode, WithExecute};
use ethrex_stateless::{VerifyOptions, testing::signer, verify};
use ethrex_stf::{InvalidTx, NotIncluded, RunError};
use ethrex_types::StateReader;

use super::*;

pub(super) const GAS: u64 = 16_000_000;

/// What [`CALLER`] saw, and the gas that its transaction used.
#[derive(Debug, PartialEq)]
pub(super) struct Seen {
    pub(super) success: bool,
    pub(super) size: u64,
    word: B256,
    pub(super) gas_used: u64,
}

/// Calls EXECUTE in a block of an L1, which a stateless validator then finds valid too.
pub(super) fn on_l1(input: &[u8], value: u64) -> (TestChain, TestBlock, Seen) {
    let mut l1 = chain(L1_CHAIN_ID);
    let rules = l1_rules(l1.spec());
    let attributes = l1.attributes();
    let tx = signed_for(L1_CHAIN_ID, 1, |tx| {
        tx.gas_limit = GAS;
        tx.to = TxKind::Call(CALLER);
        tx.value = U256::from(value);
        tx.input = Bytes::copy_from_slice(input);
    });
    let block = l1.make_with(&rules, &attributes, &[tx]).unwrap();
    let verified = verify(l1.spec(), &l1_rules(l1.spec()), &block.input, &VerifyOptions::default());
    let verified = verified.unwrap();
    assert!(verified.validated.receipts[0].success());
    assert_eq!(slot(&l1, CALLER, 0), U256::ONE, "the caller goes on");
    let seen = Seen {
        success: slot(&l1, CALLER, 1) == U256::from(2),
        size: slot(&l1, CALLER, 2).to(),
        word: slot(&l1, CALLER, 3).into(),
        gas_used: verified.validated.gas_used,
    };
    (l1, block, seen)
}

fn sample() -> (TestChain, TestBlock) {
    let mut chain = rollup();
    make(&mut chain, &[]);
    let block = make(&mut chain, &[transfer(1, 0)]);
    (chain, block)
}

fn within(envelope: &[u8], gas_bound: u64) -> Vec<u8> {
    let mut envelope = envelope.to_vec();
    envelope[6..14].copy_from_slice(&gas_bound.to_be_bytes());
    envelope
}

#[test]
fn a_contract_gets_24_words() {
    let (_, block) = sample();
    let envelope = within(&block_envelope(&block, None), 400_000);
    let (_, l1_block, seen) = on_l1(&envelope, 0);
    assert!(seen.success);
    assert_eq!(seen.size, 768);
    let mut word = B256::ZERO;
    word.0[..4].copy_from_slice(&[1, 0, 1, 1]);
    assert_eq!(seen.word, word);
    let touched = l1_block.access_list.iter().map(|changes| changes.address);
    assert!(
        touched.into_iter().any(|address| address == EXECUTE_ADDRESS),
        "g07: it is in the access list"
    );
}

#[test]
fn g07_value_stays_at_the_address() {
    let (_, block) = sample();
    let envelope = within(&block_envelope(&block, None), 400_000);
    let (l1, _, seen) = on_l1(&envelope, 5);
    assert!(seen.success);
    let everything = l1.everything();
    let state = everything.state_after(l1.head());
    assert_eq!(state.account(EXECUTE_ADDRESS).unwrap().unwrap().balance, U256::from(5));
    // A call that fails moves nothing.
    let (l1, _, seen) = on_l1(&envelope[..20], 5);
    assert!(!seen.success);
    let everything = l1.everything();
    let state = everything.state_after(l1.head());
    assert!(state.account(EXECUTE_ADDRESS).unwrap().is_none());
    assert_eq!(state.account(CALLER).unwrap().unwrap().balance, U256::from(5));
}

#[test]
fn every_row_of_the_failure_table_is_the_same_on_chain() {
    let (chain, block) = sample();
    let good = within(&block_envelope(&block, None), 400_000);
    let changed = |change: &dyn Fn(&mut TestBlock)| {
        let mut block = block.clone();
        change(&mut block);
        within(&block_envelope(&block, None), 400_000)
    };
    let mut level = good.clone();
    level[4] = 2;
    let mut attributes = attributes(&chain);
    let (_, derived) = derive_on(&chain, &config(), &attributes, &[], &[]).unwrap();
    attributes.timestamp = 0;
    let mut late =
        ethrex_execute::DeriveInput::decode(&Bytes::copy_from_slice(&derived[14..])).unwrap();
    late.attributes.timestamp = 0;
    let late = [&derived[..14], &late.encode()].concat();
    let data = Header { mode: Mode::Data, level: 1, flags: Default::default(), gas_bound: 1 };
    let rows: [(&str, Vec<u8>); 14] = [
        ("unknown_header", b"hello".to_vec()),
        ("unknown_header", vec![]),
        ("wrong_level", level),
        ("out_of_gas", within(&good, GAS)),
        ("undecodable", good[..good.len() - 1].to_vec()),
        ("forbidden", changed(&|block| block.input.request.payload.excess_blob_gas = 1)),
        ("wrong_level", changed(&|block| block.input.chain_id = 1 << 40)),
        ("witness_non_canonical", changed(&|block| block.input.witness.state.reverse())),
        ("witness_insufficient", changed(&|block| drop(block.input.witness.state.pop()))),
        ("payload_invalid", changed(&|block| block.input.request.payload.gas_used -= 1)),
        ("block_invalid", changed(&|block| block.input.chain_id += 1)),
        ("unbuildable", late),
        ("gas_bound", within(&good, 399_999)),
        ("gas_bound", data.wrap(&[b"\0\0NR01\0\0\0\0\x02".as_slice(), &[1, 0]].concat())),
    ];
    for (class, input) in rows {
        let found = call(GAS, &input).result.unwrap_err();
        assert_eq!(found.name(), class, "{found}");
        let (_, _, seen) = on_l1(&input, 0);
        assert_eq!((seen.success, seen.size, seen.word), (false, 0, B256::ZERO), "{class}");
        assert!(seen.gas_used > GAS / 100 * 97, "{class}: {} gas used", seen.gas_used);
    }
    let (_, _, seen) = on_l1(&derived, 0);
    assert!(seen.success && seen.gas_used < 3_000_000, "{seen:?}");
}

#[test]
fn a_block_may_charge_so_much_for_execute() {
    let (_, block) = sample();
    let envelope = within(&block_envelope(&block, None), 400_000);
    let cost = call(PLENTY, &envelope).gas_charged;
    let gas = 16_000_000;
    let txs = [
        call_execute(L1_CHAIN_ID, 1, 0, gas, &envelope),
        call_execute(L1_CHAIN_ID, 2, 0, gas, &envelope),
    ];
    let with = |cumulative_gas_limit| {
        let mut l1 = chain(L1_CHAIN_ID);
        let config = ExecuteConfig { cumulative_gas_limit, ..config() };
        let rules = WithExecute::new(l1.spec(), config).unwrap();
        let attributes = l1.attributes();
        l1.make_with(&rules, &attributes, &txs).map(|block| {
            verify(l1.spec(), &rules, &block.input, &VerifyOptions::default()).unwrap();
        })
    };
    with(2 * cost).unwrap();
    let refused = with(2 * cost - 1).unwrap_err();
    assert!(matches!(
        refused,
        RunError::Invalid(NotIncluded::Invalid(InvalidTx::PrecompileGas { limit, .. })) if limit == 2 * cost - 1
    ));
    // A validator that is told otherwise finds the same block invalid.
    let mut l1 = chain(L1_CHAIN_ID);
    let rules = l1_rules(l1.spec());
    let attributes = l1.attributes();
    let block = l1.make_with(&rules, &attributes, &txs).unwrap();
    let strict = ExecuteConfig { cumulative_gas_limit: 2 * cost - 1, ..config() };
    let strict = WithExecute::new(l1.spec(), strict).unwrap();
    assert!(verify(l1.spec(), &strict, &block.input, &VerifyOptions::default()).is_err());
}

#[test]
fn g12_an_answer_depends_on_nothing_but_the_input() {
    let (chain, block) = sample();
    let posted = raws(&[transfer(2, 0)]);
    let (_, derived) = derive_on(&chain, &config(), &attributes(&chain), &[], &posted).unwrap();
    let good = block_envelope(&block, None);
    let inputs = [good.clone(), derived, block.input.encode(), good[..500].to_vec()];
    let fresh: Vec<_> = inputs.iter().map(|input| answer(&call(PLENTY, input))).collect();
    let shared = l1_execute();
    std::thread::scope(|scope| {
        for turn in 0..8 {
            let (shared, inputs, fresh) = (&shared, &inputs, &fresh);
            scope.spawn(move || {
                for at in 0..inputs.len() {
                    let at = (at + turn) % inputs.len();
                    assert_eq!(answer(&shared.run(1_000, PLENTY, &inputs[at]).unwrap()), fresh[at]);
                    // However often, and whatever gas came with it before.
                    let short = shared.run(1_000, 1_000, &inputs[at]).unwrap();
                    assert_eq!(short.gas_charged, 1_000);
                    assert!(short.result.is_err());
                    assert_eq!(answer(&shared.run(1_000, PLENTY, &inputs[at]).unwrap()), fresh[at]);
                }
            });
        }
    });
}

fn answer(outcome: &Outcome) -> (u64, Result<Bytes, &'static str>) {
    (outcome.gas_charged, outcome.result.clone().map_err(|class| class.name()))
}

#[test]
fn senders_of_a_test_are_who_they_say() {
    let (_, block) = sample();
    assert_eq!(block.block.senders(), [signer(1).address()]);
}
