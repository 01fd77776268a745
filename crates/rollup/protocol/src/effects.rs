//! What a run of blocks does to the outside: the messages it consumes and sends.
//!
//! The batcher commits to it, the guest proves it; both gather it here, from the same blocks and receipts.

use std::collections::BTreeMap;

use alloy_primitives::B256;
use ethrex_types::{Block, Receipt};

use crate::{
    messages::{self, BalanceDiff, L1Message, L2Message, MessageError},
    rolling::{L2InRollingHash, TooManyMessages, versioned_hash},
};

/// The effects of a batch, gathered block by block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchEffects {
    chain_id: u64,
    consumed: BTreeMap<u64, Vec<B256>>,
    non_privileged: u64,
    to_l1: Vec<L1Message>,
    to_l2: Vec<L2Message>,
}

impl BatchEffects {
    /// Of no block yet, on the rollup `chain_id`.
    #[must_use]
    pub const fn new(chain_id: u64) -> Self {
        Self {
            chain_id,
            consumed: BTreeMap::new(),
            non_privileged: 0,
            to_l1: Vec::new(),
            to_l2: Vec::new(),
        }
    }

    /// Adds the next block and its receipts.
    ///
    /// On an error nothing of the block is added.
    pub fn add(&mut self, block: &Block, receipts: &[Receipt]) -> Result<(), MessageError> {
        let logs = || receipts.iter().flat_map(|receipt| &receipt.logs);
        let mut to_l1 = messages::l1_messages(logs())?;
        let mut to_l2 = messages::l2_messages(self.chain_id, logs())?;
        self.to_l1.append(&mut to_l1);
        self.to_l2.append(&mut to_l2);
        for tx in &block.body.transactions {
            match tx.as_privileged() {
                Some(message) => {
                    self.consumed.entry(message.chain_id).or_default().push(tx.hash());
                }
                None => self.non_privileged += 1,
            }
        }
        Ok(())
    }

    /// Privileged transactions, whatever chain they come from.
    #[must_use]
    pub fn privileged_count(&self) -> usize {
        self.consumed.values().map(Vec::len).sum()
    }

    /// Transactions that are not privileged.
    #[must_use]
    pub const fn non_privileged_count(&self) -> u64 {
        self.non_privileged
    }

    /// Hashes of the messages consumed from L1, in queue order.
    #[must_use]
    pub fn l1_in_hashes(&self) -> &[B256] {
        self.consumed.get(&self.chain_id).map_or(&[], Vec::as_slice)
    }

    /// Versioned hash of the messages consumed from L1.
    pub fn l1_in_rolling_hash(&self) -> Result<B256, TooManyMessages> {
        versioned_hash(self.l1_in_hashes())
    }

    /// Versioned hash of the messages consumed from each other rollup, in the order of chain ids.
    pub fn l2_in_rolling_hashes(&self) -> Result<Vec<L2InRollingHash>, TooManyMessages> {
        self.consumed
            .iter()
            .filter(|(chain_id, _)| **chain_id != self.chain_id)
            .map(|(chain_id, hashes)| {
                let rolling_hash = versioned_hash(hashes)?;
                Ok(L2InRollingHash { chain_id: *chain_id, rolling_hash })
            })
            .collect()
    }

    /// The messages to L1.
    #[must_use]
    pub fn l1_out(&self) -> &[L1Message] {
        &self.to_l1
    }

    /// The leaves of the messages to L1, in order: from these alone every proof of the batch can be made.
    #[must_use]
    pub fn l1_out_leaves(&self) -> Vec<B256> {
        messages::leaves(&self.to_l1)
    }

    /// Root of the tree of messages to L1.
    #[must_use]
    pub fn l1_out_root(&self) -> B256 {
        messages::root(&self.to_l1)
    }

    /// The messages to other rollups.
    #[must_use]
    pub fn l2_out(&self) -> &[L2Message] {
        &self.to_l2
    }

    /// What other rollups are owed.
    pub fn balance_diffs(&self) -> Result<Vec<BalanceDiff>, MessageError> {
        messages::balance_diffs(&self.to_l2)
    }
}

#[cfg(test)]
mod tests {
    use alloy_primitives::{Address, Log, U256};
    use alloy_sol_types::SolEvent;
    use ethrex_types::{Header, PrivilegedTx, Tx, TxType, alloy_consensus::Signed};

    use super::*;
    use crate::{
        constants::{BRIDGE_L2, MESSENGER},
        contracts::Messenger,
        deposit::PrivilegedMessage,
        rolling,
    };

    const CHAIN: u64 = 10;

    fn transfer() -> Tx {
        let signature = alloy_primitives::Signature::test_signature();
        Tx::Legacy(Signed::new_unhashed(Default::default(), signature))
    }

    fn deposit(chain_id: u64, id: u64) -> Tx {
        PrivilegedMessage::eth_deposit(chain_id, id, Address::repeat_byte(1), U256::from(1))
            .to_transaction(0)
    }

    fn block(transactions: Vec<Tx>) -> Block {
        let mut block = Block { header: Header::default(), ..Block::default() };
        block.body.transactions = transactions;
        block
    }

    fn receipt(ids: &[u64]) -> Receipt {
        let logs = ids
            .iter()
            .map(|id| {
                let event = Messenger::L1Message {
                    senderOnL2: BRIDGE_L2,
                    data: B256::repeat_byte(2),
                    messageId: U256::from(*id),
                };
                Log { address: MESSENGER, data: event.encode_log_data() }
            })
            .collect();
        Receipt { tx_type: TxType::Legacy, status: true.into(), cumulative_gas_used: 0, logs }
    }

    #[test]
    fn nothing_has_zero_hashes() {
        let effects = BatchEffects::new(CHAIN);
        assert_eq!(effects.l1_in_rolling_hash(), Ok(B256::ZERO));
        assert_eq!(effects.l2_in_rolling_hashes(), Ok(vec![]));
        assert_eq!(effects.l1_out_root(), B256::ZERO);
    }

    #[test]
    fn messages_are_gathered_in_order_over_blocks() {
        let mut effects = BatchEffects::new(CHAIN);
        effects
            .add(&block(vec![deposit(CHAIN, 0), transfer()]), &[receipt(&[]), receipt(&[1, 2])])
            .unwrap();
        effects.add(&block(vec![deposit(CHAIN, 1)]), &[receipt(&[3])]).unwrap();

        assert_eq!(effects.privileged_count(), 2);
        assert_eq!(effects.non_privileged_count(), 1);
        assert_eq!(effects.l1_in_hashes(), [deposit(CHAIN, 0).hash(), deposit(CHAIN, 1).hash()]);
        let ids: Vec<_> = effects.l1_out().iter().map(|m| m.message_id.to::<u64>()).collect();
        assert_eq!(ids, [1, 2, 3]);
    }

    #[test]
    fn messages_of_other_rollups_are_kept_apart_and_sorted() {
        let mut effects = BatchEffects::new(CHAIN);
        let txs = vec![deposit(30, 0), deposit(20, 0), deposit(CHAIN, 0), deposit(30, 1)];
        effects.add(&block(txs), &[]).unwrap();
        let entries = effects.l2_in_rolling_hashes().unwrap();
        let counts: Vec<_> =
            entries.iter().map(|e| (e.chain_id, rolling::count(e.rolling_hash))).collect();
        assert_eq!(counts, [(20, 1), (30, 2)]);
        assert_eq!(effects.l1_in_hashes().len(), 1);
    }

    #[test]
    fn a_privileged_transaction_counts_by_its_queue_hash() {
        let tx = PrivilegedTx { chain_id: CHAIN, max_fee_per_gas: 5, ..PrivilegedTx::default() };
        let mut effects = BatchEffects::new(CHAIN);
        effects.add(&block(vec![tx.clone().into()]), &[]).unwrap();
        assert_eq!(effects.l1_in_hashes(), [tx.message_hash()]);
    }
}
