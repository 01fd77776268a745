//! Sender recovery through libsecp256k1 where the platform has it.
//!
//! alloy's default is the pure Rust `k256`, which is what guests use; hosts install the C library, which recovers about three times as fast.

use std::sync::Arc;

use alloy_consensus::crypto::{
    RecoveryError,
    backend::{CryptoProvider, install_default_provider},
};
use alloy_primitives::{Address, keccak256};
use secp256k1::{
    Message, PublicKey, SECP256K1,
    ecdsa::{RecoverableSignature, RecoveryId, Signature},
};

struct Libsecp256k1;

impl CryptoProvider for Libsecp256k1 {
    fn recover_signer_unchecked(
        &self,
        sig: &[u8; 65],
        msg: &[u8; 32],
    ) -> Result<Address, RecoveryError> {
        let id = RecoveryId::try_from(i32::from(sig[64])).map_err(RecoveryError::from_source)?;
        let sig = RecoverableSignature::from_compact(&sig[..64], id)
            .map_err(RecoveryError::from_source)?;
        let key = SECP256K1
            .recover_ecdsa(Message::from_digest(*msg), &sig)
            .map_err(RecoveryError::from_source)?;
        Ok(address_of(&key))
    }

    fn verify_and_compute_signer_unchecked(
        &self,
        pubkey: &[u8; 65],
        sig: &[u8; 64],
        msg: &[u8; 32],
    ) -> Result<Address, RecoveryError> {
        let key = PublicKey::from_slice(pubkey).map_err(RecoveryError::from_source)?;
        let mut sig = Signature::from_compact(sig).map_err(RecoveryError::from_source)?;
        // The caller decides whether a high S is allowed; the library verifies only the low form.
        sig.normalize_s();
        SECP256K1
            .verify_ecdsa(Message::from_digest(*msg), &sig, &key)
            .map_err(RecoveryError::from_source)?;
        Ok(address_of(&key))
    }
}

fn address_of(key: &PublicKey) -> Address {
    Address::from_slice(&keccak256(&key.serialize_uncompressed()[1..])[12..])
}

/// Makes libsecp256k1 the provider for the whole process. Calling it again changes nothing.
pub fn install() {
    let _ = install_default_provider(Arc::new(Libsecp256k1));
}
