//! Tries that nobody built, behind a root that names them: every hash is right, and the shape is not.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use ethrex_trie::{
    HashedNodes, LinkedNodes, Nibbles, NodeSource, Trie, read_account, read_slot, read_value,
    testing::{
        HostileTrie, branch, by_hash, hostile_accounts, hostile_tries, leaf_of, short, string,
    },
};
use ethrex_types::{StateError, TrieAccount};

/// Reading and updating must agree that some node on the way is none.
#[track_caller]
fn refused(key: B256, trie: &HostileTrie) {
    let HostileTrie { name, nodes } = trie;
    let hashed: HashedNodes = nodes.iter().cloned().collect();
    let linked: LinkedNodes = nodes.iter().cloned().collect();
    for source in [&hashed as &dyn NodeSource, &linked] {
        let read = read_value(source, None, trie.root(), key);
        assert!(matches!(read, Err(StateError::Malformed(_))), "{name}: {read:?}");
        let mut trie = Trie::open(source, None, trie.root());
        assert!(matches!(trie.get(key), Err(StateError::Malformed(_))), "{name}");
        assert!(matches!(trie.insert(key, vec![1]), Err(StateError::Malformed(_))), "{name}");
        assert!(matches!(trie.remove(key), Err(StateError::Malformed(_))), "{name}");
    }
}

#[test]
fn w04_no_update_makes_such_a_trie() {
    for key in [B256::repeat_byte(0x11), keccak256("a key")] {
        for trie in hostile_tries(key) {
            refused(key, &trie);
        }
    }
}

#[test]
fn w04_a_stored_zero_is_no_slot() {
    let slot = B256::with_last_byte(5);
    for (value, ok) in [(U256::ZERO, false), (U256::ONE, true)] {
        let root = leaf_of(keccak256(slot), &alloy_rlp::encode(value));
        let source: HashedNodes = [root.clone()].into_iter().collect();
        let read = read_slot(&source, keccak256(&root), Address::ZERO, slot);
        assert_eq!(read.is_ok(), ok, "{read:?}");
    }
    // A number with a leading zero, and bytes behind it.
    for value in [&[0x82, 0x00, 0x01][..], &[0x01, 0x01]] {
        let root = leaf_of(keccak256(slot), value);
        let source: HashedNodes = [root.clone()].into_iter().collect();
        read_slot(&source, keccak256(&root), Address::ZERO, slot).unwrap_err();
    }
}

#[test]
fn w04_an_account_is_four_canonical_items() {
    let address = Address::repeat_byte(3);
    let good = alloy_rlp::encode(TrieAccount::default());
    let read = |value: &[u8]| {
        let root = leaf_of(keccak256(address), value);
        let source: HashedNodes = [root.clone()].into_iter().collect();
        read_account(&source, keccak256(&root), address)
    };
    assert_eq!(read(&good).unwrap(), Some(TrieAccount::default()));
    for (name, value) in hostile_accounts() {
        let read = read(&value);
        assert!(matches!(read, Err(StateError::Malformed(_))), "{name}: {read:?}");
    }
}

#[test]
fn w05_a_node_counts_where_it_is_named() {
    // The same storage under two accounts is one set of nodes, and serves both.
    let slot = B256::with_last_byte(5);
    let root = leaf_of(keccak256(slot), &alloy_rlp::encode(U256::from(9)));
    let source: HashedNodes = [root.clone()].into_iter().collect();
    for address in [Address::repeat_byte(1), Address::repeat_byte(2)] {
        let value = read_slot(&source, keccak256(&root), address, slot).unwrap();
        assert_eq!(value, U256::from(9));
    }
    // Under another root it is not there.
    let missing = read_slot(&source, B256::repeat_byte(9), Address::ZERO, slot);
    assert!(matches!(missing, Err(StateError::Missing(_))));
}

#[test]
fn w06_absence_needs_the_node_that_shows_it() {
    let leaf = |at: u8| {
        let mut key = [0x11; 32];
        key[0] = at << 4 | 1;
        short(&Nibbles::unpack(B256::from(key)).slice(1..), true, &string(&[at; 40]))
    };
    let (a, b) = (leaf(2), leaf(3));
    let root = branch(&[(2, by_hash(&a)), (3, by_hash(&b))]);
    let hash = keccak256(&root);
    let with = |nodes: &[&Bytes]| nodes.iter().map(|node| (*node).clone()).collect::<HashedNodes>();
    let key = |first: u8| {
        let mut key = [0x55; 32];
        key[0] = first;
        B256::from(key)
    };
    // An empty child shows absence by itself; a leaf that diverges must be seen.
    assert_eq!(read_value(&with(&[&root]), None, hash, key(0x41)).unwrap(), None);
    assert_eq!(read_value(&with(&[&root, &a]), None, hash, key(0x21)).unwrap(), None);
    assert!(matches!(
        read_value(&with(&[&root, &b]), None, hash, key(0x21)),
        Err(StateError::Missing(_))
    ));
    // So does an extension that diverges.
    let deep = short(&Nibbles::unpack(key(0x11)).slice(..4), false, &by_hash(&root));
    assert_eq!(read_value(&with(&[&deep]), None, keccak256(&deep), key(0x99)).unwrap(), None);
    assert_eq!(read_value(&with(&[]), None, ethrex_trie::EMPTY_ROOT, key(0x99)).unwrap(), None);
}
