//! Messages of the rollup to L1: which there are, and how L1 is shown one of them.
//!
//! The chain's logs hold every message. This index reads each block once, up to the settled one that is asked for, and keeps the tree
//! that the messenger keeps the root of. Where the chain was reorganised it goes back to the last block that still stands.
//!
//! Not here: which block is settled, and the messages of L1 to the rollup (`ethrex_settle::derivation`).

use std::sync::Mutex;

use alloy_primitives::{Address, B256, Bytes};
use alloy_sol_types::SolEvent;
use ethrex_chain::Chain;
use ethrex_settle::{
    bindings::{INativeMessenger, Message},
    operator::MESSENGER,
    tree::{Path, Tree},
};
use ethrex_storage::StorageError;
use ethrex_types::{Receipt, StateError};

/// Where the messenger keeps the root of its outbox.
const ROOT_SLOT: B256 = B256::ZERO;

/// A message, and the way from it to the state of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OutboxProof {
    pub(crate) message: Message,
    pub(crate) leaf: B256,
    /// The block whose outbox holds it.
    pub(crate) number: u64,
    pub(crate) root: B256,
    pub(crate) path: Path,
    /// From the block's state root to the messenger.
    pub(crate) account_proof: Vec<Bytes>,
    /// From the messenger's storage root to the root of its outbox.
    pub(crate) storage_proof: Vec<Bytes>,
}

/// Why a proof cannot be given.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutboxError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    #[error(transparent)]
    State(#[from] StateError),
    #[error("the log of message {0} does not decode")]
    Malformed(usize),
    #[error("message {found} follows message {expected} in the logs")]
    Gap { expected: u64, found: u64 },
    #[error(
        "the outbox of block {number} has root {found} by its logs and {expected} by its state"
    )]
    OtherRoot { number: u64, expected: B256, found: B256 },
}

/// The index. It fills itself as it is asked.
#[derive(Debug)]
pub(crate) struct Outbox {
    chain: Chain,
    index: Mutex<Index>,
}

/// What was read so far.
#[derive(Debug, Default)]
struct Index {
    tree: Tree,
    messages: Vec<Message>,
    /// Blocks with messages, oldest first, and how many messages there are after each.
    blocks: Vec<(BlockId, u64)>,
    /// The last block read.
    tip: Option<BlockId>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct BlockId {
    number: u64,
    hash: B256,
}

impl Outbox {
    pub(crate) fn new(chain: Chain) -> Self {
        Self { chain, index: Mutex::default() }
    }

    /// The proof of a message as of a block; `None` if that block's outbox does not hold it, or its state is not kept any more.
    pub(crate) fn proof(&self, message: u64, at: u64) -> Result<Option<OutboxProof>, OutboxError> {
        let storage = self.chain.storage();
        let Some(hash) = storage.canonical_hash(at)? else { return Ok(None) };
        let (found, leaf, path, root) = {
            let mut index = self.index.lock().expect("no reader of the index panics");
            index.read(&self.chain, at)?;
            let count = index.count_at(at);
            let found = usize::try_from(message).ok().and_then(|i| index.messages.get(i));
            let tree = &index.tree;
            match (found, tree.leaf(message), tree.path_at(message, count), tree.root_at(count)) {
                (Some(found), Some(leaf), Some(path), Some(root)) => {
                    (found.clone(), leaf, path, root)
                }
                _ => return Ok(None),
            }
        };
        let Some(state) = storage.state_at(hash)? else { return Ok(None) };
        let proof = state.proof(MESSENGER, &[ROOT_SLOT])?;
        let slot = proof.slots.first();
        let expected = slot.map_or(B256::ZERO, |slot| slot.value.into());
        if expected != root {
            return Err(OutboxError::OtherRoot { number: at, expected, found: root });
        }
        Ok(Some(OutboxProof {
            message: found,
            leaf,
            number: at,
            root,
            path,
            account_proof: proof.proof.clone(),
            storage_proof: slot.map(|slot| slot.proof.clone()).unwrap_or_default(),
        }))
    }
}

impl Index {
    /// Reads the canonical chain up to a block.
    fn read(&mut self, chain: &Chain, upto: u64) -> Result<(), OutboxError> {
        let storage = chain.storage();
        self.retract(chain)?;
        let first = self.tip.map_or(1, |tip| tip.number + 1);
        for number in first..=upto {
            let Some(hash) = storage.canonical_hash(number)? else { return Ok(()) };
            let sent = sent(&storage.receipts(hash)?.unwrap_or_default())?;
            for ((_, message), expected) in sent.iter().zip(self.tree.len()..) {
                if message.index != expected {
                    return Err(OutboxError::Gap { expected, found: message.index });
                }
            }
            for (leaf, message) in sent {
                self.tree.push(leaf);
                self.messages.push(message);
            }
            let (block, count) = (BlockId { number, hash }, self.tree.len());
            if self.blocks.last().map_or(0, |(_, before)| *before) < count {
                self.blocks.push((block, count));
            }
            self.tip = Some(block);
        }
        Ok(())
    }

    /// Forgets what is not canonical any more.
    fn retract(&mut self, chain: &Chain) -> Result<(), OutboxError> {
        let stands = |block: &BlockId| -> Result<bool, StorageError> {
            Ok(chain.storage().canonical_hash(block.number)? == Some(block.hash))
        };
        let Some(tip) = self.tip else { return Ok(()) };
        if stands(&tip)? {
            return Ok(());
        }
        while let Some((block, _)) = self.blocks.last()
            && !stands(block)?
        {
            self.blocks.pop();
        }
        let (tip, count) = self.blocks.last().map_or((None, 0), |(block, n)| (Some(*block), *n));
        self.tip = tip;
        self.tree.truncate(count);
        self.messages.truncate(usize::try_from(count).unwrap_or(usize::MAX));
        Ok(())
    }

    /// How many messages there are after a block that was read.
    fn count_at(&self, number: u64) -> u64 {
        let after = self.blocks.partition_point(|(block, _)| block.number <= number);
        after.checked_sub(1).map_or(0, |last| self.blocks[last].1)
    }
}

/// The messages of some receipts, with their leaves, in order.
pub(crate) fn sent(receipts: &[Receipt]) -> Result<Vec<(B256, Message)>, OutboxError> {
    let logs = receipts.iter().flat_map(|receipt| &receipt.logs);
    logs.filter(|log| is_message(log.address, log.data.topics()))
        .enumerate()
        .map(|(place, log)| {
            let event = INativeMessenger::MessageSent::decode_log_data(&log.data)
                .map_err(|_| OutboxError::Malformed(place))?;
            Ok((event.leaf, event.message))
        })
        .collect()
}

fn is_message(address: Address, topics: &[B256]) -> bool {
    address == MESSENGER && topics.first() == Some(&INativeMessenger::MessageSent::SIGNATURE_HASH)
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Log, LogData, U256};
    use ethrex_types::TxType;

    use super::*;

    fn receipt(logs: Vec<Log>) -> Receipt {
        Receipt { tx_type: TxType::Eip1559, status: true.into(), cumulative_gas_used: 21_000, logs }
    }

    fn log(index: u64) -> Log {
        let message = Message { index, value: U256::from(7), ..Message::default() };
        let leaf = B256::with_last_byte(9);
        let event = INativeMessenger::MessageSent { index, message, leaf };
        Log { address: MESSENGER, data: event.encode_log_data() }
    }

    #[test]
    fn only_messages_of_the_messenger_count() {
        let foreign = Log { address: Address::repeat_byte(1), ..log(0) };
        let found = sent(&[receipt(vec![foreign, log(3)]), receipt(vec![log(4)])]).unwrap();
        let indices: Vec<_> = found.iter().map(|(_, message)| message.index).collect();
        assert_eq!(indices, [3, 4]);
        assert_eq!(found[0].0, B256::with_last_byte(9));
    }

    #[test]
    fn a_message_that_does_not_decode_is_a_fault() {
        let topics = log(0).data.topics().to_vec();
        let data = LogData::new_unchecked(topics, Bytes::from_static(&[1]));
        let broken = Log { address: MESSENGER, data };
        let error = sent(&[receipt(vec![broken])]).unwrap_err();
        assert!(matches!(error, OutboxError::Malformed(0)), "{error}");
    }

    #[test]
    fn messages_are_counted_by_block() {
        let block = |number| BlockId { number, hash: B256::with_last_byte(1) };
        let index = Index { blocks: vec![(block(4), 1), (block(9), 3)], ..Index::default() };
        let counts = [0, 3, 4, 8, 9, 50].map(|number| index.count_at(number));
        assert_eq!(counts, [0, 0, 1, 1, 3, 3]);
    }
}
