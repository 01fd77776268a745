//! Writing.

use alloy_eips::eip4895::Withdrawal;
use alloy_primitives::{FixedBytesSliceExt as _, U256};

use crate::{
    ExecutionWitness,
    ssz::{
        ExecutionPayload, ExecutionRequests, NewPayloadRequest, StatelessInput,
        StatelessValidationResult,
        codec::{Writer, byte_strings_behind, byte_strings_bytes, fixed_bytes},
        decode::{INPUT, INPUT_WITHOUT_KEYS, PAYLOAD, REQUEST, REQUESTS, RESULT, WITNESS},
    },
};

impl StatelessInput {
    /// `schema_id ‖ SSZ(StatelessInput)`, in the layout that has public keys if there are any.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let fields: &[_] = if self.public_keys.is_some() { &INPUT } else { &INPUT_WITHOUT_KEYS };
        let mut body = Writer::behind(self.schema.to_be_bytes().to_vec(), fields)
            .variable(&self.request.encode())
            .variable_with(|out| witness_behind(out, &self.witness))
            .fixed(&self.chain_id.to_le_bytes());
        if let Some(keys) = &self.public_keys {
            body = body.variable(keys.as_flattened());
        }
        body.finish()
    }
}

/// `ExecutionWitness { state, codes, headers }`.
#[must_use]
pub fn encode_witness(witness: &ExecutionWitness) -> Vec<u8> {
    witness_behind(Vec::new(), witness)
}

/// The same, behind what a buffer holds already. Most of an input is its witness, so it is copied once.
#[must_use]
pub fn witness_behind(mut out: Vec<u8>, witness: &ExecutionWitness) -> Vec<u8> {
    let lists = [&witness.state, &witness.codes, &witness.headers];
    let bytes: usize = lists.into_iter().map(|list| byte_strings_bytes(list)).sum();
    out.reserve(fixed_bytes(&WITNESS) + bytes);
    let writer = Writer::behind(out, &WITNESS);
    lists
        .into_iter()
        .fold(writer, |writer, list| writer.variable_with(|out| byte_strings_behind(out, list)))
        .finish()
}

impl NewPayloadRequest {
    /// The encoding of a request.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        Writer::new(&REQUEST)
            .variable(&self.payload.encode())
            .variable(self.versioned_hashes.as_flattened())
            .fixed(self.parent_beacon_block_root.as_slice())
            .variable(&self.requests.encode())
            .finish()
    }
}

impl ExecutionPayload {
    fn encode(&self) -> Vec<u8> {
        let withdrawals: Vec<u8> = self.withdrawals.iter().flat_map(withdrawal).collect();
        Writer::new(&PAYLOAD)
            .fixed(self.parent_hash.as_slice())
            .fixed(self.fee_recipient.as_slice())
            .fixed(self.state_root.as_slice())
            .fixed(self.receipts_root.as_slice())
            .fixed(self.logs_bloom.as_slice())
            .fixed(self.prev_randao.as_slice())
            .fixed(&self.block_number.to_le_bytes())
            .fixed(&self.gas_limit.to_le_bytes())
            .fixed(&self.gas_used.to_le_bytes())
            .fixed(&self.timestamp.to_le_bytes())
            .variable(&self.extra_data)
            .fixed(&self.base_fee_per_gas.to_le_bytes::<{ U256::BYTES }>())
            .fixed(self.block_hash.as_slice())
            .variable_with(|out| byte_strings_behind(out, &self.transactions))
            .variable(&withdrawals)
            .fixed(&self.blob_gas_used.to_le_bytes())
            .fixed(&self.excess_blob_gas.to_le_bytes())
            .variable(&self.block_access_list)
            .fixed(&self.slot_number.to_le_bytes())
            .finish()
    }
}

impl ExecutionRequests {
    fn encode(&self) -> Vec<u8> {
        Writer::new(&REQUESTS)
            .variable(&self.deposits)
            .variable(&self.withdrawals)
            .variable(&self.consolidations)
            .variable(&self.builder_deposits)
            .variable(&self.builder_exits)
            .finish()
    }
}

impl StatelessValidationResult {
    /// The encoding of a result, 43 bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        Writer::new(&RESULT)
            .fixed(self.request_root.as_slice())
            .fixed(&[u8::from(self.successful)])
            .fixed(&self.chain_id.to_le_bytes())
            .fixed(&self.schema.to_le_bytes())
            .finish()
    }
}

pub(super) fn withdrawal(withdrawal: &Withdrawal) -> Vec<u8> {
    let Withdrawal { index, validator_index, address, amount } = withdrawal;
    [
        &index.to_le_bytes()[..],
        &validator_index.to_le_bytes(),
        address.as_slice(),
        &amount.to_le_bytes(),
    ]
    .concat()
}
