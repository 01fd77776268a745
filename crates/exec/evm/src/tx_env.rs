//! The transaction as the EVM sees it.

use alloy_eips::eip2930::AccessListItem;
use alloy_evm::{FromRecoveredTx, FromTxWithEncoded, IntoTxEnv};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256};
use ethrex_types::{Tx, alloy_consensus::Typed2718};
use revm::{
    context::{Transaction, TxEnv as RevmTxEnv, either::Either},
    context_interface::transaction::{RecoveredAuthorization, SignedAuthorization},
    handler::SystemCallTx,
};

/// revm's transaction environment, which can be made from every kind in [`Tx`].
///
/// A newtype, because neither revm's type nor ours is local to this crate.
#[derive(Debug, Clone, Default)]
pub(crate) struct TxEnv(pub(crate) RevmTxEnv);

impl FromRecoveredTx<Tx> for TxEnv {
    fn from_recovered_tx(tx: &Tx, sender: Address) -> Self {
        Self(match tx {
            Tx::Legacy(tx) => RevmTxEnv::from_recovered_tx(tx, sender),
            Tx::Eip2930(tx) => RevmTxEnv::from_recovered_tx(tx, sender),
            Tx::Eip1559(tx) => RevmTxEnv::from_recovered_tx(tx, sender),
            Tx::Eip4844(tx) => RevmTxEnv::from_recovered_tx(tx, sender),
            Tx::Eip7702(tx) => RevmTxEnv::from_recovered_tx(tx, sender),
            Tx::Privileged(tx) => RevmTxEnv {
                tx_type: tx.ty(),
                caller: sender,
                gas_limit: tx.gas_limit,
                // What `GASPRICE` shows; without a priority fee revm takes the maximum as the price.
                gas_price: tx.max_fee_per_gas.into(),
                gas_priority_fee: None,
                kind: TxKind::Call(tx.to),
                value: tx.value,
                data: tx.data.clone(),
                nonce: tx.nonce,
                chain_id: None,
                access_list: tx.access_list.clone(),
                ..Default::default()
            },
        })
    }
}

impl FromTxWithEncoded<Tx> for TxEnv {
    fn from_encoded_tx(tx: &Tx, sender: Address, _encoded: Bytes) -> Self {
        Self::from_recovered_tx(tx, sender)
    }
}

impl IntoTxEnv<Self> for TxEnv {
    fn into_tx_env(self) -> Self {
        self
    }
}

impl SystemCallTx for TxEnv {
    fn new_system_tx_with_caller(caller: Address, contract: Address, data: Bytes) -> Self {
        Self(RevmTxEnv::new_system_tx_with_caller(caller, contract, data))
    }
}

impl Transaction for TxEnv {
    type AccessListItem<'a> = &'a AccessListItem;
    type Authorization<'a> = &'a Either<SignedAuthorization, RecoveredAuthorization>;

    fn tx_type(&self) -> u8 {
        self.0.tx_type()
    }
    fn caller(&self) -> Address {
        self.0.caller()
    }
    fn gas_limit(&self) -> u64 {
        self.0.gas_limit()
    }
    fn value(&self) -> U256 {
        self.0.value()
    }
    fn input(&self) -> &Bytes {
        self.0.input()
    }
    fn nonce(&self) -> u64 {
        self.0.nonce()
    }
    fn kind(&self) -> TxKind {
        self.0.kind()
    }
    fn chain_id(&self) -> Option<u64> {
        self.0.chain_id()
    }
    fn gas_price(&self) -> u128 {
        self.0.gas_price()
    }
    fn access_list(&self) -> Option<impl Iterator<Item = Self::AccessListItem<'_>>> {
        self.0.access_list()
    }
    fn blob_versioned_hashes(&self) -> &[B256] {
        self.0.blob_versioned_hashes()
    }
    fn max_fee_per_blob_gas(&self) -> u128 {
        self.0.max_fee_per_blob_gas()
    }
    fn authorization_list_len(&self) -> usize {
        self.0.authorization_list_len()
    }
    fn authorization_list(&self) -> impl Iterator<Item = Self::Authorization<'_>> {
        self.0.authorization_list()
    }
    fn max_priority_fee_per_gas(&self) -> Option<u128> {
        self.0.max_priority_fee_per_gas()
    }
}
