//! The second path: every built block is validated from its witness alone before anyone sees it.

use std::{sync::Arc, time::Instant};

use alloy_primitives::B256;
use ethrex_stateless::{ExecutionWitness, ValidateError, Validated, Witness, validate};
use ethrex_stf::Rules;
use ethrex_types::{ChainSpec, RecoveredBlock, SealedBlock};
use tokio::sync::mpsc;

use crate::metrics;

/// Blocks that wait for the checker at most; the pipeline allows no more.
const QUEUE: usize = crate::pipeline::MAX_UNPUBLISHED + 1;

/// What the check of one block found.
#[derive(Debug)]
pub struct CheckOutcome {
    /// The block.
    pub hash: B256,
    /// `Ok`, or why a stateless validator would not accept it.
    pub result: Result<(), ValidateError>,
}

/// Hands blocks to the checking thread.
#[derive(Debug, Clone)]
pub struct Checker {
    jobs: mpsc::Sender<(SealedBlock, ExecutionWitness)>,
}

impl Checker {
    /// Starts the thread. Outcomes come in the order of the blocks.
    ///
    /// # Panics
    /// If the system cannot start one more thread.
    #[must_use]
    pub fn spawn(spec: ChainSpec, rules: Arc<dyn Rules>) -> (Self, mpsc::Receiver<CheckOutcome>) {
        let (jobs, mut inbox) = mpsc::channel::<(SealedBlock, ExecutionWitness)>(QUEUE);
        let (outcomes, results) = mpsc::channel(QUEUE);
        std::thread::Builder::new()
            .name("block-checker".into())
            .spawn(move || {
                while let Some((block, witness)) = inbox.blocking_recv() {
                    let start = Instant::now();
                    let hash = block.hash();
                    let result = check(&spec, rules.as_ref(), block, &witness).map(|_| ());
                    metrics::checked(
                        if result.is_ok() { "passed" } else { "failed" },
                        start.elapsed(),
                    );
                    if outcomes.blocking_send(CheckOutcome { hash, result }).is_err() {
                        return;
                    }
                }
            })
            .expect("the system can start one more thread");
        (Self { jobs }, results)
    }

    /// Queues a block. `false` if the thread has ended.
    pub async fn submit(&self, block: SealedBlock, witness: ExecutionWitness) -> bool {
        self.jobs.send((block, witness)).await.is_ok()
    }
}

/// Validates a block as a stranger would: senders recovered anew, everything else from the witness.
pub(crate) fn check(
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
