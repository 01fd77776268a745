//! Finding the transaction that makes a block fail its own check.
//!
//! Building and checking are two paths through the same rules; where they disagree one of them is wrong, and the transaction that
//! shows it must not stop the chain. Prefixes of the block are built and checked until the first that fails.

use alloy_primitives::B256;
use ethrex_chain::{BuildError, Chain, Stored};
use ethrex_stf::{BlockAttributes, RunError};
use ethrex_types::SealedHeader;

use crate::checker::check;

/// Who is to blame for a failed check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Culprit {
    /// This transaction: the block fails with it and passes without.
    Transaction {
        /// Position in the block.
        index: usize,
        /// Its hash.
        hash: B256,
    },
    /// No transaction: the block fails even empty.
    EmptyBlock,
    /// The check passes now: what failed was not the block.
    None,
}

/// Builds and checks growing prefixes of `bad` on its parent, by bisection.
///
/// # Errors
/// If a block cannot be built: a fault, not a finding.
pub(crate) fn find(
    chain: &Chain,
    parent: &SealedHeader,
    attributes: &BlockAttributes,
    bad: &Stored,
) -> Result<Culprit, BuildError> {
    let total = bad.block.senders().len();
    let fails = |count: usize| -> Result<bool, BuildError> {
        let prefix = chain.build(parent, attributes, |builder| {
            for (tx, sender) in bad.block.transactions().take(count) {
                match builder.push(tx.clone(), sender) {
                    Ok(_) | Err(RunError::Invalid(_)) => {}
                    Err(RunError::Fault(fault)) => return Err(fault),
                }
            }
            Ok(())
        })?;
        let block = prefix.block.sealed().clone();
        let witness = prefix.witness.expect("the chain of a rollup records witnesses");
        Ok(check(chain.spec(), chain.rules().as_ref(), block, &witness).is_err())
    };
    if fails(0)? {
        return Ok(Culprit::EmptyBlock);
    }
    if !fails(total)? {
        return Ok(Culprit::None);
    }
    // Invariant: the first `good` transactions pass, the first `bad_at` fail.
    let (mut good, mut bad_at) = (0, total);
    while bad_at - good > 1 {
        let middle = good + (bad_at - good) / 2;
        if fails(middle)? { bad_at = middle } else { good = middle }
    }
    let index = bad_at - 1;
    let (tx, _) = bad.block.transactions().nth(index).expect("the index is within the block");
    Ok(Culprit::Transaction { index, hash: tx.hash() })
}
