//! Blocks, transactions and receipts as they travel.

use std::fmt::Debug;

use alloy_eips::eip2718::{Decodable2718, Encodable2718};
use ethrex_types::{
    PooledTx, ReceiptWithBloom, RecoveredBlock, SealedBlock, Tx, block::decode_block,
};

/// What decodes encodes to the bytes it came from. In lists, where a length stands in front of a typed value, only blocks are decoded.
#[track_caller]
fn round_trip_typed<T: Decodable2718 + Encodable2718 + Debug>(bytes: &[u8]) {
    let Ok(value) = T::decode_2718_exact(bytes) else { return };
    assert_eq!(value.encoded_2718(), bytes, "{value:?}");
    assert_eq!(value.encode_2718_len(), bytes.len(), "{value:?}");
}

pub(crate) fn block(bytes: &[u8]) {
    let mut rest = bytes;
    match decode_block(&mut rest) {
        Ok(block) => {
            assert_eq!(alloy_rlp::encode(&block), bytes[..bytes.len() - rest.len()], "{block:?}");
            // Whatever it is, it has a hash, and senders or none.
            let _ = RecoveredBlock::recover(SealedBlock::seal(block));
        }
        Err(_) => assert_eq!(rest, bytes),
    }
}

pub(crate) fn transaction(bytes: &[u8]) {
    round_trip_typed::<Tx>(bytes);
}

pub(crate) fn pooled_transaction(bytes: &[u8]) {
    round_trip_typed::<PooledTx>(bytes);
    // With or without its sidecar it is the same transaction.
    if let Ok(pooled) = PooledTx::decode_2718_exact(bytes) {
        let hash = *pooled.tx_hash();
        assert_eq!(Tx::from(pooled).hash(), hash);
    }
}

pub(crate) fn receipt(bytes: &[u8]) {
    let Ok(receipt) = alloy_rlp::decode_exact::<ReceiptWithBloom>(bytes) else { return };
    assert_eq!(alloy_rlp::encode(&receipt), bytes, "{receipt:?}");
}
