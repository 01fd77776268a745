//! Traces: what geth says a transaction did on a given state.

use std::collections::BTreeMap;
use std::sync::Arc;

use alloy_eips::eip2718::Decodable2718;
use alloy_primitives::{Address, Bytes, U256};
use alloy_rpc_types_trace::geth::{
    GethDebugBuiltInTracerType, GethDebugTracerConfig, GethDebugTracingOptions,
};
use ethrex_evm::trace::{Trace, TraceError, TraceLimits, Tracer, TxPlace, UnsupportedTracer};
use ethrex_evm::{BlockContext, BlockExecutor, InvalidTx};
use ethrex_stf::{Ethereum, next_excess_blob_gas};
use ethrex_types::alloy_consensus::transaction::SignerRecoverable;
use ethrex_types::chain_spec::GenesisError;
use ethrex_types::testing::DiffState;
use ethrex_types::{ChainSpec, Genesis, Header, Tx};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Folders of cases, with the tracer that each asks. Those of geth's old JavaScript tracers are asked of the built-in ones.
const FOLDERS: [(&str, GethDebugBuiltInTracerType); 8] = [
    ("call_tracer", GethDebugBuiltInTracerType::CallTracer),
    ("call_tracer_flat", GethDebugBuiltInTracerType::FlatCallTracer),
    ("call_tracer_legacy", GethDebugBuiltInTracerType::CallTracer),
    ("call_tracer_withLog", GethDebugBuiltInTracerType::CallTracer),
    ("erc7562_tracer", GethDebugBuiltInTracerType::Erc7562Tracer),
    ("prestate_tracer", GethDebugBuiltInTracerType::PreStateTracer),
    ("prestate_tracer_legacy", GethDebugBuiltInTracerType::PreStateTracer),
    ("prestate_tracer_with_diff_mode", GethDebugBuiltInTracerType::PreStateTracer),
];
/// See [`normal`].
const LEFT_OUT: [&str; 6] =
    ["codeHash", "index", "blockHash", "blockNumber", "transactionHash", "transactionPosition"];
/// Far beyond what any case records.
const BYTES: usize = 1 << 30;

/// A transaction on a state, and its trace.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TracerCase {
    genesis: Map<String, Value>,
    context: Environment,
    input: Bytes,
    #[serde(default)]
    tracer_config: Value,
    result: Value,
}

/// The block that the transaction is in. geth writes numbers in decimal.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Environment {
    number: U256,
    timestamp: U256,
    difficulty: U256,
    gas_limit: U256,
    miner: Address,
    base_fee_per_gas: Option<U256>,
}

/// How a trace was wrong.
#[derive(Debug, thiserror::Error)]
pub enum Untraced {
    /// The folder has no tracer here.
    #[error("no tracer for this folder")]
    Folder,
    /// The genesis does not decode.
    #[error("the genesis")]
    Genesis(#[from] serde_json::Error),
    /// The genesis makes no chain.
    #[error("the chain")]
    Chain(#[from] GenesisError),
    /// The transaction does not decode, or nobody signed it.
    #[error("the transaction")]
    Transaction,
    /// The tracer is not ours.
    #[error(transparent)]
    Tracer(#[from] UnsupportedTracer),
    /// The transaction did not run.
    #[error("run: {0}")]
    Run(#[from] TraceError<InvalidTx>),
    /// Something else was recorded.
    #[error("{0}")]
    Different(String),
}

impl TracerCase {
    /// The fork that the transaction runs under.
    #[must_use]
    pub fn fork(&self) -> String {
        let spec = self.genesis().ok().and_then(|genesis| ChainSpec::new(genesis).ok());
        let Environment { number, timestamp, .. } = &self.context;
        let fork = spec.map(|spec| spec.fork_at(number.to(), timestamp.to()));
        fork.map_or_else(|| "unknown".to_owned(), |fork| fork.to_string())
    }

    /// Traces the transaction, and compares. `name` is the path of the case.
    ///
    /// # Errors
    /// Where the trace is another one.
    pub fn run(&self, name: &str) -> Result<(), Untraced> {
        let tracer = self.tracer(name)?;
        let spec = ChainSpec::new(self.genesis()?)?;
        let state = DiffState(spec.genesis_diff());
        let header = self.header(&spec)?;
        let tx = Tx::decode_2718(&mut self.input.as_ref()).map_err(|_| Untraced::Transaction)?;
        let sender = tx.recover_signer().map_err(|_| Untraced::Transaction)?;
        // geth's cases know no calls that open a block.
        let block = BlockContext { header: &header, ommers: &[], withdrawals: None };
        let mut executor = BlockExecutor::open_bare(&spec, &Ethereum, &block, &state);
        let trace = executor.trace(&tx, sender, &tracer, TxPlace::default())?;
        let Trace::Geth(trace) = trace else { unreachable!("geth's tracers give geth's traces") };
        let (ours, theirs) = (normal(serde_json::to_value(trace)?), normal(self.result.clone()));
        match difference(&ours, &theirs, "") {
            None => Ok(()),
            Some(at) => Err(Untraced::Different(at)),
        }
    }

    fn tracer(&self, name: &str) -> Result<Tracer, Untraced> {
        let mut folders = name.rsplit('/').skip(1);
        let folder = folders.next().unwrap_or_default();
        let (_, tracer) =
            FOLDERS.iter().find(|(name, _)| *name == folder).ok_or(Untraced::Folder)?;
        let options = GethDebugTracingOptions {
            tracer: Some((*tracer).into()),
            tracer_config: GethDebugTracerConfig(self.tracer_config.clone()),
            ..GethDebugTracingOptions::default()
        };
        let interrupted = Arc::new(|| false);
        let limits = TraceLimits { bytes: BYTES, steps: u64::MAX, interrupted };
        Ok(Tracer::geth(options, limits)?)
    }

    /// The configuration and the accounts; the rest is of the parent, of which nothing is needed.
    fn genesis(&self) -> Result<Genesis, serde_json::Error> {
        let kept = ["config", "alloc"].map(|name| (name.to_owned(), self.genesis[name].clone()));
        let mut genesis: Map<_, _> = kept.into_iter().collect();
        // Some have forks in another order than that in which they were made.
        for fork in ["homesteadBlock", "eip150Block", "eip155Block", "eip158Block"] {
            let config = &mut genesis["config"];
            if config["byzantiumBlock"] == 0 {
                config[fork] = 0.into();
            }
        }
        // Go reads names of fields whatever their case.
        if let Some(fork) =
            genesis["config"].as_object_mut().and_then(|it| it.remove("IstanbulBlock"))
        {
            genesis["config"]["istanbulBlock"] = fork;
        }
        for account in genesis["alloc"].as_object_mut().into_iter().flat_map(Map::values_mut) {
            account.as_object_mut().and_then(|account| account.remove("codeHash"));
        }
        genesis.insert("gasLimit".to_owned(), "0x0".into());
        genesis.insert("difficulty".to_owned(), "0x0".into());
        serde_json::from_value(genesis.into())
    }

    fn header(&self, spec: &ChainSpec) -> Result<Header, Untraced> {
        let Environment { number, timestamp, difficulty, gas_limit, miner, base_fee_per_gas } =
            &self.context;
        let (number, timestamp) = (number.to(), timestamp.to());
        let quantity = |name: &str| {
            let value = self.genesis.get(name).cloned();
            value.map(serde_json::from_value::<U256>).transpose().map(|it| it.map(|it| it.to()))
        };
        let parent = Header {
            excess_blob_gas: quantity("excessBlobGas")?,
            blob_gas_used: quantity("blobGasUsed")?,
            base_fee_per_gas: quantity("baseFeePerGas")?,
            ..Header::default()
        };
        Ok(Header {
            number,
            timestamp,
            difficulty: *difficulty,
            gas_limit: gas_limit.to(),
            beneficiary: *miner,
            base_fee_per_gas: base_fee_per_gas.map(|fee| fee.to()),
            excess_blob_gas: next_excess_blob_gas(spec, &parent, timestamp),
            ..Header::default()
        })
    }
}

/// Empty fields say what absent ones say. Left out are the hash of code that is shown too, the number of a log, which not all
/// cases have, and the place of a transaction that stands in no block here.
fn normal(value: Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields
                .into_iter()
                .filter(|(name, value)| {
                    let data = matches!(name.as_str(), "input" | "output");
                    let empty =
                        value.as_object().is_some_and(Map::is_empty) || data && value == "0x";
                    !value.is_null() && !empty && !LEFT_OUT.contains(&name.as_str())
                })
                .map(|(name, value)| (name, normal(value)))
                .collect(),
        ),
        Value::Array(items) => items.into_iter().map(normal).collect(),
        value => value,
    }
}

/// Where two traces differ first, and how.
fn difference(ours: &Value, theirs: &Value, at: &str) -> Option<String> {
    match (ours, theirs) {
        (Value::Object(a), Value::Object(b)) => {
            let names: BTreeMap<_, _> = a.iter().chain(b).map(|(name, _)| (name, ())).collect();
            names.into_keys().find_map(|name| {
                let of =
                    |fields: &Map<String, Value>| fields.get(name).cloned().unwrap_or_default();
                difference(&of(a), &of(b), &format!("{at}.{name}"))
            })
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => a
            .iter()
            .zip(b)
            .enumerate()
            .find_map(|(index, (a, b))| difference(a, b, &format!("{at}[{index}]"))),
        _ if ours == theirs => None,
        _ => Some(format!("{at} is {ours}, geth says {theirs}")),
    }
}
