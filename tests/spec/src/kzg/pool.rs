//! Blob transactions as wallets send them to the pool, whatever is in their sidecar.

use std::sync::Arc;

use alloy_eips::eip2718::Encodable2718;
use alloy_eips::eip4844::{BYTES_PER_COMMITMENT, kzg_to_versioned_hash};
use alloy_eips::eip7594::BlobCellMask;
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rlp::{Encodable, Header as RlpHeader};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use ethrex_stf::Ethereum;
use ethrex_txpool::{AddError, NoJournal, Pool, PoolBlob, PoolConfig, Refused};
use ethrex_types::alloy_consensus::{SignableTransaction, TxEip4844};
use ethrex_types::{AccountInfo, Header, StateError, StateReader, Tx};

use super::Unmet;
use crate::forks;
use crate::ledger;

const CHAIN_ID: u64 = 1;
const FEE: u128 = 1_000_000_000;

/// Parts of a sidecar, which may have any number and length.
pub(super) struct Sent {
    pub(super) blobs: Vec<Bytes>,
    pub(super) commitments: Vec<Bytes>,
    pub(super) proofs: Vec<Bytes>,
    /// Whether the proofs are of cells (EIP-7594), and not of whole blobs.
    pub(super) cells: bool,
}

/// A blob transaction with one blob that the pool has taken.
pub(super) struct Waiting {
    pool: Pool,
    blob: B256,
}

impl Sent {
    /// Sends it; `None` where the pool refuses the sidecar.
    pub(super) fn offer(&self) -> Result<Option<Waiting>, Unmet> {
        // The last fork with proofs of whole blobs has room for more than the first.
        let spec = forks::public(CHAIN_ID, if self.cells { "Osaka" } else { "Prague" })?;
        let header = Header {
            gas_limit: 30_000_000,
            base_fee_per_gas: Some(7),
            blob_gas_used: Some(0),
            excess_blob_gas: Some(0),
            ..Header::default()
        };
        let pool = Pool::open(
            spec,
            Arc::new(Ethereum),
            PoolConfig::standard(),
            Arc::new(NoJournal),
            ledger::seal(header),
            Arc::new(Rich),
        )?;
        let hashes: Vec<_> = self.commitments.iter().map(hash_of).collect();
        let blob = hashes.first().copied().unwrap_or_default();
        match pool.add_raw(&self.encode(hashes)?) {
            Ok(_) => Ok(Some(Waiting { pool, blob })),
            Err(AddError::Refused(Refused::Sidecar(_) | Refused::Malformed(_))) => Ok(None),
            Err(rest) => Err(Unmet::Rest(rest)),
        }
    }

    /// `0x03 ‖ rlp([transaction, blobs, commitments, proofs])` (EIP-4844), with the version 1 behind the transaction for cells
    /// (EIP-7594).
    fn encode(&self, hashes: Vec<B256>) -> Result<Vec<u8>, Unmet> {
        let tx = TxEip4844 {
            chain_id: CHAIN_ID,
            gas_limit: 21_000,
            max_fee_per_gas: FEE,
            max_priority_fee_per_gas: FEE,
            max_fee_per_blob_gas: FEE,
            to: Address::repeat_byte(1),
            blob_versioned_hashes: hashes,
            ..TxEip4844::default()
        };
        let key = B256::repeat_byte(1);
        let signer = PrivateKeySigner::from_bytes(&key).map_err(|_| Unmet::Unmade)?;
        let signature = signer.sign_hash_sync(&tx.signature_hash()).map_err(|_| Unmet::Unmade)?;
        let tx = Tx::Eip4844(tx.into_signed(signature)).encoded_2718();
        let (kind, tx) = tx.split_first().ok_or(Unmet::Unmade)?;
        let mut payload = tx.to_vec();
        if self.cells {
            1_u8.encode(&mut payload);
        }
        for part in [&self.blobs, &self.commitments, &self.proofs] {
            part.encode(&mut payload);
        }
        let mut raw = vec![*kind];
        RlpHeader { list: true, payload_length: payload.len() }.encode(&mut raw);
        raw.extend(payload);
        Ok(raw)
    }
}

impl Waiting {
    /// All cells of the blob with their proofs, as the pool gives them to a consensus client.
    pub(super) fn cells(&self) -> Result<(Vec<Bytes>, Vec<Bytes>), Unmet> {
        let mut found = self.pool.blobs(&[self.blob]);
        let blob: PoolBlob = found.remove(&self.blob).ok_or(Unmet::Missing("blob in the pool"))?;
        let missing = Unmet::Missing("cells in the pool");
        let shown = blob.cells(BlobCellMask::from_bits(u128::MAX)).ok_or(missing)?;
        let cells = shown.blob_cells.iter().flatten();
        let cells = cells.map(|cell| Bytes::copy_from_slice(cell.as_slice())).collect();
        let proofs = shown.proofs.iter().flatten();
        let proofs = proofs.map(|proof| Bytes::copy_from_slice(proof.as_slice())).collect();
        Ok((cells, proofs))
    }
}

/// The versioned hash of a commitment; any where it is none.
fn hash_of(commitment: &Bytes) -> B256 {
    let whole = commitment.len() == BYTES_PER_COMMITMENT;
    if whole { kzg_to_versioned_hash(commitment) } else { B256::ZERO }
}

/// A state in which everybody can pay.
struct Rich;

impl StateReader for Rich {
    fn account(&self, _: Address) -> Result<Option<AccountInfo>, StateError> {
        Ok(Some(AccountInfo { balance: U256::from(u128::MAX), ..AccountInfo::default() }))
    }

    fn storage(&self, _: Address, _: B256) -> Result<U256, StateError> {
        Ok(U256::ZERO)
    }

    fn code(&self, _: B256) -> Result<Option<Bytes>, StateError> {
        Ok(None)
    }

    fn block_hash(&self, _: u64) -> Result<Option<B256>, StateError> {
        Ok(None)
    }

    fn has_storage(&self, _: Address) -> Result<bool, StateError> {
        Ok(false)
    }
}
