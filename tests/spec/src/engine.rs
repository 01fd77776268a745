//! Engine fixtures: a genesis, and payloads given to a node through its Engine API, each with what it must answer.

use std::collections::BTreeMap;

use alloy_primitives::{Address, B64, B256, Bytes, U64, U256};
use ethrex_types::{ChainSpec, Genesis};
use serde::Deserialize;
use serde_json::Value;

use crate::blockchain::{Account, Config};
use crate::forks::ForkError;

mod answer;
pub mod chain;
mod node;

use node::Node;

/// A file of engine fixtures, by name.
pub type EngineFixtures = BTreeMap<String, EngineFixture>;

/// One test.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EngineFixture {
    /// The fork, or the transition between two.
    pub network: String,
    #[serde(default)]
    config: Config,
    genesis_block_header: GenesisHeader,
    pre: BTreeMap<Address, Account>,
    lastblockhash: B256,
    engine_new_payloads: Vec<NewPayload>,
    /// A last payload, by which another node would come to know those before it.
    sync_payload: Option<NewPayload>,
}

/// What of a genesis header does not follow from the fork and the state.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct GenesisHeader {
    hash: B256,
    coinbase: Address,
    difficulty: U256,
    extra_data: Bytes,
    gas_limit: U64,
    timestamp: U64,
    mix_hash: B256,
    nonce: B64,
    base_fee_per_gas: Option<U64>,
    blob_gas_used: Option<U64>,
    excess_blob_gas: Option<U64>,
    slot_number: Option<U64>,
}

/// One call of `engine_newPayload`, and what is wrong with it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewPayload {
    params: Vec<Value>,
    new_payload_version: String,
    forkchoice_updated_version: String,
    /// Why the block is invalid.
    validation_error: Option<String>,
    /// The code of the error by which the call is refused.
    error_code: Option<String>,
}

/// How a test was not met.
#[derive(Debug, thiserror::Error)]
pub enum Unmet {
    /// The network is not one we know.
    #[error("the network")]
    Fork(#[from] ForkError),
    /// The schedule contradicts itself.
    #[error("the genesis")]
    Genesis(#[from] ethrex_types::chain_spec::GenesisError),
    /// The genesis has another hash.
    #[error("the genesis hashes to {0}")]
    GenesisHash(B256),
    /// The node did not start.
    #[error("start a node")]
    Start(#[from] node::StartError),
    /// A payload has no hash, or no parent.
    #[error("payload {0} is none")]
    NoPayload(usize),
    /// Another answer came.
    #[error("payload {index}, {call}")]
    Answer {
        /// Position in the fixture.
        index: usize,
        /// Which call.
        call: &'static str,
        /// What is wrong with the answer.
        #[source]
        why: answer::Wrong,
    },
    /// The chain ended elsewhere.
    #[error("the head is {head}, the fixture says {expected}")]
    Head {
        /// Ours.
        head: B256,
        /// The fixture's.
        expected: B256,
    },
}

impl EngineFixture {
    /// Gives every payload to a new node, which follows those that are valid. Where all are, another node hears of them from the last
    /// to the first.
    ///
    /// # Errors
    /// The first answer that is another.
    pub fn run(&self) -> Result<(), Unmet> {
        let spec = self.chain()?;
        let node = self.node(&spec)?;
        let payloads: Vec<_> = self.engine_new_payloads.iter().chain(&self.sync_payload).collect();
        for (index, payload) in payloads.iter().enumerate() {
            node.offer(index, payload)?;
        }
        let expected = match &self.sync_payload {
            Some(last) => last.hash("blockHash").ok_or(Unmet::NoPayload(payloads.len() - 1))?,
            None => self.lastblockhash,
        };
        self.ends_at(&node, expected)?;
        if payloads.len() > 1 && payloads.iter().all(|payload| payload.is_valid()) {
            let node = self.node(&spec)?;
            node.offer_backwards(&payloads)?;
            self.ends_at(&node, expected)?;
        }
        Ok(())
    }

    fn ends_at(&self, node: &Node, expected: B256) -> Result<(), Unmet> {
        let head = node.head();
        if head == expected { Ok(()) } else { Err(Unmet::Head { head, expected }) }
    }

    fn node(&self, spec: &ChainSpec) -> Result<Node, Unmet> {
        let node = Node::start(spec, self.genesis_block_header.gas_limit.to())?;
        let head = node.head();
        if head == self.genesis_block_header.hash {
            Ok(node)
        } else {
            Err(Unmet::GenesisHash(head))
        }
    }

    fn chain(&self) -> Result<ChainSpec, Unmet> {
        let header = &self.genesis_block_header;
        let alloc = self.pre.iter().map(|(address, account)| (*address, account.genesis()));
        let genesis = Genesis {
            config: self.config.chain(&self.network)?.genesis().config.clone(),
            nonce: header.nonce.into(),
            timestamp: header.timestamp.to(),
            extra_data: header.extra_data.clone(),
            gas_limit: header.gas_limit.to(),
            difficulty: header.difficulty,
            mix_hash: header.mix_hash,
            coinbase: header.coinbase,
            alloc: alloc.collect(),
            base_fee_per_gas: header.base_fee_per_gas.map(|fee| fee.to()),
            excess_blob_gas: header.excess_blob_gas.map(|gas| gas.to()),
            blob_gas_used: header.blob_gas_used.map(|gas| gas.to()),
            slot_number: header.slot_number.map(|slot| slot.to()),
            ..Genesis::default()
        };
        Ok(ChainSpec::new(genesis)?)
    }
}

impl NewPayload {
    fn is_valid(&self) -> bool {
        self.validation_error.is_none() && self.error_code.is_none()
    }

    /// A hash that stands in the payload.
    fn hash(&self, name: &str) -> Option<B256> {
        self.params.first()?.get(name)?.as_str()?.parse().ok()
    }
}
