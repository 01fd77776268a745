//! The one function by which a block is validated without its state.

use alloy_eips::eip7685::Requests;
use alloy_primitives::{B256, U256};
use ethrex_stf::{
    Code, Executed, InvalidBlock, Means, Rules, RunError, check_body, check_content, check_header,
    execute_within,
};
use ethrex_types::{
    BlockAccessList, ChainSpec, Missing, Receipt, RecoveredBlock, SealedHeader, StateError, helped,
};

use crate::{Witness, access_set};

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
    /// Wei that fees burned.
    pub burned_fees: U256,
    /// What the block touched (EIP-7928), from Amsterdam on.
    pub block_access_list: Option<BlockAccessList>,
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
    /// Something on our side failed, which only what a chain injects into execution can: nothing is known about the block.
    #[error("fault while validating")]
    Fault(#[source] StateError),
}

impl From<StateError> for ValidateError {
    fn from(error: StateError) -> Self {
        match error {
            StateError::Missing(_) | StateError::Malformed(_) => Self::Witness(error),
            StateError::NoRoot | StateError::Backend(_) => Self::Fault(error),
        }
    }
}

impl From<RunError<InvalidBlock>> for ValidateError {
    fn from(error: RunError<InvalidBlock>) -> Self {
        match error {
            RunError::Invalid(why) => Self::Invalid(why),
            RunError::Fault(fault) => fault.into(),
        }
    }
}

/// Validates a block against its parent and the state in `witness`, from the header to the state root.
///
/// The witness must hold all that the block touches by its access list, where it has one, and not only what this program
/// reads. A node more or less on our side would otherwise decide what is valid.
///
/// Of a block before the merge the difficulty is checked against the parent's, and not the total difficulty, which no witness has.
///
/// # Errors
/// [`ValidateError::Invalid`] is a verdict on the block; the others are verdicts on the witness alone.
pub fn validate(
    spec: &ChainSpec,
    rules: &dyn Rules,
    block: &RecoveredBlock,
    witness: &Witness,
) -> Result<Validated, ValidateError> {
    let parent = check_parent(spec, block, witness)?;
    check_body(spec, block.sealed().block()).map_err(ValidateError::Invalid)?;
    run(spec, rules, block, witness, parent, None)
}

/// The same for a block whose header was made from its body, and for a caller that has paid for a bounded amount of gas; see
/// [`ethrex_stf::execute_within`].
pub(crate) fn validate_made(
    spec: &ChainSpec,
    rules: &dyn Rules,
    block: &RecoveredBlock,
    witness: &Witness,
    gas_bound: Option<u64>,
) -> Result<Validated, ValidateError> {
    let parent = check_parent(spec, block, witness)?;
    check_content(spec, block.sealed().block()).map_err(ValidateError::Invalid)?;
    run(spec, rules, block, witness, parent, gas_bound)
}

/// The parent, by which the header is checked.
fn check_parent<'w>(
    spec: &ChainSpec,
    block: &RecoveredBlock,
    witness: &'w Witness,
) -> Result<&'w SealedHeader, ValidateError> {
    let header = block.sealed().header();
    let parent =
        witness.header(header.parent_hash).ok_or(ValidateError::NoParent(header.parent_hash))?;
    check_header(spec, header, parent).map_err(ValidateError::Invalid)?;
    Ok(parent)
}

/// Executes the block, and compares the state root.
fn run(
    spec: &ChainSpec,
    rules: &dyn Rules,
    block: &RecoveredBlock,
    witness: &Witness,
    parent: &SealedHeader,
    gas_bound: Option<u64>,
) -> Result<Validated, ValidateError> {
    if !block.sealed().body().ommers.is_empty() {
        return Err(ValidateError::Witness(StateError::Missing(Missing::Ommers)));
    }
    let (header, parent_state_root) = (block.sealed().header(), parent.state_root);
    let (state, means) =
        (witness.state_after(parent), Means { gas_bound, codes: Some(witness.codes()) });
    // One thread executes. Which codes it will come to is known, so another makes them ready.
    let mut codes = witness.codes().iter();
    let executed = helped(
        || execute_within(spec, rules, block, &state, means),
        || codes.next().map(Code::prepare).is_some(),
    )?;
    let Executed { receipts, requests, gas_used, burned_fees, diff, .. } = executed;
    if let Some(list) = &executed.block_access_list {
        state.require(&access_set(list), &executed.accesses.accounts)?;
    }
    let state_root = state.root_after(&diff)?;
    if state_root != header.state_root {
        return Err(ValidateError::Invalid(InvalidBlock::Root {
            what: "state root",
            got: header.state_root,
            want: state_root,
        }));
    }
    Ok(Validated {
        parent_state_root,
        state_root,
        receipts,
        requests,
        gas_used,
        burned_fees,
        block_access_list: executed.block_access_list,
    })
}
