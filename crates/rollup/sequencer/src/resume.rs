//! Where the chain stands, read from the chain itself.

use ethrex_chain::Chain;
use ethrex_protocol::L2Height;
use ethrex_storage::StorageError;
use ethrex_store::{Executed, StoreError};

use crate::{DepositError, Deposits, Inbox, Pipeline};

/// Number of the first L1 message that the published chain has not executed.
///
/// Walks back from the head to the last block that executed one, or to `known` where that is a block of the chain: what was true
/// there is believed, as it was read from the same chain.
///
/// # Errors
/// If the database fails.
pub fn next_message_id(chain: &Chain, known: Option<&Executed>) -> Result<u64, StorageError> {
    let storage = chain.storage();
    let own = chain.spec().chain_id();
    let mut hash = chain.head().hash();
    loop {
        if let Some(known) = known.filter(|known| known.hash == hash) {
            return Ok(known.next_message);
        }
        let Some(header) = storage.header(hash)? else { return Ok(0) };
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
/// built but never published are forgotten. What was found is noted for the next start.
///
/// # Errors
/// If a database fails.
pub fn resume(chain: &Chain, inbox: &Inbox) -> Result<(Deposits, Pipeline), ResumeError> {
    let next = next_message_id(chain, inbox.executed()?.as_ref())?;
    let head = chain.head();
    let block = L2Height(head.number);
    inbox.note(&Executed { block, hash: head.hash(), next_message: next })?;
    let mut deposits = Deposits::resume(next);
    // No limit: reading pauses while the queue is full, so what is stored and not executed is bounded.
    for queued in inbox.messages_from(deposits.next_for_block(), usize::MAX)? {
        deposits.push(queued.message, queued.l1_block.0)?;
    }
    Ok((deposits, Pipeline::resume(chain.head().hash())))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use alloy_primitives::{Address, B256, Bytes};
    use ethrex_stf::{BlockAttributes, Ethereum};
    use ethrex_storage::Storage;
    use ethrex_store::Store;
    use ethrex_txpool::{NoJournal, Pool, PoolConfig};
    use ethrex_types::{ChainSpec, Genesis};

    use super::*;

    /// A chain of `length` blocks without messages.
    fn chain(length: u64) -> Chain {
        let genesis = serde_json::json!({
            "config": {
                "chainId": 7, "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0, "eip158Block": 0, "byzantiumBlock": 0,
                "constantinopleBlock": 0, "petersburgBlock": 0, "istanbulBlock": 0, "berlinBlock": 0, "londonBlock": 0,
                "mergeNetsplitBlock": 0, "terminalTotalDifficulty": 0, "terminalTotalDifficultyPassed": true, "shanghaiTime": 0,
            },
            "gasLimit": "0x1c9c380", "difficulty": "0x0", "alloc": {},
        });
        let genesis: Genesis = serde_json::from_value(genesis).unwrap();
        let spec = ChainSpec::new(genesis).unwrap();
        let storage = Storage::memory(&spec).unwrap();
        let chain = Chain::open(spec.clone(), Arc::new(Ethereum), storage.clone()).unwrap();
        let state = storage.state_at(storage.head().hash).unwrap().unwrap();
        let (head, state, journal) = (chain.head(), Arc::new(state), Arc::new(NoJournal));
        let config = PoolConfig::standard();
        let pool = Pool::open(spec, Arc::new(Ethereum), config, journal, head, state).unwrap();
        for _ in 0..length {
            let parent = chain.head();
            let attributes = BlockAttributes {
                timestamp: parent.timestamp + 1,
                fee_recipient: Address::ZERO,
                prev_randao: B256::ZERO,
                withdrawals: None,
                parent_beacon_block_root: None,
                slot_number: None,
                desired_gas_limit: parent.gas_limit,
                extra_data: Bytes::new(),
            };
            let prepared = chain.build(&parent, &attributes, |_| Ok(())).unwrap();
            chain.extend(prepared, &pool).unwrap();
        }
        chain
    }

    fn note(chain: &Chain, number: u64, next_message: u64) -> Executed {
        let hash = chain.storage().canonical_hash(number).unwrap().unwrap();
        Executed { block: L2Height(number), hash, next_message }
    }

    #[test]
    fn the_walk_ends_at_a_known_block() {
        let chain = chain(5);
        assert_eq!(next_message_id(&chain, None).unwrap(), 0);
        assert_eq!(next_message_id(&chain, Some(&note(&chain, 5, 8))).unwrap(), 8);
        assert_eq!(next_message_id(&chain, Some(&note(&chain, 2, 9))).unwrap(), 9);
    }

    #[test]
    fn what_was_noted_of_a_block_that_is_gone_is_not_believed() {
        let chain = chain(5);
        let gone = Executed { hash: B256::repeat_byte(1), ..note(&chain, 4, 9) };
        assert_eq!(next_message_id(&chain, Some(&gone)).unwrap(), 0);
    }

    #[test]
    fn a_start_notes_what_it_found_for_the_next() {
        let chain = chain(3);
        let inbox = Inbox::open(Store::memory().unwrap(), 7).unwrap();
        inbox.note(&note(&chain, 2, 0)).unwrap();
        let (deposits, _) = resume(&chain, &inbox).unwrap();
        assert_eq!(deposits.next_for_block(), 0);
        assert_eq!(inbox.executed().unwrap(), Some(note(&chain, 3, 0)));
    }
}
