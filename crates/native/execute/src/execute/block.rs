//! BLOCK and PLAIN: a block that is given.

use alloy_primitives::{Bytes, U256, keccak256};
use ethrex_stateless::{
    StatelessInput, StatelessValidationResult, Strictness, Verified, VerifyOptions, Witness, open,
    verify_on,
};
use ethrex_types::Header as BlockHeader;

use super::{Context, Stop, check_parent, check_schema, check_system_contracts, inclusion, rollup};
use crate::{
    ExecuteResult,
    envelope::{BlockBody, Flags, Header, Mode, Undecodable},
    failure::{FailureClass, Forbidden},
    gas::MIN_TX_GAS,
    roots::{blobs_hash, keccak_chain},
};

pub(super) fn block(
    context: &Context<'_>,
    header: &Header,
    body: &Bytes,
) -> Result<ExecuteResult, Stop> {
    let BlockBody { input, inclusion_list } = BlockBody::decode(body, header.flags)?;
    let options =
        VerifyOptions { strictness: Strictness::Canonical, gas_bound: Some(header.gas_bound) };
    let (verified, witness) = check(context, &input, &options)?;
    let il_satisfied = match inclusion_list {
        Some(list) => inclusion::is_satisfied(context, &input, &verified, &witness, &list)?,
        None => false,
    };
    let Verified { block, request_root, validated } = &verified;
    let block_header = block.sealed().header();
    let transactions = &input.request.payload.transactions;
    let count = transactions.len() as u64;
    let burned_fees =
        if header.flags.has(Flags::BURNED_FEES) { validated.burned_fees } else { U256::ZERO };
    Ok(ExecuteResult {
        mode: Mode::Block.id(),
        level: header.level,
        il_satisfied,
        chain_id: input.chain_id,
        schema_id: input.schema,
        request_root: *request_root,
        block_hash: block.sealed().hash(),
        parent_state_root: validated.parent_state_root,
        posted_root: keccak_chain(transactions),
        posted_count: count,
        included_count: count,
        burned_fees,
        ..of_header(block_header)
    })
}

pub(super) fn plain(context: &Context<'_>, input: &Bytes, gas_limit: u64) -> Result<Bytes, Stop> {
    let input = StatelessInput::decode(input).map_err(Undecodable::Ssz)?;
    if !input.request.requests.is_empty() {
        return Err(Forbidden::Requests.into());
    }
    let options = VerifyOptions { strictness: Strictness::Tolerant, gas_bound: Some(gas_limit) };
    let (verified, _) = check(context, &input, &options)?;
    let result = StatelessValidationResult {
        request_root: verified.request_root,
        successful: true,
        chain_id: input.chain_id,
        schema: input.schema,
    };
    Ok(result.encode().into())
}

/// The words that a header gives.
pub(super) fn of_header(header: &BlockHeader) -> ExecuteResult {
    ExecuteResult {
        slot_number: header.slot_number.unwrap_or_default(),
        parent_hash: header.parent_hash,
        number: header.number,
        timestamp: header.timestamp,
        fee_recipient: header.beneficiary,
        prev_randao: header.mix_hash,
        gas_limit: header.gas_limit,
        gas_used: header.gas_used,
        base_fee: header.base_fee_per_gas.unwrap_or_default(),
        state_root: header.state_root,
        receipts_root: header.receipts_root,
        anchor: header.parent_beacon_block_root.unwrap_or_default(),
        blobs_hash: blobs_hash(&[]),
        requests_hash: header.requests_hash.unwrap_or_default(),
        extra_data_hash: keccak256(&header.extra_data),
        ..ExecuteResult::default()
    }
}

/// What both forms ask of a rollup's block, and then the function that judges every block. The witness comes along.
fn check(
    context: &Context<'_>,
    input: &StatelessInput,
    options: &VerifyOptions,
) -> Result<(Verified, Witness), Stop> {
    let payload = &input.request.payload;
    if !payload.withdrawals.is_empty() {
        return Err(Forbidden::Withdrawals.into());
    }
    if payload.blob_gas_used != 0 || payload.excess_blob_gas != 0 {
        return Err(Forbidden::BlobGas.into());
    }
    if !input.request.versioned_hashes.is_empty() {
        return Err(Forbidden::VersionedHashes.into());
    }
    let types = payload.transactions.iter().filter_map(|raw| raw.first());
    if let Some(kind) = types.copied().find(|kind| FORBIDDEN_TYPES.contains(kind)) {
        return Err(Forbidden::Transaction(kind).into());
    }
    let (spec, rules) = rollup(context, input.chain_id)?;
    check_schema(context, input.schema, payload.timestamp)?;
    // Senders are recovered before anything runs: that is paid for too.
    let least = (payload.transactions.len() as u64).saturating_mul(MIN_TX_GAS);
    if let Some(bound) = options.gas_bound.filter(|bound| payload.gas_used.max(least) > *bound) {
        return Err(FailureClass::GasBound(bound).into());
    }
    let opened = open(&spec, input, options)?;
    // What must be known of the parent before anything is computed on it. Where it is not in the witness, that is found out next.
    if let Some(parent) = opened.witness.header(payload.parent_hash) {
        check_parent(parent)?;
        check_system_contracts(&opened.witness.state_after(parent))?;
    }
    Ok(verify_on(&spec, &rules, input, opened, options)?)
}

/// Blobs (EIP-4844), and messages that nobody signed.
const FORBIDDEN_TYPES: [u8; 2] = [0x03, 0x7e];
