//! The submitter against an L1 in memory. Time is paused: it jumps when everybody waits.

use std::sync::Arc;

use alloy_sol_types::SolError;
use ethrex_l1::{
    Contracts, Policy, SenderConfig,
    testing::{Call, Contract, FakeL1, Ran, SETTLEMENT, SettlementModel},
};
use ethrex_protocol::contracts::OnChainProposer;
use tokio::task::JoinHandle;

use super::*;
use crate::{
    desk::tests::{ROLLUP, exec_proof, stored},
    message::{ProofBytes, ProverOutput},
};

const KEY: &str = "0x39725efee3fb28614de3bacaffe4cc4bd8c436257e2c8bb887c4b5c4be45e76d";
const PROGRAM: B256 = B256::repeat_byte(0xcc);

/// The settlement contracts, except that they refuse some SP1 proofs.
#[derive(Debug, Clone)]
struct Judge {
    model: SettlementModel,
    refuses: Vec<u8>,
}

impl Contract for Judge {
    fn run(&mut self, call: &Call) -> Ran {
        if let Ok(verify) = Timelock::verifyBatchesCall::abi_decode(&call.data)
            && verify.sp1Proofs.iter().any(|proof| *proof == self.refuses)
        {
            return Err(OnChainProposer::InvalidSp1Proof {}.abi_encode().into());
        }
        self.model.run(call)
    }

    fn copy(&self) -> Box<dyn Contract> {
        Box::new(self.clone())
    }

    fn as_any(&self) -> &dyn std::any::Any {
        self
    }
}

/// A rollup with sealed batches, of which some are committed.
struct World {
    l1: FakeL1,
    store: Store,
}

struct Node {
    verified: watch::Receiver<Option<BatchNumber>>,
    stop: CancellationToken,
    submitter: JoinHandle<Result<(), SubmitError>>,
    sender: JoinHandle<Result<(), ethrex_l1::SenderError>>,
}

impl World {
    fn new(sealed: u64, committed: u64) -> Self {
        let (l1, store) = (FakeL1::new(), Store::memory().unwrap());
        let mut model = SettlementModel::new(ROLLUP.chain_id, ROLLUP.genesis_state_root);
        for number in 1..=sealed {
            let row = stored(number);
            store.insert_batch(&row).unwrap();
            if number <= committed {
                let commitment =
                    row.batch.commitment(row.last_block_hash, row.blob_versioned_hash, PROGRAM);
                model.commitments.insert(number, commitment);
                model.last_committed = number;
            }
        }
        l1.install(SETTLEMENT, Judge { model, refuses: b"bad".to_vec() });
        Self { l1, store }
    }

    fn model(&self) -> SettlementModel {
        self.l1.inspect(SETTLEMENT, |judge: &Judge| judge.model.clone())
    }

    fn prove(&self, batches: impl IntoIterator<Item = u64>) {
        for number in batches {
            let proof = StoredProof::of(&exec_proof(&self.store, number)).encode();
            self.store.put_proof(BatchNumber(number), 0, &proof).unwrap();
        }
    }

    fn prove_sp1(&self, number: u64, bytes: &[u8]) {
        let proof = ProofBytes { prover_type: ProverType::Sp1, proof: bytes.to_vec() };
        let proof = StoredProof::of(&ProverOutput::Proof(proof)).encode();
        self.store.put_proof(BatchNumber(number), ProverType::Sp1.id(), &proof).unwrap();
    }

    fn start(&self, needed: ProverType) -> Node {
        let contracts =
            Contracts { timelock: SETTLEMENT, on_chain_proposer: SETTLEMENT, bridge: SETTLEMENT };
        let settlement = Settlement::new(self.l1.client(), contracts);
        let config = SenderConfig { policy: Policy::documented(), every: Duration::from_secs(1) };
        let outbox = Arc::new(self.store.clone());
        let (sender, task) = Sender::new(self.l1.client(), KEY.parse().unwrap(), outbox, config);
        let (told, verified) = watch::channel(None);
        let config = SubmitConfig {
            every: Duration::from_secs(1),
            needed: BTreeSet::from([needed]),
            chain_id: ROLLUP.chain_id,
            commit_hash: PROGRAM,
        };
        let parts = SubmitParts { settlement, sender, store: self.store.clone(), verified: told };
        let stop = CancellationToken::new();
        Node {
            verified,
            sender: tokio::spawn(task.run(stop.clone())),
            submitter: tokio::spawn(Submitter::new(config, parts).run(stop.clone())),
            stop,
        }
    }

    /// Lets time pass, with an L1 block every two seconds.
    async fn pass(&self, seconds: u64) {
        for _ in 0..seconds.div_ceil(2) {
            tokio::time::sleep(Duration::from_secs(2)).await;
            self.l1.mine();
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

impl Node {
    fn verified(&self) -> Option<u64> {
        self.verified.borrow().map(|batch| batch.0)
    }

    async fn end(self) {
        self.stop.cancel();
        self.submitter.await.unwrap().unwrap();
        self.sender.await.unwrap().unwrap();
    }

    /// Ends the process, as a kill would.
    async fn kill(self) {
        self.submitter.abort();
        self.sender.abort();
        let _ = (self.submitter.await, self.sender.await);
        drop(self.stop);
    }
}

#[tokio::test(start_paused = true)]
async fn proven_batches_are_verified_together_up_to_the_first_gap() {
    let world = World::new(5, 5);
    world.prove([1, 2, 4]);
    let node = world.start(ProverType::Exec);
    world.pass(10).await;
    assert_eq!((world.model().last_verified, node.verified()), (2, Some(2)));
    assert_eq!(world.l1.sent().len(), 1);

    world.prove([3, 5]);
    world.pass(10).await;
    assert_eq!((world.model().last_verified, node.verified()), (5, Some(5)));
    assert_eq!(world.l1.sent().len(), 2);
    let tx = |number| world.store.batch(BatchNumber(number)).unwrap().unwrap().batch.verify_tx;
    let sent = world.l1.sent();
    assert_eq!([tx(1), tx(2), tx(3), tx(5)], [sent[0], sent[0], sent[1], sent[1]].map(Some));
    node.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_is_not_committed_waits() {
    let world = World::new(3, 2);
    world.prove(1..=3);
    let node = world.start(ProverType::Exec);
    world.pass(20).await;
    assert_eq!(world.model().last_verified, 2);
    assert_eq!(world.l1.sent().len(), 1);
    node.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_proof_that_contradicts_l1_halts_settlement() {
    let world = World::new(2, 2);
    world.prove([1]);
    let wrong = StoredProof { proof: Bytes::new(), public_values: vec![7; 256].into() };
    world.store.put_proof(BatchNumber(2), 0, &wrong.encode()).unwrap();
    let node = world.start(ProverType::Exec);
    world.pass(200).await;
    assert_eq!(world.model().last_verified, 0, "not even the batch before is sent");
    assert!(world.l1.sent().is_empty());
    assert!(!node.submitter.is_finished(), "the rest of the node goes on");
    node.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_commitment_that_is_not_ours_halts_settlement() {
    let world = World::new(1, 1);
    world.prove([1]);
    let mut model = world.model();
    model.commitments.get_mut(&1).unwrap().state_root = B256::repeat_byte(0x66);
    world.l1.install(SETTLEMENT, Judge { model, refuses: b"bad".to_vec() });
    let node = world.start(ProverType::Exec);
    world.pass(100).await;
    assert!(world.l1.sent().is_empty());
    node.end().await;
}

#[tokio::test(start_paused = true)]
async fn contracts_of_another_rollup_halt_settlement() {
    let world = World::new(1, 1);
    world.prove([1]);
    let model = SettlementModel { chain_id: 1, ..world.model() };
    world.l1.install(SETTLEMENT, Judge { model, refuses: b"bad".to_vec() });
    let node = world.start(ProverType::Exec);
    world.pass(20).await;
    assert!(world.l1.sent().is_empty());
    node.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_proof_that_l1_does_not_accept_is_found_and_made_again() {
    let world = World::new(3, 3);
    world.prove_sp1(1, b"good");
    world.prove_sp1(2, b"bad");
    world.prove_sp1(3, b"good");
    let node = world.start(ProverType::Sp1);
    world.pass(60).await;
    let sp1 = ProverType::Sp1.id();
    assert_eq!(world.model().last_verified, 1);
    assert_eq!(world.store.proof(BatchNumber(2), sp1).unwrap(), None, "to be made again");
    assert!(world.store.proof(BatchNumber(3), sp1).unwrap().is_some());

    world.prove_sp1(2, b"better");
    world.pass(60).await;
    assert_eq!(world.model().last_verified, 3);
    node.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_batch_committed_for_another_program_is_not_sent() {
    let world = World::new(1, 1);
    world.prove_sp1(1, b"good");
    let mut model = world.model();
    model.commitments.get_mut(&1).unwrap().commit_hash = B256::ZERO;
    world.l1.install(SETTLEMENT, Judge { model, refuses: b"bad".to_vec() });
    let node = world.start(ProverType::Sp1);
    world.pass(20).await;
    assert!(world.l1.sent().is_empty());
    node.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_restart_sends_nothing_twice() {
    let world = World::new(3, 3);
    world.prove([1]);
    let node = world.start(ProverType::Exec);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(world.l1.sent().len(), 1, "under way, not mined");
    node.kill().await;

    world.prove([2, 3]);
    let node = world.start(ProverType::Exec);
    world.pass(20).await;
    assert_eq!(world.model().last_verified, 3);
    assert_eq!(world.l1.sent().len(), 2);
    let tx = world.store.batch(BatchNumber(1)).unwrap().unwrap().batch.verify_tx;
    assert_eq!(tx, Some(world.l1.sent()[0]));
    node.end().await;
}

#[tokio::test(start_paused = true)]
async fn an_l1_that_is_down_is_waited_for() {
    let world = World::new(1, 1);
    world.prove([1]);
    world.l1.set_down(true);
    let node = world.start(ProverType::Exec);
    world.pass(30).await;
    assert_eq!(node.verified(), None);
    world.l1.set_down(false);
    world.pass(30).await;
    assert_eq!(node.verified(), Some(1));
    node.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_damaged_proof_is_made_again() {
    let world = World::new(1, 1);
    world.store.put_proof(BatchNumber(1), 0, &[1, 2, 3]).unwrap();
    let node = world.start(ProverType::Exec);
    world.pass(6).await;
    assert_eq!(world.store.proof(BatchNumber(1), 0).unwrap(), None);
    world.prove([1]);
    world.pass(6).await;
    assert_eq!(node.verified(), Some(1));
    node.end().await;
}

#[tokio::test(start_paused = true)]
async fn somebody_else_who_verifies_is_no_problem() {
    let world = World::new(2, 2);
    world.prove([1, 2]);
    let node = world.start(ProverType::Exec);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let mut model = world.model();
    model.commitments.remove(&0);
    model.last_verified = 1;
    world.l1.install(SETTLEMENT, Judge { model, refuses: b"bad".to_vec() });
    world.pass(40).await;
    assert_eq!((world.model().last_verified, node.verified()), (2, Some(2)));
    node.end().await;
}

#[test]
fn every_kind_has_one_entry_per_batch() {
    let proofs = BTreeMap::from([(
        ProverType::Sp1,
        StoredProof { proof: Bytes::from_static(b"p"), public_values: Bytes::new() },
    )]);
    let run = [4, 5].map(|number| Proven { batch: stored(number), proofs: proofs.clone() });
    let call = Timelock::verifyBatchesCall::abi_decode(&calldata(&run)).unwrap();
    assert_eq!(call.firstBatchNumber, U256::from(4));
    assert_eq!(call.risc0Proofs, [Bytes::new(), Bytes::new()]);
    assert_eq!(call.sp1Proofs, [Bytes::from_static(b"p"), Bytes::from_static(b"p")]);
    assert_eq!(call.tdxSignatures, [Bytes::new(), Bytes::new()]);
}
