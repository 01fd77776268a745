//! A transaction before and after signing.

use std::{fmt, str::FromStr};

use alloy_eips::eip2718::{Decodable2718, Encodable2718};
use alloy_network::{Ethereum, EthereumWallet, Network, NetworkTransactionBuilder};
use alloy_primitives::{Address, B256, Bytes, Signature, TxKind, U256};
use alloy_rpc_types_eth::TransactionRequest;
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;

use super::policy::Kind;
use crate::{blob::Sidecar, client::Fees};

/// The text is not a private key. The text itself is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a private key: expected 32 bytes in hex that are a valid secp256k1 scalar")]
pub struct BadKey;

/// A private key. It shows its address only, in every format.
#[derive(Clone)]
pub struct SigningKey(PrivateKeySigner);

impl SigningKey {
    /// The account of this key.
    pub const fn address(&self) -> Address {
        self.0.address()
    }

    /// Signs a hash, for a transaction of another chain than L1: those of L1 go through [`crate::Sender`].
    ///
    /// # Panics
    /// Never: a key in memory signs every hash.
    pub fn sign_hash(&self, hash: &B256) -> Signature {
        self.0.sign_hash_sync(hash).expect("a key in memory signs every hash")
    }
}

impl FromStr for SigningKey {
    type Err = BadKey;

    fn from_str(text: &str) -> Result<Self, BadKey> {
        text.trim().parse().map(Self).map_err(|_| BadKey)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.address())
    }
}

/// What to send, without what the sender decides: nonce, fees, chain id, signature.
#[derive(Debug, Clone)]
pub struct TxRequest {
    /// The callee, or creation of a contract.
    pub to: TxKind,
    /// Wei to send along.
    pub value: U256,
    /// Calldata or init code.
    pub data: Bytes,
    /// The blob to send along.
    pub blob: Option<Sidecar>,
    /// Gas limit; `None` = estimated, with headroom.
    pub gas_limit: Option<u64>,
}

impl TxRequest {
    /// A call of a contract.
    pub fn call(to: Address, data: impl Into<Bytes>) -> Self {
        Self {
            to: TxKind::Call(to),
            value: U256::ZERO,
            data: data.into(),
            blob: None,
            gas_limit: None,
        }
    }

    /// The creation of a contract.
    pub fn create(init_code: impl Into<Bytes>) -> Self {
        Self { to: TxKind::Create, ..Self::call(Address::ZERO, init_code) }
    }

    /// The same with wei sent along.
    #[must_use]
    pub fn value(self, value: U256) -> Self {
        Self { value, ..self }
    }

    /// The same with a blob.
    #[must_use]
    pub fn blob(self, blob: Sidecar) -> Self {
        Self { blob: Some(blob), ..self }
    }

    /// Which mempool it goes to.
    pub const fn kind(&self) -> Kind {
        if self.blob.is_some() { Kind::Blob } else { Kind::Plain }
    }

    /// The call behind it, for estimating: with versioned hashes, without the blobs themselves.
    pub(crate) fn simulation(&self, from: Address) -> TransactionRequest {
        let call = TransactionRequest {
            to: Some(self.to),
            value: Some(self.value),
            input: self.data.clone().into(),
            blob_versioned_hashes: self.blob.as_ref().map(|blob| vec![blob.versioned_hash()]),
            ..TransactionRequest::default()
        };
        as_simulation(call, from)
    }
}

/// A call with no fees, nonce and gas limit: what is asked is whether it would work, not whether it is paid for.
pub(crate) fn as_simulation(call: TransactionRequest, from: Address) -> TransactionRequest {
    TransactionRequest {
        from: Some(from),
        to: call.to,
        value: call.value,
        input: call.input,
        transaction_type: call.blob_versioned_hashes.is_some().then_some(EIP4844_TYPE),
        blob_versioned_hashes: call.blob_versioned_hashes,
        ..TransactionRequest::default()
    }
}

/// EIP-2718 type of a transaction with blobs.
const EIP4844_TYPE: u8 = 3;

/// A signed transaction.
#[derive(Debug, Clone)]
pub(crate) struct Signed {
    pub(crate) hash: B256,
    pub(crate) raw: Bytes,
}

/// What the sender decides about a transaction.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Terms {
    pub(crate) chain_id: u64,
    pub(crate) nonce: u64,
    pub(crate) gas_limit: u64,
    pub(crate) fees: Fees,
}

/// Signs a first attempt.
pub(crate) async fn sign(key: &SigningKey, request: TxRequest, terms: &Terms) -> Signed {
    let mut tx = TransactionRequest {
        to: Some(request.to),
        value: Some(request.value),
        input: request.data.into(),
        chain_id: Some(terms.chain_id),
        nonce: Some(terms.nonce),
        gas: Some(terms.gas_limit),
        ..TransactionRequest::default()
    };
    if let Some(blob) = request.blob {
        tx.blob_versioned_hashes = Some(vec![blob.versioned_hash()]);
        tx.sidecar = Some(blob.into_cells().into());
    }
    seal(key, tx, &terms.fees).await
}

/// Signs a replacement of an attempt: the same transaction with other fees.
pub(crate) async fn resign(
    key: &SigningKey,
    raw: &Bytes,
    fees: &Fees,
) -> Result<Signed, BadEnvelope> {
    Ok(seal(key, reopen(raw)?, fees).await)
}

/// Stored bytes of a sent transaction do not decode: the outbox is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the outbox holds a transaction that does not decode")]
pub struct BadEnvelope;

/// The request inside a signed attempt, blobs included.
fn reopen(raw: &Bytes) -> Result<TransactionRequest, BadEnvelope> {
    let envelope = <Ethereum as Network>::TxEnvelope::decode_2718(&mut raw.as_ref())
        .map_err(|_| BadEnvelope)?;
    Ok(envelope.into())
}

/// What was asked for with a signed attempt, so that it can be signed with another nonce.
pub(crate) fn recover(raw: &Bytes) -> Result<TxRequest, BadEnvelope> {
    let tx = reopen(raw)?;
    let blob = match tx.sidecar {
        Some(sidecar) => {
            let cells = sidecar.into_eip7594().ok_or(BadEnvelope)?;
            Some(Sidecar::from_cells(cells).map_err(|_| BadEnvelope)?)
        }
        None => None,
    };
    Ok(TxRequest {
        to: tx.to.unwrap_or(TxKind::Create),
        value: tx.value.unwrap_or_default(),
        data: tx.input.into_input().unwrap_or_default(),
        blob,
        gas_limit: tx.gas,
    })
}

/// The call, the fees and the kind of a signed attempt.
pub(crate) fn inspect(raw: &Bytes) -> Result<(TransactionRequest, Fees, Kind), BadEnvelope> {
    let mut tx = reopen(raw)?;
    let fees = Fees {
        max_fee: tx.max_fee_per_gas.unwrap_or_default(),
        tip: tx.max_priority_fee_per_gas.unwrap_or_default(),
        blob_fee: tx.max_fee_per_blob_gas.unwrap_or_default(),
    };
    let kind = if tx.blob_versioned_hashes.is_some() { Kind::Blob } else { Kind::Plain };
    tx.sidecar = None;
    Ok((tx, fees, kind))
}

/// Signs a call with generous fixed terms, for tests.
#[cfg(any(test, feature = "testing"))]
pub(crate) async fn sign_plain(key: &SigningKey, nonce: u64, to: Address, data: Bytes) -> Bytes {
    let fees = Fees { max_fee: 100_000_000_000, tip: 1_000_000_000, blob_fee: 0 };
    let terms = Terms { chain_id: crate::testing::CHAIN_ID, nonce, gas_limit: 1_000_000, fees };
    sign(key, TxRequest::call(to, data), &terms).await.raw
}

async fn seal(key: &SigningKey, mut tx: TransactionRequest, fees: &Fees) -> Signed {
    tx.from = Some(key.address());
    tx.gas_price = None;
    tx.max_fee_per_gas = Some(fees.max_fee);
    tx.max_priority_fee_per_gas = Some(fees.tip);
    tx.max_fee_per_blob_gas = tx.blob_versioned_hashes.is_some().then_some(fees.blob_fee);
    let wallet = EthereumWallet::from(key.0.clone());
    let envelope = NetworkTransactionBuilder::<Ethereum>::build(tx, &wallet)
        .await
        .expect("every field of the transaction is set, and the wallet holds its only key");
    Signed { hash: *envelope.tx_hash(), raw: envelope.encoded_2718().into() }
}

#[cfg(test)]
mod tests {
    use alloy_eips::eip4844::Blob;

    use super::*;

    const KEY: &str = "0x385c546456b6a603a1cfcaa9ec9494ba4832da08dd6bcf4de9a71e4a01b74924";
    const FEES: Fees = Fees { max_fee: 30, tip: 2, blob_fee: 5 };

    fn terms() -> Terms {
        Terms { chain_id: 9, nonce: 4, gas_limit: 100_000, fees: FEES }
    }

    #[test]
    fn a_key_never_shows_itself() {
        let key: SigningKey = KEY.parse().unwrap();
        let shown = format!("{key:?}").to_lowercase();
        assert!(!shown.contains(&KEY[2..20]) && shown.contains("0x3d1e15a1a55578f7"));
        assert!(!format!("{:?}", "0x1234".parse::<SigningKey>()).contains("1234"));
    }

    #[tokio::test]
    async fn a_replacement_differs_in_its_fees_alone() {
        let key: SigningKey = KEY.parse().unwrap();
        let request = TxRequest::call(Address::repeat_byte(1), vec![1, 2, 3]).value(U256::from(7));
        let first = sign(&key, request, &terms()).await;
        let dearer = Fees { max_fee: 60, tip: 4, blob_fee: 0 };
        let second = resign(&key, &first.raw, &dearer).await.unwrap();
        assert_ne!(first.hash, second.hash);

        let (mut one, _, kind) = inspect(&first.raw).unwrap();
        let (two, fees, _) = inspect(&second.raw).unwrap();
        assert_eq!((kind, fees), (Kind::Plain, dearer));
        one.max_fee_per_gas = two.max_fee_per_gas;
        one.max_priority_fee_per_gas = two.max_priority_fee_per_gas;
        assert_eq!(one, two);
    }

    #[tokio::test]
    async fn a_blob_survives_being_signed_again() {
        let key: SigningKey = KEY.parse().unwrap();
        let blob = Sidecar::new(&Blob::ZERO).unwrap();
        let hash = blob.versioned_hash();
        let first = sign(&key, TxRequest::call(Address::ZERO, vec![]).blob(blob), &terms()).await;
        let second = resign(&key, &first.raw, &FEES).await.unwrap();
        assert_eq!(first.raw, second.raw);
        let (tx, fees, kind) = inspect(&second.raw).unwrap();
        assert_eq!((kind, fees, tx.blob_versioned_hashes), (Kind::Blob, FEES, Some(vec![hash])));
    }

    #[test]
    fn damaged_bytes_are_an_error() {
        assert_eq!(inspect(&Bytes::from_static(&[2, 0xc0])).err(), Some(BadEnvelope));
    }
}
