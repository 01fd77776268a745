//! Messages that leave the rollup: to L1, as leaves of a Merkle tree, and to other rollups, as hashes with the value they move.
//!
//! Both are events of the `Messenger` predeploy, taken in the order of blocks, transactions and logs. L1 releases a withdrawal
//! against a proof in the tree of the batch ([`root`]); the bridges exchange what [`balance_diffs`] says.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B256, Bytes, Log, U256, keccak256};
use alloy_sol_types::{SolCall, SolEvent, sol};
use serde::{Deserialize, Serialize};

use crate::{
    constants::{BRIDGE_L2, ETH_TOKEN, MESSENGER},
    contracts::{self, Messenger::L1Message as L1MessageSent},
    deposit::{MessageOutOfRange, PrivilegedMessage},
    merkle,
};
use shared_bridge::{L2Message as L2MessageSent, crosschainMintERC20Call};

/// What a rollup with a shared bridge emits and calls beyond the deployed contracts.
mod shared_bridge {
    super::sol! {
        event L2Message(
            uint256 indexed chainId,
            address from,
            address to,
            uint256 value,
            uint256 gasLimit,
            uint256 txId,
            bytes data
        );
        function crosschainMintERC20(
            address tokenL1,
            address tokenL2,
            address destTokenL2,
            address to,
            uint256 amount
        ) external;
    }
}

/// An event of the messenger that cannot be read. The predeploy emits none, so this is never skipped: it would drop a message.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// The log claims to be a message but does not decode.
    #[error("decode a message of the messenger")]
    Log(#[source] alloy_sol_types::Error),
    /// The bridge moves a token but the call data does not say which.
    #[error("decode the token transfer of message {hash}")]
    TokenTransfer {
        /// Hash of the message.
        hash: B256,
        /// What is wrong with it.
        #[source]
        source: alloy_sol_types::Error,
    },
}

/// A message to L1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct L1Message {
    /// The L2 contract that sent it; the bridge for withdrawals.
    pub from: Address,
    /// keccak256 of what it says.
    pub data_hash: B256,
    /// Position since genesis, from 1.
    pub message_id: U256,
}

impl L1Message {
    /// Length of [`Self::encode`]; not 64, so that no inner node of the tree can pass for a leaf.
    pub const ENCODED_LEN: usize = 20 + 32 + 32;

    /// `from || data_hash || message_id`.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::ENCODED_LEN] {
        let mut out = [0; Self::ENCODED_LEN];
        out[..20].copy_from_slice(self.from.as_slice());
        out[20..52].copy_from_slice(self.data_hash.as_slice());
        out[52..].copy_from_slice(&self.message_id.to_be_bytes::<32>());
        out
    }

    /// The leaf of the message in the tree of its batch.
    #[must_use]
    pub fn leaf(&self) -> B256 {
        keccak256(self.encode())
    }

    /// The message behind a withdrawal of `amount` wei to `receiver`.
    #[must_use]
    pub fn eth_withdrawal(receiver: Address, amount: U256, message_id: U256) -> Self {
        let data_hash = withdrawal_hash(ETH_TOKEN, ETH_TOKEN, receiver, amount);
        Self { from: BRIDGE_L2, data_hash, message_id }
    }
}

/// What the bridge tells L1 to release: keccak256 of `token_l1 || token_l2 || receiver || amount`.
#[must_use]
pub fn withdrawal_hash(
    token_l1: Address,
    token_l2: Address,
    receiver: Address,
    amount: U256,
) -> B256 {
    let mut packed = [0; 20 * 3 + 32];
    packed[..20].copy_from_slice(token_l1.as_slice());
    packed[20..40].copy_from_slice(token_l2.as_slice());
    packed[40..60].copy_from_slice(receiver.as_slice());
    packed[60..].copy_from_slice(&amount.to_be_bytes::<32>());
    keccak256(packed)
}

/// The messages to L1 among `logs`, in their order.
pub fn l1_messages<'a>(
    logs: impl IntoIterator<Item = &'a Log>,
) -> Result<Vec<L1Message>, MessageError> {
    events::<L1MessageSent>(logs)
        .map(|event| {
            event.map(|event| L1Message {
                from: event.senderOnL2,
                data_hash: event.data,
                message_id: event.messageId,
            })
        })
        .collect()
}

/// The leaves of the tree over `messages`.
#[must_use]
pub fn leaves(messages: &[L1Message]) -> Vec<B256> {
    messages.iter().map(L1Message::leaf).collect()
}

/// The root that a batch publishes for its messages to L1; zero if it has none.
#[must_use]
pub fn root(messages: &[L1Message]) -> B256 {
    merkle::root(&leaves(messages))
}

/// A message to another rollup.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct L2Message {
    /// The rollup it leaves.
    pub source_chain_id: u64,
    /// The rollup it is for. Anyone may send to any number, so it is not yet the id of a chain that exists.
    pub dest_chain_id: U256,
    /// Who sends it.
    pub from: Address,
    /// Whom it calls.
    pub to: Address,
    /// Position among the messages to that rollup.
    pub tx_id: U256,
    /// Wei it carries.
    pub value: U256,
    /// Gas it may use there.
    pub gas_limit: U256,
    /// Call data.
    pub data: Bytes,
}

impl L2Message {
    /// The hash under which the other bridge queues it: that of the privileged transaction that will execute it.
    #[must_use]
    pub fn hash(&self) -> B256 {
        let mut packed = Vec::with_capacity(20 * 2 + 32 * 5);
        packed.extend_from_slice(&U256::from(self.source_chain_id).to_be_bytes::<32>());
        packed.extend_from_slice(self.from.as_slice());
        packed.extend_from_slice(self.to.as_slice());
        packed.extend_from_slice(&self.tx_id.to_be_bytes::<32>());
        packed.extend_from_slice(&self.value.to_be_bytes::<32>());
        packed.extend_from_slice(&self.gas_limit.to_be_bytes::<32>());
        packed.extend_from_slice(keccak256(&self.data).as_slice());
        keccak256(packed)
    }

    /// The message as the rollup it is for executes it.
    pub fn to_privileged(&self) -> Result<PrivilegedMessage, MessageOutOfRange> {
        Ok(PrivilegedMessage {
            chain_id: self.source_chain_id,
            from: self.from,
            to: self.to,
            transaction_id: self
                .tx_id
                .try_into()
                .map_err(|_| MessageOutOfRange::TransactionId(self.tx_id))?,
            value: self.value,
            gas_limit: self
                .gas_limit
                .try_into()
                .map_err(|_| MessageOutOfRange::GasLimit(self.gas_limit))?,
            data: self.data.clone(),
        })
    }

    /// Whether the bridge sent it to the bridge, which no other account can do.
    fn is_between_bridges(&self) -> bool {
        self.from == BRIDGE_L2 && self.to == BRIDGE_L2
    }
}

/// The messages to other rollups among the `logs` of `source_chain_id`, in their order.
pub fn l2_messages<'a>(
    source_chain_id: u64,
    logs: impl IntoIterator<Item = &'a Log>,
) -> Result<Vec<L2Message>, MessageError> {
    events::<L2MessageSent>(logs)
        .map(|event| {
            event.map(|event| L2Message {
                source_chain_id,
                dest_chain_id: event.chainId,
                from: event.from,
                to: event.to,
                tx_id: event.txId,
                value: event.value,
                gas_limit: event.gasLimit,
                data: event.data,
            })
        })
        .collect()
}

/// The events of kind `E` that the messenger emitted.
fn events<'a, E: SolEvent>(
    logs: impl IntoIterator<Item = &'a Log>,
) -> impl Iterator<Item = Result<E, MessageError>> {
    logs.into_iter()
        .filter(|log| log.address == MESSENGER && log.topics().first() == Some(&E::SIGNATURE_HASH))
        .map(|log| E::decode_log_data(&log.data).map_err(MessageError::Log))
}

/// What one other rollup is owed for the messages of a batch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalanceDiff {
    /// That rollup.
    pub chain_id: U256,
    /// Wei.
    pub value: U256,
    /// Tokens, in the order of their addresses.
    pub value_per_token: Vec<AssetDiff>,
    /// The messages, in their order.
    pub message_hashes: Vec<B256>,
}

/// An amount of one token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AssetDiff {
    /// The token on L1.
    pub token_l1: Address,
    /// The token on the rollup it leaves.
    pub token_src_l2: Address,
    /// The token on the rollup it enters.
    pub token_dst_l2: Address,
    /// How much.
    pub value: U256,
}

impl From<&BalanceDiff> for contracts::BalanceDiff {
    fn from(diff: &BalanceDiff) -> Self {
        Self {
            chainId: diff.chain_id,
            value: diff.value,
            assetDiffs: diff
                .value_per_token
                .iter()
                .map(|asset| contracts::AssetDiff {
                    tokenL1: asset.token_l1,
                    tokenL2: asset.token_src_l2,
                    destTokenL2: asset.token_dst_l2,
                    value: asset.value,
                })
                .collect(),
            message_hashes: diff.message_hashes.clone(),
        }
    }
}

impl From<&contracts::BalanceDiff> for BalanceDiff {
    fn from(diff: &contracts::BalanceDiff) -> Self {
        Self {
            chain_id: diff.chainId,
            value: diff.value,
            value_per_token: diff
                .assetDiffs
                .iter()
                .map(|asset| AssetDiff {
                    token_l1: asset.tokenL1,
                    token_src_l2: asset.tokenL2,
                    token_dst_l2: asset.destTokenL2,
                    value: asset.value,
                })
                .collect(),
            message_hashes: diff.message_hashes.clone(),
        }
    }
}

#[derive(Default)]
struct Owed {
    value: U256,
    tokens: BTreeMap<[Address; 3], U256>,
    message_hashes: Vec<B256>,
}

/// What each other rollup is owed, in the order of chain ids.
///
/// Ether: the value of every message except those from bridge to bridge, which only mint it first. Tokens: the amount of every
/// `crosschainMintERC20` from bridge to bridge. Anyone can send call data with that selector, so unlike the system this one is
/// compatible with, it counts only where the bridge is the sender: otherwise tokens nobody burned would be paid out.
/// Amounts saturate; a bridge has no 2^256 of anything.
pub fn balance_diffs(messages: &[L2Message]) -> Result<Vec<BalanceDiff>, MessageError> {
    let mut owed = BTreeMap::<U256, Owed>::new();
    for message in messages {
        let entry = owed.entry(message.dest_chain_id).or_default();
        let hash = message.hash();
        entry.message_hashes.push(hash);
        if !message.is_between_bridges() {
            entry.value = entry.value.saturating_add(message.value);
        } else if message.data.starts_with(&crosschainMintERC20Call::SELECTOR) {
            let mint = crosschainMintERC20Call::abi_decode(&message.data)
                .map_err(|source| MessageError::TokenTransfer { hash, source })?;
            let amount =
                entry.tokens.entry([mint.tokenL1, mint.tokenL2, mint.destTokenL2]).or_default();
            *amount = amount.saturating_add(mint.amount);
        }
    }
    Ok(owed
        .into_iter()
        .map(|(chain_id, owed)| BalanceDiff {
            chain_id,
            value: owed.value,
            value_per_token: owed
                .tokens
                .into_iter()
                .map(|([token_l1, token_src_l2, token_dst_l2], value)| AssetDiff {
                    token_l1,
                    token_src_l2,
                    token_dst_l2,
                    value,
                })
                .collect(),
            message_hashes: owed.message_hashes,
        })
        .collect())
}

#[cfg(test)]
mod tests;
