//! Making the input by which a stranger verifies a block.

use alloy_eips::eip7685::Requests;
use alloy_primitives::{B256, Signature};
use ethrex_types::{BlockAccessList, SealedBlock, Tx};

use crate::{
    ExecutionWitness, NotAPayload, StatelessInput, payload_of,
    ssz::{PublicKey, SCHEMA_AMSTERDAM},
};

impl StatelessInput {
    /// The input for a block of the chain with this id: what executing it gave, and its witness. Public keys are recovered.
    ///
    /// # Errors
    /// If the block is older than Amsterdam, or has what payloads do not carry.
    pub fn of(
        block: &SealedBlock,
        requests: &Requests,
        access_list: &BlockAccessList,
        witness: ExecutionWitness,
        chain_id: u64,
    ) -> Result<Self, NotAPayload> {
        let request = payload_of(block, requests, alloy_rlp::encode(access_list).into())?;
        let keys = block.body().transactions.iter().enumerate();
        let keys = keys
            .map(|(index, tx)| public_key(tx).ok_or(NotAPayload::Unsigned(index)))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            schema: SCHEMA_AMSTERDAM,
            request,
            witness: ExecutionWitness { keys: vec![], ..witness },
            chain_id,
            public_keys: Some(keys),
        })
    }
}

/// The key that signed a transaction; `None` where none did.
fn public_key(tx: &Tx) -> Option<PublicKey> {
    let (signature, hash): (&Signature, B256) = match tx {
        Tx::Legacy(tx) => (tx.signature(), tx.signature_hash()),
        Tx::Eip2930(tx) => (tx.signature(), tx.signature_hash()),
        Tx::Eip1559(tx) => (tx.signature(), tx.signature_hash()),
        Tx::Eip4844(tx) => (tx.signature(), tx.signature_hash()),
        Tx::Eip7702(tx) => (tx.signature(), tx.signature_hash()),
        Tx::Privileged(_) => return None,
    };
    let key = signature.recover_from_prehash(&hash).ok()?;
    Some(PublicKey::from_slice(key.to_encoded_point(false).as_bytes()))
}
