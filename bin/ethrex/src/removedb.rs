//! `ethrex removedb`: removes what a node keeps in its folder, and nothing else.

use std::{
    fs,
    io::{self, IsTerminal, Write},
    path::{Path, PathBuf},
};

use clap::Args;
use ethrex_node::config::Layout;
use eyre::bail;

use crate::cli::default_datadir;

#[derive(Debug, Args)]
pub(crate) struct RemoveDbArgs {
    /// Folder of the database. Default: ~/.local/share/ethrex.
    #[arg(
        id = "datadir",
        long = "datadir",
        value_name = "DATABASE_DIRECTORY",
        env = "ETHREX_DATADIR"
    )]
    datadir: Option<PathBuf>,
    /// Delete the database without confirmation.
    #[arg(id = "force", long = "force")]
    force: bool,
}

pub(crate) fn run(args: RemoveDbArgs) -> eyre::Result<()> {
    let root = match args.datadir {
        Some(path) => path,
        None => default_datadir()?,
    };
    let found: Vec<_> =
        Layout::new(&root).entries().into_iter().filter(|path| path.exists()).collect();
    if found.is_empty() {
        bail!("there is no database in {}: name its folder with --datadir", root.display());
    }
    for path in &found {
        println!("{}", path.display());
    }
    if !args.force && !confirmed(&root)? {
        bail!("nothing was removed");
    }
    ethrex_node::removedb(&root)?;
    // The folder goes too, unless something else is in it.
    let _ = fs::remove_dir(&root);
    println!("removed");
    Ok(())
}

fn confirmed(root: &Path) -> eyre::Result<bool> {
    if !io::stdin().is_terminal() {
        bail!("nobody can be asked here: add --force to remove it without confirmation");
    }
    print!("Remove this database in {}? Stop its node first. [y/N] ", root.display());
    io::stdout().flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
