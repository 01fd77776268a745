//! Roots of tries, and encodings of RLP: what every other encoding here rests on.

use std::collections::BTreeMap;

use alloy_primitives::{B256, Bytes, U512, hex, keccak256};
use alloy_rlp::{Encodable, Header as RlpHeader};
use ethrex_trie::{EMPTY_ROOT, HashedNodes, Nibbles, Trie};
use ethrex_types::StateError;
use serde::Deserialize;
use serde_json::Value;

use crate::report::{Case, Kind};
use crate::run::Judge;

/// A trie of a test: what is put in, in order where there is one, and the root of all.
#[derive(Debug, Deserialize)]
struct TrieTest {
    #[serde(rename = "in")]
    content: Content,
    root: Option<B256>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Content {
    InOrder(Vec<(String, Option<String>)>),
    InAnyOrder(BTreeMap<String, String>),
    Keys(serde::de::IgnoredAny),
}

/// An encoding of a test.
#[derive(Debug, Deserialize)]
struct RlpTest {
    #[serde(rename = "in")]
    content: Value,
    out: Bytes,
}

/// A path in a node, as nibbles and as it is written (Yellow Paper, appendix C).
#[derive(Debug, Deserialize)]
struct PathTest {
    seq: Vec<u8>,
    /// Whether it ends in a value.
    term: bool,
    out: String,
}

/// How a test was not met.
#[derive(Debug, thiserror::Error)]
pub enum Unmet {
    /// The path is no bytes.
    #[error("the path")]
    Hex(#[from] hex::FromHexError),
    /// The path does not fit into a key.
    #[error("a path of {0} nibbles")]
    PathLength(usize),
    /// The path is not in the node, or the value not behind it.
    #[error("the trie has no {0} there")]
    NotThere(&'static str),
    /// The path is written otherwise.
    #[error("the path is {0}")]
    Path(Bytes),
    /// A key is no hash, and the tries of Ethereum's state have no others.
    #[error("a key of {0} bytes")]
    KeyLength(usize),
    /// The test asks for something else than a root.
    #[error("the test asks for no root")]
    NoRoot,
    /// The trie could not be read.
    #[error("fault")]
    Fault(#[from] StateError),
    /// The root is another.
    #[error("the root is {ours}, the test says {theirs}")]
    Root {
        /// As computed.
        ours: B256,
        /// As given.
        theirs: B256,
    },
    /// The value has no encoding.
    #[error("the value has no encoding")]
    Value,
    /// The encoding is another.
    #[error("the encoding is {0}")]
    Encoding(Bytes),
    /// The encoding does not decode.
    #[error("the encoding does not decode: {0}")]
    Decoding(alloy_rlp::Error),
}

/// The cases of a file of tries.
pub fn file(judge: &Judge<'_>, file: &str, content: &[u8]) -> Vec<Case> {
    judge.file(Kind::Trie, file, content, |tests: BTreeMap<String, TrieTest>| {
        let secure = file.contains("secure");
        let run = |(name, test): (&String, &TrieTest)| {
            let name = format!("{file}::{name}");
            judge.case(Kind::Trie, "any", &name, || test.run(secure))
        };
        tests.iter().filter_map(run).collect()
    })
}

/// The cases of a file of encodings.
pub fn rlp_file(judge: &Judge<'_>, file: &str, content: &[u8]) -> Vec<Case> {
    judge.file(Kind::Rlp, file, content, |tests: BTreeMap<String, RlpTest>| {
        let run = |(name, test): (&String, &RlpTest)| {
            judge.case(Kind::Rlp, "any", &format!("{file}::{name}"), || test.run())
        };
        tests.iter().filter_map(run).collect()
    })
}

/// The paths of a file.
pub fn path_file(judge: &Judge<'_>, file: &str, content: &[u8]) -> Vec<Case> {
    judge.file(Kind::Trie, file, content, |tests: BTreeMap<String, PathTest>| {
        let run = |(name, test): (&String, &PathTest)| {
            judge.case(Kind::Trie, "any", &format!("{file}::{name}"), || test.run())
        };
        tests.iter().filter_map(run).collect()
    })
}

/// Nibbles of a key.
const KEY_NIBBLES: usize = 64;

impl PathTest {
    /// A trie of two keys that part so that the path is that of a leaf, or of the extension at the root. What is written is read again.
    fn run(&self) -> Result<(), Unmet> {
        let too_long = Unmet::PathLength(self.seq.len());
        let rest = (KEY_NIBBLES - 1).checked_sub(self.seq.len()).ok_or(too_long)?;
        let filling = vec![0; rest];
        // The path ends its key, or begins it.
        let (before, after) = if self.term { (&filling, &self.seq) } else { (&self.seq, &filling) };
        let key = |parting: u8| {
            let nibbles = [before.as_slice(), &[parting], after.as_slice()].concat();
            let (pairs, _) = nibbles.as_chunks::<2>();
            let bytes: Vec<u8> = pairs.iter().map(|[high, low]| (high << 4) | low).collect();
            B256::from_slice(&bytes)
        };
        // Long enough for a node that stands on its own.
        let value = vec![1; 40];
        let none = HashedNodes::default();
        let mut trie = Trie::open(&none, None, EMPTY_ROOT);
        for parting in [0, 1] {
            trie.insert(key(parting), value.clone())?;
        }
        let (root, nodes) = trie.commit();
        let place = if self.term { [before.as_slice(), &[0]].concat() } else { Vec::new() };
        let node = nodes.get(&Nibbles::from_nibbles(&place)).cloned().flatten();
        let node = node.ok_or(Unmet::NotThere("node"))?;
        let mut content = node.as_ref();
        RlpHeader::decode(&mut content).map_err(Unmet::Decoding)?;
        let path = RlpHeader::decode_bytes(&mut content, false).map_err(Unmet::Decoding)?;
        if path != hex::decode(&self.out)? {
            return Err(Unmet::Path(Bytes::copy_from_slice(path)));
        }
        let nodes: HashedNodes = nodes.into_values().flatten().collect();
        let mut trie = Trie::open(&nodes, None, root);
        match trie.get(key(0))? {
            Some(read) if read == value => Ok(()),
            _ => Err(Unmet::NotThere("value")),
        }
    }
}

impl TrieTest {
    fn run(&self, secure: bool) -> Result<(), Unmet> {
        let theirs = self.root.ok_or(Unmet::NoRoot)?;
        let nodes = HashedNodes::default();
        let mut trie = Trie::open(&nodes, None, EMPTY_ROOT);
        let entries: Vec<(&str, Option<&str>)> = match &self.content {
            Content::InOrder(entries) => {
                entries.iter().map(|(key, value)| (key.as_str(), value.as_deref())).collect()
            }
            Content::InAnyOrder(entries) => {
                entries.iter().map(|(key, value)| (key.as_str(), Some(value.as_str()))).collect()
            }
            Content::Keys(_) => return Err(Unmet::NoRoot),
        };
        for (key, value) in entries {
            let key = bytes(key);
            let key = if secure {
                keccak256(key)
            } else {
                B256::try_from(key.as_slice()).map_err(|_| Unmet::KeyLength(key.len()))?
            };
            trie.insert(key, value.map(bytes).unwrap_or_default())?;
        }
        let ours = trie.root();
        if ours == theirs { Ok(()) } else { Err(Unmet::Root { ours, theirs }) }
    }
}

/// Hexadecimal with a prefix, or the letters themselves.
fn bytes(text: &str) -> Vec<u8> {
    let digits = text.strip_prefix("0x").and_then(|digits| hex::decode(digits).ok());
    digits.unwrap_or_else(|| text.as_bytes().to_vec())
}

impl RlpTest {
    fn run(&self) -> Result<(), Unmet> {
        let mut rest = self.out.as_ref();
        walk(&mut rest).map_err(Unmet::Decoding)?;
        if !rest.is_empty() {
            return Err(Unmet::Decoding(alloy_rlp::Error::UnexpectedLength));
        }
        if self.content == "VALID" {
            return Ok(());
        }
        let mut ours = Vec::new();
        encode(&self.content, &mut ours).ok_or(Unmet::Value)?;
        if ours == self.out { Ok(()) } else { Err(Unmet::Encoding(ours.into())) }
    }
}

/// Goes through one item and all in it.
fn walk(rest: &mut &[u8]) -> alloy_rlp::Result<()> {
    let header = RlpHeader::decode(rest)?;
    let (mut content, after) =
        rest.split_at_checked(header.payload_length).ok_or(alloy_rlp::Error::InputTooShort)?;
    while header.list && !content.is_empty() {
        walk(&mut content)?;
    }
    *rest = after;
    Ok(())
}

fn encode(value: &Value, out: &mut Vec<u8>) -> Option<()> {
    match value {
        Value::String(text) => match text.strip_prefix('#') {
            Some(digits) => {
                let number: U512 = digits.parse().ok()?;
                number.to_be_bytes_trimmed_vec().as_slice().encode(out);
            }
            None => text.as_bytes().encode(out),
        },
        Value::Number(number) => number.as_u64()?.encode(out),
        Value::Array(items) => {
            let mut content = Vec::new();
            for item in items {
                encode(item, &mut content)?;
            }
            RlpHeader { list: true, payload_length: content.len() }.encode(out);
            out.extend(content);
        }
        _ => return None,
    }
    Some(())
}
