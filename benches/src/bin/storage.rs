//! Durable commits over a large state while a reader reads.
//!
//! `--accounts N` (default 1,000,000) are put in first, in blocks of 5,000; then `--blocks N` (default 200) blocks each update 5,000 at random.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use alloy_primitives::{Address, U256, keccak256};
use ethrex_storage::{NewBlock, Storage};
use ethrex_test_e2e::Random;
use ethrex_trie::update_state;
use ethrex_types::{
    AccountDiff, AccountInfo, Block, ChainSpec, Genesis, Header, RecoveredBlock, SealedBlock,
    SealedHeader, StateDiff, StateReader,
};
use eyre::{OptionExt, Result};
use serde_json::json;

/// What a busy block touches.
const UPDATES: u64 = 5_000;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().collect();
    let number = |name: &str, default: u64| {
        args.iter()
            .skip_while(|arg| *arg != name)
            .nth(1)
            .map_or(Ok(default), |number| number.parse())
    };
    let (accounts, blocks) = (number("--accounts", 1_000_000)?, number("--blocks", 200)?);
    let config = json!({"chainId": 9, "terminalTotalDifficulty": 0, "mergeNetsplitBlock": 0});
    let genesis =
        json!({"config": config, "gasLimit": "0x1000000", "difficulty": "0x0", "alloc": {}});
    let spec = ChainSpec::new(serde_json::from_value::<Genesis>(genesis)?)?;
    let dir = tempfile::tempdir()?;
    let storage = Storage::open(dir.path(), &spec)?;
    let mut parent = storage.header(storage.head().hash)?.ok_or_eyre("a chain has a genesis")?;

    let start = Instant::now();
    for first in (0..accounts).step_by(usize::try_from(UPDATES)?) {
        commit(&storage, &mut parent, first..accounts.min(first + UPDATES), 1)?;
    }
    println!(
        "{accounts} accounts in {:.1} s, {} MB on disk",
        start.elapsed().as_secs_f64(),
        megabytes(dir.path())
    );

    let (stop, reads) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut random = Random::new(1);
    let (mut roots, mut commits) = (Vec::new(), Vec::new());
    let start = Instant::now();
    let wrote_before = written();
    thread::scope(|scope| -> Result<()> {
        let reader = scope.spawn(|| read(&storage, accounts, &stop, &reads));
        for turn in 0..blocks {
            let touched: Vec<u64> = (0..UPDATES).map(|_| random.below(accounts)).collect();
            let (root, stored) = commit(&storage, &mut parent, touched, turn + 2)?;
            roots.push(root);
            commits.push(stored);
        }
        stop.store(true, Ordering::Release);
        reader.join().expect("the reader does not panic")
    })?;
    let took = start.elapsed();
    println!("{blocks} blocks of {UPDATES} random updates in {:.1} s", took.as_secs_f64());
    println!(
        "{:<24} p50 {:>8.2} ms   p99 {:>8.2} ms",
        "root",
        percentile(&mut roots, 50),
        percentile(&mut roots, 99)
    );
    println!(
        "{:<24} p50 {:>8.2} ms   p99 {:>8.2} ms",
        "durable commit",
        percentile(&mut commits, 50),
        percentile(&mut commits, 99)
    );
    println!(
        "{:<24} {:.0} per second",
        "account reads beside",
        reads.into_inner() as f64 / took.as_secs_f64()
    );
    println!(
        "{:<24} {} MB; process wrote {} MB",
        "on disk",
        megabytes(dir.path()),
        (written() - wrote_before) >> 20
    );
    Ok(())
}

/// Commits a block that gives the accounts a new balance. Time for the root, and for the commit.
fn commit(
    storage: &Storage,
    parent: &mut SealedHeader,
    touched: impl IntoIterator<Item = u64>,
    balance: u64,
) -> Result<(Duration, Duration)> {
    let mut diff = StateDiff::default();
    for index in touched {
        let info =
            AccountInfo { nonce: balance, balance: U256::from(balance), ..AccountInfo::default() };
        diff.accounts
            .insert(account(index), AccountDiff { info: Some(info), ..AccountDiff::default() });
    }
    let state = storage.state_at(parent.hash())?.ok_or_eyre("the parent has a state")?;
    let start = Instant::now();
    let update = update_state(&state, parent.state_root, &diff)?;
    let root = start.elapsed();
    let header = Header {
        parent_hash: parent.hash(),
        number: parent.number + 1,
        state_root: update.root,
        ..Header::default()
    };
    let block = SealedBlock::seal(Block { header, ..Block::default() });
    *parent = block.sealed_header();
    let block = RecoveredBlock::new_unchecked(block, Vec::new());
    let start = Instant::now();
    let trie = update.nodes;
    storage.commit_head(NewBlock {
        block: &block,
        receipts: &[],
        diff,
        trie,
        witness: None,
        access_list: None,
    })?;
    Ok((root, start.elapsed()))
}

/// Reads random accounts of the newest state until told to stop.
fn read(storage: &Storage, accounts: u64, stop: &AtomicBool, reads: &AtomicU64) -> Result<()> {
    const PER_VIEW: u64 = 1_000;
    let mut random = Random::new(2);
    while !stop.load(Ordering::Acquire) {
        let state = storage.state_at(storage.head().hash)?.ok_or_eyre("the head has a state")?;
        for _ in 0..PER_VIEW {
            let found = state.account(account(random.below(accounts)))?;
            eyre::ensure!(found.is_some(), "an account is missing");
        }
        reads.fetch_add(PER_VIEW, Ordering::Relaxed);
    }
    Ok(())
}

fn account(index: u64) -> Address {
    Address::from_word(keccak256(index.to_be_bytes()))
}

fn percentile(times: &mut [Duration], percent: usize) -> f64 {
    times.sort_unstable();
    let index = (times.len().saturating_sub(1)) * percent / 100;
    times.get(index).map_or(0.0, |time| time.as_secs_f64() * 1e3)
}

fn megabytes(dir: &Path) -> u64 {
    let files = fs::read_dir(dir).into_iter().flatten().flatten();
    files.filter_map(|file| file.metadata().ok()).map(|meta| meta.len()).sum::<u64>() >> 20
}

/// Bytes that this process has handed to the disk. What is written through a memory map does not show here.
fn written() -> u64 {
    let io = fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|bytes| bytes.parse().ok()).unwrap_or(0)
}
