//! Reading.

use alloy_eips::eip4895::Withdrawal;
use alloy_primitives::{Address, B256, Bloom, Bytes, U256};

use crate::{
    ExecutionWitness,
    ssz::{
        ExecutionPayload, ExecutionRequests, MAX_CODE_BYTES, MAX_CODE_BYTES_WITHOUT_KEYS,
        MAX_EXTRA_DATA_BYTES, MAX_HEADER_BYTES, MAX_HEADERS, MAX_NODE_BYTES,
        MAX_NODE_BYTES_WITHOUT_KEYS, NewPayloadRequest, PublicKey, SCHEMA_AMSTERDAM, SCHEMA_BYTES,
        SszError, StatelessInput, StatelessValidationResult,
        codec::{self, Field, split},
    },
};

use Field::{Fixed, Variable};

/// Request, witness, chain id, public keys.
pub(super) const INPUT: [Field; 4] = [Variable, Variable, Fixed(8), Variable];
/// The same without public keys.
pub(super) const INPUT_WITHOUT_KEYS: [Field; 3] = [Variable, Variable, Fixed(8)];
/// Payload, versioned hashes, parent beacon block root, requests.
pub(super) const REQUEST: [Field; 4] = [Variable, Variable, Fixed(32), Variable];
/// The fields of [`ExecutionPayload`] in order.
pub(super) const PAYLOAD: [Field; 19] = [
    Fixed(32),
    Fixed(20),
    Fixed(32),
    Fixed(32),
    Fixed(256),
    Fixed(32),
    Fixed(8),
    Fixed(8),
    Fixed(8),
    Fixed(8),
    Variable,
    Fixed(32),
    Fixed(32),
    Variable,
    Variable,
    Fixed(8),
    Fixed(8),
    Variable,
    Fixed(8),
];
/// Where the gas limit stands in [`PAYLOAD`].
pub(super) const GAS_LIMIT: usize = 7;
/// Where the gas used stands in [`PAYLOAD`].
pub(super) const GAS_USED: usize = 8;
/// The fields of [`ExecutionRequests`] in order.
pub(super) const REQUESTS: [Field; 5] = [Variable; 5];
/// Nodes, codes, headers.
pub(super) const WITNESS: [Field; 3] = [Variable; 3];
/// Root, success, chain id, schema.
pub(super) const RESULT: [Field; 4] = [Fixed(32), Fixed(1), Fixed(8), Fixed(2)];

/// Index, validator index, address, amount.
pub(super) const WITHDRAWAL: [usize; 4] = [8, 8, 20, 8];
/// EIP-6110: public key, withdrawal credentials, amount, signature, index.
pub(super) const DEPOSIT: [usize; 5] = [48, 32, 8, 96, 8];
/// EIP-7002: source address, validator public key, amount.
pub(super) const WITHDRAWAL_REQUEST: [usize; 3] = [20, 48, 8];
/// EIP-7251: source address, source public key, target public key.
pub(super) const CONSOLIDATION: [usize; 3] = [20, 48, 48];
/// EIP-8282: public key, withdrawal credentials, amount, signature.
pub(super) const BUILDER_DEPOSIT: [usize; 4] = [48, 32, 8, 96];
/// EIP-8282: source address, public key.
pub(super) const BUILDER_EXIT: [usize; 2] = [20, 48];

/// Progressive lists have no limit of their own; the length of the input bounds them.
const UNLIMITED: usize = usize::MAX;

impl StatelessInput {
    /// Reads `schema_id ‖ SSZ(StatelessInput)`, in either layout.
    ///
    /// # Errors
    /// If the bytes are not the one encoding of an input.
    pub fn decode(bytes: &Bytes) -> Result<Self, SszError> {
        let what = "the input";
        let (prefix, _) = bytes
            .split_first_chunk::<SCHEMA_BYTES>()
            .ok_or(SszError::Length { what, got: bytes.len() })?;
        let schema = u16::from_be_bytes(*prefix);
        if schema != SCHEMA_AMSTERDAM {
            return Err(SszError::Schema(schema));
        }
        let body = bytes.slice(SCHEMA_BYTES..);
        if codec::peek(&body, &[Fixed(4)], 0) == Some(&without_keys_offset()) {
            let [request, witness, chain_id] = split(what, &body, &INPUT_WITHOUT_KEYS)?;
            let limits = WitnessLimits::WITHOUT_KEYS;
            return Ok(Self {
                schema,
                request: NewPayloadRequest::decode(&request)?,
                witness: limits.decode(&witness)?,
                chain_id: number(&chain_id),
                public_keys: None,
            });
        }
        let [request, witness, chain_id, keys] = split(what, &body, &INPUT)?;
        let keys = codec::items("the public keys", &keys, PublicKey::len_bytes(), UNLIMITED)?;
        Ok(Self {
            schema,
            request: NewPayloadRequest::decode(&request)?,
            witness: decode_witness(&witness)?,
            chain_id: number(&chain_id),
            public_keys: Some(keys.map(PublicKey::from_slice).collect()),
        })
    }
}

/// The first offset of an input without public keys, which tells the layouts apart.
fn without_keys_offset() -> [u8; codec::OFFSET_BYTES] {
    (codec::fixed_bytes(&INPUT_WITHOUT_KEYS) as u32).to_le_bytes()
}

/// Reads `ExecutionWitness { state, codes, headers }` under the limits of EIP-8025.
///
/// # Errors
/// If the bytes are not the one encoding of a witness.
pub fn decode_witness(bytes: &Bytes) -> Result<ExecutionWitness, SszError> {
    WitnessLimits::EIP_8025.decode(bytes)
}

/// Longest node and longest code.
struct WitnessLimits {
    node: usize,
    code: usize,
}

impl WitnessLimits {
    const EIP_8025: Self = Self { node: MAX_NODE_BYTES, code: MAX_CODE_BYTES };
    const WITHOUT_KEYS: Self =
        Self { node: MAX_NODE_BYTES_WITHOUT_KEYS, code: MAX_CODE_BYTES_WITHOUT_KEYS };

    fn decode(&self, bytes: &Bytes) -> Result<ExecutionWitness, SszError> {
        let [state, codes, headers] = split("the witness", bytes, &WITNESS)?;
        Ok(ExecutionWitness {
            state: codec::byte_strings("the nodes", &state, UNLIMITED, self.node)?,
            codes: codec::byte_strings("the codes", &codes, UNLIMITED, self.code)?,
            keys: vec![],
            headers: codec::byte_strings("the headers", &headers, MAX_HEADERS, MAX_HEADER_BYTES)?,
        })
    }
}

impl NewPayloadRequest {
    /// Reads a request.
    ///
    /// # Errors
    /// If the bytes are not the one encoding of a request.
    pub fn decode(bytes: &Bytes) -> Result<Self, SszError> {
        let [payload, hashes, root, requests] = split("the request", bytes, &REQUEST)?;
        let hashes = codec::items("the versioned hashes", &hashes, B256::len_bytes(), UNLIMITED)?;
        Ok(Self {
            payload: ExecutionPayload::decode(&payload)?,
            versioned_hashes: hashes.map(B256::from_slice).collect(),
            parent_beacon_block_root: B256::from_slice(&root),
            requests: ExecutionRequests::decode(&requests)?,
        })
    }
}

impl ExecutionPayload {
    fn decode(bytes: &Bytes) -> Result<Self, SszError> {
        let [
            parent_hash,
            fee_recipient,
            state_root,
            receipts_root,
            logs_bloom,
            prev_randao,
            block_number,
            gas_limit,
            gas_used,
            timestamp,
            extra_data,
            base_fee_per_gas,
            block_hash,
            transactions,
            withdrawals,
            blob_gas_used,
            excess_blob_gas,
            block_access_list,
            slot_number,
        ] = split("the payload", bytes, &PAYLOAD)?;
        if extra_data.len() > MAX_EXTRA_DATA_BYTES {
            let (what, got) = ("the extra data", extra_data.len());
            return Err(SszError::TooLong { what, got, max: MAX_EXTRA_DATA_BYTES });
        }
        let size = WITHDRAWAL.iter().sum();
        let withdrawals = codec::items("the withdrawals", &withdrawals, size, UNLIMITED)?;
        Ok(Self {
            parent_hash: B256::from_slice(&parent_hash),
            fee_recipient: Address::from_slice(&fee_recipient),
            state_root: B256::from_slice(&state_root),
            receipts_root: B256::from_slice(&receipts_root),
            logs_bloom: Bloom::from_slice(&logs_bloom),
            prev_randao: B256::from_slice(&prev_randao),
            block_number: number(&block_number),
            gas_limit: number(&gas_limit),
            gas_used: number(&gas_used),
            timestamp: number(&timestamp),
            extra_data,
            base_fee_per_gas: U256::from_le_slice(&base_fee_per_gas),
            block_hash: B256::from_slice(&block_hash),
            transactions: codec::byte_strings(
                "the transactions",
                &transactions,
                UNLIMITED,
                UNLIMITED,
            )?,
            withdrawals: withdrawals.map(withdrawal).collect(),
            blob_gas_used: number(&blob_gas_used),
            excess_blob_gas: number(&excess_blob_gas),
            block_access_list,
            slot_number: number(&slot_number),
        })
    }
}

impl ExecutionRequests {
    fn decode(bytes: &Bytes) -> Result<Self, SszError> {
        let [deposits, withdrawals, consolidations, builder_deposits, builder_exits] =
            split("the requests", bytes, &REQUESTS)?;
        let whole = |what, bytes: &[u8], fields: &[usize]| {
            codec::items(what, bytes, fields.iter().sum(), UNLIMITED).map(drop)
        };
        whole("the deposits", &deposits, &DEPOSIT)?;
        whole("the withdrawal requests", &withdrawals, &WITHDRAWAL_REQUEST)?;
        whole("the consolidations", &consolidations, &CONSOLIDATION)?;
        whole("the builder deposits", &builder_deposits, &BUILDER_DEPOSIT)?;
        whole("the builder exits", &builder_exits, &BUILDER_EXIT)?;
        Ok(Self { deposits, withdrawals, consolidations, builder_deposits, builder_exits })
    }
}

impl StatelessValidationResult {
    /// Reads a result.
    ///
    /// # Errors
    /// If the bytes are not the one encoding of a result.
    pub fn decode(bytes: &Bytes) -> Result<Self, SszError> {
        let [root, successful, chain_id, schema] = split("the result", bytes, &RESULT)?;
        Ok(Self {
            request_root: B256::from_slice(&root),
            successful: match successful[..] {
                [0] => false,
                [1] => true,
                _ => return Err(SszError::Boolean { what: "the success" }),
            },
            chain_id: number(&chain_id),
            schema: u16::from_le_bytes(schema[..].try_into().expect("the field has two bytes")),
        })
    }
}

fn withdrawal(bytes: &[u8]) -> Withdrawal {
    let (index, rest) = bytes.split_at(8);
    let (validator, rest) = rest.split_at(8);
    let (address, amount) = rest.split_at(20);
    Withdrawal {
        index: number(index),
        validator_index: number(validator),
        address: Address::from_slice(address),
        amount: number(amount),
    }
}

/// A field that the split has cut to eight bytes.
fn number(bytes: &[u8]) -> u64 {
    codec::uint64(bytes).expect("the field has eight bytes")
}
