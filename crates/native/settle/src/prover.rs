//! Proves to L1 what is in the blobs of the inbox, and leaves behind those that cannot be proven.
//!
//! L1 settles an item only once it knows its blocks. A proof needs nothing of the items before it, so it is made as soon as
//! the blob is known: its own poster does it at once, others give it some time first, as one proof is enough and a second
//! costs the same. An item whose blob nobody has proven in time holds up all behind it: the contract lets anybody skip it.
//!
//! Not here: reading blobs ([`crate::Reader`]), settling what is proven ([`crate::Settler`], [`crate::Proposer`]).

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use alloy_primitives::{B256, Bytes};
use alloy_sol_types::SolCall;
use ethrex_execute::{
    envelope::{BlobOpening, DataBody, Flags, Header, Mode},
    stream,
};
use ethrex_l1::{Opening, Outcome, Revert, Sender, TxRequest};
use ethrex_store::Store;
use tokio_util::sync::CancellationToken;

use crate::{
    bindings::{INativeRollup, Item},
    blocks::BlocksError,
    contract::Contract,
    da::prove_gas,
    driver::View,
    metrics,
    poster::purpose,
    settler::{SettlerError, every, gas_that_works},
};

/// Items looked at in one turn.
const MAX_LOOKED_AT: usize = 64;
/// Part of the sequencer's timeout that others than its poster let pass before they prove a blob.
const COURTESY: u64 = 16;

/// Proves blobs.
#[derive(Debug)]
pub struct Prover {
    contract: Contract,
    sender: Sender,
    store: Store,
    view: View,
    level: u8,
    /// Seconds that somebody else's blob is left to others.
    courtesy: u64,
    /// Time between two looks at L1.
    every: Duration,
    /// The L1 block that holds the last proof: until it is read, nobody knows what it changed.
    proven_at: AtomicU64,
    /// L1 refused the proof of the item before this position: those behind it have their turn first.
    turn_of: AtomicU64,
}

/// An item whose blob waits for its proof.
#[derive(Debug)]
struct Unproven {
    item: Item,
    hash: B256,
}

/// A proof, as the contract takes it.
#[derive(Debug)]
struct Proof {
    item: Item,
    envelope: Bytes,
    gas: u64,
}

impl Prover {
    /// A prover that signs with `sender`, of blobs that are in `store`.
    #[must_use]
    pub fn new(
        contract: Contract,
        sender: Sender,
        store: Store,
        view: View,
        every: Duration,
    ) -> Self {
        let (level, courtesy) = view.read(|follower| {
            let config = &follower.derivation().deployment().config;
            (config.level, config.sequencerTimeout / COURTESY)
        });
        let (proven_at, turn_of) = (AtomicU64::new(0), AtomicU64::new(0));
        Self { contract, sender, store, view, level, courtesy, every, proven_at, turn_of }
    }

    /// Runs until stopped. An L1 that is down is waited for.
    ///
    /// # Errors
    /// What an operator has to look at.
    pub async fn run(self, stop: CancellationToken) -> Result<(), SettlerError> {
        every(self.every, stop, || self.turn()).await
    }

    async fn turn(&self) -> Result<(), SettlerError> {
        let position = self.contract.head().await?.position;
        self.prove(position).await?;
        self.skip(position).await
    }

    /// Proves the first blob from a position on that is known and not proven.
    async fn prove(&self, from: u64) -> Result<(), SettlerError> {
        let now = self.contract.client().head().await?.timestamp;
        let turn_of = self.turn_of.swap(0, Ordering::Relaxed);
        let unproven = self.unproven(from.max(turn_of), now);
        if unproven.is_empty() {
            return Ok(());
        }
        let (store, level) = (self.store.clone(), self.level);
        let made = tokio::task::spawn_blocking(move || first_proof(&store, level, unproven));
        let Some(Proof { item, envelope, gas }) = made.await?? else { return Ok(()) };
        let position = item.position;
        let call = INativeRollup::proveDataCall { item, envelope };
        let more = |why: &Revert| !why.is::<INativeRollup::DataAlreadyProven>();
        let gas_limit = match gas_that_works(&self.contract, &call, gas, more).await? {
            Ok(gas_limit) => gas_limit,
            Err(why) => {
                // Mostly somebody else was faster.
                self.turn_of.store(position + 1, Ordering::Relaxed);
                metrics::refused("prove");
                tracing::debug!(%why, position, "a blob cannot be proven now");
                return Ok(());
            }
        };
        let data = call.abi_encode();
        let purpose = purpose("prove", position, &data);
        let request = TxRequest {
            gas_limit: Some(gas_limit),
            ..TxRequest::call(self.contract.address(), data)
        };
        match self.sender.submit(purpose, request).await?.await? {
            Outcome::Mined(mined) => {
                self.proven_at.store(mined.block, Ordering::Relaxed);
                metrics::proven();
                tracing::info!(
                    position,
                    gas = mined.gas_used,
                    l1_block = mined.block,
                    "proved a blob"
                );
            }
            Outcome::Reverted(_, why) | Outcome::WouldRevert(why) => {
                metrics::refused("prove");
                tracing::debug!(%why, position, "somebody else was faster");
            }
            Outcome::Refused(why) => {
                metrics::refused("prove");
                tracing::warn!(%why, position, "L1 does not take the proof of a blob");
            }
        }
        Ok(())
    }

    /// The items that wait for a proof and have waited long enough for others.
    fn unproven(&self, from: u64, now: u64) -> Vec<Unproven> {
        let me = self.sender.address();
        self.view.read(|follower| {
            let derivation = follower.derivation();
            if derivation.upto() < Some(self.proven_at.load(Ordering::Relaxed)) {
                return Vec::new();
            }
            let due =
                |item: &Item| item.proposer == me || item.time.saturating_add(self.courtesy) <= now;
            let unproven = derivation.unproven(from).filter(|posted| due(&posted.item));
            let named = unproven.filter_map(|posted| {
                let hash = *posted.blob_hashes.first()?;
                Some(Unproven { item: posted.item.clone(), hash })
            });
            named.take(MAX_LOOKED_AT).collect()
        })
    }

    /// Leaves behind an item that cannot be proven, once the contract allows it.
    async fn skip(&self, position: u64) -> Result<(), SettlerError> {
        let item = self.view.read(|follower| {
            let next = follower.derivation().unproven(position).next()?;
            (next.item.position == position).then(|| next.item.clone())
        });
        let Some(item) = item else { return Ok(()) };
        let call = INativeRollup::skipCall { item };
        // Mostly it says that it is too early.
        if self.contract.would_work(&call).await?.is_err() {
            return Ok(());
        }
        let data = call.abi_encode();
        let purpose = purpose("skip", position, &data);
        let request = TxRequest::call(self.contract.address(), data);
        match self.sender.submit(purpose, request).await?.await? {
            Outcome::Mined(mined) => {
                tracing::warn!(position, l1_block = mined.block, "left an unproven blob behind");
            }
            Outcome::Reverted(_, why) | Outcome::WouldRevert(why) => {
                metrics::refused("skip");
                tracing::debug!(%why, position, "L1 does not skip an item now");
            }
            Outcome::Refused(why) => {
                metrics::refused("skip");
                tracing::warn!(%why, position, "L1 does not skip an item");
            }
        }
        Ok(())
    }
}

/// The proof of the first of these items whose blob is in the store. CPU-bound.
fn first_proof(
    store: &Store,
    level: u8,
    unproven: Vec<Unproven>,
) -> Result<Option<Proof>, SettlerError> {
    for Unproven { item, hash } in unproven {
        let Some(stream) = store.native_blob(hash).map_err(BlocksError::Store)? else { continue };
        let blobs = stream::pack(&stream);
        let [blob] = blobs.as_slice() else { continue };
        let opening = Opening::of(blob)?;
        let opening = BlobOpening { commitment: opening.commitment, proof: opening.proof };
        let gas_bound = stream::decode(&stream).gas;
        let body = DataBody { blobs: vec![opening], stream: stream.into() };
        let header = Header { mode: Mode::Data, level, flags: Flags::NONE, gas_bound };
        let envelope = header.wrap(&body.encode()).into();
        return Ok(Some(Proof { item, envelope, gas: prove_gas(gas_bound) }));
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use ethrex_execute::{
        gas::MAX_TX_GAS,
        stream::{BLOB_CAPACITY, Codec, StreamBlock},
    };
    use ethrex_l1::Sidecar;

    use super::*;

    #[test]
    fn the_first_known_blob_is_proven() {
        let store = Store::memory().unwrap();
        let block = StreamBlock { dt: 1, transactions: vec![Bytes::from_static(b"tx")] };
        let packed = stream::pack(&stream::encode(&[block], Codec::Raw).unwrap());
        let whole = stream::unpack([&*packed[0]]).unwrap();
        let hash = Sidecar::new(&packed[0]).unwrap().versioned_hash();
        store.put_native_blob(hash, 4, &whole).unwrap();
        let unproven = [(3, B256::repeat_byte(1)), (4, hash)]
            .map(|(position, hash)| Unproven { item: Item { position, ..Item::default() }, hash });
        let proof = first_proof(&store, 1, unproven.into()).unwrap().unwrap();
        assert_eq!(proof.item.position, 4);
        assert_eq!(proof.envelope.len(), 112 + BLOB_CAPACITY);
        assert!(proof.gas <= MAX_TX_GAS);

        let unknown = vec![Unproven { item: Item::default(), hash: B256::ZERO }];
        assert!(first_proof(&store, 1, unknown).unwrap().is_none());
    }
}
