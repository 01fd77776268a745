//! The trie against a sorted map whose root alloy's `HashBuilder` computes.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::{BTreeMap, HashSet},
    sync::Mutex,
};

use alloy_primitives::{B256, Bytes, U256, keccak256};
use alloy_trie::HashBuilder;
use ethrex_trie::{
    EMPTY_ROOT, HashedNodes, LinkedNodes, Nibbles, NodeChanges, NodeSource, Recorder, Trie, prove,
    read_value, verify_proof,
};
use ethrex_types::{Missing, StateError};
use proptest::prelude::*;

/// A store that keeps one version of a trie, by path, and checks that it answers truly.
#[derive(Default)]
struct PathStore(BTreeMap<Nibbles, Bytes>);

impl PathStore {
    fn apply(&mut self, changes: NodeChanges) {
        for (path, node) in changes {
            match node {
                Some(node) => self.0.insert(path, node),
                None => self.0.remove(&path),
            };
        }
    }
}

impl NodeSource for PathStore {
    fn node(
        &self,
        _: Option<B256>,
        path: &Nibbles,
        hash: B256,
    ) -> Result<Option<Bytes>, StateError> {
        let node = self.0.get(path).cloned();
        if let Some(node) = &node {
            assert_eq!(keccak256(node), hash, "the store has another node at {path:?}");
        }
        Ok(node)
    }
}

type Model = BTreeMap<B256, Vec<u8>>;

fn expected_root(model: &Model) -> B256 {
    let mut builder = HashBuilder::default();
    for (key, value) in model {
        builder.add_leaf(Nibbles::unpack(key), value);
    }
    builder.root()
}

fn built(model: &Model) -> (B256, PathStore) {
    let nothing = HashedNodes::default();
    let mut trie = Trie::open(&nothing, None, EMPTY_ROOT);
    for (key, value) in model {
        trie.insert(*key, value.clone()).unwrap();
    }
    let (root, changes) = trie.commit();
    let mut store = PathStore::default();
    store.apply(changes);
    (root, store)
}

/// Keys that meet often: few values per nibble, differing at the start, in the middle and at the very end.
fn key() -> impl Strategy<Value = B256> {
    (0u8..4, 0u8..3, 0u8..3, 0u8..20).prop_map(|(start, second, middle, end)| {
        let mut key = B256::ZERO;
        key[0] = start << 4 | second;
        key[16] = middle;
        key[31] = end;
        key
    })
}

/// Short values make inlined nodes, long ones hashed nodes.
fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        proptest::collection::vec(1u8..3, 1..3),
        proptest::collection::vec(any::<u8>(), 30..70),
    ]
}

#[derive(Debug, Clone)]
enum Op {
    Insert(B256, Vec<u8>),
    Remove(B256),
    Root,
    Commit,
    Reopen,
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let op = prop_oneof![
        8 => (key(), value()).prop_map(|(key, value)| Op::Insert(key, value)),
        6 => key().prop_map(Op::Remove),
        1 => Just(Op::Root),
        1 => Just(Op::Commit),
        1 => Just(Op::Reopen),
    ];
    proptest::collection::vec(op, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn any_history_gives_the_root_and_the_nodes_of_its_outcome(ops in ops()) {
        let (mut store, mut model, mut root) = (PathStore::default(), Model::new(), EMPTY_ROOT);
        let mut ops = ops.into_iter().peekable();
        // Each round opens the trie anew from what the store has.
        while ops.peek().is_some() {
            let mut pending = vec![];
            {
                let mut trie = Trie::open(&store, None, root);
                for op in ops.by_ref() {
                    match op {
                        Op::Insert(key, value) => {
                            trie.insert(key, value.clone()).unwrap();
                            prop_assert_eq!(trie.get(key).unwrap(), Some(&value[..]));
                            model.insert(key, value);
                        }
                        Op::Remove(key) => {
                            prop_assert_eq!(trie.remove(key).unwrap(), model.remove(&key).is_some());
                            prop_assert_eq!(trie.get(key).unwrap(), None);
                        }
                        Op::Root => prop_assert_eq!(trie.root(), expected_root(&model)),
                        Op::Commit => pending.push(trie.commit().1),
                        Op::Reopen => break,
                    }
                }
                let (new_root, changes) = trie.commit();
                root = new_root;
                pending.push(changes);
            }
            pending.into_iter().for_each(|changes| store.apply(changes));
            prop_assert_eq!(root, expected_root(&model));
            let (fresh_root, fresh) = built(&model);
            prop_assert_eq!(fresh_root, root);
            prop_assert_eq!(&fresh.0, &store.0, "the store has stale or missing nodes");
        }
    }

    #[test]
    fn proofs_hold_under_our_eyes_and_under_alloys(
        entries in proptest::collection::btree_map(key(), value(), 0..40),
        asked in proptest::collection::vec(key(), 1..10),
        flip in any::<(prop::sample::Index, prop::sample::Index)>(),
    ) {
        let (root, store) = built(&entries);
        for key in asked {
            let proof = prove(&store, None, root, key).unwrap();
            let expected = entries.get(&key);
            let read = read_value(&store, None, root, key).unwrap();
            prop_assert_eq!(read.as_ref(), expected);
            let proven = verify_proof(root, key, &proof).unwrap();
            prop_assert_eq!(proven.as_ref(), expected);
            alloy_trie::proof::verify_proof(root, Nibbles::unpack(key), expected.cloned(), &proof).unwrap();

            if !proof.is_empty() {
                let mut forged = proof.clone();
                let node = flip.0.index(forged.len());
                let mut bytes = forged[node].to_vec();
                let at = flip.1.index(bytes.len());
                bytes[at] ^= 1;
                forged[node] = bytes.into();
                prop_assert!(verify_proof(root, key, &forged).is_err());
                prop_assert!(verify_proof(root, key, &proof[1..]).is_err());
                prop_assert!(verify_proof(root, key, &proof[..proof.len() - 1]).is_err());
                let doubled: Vec<_> = proof.iter().chain(&proof).cloned().collect();
                prop_assert!(verify_proof(root, key, &doubled).is_err());
            }
        }
    }

    #[test]
    fn a_recorded_witness_is_enough_and_each_node_is_needed(
        entries in proptest::collection::btree_map(key(), value(), 2..60),
        changes in proptest::collection::btree_map(key(), proptest::option::of(value()), 1..12),
    ) {
        let (root, store) = built(&entries);
        let run = |source: &dyn NodeSource| {
            let mut trie = Trie::open(source, None, root);
            for key in changes.keys() {
                let value = trie.get(*key)?.map(<[u8]>::to_vec);
                assert_eq!(value.as_ref(), entries.get(key));
            }
            for (key, value) in changes.iter().filter_map(|(key, value)| Some((key, value.as_ref()?))) {
                trie.insert(*key, value.clone())?;
            }
            for (key, _) in changes.iter().filter(|(_, value)| value.is_none()) {
                trie.remove(*key)?;
            }
            Ok::<_, StateError>(trie.root())
        };
        let recorder = Recorder::new(&store);
        let expected = run(&recorder).unwrap();
        let witness = recorder.into_nodes();
        prop_assert_eq!(run(&witness.iter().cloned().collect::<HashedNodes>()).unwrap(), expected);
        prop_assert_eq!(run(&witness.iter().cloned().collect::<LinkedNodes>()).unwrap(), expected);
        for left_out in 0..witness.len() {
            let partial = witness.iter().enumerate().filter(|(i, _)| *i != left_out).map(|(_, n)| n.clone());
            let hashed = run(&partial.clone().collect::<HashedNodes>()).unwrap_err();
            let linked = run(&partial.collect::<LinkedNodes>()).unwrap_err();
            let StateError::Missing(Missing::Node(lack)) = hashed else { panic!("{hashed:?}") };
            prop_assert!(matches!(linked, StateError::Missing(Missing::Node(node)) if node == lack));
        }
    }
}

/// A witness that grows: hands out nothing until told which node is missing.
struct Growing {
    all: HashedNodes,
    allowed: Mutex<HashSet<B256>>,
}

impl NodeSource for Growing {
    fn node(
        &self,
        owner: Option<B256>,
        path: &Nibbles,
        hash: B256,
    ) -> Result<Option<Bytes>, StateError> {
        if self.allowed.lock().unwrap().contains(&hash) {
            self.all.node(owner, path, hash)
        } else {
            Ok(None)
        }
    }
}

#[test]
fn an_operation_that_lacked_a_node_can_be_repeated() {
    let model: Model =
        (0u64..500).map(|i| (keccak256(i.to_be_bytes()), vec![i as u8 | 1; 40])).collect();
    let (root, store) = built(&model);
    let source = Growing { all: store.0.into_values().collect(), allowed: Mutex::default() };
    let mut trie = Trie::open(&source, None, root);
    let mut left = model.clone();
    for (i, key) in model.keys().enumerate() {
        loop {
            match trie.remove(*key) {
                Ok(removed) => break assert!(removed),
                Err(StateError::Missing(Missing::Node(hash))) => {
                    source.allowed.lock().unwrap().insert(hash);
                }
                Err(other) => panic!("{other}"),
            }
        }
        left.remove(key);
        if i % 50 == 0 {
            assert_eq!(trie.root(), expected_root(&left));
        }
    }
    assert!(trie.is_empty());
    assert_eq!(trie.root(), EMPTY_ROOT);
}

/// Answers every question with the same bytes.
struct Liar(Bytes);

impl NodeSource for Liar {
    fn node(&self, _: Option<B256>, _: &Nibbles, _: B256) -> Result<Option<Bytes>, StateError> {
        Ok(Some(self.0.clone()))
    }
}

proptest! {
    #[test]
    fn nodes_from_a_liar_never_panic(
        entries in proptest::collection::btree_map(key(), value(), 1..20),
        pick in any::<prop::sample::Index>(),
        damage in proptest::option::of((any::<prop::sample::Index>(), any::<u8>())),
        keys in proptest::collection::vec(key(), 1..8),
    ) {
        let (_, store) = built(&entries);
        let mut node = store.0.values().nth(pick.index(store.0.len())).unwrap().to_vec();
        if let Some((at, byte)) = damage {
            let at = at.index(node.len());
            node[at] = byte;
        }
        let liar = Liar(node.into());
        let mut trie = Trie::open(&liar, None, B256::repeat_byte(1));
        for key in keys {
            let _ = read_value(&liar, None, B256::repeat_byte(1), key);
            let _ = trie.insert(key, vec![1; 33]);
            let _ = trie.remove(key);
            let _ = trie.get(key);
            let _ = trie.root();
        }
        let _ = trie.commit();
    }
}

#[test]
fn large_tries_hash_the_same_on_all_cores() {
    let model: Model = (0u64..20_000)
        .map(|i| (keccak256(i.to_be_bytes()), alloy_rlp::encode(U256::from(i + 1))))
        .collect();
    let (root, store) = built(&model);
    assert_eq!(root, expected_root(&model));

    let mut trie = Trie::open(&store, None, root);
    let mut changed = model.clone();
    for (i, key) in model.keys().enumerate() {
        if i % 3 == 0 {
            trie.remove(*key).unwrap();
            changed.remove(key);
        } else if i % 3 == 1 {
            trie.insert(*key, vec![i as u8 | 1; 50]).unwrap();
            changed.insert(*key, vec![i as u8 | 1; 50]);
        }
    }
    let (root, changes) = trie.commit();
    assert_eq!(root, expected_root(&changed));
    let mut store = store;
    store.apply(changes);
    assert_eq!(store.0, built(&changed).1.0);
}

#[test]
fn setting_the_same_value_changes_nothing() {
    let model: Model = (0u64..100).map(|i| (keccak256(i.to_be_bytes()), vec![1; 40])).collect();
    let (root, store) = built(&model);
    let mut trie = Trie::open(&store, None, root);
    for (key, value) in &model {
        trie.insert(*key, value.clone()).unwrap();
    }
    assert!(!trie.remove(B256::ZERO).unwrap());
    assert_eq!(trie.commit(), (root, NodeChanges::new()));
}
