//! State updates against alloy's state root, and the secure trie cases of ethereum/tests.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{Address, B256, Bytes, U256, hex, keccak256};
use alloy_trie::root::{state_root_unhashed, storage_root_unhashed};
use ethrex_trie::{
    EMPTY_ROOT, HashedNodes, LinkedNodes, Nibbles, NodeSource, Reads, Recorder, StateTries, Trie,
    TrieUpdates, prove, read_account, read_slot, state_root_of, update_state, verify_proof,
};
use ethrex_types::{AccountDiff, AccountInfo, StateDiff, StateError, TrieAccount};
use proptest::prelude::*;

type Store = BTreeMap<(Option<B256>, Nibbles), Bytes>;

struct PathStore(Store);

impl NodeSource for PathStore {
    fn node(
        &self,
        owner: Option<B256>,
        path: &Nibbles,
        hash: B256,
    ) -> Result<Option<Bytes>, StateError> {
        let node = self.0.get(&(owner, *path)).cloned();
        if let Some(node) = &node {
            assert_eq!(keccak256(node), hash);
        }
        Ok(node)
    }
}

fn apply(store: &mut Store, updates: TrieUpdates) {
    let mut put = |owner, path, node: Option<Bytes>| match node {
        Some(node) => drop(store.insert((owner, path), node)),
        None => drop(store.remove(&(owner, path))),
    };
    updates.accounts.into_iter().for_each(|(path, node)| put(None, path, node));
    for (owner, storage) in updates.storages {
        if storage.wiped {
            store.retain(|(of, _), _| *of != Some(owner));
        }
        for (path, node) in storage.nodes {
            match node {
                Some(node) => drop(store.insert((Some(owner), path), node)),
                None => drop(store.remove(&(Some(owner), path))),
            }
        }
    }
}

type Account = (AccountInfo, BTreeMap<B256, U256>);
type Model = BTreeMap<Address, Account>;

fn apply_model(model: &mut Model, diff: &StateDiff) {
    for (address, change) in &diff.accounts {
        let Some(info) = change.info else {
            model.remove(address);
            continue;
        };
        let account = model.entry(*address).or_default();
        account.0 = info;
        if change.wiped {
            account.1.clear();
        }
        for (slot, value) in &change.storage {
            if value.is_zero() {
                account.1.remove(slot)
            } else {
                account.1.insert(*slot, *value)
            };
        }
    }
}

fn trie_account((info, storage): &Account) -> TrieAccount {
    TrieAccount {
        nonce: info.nonce,
        balance: info.balance,
        storage_root: storage_root_unhashed(storage.iter().map(|(k, v)| (*k, *v))),
        code_hash: info.code_hash,
    }
}

fn diffs() -> impl Strategy<Value = Vec<StateDiff>> {
    let info = (0u64..5, 0u64..1000).prop_map(|(nonce, balance)| AccountInfo {
        nonce,
        balance: U256::from(balance),
        ..Default::default()
    });
    let slot = (0u64..12).prop_map(|slot| B256::from(U256::from(slot)));
    let storage = proptest::collection::btree_map(slot, (0u64..4).prop_map(U256::from), 0..8);
    let account = (proptest::option::weighted(0.8, info), any::<bool>(), storage)
        .prop_map(|(info, wiped, storage)| AccountDiff { info, wiped, storage });
    let address = (0u8..10).prop_map(Address::with_last_byte);
    let diff = proptest::collection::btree_map(address, account, 0..8)
        .prop_map(|accounts| StateDiff { accounts, codes: BTreeMap::new() });
    proptest::collection::vec(diff, 1..8)
}

proptest! {
    #[test]
    fn diffs_in_a_row_give_the_state_root_of_their_outcome(diffs in diffs()) {
        let (mut store, mut model, mut root) = (PathStore(Store::new()), Model::new(), EMPTY_ROOT);
        for diff in &diffs {
            let recorder = Recorder::new(&store);
            let update = update_state(&recorder, root, diff).unwrap();
            apply_model(&mut model, diff);
            let expected = state_root_unhashed(model.iter().map(|(a, account)| (*a, trie_account(account))));
            prop_assert_eq!(update.root, expected);
            for address in diff.accounts.keys() {
                prop_assert_eq!(update.accounts[address], model.get(address).map(trie_account));
            }

            let witness: HashedNodes = recorder.into_nodes().into_iter().collect();
            prop_assert_eq!(&update_state(&witness, root, diff).unwrap(), &update);

            let reads: Reads = (0..10).step_by(2).map(|n| {
                (Address::with_last_byte(n), (0..12u64).step_by(3).map(|slot| B256::from(U256::from(slot))).collect())
            }).collect();
            let recorder = Recorder::new(&store);
            for (address, slots) in &reads {
                let Some(account) = read_account(&recorder, root, *address).unwrap() else { continue };
                for slot in slots {
                    read_slot(&recorder, account.storage_root, *address, *slot).unwrap();
                }
            }
            update_state(&recorder, root, diff).unwrap();
            let mut expected = recorder.into_nodes();
            expected.sort_unstable();
            // However much was read before: nothing, some, all.
            for part in [0, 1, 3, 12] {
                let mut tries = StateTries::open(&store, root);
                tries.remember();
                for (address, slots) in reads.iter().take(part) {
                    tries.account(*address).unwrap();
                    for slot in slots.iter().take(part - 1) {
                        tries.slot(*address, *slot).unwrap();
                    }
                }
                let (recorded, nodes) = tries.update_recorded(&reads, diff).unwrap();
                prop_assert_eq!(&recorded, &update);
                prop_assert_eq!(&nodes, &expected, "what is recorded is what is read");
            }

            let linked: LinkedNodes = expected.iter().cloned().collect();
            prop_assert_eq!(linked.first_not_canonical(), None);
            let mut tries = StateTries::open(&linked, root);
            for (address, slots) in &reads {
                let account = tries.account(*address).unwrap();
                prop_assert_eq!(account, read_account(&store, root, *address).unwrap());
                for slot in slots {
                    let value = account.map_or(U256::ZERO, |account| {
                        read_slot(&store, account.storage_root, *address, *slot).unwrap()
                    });
                    prop_assert_eq!(tries.slot(*address, *slot).unwrap(), value);
                }
            }
            prop_assert_eq!(tries.root_after(diff).unwrap(), update.root);
            let (again, nodes) = StateTries::open(&linked, root).update_recorded(&reads, diff).unwrap();
            prop_assert_eq!(&again, &update);
            prop_assert_eq!(&nodes, &expected, "nodes that are linked are recorded, too");

            let recorder = Recorder::new(&store);
            let mut tries = StateTries::open(&recorder, root);
            tries.remember();
            let mut paths = BTreeSet::new();
            for (address, slots) in reads.iter().chain(&reads) {
                let account = read_account(&store, root, *address).unwrap();
                prop_assert_eq!(tries.account(*address).unwrap(), account);
                for slot in slots {
                    let value = account.map_or(U256::ZERO, |account| {
                        read_slot(&store, account.storage_root, *address, *slot).unwrap()
                    });
                    prop_assert_eq!(tries.slot(*address, *slot).unwrap(), value);
                }
                paths.extend(tries.take_seen().into_iter().inspect(|(hash, node)| {
                    assert_eq!(*hash, keccak256(node));
                }).map(|(_, node)| node));
            }
            let seen = Recorder::new(&store);
            for (address, slots) in &reads {
                let Some(account) = read_account(&seen, root, *address).unwrap() else { continue };
                for slot in slots {
                    read_slot(&seen, account.storage_root, *address, *slot).unwrap();
                }
            }
            prop_assert_eq!(paths, seen.into_nodes().into_iter().collect::<BTreeSet<_>>());
            prop_assert_eq!(tries.root_after(diff).unwrap(), update.root);
            let mut nodes = recorder.into_nodes();
            nodes.sort_unstable();
            prop_assert_eq!(nodes, expected, "reading and updating on the same tries needs the same nodes");

            root = update.root;
            apply(&mut store.0, update.nodes);
            let whole = StateDiff {
                accounts: model.iter().map(|(address, (info, storage))| {
                    (*address, AccountDiff { info: Some(*info), wiped: false, storage: storage.clone() })
                }).collect(),
                codes: BTreeMap::new(),
            };
            let mut fresh = Store::new();
            apply(&mut fresh, state_root_of(&whole).nodes);
            prop_assert_eq!(&fresh, &store.0, "the store has stale or missing nodes");

            for (address, account) in &model {
                let found = read_account(&store, root, *address).unwrap();
                prop_assert_eq!(found, Some(trie_account(account)));
                let storage_root = trie_account(account).storage_root;
                for slot in 0..12u64 {
                    let slot = B256::from(U256::from(slot));
                    let value = account.1.get(&slot).copied().unwrap_or_default();
                    prop_assert_eq!(read_slot(&store, storage_root, *address, slot).unwrap(), value);
                    let proof = prove(&store, Some(keccak256(address)), storage_root, keccak256(slot)).unwrap();
                    let proven = verify_proof(storage_root, keccak256(slot), &proof).unwrap();
                    prop_assert_eq!(proven, (!value.is_zero()).then(|| alloy_rlp::encode(value)));
                }
            }
        }
    }
}

#[test]
fn an_empty_diff_reads_nothing() {
    let root = B256::repeat_byte(7);
    let update = update_state(&HashedNodes::default(), root, &StateDiff::default()).unwrap();
    assert_eq!(update.root, root);
    assert_eq!(update.nodes, TrieUpdates::default());
}

/// Entries of a secure trie in insertion order (keys not hashed yet; `None` removes), and the root.
#[track_caller]
fn secure_trie(entries: &[(&[u8], Option<&[u8]>)], root: &str) {
    let nothing = HashedNodes::default();
    let mut trie = Trie::open(&nothing, None, EMPTY_ROOT);
    for (key, value) in entries {
        trie.insert(keccak256(key), value.unwrap_or_default().to_vec()).unwrap();
    }
    assert_eq!(trie.root(), root.parse::<B256>().unwrap());
}

#[test]
fn secure_trie_case_test1() {
    // ethereum/tests TrieTests/hex_encoded_securetrie_test.json, MIT.
    secure_trie(
        &[
            (
                &hex!("a94f5374fce5edbc8e2a8697c15331677e6ebf0b"),
                Some(&hex!(
                    "f848018405f446a7a056e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421a0c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
                )),
            ),
            (
                &hex!("095e7baea6a6c7c4c2dfeb977efac326af552d87"),
                Some(&hex!(
                    "f8440101a056e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421a004bccc5d94f4d1f99aab44369a910179931772f2a5c001c3229f57831c102769"
                )),
            ),
            (
                &hex!("d2571607e241ecf590ed94b12d87c94babe36db6"),
                Some(&hex!(
                    "f8440180a0ba4b47865c55a341a4a78759bb913cd15c3ee8eaf30a62fa8d1c8863113d84e8a0c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
                )),
            ),
            (
                &hex!("62c01474f089b07dae603491675dc5b5748f7049"),
                Some(&hex!(
                    "f8448080a056e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421a0c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
                )),
            ),
            (
                &hex!("2adc25665018aa1fe0e6bc666dac8fc2697ff9ba"),
                Some(&hex!(
                    "f8478083019a59a056e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421a0c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
                )),
            ),
        ],
        "0x730a444e08ab4b8dee147c9b232fc52d34a223d600031c1e9d25bfc985cbd797",
    );
}

#[test]
fn secure_trie_case_test2() {
    // ethereum/tests TrieTests/hex_encoded_securetrie_test.json, MIT.
    secure_trie(
        &[
            (
                &hex!("a94f5374fce5edbc8e2a8697c15331677e6ebf0b"),
                Some(&hex!(
                    "f84c01880de0b6b3a7622746a056e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421a0c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
                )),
            ),
            (
                &hex!("095e7baea6a6c7c4c2dfeb977efac326af552d87"),
                Some(&hex!(
                    "f84780830186b7a056e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421a0501653f02840675b1aab0328c6634762af5d51764e78f9641cccd9b27b90db4f"
                )),
            ),
            (
                &hex!("2adc25665018aa1fe0e6bc666dac8fc2697ff9ba"),
                Some(&hex!(
                    "f8468082521aa056e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421a0c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
                )),
            ),
        ],
        "0xa7c787bf470808896308c215e22c7a580a0087bb6db6e8695fb4759537283a83",
    );
}

#[test]
fn secure_trie_case_test3() {
    // ethereum/tests TrieTests/hex_encoded_securetrie_test.json, MIT.
    secure_trie(
        &[
            (
                &hex!("a94f5374fce5edbc8e2a8697c15331677e6ebf0b"),
                Some(&hex!(
                    "f84c01880de0b6b3a7614bc3a056e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421a0c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
                )),
            ),
            (
                &hex!("095e7baea6a6c7c4c2dfeb977efac326af552d87"),
                Some(&hex!(
                    "f84880840132b3a0a065fee2fffd7a68488cf7ef79f35f7979133172ac5727b5e0cf322953d13de492a06e5d8fec8b6b9bf41c3fb9b61696d5c87b66f6daa98d5f02ba9361b0c6916467"
                )),
            ),
            (
                &hex!("0000000000000000000000000000000000000001"),
                Some(&hex!(
                    "f8448080a056e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421a0c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
                )),
            ),
            (
                &hex!("2adc25665018aa1fe0e6bc666dac8fc2697ff9ba"),
                Some(&hex!(
                    "f8478083012d9da056e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421a0c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
                )),
            ),
        ],
        "0x40b37be88a49e2c08b8d33fcb03a0676ffd0481df54dfebd3512b8ec54f40cad",
    );
}
