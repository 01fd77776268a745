//! An input of stateless validation in an earlier schema of execution-specs.
//!
//! The containers are the same but for three things: a chain configuration in place of the chain's id, fewer kinds of requests, and a
//! length in front of all. So what they hold must be read as what it is, and the whole must be refused. The block is one of Amsterdam
//! before EIP-7843 put the slot into headers.

use alloy_primitives::{Address, B256, Bytes, keccak256};
use ethrex_stateless::ssz::codec::{Field, Writer, split};
use ethrex_stateless::ssz::{NewPayloadRequest, SCHEMA_AMSTERDAM, SCHEMA_BYTES, SszError};
use ethrex_stateless::{InvalidPayload, StatelessInput, block_of};
use ethrex_types::alloy_consensus::transaction::SignerRecoverable;
use ethrex_types::{Header, SealedBlock};

use Field::{Fixed, Variable};

/// The schema of the file.
const EARLIER: u16 = 1;
/// The length in front, a little-endian number.
const LENGTH_BYTES: usize = 8;

/// How an input was not met.
#[derive(Debug, thiserror::Error)]
pub enum Unmet {
    /// The file is shorter than it says.
    #[error("the file is too short")]
    Short,
    /// Another schema was read as today's.
    #[error("an earlier schema is not refused as one")]
    Schema,
    /// A part does not decode.
    #[error("a part")]
    Part(#[from] SszError),
    /// The payload is no block of the hash that it says.
    #[error("the payload")]
    Payload(#[from] InvalidPayload),
    /// Something else came of it.
    #[error("other {0}")]
    Different(&'static str),
}

/// The input is refused for its schema; its parts, in today's containers, are a block with this hash, the header of its parent, and the
/// keys that signed its transactions.
///
/// # Errors
/// The first thing that is otherwise.
pub fn run(file: &Bytes) -> Result<(), Unmet> {
    let input = unframed(file)?;
    if StatelessInput::decode(&input) != Err(SszError::Schema(EARLIER)) {
        return Err(Unmet::Schema);
    }
    let today = Bytes::from(translated(&input.slice(SCHEMA_BYTES..))?);
    let input = StatelessInput::decode(&today)?;
    if input.encode() != today {
        return Err(Unmet::Different("encoding"));
    }
    let block = block(&input.request)?;
    let parent = input.witness.headers.last().map(keccak256);
    if parent != Some(block.header().parent_hash) {
        return Err(Unmet::Different("parent"));
    }
    let transactions = &block.body().transactions;
    let senders: Vec<_> = transactions.iter().map(|tx| tx.recover_signer().ok()).collect();
    let keys = input.public_keys.iter().flatten();
    let owners: Vec<_> = keys.map(|key| Some(owner(key.as_slice()))).collect();
    if senders == owners { Ok(()) } else { Err(Unmet::Different("public keys")) }
}

/// The block of a payload that has the hash of a header without a slot.
fn block(request: &NewPayloadRequest) -> Result<SealedBlock, Unmet> {
    let mut request = request.clone();
    let theirs = request.payload.block_hash;
    if let Err(InvalidPayload::BlockHash { want, .. }) = block_of(&request) {
        request.payload.block_hash = want;
    }
    let block = block_of(&request)?;
    let header = Header { slot_number: None, ..block.header().clone() };
    if header.hash_slow() == theirs { Ok(block) } else { Err(Unmet::Different("block hash")) }
}

/// What the length in front says; the file is filled up to a multiple of eight.
fn unframed(file: &Bytes) -> Result<Bytes, Unmet> {
    let (length, _) = file.split_first_chunk::<LENGTH_BYTES>().ok_or(Unmet::Short)?;
    let end = usize::try_from(u64::from_le_bytes(*length)).ok();
    let end = end.and_then(|length| length.checked_add(LENGTH_BYTES)).ok_or(Unmet::Short)?;
    if end < LENGTH_BYTES + SCHEMA_BYTES || end > file.len() {
        return Err(Unmet::Short);
    }
    Ok(file.slice(LENGTH_BYTES..end))
}

/// The parts in today's containers. The block has no requests, so their other kinds have none either.
fn translated(input: &Bytes) -> Result<Vec<u8>, Unmet> {
    const REQUEST: [Field; 4] = [Variable, Variable, Fixed(32), Variable];
    const KINDS: [Field; 5] = [Variable; 5];
    const INPUT: [Field; 4] = [Variable, Variable, Fixed(8), Variable];
    let [request, witness, config, keys] = split("the input", input, &[Variable; 4])?;
    let [payload, hashes, root, _] = split("the request", &request, &REQUEST)?;
    let none = KINDS.iter().fold(Writer::new(&KINDS), |kinds, _| kinds.variable(&[])).finish();
    let request = Writer::new(&REQUEST).variable(&payload).variable(&hashes).fixed(&root);
    let request = request.variable(&none).finish();
    let chain_id = config.get(..8).ok_or(Unmet::Short)?;
    let today = Writer::behind(SCHEMA_AMSTERDAM.to_be_bytes().to_vec(), &INPUT);
    let today = today.variable(&request).variable(&witness).fixed(chain_id).variable(&keys);
    Ok(today.finish())
}

/// The address of an uncompressed public key with its leading 4.
fn owner(key: &[u8]) -> Address {
    let hash: B256 = keccak256(&key[1..]);
    Address::from_word(hash)
}
