//! Transaction receipts.

use alloy_consensus::EthereumReceipt;

use crate::TxType;

/// What a transaction left behind: kind, success, cumulative gas and logs. The bloom is computed where it is needed.
pub type Receipt = EthereumReceipt<TxType>;

/// A receipt with the bloom filter of its logs, the form that the receipts root commits to.
pub type ReceiptWithBloom = alloy_consensus::ReceiptWithBloom<Receipt>;
