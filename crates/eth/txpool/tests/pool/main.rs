//! The pool as its callers see it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod chain;

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use alloy_primitives::U256;
use chain::{MinedMeanwhile, State, Wallet, World};
use ethrex_storage::Storage;
use ethrex_txpool::{AddError, Journal, PoolConfig, Refused, Status};
use ethrex_types::{
    Tx,
    alloy_consensus::{Transaction, TxEip1559},
};

#[track_caller]
fn refused(result: Result<alloy_primitives::B256, AddError>, message: &str) {
    match result {
        Err(AddError::Refused(refused)) => assert_eq!(refused.to_string(), message),
        other => panic!("{other:?} instead of a refusal"),
    }
}

#[test]
fn a_plain_transfer_becomes_ready() {
    let world = World::new();
    let wallet = world.wallet(1);
    let hash = world.pool.add(wallet.transfer(0)).unwrap();
    assert_eq!(world.pool.status(), Status { ready: 1, waiting: 0 });
    assert_eq!(world.pool.pending_nonce(wallet.address()), Some(1));
    assert_eq!(world.pool.get(hash).unwrap().sender(), wallet.address());
    refused(world.pool.add(wallet.transfer(0)), "already known");
}

#[test]
fn a_gap_waits_until_it_closes() {
    let world = World::new();
    let wallet = world.wallet(1);
    world.pool.add(wallet.transfer(1)).unwrap();
    assert_eq!(world.pool.status(), Status { ready: 0, waiting: 1 });
    assert_eq!(world.pool.pending_nonce(wallet.address()), None);
    world.pool.add(wallet.transfer(0)).unwrap();
    assert_eq!(world.pool.status(), Status { ready: 2, waiting: 0 });
    let (hashes, count) = world.pool.arrivals_since(0);
    assert_eq!((hashes.len(), count), (2, 2), "both became ready, in order");
    assert_eq!(world.nonces(0), [0, 1]);
}

#[test]
fn refusals_speak_as_geth_does() {
    let world = World::new();
    let wallet = world.wallet(1);
    world.state.nonce(wallet.address(), 5);
    refused(world.pool.add(wallet.transfer(4)), "nonce too low: next nonce 5, tx nonce 4");

    let poor = world.wallet(2);
    world.state.balance(poor.address(), U256::from(1));
    let cost = 21_000u128 * 2_000_000_000 + 1;
    refused(
        world.pool.add(poor.transfer(0)),
        &format!(
            "insufficient funds for gas * price + value: balance 1, tx cost {cost}, overshot {}",
            cost - 1
        ),
    );
    let gas = |gas| wallet.sign(|tx| tx.gas_limit = gas, 5);
    refused(world.pool.add(gas(20_999)), "intrinsic gas too low: gas 20999, minimum needed 21000");
    refused(world.pool.add(gas(30_000_001)), "exceeds block gas limit");
    refused(
        world.pool.add(gas(16_777_217)),
        "transaction gas limit too high (cap: 16777216, tx: 16777217)",
    );
    refused(
        world.pool.add(wallet.sign(|tx| tx.max_priority_fee_per_gas = u128::MAX, 5)),
        "max priority fee per gas higher than max fee per gas",
    );
    refused(
        world.pool.add(wallet.sign(|tx| tx.chain_id = 1, 5)),
        "invalid sender: invalid chain id for signer: have 1 want 9",
    );
    refused(world.pool.add(wallet.transfer(u64::MAX)), "nonce has max value");
    refused(
        world.pool.add(wallet.sign(
            |tx| {
                tx.input = vec![1; 1_000].into();
                tx.gas_limit = 60_999;
            },
            5,
        )),
        "insufficient gas for floor data gas cost: gas 60999, minimum needed 61000",
    );
    assert_eq!(world.pool.status(), Status::default());
}

#[test]
fn junk_bytes_are_refused() {
    let world = World::new();
    refused(world.pool.add_raw(&[0x7e, 0xc0]), "transaction type not supported");
    assert!(matches!(world.pool.add_raw(&[0xc0]), Err(AddError::Refused(Refused::Malformed(_)))));
    assert!(matches!(world.pool.add_raw(&[]), Err(AddError::Refused(Refused::Malformed(_)))));
}

#[test]
fn a_replacement_pays_a_tenth_more() {
    let world = World::new();
    let wallet = world.wallet(1);
    let at = |fee: u128| {
        wallet.sign(
            |tx| {
                tx.max_fee_per_gas = fee;
                tx.max_priority_fee_per_gas = fee / 2;
            },
            0,
        )
    };
    let first = world.pool.add(at(2_000_000_000)).unwrap();
    refused(world.pool.add(at(2_199_999_999)), "replacement transaction underpriced");
    let second = world.pool.add(at(2_200_000_000)).unwrap();
    assert_eq!(world.pool.status().ready, 1);
    assert!(world.pool.get(first).is_none());
    assert_eq!(world.journal.hashes(), [second]);
}

#[test]
fn a_sender_cannot_promise_more_than_it_has() {
    let world = World::new();
    let wallet = world.wallet(1);
    let cost = U256::from(21_000u128 * 2_000_000_000 + 1);
    world.state.balance(wallet.address(), cost + cost);
    world.pool.add(wallet.transfer(0)).unwrap();
    world.pool.add(wallet.transfer(1)).unwrap();
    refused(
        world.pool.add(wallet.transfer(2)),
        &format!(
            "insufficient funds for gas * price + value: balance {}, queued cost {}, tx cost {cost}, overshot {cost}",
            cost + cost,
            cost + cost
        ),
    );
}

#[test]
fn a_contract_cannot_send_but_a_delegated_account_can() {
    let world = World::new();
    let (contract, delegated) = (world.wallet(1), world.wallet(2));
    world.state.code(contract.address(), &[0x60, 0x00]);
    let mut code = vec![0xef, 0x01, 0x00];
    code.extend([7; 20]);
    world.state.code(delegated.address(), &code);
    refused(
        world.pool.add(contract.transfer(0)),
        &format!("sender not an eoa: address {}, len(code): 2", contract.address()),
    );
    world.pool.add(delegated.transfer(0)).unwrap();
}

#[test]
fn a_delegated_account_has_one_transaction_in_the_pool() {
    let world = World::new();
    let wallet = world.wallet(1);
    let mut code = vec![0xef, 0x01, 0x00];
    code.extend([7; 20]);
    world.state.code(wallet.address(), &code);
    refused(world.pool.add(wallet.transfer(1)), "gapped-nonce tx from delegated accounts");
    world.pool.add(wallet.transfer(0)).unwrap();
    let limit = "in-flight transaction limit reached for delegated accounts";
    refused(world.pool.add(wallet.transfer(1)), limit);
    // It may be replaced, and be followed once it is mined.
    let dearer = wallet.sign(
        |tx| (tx.max_fee_per_gas, tx.max_priority_fee_per_gas) = (4_000_000_000, 2_000_000_000),
        0,
    );
    world.pool.add(dearer).unwrap();
    refused(world.pool.add(wallet.transfer(1)), limit);
    world.state.nonce(wallet.address(), 1);
    world.advance();
    world.pool.add(wallet.transfer(1)).unwrap();
}

#[test]
fn a_mined_transaction_leaves_the_pool_and_the_journal() {
    let world = World::new();
    let wallet = world.wallet(1);
    world.pool.add(wallet.transfer(0)).unwrap();
    let next = world.pool.add(wallet.transfer(1)).unwrap();
    world.state.nonce(wallet.address(), 1);
    world.advance();
    assert_eq!(world.nonces(0), [1]);
    assert_eq!(world.journal.hashes(), [next]);
}

#[test]
fn a_transaction_of_a_reorged_block_returns() {
    let world = World::new();
    let wallet = world.wallet(1);
    let hash = world.pool.add(wallet.transfer(0)).unwrap();
    let tx = world.pool.get(hash).unwrap().tx().clone();
    world.state.nonce(wallet.address(), 1);
    world.advance();
    assert!(world.pool.get(hash).is_none());
    world.state.nonce(wallet.address(), 0);
    world.advance_after_reorg(vec![tx]);
    assert!(world.pool.get(hash).is_some());
    assert_eq!(world.journal.hashes(), [hash]);
}

#[test]
fn what_was_about_to_return_survives_a_crash() {
    let world = World::new();
    let wallet = world.wallet(1);
    let (back, again) = (wallet.transfer(0), world.wallet(2).transfer(0));
    let txs: Vec<_> = [&back, &again].map(|tx| Tx::from(tx.clone())).into();
    let hashes: Vec<_> = txs.iter().map(Tx::hash).collect();
    // Both were mined; then their block is about to leave, and here the process dies.
    world.pool.save_reorged(&txs);
    assert!(world.pool.get(hashes[0]).is_none());
    // The new branch has the second one, too.
    world.state.nonce(world.wallet(2).address(), 1);
    let after = world.reopen();
    assert!(after.pool.get(hashes[0]).is_some());
    assert_eq!(after.journal.hashes(), [hashes[0]]);
    // Without a crash the same comes of it.
    world.pool.save_reorged(&txs);
    world.advance_after_reorg(txs);
    assert!(world.pool.get(hashes[0]).is_some());
    assert_eq!(world.journal.hashes(), [hashes[0]]);
}

/// A world in which a block has taken a blob transaction: its hash, itself without blobs, and who sent it.
fn with_mined_blob() -> (World, alloy_primitives::B256, Tx, Wallet) {
    let world = World::new();
    let wallet = world.wallet(1);
    let hash = world.pool.add(wallet.blob(0, 1)).unwrap();
    let tx = world.pool.get(hash).unwrap().tx().clone();
    world.state.nonce(wallet.address(), 1);
    world.advance();
    assert!(world.pool.get(hash).is_none());
    (world, hash, tx, wallet)
}

#[track_caller]
fn has_blob(world: &World, hash: alloy_primitives::B256) {
    let tx = world.pool.get(hash).unwrap();
    let hashes = tx.tx().blob_versioned_hashes().unwrap();
    assert_eq!(world.pool.blobs(hashes).len(), 1, "its blob is served again");
    assert_eq!(world.journal.hashes(), [hash]);
}

#[test]
fn a_blob_transaction_of_a_reorged_block_returns_with_its_blobs() {
    let (world, hash, tx, wallet) = with_mined_blob();
    world.state.nonce(wallet.address(), 0);
    world.advance_after_reorg(vec![tx]);
    has_blob(&world, hash);
    // It is an ordinary one again: what takes it out takes it out for good.
    world.pool.on_finalized(u64::MAX);
    has_blob(&world, hash);
    world.pool.remove(hash);
    assert!(world.journal.hashes().is_empty());
}

#[test]
fn a_restart_does_not_lose_the_blobs_of_blocks() {
    let (world, hash, tx, wallet) = with_mined_blob();
    let again = world.reopen();
    assert_eq!(again.pool.status(), Status::default());
    again.state.nonce(wallet.address(), 0);
    again.advance_after_reorg(vec![tx]);
    has_blob(&again, hash);
}

#[test]
fn blobs_that_both_branches_have_are_kept_for_the_next_reorg() {
    let (world, hash, tx, wallet) = with_mined_blob();
    world.advance_after_reorg(vec![tx.clone()]);
    assert!(world.pool.get(hash).is_none());
    world.state.nonce(wallet.address(), 0);
    world.advance_after_reorg(vec![tx]);
    has_blob(&world, hash);
}

#[test]
fn blobs_of_final_blocks_are_forgotten() {
    let (world, hash, tx, wallet) = with_mined_blob();
    assert_eq!(world.journal.hashes(), [hash]);
    world.pool.on_finalized(chain::head().number);
    assert!(world.journal.hashes().is_empty());
    // Then such a transaction stays away: nobody can put it into a block.
    world.state.nonce(wallet.address(), 0);
    world.advance_after_reorg(vec![tx]);
    assert_eq!(world.pool.status(), Status::default());
}

#[test]
fn what_was_acknowledged_survives_a_restart() {
    let world = World::new();
    let wallet = world.wallet(1);
    let kept = world.pool.add(wallet.transfer(1)).unwrap();
    let mined = world.pool.add(wallet.transfer(0)).unwrap();
    world.state.nonce(wallet.address(), 1);
    let again = world.reopen();
    assert!(again.pool.get(kept).is_some());
    assert!(again.pool.get(mined).is_none(), "its nonce was used meanwhile");
    assert_eq!(again.journal.hashes(), [kept]);
}

#[test]
fn a_journal_that_fails_keeps_the_hash_back() {
    let world = World::new();
    world.journal.fail(true);
    let wallet = world.wallet(1);
    assert!(matches!(world.pool.add(wallet.transfer(0)), Err(AddError::Journal(_))));
    assert_eq!(world.pool.status(), Status::default());
    world.journal.fail(false);
    world.pool.add(wallet.transfer(0)).unwrap();
}

#[test]
fn a_full_pool_makes_room_for_who_pays_more() {
    let config = PoolConfig { max_txs: 2, ..PoolConfig::standard() };
    let world = World::with(config);
    let (cheap, other, rich) = (world.wallet(1), world.wallet(2), world.wallet(3));
    let first = world.pool.add(cheap.transfer(0)).unwrap();
    let second = world.pool.add(cheap.transfer(1)).unwrap();
    refused(world.pool.add(other.transfer(0)), "transaction underpriced");
    let better = |wallet: &Wallet| wallet.sign(|tx| tx.max_fee_per_gas *= 2, 0);
    let third = world.pool.add(better(&rich)).unwrap();
    assert!(world.pool.get(second).is_none(), "the sender's last one left");
    let mut kept = vec![first, third];
    kept.sort();
    assert_eq!(world.journal.hashes(), kept);
}

#[test]
fn what_waits_makes_room_for_what_is_ready_whatever_it_offers() {
    let config = PoolConfig { max_txs: 2, ..PoolConfig::standard() };
    let world = World::with(config);
    let (rich, plain) = (world.wallet(1), world.wallet(2));
    let first = world.pool.add(rich.transfer(0)).unwrap();
    let gapped = world.pool.add(rich.sign(|tx| tx.max_fee_per_gas *= 9, 2)).unwrap();
    refused(world.pool.add(plain.transfer(1)), "transaction underpriced");
    let ready = world.pool.add(plain.transfer(0)).unwrap();
    assert!(world.pool.get(gapped).is_none());
    let mut kept = vec![first, ready];
    kept.sort();
    assert_eq!(world.journal.hashes(), kept);
}

#[test]
fn who_waits_does_not_pay_twice_for_room() {
    let world = World::with(PoolConfig { max_bytes: 300, ..PoolConfig::standard() });
    let (dear, cheap) = (world.wallet(1), world.wallet(2));
    let offer = |fee: u128| move |tx: &mut TxEip1559| tx.max_fee_per_gas = fee * 1_000_000_000;
    let ready = world.pool.add(dear.sign(offer(100), 0)).unwrap();
    world.pool.add(dear.sign(offer(2), 2)).unwrap();
    let long = cheap.sign(
        |tx| {
            offer(3)(tx);
            tx.input = vec![0; 120].into();
            tx.gas_limit = 30_000;
        },
        0,
    );
    refused(world.pool.add(long), "transaction underpriced");
    assert!(world.pool.get(ready).is_some(), "its fee is higher than that of who wants the room");
    assert_eq!(world.pool.status(), Status { ready: 1, waiting: 1 });
}

#[test]
fn the_last_nonces_of_all_are_counted() {
    let world = World::new();
    let wallet = world.wallet(1);
    world.state.nonce(wallet.address(), u64::MAX - 1);
    world.pool.add(wallet.transfer(u64::MAX - 1)).unwrap();
    world.advance();
    assert_eq!(world.pool.pending_nonce(wallet.address()), Some(u64::MAX));
}

#[test]
fn a_hole_in_the_state_is_no_account_without_code() {
    let world = World::new();
    let wallet = world.wallet(1);
    world.state.code(wallet.address(), &[0]);
    world.state.forget_codes();
    assert!(matches!(world.pool.add(wallet.transfer(0)), Err(AddError::State(_))));
}

#[test]
fn what_is_mined_while_it_is_written_leaves_the_journal() {
    let world = World::new();
    let wallet = world.wallet(1);
    let journal = Arc::new(MinedMeanwhile::default());
    let pool = world.on(Arc::<MinedMeanwhile>::clone(&journal));
    let (state, address, miner) = (Arc::clone(&world.state), wallet.address(), pool.clone());
    journal.on_put(move || {
        state.raise_nonce(address);
        let watched = miner.clone();
        // It takes the transaction out at once, and deletes its row when the write has ended.
        thread::spawn(move || {
            miner.on_head(chain::head(), Arc::<State>::clone(&state), Vec::new()).unwrap();
        });
        let deadline = Instant::now() + Duration::from_secs(20);
        while watched.status() != Status::default() {
            assert!(Instant::now() < deadline, "the new head is taken in");
            thread::yield_now();
        }
    });
    pool.add(wallet.transfer(0)).unwrap();
    assert_eq!(pool.status(), Status::default());
    assert!(journal.load().unwrap().is_empty(), "a mined transaction needs no journal");
}

#[test]
fn gaps_are_bounded_per_sender_and_in_all() {
    let config = PoolConfig { max_waiting_per_sender: 2, max_waiting: 3, ..PoolConfig::standard() };
    let world = World::with(config);
    let (one, two) = (world.wallet(1), world.wallet(2));
    world.pool.add(one.transfer(1)).unwrap();
    world.pool.add(one.transfer(2)).unwrap();
    refused(world.pool.add(one.transfer(3)), "account limit exceeded: pooled 2 txs");
    world.pool.add(two.transfer(1)).unwrap();
    refused(world.pool.add(two.transfer(2)), "txpool is full");
    world.pool.add(one.transfer(0)).unwrap();
    assert_eq!(world.pool.status(), Status { ready: 3, waiting: 1 });
}

#[test]
fn the_best_order_is_by_tip_then_arrival_and_skips_whole_senders() {
    let world = World::new();
    let (a, b, c) = (world.wallet(1), world.wallet(2), world.wallet(3));
    let tip = |wallet: &Wallet, tip: u128, nonce| {
        wallet.sign(|tx| tx.max_priority_fee_per_gas = tip, nonce)
    };
    world.pool.add(tip(&a, 1, 0)).unwrap();
    world.pool.add(tip(&a, 900, 1)).unwrap();
    world.pool.add(tip(&b, 5, 0)).unwrap();
    world.pool.add(tip(&c, 5, 0)).unwrap();
    let senders: Vec<_> = world.pool.best(0, None).map(|tx| tx.sender()).collect();
    assert_eq!(senders, [b.address(), c.address(), a.address(), a.address()]);

    let mut best = world.pool.best(0, None);
    best.nth(2).unwrap();
    best.skip_sender();
    assert!(best.next().is_none(), "the second of `a` cannot follow");
    assert_eq!(world.pool.best(2_000_000_001, None).count(), 0, "none covers the base fee");
}

#[test]
fn a_blob_transaction_needs_cell_proofs_on_osaka() {
    let world = World::new();
    let wallet = world.wallet(1);
    let hash = world.pool.add(wallet.blob(0, 1)).unwrap();
    let pooled = world.pool.get(hash).unwrap();
    assert!(pooled.sidecar().unwrap().is_eip7594());
    assert!(pooled.tx().is_blob());
    refused(world.pool.add(wallet.blob(1, 0)), "unexpected sidecar version, want: 1, got: 0");
    refused(
        world.pool.add(wallet.blob_with_wrong_proof(1)),
        "invalid blob sidecar: invalid KZG proof",
    );
    refused(world.pool.add(wallet.blob(2, 1)), "nonce too high: tx nonce 2, gapped nonce 1");
    let fee = pooled.tx().max_fee_per_blob_gas().unwrap();
    assert_eq!(world.pool.best(0, Some(fee + 1)).count(), 0);
    assert_eq!(world.pool.best(0, Some(fee)).count(), 1);
    // The sidecar is journalled too.
    assert!(world.reopen().pool.get(hash).unwrap().sidecar().is_some());
}

#[test]
fn a_reader_learns_of_arrivals() {
    let world = World::new();
    let mut arrivals = world.pool.subscribe();
    assert!(!arrivals.has_changed().unwrap());
    world.pool.add(world.wallet(1).transfer(0)).unwrap();
    assert!(arrivals.has_changed().unwrap());
    assert_eq!(*arrivals.borrow_and_update(), 1);
    world.pool.add(world.wallet(1).transfer(2)).unwrap();
    assert!(!arrivals.has_changed().unwrap(), "what waits is not announced");
}

mod model {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Add { wallet: u8, nonce: u64, fee: u128 },
        Mine { wallet: u8 },
        Remove { wallet: u8, nonce: u64 },
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            6 => (0u8..4, 0u64..8, 1u128..40).prop_map(|(wallet, nonce, fee)| Step::Add {
                wallet,
                nonce,
                fee: fee * 100_000_000
            }),
            1 => (0u8..4).prop_map(|wallet| Step::Mine { wallet }),
            1 => (0u8..4, 0u64..8).prop_map(|(wallet, nonce)| Step::Remove { wallet, nonce }),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn limits_and_order_hold_whatever_happens(
            steps in proptest::collection::vec(step(), 1..60)
        ) {
            let config = PoolConfig {
                max_txs: 12,
                max_waiting: 6,
                max_waiting_per_sender: 3,
                max_ready_per_sender: 5,
                ..PoolConfig::standard()
            };
            let world = World::with(config.clone());
            for step in steps {
                match step {
                    Step::Add { wallet, nonce, fee } => {
                        let tx = world.wallet(wallet).sign(
                            |tx| {
                                tx.max_fee_per_gas = fee;
                                tx.max_priority_fee_per_gas = fee / 3;
                            },
                            nonce,
                        );
                        let _ = world.pool.add(tx);
                    }
                    Step::Mine { wallet } => {
                        let address = world.wallet(wallet).address();
                        if world.pool.pending_nonce(address).is_some() {
                            world.state.raise_nonce(address);
                            world.advance();
                        }
                    }
                    Step::Remove { wallet, nonce } => {
                        let content = world.pool.content_from(world.wallet(wallet).address());
                        let found = content
                            .ready
                            .values()
                            .chain(content.waiting.values())
                            .flatten()
                            .find(|tx| tx.nonce() == nonce)
                            .map(|tx| tx.hash());
                        if let Some(hash) = found {
                            world.pool.remove(hash);
                        }
                    }
                }
                check(&world, &config);
            }
        }
    }

    fn check(world: &World, config: &PoolConfig) {
        let status = world.pool.status();
        assert!(status.ready + status.waiting <= config.max_txs);
        let content = world.pool.content();
        let count = |side: &std::collections::BTreeMap<_, Vec<_>>| -> usize {
            side.values().map(Vec::len).sum()
        };
        assert_eq!(count(&content.ready), status.ready);
        assert_eq!(count(&content.waiting), status.waiting);
        for (sender, txs) in &content.ready {
            let first = world.state.nonce_of(*sender);
            let nonces: Vec<_> = txs.iter().map(|tx| tx.nonce()).collect();
            let expected: Vec<_> = (first..first + txs.len() as u64).collect();
            assert_eq!(nonces, expected, "ready transactions follow the account's nonce");
        }
        let best: Vec<_> = world.pool.best(0, None).collect();
        assert_eq!(best.len(), status.ready);
        let mut journalled: Vec<_> = content
            .ready
            .values()
            .chain(content.waiting.values())
            .flatten()
            .map(|tx| tx.hash())
            .collect();
        journalled.sort();
        assert_eq!(world.journal.hashes(), journalled, "the journal holds what the pool holds");
        // No sender's transaction comes before its predecessor, and no better offer was passed over.
        for pair in best.windows(2) {
            let tip = |at: usize| pair[at].tx().max_priority_fee_per_gas();
            assert!(
                pair[0].sender() == pair[1].sender() || tip(0) >= tip(1) || {
                    // The better one was hidden behind its own predecessor.
                    pair[1].nonce() > world.state.nonce_of(pair[1].sender())
                }
            );
        }
    }
}

#[test]
fn the_database_of_the_chain_is_a_journal() {
    let dir = tempfile::tempdir().unwrap();
    let spec = chain::spec();
    let world = World::new();
    let tx = world.wallet(1).transfer(0);
    let hash = *tx.tx_hash();
    let journal: Arc<dyn Journal> = Arc::new(Storage::open(dir.path(), &spec).unwrap());
    world.on(Arc::clone(&journal)).add(tx).unwrap();
    drop(journal);
    // The pool of before is gone without a word, as after a crash.
    let journal: Arc<dyn Journal> = Arc::new(Storage::open(dir.path(), &spec).unwrap());
    let pool = world.on(Arc::clone(&journal));
    assert!(pool.get(hash).is_some());
    pool.remove(hash).unwrap();
    assert!(journal.load().unwrap().is_empty());
}
