//! Transaction receipts.

use std::fmt::Debug;

use alloy_consensus::{Eip2718EncodableReceipt, RlpEncodableReceipt, TxReceipt, Typed2718};
use alloy_primitives::{Bloom, Log, bytes::BufMut, logs_bloom};
use alloy_rlp::{Decodable, Encodable, Header, RlpDecodable, RlpEncodable};
use serde::{Deserialize, Serialize};

use crate::TxType;

/// How a transaction ended: whether it succeeded (EIP-658), or, before Byzantium, the state root after it.
pub use alloy_consensus::Eip658Value;

/// What a transaction left behind: kind, outcome, cumulative gas and logs. The bloom is computed where it is needed.
///
/// Its own RLP is a list of the fields, for storage; a receipts root commits to the forms of EIP-2718, which
/// [`ReceiptWithBloom`] has.
#[derive(Debug, Clone, PartialEq, Eq, RlpEncodable, RlpDecodable, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Receipt<L = Log> {
    /// Kind of the transaction.
    #[serde(rename = "type")]
    pub tx_type: TxType,
    /// How it ended.
    #[serde(flatten)]
    pub status: Eip658Value,
    /// Gas used in the block up to and with this transaction.
    #[serde(with = "alloy_serde::quantity")]
    pub cumulative_gas_used: u64,
    /// Its logs.
    pub logs: Vec<L>,
}

/// A receipt with the bloom filter of its logs, the form that the receipts root commits to.
pub type ReceiptWithBloom = alloy_consensus::ReceiptWithBloom<Receipt>;

impl<L> Receipt<L> {
    /// Whether the transaction succeeded. A receipt from before Byzantium does not say, and counts as a success.
    #[must_use]
    pub const fn success(&self) -> bool {
        self.status.coerce_status()
    }

    /// The receipt with each log made into something else.
    pub fn map_logs<U>(self, map: impl FnMut(L) -> U) -> Receipt<U> {
        let Self { tx_type, status, cumulative_gas_used, logs } = self;
        let logs = logs.into_iter().map(map).collect();
        Receipt { tx_type, status, cumulative_gas_used, logs }
    }
}

impl Receipt {
    fn fields_header(&self, bloom: &Bloom) -> Header {
        let payload_length = self.status.length()
            + self.cumulative_gas_used.length()
            + bloom.length()
            + self.logs.length();
        Header { list: true, payload_length }
    }

    fn is_legacy(&self) -> bool {
        self.tx_type == TxType::Legacy
    }
}

impl Typed2718 for Receipt {
    fn ty(&self) -> u8 {
        self.tx_type.ty()
    }
}

impl Eip2718EncodableReceipt for Receipt {
    fn eip2718_encoded_length_with_bloom(&self, bloom: &Bloom) -> usize {
        usize::from(!self.is_legacy()) + self.fields_header(bloom).length_with_payload()
    }

    fn eip2718_encode_with_bloom(&self, bloom: &Bloom, out: &mut dyn BufMut) {
        if !self.is_legacy() {
            out.put_u8(self.ty());
        }
        self.fields_header(bloom).encode(out);
        self.status.encode(out);
        self.cumulative_gas_used.encode(out);
        bloom.encode(out);
        self.logs.encode(out);
    }
}

impl RlpEncodableReceipt for Receipt {
    fn rlp_encoded_length_with_bloom(&self, bloom: &Bloom) -> usize {
        let payload_length = self.eip2718_encoded_length_with_bloom(bloom);
        if self.is_legacy() {
            payload_length
        } else {
            Header { list: false, payload_length }.length_with_payload()
        }
    }

    fn rlp_encode_with_bloom(&self, bloom: &Bloom, out: &mut dyn BufMut) {
        if !self.is_legacy() {
            let payload_length = self.eip2718_encoded_length_with_bloom(bloom);
            Header { list: false, payload_length }.encode(out);
        }
        self.eip2718_encode_with_bloom(bloom, out);
    }
}

impl<L: Send + Sync + Clone + Debug + Eq + AsRef<Log>> TxReceipt for Receipt<L> {
    type Log = L;

    fn status_or_post_state(&self) -> Eip658Value {
        self.status
    }

    fn status(&self) -> bool {
        self.success()
    }

    fn bloom(&self) -> Bloom {
        logs_bloom(self.logs.iter().map(AsRef::as_ref))
    }

    fn cumulative_gas_used(&self) -> u64 {
        self.cumulative_gas_used
    }

    fn logs(&self) -> &[L] {
        &self.logs
    }

    fn into_logs(self) -> Vec<L> {
        self.logs
    }
}

/// Decodes receipts as peers, archives and `debug_getRawReceipts` carry them: a list, or a string of an EIP-2718 type and a list.
impl alloy_consensus::RlpDecodableReceipt for Receipt {
    fn rlp_decode_with_bloom(buf: &mut &[u8]) -> alloy_rlp::Result<ReceiptWithBloom> {
        let mut rest = *buf;
        let header = Header::decode(&mut rest)?;
        if header.list {
            return decode_fields(buf, TxType::Legacy);
        }
        let (mut envelope, after) =
            rest.split_at_checked(header.payload_length).ok_or(alloy_rlp::Error::InputTooShort)?;
        let (&kind, fields) = envelope.split_first().ok_or(alloy_rlp::Error::InputTooShort)?;
        let kind = TxType::try_from(kind).map_err(|_| alloy_rlp::Error::Custom("receipt type"))?;
        if kind == TxType::Legacy {
            return Err(alloy_rlp::Error::Custom("a legacy receipt has no type"));
        }
        envelope = fields;
        let receipt = decode_fields(&mut envelope, kind)?;
        if !envelope.is_empty() {
            return Err(alloy_rlp::Error::UnexpectedLength);
        }
        *buf = after;
        Ok(receipt)
    }
}

fn decode_fields(buf: &mut &[u8], tx_type: TxType) -> alloy_rlp::Result<ReceiptWithBloom> {
    let mut fields = Header::decode_bytes(buf, true)?;
    let status = Decodable::decode(&mut fields)?;
    let cumulative_gas_used = Decodable::decode(&mut fields)?;
    let logs_bloom = Decodable::decode(&mut fields)?;
    let logs = Decodable::decode(&mut fields)?;
    if !fields.is_empty() {
        return Err(alloy_rlp::Error::UnexpectedLength);
    }
    Ok(ReceiptWithBloom {
        receipt: Receipt { tx_type, status, cumulative_gas_used, logs },
        logs_bloom,
    })
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Address, B256, Bytes};
    use proptest::prelude::*;

    use super::*;

    fn receipt(tx_type: TxType, status: Eip658Value) -> Receipt {
        let log = Log::new_unchecked(Address::ZERO, vec![B256::ZERO], Bytes::from_static(&[1]));
        Receipt { tx_type, status, cumulative_gas_used: 21_000, logs: vec![log] }
    }

    #[test]
    fn before_byzantium_a_receipt_has_a_root_in_place_of_a_status() {
        let old = receipt(TxType::Legacy, Eip658Value::PostState(B256::repeat_byte(7)));
        let json = serde_json::to_value(&old).unwrap();
        assert!(json.get("root").is_some() && json.get("status").is_none());
        assert_eq!(serde_json::from_value::<Receipt>(json).unwrap(), old);
        let new = receipt(TxType::Eip1559, Eip658Value::Eip658(false));
        let json = serde_json::to_value(&new).unwrap();
        assert_eq!((&json["status"], &json["type"]), (&"0x0".into(), &"0x2".into()));
    }

    #[test]
    fn every_kind_round_trips_in_both_encodings() {
        for tx_type in [TxType::Legacy, TxType::Eip2930, TxType::Eip7702, TxType::Privileged] {
            for status in [true.into(), false.into(), B256::repeat_byte(9).into()] {
                let receipt = receipt(tx_type, status);
                let stored = alloy_rlp::encode(&receipt);
                assert_eq!(Receipt::decode(&mut stored.as_slice()).unwrap(), receipt);
                let with_bloom = receipt.into_with_bloom();
                let sent = alloy_rlp::encode(&with_bloom);
                assert_eq!(sent.len(), with_bloom.length());
                assert_eq!(ReceiptWithBloom::decode(&mut sent.as_slice()).unwrap(), with_bloom);
            }
        }
    }

    proptest! {
        #[test]
        fn decoding_never_panics(bytes: Vec<u8>) {
            let _ = ReceiptWithBloom::decode(&mut bytes.as_slice());
            let _ = Receipt::<Log>::decode(&mut bytes.as_slice());
        }
    }
}
