//! The order in which a block takes transactions.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    sync::Arc,
};

use ethrex_types::alloy_consensus::Transaction;

use crate::{PoolTx, price::effective_tip};

/// The ready transactions of one moment: the highest effective tip first, earlier arrivals first among equals, and each sender's in
/// the order of their nonces.
#[derive(Debug)]
pub struct Best {
    base_fee: u64,
    blob_fee: Option<u128>,
    /// Each sender's transactions that have not yet been compared.
    senders: Vec<VecDeque<Arc<PoolTx>>>,
    /// The next transaction of each sender: tip, arrival, sender.
    heads: BinaryHeap<(u128, Reverse<u64>, usize)>,
    /// Whose transaction was handed out last.
    last: Option<usize>,
}

impl Best {
    pub(crate) fn new(
        base_fee: u64,
        blob_fee: Option<u128>,
        senders: impl Iterator<Item = VecDeque<Arc<PoolTx>>>,
    ) -> Self {
        let senders: Vec<_> = senders.collect();
        let heads = BinaryHeap::with_capacity(senders.len());
        let mut best = Self { base_fee, blob_fee, senders, heads, last: None };
        for sender in 0..best.senders.len() {
            best.offer(sender);
        }
        best
    }

    /// The transaction handed out last was not included: what its sender sent after it cannot be either.
    pub fn skip_sender(&mut self) {
        if let Some(sender) = self.last.take() {
            self.senders[sender].clear();
        }
    }

    /// Puts the sender's next transaction up for comparison, if it pays what the block asks.
    fn offer(&mut self, sender: usize) {
        let Some(tx) = self.senders[sender].front() else { return };
        let blobs_paid = match (tx.tx().max_fee_per_blob_gas(), self.blob_fee) {
            (None, _) => true,
            (Some(max), Some(fee)) => max >= fee,
            (Some(_), None) => false,
        };
        match effective_tip(tx.tx(), self.base_fee) {
            Some(tip) if blobs_paid => self.heads.push((tip, Reverse(tx.seq), sender)),
            _ => self.senders[sender].clear(),
        }
    }
}

impl Iterator for Best {
    type Item = Arc<PoolTx>;

    fn next(&mut self) -> Option<Arc<PoolTx>> {
        // The follower is offered only now, so that `skip_sender` comes in time.
        if let Some(sender) = self.last.take() {
            self.offer(sender);
        }
        let (_, _, sender) = self.heads.pop()?;
        self.last = Some(sender);
        self.senders[sender].pop_front()
    }
}
