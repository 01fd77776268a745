//! DERIVE: the block that follows from posted data.

use std::sync::Arc;

use alloy_primitives::{Bytes, U256, keccak256};
use ethrex_stateless::{ExecutionWitness, Witness, payload_of};

use super::{
    Context, Stop, block::of_header, check_parent, check_schema, check_system_contracts, rollup,
};
use crate::{
    ExecuteResult,
    derive::{Derivation, DeriveError, Frame, ParentState},
    envelope::{DeriveInput, Flags, Header, Mode},
    failure::FailureClass,
};

pub(super) fn derive(
    context: &Context<'_>,
    header: &Header,
    body: &Bytes,
) -> Result<ExecuteResult, Stop> {
    let input = DeriveInput::decode(body)?;
    let (spec, rules) = rollup(context, input.chain_id)?;
    check_schema(context, input.schema_id, input.attributes.timestamp)?;
    let parent_hash = keccak256(&input.parent_header);
    let DeriveInput { witness: ExecutionWitness { state, codes, .. }, mut ancestors, .. } = input;
    ancestors.push(input.parent_header);
    let witness = ExecutionWitness { state, codes, keys: Vec::new(), headers: ancestors };
    let witness = Witness::decode_canonical(&witness, parent_hash)
        .map_err(FailureClass::WitnessNonCanonical)?;
    let parent = witness.header(parent_hash).ok_or(FailureClass::NoParent)?;
    check_parent(parent)?;
    let reader = witness.state_after(parent);
    check_system_contracts(&reader)?;

    let frame = Frame {
        spec: &spec,
        rules: &rules,
        caps: context.config.caps,
        parent,
        attributes: &input.attributes,
    };
    let state = ParentState { reader: &reader, nodes: witness.nodes() };
    let derivation = Derivation::prepare(&frame, state)?;
    let derived = derivation.derive(&input.forced, &input.posted, Some(header.gas_bound))?;
    let block = derivation.seal(&derived)?;
    let list = derived.built.block_access_list.as_ref().map(alloy_rlp::encode).unwrap_or_default();
    let request = payload_of(&block, &derived.built.requests, list.into())
        .map_err(FailureClass::NotAPayload)?;
    let burned_fees =
        if header.flags.has(Flags::BURNED_FEES) { derived.built.burned_fees } else { U256::ZERO };
    Ok(ExecuteResult {
        mode: Mode::Derive.id(),
        level: header.level,
        chain_id: input.chain_id,
        schema_id: input.schema_id,
        request_root: request.hash_tree_root(),
        block_hash: block.hash(),
        parent_state_root: parent.state_root,
        posted_root: derived.posted_root,
        forced_root: derived.forced_root,
        forced_count: derived.forced_count as u64,
        posted_count: input.posted.len() as u64,
        dropped_count: derived.dropped_count as u64,
        included_count: derived.included_count as u64,
        burned_fees,
        ..of_header(block.header())
    })
}

impl From<DeriveError> for Stop {
    fn from(error: DeriveError) -> Self {
        match error {
            DeriveError::Unbuildable(why) => FailureClass::Unbuildable(Arc::new(why)).into(),
            DeriveError::GasBound(bound) => FailureClass::GasBound(bound).into(),
            DeriveError::State(error) => error.into(),
        }
    }
}
