//! Provers at the desk, without sockets.

use alloy_primitives::{B256, FixedBytes};
use ethrex_protocol::{
    L2Height,
    batch::{Batch, BlobsBundle},
};

use super::*;
use crate::message::ProofBytes;

pub(crate) const ROLLUP: Rollup =
    Rollup { chain_id: 77, genesis_state_root: B256::repeat_byte(0xee) };

/// A batch of one block whose hashes tell its number.
pub(crate) fn stored(number: u64) -> StoredBatch {
    let word = |kind: u8| FixedBytes([kind; 32]) ^ B256::from(alloy_primitives::U256::from(number));
    StoredBatch {
        batch: Batch {
            number: BatchNumber(number),
            first_block: L2Height(number),
            last_block: L2Height(number),
            state_root: word(1),
            l1_in_messages_rolling_hash: B256::ZERO,
            l2_in_message_rolling_hashes: vec![],
            l1_out_message_hashes: vec![],
            non_privileged_transactions: number,
            balance_diffs: vec![],
            blobs_bundle: BlobsBundle::default(),
            commit_tx: None,
            verify_tx: None,
        },
        last_block_hash: word(2),
        blob_versioned_hash: word(3),
    }
}

/// What an honest executor says about a stored batch.
pub(crate) fn exec_proof(store: &Store, number: u64) -> ProverOutput {
    let batch = store.batch(BatchNumber(number)).unwrap().unwrap();
    let public_values = ROLLUP.expected(store, &batch).unwrap().unwrap().encode();
    let proof_bytes = ProofBytes { prover_type: ProverType::Exec, proof: vec![] };
    ProverOutput::ProofWithPublicValues { proof_bytes, public_values }
}

fn desk(batches: u64) -> (Desk, watch::Sender<Option<BatchNumber>>) {
    let store = Store::memory().unwrap();
    for number in 1..=batches {
        store.insert_batch(&stored(number)).unwrap();
    }
    let (told, verified) = watch::channel(Some(BatchNumber(0)));
    let desk = Desk {
        machine: Machine::new(Duration::from_secs(600)),
        needed: BTreeSet::from([ProverType::Exec]),
        rollup: ROLLUP,
        store,
        verified,
    };
    (desk, told)
}

#[track_caller]
fn assigned(desk: &mut Desk, seconds: u64) -> Option<u64> {
    match desk.assign(Duration::from_secs(seconds), ProverType::Exec).unwrap() {
        Assigned::Batch(batch) => Some(batch.batch.number.0),
        Assigned::Nothing => None,
        Assigned::NotNeeded => panic!("execution is needed"),
    }
}

#[test]
fn a_batch_is_handed_out_proven_and_stored_once() {
    let (mut desk, _told) = desk(2);
    assert_eq!(assigned(&mut desk, 0), Some(1));
    let proof = exec_proof(&desk.store, 1);
    assert_eq!(desk.submit(BatchNumber(1), &proof).unwrap(), Submitted::Stored);
    assert_eq!(desk.submit(BatchNumber(1), &proof).unwrap(), Submitted::Known);
    assert_eq!(assigned(&mut desk, 10_000), Some(2));
    assert_eq!(assigned(&mut desk, 10_000), None);
    let bytes = desk.store.proof(BatchNumber(1), 0).unwrap().unwrap();
    let stored = StoredProof::decode(&bytes).unwrap();
    assert_eq!(Some(stored.public_values.as_ref()), proof.public_values());
}

#[test]
fn nothing_is_handed_out_before_l1_was_asked() {
    let (mut desk, told) = desk(3);
    told.send_replace(None);
    assert_eq!(assigned(&mut desk, 0), None);
    told.send_replace(Some(BatchNumber(2)));
    assert_eq!(assigned(&mut desk, 0), Some(3));
}

#[test]
fn a_deleted_proof_is_made_again() {
    let (mut desk, _told) = desk(1);
    assert_eq!(assigned(&mut desk, 0), Some(1));
    let proof = exec_proof(&desk.store, 1);
    assert_eq!(desk.submit(BatchNumber(1), &proof).unwrap(), Submitted::Stored);
    assert_eq!(assigned(&mut desk, 1), None);
    desk.store.delete_proof(BatchNumber(1), 0).unwrap();
    assert_eq!(assigned(&mut desk, 2), Some(1));
}

#[test]
fn junk_is_not_stored_and_delays_nothing() {
    let (mut desk, _told) = desk(2);
    assert_eq!(assigned(&mut desk, 0), Some(1));
    let other = exec_proof(&desk.store, 2);
    let empty = ProverOutput::Proof(ProofBytes { prover_type: ProverType::Exec, proof: vec![1] });
    for junk in [other, empty] {
        assert_eq!(
            desk.submit(BatchNumber(1), &junk).unwrap(),
            Submitted::Refused(Refusal::WrongInputs)
        );
        assert_eq!(desk.store.proof(BatchNumber(1), 0).unwrap(), None);
        assert_eq!(assigned(&mut desk, 0), Some(1), "another prover gets it at once");
    }
    let proof = exec_proof(&desk.store, 1);
    assert_eq!(desk.submit(BatchNumber(1), &proof).unwrap(), Submitted::Stored);
}

#[test]
fn a_proof_that_outlived_the_coordinator_is_taken_for_a_batch_that_still_needs_one() {
    let (mut desk, told) = desk(3);
    assert_eq!(assigned(&mut desk, 0), Some(1));
    desk.machine = Machine::new(Duration::from_secs(600));
    let proof = exec_proof(&desk.store, 1);
    let junk = exec_proof(&desk.store, 2);
    let refused = |reason| Submitted::Refused(reason);
    assert_eq!(desk.submit(BatchNumber(1), &junk).unwrap(), refused(Refusal::WrongInputs));
    assert_eq!(desk.submit(BatchNumber(1), &proof).unwrap(), Submitted::Stored);
    assert_eq!(assigned(&mut desk, 1), Some(2), "the first one needs no other");
    assert_eq!(desk.submit(BatchNumber(9), &proof).unwrap(), refused(Refusal::UnknownBatch));
    told.send_replace(Some(BatchNumber(3)));
    let late = exec_proof(&desk.store, 3);
    assert_eq!(desk.submit(BatchNumber(3), &late).unwrap(), Submitted::Known);
}

#[test]
fn a_proof_that_does_not_say_what_it_proves_is_taken_only_from_who_was_asked() {
    let (mut desk, _told) = desk(1);
    desk.needed = BTreeSet::from([ProverType::Sp1]);
    let proof =
        ProverOutput::Proof(ProofBytes { prover_type: ProverType::Sp1, proof: vec![1; 260] });
    let refused = Submitted::Refused(Refusal::NotAssigned);
    assert_eq!(desk.submit(BatchNumber(1), &proof).unwrap(), refused);
    desk.assign(Duration::ZERO, ProverType::Sp1).unwrap();
    assert_eq!(desk.submit(BatchNumber(1), &proof).unwrap(), Submitted::Stored);
}

#[test]
fn kinds_that_are_not_needed_are_told_so() {
    let (mut desk, _told) = desk(1);
    let sp1 = ProverType::Sp1;
    assert_eq!(desk.assign(Duration::ZERO, sp1).unwrap(), Assigned::NotNeeded);
    let proof = ProverOutput::Proof(ProofBytes { prover_type: sp1, proof: vec![1] });
    assert_eq!(desk.submit(BatchNumber(1), &proof).unwrap(), Submitted::NotNeeded);
}

#[test]
fn a_batch_that_was_replaced_while_it_was_proven_is_proven_anew() {
    let (mut desk, _told) = desk(2);
    assert_eq!([assigned(&mut desk, 0), assigned(&mut desk, 0)], [Some(1), Some(2)]);
    let old = exec_proof(&desk.store, 2);
    desk.store.delete_batches_from(BatchNumber(2)).unwrap();
    let mut other = stored(2);
    other.batch.state_root = B256::repeat_byte(9);
    desk.store.insert_batch(&other).unwrap();
    assert_eq!(
        desk.submit(BatchNumber(2), &old).unwrap(),
        Submitted::Refused(Refusal::WrongInputs)
    );
    assert_eq!(assigned(&mut desk, 1), Some(2));
    let new = exec_proof(&desk.store, 2);
    assert_eq!(desk.submit(BatchNumber(2), &new).unwrap(), Submitted::Stored);
}
