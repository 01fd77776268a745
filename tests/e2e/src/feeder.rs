//! Transactions of every kind that a consensus client has to do with.

use alloy_eips::eip7702::Authorization;
use alloy_eips::{
    eip2718::Encodable2718, eip4844::BlobTransactionSidecar, eip7594::BlobTransactionSidecarVariant,
};
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, address, keccak256};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use ethrex_types::PooledTx;
use ethrex_types::alloy_consensus::{
    SidecarBuilder, SignableTransaction, SimpleCoder, TxEip1559, TxEip4844, TxEip4844WithSidecar,
    TxEip7702,
};

use crate::{Cast, CastError};

/// The contract that queues withdrawal requests (EIP-7002).
const WITHDRAWAL_REQUESTS: Address = address!("00000961ef480eb55e80d19ad83579a64c007002");
const TIP: u128 = 1_000_000_000;
const MAX_FEE: u128 = 100_000_000_000;

/// Signs and hands in transactions of one account.
#[derive(Debug)]
pub struct Feeder {
    cast: Cast,
    signer: PrivateKeySigner,
    chain_id: u64,
    nonce: u64,
    cell_proofs: bool,
}

impl Feeder {
    /// For the account with this key, which has sent nothing yet. From Osaka on blobs have cell proofs.
    ///
    /// # Panics
    /// If the key is none.
    #[must_use]
    pub fn new(cast: Cast, key: &str, chain_id: u64, cell_proofs: bool) -> Self {
        let signer = key.parse().expect("a key is 32 bytes in hex");
        Self { cast, signer, chain_id, nonce: 0, cell_proofs }
    }

    /// A plain transfer.
    ///
    /// # Errors
    /// If the node does not take it.
    pub fn transfer(&mut self) -> Result<B256, CastError> {
        let tx = self.call(Address::repeat_byte(0xaa), U256::from(1), Bytes::new());
        self.publish(&tx)
    }

    /// A request to withdraw the validator with this key, which it is up to the consensus client to refuse.
    ///
    /// # Errors
    /// If the node does not take it.
    pub fn withdrawal_request(&mut self, validator: u8) -> Result<B256, CastError> {
        let input = [vec![validator; 48], vec![0; 8]].concat();
        // Enough for the fee, which rises with the queue.
        let tx = self.call(WITHDRAWAL_REQUESTS, U256::from(1_000_000), input.into());
        self.publish(&tx)
    }

    /// A new account that delegates to some code (EIP-7702).
    ///
    /// # Errors
    /// If the node does not take it.
    ///
    /// # Panics
    /// Never: every hash is signed.
    pub fn delegation(&mut self) -> Result<B256, CastError> {
        let authority = PrivateKeySigner::from_bytes(&keccak256(self.nonce.to_be_bytes()))
            .expect("a hash is a key");
        let authorization = Authorization {
            chain_id: U256::from(self.chain_id),
            address: WITHDRAWAL_REQUESTS,
            nonce: 0,
        };
        let signature =
            authority.sign_hash_sync(&authorization.signature_hash()).expect("a key signs");
        let tx = TxEip7702 {
            chain_id: self.chain_id,
            nonce: self.nonce,
            gas_limit: 200_000,
            max_fee_per_gas: MAX_FEE,
            max_priority_fee_per_gas: TIP,
            to: authority.address(),
            authorization_list: vec![authorization.into_signed(signature)],
            ..TxEip7702::default()
        };
        let signed = self.sign(tx);
        self.publish(&signed)
    }

    /// A transaction with one blob.
    ///
    /// # Errors
    /// If the node does not take it.
    ///
    /// # Panics
    /// If the KZG library fails.
    pub fn blob(&mut self, content: &[u8]) -> Result<B256, CastError> {
        let builder = SidecarBuilder::<SimpleCoder>::from_slice(content);
        let sidecar: BlobTransactionSidecarVariant = if self.cell_proofs {
            builder.build_7594().expect("cell proofs are computed").into()
        } else {
            let sidecar: BlobTransactionSidecar =
                builder.build_4844().expect("a proof is computed");
            sidecar.into()
        };
        let tx = TxEip4844 {
            chain_id: self.chain_id,
            nonce: self.nonce,
            gas_limit: 21_000,
            max_fee_per_gas: MAX_FEE,
            max_priority_fee_per_gas: TIP,
            max_fee_per_blob_gas: MAX_FEE,
            to: Address::repeat_byte(0xaa),
            blob_versioned_hashes: sidecar.versioned_hashes().collect(),
            ..TxEip4844::default()
        };
        let signed = self.sign(TxEip4844WithSidecar { tx, sidecar });
        self.publish(&signed)
    }

    fn call(&self, to: Address, value: U256, input: Bytes) -> PooledTx {
        self.sign(TxEip1559 {
            chain_id: self.chain_id,
            nonce: self.nonce,
            gas_limit: 300_000,
            max_fee_per_gas: MAX_FEE,
            max_priority_fee_per_gas: TIP,
            to: TxKind::Call(to),
            value,
            input,
            ..TxEip1559::default()
        })
    }

    fn sign<T>(&self, tx: T) -> PooledTx
    where
        T: SignableTransaction<alloy_primitives::Signature>,
        PooledTx: From<ethrex_types::alloy_consensus::Signed<T>>,
    {
        let signature = self.signer.sign_hash_sync(&tx.signature_hash()).expect("a key signs");
        tx.into_signed(signature).into()
    }

    fn publish(&mut self, tx: &PooledTx) -> Result<B256, CastError> {
        let hash = self.cast.publish(&tx.encoded_2718().into())?;
        self.nonce += 1;
        Ok(hash)
    }
}
