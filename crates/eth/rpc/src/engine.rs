//! The Engine API: how a consensus client drives this node (execution-apis, `paris` to `amsterdam`).
//!
//! Statuses are verdicts and stand in the answer; errors have the codes of the specification. What needs the chain goes through
//! [`ethrex_chain::Importer`], one call after the other; everything else runs beside it.

use std::sync::Arc;

use alloy_primitives::Bytes;
use ethrex_chain::{Chain, Importer, Payloads};
use ethrex_txpool::Pool;
use ethrex_types::Fork;
use jsonrpsee::{Methods, RpcModule};
use serde::Serialize;
use serde_json::Value;

use crate::{Args, Context, RpcError, Workers, config::ENGINE_WORKERS, eth, register};

mod auth;
mod blobs;
mod bodies;
mod fork_choice;
mod get_payload;
mod identification;
mod new_payload;
mod payload;
mod status;

pub(crate) use auth::check as authenticate;
pub use auth::{JwtSecret, SecretError};
pub(crate) use fork_choice::Attributes;
pub(crate) use get_payload::{Envelope, whole};
pub use payload::ExecutionPayload;

/// Calls that work at the same time at most, beside the one that imports.
const MAX_WORKERS: usize = 32;
/// What these begin with is answered one after the other, in the order in which it came (execution-apis, `common`): a fork choice that
/// follows a payload must find it, and one that is older must not come last.
const IN_ORDER: [&str; 2] = ["engine_newPayload", "engine_forkchoiceUpdated"];

/// Methods of `eth` that a consensus client may call on the same port (execution-apis, `common`).
const ETH_METHODS: [&str; 9] = [
    "eth_blockNumber",
    "eth_call",
    "eth_chainId",
    "eth_getCode",
    "eth_getBlockByHash",
    "eth_getBlockByNumber",
    "eth_getLogs",
    "eth_sendRawTransaction",
    "eth_syncing",
];

/// What goes into the blocks that this node builds, and how it introduces itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineConfig {
    /// Free text in each block, at most 32 bytes.
    pub extra_data: Bytes,
    /// Gas limit that blocks move towards, unless the consensus client names one.
    pub gas_limit: u64,
    /// Version of this program.
    pub version: String,
    /// First bytes of the commit it was built from; zero where that is not known.
    pub commit: [u8; 4],
}

/// The Engine API of one chain. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    chain: Chain,
    pool: Pool,
    importer: Importer,
    payloads: Payloads,
    config: EngineConfig,
}

type Answer = Result<Value, RpcError>;

/// One table for everything that is keyed by a method's name.
macro_rules! methods {
    ($($name:literal => $method:path,)*) => {
        /// Every method but `engine_exchangeCapabilities`.
        const CAPABILITIES: &[&str] = &[$($name,)*];

        fn dispatch(engine: &Engine, method: &str, args: &mut Args) -> Answer {
            match method {
                $($name => to_value($method(engine, args)?),)*
                "engine_exchangeCapabilities" => to_value(identification::capabilities(engine, args)?),
                _ => Err(RpcError::NoMethod),
            }
        }

        fn register_all(module: &mut RpcModule<Engine>) {
            let (workers, one) = (Workers::new(MAX_WORKERS), Workers::new(1));
            let workers = |name: &str| {
                if IN_ORDER.iter().any(|begin| name.starts_with(begin)) { &one } else { &workers }
            };
            $(register(module, workers($name), $name, $method);)*
            let name = "engine_exchangeCapabilities";
            register(module, workers(name), name, identification::capabilities);
        }
    };
}

methods! {
    "engine_newPayloadV1" => new_payload::v1,
    "engine_newPayloadV2" => new_payload::v2,
    "engine_newPayloadV3" => new_payload::v3,
    "engine_newPayloadV4" => new_payload::v4,
    "engine_newPayloadV5" => new_payload::v5,
    "engine_newPayloadWithWitnessV5" => new_payload::with_witness_v5,
    "engine_forkchoiceUpdatedV1" => fork_choice::v1,
    "engine_forkchoiceUpdatedV2" => fork_choice::v2,
    "engine_forkchoiceUpdatedV3" => fork_choice::v3,
    "engine_forkchoiceUpdatedV4" => fork_choice::v4,
    "engine_getPayloadV1" => get_payload::v1,
    "engine_getPayloadV2" => get_payload::v2,
    "engine_getPayloadV3" => get_payload::v3,
    "engine_getPayloadV4" => get_payload::v4,
    "engine_getPayloadV5" => get_payload::v5,
    "engine_getPayloadV6" => get_payload::v6,
    "engine_getPayloadBodiesByHashV1" => bodies::by_hash_v1,
    "engine_getPayloadBodiesByHashV2" => bodies::by_hash_v2,
    "engine_getPayloadBodiesByRangeV1" => bodies::by_range_v1,
    "engine_getPayloadBodiesByRangeV2" => bodies::by_range_v2,
    "engine_getBlobsV1" => blobs::v1,
    "engine_getBlobsV2" => blobs::v2,
    "engine_getBlobsV3" => blobs::v3,
    "engine_getBlobsV4" => blobs::v4,
    "engine_getClientVersionV1" => identification::client_version,
    "engine_exchangeTransitionConfigurationV1" => identification::transition_configuration,
}

impl Engine {
    /// Serves this chain.
    #[must_use]
    pub fn new(
        chain: Chain,
        pool: Pool,
        importer: Importer,
        payloads: Payloads,
        config: EngineConfig,
    ) -> Self {
        Self { inner: Arc::new(Inner { chain, pool, importer, payloads, config }) }
    }

    /// Answers one call without a socket, as the server would. It blocks until the call is answered.
    ///
    /// # Errors
    /// As the method's specification says.
    pub fn call(&self, method: &str, params: Vec<Value>) -> Answer {
        let mut args = Args::from(params);
        let answer = dispatch(self, method, &mut args)?;
        args.leftover().map_or(Ok(answer), Err)
    }

    /// The methods of the namespace, and those of `eth` that consensus clients use.
    ///
    /// # Panics
    /// Never: their names are distinct.
    #[must_use]
    pub fn methods(&self, context: &Context) -> Methods {
        let mut module = RpcModule::new(self.clone());
        register_all(&mut module);
        // Of their own, so that no caller of the public ports makes a consensus client wait.
        let mut eth = eth::module(context, &Workers::new(ENGINE_WORKERS));
        let unwanted: Vec<_> =
            eth.method_names().filter(|name| !ETH_METHODS.contains(name)).collect();
        for name in unwanted {
            eth.remove_method(name);
        }
        module.merge(eth).expect("the names of two namespaces differ");
        module.into()
    }

    fn chain(&self) -> &Chain {
        &self.inner.chain
    }

    fn pool(&self) -> &Pool {
        &self.inner.pool
    }

    fn importer(&self) -> &Importer {
        &self.inner.importer
    }

    fn payloads(&self) -> &Payloads {
        &self.inner.payloads
    }

    fn config(&self) -> &EngineConfig {
        &self.inner.config
    }

    /// The fork at this time. Before Shanghai forks go by height, and whatever is older than that one is alike here.
    fn fork_at(&self, timestamp: u64) -> Fork {
        self.chain().spec().fork_at(u64::MAX, timestamp)
    }
}

fn to_value(answer: impl Serialize) -> Answer {
    serde_json::to_value(answer).map_err(|error| crate::Fault::Encode(error).into())
}
