//! What a database on disk says when it is opened: once, twice, by the wrong chain, after `kill -9`.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use alloy_primitives::{Address, B256, Bytes, U256};
use ethrex_storage::{Durability, NewBlock, STATE_HISTORY, StateView, Storage, StorageError};
use ethrex_trie::update_state;
use ethrex_types::{
    AccountDiff, AccountInfo, Block, ChainSpec, Genesis, Header, RecoveredBlock, SealedBlock,
    StateDiff, StateReader,
};

/// Where the child of the kill test finds its database.
const CHILD_DIR: &str = "ETHREX_STORAGE_TEST_DIR";
/// Set, whatever it says, where that process saves waits for the device.
const CHILD_CHECKPOINTS: &str = "ETHREX_STORAGE_TEST_CHECKPOINTS";
/// Times the child is killed.
const KILLS: u64 = 6;

fn chain(chain_id: u64, timestamp: u64) -> ChainSpec {
    let mut genesis = Genesis { timestamp, ..Default::default() };
    genesis.config.chain_id = chain_id;
    ChainSpec::new(genesis).unwrap()
}

/// Block `n` gives account `n % 50` the balance `n`, and sets slot `n % 7` of account 1 to `n`.
fn extend(storage: &Storage) -> u64 {
    let head = storage.head();
    let number = head.number + 1;
    let view = storage.state_at(head.hash).unwrap().unwrap();
    let account = |storage| AccountDiff {
        info: Some(AccountInfo { balance: U256::from(number), ..Default::default() }),
        wiped: false,
        storage,
    };
    let mut diff = StateDiff::default();
    diff.accounts.insert(Address::left_padding_from(&[(number % 50) as u8]), account([].into()));
    let slot = (B256::with_last_byte((number % 7) as u8), U256::from(number));
    diff.accounts.insert(Address::repeat_byte(1), account([slot].into()));
    let update = update_state(&view, view.root(), &diff).unwrap();
    let header =
        Header { number, parent_hash: head.hash, state_root: update.root, ..Default::default() };
    let block = SealedBlock::seal(Block { header, body: Default::default() });
    let hash = block.hash();
    let block = RecoveredBlock::new_unchecked(block, vec![]);
    let new = NewBlock {
        block: &block,
        receipts: &[],
        diff,
        trie: update.nodes,
        witness: None,
        access_list: None,
    };
    let journal = || {
        storage.journal_put(&[(hash, Bytes::copy_from_slice(&number.to_be_bytes()))]).unwrap();
    };
    // Both ways to a head.
    if number.is_multiple_of(2) {
        journal();
        storage.commit_head(new).unwrap();
    } else {
        storage.commit_block(new).unwrap();
        journal();
        storage.set_canonical(hash).unwrap();
    }
    number
}

/// Checks that a view shows the state that [`extend`] made at its height, and no other.
fn check_view(view: &StateView) {
    let number = view.block().number;
    for last in number.saturating_sub(49)..=number {
        let address = Address::left_padding_from(&[(last % 50) as u8]);
        let balance = view.account(address).unwrap().map(|info| info.balance);
        assert_eq!(balance.unwrap_or_default(), U256::from(last));
        assert!(view.proof(address, &[]).unwrap().account.is_some() || last == 0);
    }
    for last in number.saturating_sub(6)..=number {
        let slot = B256::with_last_byte((last % 7) as u8);
        assert_eq!(view.storage(Address::repeat_byte(1), slot).unwrap(), U256::from(last));
    }
}

fn check(storage: &Storage, acknowledged: u64) {
    let head = storage.head();
    assert!(
        head.number >= acknowledged,
        "block {acknowledged} is lost, the head is {}",
        head.number
    );
    let journal = storage.journal().unwrap();
    assert!(journal.len() as u64 >= acknowledged);
    for number in head.number.saturating_sub(128)..=head.number {
        let hash = storage.canonical_hash(number).unwrap().unwrap();
        assert_eq!(storage.header(hash).unwrap().unwrap().hash_slow(), hash);
        let view = storage.state_at(hash).unwrap().unwrap();
        check_view(&view);
    }
}

/// Not a test of its own: what the killed process runs, when [`CHILD_DIR`] says where.
#[test]
fn child_that_imports_until_killed() {
    let Some(dir) = std::env::var_os(CHILD_DIR) else { return };
    let durability = match std::env::var_os(CHILD_CHECKPOINTS) {
        Some(_) => Durability::Checkpoints,
        None => Durability::EachCommit,
    };
    let storage = Storage::open_with(Path::new(&dir), &chain(9, 0), durability).unwrap();
    loop {
        println!("acknowledged {}", extend(&storage));
    }
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    kill_importers(Durability::EachCommit);
}

#[test]
fn what_was_acknowledged_survives_kill_9_between_checkpoints() {
    kill_importers(Durability::Checkpoints);
}

fn kill_importers(durability: Durability) {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for kill in 1..=KILLS {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "child_that_imports_until_killed", "--nocapture"])
            .env(CHILD_DIR, dir.path())
            .stdout(Stdio::piped());
        if durability == Durability::Checkpoints {
            command.env(CHILD_CHECKPOINTS, "1");
        }
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        // The number of lines until the kill differs, and where in a commit it falls is up to the machine.
        let goal = acknowledged + 17 * kill + 23;
        for line in lines.map_while(Result::ok) {
            let Some((_, number)) = line.rsplit_once("acknowledged ") else { continue };
            acknowledged = number.parse().unwrap();
            if acknowledged >= goal {
                break;
            }
        }
        message(Storage::open(dir.path(), &chain(9, 0)), &["in use"]);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(acknowledged >= goal, "the child failed");
        let storage = Storage::open(dir.path(), &chain(9, 0)).unwrap();
        check(&storage, acknowledged);
    }
    assert!(acknowledged > 200, "the base has moved");
}

#[test]
fn readers_see_one_block_each_while_others_are_written() {
    const BLOCKS: u64 = 400;
    let dir = tempfile::tempdir().unwrap();
    let storage = Storage::open(dir.path(), &chain(9, 0)).unwrap();
    let read = |back: u64| {
        let (mut views, mut head) = (0, 0);
        while head < BLOCKS {
            head = storage.head().number;
            let number = head.saturating_sub(back);
            let hash = storage.canonical_hash(number).unwrap().unwrap();
            // The head moves on between the two questions, so the oldest state may go in between.
            if let Some(view) = storage.state_at(hash).unwrap() {
                check_view(&view);
                views += 1;
            }
        }
        assert!(views > 20, "{views} views, {back} blocks back");
    };
    std::thread::scope(|scope| {
        scope.spawn(|| read(0));
        scope.spawn(|| read(STATE_HISTORY));
        for _ in 0..BLOCKS {
            extend(&storage);
        }
    });
    assert!(storage.earliest_state().number + STATE_HISTORY + 32 > BLOCKS);
}

#[track_caller]
fn message(result: Result<Storage, StorageError>, parts: &[&str]) {
    let message = result.unwrap_err().to_string();
    for part in parts {
        assert!(message.contains(part), "{message:?} lacks {part:?}");
    }
}

#[test]
fn a_database_of_another_chain_is_refused_with_advice() {
    let dir = tempfile::tempdir().unwrap();
    drop(Storage::open(dir.path(), &chain(9, 0)).unwrap());
    message(Storage::open(dir.path(), &chain(10, 0)), &["chain id 9", "says 10", "--datadir"]);
    message(Storage::open(dir.path(), &chain(9, 1)), &["starts from genesis", "--datadir"]);
    drop(Storage::open(dir.path(), &chain(9, 0)).unwrap());
}

#[test]
fn a_database_in_use_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let first = Storage::open(dir.path(), &chain(9, 0)).unwrap();
    message(Storage::open(dir.path(), &chain(9, 0)), &["in use"]);
    assert!(matches!(Storage::check_unused(dir.path()), Err(StorageError::InUse(_))));
    let view = first.state_at(first.head().hash).unwrap().unwrap();
    drop(first);
    assert_eq!(view.account(Address::ZERO).unwrap(), None);
    drop(view);
    Storage::check_unused(dir.path()).unwrap();
    Storage::check_unused(&dir.path().join("nothing")).unwrap();
    Storage::open(dir.path(), &chain(9, 0)).unwrap();
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("mdbx.dat"), vec![1; 100_000]).unwrap();
    message(Storage::open(dir.path(), &chain(9, 0)), &["open database in"]);
    let file = tempfile::NamedTempFile::new().unwrap();
    message(Storage::open(file.path(), &chain(9, 0)), &["create directory"]);
}
