//! Filling a block from the pool.

use std::sync::Arc;

use ethrex_stf::{BlockBuilder, InvalidTx, NotIncluded, RunError};
use ethrex_txpool::{Pool, PoolTx};
use ethrex_types::{ChainSpec, Fork, StateError, alloy_consensus::Transaction};

/// Gas below which a block counts as full: no transaction needs less.
const LEAST_TX_GAS: u64 = 21_000;

/// What a block took from the pool.
#[derive(Debug)]
pub struct Filled {
    /// The transactions, in the order of the block.
    pub transactions: Vec<Arc<PoolTx>>,
    /// Whether it took everything that could go into it.
    pub room: Room,
}

/// Whether a block took everything that could go into it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Room {
    /// It did.
    Left,
    /// Something waits for the next block, for lack of room in this one.
    Full,
}

/// Appends what waits in the pool and pays best, until the block is full. At most `max_blobs` blobs go in where that is given
/// (EIP-7872), however many more the chain allows.
///
/// # Errors
/// If the state cannot be read.
pub fn fill(
    builder: &mut BlockBuilder<'_>,
    spec: &ChainSpec,
    pool: &Pool,
    max_blobs: Option<u64>,
) -> Result<Filled, StateError> {
    let header = builder.context().header();
    let blob_fee = spec
        .blob_params_at(header.timestamp)
        .zip(header.excess_blob_gas)
        .map(|(params, excess)| params.calc_blob_fee(excess));
    // A sidecar of another version cannot be handed to the consensus client (EIP-7594).
    let cell_proofs = spec.fork_at(header.number, header.timestamp) >= Fork::Osaka;
    let mut best = pool.best(header.base_fee_per_gas.unwrap_or_default(), blob_fee);
    let (mut transactions, mut room, mut blobs) = (Vec::new(), Room::Left, 0);
    while let Some(tx) = best.next() {
        if builder.gas_left() < LEAST_TX_GAS {
            room = Room::Full;
            break;
        }
        if tx.sidecar().is_some_and(|sidecar| sidecar.is_eip7594() != cell_proofs) {
            best.skip_sender();
            continue;
        }
        let more = tx.tx().blob_count().unwrap_or_default();
        if more > 0 && max_blobs.is_some_and(|max| blobs + more > max) {
            room = Room::Full;
            best.skip_sender();
            continue;
        }
        match builder.push(tx.tx().clone(), tx.sender()) {
            Ok(_) => {
                blobs += more;
                transactions.push(tx);
            }
            Err(RunError::Invalid(NotIncluded::Invalid(InvalidTx::NonceTooLow { .. }))) => {}
            Err(RunError::Invalid(reason)) => {
                if fits_another_block(&reason) {
                    room = Room::Full;
                }
                best.skip_sender();
            }
            Err(RunError::Fault(fault)) => return Err(fault),
        }
    }
    Ok(Filled { transactions, room })
}

const fn fits_another_block(reason: &NotIncluded) -> bool {
    matches!(
        reason,
        NotIncluded::Invalid(
            InvalidTx::BlockFull { .. }
                | InvalidTx::PrecompileGas { .. }
                | InvalidTx::AccessListFull { .. }
        ) | NotIncluded::Blobs(_)
            | NotIncluded::Size
    )
}
