//! A stream in blobs: 31 bytes to a field element, behind a zero byte.

/// Bytes of a stream that one blob carries.
pub const BLOB_CAPACITY: usize = ELEMENTS * USABLE;

const ELEMENTS: usize = 4_096;
const ELEMENT: usize = 32;
const USABLE: usize = ELEMENT - 1;

/// A blob (EIP-4844).
pub type Blob = alloy_primitives::FixedBytes<{ ELEMENTS * ELEMENT }>;

/// Writes a stream into as many blobs as it needs; the last is filled with zeros.
#[must_use]
pub fn pack(stream: &[u8]) -> Vec<Box<Blob>> {
    stream.chunks(BLOB_CAPACITY).map(pack_one).collect()
}

/// The bytes that blobs carry, one blob after the other; `None` where a field element uses its first byte.
#[must_use]
pub fn unpack<'b>(blobs: impl IntoIterator<Item = &'b Blob>) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    for blob in blobs {
        for element in blob.as_chunks::<ELEMENT>().0 {
            let (first, usable) = element.split_first().expect("an element has 32 bytes");
            if *first != 0 {
                return None;
            }
            bytes.extend_from_slice(usable);
        }
    }
    Some(bytes)
}

fn pack_one(bytes: &[u8]) -> Box<Blob> {
    let mut blob = Box::new(Blob::ZERO);
    for (element, usable) in blob.as_chunks_mut::<ELEMENT>().0.iter_mut().zip(bytes.chunks(USABLE))
    {
        element[1..=usable.len()].copy_from_slice(usable);
    }
    blob
}
