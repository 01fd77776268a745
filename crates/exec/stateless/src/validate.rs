//! The one function by which a block is validated without its state.

use alloy_eips::eip7685::Requests;
use alloy_primitives::B256;
use ethrex_stf::{Executed, InvalidBlock, Rules, RunError, check_body, check_header, execute};
use ethrex_trie::update_state;
use ethrex_types::{ChainSpec, Receipt, RecoveredBlock, StateError};

use crate::Witness;

/// A block that holds every rule of its chain.
#[derive(Debug, Clone)]
pub struct Validated {
    /// State root before the block.
    pub parent_state_root: B256,
    /// State root after it.
    pub state_root: B256,
    /// One receipt per transaction.
    pub receipts: Vec<Receipt>,
    /// EIP-7685 requests.
    pub requests: Requests,
    /// Gas used.
    pub gas_used: u64,
}

/// Why a block was not found valid.
#[derive(Debug, thiserror::Error)]
pub enum ValidateError {
    /// The block breaks a rule, whatever the witness.
    #[error("invalid block: {0}")]
    Invalid(InvalidBlock),
    /// The witness does not contain the parent's header.
    #[error("insufficient witness: header {0} is missing")]
    NoParent(B256),
    /// The witness lacks something, or a node in it is malformed: nothing is known about the block.
    #[error("insufficient witness")]
    Witness(#[source] StateError),
}

impl From<RunError<InvalidBlock>> for ValidateError {
    fn from(error: RunError<InvalidBlock>) -> Self {
        match error {
            RunError::Invalid(why) => Self::Invalid(why),
            RunError::Fault(fault) => Self::Witness(fault),
        }
    }
}

/// Validates a block against its parent and the state in `witness`, from the header to the state root.
///
/// # Errors
/// [`ValidateError::Invalid`] is a verdict on the block; the others are verdicts on the witness alone.
pub fn validate(
    spec: &ChainSpec,
    rules: &dyn Rules,
    block: &RecoveredBlock,
    witness: &Witness,
) -> Result<Validated, ValidateError> {
    let header = block.sealed().header();
    let parent =
        witness.header(header.parent_hash).ok_or(ValidateError::NoParent(header.parent_hash))?;
    check_header(spec, header, parent).map_err(ValidateError::Invalid)?;
    check_body(spec, block.sealed().block()).map_err(ValidateError::Invalid)?;
    let state = witness.state_after(parent);
    let Executed { receipts, requests, gas_used, diff, .. } = execute(spec, rules, block, &state)?;
    let update =
        update_state(witness.nodes(), parent.state_root, &diff).map_err(ValidateError::Witness)?;
    if update.root != header.state_root {
        return Err(ValidateError::Invalid(InvalidBlock::Root {
            what: "state root",
            got: header.state_root,
            want: update.root,
        }));
    }
    Ok(Validated {
        parent_state_root: parent.state_root,
        state_root: update.root,
        receipts,
        requests,
        gas_used,
    })
}
