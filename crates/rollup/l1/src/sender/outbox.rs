//! What the sender must remember over a restart.
//!
//! The rule that makes settlement exactly-once: an entry stands in the outbox before its bytes leave
//! this process, so whoever restarts knows every transaction that may be out there.

use std::{collections::BTreeMap, fmt, sync::Arc};

use alloy_primitives::{Address, B256, Bytes};
use parking_lot::Mutex;

use super::machine::Mined;

/// What a transaction is for, for instance `commit:7`. At most one transaction is ever mined for it with success.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Purpose(Arc<str>);

impl Purpose {
    /// A purpose of this name.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// Its name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Purpose {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a signed transaction stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// Signed; it may be anywhere between our disk and a block.
    Open,
    /// Mined, and it did its work.
    Mined(Mined),
    /// Mined, and it reverted; its purpose may be tried anew.
    Reverted(Mined),
    /// Its nonce is used by a transaction that is none of ours, or the node refused it for good: it
    /// can never be mined, and its purpose may be tried anew.
    Void,
}

/// All attempts at one purpose: same nonce, rising fees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is for.
    pub purpose: Purpose,
    /// Chain id of the L1 it is signed for.
    pub chain_id: u64,
    /// The account that signs.
    pub from: Address,
    /// Its nonce.
    pub nonce: u64,
    /// Signed bytes of the newest attempt, ready to be sent (blobs included).
    pub raw: Bytes,
    /// Hashes of all attempts, oldest first. Any of them may be the one that is mined.
    pub hashes: Vec<B256>,
    /// Where it stands.
    pub state: State,
}

/// The outbox could not be read or written.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{doing}")]
pub struct OutboxError {
    doing: &'static str,
    #[source]
    source: Arc<dyn std::error::Error + Send + Sync>,
}

impl OutboxError {
    /// A failure of the medium while `doing` something.
    pub fn new(
        doing: &'static str,
        source: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Self { doing, source: Arc::new(source) }
    }
}

/// Where entries are kept. A method that returns `Ok` after writing has made the write durable.
pub trait Outbox: fmt::Debug + Send + Sync + 'static {
    /// Inserts or overwrites the entry of a chain, account and nonce.
    fn put(&self, entry: &Entry) -> Result<(), OutboxError>;
    /// The entry that serves a purpose. After failed tries there are several: one that is mined counts most, then one
    /// that is open, then the one with the highest nonce.
    fn find(&self, chain_id: u64, purpose: &Purpose) -> Result<Option<Entry>, OutboxError>;
    /// All entries of an account with at least this nonce, and all open ones, by nonce.
    fn recent(
        &self,
        chain_id: u64,
        from: Address,
        from_nonce: u64,
    ) -> Result<Vec<Entry>, OutboxError>;
    /// The highest nonce ever signed with, except by entries that are void.
    fn last_nonce(&self, chain_id: u64, from: Address) -> Result<Option<u64>, OutboxError>;
}

/// An outbox that forgets when the process ends: for tools that send a few transactions and wait.
#[derive(Debug, Default)]
pub struct MemoryOutbox {
    entries: Mutex<BTreeMap<(u64, Address, u64), Entry>>,
}

impl MemoryOutbox {
    fn of_account(&self, chain_id: u64, from: Address) -> Vec<Entry> {
        let entries = self.entries.lock();
        let account = (chain_id, from, 0)..=(chain_id, from, u64::MAX);
        entries.range(account).map(|(_, entry)| entry.clone()).collect()
    }
}

impl Outbox for MemoryOutbox {
    fn put(&self, entry: &Entry) -> Result<(), OutboxError> {
        let key = (entry.chain_id, entry.from, entry.nonce);
        self.entries.lock().insert(key, entry.clone());
        Ok(())
    }

    fn find(&self, chain_id: u64, purpose: &Purpose) -> Result<Option<Entry>, OutboxError> {
        let entries = self.entries.lock();
        let serving = entries
            .values()
            .filter(|entry| entry.chain_id == chain_id && entry.purpose == *purpose);
        let rank = |entry: &Entry| match entry.state {
            State::Mined(_) => 2,
            State::Open => 1,
            State::Reverted(_) | State::Void => 0,
        };
        Ok(serving.max_by_key(|entry| (rank(entry), entry.nonce)).cloned())
    }

    fn recent(
        &self,
        chain_id: u64,
        from: Address,
        from_nonce: u64,
    ) -> Result<Vec<Entry>, OutboxError> {
        let mut found = self.of_account(chain_id, from);
        found.retain(|entry| entry.state == State::Open || entry.nonce >= from_nonce);
        Ok(found)
    }

    fn last_nonce(&self, chain_id: u64, from: Address) -> Result<Option<u64>, OutboxError> {
        let mut entries = self.of_account(chain_id, from);
        entries.retain(|entry| entry.state != State::Void);
        Ok(entries.last().map(|entry| entry.nonce))
    }
}
