//! Blocks, transactions, receipts, genesis and the fork schedule.
