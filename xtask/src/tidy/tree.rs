//! The files of a checkout.

use std::fs;
use std::path::{Path, PathBuf};

use eyre::{Context, Result};

use crate::process::{capture, command};

/// Folders that are never part of the project's own text.
const NOT_OURS: [&str; 6] = [".git", "target", "node_modules", "shared", ".cache", "out"];

/// Files of a checkout, by their path from its root; text is read when a rule asks.
#[derive(Debug)]
pub(super) struct Tree {
    root: PathBuf,
    files: Vec<PathBuf>,
}

impl Tree {
    /// Git decides what belongs to the project, where there is a repository; elsewhere every file does.
    pub(super) fn read(root: &Path) -> Result<Self> {
        let mut files = if root.join(".git").exists() { listed(root)? } else { walked(root)? };
        files.retain(|file| {
            !file.components().any(|part| NOT_OURS.iter().any(|name| part.as_os_str() == *name))
        });
        files.sort();
        Ok(Self { root: root.to_owned(), files })
    }

    pub(super) fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Text of a file; `None` where it is not text.
    pub(super) fn text(&self, file: &Path) -> Option<String> {
        fs::read_to_string(self.root.join(file)).ok()
    }

    pub(super) fn exists(&self, path: &Path) -> bool {
        self.root.join(path).exists()
    }

    /// Files below `dir` whose name ends in `.{extension}`.
    pub(super) fn below(&self, dir: &str, extension: &str) -> impl Iterator<Item = &PathBuf> {
        self.files.iter().filter(move |file| {
            file.starts_with(dir) && file.extension().is_some_and(|end| end == extension)
        })
    }

    /// Files with exactly this name, anywhere.
    pub(super) fn named(&self, name: &str) -> impl Iterator<Item = &PathBuf> {
        self.files.iter().filter(move |file| file.file_name().is_some_and(|last| last == name))
    }
}

/// Committed files, and new ones that are not ignored.
fn listed(root: &Path) -> Result<Vec<PathBuf>> {
    let out = capture(&mut command(
        root,
        "git",
        &["ls-files", "-z", "--cached", "--others", "--exclude-standard"],
    ))?;
    let files = out.split('\0').filter(|name| !name.is_empty()).map(PathBuf::from);
    Ok(files.filter(|file| root.join(file).is_file()).collect())
}

fn walked(root: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut left = vec![root.to_owned()];
    while let Some(dir) = left.pop() {
        for entry in fs::read_dir(&dir).wrap_err_with(|| format!("read {}", dir.display()))? {
            let path = entry.wrap_err_with(|| format!("read {}", dir.display()))?.path();
            if path.is_dir() {
                left.push(path);
            } else if let Ok(file) = path.strip_prefix(root) {
                files.push(file.to_owned());
            }
        }
    }
    Ok(files)
}
