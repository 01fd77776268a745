//! Blocks and headers.

use alloy_consensus::{crypto::RecoveryError, transaction::SignerRecoverable};
use alloy_primitives::{Address, B256};
use alloy_rlp::Decodable;

use crate::{Fork, Tx};

pub use alloy_consensus::Header;

/// A block: header, transactions, ommers, withdrawals.
pub type Block = alloy_consensus::Block<Tx>;
/// Everything of a block but its header.
pub type BlockBody = alloy_consensus::BlockBody<Tx>;

/// Decodes the block at the start of `buf`, and takes its bytes away. A block has one encoding.
///
/// The decoder of lists of transactions overlooks the length that stands in front of a typed one, so that by itself it would take many byte strings
/// for one block.
///
/// # Errors
/// If the bytes are not the encoding of a block; `buf` is then as it was.
pub fn decode_block(buf: &mut &[u8]) -> alloy_rlp::Result<Block> {
    let mut rest = *buf;
    let block = Block::decode(&mut rest)?;
    let (bytes, _) = buf.split_at(buf.len() - rest.len());
    if alloy_rlp::encode(&block) != bytes {
        return Err(alloy_rlp::Error::Custom("not the canonical encoding of a block"));
    }
    *buf = rest;
    Ok(block)
}

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

/// The senders of transactions, in order.
fn senders(transactions: &[Tx]) -> Result<Vec<Address>, InvalidSignature> {
    let recovered = recover_signers(transactions).into_iter().enumerate();
    recovered.map(|(index, sender)| sender.map_err(|_| InvalidSignature { index })).collect()
}

impl RecoveredBlock {
    /// Recovers every sender, refusing signatures with a high S (EIP-2). What is wrong is the first that is.
    pub fn recover(block: SealedBlock) -> Result<Self, InvalidSignature> {
        let senders = senders(&block.body().transactions)?;
        Ok(Self { block, senders })
    }

    /// Recovers every sender by the rules of a fork: before Homestead S may be high (EIP-2), and before Spurious Dragon no
    /// signature is for one chain alone (EIP-155).
    ///
    /// # Errors
    /// The first signature that is wrong.
    pub fn recover_at(fork: Fork, block: SealedBlock) -> Result<Self, InvalidSignature> {
        let senders = Self::senders_at(fork, &block)?;
        Ok(Self { block, senders })
    }

    /// The senders that [`Self::recover_at`] pairs a block with.
    ///
    /// # Errors
    /// The first signature that is wrong.
    pub fn senders_at(fork: Fork, block: &SealedBlock) -> Result<Vec<Address>, InvalidSignature> {
        let transactions = &block.body().transactions;
        if fork >= Fork::SpuriousDragon {
            return senders(transactions);
        }
        let sender = |(index, tx): (usize, &Tx)| {
            let recovered = match tx {
                Tx::Legacy(tx) if tx.tx().chain_id.is_some() => Err(RecoveryError::new()),
                tx if fork < Fork::Homestead => tx.recover_signer_unchecked(),
                tx => tx.recover_signer(),
            };
            recovered.map_err(|_| InvalidSignature { index })
        };
        transactions.iter().enumerate().map(sender).collect()
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

/// The signer of each transaction. Small blocks are not worth waking other threads for.
#[cfg(feature = "parallel")]
fn recover_signers(transactions: &[Tx]) -> Vec<Result<Address, RecoveryError>> {
    use rayon::prelude::*;
    const LEAST_PER_THREAD: usize = 8;
    transactions
        .par_iter()
        .with_min_len(LEAST_PER_THREAD)
        .map(SignerRecoverable::recover_signer)
        .collect()
}

/// The signer of each transaction.
#[cfg(not(feature = "parallel"))]
fn recover_signers(transactions: &[Tx]) -> Vec<Result<Address, RecoveryError>> {
    transactions.iter().map(SignerRecoverable::recover_signer).collect()
}

#[cfg(test)]
mod tests {
    use alloy_consensus::{SignableTransaction, TxLegacy};
    use alloy_primitives::{Signature, U256};

    use super::*;

    /// A block of 40 transactions; those at `bad` recover to no one.
    fn block(bad: &[usize]) -> SealedBlock {
        let nobody = Signature::new(U256::ZERO, U256::ONE, false);
        let tx = |index| {
            let signature = if bad.contains(&index) { nobody } else { Signature::test_signature() };
            let tx = TxLegacy { nonce: index as u64, ..TxLegacy::default() };
            Tx::Legacy(tx.into_signed(signature))
        };
        let mut block = Block::default();
        block.body.transactions = (0..40).map(tx).collect();
        SealedBlock::seal(block)
    }

    #[test]
    fn senders_stand_in_the_order_of_their_transactions() {
        let recovered = RecoveredBlock::recover(block(&[])).unwrap();
        assert_eq!(recovered.senders().len(), 40);
        for (tx, sender) in recovered.transactions() {
            assert_eq!(tx.recover_signer().unwrap(), sender);
        }
    }

    #[test]
    fn the_first_bad_signature_is_named() {
        let bad = RecoveredBlock::recover(block(&[31, 12, 39])).unwrap_err();
        assert_eq!(bad.index, 12);
    }
}
