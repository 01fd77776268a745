//! Accounts that a development chain signs for, as its callers may expect of one.

use std::sync::Arc;

use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use ethrex_types::alloy_consensus::{SignableTransaction, TxEnvelope, TypedTransaction};
use parking_lot::Mutex;

use crate::{
    Args, Context, RpcError,
    eth::fill::{Shown, Wanted, next_nonce, unsigned},
};

/// Accounts that the node signs for, whoever asks: only for keys that everybody knows. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Accounts(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    signers: Vec<PrivateKeySigner>,
    /// Held from a nonce to the pool, so that two callers do not get the same one.
    sending: Mutex<()>,
}

/// A key that is none of secp256k1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a private key is above 0 and below the order of secp256k1")]
pub struct BadKey;

impl Accounts {
    /// The accounts of these private keys.
    ///
    /// # Errors
    /// If a key is out of range.
    pub fn new(keys: impl IntoIterator<Item = B256>) -> Result<Self, BadKey> {
        let signers = keys.into_iter().map(|key| PrivateKeySigner::from_bytes(&key));
        let signers = signers.collect::<Result<_, _>>().map_err(|_| BadKey)?;
        Ok(Self(Arc::new(Inner { signers, sending: Mutex::new(()) })))
    }

    fn signer(&self, address: Address) -> Result<&PrivateKeySigner, RpcError> {
        let signer = self.0.signers.iter().find(|signer| signer.address() == address);
        signer.ok_or(RpcError::UnknownAccount)
    }
}

pub(super) fn accounts(context: &Context, _: &mut Args) -> Result<Vec<Address>, RpcError> {
    Ok(context.config().accounts.0.signers.iter().map(PrivateKeySigner::address).collect())
}

/// A message, as EIP-191 has it signed.
pub(super) fn sign(context: &Context, args: &mut Args) -> Result<Bytes, RpcError> {
    let (address, message) = (args.required()?, args.required::<Bytes>()?);
    let signer = context.config().accounts.signer(address)?;
    let signature = signer.sign_message_sync(&message).map_err(RpcError::fault)?;
    Ok(signature.as_bytes().into())
}

pub(super) fn sign_transaction(context: &Context, args: &mut Args) -> Result<Shown, RpcError> {
    let wanted = Wanted::read(args)?;
    let signer = context.config().accounts.signer(wanted.sender())?;
    let request = context.fill(wanted)?;
    let nonce = next_nonce(context, &request)?;
    let tx = signed(signer, unsigned(request, nonce))?;
    Shown::new(tx.encoded_2718(), &tx)
}

/// Returns when the transaction is in the journal, as `eth_sendRawTransaction` does.
pub(super) fn send_transaction(context: &Context, args: &mut Args) -> Result<B256, RpcError> {
    let wanted = Wanted::read(args)?;
    let accounts = &context.config().accounts;
    let signer = accounts.signer(wanted.sender())?;
    let request = context.fill(wanted)?;
    let _sending = accounts.0.sending.lock();
    let nonce = next_nonce(context, &request)?;
    let tx = signed(signer, unsigned(request, nonce))?;
    Ok(context.pool().add_raw(&tx.encoded_2718())?)
}

fn signed(signer: &PrivateKeySigner, tx: TypedTransaction) -> Result<TxEnvelope, RpcError> {
    let signature = signer.sign_hash_sync(&tx.signature_hash()).map_err(RpcError::fault)?;
    Ok(tx.into_signed(signature).into())
}
