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
use ethrex_chain::{BuildError, Chain, ChainError};
use ethrex_stf::{BlockAttributes, InvalidTx, NotIncluded, RunError};
use ethrex_storage::{StorageError, StoredBlob};
use ethrex_txpool::{Pool, PoolTx};
use ethrex_types::alloy_consensus::Transaction;
use tokio::{
    task::JoinError,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

/// Gas below which a block counts as full: no transaction needs less.
const LEAST_TX_GAS: u64 = 21_000;
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
            let (chain, pool, recipient) = (chain.clone(), pool.clone(), timer.fee_recipient);
            let mined = tokio::task::spawn_blocking(move || mine(&chain, &pool, recipient));
            match mined.await?? {
                Room::Left => break,
                Room::Full if timer.steady => break,
                Room::Full => {}
            }
        }
    }
}

/// Whether a block took everything that could go into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Room {
    /// It did.
    Left,
    /// Something waits for the next block, for lack of room in this one.
    Full,
}

/// Builds, stores and publishes the next block.
fn mine(chain: &Chain, pool: &Pool, fee_recipient: Address) -> Result<Room, DevError> {
    let parent = chain.head();
    let attributes = BlockAttributes {
        timestamp: unix_time().max(parent.timestamp + 1),
        fee_recipient,
        prev_randao: randao(parent.hash()),
        withdrawals: None,
        parent_beacon_block_root: None,
        // As the part of the beacon API has it that readers of blobs use.
        slot_number: Some(parent.number + 1),
        desired_gas_limit: parent.gas_limit,
        extra_data: Bytes::new(),
    };
    let mut blobs = Vec::new();
    let mut room = Room::Left;
    let prepared = chain.build(&parent, &attributes, |builder| {
        let header = builder.context().header();
        let blob_fee = chain
            .spec()
            .blob_params_at(header.timestamp)
            .zip(header.excess_blob_gas)
            .map(|(params, excess)| params.calc_blob_fee(excess));
        let mut best = pool.best(header.base_fee_per_gas.unwrap_or_default(), blob_fee);
        while let Some(tx) = best.next() {
            if builder.gas_left() < LEAST_TX_GAS {
                room = Room::Full;
                break;
            }
            match builder.push(tx.tx().clone(), tx.sender()) {
                Ok(_) => blobs.extend(stored_blobs(&tx)),
                Err(RunError::Invalid(
                    NotIncluded::Invalid(
                        InvalidTx::BlockFull { .. }
                        | InvalidTx::PrecompileGas { .. }
                        | InvalidTx::AccessListFull { .. },
                    )
                    | NotIncluded::Blobs(_)
                    | NotIncluded::Size,
                )) => {
                    room = Room::Full;
                    best.skip_sender();
                }
                Err(RunError::Invalid(NotIncluded::Invalid(InvalidTx::NonceTooLow { .. }))) => {}
                Err(RunError::Invalid(_)) => best.skip_sender(),
                Err(RunError::Fault(fault)) => return Err(fault),
            }
        }
        Ok(())
    })?;
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
    Ok(if transactions == 0 { Room::Left } else { room })
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
