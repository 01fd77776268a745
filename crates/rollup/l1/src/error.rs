//! What can go wrong between us and L1, and how a loop reacts to it.
//!
//! A revert is not here as an error: it is L1's verdict on a call, and travels as a [`Revert`] value.

use std::{borrow::Cow, fmt};

use alloy_primitives::Bytes;
use alloy_sol_types::{Revert as SolRevert, SolError};
use alloy_transport::{RpcError, TransportError};

use crate::beacon::BeaconError;

/// How a driver's loop goes on after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    /// The same call may work later.
    Retry,
    /// What the loop believes is stale; it must read its starting point again.
    Reset,
    /// An operator must act.
    Stop,
}

/// A failed exchange with L1: the state of the world is unknown.
#[derive(Debug, thiserror::Error)]
pub enum L1Error {
    /// No endpoint was given.
    #[error("no L1 endpoint is configured")]
    NoEndpoint,
    /// The HTTP client could not be made.
    #[error("set up the HTTP client for L1")]
    HttpClient(#[source] reqwest::Error),
    /// No endpoint answered, or one answered with an error.
    #[error("{doing} on L1")]
    Rpc {
        /// What was being asked.
        doing: &'static str,
        /// What the transport or the node said.
        #[source]
        source: TransportError,
    },
    /// No beacon node answered with blobs.
    #[error("read a blob from a beacon node")]
    Beacon(#[source] BeaconError),
    /// L1 answered with something that does not decode.
    #[error("decode the answer to: {doing}")]
    Decode {
        /// What was being asked.
        doing: &'static str,
        /// Where decoding failed.
        #[source]
        source: alloy_sol_types::Error,
    },
    /// L1 answered `null` for something that must exist.
    #[error("{doing}: L1 has no such thing")]
    Absent {
        /// What was being asked.
        doing: &'static str,
    },
    /// The header of a block has fields that this client does not know.
    #[error(
        "the header of L1 block {number} does not hash to the block's hash; is L1 past a fork that this version does not know?"
    )]
    UnknownHeader {
        /// The block.
        number: u64,
    },
    /// A view function that never reverts did.
    #[error("{doing} reverted ({revert}); is the contract address right?")]
    ViewReverted {
        /// What was being asked.
        doing: &'static str,
        /// Why, as far as L1 said.
        revert: Revert,
    },
    /// The endpoint serves another chain than configured.
    #[error("the L1 endpoint serves chain {found}, expected chain {expected}")]
    WrongChain {
        /// What the configuration says.
        expected: u64,
        /// What the endpoint says.
        found: u64,
    },
}

impl L1Error {
    /// The only place that decides how a loop reacts.
    pub const fn reaction(&self) -> Reaction {
        match self {
            Self::Rpc { .. } | Self::Absent { .. } | Self::Beacon(_) => Reaction::Retry,
            Self::NoEndpoint
            | Self::HttpClient(_)
            | Self::Decode { .. }
            | Self::UnknownHeader { .. }
            | Self::ViewReverted { .. }
            | Self::WrongChain { .. } => Reaction::Stop,
        }
    }
}

/// Longest message of a node that we keep: it is shown to operators, and written by strangers.
const MAX_MESSAGE: usize = 300;

/// An error object a node answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeError {
    /// The JSON-RPC error code.
    pub code: i64,
    /// The message, cut to a length fit for a log line.
    pub message: Cow<'static, str>,
}

impl NodeError {
    /// The node's error object inside `error`, if the node did answer.
    pub(crate) fn of(error: &TransportError) -> Option<Self> {
        let RpcError::ErrorResp(payload) = error else { return None };
        Some(Self { code: payload.code, message: shorten(&payload.message) })
    }
}

impl fmt::Display for NodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (code {})", self.message, self.code)
    }
}

fn shorten(message: &str) -> Cow<'static, str> {
    Cow::Owned(message.chars().filter(|c| !c.is_control()).take(MAX_MESSAGE).collect())
}

/// L1's verdict that a call fails, with the revert data where the node gave it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Revert {
    /// The revert data: a four-byte selector and the error's arguments; empty where unknown, and where gas ran out.
    pub data: Bytes,
}

/// JSON-RPC error code of a reverted call (geth, anvil and ours agree).
const EXECUTION_REVERTED: i64 = 3;

impl Revert {
    /// The revert inside `error`, if that is what the error says.
    pub(crate) fn of(error: &TransportError) -> Option<Self> {
        let RpcError::ErrorResp(payload) = error else { return None };
        let message = payload.message.to_ascii_lowercase();
        let failed = ["revert", "out of gas", "outofgas"].iter().any(|how| message.contains(how));
        (failed || payload.code == EXECUTION_REVERTED)
            .then(|| Self { data: payload.as_revert_data().unwrap_or_default() })
    }

    /// Whether this is the Solidity error `E`.
    pub fn is<E: SolError>(&self) -> bool {
        self.data.starts_with(&E::SELECTOR)
    }

    /// The selector of the error, where the node gave revert data.
    pub fn selector(&self) -> Option<[u8; 4]> {
        self.data.first_chunk().copied()
    }
}

impl fmt::Display for Revert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Ok(text) = SolRevert::abi_decode(&self.data) {
            return f.write_str(&shorten(&text.reason));
        }
        match self.selector() {
            Some(selector) => {
                write!(f, "custom error 0x{}", alloy_primitives::hex::encode(selector))
            }
            None => f.write_str("no reason given"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_string_is_shown_as_text() {
        let data = SolRevert { reason: "CommonBridge: no".into() }.abi_encode();
        assert_eq!(Revert { data: data.into() }.to_string(), "CommonBridge: no");
    }

    #[test]
    fn a_custom_error_is_shown_by_its_selector() {
        let revert = Revert { data: Bytes::from_static(&[0xcd, 0x17, 0x93, 0xfe, 1]) };
        assert_eq!(revert.to_string(), "custom error 0xcd1793fe");
    }

    #[test]
    fn a_long_message_of_a_node_is_cut() {
        assert_eq!(shorten(&"x".repeat(10_000)).len(), MAX_MESSAGE);
    }
}
