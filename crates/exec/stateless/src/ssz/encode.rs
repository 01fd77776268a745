//! Writing.

use alloy_eips::eip4895::Withdrawal;
use alloy_primitives::U256;

use crate::{
    ExecutionWitness,
    ssz::{
        ExecutionPayload, ExecutionRequests, NewPayloadRequest, StatelessInput,
        StatelessValidationResult,
        codec::{Writer, write_byte_strings},
        decode::{INPUT, INPUT_WITHOUT_KEYS, PAYLOAD, REQUEST, REQUESTS, RESULT, WITNESS},
    },
};

impl StatelessInput {
    /// `schema_id ‖ SSZ(StatelessInput)`, in the layout that has public keys if there are any.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let fields: &[_] = if self.public_keys.is_some() { &INPUT } else { &INPUT_WITHOUT_KEYS };
        let mut body = Writer::new(fields)
            .variable(&self.request.encode())
            .variable(&encode_witness(&self.witness))
            .fixed(&self.chain_id.to_le_bytes());
        if let Some(keys) = &self.public_keys {
            body = body.variable(keys.concat().as_slice());
        }
        let mut out = self.schema.to_be_bytes().to_vec();
        out.append(&mut body.finish());
        out
    }
}

/// `ExecutionWitness { state, codes, headers }`.
#[must_use]
pub fn encode_witness(witness: &ExecutionWitness) -> Vec<u8> {
    Writer::new(&WITNESS)
        .variable(&write_byte_strings(&witness.state))
        .variable(&write_byte_strings(&witness.codes))
        .variable(&write_byte_strings(&witness.headers))
        .finish()
}

impl NewPayloadRequest {
    /// The encoding of a request.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        Writer::new(&REQUEST)
            .variable(&self.payload.encode())
            .variable(self.versioned_hashes.concat().as_slice())
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
            .variable(&write_byte_strings(&self.transactions))
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
