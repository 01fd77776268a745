//! The one Zstandard frame of a compressed payload.
//!
//! Every node must decode the same bytes to the same payload or none, so what is accepted is fixed here, before the library is asked: one frame,
//! no dictionary, a declared content size within the limits, a window no larger than the largest payload, and nothing after it.

use std::panic::catch_unwind;

use ruzstd::{
    decoding::{BlockDecodingStrategy, FrameDecoder},
    encoding::{CompressionLevel, compress_to_vec},
};

use super::{MAX_PAYLOAD_LEN, MAX_RATIO};

const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
const SIZE_FLAG: u8 = 0b1100_0000;
const FOUR_BYTES_OF_SIZE: u8 = 0b1000_0000;
const SINGLE_SEGMENT: u8 = 0b0010_0000;
const UNUSED_AND_RESERVED: u8 = 0b0001_1000;
const CHECKSUM: u8 = 0b0000_0100;
const DICTIONARY: u8 = 0b0000_0011;

/// Compresses; `None` where no decoder would take the result.
pub(super) fn compress(payload: &[u8]) -> Option<Vec<u8>> {
    let frame = compress_to_vec(payload, CompressionLevel::Fastest);
    // The library declares no content size: it goes in here, behind descriptor and window.
    let rest = frame.strip_prefix(&MAGIC)?;
    let (&[descriptor, window], rest) = rest.split_first_chunk()?;
    if descriptor & !CHECKSUM != 0 {
        return None;
    }
    let size = u32::try_from(payload.len()).ok()?;
    let mut declared = MAGIC.to_vec();
    declared.extend_from_slice(&[descriptor | FOUR_BYTES_OF_SIZE, window]);
    declared.extend_from_slice(&size.to_le_bytes());
    declared.extend_from_slice(rest);
    let len = declared_len(&declared)?;
    (decompress(&declared, len)? == payload).then_some(declared)
}

/// The length a frame declares; `None` where it is no frame that we take.
pub(super) fn declared_len(frame: &[u8]) -> Option<usize> {
    let rest = frame.strip_prefix(&MAGIC)?;
    let (descriptor, mut rest) = rest.split_first()?;
    if descriptor & (DICTIONARY | UNUSED_AND_RESERVED) != 0 {
        return None;
    }
    let single_segment = descriptor & SINGLE_SEGMENT != 0;
    if !single_segment {
        let (window, behind) = rest.split_first()?;
        if window_size(*window) > MAX_PAYLOAD_LEN as u64 {
            return None;
        }
        rest = behind;
    }
    let len = match (descriptor & SIZE_FLAG) >> 6 {
        0 if single_segment => u64::from(*rest.first()?),
        0 => return None,
        1 => u64::from(u16::from_le_bytes(*rest.first_chunk()?)) + 256,
        2 => u64::from(u32::from_le_bytes(*rest.first_chunk()?)),
        _ => u64::from_le_bytes(*rest.first_chunk()?),
    };
    let limit = frame.len().saturating_mul(MAX_RATIO).min(MAX_PAYLOAD_LEN);
    usize::try_from(len).ok().filter(|len| *len <= limit)
}

/// What the frame holds; `None` unless it is whole, holds exactly `len` bytes, and nothing follows it.
pub(super) fn decompress(frame: &[u8], len: usize) -> Option<Vec<u8>> {
    // A panic of the library would be a defect of it, and a function of the bytes all the same: it makes no payload.
    catch_unwind(|| run(frame, len)).ok().flatten()
}

fn run(frame: &[u8], len: usize) -> Option<Vec<u8>> {
    let mut decoder = FrameDecoder::new();
    decoder.set_max_window_size(MAX_PAYLOAD_LEN as u64);
    let mut source = frame;
    decoder.init(&mut source).ok()?;
    let mut payload = Vec::with_capacity(len);
    while !decoder.is_finished() {
        decoder.decode_blocks(&mut source, BlockDecodingStrategy::UptoBlocks(1)).ok()?;
        if let Some(bytes) = decoder.collect() {
            payload.extend_from_slice(&bytes);
        }
        if payload.len() > len {
            return None;
        }
    }
    let checked = decoder
        .get_checksum_from_data()
        .is_none_or(|checksum| decoder.get_calculated_checksum() == Some(checksum));
    (source.is_empty() && payload.len() == len && checked).then_some(payload)
}

/// As RFC 8878 has it.
const fn window_size(descriptor: u8) -> u64 {
    let base = 1_u64 << (10 + (descriptor >> 3));
    base + base / 8 * (descriptor & 7) as u64
}
