//! Why the batcher cannot go on.

use ethrex_l1::{L1Error, Reaction, Revert, SenderStopped};
use ethrex_protocol::{BatchNumber, L2Height};
use ethrex_store::StoreError;

use crate::{machine::FitsNowhere, seal::SealError, source::SourceError};

/// L1, the store and the chain do not tell the same story.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Inconsistency {
    /// L1 has batches that this store lacks.
    #[error(
        "L1 has batch {committed}, the store ends with {stored}: is this an old or foreign --datadir, or does another \
         sequencer commit?"
    )]
    StoreBehind {
        /// The last batch on L1.
        committed: BatchNumber,
        /// The last batch in the store.
        stored: BatchNumber,
    },
    /// L1 lost batches that it had.
    #[error(
        "the store ends with batch {stored}, L1 with {committed}: batches were reverted on L1, or this is another L1; \
         is this the right --datadir for this L1?"
    )]
    L1Behind {
        /// The last batch on L1.
        committed: BatchNumber,
        /// The last batch in the store.
        stored: BatchNumber,
    },
    /// A batch has another content on L1 than in the store.
    #[error(
        "batch {batch} is another one on L1 than in the store; is this the right --datadir for these contracts?"
    )]
    OtherBatch {
        /// The batch.
        batch: BatchNumber,
    },
    /// The chain lacks the last block of a stored batch, or has another one there.
    #[error(
        "the chain does not hold block {height}, the last of batch {batch}; was the chain database replaced?"
    )]
    OtherChain {
        /// The batch.
        batch: BatchNumber,
        /// Its last block.
        height: L2Height,
    },
}

/// Why the batcher stopped, or cannot go on for now.
#[derive(Debug, thiserror::Error)]
pub enum BatcherError {
    /// L1 cannot be asked.
    #[error("ask L1 where settlement stands")]
    L1(#[from] L1Error),
    /// The store failed; without it nothing may be sent.
    #[error("remember batches")]
    Store(#[from] StoreError),
    /// The chain cannot be read.
    #[error("read published blocks")]
    Source(#[from] SourceError),
    /// A published block is missing.
    #[error("block {0} is published and not there")]
    Missing(L2Height),
    /// The L1 sender has ended.
    #[error(transparent)]
    Sender(#[from] SenderStopped),
    /// A block that fits in no batch.
    #[error(transparent)]
    FitsNowhere(#[from] FitsNowhere),
    /// Blocks that do not make a batch.
    #[error("seal batch {batch}")]
    Seal {
        /// The batch.
        batch: BatchNumber,
        /// What is wrong.
        #[source]
        source: Box<SealError>,
    },
    /// L1, the store and the chain do not fit together.
    #[error(transparent)]
    Inconsistent(#[from] Inconsistency),
    /// The privileged transactions of the batch are not those that L1 has queued. Nothing can be settled before an
    /// operator finds out why: L2 has executed something that L1 did not ask for.
    #[error("L1 refuses batch {0}: its privileged transactions are not those queued in the bridge")]
    PrivilegedMismatch(BatchNumber),
    /// The contract refuses the batch for a reason that time does not heal.
    #[error("L1 refuses batch {batch}: {reason} ({revert})")]
    Refused {
        /// The batch.
        batch: BatchNumber,
        /// What to do about it.
        reason: &'static str,
        /// What the contract said.
        revert: Revert,
    },
}

impl BatcherError {
    /// The only place that decides how the loop reacts.
    pub const fn reaction(&self) -> Reaction {
        match self {
            Self::L1(error) => error.reaction(),
            Self::Store(_)
            | Self::Source(_)
            | Self::Missing(_)
            | Self::Sender(_)
            | Self::FitsNowhere(_)
            | Self::Seal { .. }
            | Self::Inconsistent(_)
            | Self::PrivilegedMismatch(_)
            | Self::Refused { .. } => Reaction::Stop,
        }
    }
}
