//! The containers of EIP-8025: their wire format, their roots, and payloads as blocks.

use alloy_eips::eip4895::Withdrawal;
use alloy_primitives::{Address, B256, Bloom, Bytes, FixedBytes, U256, hex};
use ethrex_stateless::{
    ExecutionWitness, StatelessInput, StatelessValidationResult, block_of, payload_of,
    ssz::{
        ExecutionPayload, ExecutionRequests, NewPayloadRequest, PayloadGas, SCHEMA_AMSTERDAM,
        SszError, codec, peek_gas, peek_gas_limit,
    },
};
use libssz_merkle::{merkleize_progressive, mix_in_length, pack};
use proptest::prelude::*;
use sha2::{Digest, Sha256};

use crate::busy;

fn bytes(max: usize) -> impl Strategy<Value = Bytes> {
    proptest::collection::vec(any::<u8>(), 0..=max).prop_map(Bytes::from)
}

fn list(max: usize, max_bytes: usize) -> impl Strategy<Value = Vec<Bytes>> {
    proptest::collection::vec(bytes(max_bytes), 0..=max)
}

fn items(size: usize) -> impl Strategy<Value = Bytes> {
    (0usize..6).prop_flat_map(move |count| {
        proptest::collection::vec(any::<u8>(), count * size).prop_map(Bytes::from)
    })
}

fn withdrawals() -> impl Strategy<Value = Vec<Withdrawal>> {
    let one = (any::<u64>(), any::<u64>(), any::<[u8; 20]>(), any::<u64>());
    let one = one.prop_map(|(index, validator_index, address, amount)| Withdrawal {
        index,
        validator_index,
        address: address.into(),
        amount,
    });
    proptest::collection::vec(one, 0..7)
}

fn payloads() -> impl Strategy<Value = ExecutionPayload> {
    let numbers = any::<[u64; 7]>();
    let words = any::<[[u8; 32]; 6]>();
    (numbers, words, any::<[u8; 20]>(), bytes(32), list(30, 300), withdrawals(), bytes(700))
        .prop_map(
            |(numbers, words, address, extra_data, transactions, withdrawals, access_list)| {
                let mut bloom = Bloom::ZERO;
                bloom[words[0][0] as usize] = words[0][1];
                ExecutionPayload {
                    parent_hash: words[0].into(),
                    fee_recipient: Address::from(address),
                    state_root: words[1].into(),
                    receipts_root: words[2].into(),
                    logs_bloom: bloom,
                    prev_randao: words[3].into(),
                    block_number: numbers[0],
                    gas_limit: numbers[1],
                    gas_used: numbers[2],
                    timestamp: numbers[3],
                    extra_data,
                    base_fee_per_gas: U256::from_be_bytes(words[4]),
                    block_hash: words[5].into(),
                    transactions,
                    withdrawals,
                    blob_gas_used: numbers[4],
                    excess_blob_gas: numbers[5],
                    block_access_list: access_list,
                    slot_number: numbers[6],
                }
            },
        )
}

fn requests() -> impl Strategy<Value = ExecutionRequests> {
    (items(192), items(76), items(116), items(184), items(68)).prop_map(
        |(deposits, withdrawals, consolidations, builder_deposits, builder_exits)| {
            ExecutionRequests {
                deposits,
                withdrawals,
                consolidations,
                builder_deposits,
                builder_exits,
            }
        },
    )
}

fn inputs() -> impl Strategy<Value = StatelessInput> {
    let hashes = proptest::collection::vec(any::<[u8; 32]>().prop_map(B256::from), 0..7);
    let request = (payloads(), hashes, any::<[u8; 32]>(), requests()).prop_map(
        |(payload, versioned_hashes, root, requests)| NewPayloadRequest {
            payload,
            versioned_hashes,
            parent_beacon_block_root: root.into(),
            requests,
        },
    );
    let witness =
        (list(20, 1024), list(5, 3000), list(9, 1024)).prop_map(|(state, codes, headers)| {
            ExecutionWitness { state, codes, keys: vec![], headers }
        });
    let key = proptest::array::uniform32(any::<u8>()).prop_map(|half| {
        let mut key = FixedBytes::<65>::repeat_byte(4);
        key[1..33].copy_from_slice(&half);
        key
    });
    let keys = proptest::option::of(proptest::collection::vec(key, 0..5));
    (request, witness, any::<u64>(), keys).prop_map(|(request, witness, chain_id, public_keys)| {
        StatelessInput { schema: SCHEMA_AMSTERDAM, request, witness, chain_id, public_keys }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn inputs_round_trip(input in inputs()) {
        let encoded = Bytes::from(input.encode());
        prop_assert_eq!(&StatelessInput::decode(&encoded).unwrap(), &input);
        let payload = &input.request.payload;
        let gas = PayloadGas { limit: payload.gas_limit, used: payload.gas_used };
        prop_assert_eq!(peek_gas(&encoded), Some(gas));
        prop_assert_eq!(peek_gas_limit(&encoded), Some(payload.gas_limit));
        // One byte more, one byte less.
        let mut longer = encoded.to_vec();
        longer.push(0);
        if let Ok(longer) = StatelessInput::decode(&longer.into()) {
            prop_assert_ne!(longer, input.clone());
        }
        let shorter = encoded.slice(..encoded.len() - 1);
        prop_assert_ne!(StatelessInput::decode(&shorter).ok(), Some(input));
    }

    #[test]
    fn d7_roots_are_those_of_the_definition(input in inputs()) {
        let request = &input.request;
        prop_assert_eq!(request.hash_tree_root(), naive::request(request, true));
        prop_assert_eq!(request.plain_hash_tree_root(), naive::request(request, false));
    }
}

/// EIP-7495 and EIP-7916 word by word, with no regard for speed.
mod naive {
    use super::*;

    type Node = [u8; 32];

    fn hash(a: Node, b: Node) -> Node {
        Sha256::digest([a, b].concat()).into()
    }

    fn chunks(bytes: &[u8]) -> Vec<Node> {
        let chunk = |bytes: &[u8]| {
            let mut chunk = Node::default();
            chunk[..bytes.len()].copy_from_slice(bytes);
            chunk
        };
        bytes.chunks(32).map(chunk).collect()
    }

    fn binary(chunks: &[Node], leaves: usize) -> Node {
        let mut level = chunks.to_vec();
        level.resize(leaves.next_power_of_two(), Node::default());
        while level.len() > 1 {
            level = level.chunks(2).map(|pair| hash(pair[0], pair[1])).collect();
        }
        level[0]
    }

    fn progressive(chunks: &[Node], leaves: usize) -> Node {
        if chunks.is_empty() {
            return Node::default();
        }
        let (here, beyond) = chunks.split_at(leaves.min(chunks.len()));
        hash(binary(here, leaves), progressive(beyond, leaves * 4))
    }

    fn with_length(root: Node, length: usize) -> Node {
        hash(root, U256::from(length).to_le_bytes())
    }

    fn byte_list(bytes: &[u8]) -> Node {
        with_length(progressive(&chunks(bytes), 1), bytes.len())
    }

    fn roots(roots: &[Node]) -> Node {
        with_length(progressive(roots, 1), roots.len())
    }

    fn vector(bytes: &[u8]) -> Node {
        let chunks = chunks(bytes);
        binary(&chunks, chunks.len())
    }

    fn container(fields: &[Node], is_progressive: bool) -> Node {
        if !is_progressive {
            return binary(fields, fields.len());
        }
        // Every field is active: as many ones, the lowest bit first.
        let active = (U256::ONE << fields.len()) - U256::ONE;
        hash(progressive(fields, 1), active.to_le_bytes())
    }

    fn records(bytes: &[u8], sizes: &[usize]) -> Node {
        let record = |mut bytes: &[u8]| {
            let mut fields = vec![];
            for size in sizes {
                fields.push(vector(&bytes[..*size]));
                bytes = &bytes[*size..];
            }
            container(&fields, false)
        };
        roots(&bytes.chunks(sizes.iter().sum()).map(record).collect::<Vec<_>>())
    }

    fn number(number: u64) -> Node {
        U256::from(number).to_le_bytes()
    }

    pub(super) fn request(request: &NewPayloadRequest, is_progressive: bool) -> B256 {
        let payload = &request.payload;
        let withdrawals = payload.withdrawals.iter().map(|withdrawal| {
            let fields = [
                number(withdrawal.index),
                number(withdrawal.validator_index),
                vector(withdrawal.address.as_slice()),
                number(withdrawal.amount),
            ];
            container(&fields, false)
        });
        let payload_root = container(
            &[
                payload.parent_hash.0,
                vector(payload.fee_recipient.as_slice()),
                payload.state_root.0,
                payload.receipts_root.0,
                vector(payload.logs_bloom.as_slice()),
                payload.prev_randao.0,
                number(payload.block_number),
                number(payload.gas_limit),
                number(payload.gas_used),
                number(payload.timestamp),
                with_length(binary(&chunks(&payload.extra_data), 1), payload.extra_data.len()),
                payload.base_fee_per_gas.to_le_bytes(),
                payload.block_hash.0,
                roots(&payload.transactions.iter().map(|tx| byte_list(tx)).collect::<Vec<_>>()),
                roots(&withdrawals.collect::<Vec<_>>()),
                number(payload.blob_gas_used),
                number(payload.excess_blob_gas),
                byte_list(&payload.block_access_list),
                number(payload.slot_number),
            ],
            true,
        );
        let requests = &request.requests;
        let requests_root = container(
            &[
                records(&requests.deposits, &[48, 32, 8, 96, 8]),
                records(&requests.withdrawals, &[20, 48, 8]),
                records(&requests.consolidations, &[20, 48, 48]),
                records(&requests.builder_deposits, &[48, 32, 8, 96]),
                records(&requests.builder_exits, &[20, 48]),
            ],
            true,
        );
        let hashes: Vec<Node> = request.versioned_hashes.iter().map(|hash| hash.0).collect();
        let fields =
            [payload_root, roots(&hashes), request.parent_beacon_block_root.0, requests_root];
        container(&fields, is_progressive).into()
    }
}

/// The library against `ProgressiveList[uint64]` of consensus-specs v1.7.0-alpha.13 and of remerkleable: so many times this
/// number, or 1 to this number.
#[test]
fn d7_progressive_lists_have_the_roots_of_the_reference_vectors() {
    let root = |numbers: &[u64]| {
        let serialized: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        mix_in_length(&Sha, &merkleize_progressive(&Sha, &pack(&serialized)), numbers.len())
    };
    let counted: [(u64, B256); 5] = [
        (0, hex!("f5a5fd42d16a20302798ef6ed309979b43003d2320d9f0e8ea9831a92759fb4b").into()),
        (1, hex!("905efb51c2764c2c7a4efb0548e372569df06db82115c3b1896c186632f3fe5b").into()),
        (2, hex!("4250789d7838bee417a2b0d7639d928b05e8b75f1fc59588a4301b6e8f70ba58").into()),
        (5, hex!("29918e0447260511bc5be0f7dbb9817201e16e30c56af228b9cb931a16e8799d").into()),
        (21, hex!("ed360c03ecbdfbb6f4b1cf5d9cbf6887038423e31121700797de968a9969aaed").into()),
    ];
    for (last, expected) in counted {
        assert_eq!(root(&(1..=last).collect::<Vec<_>>()), expected.0, "1 to {last}");
    }
    let repeated: [(usize, u64, B256); 5] = [
        (
            1,
            u64::MAX,
            hex!("7bea313629252f757f27d17a1ce515715beedeff41a3f7f6c9ac47bfddcf447c").into(),
        ),
        (
            4,
            u64::MAX,
            hex!("06e8318500bbdb0b6e9b55e63e819cbed45668f6481c24c67bd1d8eaf8703ca8").into(),
        ),
        (
            21,
            u64::MAX,
            hex!("d444bef5f61103078f3ca9bdb2857a9b5e883d738b213a1607a9f3a770a332d2").into(),
        ),
        (7, 0, hex!("13a56a67f02ea52c0841043aba35de738bec8519fee07860658d13e2d0442782").into()),
        (53, 0, hex!("2935884058446007e2592494fe88884e83ee80ecd2041779447c30642fe63ac8").into()),
    ];
    for (count, number, expected) in repeated {
        assert_eq!(root(&vec![number; count]), expected.0, "{count} times {number}");
    }
}

struct Sha;

impl libssz_merkle::Sha256Hasher for Sha {
    fn hash(&self, data: &[u8]) -> [u8; 32] {
        Sha256::digest(data).into()
    }
}

#[test]
fn fields_stand_where_contracts_look_for_them() {
    let (_, block) = busy();
    let encoded = block.input.encode();
    let body = &encoded[2..];
    assert_eq!(encoded[..2], [0x15, 0x01]);
    let offset = |at: usize| u32::from_le_bytes(body[at..at + 4].try_into().unwrap()) as usize;
    assert_eq!(offset(0), 20);
    let request = offset(0);
    // The request: two offsets, the anchor, one offset.
    assert_eq!(offset(request), 44);
    let payload = request + 44;
    let header = block.block.sealed().header();
    let at = |from: usize, len: usize| &body[payload + from..payload + from + len];
    assert_eq!(at(0, 32), header.parent_hash.as_slice());
    assert_eq!(at(52, 32), header.state_root.as_slice());
    assert_eq!(at(404, 8), header.number.to_le_bytes());
    assert_eq!(at(412, 8), header.gas_limit.to_le_bytes());
    assert_eq!(at(420, 8), header.gas_used.to_le_bytes());
    assert_eq!(at(472, 32), block.block.sealed().hash().as_slice());
    assert_eq!(at(532, 8), header.slot_number.unwrap().to_le_bytes());
    let anchor = &body[request + 8..request + 40];
    assert_eq!(anchor, header.parent_beacon_block_root.unwrap().as_slice());
    // Without public keys everything stands four bytes earlier.
    let without = StatelessInput { public_keys: None, ..block.input }.encode();
    assert_eq!(without[2..6], 16_u32.to_le_bytes());
    assert_eq!(without[18..18 + 44], encoded[22..22 + 44]);
}

#[test]
fn a_result_has_43_bytes() {
    let result = StatelessValidationResult {
        request_root: B256::repeat_byte(0xab),
        successful: true,
        chain_id: 0x0102_0304,
        schema: SCHEMA_AMSTERDAM,
    };
    let encoded = result.encode();
    assert_eq!(encoded.len(), 43);
    assert_eq!(encoded[32..], hex!("01 0403020100000000 0115"));
    assert_eq!(StatelessValidationResult::decode(&encoded.clone().into()), Ok(result));
    let mut odd = encoded.clone();
    odd[32] = 2;
    let error = StatelessValidationResult::decode(&odd.into());
    assert_eq!(error, Err(SszError::Boolean { what: "the success" }));
    let short = StatelessValidationResult::decode(&encoded[..42].to_vec().into());
    assert!(matches!(short, Err(SszError::Length { got: 42, .. })));
    let long = StatelessValidationResult::decode(&[&encoded[..], &[0]].concat().into());
    assert!(matches!(long, Err(SszError::Length { got: 44, .. })));
}

#[test]
fn payloads_and_blocks_are_the_same_thing() {
    let (_, block) = busy();
    let sealed = block.block.sealed();
    let request = &block.input.request;
    assert_eq!(&block_of(request).unwrap(), sealed);
    let requests = request.requests.to_requests();
    let again = payload_of(sealed, &requests, request.payload.block_access_list.clone()).unwrap();
    assert_eq!(&again, request);
}

proptest! {
    #[test]
    fn requests_round_trip(requests in requests()) {
        let listed = requests.to_requests();
        prop_assert_eq!(ExecutionRequests::from_requests(&listed), Ok(requests.clone()));
        prop_assert_eq!(requests.is_empty(), listed.iter().next().is_none());
    }

    #[test]
    fn counts_come_from_the_first_offset(items in list(30, 20)) {
        let encoded = codec::write_byte_strings(&items);
        prop_assert_eq!(codec::count(&encoded), Some(items.len()));
    }
}

#[test]
fn g05_offsets_have_one_value() {
    let strings = [Bytes::from_static(b"ab"), Bytes::from_static(b"c"), Bytes::new()];
    let good = codec::write_byte_strings(&strings);
    let read = |bytes: Vec<u8>| codec::byte_strings("items", &bytes.into(), 3, 2);
    assert_eq!(read(good.clone()).unwrap(), strings);
    for at in 0..3 {
        let right = u32::from_le_bytes(good[at * 4..][..4].try_into().unwrap());
        for wrong in [0, 1, 3, 4, 8, 11, 12, 13, 14, 15, 16, 1 << 31, u32::MAX] {
            let mut bytes = good.clone();
            bytes[at * 4..][..4].copy_from_slice(&wrong.to_le_bytes());
            match read(bytes.clone()) {
                // Other boundaries between the same bytes are another list, which encodes to these bytes.
                Ok(other) => assert_eq!(codec::write_byte_strings(&other), bytes),
                Err(
                    SszError::Offset { .. } | SszError::Items { .. } | SszError::TooLong { .. },
                ) => {
                    assert_ne!(wrong, right);
                }
                Err(other) => panic!("{other}"),
            }
        }
    }
    assert_eq!(codec::count(&[0, 0, 0, 0]), None);
    assert_eq!(codec::count(&[5, 0, 0, 0, 0]), None);
    assert_eq!(codec::count(&[8, 0, 0, 0]), None);
    assert_eq!(codec::count(&[1, 2, 3]), None);
    assert!(matches!(read(vec![0; 4]), Err(SszError::Offset { .. })));
    let four = codec::write_byte_strings(&[const { Bytes::new() }; 4]);
    assert_eq!(read(four), Err(SszError::Items { what: "items", got: 4, max: 3 }));
    // Ordinary lists and containers.
    assert!(matches!(codec::items("items", &[0; 5], 2, 9), Err(SszError::Length { got: 5, .. })));
    assert!(matches!(codec::items("items", &[0; 6], 2, 2), Err(SszError::Items { got: 3, .. })));
    let fields = [codec::Field::Fixed(1), codec::Field::Variable, codec::Field::Variable];
    let container = codec::Writer::new(&fields).fixed(&[7]).variable(b"xy").variable(b"z").finish();
    let parts = codec::split("it", &container.clone().into(), &fields).unwrap();
    assert_eq!(parts.each_ref().map(|part| &part[..]), [&[7][..], b"xy", b"z"]);
    assert_eq!(codec::peek(&container, &fields, 1), Some(&b"xy"[..]));
    assert_eq!(codec::peek(&container, &fields, 2), Some(&b"z"[..]));
    for (at, wrong) in [(1, 10), (1, 8), (1, 0), (5, 8), (5, 13), (5, 200)] {
        let mut container = container.clone();
        container[at] = wrong;
        codec::split("it", &container.into(), &fields).unwrap_err();
    }
}
