//! What the proof of a batch asserts, encoded exactly as `OnChainProposer` rebuilds it.
//!
//! The fields follow each other without length prefixes; integers, chain ids included, take 32 bytes. SP1 publishes the bytes
//! themselves, RISC0 their SHA-256, TDX signs them.

use alloy_primitives::{B256, U256};
use sha2::{Digest, Sha256};

use crate::{contracts, messages::BalanceDiff, rolling::L2InRollingHash};

/// The statement "these blocks lead from one state to the other, and this is what they sent, received and published".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PublicInputs {
    /// State root before the first block: that of the last verified batch.
    pub initial_state_root: B256,
    /// State root after the last block.
    pub final_state_root: B256,
    /// Root of the tree of messages to L1.
    pub l1_out_root: B256,
    /// Versioned hash of the messages consumed from L1.
    pub l1_in_rolling_hash: B256,
    /// Versioned hash of the blob; zero in a validium.
    pub blob_versioned_hash: B256,
    /// Hash of the last block.
    pub last_block_hash: B256,
    /// Chain id of the rollup.
    pub chain_id: u64,
    /// Transactions that are not privileged.
    pub non_privileged_count: u64,
    /// What other rollups are owed, in the order of chain ids.
    pub balance_diffs: Vec<BalanceDiff>,
    /// Messages consumed from other rollups, in the order of chain ids.
    pub l2_in_rolling_hashes: Vec<L2InRollingHash>,
}

impl PublicInputs {
    /// The bytes that are proven.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(8 * 32);
        for hash in [
            self.initial_state_root,
            self.final_state_root,
            self.l1_out_root,
            self.l1_in_rolling_hash,
            self.blob_versioned_hash,
            self.last_block_hash,
        ] {
            out.extend_from_slice(hash.as_slice());
        }
        put(&mut out, U256::from(self.chain_id));
        put(&mut out, U256::from(self.non_privileged_count));
        for diff in &self.balance_diffs {
            put(&mut out, diff.chain_id);
            put(&mut out, diff.value);
            for asset in &diff.value_per_token {
                out.extend_from_slice(asset.token_l1.as_slice());
                out.extend_from_slice(asset.token_src_l2.as_slice());
                out.extend_from_slice(asset.token_dst_l2.as_slice());
                put(&mut out, asset.value);
            }
            for hash in &diff.message_hashes {
                out.extend_from_slice(hash.as_slice());
            }
        }
        for entry in &self.l2_in_rolling_hashes {
            put(&mut out, U256::from(entry.chain_id));
            out.extend_from_slice(entry.rolling_hash.as_slice());
        }
        out
    }

    /// SHA-256 of the bytes, which is what RISC0's journal digest is.
    #[must_use]
    pub fn sha256(&self) -> B256 {
        B256::new(Sha256::digest(self.encode()).into())
    }

    /// What a proof of `commitment` must assert, as the contract rebuilds it.
    ///
    /// `initial_state_root` is the state root of the batch before, from that batch's commitment.
    #[must_use]
    pub fn of_commitment(initial_state_root: B256, chain_id: u64, commitment: &Commitment) -> Self {
        Self {
            initial_state_root,
            final_state_root: commitment.state_root,
            l1_out_root: commitment.l1_out_root,
            l1_in_rolling_hash: commitment.l1_in_rolling_hash,
            blob_versioned_hash: commitment.blob_versioned_hash,
            last_block_hash: commitment.last_block_hash,
            chain_id,
            non_privileged_count: commitment.non_privileged_count,
            balance_diffs: commitment.balance_diffs.clone(),
            l2_in_rolling_hashes: commitment.l2_in_rolling_hashes.clone(),
        }
    }
}

fn put(out: &mut Vec<u8>, value: U256) {
    out.extend_from_slice(&value.to_be_bytes::<32>());
}

/// What L1 knows about a batch once it is committed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Commitment {
    /// State root after the batch.
    pub state_root: B256,
    /// Versioned hash of the blob; zero in a validium.
    pub blob_versioned_hash: B256,
    /// Versioned hash of the messages consumed from L1.
    pub l1_in_rolling_hash: B256,
    /// Root of the tree of messages to L1.
    pub l1_out_root: B256,
    /// Hash of the last block.
    pub last_block_hash: B256,
    /// Transactions that are not privileged.
    pub non_privileged_count: u64,
    /// What other rollups are owed.
    pub balance_diffs: Vec<BalanceDiff>,
    /// The program that must prove the batch.
    pub commit_hash: B256,
    /// Messages consumed from other rollups.
    pub l2_in_rolling_hashes: Vec<L2InRollingHash>,
}

/// The number of transactions in a commitment, or the chain id of an entry, exceeds 64 bits: no batcher wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} in a batch commitment exceeds 64 bits")]
pub struct CommitmentOutOfRange(pub U256);

impl Commitment {
    /// The call data that commits this batch as number `number`. The blob travels beside it.
    #[must_use]
    pub fn to_call(
        &self,
        number: crate::BatchNumber,
    ) -> contracts::OnChainProposer::commitBatchCall {
        contracts::OnChainProposer::commitBatchCall {
            batchNumber: U256::from(number.0),
            newStateRoot: self.state_root,
            withdrawalsLogsMerkleRoot: self.l1_out_root,
            processedPrivilegedTransactionsRollingHash: self.l1_in_rolling_hash,
            lastBlockHash: self.last_block_hash,
            nonPrivilegedTransactions: U256::from(self.non_privileged_count),
            commitHash: self.commit_hash,
            balanceDiffs: self.balance_diffs.iter().map(Into::into).collect(),
            l2MessageRollingHashes: self
                .l2_in_rolling_hashes
                .iter()
                .map(|entry| contracts::L2MessageRollingHash {
                    chainId: U256::from(entry.chain_id),
                    rollingHash: entry.rolling_hash,
                })
                .collect(),
        }
    }

    /// The commitment that such a call, with this blob, stores.
    pub fn of_call(
        call: &contracts::OnChainProposer::commitBatchCall,
        blob_versioned_hash: B256,
    ) -> Result<Self, CommitmentOutOfRange> {
        Ok(Self {
            state_root: call.newStateRoot,
            blob_versioned_hash,
            l1_in_rolling_hash: call.processedPrivilegedTransactionsRollingHash,
            l1_out_root: call.withdrawalsLogsMerkleRoot,
            last_block_hash: call.lastBlockHash,
            non_privileged_count: narrow(call.nonPrivilegedTransactions)?,
            balance_diffs: call.balanceDiffs.iter().map(Into::into).collect(),
            commit_hash: call.commitHash,
            l2_in_rolling_hashes: l2_in(&call.l2MessageRollingHashes)?,
        })
    }

    /// The commitment that `batchCommitments` shows, which lacks the two arrays: they stand in the call data of the commit.
    pub fn of_storage(
        stored: &contracts::OnChainProposer::batchCommitmentsReturn,
        balance_diffs: Vec<BalanceDiff>,
        l2_in_rolling_hashes: Vec<L2InRollingHash>,
    ) -> Result<Self, CommitmentOutOfRange> {
        Ok(Self {
            state_root: stored.newStateRoot,
            blob_versioned_hash: stored.blobKZGVersionedHash,
            l1_in_rolling_hash: stored.processedPrivilegedTransactionsRollingHash,
            l1_out_root: stored.withdrawalsLogsMerkleRoot,
            last_block_hash: stored.lastBlockHash,
            non_privileged_count: narrow(stored.nonPrivilegedTransactions)?,
            balance_diffs,
            commit_hash: stored.commitHash,
            l2_in_rolling_hashes,
        })
    }
}

fn narrow(value: U256) -> Result<u64, CommitmentOutOfRange> {
    value.try_into().map_err(|_| CommitmentOutOfRange(value))
}

fn l2_in(
    entries: &[contracts::L2MessageRollingHash],
) -> Result<Vec<L2InRollingHash>, CommitmentOutOfRange> {
    entries
        .iter()
        .map(|entry| {
            let chain_id = narrow(entry.chainId)?;
            Ok(L2InRollingHash { chain_id, rolling_hash: entry.rollingHash })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Address, hex};

    use super::*;
    use crate::{BatchNumber, messages::AssetDiff};

    fn word(byte: u8) -> B256 {
        B256::repeat_byte(byte)
    }

    fn sample() -> PublicInputs {
        PublicInputs {
            initial_state_root: word(1),
            final_state_root: word(2),
            l1_out_root: word(3),
            l1_in_rolling_hash: word(4),
            blob_versioned_hash: word(5),
            last_block_hash: word(6),
            chain_id: 0x0102_0304,
            non_privileged_count: 7,
            balance_diffs: vec![BalanceDiff {
                chain_id: U256::from(8),
                value: U256::from(9),
                value_per_token: vec![AssetDiff {
                    token_l1: Address::repeat_byte(10),
                    token_src_l2: Address::repeat_byte(11),
                    token_dst_l2: Address::repeat_byte(12),
                    value: U256::from(13),
                }],
                message_hashes: vec![word(14)],
            }],
            l2_in_rolling_hashes: vec![L2InRollingHash { chain_id: 15, rolling_hash: word(16) }],
        }
    }

    #[test]
    fn the_fixed_part_is_eight_words() {
        let inputs =
            PublicInputs { balance_diffs: vec![], l2_in_rolling_hashes: vec![], ..sample() };
        let bytes = inputs.encode();
        assert_eq!(bytes.len(), 8 * 32);
        for (index, word) in bytes.chunks(32).take(6).enumerate() {
            assert_eq!(word, [u8::try_from(index + 1).unwrap(); 32]);
        }
        assert_eq!(
            bytes[6 * 32..],
            hex!(
                "0000000000000000000000000000000000000000000000000000000001020304"
                "0000000000000000000000000000000000000000000000000000000000000007"
            )
        );
    }

    #[test]
    fn the_chain_id_of_an_l2_entry_takes_a_word() {
        let without = PublicInputs { l2_in_rolling_hashes: vec![], ..sample() };
        assert_eq!(sample().encode().len(), without.encode().len() + 64);
    }

    #[test]
    fn assets_are_packed_between_words() {
        let bytes = sample().encode();
        let diff = &bytes[8 * 32..];
        assert_eq!(diff.len(), 64 + (60 + 32) + 32 + 64);
        assert_eq!(diff[64..84], [10; 20]);
        assert_eq!(diff[124..156], U256::from(13).to_be_bytes::<32>());
        assert_eq!(diff[156..188], [14; 32]);
    }

    #[test]
    fn a_commitment_rebuilds_the_inputs() {
        let inputs = sample();
        let commitment = Commitment {
            state_root: inputs.final_state_root,
            blob_versioned_hash: inputs.blob_versioned_hash,
            l1_in_rolling_hash: inputs.l1_in_rolling_hash,
            l1_out_root: inputs.l1_out_root,
            last_block_hash: inputs.last_block_hash,
            non_privileged_count: inputs.non_privileged_count,
            balance_diffs: inputs.balance_diffs.clone(),
            commit_hash: word(17),
            l2_in_rolling_hashes: inputs.l2_in_rolling_hashes.clone(),
        };
        let rebuilt =
            PublicInputs::of_commitment(inputs.initial_state_root, inputs.chain_id, &commitment);
        assert_eq!(rebuilt, inputs);

        let call = commitment.to_call(BatchNumber(3));
        assert_eq!(call.batchNumber, U256::from(3));
        assert_eq!(Commitment::of_call(&call, word(5)), Ok(commitment));
    }
}
