//! The transaction envelope.

use alloy_consensus::{
    EthereumTxEnvelope, InMemorySize, Sealable, Sealed, Signed, TransactionEnvelope, TxEip1559,
    TxEip2930, TxEip4844, TxEip4844WithSidecar, TxEip7702, TxLegacy,
    crypto::RecoveryError,
    transaction::{Recovered, SignerRecoverable, TxHashRef},
};
use alloy_eips::eip7594::BlobTransactionSidecarVariant;
use alloy_primitives::{Address, B256};

use crate::PrivilegedTx;

/// Every EIP-2718 transaction kind this binary can decode.
///
/// Whether a kind may stand in a block is for the chain's rules to say, not for the decoder.
#[derive(Debug, Clone, TransactionEnvelope)]
#[envelope(tx_type_name = TxType)]
pub enum Tx {
    /// Before EIP-2718, with or without EIP-155 replay protection.
    #[envelope(ty = 0)]
    Legacy(Signed<TxLegacy>),
    /// With an access list (EIP-2930).
    #[envelope(ty = 1)]
    Eip2930(Signed<TxEip2930>),
    /// With a priority fee (EIP-1559).
    #[envelope(ty = 2)]
    Eip1559(Signed<TxEip1559>),
    /// With blobs (EIP-4844), in its canonical form without the sidecar.
    #[envelope(ty = 3)]
    Eip4844(Signed<TxEip4844>),
    /// With code delegations (EIP-7702).
    #[envelope(ty = 4)]
    Eip7702(Signed<TxEip7702>),
    /// A message of another chain.
    #[envelope(ty = 126)]
    Privileged(Sealed<PrivilegedTx>),
}

/// A signed transaction as wallets send it: a blob transaction carries its sidecar.
pub type PooledTx = EthereumTxEnvelope<TxEip4844WithSidecar<BlobTransactionSidecarVariant>>;

/// A transaction and its sender.
pub type RecoveredTx = Recovered<Tx>;

impl Tx {
    /// The hash this transaction is known by.
    #[must_use]
    pub fn hash(&self) -> B256 {
        *self.tx_hash()
    }

    /// Whether this is an EIP-4844 transaction.
    #[must_use]
    pub const fn is_blob(&self) -> bool {
        matches!(self, Self::Eip4844(_))
    }

    /// The message of another chain, where this is one.
    #[must_use]
    pub const fn as_privileged(&self) -> Option<&PrivilegedTx> {
        match self {
            Self::Privileged(tx) => Some(tx.inner()),
            _ => None,
        }
    }
}

impl InMemorySize for TxType {
    fn size(&self) -> usize {
        size_of::<Self>()
    }
}

impl TxHashRef for Tx {
    fn tx_hash(&self) -> &B256 {
        match self {
            Self::Legacy(tx) => tx.hash(),
            Self::Eip2930(tx) => tx.hash(),
            Self::Eip1559(tx) => tx.hash(),
            Self::Eip4844(tx) => tx.hash(),
            Self::Eip7702(tx) => tx.hash(),
            Self::Privileged(tx) => tx.hash_ref(),
        }
    }
}

impl SignerRecoverable for Tx {
    fn recover_signer(&self) -> Result<Address, RecoveryError> {
        match self {
            Self::Legacy(tx) => SignerRecoverable::recover_signer(tx),
            Self::Eip2930(tx) => SignerRecoverable::recover_signer(tx),
            Self::Eip1559(tx) => SignerRecoverable::recover_signer(tx),
            Self::Eip4844(tx) => SignerRecoverable::recover_signer(tx),
            Self::Eip7702(tx) => SignerRecoverable::recover_signer(tx),
            Self::Privileged(tx) => Ok(tx.inner().from),
        }
    }

    fn recover_signer_unchecked(&self) -> Result<Address, RecoveryError> {
        match self {
            Self::Legacy(tx) => SignerRecoverable::recover_signer_unchecked(tx),
            Self::Eip2930(tx) => SignerRecoverable::recover_signer_unchecked(tx),
            Self::Eip1559(tx) => SignerRecoverable::recover_signer_unchecked(tx),
            Self::Eip4844(tx) => SignerRecoverable::recover_signer_unchecked(tx),
            Self::Eip7702(tx) => SignerRecoverable::recover_signer_unchecked(tx),
            Self::Privileged(tx) => Ok(tx.inner().from),
        }
    }
}

impl From<PrivilegedTx> for Tx {
    fn from(tx: PrivilegedTx) -> Self {
        Self::Privileged(tx.seal_slow())
    }
}

impl From<PooledTx> for Tx {
    /// Drops the blob sidecar.
    fn from(tx: PooledTx) -> Self {
        match tx {
            PooledTx::Legacy(tx) => Self::Legacy(tx),
            PooledTx::Eip2930(tx) => Self::Eip2930(tx),
            PooledTx::Eip1559(tx) => Self::Eip1559(tx),
            PooledTx::Eip4844(tx) => {
                let (tx, signature, hash) = tx.into_parts();
                Self::Eip4844(Signed::new_unchecked(tx.tx, signature, hash))
            }
            PooledTx::Eip7702(tx) => Self::Eip7702(tx),
        }
    }
}
