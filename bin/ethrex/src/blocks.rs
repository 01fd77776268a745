//! Commands on blocks in files: `import`, `import-bench`, `export`, `compute-state-root`. Nobody is served meanwhile.

use std::{path::PathBuf, time::Duration};

use clap::Args;
use ethrex_node::{
    ExportConfig, ImportConfig, Imported, config::DataDir, genesis_state_root, run_export,
    run_import,
};
use ethrex_types::{Genesis, Network};

use crate::{
    cli::{DataArgs, public_or_file, read_genesis},
    error::ConfigError,
    node,
};

/// Which chain, and where it is kept. The same two flags may stand before the command.
#[derive(Debug, Args)]
pub(crate) struct PlaceArgs {
    /// Name of a public network (mainnet, sepolia, holesky, hoodi), or a genesis file in geth's format. Default: mainnet.
    #[arg(
        id = "network",
        long = "network",
        value_name = "GENESIS_FILE_PATH",
        env = "ETHREX_NETWORK"
    )]
    pub(crate) network: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) data: DataArgs,
}

impl PlaceArgs {
    fn resolve(&self) -> Result<(Genesis, DataDir), ConfigError> {
        let genesis = match &self.network {
            Some(named) => public_or_file(named)?,
            None => Network::Mainnet.genesis(),
        };
        Ok((genesis, self.data.resolve(false)?))
    }
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    /// Remove the database first.
    #[arg(id = "removedb", long = "removedb")]
    removedb: bool,
    /// A file of blocks, one RLP list after the other or an archive named *.era1; or a folder of such files, which are read in order of
    /// name.
    ///
    /// Blocks that the chain has are skipped: an import that was stopped goes on where it was when it is run again.
    #[arg(id = "path", value_name = "FILE_OR_FOLDER")]
    path: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    pub(crate) place: PlaceArgs,
    /// Number of the first block. Default: the first after the genesis.
    #[arg(id = "first", long = "first", value_name = "NUMBER")]
    first: Option<u64>,
    /// Number of the last block. Default: the head.
    #[arg(id = "last", long = "last", value_name = "NUMBER")]
    last: Option<u64>,
    /// The file that is written, one RLP list after the other; one of this name is replaced at the end.
    #[arg(id = "path", value_name = "FILE")]
    path: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct StateRootArgs {
    /// The genesis file, in geth's format.
    #[arg(id = "path", long = "path", value_name = "GENESIS_FILE_PATH")]
    path: PathBuf,
}

/// Imports, and says in one line what that did.
pub(crate) fn import(args: ImportArgs) -> eyre::Result<()> {
    let done = run(args)?;
    println!(
        "{} blocks imported, {} were there; {} transactions, {:.1} Mgas/s; the head is block {}{}",
        done.blocks,
        done.known,
        done.transactions,
        done.mgas_per_second(),
        done.head,
        if done.interrupted { "; interrupted: run it again to go on" } else { "" },
    );
    Ok(())
}

/// The same, with the times that blocks took.
pub(crate) fn import_bench(args: ImportArgs) -> eyre::Result<()> {
    let done = run(args)?;
    let millis = |percent| {
        let time = done.percentile(percent).unwrap_or(Duration::ZERO);
        format!("{:.2}", time.as_secs_f64() * 1e3)
    };
    println!("blocks          {}", done.blocks);
    println!("transactions    {}", done.transactions);
    println!("gas             {}", done.gas);
    println!("seconds         {:.3}", done.took.as_secs_f64());
    println!("Mgas/s          {:.1}", done.mgas_per_second());
    println!(
        "ms per block    {} median, {} p95, {} p99, {} longest",
        millis(50),
        millis(95),
        millis(99),
        millis(100)
    );
    Ok(())
}

fn run(args: ImportArgs) -> eyre::Result<Imported> {
    let (genesis, data) = args.place.resolve()?;
    if let (true, DataDir::At(root)) = (args.removedb, &data) {
        ethrex_node::removedb(root)?;
    }
    let config = ImportConfig { genesis, data, path: args.path };
    node(async |stop| run_import(config, stop).await)
}

/// Exports, and says in one line what was written.
pub(crate) fn export(args: ExportArgs) -> eyre::Result<()> {
    let (genesis, data) = args.place.resolve()?;
    let ExportArgs { first, last, path, .. } = args;
    let config = ExportConfig { genesis, data, path: path.clone(), first, last };
    let blocks = node(async |stop| run_export(config, stop).await)?;
    println!("blocks {} to {} written to {}", blocks.start(), blocks.end(), path.display());
    Ok(())
}

/// Prints the state root of a genesis, and nothing else.
pub(crate) fn compute_state_root(args: &StateRootArgs) -> eyre::Result<()> {
    println!("{}", genesis_state_root(read_genesis("--path", &args.path)?)?);
    Ok(())
}
