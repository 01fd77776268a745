//! Limits of the pool.

use std::time::Duration;

/// Transactions in the pool at most: about two minutes of full blocks.
pub const MAX_TXS: usize = 20_480;
/// Bytes of all transactions and sidecars in the pool at most.
pub const MAX_POOL_BYTES: usize = 256 * 1024 * 1024;
/// Transactions of one sender at most that the next blocks could take.
pub const MAX_READY_PER_SENDER: usize = 4_096;
/// Transactions of one sender at most that wait behind a nonce gap or for funds. Whoever sends many at once over many connections
/// has them arrive in any order.
pub const MAX_WAITING_PER_SENDER: usize = 1_024;
/// Transactions of all senders at most that wait behind a nonce gap or for funds: they may cost nothing, so they get a share only.
pub const MAX_WAITING: usize = 4_096;
/// Bytes of one transaction without its sidecar at most.
pub const MAX_TX_BYTES: usize = 128 * 1024;
/// Bytes of one transaction with its sidecar at most: six blobs and their cell proofs fit.
pub const MAX_BLOB_TX_BYTES: usize = 1024 * 1024;
/// A replacement must offer at least this much more, in percent of each fee.
pub const REPLACE_PERCENT: u128 = 10;
/// A replacement of a blob transaction must offer at least this much more, in percent of each fee.
pub const REPLACE_BLOB_PERCENT: u128 = 100;
/// How long a transaction may wait behind a nonce gap or for funds.
pub const WAITING_LIFETIME: Duration = Duration::from_secs(3 * 60 * 60);
/// Arrivals remembered for whoever asks what is new.
pub const MAX_ARRIVALS: usize = 8_192;
/// Bytes of blob transactions at most that are kept after a block took them: their journal on the disk may be as large as the pool. The
/// blocks of some two epochs fit, even if all their blobs came from here.
pub const MAX_LIMBO_BYTES: usize = 256 * 1024 * 1024;
/// Blocks after which they go where nothing becomes final; deeper reorganisations bring back no blobs.
pub const MAX_LIMBO_BLOCKS: u64 = 1024;

/// What an operator may change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolConfig {
    /// Transactions in the pool at most.
    pub max_txs: usize,
    /// Bytes in the pool at most, sidecars included.
    pub max_bytes: usize,
    /// Ready transactions of one sender at most.
    pub max_ready_per_sender: usize,
    /// Waiting transactions of one sender at most.
    pub max_waiting_per_sender: usize,
    /// Waiting transactions of all senders at most.
    pub max_waiting: usize,
    /// Bytes of one transaction without its sidecar at most.
    pub max_tx_bytes: usize,
    /// Lowest priority fee accepted, in wei per gas.
    pub min_tip: u128,
    /// How long a waiting transaction may wait.
    pub waiting_lifetime: Duration,
}

impl PoolConfig {
    /// The limits above, and no lowest priority fee.
    #[must_use]
    pub const fn standard() -> Self {
        Self {
            max_txs: MAX_TXS,
            max_bytes: MAX_POOL_BYTES,
            max_ready_per_sender: MAX_READY_PER_SENDER,
            max_waiting_per_sender: MAX_WAITING_PER_SENDER,
            max_waiting: MAX_WAITING,
            max_tx_bytes: MAX_TX_BYTES,
            min_tip: 0,
            waiting_lifetime: WAITING_LIFETIME,
        }
    }
}
