//! One chain of ours: database, rules, pool and JSON-RPC server.

use std::{path::Path, sync::Arc};

use alloy_primitives::Address;
use ethrex_chain::{Chain, ChainError};
use ethrex_rpc::Context;
use ethrex_stf::{Rules, check_start};
use ethrex_storage::Storage;
use ethrex_txpool::{Pool, PoolConfig};
use ethrex_types::ChainSpec;
use eyre::{Context as _, Result, eyre};

use crate::{config::ChainConfig, serve::api_config};

/// A chain and its pool, open.
#[derive(Debug, Clone)]
pub(crate) struct OpenChain {
    pub(crate) chain: Chain,
    pub(crate) pool: Pool,
}

/// How a chain is opened: which witnesses it records.
pub(crate) type Open = fn(ChainSpec, Arc<dyn Rules>, Storage) -> Result<Chain, ChainError>;

/// Where a chain's database is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum At<'a> {
    Disk(&'a Path),
    Memory,
}

impl OpenChain {
    /// Opens the database, or creates it with the genesis, and fills the pool from its journal. `open` says whether the chain records
    /// witnesses.
    pub(crate) fn open(
        config: &ChainConfig,
        at: At<'_>,
        rules: impl FnOnce(&ChainSpec) -> Result<Arc<dyn Rules>>,
        open: Open,
        limits: impl FnOnce(PoolConfig) -> PoolConfig,
    ) -> Result<Self> {
        ethrex_types::crypto::install();
        let spec = ChainSpec::new(config.genesis.clone())?;
        check_start(&spec)?;
        let rules = rules(&spec)?;
        let storage = match at {
            At::Disk(path) => Storage::open(path, &spec),
            At::Memory => Storage::memory(&spec),
        }?;
        let chain = open(spec.clone(), rules.clone(), storage.clone())?;
        let head = chain.head();
        let state = storage
            .state_at(head.hash())?
            .ok_or_else(|| eyre!("the database has no state for its head {}", head.number))?;
        let pool = Pool::open(
            spec,
            rules,
            limits(PoolConfig { max_txs: config.mempool_size, ..PoolConfig::standard() }),
            Arc::new(storage),
            head,
            Arc::new(state),
        )?;
        Ok(Self { chain, pool })
    }

    /// What the RPC methods work with. `coinbase` receives the fees of blocks that this node makes of its own accord.
    pub(crate) fn rpc_context(&self, config: &ChainConfig, coinbase: Option<Address>) -> Context {
        Context::new(self.chain.clone(), self.pool.clone(), api_config(config, coinbase))
    }
}

/// A folder that is made if it is not there.
pub(crate) fn folder(path: &Path) -> Result<()> {
    std::fs::create_dir_all(path)
        .wrap_err_with(|| format!("cannot create {}; check --datadir", path.display()))
}
