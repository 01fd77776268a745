//! What was read from L1, kept across restarts.
//!
//! Every message is stored before it can go into a block, so a start reads L1 from where the last run stopped and not from the
//! first message on. Losing the store costs nothing but that reading.

use std::collections::VecDeque;

use ethrex_l1::Update;
use ethrex_protocol::{
    L1Height,
    contracts::CommonBridge::PrivilegedTxSent,
    deposit::{MessageOutOfRange, PrivilegedMessage},
};
use ethrex_store::{Cursor, Executed, QueuedDeposit, Store, StoreError};

/// Name of the reader in the store.
const READER: &str = "l1_messages";
/// Updates whose ends are remembered; L1 does not go back further than its reader remembers.
const TRAIL: usize = 256;
/// L1 blocks without a message after which the cursor is stored all the same.
const QUIET_BLOCKS: u64 = 1_000;

/// The stored messages of L1 and the place up to which it was read.
#[derive(Debug, Clone)]
pub struct Inbox {
    store: Store,
    chain_id: u64,
    stored_upto: u64,
    /// Ends of the newest updates, oldest first: where the cursor may go back to.
    trail: VecDeque<Cursor>,
}

/// A message and the L1 block it stands in.
pub(crate) type Arrived = (PrivilegedMessage, u64);

/// News from L1, stored.
pub(crate) enum News {
    /// These messages came.
    Arrived(Vec<Arrived>),
    /// What came from L1 blocks above this one is void.
    Reorganised { to: u64 },
}

/// Why news could not be stored.
#[derive(Debug, thiserror::Error)]
pub enum InboxError {
    /// The store failed.
    #[error("store messages of L1")]
    Store(#[from] StoreError),
    /// A message is larger than an L2 transaction can express.
    #[error("L1 message cannot be expressed on L2")]
    Message(#[from] MessageOutOfRange),
}

impl Inbox {
    /// The inbox of the rollup `chain_id`, as an earlier run left it.
    ///
    /// # Errors
    /// If the store fails.
    pub fn open(store: Store, chain_id: u64) -> Result<Self, StoreError> {
        let cursor = store.cursor(READER)?;
        let stored_upto = cursor.as_ref().map_or(0, |cursor| cursor.block.0);
        Ok(Self { store, chain_id, stored_upto, trail: cursor.into_iter().collect() })
    }

    /// Up to where L1 was read in an earlier run.
    #[must_use]
    pub fn cursor(&self) -> Option<Cursor> {
        self.trail.back().copied()
    }

    /// Stored messages from number `next` on.
    ///
    /// # Errors
    /// If the store fails.
    pub fn messages_from(&self, next: u64, limit: usize) -> Result<Vec<QueuedDeposit>, StoreError> {
        self.store.deposits_from(self.chain_id, next, limit)
    }

    /// How far the chain had executed the messages at some block of it, as noted last.
    ///
    /// # Errors
    /// If the store fails.
    pub fn executed(&self) -> Result<Option<Executed>, StoreError> {
        self.store.executed()
    }

    /// Notes how far the chain has executed the messages.
    ///
    /// # Errors
    /// If the store fails.
    pub fn note(&self, executed: &Executed) -> Result<(), StoreError> {
        self.store.set_executed(executed)
    }

    /// Stores what L1 says, and passes it on.
    pub(crate) fn take(&mut self, update: Update<PrivilegedTxSent>) -> Result<News, InboxError> {
        match update {
            Update::Read { events, upto, hash } => {
                let mut deposits = Vec::with_capacity(events.len());
                for event in &events {
                    let message = PrivilegedMessage::from_event(self.chain_id, &event.event)?;
                    deposits.push(QueuedDeposit { message, l1_block: L1Height(event.at.block) });
                }
                let cursor = Cursor { block: L1Height(upto), hash };
                if self.trail.len() == TRAIL {
                    self.trail.pop_front();
                }
                self.trail.push_back(cursor);
                if !deposits.is_empty() || upto >= self.stored_upto + QUIET_BLOCKS {
                    self.store.add_deposits(READER, &deposits, &cursor)?;
                    self.stored_upto = upto;
                }
                Ok(News::Arrived(
                    deposits.into_iter().map(|it| (it.message, it.l1_block.0)).collect(),
                ))
            }
            Update::Reorganised { to } => {
                while self.trail.len() > 1 && self.trail.back().is_some_and(|at| at.block.0 > to) {
                    self.trail.pop_back();
                }
                if let Some(cursor) = self.trail.back() {
                    self.store.drop_deposits_above(READER, cursor)?;
                    self.stored_upto = cursor.block.0;
                }
                Ok(News::Reorganised { to })
            }
        }
    }
}
