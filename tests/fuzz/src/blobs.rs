//! What is posted: streams of a native rollup, payloads of a batch.

use alloy_primitives::Bytes;
use ethrex_execute::stream::{self, BLOB_CAPACITY, Blob, Codec};
use ethrex_protocol::blob;

/// Blobs of one input at most: what more there is would be the same again.
const MAX_BLOBS: usize = 3;

/// Decoding is total, and what it gives is a stream's content.
pub(crate) fn stream(bytes: &[u8]) {
    let decoded = stream::decode(bytes);
    let encoded = stream::encode(&decoded.blocks, Codec::Raw).expect("it is within every limit");
    let again = stream::decode(&encoded);
    assert_eq!(again.blocks, decoded.blocks);
    // What stands behind the payload changes nothing, and so blobs can be padded.
    let padded = stream::decode(&[&encoded[..], &[0; 40]].concat());
    assert_eq!(padded, again);
    // The bound is exact.
    assert_eq!(stream::decode_within(bytes, decoded.gas).as_ref(), Ok(&decoded));
    if let Some(less) = decoded.gas.checked_sub(1) {
        assert!(stream::decode_within(bytes, less).is_err());
    }
    assert_eq!(stream::leaves(&decoded.blocks).len(), decoded.blocks.len());
}

/// Blobs carry bytes, or use what they may not.
pub(crate) fn stream_blobs(bytes: &[u8]) {
    // As it is, and as blobs that carry it.
    let blobs: Vec<Box<Blob>> =
        bytes.chunks(Blob::len_bytes()).take(MAX_BLOBS).map(padded_blob).collect();
    if let Some(carried) = stream::unpack(blobs.iter().map(Box::as_ref)) {
        assert_eq!(carried.len(), blobs.len() * BLOB_CAPACITY);
        assert_eq!(stream::pack(&carried), blobs);
        stream(&carried);
    }
    let bytes = &bytes[..bytes.len().min(MAX_BLOBS * BLOB_CAPACITY)];
    let packed = stream::pack(bytes);
    let carried = stream::unpack(packed.iter().map(Box::as_ref)).expect("it was just packed");
    assert!(carried.starts_with(bytes));
    assert!(carried[bytes.len()..].iter().all(|byte| *byte == 0));
}

/// A payload has blocks that make the same payload, or none.
pub(crate) fn payload(bytes: &[u8]) {
    let Ok(blocks) = blob::decode_payload(bytes) else { return };
    let of = blocks.iter().map(|published| (&published.block, &published.fee_config));
    match blob::encode_payload(of) {
        Ok(encoded) => {
            assert!(bytes.starts_with(&encoded), "{}", Bytes::from(encoded));
            assert!(bytes[encoded.len()..].iter().all(|byte| *byte == 0));
            let blob = blob::to_blob(&encoded).expect("it is short enough");
            assert_eq!(blob::decode(&blob).as_ref(), Ok(&blocks));
        }
        Err(too_long) => assert!(too_long.len <= bytes.len()),
    }
}

fn padded_blob(bytes: &[u8]) -> Box<Blob> {
    let mut blob = Box::new(Blob::ZERO);
    blob[..bytes.len()].copy_from_slice(bytes);
    blob
}
