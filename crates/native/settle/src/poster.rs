//! Puts the sequencer's items on L1, one after the other.
//!
//! What is posted for an item never changes, so its purpose names its content: after a crash the same transaction is found
//! in the outbox, and an item that was abandoned never stands in the way of another at its position. The purpose is the same
//! for call data and blob, so an item that may be out in one form is never posted in the other.
//!
//! Not here: what is in an item, and when it is abandoned ([`crate::driver`]).

use std::time::Duration;

use alloy_primitives::{Address, B256, Bytes, U256, hex, keccak256};
use alloy_sol_types::SolCall;
use ethrex_execute::stream::{self, BLOB_CAPACITY, Codec, EncodeError, StreamBlock};
use ethrex_l1::{
    KzgError, L1Error, Outcome, Purpose, Reaction, Sender, SenderStopped, Sidecar, TxRequest,
};
use ethrex_store::{Store, StoreError};
use tokio::{
    sync::watch,
    task::JoinError,
    time::{MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;

use crate::{
    bindings::INativeRollup,
    contract::Contract,
    da::{Da, Form, cheaper},
    metrics,
};

/// An item that is complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToPost {
    /// The position it is meant for.
    pub position: u64,
    /// The L1 header of its context, in RLP.
    pub header: Bytes,
    /// Messages in its context.
    pub msg_count: u64,
    /// Receives the fees of its blocks.
    pub fee_recipient: Address,
    /// Its blocks.
    pub blocks: Vec<StreamBlock>,
    /// Timestamp of its last block: L1 must have reached it, or the block would come out with another.
    pub not_before: u64,
}

impl ToPost {
    /// The call that posts it as call data.
    ///
    /// # Errors
    /// If its blocks are more than a stream takes.
    pub fn call(&self) -> Result<INativeRollup::postCall, EncodeError> {
        let stream = stream::encode(&self.blocks, Codec::Raw)?;
        let gas = stream::decode(&stream).gas;
        Ok(INativeRollup::postCall {
            l1Header: self.header.clone(),
            msgCount: self.msg_count,
            feeRecipient: self.fee_recipient,
            stream: stream.into(),
            dataGas: gas,
        })
    }
}

/// What a call is for: its kind, its place, and what exactly it says.
#[must_use]
pub(crate) fn purpose(kind: &str, place: u64, data: &[u8]) -> Purpose {
    let digest: B256 = keccak256(data);
    Purpose::new(format!("{kind}:{place}:{}", hex::encode(&digest[..8])))
}

/// Why posting stopped.
#[derive(Debug, thiserror::Error)]
pub enum PosterError {
    /// L1 cannot be used at all.
    #[error("post to L1")]
    L1(#[from] L1Error),
    /// The sender has ended.
    #[error(transparent)]
    Sender(#[from] SenderStopped),
    /// An item of ours does not fit into a stream.
    #[error("encode an item")]
    Encode(#[from] EncodeError),
    /// The KZG library failed.
    #[error("commit to the blob of an item")]
    Kzg(#[from] KzgError),
    /// A blob of ours could not be kept.
    #[error("keep a blob of ours")]
    Store(#[from] StoreError),
    /// A thread of ours ended early.
    #[error("a worker ended early")]
    Worker(#[from] JoinError),
}

/// How items are posted.
#[derive(Debug, Clone)]
pub struct Posting {
    /// As call data or in blobs.
    pub da: Da,
    /// Whether this node also proves its blobs, and so pays for that.
    pub proves: bool,
    /// Time between two looks at L1.
    pub every: Duration,
}

/// A transaction that posts an item, ready to be signed.
#[derive(Debug)]
struct Prepared {
    purpose: Purpose,
    form: Form,
    /// Bytes of the stream.
    bytes: usize,
    request: TxRequest,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Posted,
    Refused,
}

/// Posts items as they become complete.
#[derive(Debug)]
pub struct Poster {
    contract: Contract,
    sender: Sender,
    items: watch::Receiver<Option<ToPost>>,
    store: Store,
    posting: Posting,
    /// The item that is posted now: it is shown until its event has been read.
    prepared: Option<Prepared>,
    /// What has been said about the item at this position.
    said: Option<(u64, Said)>,
}

impl Poster {
    /// A poster that signs with `sender`; `items` shows the oldest item that is not on L1. `store` keeps what is in blobs.
    #[must_use]
    pub const fn new(
        contract: Contract,
        sender: Sender,
        items: watch::Receiver<Option<ToPost>>,
        store: Store,
        posting: Posting,
    ) -> Self {
        Self { contract, sender, items, store, posting, prepared: None, said: None }
    }

    /// Runs until stopped. An L1 that is down is waited for.
    ///
    /// # Errors
    /// What an operator has to look at.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), PosterError> {
        let mut tick = interval(self.posting.every);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                _ = tick.tick() => {}
                changed = self.items.changed() => if changed.is_err() { return Ok(()) },
            }
            let turn = tokio::select! {
                () = stop.cancelled() => return Ok(()),
                turn = self.turn() => turn,
            };
            match turn {
                Ok(()) => {}
                Err(PosterError::L1(error)) if error.reaction() != Reaction::Stop => {
                    tracing::debug!(%error, "cannot post now; trying again");
                }
                // The sender ends by the same token, and may be faster.
                Err(PosterError::Sender(_)) if stop.is_cancelled() => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    async fn turn(&mut self) -> Result<(), PosterError> {
        let Some(item) = self.items.borrow_and_update().clone() else { return Ok(()) };
        if self.contract.client().head().await?.timestamp < item.not_before {
            return Ok(());
        }
        let position = item.position;
        let Prepared { purpose, form, bytes, request } = self.prepared(&item).await?;
        let (purpose, form, bytes, request) = (purpose.clone(), *form, *bytes, request.clone());
        match self.sender.submit(purpose, request).await?.await? {
            Outcome::Mined(mined) if self.says(position, Said::Posted) => {
                metrics::posted(form.name(), bytes, item.blocks.len());
                tracing::info!(
                    position,
                    blocks = item.blocks.len(),
                    form = form.name(),
                    bytes,
                    gas = mined.gas_used,
                    l1_block = mined.block,
                    "posted"
                );
            }
            Outcome::Mined(_) => {}
            Outcome::Reverted(_, why) | Outcome::WouldRevert(why) => self.refused(position, &why),
            Outcome::Refused(why) => self.refused(position, &why),
        }
        Ok(())
    }

    /// The transaction for an item. It is made once, as commitments to blobs take their time.
    async fn prepared(&mut self, item: &ToPost) -> Result<&Prepared, PosterError> {
        let call = item.call()?;
        let data = call.abi_encode();
        let purpose = purpose("post", item.position, &data);
        if self.prepared.as_ref().is_none_or(|prepared| prepared.purpose != purpose) {
            self.prepared = None;
            let form = self.form(&call).await?;
            let bytes = call.stream.len();
            let request = match form {
                Form::Calldata => TxRequest::call(self.contract.address(), data),
                Form::Blob => self.in_blob(item.position, call).await?,
            };
            self.prepared = Some(Prepared { purpose, form, bytes, request });
        }
        Ok(self.prepared.as_ref().expect("it has just been made"))
    }

    async fn form(&self, call: &INativeRollup::postCall) -> Result<Form, PosterError> {
        let bytes = call.stream.len();
        Ok(match self.posting.da {
            Da::Blob if bytes <= BLOB_CAPACITY => Form::Blob,
            Da::Calldata | Da::Blob => Form::Calldata,
            Da::Auto => {
                let market = self.contract.client().market().await?;
                cheaper(bytes, call.dataGas, &market, self.posting.proves)
            }
        })
    }

    /// The same item with its stream in a blob, which is kept before anybody signs.
    async fn in_blob(
        &self,
        position: u64,
        call: INativeRollup::postCall,
    ) -> Result<TxRequest, PosterError> {
        let INativeRollup::postCall { l1Header, msgCount, feeRecipient, stream, .. } = call;
        let store = self.store.clone();
        let sealing = tokio::task::spawn_blocking(move || {
            let blobs = stream::pack(&stream);
            let [blob] = blobs.as_slice() else { unreachable!("the stream fits into one blob") };
            let sidecar = Sidecar::new(blob)?;
            let whole = stream::unpack([&**blob]).expect("what was packed can be unpacked");
            store.put_native_blob(sidecar.versioned_hash(), position, &whole)?;
            Ok::<_, PosterError>(sidecar)
        });
        let sidecar = sealing.await??;
        let call =
            INativeRollup::postBlobsCall { l1Header, msgCount, feeRecipient, blobs: U256::from(1) };
        Ok(TxRequest::call(self.contract.address(), call.abi_encode()).blob(sidecar))
    }

    fn refused(&mut self, position: u64, why: &dyn std::fmt::Display) {
        metrics::refused("post");
        // Perhaps in another form.
        self.prepared = None;
        if self.says(position, Said::Refused) {
            tracing::warn!(position, %why, "L1 does not take an item");
        }
    }

    /// Whether this was not said before.
    fn says(&mut self, position: u64, what: Said) -> bool {
        self.said.replace((position, what)) != Some((position, what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_purpose_names_what_is_posted() {
        let one = purpose("post", 7, b"one");
        assert!(one.as_str().starts_with("post:7:"));
        assert_ne!(one, purpose("post", 7, b"two"));
        assert_eq!(one, purpose("post", 7, b"one"));
    }

    #[test]
    fn an_item_is_posted_with_the_gas_its_decoding_takes() {
        let item = ToPost {
            position: 1,
            header: Bytes::from_static(b"h"),
            msg_count: 2,
            fee_recipient: Address::ZERO,
            blocks: vec![StreamBlock { dt: 3, transactions: vec![Bytes::from_static(b"tx")] }],
            not_before: 0,
        };
        let call = item.call().unwrap();
        let within = stream::decode_within(&call.stream, call.dataGas).unwrap();
        assert_eq!(within.blocks, item.blocks);
        assert!(stream::decode_within(&call.stream, call.dataGas - 1).is_err());
    }
}
