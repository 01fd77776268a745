//! Inputs made to be expensive: how much work there is, and that it is paid for.

use std::thread;

use alloy_primitives::{Address, Bytes, TxKind, U256, keccak256};
use ethrex_execute::{
    Anchored, Attributes, BlockBody, DeriveInput, Derived, ExecuteResult, Flags, Frame, Header,
    Mode, ParentState, derive,
    gas::MAX_INPUT_LEN,
    testing::{
        attributes, block_attributes, block_envelope, config, raw, rollup_rules, signed_for,
    },
};
use ethrex_stateless::{
    ExecutionWitness, StatelessInput, Witness, record,
    testing::{CHAIN_ID, TestBlock, TestChain, signer},
};
use ethrex_stf::{BlockBuilder, BuildContext};
use ethrex_test_native::{
    Dice, RandomChain,
    blocks::{contract, transaction},
    damage::rehash,
    tries::{Counting, DeepState, account, nested},
};
use ethrex_trie::is_canonical_node;
use ethrex_types::{SealedHeader, Tx, system};

use super::*;

/// Nodes on a path, with the leaf.
const DEPTH: usize = 65;
/// How often a block may look at a node on its way: to read it, to update it, and to record the update.
const LOOKS: usize = 6;

/// A chain whose state is as deep as any can be, with so many accounts to look at.
struct Deep {
    chain: TestChain,
    parent: SealedHeader,
    witness: ExecutionWitness,
}

fn looked_at(nr: u64) -> Address {
    Address::from_word(keccak256(nr.to_be_bytes()))
}

fn deep(accounts: u64) -> Deep {
    let chain = TestChain::new(&[]);
    let rich = account(0, U256::from(1_u128 << 80), &[]);
    let mut all = vec![(signer(1).address(), rich), (attributes(&chain).fee_recipient, rich)];
    all.extend(system::CONTRACTS.iter().map(|one| (one.address, account(1, U256::ZERO, one.code))));
    all.extend((0..accounts).map(|nr| (looked_at(nr), rich)));
    let state = DeepState::new(&all);
    assert!(state.nodes.iter().all(|node| is_canonical_node(node)));
    let mut header = chain.head().inner().clone();
    header.state_root = state.root;
    let mut codes: Vec<Bytes> = system::CONTRACTS.iter().map(|one| one.code.clone()).collect();
    codes.sort();
    codes.dedup();
    let headers = vec![alloy_rlp::encode(&header).into()];
    let witness = ExecutionWitness { state: state.nodes, codes, keys: vec![], headers };
    Deep { chain, parent: SealedHeader::new(header), witness }
}

/// Looks at the balances of these accounts: for each PUSH20, BALANCE, POP.
fn look(nonce: u64, accounts: impl Iterator<Item = u64>) -> Tx {
    let mut code = Vec::new();
    for nr in accounts {
        code.push(0x73);
        code.extend(looked_at(nr));
        code.extend([0x31, 0x50]);
    }
    code.push(0x00);
    signed_for(CHAIN_ID, 1, |tx| {
        tx.nonce = nonce;
        tx.gas_limit = 5_000_000;
        tx.to = TxKind::Create;
        tx.input = code.into();
    })
}

/// Derives on a deep state, and by EXECUTE, which agrees. Also how many nodes were asked for.
fn derive_deep(deep: &Deep, asked: &Attributes, posted: &[Bytes]) -> (Derived, Vec<u8>, usize) {
    let rules = Anchored::new(deep.chain.spec(), Some(config()));
    let frame = Frame {
        spec: deep.chain.spec(),
        rules: &rules,
        caps: config().caps,
        parent: &deep.parent,
        attributes: asked,
    };
    let witness = Witness::decode(&deep.witness).unwrap();
    let nodes = Counting::new(witness.nodes());
    let reader = witness.state_after(&deep.parent);
    let state = ParentState { reader: &reader, nodes: &nodes };
    let derived = derive(&frame, state, &[], posted, None).unwrap();
    let (block, _) = derived.seal(&nodes, &deep.parent).unwrap();
    let asked = nodes.asked();
    let headers = [deep.parent.inner().clone()];
    let input = derived.input(&frame, &[], witness.nodes(), &headers).unwrap();
    let header =
        Header { mode: Mode::Derive, level: 1, flags: Flags::NONE, gas_bound: derived.gas_bound };
    let envelope = header.wrap(&input.encode());
    let output = call(PLENTY, &envelope).result.unwrap();
    assert_eq!(ExecuteResult::decode(&output).unwrap().block_hash, block.hash());
    (derived, envelope, asked)
}

#[test]
fn g04_c13_the_deepest_state_there_can_be_fits_in_a_call() {
    let deep = deep(64);
    let asked = attributes(&deep.chain);
    let caps = config().caps;
    // One account more each time, until the caps say no.
    let mut stopped = 0;
    for count in [0, 1, 2, 4, 8, 64] {
        let posted = [raw(&look(0, 0..count)), raw(&look(1, 0..1))];
        let (derived, envelope, nodes) = derive_deep(&deep, &asked, &posted);
        assert!(derived.usage.witness_bytes() <= caps.witness_bytes);
        // Beside what is counted: the paths of system contracts, the path at which it stopped, codes of system contracts, headers.
        let paths = (system::CONTRACTS.len() + 2) * DEPTH * 84;
        let beside = paths + posted.iter().map(|raw| raw.len()).sum::<usize>() + 8_192;
        assert!(envelope.len() <= caps.witness_bytes + beside, "{} bytes", envelope.len());
        let items = derived.usage.items + system::CONTRACTS.len() + 1;
        assert!(nodes <= LOOKS * DEPTH * items, "{nodes} nodes for {items} items");
        stopped += usize::from(derived.dropped_count > 0);
    }
    assert!((1..5).contains(&stopped), "{stopped}");
}

#[test]
fn g04_a_block_on_the_deepest_state_pays_for_every_node() {
    let deep = deep(150);
    let asked = block_attributes(&attributes(&deep.chain));
    let rules = rollup_rules(deep.chain.spec());
    let witness = Witness::decode(&deep.witness).unwrap();
    let reader = witness.state_after(&deep.parent);
    let context = BuildContext::new(deep.chain.spec(), &deep.parent, &asked);
    let mut builder = BlockBuilder::open(&context, &rules, &reader).unwrap();
    for (nonce, from) in (0..150).step_by(50).enumerate() {
        builder.push(look(nonce as u64, from..from + 50), signer(1).address()).unwrap();
    }
    let built = builder.finish().unwrap();
    let nodes = Counting::new(witness.nodes());
    let headers = [deep.parent.inner().clone()];
    let (canonical, update) =
        record(&nodes, deep.parent.state_root, &built.accesses, &built.diff, &headers).unwrap();
    let count = canonical.state.len();
    assert!(count > 150 * (DEPTH - 5), "{count} nodes");
    assert!(nodes.asked() <= LOOKS * count, "{} looks at {count} nodes", nodes.asked());
    let block = built.seal(update.root);
    let list = built.block_access_list.clone().unwrap();
    let input = StatelessInput::of(&block, &built.requests, &list, canonical, CHAIN_ID).unwrap();
    let gas_bound = 3 * 5_000_000;
    let header = Header { mode: Mode::Block, level: 1, flags: Flags::NONE, gas_bound };
    let envelope = header.wrap(&BlockBody { input, inclusion_list: None }.encode());
    assert!(envelope.len() < MAX_INPUT_LEN);
    let outcome = call(PLENTY, &envelope);
    let result = ExecuteResult::decode(&outcome.result.unwrap()).unwrap();
    assert_eq!(result.block_hash, block.hash());
    // Hashing the nodes would cost a contract this much.
    let hashing: usize =
        deep.witness.state.iter().map(|node| 30 + 6 * node.len().div_ceil(32)).sum();
    assert!(outcome.gas_charged - gas_bound > 10 * hashing as u64);
}

/// A block with other content, and nothing but its hash adapted.
fn other(block: &TestBlock, change: impl FnOnce(&mut StatelessInput)) -> [Vec<u8>; 2] {
    let mut block = block.clone();
    change(&mut block.input);
    rehash(&mut block.input);
    [block_envelope(&block, None), block.input.encode()]
}

#[test]
fn g04_lists_in_lists_take_no_stack() {
    /// Enough for a call that ends early, in a build without optimisation.
    const STACK: usize = 1 << 20;
    let block = RandomChain::new(4).make().block;
    let (small, large) = (nested(400), nested(200_000));
    assert!(small.len() <= 1_024 && small.len() > 900, "{}", small.len());
    assert!(large.len() < MAX_INPUT_LEN - 100_000, "{}", large.len());
    let raw = |prefix: &[u8]| Bytes::from([prefix, &large].concat());
    let cases = vec![
        (
            "node",
            "witness_non_canonical",
            other(&block, |input| {
                input.witness.state.push(small.clone().into());
                input.witness.state.sort();
            }),
        ),
        (
            "header",
            "witness_non_canonical",
            other(&block, |input| {
                input.witness.headers.insert(0, small.clone().into());
            }),
        ),
        (
            "access list of the block",
            "block_invalid",
            other(&block, |input| {
                input.request.payload.block_access_list = raw(&[]);
            }),
        ),
        (
            "legacy transaction",
            "payload_invalid",
            other(&block, |input| {
                input.request.payload.transactions = vec![raw(&[])];
                input.public_keys = Some(vec![Default::default()]);
            }),
        ),
        (
            "typed transaction",
            "payload_invalid",
            other(&block, |input| {
                input.request.payload.transactions = vec![raw(&[0x02])];
                input.public_keys = Some(vec![Default::default()]);
            }),
        ),
        (
            "delegating transaction",
            "payload_invalid",
            other(&block, |input| {
                input.request.payload.transactions = vec![raw(&[0x04])];
                input.public_keys = Some(vec![Default::default()]);
            }),
        ),
    ];
    let run = move || {
        for (what, class, inputs) in cases {
            for (input, form) in inputs.iter().zip(["envelope", "plain"]) {
                let end = call(PLENTY, input).result;
                // To PLAIN a node that nobody needs is nothing.
                if (what, form) == ("node", "plain") {
                    continue;
                }
                assert_eq!(end.unwrap_err().name(), class, "{what}, {form}");
            }
        }
    };
    thread::Builder::new().stack_size(STACK).spawn(run).unwrap().join().unwrap();
    // What is valid beside it stays valid.
    let [_, plain] = other(&block, |input| input.witness.state.push(small.into()));
    assert!(call(PLENTY, &plain).result.is_ok());
}

#[test]
fn g04_the_smallest_nodes_are_paid_for() {
    // Branches at the end of a path, with two leaves of one byte in them: nothing smaller is a node.
    let leaf = |value: u8| [0xc2, 0x20, value];
    let small = |nr: usize| {
        let (one, two, values) = (nr % 16, nr / 16 % 16, nr / 256);
        let mut items = vec![vec![0x80]; 17];
        items[one] = leaf((values % 127) as u8 + 1).to_vec();
        items[two] = leaf((values / 127) as u8 + 1).to_vec();
        let payload = items.concat();
        Bytes::from([&[0xc0 + payload.len() as u8], &payload[..]].concat())
    };
    let block = RandomChain::new(5).make().block;
    let mut filled = block.clone();
    let state = &mut filled.input.witness.state;
    state.extend((0..60_000).map(small).filter(|node| is_canonical_node(node)));
    state.sort();
    state.dedup();
    let room = MAX_INPUT_LEN - 200_000;
    let needed: Vec<Bytes> = block.input.witness.state.clone();
    let mut len = 0;
    state.retain(|node| {
        len += node.len() + 4;
        len < room || needed.contains(node)
    });
    let count = filled.input.witness.state.len();
    assert!(count > 30_000, "{count}");
    let input = block_envelope(&filled, None);
    let outcome = call(PLENTY, &input);
    assert_eq!(
        outcome.result.unwrap(),
        call(PLENTY, &block_envelope(&block, None)).result.unwrap()
    );
    let alone = call(PLENTY, &block_envelope(&block, None)).gas_charged;
    // More than four times what a contract pays for as many hashes.
    assert!(outcome.gas_charged - alone > 4 * 36 * (count - needed.len()) as u64);
}

#[test]
fn g04_c13_all_ancestors_are_in_reach_of_a_block_and_not_of_a_derived_one() {
    const ANCESTORS: u64 = 256;
    let mut chain = TestChain::new(&[]);
    let rules = rollup_rules(chain.spec());
    let build = |chain: &mut TestChain, transactions: &[Tx]| {
        let asked = block_attributes(&attributes(chain));
        chain.make_with(&rules, &asked, transactions).unwrap()
    };
    for _ in 0..ANCESTORS {
        build(&mut chain, &[]);
    }
    // Looks at all ancestors: the hash of number - counter, for a counter from 256 down to 1.
    let code = [
        0x61, 0x01, 0x00, // 256
        0x5b, // loop
        0x80, 0x43, 0x03, 0x40, 0x50, // blockhash(number - counter)
        0x60, 0x01, 0x90, 0x03, // counter - 1
        0x80, 0x60, 0x03, 0x57, // while not 0
        0x00,
    ];
    let reading = signed_for(CHAIN_ID, 1, |tx| {
        tx.to = TxKind::Create;
        tx.input = Bytes::copy_from_slice(&code);
    });
    let before = chain.clone();
    let asked = attributes(&before);
    let block = build(&mut chain, std::slice::from_ref(&reading));
    assert_eq!(block.input.witness.headers.len() as u64, ANCESTORS);
    let output = call(PLENTY, &block_envelope(&block, None)).result.unwrap();
    assert_eq!(ExecuteResult::decode(&output).unwrap().block_hash, block.block.sealed().hash());
    let (derived, envelope) =
        ethrex_execute::testing::derive_on(&before, &config(), &asked, &[], &[raw(&reading)])
            .unwrap();
    assert_eq!((derived.included_count, derived.dropped_count), (0, 1));
    assert_eq!(derived.usage.headers, 0, "what would have passed the cap was not counted");
    assert!(call(PLENTY, &envelope).result.is_ok());
}

/// Whoever calls makes up the parent and its state, whose numbers nobody has checked.
#[test]
fn g04_numbers_that_no_chain_has_end_in_an_answer() {
    let seeds = count() as u64 / 30;
    let (mut answered, mut refused) = (0, 0);
    for seed in seed()..seed() + seeds {
        let dice = &mut Dice::new(seed);
        let mut genesis = RandomChain::new(seed).chain().spec().genesis().clone();
        for account in genesis.alloc.values_mut() {
            if dice.once_in(2) {
                continue;
            }
            account.balance = dice.of(&[U256::MAX, U256::MAX - U256::ONE, U256::MAX >> 1]);
            account.nonce = Some(dice.of(&[0, 1, u64::MAX - 1, u64::MAX]));
        }
        let chain = TestChain::with_genesis(genesis);
        let mut parent = chain.head().inner().clone();
        let most = u64::MAX / 2;
        for number in [&mut parent.number, &mut parent.timestamp, &mut parent.gas_limit] {
            if dice.once_in(4) {
                *number = dice.of(&[most, most - 1, most / 2, 1 << 40]);
            }
        }
        if dice.once_in(4) {
            parent.base_fee_per_gas = Some(dice.of(&[0, 1, 7, 1 << 40, most]));
            parent.gas_used = dice.of(&[0, 1, parent.gas_limit / 2, parent.gas_limit]);
        }
        let mut asked = attributes(&chain);
        asked.timestamp = dice.of(&[parent.timestamp + 1, parent.timestamp + 12, u64::MAX]);
        asked.gas_limit = parent.gas_limit;
        asked.slot_number = dice.of(&[0, 1, u64::MAX]);
        asked.fee_recipient = dice.of(&[
            asked.fee_recipient,
            signer(1).address(),
            contract(0),
            system::CONTRACTS[0].address,
        ]);
        let posted: Vec<Bytes> = (0..1 + dice.roll(8))
            .map(|_| {
                let number = 1 + dice.roll(4) as u8;
                let nonce = dice.of(&[0, 0, 1, u64::MAX - 1, u64::MAX]);
                match dice.once_in(3) {
                    true => raw(&transaction(dice, number, nonce)),
                    false => raw(&signed_for(CHAIN_ID, number, |tx| {
                        tx.nonce = nonce;
                        tx.to = contract(dice.roll(8)).into();
                        tx.value = dice.of(&[U256::ZERO, U256::ONE, U256::MAX >> 1]);
                        tx.gas_limit = dice.of(&[500_000, 16_777_216, u64::MAX]);
                        tx.max_fee_per_gas = dice.of(&[1 << 40, u128::MAX, u128::from(most)]);
                        tx.max_priority_fee_per_gas = dice.of(&[0, 1, tx.max_fee_per_gas]);
                    })),
                }
            })
            .collect();
        let mut witness = chain.whole();
        witness.headers.clear();
        for list in [&mut witness.state, &mut witness.codes] {
            list.sort();
            list.dedup();
        }
        witness.codes.retain(|code| !code.is_empty());
        let input = DeriveInput {
            schema_id: 0x1501,
            chain_id: CHAIN_ID,
            parent_header: alloy_rlp::encode(&parent).into(),
            ancestors: vec![],
            attributes: asked,
            forced: posted[..posted.len() / 2].to_vec(),
            posted,
            witness,
        };
        let header = Header {
            mode: Mode::Derive,
            level: 1,
            flags: Flags::BURNED_FEES,
            gas_bound: 150_000_000,
        };
        match call(PLENTY, &header.wrap(&input.encode())).result {
            Ok(output) => {
                let result = ExecuteResult::decode(&output).unwrap();
                assert_eq!(result.posted_count, input.posted.len() as u64);
                answered += 1;
            }
            Err(class) => {
                assert!(
                    ["unbuildable", "gas_bound", "witness_insufficient"].contains(&class.name()),
                    "{seed}: {class}"
                );
                refused += 1;
            }
        }
    }
    assert!(answered > seeds / 2 && refused > 0, "{answered} {refused}");
}
