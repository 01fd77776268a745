//! W: attacks on the witness.

use std::collections::BTreeSet;

use alloy_primitives::{Address, B256, Bytes, U256, bytes, keccak256};
use ethrex_stateless::{
    AccessSet, InvalidPayload, StatelessInput, VerifyError, Witness, WitnessError, access_set,
    ssz::{MAX_HEADERS, SszError},
    testing::{
        ACCOUNTS, FACTORY, OTHER_WRITER, READER, REVERTER, TestBlock, TestChain, WRITER, signed,
        signer, words,
    },
};
use ethrex_stf::InvalidBlock;
use ethrex_types::{ChainSpec, Tx};

use crate::{CANONICAL, TOLERANT, busy, judge, judge_bytes, soundness::reseal, writes};

/// Returns five bytes of code from init code.
const DEPLOY: Bytes = bytes!("60055ff3");
/// Sends everything to its caller while it is being created.
const DESTROY: Bytes = bytes!("33ff");

/// Transfers, deletions, reads of what is absent, creations, a revert. The first account has the given nonce.
pub(crate) fn a_little_of_everything(nonce: u64) -> Vec<Tx> {
    let to = |number, address: Address, input: Bytes, value: u64| {
        signed(number, |tx| {
            tx.to = address.into();
            tx.value = U256::from(value);
            tx.gas_limit = 3_000_000;
            tx.input = input;
        })
    };
    let look = |address: Address, slot: u64, height: u64| {
        words(&[address.into_word().into(), U256::from(slot), U256::from(height)])
    };
    vec![
        writes(1, nonce, &[(1, 0), (2, 0), (3, 5), (50, 1), (60, 0)]),
        to(2, Address::repeat_byte(0x77), Bytes::new(), 5),
        to(3, READER, look(OTHER_WRITER, 3, 1), 0),
        to(4, FACTORY, DEPLOY, 0),
        to(5, REVERTER, Bytes::new(), 0),
        to(6, FACTORY, DESTROY, 0),
    ]
}

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
fn w05_storage_of_one_account_is_none_of_another() {
    let mut chain = TestChain::new(&[(1, 1), (2, 2)]);
    let block = chain.make(&[signed(1, |tx| {
        tx.to = OTHER_WRITER.into();
        tx.input = words(&[U256::ONE, U256::from(9)]);
    })]);
    // The storage of the writer is in no path to the storage of the other.
    let foreign = chain.make(&[writes(2, 0, &[(1, 9)])]);
    let mut input = block.input;
    let own = input.witness.state.clone();
    input.witness.state = foreign.input.witness.state;
    insufficient(chain.spec(), &input, "nodes of another block");
    input.witness.state.extend(own);
    input.witness.state.sort_unstable();
    input.witness.state.dedup();
    accepted(chain.spec(), &input);
}

#[test]
fn w07_deletions_collapse_and_their_survivors_are_witnessed() {
    // Each list of writes, on a storage of its own: the whole, one, an insertion beside a deletion, back and forth.
    let before: Vec<(u64, u64)> = (1..=9).map(|slot| (slot, slot)).collect();
    let all: Vec<(u64, u64)> = (1..=9).map(|slot| (slot, 0)).collect();
    let cases: [&[(u64, u64)]; 6] = [
        &all,
        &all[..8],
        &all[..1],
        &[(1, 0), (2, 0), (100, 1), (101, 1)],
        &[(1, 0), (1, 5), (2, 0), (2, 2)],
        &[(100, 1), (100, 0), (3, 0), (4, 0), (5, 0)],
    ];
    for writes_of_case in cases {
        let mut chain = TestChain::new(&before);
        let block = chain.make(&[writes(1, 0, writes_of_case)]);
        accepted(chain.spec(), &block.input);
        for index in 0..block.input.witness.state.len() {
            let mut input = block.input.clone();
            input.witness.state.remove(index);
            insufficient(chain.spec(), &input, &format!("{writes_of_case:?}, node {index}"));
        }
    }
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

/// The block of `busy` under another access list, everything that hashes it adjusted.
fn with_access_list(block: &TestBlock, list: Vec<u8>) -> StatelessInput {
    let mut input = block.input.clone();
    input.request.payload.block_access_list = list.into();
    assert!(matches!(
        judge(busy().0.spec(), &input, &CANONICAL),
        Err(VerifyError::Payload(InvalidPayload::BlockHash { .. }))
    ));
    reseal(&mut input);
    input
}

#[test]
fn w08_the_access_list_is_what_the_block_touches() {
    let (chain, block) = busy();
    let list = &block.access_list;
    let mut missing = list.clone();
    missing.pop();
    let mut extra = list.clone();
    extra.push(ethrex_types::eip7928::AccountChanges {
        address: Address::repeat_byte(0xff),
        ..Default::default()
    });
    let mut reordered = list.clone();
    reordered.swap(0, 1);
    let read = list.iter().position(|account| !account.storage_reads.is_empty()).unwrap();
    let mut unread = list.clone();
    unread[read].storage_reads.pop();
    let mut promoted = list.clone();
    let slot = promoted[read].storage_reads.pop().unwrap();
    promoted[read].storage_changes.push(ethrex_types::eip7928::SlotChanges::new(slot, vec![]));
    for list in [missing, extra, reordered, unread, promoted] {
        let input = with_access_list(&block, alloy_rlp::encode(&list));
        assert!(matches!(
            judge(chain.spec(), &input, &CANONICAL),
            Err(VerifyError::Invalid(InvalidBlock::BlockAccessList { .. }))
        ));
    }
    // Bytes that encode the same list another way, and bytes that encode none.
    let canonical = alloy_rlp::encode(list);
    for bytes in [[&canonical[..], &[0]].concat(), vec![], vec![0xc0], vec![0x80]] {
        let input = with_access_list(&block, bytes);
        assert!(matches!(
            judge(chain.spec(), &input, &CANONICAL),
            Err(VerifyError::Invalid(InvalidBlock::BlockAccessList { .. }))
        ));
    }
}

#[test]
fn w09_nodes_codes_and_headers_keep_to_their_lists() {
    let (chain, block) = busy();
    // A code among the nodes, and not where codes are.
    let mut input = block.input.clone();
    let code = input.witness.codes.remove(0);
    input.witness.state.push(code);
    sorted(&mut input.witness.state);
    assert!(matches!(judge(chain.spec(), &input, &CANONICAL), Err(VerifyError::Witness(_))));
    assert!(matches!(judge(chain.spec(), &input, &TOLERANT), Err(VerifyError::Insufficient(_))));
    // A node among the codes, and not where nodes are.
    let mut input = block.input.clone();
    let node = input.witness.state.remove(0);
    input.witness.codes.push(node.clone());
    sorted(&mut input.witness.codes);
    insufficient(chain.spec(), &input, "a node among the codes");
    // In both, it is a node and a code that nobody asks for.
    input.witness.state.insert(0, node);
    accepted(chain.spec(), &input);
    // A header among the nodes is no node.
    let mut input = block.input;
    input.witness.state.push(input.witness.headers[0].clone());
    sorted(&mut input.witness.state);
    assert!(matches!(judge(chain.spec(), &input, &CANONICAL), Err(VerifyError::Witness(_))));
    judge(chain.spec(), &input, &TOLERANT).unwrap();
}

#[test]
fn s13_code_is_what_hashes_to_it() {
    let (chain, block) = busy();
    for index in 0..block.input.witness.codes.len() {
        let mut input = block.input.clone();
        let mut code = input.witness.codes[index].to_vec();
        *code.last_mut().unwrap() ^= 1;
        input.witness.codes[index] = code.into();
        sorted(&mut input.witness.codes);
        insufficient(chain.spec(), &input, "wrong code of the same length");
    }
    // What the block itself deploys is not asked for.
    let deployed = keccak256([0; 5]);
    assert!(block.diff.codes.contains_key(&deployed));
    assert!(block.input.witness.codes.iter().all(|code| keccak256(code) != deployed));
    // It may be there all the same.
    let mut input = block.input;
    input.witness.codes.push(vec![0; 5].into());
    sorted(&mut input.witness.codes);
    accepted(chain.spec(), &input);
}

#[test]
fn s06_headers_lead_to_the_parent() {
    let (mut chain, _) = busy();
    let block = chain.make(&[signed(2, |tx| {
        tx.nonce = 1;
        tx.to = READER.into();
        tx.input = words(&[U256::ZERO, U256::ZERO, U256::from(2)]);
    })]);
    let spec = chain.spec();
    let headers = &block.input.witness.headers;
    assert_eq!(headers.len(), 3);
    let with = |headers: Vec<Bytes>| {
        let mut input = block.input.clone();
        input.witness.headers = headers;
        input
    };
    let refused = |headers: Vec<Bytes>| match judge(spec, &with(headers), &TOLERANT) {
        Err(VerifyError::Witness(why)) => why,
        other => panic!("{other:?}"),
    };
    let [a, b, c] = [headers[0].clone(), headers[1].clone(), headers[2].clone()];
    assert_eq!(refused(vec![a.clone(), c.clone()]), WitnessError::HeaderLink(1));
    assert_eq!(refused(vec![b.clone(), a.clone(), c.clone()]), WitnessError::HeaderLink(1));
    assert!(matches!(refused(vec![a.clone(), b.clone()]), WitnessError::Parent { .. }));
    assert!(matches!(refused(vec![a.clone(), c.clone(), b.clone()]), WitnessError::HeaderLink(1)));
    let mut broken = b.to_vec();
    broken[0] ^= 1;
    let middle = refused(vec![a.clone(), broken.into(), c.clone()]);
    assert!(matches!(middle, WitnessError::Header { index: 1, .. }));
    insufficient(spec, &with(vec![b.clone(), c.clone()]), "the ancestor asked for is missing");
    let encoded = Bytes::from(with(vec![b.clone(); MAX_HEADERS + 1]).encode());
    assert!(matches!(StatelessInput::decode(&encoded), Err(SszError::Items { .. })));
    judge_bytes(spec, &with(vec![a, b, c])).unwrap();
}

#[test]
fn s06_an_older_ancestor_than_needed_is_allowed() {
    let mut chain = TestChain::new(&[]);
    let first = alloy_rlp::encode(chain.head().inner());
    chain.make(&[]);
    let block = chain.make(&[]);
    assert_eq!(block.input.witness.headers.len(), 1);
    let mut input = block.input;
    input.witness.headers.insert(0, first.into());
    judge_bytes(chain.spec(), &input).unwrap();
}

#[test]
fn s05_the_parent_is_the_header_that_hashes_to_it() {
    let (chain, block) = busy();
    let parent = block.input.witness.headers.last().unwrap().clone();
    let mut header: ethrex_types::Header = alloy_rlp::decode_exact(&parent).unwrap();
    header.state_root = chain.head().state_root;
    let mut extra = alloy_rlp::encode(&header);
    let with = |last: Vec<u8>| {
        let mut input = block.input.clone();
        *input.witness.headers.last_mut().unwrap() = last.into();
        judge(chain.spec(), &input, &TOLERANT)
    };
    assert!(matches!(with(extra.clone()), Err(VerifyError::Witness(WitnessError::Parent { .. }))));
    // One item more, one less.
    extra.extend([0x80]);
    assert!(matches!(with(extra), Err(VerifyError::Witness(WitnessError::Header { .. }))));
    header.slot_number = None;
    let before_the_fork = with(alloy_rlp::encode(&header));
    assert!(matches!(before_the_fork, Err(VerifyError::Witness(WitnessError::Parent { .. }))));
}
