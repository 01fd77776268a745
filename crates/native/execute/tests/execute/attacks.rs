//! Every attack on blocks and witnesses that a stateless validator is held to, through every form of input: the class of the failure, the exact
//! gas, and a caller that goes on.

use std::collections::BTreeSet;

use alloy_primitives::keccak256;
use ethrex_execute::{Attributes, DeriveInput, Flags, Header, Mode};
use ethrex_stateless::{
    StatelessInput, StatelessValidationResult,
    testing::attacks::{self, Answer, Attack},
};

use super::{onchain::on_l1, *};

/// Gas that a call of a contract can forward in one transaction, and a bound that covers a block in it.
const ON_CHAIN_GAS: u64 = 14_000_000;
const ON_CHAIN_BOUND: u64 = 6_000_000;
/// Longest call data that leaves that much.
const ON_CHAIN_LEN: usize = 30_000;

const fn class(answer: Answer) -> Option<&'static str> {
    Some(match answer {
        Answer::Valid => return None,
        Answer::Undecodable => "undecodable",
        Answer::Input => "input",
        Answer::Witness => "witness_non_canonical",
        Answer::Insufficient => "witness_insufficient",
        Answer::Payload => "payload_invalid",
        Answer::Invalid => "block_invalid",
        Answer::Unbuildable => "unbuildable",
    })
}

/// The call has this outcome, costs this much where it succeeds and everything where it does not, and does nothing for one gas less.
#[track_caller]
fn has(name: &str, input: &[u8], cost: u64, expected: Option<&str>, says: &str) -> Option<Bytes> {
    let short = call(cost - 1, input);
    assert_eq!(short.gas_charged, cost - 1, "{name}");
    assert_eq!(short.result.unwrap_err().name(), "out_of_gas", "{name}");
    let outcome = call(PLENTY, input);
    match outcome.result {
        Ok(output) => {
            assert_eq!(None, expected, "{name}");
            assert_eq!(outcome.gas_charged, cost, "{name}");
            Some(output)
        }
        Err(found) => {
            assert_eq!(Some(found.name()), expected, "{name}: {found}");
            assert_eq!(outcome.gas_charged, PLENTY, "{name}");
            let said = found.to_string();
            assert!(
                found.name() == "witness_insufficient" || said.contains(says),
                "{name}: {said}"
            );
            None
        }
    }
}

/// The bytes of a block and its witness as BLOCK, and what they cost.
fn block(input: &StatelessInput, gas_bound: u64) -> (Vec<u8>, u64) {
    let header = Header { mode: Mode::Block, level: 1, flags: Flags::NONE, gas_bound };
    let body = ethrex_execute::BlockBody { input: input.clone(), inclusion_list: None };
    let envelope = header.wrap(&body.encode());
    let cost = 50_000 + 8 * envelope.len() as u64 + gas_bound;
    (envelope, cost)
}

/// What DERIVE is given of the same input.
fn derivation(input: &StatelessInput) -> DeriveInput {
    let payload = &input.request.payload;
    let mut ancestors = input.witness.headers.clone();
    let parent_header = ancestors.pop().unwrap_or_default();
    let mut witness = input.witness.clone();
    witness.headers.clear();
    DeriveInput {
        schema_id: input.schema,
        chain_id: input.chain_id,
        parent_header,
        ancestors,
        attributes: Attributes {
            timestamp: payload.timestamp,
            fee_recipient: payload.fee_recipient,
            prev_randao: payload.prev_randao,
            gas_limit: payload.gas_limit,
            slot_number: payload.slot_number,
            extra_data: payload.extra_data.clone(),
            anchor: input.request.parent_beacon_block_root,
        },
        forced: vec![],
        posted: payload.transactions.clone(),
        witness,
    }
}

fn derive(input: &DeriveInput, gas_bound: u64) -> (Vec<u8>, u64) {
    let header = Header { mode: Mode::Derive, level: 1, flags: Flags::NONE, gas_bound };
    let envelope = header.wrap(&input.encode());
    let cost = 50_000 + 8 * envelope.len() as u64 + gas_bound + 6_000 * input.posted.len() as u64;
    (envelope, cost)
}

/// What BLOCK says is the block that was given.
#[track_caller]
fn through_block(attack: &Attack) {
    let Attack { name, input, canonical, says, .. } = attack;
    let payload = &input.request.payload;
    let (envelope, cost) = block(input, payload.gas_limit);
    let Some(output) = has(name, &envelope, cost, class(*canonical), says) else { return };
    let result = ExecuteResult::decode(&output).unwrap();
    assert_eq!(result.block_hash, payload.block_hash, "{name}");
    assert_eq!(result.parent_hash, payload.parent_hash, "{name}");
    assert_eq!(result.state_root, payload.state_root, "{name}");
    assert_eq!(result.anchor, input.request.parent_beacon_block_root, "{name}");
}

/// PLAIN takes other witnesses too, and no requests.
#[track_caller]
fn through_plain(attack: &Attack) {
    let Attack { name, input, tolerant, says, .. } = attack;
    let bytes = input.encode();
    let cost = input.request.payload.gas_limit + 16 * bytes.len() as u64;
    let (expected, says) = match input.request.requests.is_empty() {
        true => (class(*tolerant), *says),
        false => (Some("forbidden"), "requests"),
    };
    let Some(output) = has(name, &bytes, cost, expected, says) else { return };
    let result = StatelessValidationResult::decode(&output).unwrap();
    assert!(result.successful, "{name}");
    assert_eq!(result.request_root, input.request.hash_tree_root(), "{name}");
}

/// DERIVE is not told what the block is. Where all that it is told is honest, it gives the honest block; where something is not, the result shows
/// it, and is another block.
#[track_caller]
fn through_derive(attack: &Attack) {
    let Attack { name, honest, input, derived, .. } = attack;
    let told = derivation(input);
    let (envelope, cost) = derive(&told, honest.request.payload.gas_limit);
    let Some(output) = has(name, &envelope, cost, class(*derived), "") else { return };
    let result = ExecuteResult::decode(&output).unwrap();
    assert_eq!(result.parent_hash, keccak256(&told.parent_header), "{name}");
    assert_eq!(result.posted_root, ethrex_execute::roots::keccak_chain(&told.posted), "{name}");
    let Attributes { timestamp, fee_recipient, prev_randao, slot_number, anchor, .. } =
        &told.attributes;
    assert_eq!((&result.timestamp, &result.slot_number), (timestamp, slot_number), "{name}");
    assert_eq!((&result.prev_randao, &result.anchor), (prev_randao, anchor), "{name}");
    assert_eq!(result.fee_recipient, *fee_recipient, "{name}");
    let beside_witness = |input: DeriveInput| {
        let (ancestors, witness) = Default::default();
        DeriveInput { ancestors, witness, ..input }
    };
    let is_honest = beside_witness(derivation(honest)) == beside_witness(told);
    assert_eq!(result.block_hash == honest.request.payload.block_hash, is_honest, "{name}");
}

/// The same where a contract calls: it sees nothing but success or failure, and goes on.
#[track_caller]
fn on_chain(name: &str, (input, cost): (Vec<u8>, u64), answer: Answer) {
    if input.len() > ON_CHAIN_LEN {
        return;
    }
    let success = call(ON_CHAIN_GAS, &input).result.is_ok();
    assert!(!success || (answer == Answer::Valid && cost <= ON_CHAIN_GAS), "{name}");
    let (_, _, seen) = on_l1(&input, 0);
    assert_eq!((seen.success, seen.size), (success, if success { 768 } else { 0 }), "{name}");
    if success {
        assert!(seen.gas_used > cost, "{name}");
    } else {
        assert!(seen.gas_used > onchain::GAS / 100 * 97, "{name}: {} gas used", seen.gas_used);
    }
}

#[track_caller]
fn found_out(attacks: Vec<Attack>) {
    let mut seen = BTreeSet::new();
    for attack in attacks {
        through_block(&attack);
        through_plain(&attack);
        through_derive(&attack);
        // One of each kind: what a contract sees does not depend on more.
        let Attack { name, input, canonical, derived, .. } = &attack;
        if seen.insert((class(*canonical), class(*derived))) {
            on_chain(name, block(input, ON_CHAIN_BOUND), *canonical);
            on_chain(name, derive(&derivation(input), ON_CHAIN_BOUND), *derived);
        }
    }
}

#[test]
fn s02_what_the_block_commits_to() {
    found_out(attacks::s02());
}

#[test]
fn s04_base_fees() {
    found_out(attacks::s04());
}

#[test]
fn s05_the_parent_is_the_header_that_hashes_to_it() {
    found_out(attacks::s05());
}

#[test]
fn s06_headers_lead_to_the_parent() {
    found_out(attacks::s06());
}

#[test]
fn s07_header_fields() {
    found_out(attacks::s07());
}

#[test]
fn s11_the_anchor_and_the_system_contracts() {
    found_out(attacks::s11());
}

#[test]
fn s12_delegations() {
    found_out(attacks::s12());
}

#[test]
fn s13_code_is_what_hashes_to_it_and_has_a_limit() {
    found_out(attacks::s13());
}

#[test]
fn w04_a_state_that_no_update_makes() {
    found_out(attacks::w04());
}

#[test]
fn w05_a_node_counts_where_it_is_named() {
    found_out(attacks::w05());
}

#[test]
fn w06_absence_needs_the_node_that_shows_it() {
    found_out(attacks::w06());
}

#[test]
fn w07_deletions_collapse_and_their_survivors_are_witnessed() {
    found_out(attacks::w07());
}

#[test]
fn w08_the_access_list_is_what_the_block_touches() {
    found_out(attacks::w08());
}

#[test]
fn w09_nodes_codes_and_headers_keep_to_their_lists() {
    found_out(attacks::w09());
}
