//! A development chain: a timer in place of a consensus client.
//!
//! A block is built as soon as a transaction is pending, and one every [`DevTimer::interval`] otherwise; or only at fixed times
//! ([`DevTimer::steady`]), as on the networks that are developed for.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use alloy_eips::eip7594::BlobTransactionSidecarVariant;
use alloy_primitives::{Address, B256, Bytes};
use ethrex_chain::{BuildError, Chain, ChainError, Filled, Room, fill};
use ethrex_stf::BlockAttributes;
use ethrex_storage::{StorageError, StoredBlob};
use ethrex_txpool::{Pool, PoolTx};
use ethrex_types::alloy_consensus::Transaction;
use tokio::{
    task::JoinError,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use crate::config::BuilderConfig;

/// Blocks whose blobs stay readable: a day of blocks every second would be too many, an hour is enough for every reader.
const BLOB_HISTORY: u64 = 4_096;

/// When and for whom a development chain builds.
#[derive(Debug, Clone)]
pub struct DevTimer {
    /// Longest time without a block.
    pub interval: Duration,
    /// Whether a pending transaction waits for that time, so that a block takes all that came meanwhile.
    pub steady: bool,
    /// Receives the priority fees.
    pub fee_recipient: Address,
    /// What else goes into a block.
    pub builder: BuilderConfig,
}

/// Why a development chain stopped.
#[derive(Debug, thiserror::Error)]
pub enum DevError {
    /// A block could not be built.
    #[error("build block")]
    Build(#[from] BuildError),
    /// The database failed.
    #[error("storage")]
    Storage(#[from] StorageError),
    /// A block could not be published.
    #[error("publish block")]
    Publish(#[from] ChainError),
    /// A thread of ours ended early.
    #[error("a worker ended early")]
    Worker(#[from] JoinError),
}

/// Builds blocks until stopped.
///
/// # Errors
/// If the database fails.
pub async fn drive(
    chain: Chain,
    pool: Pool,
    timer: DevTimer,
    stop: CancellationToken,
) -> Result<(), DevError> {
    let mut tick = interval(timer.interval);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut arrivals = pool.subscribe();
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            _ = tick.tick() => {}
            Ok(()) = arrivals.changed(), if !timer.steady => tick.reset(),
        }
        arrivals.mark_unchanged();
        loop {
            if stop.is_cancelled() {
                return Ok(());
            }
            let (chain, pool, blocks) = (chain.clone(), pool.clone(), timer.clone());
            let mined = tokio::task::spawn_blocking(move || mine(&chain, &pool, &blocks));
            match mined.await?? {
                Room::Left => break,
                Room::Full if timer.steady => break,
                Room::Full => {}
            }
        }
    }
}

/// Builds, stores and publishes the next block.
fn mine(chain: &Chain, pool: &Pool, timer: &DevTimer) -> Result<Room, DevError> {
    let parent = chain.head();
    let attributes = BlockAttributes {
        timestamp: unix_time().max(parent.timestamp + 1),
        fee_recipient: timer.fee_recipient,
        prev_randao: randao(parent.hash()),
        withdrawals: None,
        parent_beacon_block_root: None,
        // As the part of the beacon API has it that readers of blobs use.
        slot_number: Some(parent.number + 1),
        desired_gas_limit: timer.builder.gas_limit.unwrap_or(parent.gas_limit),
        extra_data: timer.builder.extra_data.clone(),
    };
    let mut filled = Filled { transactions: Vec::new(), room: Room::Left };
    let prepared = chain.build(&parent, &attributes, |builder| {
        filled = fill(builder, chain.spec(), pool, timer.builder.max_blobs)?;
        Ok(())
    })?;
    let blobs: Vec<_> = filled.transactions.iter().flat_map(stored_blobs).collect();
    let number = prepared.block.sealed().number();
    if !blobs.is_empty() {
        chain.storage().put_blobs(number, &blobs)?;
    }
    let stored = chain.extend(prepared, pool)?;
    if number.is_multiple_of(BLOB_HISTORY) {
        chain.storage().prune_blobs(number.saturating_sub(BLOB_HISTORY))?;
    }
    let transactions = stored.block.senders().len();
    if transactions > 0 {
        let gas = stored.block.sealed().header().gas_used;
        tracing::info!(number, transactions, gas, "L1 block");
    } else {
        tracing::debug!(number, "L1 block");
    }
    // A block that took nothing will not be followed by one that does.
    Ok(if transactions == 0 { Room::Left } else { filled.room })
}

fn stored_blobs(tx: &Arc<PoolTx>) -> Vec<StoredBlob> {
    let Some(sidecar) = tx.sidecar() else { return Vec::new() };
    let blobs = match sidecar.as_ref() {
        BlobTransactionSidecarVariant::Eip4844(sidecar) => &sidecar.blobs,
        BlobTransactionSidecarVariant::Eip7594(sidecar) => &sidecar.blobs,
    };
    let hashes = tx.tx().blob_versioned_hashes().unwrap_or_default();
    blobs
        .iter()
        .zip(hashes)
        .map(|(blob, hash)| StoredBlob {
            versioned_hash: *hash,
            data: Bytes::copy_from_slice(blob.as_slice()),
        })
        .collect()
}

/// A mix that differs from block to block; nobody may take it for randomness.
fn randao(parent: B256) -> B256 {
    alloy_primitives::keccak256(parent)
}

fn unix_time() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock stands after 1970").as_secs()
}
