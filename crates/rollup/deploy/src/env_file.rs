//! The addresses of a deployment as environment variables, the way `ethrex l2` reads them.

use std::{
    ffi::OsString,
    fmt::{self, Write as _},
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
};

use alloy_primitives::Address;
use ethrex_l1::Contracts;

use crate::native::NativeContracts;

/// What a deployment adds to the environment. Contracts that a validity rollup does not have are at address zero.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EnvFile {
    variables: Vec<(&'static str, String)>,
}

/// The file of addresses cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum EnvFileError {
    /// What is there already cannot be read.
    #[error("read {path}, to keep what else is in it")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("write {path}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl EnvFile {
    /// The variables of a deployment.
    pub fn new(contracts: &Contracts) -> Self {
        let none = Address::ZERO;
        let variables = vec![
            ("ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS", contracts.on_chain_proposer),
            ("ETHREX_TIMELOCK_ADDRESS", contracts.timelock),
            ("ETHREX_WATCHER_BRIDGE_ADDRESS", contracts.bridge),
            ("ETHREX_DEPLOYER_SP1_VERIFIER_ADDRESS", none),
            ("ETHREX_DEPLOYER_RISC0_VERIFIER_ADDRESS", none),
            ("ETHREX_DEPLOYER_ALIGNED_AGGREGATOR_ADDRESS", none),
            ("ETHREX_DEPLOYER_TDX_VERIFIER_ADDRESS", none),
            ("ENCLAVE_ID_DAO", none),
            ("FMSPC_TCB_DAO", none),
            ("PCK_DAO", none),
            ("PCS_DAO", none),
            ("ETHREX_DEPLOYER_SEQUENCER_REGISTRY_ADDRESS", none),
            ("ETHREX_SHARED_BRIDGE_ROUTER_ADDRESS", none),
        ];
        Self::of(variables)
    }

    /// The variables of a native rollup's deployment.
    pub fn native(contracts: &NativeContracts) -> Self {
        Self::of(vec![
            ("ETHREX_NATIVE_ROLLUP_CONTRACT_ADDRESS", contracts.rollup),
            ("ETHREX_NATIVE_ROLLUP_TOKEN_BRIDGE_ADDRESS", contracts.token_bridge),
        ])
    }

    /// The same with the L1 block before which the contracts did not exist.
    #[must_use]
    pub fn with_start_block(mut self, block: u64) -> Self {
        self.variables.push(("ETHREX_NATIVE_ROLLUP_START_BLOCK", block.to_string()));
        self
    }

    fn of(addresses: Vec<(&'static str, Address)>) -> Self {
        let variables = addresses.into_iter().map(|(name, at)| (name, at.to_string())).collect();
        Self { variables }
    }

    /// The variables and their values.
    pub fn variables(&self) -> &[(&'static str, String)] {
        &self.variables
    }

    /// The text of a file that says what `existing` says, but for our variables.
    ///
    /// A variable keeps its line; one that was set twice keeps the last, which is the one that counted.
    pub fn merge(&self, existing: &str) -> String {
        let lines: Vec<&str> = existing.lines().collect();
        let mut text = String::with_capacity(existing.len());
        for (index, line) in lines.iter().enumerate() {
            let Some((name, value)) = name_in(line).and_then(|name| self.find(name)) else {
                text.push_str(line);
                text.push('\n');
                continue;
            };
            if !lines[index + 1..].iter().any(|later| name_in(later) == Some(name)) {
                let export = if line.trim_start().starts_with("export ") { "export " } else { "" };
                writeln!(text, "{export}{name}={value}").expect("a string takes any text");
            }
        }
        for (name, value) in &self.variables {
            if !lines.iter().any(|line| name_in(line) == Some(name)) {
                writeln!(text, "{name}={value}").expect("a string takes any text");
            }
        }
        text
    }

    /// Writes the variables to a file, keeping what else is in it. It is replaced as a whole or not at all.
    pub fn write(&self, path: &Path) -> Result<(), EnvFileError> {
        let existing = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(source) => return Err(EnvFileError::Read { path: path.into(), source }),
        };
        replace(path, &self.merge(&existing))
            .map_err(|source| EnvFileError::Write { path: path.into(), source })
    }

    fn find(&self, name: &str) -> Option<(&'static str, &str)> {
        let mut variables = self.variables.iter().map(|(name, value)| (*name, value.as_str()));
        variables.find(|(known, _)| *known == name)
    }
}

impl fmt::Display for EnvFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.merge(""))
    }
}

/// The variable that a line sets.
fn name_in(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
    line.split_once('=').map(|(name, _)| name.trim_end()).filter(|name| !name.starts_with('#'))
}

/// The file may hold keys: the new one gets the permissions of the old one before anything is written to it.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    // A link stays a link: what it points to is replaced.
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.into());
    let mut name = OsString::from(target.as_os_str());
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = PathBuf::from(name);
    let written = (|| {
        let mut file = fs::File::create(&temporary)?;
        if let Ok(old) = fs::metadata(&target) {
            file.set_permissions(old.permissions())?;
        }
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, &target)
    })();
    if written.is_err() {
        // What was wrong with the file is the better answer than what is wrong with its copy.
        let _ = fs::remove_file(&temporary);
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env() -> EnvFile {
        EnvFile::new(&Contracts {
            timelock: Address::repeat_byte(1),
            on_chain_proposer: Address::repeat_byte(2),
            bridge: Address::repeat_byte(3),
        })
    }

    #[test]
    fn a_new_file_has_every_documented_name_once() {
        let text = env().to_string();
        assert_eq!(text.lines().count(), 13);
        assert!(text.contains(
            "ETHREX_COMMITTER_ON_CHAIN_PROPOSER_ADDRESS=0x0202020202020202020202020202020202020202\n"
        ));
        assert!(text.contains("ETHREX_TIMELOCK_ADDRESS=0x01"));
        assert!(text.contains("ETHREX_WATCHER_BRIDGE_ADDRESS=0x03"));
    }

    #[test]
    fn a_native_rollup_has_variables_of_its_own() {
        let contracts = NativeContracts {
            rollup: Address::repeat_byte(1),
            token_bridge: Address::repeat_byte(2),
        };
        let text = EnvFile::native(&contracts).with_start_block(7).to_string();
        assert_eq!(text.lines().count(), 3);
        assert!(text.starts_with("ETHREX_NATIVE_ROLLUP_CONTRACT_ADDRESS=0x0101"), "{text}");
        assert!(text.ends_with("ETHREX_NATIVE_ROLLUP_START_BLOCK=7\n"), "{text}");
    }

    #[test]
    fn what_else_is_in_the_file_stays() {
        let old = "# mine\nKEY=secret\nexport ETHREX_TIMELOCK_ADDRESS=0xold\nA=b=c\n#PCS_DAO=1\n";
        let new = env().merge(old);
        let timelock = Address::repeat_byte(1);
        let start = format!(
            "# mine\nKEY=secret\nexport ETHREX_TIMELOCK_ADDRESS={timelock}\nA=b=c\n#PCS_DAO=1\n"
        );
        assert!(new.starts_with(&start), "{new}");
        assert_eq!(new.matches("ETHREX_TIMELOCK_ADDRESS").count(), 1);
        assert_eq!(env().merge(&new), new);
    }

    #[test]
    fn a_variable_set_twice_is_set_once_afterwards() {
        let new = env().merge("PCS_DAO=1\nX=1\nPCS_DAO=2");
        assert_eq!(new.matches("PCS_DAO=").count(), 1);
        assert!(new.starts_with("X=1\nPCS_DAO=0x0"), "{new}");
    }

    #[test]
    fn writing_replaces_the_file_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(".env");
        env().write(&path).unwrap();
        env().write(&path).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), env().to_string());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let nowhere = folder.path().join("no/such/folder/.env");
        assert!(matches!(env().write(&nowhere), Err(EnvFileError::Write { .. })));
    }
}
