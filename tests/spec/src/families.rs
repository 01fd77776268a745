//! Where the cases of each family are.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use crate::archive;
use crate::chain;
use crate::engine;
use crate::era;
use crate::report::{Case, Kind};
use crate::run::{Judge, SetupError, Sink};
use crate::suites::Suites;
use crate::t8n;
use crate::tries;

mod cases;

/// Fixtures of execution-specs; in the sample there is one archive of its own.
const EEST: [&str; 9] = [
    "eest/eest-7702-clz-full",
    "eest/eest-amsterdam-bal",
    "eest/eest-osaka-new",
    "eest/eest-osaka-old",
    "eest/eest-osaka-ported-static",
    "eest/eest-prague",
    "eest/eest-v5-fusaka-devnet5-state",
    "eest/eest-more-sample",
    "eest/eest-sample",
];
/// Blocks of ethereum/tests, which go back to Frontier.
const OLD_BLOCKS: [&str; 4] = [
    "ethereum-tests/BlockchainTests",
    "ethereum-tests/BlockchainTests_GeneralStateTests",
    "ethereum-tests/legacy_Constantinople_BlockchainTests",
    "ethereum-tests/blocks-sample",
];
/// State tests of ethereum/tests.
const OLD_STATES: [&str; 3] = [
    "ethereum-tests/GeneralStateTests",
    "ethereum-tests/legacy_Constantinople_GeneralStateTests",
    "ethereum-tests/states-sample",
];
/// Difficulties of ethereum/tests.
const DIFFICULTIES: [&str; 2] =
    ["ethereum-tests/DifficultyTests", "ethereum-tests/difficulties-sample"];
/// Transactions of ethereum/tests.
const TRANSACTIONS: [&str; 2] =
    ["ethereum-tests/TransactionTests", "ethereum-tests/transactions-sample"];
/// Tries of ethereum/tests.
const TRIES: [&str; 2] = ["ethereum-tests/TrieTests", "ethereum-tests/tries-sample"];
/// RLP of ethereum/tests.
const RLPS: [&str; 2] = ["ethereum-tests/RLPTests", "ethereum-tests/rlps-sample"];
/// Traces of single transactions, by go-ethereum.
const TRACERS: &str = "evm/tracers";
/// Chains over a genesis file.
const CHAINS: [ChainFiles; 5] = [
    ChainFiles {
        genesis: "chains/ethrex/l1.json",
        blocks: "chains/ethrex/mixed-20x400.rlp",
        last: 20,
        state: None,
        forks: "Osaka",
    },
    ChainFiles {
        genesis: "rpc-compat/genesis.json",
        blocks: "rpc-compat/chain.rlp",
        last: 54,
        state: Some("rpc-compat/headstate.json"),
        forks: "Frontier to BPO2",
    },
    ChainFiles {
        genesis: "devp2p/geth-ethtest/genesis.json",
        blocks: "devp2p/geth-ethtest/chain.rlp",
        last: 600,
        state: Some("devp2p/geth-ethtest/headstate.json"),
        forks: "London to Prague",
    },
    ChainFiles {
        genesis: "chains/hive-devp2p/genesis.json",
        blocks: "chains/hive-devp2p/halfchain.rlp",
        last: 999,
        state: None,
        forks: "Byzantium",
    },
    ChainFiles {
        genesis: "chains/hive-devp2p/genesis.json",
        blocks: "chains/hive-devp2p/fullchain.rlp",
        last: 3_000,
        state: None,
        forks: "Byzantium",
    },
];

/// The files of a chain.
struct ChainFiles {
    genesis: &'static str,
    blocks: &'static str,
    /// The number of the last block.
    last: u64,
    /// The state after it, as geth dumps it; the sample has none.
    state: Option<&'static str>,
    /// The forks that the chain runs through.
    forks: &'static str,
}
/// Rows of blocks, of which no genesis file is there.
const ROWS: [&str; 2] = ["chains/ethrex/chain.rlp", "chains/ethrex/l2-loadtest.rlp"];
/// A chain of 600 blocks as calls of the Engine API.
const PAYLOADS: &str = "devp2p/geth-ethtest";
/// Archives of mainnet's and Sepolia's first blocks.
const ERAS: [(&str, &str); 2] = [
    ("era1/mainnet-00000-5ec1ffb8.era1", "genesis/mainnet.json.zst"),
    ("era1/sepolia-00000-643a00f7.era1", "genesis/sepolia.json"),
];
/// Real blocks with a witness, one compressed JSON file each.
const REAL: &str = "stateless-blocks";
/// Real blocks with the part of the state before them that they touch.
const PRESTATE: &str = "mainnet-prestate-blocks";

/// An input of stateless validation, in an earlier schema of execution-specs.
const STATELESS_INPUT: &str = "stateless-ssz/linea_stateless_input.ssz";
/// Real blocks of Frontier with a witness, each in two JSON files.
const FRONTIER: [&str; 2] = ["mainnet_100", "mainnet_73141"];
/// Inputs of go-ethereum's tools, and what they answer.
const T8N: &str = "evm/t8n-geth";
/// Precompiles, by go-ethereum and the EIPs.
const PRECOMPILES: &str = "evm/precompiles";
/// KZG, by the consensus specification.
const KZG: &str = "kzg/kzg-mainnet";
/// Blocks of mainnet at forks, as the portal network stores them.
const STORED: &str = "mainnet-blocks/portal-block-data";
/// Blocks of mainnet at forks, as RPC shows them.
const SHOWN: &str = "mainnet-blocks/rpc-blocks";
/// A block of mainnet with its receipts, as RPC shows them.
const RECEIPTS: &str = "mainnet-blocks/mainnet-traces";
/// Various small files.
const BASICS: &str = "ethereum-tests/BasicTests";

/// Runs a file, given its name and its content.
type Run = fn(&Judge<'_>, &str, &[u8]) -> Vec<Case>;

/// Sends every job there is, until nobody listens.
///
/// # Errors
/// If the test data cannot be read.
pub fn find(suites: &Suites, send: &Sink<'_>) -> Result<(), SetupError> {
    // First, because one case takes a minute: 2^32 - 1 rounds of BLAKE2.
    each_archive(suites, &OLD_STATES, send, |_| Some(cases::states))?;
    chains(suites, send)?;
    eras(suites, send)?;
    payloads(suites, send)?;
    compressed(suites, REAL, send, cases::real)?;
    frontier(suites, send)?;
    whole_file(suites, STATELESS_INPUT, send, cases::stateless_input)?;
    for rows in ROWS {
        whole_file(suites, rows, send, cases::rows)?;
    }
    compressed(suites, PRESTATE, send, cases::prestate)?;
    each_archive(suites, &EEST, send, of_eest)?;
    each_archive(suites, &OLD_BLOCKS, send, |_| Some(cases::old_blockchain))?;
    each_archive(suites, &DIFFICULTIES, send, |_| Some(cases::difficulties))?;
    each_archive(suites, &TRANSACTIONS, send, |_| Some(cases::transactions))?;
    each_archive(suites, &[TRACERS], send, |_| Some(cases::traced))?;
    each_archive(suites, &TRIES, send, |_| Some(tries::file))?;
    each_archive(suites, &RLPS, send, |_| Some(tries::rlp_file))?;
    each_archive(suites, &[BASICS], send, basic)?;
    each_archive(suites, &[PRECOMPILES], send, |_| Some(cases::precompiles))?;
    each_archive(suites, &[STORED], send, |_| Some(cases::stored_block))?;
    each_archive(suites, &[SHOWN], send, |_| Some(cases::shown_block))?;
    each_archive(suites, &[KZG], send, of_kzg)?;
    receipts(suites, send)?;
    tools(suites, send)
}

/// How a file of execution-specs is run goes by its folder.
fn of_eest(name: &str) -> Option<Run> {
    const FOLDERS: [(&str, Run); 5] = [
        ("/state_tests/", cases::states),
        ("/blockchain_tests/", cases::blockchain),
        ("/blockchain_tests_engine/", cases::engine),
        ("/blockchain_tests_sync/", cases::engine),
        ("/transaction_tests/", cases::transactions),
    ];
    let found = FOLDERS.iter().find(|(folder, _)| name.contains(folder));
    found.map(|(_, run)| *run)
}

/// How a vector about KZG is run goes by the function that it calls. Others are about what no function here does.
fn of_kzg(name: &str) -> Option<Run> {
    const FUNCTIONS: [(&str, Run); 8] = [
        ("/verify_kzg_proof/", cases::opening),
        ("/blob_to_kzg_commitment/", cases::commitment),
        ("/compute_blob_kzg_proof/", cases::blob_proof),
        ("/verify_blob_kzg_proof/", cases::sidecar),
        ("/verify_blob_kzg_proof_batch/", cases::sidecars),
        ("/verify_cell_kzg_proof_batch/", cases::whole_blob),
        ("/compute_cells/", cases::cells),
        ("/compute_cells_and_kzg_proofs/", cases::cells_and_proofs),
    ];
    let found = FUNCTIONS.iter().find(|(function, _)| name.contains(function));
    found.map(|(_, run)| *run)
}

/// How one of the various small files is run. What is left out is about encryption between nodes.
fn basic(name: &str) -> Option<Run> {
    match name.rsplit('/').next()? {
        "genesishashestest.json" => Some(cases::genesis),
        "hexencodetest.json" => Some(tries::path_file),
        "keyaddrtest.json" => Some(cases::keys),
        name if name.starts_with("difficulty") => Some(cases::network_difficulties),
        _ => None,
    }
}

fn fault(path: &Path) -> impl FnOnce(io::Error) -> SetupError {
    let path = path.to_owned();
    move |source| SetupError::Read { path, source }
}

/// Sends a job for each file of these archives that `run` knows. The sample has its own archives, and the full suites have all others.
fn each_archive(
    suites: &Suites,
    archives: &[&str],
    send: &Sink<'_>,
    run: impl Fn(&str) -> Option<Run>,
) -> Result<(), SetupError> {
    for archive in archives {
        each_file(suites, archive, |name, content| match run(&name) {
            Some(run) => send(Box::new(move |judge| run(judge, &name, &content))),
            None => true,
        })?;
    }
    Ok(())
}

/// Calls `visit` for each file of an archive with test data, until it returns false.
fn each_file(
    suites: &Suites,
    archive: &str,
    visit: impl FnMut(String, Vec<u8>) -> bool,
) -> Result<(), SetupError> {
    let path = suites.dir.join(format!("{archive}.tar.zst"));
    if suites.sample != archive.ends_with("-sample") || suites.sample && !path.is_file() {
        return Ok(());
    }
    let wanted = |name: &str| {
        let data = [".json", ".jsonl", ".rlp", ".yaml"].iter().any(|ending| name.ends_with(ending));
        data && !name.contains("/.meta/")
    };
    archive::for_each_file(&path, wanted, visit).map_err(fault(&path))
}

/// Sends a job for each compressed JSON file of a folder, which the sample need not have.
fn compressed(suites: &Suites, dir: &str, send: &Sink<'_>, run: Run) -> Result<(), SetupError> {
    let dir = suites.dir.join(dir);
    if suites.sample && !dir.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(&dir).map_err(fault(&dir))? {
        let path = entry.map_err(fault(&dir))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        if let Some(name) = name.strip_suffix(".json.zst") {
            let content = archive::decompress(&path).map_err(fault(&path))?;
            let name = name.to_owned();
            if !send(Box::new(move |judge| run(judge, &name, &content))) {
                break;
            }
        }
    }
    Ok(())
}

/// Whether a file is there. Only the sample may lack it.
fn present(suites: &Suites, path: &Path) -> Result<bool, SetupError> {
    match fs::metadata(path) {
        Ok(_) => Ok(true),
        Err(_) if suites.sample => Ok(false),
        Err(why) => Err(fault(path)(why)),
    }
}

fn chains(suites: &Suites, send: &Sink<'_>) -> Result<(), SetupError> {
    for ChainFiles { genesis, blocks, last, state, forks } in CHAINS {
        let [genesis, path] = [genesis, blocks].map(|file| suites.dir.join(file));
        if !present(suites, &genesis)? || !present(suites, &path)? {
            continue;
        }
        let mut dump = state.map(|file| suites.dir.join(file));
        if let Some(file) = &dump
            && !present(suites, file)?
        {
            dump = None;
        }
        send(Box::new(move |judge| {
            let run = || chain::import(&genesis, &path, last, dump.as_deref());
            judge.case(Kind::Chain, forks, blocks, run).into_iter().collect()
        }));
    }
    Ok(())
}

/// Sends a job for a file that stands alone.
fn whole_file(
    suites: &Suites,
    file: &'static str,
    send: &Sink<'_>,
    run: Run,
) -> Result<(), SetupError> {
    let path = suites.dir.join(file);
    if present(suites, &path)? {
        let content = fs::read(&path).map_err(fault(&path))?;
        send(Box::new(move |judge| run(judge, file, &content)));
    }
    Ok(())
}

fn eras(suites: &Suites, send: &Sink<'_>) -> Result<(), SetupError> {
    for (archive, genesis) in ERAS {
        let (genesis, path) = (suites.dir.join(genesis), suites.dir.join(archive));
        if present(suites, &genesis)? && present(suites, &path)? {
            send(Box::new(move |judge| {
                let run = || era::import(&genesis, &path);
                judge.case(Kind::Era, "from genesis", archive, run).into_iter().collect()
            }));
        }
    }
    Ok(())
}

fn payloads(suites: &Suites, send: &Sink<'_>) -> Result<(), SetupError> {
    let dir = suites.dir.join(PAYLOADS);
    if present(suites, &dir.join("newpayload.json"))? {
        send(Box::new(move |judge| {
            let run = || engine::chain::run(&dir);
            judge.case(Kind::Engine, "London to Prague", PAYLOADS, run).into_iter().collect()
        }));
    }
    Ok(())
}

fn frontier(suites: &Suites, send: &Sink<'_>) -> Result<(), SetupError> {
    let dir = suites.dir.join(REAL).join("nimbus-frontier");
    if !present(suites, &dir)? {
        return Ok(());
    }
    for name in FRONTIER {
        let read = |part| {
            let path = dir.join(format!("{name}_{part}.json"));
            fs::read(&path).map_err(fault(&path))
        };
        let (block, witness) = (read("block")?, read("witness")?);
        send(Box::new(move |judge| cases::frontier(judge, name, &block, &witness)));
    }
    Ok(())
}

/// Block and receipts lie in two files of one archive.
fn receipts(suites: &Suites, send: &Sink<'_>) -> Result<(), SetupError> {
    let (mut block, mut receipts) = (None, None);
    each_file(suites, RECEIPTS, |name, content| {
        match name.rsplit('/').next() {
            Some("block.json") => block = Some(content),
            Some("receipts.json") => receipts = Some(content),
            _ => {}
        }
        true
    })?;
    if let Some((block, receipts)) = block.zip(receipts) {
        send(Box::new(move |judge| cases::shown_receipts(judge, RECEIPTS, &block, &receipts)));
    }
    Ok(())
}

/// A call has several files, and many calls share them.
fn tools(suites: &Suites, send: &Sink<'_>) -> Result<(), SetupError> {
    let mut files = t8n::Files::default();
    each_file(suites, T8N, |name, content| {
        files.insert(&name, content);
        true
    })?;
    if files.is_empty() {
        return Ok(());
    }
    let files = Arc::new(files);
    for call in t8n::CALLS {
        let files = files.clone();
        send(Box::new(move |judge| {
            let run = || call.run(&files);
            judge.case(Kind::T8n, call.fork, &call.name(), run).into_iter().collect()
        }));
    }
    send(Box::new(move |judge| cases::unused(judge, T8N, &files)));
    Ok(())
}
