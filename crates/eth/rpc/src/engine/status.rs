//! What is said about a block.

use alloy_primitives::{B64, B256};
use ethrex_chain::Rejection;
use serde::Serialize;

/// `PayloadStatusV1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PayloadStatus {
    pub(crate) status: Status,
    /// The newest valid block that the payload stands on, or the payload itself.
    pub(crate) latest_valid_hash: Option<B256>,
    /// Why it is invalid.
    pub(crate) validation_error: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(crate) enum Status {
    Valid,
    Invalid,
    Syncing,
    Accepted,
    /// Said by `engine_newPayloadV1` alone; later versions say [`Self::Invalid`].
    InvalidBlockHash,
}

/// What `engine_forkchoiceUpdated` answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ForkChoiceUpdated {
    pub(crate) payload_status: PayloadStatus,
    pub(crate) payload_id: Option<B64>,
}

impl PayloadStatus {
    pub(crate) const fn valid(hash: B256) -> Self {
        Self { status: Status::Valid, latest_valid_hash: Some(hash), validation_error: None }
    }

    pub(crate) const fn syncing() -> Self {
        Self { status: Status::Syncing, latest_valid_hash: None, validation_error: None }
    }

    pub(crate) const fn accepted() -> Self {
        Self { status: Status::Accepted, latest_valid_hash: None, validation_error: None }
    }

    /// A payload that is no block, so that nothing is known about what it stands on.
    pub(crate) fn malformed(status: Status, why: &impl ToString) -> Self {
        Self { status, latest_valid_hash: None, validation_error: Some(why.to_string()) }
    }
}

impl From<Rejection> for PayloadStatus {
    fn from(why: Rejection) -> Self {
        Self {
            status: Status::Invalid,
            latest_valid_hash: why.latest_valid,
            validation_error: Some(why.reason),
        }
    }
}

impl From<PayloadStatus> for ForkChoiceUpdated {
    fn from(payload_status: PayloadStatus) -> Self {
        Self { payload_status, payload_id: None }
    }
}
