//! Posts what a sequencer that has gone left undone: an item with one empty block, so that forced transactions that are due
//! get their turn.
//!
//! The contract lets everybody post once there was no progress for its timeout. Who is too late has posted one item too
//! many, which does no harm.
//!
//! Not here: what cannot be settled ([`crate::Prover`]).

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use alloy_primitives::Address;
use alloy_sol_types::SolCall;
use ethrex_execute::stream::{self, Codec, StreamBlock};
use ethrex_l1::{Outcome, Sender, TxRequest};
use tokio_util::sync::CancellationToken;

use crate::{
    bindings::INativeRollup,
    contract::Contract,
    derivation::Next,
    driver::View,
    metrics,
    poster::purpose,
    settler::{SettlerError, every},
};

/// Counts as "all messages there are".
const LATEST: u64 = u64::MAX;

/// Keeps the forced queue moving.
#[derive(Debug)]
pub struct Rescuer {
    contract: Contract,
    sender: Sender,
    view: View,
    /// Receives the fees of the blocks.
    fee_recipient: Address,
    /// Time between two looks at L1.
    every: Duration,
    /// The L1 block that holds what was posted last: until it is read, nobody knows what it changed.
    posted_at: AtomicU64,
}

impl Rescuer {
    /// A rescuer that signs with `sender`.
    #[must_use]
    pub const fn new(
        contract: Contract,
        sender: Sender,
        view: View,
        fee_recipient: Address,
        every: Duration,
    ) -> Self {
        Self { contract, sender, view, fee_recipient, every, posted_at: AtomicU64::new(0) }
    }

    /// Runs until stopped. An L1 that is down is waited for.
    ///
    /// # Errors
    /// What an operator has to look at.
    pub async fn run(self, stop: CancellationToken) -> Result<(), SettlerError> {
        every(self.every, stop, || self.force()).await
    }

    async fn force(&self) -> Result<(), SettlerError> {
        let head = self.contract.client().head().await?;
        let due = self.view.read(|follower| {
            let (derivation, tip) = (follower.derivation(), follower.tip());
            let read = derivation.upto() >= Some(self.posted_at.load(Ordering::Relaxed));
            // What is posted and not walked over yet may have taken it.
            read && matches!(derivation.next(&tip), Next::Wait)
                && tip.position == derivation.items()
                && derivation.is_due(tip.forced, head.timestamp)
        });
        if !due || !self.contract.is_open().await? {
            return Ok(());
        }
        // A transaction does not see the hash of its own block: the header must be an older one, and is with the next block.
        let Some((header, rlp)) = self.contract.client().raw_header(head.number).await? else {
            return Ok(());
        };
        let position = self.view.read(|follower| follower.derivation().items());
        let block = StreamBlock { dt: u64::MAX, transactions: Vec::new() };
        let stream = stream::encode(&[block], Codec::Raw).expect("one empty block fits");
        let gas = stream::decode(&stream).gas;
        let call = INativeRollup::postCall {
            l1Header: rlp,
            msgCount: LATEST,
            feeRecipient: self.fee_recipient,
            stream: stream.into(),
            dataGas: gas,
        };
        let data = call.abi_encode();
        let purpose = purpose("rescue", position, &data);
        let request = TxRequest::call(self.contract.address(), data);
        tracing::info!(
            position,
            on = header.number,
            "the contract is open; posting an empty block for forced transactions"
        );
        match self.sender.submit(purpose, request).await?.await? {
            Outcome::Mined(mined) => {
                self.posted_at.store(mined.block, Ordering::Relaxed);
                let gas = mined.gas_used;
                tracing::info!(position, gas, l1_block = mined.block, "the rollup goes on");
            }
            Outcome::Reverted(_, why) | Outcome::WouldRevert(why) => {
                metrics::refused("rescue");
                tracing::debug!(%why, position, "L1 does not take it now");
            }
            Outcome::Refused(why) => {
                metrics::refused("rescue");
                tracing::warn!(%why, position, "L1 does not take it");
            }
        }
        Ok(())
    }
}
