//! A transaction in the pool.

use std::{sync::Arc, time::Instant};

use alloy_eips::{
    eip2718::{Decodable2718, Eip2718Error, Encodable2718, IsTyped2718},
    eip7594::BlobTransactionSidecarVariant,
};
use alloy_primitives::{Address, B256, U256};
use ethrex_stf::Rejected;
use ethrex_types::{
    PooledTx, Tx,
    alloy_consensus::{Transaction, transaction::SignerRecoverable},
};

use crate::{Refused, blobs::sidecar_bytes};

/// A transaction in the pool, with what the pool has worked out about it.
#[derive(Debug)]
pub struct PoolTx {
    tx: Tx,
    sender: Address,
    hash: B256,
    sidecar: Option<Arc<BlobTransactionSidecarVariant>>,
    cost: U256,
    bytes: usize,
    /// Counts arrivals; a lower one came earlier.
    pub(crate) seq: u64,
    pub(crate) added: Instant,
}

impl PoolTx {
    /// Decodes what wallets send, and recovers the sender. Nothing of a pool is asked.
    ///
    /// # Errors
    /// If it does not decode, or its signature recovers to no one.
    pub fn from_raw(raw: &[u8]) -> Result<(Tx, Address), Refused> {
        let Self { tx, sender, .. } = Self::outside(raw)?;
        Ok((tx, sender))
    }

    /// The same with the sidecar, for a transaction that is in no pool and was never asked to be.
    ///
    /// # Errors
    /// If it does not decode, or its signature recovers to no one.
    pub fn outside(raw: &[u8]) -> Result<Self, Refused> {
        Self::recover(Self::decode(raw)?, 0)
    }

    /// Recovers the sender, refusing signatures with a high S (EIP-2).
    pub(crate) fn recover(pooled: PooledTx, seq: u64) -> Result<Self, Refused> {
        let sidecar = match &pooled {
            PooledTx::Eip4844(tx) => Some(Arc::new(tx.tx().sidecar.clone())),
            _ => None,
        };
        let tx = Tx::from(pooled);
        let sender = tx.recover_signer().map_err(|_| Refused::Signature)?;
        Ok(Self::new(tx, sender, sidecar, seq))
    }

    pub(crate) fn new(
        tx: Tx,
        sender: Address,
        sidecar: Option<Arc<BlobTransactionSidecarVariant>>,
        seq: u64,
    ) -> Self {
        let bytes = tx.encode_2718_len() + sidecar.as_ref().map_or(0, |it| sidecar_bytes(it));
        let (hash, cost) = (tx.hash(), cost(&tx));
        Self { tx, sender, hash, sidecar, cost, bytes, seq, added: Instant::now() }
    }

    /// Decodes what wallets send and gossip carries. Nothing may follow it.
    pub(crate) fn decode(mut raw: &[u8]) -> Result<PooledTx, Refused> {
        match raw.first() {
            // EIP-2718: a legacy transaction is an RLP list.
            Some(kind @ ..0x80) if !PooledTx::is_type(*kind) => {
                return Err(Rejected::UnsupportedType.into());
            }
            _ => {}
        }
        let tx = PooledTx::decode_2718(&mut raw).map_err(|error| match error {
            Eip2718Error::RlpError(error) => Refused::Malformed(error),
            // The only other answer: no kind without a type byte, thus no legacy transaction.
            _ => Refused::Malformed(alloy_rlp::Error::Custom("not a legacy transaction")),
        })?;
        if raw.is_empty() { Ok(tx) } else { Err(Refused::TrailingBytes) }
    }

    /// The transaction in its canonical form, without a sidecar.
    #[must_use]
    pub const fn tx(&self) -> &Tx {
        &self.tx
    }

    /// Who signed it.
    #[must_use]
    pub const fn sender(&self) -> Address {
        self.sender
    }

    /// Its hash.
    #[must_use]
    pub const fn hash(&self) -> B256 {
        self.hash
    }

    /// Blobs, commitments and proofs, where it has blobs.
    #[must_use]
    pub const fn sidecar(&self) -> Option<&Arc<BlobTransactionSidecarVariant>> {
        self.sidecar.as_ref()
    }

    /// The most it can take from its sender, in wei: gas, blob gas and value.
    #[must_use]
    pub const fn cost(&self) -> U256 {
        self.cost
    }

    /// Bytes with the sidecar.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Its nonce.
    #[must_use]
    pub fn nonce(&self) -> u64 {
        self.tx.nonce()
    }

    /// The form that wallets send and gossip carries: with the sidecar.
    #[must_use]
    pub fn encode_pooled(&self) -> Vec<u8> {
        match (&self.tx, &self.sidecar) {
            (Tx::Eip4844(tx), Some(sidecar)) => {
                let (tx, signature, hash) = tx.clone().into_parts();
                let tx = tx.with_sidecar((**sidecar).clone());
                let signed =
                    ethrex_types::alloy_consensus::Signed::new_unchecked(tx, signature, hash);
                PooledTx::Eip4844(signed).encoded_2718()
            }
            (tx, _) => tx.encoded_2718(),
        }
    }
}

/// What the sender must have for this transaction; saturates, so that an absurd fee is never affordable.
fn cost(tx: &Tx) -> U256 {
    let gas = U256::from(tx.max_fee_per_gas()).saturating_mul(U256::from(tx.gas_limit()));
    let blob_gas = U256::from(tx.max_fee_per_blob_gas().unwrap_or_default())
        .saturating_mul(U256::from(tx.blob_gas_used().unwrap_or_default()));
    gas.saturating_add(blob_gas).saturating_add(tx.value())
}
