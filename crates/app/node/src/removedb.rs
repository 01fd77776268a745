//! `ethrex removedb`: removes what a node keeps in its folder, and nothing else.

use std::path::{Path, PathBuf};

use ethrex_storage::Storage;
use eyre::{Context, Result};

use crate::config::Layout;

/// Removes the databases below `root`, and returns what was removed.
///
/// # Errors
/// If a node is running on it, or something is there and cannot be removed. In the first case nothing is removed.
pub fn removedb(root: &Path) -> Result<Vec<PathBuf>> {
    let layout = Layout::new(root);
    for database in [layout.chain(), layout.dev_l1()] {
        Storage::check_unused(&database)?;
    }
    let mut removed = Vec::new();
    for entry in layout.entries() {
        let result = if entry.is_dir() {
            std::fs::remove_dir_all(&entry)
        } else if entry.exists() {
            std::fs::remove_file(&entry)
        } else {
            continue;
        };
        result.wrap_err_with(|| format!("cannot remove {}", entry.display()))?;
        removed.push(entry);
    }
    Ok(removed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_node_keeps_is_removed() {
        let root = tempfile::tempdir().unwrap();
        let layout = Layout::new(root.path());
        std::fs::create_dir_all(layout.chain()).unwrap();
        std::fs::write(layout.store(), b"").unwrap();
        std::fs::write(root.path().join("keys.txt"), b"").unwrap();
        let removed = removedb(root.path()).unwrap();
        assert_eq!(removed, [layout.chain(), layout.store()]);
        assert!(root.path().join("keys.txt").exists());
        assert_eq!(removedb(root.path()).unwrap(), Vec::<PathBuf>::new());
    }
}
