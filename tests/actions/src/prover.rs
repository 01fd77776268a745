//! The local prover: the `exec` backend, without the socket between it and the coordinator.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use alloy_primitives::Bytes;
use ethrex_chain::Chain;
use ethrex_program::{BlobOpening, BlockInput, ProgramInput};
use ethrex_protocol::{BatchNumber, fee::FeeConfig};
use ethrex_prover::{Backend, Exec, ProverType};
use ethrex_store::{Store, StoredBatch};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Time between two looks for a batch to prove.
const EVERY: Duration = Duration::from_secs(1);

/// What the prover does. Cheap to clone; all clones are the same prover.
#[derive(Debug, Clone, Default)]
pub struct Prover {
    asleep: Arc<AtomicBool>,
    lying: Arc<AtomicBool>,
}

impl Prover {
    /// Whether it proves nothing.
    pub fn set_asleep(&self, asleep: bool) {
        self.asleep.store(asleep, Ordering::Relaxed);
    }

    /// Whether it asserts something else than it has executed.
    pub fn set_lying(&self, lying: bool) {
        self.lying.store(lying, Ordering::Relaxed);
    }
}

/// What the prover works with.
#[derive(Debug, Clone)]
pub(crate) struct Bench {
    pub(crate) chain: Chain,
    pub(crate) store: Store,
    /// The last batch that is verified, once L1 was asked.
    pub(crate) verified: watch::Receiver<Option<BatchNumber>>,
}

/// Proves one batch after the other.
pub(crate) async fn drive(
    bench: Bench,
    prover: Prover,
    stop: CancellationToken,
) -> Result<(), Infallible> {
    let mut tick = tokio::time::interval(EVERY);
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = tick.tick() => {}
        }
        let (bench, prover) = (bench.clone(), prover.clone());
        let work = move || bench.work(&prover);
        tokio::task::spawn_blocking(work).await.expect("every batch can be proven");
    }
}

impl Bench {
    /// Proves the first batch that has no proof, and stores it as the coordinator does.
    fn work(&self, prover: &Prover) {
        let Some(verified) = *self.verified.borrow() else { return };
        if prover.asleep.load(Ordering::Relaxed) {
            return;
        }
        let id = ProverType::Exec.id();
        let lacks = |row: &StoredBatch| {
            self.store.proof(row.batch.number, id).expect("the store can be read").is_none()
        };
        let next = (verified.0 + 1..)
            .map_while(|number| self.store.batch(BatchNumber(number)).expect("it can be read"))
            .find(lacks);
        let Some(row) = next else { return };
        let output = Exec.prove(&self.input(&row)).expect("a batch of ours can be proven");
        let mut public_values = output.public_values().expect("exec says what it saw").to_vec();
        if prover.lying.load(Ordering::Relaxed) {
            public_values[0] ^= 1;
        }
        // The form in which proofs are stored: the proof, and what it asserts.
        let proof = alloy_rlp::encode(vec![Bytes::new(), public_values.into()]);
        self.store.put_proof(row.batch.number, id, &proof).expect("the store takes it");
    }

    fn input(&self, row: &StoredBatch) -> ProgramInput {
        let storage = self.chain.storage();
        let blocks = (row.batch.first_block.0..=row.batch.last_block.0).map(|number| {
            let hash = storage.canonical_hash(number).expect("the database answers");
            let hash = hash.expect("batches hold published blocks");
            let block = storage.block(hash).expect("the database answers").expect("it is stored");
            let witness = self.chain.witness(hash).expect("the database answers");
            BlockInput {
                block: block.into_parts().0.into_block(),
                fee_config: FeeConfig::default(),
                witness: witness.expect("witnesses are kept until their batch is verified"),
            }
        });
        let bundle = &row.batch.blobs_bundle;
        let blob = BlobOpening { commitment: bundle.commitments[0], proof: bundle.proofs[0] };
        ProgramInput::new(self.chain.spec().genesis().config.clone(), blocks, Some(blob))
    }
}
