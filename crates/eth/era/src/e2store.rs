//! e2store: a file of typed entries, each with its length in front.

use std::io::{self, Read};

/// Type, length and two reserved bytes.
pub const HEADER_BYTES: usize = 8;
/// No entry of an archive comes near this: a block of 30 million gas is at most about 7.5 MB.
pub const MAX_ENTRY_BYTES: u32 = 32 << 20;

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: u16,
    /// Its content.
    pub data: Vec<u8>,
}

/// Why no entry could be read.
#[derive(Debug, thiserror::Error)]
pub enum EntryError {
    /// The source failed, or ended inside an entry.
    #[error("read entry")]
    Read(#[from] io::Error),
    /// The reserved bytes are not zero.
    #[error("reserved bytes of entry {0:#06x} are not zero")]
    Reserved(u16),
    /// The entry is longer than any can be.
    #[error("entry {kind:#06x} of {length} bytes exceeds {MAX_ENTRY_BYTES}")]
    Length {
        /// What it says it is.
        kind: u16,
        /// What it says it has.
        length: u32,
    },
}

/// Reads the next entry; `None` at the end of the source.
///
/// # Errors
/// If the source fails or what it gives is no entry.
pub fn read_entry(source: &mut impl Read) -> Result<Option<Entry>, EntryError> {
    let mut header = [0; HEADER_BYTES];
    let mut filled = 0;
    while filled < HEADER_BYTES {
        match source.read(&mut header[filled..]) {
            Ok(0) if filled == 0 => return Ok(None),
            Ok(0) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            Ok(count) => filled += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
    let [t0, t1, a, b, c, d, r0, r1] = header;
    let (kind, length) = (u16::from_le_bytes([t0, t1]), u32::from_le_bytes([a, b, c, d]));
    if (r0, r1) != (0, 0) {
        return Err(EntryError::Reserved(kind));
    }
    if length > MAX_ENTRY_BYTES {
        return Err(EntryError::Length { kind, length });
    }
    // Grows with what is there, not with what is said to be there.
    let mut data = Vec::new();
    source.take(length.into()).read_to_end(&mut data)?;
    if data.len() as u64 != u64::from(length) {
        return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
    }
    Ok(Some(Entry { kind, data }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(kind: u16, length: u32, reserved: u16, data: &[u8]) -> Vec<u8> {
        let mut bytes = kind.to_le_bytes().to_vec();
        bytes.extend(length.to_le_bytes());
        bytes.extend(reserved.to_le_bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn entries_follow_each_other_to_the_end() {
        let file = [bytes(7, 2, 0, &[1, 2]), bytes(8, 0, 0, &[])].concat();
        let mut source = file.as_slice();
        let first = read_entry(&mut source).unwrap().unwrap();
        assert_eq!(first, Entry { kind: 7, data: vec![1, 2] });
        assert_eq!(read_entry(&mut source).unwrap().unwrap().kind, 8);
        assert_eq!(read_entry(&mut source).unwrap(), None);
    }

    #[test]
    fn what_is_cut_off_too_long_or_reserved_is_refused() {
        let read = |bytes: Vec<u8>| read_entry(&mut bytes.as_slice());
        assert!(matches!(read(bytes(7, 3, 0, &[1, 2])), Err(EntryError::Read(_))));
        assert!(matches!(read(vec![7, 0, 1]), Err(EntryError::Read(_))));
        assert!(matches!(read(bytes(7, u32::MAX, 0, &[])), Err(EntryError::Length { .. })));
        assert!(matches!(read(bytes(7, 0, 1, &[])), Err(EntryError::Reserved(7))));
    }
}
