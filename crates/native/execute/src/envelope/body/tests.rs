use proptest::prelude::*;

use super::*;

fn full() -> DeriveInput {
    let bytes = |byte: u8, len: usize| Bytes::from(vec![byte; len]);
    DeriveInput {
        schema_id: 0x1501,
        chain_id: 7,
        parent_header: bytes(1, 600),
        ancestors: vec![bytes(2, 500), bytes(3, 600)],
        attributes: Attributes {
            timestamp: 4,
            fee_recipient: Address::repeat_byte(5),
            prev_randao: B256::repeat_byte(6),
            gas_limit: 7,
            slot_number: 8,
            extra_data: bytes(9, 32),
            anchor: B256::repeat_byte(10),
        },
        forced: vec![bytes(11, 100), Bytes::new()],
        posted: vec![bytes(12, 5); 3],
        witness: ExecutionWitness {
            state: vec![bytes(13, 33)],
            codes: vec![bytes(14, 1)],
            ..ExecutionWitness::default()
        },
    }
}

fn decode(bytes: &[u8]) -> Result<DeriveInput, Undecodable> {
    DeriveInput::decode(&Bytes::copy_from_slice(bytes))
}

#[test]
fn a_derive_input_survives_the_way_there_and_back() {
    let bytes = full().encode();
    assert_eq!(decode(&bytes), Ok(full()));
    assert_eq!(peek_derive_counts(&bytes), Some(DeriveCounts { forced: 2, posted: 3 }));
    let empty = DeriveInput::default();
    assert_eq!(decode(&empty.encode()), Ok(empty));
    let counts = peek_derive_counts(&DeriveInput::default().encode());
    assert_eq!(counts, Some(DeriveCounts { forced: 0, posted: 0 }));
}

#[test]
fn g05_limits_of_a_derive_input_hold() {
    let check = |change: fn(&mut DeriveInput), fits: bool| {
        let mut input = full();
        change(&mut input);
        assert_eq!(decode(&input.encode()).is_ok(), fits, "{input:?}");
    };
    check(|input| input.parent_header = vec![0; 1_024].into(), true);
    check(|input| input.parent_header = vec![0; 1_025].into(), false);
    check(|input| input.ancestors = vec![Bytes::new(); 255], true);
    check(|input| input.ancestors = vec![Bytes::new(); 256], false);
    check(|input| input.ancestors = vec![vec![0; 1_025].into()], false);
    check(|input| input.forced = vec![Bytes::new(); 32], true);
    check(|input| input.forced = vec![Bytes::new(); 33], false);
    check(|input| input.forced = vec![vec![0; FORCED_TX_LEN].into()], true);
    check(|input| input.forced = vec![vec![0; FORCED_TX_LEN + 1].into()], false);
    check(|input| input.posted = vec![Bytes::new(); MAX_BLOCK_TXS], true);
    check(|input| input.posted = vec![Bytes::new(); MAX_BLOCK_TXS + 1], false);
    check(|input| input.posted = vec![vec![0; MAX_BLOCK_LEN].into()], true);
    check(|input| input.posted = vec![vec![0; MAX_BLOCK_LEN + 1].into()], false);
    check(|input| input.attributes.extra_data = vec![0; 33].into(), false);
    check(|input| input.witness.headers = vec![Bytes::new()], false);
    check(|input| input.witness.state = vec![vec![0; 1_025].into()], false);
    check(|input| input.witness.codes = vec![vec![0; 65_536].into()], true);
    check(|input| input.witness.codes = vec![vec![0; 65_537].into()], false);
}

#[test]
fn blob_bindings_are_for_a_later_version() {
    let mut bytes = full().encode();
    bytes.extend_from_slice(&[0; OPENING_LEN]);
    assert!(matches!(decode(&bytes), Err(Undecodable::Ssz(SszError::Items { .. }))));
}

#[test]
fn g05_every_offset_of_a_derive_input_has_one_place() {
    let bytes = full().encode();
    for at in (10..codec::fixed_bytes(&DERIVE)).step_by(4) {
        for offset in [0, 1, 4, 37, 38, 39, 1 << 16, u32::MAX] {
            let mut bytes = bytes.clone();
            bytes[at..at + 4].copy_from_slice(&u32::to_le_bytes(offset));
            let decoded = decode(&bytes);
            assert!(decoded.is_err() || decoded.unwrap().encode() == bytes, "{offset} at {at}");
            let _ = peek_derive_counts(&bytes);
        }
    }
}

proptest! {
    #[test]
    fn a_derive_input_has_one_encoding(
        hits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = full().encode();
        for (at, value) in &hits {
            let at = at.index(bytes.len());
            bytes[at] ^= value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let counts = peek_derive_counts(&bytes);
        if let Ok(input) = decode(&bytes) {
            prop_assert_eq!(input.encode(), bytes);
            let expected = DeriveCounts { forced: input.forced.len(), posted: input.posted.len() };
            prop_assert_eq!(counts, Some(expected));
        }
    }
}

#[test]
fn s14_data_with_blobs_fills_them() {
    let opening = |byte| BlobOpening {
        commitment: FixedBytes::repeat_byte(byte),
        proof: FixedBytes::repeat_byte(byte + 1),
    };
    let body =
        DataBody { blobs: vec![opening(1), opening(3)], stream: vec![5; 2 * BLOB_CAPACITY].into() };
    let bytes = Bytes::from(body.encode());
    assert_eq!(DataBody::decode(&bytes), Ok(body));
    let shorter = bytes.slice(..bytes.len() - 1);
    assert_eq!(DataBody::decode(&shorter), Err(Undecodable::BlobData));
    let mut one_blob_less = bytes.to_vec();
    one_blob_less[1] = 1;
    assert_eq!(DataBody::decode(&one_blob_less.into()), Err(Undecodable::BlobData));

    let calldata = DataBody { blobs: vec![], stream: vec![1, 2, 3].into() };
    assert_eq!(DataBody::decode(&calldata.encode().into()), Ok(calldata));
    let none = |bytes: &'static [u8]| DataBody::decode(&Bytes::from_static(bytes));
    assert_eq!(none(&[]), Err(Undecodable::Blobs));
    assert_eq!(none(&[0]), Err(Undecodable::Blobs));
    assert_eq!(none(&[0, 1, 0]), Err(Undecodable::Blobs));
    assert_eq!(none(&[0, 17]), Err(Undecodable::Blobs));
    assert_eq!(none(&[0, 0]), Ok(DataBody::default()));
}
