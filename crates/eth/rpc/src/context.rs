//! What the public namespaces share.

use std::sync::Arc;

use ethrex_chain::Chain;
use ethrex_txpool::Pool;
use jsonrpsee::Methods;
use tokio::sync::Semaphore;

use crate::{
    ApiConfig, Workers, admin,
    config::{MAX_SUBSCRIBED_ITEMS, MAX_TOLD_BYTES, MAX_WORKERS},
    debug, eth,
    eth::{filters::Filters, gas_price::TipCache},
    net, trace, txpool, web3,
};

/// A chain, its pool, and what the methods remember between calls. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Context {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    chain: Chain,
    pool: Pool,
    config: ApiConfig,
    workers: Workers,
    tracers: Workers,
    filters: Filters,
    /// Room for what the filters of subscriptions name.
    subscribed: Arc<Semaphore>,
    /// Room for large messages of subscriptions, in kilobytes.
    told: Arc<Semaphore>,
    tips: TipCache,
}

impl Context {
    /// Serves this chain and pool.
    #[must_use]
    pub fn new(chain: Chain, pool: Pool, config: ApiConfig) -> Self {
        let tracers = Workers::new(config.trace.concurrent);
        let inner = Inner {
            chain,
            pool,
            config,
            workers: Workers::new(MAX_WORKERS),
            tracers,
            filters: Filters::default(),
            subscribed: Arc::new(Semaphore::new(MAX_SUBSCRIBED_ITEMS)),
            told: Arc::new(Semaphore::new(MAX_TOLD_BYTES >> 10)),
            tips: TipCache::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The chain.
    #[must_use]
    pub fn chain(&self) -> &Chain {
        &self.inner.chain
    }

    /// The pool.
    #[must_use]
    pub fn pool(&self) -> &Pool {
        &self.inner.pool
    }

    /// Where methods work.
    #[must_use]
    pub fn workers(&self) -> &Workers {
        &self.inner.workers
    }

    /// Where traces are made: fewer at a time, since each may take much memory.
    pub(crate) fn tracers(&self) -> &Workers {
        &self.inner.tracers
    }

    pub(crate) fn config(&self) -> &ApiConfig {
        &self.inner.config
    }

    pub(crate) fn filters(&self) -> &Filters {
        &self.inner.filters
    }

    pub(crate) fn subscribed(&self) -> &Arc<Semaphore> {
        &self.inner.subscribed
    }

    pub(crate) fn told(&self) -> &Arc<Semaphore> {
        &self.inner.told
    }

    pub(crate) fn tips(&self) -> &TipCache {
        &self.inner.tips
    }
}

/// The namespaces `eth`, `net`, `web3`, `txpool`, `debug`, `trace` and `admin`.
///
/// # Panics
/// Never: their names are distinct.
#[must_use]
pub fn modules(context: &Context) -> Methods {
    let mut methods = Methods::new();
    for module in [
        eth::module(context, context.workers()),
        net::module(context),
        web3::module(context),
        txpool::module(context),
        debug::module(context),
        trace::module(context),
        admin::module(context),
    ] {
        methods.merge(module).expect("the names of two namespaces differ");
    }
    methods
}
