//! The execution witness: as it travels, and as it is read.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard},
};

use alloy_primitives::{Address, B256, Bytes, U256, keccak256, map::B256Map};
use alloy_rlp::{RlpDecodable, RlpEncodable};
use ethrex_stf::Codes;
use ethrex_trie::{EMPTY_ROOT, LinkedNodes, RunningTries, StateTries, hash_all};
use ethrex_types::{
    AccountInfo, Header, Missing, RunningRoot, SealedHeader, StateDiff, StateError, StateReader,
    join,
};
use serde::{Deserialize, Serialize};

/// What a block reads, in the shape of `debug_executionWitness` (geth, reth).
#[derive(
    Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, RlpEncodable, RlpDecodable,
)]
pub struct ExecutionWitness {
    /// RLP trie nodes of the account trie and of storage tries, in any order.
    pub state: Vec<Bytes>,
    /// Contract code that is run or inspected.
    #[serde(default)]
    pub codes: Vec<Bytes>,
    /// Addresses and slots that are read; informative, not needed to validate.
    #[serde(default)]
    pub keys: Vec<Bytes>,
    /// RLP headers of ancestors: the parent, and as far back as `BLOCKHASH` looks.
    #[serde(default)]
    pub headers: Vec<Bytes>,
}

/// Accounts and storage slots of the state before a block, by which it is decided what a witness must contain: those of
/// its block access list (EIP-7928), or all that executing it touched.
pub type AccessSet = BTreeMap<Address, BTreeSet<B256>>;

/// Which encodings of a witness are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Strictness {
    /// The one encoding: lists strictly increasing, every node a trie node.
    #[default]
    Canonical,
    /// As EIP-8025 and `debug_executionWitness` have it: any order, repetitions, and surplus of any kind.
    Tolerant,
}

/// A witness that cannot be read, or is not in its canonical form. It says nothing about a block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WitnessError {
    /// An entry does not follow the one before it in bytewise order.
    #[error("{list} of the witness: entry {index} is not greater than the one before it")]
    Order {
        /// Which list.
        list: &'static str,
        /// Position in the list.
        index: usize,
    },
    /// An entry of the state is no canonical trie node.
    #[error("node {0} of the witness is no canonical trie node")]
    Node(usize),
    /// A header is not the child of the one before it.
    #[error("header {0} of the witness does not follow the one before it")]
    HeaderLink(usize),
    /// The last header is not the block's parent.
    #[error("the last header of the witness is {got}, the parent is {want}")]
    Parent {
        /// Hash of the last header.
        got: B256,
        /// The parent hash of the block.
        want: B256,
    },
    /// There are no headers.
    #[error("the witness has no headers")]
    NoHeaders,
    /// A header is not RLP.
    #[error("header {index} of the witness is malformed: {source}")]
    Header {
        /// Position in the witness.
        index: usize,
        /// What the decoder said.
        source: alloy_rlp::Error,
    },
}

/// A decoded witness: everything in it is keyed by its own hash, so nothing can pass for something else.
#[derive(Debug, Clone, Default)]
pub struct Witness {
    nodes: LinkedNodes,
    codes: Codes,
    headers: B256Map<SealedHeader>,
}

impl Witness {
    /// Hashes nodes, codes and headers, in whatever order they come.
    ///
    /// # Errors
    /// If a header is not the RLP of a header.
    pub fn decode(witness: &ExecutionWitness) -> Result<Self, WitnessError> {
        let headers = decode_headers(witness)?;
        Ok(Entries::of(witness).with(headers))
    }

    /// The same for a witness in which headers lead from the oldest to `parent` without a gap, as EIP-8025 wants it.
    ///
    /// # Errors
    /// If a header is malformed or out of its place.
    pub fn decode_linked(witness: &ExecutionWitness, parent: B256) -> Result<Self, WitnessError> {
        let headers = decode_chain(witness, parent)?;
        Ok(Entries::of(witness).with(headers))
    }

    /// The same for the canonical form alone: nodes and codes strictly increase in bytewise order, and every node is the
    /// canonical RLP of a trie node. Nodes and codes that nothing needs may be there.
    ///
    /// # Errors
    /// If the witness has another form.
    pub fn decode_canonical(
        witness: &ExecutionWitness,
        parent: B256,
    ) -> Result<Self, WitnessError> {
        check_order("state", &witness.state)?;
        check_order("codes", &witness.codes)?;
        let entries = Entries::of(witness);
        if let Some(index) = entries.nodes.first_not_canonical() {
            return Err(WitnessError::Node(index));
        }
        Ok(entries.with(decode_chain(witness, parent)?))
    }

    /// Adds a header that has been validated, so that the next block of a range finds its parent.
    pub fn add_header(&mut self, header: SealedHeader) {
        self.headers.insert(header.hash(), header);
    }

    /// The header with this hash.
    #[must_use]
    pub fn header(&self, hash: B256) -> Option<&SealedHeader> {
        self.headers.get(&hash)
    }

    /// The trie nodes.
    #[must_use]
    pub const fn nodes(&self) -> &LinkedNodes {
        &self.nodes
    }

    /// The codes.
    pub(crate) const fn codes(&self) -> &Codes {
        &self.codes
    }

    /// The state after `parent`.
    #[must_use]
    pub fn state_after<'w>(&'w self, parent: &'w SealedHeader) -> WitnessState<'w> {
        WitnessState {
            witness: self,
            parent,
            tries: Mutex::new(StateTries::open(&self.nodes, parent.state_root)),
            ancestors: Mutex::default(),
        }
    }
}

/// Nodes and codes, hashed.
struct Entries {
    nodes: LinkedNodes,
    codes: Codes,
}

impl Entries {
    fn of(witness: &ExecutionWitness) -> Self {
        let hash = || hash_all(&witness.codes).into_iter().zip(witness.codes.iter().cloned());
        let (nodes, codes) = join(|| witness.state.iter().cloned().collect(), || hash().collect());
        Self { nodes, codes }
    }

    fn with(self, headers: Vec<SealedHeader>) -> Witness {
        let headers = headers.into_iter().map(|header| (header.hash(), header)).collect();
        Witness { nodes: self.nodes, codes: self.codes, headers }
    }
}

fn check_order(list: &'static str, entries: &[Bytes]) -> Result<(), WitnessError> {
    match entries.windows(2).position(|pair| pair[0] >= pair[1]) {
        Some(before) => Err(WitnessError::Order { list, index: before + 1 }),
        None => Ok(()),
    }
}

fn decode_headers(witness: &ExecutionWitness) -> Result<Vec<SealedHeader>, WitnessError> {
    let decode = |(index, bytes): (usize, &Bytes)| {
        let header = alloy_rlp::decode_exact::<Header>(bytes)
            .map_err(|source| WitnessError::Header { index, source })?;
        Ok(SealedHeader::new_unchecked(header, keccak256(bytes)))
    };
    witness.headers.iter().enumerate().map(decode).collect()
}

/// Headers that lead to the parent without a gap.
fn decode_chain(
    witness: &ExecutionWitness,
    parent: B256,
) -> Result<Vec<SealedHeader>, WitnessError> {
    let headers = decode_headers(witness)?;
    for (index, pair) in headers.windows(2).enumerate() {
        if pair[1].parent_hash != pair[0].hash() {
            return Err(WitnessError::HeaderLink(index + 1));
        }
    }
    let last = headers.last().ok_or(WitnessError::NoHeaders)?.hash();
    if last != parent {
        return Err(WitnessError::Parent { got: last, want: parent });
    }
    Ok(headers)
}

/// The state after one block, read from a witness.
#[derive(Debug)]
pub struct WitnessState<'w> {
    witness: &'w Witness,
    parent: &'w SealedHeader,
    /// What was read so far stays, for whatever is read next and for the root.
    tries: Mutex<StateTries<'w>>,
    /// The headers before the parent that were looked at so far, newest first.
    ancestors: Mutex<Vec<&'w SealedHeader>>,
}

impl<'w> WitnessState<'w> {
    /// Its root.
    #[must_use]
    pub const fn root(&self) -> B256 {
        self.parent.inner().state_root
    }

    fn tries(&self) -> MutexGuard<'_, StateTries<'w>> {
        self.tries.lock().expect("no holder of this lock panics")
    }

    /// Checks that the witness holds the path to each of these accounts and slots, beside those in `read`, which an
    /// execution on this very state has read.
    ///
    /// A witness must be sufficient by what the block touched, not by what this program happened to look at: otherwise two
    /// implementations could differ over the same bytes.
    ///
    /// # Errors
    /// If a node is missing or malformed.
    pub fn require(&self, touched: &AccessSet, read: &AccessSet) -> Result<(), StateError> {
        let mut tries = self.tries();
        for (address, slots) in touched {
            let read = read.get(address);
            if read.is_none() {
                tries.account(*address)?;
            }
            for slot in slots.iter().filter(|slot| read.is_none_or(|read| !read.contains(*slot))) {
                tries.slot(*address, *slot)?;
            }
        }
        Ok(())
    }

    /// The root of the state that `diff` makes of this one. Nodes that were read before are not looked up again.
    ///
    /// # Errors
    /// If a node is missing or malformed.
    pub fn root_after(self, diff: &StateDiff) -> Result<B256, StateError> {
        self.tries.into_inner().expect("no holder of this lock panics").root_after(diff)
    }
}

impl StateReader for WitnessState<'_> {
    fn account(&self, address: Address) -> Result<Option<AccountInfo>, StateError> {
        Ok(self.tries().account(address)?.map(AccountInfo::from))
    }

    fn storage(&self, address: Address, slot: B256) -> Result<U256, StateError> {
        self.tries().slot(address, slot)
    }

    fn code(&self, hash: B256) -> Result<Option<Bytes>, StateError> {
        Ok(self.witness.codes.get(&hash).map(|code| code.bytes().clone()))
    }

    /// Follows parent hashes, so that a header counts only where it really is an ancestor; each step is taken once.
    fn block_hash(&self, number: u64) -> Result<Option<B256>, StateError> {
        let Some(steps) = self.parent.number.checked_sub(number) else { return Ok(None) };
        let mut ancestors = self.ancestors.lock().expect("no holder of this lock panics");
        let mut header = *ancestors.last().unwrap_or(&self.parent);
        while (ancestors.len() as u64) < steps {
            header = self
                .witness
                .header(header.parent_hash)
                .ok_or(StateError::Missing(Missing::BlockHash(number)))?;
            ancestors.push(header);
        }
        let before = usize::try_from(steps).ok().and_then(|steps| steps.checked_sub(1));
        let header = before.map_or(self.parent, |before| ancestors[before]);
        Ok(Some(header.hash()))
    }

    fn has_storage(&self, address: Address) -> Result<bool, StateError> {
        let account = self.tries().account(address)?;
        Ok(account.is_some_and(|account| account.storage_root != EMPTY_ROOT))
    }

    fn running_root(&self) -> Option<Box<dyn RunningRoot + '_>> {
        Some(Box::new(RunningTries::new(&self.witness.nodes, self.parent.state_root)))
    }
}
