//! A [`StateReader`] in the shape revm asks for, which notes what was read.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    fmt,
    rc::Rc,
};

use alloy_primitives::{Address, B256, Bytes};
use ethrex_types::{Missing, StateError, StateReader, account::KECCAK_EMPTY};
use revm::{
    Database,
    bytecode::Bytecode,
    context::DBErrorMarker,
    primitives::{StorageKey, StorageValue},
    state::AccountInfo as RevmAccountInfo,
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

/// A fault of the reader, as an error revm accepts.
#[derive(Debug, Clone, thiserror::Error)]
#[error(transparent)]
pub(crate) struct ReadFault(pub(crate) StateError);

impl DBErrorMarker for ReadFault {}

/// Reads through to the state. revm's own cache stands above it, so each thing is read about once.
pub(crate) struct StateDb<'a> {
    reader: &'a dyn StateReader,
    pub(crate) accesses: Accesses,
    fault: Fault,
}

/// Holds the first fault of a reader. revm and alloy-evm wrap errors in layers, and closing a block consumes the
/// database; whoever holds a clone of this cell learns the fault as it was.
#[derive(Debug, Clone, Default)]
pub(crate) struct Fault(Rc<RefCell<Option<StateError>>>);

impl Fault {
    pub(crate) fn take(&self) -> Option<StateError> {
        self.0.borrow_mut().take()
    }
}

impl fmt::Debug for StateDb<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StateDb").field("fault", &self.fault).finish_non_exhaustive()
    }
}

impl<'a> StateDb<'a> {
    pub(crate) fn new(reader: &'a dyn StateReader) -> Self {
        Self { reader, accesses: Accesses::default(), fault: Fault::default() }
    }

    pub(crate) fn fault(&self) -> Fault {
        self.fault.clone()
    }

    fn note<T>(&self, result: Result<T, StateError>) -> Result<T, ReadFault> {
        result.map_err(|fault| {
            self.fault.0.borrow_mut().get_or_insert_with(|| fault.clone());
            ReadFault(fault)
        })
    }
}

impl Database for StateDb<'_> {
    type Error = ReadFault;

    fn basic(&mut self, address: Address) -> Result<Option<RevmAccountInfo>, ReadFault> {
        self.accesses.accounts.entry(address).or_default();
        let account = self.reader.account(address);
        Ok(self.note(account)?.map(|account| RevmAccountInfo {
            nonce: account.nonce,
            balance: account.balance,
            code_hash: account.code_hash,
            code: None,
            ..Default::default()
        }))
    }

    fn code_by_hash(&mut self, code_hash: B256) -> Result<Bytecode, ReadFault> {
        if code_hash == KECCAK_EMPTY {
            return Ok(Bytecode::default());
        }
        let code = self.reader.code(code_hash);
        // An account names this code, so its absence is a hole in the state and never "no code".
        let code = self.note(
            code.and_then(|code| code.ok_or(StateError::Missing(Missing::Code(code_hash)))),
        )?;
        self.accesses.codes.insert(code_hash, code.clone());
        // What begins like a delegation and is none (EIP-7702) runs as code, whose first byte is invalid.
        Ok(Bytecode::new_raw_checked(code.clone()).unwrap_or_else(|_| Bytecode::new_legacy(code)))
    }

    fn storage(&mut self, address: Address, key: StorageKey) -> Result<StorageValue, ReadFault> {
        let slot = B256::from(key);
        self.accesses.accounts.entry(address).or_default().insert(slot);
        let value = self.reader.storage(address, slot);
        self.note(value)
    }

    fn block_hash(&mut self, number: u64) -> Result<B256, ReadFault> {
        let oldest = self.accesses.oldest_block_hash.get_or_insert(number);
        *oldest = number.min(*oldest);
        let hash = self.reader.block_hash(number);
        self.note(hash.and_then(|hash| hash.ok_or(StateError::Missing(Missing::BlockHash(number)))))
    }
}
