//! The executable specification computes every block once more.

use std::{collections::BTreeSet, env, io::Write};

use ethrex_test_eels::{Eels, Made, RandomChain, oracle::Judged};
use ethrex_types::Tx;
use serde_json::Value;

/// Blocks of one chain: after that a new one begins, so that states stay small.
const BLOCKS_OF_A_CHAIN: usize = 25;

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().and_then(|value| value.parse().ok())
}

/// Makes so many blocks of a fork and has each judged.
fn agree(fork: &str, blocks: usize) {
    let Some(mut eels) = Eels::start() else {
        // Past libtest's capture.
        let _ = writeln!(std::io::stdout(), "\nskipped: EELS is not installed");
        return;
    };
    let blocks = number("ETHREX_EELS_BLOCKS").map_or(blocks, |blocks| blocks as usize);
    let first = number("ETHREX_EELS_SEED").unwrap_or(1);
    let (mut transactions, mut refused) = (0, 0);
    for (chain, seed) in (0..blocks.div_ceil(BLOCKS_OF_A_CHAIN)).zip(first..) {
        let mut random = RandomChain::new(fork, seed);
        let mut alloc = random.alloc();
        let count = BLOCKS_OF_A_CHAIN.min(blocks - chain * BLOCKS_OF_A_CHAIN);
        for _ in 0..count {
            let made = random.make();
            let at = format!("{fork}, seed {seed}, block {}", made.block.sealed().number());
            let judged = judged(&mut eels, &random, &alloc, &made, &at);
            compare(&at, &made, &judged);
            alloc = judged.alloc;
            transactions += made.block.sealed().body().transactions.len();
            refused += made.refused.len();
        }
    }
    println!("{fork}: {blocks} blocks with {transactions} transactions, {refused} left out");
}

/// What the specification makes of the candidates, and then of those that are in the block: it numbers transactions as they were offered, so its
/// roots have gaps where some are left out.
#[track_caller]
fn judged(eels: &mut Eels, chain: &RandomChain, alloc: &Value, made: &Made, at: &str) -> Judged {
    let mut judge = |candidates: &Vec<Tx>| {
        let candidates = alloy_rlp::encode(candidates);
        eels.judge(chain.fork(), chain.spec().chain_id(), alloc, &made.env, &candidates)
    };
    let judged = judge(&made.offered);
    let refused: BTreeSet<_> = made.refused.keys().copied().collect();
    let rejected = &judged.result.rejected;
    assert_eq!(refused, left_out(&judged), "{at}: we say {:?}, EELS {rejected:?}", made.refused);
    if refused.is_empty() {
        return judged;
    }
    let judged = judge(&made.block.sealed().body().transactions);
    assert!(judged.result.rejected.is_empty(), "{at}: {:?}", judged.result.rejected);
    judged
}

/// Which candidates cannot stand in the block.
fn left_out(judged: &Judged) -> BTreeSet<usize> {
    judged.result.rejected.iter().map(|tx| tx.index).collect()
}

#[track_caller]
fn compare(at: &str, made: &Made, Judged { result, .. }: &Judged) {
    let header = made.block.sealed().header();
    assert_eq!(result.block_exception, None, "{at}");
    assert_eq!(header.gas_used, result.gas_used.to::<u64>(), "{at}: gas used");
    assert_eq!(header.receipts_root, result.receipts_root, "{at}: receipts root");
    assert_eq!(header.logs_bloom, result.logs_bloom, "{at}: bloom");
    assert_eq!(header.transactions_root, result.tx_root, "{at}: transactions root");
    assert_eq!(header.withdrawals_root, result.withdrawals_root, "{at}: withdrawals root");
    assert_eq!(header.requests_hash, result.requests_hash, "{at}: requests hash");
    let requests: Vec<_> = made.requests.iter().cloned().collect();
    assert_eq!(requests, result.requests, "{at}: requests");
    let base_fee = result.current_base_fee.to::<u64>();
    assert_eq!(header.base_fee_per_gas, Some(base_fee), "{at}: base fee");
    let excess = result.current_excess_blob_gas.map(|gas| gas.to::<u64>());
    assert_eq!(header.excess_blob_gas, excess, "{at}: excess blob gas");
    assert_eq!(header.state_root, result.state_root, "{at}: state root");
}

#[test]
fn blocks_of_paris() {
    agree("Paris", 25);
}

#[test]
fn blocks_of_shanghai() {
    agree("Shanghai", 50);
}

#[test]
fn blocks_of_cancun() {
    agree("Cancun", 75);
}

#[test]
fn blocks_of_prague() {
    agree("Prague", 150);
}

#[test]
fn blocks_of_osaka() {
    agree("Osaka", 150);
}

#[test]
fn blocks_of_bpo2() {
    agree("BPO2", 50);
}
