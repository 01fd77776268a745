//! A batch: consecutive blocks that are published, proven and settled together.

use alloy_primitives::{B256, Bytes, FixedBytes, U256};
use serde::{Deserialize, Serialize};

use crate::{
    BatchNumber, L2Height, merkle,
    messages::{BalanceDiff, L1Message},
    public_inputs::Commitment,
    rolling::L2InRollingHash,
};

/// A batch, with what it commits to and how far its settlement is. Its JSON is that of `ethrex_getBatchByNumber`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// Position since genesis, from 1.
    pub number: BatchNumber,
    /// First block.
    pub first_block: L2Height,
    /// Last block.
    pub last_block: L2Height,
    /// State root after the last block.
    pub state_root: B256,
    /// Versioned hash of the messages consumed from L1.
    pub l1_in_messages_rolling_hash: B256,
    /// Versioned hash of the messages consumed from each other rollup.
    pub l2_in_message_rolling_hashes: Vec<L2InRollingHash>,
    /// Leaves of the messages to L1, in order.
    pub l1_out_message_hashes: Vec<B256>,
    /// Transactions that are not privileged.
    pub non_privileged_transactions: u64,
    /// What other rollups are owed.
    pub balance_diffs: Vec<BalanceDiff>,
    /// The blob, if there is one.
    pub blobs_bundle: BlobsBundle,
    /// The L1 transaction that committed it.
    pub commit_tx: Option<B256>,
    /// The L1 transaction that verified it.
    pub verify_tx: Option<B256>,
}

/// Blobs with their KZG commitments and proofs; all three empty in a validium.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlobsBundle {
    /// Each 131,072 bytes.
    pub blobs: Vec<Bytes>,
    /// One per blob.
    pub commitments: Vec<FixedBytes<48>>,
    /// Proofs of the blobs: one each, or one per cell after EIP-7594.
    pub proofs: Vec<FixedBytes<48>>,
}

/// A batch as RPC shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RpcBatch {
    /// The batch.
    #[serde(flatten)]
    pub batch: Batch,
    /// Hashes of its blocks, if asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_hashes: Option<Vec<B256>>,
}

impl Batch {
    /// Whether `height` is one of its blocks.
    #[must_use]
    pub fn contains(&self, height: L2Height) -> bool {
        (self.first_block..=self.last_block).contains(&height)
    }

    /// What the batch stores on L1, given what only the sender of the commitment knows.
    #[must_use]
    pub fn commitment(
        &self,
        last_block_hash: B256,
        blob_versioned_hash: B256,
        commit_hash: B256,
    ) -> Commitment {
        Commitment {
            state_root: self.state_root,
            blob_versioned_hash,
            l1_in_rolling_hash: self.l1_in_messages_rolling_hash,
            l1_out_root: merkle::root(&self.l1_out_message_hashes),
            last_block_hash,
            non_privileged_count: self.non_privileged_transactions,
            balance_diffs: self.balance_diffs.clone(),
            commit_hash,
            l2_in_rolling_hashes: self.l2_in_message_rolling_hashes.clone(),
        }
    }

    /// The proof that this batch sent `message`, or `None` if it did not.
    #[must_use]
    pub fn message_proof(&self, message: &L1Message) -> Option<L1MessageProof> {
        let leaf = message.leaf();
        let index = self.l1_out_message_hashes.iter().position(|hash| *hash == leaf)?;
        let merkle_proof = merkle::proof(&self.l1_out_message_hashes, index)?;
        Some(L1MessageProof {
            batch_number: self.number,
            message_id: message.message_id,
            message_hash: leaf,
            merkle_proof,
        })
    }
}

/// What a claim on L1 needs, in the JSON of `ethrex_getL1MessageProof`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct L1MessageProof {
    /// The batch that published the message.
    pub batch_number: BatchNumber,
    /// Id of the message.
    pub message_id: U256,
    /// Its leaf in the tree of the batch.
    pub message_hash: B256,
    /// Siblings from the leaf to the root.
    pub merkle_proof: Vec<B256>,
}

#[cfg(test)]
mod tests {
    use alloy_primitives::Address;
    use serde_json::json;

    use super::*;

    fn message(id: u64) -> L1Message {
        L1Message::eth_withdrawal(Address::repeat_byte(1), U256::from(5), U256::from(id))
    }

    fn batch() -> Batch {
        Batch {
            number: BatchNumber(3),
            first_block: L2Height(10),
            last_block: L2Height(12),
            state_root: B256::repeat_byte(1),
            l1_in_messages_rolling_hash: B256::repeat_byte(2),
            l2_in_message_rolling_hashes: vec![L2InRollingHash {
                chain_id: 20,
                rolling_hash: B256::repeat_byte(3),
            }],
            l1_out_message_hashes: (1..4).map(|id| message(id).leaf()).collect(),
            non_privileged_transactions: 4,
            balance_diffs: vec![],
            blobs_bundle: BlobsBundle::default(),
            commit_tx: None,
            verify_tx: None,
        }
    }

    #[test]
    fn json_is_that_of_the_documented_rpc() {
        let rpc = RpcBatch { batch: batch(), block_hashes: None };
        let json = serde_json::to_value(&rpc).unwrap();
        assert_eq!(
            json,
            json!({
                "number": 3,
                "first_block": 10,
                "last_block": 12,
                "state_root": B256::repeat_byte(1),
                "l1_in_messages_rolling_hash": B256::repeat_byte(2),
                "l2_in_message_rolling_hashes": [[20, B256::repeat_byte(3)]],
                "l1_out_message_hashes": batch().l1_out_message_hashes,
                "non_privileged_transactions": 4,
                "balance_diffs": [],
                "blobs_bundle": {"blobs": [], "commitments": [], "proofs": []},
                "commit_tx": null,
                "verify_tx": null,
            })
        );
        assert_eq!(serde_json::from_value::<RpcBatch>(json).unwrap(), rpc);
    }

    #[test]
    fn a_message_proof_leads_to_the_committed_root() {
        let batch = batch();
        let proof = batch.message_proof(&message(2)).unwrap();
        let root = batch.commitment(B256::ZERO, B256::ZERO, B256::ZERO).l1_out_root;
        assert!(merkle::verify(root, proof.message_hash, &proof.merkle_proof));
        assert_eq!(batch.message_proof(&message(9)), None);

        let json = serde_json::to_value(&proof).unwrap();
        assert_eq!(json["batch_number"], 3);
        assert_eq!(json["message_id"], "0x2");
    }

    #[test]
    fn a_batch_contains_its_first_and_last_block() {
        let inside =
            (9..14).filter(|height| batch().contains(L2Height(*height))).collect::<Vec<_>>();
        assert_eq!(inside, [10, 11, 12]);
    }
}
