//! Tries that nobody built, behind a root that names them: every hash is right, and the shape is not.

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use ethrex_trie::{HashedNodes, Nibbles, Trie, read_account, read_slot, read_value};
use ethrex_types::{StateError, TrieAccount};

/// A list of items that are RLP already.
fn list(items: &[Vec<u8>]) -> Vec<u8> {
    let payload = items.concat();
    let mut out = vec![];
    alloy_rlp::Header { list: true, payload_length: payload.len() }.encode(&mut out);
    out.extend(payload);
    out
}

fn string(bytes: &[u8]) -> Vec<u8> {
    alloy_rlp::encode(bytes)
}

/// A compact path, packed by hand.
fn compact(path: &Nibbles, is_leaf: bool) -> Vec<u8> {
    let flag = if is_leaf { 2 } else { 0 };
    let nibbles: Vec<u8> = path.to_vec();
    let mut out = vec![];
    if nibbles.len() % 2 == 1 {
        out.push((flag + 1) << 4 | nibbles[0]);
    } else {
        out.push(flag << 4);
    }
    let rest = &nibbles[nibbles.len() % 2..];
    out.extend(rest.chunks(2).map(|pair| pair[0] << 4 | pair[1]));
    out
}

fn short(path: &Nibbles, is_leaf: bool, rest: Vec<u8>) -> Bytes {
    list(&[string(&compact(path, is_leaf)), rest]).into()
}

fn by_hash(node: &Bytes) -> Vec<u8> {
    string(keccak256(node).as_slice())
}

fn branch(children: &[(u8, Vec<u8>)]) -> Bytes {
    let mut items = vec![vec![0x80]; 17];
    children.iter().for_each(|(at, child)| items[usize::from(*at)] = child.clone());
    list(&items).into()
}

/// Reading and updating must agree that the node with this hash is none.
#[track_caller]
fn refused(key: B256, root: &Bytes, nodes: &[&Bytes]) {
    let source: HashedNodes = nodes.iter().chain([&root]).map(|node| (*node).clone()).collect();
    let root = keccak256(root);
    let read = read_value(&source, None, root, key);
    assert!(matches!(read, Err(StateError::Malformed(_))), "{read:?}");
    let mut trie = Trie::open(&source, None, root);
    assert!(matches!(trie.get(key), Err(StateError::Malformed(_))));
    assert!(matches!(trie.insert(key, vec![1]), Err(StateError::Malformed(_))));
    assert!(matches!(trie.remove(key), Err(StateError::Malformed(_))));
}

const KEY: B256 = B256::repeat_byte(0x11);
const LONG: [u8; 40] = [7; 40];

fn path(range: std::ops::Range<usize>) -> Nibbles {
    Nibbles::unpack(KEY).slice(range)
}

#[test]
fn w04_under_an_extension_stands_a_branch() {
    let leaf = short(&path(2..64), true, string(&LONG));
    refused(KEY, &short(&path(0..2), false, by_hash(&leaf)), &[&leaf]);
    let below = branch(&[(1, by_hash(&leaf)), (2, by_hash(&leaf))]);
    let inner = short(&path(2..4), false, by_hash(&below));
    refused(KEY, &short(&path(0..2), false, by_hash(&inner)), &[&inner, &below]);
}

#[test]
fn w04_a_short_node_is_not_named_by_its_hash() {
    let leaf = short(&path(63..64), true, string(&[9]));
    assert!(leaf.len() < 32);
    let other = short(&path(63..64), true, string(&LONG));
    let mut at = branch(&[(1, by_hash(&leaf)), (2, by_hash(&other))]);
    let mut nodes = vec![];
    for _ in 1..62 {
        let above = branch(&[(1, by_hash(&at)), (2, by_hash(&other))]);
        nodes.push(std::mem::replace(&mut at, above));
    }
    nodes.push(leaf);
    nodes.push(other);
    let root = branch(&[(1, by_hash(&at)), (2, by_hash(&at))]);
    nodes.push(at);
    refused(KEY, &root, &nodes.iter().collect::<Vec<_>>());
}

#[test]
fn w04_paths_end_where_keys_end() {
    refused(KEY, &short(&path(0..62), true, string(&LONG)), &[]);
    let leaf = short(&path(0..62), true, string(&LONG));
    refused(KEY, &branch(&[(1, by_hash(&leaf)), (2, by_hash(&leaf))]), &[&leaf]);
}

#[test]
fn w04_a_stored_zero_is_no_slot() {
    let slot = B256::with_last_byte(5);
    for (value, ok) in [(U256::ZERO, false), (U256::ONE, true)] {
        let root =
            short(&Nibbles::unpack(keccak256(slot)), true, string(&alloy_rlp::encode(value)));
        let source: HashedNodes = [root.clone()].into_iter().collect();
        let read = read_slot(&source, keccak256(&root), Address::ZERO, slot);
        assert_eq!(read.is_ok(), ok, "{read:?}");
    }
    // A number with a leading zero, and bytes behind it.
    for value in [&[0x82, 0x00, 0x01][..], &[0x01, 0x01]] {
        let root = short(&Nibbles::unpack(keccak256(slot)), true, string(value));
        let source: HashedNodes = [root.clone()].into_iter().collect();
        read_slot(&source, keccak256(&root), Address::ZERO, slot).unwrap_err();
    }
}

#[test]
fn w04_an_account_is_four_canonical_items() {
    let address = Address::repeat_byte(3);
    let good = alloy_rlp::encode(TrieAccount::default());
    let read = |value: &[u8]| {
        let root = short(&Nibbles::unpack(keccak256(address)), true, string(value));
        let source: HashedNodes = [root.clone()].into_iter().collect();
        read_account(&source, keccak256(&root), address)
    };
    assert_eq!(read(&good).unwrap(), Some(TrieAccount::default()));
    read(&[&good[..], &[0]].concat()).unwrap_err();
    let hash = || string(B256::repeat_byte(1).as_slice());
    let number = || vec![1];
    read(&list(&[number(), number(), hash(), hash()])).unwrap();
    // An empty string for the storage root, a leading zero, three items, five, a root of 33 bytes.
    read(&list(&[number(), number(), vec![0x80], hash()])).unwrap_err();
    read(&list(&[vec![0x82, 0, 1], number(), hash(), hash()])).unwrap_err();
    read(&list(&[number(), number(), hash()])).unwrap_err();
    read(&list(&[number(), number(), hash(), hash(), hash()])).unwrap_err();
    read(&list(&[number(), number(), string(&[1; 33]), hash()])).unwrap_err();
}

#[test]
fn w05_a_node_counts_where_it_is_named() {
    // The same storage under two accounts is one set of nodes, and serves both.
    let slot = B256::with_last_byte(5);
    let root =
        short(&Nibbles::unpack(keccak256(slot)), true, string(&alloy_rlp::encode(U256::from(9))));
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
        short(&Nibbles::unpack(B256::from(key)).slice(1..), true, string(&[at; 40]))
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
    let deep = short(&path(0..4), false, by_hash(&root));
    assert_eq!(read_value(&with(&[&deep]), None, keccak256(&deep), key(0x99)).unwrap(), None);
    assert_eq!(read_value(&with(&[]), None, ethrex_trie::EMPTY_ROOT, key(0x99)).unwrap(), None);
}
