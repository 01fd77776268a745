//! Every attack of the lists, in both strictnesses: what is wrong is found, and named.

use std::error::Error;

use alloy_primitives::Bytes;
use ethrex_stateless::{
    StatelessInput, VerifyError, VerifyOptions,
    ssz::SszError,
    testing::{
        TestChain,
        attacks::{self, Answer, Attack},
    },
};

use crate::{CANONICAL, TOLERANT, judge};

/// An error and its causes.
fn said(error: &dyn Error) -> String {
    match error.source() {
        Some(source) => format!("{error}: {}", said(source)),
        None => error.to_string(),
    }
}

/// What is said to the bytes of an input, and why.
fn answer(input: &StatelessInput, options: &VerifyOptions) -> (Answer, String) {
    let decoded = match StatelessInput::decode(&Bytes::from(input.encode())) {
        Ok(decoded) => decoded,
        Err(error @ SszError::Schema(_)) => panic!("{error}"),
        Err(error) => return (Answer::Undecodable, said(&error)),
    };
    assert_eq!(&decoded, input);
    let spec = TestChain::new(&[]);
    let error = match judge(spec.spec(), &decoded, options) {
        Ok(verified) => {
            assert_eq!(verified.block.sealed().hash(), input.request.payload.block_hash);
            return (Answer::Valid, String::new());
        }
        Err(error) => error,
    };
    let class = match &error {
        VerifyError::Input(_) => Answer::Input,
        VerifyError::Witness(_) => Answer::Witness,
        VerifyError::NoParent(_) | VerifyError::Insufficient(_) => Answer::Insufficient,
        VerifyError::Payload(_) => Answer::Payload,
        VerifyError::Invalid(_) => Answer::Invalid,
        VerifyError::Fault(fault) => panic!("{fault}"),
    };
    (class, said(&error))
}

#[track_caller]
fn found_out(attacks: Vec<Attack>) {
    for Attack { name, input, canonical, tolerant, says, .. } in attacks {
        for (expected, options) in [(canonical, &CANONICAL), (tolerant, &TOLERANT)] {
            let (found, said) = answer(&input, options);
            assert_eq!(found, expected, "{name}: {said}");
            if !matches!(found, Answer::Valid | Answer::Insufficient) {
                assert!(said.contains(says), "{name}: {said}");
            }
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
