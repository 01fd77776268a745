//! A node without sockets, as a consensus client drives it.

use std::sync::Arc;

use alloy_primitives::{B256, Bytes};
use ethrex_chain::{Chain, ChainError, Importer, Payloads};
use ethrex_rpc::{Engine, EngineConfig, RpcError};
use ethrex_stf::{Ethereum, Rules};
use ethrex_storage::{Storage, StorageError};
use ethrex_txpool::{JournalError, NoJournal, Pool, PoolConfig};
use ethrex_types::ChainSpec;
use serde_json::{Value, json};

use super::answer::{self, Invalid, Wrong};
use super::{NewPayload, Unmet};

/// Chain, pool and Engine API over a database in memory.
pub(super) struct Node {
    chain: Chain,
    engine: Engine,
}

/// Why a node did not start: always a fault of ours.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The database failed.
    #[error("storage")]
    Storage(#[from] StorageError),
    /// The chain did not open.
    #[error("chain")]
    Chain(#[from] ChainError),
    /// The state of the genesis is not there.
    #[error("no state at the genesis")]
    NoState,
    /// The pool did not open.
    #[error("pool")]
    Pool(#[from] JournalError),
    /// A thread did not start.
    #[error("start a thread")]
    Thread(#[from] std::io::Error),
}

/// What a call is answered with.
pub(super) type Answer = Result<Value, RpcError>;

impl Node {
    /// Starts one at its genesis.
    pub(super) fn start(spec: &ChainSpec, gas_limit: u64) -> Result<Self, StartError> {
        let storage = Storage::memory(spec)?;
        let rules: Arc<dyn Rules> = Arc::new(Ethereum);
        let chain = Chain::open_unwitnessed(spec.clone(), rules.clone(), storage.clone())?;
        let head = chain.head();
        let state = storage.state_at(head.hash())?.ok_or(StartError::NoState)?;
        let journal = Arc::new(NoJournal);
        let pool = Pool::open(
            spec.clone(),
            rules,
            PoolConfig::standard(),
            journal,
            head,
            Arc::new(state),
        )?;
        let importer = Importer::spawn(chain.clone(), pool.clone())?;
        let payloads = Payloads::spawn(chain.clone(), pool.clone(), None)?;
        let config = EngineConfig {
            extra_data: Bytes::new(),
            gas_limit,
            version: env!("CARGO_PKG_VERSION").into(),
            commit: [0; 4],
        };
        let engine = Engine::new(chain.clone(), pool, importer, payloads, config);
        Ok(Self { chain, engine })
    }

    /// The hash of the newest canonical block.
    pub(super) fn head(&self) -> B256 {
        self.chain.head().hash()
    }

    /// Gives it the payload at this position of a fixture. What is valid becomes the head; what is not cannot.
    pub(super) fn offer(&self, index: usize, payload: &NewPayload) -> Result<(), Unmet> {
        let offered = Offered { node: self, index, payload };
        match (&payload.error_code, &payload.validation_error) {
            (Some(code), _) => offered.is_refused(code),
            (None, Some(error)) => offered.is_invalid(error),
            (None, None) => offered.is_valid(),
        }
    }

    /// Gives it valid payloads from the last to the first: it knows no parent of any, until the first connects them all.
    pub(super) fn offer_backwards(&self, payloads: &[&NewPayload]) -> Result<(), Unmet> {
        let Some((first, later)) = payloads.split_first() else { return Ok(()) };
        for (index, payload) in later.iter().enumerate().rev() {
            Offered { node: self, index: index + 1, payload }.waits()?;
        }
        self.offer(0, first)?;
        for (index, payload) in later.iter().enumerate() {
            self.offer(index + 1, payload)?;
        }
        Ok(())
    }

    /// Makes any call.
    pub(super) fn call(&self, method: &str, params: Vec<Value>) -> Answer {
        self.engine.call(method, params)
    }

    /// Makes a call of `engine_forkchoiceUpdated`, and gives the status that it answers with.
    pub(super) fn update(&self, method: &str, params: Vec<Value>) -> Answer {
        Ok(self.call(method, params)?["payloadStatus"].clone())
    }

    /// A payload's own hash as the head, and nothing known to be safe.
    fn follow(&self, payload: &NewPayload, head: B256) -> Answer {
        let method = format!("engine_forkchoiceUpdatedV{}", payload.forkchoice_updated_version);
        let choice = json!({
            "headBlockHash": head,
            "safeBlockHash": B256::ZERO,
            "finalizedBlockHash": B256::ZERO,
        });
        self.update(&method, vec![choice, Value::Null])
    }
}

/// A payload of a fixture, as one node takes it.
struct Offered<'a> {
    node: &'a Node,
    index: usize,
    payload: &'a NewPayload,
}

impl Offered<'_> {
    /// It is stored, becomes the head, and can be had again.
    fn is_valid(&self) -> Result<(), Unmet> {
        let hash = self.hash("blockHash")?;
        // The second time it is known already.
        for call in ["newPayload", "newPayload again"] {
            self.judge(call, answer::valid(self.new_payload(), hash))?;
        }
        self.judge("forkchoiceUpdated", answer::valid(self.node.follow(self.payload, hash), hash))?;
        let bodies = self.node.call("engine_getPayloadBodiesByHashV1", vec![json!([hash])]);
        self.judge("getPayloadBodiesByHash", answer::body(bodies, &self.payload.params[0]))
    }

    /// It is not stored, and cannot become the head.
    fn is_invalid(&self, error: &str) -> Result<(), Unmet> {
        let (hash, parent) = (self.hash("blockHash")?, self.hash("parentHash")?);
        let judged = answer::invalid(self.new_payload(), parent, error);
        let block = self.judge("newPayload", judged)?;
        let judged = answer::invalid(self.new_payload(), parent, error);
        self.judge("newPayload again", judged)?;
        let followed = self.node.follow(self.payload, hash);
        // A payload that is no block leaves nothing behind: nobody knows whose hash that is.
        let refused = match block {
            Invalid::Block => answer::invalid(followed, parent, error).map(drop),
            Invalid::NoBlock => answer::syncing(followed),
        };
        self.judge("forkchoiceUpdated", refused)
    }

    /// Its parameters are not what the method takes.
    fn is_refused(&self, code: &str) -> Result<(), Unmet> {
        self.judge("newPayload", answer::refused(self.new_payload(), code))
    }

    /// Its parent is not known.
    fn waits(&self) -> Result<(), Unmet> {
        let hash = self.hash("blockHash")?;
        self.judge("newPayload", answer::syncing(self.new_payload()))?;
        self.judge("forkchoiceUpdated", answer::syncing(self.node.follow(self.payload, hash)))
    }

    fn new_payload(&self) -> Answer {
        let method = format!("engine_newPayloadV{}", self.payload.new_payload_version);
        self.node.call(&method, self.payload.params.clone())
    }

    fn hash(&self, name: &str) -> Result<B256, Unmet> {
        self.payload.hash(name).ok_or(Unmet::NoPayload(self.index))
    }

    fn judge<T>(&self, call: &'static str, judged: Result<T, Wrong>) -> Result<T, Unmet> {
        judged.map_err(|why| Unmet::Answer { index: self.index, call, why })
    }
}
