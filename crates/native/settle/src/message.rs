//! Messages between the chains: what their leaf in the tree is.

use alloy_primitives::{Address, B256, b256, keccak256};
use alloy_sol_types::SolValue;

use crate::bindings::Message;

/// `keccak256("ethrex.native.l1-to-l2.v1")`: leaves of the tree on L1.
pub const L1_TO_L2: B256 =
    b256!("0x192f907fe3f3b41a995fc184617292db4d63bcda59930fdd3cfac6efa99a7af5");
/// `keccak256("ethrex.native.l2-to-l1.v1")`: leaves of the tree on L2.
pub const L2_TO_L1: B256 =
    b256!("0x8cd9a81368dd4d410d87a596ed7c0a72801e8e509a1c00ba699c2ce5cbb0559a");

/// The two chains between which messages go, as their leaves name them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route {
    /// Chain id of L1.
    pub l1_chain_id: u64,
    /// The rollup's contract there.
    pub rollup: Address,
    /// Chain id of the rollup.
    pub l2_chain_id: u64,
}

impl Route {
    /// The leaf of a message from L1 to L2.
    #[must_use]
    pub fn inbound(&self, message: &Message) -> B256 {
        self.leaf(L1_TO_L2, message)
    }

    /// The leaf of a message from L2 to L1.
    #[must_use]
    pub fn outbound(&self, message: &Message) -> B256 {
        self.leaf(L2_TO_L1, message)
    }

    fn leaf(&self, tag: B256, message: &Message) -> B256 {
        let words = (
            tag,
            self.l1_chain_id,
            self.rollup,
            self.l2_chain_id,
            message.index,
            message.sender,
            message.to,
            message.value,
            message.fee,
            message.gasLimit,
            keccak256(&message.data),
        );
        keccak256(words.abi_encode_params())
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Bytes, U256};

    use super::*;

    fn message() -> Message {
        Message {
            index: 7,
            sender: Address::repeat_byte(1),
            to: Address::repeat_byte(2),
            value: U256::from(3),
            fee: U256::from(4),
            gasLimit: 5,
            data: Bytes::from_static(b"six"),
        }
    }

    const ROUTE: Route =
        Route { l1_chain_id: 9, rollup: Address::repeat_byte(3), l2_chain_id: 80_790_001 };

    #[test]
    fn the_tags_are_the_hashes_of_their_names() {
        assert_eq!(L1_TO_L2, keccak256("ethrex.native.l1-to-l2.v1"));
        assert_eq!(L2_TO_L1, keccak256("ethrex.native.l2-to-l1.v1"));
    }

    #[test]
    fn c04_every_field_and_the_direction_are_in_the_leaf() {
        let leaf = ROUTE.inbound(&message());
        assert_ne!(leaf, ROUTE.outbound(&message()));
        let others = [
            Message { index: 8, ..message() },
            Message { sender: Address::ZERO, ..message() },
            Message { to: Address::ZERO, ..message() },
            Message { value: U256::ZERO, ..message() },
            Message { fee: U256::ZERO, ..message() },
            Message { gasLimit: 0, ..message() },
            Message { data: Bytes::new(), ..message() },
        ];
        assert!(others.iter().all(|other| ROUTE.inbound(other) != leaf));
        let routes = [
            Route { l1_chain_id: 1, ..ROUTE },
            Route { rollup: Address::ZERO, ..ROUTE },
            Route { l2_chain_id: 1, ..ROUTE },
        ];
        assert!(routes.iter().all(|route| route.inbound(&message()) != leaf));
    }
}
