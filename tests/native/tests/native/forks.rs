//! The block of a fork: a rollup's schedule is that of its L1, and each block is judged by the rules of its own time.

use alloy_primitives::{B256, Bytes, U256};
use ethrex_execute::{
    DeriveInput, ExecuteResult,
    envelope::HEADER_LEN,
    testing::{self, attributes, block_envelope, config, derive_on, raw, rollup_rules, signed_for},
};
use ethrex_stateless::{
    StatelessInput,
    testing::{BLOCK_TIME, CHAIN_ID, TestChain},
};
use ethrex_test_native::{
    damage::rehash,
    oracle::{block_words, derive_words, flat},
};
use ethrex_types::{ChainSpec, Fork, Genesis};

use super::*;

/// When Amsterdam begins on the L1 and on its rollups.
const FORK: u64 = 5 * BLOCK_TIME;

fn genesis(chain_id: u64, timestamp: u64, amsterdam: Option<u64>) -> Genesis {
    let mut genesis = testing::chain(chain_id).spec().genesis().clone();
    genesis.timestamp = timestamp;
    genesis.config.amsterdam_time = amsterdam;
    genesis
}

fn l1(amsterdam: Option<u64>) -> ChainSpec {
    ChainSpec::new(genesis(L1_CHAIN_ID, 0, amsterdam)).unwrap()
}

fn at(spec: &ChainSpec, now: u64, input: &[u8]) -> Result<Bytes, FailureClass> {
    let outcome = execute(&config(), spec, 0, now, PLENTY, input).unwrap();
    if outcome.result.is_err() {
        assert_eq!(outcome.gas_charged, PLENTY);
    }
    outcome.result
}

#[test]
fn c09_the_first_block_of_a_fork_is_verified_on_a_parent_from_before_it() {
    // The last block of Osaka is the genesis block here: it lacks the fields that Amsterdam's headers have.
    let mut chain = TestChain::with_genesis(genesis(CHAIN_ID, FORK - 1, Some(FORK)));
    assert_eq!(chain.spec().fork_at(0, FORK - 1), Fork::Osaka);
    assert_eq!((chain.head().slot_number, chain.head().block_access_list_hash), (None, None));
    let l1 = l1(Some(FORK));
    for height in 0..3_u64 {
        let before = chain.clone();
        let asked = attributes(&before);
        let tx = signed_for(CHAIN_ID, 1, |tx| {
            tx.nonce = height;
            tx.value = U256::from(1);
        });
        let posted = [raw(&tx)];
        let (_, derive) = derive_on(&before, &config(), &asked, &[], &posted).unwrap();
        let rules = rollup_rules(before.spec());
        let block = chain.make_with(&rules, &testing::block_attributes(&asked), &[tx]).unwrap();
        let time = block.block.sealed().header().timestamp;
        assert!(time >= FORK);
        let (given, plain) = (block_envelope(&block, None), block.input.encode());
        // Not before the L1 is there itself: until then nobody could say what the rules are.
        for now in [0, FORK - 1] {
            for input in [&given, &plain, &derive] {
                assert!(matches!(at(&l1, now, input), Err(FailureClass::WrongSchema)), "{now}");
            }
        }
        for now in [FORK, time, u64::MAX] {
            // The result is the same 24 words on both sides of a fork, for contracts that never change.
            let words = block_words(&before, &block.block);
            assert_eq!(at(&l1, now, &given).unwrap()[..], *flat(&words));
            let words = derive_words(&before, &block.block, &[], &posted, 0);
            assert_eq!(at(&l1, now, &derive).unwrap()[..], *flat(&words));
            assert!(at(&l1, now, &plain).is_ok());
        }
        // An L1 with another schedule judges by its own.
        for (amsterdam, now) in [(None, time), (Some(time + 1), time), (Some(time + 1), time + 1)] {
            let spec = self::l1(amsterdam);
            for input in [&given, &plain, &derive] {
                assert!(matches!(at(&spec, now, input), Err(FailureClass::WrongSchema)));
            }
        }
    }
}

#[test]
fn c09_a_schema_is_that_of_the_block_and_no_other() {
    let mut chain = TestChain::with_genesis(genesis(CHAIN_ID, FORK - 1, Some(FORK)));
    let before = chain.clone();
    let (_, derive) = derive_on(&before, &config(), &attributes(&before), &[], &[]).unwrap();
    let block = chain.make(&[]);
    let l1 = l1(Some(FORK));
    let derived = |change: &dyn Fn(&mut DeriveInput)| {
        let mut input =
            DeriveInput::decode(&Bytes::copy_from_slice(&derive[HEADER_LEN..])).unwrap();
        change(&mut input);
        [&derive[..HEADER_LEN], &input.encode()].concat()
    };
    assert!(ExecuteResult::decode(&at(&l1, FORK, &derived(&|_| ())).unwrap()).is_ok());
    for schema in [0, 0x1401, 0x1500, 0x1502, 0x1601, u16::MAX] {
        let input = derived(&|input| input.schema_id = schema);
        assert!(matches!(at(&l1, FORK, &input), Err(FailureClass::WrongSchema)), "{schema:#x}");
        let mut input = block_envelope(&block, None);
        input[HEADER_LEN..HEADER_LEN + 2].copy_from_slice(&schema.to_be_bytes());
        assert!(matches!(at(&l1, FORK, &input), Err(FailureClass::Undecodable(_))));
        let plain = [&schema.to_be_bytes()[..], &block.input.encode()[2..]].concat();
        assert!(matches!(at(&l1, FORK, &plain), Err(FailureClass::UnknownHeader)));
    }
    // A block of the fork before, whatever it is called: that fork has no schema.
    let early = |now: u64| {
        let mut block = block.clone();
        let change = |input: &mut StatelessInput| {
            input.request.payload.timestamp = FORK - 1;
            rehash(input);
        };
        change(&mut block.input);
        for input in [block_envelope(&block, None), block.input.encode()] {
            assert!(matches!(at(&l1, now, &input), Err(FailureClass::WrongSchema)));
        }
        let input = derived(&|input| input.attributes.timestamp = FORK - 1);
        assert!(matches!(at(&l1, now, &input), Err(FailureClass::WrongSchema)));
    };
    early(FORK - 1);
    early(FORK);
    early(u64::MAX);
    assert_ne!(block.block.sealed().hash(), B256::ZERO);
}
