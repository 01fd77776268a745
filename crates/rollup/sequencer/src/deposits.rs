//! Messages of L1 that wait for a block.
//!
//! The bridge numbers them without gaps, and L2 executes them in that order, each exactly once. What has been executed is read
//! from the chain itself at start, never from a file of this crate.

use std::collections::BTreeMap;

use ethrex_protocol::deposit::PrivilegedMessage;

/// Messages held in memory at most; L1 is read no further while there are as many.
pub const MAX_QUEUED: usize = 4_096;

/// A message and the L1 block it stands in.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Queued {
    message: PrivilegedMessage,
    l1_block: u64,
}

/// Why L1's messages cannot be followed any more. Both need an operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DepositError {
    /// A message is missing between two.
    #[error("L1 message {expected} is missing: L1 gave {got} next")]
    Gap {
        /// The number that must come next.
        expected: u64,
        /// The number that came.
        got: u64,
    },
    /// L1 dropped or replaced a message that a published L2 block has executed.
    #[error(
        "L1 was reorganised: message {0} is executed on L2 but no longer stands on L1; \
         raise --watcher.block-delay, and revert L2 to before it"
    )]
    ExecutedMessageGone(u64),
}

/// The queue of messages, in order of their numbers.
#[derive(Debug, Default)]
pub struct Deposits {
    /// Messages not yet in a published block, by number.
    queue: BTreeMap<u64, Queued>,
    /// Number of the next message L1 must give.
    next_from_l1: u64,
    /// Number of the next message that goes into a block being built.
    next_for_block: u64,
    /// Number of the first message that no published block has executed.
    next_unpublished: u64,
    /// L1 blocks of the last executed messages, to notice when a reorganisation takes one away.
    executed: BTreeMap<u64, u64>,
}

/// How many executed messages are remembered with their L1 block.
const REMEMBERED: usize = 1_024;

impl Deposits {
    /// Resumes where the published chain stands: `next` is the first message it has not executed.
    #[must_use]
    pub fn resume(next: u64) -> Self {
        Self { next_from_l1: next, next_for_block: next, next_unpublished: next, ..Self::default() }
    }

    /// Takes the next message from L1. One that the chain has executed already is passed over.
    ///
    /// # Errors
    /// If a message before it is missing.
    pub fn push(&mut self, message: PrivilegedMessage, l1_block: u64) -> Result<(), DepositError> {
        let id = message.transaction_id;
        if id < self.next_from_l1 {
            return Ok(());
        }
        if id > self.next_from_l1 {
            return Err(DepositError::Gap { expected: self.next_from_l1, got: id });
        }
        self.next_from_l1 = id + 1;
        self.queue.insert(id, Queued { message, l1_block });
        Ok(())
    }

    /// L1 blocks above `to` are gone; their messages come again, perhaps others.
    ///
    /// Says whether built blocks that nobody has seen yet hold one of them: these must be dropped, or the message would be
    /// executed there and again when it comes back.
    ///
    /// # Errors
    /// If one of them is in a published block.
    pub fn reorganised(&mut self, to: u64) -> Result<bool, DepositError> {
        if let Some((id, _)) = self.executed.iter().find(|(_, block)| **block > to) {
            return Err(DepositError::ExecutedMessageGone(*id));
        }
        let gone: Vec<u64> =
            self.queue.iter().filter(|(_, q)| q.l1_block > to).map(|(id, _)| *id).collect();
        let Some(first) = gone.first() else { return Ok(false) };
        self.queue.retain(|id, _| id < first);
        self.next_from_l1 = *first;
        Ok(*first < self.next_for_block)
    }

    /// Messages for the block being built, in order, at most `limit`.
    pub fn next(&self, limit: usize) -> impl Iterator<Item = &PrivilegedMessage> {
        self.queue.range(self.next_for_block..).take(limit).map(|(_, queued)| &queued.message)
    }

    /// A block was built with all messages before `next`.
    pub fn built(&mut self, next: u64) {
        self.next_for_block = next;
    }

    /// A block with all messages before `next` was published: they are executed for good.
    pub fn published(&mut self, next: u64) {
        while let Some(entry) = self.queue.first_entry() {
            if *entry.key() >= next {
                break;
            }
            let (id, queued) = entry.remove_entry();
            self.executed.insert(id, queued.l1_block);
        }
        while self.executed.len() > REMEMBERED {
            self.executed.pop_first();
        }
        self.next_unpublished = self.next_unpublished.max(next);
    }

    /// Built blocks were dropped: their messages go into the next block again.
    pub fn dropped(&mut self) {
        self.next_for_block = self.next_unpublished;
    }

    /// Whether there is room for more messages.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.queue.len() < MAX_QUEUED
    }

    /// Whether a message waits for a block.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.queue.range(self.next_for_block..).next().is_some()
    }

    /// Number of the next message that goes into a block.
    #[must_use]
    pub const fn next_for_block(&self) -> u64 {
        self.next_for_block
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Address, U256};

    use super::*;

    fn message(id: u64) -> PrivilegedMessage {
        PrivilegedMessage::eth_deposit(7, id, Address::ZERO, U256::from(1))
    }

    fn ids(deposits: &Deposits) -> Vec<u64> {
        deposits.next(10).map(|message| message.transaction_id).collect()
    }

    #[test]
    fn a_message_read_twice_is_queued_once() {
        let mut deposits = Deposits::resume(0);
        for id in [0, 1, 0, 1, 2] {
            deposits.push(message(id), 5).unwrap();
        }
        assert_eq!(ids(&deposits), [0, 1, 2]);
    }

    #[test]
    fn a_gap_is_refused() {
        let mut deposits = Deposits::resume(3);
        assert_eq!(deposits.push(message(4), 5), Err(DepositError::Gap { expected: 3, got: 4 }));
    }

    #[test]
    fn messages_before_the_resume_point_are_passed_over() {
        let mut deposits = Deposits::resume(2);
        for id in 0..3 {
            deposits.push(message(id), 5).unwrap();
        }
        assert_eq!(ids(&deposits), [2]);
    }

    #[test]
    fn a_reorganisation_takes_back_what_is_not_published() {
        let mut deposits = Deposits::resume(0);
        deposits.push(message(0), 5).unwrap();
        deposits.push(message(1), 6).unwrap();
        assert_eq!(deposits.reorganised(5), Ok(false));
        assert_eq!(ids(&deposits), [0]);
        deposits.push(message(1), 7).unwrap();
        assert_eq!(ids(&deposits), [0, 1]);
    }

    #[test]
    fn a_reorganisation_of_a_message_in_an_unpublished_block_drops_that_block() {
        let mut deposits = Deposits::resume(0);
        for id in 0..3 {
            deposits.push(message(id), 5 + id).unwrap();
        }
        deposits.built(2);
        assert_eq!(deposits.reorganised(6), Ok(false), "message 2 is in no block yet");
        assert_eq!(deposits.reorganised(5), Ok(true));
        deposits.dropped();
        assert_eq!(ids(&deposits), [0]);
        deposits.push(message(1), 7).unwrap();
        assert_eq!(ids(&deposits), [0, 1]);
    }

    #[test]
    fn a_reorganisation_of_an_executed_message_is_an_alarm() {
        let mut deposits = Deposits::resume(0);
        deposits.push(message(0), 5).unwrap();
        deposits.built(1);
        deposits.published(1);
        assert_eq!(deposits.reorganised(4), Err(DepositError::ExecutedMessageGone(0)));
    }

    #[test]
    fn messages_of_a_dropped_block_come_again() {
        let mut deposits = Deposits::resume(0);
        for id in 0..3 {
            deposits.push(message(id), 5).unwrap();
        }
        deposits.built(1);
        deposits.published(1);
        deposits.built(3);
        assert!(!deposits.is_waiting());
        deposits.dropped();
        assert_eq!(ids(&deposits), [1, 2]);
    }
}
