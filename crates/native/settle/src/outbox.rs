//! Messages of the rollup to L1: which there are, and how L1 is shown one of them.
//!
//! The chain's logs hold every message. This index reads each block once, up to the settled one that is asked for, and keeps the tree
//! that the messenger keeps the root of. Where the chain was reorganised it goes back to the last block that still stands.
//!
//! Not here: which block is settled, and the messages of L1 to the rollup ([`crate::derivation`]).

mod proofs;

use alloy_primitives::{Address, B256, Bytes};
use alloy_sol_types::SolEvent;
use ethrex_chain::Chain;
use ethrex_storage::StorageError;
use ethrex_store::Store;
use ethrex_types::Receipt;
use parking_lot::Mutex;

use crate::{
    bindings::{INativeMessenger, Message},
    operator::MESSENGER,
    tree::{Path, Tree},
};

pub use proofs::OutboxProofError;
use proofs::RootProof;
pub(crate) use proofs::{Keeper, RootProofs};

/// A message, and the way from it to the state of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxProof {
    /// The message.
    pub message: Message,
    /// Its leaf in the outbox.
    pub leaf: B256,
    /// The block whose outbox holds it.
    pub number: u64,
    /// The root of that outbox.
    pub root: B256,
    /// From the leaf to the root.
    pub path: Path,
    /// From the block's state root to the messenger.
    pub account_proof: Vec<Bytes>,
    /// From the messenger's storage root to the root of its outbox.
    pub storage_proof: Vec<Bytes>,
}

/// Why a message cannot be shown, or is not what its log says.
#[derive(Debug, thiserror::Error)]
pub enum OutboxError {
    /// The chain's database failed.
    #[error("storage")]
    Storage(#[from] StorageError),
    /// There is no telling whether the outbox can be proven.
    #[error(transparent)]
    Proof(#[from] OutboxProofError),
    /// A log of the messenger is none of its events.
    #[error("the log of message {0} does not decode")]
    Malformed(usize),
    /// The messenger left out a number.
    #[error("message {found} follows message {expected} in the logs")]
    Gap {
        /// The number that comes next.
        expected: u64,
        /// The number that came.
        found: u64,
    },
    /// Logs and state contradict each other.
    #[error(
        "the outbox of block {number} has root {found} by its logs and {expected} by its state"
    )]
    OtherRoot {
        /// The block.
        number: u64,
        /// What the state says.
        expected: B256,
        /// What the logs say.
        found: B256,
    },
}

/// The index. It fills itself as it is asked.
#[derive(Debug)]
pub struct Outbox {
    chain: Chain,
    proofs: RootProofs,
    index: Mutex<Index>,
}

/// What was read so far.
#[derive(Debug, Default)]
struct Index {
    tree: Tree,
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
    /// The outbox of a chain; `store` is what its driver remembers.
    #[must_use]
    pub fn new(chain: Chain, store: Store) -> Self {
        Self { proofs: RootProofs::new(chain.clone(), store), chain, index: Mutex::default() }
    }

    /// The proof of a message as of a settled block, or as of one shortly before it where that one's state is no longer kept;
    /// `None` if that block's outbox does not hold the message.
    ///
    /// # Errors
    /// If a database fails, or the logs of the chain contradict its state.
    pub fn proof(&self, message: u64, settled: u64) -> Result<Option<OutboxProof>, OutboxError> {
        let Some(RootProof { number, root, nodes }) = self.proofs.upto(settled)? else {
            return Ok(None);
        };
        let (holder, leaf, path, found) = {
            let mut index = self.index.lock();
            index.read(&self.chain, number)?;
            let (tree, count) = (&index.tree, index.count_at(number));
            let place = (index.holder(message), tree.leaf(message), tree.path_at(message, count));
            match (place, tree.root_at(count)) {
                ((Some(holder), Some(leaf), Some(path)), Some(found)) => {
                    (holder, leaf, path, found)
                }
                _ => return Ok(None),
            }
        };
        if root != found {
            return Err(OutboxError::OtherRoot { number, expected: root, found });
        }
        let receipts = self.chain.storage().receipts(holder.hash)?.unwrap_or_default();
        let mut sent = sent(&receipts)?.into_iter().map(|(_, sent)| sent);
        // The chain may have gone another way since the index was read.
        let Some(message) = sent.find(|sent| sent.index == message) else { return Ok(None) };
        Ok(Some(OutboxProof {
            message,
            leaf,
            number,
            root,
            path,
            account_proof: nodes.account,
            storage_proof: nodes.storage,
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
            sent.iter().for_each(|(leaf, _)| self.tree.push(*leaf));
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
        Ok(())
    }

    /// The block that a message was sent in.
    fn holder(&self, message: u64) -> Option<BlockId> {
        let before = self.blocks.partition_point(|(_, count)| *count <= message);
        self.blocks.get(before).map(|(block, _)| *block)
    }

    /// How many messages there are after a block that was read.
    fn count_at(&self, number: u64) -> u64 {
        let after = self.blocks.partition_point(|(block, _)| block.number <= number);
        after.checked_sub(1).map_or(0, |last| self.blocks[last].1)
    }
}

/// The messages of some receipts, with their leaves, in order.
///
/// # Errors
/// If a log of the messenger does not decode.
pub fn sent(receipts: &[Receipt]) -> Result<Vec<(B256, Message)>, OutboxError> {
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
        let holders = [0, 1, 2, 3].map(|message| index.holder(message).map(|at| at.number));
        assert_eq!(holders, [Some(4), Some(9), Some(9), None]);
    }
}
