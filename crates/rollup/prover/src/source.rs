//! Where the inputs of batches come from.

use std::{fmt, sync::Arc};

use ethrex_program::ProgramInput;
use ethrex_store::StoredBatch;

/// The input of a batch could not be gathered.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{doing}")]
pub struct SourceError {
    doing: &'static str,
    #[source]
    source: Arc<dyn std::error::Error + Send + Sync>,
}

impl SourceError {
    /// A failure of the medium while `doing` something.
    pub fn new(
        doing: &'static str,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Self { doing, source: Arc::new(source) }
    }
}

/// Gathers what proves a batch: its blocks, their witnesses, and the opening of its blob.
pub trait InputSource: fmt::Debug + Send + Sync + 'static {
    /// The input of a stored batch; `None` while something of it is not there. Called on a thread that may block.
    ///
    /// # Errors
    /// If it cannot be read.
    fn input(&self, batch: &StoredBatch) -> Result<Option<ProgramInput>, SourceError>;
}
