//! The wire format of SSZ: containers and lists, split strictly and without copying.

use alloy_primitives::Bytes;

/// Bytes of an offset.
pub const OFFSET_BYTES: usize = 4;

/// How a field stands in the fixed part of its container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// By itself, in this many bytes.
    Fixed(usize),
    /// By the offset at which it begins.
    Variable,
}

/// Bytes that are not the encoding of what they are read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SszError {
    /// Another length than the type has.
    #[error("{what} has {got} bytes")]
    Length {
        /// What is read.
        what: &'static str,
        /// Bytes given.
        got: usize,
    },
    /// An offset that does not follow from what stands before it.
    #[error("offset {index} of {what} is not where it must be")]
    Offset {
        /// What is read.
        what: &'static str,
        /// Which offset.
        index: usize,
    },
    /// More items than the list may have.
    #[error("{what} has {got} items, at most {max} are allowed")]
    Items {
        /// What is read.
        what: &'static str,
        /// Items given.
        got: usize,
        /// Limit.
        max: usize,
    },
    /// A byte string longer than it may be.
    #[error("an item of {what} has {got} bytes, at most {max} are allowed")]
    TooLong {
        /// What is read.
        what: &'static str,
        /// Bytes given.
        got: usize,
        /// Limit.
        max: usize,
    },
    /// A boolean that is neither 0 nor 1.
    #[error("{what} is no boolean")]
    Boolean {
        /// What is read.
        what: &'static str,
    },
    /// A schema that this program does not know.
    #[error("schema {0:#06x} is not known")]
    Schema(u16),
}

/// Bytes of the fixed part of a container.
#[must_use]
pub const fn fixed_bytes(fields: &[Field]) -> usize {
    let (mut sum, mut index) = (0, 0);
    while index < fields.len() {
        sum += match fields[index] {
            Field::Fixed(bytes) => bytes,
            Field::Variable => OFFSET_BYTES,
        };
        index += 1;
    }
    sum
}

/// Splits a container into its fields.
///
/// # Errors
/// Unless the first variable field begins where the fixed part ends, each of them where the one before it ends, and the
/// last one ends with the input.
pub fn split<const N: usize>(
    what: &'static str,
    bytes: &Bytes,
    fields: &[Field; N],
) -> Result<[Bytes; N], SszError> {
    let fixed = fixed_bytes(fields);
    if bytes.len() < fixed {
        return Err(SszError::Length { what, got: bytes.len() });
    }
    let mut out = [const { Bytes::new() }; N];
    let mut at = 0;
    // The variable field whose end is not known yet.
    let mut open = None;
    for (index, field) in fields.iter().enumerate() {
        match *field {
            Field::Fixed(size) => {
                out[index] = bytes.slice(at..at + size);
                at += size;
            }
            Field::Variable => {
                let start = offset(bytes, at).unwrap_or(usize::MAX);
                at += OFFSET_BYTES;
                let least = open.map_or(fixed, |(_, before)| before);
                let first_is_off = open.is_none() && start != fixed;
                if first_is_off || start < least || start > bytes.len() {
                    return Err(SszError::Offset { what, index });
                }
                if let Some((before, from)) = open {
                    out[before] = bytes.slice(from..start);
                }
                open = Some((index, start));
            }
        }
    }
    match open {
        Some((last, from)) => out[last] = bytes.slice(from..),
        None if bytes.len() != fixed => return Err(SszError::Length { what, got: bytes.len() }),
        None => {}
    }
    Ok(out)
}

/// Splits a list of byte strings.
///
/// # Errors
/// If offsets are not exactly packed, or a limit is exceeded.
pub fn byte_strings(
    what: &'static str,
    bytes: &Bytes,
    max_items: usize,
    max_bytes: usize,
) -> Result<Vec<Bytes>, SszError> {
    if bytes.is_empty() {
        return Ok(vec![]);
    }
    let count = count(bytes).ok_or(SszError::Offset { what, index: 0 })?;
    if count > max_items {
        return Err(SszError::Items { what, got: count, max: max_items });
    }
    let mut items = Vec::with_capacity(count);
    let mut start = count * OFFSET_BYTES;
    for index in 1..=count {
        let end = if index == count {
            bytes.len()
        } else {
            offset(bytes, index * OFFSET_BYTES).unwrap_or(usize::MAX)
        };
        if end < start || end > bytes.len() {
            return Err(SszError::Offset { what, index });
        }
        if end - start > max_bytes {
            return Err(SszError::TooLong { what, got: end - start, max: max_bytes });
        }
        items.push(bytes.slice(start..end));
        start = end;
    }
    Ok(items)
}

/// How many items a list of byte strings has, from its first offset alone; `None` where that is no offset.
#[must_use]
pub fn count(bytes: &[u8]) -> Option<usize> {
    if bytes.is_empty() {
        return Some(0);
    }
    let first = offset(bytes, 0)?;
    let packed = first > 0 && first.is_multiple_of(OFFSET_BYTES) && first <= bytes.len();
    packed.then_some(first / OFFSET_BYTES)
}

/// Splits a list of items of one size.
///
/// # Errors
/// If the length is no multiple of that size, or there are too many items.
pub fn items<'a>(
    what: &'static str,
    bytes: &'a [u8],
    size: usize,
    max: usize,
) -> Result<std::slice::ChunksExact<'a, u8>, SszError> {
    if !bytes.len().is_multiple_of(size) {
        return Err(SszError::Length { what, got: bytes.len() });
    }
    let got = bytes.len() / size;
    if got > max { Err(SszError::Items { what, got, max }) } else { Ok(bytes.chunks_exact(size)) }
}

/// The bytes of one field, found without looking at the others; `None` where offsets point nowhere.
///
/// A field found so may still turn out wrong when the container is split.
#[must_use]
pub fn peek<'a>(bytes: &'a [u8], fields: &[Field], index: usize) -> Option<&'a [u8]> {
    let at = fixed_bytes(fields.get(..index)?);
    match *fields.get(index)? {
        Field::Fixed(size) => bytes.get(at..at.checked_add(size)?),
        Field::Variable => {
            let next = fields[index + 1..].iter().position(|field| *field == Field::Variable);
            let end = match next {
                Some(skipped) => offset(bytes, fixed_bytes(&fields[..index + 1 + skipped]))?,
                None => bytes.len(),
            };
            bytes.get(offset(bytes, at)?..end)
        }
    }
}

/// A little-endian number of eight bytes.
#[must_use]
pub fn uint64(bytes: &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

/// The offset that stands at this place.
fn offset(bytes: &[u8], at: usize) -> Option<usize> {
    let raw = bytes.get(at..at.checked_add(OFFSET_BYTES)?)?;
    usize::try_from(u32::from_le_bytes(raw.try_into().ok()?)).ok()
}

/// Writes a container: fields in order, variable ones behind the fixed part. All of it goes into one buffer, at once where it belongs.
#[derive(Debug)]
pub struct Writer {
    out: Vec<u8>,
    /// Where the container begins.
    start: usize,
    /// Where the next field of the fixed part goes.
    at: usize,
    /// Where the fixed part ends.
    end: usize,
}

impl Writer {
    /// A container with these fields.
    #[must_use]
    pub fn new(fields: &[Field]) -> Self {
        Self::behind(Vec::new(), fields)
    }

    /// The same, behind what a buffer holds already.
    #[must_use]
    pub fn behind(mut out: Vec<u8>, fields: &[Field]) -> Self {
        let start = out.len();
        let end = start + fixed_bytes(fields);
        out.resize(end, 0);
        Self { out, start, at: start, end }
    }

    /// The next field, which has a fixed size.
    ///
    /// # Panics
    /// If it is none of those announced.
    #[must_use]
    pub fn fixed(mut self, bytes: &[u8]) -> Self {
        let next = self.at + bytes.len();
        assert!(next <= self.end, "a container is written field by field");
        self.out[self.at..next].copy_from_slice(bytes);
        self.at = next;
        self
    }

    /// The next field, which has not.
    #[must_use]
    pub fn variable(self, bytes: &[u8]) -> Self {
        self.variable_with(|mut out| {
            out.extend_from_slice(bytes);
            out
        })
    }

    /// The same for a field that is written to the end of the buffer by whoever knows how.
    #[must_use]
    pub fn variable_with(self, write: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Self {
        let offset = offset_bytes(self.out.len() - self.start);
        let mut writer = self.fixed(&offset);
        writer.out = write(writer.out);
        writer
    }

    /// The encoding, behind what the buffer held before.
    ///
    /// # Panics
    /// If the fields written are not those announced.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        assert_eq!(self.at, self.end, "a container is written field by field");
        self.out
    }
}

/// Writes a list of byte strings.
#[must_use]
pub fn write_byte_strings(items: &[Bytes]) -> Vec<u8> {
    byte_strings_behind(Vec::with_capacity(byte_strings_bytes(items)), items)
}

/// The same, behind what a buffer holds already.
#[must_use]
pub fn byte_strings_behind(mut out: Vec<u8>, items: &[Bytes]) -> Vec<u8> {
    out.reserve(byte_strings_bytes(items));
    let mut at = items.len() * OFFSET_BYTES;
    for item in items {
        out.extend_from_slice(&offset_bytes(at));
        at += item.len();
    }
    items.iter().for_each(|item| out.extend_from_slice(item));
    out
}

/// Bytes of a list of byte strings.
#[must_use]
pub fn byte_strings_bytes(items: &[Bytes]) -> usize {
    items.iter().map(|item| OFFSET_BYTES + item.len()).sum()
}

fn offset_bytes(at: usize) -> [u8; OFFSET_BYTES] {
    u32::try_from(at).expect("what we encode is far below 4 GiB").to_le_bytes()
}
