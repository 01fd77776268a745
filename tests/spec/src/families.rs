//! Where the cases of each family are, and how one of its files is run.

use std::fs;
use std::io;
use std::path::Path;

use crate::access_list;
use crate::archive;
use crate::blockchain::{Fixture, Fixtures};
use crate::chain;
use crate::difficulty::DifficultyFile;
use crate::era;
use crate::execute;
use crate::prestate::PrestateBlock;
use crate::real::RealBlock;
use crate::report::{Case, Kind};
use crate::run::{Job, Judge, SetupError, Sink};
use crate::state::StateTests;
use crate::suites::Suites;
use crate::tracer::TracerCase;
use crate::transactions::TransactionTests;
use crate::tries;

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
/// Chains over a genesis file, with the number of their last block and the forks they run through.
const CHAINS: [(&str, &str, u64, &str); 4] = [
    ("chains/ethrex/l1.json", "chains/ethrex/mixed-20x400.rlp", 20, "Osaka"),
    ("rpc-compat/genesis.json", "rpc-compat/chain.rlp", 54, "Frontier to BPO2"),
    ("devp2p/geth-ethtest/genesis.json", "devp2p/geth-ethtest/chain.rlp", 600, "London to Prague"),
    ("chains/hive-devp2p/genesis.json", "chains/hive-devp2p/fullchain.rlp", 3_000, "Byzantium"),
];
/// Archives of mainnet's and Sepolia's first blocks.
const ERAS: [(&str, &str); 2] = [
    ("era1/mainnet-00000-5ec1ffb8.era1", "genesis/mainnet.json.zst"),
    ("era1/sepolia-00000-643a00f7.era1", "genesis/sepolia.json"),
];
/// Real blocks with a witness, one compressed JSON file each.
const REAL: &str = "stateless-blocks";
/// Real blocks with the part of the state before them that they touch.
const PRESTATE: &str = "mainnet-prestate-blocks";

/// Set, whatever it says, where the families run as well that have not yet been seen to pass as a whole: state tests, the blocks of
/// ethereum/tests, and real blocks with a part of their state.
pub const WIDE: &str = "ETHREX_SPEC_WIDE";

/// Sends every job there is, until nobody listens; those of [`WIDE`] where `wide` says so.
///
/// # Errors
/// If the test data cannot be read.
pub fn find(suites: &Suites, wide: bool, send: &Sink<'_>) -> Result<(), SetupError> {
    chains(suites, send)?;
    eras(suites, send)?;
    compressed(suites, REAL, send, |name, content| {
        Box::new(move |judge| real(judge, &name, &content))
    })?;
    if wide {
        unproven(suites, send)?;
    }
    for archive in EEST {
        each_file(suites, archive, send, |name, content| {
            if name.contains("/blockchain_tests/") {
                Some(Box::new(move |judge| blockchain(judge, &name, &content)))
            } else if name.contains("/transaction_tests/") {
                Some(Box::new(move |judge| transactions(judge, &name, &content)))
            } else {
                None
            }
        })?;
    }
    for archive in DIFFICULTIES {
        each_file(suites, archive, send, |name, content| {
            Some(Box::new(move |judge| difficulties(judge, &name, &content)))
        })?;
    }
    for archive in TRANSACTIONS {
        each_file(suites, archive, send, |name, content| {
            Some(Box::new(move |judge| transactions(judge, &name, &content)))
        })?;
    }
    each_file(suites, TRACERS, send, |name, content| {
        Some(Box::new(move |judge| traced(judge, &name, &content)))
    })?;
    for archive in TRIES {
        each_file(suites, archive, send, |name, content| {
            Some(Box::new(move |judge| tries::file(judge, &name, &content)))
        })?;
    }
    for archive in RLPS {
        each_file(suites, archive, send, |name, content| {
            Some(Box::new(move |judge| tries::rlp_file(judge, &name, &content)))
        })?;
    }
    Ok(())
}

/// The families of [`WIDE`].
fn unproven(suites: &Suites, send: &Sink<'_>) -> Result<(), SetupError> {
    compressed(suites, PRESTATE, send, |name, content| {
        Box::new(move |judge| prestate(judge, &name, &content))
    })?;
    for archive in EEST {
        each_file(suites, archive, send, |name, content| {
            name.contains("/state_tests/")
                .then(|| -> Job { Box::new(move |judge| states(judge, &name, &content)) })
        })?;
    }
    for archive in OLD_BLOCKS {
        each_file(suites, archive, send, |name, content| {
            Some(Box::new(move |judge| old_blockchain(judge, &name, &content)))
        })?;
    }
    for archive in OLD_STATES {
        each_file(suites, archive, send, |name, content| {
            Some(Box::new(move |judge| states(judge, &name, &content)))
        })?;
    }
    Ok(())
}

fn fault(path: &Path) -> impl FnOnce(io::Error) -> SetupError {
    let path = path.to_owned();
    move |source| SetupError::Read { path, source }
}

/// Calls `job` for each JSON file of an archive. The sample has its own archives, and the full suites have all others.
fn each_file(
    suites: &Suites,
    archive: &str,
    send: &Sink<'_>,
    job: impl Fn(String, Vec<u8>) -> Option<Job>,
) -> Result<(), SetupError> {
    let path = suites.dir.join(format!("{archive}.tar.zst"));
    if suites.sample != archive.ends_with("-sample") || suites.sample && !path.is_file() {
        return Ok(());
    }
    let wanted = |name: &str| name.ends_with(".json") && !name.contains("/.meta/");
    archive::for_each_file(&path, wanted, |name, content| job(name, content).is_none_or(send))
        .map_err(fault(&path))
}

/// Calls `job` for each compressed JSON file of a folder, which the sample need not have.
fn compressed(
    suites: &Suites,
    dir: &str,
    send: &Sink<'_>,
    job: impl Fn(String, Vec<u8>) -> Job,
) -> Result<(), SetupError> {
    let dir = suites.dir.join(dir);
    if suites.sample && !dir.is_dir() {
        return Ok(());
    }
    for entry in fs::read_dir(&dir).map_err(fault(&dir))? {
        let path = entry.map_err(fault(&dir))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        if let Some(name) = name.strip_suffix(".json.zst") {
            let content = archive::decompress(&path).map_err(fault(&path))?;
            if !send(job(name.to_owned(), content)) {
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
    for (genesis, blocks, last, forks) in CHAINS {
        let (genesis, path) = (suites.dir.join(genesis), suites.dir.join(blocks));
        if present(suites, &genesis)? && present(suites, &path)? {
            send(Box::new(move |judge| {
                let run = || chain::import(&genesis, &path, last).map(drop);
                judge.case(Kind::Chain, forks, blocks, run).into_iter().collect()
            }));
        }
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

fn real(judge: &Judge<'_>, name: &str, content: &[u8]) -> Vec<Case> {
    judge.file(Kind::Real, name, content, |block: RealBlock| {
        judge.case(Kind::Real, &block.fork, name, || block.run()).into_iter().collect()
    })
}

fn traced(judge: &Judge<'_>, name: &str, content: &[u8]) -> Vec<Case> {
    judge.file(Kind::Tracer, name, content, |traced: TracerCase| {
        let fork = traced.fork();
        judge.case(Kind::Tracer, &fork, name, || traced.run(name)).into_iter().collect()
    })
}

fn prestate(judge: &Judge<'_>, name: &str, content: &[u8]) -> Vec<Case> {
    judge.file(Kind::Prestate, name, content, |block: PrestateBlock| {
        let fork = block.fork();
        judge.case(Kind::Prestate, &fork, name, || block.run()).into_iter().collect()
    })
}

/// How the access lists of fixtures are compared.
type Listed = (&'static str, fn(&Fixture) -> Result<(), access_list::Different>);
const LISTED: &[Listed] =
    &[("filled", access_list::as_filled), ("Amsterdam", access_list::at_amsterdam)];

fn blockchain(judge: &Judge<'_>, name: &str, content: &[u8]) -> Vec<Case> {
    judge.file(Kind::Blockchain, name, content, |fixtures: Fixtures| {
        let run = |(name, fixture): (&String, &Fixture)| {
            let whole = judge.case(Kind::Blockchain, &fixture.network, name, || fixture.run());
            let executed =
                judge.case(Kind::Execute, &fixture.network, name, || execute::run(fixture));
            let listed = if fixture.has_access_lists() { LISTED } else { &[] };
            let listed = listed.iter().map(|(rules, test)| {
                let name = format!("{name}@{rules}");
                judge.case(Kind::AccessList, rules, &name, || test(fixture))
            });
            listed.chain([whole, executed]).flatten().collect::<Vec<_>>()
        };
        fixtures.iter().flat_map(run).collect()
    })
}

fn old_blockchain(judge: &Judge<'_>, file: &str, content: &[u8]) -> Vec<Case> {
    judge.file(Kind::Blockchain, file, content, |fixtures: Fixtures| {
        let run = |(name, fixture): (&String, &Fixture)| {
            let name = format!("{file}::{name}");
            judge.case(Kind::Blockchain, &fixture.network, &name, || fixture.run())
        };
        fixtures.iter().filter_map(run).collect()
    })
}

fn states(judge: &Judge<'_>, file: &str, content: &[u8]) -> Vec<Case> {
    judge.file(Kind::State, file, content, |tests: StateTests| {
        let mut cases = Vec::new();
        for (name, test) in &tests {
            for fork in test.forks() {
                let name = format!("{file}::{name}@{fork}");
                cases.extend(judge.case(Kind::State, fork, &name, || test.run(fork)));
            }
        }
        cases
    })
}

fn difficulties(judge: &Judge<'_>, file: &str, content: &[u8]) -> Vec<Case> {
    judge.file(Kind::Difficulty, file, content, |tests: DifficultyFile| {
        let cases = tests.cases();
        let run = |(fork, name, case): (_, _, _)| {
            let name = format!("{file}::{name}@{fork}");
            judge.case(Kind::Difficulty, fork, &name, || crate::difficulty::run(fork, case))
        };
        cases.filter_map(run).collect()
    })
}

fn transactions(judge: &Judge<'_>, file: &str, content: &[u8]) -> Vec<Case> {
    judge.file(Kind::Transaction, file, content, |tests: TransactionTests| {
        let mut cases = Vec::new();
        for (name, test) in &tests {
            for fork in test.forks() {
                let name = format!("{file}::{name}@{fork}");
                cases.extend(judge.case(Kind::Transaction, fork, &name, || test.run(fork)));
            }
        }
        cases
    })
}
