use proptest::prelude::*;

use super::*;

fn blocks() -> impl Strategy<Value = Vec<StreamBlock>> {
    let raw = proptest::collection::vec(any::<u8>(), 0..200).prop_map(Bytes::from);
    let block = (any::<u64>(), proptest::collection::vec(raw, 0..5))
        .prop_map(|(dt, transactions)| StreamBlock { dt, transactions });
    proptest::collection::vec(block, 0..12)
}

fn sample(len: usize) -> Vec<StreamBlock> {
    let raw = noise(4 * len);
    vec![StreamBlock { dt: 1, transactions: vec![raw.clone(), raw] }; 3]
}

/// Bytes that do not compress.
fn noise(len: usize) -> Bytes {
    let mut bytes: Vec<u8> =
        (0..len.div_ceil(32)).flat_map(|n| keccak256(n.to_be_bytes()).0).collect();
    bytes.truncate(len);
    bytes.into()
}

fn raw_stream(payload: &[u8]) -> Vec<u8> {
    let len = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&MAGIC[..], &[RAW], &len, payload].concat()
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(blocks in blocks(), padding in proptest::collection::vec(any::<u8>(), 0..9)) {
        let mut stream = encode(&blocks, Codec::Raw).unwrap();
        stream.extend_from_slice(&padding);
        let decoded = decode(&stream);
        prop_assert_eq!(&decoded.blocks, &blocks);
        prop_assert_eq!(decode_within(&stream, decoded.gas), Ok(decoded.clone()));
        if decoded.gas > 0 {
            prop_assert_eq!(decode_within(&stream, decoded.gas - 1), Err(BoundExceeded));
        }
    }

    #[test]
    fn c12_random_bytes_are_blocks_too(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = decode(&bytes);
        let decoded = decode(&raw_stream(&bytes));
        // What was understood is understood the same way again.
        let again = encode(&decoded.blocks, Codec::Raw).unwrap();
        prop_assert_eq!(decode(&again).blocks, decoded.blocks);
    }

    #[test]
    fn c12_mutated_streams_decode_to_something(
        blocks in blocks(),
        hits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut stream = encode(&blocks, Codec::Raw).unwrap();
        for (at, value) in &hits {
            let at = at.index(stream.len());
            stream[at] ^= value;
        }
        let _ = decode(&stream);
        stream.truncate(cut.index(stream.len()));
        let _ = decode(&stream);
    }

    #[test]
    fn numbers_have_one_form(number in any::<u64>()) {
        let mut bytes = Vec::new();
        write_number(&mut bytes, number);
        prop_assert_eq!(read_number(&mut &bytes[..]), Some(number));
        let last = bytes.len() - 1;
        bytes[last] |= 0x80;
        bytes.push(0);
        prop_assert_eq!(read_number(&mut &bytes[..]), None);
    }

    #[test]
    fn blobs_carry_streams(stream in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        let blobs = pack(&stream);
        let carried = unpack(blobs.iter().map(|blob| &**blob)).unwrap();
        prop_assert_eq!(&carried[..stream.len()], &stream[..]);
        prop_assert!(carried[stream.len()..].iter().all(|byte| *byte == 0));
    }
}

#[test]
fn a_number_above_64_bits_is_refused() {
    let max = [[0xff; 9].as_slice(), &[1]].concat();
    assert_eq!(read_number(&mut &max[..]), Some(u64::MAX));
    let above = [[0xff; 9].as_slice(), &[2]].concat();
    assert_eq!(read_number(&mut &above[..]), None);
    assert_eq!(read_number(&mut [0xff; 11].as_slice()), None);
}

#[test]
fn what_is_no_stream_has_no_blocks() {
    let stream = encode(&sample(1), Codec::Raw).unwrap();
    let empty = Decoded::default();
    assert_eq!(decode(&[]), empty);
    assert_eq!(decode(&stream[1..]), empty, "no magic");
    assert_eq!(decode(&stream[..stream.len() - 1]), empty, "longer than what is there");
    let mut unknown = stream;
    unknown[4] = 2;
    assert_eq!(decode(&unknown), empty, "unknown codec");
}

#[test]
fn a_malformed_block_ends_the_list() {
    let good = payload(&sample(1)[..1]).unwrap();
    let one = |bad: &[u8]| decode(&raw_stream(&[&good, bad].concat())).blocks.len();
    assert_eq!(one(&good), 2);
    assert_eq!(one(&[1]), 1, "no count");
    assert_eq!(one(&[1, 1]), 1, "no transaction");
    assert_eq!(one(&[1, 1, 2, 0]), 1, "half a transaction");
    assert_eq!(one(&[0x81, 0, 0]), 1, "a number in a longer form");
    assert_eq!(one(&[0, 0]), 2, "no time and no transactions are legal");
}

#[test]
fn limits_end_the_list() {
    let empty = [1, 0];
    assert_eq!(decode(&raw_stream(&empty.repeat(MAX_BLOCKS + 5))).blocks.len(), MAX_BLOCKS);

    let of = |count: usize| {
        let mut block = vec![1];
        write_number(&mut block, count as u64);
        block.resize(block.len() + count, 0);
        decode(&raw_stream(&block)).blocks.len()
    };
    assert_eq!((of(MAX_BLOCK_TXS), of(MAX_BLOCK_TXS + 1)), (1, 0));

    let long = |lens: &[usize]| {
        let mut payload = vec![1, lens.len() as u8];
        for len in lens {
            write_number(&mut payload, *len as u64);
            payload.resize(payload.len() + len, 7);
        }
        decode(&raw_stream(&payload)).blocks.len()
    };
    assert_eq!((long(&[MAX_BLOCK_LEN]), long(&[MAX_BLOCK_LEN + 1])), (1, 0));
    assert_eq!((long(&[MAX_BLOCK_LEN - 1, 1]), long(&[MAX_BLOCK_LEN, 1])), (1, 0));
}

#[test]
fn encoding_refuses_what_decoding_would_cut() {
    let of = |count| StreamBlock { dt: 1, transactions: vec![Bytes::new(); count] };
    let refused = |blocks: &[StreamBlock]| encode(blocks, Codec::Raw).unwrap_err();
    assert_eq!(refused(&vec![of(0); 129]), EncodeError::Blocks(129));
    assert_eq!(refused(&[of(161)]), EncodeError::Transactions(161));
    let long = StreamBlock { dt: 1, transactions: vec![vec![0; MAX_BLOCK_LEN].into()] };
    assert!(encode(std::slice::from_ref(&long), Codec::Raw).is_ok());
    assert_eq!(refused(&vec![long.clone(); 128]), EncodeError::Payload(128 * (MAX_BLOCK_LEN + 5)));
    let longer = StreamBlock { transactions: vec![vec![0; MAX_BLOCK_LEN + 1].into()], ..long };
    assert_eq!(refused(&[longer]), EncodeError::BlockLen(MAX_BLOCK_LEN + 1));
}

#[test]
fn c12_a_codec_that_is_reserved_has_no_blocks() {
    let stream = encode(&sample(10), Codec::Raw).unwrap();
    for codec in 1..=u8::MAX {
        let mut other = stream.clone();
        other[4] = codec;
        assert_eq!(decode(&other), Decoded::default(), "codec {codec}");
    }
}

#[test]
fn g05_a_payload_that_is_too_long_has_no_blocks() {
    let longest = raw_stream(&vec![1; MAX_PAYLOAD_LEN]);
    assert!(decode(&longest).gas > 0);
    assert_eq!(decode(&raw_stream(&vec![1; MAX_PAYLOAD_LEN + 1])), Decoded::default());
}

#[test]
fn a_blob_that_uses_first_bytes_carries_nothing() {
    let mut blobs = pack(&[1; BLOB_CAPACITY + 1]);
    assert_eq!(blobs.len(), 2);
    blobs[1][64] = 1;
    assert_eq!(unpack(blobs.iter().map(|blob| &**blob)), None);
}

#[test]
fn the_data_root_is_over_leaves_as_the_contract_hashes_them() {
    let blocks = sample(2);
    let one = leaf(0, 1, posted_root(&blocks[0].transactions), 2);
    assert_eq!(data_root(&blocks[..1]), one);
    assert_eq!(data_root(&[]), B256::ZERO);
    let bytes = [
        [0; 32],
        U256::from(1).to_be_bytes(),
        posted_root(&blocks[0].transactions).0,
        U256::from(2).to_be_bytes(),
    ];
    assert_eq!(one, keccak256(bytes.as_flattened()));
}
