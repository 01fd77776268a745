//! What a revert of `verifyBatches` means.

use ethrex_l1::Revert;
use ethrex_protocol::contracts::OnChainProposer;

use crate::message::ProverType;

/// Why L1 does not verify, as far as we can do something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A proof of this kind does not verify.
    BadProof(ProverType),
    /// Somebody else was faster, or L1 is being reorganised.
    Stale,
    /// Messages of L1 wait for longer than the bridge allows.
    Expired,
    /// Only an operator can tell.
    Other,
}

impl Verdict {
    pub(super) fn of(revert: &Revert) -> Self {
        if revert.is::<OnChainProposer::InvalidRisc0Proof>() {
            Self::BadProof(ProverType::Risc0)
        } else if revert.is::<OnChainProposer::InvalidSp1Proof>() {
            Self::BadProof(ProverType::Sp1)
        } else if revert.is::<OnChainProposer::InvalidTdxProof>() {
            Self::BadProof(ProverType::Tdx)
        } else if revert.is::<OnChainProposer::BatchNotSequential>()
            || revert.is::<OnChainProposer::BatchNotCommitted>()
        {
            Self::Stale
        } else if revert.is::<OnChainProposer::ExpiredPrivilegedTransactionDeadline>() {
            Self::Expired
        } else {
            Self::Other
        }
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::hex;

    use super::*;

    #[track_caller]
    fn check(selector: &str, verdict: Verdict) {
        let data = hex::decode(selector).unwrap().into();
        assert_eq!(Verdict::of(&Revert { data }), verdict, "{selector}");
    }

    #[test]
    fn reverts_are_told_apart_by_selector() {
        check("14add973", Verdict::BadProof(ProverType::Risc0));
        check("7ff849b5", Verdict::BadProof(ProverType::Sp1));
        check("62013a95", Verdict::BadProof(ProverType::Tdx));
        check("ceb05a46", Verdict::Stale);
        check("c26a3294", Verdict::Stale);
        check("1420ad0b", Verdict::Expired);
        check("d93c0665", Verdict::Other);
        check("", Verdict::Other);
    }
}
