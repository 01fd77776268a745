//! What a chain may change about how one transaction runs.

use std::{fmt::Debug, sync::Arc};

use alloy_primitives::Address;

use crate::precompile::Precompile;

/// Who pays for a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payment {
    /// The sender, as on Ethereum: nonce checked and raised, gas bought, refunded and rewarded.
    Sender,
    /// Nobody here: gas was paid for on the chain the message comes from. The nonce stays as it is.
    ///
    /// A message is never invalid: where the sender lacks the value, or the gas limit does not cover the intrinsic gas,
    /// it fails with all gas used and no effect.
    Waived {
        /// Whether the value is created here instead of taken from the sender. It vanishes again if the call fails.
        mint: bool,
    },
}

/// Hooks of one transaction's life inside the EVM. Object-safe, so that a chain is a value and not a type parameter.
pub trait TxRules: Debug + Send + Sync {
    /// Who pays for a transaction of this EIP-2718 type from this sender.
    fn payment(&self, tx_type: u8, sender: Address) -> Payment;

    /// Precompiles beside those of the fork.
    fn precompiles(&self) -> &[Arc<dyn Precompile>] {
        &[]
    }

    /// Most gas that [`Self::precompiles`] may charge in one block, counting calls that a revert undid.
    ///
    /// A transaction that passes it may not stand in the block. Nothing inside a transaction depends on it.
    fn precompile_gas_limit(&self) -> Option<u64> {
        None
    }
}

/// Ethereum's own: the sender always pays.
#[derive(Debug, Clone, Copy, Default)]
pub struct EthereumTxRules;

impl TxRules for EthereumTxRules {
    fn payment(&self, _tx_type: u8, _sender: Address) -> Payment {
        Payment::Sender
    }
}
