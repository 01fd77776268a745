//! What go-ethereum's tools `t8n`, `t9n` and `b11r` make of their inputs: blocks on a given state, transactions by themselves, blocks
//! by themselves.
//!
//! The data (`cmd/evm/testdata`) does not say under which fork it is meant. The tables in `cmd/evm/t8n_test.go` do, and so does
//! [`CALLS`]. Not in it: calls that fail for what no function here is asked (1 for a fork that nobody knows, 24 for a block without
//! a random value, which our headers have), 31 for a tracer written in JavaScript, `evmrun` for the looks of a command's output, and
//! folders 2 and 7 to 12, for which nothing is expected.

use std::collections::{BTreeMap, BTreeSet};

use alloy_primitives::{B256, Bytes, U256};
use alloy_rlp::Decodable;
use ethrex_evm::InvalidTx;
use ethrex_evm::trace::{TraceError, UnsupportedTracer};
use ethrex_types::{Block, SealedBlock, StateError};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::forks::ForkError;
use crate::transactions::{self, Expected};

mod input;
mod trace;
mod transition;

/// The files of the archive, by folder and name: `13/exp.json`.
#[derive(Debug, Default)]
pub struct Files(BTreeMap<String, Vec<u8>>);

impl Files {
    /// Adds a file, by its path in the archive.
    pub fn insert(&mut self, path: &str, content: Vec<u8>) {
        let path = path.split_once('/').map_or(path, |(_, path)| path);
        self.0.insert(path.into(), content);
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Files that say what must come of something, and which no call names.
    #[must_use]
    pub fn unused(&self) -> Vec<&str> {
        let used: BTreeSet<_> = CALLS
            .iter()
            .flat_map(|call| call.answers().map(|name| format!("{}/{name}", call.folder)))
            .collect();
        let answers = self.0.keys().filter(|path| is_answer(path) && !used.contains(*path));
        answers.map(String::as_str).collect()
    }

    fn get(&self, folder: u8, name: &str) -> Result<&[u8], Unmet> {
        let path = format!("{folder}/{name}");
        self.0.get(&path).map(Vec::as_slice).ok_or(Unmet::Missing(path))
    }

    fn json<T: DeserializeOwned>(&self, folder: u8, name: &str) -> Result<T, Unmet> {
        Ok(serde_json::from_slice(self.get(folder, name)?)?)
    }
}

fn is_answer(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    name.starts_with("exp") || name.ends_with(".jsonl")
}

/// A call of a tool.
#[derive(Debug)]
pub struct Call {
    folder: u8,
    /// The fork it is made under.
    pub fork: &'static str,
    what: What,
}

#[derive(Debug)]
enum What {
    /// Transactions on a state, in the surroundings of a block.
    Transition { env: &'static str, txs: &'static str, expected: &'static str },
    /// No transactions: a reward for miner and ommers that no fork pays.
    Rewards { reward: u64, expected: &'static str },
    /// A transaction asks for the hash of a block that the surroundings do not name.
    UnknownHash { txs: &'static str },
    /// Transactions by themselves; without an answer they are not even a list.
    Transactions { txs: &'static str, expected: Option<&'static str> },
    /// A block by itself: how it is written, and its hash.
    Block { expected: &'static str },
    /// What each transaction does, step by step.
    Traces { expected: &'static [&'static str] },
}

const fn call(folder: u8, fork: &'static str, expected: &'static str) -> Call {
    Call { folder, fork, what: What::Transition { env: "env.json", txs: "txs.json", expected } }
}

const fn call_with(
    folder: u8,
    fork: &'static str,
    [env, txs, expected]: [&'static str; 3],
) -> Call {
    Call { folder, fork, what: What::Transition { env, txs, expected } }
}

const fn transactions(
    folder: u8,
    fork: &'static str,
    txs: &'static str,
    expected: Option<&'static str>,
) -> Call {
    Call { folder, fork, what: What::Transactions { txs, expected } }
}

const fn block(folder: u8, fork: &'static str, expected: &'static str) -> Call {
    Call { folder, fork, what: What::Block { expected } }
}

const fn traces(folder: u8, fork: &'static str, expected: &'static [&'static str]) -> Call {
    Call { folder, fork, what: What::Traces { expected } }
}

/// The calls, with the fork that go-ethereum's tables give each.
pub const CALLS: &[Call] = &[
    call(1, "Byzantium", "exp.json"),
    call(3, "Berlin", "exp.json"),
    Call { folder: 4, fork: "Berlin", what: What::UnknownHash { txs: "txs.json" } },
    Call {
        folder: 5,
        fork: "Byzantium",
        what: What::Rewards { reward: 0x80, expected: "exp.json" },
    },
    call(13, "London", "exp.json"),
    call_with(13, "London", ["env.json", "signed_txs.rlp", "exp2.json"]),
    call(14, "London", "exp.json"),
    call_with(14, "London", ["env.uncles.json", "txs.json", "exp2.json"]),
    call_with(14, "Berlin", ["env.uncles.json", "txs.json", "exp_berlin.json"]),
    transactions(15, "Homestead", "signed_txs.rlp", Some("exp.json")),
    transactions(15, "London", "signed_txs.rlp", Some("exp2.json")),
    transactions(15, "London", "blockheader.rlp", Some("exp3.json")),
    transactions(16, "London", "signed_txs.rlp", Some("exp.json")),
    transactions(17, "London", "signed_txs.rlp", Some("exp.json")),
    transactions(18, "London", "invalid.rlp", None),
    call(19, "London", "exp_london.json"),
    call(19, "ArrowGlacier", "exp_arrowglacier.json"),
    call(19, "GrayGlacier", "exp_grayglacier.json"),
    block(20, "Homestead", "exp.json"),
    block(21, "Homestead", "exp.json"),
    block(21, "Homestead", "exp-clique.json"),
    block(22, "Homestead", "exp.json"),
    block(22, "Homestead", "exp-clique.json"),
    call(23, "Berlin", "exp.json"),
    call(24, "Merge", "exp.json"),
    call(25, "Merge", "exp.json"),
    call(26, "Shanghai", "exp.json"),
    block(27, "Shanghai", "exp.json"),
    call_with(28, "Cancun", ["env.json", "txs.rlp", "exp.json"]),
    call(29, "Cancun", "exp.json"),
    call_with(30, "Cancun", ["env.json", "txs_more.rlp", "exp.json"]),
    traces(
        31,
        "Cancun",
        &[
            "trace-0-0x88f5fbd1524731a81e49f637aa847543268a5aaf2a6b32a69d2c6d978c45dcfb.jsonl",
            "trace-1-0x03a7b0a91e61a170d64ea94b8263641ef5a8bbdb10ac69f466083a6789c77fb8.jsonl",
            "trace-2-0xd96e0ce6418ee3360e11d3c7b6886f5a9a08f7ef183da72c23bb3b2374530128.jsonl",
        ],
    ),
    traces(
        32,
        "Merge",
        &["trace-0-0x47806361c0fa084be3caa18afe8c48156747c01dbdfc1ee11b5aecdbe4fcf23e.jsonl"],
    ),
    call(33, "Prague", "exp.json"),
    call(34, "Osaka", "exp.json"),
];

/// How a call was not met.
#[derive(Debug, thiserror::Error)]
pub enum Unmet {
    /// The archive lacks a file.
    #[error("no {0} in the archive")]
    Missing(String),
    /// A file is no JSON, or says something else than it should.
    #[error("a file")]
    Json(#[from] serde_json::Error),
    /// A file does not decode.
    #[error("a file")]
    Encoding(#[from] alloy_rlp::Error),
    /// The fork is not one we know.
    #[error("the fork")]
    Fork(#[from] ForkError),
    /// No transaction can be made of what a file says.
    #[error("no transaction can be made")]
    Unmade,
    /// A transaction by itself was judged otherwise.
    #[error("transaction {index}")]
    Transaction {
        /// Position in the list.
        index: usize,
        /// How.
        #[source]
        why: transactions::Unmet,
    },
    /// A file says what must come of something, and nothing here asks.
    #[error("nothing here asks for {0}")]
    Unasked(String),
    /// A list is no list, and was taken for one.
    #[error("what is no list was taken for one")]
    List,
    /// What closes the block failed.
    #[error("the block does not close: {0}")]
    Unclosed(String),
    /// The hash of an unknown block was made up.
    #[error("the hash of a block that nobody named was read")]
    MadeUp,
    /// The state could not be read.
    #[error("fault")]
    Fault(#[from] StateError),
    /// The tracer is not ours.
    #[error(transparent)]
    Tracer(#[from] UnsupportedTracer),
    /// A traced transaction did not run.
    #[error("trace: {0}")]
    Trace(#[from] TraceError<InvalidTx>),
    /// Something else came of it.
    #[error("{what} is {ours}, the file says {theirs}")]
    Different {
        /// Which value.
        what: &'static str,
        /// As computed.
        ours: String,
        /// As given.
        theirs: String,
    },
}

/// Compares a value with what a file says of it.
fn same<T: PartialEq + std::fmt::Debug>(
    what: &'static str,
    ours: &T,
    theirs: &T,
) -> Result<(), Unmet> {
    if ours == theirs {
        return Ok(());
    }
    Err(Unmet::Different { what, ours: format!("{ours:?}"), theirs: format!("{theirs:?}") })
}

impl Call {
    /// A name of its own.
    #[must_use]
    pub fn name(&self) -> String {
        let answer = self.answers().next();
        let input = match &self.what {
            What::UnknownHash { txs } | What::Transactions { txs, .. } => txs,
            _ => "",
        };
        format!("t8n-geth/{}/{}@{}", self.folder, answer.unwrap_or(input), self.fork)
    }

    /// The files that say what must come of it.
    fn answers(&self) -> impl Iterator<Item = &'static str> {
        let (one, many): (Option<&'static str>, &[&'static str]) = match self.what {
            What::Transition { expected, .. }
            | What::Rewards { expected, .. }
            | What::Block { expected } => (Some(expected), &[]),
            What::UnknownHash { .. } => (None, &[]),
            What::Transactions { expected, .. } => (expected, &[]),
            What::Traces { expected } => (None, expected),
        };
        one.into_iter().chain(many.iter().copied())
    }

    /// Makes it.
    ///
    /// # Errors
    /// The first thing that is otherwise.
    pub fn run(&self, files: &Files) -> Result<(), Unmet> {
        let &Self { folder, fork, ref what } = self;
        match *what {
            What::Transition { env, txs, expected } => {
                transition::run(files, folder, fork, [env, txs, expected])
            }
            What::Rewards { reward, expected } => {
                transition::rewards(files, folder, fork, U256::from(reward), expected)
            }
            What::UnknownHash { txs } => transition::unknown_hash(files, folder, fork, txs),
            What::Transactions { txs, expected } => judge_each(files, folder, fork, txs, expected),
            What::Block { expected } => encoding(&files.json(folder, expected)?),
            What::Traces { expected } => trace::run(files, folder, fork, expected),
        }
    }
}

fn judge_each(
    files: &Files,
    folder: u8,
    fork: &str,
    txs: &str,
    expected: Option<&str>,
) -> Result<(), Unmet> {
    let list: Bytes = files.json(folder, txs)?;
    let Some(expected) = expected else {
        return if input::items(&list).is_err() { Ok(()) } else { Err(Unmet::List) };
    };
    let (items, expected) = (input::items(&list)?, files.json::<Vec<Expected>>(folder, expected)?);
    same("number of transactions", &items.len(), &expected.len())?;
    for (index, (tx, expected)) in items.iter().zip(&expected).enumerate() {
        expected.run(fork, tx).map_err(|why| Unmet::Transaction { index, why })?;
    }
    Ok(())
}

/// A block as `b11r` writes it.
#[derive(Debug, Deserialize)]
struct Written {
    rlp: Bytes,
    hash: B256,
}

/// The block decodes, is written the same again, and has the hash.
fn encoding(written: &Written) -> Result<(), Unmet> {
    let mut rest = written.rlp.as_ref();
    let block = Block::decode(&mut rest)?;
    same("number of bytes left", &rest.len(), &0)?;
    same("encoding", &Bytes::from(alloy_rlp::encode(&block)), &written.rlp)?;
    same("hash", &SealedBlock::seal(block).hash(), &written.hash)
}
