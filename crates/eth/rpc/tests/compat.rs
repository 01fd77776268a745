//! The rpc-compat suite of the execution APIs: requests and answers recorded from geth, on a chain through every fork.
//!
//! Runs where the suite is at hand: `$ETHREX_SUITES`, or `shared/suites` inside or beside the workspace.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use alloy_primitives::{Address, B256, Bytes, U256, keccak256};
use alloy_rlp::Decodable;
use ethrex_chain::Chain;
use ethrex_evm::{BlockContext, BlockExecutor, Closed};
use ethrex_rpc::{ApiConfig, Context, modules};
use ethrex_stf::{Ethereum, Rules};
use ethrex_storage::{NewBlock, StateView, Storage};
use ethrex_trie::update_state;
use ethrex_txpool::{NoJournal, Pool, PoolConfig};
use ethrex_types::{
    AccountDiff, AccountInfo, Block, ChainSpec, Genesis, RecoveredBlock, SealedBlock, StateDiff,
};
use jsonrpsee::Methods;
use serde_json::{Value, json};

/// Cases that fail, and why. One that passes here fails the test.
const SKIPPED: [(&str, &str); 3] = [
    ("eth_getBlockReceipts/get-block-receipts-by-hash.io", OLD_RECEIPT),
    ("eth_getBlockReceipts/get-block-receipts-n.io", OLD_RECEIPT),
    (
        "txpool_content/get-content.io",
        "needs transactions of cases that the suite at hand leaves out",
    ),
];
const OLD_RECEIPT: &str = "a receipt from before Byzantium holds a state root";

/// The suite. Where it is absent it says so past libtest's capture: `cargo xtask test` counts such tests as skipped.
fn suite() -> Option<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(3).unwrap();
    let asked = std::env::var_os("ETHREX_SUITES").map(PathBuf::from);
    let places =
        [Some(root.join("shared/suites")), root.parent().map(|up| up.join("shared/suites"))];
    let found = asked.or_else(|| places.into_iter().flatten().find(|dir| dir.is_dir()));
    if found.is_none() {
        let _ =
            writeln!(std::io::stdout(), "\nskipped: rpc-compat is not at hand; set ETHREX_SUITES");
    }
    Some(found?.join("rpc-compat"))
}

/// The chain of the suite. Its first blocks are older than the merge, which only execution still knows.
fn open(dir: &Path) -> Methods {
    let genesis: Genesis =
        serde_json::from_slice(&fs::read(dir.join("genesis.json")).unwrap()).unwrap();
    let spec = ChainSpec::new(genesis).unwrap();
    let rules: Arc<dyn Rules> = Arc::new(Ethereum);
    let storage = Storage::memory(&spec).unwrap();
    let bytes = fs::read(dir.join("chain.rlp")).unwrap();
    let mut rest = &bytes[..];
    let mut head = storage.head().hash;
    let mut touched: BTreeSet<_> = spec.genesis().alloc.keys().copied().collect();
    while !rest.is_empty() {
        let block = Block::decode(&mut rest).unwrap();
        let block = RecoveredBlock::recover(SealedBlock::seal(block)).unwrap();
        let parent = storage.header(head).unwrap().unwrap();
        assert_eq!(block.sealed().header().parent_hash, head);
        let state = storage.state_at(head).unwrap().unwrap();
        let mut executed = run(&spec, &*rules, &block, &state);
        touched.extend(executed.diff.accounts.keys());
        if rest.is_empty() {
            executed.diff = last_state(dir, &touched);
        }
        let update = update_state(&state, parent.state_root, &executed.diff).unwrap();
        let root = block.sealed().header().state_root;
        assert!(!rest.is_empty() || update.root == root, "the dump is the state of the last block");
        head = block.sealed().hash();
        let (receipts, diff, trie) = (&executed.receipts, executed.diff, update.nodes);
        let new =
            NewBlock { block: &block, receipts, diff, trie, witness: None, access_list: None };
        storage.commit_block(new).unwrap();
    }
    storage.set_canonical(head).unwrap();
    storage.set_safe(head).unwrap();
    storage.set_finalized(head).unwrap();
    let chain = Chain::open(spec.clone(), Arc::clone(&rules), storage.clone()).unwrap();
    let state = Arc::new(storage.state_at(head).unwrap().unwrap());
    let config = PoolConfig::standard();
    let pool = Pool::open(spec, rules, config, Arc::new(NoJournal), chain.head(), state).unwrap();
    modules(&Context::new(chain, pool, ApiConfig::standard("ethrex/test".into())))
}

/// Executes a block without comparing its receipts root: before Byzantium a receipt held a state root, which no longer exists here.
fn run(spec: &ChainSpec, rules: &dyn Rules, block: &RecoveredBlock, state: &StateView) -> Closed {
    let withdrawals = block.sealed().body().withdrawals.as_ref().map(|list| list.as_slice());
    let ommers = &block.sealed().body().ommers;
    let context = BlockContext { header: block.sealed().header(), ommers, withdrawals };
    let mut executor = BlockExecutor::open(spec, rules, &context, state).unwrap();
    for (tx, sender) in block.transactions() {
        executor.run(tx, sender).unwrap();
    }
    executor.close().unwrap()
}

/// The state after the last block, as the suite has it: this program knows only the rules since the merge, and some old blocks differ
/// in which empty accounts they leave behind.
fn last_state(dir: &Path, touched: &BTreeSet<Address>) -> StateDiff {
    let dump: Value =
        serde_json::from_slice(&fs::read(dir.join("headstate.json")).unwrap()).unwrap();
    let gone = AccountDiff { info: None, wiped: true, storage: BTreeMap::new() };
    let mut diff = StateDiff::default();
    diff.accounts.extend(touched.iter().map(|address| (*address, gone.clone())));
    for (address, account) in dump["accounts"].as_object().unwrap() {
        let code: Bytes = account
            .get("code")
            .map_or_else(Bytes::new, |code| code.as_str().unwrap().parse().unwrap());
        let code_hash = keccak256(&code);
        let info = AccountInfo {
            nonce: account["nonce"].as_u64().unwrap(),
            balance: account["balance"].as_str().unwrap().parse().unwrap(),
            code_hash,
        };
        let storage = account.get("storage").and_then(Value::as_object).into_iter().flatten();
        let storage = storage
            .map(|(slot, value)| {
                let value = value.as_str().unwrap();
                (
                    slot.parse().unwrap(),
                    U256::from_str_radix(value.trim_start_matches("0x"), 16).unwrap(),
                )
            })
            .collect();
        let account = AccountDiff { info: Some(info), wiped: true, storage };
        diff.accounts.insert(address.parse().unwrap(), account);
        diff.codes.insert(code_hash, code);
    }
    diff
}

/// The cases by name, in order of name: `method/case.io`.
fn cases(dir: &Path) -> BTreeMap<String, String> {
    let mut cases = BTreeMap::new();
    for method in fs::read_dir(dir.join("tests")).unwrap() {
        for case in fs::read_dir(method.unwrap().path()).unwrap() {
            let path = case.unwrap().path();
            let name = path.strip_prefix(dir.join("tests")).unwrap().display().to_string();
            cases.insert(name, fs::read_to_string(&path).unwrap());
        }
    }
    cases
}

/// Plays one case; says how the answer differs.
async fn play(methods: &Methods, case: &str) -> Result<(), String> {
    let shape_only = case.lines().any(|line| line.starts_with("// speconly:"));
    let mut asked = None;
    for line in case.lines() {
        if let Some(request) = line.strip_prefix(">> ") {
            let (answer, _) = methods.raw_json_request(request, 1).await.unwrap();
            asked = Some(serde_json::from_str::<Value>(answer.get()).unwrap());
        } else if let Some(expected) = line.strip_prefix("<< ") {
            let expected: Value = serde_json::from_str(expected).unwrap();
            let answer = asked.take().unwrap();
            let same = if shape_only { alike(&answer, &expected) } else { answer == expected };
            if !same {
                return Err(format!("expected {expected}\n     got {answer}"));
            }
        }
    }
    Ok(())
}

/// The same keys and kinds of values, all the way down; lists are compared by their first entries.
fn alike(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b))
            if a.contains_key("error") && b.contains_key("error") =>
        {
            a["error"]["code"] == b["error"]["code"]
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| alike(a, b)))
        }
        (Value::Array(a), Value::Array(b)) => {
            a.first().zip(b.first()).is_none_or(|(a, b)| alike(a, b))
        }
        _ => std::mem::discriminant(a) == std::mem::discriminant(b),
    }
}

#[tokio::test]
async fn the_suite_of_the_execution_apis_is_answered_as_recorded() {
    let Some(dir) = suite() else { return };
    let methods = open(&dir);
    let (mut passed, mut failed, mut unknown) = (0, Vec::new(), 0);
    for (name, case) in cases(&dir) {
        let method = name.split('/').next().unwrap();
        if methods.method(method).is_none() {
            unknown += 1;
            continue;
        }
        let skip = SKIPPED.iter().find(|(skipped, _)| *skipped == name);
        match (play(&methods, &case).await, skip) {
            (Ok(()), None) => passed += 1,
            (Ok(()), Some(_)) => failed.push(format!("{name}: passes, but is on the skip list")),
            (Err(_), Some(_)) => {}
            (Err(difference), None) => failed.push(format!("{name}: {difference}")),
        }
    }
    eprintln!("rpc-compat: {passed} passed, {unknown} of methods that do not exist here");
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n"));
}

#[tokio::test]
async fn a_call_may_move_a_block_past_any_fork_but_not_over_the_merge() {
    const MERGE: u8 = 36;
    let Some(dir) = suite() else { return };
    let methods = open(&dir);
    for (block, time) in [(5, 430), (37, 430), (40, 545), (50, 1), (54, u64::MAX)] {
        let request = json!({
            "jsonrpc": "2.0",
            "id": 1,
            "method": "eth_call",
            "params": [{"data": "0x4360005260206000f3"}, format!("{block:#x}"), null, {"time": format!("{time:#x}")}],
        });
        let (answer, _) = methods.raw_json_request(&request.to_string(), 1).await.unwrap();
        let answer: Value = serde_json::from_str(answer.get()).unwrap();
        if block < MERGE {
            assert_eq!(answer["error"]["code"], -32_602, "{request}: {answer}");
        } else {
            let number = json!(B256::with_last_byte(block));
            assert_eq!(answer["result"], number, "{request}: {answer}");
        }
    }
}
