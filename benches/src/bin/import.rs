//! What importing a block costs, phase by phase. `--blocks N` (default 20) of each kind.

use std::time::{Duration, Instant};

use ethrex_benches::workload::{Era, Kind, World};
use ethrex_stateless::record;
use ethrex_stf::{Ethereum, check_body, check_header, execute};
use ethrex_storage::{NewBlock, Storage};
use ethrex_trie::update_state;
use ethrex_types::{RecoveredBlock, SealedBlock};
use eyre::{OptionExt, Result};

const PHASES: [&str; 5] = ["checks, senders", "execute", "root", "witness", "commit"];

fn main() -> Result<()> {
    ethrex_types::crypto::install();
    let args: Vec<String> = std::env::args().collect();
    let count = args
        .iter()
        .skip_while(|arg| *arg != "--blocks")
        .nth(1)
        .map_or(Ok(20), |count| count.parse())?;
    let world = World::new(Era::Cancun)?;
    for kind in Kind::ALL {
        let blocks = world.blocks(kind, count)?;
        let gas: u64 = blocks.iter().map(|block| block.header().gas_used).sum();
        let spent = import(&world, blocks)?;
        let all: Duration = spent.iter().sum();
        println!("\n{count} blocks of 200 {} ({:.1} Mgas)", kind.name(), gas as f64 / 1e6);
        println!("{:<16} {:>10} {:>10} {:>8}", "", "ms/block", "Mgas/s", "share");
        for (phase, took) in PHASES.into_iter().chain(["all"]).zip(spent.into_iter().chain([all])) {
            let seconds = took.as_secs_f64();
            let (each, rate) = (seconds * 1e3 / count as f64, gas as f64 / 1e6 / seconds);
            println!(
                "{phase:<16} {each:>10.2} {rate:>10.0} {:>7.1}%",
                100.0 * seconds / all.as_secs_f64()
            );
        }
    }
    Ok(())
}

/// Imports into a fresh database on disk; time spent in each phase.
fn import(world: &World, blocks: Vec<SealedBlock>) -> Result<[Duration; 5]> {
    let dir = tempfile::tempdir()?;
    let storage = Storage::open(dir.path(), &world.spec)?;
    let mut parent = storage.header(storage.head().hash)?.ok_or_eyre("a chain has a genesis")?;
    let mut spent = [Duration::ZERO; 5];
    for block in blocks {
        let start = Instant::now();
        check_header(&world.spec, block.header(), &parent)?;
        check_body(&world.spec, block.block())?;
        let block = RecoveredBlock::recover(block)?;
        let checked = start.elapsed();

        let state = storage.state_at(parent.hash())?.ok_or_eyre("the parent has a state")?;
        let start = Instant::now();
        let executed = execute(&world.spec, &Ethereum, &block, &state)?;
        let ran = start.elapsed();

        let start = Instant::now();
        let update = update_state(&state, parent.state_root, &executed.diff)?;
        let hashed = start.elapsed();
        eyre::ensure!(
            update.root == block.sealed().header().state_root,
            "the root of {} differs",
            block.sealed().number()
        );

        // Recording computes the root again on the way; what it costs beside that is the witness.
        let start = Instant::now();
        let headers = [parent.inner().clone()];
        let (witness, _) =
            record(&state, parent.state_root, &executed.accesses, &executed.diff, &headers)?;
        let recorded = start.elapsed().saturating_sub(hashed);

        parent = block.sealed().sealed_header();
        let start = Instant::now();
        storage.commit_head(NewBlock {
            block: &block,
            receipts: &executed.receipts,
            diff: executed.diff,
            trie: update.nodes,
            witness: Some(alloy_rlp::encode(&witness).into()),
            access_list: None,
        })?;
        let stored = start.elapsed();
        for (total, took) in spent.iter_mut().zip([checked, ran, hashed, recorded, stored]) {
            *total += took;
        }
    }
    Ok(spent)
}
