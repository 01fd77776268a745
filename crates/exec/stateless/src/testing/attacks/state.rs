//! The tries of a witness.

use alloy_eips::eip4788;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, bytes, keccak256};
use ethrex_trie::{
    LinkedNodes, Nibbles, prove, read_account,
    testing::{hostile_accounts, hostile_tries, leaf_of},
};
use ethrex_types::TrieAccount;

use super::{
    Answer::{Insufficient, Valid, Witness},
    Attack, DEPLOY, DESTROY, on_parent, parent, reads, sort, with, writes, writes_to,
};
use crate::{
    StatelessInput,
    testing::{BLOCK_TIME, FACTORY, OTHER_WRITER, TestBlock, TestChain, WRITER, signed},
};

/// States that no updates make, under a parent that names them.
///
/// # Panics
/// Never: the shapes are known.
#[must_use]
pub fn w04() -> Vec<Attack> {
    let honest = TestChain::new(&[]).make(&[]).input;
    // What every block reads first.
    let key = keccak256(eip4788::BEACON_ROOTS_ADDRESS);
    let on = |name, nodes: Vec<Bytes>| {
        let mut parent = parent(&honest);
        parent.state_root = keccak256(&nodes[0]);
        let mut input = on_parent(&honest, &parent);
        input.witness.state = nodes;
        sort(&mut input.witness);
        // Most of them show in one node; the others to whoever walks.
        let linked: LinkedNodes = input.witness.state.iter().cloned().collect();
        let alone = linked.first_not_canonical().is_some();
        let canonical = if alone { Witness } else { Insufficient };
        Attack::new(name, &honest, input, canonical).tolerant(Insufficient).derived(canonical)
    };
    let tries = hostile_tries(key).into_iter().map(|trie| on(trie.name, trie.nodes));
    let accounts = hostile_accounts();
    let accounts = accounts.into_iter().map(|(name, value)| on(name, vec![leaf_of(key, &value)]));
    let tries = tries.chain(accounts);
    tries.chain([on("an account of zero slots", stored_zero(key))]).collect()
}

/// The account of the beacon roots, alone in its state, with a storage that has a zero where the first block looks.
fn stored_zero(key: B256) -> Vec<Bytes> {
    let slot = B256::from(U256::from(BLOCK_TIME));
    let storage = leaf_of(keccak256(slot), &alloy_rlp::encode(U256::ZERO));
    let account = TrieAccount {
        nonce: 1,
        storage_root: keccak256(&storage),
        code_hash: keccak256(&eip4788::BEACON_ROOTS_CODE),
        ..TrieAccount::default()
    };
    vec![leaf_of(key, &alloy_rlp::encode(account)), storage]
}

/// Nodes where they do not belong, and where they belong twice.
#[must_use]
pub fn w05() -> Vec<Attack> {
    let mut chain = TestChain::new(&[(1, 1), (2, 2)]);
    let own = chain.make(&[writes_to(OTHER_WRITER, 1, 0, &[(1, 9)])]);
    // The storage of the writer is in no path to the storage of the other.
    let foreign = chain.make(&[writes(2, 0, &[(1, 9)])]);
    let honest = &own.input;
    let foreign_only =
        with(honest, |input| input.witness.state = foreign.input.witness.state.clone());
    let both = with(honest, |input| {
        input.witness.state.extend(foreign.input.witness.state.iter().cloned());
        sort(&mut input.witness);
    });
    // Nodes that were right before the block, which is two blocks later.
    let later = chain.make(&[writes(3, 0, &[(1, 7)])]);
    let old = with(&later.input, |input| input.witness.state = own.input.witness.state.clone());
    let mut attacks = vec![
        Attack::new("nodes of another account", honest, foreign_only, Insufficient),
        Attack::new("nodes of both", honest, both, Valid),
        Attack::new("nodes of an old root", &later.input, old, Insufficient),
    ];
    // Two accounts with the same storage share its nodes, which are in the witness once.
    let mut genesis = TestChain::new(&[(1, 1), (2, 2), (3, 3)]).spec().genesis().clone();
    let storage = genesis.alloc[&WRITER].storage.clone();
    genesis.alloc.get_mut(&OTHER_WRITER).expect("it is there").storage = storage;
    let mut chain = TestChain::with_genesis(genesis);
    let shared = chain.make(&[writes(1, 0, &[(1, 5)]), writes_to(OTHER_WRITER, 2, 0, &[(2, 6)])]);
    attacks.push(Attack::none("a storage of two accounts", shared.input.clone()));
    attacks.extend(less_nodes("a storage of two accounts", &shared));
    attacks
}

/// What shows that something is absent: nothing, a leaf or an extension that leads elsewhere, an empty place in a branch.
#[must_use]
pub fn w06() -> Vec<Attack> {
    let [a, b, c] = [under(&[3, 3], 2), under(&[3, 4], 1), under(&[7], 2)];
    let cases: [(&str, Vec<u64>, u64); 5] = [
        ("an empty storage", vec![], a[0]),
        ("a leaf that leads elsewhere", vec![a[0]], c[0]),
        ("an extension that leads elsewhere", vec![a[0], b[0]], c[0]),
        ("an empty place in a branch", vec![a[0], c[0]], under(&[9], 1)[0]),
        ("a leaf below a branch that leads elsewhere", vec![a[0], c[0]], c[1]),
    ];
    let mut attacks = Vec::new();
    for (name, stored, absent) in cases {
        let slots: Vec<_> = stored.iter().map(|slot| (*slot, u64::MAX)).collect();
        let mut chain = TestChain::new(&slots);
        let nodes = chain.everything();
        let account = read_account(nodes.nodes(), chain.head().state_root, WRITER);
        let root = account.expect("the whole state is at hand").expect("it is there").storage_root;
        let key = keccak256(B256::from(U256::from(absent)));
        let proof = prove(nodes.nodes(), Some(keccak256(WRITER)), root, key);
        let proof = proof.expect("the whole state is at hand");
        // Writing nothing where nothing is reads it and changes nothing.
        let block =
            chain.make(&[writes(1, 0, &[(absent, 0)]), reads(2, 0, absent_account(), 1, 0)]);
        attacks.push(Attack::none(name, block.input.clone()));
        for (depth, node) in proof.iter().enumerate() {
            let input =
                with(&block.input, |input| input.witness.state.retain(|other| other != node));
            assert!(input.witness.state.len() < block.input.witness.state.len(), "{name}");
            let name = format!("{name}, without node {depth} of the proof");
            attacks.push(Attack::new(name, &block.input, input, Insufficient));
        }
    }
    attacks
}

const fn absent_account() -> Address {
    Address::repeat_byte(0x42)
}

/// Slots whose keys begin with these nibbles.
fn under(prefix: &[u8], count: usize) -> Vec<u64> {
    let prefix = Nibbles::from_nibbles(prefix);
    let key = |slot: u64| Nibbles::unpack(keccak256(B256::from(U256::from(slot))));
    (0..).filter(|slot| key(*slot).starts_with(&prefix)).take(count).collect()
}

/// Deletions that collapse a trie, each node of the witness taken away; and what comes and goes within a block.
#[must_use]
pub fn w07() -> Vec<Attack> {
    // Each list of writes on a storage of its own: the whole, all but one, one, an insertion beside a deletion, back and forth.
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
    let mut attacks = Vec::new();
    for case in cases {
        let block = TestChain::new(&before).make(&[writes(1, 0, case)]);
        let name = format!("writes {case:?}");
        attacks.push(Attack::none(name.clone(), block.input.clone()));
        attacks.extend(less_nodes(&name, &block));
    }
    for (name, block) in
        [("gone within its transaction", short_lived()), ("destroyed", destroyed())]
    {
        attacks.push(Attack::none(name, block.input.clone()));
        attacks.extend(less_nodes(name, &block));
    }
    attacks
}

/// Destroyed while being created; a creation that stays; a touched absent account: the fee recipient, too.
fn short_lived() -> TestBlock {
    let create = |number, nonce, init: Bytes| {
        signed(number, |tx| {
            tx.nonce = nonce;
            tx.to = TxKind::Create;
            tx.gas_limit = 2_000_000;
            tx.input = init;
        })
    };
    let touch = signed(3, |tx| {
        tx.to = Address::repeat_byte(0xfe).into();
        tx.max_priority_fee_per_gas = 0;
    });
    let creations = [create(1, 0, DESTROY), create(1, 1, DEPLOY), create(2, 0, DEPLOY), touch];
    TestChain::new(&[]).make(&creations)
}

/// Destroying what was there before its transaction moves ether alone (EIP-6780).
fn destroyed() -> TestBlock {
    let call = |number, to: Address, input: Bytes, value: u64| {
        signed(number, |tx| {
            tx.to = to.into();
            tx.value = U256::from(value);
            tx.gas_limit = 2_000_000;
            tx.input = input;
        })
    };
    let mut chain = TestChain::new(&[]);
    // Init code that returns code that sends everything to its caller and would destroy itself.
    chain.make(&[call(1, FACTORY, bytes!("6133ff5f526002601ef3"), 0)]);
    let contract = FACTORY.create(1);
    chain.make(&[call(2, contract, Bytes::new(), 7), call(3, contract, Bytes::new(), 0)])
}

/// Each node of a block's witness taken away.
fn less_nodes(name: &str, block: &TestBlock) -> Vec<Attack> {
    let honest = &block.input;
    let less = |index| {
        let input = with(honest, |input: &mut StatelessInput| {
            input.witness.state.remove(index);
        });
        Attack::new(format!("{name}: no node {index}"), honest, input, Insufficient)
    };
    (0..honest.witness.state.len()).map(less).collect()
}
