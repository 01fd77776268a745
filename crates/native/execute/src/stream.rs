//! The stream: how posted blocks are laid out in calldata and blobs.
//!
//! ```text
//! "NR01" | codec (1): 0 | length (4, big-endian) | payload (length) | anything, ignored
//! payload: blocks, one after the other: dt | n | n × (len | raw transaction)      numbers in minimal LEB128
//! ```
//! Decoding is total: whatever the bytes, they are a list of blocks. A stream that is none is the empty list, and the first block that is
//! malformed or over a limit ends the list. Node and contract decode with the same function, so nobody can post what others read differently.
//!
//! Codec 1 is reserved for Zstandard, and until then a stream with it has no blocks: two decoders of it, one of them the reference, were found to
//! take different frames, and what one of them takes would be consensus.

mod blobs;

use alloy_primitives::{B256, Bytes, U256, keccak256};

pub use self::blobs::{BLOB_CAPACITY, Blob, pack, unpack};
use crate::{
    gas::{DATA_BLOCK_GAS, DATA_BYTE_GAS, DATA_TX_GAS},
    roots::{keccak_chain, merkle_root},
};

/// The first bytes of every stream.
pub const MAGIC: [u8; 4] = *b"NR01";
/// Bytes before the payload.
pub const HEADER_LEN: usize = MAGIC.len() + 1 + 4;
/// Blocks of one stream at most.
pub const MAX_BLOCKS: usize = 128;
/// Transactions of one block at most. With [`MAX_BLOCK_LEN`] it keeps every block within what one call on L1 can verify.
pub const MAX_BLOCK_TXS: usize = 160;
/// Bytes of the transactions of one block at most.
pub const MAX_BLOCK_LEN: usize = 32_768;
/// Bytes of a payload at most. A stream with a longer one has no blocks.
pub const MAX_PAYLOAD_LEN: usize = 4 << 20;

/// A block as it is posted: what its producer decided, and nothing that follows from it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StreamBlock {
    /// Seconds after the block before.
    pub dt: u64,
    /// EIP-2718 transactions, valid or not.
    pub transactions: Vec<Bytes>,
}

/// How a payload is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// As it is.
    Raw,
}

/// Blocks that no stream can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// Too many blocks.
    #[error("{0} blocks are more than {MAX_BLOCKS}")]
    Blocks(usize),
    /// Too many transactions in one block.
    #[error("{0} transactions of one block are more than {MAX_BLOCK_TXS}")]
    Transactions(usize),
    /// The transactions of one block are too long.
    #[error("{0} bytes of transactions in one block are more than {MAX_BLOCK_LEN}")]
    BlockLen(usize),
    /// The payload is too long.
    #[error("a payload of {0} bytes is longer than {MAX_PAYLOAD_LEN}")]
    Payload(usize),
}

/// A decoded stream.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Decoded {
    /// The blocks, in order.
    pub blocks: Vec<StreamBlock>,
    /// What decoding cost: the lowest `gas_bound` with which EXECUTE decodes this stream.
    pub gas: u64,
}

/// The declared bound does not pay for decoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("decoding the stream costs more than the bound")]
pub struct BoundExceeded;

/// Writes blocks as a stream.
///
/// # Errors
/// Where a limit is exceeded, so that decoding would not give these blocks back.
pub fn encode(blocks: &[StreamBlock], codec: Codec) -> Result<Vec<u8>, EncodeError> {
    let payload = payload(blocks)?;
    let id = match codec {
        Codec::Raw => RAW,
    };
    let len = u32::try_from(payload.len()).map_err(|_| EncodeError::Payload(payload.len()))?;
    let mut stream = Vec::with_capacity(HEADER_LEN + payload.len());
    stream.extend_from_slice(&MAGIC);
    stream.push(id);
    stream.extend_from_slice(&len.to_be_bytes());
    stream.extend_from_slice(&payload);
    Ok(stream)
}

/// The blocks of a stream.
#[must_use]
pub fn decode(stream: &[u8]) -> Decoded {
    decode_within(stream, u64::MAX).expect("no stream costs more than all gas there is")
}

/// The blocks of a stream, decoded while `bound` pays for it.
///
/// # Errors
/// As soon as it does not.
pub fn decode_within(stream: &[u8], bound: u64) -> Result<Decoded, BoundExceeded> {
    let mut meter = Meter { used: 0, bound };
    let Some(payload) = open(stream) else { return Ok(Decoded::default()) };
    meter.charge(payload.len() as u64, DATA_BYTE_GAS)?;
    let blocks = read_blocks(payload, &mut meter)?;
    Ok(Decoded { blocks, gas: meter.used })
}

/// Chain over the transactions of a block.
#[must_use]
pub fn posted_root(transactions: &[Bytes]) -> B256 {
    keccak_chain(transactions)
}

/// `keccak256(abi.encode(k, dt, postedRoot, nTx))`: block `k` in the data root.
#[must_use]
pub fn leaf(k: u64, dt: u64, posted_root: B256, transactions: u64) -> B256 {
    let number = |number: u64| U256::from(number).to_be_bytes();
    keccak256([number(k), number(dt), posted_root.0, number(transactions)].as_flattened())
}

/// The leaves of the data root.
#[must_use]
pub fn leaves(blocks: &[StreamBlock]) -> Vec<B256> {
    (0..)
        .zip(blocks)
        .map(|(k, block)| {
            let StreamBlock { dt, transactions } = block;
            leaf(k, *dt, posted_root(transactions), transactions.len() as u64)
        })
        .collect()
}

/// Root over the blocks of a stream.
#[must_use]
pub fn data_root(blocks: &[StreamBlock]) -> B256 {
    merkle_root(&leaves(blocks))
}

const RAW: u8 = 0;

fn payload(blocks: &[StreamBlock]) -> Result<Vec<u8>, EncodeError> {
    if blocks.len() > MAX_BLOCKS {
        return Err(EncodeError::Blocks(blocks.len()));
    }
    let mut payload = Vec::new();
    for StreamBlock { dt, transactions } in blocks {
        if transactions.len() > MAX_BLOCK_TXS {
            return Err(EncodeError::Transactions(transactions.len()));
        }
        let len = transactions.iter().map(|raw| raw.len()).sum();
        if len > MAX_BLOCK_LEN {
            return Err(EncodeError::BlockLen(len));
        }
        write_number(&mut payload, *dt);
        write_number(&mut payload, transactions.len() as u64);
        for raw in transactions {
            write_number(&mut payload, raw.len() as u64);
            payload.extend_from_slice(raw);
        }
    }
    if payload.len() > MAX_PAYLOAD_LEN {
        return Err(EncodeError::Payload(payload.len()));
    }
    Ok(payload)
}

fn open(stream: &[u8]) -> Option<&[u8]> {
    let rest = stream.strip_prefix(&MAGIC)?.strip_prefix(&[RAW])?;
    let (len, rest) = rest.split_first_chunk::<4>()?;
    let len = usize::try_from(u32::from_be_bytes(*len)).ok()?;
    rest.get(..len).filter(|payload| payload.len() <= MAX_PAYLOAD_LEN)
}

struct Meter {
    used: u64,
    bound: u64,
}

impl Meter {
    fn charge(&mut self, count: u64, price: u64) -> Result<(), BoundExceeded> {
        self.used = self.used.saturating_add(count.saturating_mul(price));
        if self.used > self.bound { Err(BoundExceeded) } else { Ok(()) }
    }
}

fn read_blocks(mut payload: &[u8], meter: &mut Meter) -> Result<Vec<StreamBlock>, BoundExceeded> {
    let mut blocks = Vec::new();
    while !payload.is_empty() && blocks.len() < MAX_BLOCKS {
        let Some(block) = read_block(&mut payload) else { break };
        meter.charge(1, DATA_BLOCK_GAS)?;
        meter.charge(block.transactions.len() as u64, DATA_TX_GAS)?;
        blocks.push(block);
    }
    Ok(blocks)
}

/// `None` where the block is malformed or over a limit.
fn read_block(payload: &mut &[u8]) -> Option<StreamBlock> {
    let dt = read_number(payload)?;
    let count = read_number(payload).filter(|count| *count <= MAX_BLOCK_TXS as u64)?;
    let mut room = MAX_BLOCK_LEN;
    let mut transactions = Vec::new();
    for _ in 0..count {
        let len = usize::try_from(read_number(payload)?).ok()?;
        room = room.checked_sub(len)?;
        let (raw, rest) = payload.split_at_checked(len)?;
        *payload = rest;
        transactions.push(Bytes::copy_from_slice(raw));
    }
    Some(StreamBlock { dt, transactions })
}

fn write_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// LEB128 in its shortest form.
fn read_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..u64::BITS).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let bits = u64::from(byte & 0x7f);
        if (bits << shift) >> shift != bits {
            return None;
        }
        number |= bits << shift;
        if byte & 0x80 == 0 {
            return (shift == 0 || *byte != 0).then_some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests;
