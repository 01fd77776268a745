//! The rules themselves.

use alloy_primitives::Address;
use ethrex_evm::{Payment, TxRules};
use ethrex_protocol::constants::BRIDGE_L2;
use ethrex_stf::{Rejected, Rules};
use ethrex_types::{Tx, privileged::PRIVILEGED_TX_TYPE};

/// A validity rollup: Ethereum without blobs, with messages from L1.
#[derive(Debug, Clone, Copy, Default)]
pub struct Rollup;

impl TxRules for Rollup {
    /// Messages are paid for on L1. Only the bridge's own bring ether along; nobody else can send in its name, because L1
    /// queues every message with its true sender.
    fn payment(&self, tx_type: u8, sender: Address) -> Payment {
        if tx_type == PRIVILEGED_TX_TYPE {
            Payment::Waived { mint: sender == BRIDGE_L2 }
        } else {
            Payment::Sender
        }
    }
}

impl Rules for Rollup {
    fn admit(&self, tx: &Tx) -> Result<(), Rejected> {
        match tx {
            Tx::Eip4844(_) => Err(Rejected::Blobs),
            Tx::Legacy(_)
            | Tx::Eip2930(_)
            | Tx::Eip1559(_)
            | Tx::Eip7702(_)
            | Tx::Privileged(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::Signature;
    use ethrex_types::{PrivilegedTx, alloy_consensus::Signed};

    use super::*;

    #[test]
    fn only_the_bridge_mints() {
        let of = |tx_type, sender| Rollup.payment(tx_type, sender);
        let someone = Address::repeat_byte(1);
        assert_eq!(of(PRIVILEGED_TX_TYPE, BRIDGE_L2), Payment::Waived { mint: true });
        assert_eq!(of(PRIVILEGED_TX_TYPE, someone), Payment::Waived { mint: false });
        for tx_type in 0..PRIVILEGED_TX_TYPE {
            assert_eq!(of(tx_type, BRIDGE_L2), Payment::Sender, "type {tx_type}");
        }
    }

    #[test]
    fn blobs_are_refused_and_messages_admitted() {
        let signature = Signature::test_signature();
        let blob = Tx::Eip4844(Signed::new_unhashed(Default::default(), signature));
        let transfer = Tx::Eip1559(Signed::new_unhashed(Default::default(), signature));
        assert_eq!(Rollup.admit(&blob), Err(Rejected::Blobs));
        assert_eq!(Rollup.admit(&transfer), Ok(()));
        assert_eq!(Rollup.admit(&PrivilegedTx::default().into()), Ok(()));
    }
}
