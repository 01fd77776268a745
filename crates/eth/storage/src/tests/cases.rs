//! Single histories, each for one thing that must hold.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use alloy_primitives::{B256, Bytes, keccak256};
use ethrex_trie::{state_root_of, verify_proof};
use ethrex_types::{AccountDiff, StateDiff, StateReader};

use super::{Plan, Run, chain, found, queries};
use crate::{
    Storage, StorageError, StoredBlob,
    codec::{Identity, decode, encode, meta},
    engine::{Batch, Engine, memory::Memory},
    table::{SCHEMA_WITHOUT_LOG_INDEX, Table},
};

#[test]
fn a_view_does_not_change_while_the_base_moves_under_it() {
    let mut run = Run::new(0);
    let plan = |i: u8| Plan {
        accounts: vec![(
            i % 6,
            Some(u64::from(i)),
            i.is_multiple_of(7),
            vec![(i % 4, u64::from(i))],
        )],
        code: None,
        tx: 0,
        extra: 0,
    };
    let mut views = vec![];
    for i in 0..250u8 {
        let hash = run.commit(run.model.head, &plan(i)).unwrap();
        run.storage.set_canonical(hash).unwrap();
        run.model.head = hash;
        views.push((
            run.storage.state_at(hash).unwrap().unwrap(),
            run.model.known[&hash].state.clone(),
        ));
    }
    run.storage.core().flush_due().unwrap();
    assert!(run.storage.earliest_state().number >= 112);
    for (view, state) in views {
        for (address, (info, storage)) in &state {
            assert_eq!(view.account(*address).unwrap(), Some(*info));
            for (slot, value) in storage {
                assert_eq!(view.storage(*address, *slot).unwrap(), *value);
            }
            let proof = view.proof(*address, &[]).unwrap();
            verify_proof(view.root(), keccak256(address), &proof.proof).unwrap().unwrap();
        }
    }
}

#[test]
fn the_base_on_disk_holds_exactly_one_state() {
    let mut run = Run::new(0);
    for i in 0..200u8 {
        let accounts = vec![
            (
                i % 6,
                (!i.is_multiple_of(5)).then_some(u64::from(i)),
                i.is_multiple_of(7),
                vec![(i % 4, u64::from(i % 3))],
            ),
            ((i + 1) % 6, Some(1), false, vec![(i % 3, u64::from(i))]),
        ];
        run.grow(1, &Plan { accounts, code: None, tx: 0, extra: 0 }).unwrap();
    }
    run.storage.core().flush_due().unwrap();
    let base = run.storage.core().tree.read().base;
    assert_eq!(base.number, 64);

    let state = &run.model.known[&base.hash].state;
    let whole = StateDiff {
        accounts: state
            .iter()
            .map(|(address, (info, storage))| {
                let storage = storage.clone();
                (*address, AccountDiff { info: Some(*info), wiped: false, storage })
            })
            .collect(),
        codes: BTreeMap::new(),
    };
    let mut expected = Batch::default();
    let nodes = state_root_of(&whole).nodes;
    crate::flush::put_changes(&mut expected, &crate::layer::Changes::new(whole, nodes));
    let fresh = Memory::default();
    fresh.commit(expected).unwrap();
    let rows = |engine: &dyn Engine| {
        let mut rows = vec![];
        let snapshot = engine.snapshot().unwrap();
        for table in [Table::Accounts, Table::Slots, Table::AccountNodes, Table::StorageNodes] {
            let collect = &mut |key: &[u8], row: &[u8]| {
                rows.push((table, key.to_vec(), row.to_vec()));
                true
            };
            snapshot.scan(table, &[], collect).unwrap();
        }
        rows
    };
    assert_eq!(rows(&run.engine), rows(&fresh));
}

#[test]
fn a_block_on_an_unknown_or_given_up_parent_is_refused() {
    let mut run = Run::new(0);
    let nothing = Plan { accounts: vec![], code: None, tx: 0, extra: 0 };
    let fork = Plan { extra: 1, ..nothing.clone() };
    let genesis = run.model.head;
    let (old, _) = run.model.new_block(&run.storage, genesis, &fork);
    run.grow(160, &nothing).unwrap();
    run.storage.core().flush_due().unwrap();
    assert!(matches!(
        run.storage.commit_block(old.new_block()),
        Err(StorageError::UnknownParent(_))
    ));
    assert!(matches!(run.storage.set_canonical(B256::ZERO), Err(StorageError::UnknownHead(_))));
    assert!(matches!(run.storage.set_canonical(genesis), Err(StorageError::UnknownHead(_))));
    assert!(matches!(run.storage.revert_to(3), Err(StorageError::TooDeep { .. })));
    assert!(matches!(run.storage.set_safe(B256::ZERO), Err(StorageError::UnknownBlock(_))));
}

#[test]
fn pointers_survive_a_restart_and_go_with_their_block() {
    let mut run = Run::new(0);
    run.grow(5, &Plan { accounts: vec![], code: None, tx: 0, extra: 0 }).unwrap();
    let at = |run: &Run, number| run.storage.canonical_hash(number).unwrap().unwrap();
    run.storage.set_finalized(at(&run, 2)).unwrap();
    run.storage.set_safe(at(&run, 4)).unwrap();
    run.restart();
    assert_eq!(run.storage.finalized().unwrap().number, 2);
    assert_eq!(run.storage.safe().unwrap().number, 4);
    run.storage.revert_to(3).unwrap();
    assert_eq!(run.storage.safe(), None);
    run.restart();
    assert_eq!((run.storage.safe(), run.storage.finalized().unwrap().number), (None, 2));
}

#[test]
fn pointers_stay_as_long_as_the_head_stands_on_them() {
    let mut run = Run::new(0);
    run.grow(5, &Plan { accounts: vec![], code: None, tx: 0, extra: 0 }).unwrap();
    let at = |run: &Run, number| run.storage.canonical_hash(number).unwrap().unwrap();
    let head = at(&run, 5);
    run.storage.set_fork_choice(head, Some(at(&run, 4)), Some(at(&run, 2))).unwrap();
    run.storage.set_canonical(at(&run, 4)).unwrap();
    assert_eq!(run.storage.safe().unwrap().number, 4);
    run.storage.set_canonical(at(&run, 3)).unwrap();
    let check = |run: &Run| {
        assert_eq!((run.storage.safe(), run.storage.finalized().unwrap().number), (None, 2));
    };
    check(&run);
    run.restart();
    check(&run);
    run.storage.set_canonical(head).unwrap();
    check(&run);
}

#[test]
fn blobs_witnesses_and_the_journal_are_kept_until_deleted() {
    let storage = Storage::memory(&chain(0)).unwrap();
    let blob = |n: u8| StoredBlob {
        versioned_hash: B256::repeat_byte(n),
        data: Bytes::from(vec![n; 131_072]),
    };
    for number in [1, 255, 256] {
        storage.put_blobs(number, &[blob(number as u8), blob(7)]).unwrap();
    }
    assert_eq!(storage.blobs(255).unwrap(), [blob(255), blob(7)]);
    assert_eq!(storage.blobs(2).unwrap(), []);
    storage.prune_blobs(256).unwrap();
    assert_eq!(storage.blobs(255).unwrap(), []);
    assert_eq!(storage.blobs(256).unwrap().len(), 2);

    let entries =
        [(B256::repeat_byte(2), Bytes::from_static(b"b")), (B256::repeat_byte(1), Bytes::new())];
    storage.journal_put(&entries).unwrap();
    assert_eq!(storage.journal().unwrap(), [entries[1].clone(), entries[0].clone()]);
    storage.journal_delete(&[entries[1].0]).unwrap();
    assert_eq!(storage.journal().unwrap(), [entries[0].clone()]);

    storage.put_witness(B256::ZERO, Bytes::from_static(b"w")).unwrap();
    assert_eq!(storage.witness(B256::ZERO).unwrap().unwrap(), b"w"[..]);
    storage.delete_witnesses(&[B256::ZERO]).unwrap();
    assert_eq!(storage.witness(B256::ZERO).unwrap(), None);
}

#[test]
fn a_database_without_an_index_of_logs_is_searched_block_by_block_until_it_has_one() {
    let mut run = Run::new(0);
    let plan = Plan { accounts: vec![], code: None, tx: 0, extra: 0 };
    run.grow(100, &plan).unwrap();
    let expected: Vec<_> =
        queries().iter().map(|query| found(&run.storage, query, 0..=100)).collect();
    assert!(expected[0].len() > 20);

    // As the version before has left it.
    let mut batch = Batch::default();
    let snapshot = run.engine.memory.snapshot().unwrap();
    let identity = snapshot.get(Table::Meta, meta::IDENTITY).unwrap().unwrap();
    let identity: Identity = decode(Table::Meta, &identity).unwrap();
    batch.put(
        Table::Meta,
        meta::IDENTITY,
        encode(&Identity { schema: SCHEMA_WITHOUT_LOG_INDEX, ..identity }),
    );
    batch.delete_prefix(Table::LogIndex, []);
    drop(snapshot);
    run.engine.memory.commit(batch).unwrap();
    run.restart();

    let deadline = Instant::now() + Duration::from_secs(30);
    for (query, expected) in queries().iter().zip(&expected) {
        loop {
            let found = found(&run.storage, query, 0..=100);
            // Until then every block is a candidate, and none is left out.
            let blocks: Vec<_> = found.iter().map(|candidate| candidate.block).collect();
            assert!(expected.iter().all(|candidate| blocks.contains(&candidate.block)));
            if found == *expected {
                break;
            }
            assert!(Instant::now() < deadline, "the index is never complete");
            std::thread::yield_now();
        }
    }
    run.grow(3, &plan).unwrap();
    run.model.check(&run.storage, true);
}
