//! The RLP of trie nodes, read strictly and without copying.

use alloy_primitives::B256;
use alloy_rlp::{EMPTY_STRING_CODE, Encodable, Header};
use nybbles::Nibbles;

/// Nibbles of every key.
pub(crate) const KEY_NIBBLES: usize = 64;
/// Children of a branch.
pub(crate) const WIDTH: usize = 16;
/// Bytes of a hash; a node whose RLP is shorter stands inside its parent instead of behind its hash.
const HASH_BYTES: usize = 32;
/// What stands in front of a hash.
const HASH_CODE: u8 = EMPTY_STRING_CODE + HASH_BYTES as u8;
/// Bytes of the longest branch: 16 hashes, no value, and a three-byte header.
const MAX_BRANCH: usize = 3 + WIDTH * (1 + HASH_BYTES) + 1;

/// Bytes that are not a canonical trie node. The caller knows which hash they were found under.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

impl From<alloy_rlp::Error> for Malformed {
    fn from(_: alloy_rlp::Error) -> Self {
        Self
    }
}

/// A node as its RLP shows it.
#[derive(Debug)]
pub(crate) enum NodeRef<'a> {
    Leaf(Nibbles, &'a [u8]),
    Extension(Nibbles, ChildRef<'a>),
    Branch(BranchRef<'a>),
}

/// The children of a branch, which have been looked at once and are read where they stand.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BranchRef<'a> {
    payload: &'a [u8],
    /// Which of them are named by hash, where all others are empty: nearly always.
    hashes: Option<u16>,
}

impl<'a> BranchRef<'a> {
    /// Those that are named by hash, each with its nibble, where none stands inside.
    pub(crate) fn hashes(self) -> Option<impl Iterator<Item = (usize, &'a B256)>> {
        let hashes = self.hashes?;
        let mut left = hashes;
        Some(std::iter::from_fn(move || {
            let nibble = (left != 0).then(|| left.trailing_zeros() as usize)?;
            left &= left - 1;
            Some((nibble, self.hash(hashes, nibble)?))
        }))
    }

    /// All of them, in order.
    pub(crate) fn children(self) -> impl Iterator<Item = ChildRef<'a>> {
        let mut rest = self.payload;
        (0..WIDTH).map(move |_| child(&mut rest).expect("the branch has been checked"))
    }

    /// The one at this nibble.
    pub(crate) fn child(self, nibble: u8) -> ChildRef<'a> {
        let child = match self.hashes {
            Some(hashes) if hashes & (1 << nibble) == 0 => Some(ChildRef::Empty),
            Some(hashes) => self.hash(hashes, nibble.into()).map(ChildRef::Hash),
            None => self.children().nth(nibble.into()),
        };
        child.expect("a nibble is below the width of a branch")
    }

    /// The hash at this nibble, behind one byte for each child up to there and the hashes of those before.
    fn hash(self, hashes: u16, nibble: usize) -> Option<&'a B256> {
        let before = (hashes & ((1 << nibble) - 1)).count_ones() as usize;
        let hash = self.payload[nibble + 1 + before * HASH_BYTES..].first_chunk::<HASH_BYTES>()?;
        Some(hash.into())
    }
}

/// How a parent names a child.
#[derive(Debug, Clone, Copy)]
pub(crate) enum ChildRef<'a> {
    Empty,
    Hash(&'a B256),
    /// The RLP of the child itself, shorter than a hash.
    Inline(&'a [u8]),
}

/// Whether these bytes are the canonical RLP of a node that can stand somewhere in a trie, with all nodes inlined in it.
///
/// What only its neighbours can tell is left open: where it stands, and whether a child that is named by hash may be one.
#[must_use]
pub fn is_canonical_node(rlp: &[u8]) -> bool {
    match parse(rlp) {
        // Nearly all nodes: nothing is inlined. Where a leaf ends is where it stands, and there is room for it.
        Ok(NodeRef::Leaf(..)) => true,
        Ok(NodeRef::Extension(path, ChildRef::Hash(_))) => path.len() < KEY_NIBBLES,
        Ok(NodeRef::Branch(branch)) if branch.hashes.is_some() => true,
        Ok(NodeRef::Extension(..) | NodeRef::Branch(_)) => fits_somewhere(rlp),
        Err(Malformed) => false,
    }
}

/// Whether there is a depth at which this node can stand with those inlined in it.
fn fits_somewhere(rlp: &[u8]) -> bool {
    // A leaf ends where keys end, which fixes the depth of everything above it; all other conditions are bounds from
    // above, so without a leaf the root is the most lenient place.
    let Ok(leaf) = first_leaf(rlp) else { return false };
    let depth = leaf.map_or(Some(0), |end| KEY_NIBBLES.checked_sub(end));
    depth.is_some_and(|depth| check(rlp, depth, false).is_ok())
}

/// How many nibbles below this node the first leaf that is inlined in it ends. Each inlined node is shorter than the one
/// around it, so the recursion is bounded by the length of a hash.
fn first_leaf(rlp: &[u8]) -> Result<Option<usize>, Malformed> {
    let inline = |child: ChildRef<'_>, above: usize| match child {
        ChildRef::Inline(rlp) => Ok(first_leaf(rlp)?.map(|end| above + end)),
        ChildRef::Empty | ChildRef::Hash(_) => Ok(None),
    };
    match parse(rlp)? {
        NodeRef::Leaf(path, _) => Ok(Some(path.len())),
        NodeRef::Extension(path, child) => inline(child, path.len()),
        NodeRef::Branch(branch) => {
            for child in branch.children() {
                if let Some(end) = inline(child, 1)? {
                    return Ok(Some(end));
                }
            }
            Ok(None)
        }
    }
}

/// Checks a node at this depth and all that is inlined in it, on the way to a key or not. Under an extension only a branch may stand.
pub(crate) fn check(rlp: &[u8], depth: usize, under_extension: bool) -> Result<(), Malformed> {
    match decode(rlp, depth)? {
        NodeRef::Leaf(..) | NodeRef::Extension(..) if under_extension => Err(Malformed),
        NodeRef::Extension(path, ChildRef::Inline(child)) => check(child, depth + path.len(), true),
        NodeRef::Leaf(..) | NodeRef::Extension(..) => Ok(()),
        NodeRef::Branch(branch) => branch.children().try_for_each(|child| match child {
            ChildRef::Inline(child) => check(child, depth + 1, false),
            ChildRef::Empty | ChildRef::Hash(_) => Ok(()),
        }),
    }
}

/// Whether a node of this length may be named by its hash: shorter ones stand inside their parents, but for the root.
pub(crate) const fn may_be_hashed(len: usize, depth: usize) -> bool {
    depth == 0 || len >= HASH_BYTES
}

/// Reads a node that stands `depth` nibbles below the root.
///
/// Refuses what no honest trie contains: paths that do not end at 64 nibbles, branches with a value or with fewer than
/// two children, extensions without a path, trailing bytes, RLP or hex-prefix encodings other than the shortest one.
/// Since every step down takes at least one nibble, no walk over such nodes is longer than a key.
pub(crate) fn decode(rlp: &[u8], depth: usize) -> Result<NodeRef<'_>, Malformed> {
    let node = parse(rlp)?;
    let fits = match &node {
        NodeRef::Leaf(path, _) => depth + path.len() == KEY_NIBBLES,
        NodeRef::Extension(path, _) => depth + path.len() < KEY_NIBBLES,
        NodeRef::Branch(_) => depth < KEY_NIBBLES,
    };
    if fits { Ok(node) } else { Err(Malformed) }
}

/// Reads a node wherever it stands.
pub(crate) fn parse(mut rlp: &[u8]) -> Result<NodeRef<'_>, Malformed> {
    let payload = Header::decode_bytes(&mut rlp, true)?;
    if !rlp.is_empty() {
        return Err(Malformed);
    }
    if let Some(hashes) = hashes_of(payload) {
        let branch = BranchRef { payload, hashes: Some(hashes) };
        return if hashes.count_ones() < 2 { Err(Malformed) } else { Ok(NodeRef::Branch(branch)) };
    }
    let mut rest = payload;
    let first = item(&mut rest)?;
    let second = item(&mut rest)?;
    if rest.is_empty() { short(first, second) } else { branch(payload) }
}

fn short<'a>(path: &'a [u8], mut rest: &'a [u8]) -> Result<NodeRef<'a>, Malformed> {
    let (path, is_leaf) = hex_prefix(string(path)?)?;
    if is_leaf {
        let value = string(rest)?;
        return if value.is_empty() { Err(Malformed) } else { Ok(NodeRef::Leaf(path, value)) };
    }
    match child(&mut rest)? {
        ChildRef::Empty => Err(Malformed),
        _ if path.is_empty() => Err(Malformed),
        child => Ok(NodeRef::Extension(path, child)),
    }
}

/// Which children are named by hash, if this is a branch in which all others are empty.
fn hashes_of(payload: &[u8]) -> Option<u16> {
    let (mut at, mut hashes) = (0, 0);
    for nibble in 0..WIDTH {
        let code = *payload.get(at)?;
        let is_hash = code == HASH_CODE;
        if !is_hash && code != EMPTY_STRING_CODE {
            return None;
        }
        // Which it is follows no pattern, so nothing branches on it.
        hashes |= u16::from(is_hash) << nibble;
        at += 1 + HASH_BYTES * usize::from(is_hash);
    }
    (payload.get(at..)? == [EMPTY_STRING_CODE]).then_some(hashes)
}

/// Any other branch.
fn branch(payload: &[u8]) -> Result<NodeRef<'_>, Malformed> {
    let (mut rest, mut occupied) = (payload, 0);
    for _ in 0..WIDTH {
        let child = child(&mut rest)?;
        occupied += usize::from(!matches!(child, ChildRef::Empty));
    }
    if rest != [EMPTY_STRING_CODE] || occupied < 2 {
        return Err(Malformed);
    }
    Ok(NodeRef::Branch(BranchRef { payload, hashes: None }))
}

/// Splits the next item off, header included.
fn item<'a>(buf: &mut &'a [u8]) -> Result<&'a [u8], Malformed> {
    let start = *buf;
    let header = Header::decode(buf)?;
    let end = start.len() - buf.len() + header.payload_length;
    let (item, rest) = start.split_at_checked(end).ok_or(Malformed)?;
    *buf = rest;
    Ok(item)
}

fn string(mut item: &[u8]) -> Result<&[u8], Malformed> {
    Ok(Header::decode_bytes(&mut item, false)?)
}

/// Splits the next child off.
#[inline]
fn child<'a>(buf: &mut &'a [u8]) -> Result<ChildRef<'a>, Malformed> {
    match *buf {
        [EMPTY_STRING_CODE, rest @ ..] => {
            *buf = rest;
            Ok(ChildRef::Empty)
        }
        [HASH_CODE, rest @ ..] => {
            let (hash, rest) = rest.split_at_checked(HASH_BYTES).ok_or(Malformed)?;
            *buf = rest;
            Ok(ChildRef::Hash(hash.try_into().map_err(|_| Malformed)?))
        }
        [0xc0..=0xff, ..] => {
            let node = item(buf)?;
            if node.len() < HASH_BYTES { Ok(ChildRef::Inline(node)) } else { Err(Malformed) }
        }
        _ => Err(Malformed),
    }
}

/// Reads a compact path and whether it ends in a leaf (Yellow Paper, appendix C).
fn hex_prefix(bytes: &[u8]) -> Result<(Nibbles, bool), Malformed> {
    let [first, rest @ ..] = bytes else { return Err(Malformed) };
    if rest.len() > HASH_BYTES {
        return Err(Malformed);
    }
    let (flag, low) = (first >> 4, first & 0x0f);
    let tail = Nibbles::unpack(rest);
    let path = match flag {
        0 | 2 if low == 0 => tail,
        1 | 3 if tail.len() < KEY_NIBBLES => Nibbles::from_nibbles_unchecked([low]).join(&tail),
        _ => return Err(Malformed),
    };
    Ok((path, flag >= 2))
}

/// Writes a leaf.
pub(crate) fn encode_leaf(path: &Nibbles, value: &[u8], out: &mut Vec<u8>) {
    let (buf, len) = to_hex_prefix(path, true);
    let path = &buf[..len];
    Header { list: true, payload_length: path.length() + value.length() }.encode(out);
    path.encode(out);
    value.encode(out);
}

/// Writes an extension; `child` is the RLP by which it names its child.
pub(crate) fn encode_extension(path: &Nibbles, child: &[u8], out: &mut Vec<u8>) {
    let (buf, len) = to_hex_prefix(path, false);
    let path = &buf[..len];
    Header { list: true, payload_length: path.length() + child.len() }.encode(out);
    path.encode(out);
    out.extend_from_slice(child);
}

fn to_hex_prefix(path: &Nibbles, is_leaf: bool) -> ([u8; 1 + HASH_BYTES], usize) {
    let mut out = [0; 1 + HASH_BYTES];
    let flag = if is_leaf { 0x20 } else { 0 };
    let even = if path.len().is_multiple_of(2) {
        out[0] = flag;
        *path
    } else {
        out[0] = flag | 0x10 | path.get_unchecked(0);
        path.slice(1..)
    };
    even.pack_to(&mut out[1..=even.len() / 2]);
    (out, 1 + even.len() / 2)
}

/// Collects the children of a branch and writes it in one piece.
pub(crate) struct BranchEncoder {
    buf: [u8; MAX_BRANCH],
    end: usize,
}

impl BranchEncoder {
    /// Room for the longest header, filled in last.
    const START: usize = 3;

    pub(crate) const fn new() -> Self {
        Self { buf: [0; MAX_BRANCH], end: Self::START }
    }

    pub(crate) fn empty(&mut self) {
        self.push(&[EMPTY_STRING_CODE]);
    }

    pub(crate) fn hash(&mut self, hash: &B256) {
        self.push(&[HASH_CODE]);
        self.push(hash.as_slice());
    }

    /// Appends the RLP by which the branch names its next child.
    pub(crate) fn push(&mut self, rlp: &[u8]) {
        self.buf[self.end..self.end + rlp.len()].copy_from_slice(rlp);
        self.end += rlp.len();
    }

    /// Closes the branch without a value.
    pub(crate) fn finish(&mut self) -> &[u8] {
        self.empty();
        let payload_length = self.end - Self::START;
        let header = Header { list: true, payload_length };
        let start = Self::START - header.length();
        header.encode(&mut &mut self.buf[start..Self::START]);
        &self.buf[start..self.end]
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::hex;
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn refuses(rlp: &[u8], depth: usize) {
        assert!(decode(rlp, depth).is_err(), "{}", hex::encode(rlp));
    }

    fn leaf(path: &[u8], value: &[u8]) -> Vec<u8> {
        let mut out = vec![];
        encode_leaf(&Nibbles::from_nibbles(path), value, &mut out);
        out
    }

    #[test]
    fn a_leaf_must_end_where_keys_end() {
        let rlp = leaf(&[1; 63], b"v");
        assert!(matches!(decode(&rlp, 1), Ok(NodeRef::Leaf(path, b"v")) if path.len() == 63));
        refuses(&rlp, 0);
        refuses(&rlp, 2);
    }

    #[test]
    fn an_extension_needs_a_path_and_a_child() {
        let mut rlp = vec![];
        encode_extension(&Nibbles::new(), &[0xa0; 33], &mut rlp);
        refuses(&rlp, 0);
        rlp.clear();
        encode_extension(&Nibbles::from_nibbles([1]), &[EMPTY_STRING_CODE], &mut rlp);
        refuses(&rlp, 0);
        rlp.clear();
        encode_extension(&Nibbles::from_nibbles([1]), &[0xa0; 33], &mut rlp);
        assert!(decode(&rlp, 0).is_ok());
        refuses(&rlp, 63);
    }

    #[test]
    fn a_branch_needs_two_children() {
        let build = |children: usize| {
            let mut branch = BranchEncoder::new();
            (0..WIDTH)
                .for_each(|i| if i < children { branch.hash(&B256::ZERO) } else { branch.empty() });
            branch.finish().to_vec()
        };
        refuses(&build(0), 0);
        refuses(&build(1), 0);
        for children in 2..=WIDTH {
            assert!(decode(&build(children), 0).is_ok(), "{children}");
        }
        refuses(&build(2), 64);
    }

    #[test]
    fn odd_inputs_are_refused() {
        refuses(&[], 0);
        refuses(&[0x80], 0);
        refuses(&[0xc0], 0);
        refuses(&[0xc1, 0x80], 0);
        refuses(&[0xc2, 0x80, 0x80], 0);
        let mut trailing = leaf(&[1; 64], b"v");
        trailing.push(0);
        refuses(&trailing, 0);
    }

    fn branch_of(children: &[&[u8]]) -> Vec<u8> {
        let mut branch = BranchEncoder::new();
        (0..WIDTH).for_each(|i| match children.get(i) {
            Some(child) => branch.push(child),
            None => branch.empty(),
        });
        branch.finish().to_vec()
    }

    #[test]
    fn w04_a_node_by_itself_is_canonical_or_not() {
        let hash = [&[0xa0][..], &[7; 32]].concat();
        let extension = |path: &[u8], child: &[u8]| {
            let mut out = vec![];
            encode_extension(&Nibbles::from_nibbles(path), child, &mut out);
            out
        };
        let good = [
            leaf(&[1; 64], b"v"),
            leaf(&[], b"v"),
            leaf(&[3; 7], &[9; 90]),
            extension(&[1], &hash),
            extension(&[1; 63], &hash),
            branch_of(&[&hash, &hash]),
            branch_of(&[&leaf(&[1, 2], b"v"), &leaf(&[3, 4], b"w"), &hash]),
            extension(&[5], &branch_of(&[&leaf(&[1], b"v"), &leaf(&[2], b"w")])),
        ];
        for node in good {
            assert!(is_canonical_node(&node), "{}", hex::encode(node));
        }
        let inline_extension = extension(&[1], &branch_of(&[&leaf(&[], b"v"), &leaf(&[], b"w")]));
        let bad = [
            // Leaves that would end at different depths.
            branch_of(&[&leaf(&[1], b"v"), &leaf(&[3, 4], b"w")]),
            // Under an extension: a leaf, an extension.
            extension(&[5], &leaf(&[1], b"v")),
            extension(&[5], &inline_extension),
            // No room below.
            extension(&[1; 64], &hash),
            branch_of(&[&hash]),
            branch_of(&[&hash, &[0x82, 1, 2]]),
            // A hash of 33 bytes, an inlined node of 32.
            branch_of(&[&hash, &[&[0xa1][..], &[7; 33]].concat()]),
            branch_of(&[&hash, &leaf(&[1; 4], &[7; 28])]),
            // Flags: none of the four, an even path with a low nibble.
            vec![0xc3, 0x40, 0x81, 0x80],
            vec![0xc2, 0x21, 0x01],
            vec![0xc3, 0x81, 0x20, 0x01],
            // Three items; a branch with a value.
            vec![0xc3, 0x20, 0x01, 0x01],
            vec![],
            hex!("8199").to_vec(),
        ];
        for node in bad {
            assert!(!is_canonical_node(&node), "{}", hex::encode(node));
        }
        let mut valued = branch_of(&[&hash, &hash]);
        *valued.last_mut().unwrap() = 1;
        assert!(!is_canonical_node(&valued));
    }

    /// Single nodes of every kind, with every byte changed to what matters at some place.
    #[test]
    fn w04_nodes_without_inlined_ones_are_judged_by_the_same_definition() {
        let hash = [&[0xa0][..], &[7; 32]].concat();
        let mut extension = vec![];
        encode_extension(&Nibbles::from_nibbles([5; 3]), &hash, &mut extension);
        let inlined = leaf(&[1, 2], b"v");
        let nodes = [
            leaf(&[1; 64], b"v"),
            leaf(&[3; 7], &[9; 70]),
            extension,
            branch_of(&[&hash, &hash]),
            branch_of(&[&hash, &inlined, &[EMPTY_STRING_CODE], &inlined]),
        ];
        for node in nodes {
            for at in 0..node.len() {
                for byte in [0, 1, 0x10, 0x20, 0x3f, 0x7f, 0x80, 0x81, 0xa0, 0xa1, 0xc0, 0xc2, 0xf8]
                {
                    let mut changed = node.clone();
                    changed[at] = byte;
                    let hex = hex::encode(&changed);
                    assert_eq!(is_canonical_node(&changed), fits_somewhere(&changed), "{hex}");
                }
            }
        }
    }

    proptest! {
        #[test]
        fn judging_a_node_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = is_canonical_node(&bytes);
        }

        #[test]
        fn decoding_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..600), depth in 0usize..=64) {
            let _ = decode(&bytes, depth);
        }

        #[test]
        fn damaged_nodes_never_panic(at in 0usize..500, byte in any::<u8>(), depth in 0usize..=64) {
            let mut branch = BranchEncoder::new();
            (0..WIDTH).for_each(|i| if i % 3 == 0 { branch.hash(&B256::ZERO) } else { branch.empty() });
            let mut rlp = branch.finish().to_vec();
            let at = at % rlp.len();
            rlp[at] = byte;
            let _ = decode(&rlp, depth);
        }

        #[test]
        fn paths_round_trip(path in proptest::collection::vec(0u8..16, 0..=64), is_leaf in any::<bool>()) {
            let path = Nibbles::from_nibbles(path);
            let (buf, len) = to_hex_prefix(&path, is_leaf);
            prop_assert_eq!(hex_prefix(&buf[..len]), Ok((path, is_leaf)));
        }
    }
}
