//! The second path: every built block is validated from its witness alone before anyone sees it.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::Instant,
};

use alloy_primitives::B256;
use ethrex_stateless::{ExecutionWitness, ValidateError, Validated, Witness, validate};
use ethrex_stf::Rules;
use ethrex_types::{ChainSpec, RecoveredBlock, SealedBlock};
use tokio::sync::mpsc;

use crate::metrics;

/// Blocks that wait for the checker at most; the pipeline allows no more.
const QUEUE: usize = crate::pipeline::MAX_UNPUBLISHED + 1;

/// Why a block does not pass its check. It is not published then: a prover would meet the same.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// A stateless validator does not accept it.
    #[error(transparent)]
    Refused(#[from] ValidateError),
    /// The validator panicked: a bug of ours, wherever it is.
    #[error("the validator panicked: {message}")]
    Panicked {
        /// What it said.
        message: String,
    },
}

/// What the check of one block found.
#[derive(Debug)]
pub struct CheckOutcome {
    /// The block.
    pub hash: B256,
    /// `Ok`, or why a stateless validator would not accept it.
    pub result: Result<(), CheckError>,
}

/// A block, and all that its check may look at.
#[derive(Debug)]
pub struct CheckJob {
    /// The block.
    pub block: SealedBlock,
    /// Its witness.
    pub witness: ExecutionWitness,
}

impl CheckJob {
    /// Checks the block. CPU-bound.
    #[must_use]
    pub fn run(self, spec: &ChainSpec, rules: &dyn Rules) -> CheckOutcome {
        let start = Instant::now();
        let hash = self.block.hash();
        let result = check(spec, rules, self.block, &self.witness).map(|_| ());
        metrics::checked(if result.is_ok() { "passed" } else { "failed" }, start.elapsed());
        CheckOutcome { hash, result }
    }
}

/// Hands blocks to whoever checks them.
#[derive(Debug, Clone)]
pub struct Checker {
    jobs: mpsc::Sender<CheckJob>,
}

impl Checker {
    /// A handle, and the jobs that come through it. Whoever runs them reports the outcomes in the order of the jobs.
    #[must_use]
    pub fn queue() -> (Self, mpsc::Receiver<CheckJob>) {
        let (jobs, queue) = mpsc::channel(QUEUE);
        (Self { jobs }, queue)
    }

    /// Starts a thread that runs the jobs. Outcomes come in the order of the blocks.
    ///
    /// # Panics
    /// If the system cannot start one more thread.
    #[must_use]
    pub fn spawn(spec: ChainSpec, rules: Arc<dyn Rules>) -> (Self, mpsc::Receiver<CheckOutcome>) {
        let (checker, mut jobs) = Self::queue();
        let (outcomes, results) = mpsc::channel(QUEUE);
        std::thread::Builder::new()
            .name("block-checker".into())
            .spawn(move || {
                while let Some(job) = jobs.blocking_recv() {
                    if outcomes.blocking_send(job.run(&spec, rules.as_ref())).is_err() {
                        return;
                    }
                }
            })
            .expect("the system can start one more thread");
        (checker, results)
    }

    /// Queues a block. `false` if nobody runs the jobs any more.
    pub async fn submit(&self, block: SealedBlock, witness: ExecutionWitness) -> bool {
        self.jobs.send(CheckJob { block, witness }).await.is_ok()
    }
}

/// Validates a block as a stranger would: senders recovered anew, everything else from the witness. That the validator may have a bug
/// is one of the reasons to check at all, so a panic is a finding like any other and ends nothing.
pub(crate) fn check(
    spec: &ChainSpec,
    rules: &dyn Rules,
    block: SealedBlock,
    witness: &ExecutionWitness,
) -> Result<Validated, CheckError> {
    // A check shares nothing that it changes, so there is nothing that a panic could leave half done.
    let checked = catch_unwind(AssertUnwindSafe(|| validate_alone(spec, rules, block, witness)));
    match checked {
        Ok(result) => result.map_err(CheckError::Refused),
        Err(panic) => Err(CheckError::Panicked { message: message(panic.as_ref()) }),
    }
}

fn validate_alone(
    spec: &ChainSpec,
    rules: &dyn Rules,
    block: SealedBlock,
    witness: &ExecutionWitness,
) -> Result<Validated, ValidateError> {
    let witness =
        Witness::decode(witness).expect("a witness of our own making has well-formed headers");
    let block = RecoveredBlock::recover(block)
        .map_err(|bad| ValidateError::Invalid(ethrex_stf::InvalidBlock::Signature(bad.index)))?;
    validate(spec, rules, &block, &witness)
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("without a message").to_owned()
}
