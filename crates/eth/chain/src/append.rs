//! Judging blocks that come one after the other, as from a file: each becomes the head at once.

use ethrex_types::SealedBlock;

use crate::{Chain, ChainError, ImportError, Verdict};

/// What became of a block that was offered as the next one.
#[derive(Debug)]
pub enum Appended {
    /// It is the head now.
    Head,
    /// The chain had it already, at or below the head.
    Known,
    /// It is not the head: it breaks a rule, or its parent or that one's state is not at hand.
    Refused(Verdict),
}

/// Something on our side failed.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// While the block was judged.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// While it became the head.
    #[error(transparent)]
    Chain(#[from] ChainError),
}

impl Chain {
    /// Judges a block and makes it the head, in one commit where it stands on the head.
    ///
    /// A block beside the canonical chain becomes the head as well, as far back as states are kept: files say which chain is meant. One that
    /// is canonical already stays where it is.
    ///
    /// # Errors
    /// Only faults of ours; a wrong block is [`Appended::Refused`].
    pub fn append(&self, block: SealedBlock) -> Result<Appended, AppendError> {
        let (number, hash) = (block.number(), block.hash());
        let storage = self.storage();
        if storage.canonical_hash(number).map_err(ImportError::Storage)? == Some(hash) {
            return Ok(Appended::Known);
        }
        if storage.header(hash).map_err(ImportError::Storage)?.is_some() {
            self.publish(hash)?;
            return Ok(Appended::Head);
        }
        match self.check(block)? {
            Ok(prepared) => {
                self.store_head(prepared)?;
                Ok(Appended::Head)
            }
            Err(verdict) => Ok(Appended::Refused(verdict)),
        }
    }
}
