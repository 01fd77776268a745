//! What a batch publishes, and how it lies in a blob.
//!
//! The payload is the number of blocks (8 bytes, big-endian), their RLP one after the other, and their fee configs in the
//! same order. It is written 31 bytes to a field element behind a zero byte, so that every element is below the BLS12-381
//! modulus, and padded with zeros. A batch has exactly one blob; a block that does not fit in one could never be settled,
//! which is why the block builder measures with [`BlockSize`] before it takes a transaction.
//!
//! Not here: KZG commitments and proofs.

use alloy_primitives::FixedBytes;
use alloy_rlp::{Encodable, length_of_length};
use ethrex_types::{Block, Header, block::decode_block};

use crate::fee::{FeeConfig, FeeConfigError};

/// Field elements of a blob (EIP-4844).
pub const FIELD_ELEMENTS_PER_BLOB: usize = 4096;
/// Bytes of a blob.
pub const BYTES_PER_BLOB: usize = FIELD_ELEMENTS_PER_BLOB * ELEMENT_LEN;
/// Gas of a blob, in its own fee market.
pub const GAS_PER_BLOB: u64 = 131_072;
/// Longest payload that fits in a blob.
pub const MAX_PAYLOAD_LEN: usize = FIELD_ELEMENTS_PER_BLOB * USABLE_LEN;
/// Longest header of a block after the merge: every optional field present, every number at its maximum, 32 bytes of extra data.
pub const MAX_HEADER_LEN: usize = 728;
/// Longest transaction, as it lies in a block, that always fits alone in a batch. The pool refuses longer ones.
pub const MAX_TX_LEN: usize = max_tx_len();

const ELEMENT_LEN: usize = 32;
const USABLE_LEN: usize = ELEMENT_LEN - 1;
const COUNT_LEN: usize = 8;

/// A blob as L1 carries it.
pub type Blob = FixedBytes<BYTES_PER_BLOB>;

/// A block as a batch publishes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedBlock {
    /// Header and body.
    pub block: Block,
    /// The fee parameters it was executed with.
    pub fee_config: FeeConfig,
}

/// The blocks do not fit in one blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{len} bytes of payload exceed the {MAX_PAYLOAD_LEN} of a blob")]
pub struct PayloadTooLong {
    /// Length of the payload.
    pub len: usize,
}

/// A blob or payload that no batcher of this protocol wrote.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The leading byte of an element is not zero.
    #[error("field element {element} uses its leading byte")]
    LeadingByte {
        /// Position in the blob.
        element: usize,
    },
    /// The payload ends before its block count.
    #[error("payload of {len} bytes has no block count")]
    NoCount {
        /// Length of the payload.
        len: usize,
    },
    /// A block does not decode.
    #[error("decode block {index} of {count}")]
    Block {
        /// Position in the payload.
        index: u64,
        /// How many blocks the payload claims.
        count: u64,
        /// What is wrong with it.
        #[source]
        source: alloy_rlp::Error,
    },
    /// A fee config does not decode.
    #[error("decode the fee config of block {index}")]
    FeeConfig {
        /// Position in the payload.
        index: usize,
        /// What is wrong with it.
        #[source]
        source: FeeConfigError,
    },
    /// Something other than zeros follows the last fee config.
    #[error("{len} bytes follow the payload and are not all zero")]
    TrailingData {
        /// How many bytes follow.
        len: usize,
    },
}

/// Length of a payload, counted block by block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PayloadSize {
    len: usize,
}

impl PayloadSize {
    /// No block yet.
    pub const EMPTY: Self = Self { len: COUNT_LEN };

    /// The size with one more block of `block_len` bytes of RLP and `fee_len` bytes of fee config.
    #[must_use]
    pub const fn with(self, block_len: usize, fee_len: usize) -> Self {
        Self { len: self.len.saturating_add(block_len).saturating_add(fee_len) }
    }

    /// The size with one more block.
    #[must_use]
    pub fn with_block(self, block: &Block, fee_config: &FeeConfig) -> Self {
        self.with(block.length(), fee_config.encoded_len())
    }

    /// Bytes of payload.
    #[must_use]
    pub const fn bytes(self) -> usize {
        self.len
    }

    /// Whether a blob holds it.
    #[must_use]
    pub const fn fits(self) -> bool {
        self.len <= MAX_PAYLOAD_LEN
    }
}

/// Length of a block that is being built, counted transaction by transaction.
///
/// It is exact for a block without ommers and withdrawals whose header has the given length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockSize {
    header: usize,
    transactions: usize,
}

impl BlockSize {
    /// An empty block whose encoded header takes `header_len` bytes.
    #[must_use]
    pub const fn new(header_len: usize) -> Self {
        Self { header: header_len, transactions: 0 }
    }

    /// An empty block under a header of which only the outcome of execution is unknown.
    ///
    /// The gas used may still grow up to the limit, so the limit's length is counted. Roots and bloom have fixed lengths, but
    /// the optional ones must already be present.
    #[must_use]
    pub fn for_header(header: &Header) -> Self {
        let widest = Header { gas_used: header.gas_limit, ..header.clone() };
        Self::new(widest.length())
    }

    /// The size with one more transaction of `tx_len` bytes, measured as it lies in a block: `Encodable::length`, not `encode_2718_len`.
    #[must_use]
    pub const fn with(self, tx_len: usize) -> Self {
        Self { header: self.header, transactions: self.transactions.saturating_add(tx_len) }
    }

    /// Bytes of the whole block in RLP.
    #[must_use]
    pub const fn encoded_block_len(self) -> usize {
        let no_ommers = 1;
        let no_withdrawals = 1;
        list_len(self.header + list_len(self.transactions) + no_ommers + no_withdrawals)
    }

    /// Whether a batch of this block alone fits in a blob, given the length of its fee config.
    #[must_use]
    pub const fn fits(self, fee_len: usize) -> bool {
        PayloadSize::EMPTY.with(self.encoded_block_len(), fee_len).fits()
    }
}

const fn list_len(payload: usize) -> usize {
    payload.saturating_add(length_of_length(payload))
}

const fn max_tx_len() -> usize {
    let empty = BlockSize::new(MAX_HEADER_LEN);
    let mut len = MAX_PAYLOAD_LEN;
    while !empty.with(len).fits(FeeConfig::MAX_ENCODED_LEN) {
        len -= 1;
    }
    len
}

/// Writes blocks into a blob.
pub fn encode<'a>(
    blocks: impl IntoIterator<Item = (&'a Block, &'a FeeConfig)>,
) -> Result<Box<Blob>, PayloadTooLong> {
    to_blob(&encode_payload(blocks)?)
}

/// Reads the blocks that [`encode`] wrote. Never panics, and allocates no more than the blob justifies.
pub fn decode(blob: &Blob) -> Result<Vec<PublishedBlock>, DecodeError> {
    decode_payload(&from_blob(blob)?)
}

/// Writes the payload without padding.
pub fn encode_payload<'a>(
    blocks: impl IntoIterator<Item = (&'a Block, &'a FeeConfig)>,
) -> Result<Vec<u8>, PayloadTooLong> {
    let mut payload = vec![0; COUNT_LEN];
    let mut fees = Vec::new();
    let mut count = 0u64;
    for (block, fee_config) in blocks {
        block.encode(&mut payload);
        fee_config.encode(&mut fees);
        count += 1;
    }
    payload[..COUNT_LEN].copy_from_slice(&count.to_be_bytes());
    payload.append(&mut fees);
    if payload.len() > MAX_PAYLOAD_LEN {
        return Err(PayloadTooLong { len: payload.len() });
    }
    Ok(payload)
}

/// Reads a payload, with or without its padding of zeros.
pub fn decode_payload(payload: &[u8]) -> Result<Vec<PublishedBlock>, DecodeError> {
    let Some((count, mut rest)) = payload.split_first_chunk::<COUNT_LEN>() else {
        return Err(DecodeError::NoCount { len: payload.len() });
    };
    let count = u64::from_be_bytes(*count);
    // The count is only a claim: blocks are read until it is reached or the bytes end, and nothing is reserved for it.
    let mut blocks = Vec::new();
    for index in 0..count {
        let block = decode_block(&mut rest).map_err(|source| DecodeError::Block {
            index,
            count,
            source,
        })?;
        blocks.push(block);
    }
    let published = blocks
        .into_iter()
        .enumerate()
        .map(|(index, block)| {
            let fee_config = FeeConfig::decode(&mut rest)
                .map_err(|source| DecodeError::FeeConfig { index, source })?;
            Ok(PublishedBlock { block, fee_config })
        })
        .collect::<Result<Vec<_>, DecodeError>>()?;
    if rest.iter().any(|byte| *byte != 0) {
        return Err(DecodeError::TrailingData { len: rest.len() });
    }
    Ok(published)
}

/// Spreads a payload over field elements.
pub fn to_blob(payload: &[u8]) -> Result<Box<Blob>, PayloadTooLong> {
    if payload.len() > MAX_PAYLOAD_LEN {
        return Err(PayloadTooLong { len: payload.len() });
    }
    let mut blob = Box::new(Blob::ZERO);
    for (element, chunk) in blob.chunks_exact_mut(ELEMENT_LEN).zip(payload.chunks(USABLE_LEN)) {
        element[1..=chunk.len()].copy_from_slice(chunk);
    }
    Ok(blob)
}

/// Gathers a payload, padded to [`MAX_PAYLOAD_LEN`], from the field elements.
pub fn from_blob(blob: &Blob) -> Result<Vec<u8>, DecodeError> {
    let mut payload = Vec::with_capacity(MAX_PAYLOAD_LEN);
    for (element, bytes) in blob.chunks_exact(ELEMENT_LEN).enumerate() {
        if bytes[0] != 0 {
            return Err(DecodeError::LeadingByte { element });
        }
        payload.extend_from_slice(&bytes[1..]);
    }
    Ok(payload)
}

#[cfg(test)]
mod tests;
