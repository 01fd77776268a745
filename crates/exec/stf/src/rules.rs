//! What a chain adds to plain execution. Nothing above this seam asks which kind of chain runs.

use alloy_primitives::Address;
use ethrex_evm::{Payment, TxRules};
use ethrex_types::Tx;

/// The rules of one chain: which transactions may appear, and, through [`TxRules`], who pays for them.
pub trait Rules: TxRules {
    /// Whether this kind of transaction may appear on this chain at all, in the pool as in a block.
    ///
    /// # Errors
    /// The reason it may not.
    fn admit(&self, tx: &Tx) -> Result<(), Rejected>;

    /// Told the transactions of a block of this time before they run, so that work of theirs which needs no state can be done at once.
    /// Nothing that a block gives may depend on it.
    fn prepare(&self, _transactions: &[Tx], _timestamp: u64) {}
}

/// A transaction has no place on this chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// The chain does not know this kind of transaction.
    #[error("transaction type not supported")]
    UnsupportedType,
    /// The chain carries no blobs.
    #[error("EIP-4844 transactions are not supported in the L2")]
    Blobs,
}

/// Ethereum.
#[derive(Debug, Clone, Copy, Default)]
pub struct Ethereum;

impl TxRules for Ethereum {
    fn payment(&self, _tx_type: u8, _sender: Address) -> Payment {
        Payment::Sender
    }
}

impl Rules for Ethereum {
    fn admit(&self, tx: &Tx) -> Result<(), Rejected> {
        match tx {
            Tx::Privileged(_) => Err(Rejected::UnsupportedType),
            Tx::Legacy(_) | Tx::Eip2930(_) | Tx::Eip1559(_) | Tx::Eip4844(_) | Tx::Eip7702(_) => {
                Ok(())
            }
        }
    }
}
