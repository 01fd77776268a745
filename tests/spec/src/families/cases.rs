//! How one file of each family is run.

use rayon::iter::{IntoParallelRefIterator, ParallelIterator};

use crate::access_list;
use crate::basics::{self, NetworkDifficulties};
use crate::blockchain::{Fixture, Fixtures};
use crate::blocks::{self, RpcBlock, Shown, StoredBlock};
use crate::difficulty::{self, DifficultyFile};
use crate::engine::{EngineFixture, EngineFixtures};
use crate::execute;
use crate::kzg::{self, Vector};
use crate::precompiles::{self, Vectors};
use crate::prestate::PrestateBlock;
use crate::real::RealBlock;
use crate::report::{Case, Kind};
use crate::run::Judge;
use crate::state::StateTests;
use crate::stateless_input;
use crate::t8n;
use crate::tracer::TracerCase;
use crate::transactions::TransactionTests;

pub(super) fn real(judge: &Judge<'_>, name: &str, content: &[u8]) -> Vec<Case> {
    judge.file(Kind::Real, name, content, |block: RealBlock| {
        judge.case(Kind::Real, &block.fork, name, || block.run()).into_iter().collect()
    })
}

pub(super) fn traced(judge: &Judge<'_>, name: &str, content: &[u8]) -> Vec<Case> {
    judge.file(Kind::Tracer, name, content, |traced: TracerCase| {
        let fork = traced.fork();
        judge.case(Kind::Tracer, &fork, name, || traced.run(name)).into_iter().collect()
    })
}

pub(super) fn prestate(judge: &Judge<'_>, name: &str, content: &[u8]) -> Vec<Case> {
    judge.file(Kind::Prestate, name, content, |block: PrestateBlock| {
        let fork = block.fork();
        judge.case(Kind::Prestate, &fork, name, || block.run()).into_iter().collect()
    })
}

/// How the access lists of fixtures are compared.
type Listed = (&'static str, fn(&Fixture) -> Result<(), access_list::Different>);
const LISTED: &[Listed] =
    &[("filled", access_list::as_filled), ("Amsterdam", access_list::at_amsterdam)];

pub(super) fn blockchain(judge: &Judge<'_>, name: &str, content: &[u8]) -> Vec<Case> {
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

pub(super) fn engine(judge: &Judge<'_>, file: &str, content: &[u8]) -> Vec<Case> {
    judge.file(Kind::Engine, file, content, |fixtures: EngineFixtures| {
        let run = |(name, fixture): (&String, &EngineFixture)| {
            judge.case(Kind::Engine, &fixture.network, name, || fixture.run())
        };
        fixtures.iter().filter_map(run).collect()
    })
}

pub(super) fn old_blockchain(judge: &Judge<'_>, file: &str, content: &[u8]) -> Vec<Case> {
    judge.file(Kind::Blockchain, file, content, |fixtures: Fixtures| {
        let run = |(name, fixture): (&String, &Fixture)| {
            let name = format!("{file}::{name}");
            judge.case(Kind::Blockchain, &fixture.network, &name, || fixture.run())
        };
        fixtures.par_iter().filter_map(run).collect()
    })
}

pub(super) fn states(judge: &Judge<'_>, file: &str, content: &[u8]) -> Vec<Case> {
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

pub(super) fn difficulties(judge: &Judge<'_>, file: &str, content: &[u8]) -> Vec<Case> {
    judge.file(Kind::Difficulty, file, content, |tests: DifficultyFile| {
        let cases = tests.cases();
        let run = |(fork, name, case): (_, _, _)| {
            let name = format!("{file}::{name}@{fork}");
            judge.case(Kind::Difficulty, fork, &name, || difficulty::run(fork, case))
        };
        cases.filter_map(run).collect()
    })
}

pub(super) fn transactions(judge: &Judge<'_>, file: &str, content: &[u8]) -> Vec<Case> {
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

/// A file that is about a precompile of its name.
pub(super) fn precompiles(judge: &Judge<'_>, file: &str, content: &[u8]) -> Vec<Case> {
    let Some(subject) = precompiles::subject_of(file) else {
        let unknown = || Err(precompiles::Unmet::Subject);
        return judge.case(Kind::Precompile, "unknown", file, unknown).into_iter().collect();
    };
    judge.file(Kind::Precompile, file, content, |vectors: Vectors| {
        let run = |(index, vector): (usize, &precompiles::Vector)| {
            let name = format!("{file}::{}#{index}", vector.name);
            judge.case(Kind::Precompile, subject.fork, &name, || vector.run(&subject))
        };
        vectors.iter().enumerate().filter_map(run).collect()
    })
}

/// A block as the portal network stores it.
pub(super) fn stored_block(judge: &Judge<'_>, file: &str, content: &[u8]) -> Vec<Case> {
    let run = || StoredBlock::parse(&String::from_utf8_lossy(content))?.run();
    judge.case(Kind::Block, "mainnet", file, run).into_iter().collect()
}

/// A block as `eth_getBlockByNumber` shows it.
pub(super) fn shown_block(judge: &Judge<'_>, file: &str, content: &[u8]) -> Vec<Case> {
    judge.file(Kind::Block, file, content, |block: Shown<RpcBlock>| {
        judge.case(Kind::Block, "mainnet", file, || block.into_inner().run()).into_iter().collect()
    })
}

/// The receipts that `eth_getBlockReceipts` shows of such a block.
pub(super) fn shown_receipts(
    judge: &Judge<'_>,
    file: &str,
    block: &[u8],
    receipts: &[u8],
) -> Vec<Case> {
    let run = || blocks::has_receipts(block, receipts);
    judge.case(Kind::Block, "mainnet", file, run).into_iter().collect()
}

/// Blocks in a row, by themselves.
pub(super) fn rows(judge: &Judge<'_>, file: &str, content: &[u8]) -> Vec<Case> {
    judge.case(Kind::Block, "rows", file, || blocks::row(content)).into_iter().collect()
}

/// An input of stateless validation.
pub(super) fn stateless_input(judge: &Judge<'_>, file: &str, content: &[u8]) -> Vec<Case> {
    let run = || stateless_input::run(&content.to_vec().into());
    judge.case(Kind::Real, "earlier Amsterdam", file, run).into_iter().collect()
}

/// A vector about KZG.
fn kzg(
    judge: &Judge<'_>,
    (fork, file): (&str, &str),
    content: &[u8],
    test: fn(&Vector<'_>) -> Result<(), kzg::Unmet>,
) -> Vec<Case> {
    let run = || test(&Vector::new(&String::from_utf8_lossy(content)));
    judge.case(Kind::Kzg, fork, file, run).into_iter().collect()
}

/// Whether a commitment opens to a value: what the precompile says, and the library for guests.
pub(super) fn opening(judge: &Judge<'_>, file: &str, content: &[u8]) -> Vec<Case> {
    kzg(judge, ("Cancun", file), content, kzg::opening)
}

/// The commitment to a blob.
pub(super) fn commitment(judge: &Judge<'_>, file: &str, content: &[u8]) -> Vec<Case> {
    kzg(judge, ("Cancun", file), content, kzg::commitment)
}

/// The proof of a blob.
pub(super) fn blob_proof(judge: &Judge<'_>, file: &str, content: &[u8]) -> Vec<Case> {
    kzg(judge, ("Cancun", file), content, kzg::blob_proof)
}

/// A blob with its proof, sent to the pool.
pub(super) fn sidecar(judge: &Judge<'_>, file: &str, content: &[u8]) -> Vec<Case> {
    kzg(judge, ("Prague", file), content, kzg::sidecar)
}

/// Blobs with their proofs, sent to the pool in one transaction.
pub(super) fn sidecars(judge: &Judge<'_>, file: &str, content: &[u8]) -> Vec<Case> {
    kzg(judge, ("Prague", file), content, kzg::sidecars)
}

/// Cells with their proofs, where they are those of one whole blob.
pub(super) fn whole_blob(judge: &Judge<'_>, file: &str, content: &[u8]) -> Vec<Case> {
    let text = String::from_utf8_lossy(content);
    let vector = Vector::new(&text);
    if !vector.is_about_a_whole_blob() {
        return Vec::new();
    }
    kzg(judge, ("Osaka", file), content, kzg::whole_blob)
}

/// The cells of a blob.
pub(super) fn cells(judge: &Judge<'_>, file: &str, content: &[u8]) -> Vec<Case> {
    kzg(judge, ("Osaka", file), content, kzg::cells)
}

/// The cells of a blob, and their proofs.
pub(super) fn cells_and_proofs(judge: &Judge<'_>, file: &str, content: &[u8]) -> Vec<Case> {
    kzg(judge, ("Osaka", file), content, kzg::cells_and_proofs)
}

/// A real block with a witness, in two files.
pub(super) fn frontier(judge: &Judge<'_>, name: &str, block: &[u8], witness: &[u8]) -> Vec<Case> {
    let run = || RealBlock::shown("Frontier", block, witness)?.run();
    judge.case(Kind::Real, "Frontier", name, run).into_iter().collect()
}

/// Difficulties of a network, whose forks the file does not name.
pub(super) fn network_difficulties(judge: &Judge<'_>, file: &str, content: &[u8]) -> Vec<Case> {
    judge.file(Kind::Difficulty, file, content, |tests: NetworkDifficulties| {
        let run = |(name, case): (&String, &difficulty::DifficultyCase)| {
            let name = format!("{file}::{name}");
            judge.case(Kind::Difficulty, "mixed", &name, || basics::difficulty(file, case))
        };
        tests.iter().filter_map(run).collect()
    })
}

/// Keys with their addresses.
pub(super) fn keys(judge: &Judge<'_>, file: &str, content: &[u8]) -> Vec<Case> {
    judge.file(Kind::Transaction, file, content, |keys: Vec<basics::Key>| {
        let run = |key: &basics::Key| {
            let name = format!("{file}::{}", key.seed);
            judge.case(Kind::Transaction, "any", &name, || key.run())
        };
        keys.iter().filter_map(run).collect()
    })
}

/// A genesis block and its hash.
pub(super) fn genesis(judge: &Judge<'_>, file: &str, content: &[u8]) -> Vec<Case> {
    judge.file(Kind::Block, file, content, |genesis: basics::GenesisBlock| {
        judge.case(Kind::Block, "Frontier", file, || genesis.run()).into_iter().collect()
    })
}

/// Answers in the data that nothing here asks for.
pub(super) fn unused(judge: &Judge<'_>, archive: &str, files: &t8n::Files) -> Vec<Case> {
    let run = || match files.unused().first() {
        Some(name) => Err(t8n::Unmet::Unasked((*name).to_owned())),
        None => Ok(()),
    };
    judge.case(Kind::T8n, "any", archive, run).into_iter().collect()
}
