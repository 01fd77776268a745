//! What it means that the contract refuses a batch.

use ethrex_l1::Revert;
use ethrex_protocol::contracts::{OnChainProposer, Timelock};

/// What a revert of `commitBatch` asks of us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// L1 stands elsewhere than we believed.
    Reconcile,
    /// It may work later.
    Wait(&'static str),
    /// The batch has executed messages that L1 did not send.
    PrivilegedMismatch,
    /// It will never work.
    Stop(&'static str),
}

impl Refusal {
    pub(crate) fn of(revert: &Revert) -> Self {
        if revert.is::<OnChainProposer::BatchNumberNotSuccessor>()
            || revert.is::<OnChainProposer::BatchAlreadyCommitted>()
        {
            Self::Reconcile
        } else if revert.is::<OnChainProposer::InvalidPrivilegedTransactionLogs>()
            || revert.is::<OnChainProposer::InvalidL2MessageRollingHash>()
        {
            Self::PrivilegedMismatch
        } else if revert.is::<OnChainProposer::MissingVerificationKeyForCommit>() {
            Self::Wait("the contract has no verification key for this version of the program")
        } else if revert.is::<Timelock::AccessControlUnauthorizedAccount>() {
            Self::Wait("the committer's account is no sequencer of the Timelock")
        } else if revert.is::<OnChainProposer::RollupBlobNotPublished>()
            || revert.is::<OnChainProposer::ValidiumBlobPublished>()
        {
            Self::Stop("rollup and contract disagree on whether blobs are published")
        } else if revert.is::<OnChainProposer::LastBlockHashIsZero>() {
            Self::Stop("the last block hash is zero")
        } else {
            Self::Wait("the contract may be paused")
        }
    }
}

#[cfg(test)]
mod tests {
    use alloy_sol_types::SolError;

    use super::*;

    #[test]
    fn refusals_are_told_apart() {
        #[track_caller]
        fn check(data: Vec<u8>, expected: Refusal) {
            assert_eq!(Refusal::of(&Revert { data: data.into() }), expected);
        }
        check(OnChainProposer::BatchNumberNotSuccessor {}.abi_encode(), Refusal::Reconcile);
        check(OnChainProposer::BatchAlreadyCommitted {}.abi_encode(), Refusal::Reconcile);
        check(
            OnChainProposer::InvalidPrivilegedTransactionLogs {}.abi_encode(),
            Refusal::PrivilegedMismatch,
        );
        let stop = Refusal::of(&Revert {
            data: OnChainProposer::RollupBlobNotPublished {}.abi_encode().into(),
        });
        assert!(matches!(stop, Refusal::Stop(_)));
        assert!(matches!(Refusal::of(&Revert::default()), Refusal::Wait(_)));
    }
}
