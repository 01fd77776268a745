//! `ethrex export`: the canonical chain as a file.

use std::{
    fs::{self, File},
    future::Future,
    io::{BufWriter, Write},
    ops::RangeInclusive,
    path::{Path, PathBuf},
    sync::atomic::{AtomicBool, Ordering},
};

use alloy_rlp::Encodable;
use ethrex_chain::Chain;
use ethrex_types::Genesis;
use eyre::{OptionExt, Result, WrapErr, bail};

use crate::{
    config::DataDir,
    data::Data,
    offline::{Progress, open_offline, until},
};

/// What is exported, and where to.
#[derive(Debug, Clone)]
pub struct ExportConfig {
    /// Genesis of the chain.
    pub genesis: Genesis,
    /// Where its data is.
    pub data: DataDir,
    /// The file that is written. What has this name already is replaced once everything is written.
    pub path: PathBuf,
    /// The first block; `None` = the first after the genesis.
    pub first: Option<u64>,
    /// The last block; `None` = the head.
    pub last: Option<u64>,
}

/// Writes canonical blocks to a file, one RLP list after the other. Returns their numbers.
///
/// # Errors
/// If the chain has no such blocks, the file cannot be written, or `shutdown` comes first: then the file is as it was before.
pub async fn run_export(
    config: ExportConfig,
    shutdown: impl Future<Output = ()>,
) -> Result<RangeInclusive<u64>> {
    let data = Data::open(&config.data)?;
    let chain = open_offline(config.genesis.clone(), &data)?;
    until(shutdown, move |stop| export(&chain, &config, stop)).await
}

fn export(chain: &Chain, config: &ExportConfig, stop: &AtomicBool) -> Result<RangeInclusive<u64>> {
    let blocks = range(chain, config)?;
    let mut name = config.path.file_name().ok_or_eyre("the path names no file")?.to_owned();
    name.push(".partial");
    let partial = config.path.with_file_name(name);
    let written = write(chain, blocks.clone(), &partial, stop)
        .and_then(|()| Ok(fs::rename(&partial, &config.path)?));
    if let Err(error) = written {
        let _ = fs::remove_file(&partial);
        return Err(error.wrap_err(format!("write {}", config.path.display())));
    }
    Ok(blocks)
}

fn range(chain: &Chain, config: &ExportConfig) -> Result<RangeInclusive<u64>> {
    let head = chain.head().number;
    let genesis = chain.spec().genesis().number.unwrap_or_default();
    let (first, last) = (config.first.unwrap_or(genesis + 1), config.last.unwrap_or(head));
    if genesis <= first && first <= last && last <= head {
        return Ok(first..=last);
    }
    bail!("there are no blocks {first} to {last}: the chain has {genesis} to {head}");
}

fn write(chain: &Chain, blocks: RangeInclusive<u64>, path: &Path, stop: &AtomicBool) -> Result<()> {
    let storage = chain.storage();
    let (first, count) = (*blocks.start(), blocks.end() - blocks.start() + 1);
    let mut file = BufWriter::new(File::create(path)?);
    let mut progress = Progress::start();
    let (mut raw, mut gas) = (Vec::new(), 0);
    for number in blocks {
        if stop.load(Ordering::Relaxed) {
            bail!("interrupted at block {number}");
        }
        let hash = storage
            .canonical_hash(number)?
            .ok_or_else(|| eyre::eyre!("the database has no block {number}"))?;
        let block = storage
            .block(hash)?
            .ok_or_else(|| eyre::eyre!("the database has no block {number} ({hash})"))?;
        raw.clear();
        block.sealed().block().encode(&mut raw);
        file.write_all(&raw)?;
        gas += block.sealed().header().gas_used;
        if let Some(pace) = progress.due(number - first + 1, count, gas) {
            tracing::info!(number, done = %pace.done, left = %pace.left, "exporting");
        }
    }
    let file = file.into_inner().wrap_err("write the last blocks")?;
    file.sync_all().wrap_err("wait for the device")
}
