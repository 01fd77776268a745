//! Payloads and blocks: the same thing for a consensus client and for an execution client.

use alloy_eips::{
    eip2718::{Decodable2718, Eip2718Error, Encodable2718},
    eip7685::Requests,
};
use alloy_primitives::{B64, B256, Bytes, U256, keccak256};
use ethrex_types::{
    Block, BlockBody, Header, SealedBlock, Tx,
    alloy_consensus::{
        EMPTY_OMMER_ROOT_HASH, Transaction,
        proofs::{calculate_transaction_root, calculate_withdrawals_root},
    },
};

use crate::ssz::{ExecutionPayload, ExecutionRequests, NewPayloadRequest};

/// A payload that is no block, whatever the state. A verdict, as an invalid block is.
#[derive(Debug, thiserror::Error)]
pub enum InvalidPayload {
    /// A transaction does not decode.
    #[error("transaction {index} does not decode: {source}")]
    Transaction {
        /// Position in the payload.
        index: usize,
        /// What the decoder said.
        source: Eip2718Error,
    },
    /// A transaction is not encoded in its one way.
    #[error("transaction {0} is not encoded canonically")]
    Encoding(usize),
    /// A base fee that no header can carry.
    #[error("base fee {0} does not fit in 64 bits")]
    BaseFee(U256),
    /// The block has another hash than the payload says.
    #[error("block hash mismatch: payload says {got}, its content gives {want}")]
    BlockHash {
        /// In the payload.
        got: B256,
        /// Of the header that the payload makes.
        want: B256,
    },
    /// The versioned hashes are not those of the blob transactions, in order.
    #[error("versioned hashes are not those of the transactions")]
    VersionedHashes,
}

/// A block that no payload can carry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAPayload {
    /// A header field is absent that Amsterdam has.
    #[error("the header has no {0}")]
    MissingField(&'static str),
    /// Requests of a kind that payloads do not know, out of order, or cut off.
    #[error("requests of type {0} are not what a payload carries")]
    Requests(u8),
    /// The block has ommers.
    #[error("the block has ommers")]
    Ommers,
    /// A transaction has no signature, or one that recovers to no one.
    #[error("transaction {0} is signed by no one")]
    Unsigned(usize),
}

/// Request types in the order of [`ExecutionRequests`] (EIP-6110, EIP-7002, EIP-7251, EIP-8282), with the bytes of an item.
const REQUEST_TYPES: [(u8, usize); 5] = [(0, 192), (1, 76), (2, 116), (3, 184), (4, 68)];

/// The block that a payload describes, if it has the hash that the payload says.
///
/// # Errors
/// If a transaction is not canonically encoded, or hashes do not match: then no block of this hash is described.
pub fn block_of(request: &NewPayloadRequest) -> Result<SealedBlock, InvalidPayload> {
    let payload = &request.payload;
    let base_fee = u64::try_from(payload.base_fee_per_gas)
        .map_err(|_| InvalidPayload::BaseFee(payload.base_fee_per_gas))?;
    let transactions = payload
        .transactions
        .iter()
        .enumerate()
        .map(|(index, raw)| transaction(index, raw))
        .collect::<Result<Vec<_>, _>>()?;
    let hashes = transactions.iter().filter_map(Transaction::blob_versioned_hashes).flatten();
    if !hashes.eq(&request.versioned_hashes) {
        return Err(InvalidPayload::VersionedHashes);
    }
    let header = Header {
        parent_hash: payload.parent_hash,
        ommers_hash: EMPTY_OMMER_ROOT_HASH,
        beneficiary: payload.fee_recipient,
        state_root: payload.state_root,
        transactions_root: calculate_transaction_root(&transactions),
        receipts_root: payload.receipts_root,
        logs_bloom: payload.logs_bloom,
        difficulty: U256::ZERO,
        number: payload.block_number,
        gas_limit: payload.gas_limit,
        gas_used: payload.gas_used,
        timestamp: payload.timestamp,
        extra_data: payload.extra_data.clone(),
        mix_hash: payload.prev_randao,
        nonce: B64::ZERO,
        base_fee_per_gas: Some(base_fee),
        withdrawals_root: Some(calculate_withdrawals_root(&payload.withdrawals)),
        blob_gas_used: Some(payload.blob_gas_used),
        excess_blob_gas: Some(payload.excess_blob_gas),
        parent_beacon_block_root: Some(request.parent_beacon_block_root),
        requests_hash: Some(request.requests.to_requests().requests_hash()),
        block_access_list_hash: Some(keccak256(&payload.block_access_list)),
        slot_number: Some(payload.slot_number),
    };
    let body = BlockBody {
        transactions,
        ommers: vec![],
        withdrawals: Some(payload.withdrawals.clone().into()),
    };
    let block = SealedBlock::seal(Block { header, body });
    if block.hash() == payload.block_hash {
        Ok(block)
    } else {
        Err(InvalidPayload::BlockHash { got: payload.block_hash, want: block.hash() })
    }
}

/// The payload that describes a block; [`block_of`] takes it back. `access_list` is the RLP whose hash the header has.
///
/// # Errors
/// If the block is older than Amsterdam, or has what payloads do not carry.
pub fn payload_of(
    block: &SealedBlock,
    requests: &Requests,
    access_list: Bytes,
) -> Result<NewPayloadRequest, NotAPayload> {
    let (header, body) = (block.header(), block.body());
    if !body.ommers.is_empty() {
        return Err(NotAPayload::Ommers);
    }
    let missing = NotAPayload::MissingField;
    header.block_access_list_hash.ok_or(missing("block access list hash"))?;
    let withdrawals = body.withdrawals.as_ref().ok_or(missing("withdrawals"))?;
    let payload = ExecutionPayload {
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
        base_fee_per_gas: U256::from(header.base_fee_per_gas.ok_or(missing("base fee"))?),
        block_hash: block.hash(),
        transactions: body.transactions.iter().map(|tx| tx.encoded_2718().into()).collect(),
        withdrawals: withdrawals.to_vec(),
        blob_gas_used: header.blob_gas_used.ok_or(missing("blob gas used"))?,
        excess_blob_gas: header.excess_blob_gas.ok_or(missing("excess blob gas"))?,
        block_access_list: access_list,
        slot_number: header.slot_number.ok_or(missing("slot number"))?,
    };
    let hashes = body.transactions.iter().filter_map(Transaction::blob_versioned_hashes).flatten();
    Ok(NewPayloadRequest {
        payload,
        versioned_hashes: hashes.copied().collect(),
        parent_beacon_block_root: header
            .parent_beacon_block_root
            .ok_or(missing("parent beacon block root"))?,
        requests: ExecutionRequests::from_requests(requests)?,
    })
}

impl ExecutionRequests {
    /// The form of EIP-7685: a type byte before each kind that has items.
    #[must_use]
    pub fn to_requests(&self) -> Requests {
        let mut requests = Requests::default();
        for ((kind, _), items) in REQUEST_TYPES.into_iter().zip(self.lists()) {
            requests.push_request_with_type(kind, items.iter().copied());
        }
        requests
    }

    /// The requests of a block, by kind.
    ///
    /// # Errors
    /// If there is a kind that payloads do not carry, or one twice, or an item that is cut off.
    pub fn from_requests(requests: &Requests) -> Result<Self, NotAPayload> {
        let mut lists: [Bytes; 5] = [const { Bytes::new() }; 5];
        for request in requests.iter() {
            let Some((kind, items)) = request.split_first() else { continue };
            let index = REQUEST_TYPES.iter().position(|(known, _)| known == kind);
            let index = index.ok_or(NotAPayload::Requests(*kind))?;
            let whole = items.len().is_multiple_of(REQUEST_TYPES[index].1);
            if !whole || !lists[index].is_empty() {
                return Err(NotAPayload::Requests(*kind));
            }
            lists[index] = request.slice(1..);
        }
        let [deposits, withdrawals, consolidations, builder_deposits, builder_exits] = lists;
        Ok(Self { deposits, withdrawals, consolidations, builder_deposits, builder_exits })
    }

    /// Whether nothing is requested.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lists().into_iter().all(|list| list.is_empty())
    }

    fn lists(&self) -> [&Bytes; 5] {
        let Self { deposits, withdrawals, consolidations, builder_deposits, builder_exits } = self;
        [deposits, withdrawals, consolidations, builder_deposits, builder_exits]
    }
}

/// Reads a transaction; one that encodes to other bytes again was not encoded in its one way.
///
/// # Errors
/// If it is none, or not in its one encoding.
pub fn transaction(index: usize, raw: &Bytes) -> Result<Tx, InvalidPayload> {
    let tx = Tx::decode_2718_exact(raw)
        .map_err(|source| InvalidPayload::Transaction { index, source })?;
    if tx.encoded_2718() == raw[..] { Ok(tx) } else { Err(InvalidPayload::Encoding(index)) }
}
