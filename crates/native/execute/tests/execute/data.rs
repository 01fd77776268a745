//! DATA.

use ethrex_execute::{
    DataBody, Flags, Header, Mode, StreamBlock, roots,
    stream::{self, Codec},
};

use super::*;

fn blocks() -> Vec<StreamBlock> {
    let of = |dt, count| StreamBlock { dt, transactions: vec![vec![7; 100].into(); count] };
    vec![of(1, 2), of(0, 0), of(12, 1)]
}

fn envelope(body: &DataBody, gas_bound: u64) -> Vec<u8> {
    Header { mode: Mode::Data, level: 1, flags: Flags::NONE, gas_bound }.wrap(&body.encode())
}

#[test]
fn a_stream_in_calldata_has_a_root() {
    let stream = stream::encode(&blocks(), Codec::Raw).unwrap();
    let decoded = stream::decode(&stream);
    let body = DataBody { blobs: vec![], stream: stream.clone().into() };
    let input = envelope(&body, decoded.gas);
    let result = succeeds(&input);
    assert_eq!(call(PLENTY, &input).gas_charged, 50_000 + 8 * input.len() as u64 + decoded.gas);
    assert_eq!((result.mode, result.level, result.chain_id), (5, 1, 0));
    assert_eq!(result.anchor, alloy_primitives::keccak256(&stream));
    assert_eq!(result.blobs_hash, alloy_primitives::keccak256([]));
    assert_eq!(result.posted_root, stream::data_root(&blocks()));
    assert_eq!((result.posted_count, result.included_count), (3, 3));
    fails_as("gas_bound", &envelope(&body, decoded.gas - 1));
}

#[test]
fn c12_whatever_is_posted_has_a_root() {
    for garbage in [&[][..], b"NR01", &[0xff; 500], b"NR01\0\0\0\0\x05\x01\x01\x05\x01\x01"] {
        let body = DataBody { blobs: vec![], stream: Bytes::copy_from_slice(garbage) };
        let result = succeeds(&envelope(&body, 1_000_000));
        assert_eq!((result.posted_root, result.included_count), (Default::default(), 0));
        assert_eq!(result.anchor, alloy_primitives::keccak256(garbage));
    }
}

#[test]
fn s14_blobs_are_bound_to_the_stream() {
    let mut stream = stream::encode(&blocks(), Codec::Raw).unwrap();
    let blobs = stream::pack(&stream);
    let opening = open_blob(&blobs[0]);
    stream.resize(stream::BLOB_CAPACITY, 0);
    let body = DataBody { blobs: vec![opening], stream: stream.clone().into() };
    let gas = stream::decode(&stream).gas;
    let input = envelope(&body, gas);
    let result = succeeds(&input);
    assert_eq!(call(PLENTY, &input).gas_charged, 110_000 + 8 * input.len() as u64 + gas);
    let hash = ethrex_program::kzg::versioned_hash(&opening.commitment);
    assert_eq!(result.blobs_hash, roots::blobs_hash(&[hash]));
    assert_eq!(result.posted_root, stream::data_root(&blocks()));

    let with = |change: &dyn Fn(&mut DataBody)| {
        let mut body = body.clone();
        change(&mut body);
        envelope(&body, 10_000_000)
    };
    fails_as("blob", &with(&|body| body.blobs[0].commitment = body.blobs[0].proof));
    fails_as("blob", &with(&|body| body.blobs[0].proof.0[5] ^= 1));
    fails_as(
        "blob",
        &with(&|body| {
            let mut other = stream.clone();
            other[stream::BLOB_CAPACITY - 1] = 1;
            body.stream = other.into();
        }),
    );
    fails_as("undecodable", &with(&|body| body.stream = body.stream.slice(1..)));
    fails_as("undecodable", &with(&|body| body.blobs.push(opening)));
    fails_as("undecodable", &with(&|body| body.blobs = vec![opening; 17]));
}
