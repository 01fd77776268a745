//! Makes the next block of L1 out of the pool.

use std::sync::Arc;

use alloy_eips::eip7594::BlobTransactionSidecarVariant;
use alloy_primitives::{Address, B256, Bytes};
use ethrex_chain::Chain;
use ethrex_stf::{BlockAttributes, InvalidTx, NotIncluded, RunError};
use ethrex_txpool::{Pool, PoolTx};
use ethrex_types::alloy_consensus::Transaction;

/// Gas below which a block is full.
const LEAST_TX_GAS: u64 = 21_000;
/// Receives the priority fees.
const FEE_RECIPIENT: Address = Address::repeat_byte(0xfe);

/// On what terms blocks are made.
#[derive(Debug, Clone, Default)]
pub(crate) struct Terms {
    /// Transactions that tip less, in wei per gas, stay in the pool.
    pub(crate) least_tip: u128,
    /// Distinguishes blocks that would be equal on both sides of a reorganisation.
    pub(crate) branch: u64,
}

/// A mined block.
#[derive(Debug)]
pub(crate) struct Mined {
    pub(crate) transactions: usize,
    pub(crate) blobs: Vec<(B256, Bytes)>,
}

/// Builds, stores and publishes the next block.
pub(crate) fn mine(chain: &Chain, pool: &Pool, terms: &Terms, seconds: u64) -> Mined {
    let parent = chain.head();
    let attributes = BlockAttributes {
        timestamp: parent.timestamp + seconds,
        fee_recipient: FEE_RECIPIENT,
        prev_randao: B256::ZERO,
        withdrawals: None,
        parent_beacon_block_root: None,
        slot_number: None,
        desired_gas_limit: parent.gas_limit,
        extra_data: Bytes::copy_from_slice(&terms.branch.to_be_bytes()),
    };
    let mut blobs = Vec::new();
    let prepared = chain
        .build(&parent, &attributes, |builder| {
            let header = builder.context().header();
            let base_fee = header.base_fee_per_gas.unwrap_or_default();
            let blob_fee = chain
                .spec()
                .blob_params_at(header.timestamp)
                .zip(header.excess_blob_gas)
                .map(|(params, excess)| params.calc_blob_fee(excess));
            let mut best = pool.best(base_fee, blob_fee);
            while builder.gas_left() >= LEAST_TX_GAS {
                let Some(tx) = best.next() else { break };
                if tx.tx().effective_tip_per_gas(base_fee).unwrap_or_default() < terms.least_tip {
                    best.skip_sender();
                    continue;
                }
                match builder.push(tx.tx().clone(), tx.sender()) {
                    Ok(_) => blobs.extend(blobs_of(&tx)),
                    Err(RunError::Invalid(NotIncluded::Invalid(InvalidTx::NonceTooLow {
                        ..
                    }))) => {}
                    Err(RunError::Invalid(_)) => best.skip_sender(),
                    Err(RunError::Fault(fault)) => return Err(fault),
                }
            }
            Ok(())
        })
        .expect("a block can always be built");
    let stored = chain.extend(prepared, pool).expect("memory does not fail");
    Mined { transactions: stored.block.senders().len(), blobs }
}

fn blobs_of(tx: &Arc<PoolTx>) -> Vec<(B256, Bytes)> {
    let Some(sidecar) = tx.sidecar() else { return Vec::new() };
    let blobs = match sidecar.as_ref() {
        BlobTransactionSidecarVariant::Eip4844(sidecar) => &sidecar.blobs,
        BlobTransactionSidecarVariant::Eip7594(sidecar) => &sidecar.blobs,
    };
    let hashes = tx.tx().blob_versioned_hashes().unwrap_or_default();
    hashes
        .iter()
        .zip(blobs)
        .map(|(hash, blob)| (*hash, Bytes::copy_from_slice(blob.as_slice())))
        .collect()
}
