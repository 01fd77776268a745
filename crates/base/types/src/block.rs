//! Blocks and headers.

use alloy_consensus::transaction::SignerRecoverable;
use alloy_primitives::{Address, B256};

use crate::Tx;

pub use alloy_consensus::Header;

/// A block: header, transactions, ommers, withdrawals.
pub type Block = alloy_consensus::Block<Tx>;
/// Everything of a block but its header.
pub type BlockBody = alloy_consensus::BlockBody<Tx>;

/// A header and its hash.
pub type SealedHeader = alloy_primitives::Sealed<Header>;

/// A block and its hash, computed once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealedBlock {
    hash: B256,
    block: Block,
}

impl SealedBlock {
    /// Hashes the header.
    #[must_use]
    pub fn seal(block: Block) -> Self {
        Self { hash: block.header.hash_slow(), block }
    }

    /// Pairs a block with a hash that the caller has already computed from this very header.
    #[must_use]
    pub const fn new_unchecked(block: Block, hash: B256) -> Self {
        Self { hash, block }
    }

    /// keccak256 of the RLP header.
    #[must_use]
    pub const fn hash(&self) -> B256 {
        self.hash
    }

    /// Height.
    #[must_use]
    pub const fn number(&self) -> u64 {
        self.block.header.number
    }

    /// The header.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.block.header
    }

    /// The header and its hash.
    #[must_use]
    pub fn sealed_header(&self) -> SealedHeader {
        SealedHeader::new_unchecked(self.block.header.clone(), self.hash)
    }

    /// Transactions, ommers and withdrawals.
    #[must_use]
    pub const fn body(&self) -> &BlockBody {
        &self.block.body
    }

    /// The block without its hash.
    #[must_use]
    pub const fn block(&self) -> &Block {
        &self.block
    }

    /// Gives the block away.
    #[must_use]
    pub fn into_block(self) -> Block {
        self.block
    }
}

/// A sealed block with the sender of each transaction, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecoveredBlock {
    block: SealedBlock,
    senders: Vec<Address>,
}

/// A transaction whose signature recovers to no one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("transaction {index} has an invalid signature")]
pub struct InvalidSignature {
    /// Position in the block.
    pub index: usize,
}

impl RecoveredBlock {
    /// Recovers every sender, refusing signatures with a high S (EIP-2).
    pub fn recover(block: SealedBlock) -> Result<Self, InvalidSignature> {
        let senders = block
            .body()
            .transactions
            .iter()
            .enumerate()
            .map(|(index, tx)| tx.recover_signer().map_err(|_| InvalidSignature { index }))
            .collect::<Result<_, _>>()?;
        Ok(Self { block, senders })
    }

    /// Pairs a block with senders that the caller has already recovered.
    ///
    /// # Panics
    /// If there is not one sender per transaction.
    #[must_use]
    pub fn new_unchecked(block: SealedBlock, senders: Vec<Address>) -> Self {
        assert_eq!(block.body().transactions.len(), senders.len(), "one sender per transaction");
        Self { block, senders }
    }

    /// The block.
    #[must_use]
    pub const fn sealed(&self) -> &SealedBlock {
        &self.block
    }

    /// The sender of each transaction.
    #[must_use]
    pub fn senders(&self) -> &[Address] {
        &self.senders
    }

    /// Each transaction with its sender.
    pub fn transactions(&self) -> impl ExactSizeIterator<Item = (&Tx, Address)> {
        self.block.body().transactions.iter().zip(self.senders.iter().copied())
    }

    /// Gives the block and the senders away.
    #[must_use]
    pub fn into_parts(self) -> (SealedBlock, Vec<Address>) {
        (self.block, self.senders)
    }
}
