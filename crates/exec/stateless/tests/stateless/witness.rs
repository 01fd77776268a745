//! W: attacks on the witness.

use std::collections::BTreeSet;

use alloy_primitives::{Address, B256, Bytes, U256, bytes};
use ethrex_stateless::{
    AccessSet, StatelessInput, VerifyError, Witness, WitnessError, access_set,
    testing::{
        ACCOUNTS, FACTORY, TestChain, WRITER,
        attacks::{DEPLOY, DESTROY, writes},
        signed, signer,
    },
};
use ethrex_types::ChainSpec;

use crate::{CANONICAL, TOLERANT, busy, judge, judge_bytes};

fn sorted(list: &mut [Bytes]) {
    list.sort_unstable();
}

#[track_caller]
fn accepted(spec: &ChainSpec, input: &StatelessInput) {
    judge_bytes(spec, input).unwrap();
}

#[track_caller]
fn insufficient(spec: &ChainSpec, input: &StatelessInput, what: &str) {
    for options in [&CANONICAL, &TOLERANT] {
        match judge(spec, input, options) {
            Err(VerifyError::Insufficient(_)) => {}
            other => panic!("{what}: {other:?}"),
        }
    }
}

#[test]
fn the_witness_that_is_recorded_is_canonical_and_suffices() {
    let (chain, block) = busy();
    let verified = judge_bytes(chain.spec(), &block.input).unwrap();
    assert_eq!(verified.block, block.block);
    assert_eq!(verified.request_root, block.input.request.hash_tree_root());
    assert_eq!(verified.validated.state_root, block.block.sealed().header().state_root);
    assert_eq!(verified.validated.block_access_list.as_ref(), Some(&block.access_list));
    assert!(verified.validated.burned_fees > U256::ZERO);
    let without = StatelessInput { public_keys: None, ..block.input };
    judge(chain.spec(), &without, &TOLERANT).unwrap();
    assert!(matches!(judge(chain.spec(), &without, &CANONICAL), Err(VerifyError::Input(_))));
}

/// What a witness must contain is defined by the access list; what we record, by what we read. They must not part.
#[test]
fn w01_what_execution_reads_is_what_the_access_list_names() {
    let (chain, block) = busy();
    let listed = access_set(&block.access_list);
    let read = &block.accesses.accounts;
    let addresses = |set: &AccessSet| set.keys().copied().collect::<BTreeSet<_>>();
    assert_eq!(addresses(&listed), addresses(read));
    for (address, slots) in read {
        assert!(slots.is_subset(&listed[address]), "{address}");
    }
    // Slots of new contracts are listed, and are nowhere in the state before.
    let witness = Witness::decode(&block.input.witness).unwrap();
    let parent = witness.header(block.block.sealed().header().parent_hash).unwrap();
    witness.state_after(parent).require(&listed, &AccessSet::new()).unwrap();
    assert_eq!(chain.head().hash(), block.block.sealed().hash());
}

#[test]
fn w01_every_node_and_code_of_a_witness_is_needed() {
    let (chain, block) = busy();
    for index in 0..block.input.witness.state.len() {
        let mut input = block.input.clone();
        input.witness.state.remove(index);
        insufficient(chain.spec(), &input, &format!("node {index}"));
    }
    for index in 0..block.input.witness.codes.len() {
        let mut input = block.input.clone();
        input.witness.codes.remove(index);
        insufficient(chain.spec(), &input, &format!("code {index}"));
    }
    let mut input = block.input;
    input.witness.headers.remove(0);
    insufficient(chain.spec(), &input, "the ancestor that BLOCKHASH asked for");
    input.witness.headers.clear();
    assert!(matches!(
        judge(chain.spec(), &input, &CANONICAL),
        Err(VerifyError::NoParent(parent)) if parent == input.request.payload.parent_hash
    ));
}

#[test]
fn w01_a_node_that_only_the_access_list_asks_for_is_required() {
    let slots: Vec<(u64, u64)> = (1..=40).map(|slot| (slot, slot)).collect();
    let block = TestChain::new(&slots).make(&[writes(1, 0, &[(1, 5)])]);
    let witness = Witness::decode(&block.input.witness).unwrap();
    let parent = witness.header(block.block.sealed().header().parent_hash).unwrap();
    let state = witness.state_after(parent);
    let read = &block.accesses.accounts;
    // Nothing of what was read is looked at again.
    Witness::default().state_after(parent).require(read, read).unwrap();
    state.require(read, &AccessSet::new()).unwrap();
    // An account that execution never looked at, and a slot of one that it did.
    let stranger = (1..=u8::MAX)
        .map(Address::repeat_byte)
        .find(|address| state.require(&[(*address, BTreeSet::new())].into(), read).is_err());
    assert!(stranger.is_some());
    let slot = (100..u64::MAX)
        .map(|slot| B256::from(U256::from(slot)))
        .find(|slot| state.require(&[(WRITER, [*slot].into())].into(), read).is_err());
    assert!(slot.is_some());
}

#[test]
fn w02_a_changed_node_is_a_missing_one() {
    let (chain, block) = busy();
    let nodes = block.input.witness.state.len();
    for index in 0..nodes {
        // Every byte of each node would be the same hash function over and over.
        let len = block.input.witness.state[index].len();
        for at in [0, 1, len / 2, len - 1] {
            let mut input = block.input.clone();
            let mut node = input.witness.state[index].to_vec();
            node[at] ^= 1;
            input.witness.state[index] = node.into();
            sorted(&mut input.witness.state);
            assert!(
                matches!(
                    judge(chain.spec(), &input, &CANONICAL),
                    Err(VerifyError::Insufficient(_) | VerifyError::Witness(WitnessError::Node(_)))
                ),
                "node {index}, byte {at}"
            );
            assert!(matches!(
                judge(chain.spec(), &input, &TOLERANT),
                Err(VerifyError::Insufficient(_))
            ));
        }
    }
}

#[track_caller]
fn only_tolerated(spec: &ChainSpec, input: &StatelessInput, why: &WitnessError) {
    match judge(spec, input, &CANONICAL) {
        Err(VerifyError::Witness(found)) => assert_eq!(&found, why),
        other => panic!("{other:?}"),
    }
    judge(spec, input, &TOLERANT).unwrap();
}

#[test]
fn w03_one_order_and_no_repetition() {
    let (chain, block) = busy();
    let spec = chain.spec();
    let state = |index| WitnessError::Order { list: "state", index };
    let codes = |index| WitnessError::Order { list: "codes", index };

    let mut input = block.input.clone();
    let twice = input.witness.state[3].clone();
    input.witness.state.insert(3, twice);
    only_tolerated(spec, &input, &state(4));

    let mut input = block.input.clone();
    input.witness.state.reverse();
    only_tolerated(spec, &input, &state(1));

    let mut input = block.input.clone();
    input.witness.codes.swap(0, 1);
    only_tolerated(spec, &input, &codes(1));

    let mut input = block.input;
    let twice = input.witness.codes[0].clone();
    input.witness.codes.insert(0, twice);
    only_tolerated(spec, &input, &codes(1));
}

#[test]
fn w03_surplus_is_allowed_if_it_is_well_formed() {
    let (mut chain, block) = busy();
    let later = chain.make(&[writes(1, 4, &[(1, 7), (700, 7)])]);
    let spec = chain.spec();

    let mut input = block.input.clone();
    input.witness.state.extend(later.input.witness.state);
    input.witness.state.sort_unstable();
    input.witness.state.dedup();
    input.witness.codes.push(bytes!("fe01"));
    sorted(&mut input.witness.codes);
    assert!(input.witness.state.len() > block.input.witness.state.len());
    accepted(spec, &input);

    let mut input = block.input;
    input.witness.state.push(bytes!("8199"));
    sorted(&mut input.witness.state);
    let at = input.witness.state.iter().position(|node| *node == bytes!("8199")).unwrap();
    only_tolerated(spec, &input, &WitnessError::Node(at));
}

#[test]
fn w07_what_is_gone_within_its_transaction_was_never_there() {
    let mut chain = TestChain::new(&[]);
    let create = |number, nonce, init: Bytes| {
        signed(number, |tx| {
            tx.nonce = nonce;
            tx.to = alloy_primitives::TxKind::Create;
            tx.gas_limit = 2_000_000;
            tx.input = init;
        })
    };
    // Destroyed while being created; a touched absent account; a creation that stays; all to the fee recipient too.
    let touch = signed(3, |tx| {
        tx.to = Address::repeat_byte(0xfe).into();
        tx.max_priority_fee_per_gas = 0;
    });
    let block =
        chain.make(&[create(1, 0, DESTROY), create(1, 1, DEPLOY), create(2, 0, DEPLOY), touch]);
    accepted(chain.spec(), &block.input);
    for account in 1..=ACCOUNTS {
        let sender = signer(account).address();
        assert_eq!(block.accesses.accounts.contains_key(&sender), account <= 3);
    }
}

#[test]
fn w07_destroying_what_was_there_moves_ether_alone() {
    // Runtime code that sends everything to its caller and would destroy itself, deployed a block before (EIP-6780).
    let deploy: Bytes = bytes!("6133ff5f526002601ef3");
    let call = |number, nonce, to: Address, input: Bytes, value: u64| {
        signed(number, |tx| {
            tx.nonce = nonce;
            tx.to = to.into();
            tx.value = U256::from(value);
            tx.gas_limit = 2_000_000;
            tx.input = input;
        })
    };
    let mut chain = TestChain::new(&[]);
    chain.make(&[call(1, 0, FACTORY, deploy, 0)]);
    let contract = FACTORY.create(1);
    let block =
        chain.make(&[call(2, 0, contract, Bytes::new(), 7), call(3, 0, contract, Bytes::new(), 0)]);
    accepted(chain.spec(), &block.input);
    assert!(block.diff.accounts.get(&contract).is_none_or(|diff| diff.info.is_some()));
    assert!(block.input.witness.codes.contains(&bytes!("33ff")));
    // It is still there.
    let again = chain.make(&[call(4, 0, contract, Bytes::new(), 0)]);
    accepted(chain.spec(), &again.input);
}
