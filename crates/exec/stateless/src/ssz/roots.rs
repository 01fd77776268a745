//! Hash tree roots. Payload and requests are progressive containers, their lists progressive lists (EIP-7495, EIP-7916).
//!
//! Whether `NewPayloadRequest` itself is one as well is where the two specifications differ: consensus-specs says so, and so
//! do we; execution-specs makes it an ordinary container. Both roots are here, and only the first is ever published.

use alloy_primitives::{B256, Bytes, U256};
use libssz_merkle::{
    Node, Sha256Hasher, merkleize, merkleize_progressive, mix_in_active_fields, mix_in_length, pack,
};
use sha2::{Digest, Sha256};

use crate::ssz::{
    ExecutionPayload, ExecutionRequests, MAX_EXTRA_DATA_BYTES, NewPayloadRequest,
    decode::{
        BUILDER_DEPOSIT, BUILDER_EXIT, CONSOLIDATION, DEPOSIT, WITHDRAWAL, WITHDRAWAL_REQUEST,
    },
    encode,
};

struct Hasher;

impl Sha256Hasher for Hasher {
    fn hash(&self, data: &[u8]) -> [u8; 32] {
        Sha256::digest(data).into()
    }
}

impl NewPayloadRequest {
    /// The hash tree root as a progressive container: what results and proofs commit to.
    #[must_use]
    pub fn hash_tree_root(&self) -> B256 {
        progressive_container(&self.field_roots()).into()
    }

    /// The hash tree root as an ordinary container, which execution-specs computes.
    #[must_use]
    pub fn plain_hash_tree_root(&self) -> B256 {
        merkleize(&Hasher, &self.field_roots(), None).into()
    }

    fn field_roots(&self) -> [Node; 4] {
        let hashes: Vec<Node> = self.versioned_hashes.iter().map(|hash| hash.0).collect();
        [
            self.payload.root(),
            progressive_list(&hashes),
            self.parent_beacon_block_root.0,
            self.requests.root(),
        ]
    }
}

impl ExecutionPayload {
    fn root(&self) -> Node {
        let transactions: Vec<Node> =
            self.transactions.iter().map(|tx| progressive_bytes(tx)).collect();
        let withdrawals: Vec<u8> = self.withdrawals.iter().flat_map(encode::withdrawal).collect();
        // 32 bytes at most are one chunk at most.
        const { assert!(MAX_EXTRA_DATA_BYTES <= 32) };
        let extra_data = merkleize(&Hasher, &pack(&self.extra_data), Some(1));
        progressive_container(&[
            self.parent_hash.0,
            vector(self.fee_recipient.as_slice()),
            self.state_root.0,
            self.receipts_root.0,
            vector(self.logs_bloom.as_slice()),
            self.prev_randao.0,
            number(self.block_number),
            number(self.gas_limit),
            number(self.gas_used),
            number(self.timestamp),
            mix_in_length(&Hasher, &extra_data, self.extra_data.len()),
            self.base_fee_per_gas.to_le_bytes::<{ U256::BYTES }>(),
            self.block_hash.0,
            progressive_list(&transactions),
            records(&withdrawals, &WITHDRAWAL),
            number(self.blob_gas_used),
            number(self.excess_blob_gas),
            progressive_bytes(&self.block_access_list),
            number(self.slot_number),
        ])
    }
}

impl ExecutionRequests {
    fn root(&self) -> Node {
        let list = |bytes: &Bytes, fields: &[usize]| records(bytes, fields);
        progressive_container(&[
            list(&self.deposits, &DEPOSIT),
            list(&self.withdrawals, &WITHDRAWAL_REQUEST),
            list(&self.consolidations, &CONSOLIDATION),
            list(&self.builder_deposits, &BUILDER_DEPOSIT),
            list(&self.builder_exits, &BUILDER_EXIT),
        ])
    }
}

/// A progressive list of ordinary containers whose fields are numbers and vectors of bytes: both merkleize as the chunks
/// of their bytes.
fn records(bytes: &[u8], fields: &[usize]) -> Node {
    let roots: Vec<Node> = bytes
        .chunks_exact(fields.iter().sum())
        .map(|mut record| {
            let fields: Vec<Node> = fields
                .iter()
                .map(|size| {
                    let (field, rest) = record.split_at(*size);
                    record = rest;
                    vector(field)
                })
                .collect();
            merkleize(&Hasher, &fields, None)
        })
        .collect();
    progressive_list(&roots)
}

/// A progressive container in which every field is active.
fn progressive_container<const N: usize>(fields: &[Node; N]) -> Node {
    let root = merkleize_progressive(&Hasher, fields);
    mix_in_active_fields(&Hasher, &root, &[true; N])
}

fn progressive_list(roots: &[Node]) -> Node {
    mix_in_length(&Hasher, &merkleize_progressive(&Hasher, roots), roots.len())
}

fn progressive_bytes(bytes: &[u8]) -> Node {
    mix_in_length(&Hasher, &merkleize_progressive(&Hasher, &pack(bytes)), bytes.len())
}

fn vector(bytes: &[u8]) -> Node {
    merkleize(&Hasher, &pack(bytes), None)
}

fn number(number: u64) -> Node {
    vector(&number.to_le_bytes())
}
