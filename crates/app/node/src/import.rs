//! `ethrex import`: blocks from files become the chain.

use std::{
    future::Future,
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    time::{Duration, Instant},
};

use alloy_primitives::B256;
use ethrex_chain::{Appended, Chain, Verdict};
use ethrex_types::{Genesis, SealedBlock};
use eyre::{Result, WrapErr, eyre};

use crate::{
    block_files::{BlockFileError, Blocks, files_of},
    config::DataDir,
    data::Data,
    offline::{Progress, open_offline, until},
};

/// Blocks that are read ahead of the one under way at most.
const READ_AHEAD: usize = 32;

/// What is imported, and into what.
#[derive(Debug, Clone)]
pub struct ImportConfig {
    /// Genesis of the chain.
    pub genesis: Genesis,
    /// Where its data is.
    pub data: DataDir,
    /// A file of blocks, RLP or era1, or a folder of such files, which are read in order of name.
    pub path: PathBuf,
}

/// What an import did.
#[derive(Debug, Clone)]
pub struct Imported {
    /// Blocks that became part of the chain.
    pub blocks: u64,
    /// Blocks that were part of it before.
    pub known: u64,
    /// Transactions in the new blocks.
    pub transactions: u64,
    /// Gas that the new blocks used.
    pub gas: u64,
    /// Number of the head at the end.
    pub head: u64,
    /// Time from the first block to the last.
    pub took: Duration,
    /// Time that each new block took, in order, in microseconds: from the bytes being there to the head having moved.
    pub block_micros: Vec<u32>,
    /// Whether the import was told to stop before the end of the files.
    pub interrupted: bool,
}

/// Imports every block, or as many as come before `shutdown`. What was imported stays, whatever comes after it.
///
/// # Errors
/// If the files cannot be read, a block breaks a rule or does not follow the chain, or the database fails. The message names the block.
pub async fn run_import(
    config: ImportConfig,
    shutdown: impl Future<Output = ()>,
) -> Result<Imported> {
    let files = files_of(&config.path)?;
    let data = Data::open(&config.data)?;
    let chain = open_offline(config.genesis, &data)?;
    until(shutdown, move |stop| import(&chain, files, stop)).await
}

fn import(chain: &Chain, files: Vec<PathBuf>, stop: &AtomicBool) -> Result<Imported> {
    let total = total_bytes(&files)?;
    let (sender, blocks) = sync_channel(READ_AHEAD);
    std::thread::scope(|scope| {
        scope.spawn(move || read_ahead(&files, &sender));
        Import::new(chain, total).run(blocks, stop)
    })
}

fn total_bytes(files: &[PathBuf]) -> Result<u64> {
    let sizes = files.iter().map(|file| {
        Ok(std::fs::metadata(file).wrap_err_with(|| format!("read {}", file.display()))?.len())
    });
    sizes.sum()
}

/// A block, and the bytes of all files up to its end.
type Read = Result<(SealedBlock, u64), BlockFileError>;

/// Reads until the end, an error, or until nobody wants more.
fn read_ahead(files: &[PathBuf], to: &SyncSender<Read>) {
    let mut before = 0;
    for path in files {
        match read_file(path, before, to) {
            Ok(Some(read)) => before += read,
            Ok(None) => return,
            Err(error) => {
                let _ = to.send(Err(error));
                return;
            }
        }
    }
}

/// Returns the length of the file; `None` if nobody wants more.
fn read_file(
    path: &Path,
    before: u64,
    to: &SyncSender<Read>,
) -> Result<Option<u64>, BlockFileError> {
    let mut file = Blocks::open(path)?;
    while let Some(block) = file.next_block()? {
        if to.send(Ok((block, before + file.offset()))).is_err() {
            return Ok(None);
        }
    }
    Ok(Some(file.offset()))
}

/// An import under way.
struct Import<'a> {
    chain: &'a Chain,
    /// Bytes of all files.
    total: u64,
    progress: Progress,
    done: Imported,
}

impl<'a> Import<'a> {
    fn new(chain: &'a Chain, total: u64) -> Self {
        let done = Imported {
            blocks: 0,
            known: 0,
            transactions: 0,
            gas: 0,
            head: chain.head().number,
            took: Duration::ZERO,
            block_micros: Vec::new(),
            interrupted: false,
        };
        Self { chain, total, progress: Progress::start(), done }
    }

    /// Takes the receiving end, which goes with the first error: whoever reads ahead then ends, too.
    #[expect(clippy::needless_pass_by_value, reason = "dropping it is what ends the reader")]
    fn run(mut self, blocks: Receiver<Read>, stop: &AtomicBool) -> Result<Imported> {
        let start = Instant::now();
        for read in &blocks {
            if stop.load(Ordering::Relaxed) {
                self.done.interrupted = true;
                break;
            }
            let (block, bytes) = read?;
            let number = block.number();
            self.append(block)?;
            if let Some(pace) = self.progress.due(bytes, self.total, self.done.gas) {
                tracing::info!(number, mgas_per_second = %pace.mgas_per_second, done = %pace.done, left = %pace.left, "importing");
            }
        }
        self.done.took = start.elapsed();
        self.done.head = self.chain.head().number;
        Ok(self.done)
    }

    fn append(&mut self, block: SealedBlock) -> Result<()> {
        let start = Instant::now();
        let (number, hash, parent) = (block.number(), block.hash(), block.header().parent_hash);
        let (gas, transactions) = (block.header().gas_used, block.body().transactions.len());
        let appended = self.chain.append(block);
        match appended.wrap_err_with(|| format!("import block {number} ({hash})"))? {
            Appended::Head => {
                self.done.blocks += 1;
                self.done.transactions += transactions as u64;
                self.done.gas += gas;
                let micros = u32::try_from(start.elapsed().as_micros()).unwrap_or(u32::MAX);
                self.done.block_micros.push(micros);
                Ok(())
            }
            Appended::Known => {
                self.done.known += 1;
                Ok(())
            }
            Appended::Refused(verdict) => Err(self.refusal(number, hash, parent, &verdict)),
        }
    }

    fn refusal(&self, number: u64, hash: B256, parent: B256, verdict: &Verdict) -> eyre::Report {
        let head = self.chain.head().number;
        let genesis = self.chain.spec().genesis().number.unwrap_or_default();
        match verdict {
            _ if number == genesis => eyre!(
                "the files begin with another genesis block, {hash}: name theirs with --network"
            ),
            Verdict::Invalid(why) => {
                eyre!("block {number} ({hash}) is invalid: {why}; the chain ends at block {head}")
            }
            _ => eyre!(
                "block {number} ({hash}) does not follow the chain, whose head is block {head}: its parent {parent} is \
                 unknown, or further back than states are kept"
            ),
        }
    }
}

impl Imported {
    /// Million gas per second over all new blocks.
    #[must_use]
    pub fn mgas_per_second(&self) -> f64 {
        crate::offline::per_second(self.gas, self.took) / 1e6
    }

    /// The time below which `percent` of the new blocks stayed; `None` where there is none.
    #[must_use]
    pub fn percentile(&self, percent: usize) -> Option<Duration> {
        let mut sorted = self.block_micros.clone();
        sorted.sort_unstable();
        let last = sorted.len().checked_sub(1)?;
        Some(Duration::from_micros(sorted[last * percent.min(100) / 100].into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_new_blocks() {
        let imported = |block_micros: Vec<u32>| Imported {
            blocks: 0,
            known: 0,
            transactions: 0,
            gas: 0,
            head: 0,
            took: Duration::ZERO,
            block_micros,
            interrupted: false,
        };
        assert_eq!(imported(vec![]).percentile(50), None);
        let of = |percent| imported(vec![30, 10, 20]).percentile(percent).unwrap().as_micros();
        assert_eq!([of(0), of(50), of(100)], [10, 20, 30]);
    }
}
