//! Levels and forks.

use alloy_primitives::bytes;
use ethrex_execute::{ExecuteConfig, MAX_LEVEL};
use ethrex_stateless::testing::BLOCK_TIME;
use ethrex_types::{ChainSpec, Genesis, GenesisAccount};

use super::*;

const L3: u64 = (1 << 40) | 5;
const L4: u64 = (2 << 40) | 6;

/// The envelope of a block with the gas its transactions may use, and no more.
fn tight(block: &TestBlock) -> Vec<u8> {
    use ethrex_types::alloy_consensus::Transaction;
    let bound: u64 = block.block.sealed().body().transactions.iter().map(|tx| tx.gas_limit()).sum();
    let mut envelope = block_envelope(block, None);
    envelope[6..14].copy_from_slice(&bound.to_be_bytes());
    envelope
}

/// A chain, and the block in which it called EXECUTE with this input.
fn called(chain_id: u64, gas_limit: u64, input: &[u8]) -> (TestChain, TestBlock) {
    let mut chain = chain(chain_id);
    let block = make(&mut chain, &[call_execute(chain_id, 1, 0, gas_limit, input)]);
    (chain, block)
}

fn succeeded(chain: &TestChain) -> bool {
    match slot(chain, CALLER, 1).to::<u64>() {
        1 => false,
        2 => true,
        other => panic!("{other}"),
    }
}

#[test]
fn g06_a_rollup_on_a_rollup_on_a_rollup_is_verified_on_l1() {
    let mut top = chain(L4);
    let block = make(&mut top, &[signed_for(L4, 1, |tx| tx.gas_limit = 400_000)]);
    let (third, block) = called(L3, 3_500_000, &tight(&block));
    assert!(succeeded(&third));
    let (second, block) = called(CHAIN_ID, 10_000_000, &tight(&block));
    assert!(succeeded(&second));
    let result = succeeds(&tight(&block));
    assert_eq!(result.block_hash, block.block.sealed().hash());
    assert_eq!((result.level, result.state_root), (1, second.head().state_root));
}

#[test]
fn g06_an_envelope_for_another_level_fails() {
    let mut top = chain(L3);
    let block = make(&mut top, &[]);
    let envelope = block_envelope(&block, None);
    assert!(matches!(fails(&envelope), FailureClass::WrongLevel { got: 2, want: 1 }));
    // Saying it is for this one does not help: the chain id tells.
    let mut renamed = envelope.clone();
    renamed[4] = 1;
    assert!(matches!(fails(&renamed), FailureClass::WrongLevel { got: 2, want: 1 }));
    let plain = block.input.encode();
    assert!(matches!(fails(&plain), FailureClass::WrongLevel { got: 2, want: 1 }));
    let second = chain(CHAIN_ID);
    for level in 0..=MAX_LEVEL {
        let outcome = execute(&config(), second.spec(), level, 1_000, PLENTY, &envelope).unwrap();
        assert_eq!(outcome.result.is_ok(), level == 1, "on level {level}");
    }
}

/// Calls itself as often as its first word says, and then EXECUTE with what follows. Whether that succeeded, plus 1, is in slot 0.
const DEEP: Bytes = bytes!(
    "365f5f37" "5f51" "8015" "6021" "57" // copy; jump if the first word is 0
    "60019003" "5f52" "5f5f365f5f305af1" "00" // one less; call(gas, self, 0, 0, calldatasize, 0, 0)
    "0000000000" "0000"
    "5b50" "5f5f602036036020" "5f610101" "5af1" "6001015f5500" // call(gas, 0x0101, 0, 32, calldatasize - 32, 0, 0)
);

#[test]
fn g06_execute_stands_at_the_bottom_of_a_deep_stack_of_calls() {
    let at = Address::repeat_byte(0xde);
    let mut genesis = chain(L1_CHAIN_ID).spec().genesis().clone();
    let storage = [(Default::default(), alloy_primitives::B256::with_last_byte(0xff))];
    let deep = GenesisAccount {
        code: Some(DEEP),
        storage: Some(storage.into()),
        ..GenesisAccount::default()
    };
    genesis.alloc.insert(at, deep);
    let mut rollup = rollup();
    let envelope = tight(&make(&mut rollup, &[transfer(1, 0)]));
    for depth in [0, 150, 2_000] {
        let mut l1 = TestChain::with_genesis(genesis.clone());
        let (rules, attributes) = (l1_rules(l1.spec()), l1.attributes());
        let call = signed_for(L1_CHAIN_ID, 1, |tx| {
            tx.gas_limit = 16_000_000;
            tx.to = TxKind::Call(at);
            tx.input = [&U256::from(depth).to_be_bytes::<32>()[..], &envelope].concat().into();
        });
        l1.make_with(&rules, &attributes, &[call]).unwrap();
        // At the end of the stack, or of the gas, nobody gets to call it.
        let expected = if depth == 2_000 { 0xff } else { 2 };
        assert_eq!(slot(&l1, at, 0), U256::from(expected), "{depth}");
    }
}

#[test]
fn g06_on_the_last_level_the_address_is_an_empty_account() {
    let (last, block) = called(L4, 1_000_000, b"anything");
    assert!(succeeded(&last));
    assert_eq!(slot(&last, CALLER, 2), U256::ZERO, "no return data");
    // And the level below agrees.
    let mut third = chain(L3);
    make(&mut third, &[call_execute(L3, 1, 0, 16_000_000, &tight(&block))]);
    assert!(succeeded(&third));
    let (second, _) = called(CHAIN_ID, 10_000_000, b"anything");
    assert!(!succeeded(&second), "where EXECUTE is, anything is no input");
}

#[test]
fn g06_before_its_time_the_address_is_an_empty_account() {
    let config = ExecuteConfig::from_time(1_000_000);
    let mut l1 = chain(L1_CHAIN_ID);
    let rules = ethrex_execute::WithExecute::new(l1.spec(), config).unwrap();
    let attributes = l1.attributes();
    l1.make_with(&rules, &attributes, &[call_execute(L1_CHAIN_ID, 1, 0, 1_000_000, b"anything")])
        .unwrap();
    assert!(succeeded(&l1));
    assert_eq!(slot(&l1, CALLER, 2), U256::ZERO);
}

/// An L1 like all here, whose Amsterdam begins at this time.
fn amsterdam_at(time: u64) -> ChainSpec {
    let mut config = chain(L1_CHAIN_ID).spec().genesis().config.clone();
    config.amsterdam_time = Some(time);
    ChainSpec::new(Genesis { config, ..Genesis::default() }).unwrap()
}

#[test]
fn s09_a_block_is_judged_by_the_rules_of_its_own_time() {
    let mut chain = rollup();
    make(&mut chain, &[]);
    let block = make(&mut chain, &[transfer(1, 0)]);
    let time = block.block.sealed().header().timestamp;
    assert_eq!(time, 2 * BLOCK_TIME);
    let (_, derived) = derive_on(&rollup(), &config(), &attributes(&rollup()), &[], &[]).unwrap();
    for (amsterdam, now, accepted) in [
        (0, time, true),
        (0, u64::MAX, true),
        (0, 0, true), // of the same fork, however far ahead
        (time, time, true),
        (time, time - 1, false),     // the fork is not there yet
        (time + 1, time, false),     // the block is from before it
        (time + 1, time + 1, false), // then it is of the fork before, which has no schema
    ] {
        let spec = amsterdam_at(amsterdam);
        let of = |input: &[u8]| execute(&config(), &spec, 0, now, PLENTY, input).unwrap().result;
        for input in [block_envelope(&block, None), block.input.encode()] {
            let outcome = of(&input);
            assert_eq!(outcome.is_ok(), accepted, "{amsterdam} {now}: {outcome:?}");
            if !accepted {
                assert!(matches!(outcome, Err(FailureClass::WrongSchema)));
            }
        }
        if amsterdam > BLOCK_TIME || now < amsterdam {
            assert!(matches!(of(&derived), Err(FailureClass::WrongSchema)), "{amsterdam} {now}");
        }
    }
}
