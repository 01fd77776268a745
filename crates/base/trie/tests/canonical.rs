//! Which nodes an update reads: the paths to its keys, and the surviving child of each branch that collapses. No more,
//! since witnesses are made of what is read; no less, since a witness that lacks one of them must be refused.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_rlp::Decodable;
use alloy_trie::nodes::TrieNode;
use ethrex_trie::{
    EMPTY_ROOT, HashedNodes, LinkedNodes, Nibbles, NodeSource, Recorder, StateTries, StateUpdate,
    prove, update_state,
};
use ethrex_types::{AccountDiff, AccountInfo, StateDiff, StateError};
use proptest::prelude::*;

type Slots = BTreeMap<B256, U256>;

/// The account all tests write to.
const OWNER: Address = Address::repeat_byte(0xaa);

/// The nodes of the storage trie by path, and of the account trie.
#[derive(Debug, Clone, Default)]
struct Nodes(BTreeMap<(Option<B256>, Nibbles), Bytes>);

impl NodeSource for Nodes {
    fn node(
        &self,
        owner: Option<B256>,
        path: &Nibbles,
        hash: B256,
    ) -> Result<Option<Bytes>, StateError> {
        let node = self.0.get(&(owner, *path)).cloned();
        assert!(node.as_ref().is_none_or(|node| keccak256(node) == hash));
        Ok(node)
    }
}

impl Nodes {
    fn apply(&mut self, update: &StateUpdate) {
        let storages = update.nodes.storages.iter();
        let storages = storages.flat_map(|(owner, changes)| {
            changes.nodes.iter().map(|(path, node)| ((Some(*owner), *path), node))
        });
        let accounts = update.nodes.accounts.iter().map(|(path, node)| ((None, *path), node));
        for (at, node) in storages.chain(accounts) {
            match node {
                Some(node) => self.0.insert(at, node.clone()),
                None => self.0.remove(&at),
            };
        }
    }

    fn storage(&self, path: &Nibbles) -> Option<&Bytes> {
        self.0.get(&(Some(keccak256(OWNER)), *path))
    }
}

fn diff(slots: Slots) -> StateDiff {
    let info = AccountInfo { nonce: 1, ..AccountInfo::default() };
    let account = AccountDiff { info: Some(info), wiped: false, storage: slots };
    StateDiff { accounts: BTreeMap::from([(OWNER, account)]), codes: BTreeMap::new() }
}

/// The state after writing `slots` to nothing: its root, the root of the storage, its nodes.
fn built(slots: &Slots) -> (B256, B256, Nodes) {
    let update = update_state(&HashedNodes::default(), EMPTY_ROOT, &diff(slots.clone())).unwrap();
    let mut nodes = Nodes::default();
    nodes.apply(&update);
    (update.root, update.accounts[&OWNER].unwrap().storage_root, nodes)
}

/// The child that remains alone where the leaf of `key` goes, if removing it collapses a branch.
fn survivor(nodes: &Nodes, key: B256) -> Option<Bytes> {
    let key = Nibbles::unpack(key);
    let (mut path, mut branch) = (Nibbles::new(), None);
    loop {
        match TrieNode::decode(&mut nodes.storage(&path)?.as_ref()).unwrap() {
            TrieNode::EmptyRoot => return None,
            TrieNode::Leaf(leaf) => {
                if path.join(&leaf.key) != key {
                    return None;
                }
                break;
            }
            TrieNode::Extension(extension) => {
                path = path.join(&extension.key);
                branch = None;
            }
            TrieNode::Branch(node) => {
                let children: Vec<u8> =
                    (0u8..16).filter(|nibble| node.state_mask.is_bit_set(*nibble)).collect();
                let nibble = key.get_unchecked(path.len());
                branch = Some((path, children, nibble));
                path.push_unchecked(nibble);
            }
        }
    }
    let (mut at, children, gone) = branch?;
    let [a, b] = children[..] else { return None };
    at.push_unchecked(if a == gone { b } else { a });
    nodes.storage(&at).cloned()
}

/// What the procedure reads, from its definition: every step is done by itself on the whole trie.
fn required(root: B256, storage: B256, before: &Nodes, writes: &Slots) -> BTreeSet<Bytes> {
    let mut required = BTreeSet::from_iter(prove(before, None, root, keccak256(OWNER)).unwrap());
    let mut steps: Vec<_> =
        writes.iter().map(|(slot, value)| (keccak256(slot), slot, value)).collect();
    for (key, ..) in &steps {
        required.extend(prove(before, Some(keccak256(OWNER)), storage, *key).unwrap());
    }
    steps.sort_by_key(|(key, _, value)| (value.is_zero(), *key));
    let old: BTreeSet<_> = before.0.values().cloned().collect();
    let (mut nodes, mut root) = (before.clone(), root);
    for (key, slot, value) in steps {
        if value.is_zero() {
            required.extend(survivor(&nodes, key).filter(|node| old.contains(node)));
        }
        let update = update_state(&nodes, root, &diff(Slots::from([(*slot, *value)]))).unwrap();
        root = update.root;
        nodes.apply(&update);
    }
    required
}

#[track_caller]
fn check(before: &Slots, writes: &Slots) {
    let (root, storage, nodes) = built(before);
    let recorder = Recorder::new(&nodes);
    let update = update_state(&recorder, root, &diff(writes.clone())).unwrap();
    let read: BTreeSet<_> = recorder.into_nodes().into_iter().collect();
    let required = required(root, storage, &nodes, writes);
    assert_eq!(read, required, "{before:?} {writes:?}");
    for missing in &required {
        let less: HashedNodes = required.iter().filter(|node| *node != missing).cloned().collect();
        update_state(&less, root, &diff(writes.clone())).unwrap_err();
    }
    // Reading beside it adds the paths to what is read, and nothing else.
    let touched = BTreeSet::from_iter((0..64).step_by(7).map(slot));
    let mut recorded = required.clone();
    for slot in &touched {
        recorded.extend(prove(&nodes, Some(keccak256(OWNER)), storage, keccak256(slot)).unwrap());
    }
    let reads = BTreeMap::from([(OWNER, touched)]);
    let tries = StateTries::open(&nodes, root);
    let (same, seen) = tries.update_recorded(&reads, &diff(writes.clone())).unwrap();
    assert_eq!(same, update);
    assert!(seen.is_sorted_by(|a, b| a < b));
    assert_eq!(BTreeSet::from_iter(seen), recorded);

    let all: HashedNodes = required.into_iter().collect();
    assert_eq!(update_state(&all, root, &diff(writes.clone())).unwrap(), update);
}

/// Values of 32 bytes, so that no node is short enough to be inlined and each shows by itself.
fn value(small: u64) -> U256 {
    U256::from(small) << 248
}

fn slot(number: u64) -> B256 {
    U256::from(number).into()
}

fn slots(entries: &[(u64, u64)]) -> Slots {
    entries.iter().map(|(number, small)| (slot(*number), value(*small))).collect()
}

/// Numbers of slots whose key hashes begin with the given nibbles.
fn under(prefix: &[u8], count: usize) -> Vec<u64> {
    let prefix = Nibbles::from_nibbles(prefix);
    (0..)
        .filter(|n| Nibbles::unpack(keccak256(slot(*n))).starts_with(&prefix))
        .take(count)
        .collect()
}

#[test]
fn w07_the_last_slot_leaves_nothing() {
    check(&slots(&[(1, 1)]), &slots(&[(1, 0)]));
}

#[test]
fn w07_a_branch_collapses_into_a_leaf_a_branch_or_an_extension() {
    let (leaf, other) = (under(&[1], 1)[0], under(&[2], 1)[0]);
    check(&slots(&[(leaf, 1), (other, 1)]), &slots(&[(other, 0)]));
    // 3 and 4 differ in the second nibble: a branch below the first.
    let (low, high) = (under(&[3, 3], 1)[0], under(&[3, 4], 1)[0]);
    check(&slots(&[(low, 1), (high, 1), (other, 1)]), &slots(&[(other, 0)]));
    let deep = under(&[5, 6], 2);
    check(&slots(&[(deep[0], 1), (deep[1], 1), (other, 1)]), &slots(&[(other, 0)]));
}

#[test]
fn w07_an_insertion_beside_a_deletion_spares_the_survivor() {
    let (kept, gone, new) = (under(&[1], 1)[0], under(&[2], 1)[0], under(&[3], 1)[0]);
    let before = slots(&[(kept, 1), (gone, 1)]);
    check(&before, &slots(&[(gone, 0), (new, 1)]));
    let (root, storage, nodes) = built(&before);
    let survivor = nodes.storage(&Nibbles::from_nibbles([1])).unwrap();
    assert!(!required(root, storage, &nodes, &slots(&[(gone, 0), (new, 1)])).contains(survivor));
    assert!(required(root, storage, &nodes, &slots(&[(gone, 0)])).contains(survivor));
}

#[test]
fn w07_deletions_in_one_branch_and_up_to_the_root() {
    let a = under(&[7, 7], 3);
    let b = under(&[8], 1)[0];
    let before = slots(&[(a[0], 1), (a[1], 1), (a[2], 1), (b, 1)]);
    check(&before, &slots(&[(a[0], 0), (a[1], 0)]));
    check(&before, &slots(&[(a[0], 0), (a[1], 0), (a[2], 0)]));
    check(&before, &slots(&[(a[0], 0), (a[1], 0), (a[2], 0), (b, 0)]));
    check(&before, &slots(&[(a[0], 0), (a[1], 2), (b, 0)]));
}

#[test]
fn many_nodes_are_judged_and_hashed_like_few() {
    let slots: Slots = (0..3_000).map(|number| (slot(number), value(1))).collect();
    let (_, storage, nodes) = built(&slots);
    let mut nodes: Vec<Bytes> = nodes.0.into_values().collect();
    assert!(nodes.len() > 3_000);
    let first_not_canonical =
        |nodes: &[Bytes]| nodes.iter().cloned().collect::<LinkedNodes>().first_not_canonical();
    assert_eq!(first_not_canonical(&nodes), None);
    let hashed: HashedNodes = nodes.iter().cloned().collect();
    assert!(nodes.iter().all(|node| hashed.get(&keccak256(node)) == Some(node)));
    assert!(hashed.get(&storage).is_some());
    for at in [2_999, 1_700, 40] {
        nodes[at] = Bytes::from_static(&[0x80]);
        assert_eq!(first_not_canonical(&nodes), Some(at));
    }
}

/// Storage tries are worked on by as many threads as there are; what is read may not depend on it. Each account by itself
/// reads its own storage, and together they read that and the account trie.
#[test]
fn w07_many_storages_at_once_read_what_each_reads() {
    let account = |seed: u64, values: [u64; 4]| {
        let slots = (0u64..).zip(values).map(|(at, small)| (slot(seed + at), value(small)));
        let info = AccountInfo { nonce: seed + values[0], ..AccountInfo::default() };
        AccountDiff { info: Some(info), wiped: false, storage: slots.collect() }
    };
    let address = |seed: u64| Address::from_word(slot(seed));
    let genesis = StateDiff {
        accounts: (1..200).map(|seed| (address(seed), account(seed, [1, 2, 3, 4]))).collect(),
        codes: BTreeMap::new(),
    };
    let before = update_state(&HashedNodes::default(), EMPTY_ROOT, &genesis).unwrap();
    let mut nodes = Nodes::default();
    nodes.apply(&before);

    let mut diff = StateDiff::default();
    let mut expected = BTreeSet::new();
    for seed in (1..200).step_by(3) {
        let change =
            if seed % 2 == 0 { account(seed, [5, 0, 0, 0]) } else { account(seed, [0, 2, 0, 9]) };
        let alone = StateDiff {
            accounts: BTreeMap::from([(address(seed), change.clone())]),
            codes: BTreeMap::new(),
        };
        let recorder = Recorder::new(&nodes);
        update_state(&recorder, before.root, &alone).unwrap();
        expected.extend(recorder.into_nodes());
        diff.accounts.insert(address(seed), change);
    }
    // Several accounts that go, so that the account trie collapses too.
    for seed in [2, 3, 5, 6] {
        diff.accounts.insert(address(seed), AccountDiff::default());
        expected.extend(prove(&nodes, None, before.root, keccak256(address(seed))).unwrap());
    }
    let runs: Vec<Vec<Bytes>> = (0..8)
        .map(|_| {
            let recorder = Recorder::new(&nodes);
            update_state(&recorder, before.root, &diff).unwrap();
            recorder.into_nodes()
        })
        .collect();
    assert!(runs.windows(2).all(|pair| pair[0] == pair[1]));
    let read: BTreeSet<_> = runs[0].iter().cloned().collect();
    assert!(expected.is_subset(&read));
    // What is read beside them are survivors in the account trie: no more than accounts that went.
    assert!(read.len() - expected.len() <= 4);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn w07_an_update_reads_what_the_canonical_procedure_names(
        before in proptest::collection::btree_map(0u64..40, 1u64..4, 0..24),
        writes in proptest::collection::btree_map(0u64..48, prop_oneof![2 => Just(0u64), 1 => 1u64..4], 1..16),
    ) {
        let of = |entries: BTreeMap<u64, u64>| slots(&entries.into_iter().collect::<Vec<_>>());
        check(&of(before), &of(writes));
    }
}
