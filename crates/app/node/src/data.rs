//! The folder of a node.

use std::path::{Path, PathBuf};

use eyre::Result;
use tempfile::TempDir;

use crate::{
    chain::{At, folder},
    config::{DataDir, Layout},
};

/// Where a node's files are. A temporary folder goes with it.
#[derive(Debug)]
pub(crate) struct Data {
    root: Option<PathBuf>,
    _temporary: Option<TempDir>,
}

impl Data {
    pub(crate) fn open(data: &DataDir) -> Result<Self> {
        Ok(match data {
            DataDir::Memory => Self { root: None, _temporary: None },
            DataDir::At(root) => {
                folder(root)?;
                Self { root: Some(root.clone()), _temporary: None }
            }
            DataDir::Temporary => {
                let temporary = tempfile::Builder::new().prefix("ethrex-").tempdir()?;
                Self { root: Some(temporary.path().to_owned()), _temporary: Some(temporary) }
            }
        })
    }

    /// A path of the layout, unless everything is in memory.
    pub(crate) fn path(&self, of: impl Fn(Layout<'_>) -> PathBuf) -> Option<PathBuf> {
        self.root.as_deref().map(|root| of(Layout::new(root)))
    }
}

pub(crate) fn at(path: Option<&Path>) -> At<'_> {
    path.map_or(At::Memory, At::Disk)
}
