//! The privileged transaction: a message from the settlement chain (or a sister chain) that carries no signature.
//!
//! It is listed here so that one envelope can decode every kind this binary meets. What it may do is decided elsewhere.

use alloy_consensus::{Transaction, Typed2718};
use alloy_eips::{
    eip2718::{Decodable2718, Eip2718Error, Eip2718Result, Encodable2718, IsTyped2718},
    eip2930::AccessList,
    eip7702::SignedAuthorization,
};
use alloy_primitives::{Address, B256, Bytes, ChainId, Sealable, TxKind, U256, keccak256};
use alloy_rlp::{BufMut, Decodable, Encodable, RlpDecodable, RlpEncodable};
use serde::{Deserialize, Serialize};

/// EIP-2718 type byte of a [`PrivilegedTx`].
pub const PRIVILEGED_TX_TYPE: u8 = 0x7e;

/// A message that was authorised on another chain, so it has a sender but no signature.
///
/// Encoded as `0x7e || rlp([chain_id, nonce, max_priority_fee, max_fee, gas_limit, to, value, data, access_list, from])`.
/// Its hash is the hash under which the bridge queued it ([`PrivilegedTx::message_hash`]), not the hash of the envelope.
#[derive(
    Debug, Clone, Default, PartialEq, Eq, Hash, RlpEncodable, RlpDecodable, Serialize, Deserialize,
)]
#[serde(rename_all = "camelCase")]
pub struct PrivilegedTx {
    /// Chain the message comes from: this chain's own id for messages of the settlement chain.
    #[serde(with = "alloy_serde::quantity")]
    pub chain_id: ChainId,
    /// Number the bridge gave the message; increases by one per message and source chain.
    #[serde(with = "alloy_serde::quantity")]
    pub nonce: u64,
    /// Only shown by `GASPRICE`; never charged.
    #[serde(with = "alloy_serde::quantity")]
    pub max_priority_fee_per_gas: u64,
    /// Only shown by `GASPRICE`; never charged.
    #[serde(with = "alloy_serde::quantity")]
    pub max_fee_per_gas: u64,
    /// Gas limit; burned on the source chain.
    #[serde(rename = "gas", with = "alloy_serde::quantity")]
    pub gas_limit: u64,
    /// Account or contract called; a message never creates a contract.
    pub to: Address,
    /// Wei that moves from `from` to `to`.
    pub value: U256,
    /// Call data.
    #[serde(rename = "input")]
    pub data: Bytes,
    /// Access list (EIP-2930).
    #[serde(default)]
    pub access_list: AccessList,
    /// The account on whose behalf the bridge speaks.
    #[serde(rename = "sender")]
    pub from: Address,
}

impl PrivilegedTx {
    /// The hash the bridge queued: keccak256 of chain id, from, to, id, value, gas limit and keccak256 of the data, the integers as 32 bytes.
    #[must_use]
    pub fn message_hash(&self) -> B256 {
        let mut buf = Vec::with_capacity(32 * 5 + 20 * 2);
        buf.extend_from_slice(&U256::from(self.chain_id).to_be_bytes::<32>());
        buf.extend_from_slice(self.from.as_slice());
        buf.extend_from_slice(self.to.as_slice());
        buf.extend_from_slice(&U256::from(self.nonce).to_be_bytes::<32>());
        buf.extend_from_slice(&self.value.to_be_bytes::<32>());
        buf.extend_from_slice(&U256::from(self.gas_limit).to_be_bytes::<32>());
        buf.extend_from_slice(keccak256(&self.data).as_slice());
        keccak256(buf)
    }
}

impl Sealable for PrivilegedTx {
    fn hash_slow(&self) -> B256 {
        self.message_hash()
    }
}

impl Typed2718 for PrivilegedTx {
    fn ty(&self) -> u8 {
        PRIVILEGED_TX_TYPE
    }
}

impl IsTyped2718 for PrivilegedTx {
    fn is_type(type_id: u8) -> bool {
        type_id == PRIVILEGED_TX_TYPE
    }
}

impl Encodable2718 for PrivilegedTx {
    fn encode_2718_len(&self) -> usize {
        1 + self.length()
    }

    fn encode_2718(&self, out: &mut dyn BufMut) {
        out.put_u8(PRIVILEGED_TX_TYPE);
        self.encode(out);
    }

    fn trie_hash(&self) -> B256 {
        self.message_hash()
    }
}

impl Decodable2718 for PrivilegedTx {
    fn typed_decode(ty: u8, buf: &mut &[u8]) -> Eip2718Result<Self> {
        if ty != PRIVILEGED_TX_TYPE {
            return Err(Eip2718Error::UnexpectedType(ty));
        }
        Ok(Self::decode(buf)?)
    }

    fn fallback_decode(_: &mut &[u8]) -> Eip2718Result<Self> {
        Err(Eip2718Error::UnexpectedType(0))
    }
}

impl Transaction for PrivilegedTx {
    fn chain_id(&self) -> Option<ChainId> {
        Some(self.chain_id)
    }
    fn nonce(&self) -> u64 {
        self.nonce
    }
    fn gas_limit(&self) -> u64 {
        self.gas_limit
    }
    fn gas_price(&self) -> Option<u128> {
        None
    }
    fn max_fee_per_gas(&self) -> u128 {
        self.max_fee_per_gas.into()
    }
    fn max_priority_fee_per_gas(&self) -> Option<u128> {
        Some(self.max_priority_fee_per_gas.into())
    }
    fn max_fee_per_blob_gas(&self) -> Option<u128> {
        None
    }
    fn priority_fee_or_price(&self) -> u128 {
        self.max_priority_fee_per_gas.into()
    }
    /// The price `GASPRICE` shows: the message's own maximum, whatever the base fee.
    fn effective_gas_price(&self, _base_fee: Option<u64>) -> u128 {
        self.max_fee_per_gas.into()
    }
    fn is_dynamic_fee(&self) -> bool {
        true
    }
    fn kind(&self) -> TxKind {
        TxKind::Call(self.to)
    }
    fn is_create(&self) -> bool {
        false
    }
    fn value(&self) -> U256 {
        self.value
    }
    fn input(&self) -> &Bytes {
        &self.data
    }
    fn access_list(&self) -> Option<&AccessList> {
        Some(&self.access_list)
    }
    fn blob_versioned_hashes(&self) -> Option<&[B256]> {
        None
    }
    fn authorization_list(&self) -> Option<&[SignedAuthorization]> {
        None
    }
}

#[cfg(test)]
mod tests {
    use alloy_consensus::Sealed;
    use alloy_primitives::b256;
    use proptest::prelude::*;

    use super::*;
    use crate::Tx;

    fn deposit() -> PrivilegedTx {
        PrivilegedTx {
            chain_id: 65_536_999,
            nonce: 7,
            max_priority_fee_per_gas: 1,
            max_fee_per_gas: 2,
            gas_limit: 105_000,
            to: Address::with_last_byte(0xff),
            value: U256::from(5),
            data: Bytes::from_static(&[1, 2, 3]),
            access_list: AccessList::default(),
            from: Address::with_last_byte(0xfe),
        }
    }

    #[test]
    fn the_hash_is_that_of_the_bridge_and_not_of_the_envelope() {
        let tx = Tx::from(deposit());
        assert_eq!(tx.hash(), deposit().message_hash());
        assert_ne!(tx.hash(), keccak256(tx.encoded_2718()));
    }

    #[test]
    fn fees_are_no_part_of_the_hash() {
        let dearer = PrivilegedTx { max_fee_per_gas: 9, ..deposit() };
        assert_eq!(dearer.message_hash(), deposit().message_hash());
        let other = PrivilegedTx { gas_limit: 9, ..deposit() };
        assert_ne!(other.message_hash(), deposit().message_hash());
    }

    #[test]
    fn json_names_the_sender_and_carries_no_signature() {
        let json = serde_json::to_value(Tx::from(deposit())).unwrap();
        assert_eq!(json["type"], "0x7e");
        assert_eq!(json["sender"], "0x00000000000000000000000000000000000000fe");
        assert_eq!(json["gas"], "0x19a28");
        assert!(json.get("r").is_none() && json.get("from").is_none());
        assert_eq!(serde_json::from_value::<Tx>(json).unwrap(), Tx::from(deposit()));
    }

    #[test]
    fn a_sealed_hash_that_lies_does_not_survive_the_wire() {
        let lie = b256!("0x00000000000000000000000000000000000000000000000000000000000000aa");
        let tx = Tx::Privileged(Sealed::new_unchecked(deposit(), lie));
        let decoded = Tx::decode_2718(&mut tx.encoded_2718().as_slice()).unwrap();
        assert_eq!(decoded.hash(), deposit().message_hash());
    }

    proptest! {
        #[test]
        fn the_envelope_round_trips(
            ids in any::<[u64; 5]>(), value in any::<[u8; 32]>(), data: Vec<u8>, who in any::<[u8; 20]>(),
        ) {
            let [chain_id, nonce, tip, fee, gas_limit] = ids;
            let tx = Tx::from(PrivilegedTx {
                chain_id, nonce, max_priority_fee_per_gas: tip, max_fee_per_gas: fee, gas_limit,
                to: who.into(), value: U256::from_be_bytes(value), data: data.into(),
                access_list: AccessList::default(), from: Address::from(who),
            });
            let bytes = tx.encoded_2718();
            prop_assert_eq!(bytes.len(), tx.encode_2718_len());
            prop_assert_eq!(&Tx::decode_2718(&mut bytes.as_slice()).unwrap(), &tx);
            let rlp = alloy_rlp::encode(&tx);
            prop_assert_eq!(&Tx::decode(&mut rlp.as_slice()).unwrap(), &tx);
        }

        #[test]
        fn decoding_never_panics(mut bytes: Vec<u8>) {
            bytes.insert(0, PRIVILEGED_TX_TYPE);
            let _ = Tx::decode_2718(&mut bytes.as_slice());
        }
    }
}
