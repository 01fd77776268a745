//! What a node's answer to a signed transaction means.
//!
//! There is no standard for these: the texts are those of geth, reth, anvil, nethermind, besu, erigon and ours.

use crate::error::NodeError;

/// A node's answer, by what we should do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The node has it, from now or from before.
    Accepted,
    /// The nonce is used up: this transaction or another with its nonce is mined.
    NonceTooLow,
    /// The node holds another transaction with this nonce, which offers too much to be replaced by this one.
    ReplacementUnderpriced,
    /// The fees are below what the node takes at present.
    Underpriced,
    /// The account cannot pay.
    InsufficientFunds,
    /// The node cannot take it now: full pool, nonce gap, the other kind pending, rate limit.
    NotNow,
    /// The node will never take these bytes.
    Invalid,
}

impl Answer {
    /// Sorts a refusal.
    pub fn of_refusal(refusal: &NodeError) -> Self {
        let message = refusal.message.to_ascii_lowercase();
        let says = |parts: &[&str]| parts.iter().any(|part| message.contains(part));
        if says(&[
            "already known",
            "alreadyknown",
            "already imported",
            "already in mempool",
            "already in pool",
            "already exists",
            "known transaction",
        ]) {
            Self::Accepted
        } else if says(&[
            "nonce too low",
            "nonce is too low",
            "nonce_too_low",
            "old nonce",
            "oldnonce",
        ]) {
            Self::NonceTooLow
        } else if says(&["replacement", "feetoolowtocompete", "could not replace"]) {
            Self::ReplacementUnderpriced
        } else if says(&[
            "insufficient funds",
            "insufficientfunds",
            "insufficient balance",
            "upfront cost exceeds",
            "doesn't have enough funds",
        ]) {
            Self::InsufficientFunds
        } else if says(&[
            "underpriced",
            "less than block base fee",
            "less than block blob",
            "fee too low",
            "below the minimum",
            "tip cap",
            "fee cap less",
            "feetoolow",
        ]) {
            Self::Underpriced
        } else if says(&[
            "intrinsic gas",
            "exceeds block gas limit",
            "gas limit exceeds",
            "exceeds maximum",
            "exceeds cap",
            "gas limit too high",
            "oversized",
            "invalid sender",
            "invalid chain",
            "chain id",
            "invalid signature",
            "rlp",
            "decode",
            "not supported",
            "unsupported",
            "initcode",
            "invalid blob",
            "kzg",
            "sidecar",
            "too many blobs",
            "tip higher than",
            "priority fee",
        ]) {
            Self::Invalid
        } else {
            Self::NotNow
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(message: &'static str, expected: Answer) {
        let refusal = NodeError { code: -32000, message: message.into() };
        assert_eq!(Answer::of_refusal(&refusal), expected, "{message}");
    }

    #[test]
    fn a_transaction_the_node_has_is_as_good_as_accepted() {
        check("already known", Answer::Accepted);
        check("transaction already imported", Answer::Accepted);
    }

    #[test]
    fn refusals_are_told_apart() {
        check("nonce too low: next nonce 5, tx nonce 3", Answer::NonceTooLow);
        check("replacement transaction underpriced", Answer::ReplacementUnderpriced);
        check("transaction underpriced", Answer::Underpriced);
        check("max fee per gas less than block base fee", Answer::Underpriced);
        check("insufficient funds for gas * price + value", Answer::InsufficientFunds);
        check("Insufficient funds for gas * price + value", Answer::InsufficientFunds);
        check("intrinsic gas too low", Answer::Invalid);
        check("exceeds block gas limit", Answer::Invalid);
        check("txpool is full", Answer::NotNow);
        check("address already reserved", Answer::NotNow);
        check("nonce too high", Answer::NotNow);
        check("something nobody has heard of", Answer::NotNow);
    }
}
