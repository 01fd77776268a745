//! Where the chain stands, read from the chain itself.

use ethrex_chain::Chain;
use ethrex_storage::StorageError;
use ethrex_types::alloy_consensus::Transaction;

use crate::{Deposits, Pipeline};

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
            return Ok(message.nonce() + 1);
        }
        hash = header.parent_hash;
    }
}

/// The machines at the place where the published chain stands. Blocks that were built but never published are forgotten.
///
/// # Errors
/// If the database fails.
pub fn resume(
    chain: &Chain,
    known: Option<(u64, u64)>,
) -> Result<(Deposits, Pipeline), StorageError> {
    let next = next_message_id(chain, known)?;
    Ok((Deposits::resume(next), Pipeline::resume(chain.head().hash())))
}
