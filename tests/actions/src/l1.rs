//! The L1: a real chain behind its real JSON-RPC methods, without a socket and without a timer.

use std::{
    collections::HashMap,
    sync::Arc,
    task::{Context, Poll},
};

use alloy_eips::eip4844::Blob;
use alloy_json_rpc::{RequestPacket, Response, ResponsePacket, SerializedRequest};
use alloy_primitives::{B256, Bytes};
use alloy_transport::{TransportError, TransportErrorKind, TransportFut};
use ethrex_chain::Chain;
use ethrex_deploy::embedded_l1_genesis;
use ethrex_execute::{ExecuteConfig, WithExecute};
use ethrex_l1::{BlobSource, Client, Found};
use ethrex_rpc::{ApiConfig, modules};
use ethrex_stf::{Ethereum, Rules};
use ethrex_storage::Storage;
use ethrex_txpool::{NoJournal, Pool, PoolConfig};
use ethrex_types::{ChainSpec, SealedBlock};
use jsonrpsee::Methods;
use parking_lot::Mutex;
use tower::Service;

use crate::miner::{self, Terms};

/// Seconds between two blocks.
const BLOCK_TIME: u64 = 1;

/// What becomes of the transactions of blocks that leave the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reorged {
    /// They go back to the pool; those with blobs do not, as their blobs are gone.
    Returned,
    /// Nobody remembers them.
    Lost,
}

/// What is wrong with the connection to L1.
#[derive(Debug, Default)]
struct Faults {
    /// Nobody answers.
    down: bool,
    /// The next call of this method is served, and its answer is lost.
    lose_answer: Option<&'static str>,
    /// Nobody has the blobs any more.
    no_blobs: bool,
}

#[derive(Debug)]
struct Inner {
    chain: Chain,
    pool: Pool,
    methods: Methods,
    faults: Mutex<Faults>,
    terms: Mutex<Terms>,
    /// Every blob ever mined, by its versioned hash.
    blobs: Mutex<HashMap<B256, Bytes>>,
}

/// An L1 in memory. Cheap to clone; all clones are the same chain.
#[derive(Debug, Clone)]
pub struct L1 {
    inner: Arc<Inner>,
}

impl Default for L1 {
    fn default() -> Self {
        Self::new()
    }
}

impl L1 {
    /// The development L1 with nothing but its genesis.
    ///
    /// # Panics
    /// If the embedded genesis is broken.
    #[must_use]
    pub fn new() -> Self {
        let spec =
            ChainSpec::new(embedded_l1_genesis()).expect("the embedded genesis is consistent");
        Self::of(spec, Arc::new(Ethereum))
    }

    /// The development L1 that verifies native rollups.
    ///
    /// # Panics
    /// If its genesis is broken.
    #[must_use]
    pub fn verifying() -> Self {
        let genesis = ethrex_deploy::native::l1_genesis();
        let config = ExecuteConfig::from_genesis(&genesis).expect("the genesis is consistent");
        let config = config.expect("the genesis has EXECUTE");
        let spec = ChainSpec::new(genesis).expect("the genesis is consistent");
        let rules = WithExecute::new(&spec, config).expect("it is an L1");
        Self::of(spec, Arc::new(rules))
    }

    fn of(spec: ChainSpec, rules: Arc<dyn Rules>) -> Self {
        let storage = Storage::memory(&spec).expect("memory does not fail");
        let chain = Chain::open_unwitnessed(spec.clone(), rules.clone(), storage)
            .expect("memory does not fail");
        let head = chain.head();
        let state = chain.storage().state_at(head.hash()).expect("memory does not fail");
        let pool = Pool::open(
            spec,
            rules,
            PoolConfig::standard(),
            Arc::new(NoJournal),
            head,
            Arc::new(state.expect("the head has a state")),
        )
        .expect("there is no journal");
        let config = ApiConfig::standard("test".to_owned());
        let methods = modules(&ethrex_rpc::Context::new(chain.clone(), pool.clone(), config));
        let inner = Inner {
            chain,
            pool,
            methods,
            faults: Mutex::default(),
            terms: Mutex::default(),
            blobs: Mutex::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The chain with these blocks of another one on top.
    ///
    /// # Panics
    /// If one of them is not valid.
    #[must_use]
    pub fn with_blocks(self, blocks: &[SealedBlock]) -> Self {
        for block in blocks {
            let verdict = self.chain().import(block.clone()).expect("memory does not fail");
            assert!(matches!(verdict, ethrex_chain::Verdict::Valid), "{verdict:?}");
            self.chain().advance(block.hash(), self.pool()).expect("memory does not fail");
        }
        self
    }

    /// A client that talks to this chain, when it answers.
    #[must_use]
    pub fn client(&self) -> Client {
        Client::with_transport(Line { l1: self.clone(), faulty: true })
    }

    /// A client that is always answered.
    #[must_use]
    pub fn observer(&self) -> Client {
        Client::with_transport(Line { l1: self.clone(), faulty: false })
    }

    /// The chain itself.
    #[must_use]
    pub fn chain(&self) -> &Chain {
        &self.inner.chain
    }

    /// Transactions that wait for a block.
    #[must_use]
    pub fn pool(&self) -> &Pool {
        &self.inner.pool
    }

    /// Number of the newest block.
    #[must_use]
    pub fn height(&self) -> u64 {
        self.chain().head().number
    }

    /// How many transactions wait for a block.
    #[must_use]
    pub fn pooled(&self) -> usize {
        let status = self.pool().status();
        status.ready + status.waiting
    }

    /// Mines the next block and returns how many transactions it holds.
    pub fn mine(&self) -> usize {
        self.mine_after(BLOCK_TIME)
    }

    /// Mines a block this many seconds after the newest one.
    pub fn mine_after(&self, seconds: u64) -> usize {
        let terms = self.inner.terms.lock().clone();
        let mined = miner::mine(self.chain(), self.pool(), &terms, seconds);
        self.inner.blobs.lock().extend(mined.blobs);
        mined.transactions
    }

    /// Mines so many blocks.
    pub fn mine_many(&self, blocks: u64) {
        for _ in 0..blocks {
            self.mine();
        }
    }

    /// From now on miners leave transactions that tip less than this, in wei per gas, in the pool.
    pub fn set_least_tip(&self, tip: u128) {
        self.inner.terms.lock().least_tip = tip;
    }

    /// Whether L1 is away.
    pub fn set_down(&self, down: bool) {
        self.inner.faults.lock().down = down;
    }

    /// The next call of this method does its work, and its answer never arrives.
    pub fn lose_answer(&self, method: &'static str) {
        self.inner.faults.lock().lose_answer = Some(method);
    }

    /// Whether nobody has blobs any more.
    pub fn set_blobless(&self, blobless: bool) {
        self.inner.faults.lock().no_blobs = blobless;
    }

    /// Forgets every transaction that waits for a block.
    pub fn drop_pool(&self) {
        let content = self.pool().content();
        for txs in [content.ready, content.waiting] {
            for tx in txs.into_values().flatten() {
                self.pool().remove(tx.hash());
            }
        }
    }

    /// Takes the newest `depth` blocks away. The blocks mined from now on are others.
    ///
    /// # Panics
    /// If the chain is shorter than that.
    pub fn reorganise(&self, depth: u64, reorged: Reorged) {
        let chain = self.chain();
        let to = self.height().checked_sub(depth).expect("the chain is long enough");
        let mut returned = Vec::new();
        for number in to + 1..=self.height() {
            returned.extend(self.block(number).into_block().body.transactions);
        }
        let hash = chain.storage().canonical_hash(to).expect("memory does not fail");
        chain.publish(hash.expect("it is canonical")).expect("memory does not fail");
        let head = chain.head();
        let state = chain.storage().state_at(head.hash()).expect("memory does not fail");
        let state = Arc::new(state.expect("not deeper than state is kept"));
        if reorged == Reorged::Lost {
            returned.clear();
        }
        self.pool().on_head(head, state, returned).expect("memory does not fail");
        self.inner.terms.lock().branch += 1;
    }

    /// The canonical block of this number.
    ///
    /// # Panics
    /// If there is none.
    #[must_use]
    pub fn block(&self, number: u64) -> SealedBlock {
        let storage = self.chain().storage();
        let hash = storage.canonical_hash(number).expect("memory does not fail");
        let block = storage.block(hash.expect("it is canonical")).expect("memory does not fail");
        block.expect("canonical blocks are stored").into_parts().0
    }

    /// The blob of this versioned hash, if it was ever mined.
    #[must_use]
    pub fn blob(&self, versioned_hash: B256) -> Option<Bytes> {
        self.inner.blobs.lock().get(&versioned_hash).cloned()
    }
}

impl BlobSource for L1 {
    fn blob(&self, _slot: u64, hash: B256) -> Found<'_> {
        let faults = self.inner.faults.lock();
        let blob = (!faults.down && !faults.no_blobs).then(|| self.blob(hash)).flatten();
        let blob = blob.map(|bytes| Blob::try_from(bytes.as_ref()).expect("it was mined"));
        Box::pin(std::future::ready(Ok(blob.map(Box::new))))
    }
}

/// A connection to the chain.
#[derive(Debug, Clone)]
struct Line {
    l1: L1,
    /// Whether the faults of L1 show.
    faulty: bool,
}

impl Line {
    async fn serve(self, packet: RequestPacket) -> Result<ResponsePacket, TransportError> {
        match packet {
            RequestPacket::Single(request) => {
                Ok(ResponsePacket::Single(self.answer(&request).await?))
            }
            RequestPacket::Batch(requests) => {
                let mut answers = Vec::with_capacity(requests.len());
                for request in &requests {
                    answers.push(self.answer(request).await?);
                }
                Ok(ResponsePacket::Batch(answers))
            }
        }
    }

    async fn answer(&self, request: &SerializedRequest) -> Result<Response, TransportError> {
        let inner = &self.l1.inner;
        let broken = || TransportErrorKind::custom_str("the connection to L1 broke");
        if self.faulty && inner.faults.lock().down {
            return Err(broken());
        }
        let text = request.serialized().get();
        let (answer, _) =
            inner.methods.raw_json_request(text, 1).await.map_err(TransportError::ser_err)?;
        if self.faulty {
            let mut faults = inner.faults.lock();
            let lost = faults.lose_answer.take_if(|method| *method == request.method()).is_some();
            if lost || faults.down {
                return Err(broken());
            }
        }
        serde_json::from_str(answer.get())
            .map_err(|error| TransportError::deser_err(error, answer.get()))
    }
}

impl Service<RequestPacket> for Line {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, packet: RequestPacket) -> Self::Future {
        Box::pin(self.clone().serve(packet))
    }
}
