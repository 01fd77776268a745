//! A chain in calls of the Engine API: its payloads in order, and the fork choice that makes the last the head.

use std::fs;
use std::io;
use std::path::Path;

use alloy_primitives::{B256, Bytes};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ethrex_types::{ChainSpec, Genesis};
use serde::Deserialize;
use serde_json::Value;

use super::answer::{self, Wrong};
use super::node::{Node, StartError};

/// Why a chain did not reach its head.
#[derive(Debug, thiserror::Error)]
pub enum Stuck {
    /// A file cannot be read.
    #[error("read the chain's files")]
    Read(#[from] io::Error),
    /// A file does not decode.
    #[error("the chain's files")]
    Json(#[from] serde_json::Error),
    /// The genesis contradicts itself.
    #[error("the genesis")]
    Genesis(#[from] ethrex_types::chain_spec::GenesisError),
    /// The node did not start.
    #[error("start a node")]
    Start(#[from] StartError),
    /// A call names no block.
    #[error("call {0} names no block")]
    NoHash(String),
    /// Another answer came.
    #[error("call {call}")]
    Answer {
        /// Which.
        call: String,
        /// What is wrong with the answer.
        #[source]
        why: Wrong,
    },
    /// The chain ended elsewhere.
    #[error("the head is {0}")]
    Head(B256),
}

#[derive(Debug, Deserialize)]
struct Call {
    id: String,
    method: String,
    params: Vec<Value>,
}

impl Call {
    fn hash(&self, name: &str) -> Result<B256, Stuck> {
        let hash = self.params.first().and_then(|first| first.get(name)?.as_str()?.parse().ok());
        hash.ok_or_else(|| Stuck::NoHash(self.id.clone()))
    }
}

/// The generator of the file writes requests (EIP-7685) in base 64; the specification has every string of bytes in hexadecimal.
fn requests_in_hex(mut params: Vec<Value>) -> Vec<Value> {
    for request in params.get_mut(3).and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(bytes) = request.as_str().and_then(|text| STANDARD.decode(text).ok()) {
            *request = Bytes::from(bytes).to_string().into();
        }
    }
    params
}

/// Makes the calls of a folder, over its genesis.
///
/// # Errors
/// The first answer that is another.
pub fn run(dir: &Path) -> Result<(), Stuck> {
    let read = |name: &str| fs::read(dir.join(name));
    let spec = ChainSpec::new(serde_json::from_slice::<Genesis>(&read("genesis.json")?)?)?;
    let payloads: Vec<Call> = serde_json::from_slice(&read("newpayload.json")?)?;
    let choice: Call = serde_json::from_slice(&read("headfcu.json")?)?;
    let node = Node::start(&spec, spec.genesis().gas_limit)?;
    let genesis = node.head();
    for call in payloads {
        let hash = call.hash("blockHash")?;
        // The genesis is among them, and no payload: it has a difficulty.
        if hash == genesis {
            continue;
        }
        let answer = node.call(&call.method, requests_in_hex(call.params));
        answer::valid(answer, hash).map_err(|why| Stuck::Answer { call: call.id, why })?;
    }
    let head = choice.hash("headBlockHash")?;
    let answer = node.update(&choice.method, choice.params);
    answer::valid(answer, head).map_err(|why| Stuck::Answer { call: choice.id, why })?;
    if node.head() == head { Ok(()) } else { Err(Stuck::Head(node.head())) }
}
