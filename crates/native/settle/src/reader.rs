//! Reads blobs that strangers have posted, before anybody has proven what is in them.
//!
//! What was posted is fixed, proven or not, so a node that has the blob walks on at once, and one with a key can prove it.
//! A node that cannot get at a blob waits for the proof, whose event carries the same bytes, or until the item is skipped.
//!
//! Not here: what becomes of what was read ([`crate::driver`]), proving it ([`crate::Prover`]).

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use alloy_primitives::{B256, Bytes};
use alloy_rlp::Decodable;
use ethrex_execute::stream;
use ethrex_l1::{BlobSource, Client};
use ethrex_store::Store;
use ethrex_types::Header;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    blocks::BlocksError,
    derivation::L1Block,
    driver::View,
    metrics,
    settler::{SettlerError, every},
};

/// Blobs asked for in one turn: an inbox of blobs that nobody has must not keep the others waiting for long.
const MAX_ASKED: usize = 64;

/// What is in the blob of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadBlob {
    /// Position of the item.
    pub position: u64,
    /// Versioned hash of the blob.
    pub hash: B256,
    /// Everything the blob carries; nothing where it carries no stream, because its elements use their first bytes.
    pub stream: Bytes,
}

/// Reads the blobs that the walk waits for.
#[derive(Debug)]
pub struct Reader {
    client: Client,
    source: Arc<dyn BlobSource>,
    store: Store,
    view: View,
    read: mpsc::Sender<ReadBlob>,
    /// Time between two looks.
    every: Duration,
    /// The item behind the last one of which was said that its blob is nowhere.
    missed: AtomicU64,
}

/// A blob to read.
#[derive(Debug)]
struct Wanted {
    position: u64,
    hash: B256,
    l1: L1Block,
}

impl Reader {
    /// A reader of what `source` has. What was read goes to the driver by `read`, and to `store` for whoever proves it.
    #[must_use]
    pub const fn new(
        client: Client,
        source: Arc<dyn BlobSource>,
        store: Store,
        view: View,
        read: mpsc::Sender<ReadBlob>,
        every: Duration,
    ) -> Self {
        Self { client, source, store, view, read, every, missed: AtomicU64::new(0) }
    }

    /// Runs until stopped, or until the driver has ended. Sources that are down are waited for.
    ///
    /// # Errors
    /// What an operator has to look at.
    pub async fn run(self, stop: CancellationToken) -> Result<(), SettlerError> {
        tokio::select! {
            () = self.read.closed() => Ok(()),
            ended = every(self.every, stop, || self.turn()) => ended,
        }
    }

    async fn turn(&self) -> Result<(), SettlerError> {
        let wanted: Vec<Wanted> = self.view.read(|follower| {
            let unread = follower.derivation().unread().filter_map(|(position, posted)| {
                let [hash] = posted.blob_hashes.as_slice() else { return None };
                Some(Wanted { position, hash: *hash, l1: posted.l1 })
            });
            unread.take(MAX_ASKED).collect()
        });
        for wanted in wanted {
            self.read(wanted).await?;
        }
        Ok(())
    }

    async fn read(&self, Wanted { position, hash, l1 }: Wanted) -> Result<(), SettlerError> {
        let Some(slot) = self.slot(&l1).await? else { return Ok(()) };
        let blob = match self.source.blob(slot, hash).await {
            Ok(Some(blob)) => blob,
            Ok(None) => {
                if self.misses(position) {
                    tracing::warn!(position, %hash, slot, "nobody has this blob of the inbox; it is waited for");
                }
                return Ok(());
            }
            Err(error) => {
                if self.misses(position) {
                    let source = std::error::Error::source(&error);
                    tracing::warn!(position, %hash, slot, %error, ?source, "cannot read a blob of the inbox now; trying again");
                }
                return Ok(());
            }
        };
        let stream = Bytes::from(stream::unpack([&*blob]).unwrap_or_default());
        if !stream.is_empty() {
            let (store, stream) = (self.store.clone(), stream.clone());
            let keep = move || store.put_native_blob(hash, position, &stream);
            tokio::task::spawn_blocking(keep).await?.map_err(BlocksError::Store)?;
        }
        metrics::read_blob();
        tracing::debug!(position, %hash, garbage = stream.is_empty(), "read a blob");
        // If the driver has ended, nobody misses it.
        let _ = self.read.send(ReadBlob { position, hash, stream }).await;
        Ok(())
    }

    /// The slot of an L1 block; `None` if L1 has another block there now.
    async fn slot(&self, l1: &L1Block) -> Result<Option<u64>, SettlerError> {
        let raw = self.client.raw_header(l1.number).await?;
        let Some((_, rlp)) = raw.filter(|(found, _)| found.hash == l1.hash) else {
            return Ok(None);
        };
        Ok(Header::decode(&mut rlp.as_ref()).ok().and_then(|header| header.slot_number))
    }

    /// Whether it is news that the blob at this position is missing.
    fn misses(&self, position: u64) -> bool {
        self.missed.fetch_max(position + 1, Ordering::Relaxed) <= position
    }
}
