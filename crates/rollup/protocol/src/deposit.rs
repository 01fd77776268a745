//! Messages from L1 to L2, of which a deposit is the best known.
//!
//! The bridge on L1 numbers each message, queues its hash and emits it; L2 executes it as a privileged transaction whose hash is
//! the queued one. What a batch consumed from the queue is said with [`crate::rolling::versioned_hash`].

use alloy_primitives::{Address, B256, Bytes, U256, aliases::U160};
use alloy_sol_types::SolCall;
use ethrex_types::{PrivilegedTx, Tx};

use crate::{
    constants::{ALIAS_OFFSET, BRIDGE_L2, DEPOSIT_GAS_LIMIT},
    contracts::{CommonBridge::PrivilegedTxSent, CommonBridgeL2::mintETHCall},
};

/// A message that L1 (or another rollup, through L1) authorised and L2 must execute.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PrivilegedMessage {
    /// The chain it comes from; for messages of L1 this is L2's own id.
    pub chain_id: u64,
    /// The account on whose behalf L2 executes it, aliased if it is an L1 contract.
    pub from: Address,
    /// The account or contract it calls.
    pub to: Address,
    /// Position in the queue since genesis.
    pub transaction_id: u64,
    /// Wei it carries.
    pub value: U256,
    /// Gas it may use on L2; it was burned where it was sent.
    pub gas_limit: u64,
    /// Call data.
    pub data: Bytes,
}

/// A message that no L2 transaction can express. The bridge never queues one: its counter and the gas it burns are below 2^64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MessageOutOfRange {
    /// The chain id does not fit in 64 bits.
    #[error("source chain id {0} exceeds 64 bits")]
    ChainId(U256),
    /// The id does not fit in 64 bits.
    #[error("transaction id {0} exceeds 64 bits")]
    TransactionId(U256),
    /// The gas limit does not fit in 64 bits.
    #[error("gas limit {0} exceeds 64 bits")]
    GasLimit(U256),
}

impl PrivilegedMessage {
    /// The message that `deposit` on L1 queues: ether for `recipient`, minted by the L2 bridge.
    #[must_use]
    pub fn eth_deposit(
        chain_id: u64,
        transaction_id: u64,
        recipient: Address,
        value: U256,
    ) -> Self {
        Self {
            chain_id,
            from: BRIDGE_L2,
            to: BRIDGE_L2,
            transaction_id,
            value,
            gas_limit: DEPOSIT_GAS_LIMIT,
            data: mint_eth_calldata(recipient),
        }
    }

    /// Reads the event of the bridge that serves the rollup `chain_id`.
    pub fn from_event(chain_id: u64, event: &PrivilegedTxSent) -> Result<Self, MessageOutOfRange> {
        Ok(Self {
            chain_id,
            from: event.from,
            to: event.to,
            transaction_id: event
                .transactionId
                .try_into()
                .map_err(|_| MessageOutOfRange::TransactionId(event.transactionId))?,
            value: event.value,
            gas_limit: event
                .gasLimit
                .try_into()
                .map_err(|_| MessageOutOfRange::GasLimit(event.gasLimit))?,
            data: event.data.clone(),
        })
    }

    /// The hash the bridge queued, which is also the hash of the L2 transaction.
    #[must_use]
    pub fn hash(&self) -> B256 {
        self.envelope(0).message_hash()
    }

    /// The L2 transaction that executes the message.
    ///
    /// `gas_price` is only what `GASPRICE` shows: nothing is charged, and the hash does not cover it.
    #[must_use]
    pub fn to_transaction(&self, gas_price: u64) -> Tx {
        self.envelope(gas_price).into()
    }

    /// The recipient, if this is a deposit of ether that the bridge itself sent.
    #[must_use]
    pub fn eth_recipient(&self) -> Option<Address> {
        if self.from != BRIDGE_L2 || self.to != BRIDGE_L2 {
            return None;
        }
        mintETHCall::abi_decode(&self.data).ok().map(|call| call.to)
    }

    fn envelope(&self, gas_price: u64) -> PrivilegedTx {
        PrivilegedTx {
            chain_id: self.chain_id,
            nonce: self.transaction_id,
            max_priority_fee_per_gas: gas_price,
            max_fee_per_gas: gas_price,
            gas_limit: self.gas_limit,
            to: self.to,
            value: self.value,
            data: self.data.clone(),
            access_list: Vec::new().into(),
            from: self.from,
        }
    }
}

impl From<&PrivilegedTx> for PrivilegedMessage {
    fn from(tx: &PrivilegedTx) -> Self {
        Self {
            chain_id: tx.chain_id,
            from: tx.from,
            to: tx.to,
            transaction_id: tx.nonce,
            value: tx.value,
            gas_limit: tx.gas_limit,
            data: tx.data.clone(),
        }
    }
}

/// Call data of `CommonBridgeL2.mintETH(recipient)`.
#[must_use]
pub fn mint_eth_calldata(recipient: Address) -> Bytes {
    mintETHCall { to: recipient }.abi_encode().into()
}

/// The L2 address that an L1 contract speaks for. Accounts with a key (and EIP-7702 delegations) are not aliased.
#[must_use]
pub fn alias(l1_contract: Address) -> Address {
    let address = U160::from_be_bytes(l1_contract.into_array());
    Address::from(address.wrapping_add(ALIAS_OFFSET).to_be_bytes::<20>())
}

/// The L1 contract behind an aliased address.
#[must_use]
pub fn unalias(l2_address: Address) -> Address {
    let address = U160::from_be_bytes(l2_address.into_array());
    Address::from(address.wrapping_sub(ALIAS_OFFSET).to_be_bytes::<20>())
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{address, hex, keccak256};
    use proptest::prelude::*;

    use super::*;

    fn any_message() -> impl Strategy<Value = PrivilegedMessage> {
        let addresses = (any::<[u8; 20]>(), any::<[u8; 20]>());
        let data = proptest::collection::vec(any::<u8>(), 0..100);
        (any::<u64>(), addresses, any::<u64>(), any::<[u8; 32]>(), any::<u64>(), data).prop_map(
            |(chain_id, (from, to), transaction_id, value, gas_limit, data)| PrivilegedMessage {
                chain_id,
                from: from.into(),
                to: to.into(),
                transaction_id,
                value: U256::from_be_bytes(value),
                gas_limit,
                data: data.into(),
            },
        )
    }

    #[test]
    fn a_deposit_calls_mint_eth() {
        let recipient = Address::repeat_byte(0xaa);
        let expected =
            hex!("b0f4d395000000000000000000000000aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
        assert_eq!(mint_eth_calldata(recipient)[..], expected);
        let message = PrivilegedMessage::eth_deposit(1, 0, recipient, U256::from(1));
        assert_eq!(message.eth_recipient(), Some(recipient));
    }

    #[test]
    fn only_the_bridge_deposits() {
        let mut message = PrivilegedMessage::eth_deposit(1, 0, Address::ZERO, U256::from(1));
        message.from = Address::repeat_byte(1);
        assert_eq!(message.eth_recipient(), None);
    }

    #[test]
    fn aliasing_wraps_around() {
        assert_eq!(alias(Address::ZERO), address!("Ee110000000000000000000000000000000011Ff"));
        assert_eq!(
            alias(Address::repeat_byte(0xff)),
            address!("Ee110000000000000000000000000000000011Fe")
        );
    }

    proptest! {
        #[test]
        fn unalias_undoes_alias(address in any::<[u8; 20]>()) {
            prop_assert_eq!(unalias(alias(address.into())), Address::from(address));
        }

        #[test]
        fn the_queue_hash_is_the_transaction_hash(message in any_message(), gas_price in any::<u64>()) {
            let tx = message.to_transaction(gas_price);
            prop_assert_eq!(tx.hash(), message.hash());
            prop_assert_eq!(&PrivilegedMessage::from(tx.as_privileged().unwrap()), &message);
        }

        #[test]
        fn the_hash_covers_the_packed_fields(message in any_message()) {
            let packed = [
                &U256::from(message.chain_id).to_be_bytes::<32>()[..],
                message.from.as_slice(),
                message.to.as_slice(),
                &U256::from(message.transaction_id).to_be_bytes::<32>(),
                &message.value.to_be_bytes::<32>(),
                &U256::from(message.gas_limit).to_be_bytes::<32>(),
                keccak256(&message.data).as_slice(),
            ].concat();
            prop_assert_eq!(message.hash(), keccak256(packed));
        }
    }
}
