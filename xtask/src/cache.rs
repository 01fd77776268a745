//! Where `ci` keeps what outlives a clone: compiled dependencies and downloaded packages.

use std::fs;
use std::path::{Path, PathBuf};

use eyre::{Context, OptionExt, Result};

/// Cargo keys our own crates by their path, so every clone leaves some behind. Beyond this size the
/// folder is thrown away and rebuilt, which costs minutes; a full disk costs more.
const MAX_TARGET_BYTES: u64 = 16 << 30;

/// `$ETHREX_CACHE`, else `ethrex` in the user's cache folder.
pub(crate) fn root() -> Result<PathBuf> {
    if let Some(dir) = std::env::var_os("ETHREX_CACHE") {
        return Ok(dir.into());
    }
    let base = match std::env::var_os("XDG_CACHE_HOME") {
        Some(dir) => PathBuf::from(dir),
        None => PathBuf::from(
            std::env::var_os("HOME").ok_or_eyre("neither ETHREX_CACHE nor HOME is set")?,
        )
        .join(".cache"),
    };
    Ok(base.join("ethrex"))
}

/// Environment that sends cargo and npm to the cache; what the caller has already set wins.
pub(crate) fn environment() -> Result<Vec<(&'static str, PathBuf)>> {
    let root = root()?;
    let target = root.join("target");
    if size(&target) > MAX_TARGET_BYTES {
        println!("removing {}: it has outgrown {} GiB", target.display(), MAX_TARGET_BYTES >> 30);
        fs::remove_dir_all(&target).wrap_err("remove the cached target folder")?;
    }
    fs::create_dir_all(&root).wrap_err_with(|| format!("create {}", root.display()))?;
    let ours = [
        ("CARGO_TARGET_DIR", target),
        ("npm_config_cache", root.join("npm")),
        ("ETHREX_CACHE", root),
    ];
    Ok(ours.into_iter().filter(|(name, _)| std::env::var_os(name).is_none()).collect())
}

/// Bytes of all files below `dir`; 0 where there is nothing to read.
fn size(dir: &Path) -> u64 {
    let mut total = 0;
    let mut left = vec![dir.to_owned()];
    while let Some(dir) = left.pop() {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(meta) if meta.is_dir() => left.push(entry.path()),
                Ok(meta) => total += meta.len(),
                Err(_) => {}
            }
        }
    }
    total
}
