//! era1: a version, then per block header, body, receipts and total difficulty, then the accumulator and an index.

use std::io::Read;

use alloy_primitives::{B256, U256};
use alloy_rlp::Decodable;
use ethrex_types::{
    Block, BlockBody, Header, Receipt, ReceiptWithBloom, SealedBlock,
    alloy_consensus::proofs::{
        calculate_ommers_root, calculate_receipt_root, calculate_transaction_root,
    },
};

use crate::{
    accumulator::Accumulator,
    e2store::{Entry, EntryError, read_entry},
};

/// Blocks in a file, at most.
pub const MAX_BLOCKS: u64 = 8_192;
/// What a snappy entry may become: the receipts of a full block of 30 million gas are shorter, as gas pays for every byte of logs.
const MAX_CONTENT_BYTES: u64 = 64 << 20;

/// Kinds of entries.
mod kind {
    pub(super) const VERSION: u16 = 0x3265;
    pub(super) const HEADER: u16 = 0x03;
    pub(super) const BODY: u16 = 0x04;
    pub(super) const RECEIPTS: u16 = 0x05;
    pub(super) const TOTAL_DIFFICULTY: u16 = 0x06;
    pub(super) const ACCUMULATOR: u16 = 0x07;
    pub(super) const INDEX: u16 = 0x3266;
}

/// A block of an archive.
#[derive(Debug, Clone)]
pub struct EraBlock {
    /// The block, whose body is the one its header commits to.
    pub block: SealedBlock,
    /// Its receipts, which are those its header commits to.
    pub receipts: Vec<Receipt>,
    /// The difficulty of the chain up to and with it, as the archive says.
    pub total_difficulty: U256,
}

/// Why a file is no archive.
#[derive(Debug, thiserror::Error)]
pub enum EraError {
    /// The container is broken or could not be read.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// An entry does not unpack.
    #[error("unpack entry {kind:#06x}")]
    Snappy {
        /// What it is.
        kind: u16,
        /// What the decoder said.
        #[source]
        source: std::io::Error,
    },
    /// An entry unpacks to more than any can have.
    #[error("entry {0:#06x} unpacks to more than {MAX_CONTENT_BYTES} bytes")]
    TooLong(u16),
    /// An entry does not decode.
    #[error("decode entry {kind:#06x}: {source}")]
    Rlp {
        /// What it is.
        kind: u16,
        /// What the decoder said.
        source: alloy_rlp::Error,
    },
    /// Another kind of entry belongs here.
    #[error("entry {got:#06x} stands where {want:#06x} belongs")]
    Order {
        /// Found.
        got: u16,
        /// Wanted.
        want: u16,
    },
    /// The file ends too early.
    #[error("the file ends before its {0}")]
    End(&'static str),
    /// A block does not follow the one before it.
    #[error("block {0} does not follow the one before it")]
    Link(u64),
    /// Part of a block is not what its header commits to.
    #[error("{what} of block {number} is not what its header commits to")]
    Root {
        /// Which part.
        what: &'static str,
        /// Which block.
        number: u64,
    },
    /// The total difficulty is not the one before it and the block's own.
    #[error("total difficulty of block {0} does not follow from the one before it")]
    TotalDifficulty(u64),
    /// There are more blocks than a file has.
    #[error("more than {MAX_BLOCKS} blocks")]
    TooManyBlocks,
    /// The accumulator is not that of the blocks.
    #[error("the accumulator is {got}, the blocks have {want}")]
    Accumulator {
        /// In the file.
        got: B256,
        /// Of the blocks.
        want: B256,
    },
    /// An entry of fixed length has another.
    #[error("entry {0:#06x} has the wrong length")]
    Length(u16),
}

/// Reads the blocks of a file, in order. Ends with an error where the file does not end as it should.
#[derive(Debug)]
pub struct EraReader<R> {
    source: R,
    state: State,
    accumulator: Accumulator,
    /// Number, hash and total difficulty of the last block.
    last: Option<(u64, B256, U256)>,
    root: Option<B256>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    Blocks,
    Ended,
}

impl<R: Read> EraReader<R> {
    /// Reads nothing yet. `source` is read in small pieces: wrap a file in [`std::io::BufReader`].
    pub fn new(source: R) -> Self {
        let accumulator = Accumulator::default();
        Self { source, state: State::Start, accumulator, last: None, root: None }
    }

    /// The accumulator of the file, once it has been read to the end: it is that of its blocks.
    #[must_use]
    pub const fn accumulator(&self) -> Option<B256> {
        self.root
    }

    fn advance(&mut self) -> Result<Option<EraBlock>, EraError> {
        if self.state == State::Start {
            self.expect(kind::VERSION, "version")?;
            self.state = State::Blocks;
        }
        let entry = read_entry(&mut self.source)?.ok_or(EraError::End("accumulator"))?;
        match entry.kind {
            kind::HEADER => self.block(&entry).map(Some),
            kind::ACCUMULATOR => self.close(&entry).map(|()| None),
            got => Err(EraError::Order { got, want: kind::HEADER }),
        }
    }

    fn block(&mut self, header: &Entry) -> Result<EraBlock, EraError> {
        if self.accumulator.count() == MAX_BLOCKS {
            return Err(EraError::TooManyBlocks);
        }
        let raw = unpack(header)?;
        let header: Header = decode(kind::HEADER, &raw)?;
        let body = self.expect(kind::BODY, "body")?;
        let body: BlockBody = decode(kind::BODY, &unpack(&body)?)?;
        let receipts = self.expect(kind::RECEIPTS, "receipts")?;
        let receipts: Vec<ReceiptWithBloom> = decode(kind::RECEIPTS, &unpack(&receipts)?)?;
        let total = self.expect(kind::TOTAL_DIFFICULTY, "total difficulty")?;
        let total = <[u8; 32]>::try_from(total.data.as_slice())
            .map_err(|_| EraError::Length(kind::TOTAL_DIFFICULTY))?;
        let total_difficulty = U256::from_le_bytes(total);

        check_roots(&header, &body, &receipts)?;
        let block =
            SealedBlock::new_unchecked(Block { header, body }, alloy_primitives::keccak256(&raw));
        self.check_link(&block, total_difficulty)?;
        self.accumulator.add(block.hash(), total_difficulty);
        self.last = Some((block.number(), block.hash(), total_difficulty));
        let receipts = receipts.into_iter().map(|receipt| receipt.receipt).collect();
        Ok(EraBlock { block, receipts, total_difficulty })
    }

    fn check_link(&self, block: &SealedBlock, total: U256) -> Result<(), EraError> {
        let Some((number, hash, before)) = self.last else { return Ok(()) };
        let header = block.header();
        if number.checked_add(1) != Some(header.number) || header.parent_hash != hash {
            return Err(EraError::Link(header.number));
        }
        if before.checked_add(header.difficulty) != Some(total) {
            return Err(EraError::TotalDifficulty(header.number));
        }
        Ok(())
    }

    fn close(&mut self, accumulator: &Entry) -> Result<(), EraError> {
        let got = B256::try_from(accumulator.data.as_slice())
            .map_err(|_| EraError::Length(kind::ACCUMULATOR))?;
        let want = self.accumulator.root();
        if got != want {
            return Err(EraError::Accumulator { got, want });
        }
        // Where each block begins in the file, between the first number and the count. Who reads forward needs the count alone.
        let index = self.expect(kind::INDEX, "index")?.data;
        let words: Vec<u64> =
            index.as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
        let count = self.accumulator.count();
        if index.len() as u64 != (count + 2) * 8 || words.last() != Some(&count) {
            return Err(EraError::Length(kind::INDEX));
        }
        self.root = Some(got);
        Ok(())
    }

    fn expect(&mut self, want: u16, what: &'static str) -> Result<Entry, EraError> {
        let entry = read_entry(&mut self.source)?.ok_or(EraError::End(what))?;
        let got = entry.kind;
        if got == want { Ok(entry) } else { Err(EraError::Order { got, want }) }
    }
}

impl<R: Read> Iterator for EraReader<R> {
    type Item = Result<EraBlock, EraError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.state == State::Ended {
            return None;
        }
        let next = self.advance().transpose();
        if !matches!(next, Some(Ok(_))) {
            self.state = State::Ended;
        }
        next
    }
}

fn unpack(entry: &Entry) -> Result<Vec<u8>, EraError> {
    let mut content = Vec::new();
    let unpacked = snap::read::FrameDecoder::new(entry.data.as_slice());
    unpacked
        .take(MAX_CONTENT_BYTES + 1)
        .read_to_end(&mut content)
        .map_err(|source| EraError::Snappy { kind: entry.kind, source })?;
    if content.len() as u64 > MAX_CONTENT_BYTES {
        return Err(EraError::TooLong(entry.kind));
    }
    Ok(content)
}

fn decode<T: Decodable>(kind: u16, rlp: &[u8]) -> Result<T, EraError> {
    alloy_rlp::decode_exact(rlp).map_err(|source| EraError::Rlp { kind, source })
}

fn check_roots(
    header: &Header,
    body: &BlockBody,
    receipts: &[ReceiptWithBloom],
) -> Result<(), EraError> {
    let parts = [
        (
            "the transactions",
            header.transactions_root,
            calculate_transaction_root(&body.transactions),
        ),
        ("the ommers", header.ommers_hash, calculate_ommers_root(&body.ommers)),
        ("the receipts", header.receipts_root, calculate_receipt_root(receipts)),
    ];
    match parts.into_iter().find(|(_, want, got)| want != got) {
        Some((what, ..)) => Err(EraError::Root { what, number: header.number }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use ethrex_types::alloy_consensus::{EMPTY_OMMER_ROOT_HASH, constants::EMPTY_ROOT_HASH};
    use proptest::prelude::*;

    use super::*;

    fn entry(kind: u16, data: &[u8]) -> Vec<u8> {
        let length = u32::try_from(data.len()).unwrap();
        [&kind.to_le_bytes()[..], &length.to_le_bytes(), &[0, 0], data].concat()
    }

    fn packed(kind: u16, rlp: &[u8]) -> Vec<u8> {
        let mut encoder = snap::write::FrameEncoder::new(Vec::new());
        encoder.write_all(rlp).unwrap();
        entry(kind, &encoder.into_inner().unwrap())
    }

    /// A file of this many empty blocks, its entries one by one.
    fn file(blocks: u64) -> Vec<Vec<u8>> {
        let mut entries = vec![entry(kind::VERSION, &[])];
        let mut accumulator = Accumulator::default();
        let (mut parent_hash, mut total) = (B256::ZERO, U256::ZERO);
        for number in 0..blocks {
            let header = Header {
                parent_hash,
                number,
                difficulty: U256::from(7),
                ommers_hash: EMPTY_OMMER_ROOT_HASH,
                transactions_root: EMPTY_ROOT_HASH,
                receipts_root: EMPTY_ROOT_HASH,
                ..Header::default()
            };
            (parent_hash, total) = (header.hash_slow(), total + header.difficulty);
            accumulator.add(parent_hash, total);
            entries.push(packed(kind::HEADER, &alloy_rlp::encode(&header)));
            entries.push(packed(kind::BODY, &alloy_rlp::encode(BlockBody::default())));
            entries.push(packed(kind::RECEIPTS, &[0xc0]));
            entries.push(entry(kind::TOTAL_DIFFICULTY, &total.to_le_bytes::<32>()));
        }
        entries.push(entry(kind::ACCUMULATOR, accumulator.root().as_slice()));
        let mut index = vec![0; 8 * (usize::try_from(blocks).unwrap() + 1)];
        index.extend(blocks.to_le_bytes());
        entries.push(entry(kind::INDEX, &index));
        entries
    }

    fn read(entries: &[Vec<u8>]) -> Result<usize, EraError> {
        let file = entries.concat();
        let mut reader = EraReader::new(file.as_slice());
        let blocks = reader.by_ref().collect::<Result<Vec<_>, _>>()?;
        assert!(reader.accumulator().is_some());
        Ok(blocks.len())
    }

    #[test]
    fn a_file_is_read_to_its_accumulator() {
        assert_eq!(read(&file(3)).unwrap(), 3);
        assert_eq!(read(&file(0)).unwrap(), 0);
    }

    #[test]
    fn every_part_that_is_missing_or_out_of_place_is_noticed() {
        let whole = file(3);
        for index in 0..whole.len() {
            let mut less = whole.clone();
            less.remove(index);
            assert!(read(&less).is_err(), "without entry {index}");
            let mut swapped = whole.clone();
            swapped.swap(index, (index + 1) % whole.len());
            assert!(read(&swapped).is_err(), "entry {index} swapped");
        }
        let mut other = whole;
        other[5] = file(1)[1].clone();
        assert!(matches!(read(&other), Err(EraError::Link(0))));
    }

    #[test]
    fn a_small_entry_does_not_become_a_large_one() {
        let zeros = vec![0; usize::try_from(MAX_CONTENT_BYTES).unwrap() + 1];
        let entries = [entry(kind::VERSION, &[]), packed(kind::HEADER, &zeros)];
        assert!(matches!(read(&entries), Err(EraError::TooLong(kind::HEADER))));
    }

    proptest! {
        #[test]
        fn damage_is_an_error_and_never_a_panic(at: prop::sample::Index, bit in 0u8..8) {
            let mut file = file(2).concat();
            let at = at.index(file.len());
            file[at] ^= 1 << bit;
            for block in EraReader::new(file.as_slice()).take(10) {
                let _ = block;
            }
        }
    }
}
