//! Blocks: committing one, reading them back.

use std::{ops::RangeInclusive, time::Instant};

use alloy_primitives::{Address, B256, Bytes};
use alloy_rlp::{RlpDecodable, RlpEncodable};
use ethrex_types::{Block, BlockBody, Header, Receipt, RecoveredBlock, SealedBlock, SealedHeader};

use crate::{
    codec::{LayerRow, encode, meta, read, read_existing},
    engine::{Batch, Snapshot},
    error::StorageError,
    layer::{Changes, LAYERS_PER_GROUP, Layer, STATE_HISTORY},
    log_index::put_logs,
    metrics,
    storage::{BlockRef, Core, NewBlock, Storage, TxLocation},
    table::{Table, block_key},
};

/// So many layers above the base, the importer helps with flushing before it adds another one.
const MAX_LAYERS: u64 = STATE_HISTORY + 8 * LAYERS_PER_GROUP;

/// What is kept of a transaction beside the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(crate) struct TxRow {
    pub(crate) hash: B256,
    sender: Address,
}

/// A row of [`Table::Lookup`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, RlpEncodable, RlpDecodable)]
pub(crate) struct LookupRow {
    pub(crate) number: u64,
    pub(crate) index: u64,
}

impl Storage {
    /// Stores an executed block on top of its parent. It is on disk when this returns, and not canonical: see
    /// [`Storage::set_canonical`]. A block that is stored already stays as it is.
    ///
    /// Blocks become flat state on disk only once they are far below the head, so a long import has to move the head
    /// along, or its layers fill the memory.
    ///
    /// # Errors
    /// [`StorageError::UnknownParent`] if the parent is not one of the blocks that can be built on.
    ///
    /// # Panics
    /// If the height is not the parent's plus one: the caller has checked the header.
    pub fn commit_block(&self, new: NewBlock<'_>) -> Result<(), StorageError> {
        let start = Instant::now();
        self.relieve()?;
        let core = self.core();
        let _writer = core.writer.lock();
        if core.tree.read().contains(new.block.sealed().hash()) {
            return Ok(());
        }
        let staged = core.stage(new)?;
        core.disk.commit(staged.batch)?;
        let mut tree = core.tree.write();
        tree.insert(staged.layer);
        metrics::layers(tree.len());
        metrics::block_committed(start.elapsed());
        Ok(())
    }

    /// Stores an executed block and makes it the head, as [`Storage::commit_block`] and [`Storage::set_canonical`] do.
    ///
    /// One on top of the head takes one trip to the disk instead of two, and after a crash it is either the head or not there.
    ///
    /// # Errors
    /// As these two.
    ///
    /// # Panics
    /// As [`Storage::commit_block`].
    pub fn commit_head(&self, new: NewBlock<'_>) -> Result<(), StorageError> {
        let start = Instant::now();
        self.relieve()?;
        let core = self.core();
        let sealed = new.block.sealed();
        let hash = sealed.hash();
        let writer = core.writer.lock();
        let extends_head = {
            let tree = core.tree.read();
            sealed.header().parent_hash == tree.head.hash && !tree.contains(hash)
        };
        if !extends_head {
            drop(writer);
            self.commit_block(new)?;
            return self.set_canonical(hash);
        }
        let txs: Vec<_> = new.block.transactions().map(|(tx, _)| tx.hash()).collect();
        let new_receipts = new.receipts;
        let mut staged = core.stage(new)?;
        let block = staged.layer.block;
        canonize(&mut staged.batch, block, txs, new_receipts);
        staged.batch.put(Table::Meta, meta::HEAD, encode(&block));
        core.disk.commit(staged.batch)?;

        let mut tree = core.tree.write();
        tree.insert(staged.layer);
        tree.head = block;
        metrics::layers(tree.len());
        drop(tree);
        metrics::block_committed(start.elapsed());
        metrics::head_moved(0, start.elapsed());
        self.wake_flusher();
        Ok(())
    }

    /// Flushes here and now if the flush thread does not keep up, so that memory stays bounded.
    fn relieve(&self) -> Result<(), StorageError> {
        let behind = {
            let tree = self.core().tree.read();
            tree.head.number.saturating_sub(tree.base.number) > MAX_LAYERS
        };
        if behind { self.core().flush_due() } else { Ok(()) }
    }

    /// The height of a stored block.
    pub fn number(&self, hash: B256) -> Result<Option<u64>, StorageError> {
        number(&*self.snapshot()?, hash)
    }

    /// A stored header.
    pub fn header(&self, hash: B256) -> Result<Option<SealedHeader>, StorageError> {
        let snapshot = self.snapshot()?;
        let Some(block) = locate(&*snapshot, hash)? else { return Ok(None) };
        Ok(Some(SealedHeader::new_unchecked(header(&*snapshot, block)?, hash)))
    }

    /// A stored block with the senders of its transactions.
    pub fn block(&self, hash: B256) -> Result<Option<RecoveredBlock>, StorageError> {
        let snapshot = self.snapshot()?;
        let Some(block) = locate(&*snapshot, hash)? else { return Ok(None) };
        let header = header(&*snapshot, block)?;
        let body: BlockBody = read_existing(&*snapshot, Table::Bodies, &block_key(block))?;
        let senders: Vec<_> =
            transactions(&*snapshot, block)?.into_iter().map(|tx| tx.sender).collect();
        if senders.len() != body.transactions.len() {
            return Err(StorageError::Dangling { table: Table::Transactions.name() });
        }
        let sealed = SealedBlock::new_unchecked(Block { header, body }, hash);
        Ok(Some(RecoveredBlock::new_unchecked(sealed, senders)))
    }

    /// A stored block's transactions, ommers and withdrawals.
    pub fn body(&self, hash: B256) -> Result<Option<BlockBody>, StorageError> {
        let snapshot = self.snapshot()?;
        let Some(block) = locate(&*snapshot, hash)? else { return Ok(None) };
        read_existing(&*snapshot, Table::Bodies, &block_key(block)).map(Some)
    }

    /// The receipts of a stored block.
    pub fn receipts(&self, hash: B256) -> Result<Option<Vec<Receipt>>, StorageError> {
        let snapshot = self.snapshot()?;
        let Some(block) = locate(&*snapshot, hash)? else { return Ok(None) };
        read_existing(&*snapshot, Table::Receipts, &block_key(block)).map(Some)
    }

    /// The RLP block access list of a stored block (EIP-7928); `None` before Amsterdam.
    pub fn access_list(&self, hash: B256) -> Result<Option<Bytes>, StorageError> {
        let snapshot = self.snapshot()?;
        let Some(block) = locate(&*snapshot, hash)? else { return Ok(None) };
        snapshot.get(Table::AccessLists, &block_key(block)).map_err(StorageError::Read)
    }

    /// The hash of the canonical block at this height.
    pub fn canonical_hash(&self, number: u64) -> Result<Option<B256>, StorageError> {
        canonical_hash(&*self.snapshot()?, number)
    }

    /// The hashes of the canonical blocks at these heights, as they are at one moment; fewer where the chain ends before.
    pub fn canonical_hashes(
        &self,
        heights: RangeInclusive<u64>,
    ) -> Result<Vec<B256>, StorageError> {
        let snapshot = self.snapshot()?;
        heights.map_while(|number| canonical_hash(&*snapshot, number).transpose()).collect()
    }

    /// Where a transaction stands on the canonical chain.
    pub fn tx_location(&self, hash: B256) -> Result<Option<TxLocation>, StorageError> {
        let snapshot = self.snapshot()?;
        let row: Option<LookupRow> = read(&*snapshot, Table::Lookup, hash.as_slice())?;
        let Some(LookupRow { number, index }) = row else { return Ok(None) };
        let hash = canonical_hash(&*snapshot, number)?
            .ok_or(StorageError::Dangling { table: Table::Canonical.name() })?;
        Ok(Some(TxLocation { block: BlockRef { number, hash }, index: index as usize }))
    }
}

/// A block to be, on disk and in memory.
struct Staged {
    batch: Batch,
    layer: Layer,
}

impl Core {
    /// Makes a block's rows and its layer. The caller holds the writer's lock, and the block is not stored.
    fn stage(&self, new: NewBlock<'_>) -> Result<Staged, StorageError> {
        let sealed = new.block.sealed();
        let block = BlockRef { number: sealed.number(), hash: sealed.hash() };
        let (parent, root) = (sealed.header().parent_hash, sealed.header().state_root);
        let below = self.tree.read().usable(parent).ok_or(StorageError::UnknownParent(parent))?;
        assert_eq!(block.number, below.number + 1, "a block is one higher than its parent");

        let mut batch = Batch::default();
        put_block(&mut batch, new.block, new.receipts);
        for (hash, code) in &new.diff.codes {
            batch.put(Table::Codes, *hash, code.clone());
        }
        let row = LayerRow::new(parent, root, &new.diff, &new.trie);
        batch.put(Table::Layers, block_key(block), encode(&row));
        if let Some(witness) = new.witness {
            batch.put(Table::Witnesses, block.hash, witness);
        }
        if let Some(access_list) = new.access_list {
            batch.put(Table::AccessLists, block_key(block), access_list);
        }
        let changes = Changes::new(new.diff, new.trie);
        let layer = self.tree.read().layer(block, parent, root, changes);
        Ok(Staged { batch, layer })
    }
}

/// Makes a block with these transactions and receipts canonical.
pub(crate) fn canonize(
    batch: &mut Batch,
    block: BlockRef,
    txs: impl IntoIterator<Item = B256>,
    receipts: &[Receipt],
) {
    batch.put(Table::Canonical, block.number.to_be_bytes(), encode(&block.hash));
    for (index, hash) in (0..).zip(txs) {
        batch.put(Table::Lookup, hash, encode(&LookupRow { number: block.number, index }));
    }
    put_logs(batch, block.number, receipts);
}

/// Writes all rows of a block but its layer.
pub(crate) fn put_block(batch: &mut Batch, block: &RecoveredBlock, receipts: &[Receipt]) {
    let sealed = block.sealed();
    let block_ref = BlockRef { number: sealed.number(), hash: sealed.hash() };
    let key = block_key(block_ref);
    let transactions: Vec<_> =
        block.transactions().map(|(tx, sender)| TxRow { hash: tx.hash(), sender }).collect();
    let mut encoded_receipts = vec![];
    alloy_rlp::encode_list::<Receipt, Receipt>(receipts, &mut encoded_receipts);
    batch.put(Table::Numbers, block_ref.hash, encode(&block_ref.number));
    batch.put(Table::Headers, key, encode(sealed.header()));
    batch.put(Table::Bodies, key, encode(sealed.body()));
    batch.put(Table::Transactions, key, encode(&transactions));
    batch.put(Table::Receipts, key, encoded_receipts);
}

/// Deletes all rows of a block.
pub(crate) fn delete_block(batch: &mut Batch, block: BlockRef) {
    let key = block_key(block);
    batch.delete(Table::Numbers, block.hash);
    batch.delete(Table::Witnesses, block.hash);
    for table in [
        Table::Headers,
        Table::Bodies,
        Table::Transactions,
        Table::Receipts,
        Table::Layers,
        Table::AccessLists,
    ] {
        batch.delete(table, key);
    }
}

fn number(snapshot: &dyn Snapshot, hash: B256) -> Result<Option<u64>, StorageError> {
    read(snapshot, Table::Numbers, hash.as_slice())
}

pub(crate) fn locate(
    snapshot: &dyn Snapshot,
    hash: B256,
) -> Result<Option<BlockRef>, StorageError> {
    Ok(number(snapshot, hash)?.map(|number| BlockRef { number, hash }))
}

pub(crate) fn header(snapshot: &dyn Snapshot, block: BlockRef) -> Result<Header, StorageError> {
    read_existing(snapshot, Table::Headers, &block_key(block))
}

pub(crate) fn transactions(
    snapshot: &dyn Snapshot,
    block: BlockRef,
) -> Result<Vec<TxRow>, StorageError> {
    read_existing(snapshot, Table::Transactions, &block_key(block))
}

pub(crate) fn canonical_hash(
    snapshot: &dyn Snapshot,
    number: u64,
) -> Result<Option<B256>, StorageError> {
    read(snapshot, Table::Canonical, &number.to_be_bytes())
}
