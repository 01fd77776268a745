//! The bodies of envelopes. Decoding is strict: a value has one encoding.

use Field::{Fixed, Variable};
use alloy_primitives::{Address, B256, Bytes, FixedBytes};
use ethrex_stateless::{
    ExecutionWitness, StatelessInput,
    ssz::{
        MAX_EXTRA_DATA_BYTES, MAX_HEADER_BYTES, SszError,
        codec::{self, Field, Writer},
        decode_witness, witness_behind,
    },
};

use super::Flags;
use crate::{
    derive::{FORCED_LANE_TXS, FORCED_TX_LEN},
    stream::{BLOB_CAPACITY, MAX_BLOCK_LEN, MAX_BLOCK_TXS},
};

/// Ancestors in DERIVE before the parent at most.
pub const MAX_ANCESTORS: usize = 255;
/// Blobs of one DATA call at most.
pub const MAX_BLOBS: usize = 16;

/// A body that is none of its mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Undecodable {
    /// The first offsets point nowhere.
    #[error("the first offsets point nowhere")]
    Offsets,
    /// The SSZ is not strict, or over a limit.
    #[error(transparent)]
    Ssz(#[from] SszError),
    /// The inclusion list is not where the trailer says.
    #[error("the inclusion list is not where its length says")]
    InclusionList,
    /// The blobs of DATA are cut off, or more than allowed.
    #[error("the blobs are cut off or too many")]
    Blobs,
    /// The stream of DATA does not fill its blobs exactly: what stands behind it in them would be the caller's choice.
    #[error("the stream does not fill its blobs exactly")]
    BlobData,
}

/// The body of BLOCK.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockBody {
    /// The block and its witness.
    pub input: StatelessInput,
    /// Transactions that somebody wants to see in the block, where asked for.
    pub inclusion_list: Option<Vec<Bytes>>,
}

/// The body of DERIVE.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeriveInput {
    /// Fork and revision of the formats.
    pub schema_id: u16,
    /// The chain.
    pub chain_id: u64,
    /// RLP of the parent's header.
    pub parent_header: Bytes,
    /// RLP of the headers before it, oldest first, without gaps.
    pub ancestors: Vec<Bytes>,
    /// What the block's producer decided.
    pub attributes: Attributes,
    /// Forced transactions, in the order of the queue.
    pub forced: Vec<Bytes>,
    /// Posted transactions, in their order.
    pub posted: Vec<Bytes>,
    /// The part of the state that is touched. Its headers are empty: they stand above.
    pub witness: ExecutionWitness,
}

/// What the producer of a block decides, within the bounds its rollup sets.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Seconds since the epoch.
    pub timestamp: u64,
    /// Receives the priority fees.
    pub fee_recipient: Address,
    /// RANDAO mix.
    pub prev_randao: B256,
    /// Gas limit.
    pub gas_limit: u64,
    /// Slot number (EIP-7843).
    pub slot_number: u64,
    /// At most 32 bytes.
    pub extra_data: Bytes,
    /// Goes to the parent beacon block root (EIP-4788).
    pub anchor: B256,
}

/// A blob by its commitment, and the proof that ties it to what it holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BlobOpening {
    /// KZG commitment.
    pub commitment: FixedBytes<48>,
    /// Proof for the point that blob and commitment hash to.
    pub proof: FixedBytes<48>,
}

/// The body of DATA.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DataBody {
    /// The blobs that hold the stream; none where it is calldata.
    pub blobs: Vec<BlobOpening>,
    /// The stream. With blobs: the last 31 bytes of every field element, to the end of the last blob.
    pub stream: Bytes,
}

/// How many transactions DERIVE is given, as its offsets say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeriveCounts {
    /// Forced.
    pub forced: usize,
    /// Posted.
    pub posted: usize,
}

const U64: Field = Fixed(8);
const DERIVE: [Field; 9] =
    [Fixed(2), U64, Variable, Variable, Variable, Variable, Variable, Variable, Variable];
const FORCED_FIELD: usize = 5;
const POSTED_FIELD: usize = 6;
const ATTRIBUTES: [Field; 7] = [U64, Fixed(20), Fixed(32), U64, U64, Variable, Fixed(32)];
const OPENING_LEN: usize = 2 * 48;
const COUNT_LEN: usize = 2;
const TRAILER_LEN: usize = 4;

/// Transactions in an inclusion list are bounded by the input alone.
const UNLIMITED: usize = usize::MAX;

/// Counts the transactions of DERIVE without decoding them; `None` where offsets point nowhere.
#[must_use]
pub fn peek_derive_counts(body: &[u8]) -> Option<DeriveCounts> {
    let count = |field| codec::count(codec::peek(body, &DERIVE, field)?);
    Some(DeriveCounts { forced: count(FORCED_FIELD)?, posted: count(POSTED_FIELD)? })
}

/// Counts the inclusion list at the end of BLOCK; `None` where it is not where its length says.
#[must_use]
pub fn peek_inclusion_count(body: &[u8]) -> Option<usize> {
    let (rest, len) = body.split_last_chunk::<TRAILER_LEN>()?;
    let len = usize::try_from(u32::from_be_bytes(*len)).ok()?;
    codec::count(rest.get(rest.len().checked_sub(len)?..)?)
}

/// Counts the blobs of DATA.
#[must_use]
pub fn peek_blob_count(body: &[u8]) -> Option<usize> {
    Some(usize::from(u16::from_be_bytes(*body.first_chunk()?)))
}

impl BlockBody {
    /// Reads `schema_id ‖ SSZ(StatelessInput)`, and with the flag `SSZ(List[ByteList]) ‖ its length (4)` behind it.
    ///
    /// # Errors
    /// If the bytes are no body of BLOCK.
    pub fn decode(body: &Bytes, flags: Flags) -> Result<Self, Undecodable> {
        if !flags.has(Flags::INCLUSION_LIST) {
            return Ok(Self { input: StatelessInput::decode(body)?, inclusion_list: None });
        }
        let (rest, len) =
            body.split_last_chunk::<TRAILER_LEN>().ok_or(Undecodable::InclusionList)?;
        let len = u32::from_be_bytes(*len) as usize;
        let at = rest.len().checked_sub(len).ok_or(Undecodable::InclusionList)?;
        let list = body.slice(at..rest.len());
        let list = codec::byte_strings("the inclusion list", &list, UNLIMITED, UNLIMITED)?;
        let input = StatelessInput::decode(&body.slice(..at))?;
        Ok(Self { input, inclusion_list: Some(list) })
    }

    /// Writes it; with an inclusion list, the envelope needs [`Flags::INCLUSION_LIST`].
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut body = self.input.encode();
        if let Some(list) = &self.inclusion_list {
            let list = codec::write_byte_strings(list);
            let len = u32::try_from(list.len()).expect("what we encode is far below 4 GiB");
            body.extend_from_slice(&list);
            body.extend_from_slice(&len.to_be_bytes());
        }
        body
    }
}

impl DeriveInput {
    /// Reads SSZ(DeriveInput).
    ///
    /// # Errors
    /// If the bytes are not the one encoding of a value within the limits.
    pub fn decode(body: &Bytes) -> Result<Self, Undecodable> {
        let [
            schema,
            chain_id,
            parent_header,
            ancestors,
            attributes,
            forced,
            posted,
            witness,
            bindings,
        ] = codec::split("the derive input", body, &DERIVE)?;
        let (what, got) = ("the parent header", parent_header.len());
        if got > MAX_HEADER_BYTES {
            return Err(SszError::TooLong { what, got, max: MAX_HEADER_BYTES }.into());
        }
        // Blobs are bound by DATA; the list is there for a later version.
        let _none = codec::items("the blob bindings", &bindings, OPENING_LEN, 0)?;
        let witness = decode_witness(&witness)?;
        if !witness.headers.is_empty() {
            let got = witness.headers.len();
            return Err(SszError::Items { what: "the headers of the witness", got, max: 0 }.into());
        }
        Ok(Self {
            schema_id: u16::from_le_bytes([schema[0], schema[1]]),
            chain_id: number(&chain_id),
            parent_header,
            ancestors: codec::byte_strings(
                "the ancestors",
                &ancestors,
                MAX_ANCESTORS,
                MAX_HEADER_BYTES,
            )?,
            attributes: Attributes::decode(&attributes)?,
            forced: codec::byte_strings(
                "the forced transactions",
                &forced,
                FORCED_LANE_TXS,
                FORCED_TX_LEN,
            )?,
            posted: codec::byte_strings(
                "the posted transactions",
                &posted,
                MAX_BLOCK_TXS,
                MAX_BLOCK_LEN,
            )?,
            witness,
        })
    }

    /// Writes it.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        Writer::new(&DERIVE)
            .fixed(&self.schema_id.to_le_bytes())
            .fixed(&self.chain_id.to_le_bytes())
            .variable(&self.parent_header)
            .variable_with(|out| codec::byte_strings_behind(out, &self.ancestors))
            .variable(&self.attributes.encode())
            .variable_with(|out| codec::byte_strings_behind(out, &self.forced))
            .variable_with(|out| codec::byte_strings_behind(out, &self.posted))
            .variable_with(|out| witness_behind(out, &self.witness))
            .variable(&[])
            .finish()
    }
}

impl Attributes {
    fn decode(bytes: &Bytes) -> Result<Self, SszError> {
        let what = "the attributes";
        let [timestamp, fee_recipient, prev_randao, gas_limit, slot_number, extra_data, anchor] =
            codec::split(what, bytes, &ATTRIBUTES)?;
        if extra_data.len() > MAX_EXTRA_DATA_BYTES {
            let got = extra_data.len();
            return Err(SszError::TooLong {
                what: "the extra data",
                got,
                max: MAX_EXTRA_DATA_BYTES,
            });
        }
        Ok(Self {
            timestamp: number(&timestamp),
            fee_recipient: Address::from_slice(&fee_recipient),
            prev_randao: B256::from_slice(&prev_randao),
            gas_limit: number(&gas_limit),
            slot_number: number(&slot_number),
            extra_data,
            anchor: B256::from_slice(&anchor),
        })
    }

    fn encode(&self) -> Vec<u8> {
        Writer::new(&ATTRIBUTES)
            .fixed(&self.timestamp.to_le_bytes())
            .fixed(self.fee_recipient.as_slice())
            .fixed(self.prev_randao.as_slice())
            .fixed(&self.gas_limit.to_le_bytes())
            .fixed(&self.slot_number.to_le_bytes())
            .variable(&self.extra_data)
            .fixed(self.anchor.as_slice())
            .finish()
    }
}

impl DataBody {
    /// Reads `n (2) ‖ n × (commitment ‖ proof) ‖ stream`.
    ///
    /// # Errors
    /// If the bytes are no body of DATA.
    pub fn decode(body: &Bytes) -> Result<Self, Undecodable> {
        let count =
            peek_blob_count(body).filter(|count| *count <= MAX_BLOBS).ok_or(Undecodable::Blobs)?;
        let at = COUNT_LEN + count * OPENING_LEN;
        let openings = body.get(COUNT_LEN..at).ok_or(Undecodable::Blobs)?;
        let blobs = openings.chunks_exact(OPENING_LEN).map(|opening| {
            let (commitment, proof) = opening.split_at(OPENING_LEN / 2);
            BlobOpening {
                commitment: FixedBytes::from_slice(commitment),
                proof: FixedBytes::from_slice(proof),
            }
        });
        let blobs: Vec<_> = blobs.collect();
        let data = body.slice(at..);
        let whole = count == 0 || data.len() == count * BLOB_CAPACITY;
        if whole { Ok(Self { blobs, stream: data }) } else { Err(Undecodable::BlobData) }
    }

    /// Writes it.
    ///
    /// # Panics
    /// If there are more than 65,535 blobs.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let count = u16::try_from(self.blobs.len()).expect("blobs are few");
        let mut body = count.to_be_bytes().to_vec();
        for BlobOpening { commitment, proof } in &self.blobs {
            body.extend_from_slice(commitment.as_slice());
            body.extend_from_slice(proof.as_slice());
        }
        body.extend_from_slice(&self.stream);
        body
    }
}

/// Of a fixed field of eight bytes.
fn number(bytes: &[u8]) -> u64 {
    codec::uint64(bytes).expect("the field has eight bytes")
}

#[cfg(test)]
mod tests;
