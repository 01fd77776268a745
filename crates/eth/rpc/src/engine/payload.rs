//! Payloads: blocks as consensus clients write them.

use alloy_eips::{eip2718::Encodable2718, eip4895::Withdrawal, eip7685::Requests};
use alloy_primitives::{Address, B64, B256, Bloom, Bytes, U256, keccak256};
use ethrex_stateless::{InvalidPayload, payload::transaction};
use ethrex_types::{
    Block, BlockBody, Header, SealedBlock,
    alloy_consensus::{
        EMPTY_OMMER_ROOT_HASH, Transaction,
        proofs::{calculate_transaction_root, calculate_withdrawals_root},
    },
};
use serde::{Deserialize, Serialize};

/// `ExecutionPayloadV1` to `V4`: what a later version adds is absent in an earlier one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ExecutionPayload {
    /// Hash of the parent.
    pub parent_hash: B256,
    /// Receives the priority fees.
    pub fee_recipient: Address,
    /// State after the block.
    pub state_root: B256,
    /// Root over the receipts.
    pub receipts_root: B256,
    /// Bloom of all logs.
    pub logs_bloom: Bloom,
    /// RANDAO mix.
    pub prev_randao: B256,
    /// Height.
    #[serde(with = "alloy_serde::quantity")]
    pub block_number: u64,
    /// Gas limit.
    #[serde(with = "alloy_serde::quantity")]
    pub gas_limit: u64,
    /// Gas used.
    #[serde(with = "alloy_serde::quantity")]
    pub gas_used: u64,
    /// Seconds since the epoch.
    #[serde(with = "alloy_serde::quantity")]
    pub timestamp: u64,
    /// Free text.
    pub extra_data: Bytes,
    /// Base fee, in wei per gas.
    pub base_fee_per_gas: U256,
    /// Hash of the block.
    pub block_hash: B256,
    /// Transactions in the encoding of EIP-2718.
    pub transactions: Vec<Bytes>,
    /// Withdrawals, from V2 on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub withdrawals: Option<Vec<Withdrawal>>,
    /// Blob gas used, from V3 on.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "alloy_serde::quantity::opt")]
    pub blob_gas_used: Option<u64>,
    /// Excess blob gas, from V3 on.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "alloy_serde::quantity::opt")]
    pub excess_blob_gas: Option<u64>,
    /// RLP of the block access list, from V4 on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub block_access_list: Option<Bytes>,
    /// Slot, from V4 on.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "alloy_serde::quantity::opt")]
    pub slot_number: Option<u64>,
}

/// What a payload's block has beside it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Beside {
    pub(crate) versioned_hashes: Option<Vec<B256>>,
    pub(crate) parent_beacon_block_root: Option<B256>,
    pub(crate) requests: Option<Vec<Bytes>>,
}

impl ExecutionPayload {
    /// The payload of a block. `access_list` is the RLP whose hash the header has.
    #[must_use]
    pub fn of(block: &SealedBlock, access_list: Option<Bytes>) -> Self {
        let (header, body) = (block.header(), block.body());
        Self {
            parent_hash: header.parent_hash,
            fee_recipient: header.beneficiary,
            state_root: header.state_root,
            receipts_root: header.receipts_root,
            logs_bloom: header.logs_bloom,
            prev_randao: header.mix_hash,
            block_number: header.number,
            gas_limit: header.gas_limit,
            gas_used: header.gas_used,
            timestamp: header.timestamp,
            extra_data: header.extra_data.clone(),
            base_fee_per_gas: U256::from(header.base_fee_per_gas.unwrap_or_default()),
            block_hash: block.hash(),
            transactions: body.transactions.iter().map(|tx| tx.encoded_2718().into()).collect(),
            withdrawals: body.withdrawals.as_ref().map(|list| list.to_vec()),
            blob_gas_used: header.blob_gas_used,
            excess_blob_gas: header.excess_blob_gas,
            block_access_list: access_list,
            slot_number: header.slot_number,
        }
    }

    /// The block that the payload describes, if it has the hash that the payload says and the versioned hashes it came with.
    pub(crate) fn into_block(self, beside: Beside) -> Result<SealedBlock, InvalidPayload> {
        let claimed = self.block_hash;
        let base_fee = u64::try_from(self.base_fee_per_gas)
            .map_err(|_| InvalidPayload::BaseFee(self.base_fee_per_gas))?;
        let transactions = self
            .transactions
            .iter()
            .enumerate()
            .map(|(index, raw)| transaction(index, raw))
            .collect::<Result<Vec<_>, _>>()?;
        let header = Header {
            parent_hash: self.parent_hash,
            ommers_hash: EMPTY_OMMER_ROOT_HASH,
            beneficiary: self.fee_recipient,
            state_root: self.state_root,
            transactions_root: calculate_transaction_root(&transactions),
            receipts_root: self.receipts_root,
            logs_bloom: self.logs_bloom,
            difficulty: U256::ZERO,
            number: self.block_number,
            gas_limit: self.gas_limit,
            gas_used: self.gas_used,
            timestamp: self.timestamp,
            extra_data: self.extra_data,
            mix_hash: self.prev_randao,
            nonce: B64::ZERO,
            base_fee_per_gas: Some(base_fee),
            withdrawals_root: self.withdrawals.as_deref().map(calculate_withdrawals_root),
            blob_gas_used: self.blob_gas_used,
            excess_blob_gas: self.excess_blob_gas,
            parent_beacon_block_root: beside.parent_beacon_block_root,
            requests_hash: beside.requests.map(|list| Requests::new(list).requests_hash()),
            block_access_list_hash: self.block_access_list.map(keccak256),
            slot_number: self.slot_number,
        };
        let withdrawals = self.withdrawals.map(Into::into);
        let body = BlockBody { transactions, ommers: vec![], withdrawals };
        let block = SealedBlock::seal(Block { header, body });
        if block.hash() != claimed {
            return Err(InvalidPayload::BlockHash { got: claimed, want: block.hash() });
        }
        if let Some(wanted) = beside.versioned_hashes {
            let transactions = &block.body().transactions;
            let hashes = transactions.iter().filter_map(Transaction::blob_versioned_hashes);
            if !hashes.flatten().eq(&wanted) {
                return Err(InvalidPayload::VersionedHashes);
            }
        }
        Ok(block)
    }
}
