//! Our own command line, as a user of a rollup has it.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use alloy_primitives::B256;

use crate::{CastError, Tools};

/// Runs rex against a rollup and the L1 below it.
#[derive(Debug)]
pub struct Rex {
    program: PathBuf,
    l1_rpc: String,
    l2_rpc: String,
}

impl Rex {
    /// A rollup that answers at `l2_rpc`, on this L1.
    #[must_use]
    pub fn new(tools: &Tools, l1_rpc: &str, l2_rpc: &str) -> Self {
        Self { program: tools.rex.clone(), l1_rpc: l1_rpc.to_owned(), l2_rpc: l2_rpc.to_owned() }
    }

    /// Runs `rex l2` with these words, and signs with this key. Returns what it prints.
    ///
    /// # Errors
    /// If it fails, with what it says.
    pub fn l2(&self, key: &B256, words: &[&str]) -> Result<String, CastError> {
        let key = key.to_string();
        let mut rex = Command::new(&self.program);
        // The tester's own settings must not reach it.
        rex.env_clear().args(["l2", "--rpc-url", &self.l2_rpc]).args(words);
        rex.args(["--l1-rpc-url", &self.l1_rpc, "--private-key", &key]).stdin(Stdio::null());
        let out = rex.output().map_err(CastError::Start)?;
        if out.status.success() {
            return Ok(String::from_utf8_lossy(&out.stdout).into_owned());
        }
        let stderr = String::from_utf8_lossy(&out.stderr).trim().to_owned();
        Err(CastError::Failed { command: format!("(rex l2 {})", words.join(" ")), stderr })
    }
}
