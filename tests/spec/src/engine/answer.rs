//! Whether an answer is the one that the specification of the Engine API has for a payload of a fixture.

use alloy_primitives::B256;
use serde_json::Value;

use super::node::Answer;

/// What is wrong with an answer.
#[derive(Debug, thiserror::Error)]
pub enum Wrong {
    /// A call is refused that is in order.
    #[error("refused with {code}: {why}")]
    Refused {
        /// The code.
        code: i32,
        /// The message.
        why: String,
    },
    /// The answer says something else.
    #[error("{answer} instead of {want}")]
    Instead {
        /// What came.
        answer: String,
        /// What should have come.
        want: String,
    },
    /// An invalid payload is refused for another reason.
    #[error("invalid, but not for {expected}: {reason}")]
    OtherReason {
        /// What is wrong with it.
        expected: String,
        /// Our reason.
        reason: String,
    },
}

/// What an invalid payload is.
pub(super) enum Invalid {
    /// A block that breaks a rule, on a valid parent.
    Block,
    /// No block, or another than it says.
    NoBlock,
}

/// The call is refused with this code.
pub(super) fn refused(answer: Answer, code: &str) -> Result<(), Wrong> {
    match answer {
        Err(error) if error.code().to_string() == code => Ok(()),
        Err(error) => Err(Wrong::Refused { code: error.code(), why: error.to_string() }),
        Ok(answer) => Err(instead(&answer, format!("error {code}"))),
    }
}

/// The payload with this hash is valid.
pub(super) fn valid(answer: Answer, hash: B256) -> Result<(), Wrong> {
    status(answer, "VALID", Some(hash)).map(drop)
}

/// Nobody can say yet.
pub(super) fn syncing(answer: Answer) -> Result<(), Wrong> {
    status(answer, "SYNCING", None).map(drop)
}

/// The payload on this valid parent is invalid for what a fixture calls `expected`.
pub(super) fn invalid(answer: Answer, parent: B256, expected: &str) -> Result<Invalid, Wrong> {
    let answer = answered(answer)?;
    let reason = answer["validationError"].as_str().unwrap_or_default().to_owned();
    let malformed = MALFORMED.iter().any(|part| reason.contains(part));
    status(Ok(answer), "INVALID", (!malformed).then_some(parent))?;
    let names = expected.split('|');
    let listed = names.filter_map(|name| REASONS.iter().find(|(listed, _)| *listed == name));
    if !listed.flat_map(|(_, ours)| ours.iter()).any(|part| reason.contains(part)) {
        return Err(Wrong::OtherReason { expected: expected.into(), reason });
    }
    Ok(if malformed { Invalid::NoBlock } else { Invalid::Block })
}

/// The one body is that of the payload.
pub(super) fn body(answer: Answer, payload: &Value) -> Result<(), Wrong> {
    let bodies = answered(answer)?;
    let same = |name: &str| {
        let (ours, theirs) = (&bodies[0][name], &payload[name]);
        ours.to_string().eq_ignore_ascii_case(&theirs.to_string())
    };
    if same("transactions") && same("withdrawals") {
        Ok(())
    } else {
        Err(instead(&bodies, "the body of the payload".into()))
    }
}

fn answered(answer: Answer) -> Result<Value, Wrong> {
    answer.map_err(|error| Wrong::Refused { code: error.code(), why: error.to_string() })
}

fn status(answer: Answer, status: &str, latest_valid: Option<B256>) -> Result<Value, Wrong> {
    let answer = answered(answer)?;
    let hash = answer["latestValidHash"].as_str().and_then(|hash| hash.parse().ok());
    let reasoned = answer["validationError"].is_string();
    if answer["status"] == status && hash == latest_valid && reasoned == (status == "INVALID") {
        return Ok(answer);
    }
    let hash = latest_valid.map_or("none".into(), |hash| hash.to_string());
    Err(instead(&answer, format!("{status} with the latest valid hash {hash}")))
}

fn instead(answer: &Value, want: String) -> Wrong {
    Wrong::Instead { answer: answer.to_string(), want }
}

/// Parts of our reasons against what is no block, so that nothing is known of its ancestors: `latestValidHash` is `null`.
const MALFORMED: [&str; 5] = [
    "does not decode",
    "is not encoded canonically",
    "does not fit in 64 bits",
    "block hash mismatch",
    "versioned hashes are not those",
];

/// A part of our reason for each exception of the fixtures. One that is not listed matches nothing, so that new fixtures ask for a new
/// line.
const REASONS: &[(&str, &[&str])] = &[
    ("BlockException.INCORRECT_EXCESS_BLOB_GAS", &["excess blob gas mismatch"]),
    ("BlockException.INVALID_BLOCK_HASH", &["block hash mismatch"]),
    ("BlockException.INVALID_DEPOSIT_EVENT_LAYOUT", &["deposit event has an invalid layout"]),
    ("BlockException.INVALID_GASLIMIT", &["gas limit"]),
    ("BlockException.INVALID_REQUESTS", &["requests hash mismatch"]),
    ("BlockException.INVALID_WITHDRAWALS_ROOT", &["withdrawals root mismatch"]),
    ("BlockException.RLP_STRUCTURES_ENCODING", &["does not decode", "not encoded canonically"]),
    ("BlockException.SYSTEM_CONTRACT_CALL_FAILED", &["failed to apply"]),
    ("BlockException.SYSTEM_CONTRACT_EMPTY", &["system contract"]),
    ("TransactionException.GASLIMIT_PRICE_PRODUCT_OVERFLOW", &["lack of funds", "does not decode"]),
    ("TransactionException.GAS_ALLOWANCE_EXCEEDED", &["gas left in the block"]),
    ("TransactionException.GAS_LIMIT_EXCEEDS_MAXIMUM", &["greater than the cap"]),
    ("TransactionException.INITCODE_SIZE_EXCEEDED", &["initcode size"]),
    ("TransactionException.INSUFFICIENT_ACCOUNT_FUNDS", &["lack of funds"]),
    (
        "TransactionException.INSUFFICIENT_MAX_FEE_PER_BLOB_GAS",
        &["is greater than max fee per blob gas"],
    ),
    ("TransactionException.INSUFFICIENT_MAX_FEE_PER_GAS", &["less than basefee"]),
    ("TransactionException.INTRINSIC_GAS_BELOW_FLOOR_GAS_COST", &["gas floor"]),
    ("TransactionException.INTRINSIC_GAS_TOO_LOW", &["call gas cost", "gas floor"]),
    ("TransactionException.NONCE_IS_MAX", &["nonce overflow"]),
    ("TransactionException.PRIORITY_GREATER_THAN_MAX_FEE_PER_GAS", &["priority fee is greater"]),
    ("TransactionException.SENDER_NOT_EOA", &["senders with deployed code"]),
    ("TransactionException.TYPE_3_TX_BLOB_COUNT_EXCEEDED", &["too many blobs", "blob gas used"]),
    ("TransactionException.TYPE_3_TX_CONTRACT_CREATION", &["does not decode"]),
    ("TransactionException.TYPE_3_TX_INVALID_BLOB_VERSIONED_HASH", &["blob version"]),
    (
        "TransactionException.TYPE_3_TX_MAX_BLOB_GAS_ALLOWANCE_EXCEEDED",
        &["too many blobs", "blob gas used"],
    ),
    ("TransactionException.TYPE_3_TX_WITH_FULL_BLOBS", &["does not decode"]),
    ("TransactionException.TYPE_3_TX_ZERO_BLOBS", &["empty blobs"]),
    ("TransactionException.TYPE_4_EMPTY_AUTHORIZATION_LIST", &["empty authorization list"]),
    ("TransactionException.TYPE_4_TX_CONTRACT_CREATION", &["does not decode"]),
    ("TransactionException.TYPE_4_TX_PRE_FORK", &["7702"]),
];
