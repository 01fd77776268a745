//! Blocks in files: era1 archives by their name, and otherwise one RLP list after the other, as `geth export` and our own `export`
//! write them.

use std::{
    cell::Cell,
    fs::{self, File},
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
    rc::Rc,
};

use alloy_primitives::Bytes;
use ethrex_era::{EraError, EraReader};
use ethrex_types::{SealedBlock, block::decode_block};

/// Bytes of one block in a file at most. Osaka allows 10 MiB (EIP-7934); no block before it came near.
pub(crate) const MAX_BLOCK_BYTES: u64 = 64 << 20;
/// Read from a file at once.
const BUFFER: usize = 1 << 20;
/// The most that says how long an RLP list is: one byte, and eight of length.
const MAX_LIST_HEADER: usize = 9;

/// Why blocks could not be read from a file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BlockFileError {
    /// The operating system refused.
    #[error("read {path}")]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// There is no file to read.
    #[error("{0} holds no file")]
    Empty(PathBuf),
    /// What stands there is no block.
    #[error("{path}: block {index} at byte {offset} is malformed: {what}")]
    Malformed { path: PathBuf, index: u64, offset: u64, what: Malformed },
    /// The archive is broken.
    #[error("{path}: after {count} blocks")]
    Archive {
        path: PathBuf,
        count: u64,
        #[source]
        source: EraError,
    },
}

/// What is wrong with a block in a file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Malformed {
    #[error("no RLP list begins here")]
    NoList,
    #[error("it has {0} bytes, at most {MAX_BLOCK_BYTES} are read")]
    TooLong(u64),
    #[error("the file ends in the middle of it")]
    Truncated,
    #[error("{0}")]
    Rlp(#[from] alloy_rlp::Error),
}

/// The files that a path names: itself, or what is in the folder, in order of name.
pub(crate) fn files_of(path: &Path) -> Result<Vec<PathBuf>, BlockFileError> {
    let io = |source| BlockFileError::Io { path: path.to_owned(), source };
    if !fs::metadata(path).map_err(io)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in fs::read_dir(path).map_err(io)? {
        let entry = entry.map_err(io)?;
        if entry.metadata().map_err(io)?.is_file() {
            files.push(entry.path());
        }
    }
    if files.is_empty() {
        return Err(BlockFileError::Empty(path.to_owned()));
    }
    files.sort();
    Ok(files)
}

/// A file of blocks, whatever its format.
#[derive(Debug)]
pub(crate) enum Blocks {
    Rlp(BlockFile),
    Era(Box<Archive>),
}

impl Blocks {
    pub(crate) fn open(path: &Path) -> Result<Self, BlockFileError> {
        if path.extension().is_some_and(|extension| extension == "era1") {
            Archive::open(path).map(Box::new).map(Self::Era)
        } else {
            BlockFile::open(path).map(Self::Rlp)
        }
    }

    /// Bytes read so far.
    pub(crate) fn offset(&self) -> u64 {
        match self {
            Self::Rlp(file) => file.offset,
            Self::Era(archive) => archive.offset.get(),
        }
    }

    /// The next block; `None` at the end of the file.
    pub(crate) fn next_block(&mut self) -> Result<Option<SealedBlock>, BlockFileError> {
        match self {
            Self::Rlp(file) => file.next_block(),
            Self::Era(archive) => archive.next_block(),
        }
    }
}

/// An era1 archive.
#[derive(Debug)]
pub(crate) struct Archive {
    path: PathBuf,
    reader: EraReader<BufReader<Counted>>,
    offset: Rc<Cell<u64>>,
    count: u64,
}

/// A file, and how much of it has been read.
#[derive(Debug)]
struct Counted {
    file: File,
    read: Rc<Cell<u64>>,
}

impl Read for Counted {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(into)?;
        self.read.set(self.read.get() + count as u64);
        Ok(count)
    }
}

impl Archive {
    fn open(path: &Path) -> Result<Self, BlockFileError> {
        let file = File::open(path)
            .map_err(|source| BlockFileError::Io { path: path.to_owned(), source })?;
        let offset = Rc::new(Cell::new(0));
        let counted = Counted { file, read: offset.clone() };
        let reader = EraReader::new(BufReader::with_capacity(BUFFER, counted));
        Ok(Self { path: path.to_owned(), reader, offset, count: 0 })
    }

    fn next_block(&mut self) -> Result<Option<SealedBlock>, BlockFileError> {
        let Some(next) = self.reader.next() else { return Ok(None) };
        let next = next.map_err(|source| BlockFileError::Archive {
            path: self.path.clone(),
            count: self.count,
            source,
        })?;
        self.count += 1;
        Ok(Some(next.block))
    }
}

/// Reads one file from its beginning; memory is bounded by [`MAX_BLOCK_BYTES`].
#[derive(Debug)]
pub(crate) struct BlockFile {
    path: PathBuf,
    reader: BufReader<File>,
    /// Bytes read so far.
    offset: u64,
    /// Blocks read so far.
    count: u64,
}

impl BlockFile {
    fn open(path: &Path) -> Result<Self, BlockFileError> {
        let file = File::open(path)
            .map_err(|source| BlockFileError::Io { path: path.to_owned(), source })?;
        let reader = BufReader::with_capacity(BUFFER, file);
        Ok(Self { path: path.to_owned(), reader, offset: 0, count: 0 })
    }

    fn next_block(&mut self) -> Result<Option<SealedBlock>, BlockFileError> {
        let (index, offset) = (self.count, self.offset);
        let malformed = |path: &Path, what| BlockFileError::Malformed {
            path: path.to_owned(),
            index,
            offset,
            what,
        };
        let Some(raw) = self.next_list()? else { return Ok(None) };
        let raw = raw.map_err(|what| malformed(&self.path, what))?;
        let block = decode(&raw).map_err(|what| malformed(&self.path, what))?;
        self.count += 1;
        Ok(Some(block))
    }

    /// The bytes of the next RLP list, header included.
    fn next_list(&mut self) -> Result<Option<Result<Bytes, Malformed>>, BlockFileError> {
        let mut raw = Vec::with_capacity(MAX_LIST_HEADER);
        if self.take(1, &mut raw)? == 0 {
            return Ok(None);
        }
        let length = match raw[0] {
            short @ 0xc0..=0xf7 => u64::from(short - 0xc0),
            long @ 0xf8.. => {
                let width = usize::from(long - 0xf7);
                if self.take(width as u64, &mut raw)? < width {
                    return Ok(Some(Err(Malformed::Truncated)));
                }
                raw[1..].iter().fold(0, |length, byte| length << 8 | u64::from(*byte))
            }
            _ => return Ok(Some(Err(Malformed::NoList))),
        };
        if length > MAX_BLOCK_BYTES {
            return Ok(Some(Err(Malformed::TooLong(length))));
        }
        let got = self.take(length, &mut raw)?;
        Ok(Some(if got as u64 == length { Ok(raw.into()) } else { Err(Malformed::Truncated) }))
    }

    /// Appends up to `count` bytes, fewer only at the end of the file.
    fn take(&mut self, count: u64, to: &mut Vec<u8>) -> Result<usize, BlockFileError> {
        let got = self
            .reader
            .by_ref()
            .take(count)
            .read_to_end(to)
            .map_err(|source| BlockFileError::Io { path: self.path.clone(), source })?;
        self.offset += got as u64;
        Ok(got)
    }
}

fn decode(mut raw: &[u8]) -> Result<SealedBlock, Malformed> {
    let block = decode_block(&mut raw)?;
    debug_assert!(raw.is_empty(), "the list was cut out by its length");
    Ok(SealedBlock::seal(block))
}

#[cfg(test)]
mod tests {
    use alloy_rlp::Encodable;
    use ethrex_types::{Block, Header};

    use super::*;

    fn block(number: u64) -> Block {
        Block { header: Header { number, ..Header::default() }, body: Default::default() }
    }

    fn encoded(numbers: impl IntoIterator<Item = u64>) -> Vec<u8> {
        let mut bytes = Vec::new();
        numbers.into_iter().for_each(|number| block(number).encode(&mut bytes));
        bytes
    }

    /// The numbers of the blocks in a file, and what ends it.
    fn read(bytes: &[u8]) -> (Vec<u64>, Result<(), String>) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("chain.rlp");
        fs::write(&path, bytes).unwrap();
        let mut file = Blocks::open(&path).unwrap();
        let mut numbers = Vec::new();
        loop {
            match file.next_block() {
                Ok(Some(block)) => numbers.push(block.number()),
                Ok(None) => {
                    assert_eq!(file.offset(), bytes.len() as u64);
                    return (numbers, Ok(()));
                }
                Err(error) => return (numbers, Err(error.to_string())),
            }
        }
    }

    #[track_caller]
    fn check(bytes: &[u8], numbers: &[u64], complaint: &str) {
        let (got, end) = read(bytes);
        assert_eq!(got, numbers);
        assert!(end.as_ref().is_err_and(|end| end.contains(complaint)), "{end:?}");
    }

    #[test]
    fn blocks_come_one_after_the_other() {
        assert_eq!(read(&encoded(1..=5)), (vec![1, 2, 3, 4, 5], Ok(())));
        assert_eq!(read(&[]), (vec![], Ok(())));
    }

    #[test]
    fn a_file_that_was_cut_gives_what_is_whole() {
        let bytes = encoded(1..=2);
        let one = encoded([1]).len();
        check(&bytes[..bytes.len() - 1], &[1], "block 1 at byte");
        check(&bytes[..one + 2], &[1], "the file ends in the middle of it");
    }

    #[test]
    fn what_is_no_list_is_named() {
        check(&[encoded([1]), vec![0x80]].concat(), &[1], "no RLP list begins here");
        check(&[0xc1, 0x80], &[], "block 0 at byte 0 is malformed");
    }

    #[test]
    fn a_length_out_of_bounds_reserves_nothing() {
        check(&[0xff; 9], &[], "at most 67108864 are read");
        check(&[0xfb, 0x04, 0, 0, 1], &[], "67108865 bytes");
    }

    #[test]
    fn what_is_named_an_archive_must_be_one() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mainnet-00000-5ec1ffb8.era1");
        fs::write(&path, encoded([1])).unwrap();
        let error = Blocks::open(&path).unwrap().next_block().unwrap_err().to_string();
        assert!(error.contains("era1: after 0 blocks"), "{error}");
    }

    #[test]
    fn a_folder_is_read_in_order_of_name() {
        let dir = tempfile::tempdir().unwrap();
        let empty = files_of(dir.path()).unwrap_err().to_string();
        assert!(empty.contains("holds no file"), "{empty}");
        for name in ["b.rlp", "a.rlp"] {
            fs::write(dir.path().join(name), []).unwrap();
        }
        let names: Vec<_> = files_of(dir.path()).unwrap();
        assert_eq!(names, [dir.path().join("a.rlp"), dir.path().join("b.rlp")]);
        assert!(files_of(&dir.path().join("c")).unwrap_err().to_string().contains("read"));
    }
}
