//! Where to go on, from what L1, the store and the chain say. Pure.
//!
//! L1 decides what is committed. The store may be one batch ahead: the one whose row was written before its
//! transaction was signed; or more, while L1 is being reorganised and the sender brings the lost commitments back.
//! Anything else is a reason to stop and ask.

use alloy_primitives::B256;
use ethrex_l1::State;
use ethrex_protocol::{BatchNumber, L2Height};
use ethrex_store::StoredBatch;

use crate::error::Inconsistency;

/// Blocks after which a commitment that L1 has lost does not come back by itself.
const REORG_DEPTH: u64 = 64;

/// What is known at start.
#[derive(Debug)]
pub(crate) struct Standing {
    /// The last batch on L1.
    pub(crate) committed: BatchNumber,
    /// State root and last block hash of that batch, as L1 has them; `None` if L1 changed meanwhile.
    pub(crate) on_l1: Option<(B256, B256)>,
    /// The row of that batch.
    pub(crate) row: Option<StoredBatch>,
    /// The last row.
    pub(crate) last: Option<StoredBatch>,
    /// Where the commitment of that batch stands in the outbox.
    pub(crate) sent: Option<State>,
    /// Where the commitment of the batch after it stands in the outbox.
    pub(crate) next_sent: Option<State>,
    /// The newest block of L1.
    pub(crate) l1_head: u64,
    /// Hash of the block in the chain at the last row's last height.
    pub(crate) in_chain: Option<B256>,
}

/// How to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Resume {
    /// Open this batch with this block.
    Fill { number: BatchNumber, first: L2Height },
    /// Submit this row.
    Submit(Box<StoredBatch>),
    /// L1 changed while it was asked, or lost commitments that the sender is sending again.
    AskAgain,
}

pub(crate) fn resume(standing: Standing) -> Result<Resume, Inconsistency> {
    let Standing { committed, on_l1, row, sent, next_sent, l1_head, last, in_chain } = standing;
    let stored = last.as_ref().map_or(BatchNumber(0), |row| row.batch.number);
    if stored < committed {
        return Err(Inconsistency::StoreBehind { committed, stored });
    }
    if stored > committed.next() {
        let comes_back = match next_sent {
            Some(State::Open) => true,
            Some(State::Mined(mined)) => l1_head <= mined.block.saturating_add(REORG_DEPTH),
            Some(State::Reverted(_) | State::Void) | None => false,
        };
        if comes_back {
            return Ok(Resume::AskAgain);
        }
        return Err(Inconsistency::L1Behind { committed, stored });
    }
    if let Some(row) = &row {
        let Some(on_l1) = on_l1 else { return Ok(Resume::AskAgain) };
        if on_l1 != (row.batch.state_root, row.last_block_hash) {
            return Err(Inconsistency::OtherBatch { batch: committed });
        }
    }
    let Some(last) = last else {
        return Ok(Resume::Fill { number: BatchNumber(1), first: L2Height(1) });
    };
    if in_chain != Some(last.last_block_hash) {
        return Err(Inconsistency::OtherChain { batch: stored, height: last.batch.last_block });
    }
    // A row without its transaction, though the sender has one: its outcome was never told.
    let untold =
        last.batch.commit_tx.is_none() && matches!(sent, Some(State::Open | State::Mined(_)));
    Ok(if stored == committed && !untold {
        Resume::Fill { number: stored.next(), first: last.batch.last_block.next() }
    } else {
        Resume::Submit(Box::new(last))
    })
}

#[cfg(test)]
mod tests {
    use ethrex_l1::Mined;
    use ethrex_protocol::batch::{Batch, BlobsBundle};

    use super::*;

    fn row(number: u64) -> StoredBatch {
        StoredBatch {
            batch: Batch {
                number: BatchNumber(number),
                first_block: L2Height(number * 10 - 9),
                last_block: L2Height(number * 10),
                state_root: B256::with_last_byte(number as u8),
                l1_in_messages_rolling_hash: B256::ZERO,
                l2_in_message_rolling_hashes: vec![],
                l1_out_message_hashes: vec![],
                non_privileged_transactions: 0,
                balance_diffs: vec![],
                blobs_bundle: BlobsBundle::default(),
                commit_tx: None,
                verify_tx: None,
            },
            last_block_hash: B256::repeat_byte(number as u8),
            blob_versioned_hash: B256::ZERO,
        }
    }

    /// L1 has `committed`, the store ends with `stored`, and all that is told fits together.
    fn standing(committed: u64, stored: u64) -> Standing {
        let row = |number: u64| (number > 0).then(|| row(number));
        let common = row(committed.min(stored)).filter(|_| committed <= stored);
        Standing {
            committed: BatchNumber(committed),
            on_l1: common.as_ref().map(|row| (row.batch.state_root, row.last_block_hash)),
            row: common,
            sent: None,
            next_sent: None,
            l1_head: 100,
            in_chain: row(stored).map(|row| row.last_block_hash),
            last: row(stored),
        }
    }

    #[test]
    fn a_fresh_rollup_starts_with_batch_one_and_block_one() {
        let expected = Resume::Fill { number: BatchNumber(1), first: L2Height(1) };
        assert_eq!(resume(standing(0, 0)), Ok(expected));
    }

    #[test]
    fn after_a_committed_batch_the_next_block_opens_the_next_batch() {
        let expected = Resume::Fill { number: BatchNumber(4), first: L2Height(31) };
        assert_eq!(resume(standing(3, 3)), Ok(expected));
    }

    #[test]
    fn a_row_that_l1_lacks_is_submitted_as_it_stands() {
        assert_eq!(resume(standing(2, 3)), Ok(Resume::Submit(Box::new(row(3)))));
        assert_eq!(resume(standing(0, 1)), Ok(Resume::Submit(Box::new(row(1)))));
    }

    #[test]
    fn a_commitment_whose_outcome_was_never_told_is_submitted_to_hear_it() {
        let untold = Standing { sent: Some(State::Open), ..standing(3, 3) };
        assert_eq!(resume(untold), Ok(Resume::Submit(Box::new(row(3)))));
    }

    #[test]
    fn stories_that_do_not_fit_are_told_apart() {
        let error = |standing| resume(standing).unwrap_err();
        assert!(matches!(error(standing(3, 2)), Inconsistency::StoreBehind { .. }));
        assert!(matches!(error(standing(1, 3)), Inconsistency::L1Behind { .. }));
        let other = Standing { on_l1: Some((B256::ZERO, B256::ZERO)), ..standing(3, 3) };
        assert_eq!(error(other), Inconsistency::OtherBatch { batch: BatchNumber(3) });
        let gone = Standing { in_chain: None, ..standing(3, 3) };
        assert!(matches!(error(gone), Inconsistency::OtherChain { height: L2Height(30), .. }));
    }

    #[test]
    fn commitments_lost_in_a_reorganisation_are_waited_for_and_others_are_not() {
        let mined = |block| Mined { tx: B256::ZERO, block, gas_used: 0, created: None };
        let lost = |state| resume(Standing { next_sent: Some(state), ..standing(1, 3) });
        assert_eq!(lost(State::Open), Ok(Resume::AskAgain));
        assert_eq!(lost(State::Mined(mined(36))), Ok(Resume::AskAgain));
        assert!(lost(State::Mined(mined(35))).is_err(), "too long ago for a reorganisation");
        assert!(lost(State::Void).is_err());
    }

    #[test]
    fn a_commitment_that_vanished_between_two_questions_is_asked_for_again() {
        let racing = Standing { on_l1: None, ..standing(3, 3) };
        assert_eq!(resume(racing), Ok(Resume::AskAgain));
    }
}
