//! Long chains: concatenated RLP blocks over a genesis file.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_rlp::Header as RlpHeader;
use ethrex_trie::state_root_of;
use ethrex_types::{
    AccountDiff, AccountInfo, ChainSpec, Genesis, StateDiff, StateError, StateReader,
};
use serde::Deserialize;

use crate::ledger::{Ledger, Refused};
use crate::real::{self, Untrue};

/// Why a chain did not reach its head.
#[derive(Debug, thiserror::Error)]
pub enum Stuck {
    /// A file cannot be read.
    #[error("read the chain's files")]
    Read(#[from] io::Error),
    /// The genesis file is not one.
    #[error("the genesis file")]
    Genesis(#[from] serde_json::Error),
    /// The genesis file contradicts itself.
    #[error("the genesis file")]
    Schedule(#[from] ethrex_types::chain_spec::GenesisError),
    /// The chain file is not a row of RLP items.
    #[error("the chain file")]
    Encoding(alloy_rlp::Error),
    /// A block was refused.
    #[error("after block {head}")]
    Refused {
        /// The last block that was imported.
        head: u64,
        /// Our reason against the next one.
        #[source]
        why: Box<Refused>,
    },
    /// A block does not hold statelessly.
    #[error("the block after {head}, statelessly")]
    Stateless {
        /// The block before it.
        head: u64,
        /// What stateless validation said.
        #[source]
        why: Untrue,
    },
    /// The state after the last block could not be read.
    #[error("fault")]
    Fault(#[from] StateError),
    /// The state after the last block is another than the dump of it.
    #[error("the state has another {what} at {at}")]
    State {
        /// Which part.
        what: &'static str,
        /// The account.
        at: Address,
    },
    /// The root of a state is another.
    #[error("the {whose} has the root {ours}, the dump says {theirs}")]
    Root {
        /// The last block, or the dump itself.
        whose: &'static str,
        /// As computed.
        ours: B256,
        /// As given.
        theirs: B256,
    },
    /// The file ended at another height.
    #[error("the head is {head}, expected {expected}")]
    Head {
        /// Ours.
        head: u64,
        /// The one the data promises.
        expected: u64,
    },
}

/// A state as geth dumps it.
#[derive(Debug, Deserialize)]
struct Dump {
    root: B256,
    accounts: BTreeMap<Address, DumpedAccount>,
}

#[derive(Debug, Deserialize)]
struct DumpedAccount {
    balance: U256,
    nonce: u64,
    #[serde(default)]
    code: Bytes,
    /// Bytes without the zeros in front.
    #[serde(default)]
    storage: BTreeMap<B256, Bytes>,
}

/// Imports every block of `chain` over `genesis`; the head must be number `expected`, and its state what is dumped, if it is.
///
/// # Errors
/// The first thing that is otherwise.
pub fn import(
    genesis: &Path,
    chain: &Path,
    expected: u64,
    dump: Option<&Path>,
) -> Result<(), Stuck> {
    let genesis: Genesis = serde_json::from_slice(&fs::read(genesis)?)?;
    let spec = ChainSpec::new(genesis)?;
    let state = spec.genesis_diff();
    let mut ledger = Ledger::new(spec.clone(), &state, |root| spec.genesis_header(root));
    let blocks = fs::read(chain)?;
    let mut left = blocks.as_slice();
    while !left.is_empty() {
        let block = first_item(left).map_err(Stuck::Encoding)?;
        let head = ledger.head().number;
        let imported =
            ledger.import(block).map_err(|why| Stuck::Refused { head, why: Box::new(why) })?;
        real::revalidate(&ledger, &imported).map_err(|why| Stuck::Stateless { head, why })?;
        left = &left[block.len()..];
    }
    let head = ledger.head().number;
    if head != expected {
        return Err(Stuck::Head { head, expected });
    }
    match dump {
        Some(dump) => is_dumped(&ledger, &serde_json::from_slice(&fs::read(dump)?)?),
        None => Ok(()),
    }
}

/// The state of the head is this one, account by account, and so is its root, which follows from the accounts.
fn is_dumped(ledger: &Ledger, dump: &Dump) -> Result<(), Stuck> {
    let theirs = dump.root;
    let root = |whose, ours| {
        if ours == theirs { Ok(()) } else { Err(Stuck::Root { whose, ours, theirs }) }
    };
    root("last block", ledger.head().state_root)?;
    let state = ledger.state();
    let mut whole = StateDiff::default();
    for (&at, account) in &dump.accounts {
        let code_hash = keccak256(&account.code);
        let info = AccountInfo { nonce: account.nonce, balance: account.balance, code_hash };
        if state.account(at)? != Some(info) {
            return Err(Stuck::State { what: "account", at });
        }
        let mut storage = BTreeMap::new();
        for (&slot, value) in &account.storage {
            let value = U256::try_from_be_slice(value).unwrap_or_default();
            if state.storage(at, slot)? != value {
                return Err(Stuck::State { what: "slot", at });
            }
            storage.insert(slot, value);
        }
        whole.accounts.insert(at, AccountDiff { info: Some(info), wiped: false, storage });
    }
    root("dump", state_root_of(&whole).root)
}

/// The bytes of the first RLP item.
fn first_item(bytes: &[u8]) -> Result<&[u8], alloy_rlp::Error> {
    let mut rest = bytes;
    let header = RlpHeader::decode(&mut rest)?;
    let length = bytes.len() - rest.len() + header.payload_length;
    bytes.get(..length).ok_or(alloy_rlp::Error::InputTooShort)
}
