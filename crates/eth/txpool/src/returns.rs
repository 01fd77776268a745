//! What stands in the journal, and how it comes back: after a restart, and when a block leaves the chain.

use std::sync::Arc;

use alloy_eips::{eip2718::Encodable2718, eip7594::BlobTransactionSidecarVariant};
use alloy_primitives::{B256, Bytes};
use ethrex_types::{
    PooledTx, Tx,
    alloy_consensus::{Transaction, transaction::SignerRecoverable},
};

use crate::{AddError, JournalError, Pool, PoolTx, Refused, pool::hashes};

impl Pool {
    /// Writes transactions of blocks to the journal that are about to leave the chain. If the process dies before [`Self::on_head`] has
    /// them back, the next start does.
    pub fn save_reorged(&self, txs: &[Tx]) {
        // Those with blobs never left the journal.
        let returning = txs.iter().filter(|tx| !tx.is_blob() && self.may_return(tx));
        self.write(&returning.map(|tx| (tx.hash(), tx.encoded_2718().into())).collect::<Vec<_>>());
    }

    /// Returns transactions of blocks that left the chain. Blobs come from the journal; those that came with their block stay away.
    pub(crate) fn restore(&self, txs: Vec<Tx>) {
        let (mut rows, mut gone) = (Vec::new(), Vec::new());
        for tx in txs.into_iter().filter(|tx| self.may_return(tx)) {
            let sidecar = match tx.is_blob().then(|| self.kept_sidecar(tx.hash())) {
                Some(None) => continue,
                kept => kept.flatten(),
            };
            let Ok(sender) = tx.recover_signer() else { continue };
            let (kept, row) = (sidecar.is_some(), (tx.hash(), tx.encoded_2718().into()));
            let tx = PoolTx::new(tx, sender, sidecar, 0);
            let (hash, bytes) = (tx.hash(), tx.bytes());
            match self.place(tx, true) {
                Ok((_, displaced)) => {
                    // What was kept is in the journal already.
                    rows.extend((!kept).then_some(row));
                    gone.extend(hashes(&displaced));
                }
                // The new branch has it too.
                Err(AddError::Refused(Refused::NonceTooLow { .. })) if kept => {
                    let mut inner = self.shared.inner.write();
                    let height = inner.head.header.number;
                    inner.limbo.put(hash, bytes, height);
                }
                Err(AddError::Refused(refused)) => {
                    tracing::debug!(%hash, %refused, "drop a transaction of a reorged block");
                    gone.push(hash);
                }
                // Not the transaction's fault: it stays in the journal for the next start.
                Err(fault) => tracing::warn!(%hash, error = %fault, "return a transaction"),
            }
        }
        self.write(&rows);
        {
            let inner = self.shared.inner.read();
            gone.retain(|hash| !inner.keeps(*hash));
        }
        self.forget(&gone);
    }

    /// Whether the pool takes back transactions like this one.
    fn may_return(&self, tx: &Tx) -> bool {
        tx.as_privileged().is_none() && self.shared.rules.admit(tx).is_ok()
    }

    /// Writes rows to the journal. If that fails, they are lost with the process.
    fn write(&self, rows: &[(B256, Bytes)]) {
        if !rows.is_empty()
            && let Err(fault) = self.shared.put(rows)
        {
            tracing::warn!(count = rows.len(), error = %fault, "keep transactions of reorged blocks");
        }
    }

    /// The blobs of a transaction that a block had taken.
    fn kept_sidecar(&self, hash: B256) -> Option<Arc<BlobTransactionSidecarVariant>> {
        if !self.shared.inner.read().limbo.contains(hash) {
            return None;
        }
        let row = self.shared.journal.get(hash).unwrap_or_else(|fault| {
            tracing::warn!(%hash, error = %fault, "read the blobs of a reorged block");
            None
        });
        // Written by this pool, after all checks.
        match PoolTx::decode(&row?).ok()? {
            PooledTx::Eip4844(tx) => Some(Arc::new(tx.strip_signature().sidecar)),
            _ => None,
        }
    }

    /// Fills the pool from the journal. In the order of nonces, so that limits on gaps do not strike.
    pub(crate) fn reload(&self) -> Result<(), JournalError> {
        let rows = self.shared.journal.load()?;
        let mut stale = Vec::new();
        let mut txs = Vec::with_capacity(rows.len());
        for (hash, raw) in rows {
            match PoolTx::decode(&raw) {
                Ok(tx) => txs.push((hash, tx)),
                Err(_) => stale.push(hash),
            }
        }
        txs.sort_by_key(|(_, tx)| tx.nonce());
        let (mined, txs): (Vec<_>, Vec<_>) = txs.into_iter().partition(|(_, tx)| self.is_mined(tx));
        for (hash, tx) in mined {
            let mut inner = self.shared.inner.write();
            let height = inner.head.header.number;
            inner.limbo.put(hash, tx.encode_2718_len(), height);
        }
        let total = txs.len();
        for (hash, tx) in txs {
            match self.insert(tx, true) {
                Ok((_, displaced)) => stale.extend(displaced.iter().map(|tx| tx.hash())),
                Err(AddError::Refused(_)) => stale.push(hash),
                // Not the transaction's fault: it stays in the journal for the next start.
                Err(fault) => tracing::warn!(%hash, error = %fault, "restore a transaction"),
            }
        }
        if total > 0 {
            tracing::info!(restored = total - stale.len().min(total), "transaction pool restored");
        }
        if stale.is_empty() { Ok(()) } else { self.shared.journal.delete(&stale) }
    }

    /// Whether a transaction has blobs and its nonce is used: then it was kept because a block took it, and its proofs are not
    /// checked once more.
    fn is_mined(&self, tx: &PooledTx) -> bool {
        let used = |sender| {
            let account = self.shared.inner.read().state.account(sender).ok()??;
            Some(tx.nonce() < account.nonce)
        };
        tx.is_eip4844() && tx.recover_signer().ok().and_then(used).unwrap_or_default()
    }

    /// Takes transactions out of the journal, but for those that have come back since. If that fails they come back after a restart and
    /// are refused then.
    pub(crate) fn forget(&self, hashes: &[B256]) {
        if hashes.is_empty() {
            return;
        }
        self.shared.doomed.lock().extend_from_slice(hashes);
        // Whoever has written a row meanwhile was told that it is there: nobody writes one between the look and the deletion.
        let _forgetting = self.shared.forgetting.write();
        // Those of all who wait go together: each deletion is a way to the disk.
        let doomed = std::mem::take(&mut *self.shared.doomed.lock());
        let gone: Vec<_> = {
            let inner = self.shared.inner.read();
            doomed.into_iter().filter(|hash| !inner.keeps(*hash)).collect()
        };
        if !gone.is_empty()
            && let Err(fault) = self.shared.journal.delete(&gone)
        {
            tracing::warn!(count = gone.len(), error = %fault, "forget transactions");
        }
    }
}
