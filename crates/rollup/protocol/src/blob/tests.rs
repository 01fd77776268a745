use alloy_primitives::{Address, B256, Bytes, U256};
use ethrex_types::{
    BlockBody, PrivilegedTx, Tx,
    alloy_consensus::{Signed, TxEip1559},
};
use proptest::prelude::*;

use super::*;
use crate::{constants::MAX_MESSAGE_DATA, fee::tests::any_config};

fn header() -> Header {
    Header {
        number: 7,
        gas_limit: 150_000_000,
        gas_used: 21_000,
        timestamp: 1_718_040_081,
        base_fee_per_gas: Some(1_000_000_000),
        withdrawals_root: Some(B256::ZERO),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(B256::ZERO),
        requests_hash: Some(B256::ZERO),
        ..Header::default()
    }
}

fn transfer(data_len: usize) -> Tx {
    let tx = TxEip1559 {
        chain_id: 65_536_999,
        gas_limit: 21_000,
        to: Address::repeat_byte(1).into(),
        input: vec![0xab; data_len].into(),
        ..TxEip1559::default()
    };
    let signature = alloy_primitives::Signature::new(U256::MAX, U256::MAX, true);
    Tx::Eip1559(Signed::new_unhashed(tx, signature))
}

fn deposit(data_len: usize) -> Tx {
    PrivilegedTx {
        chain_id: u64::MAX,
        nonce: u64::MAX,
        max_priority_fee_per_gas: u64::MAX,
        max_fee_per_gas: u64::MAX,
        gas_limit: u64::MAX,
        to: Address::repeat_byte(1),
        value: U256::MAX,
        data: Bytes::from(vec![0xcd; data_len]),
        access_list: vec![].into(),
        from: Address::repeat_byte(2),
    }
    .into()
}

fn block(transactions: Vec<Tx>) -> Block {
    let withdrawals = Some(vec![].into());
    Block { header: header(), body: BlockBody { transactions, ommers: vec![], withdrawals } }
}

/// A block that brings the payload to exactly `len` bytes.
fn block_filling(len: usize, fee_len: usize) -> Block {
    let measure = |data| {
        let block = block(vec![transfer(data)]);
        PayloadSize::EMPTY.with(block.length(), fee_len).bytes()
    };
    let data = len - (measure(len) - len) - 1;
    let data = (data..data + 8).find(|data| measure(*data) == len).expect("lengths are dense here");
    block(vec![transfer(data)])
}

#[test]
fn constants_are_those_of_eip_4844() {
    assert_eq!(BYTES_PER_BLOB, 131_072);
    assert_eq!(MAX_PAYLOAD_LEN, 126_976);
}

#[test]
fn the_longest_header_is_as_long_as_stated() {
    let widest = Header {
        parent_hash: B256::ZERO,
        difficulty: U256::ZERO,
        number: u64::MAX,
        gas_limit: u64::MAX,
        gas_used: u64::MAX,
        timestamp: u64::MAX,
        extra_data: vec![0xff; 32].into(),
        base_fee_per_gas: Some(u64::MAX),
        withdrawals_root: Some(B256::ZERO),
        blob_gas_used: Some(u64::MAX),
        excess_blob_gas: Some(u64::MAX),
        parent_beacon_block_root: Some(B256::ZERO),
        requests_hash: Some(B256::ZERO),
        block_access_list_hash: Some(B256::ZERO),
        slot_number: Some(u64::MAX),
        ..Header::default()
    };
    assert_eq!(widest.length(), MAX_HEADER_LEN);
}

#[test]
fn an_exact_fit_fits_and_one_byte_more_does_not() {
    let fee_config = FeeConfig::default();
    let fits = block_filling(MAX_PAYLOAD_LEN, fee_config.encoded_len());
    assert_eq!(encode_payload([(&fits, &fee_config)]).unwrap().len(), MAX_PAYLOAD_LEN);
    let blob = encode([(&fits, &fee_config)]).unwrap();
    assert_eq!(decode(&blob).unwrap(), [PublishedBlock { block: fits, fee_config }]);

    let over = block_filling(MAX_PAYLOAD_LEN + 1, fee_config.encoded_len());
    let len = MAX_PAYLOAD_LEN + 1;
    assert_eq!(encode([(&over, &fee_config)]), Err(PayloadTooLong { len }));
}

#[test]
fn the_longest_transaction_fits_under_the_longest_header() {
    let empty = BlockSize::new(MAX_HEADER_LEN);
    assert!(empty.with(MAX_TX_LEN).fits(FeeConfig::MAX_ENCODED_LEN));
    assert!(!empty.with(MAX_TX_LEN + 1).fits(FeeConfig::MAX_ENCODED_LEN));
}

#[test]
fn the_longest_message_from_l1_fits_alone() {
    assert!(deposit(MAX_MESSAGE_DATA).length() <= MAX_TX_LEN);
}

#[test]
fn an_empty_batch_is_an_empty_blob() {
    let blob = encode([]).unwrap();
    assert_eq!(*blob, Blob::ZERO);
    assert_eq!(decode(&blob), Ok(vec![]));
}

#[test]
fn a_false_count_is_refused_without_allocating_for_it() {
    let mut blob = Blob::ZERO;
    blob[1..9].fill(0xff);
    assert!(matches!(decode(&blob), Err(DecodeError::Block { index: 0, count: u64::MAX, .. })));
}

#[test]
fn a_used_leading_byte_is_refused() {
    let mut blob = Blob::ZERO;
    blob[32] = 1;
    assert_eq!(decode(&blob), Err(DecodeError::LeadingByte { element: 1 }));
}

#[test]
fn data_behind_the_payload_is_refused() {
    let mut blob = encode([(&block(vec![]), &FeeConfig::default())]).unwrap();
    blob[BYTES_PER_BLOB - 1] = 1;
    assert!(matches!(decode(&blob), Err(DecodeError::TrailingData { .. })));
}

fn any_tx() -> impl Strategy<Value = Tx> {
    (any::<bool>(), 0usize..2_000).prop_map(
        |(privileged, len)| {
            if privileged { deposit(len) } else { transfer(len) }
        },
    )
}

fn any_block() -> impl Strategy<Value = Block> {
    proptest::collection::vec(any_tx(), 0..8).prop_map(block)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn blocks_survive_the_blob(blocks in proptest::collection::vec((any_block(), any_config()), 0..8)) {
        let blob = encode(blocks.iter().map(|(block, fee)| (block, fee))).unwrap();
        let decoded = decode(&blob).unwrap();
        prop_assert_eq!(decoded.len(), blocks.len());
        for (got, (block, fee_config)) in decoded.into_iter().zip(blocks) {
            prop_assert_eq!(got, PublishedBlock { block, fee_config });
        }
    }

    #[test]
    fn sizes_are_those_of_the_encoding(txs in proptest::collection::vec(any_tx(), 0..40), fee in any_config()) {
        let size = txs.iter().fold(BlockSize::new(header().length()), |size, tx| size.with(tx.length()));
        let block = block(txs);
        prop_assert_eq!(size.encoded_block_len(), block.length());
        let payload = PayloadSize::EMPTY.with_block(&block, &fee);
        prop_assert_eq!(payload.bytes(), encode_payload([(&block, &fee)]).unwrap().len());
        prop_assert_eq!(size.fits(fee.encoded_len()), payload.fits());
    }

    #[test]
    fn an_unfinished_header_is_never_underestimated(gas_limit in any::<u64>(), used in any::<u64>()) {
        let open = Header { gas_limit, gas_used: 0, ..header() };
        let sealed = Header { gas_limit, gas_used: used.min(gas_limit), ..header() };
        prop_assert!(BlockSize::for_header(&open).encoded_block_len() >= BlockSize::new(sealed.length()).encoded_block_len());
    }

    #[test]
    fn a_transaction_the_pool_takes_always_fits_alone(len in MAX_TX_LEN - 400..MAX_TX_LEN + 400, fee in any_config()) {
        let tx = transfer(len - 120);
        let taken = tx.length() <= MAX_TX_LEN;
        let block = block(vec![tx]);
        if taken {
            prop_assert!(encode([(&block, &fee)]).is_ok());
        }
    }

    #[test]
    fn decoding_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let _ = decode_payload(&bytes);
        let _ = decode(&to_blob(&bytes).unwrap());
    }

    #[test]
    fn decoding_a_damaged_payload_never_panics(block in any_block(), at in any::<proptest::sample::Index>(), byte in any::<u8>()) {
        let mut payload = encode_payload([(&block, &FeeConfig::default())]).unwrap();
        let at = at.index(payload.len());
        payload[at] = byte;
        let _ = decode_payload(&payload);
        payload.truncate(at);
        let _ = decode_payload(&payload);
    }
}
