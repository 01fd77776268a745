//! Contract code made ready to run.

use std::sync::OnceLock;

use alloy_primitives::{B256, Bytes, map::B256Map};
use revm::bytecode::Bytecode;

/// Codes by their hash, for an execution whose codes are known before it begins.
///
/// A code is made ready to run once: padded, and searched for places to jump to. That takes about as long as running it, and can be done
/// by another thread.
#[derive(Debug, Clone, Default)]
pub struct Codes {
    codes: B256Map<Code>,
}

/// One of them.
#[derive(Debug, Clone)]
pub struct Code {
    bytes: Bytes,
    ready: OnceLock<Bytecode>,
}

impl FromIterator<(B256, Bytes)> for Codes {
    /// Takes the hashes on trust.
    fn from_iter<I: IntoIterator<Item = (B256, Bytes)>>(codes: I) -> Self {
        let code = |(hash, bytes)| (hash, Code { bytes, ready: OnceLock::new() });
        Self { codes: codes.into_iter().map(code).collect() }
    }
}

impl Codes {
    /// The code with this hash.
    #[must_use]
    pub fn get(&self, hash: &B256) -> Option<&Code> {
        self.codes.get(hash)
    }

    /// All of them, in no order.
    pub fn iter(&self) -> impl Iterator<Item = &Code> + Send {
        self.codes.values()
    }
}

impl Code {
    /// As it stands in the state.
    #[must_use]
    pub const fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// Makes it ready to run, if nobody has yet.
    pub fn prepare(&self) {
        self.ready();
    }

    pub(crate) fn ready(&self) -> &Bytecode {
        self.ready.get_or_init(|| bytecode(self.bytes.clone()))
    }
}

/// What begins like a delegation and is none (EIP-7702) runs as code, whose first byte is invalid.
pub(crate) fn bytecode(code: Bytes) -> Bytecode {
    Bytecode::new_raw_checked(code.clone()).unwrap_or_else(|_| Bytecode::new_legacy(code))
}
