//! What a block costs the database: blocks of transfers between many accounts, with a reader at work, through flushes.
//!
//! Accounts, blocks and transfers come from `ACCOUNTS`, `BLOCKS` and `TRANSFERS`.

#![expect(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::{
    str::FromStr,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use alloy_primitives::{Address, U256};
use ethrex_storage::{NewBlock, Storage};
use ethrex_trie::update_state;
use ethrex_types::{
    AccountDiff, AccountInfo, Block, ChainSpec, Genesis, GenesisAccount, Header, RecoveredBlock,
    SealedBlock, StateDiff, StateReader,
};

fn number<T: FromStr>(name: &str, default: T) -> T {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(default)
}

fn address(i: u64) -> Address {
    Address::left_padding_from(&i.to_be_bytes())
}

/// Spreads indices over the accounts without repeating soon.
fn pick(i: u64, accounts: u64) -> u64 {
    i.wrapping_mul(0x9e37_79b9_7f4a_7c15) % accounts
}

fn main() {
    let accounts: u64 = number("ACCOUNTS", 100_000);
    let blocks: u64 = number("BLOCKS", 200);
    let transfers: u64 = number("TRANSFERS", 200);

    let mut genesis = Genesis::default();
    genesis.config.chain_id = 9;
    let rich = GenesisAccount { balance: U256::from(1_000_000), ..Default::default() };
    genesis.alloc = (0..accounts).map(|i| (address(i), rich.clone())).collect();
    let chain = ChainSpec::new(genesis).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let start = Instant::now();
    let storage = Storage::open(dir.path(), &chain).unwrap();
    println!("genesis of {accounts} accounts: {:?}", start.elapsed());

    let (done, reads) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut spent = [Duration::ZERO; 4];
    let mut slowest = Duration::ZERO;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut i = 0;
            while !done.load(Ordering::Relaxed) {
                let view = storage.state_at(storage.head().hash).unwrap().unwrap();
                for _ in 0..100 {
                    i += 1;
                    view.account(address(pick(i, accounts))).unwrap().unwrap();
                }
                reads.store(i, Ordering::Relaxed);
            }
        });
        for n in 1..=blocks {
            let start = Instant::now();
            let head = storage.head();
            let view = storage.state_at(head.hash).unwrap().unwrap();
            let mut diff = StateDiff::default();
            for i in 0..2 * transfers {
                let address = address(pick(n * 2 * transfers + i, accounts));
                let before = view.account(address).unwrap().unwrap();
                let info = AccountInfo { nonce: before.nonce + 1, ..before };
                let change = AccountDiff { info: Some(info), ..Default::default() };
                diff.accounts.insert(address, change);
            }
            let read = Instant::now();
            let update = update_state(&view, view.root(), &diff).unwrap();
            let rooted = Instant::now();
            let header = Header {
                number: n,
                parent_hash: head.hash,
                state_root: update.root,
                ..Default::default()
            };
            let block = SealedBlock::seal(Block { header, body: Default::default() });
            let hash = block.hash();
            drop(view);
            storage
                .commit_block(NewBlock {
                    block: RecoveredBlock::new_unchecked(block, vec![]),
                    receipts: vec![],
                    diff,
                    trie: update.nodes,
                    witness: None,
                })
                .unwrap();
            let committed = Instant::now();
            storage.set_canonical(hash).unwrap();
            let parts = [read - start, rooted - read, committed - rooted, committed.elapsed()];
            spent.iter_mut().zip(parts).for_each(|(sum, part)| *sum += part);
            slowest = slowest.max(parts[2] + parts[3]);
        }
        done.store(true, Ordering::Relaxed);
    });
    let [read, root, commit, head] = spent.map(|sum| sum / blocks as u32);
    println!(
        "{blocks} blocks of {transfers} transfers, each: read {read:?}, root {root:?}, commit {commit:?}, head {head:?}"
    );
    println!(
        "slowest commit and head: {slowest:?}; reads beside: {}",
        reads.load(Ordering::Relaxed)
    );
    let start = Instant::now();
    drop(storage);
    println!("close: {:?}", start.elapsed());
    let start = Instant::now();
    drop(Storage::open(dir.path(), &chain).unwrap());
    println!("open: {:?}", start.elapsed());
}
