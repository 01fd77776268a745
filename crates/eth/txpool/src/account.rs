//! One sender's transactions, by nonce.

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::U256;

use crate::PoolTx;

/// What the state says about a sender, and what the pool holds of it.
///
/// The first [`Account::ready`] transactions follow each other from the sender's nonce and are covered, together, by its balance.
/// The rest waits.
#[derive(Debug)]
pub(crate) struct Account {
    nonce: u64,
    balance: U256,
    txs: BTreeMap<u64, Arc<PoolTx>>,
    ready: usize,
    /// What the ready transactions may cost together.
    spent: U256,
}

impl Account {
    pub(crate) fn new(nonce: u64, balance: U256) -> Self {
        Self { nonce, balance, txs: BTreeMap::new(), ready: 0, spent: U256::ZERO }
    }

    /// Takes what the state says at a new head. Transactions that can no longer be mined leave and are returned.
    pub(crate) fn refresh(
        &mut self,
        nonce: u64,
        balance: U256,
        mut mineable: impl FnMut(&PoolTx) -> bool,
    ) -> Vec<Arc<PoolTx>> {
        (self.nonce, self.balance) = (nonce, balance);
        let mut left = Vec::new();
        self.txs.retain(|_, tx| {
            let stays = tx.nonce() >= nonce && tx.cost() <= balance && mineable(tx);
            if !stays {
                left.push(Arc::clone(tx));
            }
            stays
        });
        self.recount();
        left
    }

    /// Puts a transaction at its nonce and returns the one that was there.
    pub(crate) fn insert(&mut self, tx: Arc<PoolTx>) -> Option<Arc<PoolTx>> {
        let next = self.next_nonce();
        let (nonce, cost) = (tx.nonce(), tx.cost());
        let at_end = nonce == next && self.ready == self.txs.len();
        let replaced = self.txs.insert(nonce, tx);
        let spent = self.spent.saturating_add(cost);
        if at_end && spent <= self.balance {
            self.ready += 1;
            self.spent = spent;
        } else {
            self.recount();
        }
        replaced
    }

    pub(crate) fn remove(&mut self, nonce: u64) -> Option<Arc<PoolTx>> {
        let removed = self.txs.remove(&nonce);
        if removed.is_some() {
            self.recount();
        }
        removed
    }

    fn recount(&mut self) {
        (self.ready, self.spent) = (0, U256::ZERO);
        // In this order the range is not asked for a nonce after the last one there is.
        for ((nonce, tx), expected) in self.txs.iter().zip(self.nonce..) {
            let spent = self.spent.saturating_add(tx.cost());
            if *nonce != expected || spent > self.balance {
                break;
            }
            self.ready += 1;
            self.spent = spent;
        }
    }

    pub(crate) fn nonce(&self) -> u64 {
        self.nonce
    }

    pub(crate) fn balance(&self) -> U256 {
        self.balance
    }

    pub(crate) fn spent(&self) -> U256 {
        self.spent
    }

    pub(crate) fn get(&self, nonce: u64) -> Option<&Arc<PoolTx>> {
        self.txs.get(&nonce)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.txs.is_empty()
    }

    /// The nonce after the ready transactions.
    pub(crate) fn next_nonce(&self) -> u64 {
        self.nonce + self.ready as u64
    }

    pub(crate) fn ready_len(&self) -> usize {
        self.ready
    }

    pub(crate) fn waiting_len(&self) -> usize {
        self.txs.len() - self.ready
    }

    pub(crate) fn ready(&self) -> impl Iterator<Item = &Arc<PoolTx>> {
        self.txs.values().take(self.ready)
    }

    pub(crate) fn waiting(&self) -> impl Iterator<Item = &Arc<PoolTx>> {
        self.txs.values().skip(self.ready)
    }
}
