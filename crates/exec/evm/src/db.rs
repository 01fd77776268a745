//! A [`StateReader`] in the shape revm asks for, which notes what was read.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use alloy_primitives::{Address, B256, Bytes};
use ethrex_types::{AccountInfo, Missing, StateError, StateReader, account::KECCAK_EMPTY};
use revm::{
    Database,
    bytecode::Bytecode,
    primitives::{StorageKey, StorageValue},
    state::AccountInfo as RevmAccountInfo,
};

use crate::{
    codes::{Codes, bytecode},
    stop::{Stop, StopCell, Stopped},
};

/// What an execution read from the state before the block: what a witness for it must contain.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Accesses {
    /// Accounts looked at, each with the storage slots looked at.
    pub accounts: BTreeMap<Address, BTreeSet<B256>>,
    /// Code that was loaded, by keccak256.
    pub codes: BTreeMap<B256, Bytes>,
    /// The lowest ancestor whose hash `BLOCKHASH` asked for.
    pub oldest_block_hash: Option<u64>,
}

/// What the header of an ancestor counts: the most that one may have in a witness (EIP-8025).
pub const HEADER_BYTES: usize = 1024;

/// How much of the state before a block its transactions may touch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AccessLimits {
    /// Accounts and storage slots, each counted once.
    pub items: usize,
    /// Bytes of code, each code counted once, and [`HEADER_BYTES`] for each ancestor beyond the parent.
    pub code_bytes: usize,
    /// Bytes of one code that a transaction creates. It is not touched in this block, but may be in the next.
    pub created_code: usize,
}

/// How much of the state before a block its transactions have touched, those included that were rolled back or refused.
///
/// What a system call read first does not count, nor what the block itself made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Touched {
    /// Accounts and storage slots.
    pub items: usize,
    /// Bytes of code, and of the headers that `BLOCKHASH` needs: those from the ancestor to the parent, the parent's excepted.
    pub code_bytes: usize,
}

/// Steps of the interpreter between two looks at the clock: they take a millisecond or less.
const STEPS_BETWEEN_LOOKS: u32 = 4_096;

/// Reads through to the state. revm's own cache stands above it, so each thing is read about once.
pub(crate) struct StateDb<'a> {
    reader: &'a dyn StateReader,
    /// Codes of the state that need not be read.
    pub(crate) codes: Option<&'a Codes>,
    pub(crate) accesses: Accesses,
    /// Whether a transaction runs: then accesses count, and limits hold.
    pub(crate) in_transaction: bool,
    pub(crate) limits: Option<AccessLimits>,
    pub(crate) touched: Touched,
    /// Height of the parent.
    parent: u64,
    stop: StopCell,
    /// Steps until the reader is asked whether anybody still waits; `None`: it never is.
    watch: Option<u32>,
}

impl fmt::Debug for StateDb<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateDb").field("stop", &self.stop).finish_non_exhaustive()
    }
}

impl<'a> StateDb<'a> {
    /// Reads `reader` for the block of this number.
    pub(crate) fn new(reader: &'a dyn StateReader, number: u64) -> Self {
        Self {
            reader,
            codes: None,
            accesses: Accesses::default(),
            in_transaction: false,
            limits: None,
            touched: Touched::default(),
            parent: number.saturating_sub(1),
            stop: StopCell::default(),
            watch: None,
        }
    }

    /// Has the reader asked now and then whether anybody still waits: see [`StateReader::check_wanted`].
    pub(crate) fn watched(self) -> Self {
        Self { watch: Some(STEPS_BETWEEN_LOOKS), ..self }
    }

    pub(crate) const fn is_watched(&self) -> bool {
        self.watch.is_some()
    }

    /// Counts steps, and fails if it is time to ask and nobody waits.
    pub(crate) fn count_steps(&mut self, steps: u32) -> Result<(), Stopped> {
        let Some(left) = &mut self.watch else { return Ok(()) };
        *left = left.saturating_sub(steps);
        if *left > 0 {
            return Ok(());
        }
        *left = STEPS_BETWEEN_LOOKS;
        self.note(self.reader.check_wanted())
    }

    pub(crate) fn stop(&self) -> StopCell {
        self.stop.clone()
    }

    /// Whether the account has storage (EIP-7610). It has been read before, so nothing new is read.
    pub(crate) fn has_storage(&self, address: Address) -> Result<bool, Stopped> {
        self.note(self.reader.has_storage(address))
    }

    fn note<T>(&self, result: Result<T, StateError>) -> Result<T, Stopped> {
        result.map_err(|fault| {
            self.stop.set(Stop::Fault(fault));
            Stopped
        })
    }

    /// An account names this code, so its absence is a hole in the state and never "no code".
    fn read_code(&self, hash: B256) -> Result<Bytes, Stopped> {
        let code = self.reader.code(hash);
        self.note(code.and_then(|code| code.ok_or(StateError::Missing(Missing::Code(hash)))))
    }

    fn read_block_hash(&self, number: u64) -> Result<B256, Stopped> {
        let hash = self.reader.block_hash(number);
        self.note(hash.and_then(|hash| hash.ok_or(StateError::Missing(Missing::BlockHash(number)))))
    }

    /// Counts an item about to be read for the first time. Beyond the limit nothing is read, and nothing counts.
    fn count_item(&mut self) -> Result<(), Stopped> {
        if self.in_transaction {
            let items = self.touched.items + 1;
            self.check(|limits| items <= limits.items)?;
            self.touched.items = items;
        }
        Ok(())
    }

    /// Counts the headers about to be read for the first time, likewise.
    fn count_headers(&mut self, headers: u64) -> Result<(), Stopped> {
        if self.in_transaction {
            let headers = usize::try_from(headers).unwrap_or(usize::MAX);
            let bytes =
                self.touched.code_bytes.saturating_add(headers.saturating_mul(HEADER_BYTES));
            self.check(|limits| bytes <= limits.code_bytes)?;
            self.touched.code_bytes = bytes;
        }
        Ok(())
    }

    /// Counts code that was read for the first time. Its size is known only then, so what passes the limit counts too.
    fn count_code(&mut self, code: &Bytes) -> Result<(), Stopped> {
        if self.in_transaction {
            let bytes = self.touched.code_bytes.saturating_add(code.len());
            self.touched.code_bytes = bytes;
            self.check(|limits| bytes <= limits.code_bytes)?;
        }
        Ok(())
    }

    /// Stops the transaction where a limit is passed. revm may go on for a while after that: then nothing is counted.
    fn check(&self, holds: impl FnOnce(AccessLimits) -> bool) -> Result<(), Stopped> {
        if self.stop.is_set() || !self.limits.is_none_or(holds) {
            self.stop.set(Stop::AccessLimit);
            return Err(Stopped);
        }
        Ok(())
    }
}

impl Database for StateDb<'_> {
    type Error = Stopped;

    fn basic(&mut self, address: Address) -> Result<Option<RevmAccountInfo>, Stopped> {
        if !self.accesses.accounts.contains_key(&address) {
            self.count_item()?;
            self.accesses.accounts.insert(address, BTreeSet::new());
        }
        Ok(self.note(self.reader.account(address))?.map(account_info))
    }

    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, Stopped> {
        if code_hash == KECCAK_EMPTY {
            return Ok(Bytecode::default());
        }
        if self.stop.is_set() {
            return Err(Stopped);
        }
        let (code, ready) = match self.codes.and_then(|codes| codes.get(&code_hash)) {
            Some(code) => (code.bytes().clone(), code.ready().clone()),
            None => {
                let code = self.read_code(code_hash)?;
                (code.clone(), bytecode(code))
            }
        };
        if self.accesses.codes.insert(code_hash, code.clone()).is_none() {
            self.count_code(&code)?;
        }
        Ok(ready)
    }

    fn storage(&mut self, address: Address, key: StorageKey) -> Result<StorageValue, Stopped> {
        let slot = B256::from(key);
        let known = self.accesses.accounts.get(&address).is_some_and(|slots| slots.contains(&slot));
        if !known {
            self.count_item()?;
            self.accesses.accounts.entry(address).or_default().insert(slot);
        }
        let value = self.reader.storage(address, slot);
        self.note(value)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, Stopped> {
        let oldest = self.accesses.oldest_block_hash;
        if oldest.is_none_or(|oldest| number < oldest) {
            let headers = oldest.unwrap_or(self.parent).saturating_sub(number);
            self.count_headers(headers)?;
            self.accesses.oldest_block_hash = Some(number);
        }
        self.read_block_hash(number)
    }
}

/// Reads for whoever looks at the state besides execution, such as a tracer: nothing is counted or noted.
#[cfg(feature = "trace")]
impl revm::DatabaseRef for StateDb<'_> {
    type Error = Stopped;

    fn basic_ref(&self, address: Address) -> Result<Option<RevmAccountInfo>, Stopped> {
        Ok(self.note(self.reader.account(address))?.map(account_info))
    }

    fn code_by_hash_ref(&self, code_hash: B256) -> Result<Bytecode, Stopped> {
        if code_hash == KECCAK_EMPTY {
            return Ok(Bytecode::default());
        }
        Ok(bytecode(self.read_code(code_hash)?))
    }

    fn storage_ref(&self, address: Address, key: StorageKey) -> Result<StorageValue, Stopped> {
        self.note(self.reader.storage(address, B256::from(key)))
    }

    fn block_hash_ref(&self, number: u64) -> Result<B256, Stopped> {
        self.read_block_hash(number)
    }
}

fn account_info(account: AccountInfo) -> RevmAccountInfo {
    RevmAccountInfo {
        nonce: account.nonce,
        balance: account.balance,
        code_hash: account.code_hash,
        code: None,
        ..Default::default()
    }
}
