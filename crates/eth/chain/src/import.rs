//! Judging a block that came from elsewhere.

use std::time::Instant;

use alloy_primitives::Address;
use ethrex_stf::{InvalidBlock, RunError, check_body, check_header, execute};
use ethrex_storage::{StateView, StorageError};
use ethrex_types::{RecoveredBlock, SealedBlock, SealedHeader, StateError};

use crate::{Chain, Prepared, metrics, witness::CommitError};

/// What consensus says about a block.
#[derive(Debug)]
pub enum Verdict {
    /// It holds every rule, and is stored.
    Valid,
    /// It breaks a rule; its descendants are invalid too.
    Invalid(InvalidBlock),
    /// We lack the parent or its state; the caller should start a sync.
    UnknownParent,
}

/// Something on our side failed while judging: the verdict is unknown.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The state could not be read.
    #[error("read state")]
    State(#[source] StateError),
    /// The database failed.
    #[error("storage")]
    Storage(#[source] StorageError),
    /// The thread that imports has ended.
    #[error("the importer has stopped")]
    Stopped,
}

impl From<CommitError> for ImportError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::State(fault) => Self::State(fault),
            CommitError::Storage(fault) => Self::Storage(fault),
        }
    }
}

impl Chain {
    /// Judges a block, and stores it if valid. It does not become the head here: see [`Chain::publish`].
    ///
    /// # Errors
    /// Only faults of ours; a wrong block is [`Verdict::Invalid`].
    pub fn import(&self, block: SealedBlock) -> Result<Verdict, ImportError> {
        let start = Instant::now();
        if self.storage().header(block.hash()).map_err(ImportError::Storage)?.is_some() {
            return Ok(Verdict::Valid);
        }
        let gas = block.header().gas_used;
        let verdict = match self.check(block)? {
            Ok(prepared) => {
                self.store(prepared).map_err(ImportError::Storage)?;
                Verdict::Valid
            }
            Err(verdict) => verdict,
        };
        let outcome = match &verdict {
            Verdict::Valid => "valid",
            Verdict::Invalid(_) => "invalid",
            Verdict::UnknownParent => "unknown_parent",
        };
        metrics::imported(outcome, start.elapsed(), gas);
        Ok(verdict)
    }

    /// Header, body, execution, state root: in this order.
    pub(crate) fn check(
        &self,
        block: SealedBlock,
    ) -> Result<Result<Prepared, Verdict>, ImportError> {
        let storage = self.storage();
        let parent = storage.header(block.header().parent_hash).map_err(ImportError::Storage)?;
        let Some(parent) = parent else { return Ok(Err(Verdict::UnknownParent)) };
        let state = storage.state_at(parent.hash()).map_err(ImportError::Storage)?;
        let Some(state) = state else { return Ok(Err(Verdict::UnknownParent)) };
        Ok(self.check_on(block, &parent, &state)?.map_err(Verdict::Invalid))
    }

    /// The same on the state after its parent, wherever that is from. What is invalid is kept for a while.
    pub(crate) fn check_on(
        &self,
        block: SealedBlock,
        parent: &SealedHeader,
        state: &StateView,
    ) -> Result<Result<Prepared, InvalidBlock>, ImportError> {
        let senders = match self.check_parts(&block, parent)? {
            Ok(senders) => senders,
            Err(why) => return Ok(Err(self.bad(block, why))),
        };
        let block = RecoveredBlock::new_unchecked(block, senders);
        let before = self.before(state, parent);
        let executed =
            before.execute(|state| execute(self.spec(), self.rules().as_ref(), &block, state));
        let executed = match executed {
            Ok(executed) => executed,
            Err(RunError::Invalid(why)) => return Ok(Err(self.bad(block.into_parts().0, why))),
            Err(RunError::Fault(fault)) => return Err(ImportError::State(fault)),
        };
        let (witness, update) = self.commit(before, parent, &executed.accesses, &executed.diff)?;
        let got = block.sealed().header().state_root;
        if got != update.root {
            let why = InvalidBlock::Root { what: "state root", got, want: update.root };
            return Ok(Err(self.bad(block.into_parts().0, why)));
        }
        Ok(Ok(Prepared {
            block,
            receipts: executed.receipts,
            diff: executed.diff,
            nodes: update.nodes,
            requests: executed.requests,
            access_list: executed
                .block_access_list
                .as_ref()
                .map(|list| alloy_rlp::encode(list).into()),
            witness,
        }))
    }

    /// What of a block needs no state; gives the senders of its transactions.
    fn check_parts(
        &self,
        block: &SealedBlock,
        parent: &SealedHeader,
    ) -> Result<Result<Vec<Address>, InvalidBlock>, ImportError> {
        if let Err(why) = check_header(self.spec(), block.header(), parent) {
            return Ok(Err(why));
        }
        if let Err(why) = check_body(self.spec(), block.block()) {
            return Ok(Err(why));
        }
        let work = self.check_work(block.block(), parent).map_err(ImportError::Storage)?;
        if let Err(why) = work {
            return Ok(Err(why));
        }
        let fork = self.spec().fork_at(block.number(), block.header().timestamp);
        let senders = RecoveredBlock::senders_at(fork, block);
        Ok(senders.map_err(|bad| InvalidBlock::Signature(bad.index)))
    }

    /// Keeps an invalid block, and hands on why it is one.
    fn bad(&self, block: SealedBlock, why: InvalidBlock) -> InvalidBlock {
        self.keep_bad(block);
        why
    }
}
