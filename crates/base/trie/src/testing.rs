//! Tries that nobody built, behind a root that names them: every hash is right, and the shape is not.

use alloy_primitives::{B256, Bytes, keccak256};
use alloy_rlp::Encodable;

use crate::Nibbles;

/// Nodes of a trie in which one key could be found, if shapes did not matter.
#[derive(Debug, Clone)]
pub struct HostileTrie {
    /// What is wrong with it.
    pub name: &'static str,
    /// Every node, the root first.
    pub nodes: Vec<Bytes>,
}

impl HostileTrie {
    /// The hash that names it.
    #[must_use]
    pub fn root(&self) -> B256 {
        keccak256(&self.nodes[0])
    }
}

/// Every shape that no sequence of updates gives, on the way to this key.
#[must_use]
pub fn hostile_tries(key: B256) -> Vec<HostileTrie> {
    let path = Path(Nibbles::unpack(key));
    let leaf = |depth| short(&path.from(depth), true, &string(&LONG));
    let of = |name, nodes| HostileTrie { name, nodes };
    let two = |depth, child: &Bytes, other: &Bytes| {
        branch(&[(path.at(depth), by_hash(child)), (path.beside(depth), by_hash(other))])
    };

    let inner = two(4, &leaf(5), &leaf(5));
    let below = short(&path.between(2, 4), false, &by_hash(&inner));
    let early = short(&path.between(1, 62), true, &string(&LONG));
    let mut valued = vec![vec![EMPTY]; 17];
    valued[usize::from(path.at(0))] = by_hash(&leaf(1));
    valued[usize::from(path.beside(0))] = by_hash(&leaf(1));
    valued[16] = string(&LONG);
    let hash_of_33 = string(&[&[0][..], keccak256(leaf(1)).as_slice()].concat());
    let flagged =
        |flags: u8| list(&[string(&[&[flags][..], key.as_slice()].concat()), string(&LONG)]).into();
    let three = list(&[string(&compact(&path.from(0), true)), string(&LONG), string(&LONG)]);
    vec![
        of(
            "an extension over a leaf",
            vec![short(&path.between(0, 2), false, &by_hash(&leaf(2))), leaf(2)],
        ),
        of(
            "an extension over an extension",
            vec![short(&path.between(0, 2), false, &by_hash(&below)), below, inner, leaf(5)],
        ),
        of("a leaf short of its key", vec![short(&path.between(0, 62), true, &string(&LONG))]),
        of("a leaf short of its key, below a branch", vec![two(0, &early, &early), early.clone()]),
        of("a branch with one child", vec![branch(&[(path.at(0), by_hash(&leaf(1)))]), leaf(1)]),
        of("a branch with a value", vec![list(&valued).into(), leaf(1)]),
        of(
            "a branch that names a child by 33 bytes",
            vec![branch(&[(path.at(0), hash_of_33), (path.beside(0), by_hash(&leaf(1)))]), leaf(1)],
        ),
        of(
            "an extension without a path",
            vec![
                short(&path.between(0, 0), false, &by_hash(&two(0, &leaf(1), &leaf(1)))),
                two(0, &leaf(1), &leaf(1)),
                leaf(1),
            ],
        ),
        of("an even path whose padding is not zero", vec![flagged(0x21)]),
        of("a path with unknown flags", vec![flagged(0x40)]),
        of("a list of three", vec![three.into()]),
        of("a short leaf that is named by its hash", short_by_hash(&path)),
    ]
}

/// A leaf of less than 32 bytes is part of the branch above it; here it stands by itself, under branches to the last nibble.
fn short_by_hash(path: &Path) -> Vec<Bytes> {
    let leaf = short(&path.from(63), true, &string(&[9]));
    debug_assert!(leaf.len() < 32);
    let other = short(&path.from(63), true, &string(&LONG));
    let mut nodes = vec![other.clone(), leaf.clone()];
    let mut below = leaf;
    for depth in (0..63).rev() {
        below = branch(&[(path.at(depth), by_hash(&below)), (path.beside(depth), by_hash(&other))]);
        nodes.push(below.clone());
    }
    nodes.reverse();
    nodes
}

/// Values of a leaf that are no account: of these items, lengths, or encodings.
#[must_use]
pub fn hostile_accounts() -> Vec<(&'static str, Bytes)> {
    let hash = || string(B256::repeat_byte(1).as_slice());
    let number = || vec![1];
    let of = |name, items: &[Vec<u8>]| (name, Bytes::from(list(items)));
    let trailing = [&list(&[number(), number(), hash(), hash()])[..], &[0]].concat();
    vec![
        of("an empty string for a storage root", &[number(), number(), vec![EMPTY], hash()]),
        of("a nonce with a leading zero", &[vec![0x82, 0, 1], number(), hash(), hash()]),
        of("a balance with a leading zero", &[number(), vec![0x82, 0, 1], hash(), hash()]),
        of("three items", &[number(), number(), hash()]),
        of("five items", &[number(), number(), hash(), hash(), hash()]),
        of("a storage root of 33 bytes", &[number(), number(), string(&[1; 33]), hash()]),
        ("a byte behind the account", trailing.into()),
    ]
}

/// The RLP of an account.
#[must_use]
pub fn leaf_of(key: B256, value: &[u8]) -> Bytes {
    short(&Nibbles::unpack(key), true, &string(value))
}

const EMPTY: u8 = 0x80;
/// A value that makes every leaf too long to be part of another node.
const LONG: [u8; 40] = [7; 40];

/// The way to a key.
struct Path(Nibbles);

impl Path {
    fn at(&self, depth: usize) -> u8 {
        self.0.get_unchecked(depth)
    }

    /// Another nibble.
    fn beside(&self, depth: usize) -> u8 {
        (self.at(depth) + 1) % 16
    }

    fn between(&self, from: usize, to: usize) -> Nibbles {
        self.0.slice(from..to)
    }

    fn from(&self, depth: usize) -> Nibbles {
        self.between(depth, 64)
    }
}

/// A list of items that are RLP already.
#[must_use]
pub fn list(items: &[Vec<u8>]) -> Vec<u8> {
    let payload = items.concat();
    let mut out = vec![];
    alloy_rlp::Header { list: true, payload_length: payload.len() }.encode(&mut out);
    out.extend(payload);
    out
}

/// The RLP of bytes.
#[must_use]
pub fn string(bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![];
    bytes.encode(&mut out);
    out
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

/// A leaf or an extension, with a value or a child that is RLP already.
#[must_use]
pub fn short(path: &Nibbles, is_leaf: bool, rest: &[u8]) -> Bytes {
    list(&[string(&compact(path, is_leaf)), rest.to_vec()]).into()
}

/// How a node names another.
#[must_use]
pub fn by_hash(node: &Bytes) -> Vec<u8> {
    string(keccak256(node).as_slice())
}

/// A branch with these children, which are RLP already.
#[must_use]
pub fn branch(children: &[(u8, Vec<u8>)]) -> Bytes {
    let mut items = vec![vec![EMPTY]; 17];
    children.iter().for_each(|(at, child)| items[usize::from(*at)] = child.clone());
    list(&items).into()
}
