//! What the pool shows of itself.

use std::{collections::BTreeMap, sync::Arc};

use alloy_primitives::Address;

use crate::PoolTx;

/// How many transactions the pool holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Status {
    /// Ready for the next blocks.
    pub ready: usize,
    /// Behind a nonce gap or without funds.
    pub waiting: usize,
}

/// Transactions of each sender, by nonce.
pub type BySender = BTreeMap<Address, Vec<Arc<PoolTx>>>;

/// Everything in the pool.
#[derive(Debug, Clone, Default)]
pub struct Content {
    /// Ready for the next blocks.
    pub ready: BySender,
    /// Behind a nonce gap or without funds.
    pub waiting: BySender,
}
