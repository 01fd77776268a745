//! Opening: which chain is this, and where do we stand.

use std::{path::Path, sync::atomic::AtomicBool};

use ethrex_trie::{StateUpdate, state_root_of};
use ethrex_types::{Block, ChainSpec, RecoveredBlock, SealedBlock, StateDiff};
use parking_lot::{Mutex, RwLock};

use crate::{
    blocks::put_block,
    codec::{Base, Identity, LayerRow, decode, encode, meta, read, read_existing},
    commit::Committer,
    engine::{Batch, Durability, Engine, Snapshot, mdbx::Mdbx, memory::Memory},
    error::StorageError,
    flush::put_changes,
    layer::{Changes, Tree},
    storage::{BlockRef, Core, Storage},
    table::{SCHEMA_VERSION, SCHEMA_WITHOUT_LOG_INDEX, Table, block_of_key},
};

impl Storage {
    /// Opens the database in `path`, which is made with the genesis block of `chain` where there is none.
    ///
    /// # Errors
    /// If the database is in use, or was made by another version, for another chain or from another genesis; the error
    /// says which, and what to do.
    pub fn open(path: &Path, chain: &ChainSpec) -> Result<Self, StorageError> {
        Self::open_with(path, chain, Durability::EachCommit)
    }

    /// The same, with a choice of what a commit outlives.
    ///
    /// # Errors
    /// As [`Storage::open`].
    pub fn open_with(
        path: &Path,
        chain: &ChainSpec,
        durability: Durability,
    ) -> Result<Self, StorageError> {
        let create = std::fs::create_dir_all(path);
        create.map_err(|source| StorageError::Directory { path: path.to_owned(), source })?;
        Self::load(Box::new(open_engine(path, durability)?), path, chain)
    }

    /// Fails with [`StorageError::InUse`] if a process has the database in `path` open, for those who are about to
    /// delete it. Where there is no database, nobody uses it.
    pub fn check_unused(path: &Path) -> Result<(), StorageError> {
        if !Mdbx::exists(path) {
            return Ok(());
        }
        match open_engine(path, Durability::EachCommit) {
            Err(error @ StorageError::InUse(_)) => Err(error),
            // A database that cannot be opened for another reason can still be deleted.
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// A database in memory, for tests.
    pub fn memory(chain: &ChainSpec) -> Result<Self, StorageError> {
        Self::load(Box::new(Memory::default()), Path::new("memory"), chain)
    }

    pub(crate) fn load(
        engine: Box<dyn Engine>,
        path: &Path,
        chain: &ChainSpec,
    ) -> Result<Self, StorageError> {
        let genesis = Genesis::of(chain);
        let disk = Committer::new(engine);
        let snapshot = disk.snapshot()?;
        match snapshot.get(Table::Meta, meta::IDENTITY).map_err(StorageError::Read)? {
            None => disk.commit(genesis.batch(chain.chain_id()))?,
            Some(row) => {
                let found: Identity = decode(Table::Meta, &row)?;
                check(found, path, chain, &genesis)?;
                if found.schema == SCHEMA_WITHOUT_LOG_INDEX {
                    disk.commit(upgrade(found, &*snapshot)?)?;
                }
            }
        }
        drop(snapshot);
        let (tree, target) = load_tree(&*disk.snapshot()?)?;
        let core = Core {
            disk,
            tree: RwLock::new(tree),
            writer: Mutex::default(),
            flushing: Mutex::default(),
            closing: AtomicBool::new(false),
        };
        core.finish_flush(target)?;
        let tree = core.tree.read();
        tracing::info!(base = %tree.base, head = %tree.head, layers = tree.len(), "opened database");
        drop(tree);
        Self::start(core)
    }
}

fn open_engine(path: &Path, durability: Durability) -> Result<Mdbx, StorageError> {
    Mdbx::open(path, durability).map_err(|source| {
        let path = path.to_owned();
        if source.is_in_use() {
            StorageError::InUse(path)
        } else {
            StorageError::Open { path, source }
        }
    })
}

fn check(
    found: Identity,
    path: &Path,
    chain: &ChainSpec,
    genesis: &Genesis,
) -> Result<(), StorageError> {
    let path = path.to_owned();
    if !matches!(found.schema, SCHEMA_VERSION | SCHEMA_WITHOUT_LOG_INDEX) {
        return Err(StorageError::Schema { path, found: found.schema, expected: SCHEMA_VERSION });
    }
    if found.chain_id != chain.chain_id() {
        let expected = chain.chain_id();
        return Err(StorageError::ChainId { path, found: found.chain_id, expected });
    }
    if found.genesis != genesis.block.hash() {
        let expected = genesis.block.hash();
        return Err(StorageError::Genesis { path, found: found.genesis, expected });
    }
    Ok(())
}

/// Takes a database over from the version before: logs are indexed from the next block on, and those below in the background.
fn upgrade(found: Identity, snapshot: &dyn Snapshot) -> Result<Batch, StorageError> {
    let head: BlockRef = read_existing(snapshot, Table::Meta, meta::HEAD)?;
    let mut batch = Batch::default();
    let identity = Identity { schema: SCHEMA_VERSION, ..found };
    batch.put(Table::Meta, meta::IDENTITY, encode(&identity));
    batch.put(Table::Meta, meta::INDEXED_FROM, encode(&(head.number + 1)));
    tracing::info!(blocks = head.number, "indexing the logs of all blocks in the background");
    Ok(batch)
}

/// The genesis block and its state.
struct Genesis {
    block: SealedBlock,
    diff: StateDiff,
    state: StateUpdate,
}

impl Genesis {
    fn of(chain: &ChainSpec) -> Self {
        let diff = chain.genesis_diff();
        let state = state_root_of(&diff);
        let header = chain.genesis_header(state.root);
        let mut block = Block { header, body: Default::default() };
        block.body.withdrawals = block.header.withdrawals_root.is_some().then(Default::default);
        Self { block: SealedBlock::seal(block), diff, state }
    }

    fn batch(self, chain_id: u64) -> Batch {
        let block = BlockRef { number: self.block.number(), hash: self.block.hash() };
        let mut batch = Batch::default();
        let identity = Identity { schema: SCHEMA_VERSION, chain_id, genesis: block.hash };
        batch.put(Table::Meta, meta::IDENTITY, encode(&identity));
        batch.put(Table::Meta, meta::BASE, encode(&Base { block, target: block }));
        batch.put(Table::Meta, meta::HEAD, encode(&block));
        batch.put(Table::Canonical, block.number.to_be_bytes(), encode(&block.hash));
        put_block(&mut batch, &RecoveredBlock::new_unchecked(self.block, vec![]), &[]);
        for (hash, code) in &self.diff.codes {
            batch.put(Table::Codes, *hash, code.clone());
        }
        put_changes(&mut batch, &Changes::new(self.diff, self.state.nodes));
        batch
    }
}

/// Rebuilds the layers from their rows. Also returns the block that a flush was on the way to.
fn load_tree(snapshot: &dyn Snapshot) -> Result<(Tree, BlockRef), StorageError> {
    let base: Base = read_existing(snapshot, Table::Meta, meta::BASE)?;
    let header = crate::blocks::header(snapshot, base.block)?;
    let mut tree = Tree::new(base.block, header.state_root);

    let mut result = Ok(());
    let insert = &mut |key: &[u8], row: &[u8]| {
        result = insert_row(&mut tree, key, row);
        result.is_ok()
    };
    snapshot.scan(Table::Layers, &[], insert).map_err(StorageError::Read)?;
    result?;

    tree.head = read_existing(snapshot, Table::Meta, meta::HEAD)?;
    tree.safe = read(snapshot, Table::Meta, meta::SAFE)?;
    tree.finalized = read(snapshot, Table::Meta, meta::FINALIZED)?;
    if tree.usable(tree.head.hash).is_none() {
        return Err(StorageError::Dangling { table: Table::Layers.name() });
    }
    Ok((tree, base.target))
}

/// Rows come in order of height, so a parent is there before its children.
fn insert_row(tree: &mut Tree, key: &[u8], row: &[u8]) -> Result<(), StorageError> {
    let corrupt = crate::codec::corrupt(Table::Layers);
    let block =
        block_of_key(key).ok_or_else(|| corrupt(alloy_rlp::Error::Custom("key of a layer")))?;
    let row: LayerRow = decode(Table::Layers, row)?;
    if !tree.contains(row.parent) {
        return Err(StorageError::Dangling { table: Table::Layers.name() });
    }
    let (parent, state_root) = (row.parent, row.state_root);
    let (diff, trie) = row.into_changes().map_err(corrupt)?;
    let layer = tree.layer(block, parent, state_root, Changes::new(diff, trie));
    tree.insert(layer);
    Ok(())
}
