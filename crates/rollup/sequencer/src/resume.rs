//! Where the chain stands, read from the chain itself.

use ethrex_chain::Chain;
use ethrex_storage::StorageError;
use ethrex_store::StoreError;

use crate::{DepositError, Deposits, Inbox, Pipeline};

/// Number of the first L1 message that the published chain has not executed.
///
/// Walks back from the head to the last block that executed one, but not below `known`: a block number and the answer as it
/// was there, which whoever keeps it may offer to shorten the walk.
///
/// # Errors
/// If the database fails.
pub fn next_message_id(chain: &Chain, known: Option<(u64, u64)>) -> Result<u64, StorageError> {
    let storage = chain.storage();
    let own = chain.spec().chain_id();
    let (floor, answer) = known.unwrap_or((0, 0));
    let mut hash = chain.head().hash();
    loop {
        let Some(header) = storage.header(hash)? else { return Ok(answer) };
        if header.number <= floor {
            return Ok(answer);
        }
        let body = storage.body(hash)?;
        let last = body
            .iter()
            .flat_map(|body| &body.transactions)
            .filter_map(|tx| tx.as_privileged().filter(|message| message.chain_id == own))
            .last();
        if let Some(message) = last {
            return Ok(message.nonce + 1);
        }
        hash = header.parent_hash;
    }
}

/// Why the machines could not be put where the chain stands.
#[derive(Debug, thiserror::Error)]
pub enum ResumeError {
    /// The chain's database failed.
    #[error("read the chain")]
    Storage(#[from] StorageError),
    /// The store failed.
    #[error("read stored messages of L1")]
    Store(#[from] StoreError),
    /// The stored messages have a gap: the store is damaged.
    #[error("stored messages of L1")]
    Deposit(#[from] DepositError),
}

/// The machines at the place where the published chain stands, with the messages an earlier run has read. Blocks that were
/// built but never published are forgotten.
///
/// # Errors
/// If a database fails.
pub fn resume(chain: &Chain, inbox: &Inbox) -> Result<(Deposits, Pipeline), ResumeError> {
    let mut deposits = Deposits::resume(next_message_id(chain, None)?);
    // No limit: reading pauses while the queue is full, so what is stored and not executed is bounded.
    for queued in inbox.messages_from(deposits.next_for_block(), usize::MAX)? {
        deposits.push(queued.message, queued.l1_block.0)?;
    }
    Ok((deposits, Pipeline::resume(chain.head().hash())))
}
