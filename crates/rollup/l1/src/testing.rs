//! An L1 in memory: it answers the JSON-RPC a [`crate::Client`] speaks, and does exactly what a test tells it.
//!
//! Blocks come when [`FakeL1::mine`] is called, transactions get lost when [`FakeL1::lose`] is, and the whole chain
//! goes away with [`FakeL1::set_down`]. Contracts are Rust values ([`Contract`]).

mod anvil;
mod settlement;

use std::{
    any::Any,
    collections::{BTreeMap, HashMap},
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use alloy_eips::eip2718::Decodable2718;
use alloy_json_rpc::{RequestPacket, ResponsePacket};
use alloy_network::{Ethereum, Network};
use alloy_primitives::{Address, B256, Bytes, LogData, TxKind, U256, keccak256};
use alloy_rpc_types_eth::{TransactionRequest, TransactionTrait};
use alloy_transport::{TransportError, TransportErrorKind, TransportFut};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tower::Service;

pub use anvil::Anvil;
pub use settlement::{SETTLEMENT, SettlementModel, state_root};

use crate::client::Client;

/// A call a contract sees.
#[derive(Debug, Clone)]
pub struct Call {
    /// Who calls.
    pub from: Address,
    /// What it says.
    pub data: Bytes,
    /// Wei sent along.
    pub value: U256,
    /// Versioned hashes of the transaction's blobs.
    pub blobs: Vec<B256>,
    /// Number of the block it runs in.
    pub block: u64,
}

/// What a contract does with a call: returned bytes and logs, or revert data.
pub type Ran = Result<(Bytes, Vec<LogData>), Bytes>;

/// A contract as a Rust value.
pub trait Contract: fmt::Debug + Send {
    /// Runs a call. After a revert the value is thrown away, so it need not undo anything.
    fn run(&mut self, call: &Call) -> Ran;
    /// A copy with the same state.
    fn copy(&self) -> Box<dyn Contract>;
    /// The value, for a test to look into.
    fn as_any(&self) -> &dyn Any;
}

#[derive(Debug, Clone)]
struct Pooled {
    hash: B256,
    from: Address,
    nonce: u64,
    max_fee: u128,
    tip: u128,
    blob_fee: u128,
    request: TransactionRequest,
}

#[derive(Debug, Clone)]
struct FakeReceipt {
    block: u64,
    success: bool,
    tx: Pooled,
}

#[derive(Debug, Clone)]
struct FakeLog {
    block: u64,
    index: u64,
    tx: B256,
    address: Address,
    data: LogData,
}

#[derive(Debug)]
struct World {
    nonces: HashMap<Address, u64>,
    contracts: HashMap<Address, Box<dyn Contract>>,
    receipts: HashMap<B256, FakeReceipt>,
    logs: Vec<FakeLog>,
}

impl World {
    fn copy(&self) -> Self {
        Self {
            nonces: self.nonces.clone(),
            contracts: self.contracts.iter().map(|(&at, c)| (at, c.copy())).collect(),
            receipts: self.receipts.clone(),
            logs: self.logs.clone(),
        }
    }
}

#[derive(Debug)]
struct Inner {
    /// State after each block; the last is the newest.
    worlds: Vec<World>,
    hashes: Vec<B256>,
    pool: BTreeMap<(Address, u64), Pooled>,
    base_fee: u128,
    /// Transactions that offer less are left in the pool.
    least_tip: u128,
    down: bool,
    /// Requests that are still answered before the exchange fails once, after being served.
    cut_after: Option<usize>,
    sent: Vec<B256>,
    /// Distinguishes blocks of the same height on different branches.
    branch: u64,
}

/// The chain. Cheap to clone; clones share it.
#[derive(Debug, Clone)]
pub struct FakeL1(Arc<Mutex<Inner>>);

/// Chain id of the fake.
pub const CHAIN_ID: u64 = 9;

impl Default for FakeL1 {
    fn default() -> Self {
        Self::new()
    }
}

impl FakeL1 {
    /// A chain with nothing but a genesis block.
    pub fn new() -> Self {
        let world = World {
            nonces: HashMap::new(),
            contracts: HashMap::new(),
            receipts: HashMap::new(),
            logs: Vec::new(),
        };
        Self(Arc::new(Mutex::new(Inner {
            worlds: vec![world],
            hashes: vec![keccak256(b"genesis")],
            pool: BTreeMap::new(),
            base_fee: 1_000_000_000,
            least_tip: 0,
            down: false,
            cut_after: None,
            sent: Vec::new(),
            branch: 0,
        })))
    }

    /// A client of this chain.
    pub fn client(&self) -> Client {
        Client::with_transport(self.clone())
    }

    /// Puts a contract at an address, in the newest state.
    pub fn install(&self, at: Address, contract: impl Contract + 'static) {
        self.0.lock().newest_mut().contracts.insert(at, Box::new(contract));
    }

    /// Looks into a contract, in the newest state.
    ///
    /// # Panics
    /// If there is none, or it is no `C`.
    pub fn inspect<C: Contract + 'static, T>(&self, at: Address, look: impl FnOnce(&C) -> T) -> T {
        let inner = self.0.lock();
        let contract = inner.newest().contracts.get(&at).expect("a contract is installed there");
        look(contract.as_any().downcast_ref().expect("the contract is of that type"))
    }

    /// Makes a block of the pool's transactions, best effort: those that are next in their account and pay enough.
    pub fn mine(&self) -> u64 {
        self.0.lock().mine()
    }

    /// Makes `count` blocks.
    pub fn mine_many(&self, count: u64) {
        for _ in 0..count {
            self.mine();
        }
    }

    /// Undoes the newest `count` blocks; their transactions are gone unless `keep` puts them back in the pool.
    pub fn reorganise(&self, count: usize, keep: bool) {
        let mut inner = self.0.lock();
        for _ in 0..count {
            let gone = inner.worlds.pop().expect("the genesis is never undone");
            let number = inner.worlds.len() as u64;
            inner.hashes.pop();
            for receipt in gone.receipts.into_values().filter(|r| keep && r.block == number) {
                inner.pool.insert((receipt.tx.from, receipt.tx.nonce), receipt.tx);
            }
        }
        assert!(!inner.worlds.is_empty(), "the genesis is never undone");
        inner.branch += 1;
    }

    /// Empties the pool, as a node that restarts does.
    pub fn lose(&self) {
        self.0.lock().pool.clear();
    }

    /// Makes every exchange fail, or work again.
    pub fn set_down(&self, down: bool) {
        self.0.lock().down = down;
    }

    /// Serves `more` requests, then one more whose answer never arrives.
    pub fn cut_answer_after(&self, more: usize) {
        self.0.lock().cut_after = Some(more);
    }

    /// Sets the base fee of the coming blocks.
    pub fn set_base_fee(&self, wei: u128) {
        self.0.lock().base_fee = wei;
    }

    /// Leaves transactions with a lower tip unmined.
    pub fn set_least_tip(&self, wei: u128) {
        self.0.lock().least_tip = wei;
    }

    /// Pretends that another program used a nonce of an account.
    pub fn use_nonce(&self, account: Address) {
        *self.0.lock().newest_mut().nonces.entry(account).or_default() += 1;
    }

    /// Number of the newest block.
    pub fn head(&self) -> u64 {
        self.0.lock().head()
    }

    /// Hashes of all transactions ever taken into the pool, in order.
    pub fn sent(&self) -> Vec<B256> {
        self.0.lock().sent.clone()
    }

    /// How many transactions wait in the pool.
    pub fn pooled(&self) -> usize {
        self.0.lock().pool.len()
    }

    /// The nonce after an account's mined and pooled transactions.
    pub fn next_nonce(&self, account: Address) -> u64 {
        let inner = self.0.lock();
        let pooled = inner.pool.keys().filter(|(from, _)| *from == account).count();
        inner.nonce(account) + pooled as u64
    }

    /// How many transactions of an account are mined.
    pub fn nonce(&self, account: Address) -> u64 {
        self.0.lock().nonce(account)
    }
}

impl Inner {
    fn head(&self) -> u64 {
        self.worlds.len() as u64 - 1
    }

    fn newest(&self) -> &World {
        self.worlds.last().expect("a chain has a genesis")
    }

    fn newest_mut(&mut self) -> &mut World {
        self.worlds.last_mut().expect("a chain has a genesis")
    }

    fn nonce(&self, account: Address) -> u64 {
        self.newest().nonces.get(&account).copied().unwrap_or_default()
    }

    fn mine(&mut self) -> u64 {
        let mut world = self.newest().copy();
        let number = self.head() + 1;
        let mut index = 0;
        let mut left = BTreeMap::new();
        for (key, tx) in std::mem::take(&mut self.pool) {
            let nonce = world.nonces.get(&tx.from).copied().unwrap_or_default();
            if tx.nonce < nonce {
                continue;
            }
            let pays = tx.max_fee >= self.base_fee && tx.tip >= self.least_tip;
            if tx.nonce > nonce || !pays {
                left.insert(key, tx);
                continue;
            }
            world.nonces.insert(tx.from, nonce + 1);
            let ran = run(&mut world, &tx.request, tx.from, number);
            let success = ran.is_ok();
            let to = tx.request.to.and_then(|to| to.to().copied()).unwrap_or_default();
            for data in ran.map(|(_, logs)| logs).unwrap_or_default() {
                world.logs.push(FakeLog { block: number, index, tx: tx.hash, address: to, data });
                index += 1;
            }
            world.receipts.insert(tx.hash, FakeReceipt { block: number, success, tx });
        }
        self.pool = left;
        self.worlds.push(world);
        let seed = [number.to_be_bytes(), self.branch.to_be_bytes()].concat();
        self.hashes.push(keccak256(seed));
        number
    }

    fn answer(&mut self, method: &str, params: &Value) -> Result<Value, Value> {
        match method {
            "eth_chainId" => Ok(json!(U256::from(CHAIN_ID))),
            "eth_blockNumber" => Ok(json!(U256::from(self.head()))),
            "eth_maxPriorityFeePerGas" => Ok(json!("0x3b9aca00")),
            "eth_blobBaseFee" => Ok(json!("0x1")),
            "eth_getBalance" => Ok(json!("0xde0b6b3a7640000")),
            "eth_getBlockByNumber" => Ok(self.block(&params[0])),
            "eth_getTransactionCount" => {
                let account: Address = parse(&params[0])?;
                let mut nonce = self.nonce(account);
                while params[1] == "pending" && self.pool.contains_key(&(account, nonce)) {
                    nonce += 1;
                }
                Ok(json!(U256::from(nonce)))
            }
            "eth_getTransactionByHash" => {
                let hash: B256 = parse(&params[0])?;
                let known = self.newest().receipts.contains_key(&hash)
                    || self.pool.values().any(|tx| tx.hash == hash);
                Ok(if known { json!({ "hash": hash }) } else { Value::Null })
            }
            "eth_getTransactionReceipt" => {
                let hash: B256 = parse(&params[0])?;
                Ok(self.receipt(hash))
            }
            "eth_getLogs" => self.logs(&params[0]),
            "eth_call" => self.simulate(&params[0]).map(|bytes| json!(bytes)),
            "eth_estimateGas" => self.simulate(&params[0]).map(|_| json!("0x186a0")),
            "eth_sendRawTransaction" => {
                let raw: Bytes = parse(&params[0])?;
                self.take(&raw).map(|hash| json!(hash))
            }
            _ => Err(json!({ "code": -32601, "message": "method not found" })),
        }
    }

    fn block(&self, tag: &Value) -> Value {
        let number = match tag.as_str() {
            Some("latest") => self.head(),
            _ => serde_json::from_value::<U256>(tag.clone()).map_or(u64::MAX, |n| n.to()),
        };
        let at = usize::try_from(number).unwrap_or(usize::MAX);
        let Some(hash) = self.hashes.get(at) else { return Value::Null };
        let parent = at.checked_sub(1).map_or(B256::ZERO, |before| self.hashes[before]);
        json!({
            "hash": hash, "parentHash": parent, "number": U256::from(number),
            "timestamp": U256::from(1_700_000_000 + 12 * number), "baseFeePerGas": U256::from(self.base_fee),
            "sha3Uncles": B256::ZERO, "miner": Address::ZERO, "stateRoot": B256::ZERO,
            "transactionsRoot": B256::ZERO, "receiptsRoot": B256::ZERO, "logsBloom": Bytes::from(vec![0; 256]),
            "difficulty": "0x0", "gasLimit": "0x1c9c380", "gasUsed": "0x0", "extraData": "0x",
            "mixHash": B256::ZERO, "nonce": "0x0000000000000000", "size": "0x0",
            "transactions": [], "uncles": [],
        })
    }

    fn receipt(&self, hash: B256) -> Value {
        let Some(receipt) = self.newest().receipts.get(&hash) else { return Value::Null };
        let at = usize::try_from(receipt.block).expect("a fake chain is short");
        json!({
            "transactionHash": hash, "transactionIndex": "0x0", "blockHash": self.hashes[at],
            "blockNumber": U256::from(receipt.block), "from": receipt.tx.from, "to": Address::ZERO,
            "cumulativeGasUsed": "0x186a0", "gasUsed": "0x186a0", "effectiveGasPrice": "0x1",
            "contractAddress": null, "logs": [], "logsBloom": Bytes::from(vec![0; 256]),
            "status": if receipt.success { "0x1" } else { "0x0" }, "type": "0x2",
        })
    }

    fn logs(&self, filter: &Value) -> Result<Value, Value> {
        let from: U256 = parse(&filter["fromBlock"])?;
        let to: U256 = parse(&filter["toBlock"])?;
        let one = |value: &Value| value.as_array().map_or_else(|| value.clone(), |a| a[0].clone());
        let address: Address = parse(&one(&filter["address"]))?;
        let topic: B256 = parse(&one(&filter["topics"][0]))?;
        let matches = self.newest().logs.iter().filter(|log| {
            (from..=to).contains(&U256::from(log.block))
                && log.address == address
                && log.data.topics().first() == Some(&topic)
        });
        let found: Vec<Value> = matches
            .map(|log| {
                json!({
                    "address": log.address, "topics": log.data.topics(), "data": log.data.data,
                    "blockNumber": U256::from(log.block), "blockHash": self.hashes[log.block as usize],
                    "transactionHash": log.tx, "transactionIndex": "0x0",
                    "logIndex": U256::from(log.index), "removed": false,
                })
            })
            .collect();
        Ok(json!(found))
    }

    fn simulate(&self, call: &Value) -> Result<Bytes, Value> {
        let request: TransactionRequest = parse(call)?;
        let mut world = self.newest().copy();
        let from = request.from.unwrap_or_default();
        run(&mut world, &request, from, self.head() + 1)
            .map(|(output, _)| output)
            .map_err(|data| json!({ "code": 3, "message": "execution reverted", "data": data }))
    }

    fn take(&mut self, raw: &Bytes) -> Result<B256, Value> {
        let refuse = |message: &str| Err(json!({ "code": -32000, "message": message }));
        let Ok(envelope) = <Ethereum as Network>::TxEnvelope::decode_2718(&mut raw.as_ref()) else {
            return refuse("rlp: cannot decode");
        };
        let from = envelope
            .signature()
            .recover_address_from_prehash(&envelope.signature_hash())
            .expect("our transactions carry a signature");
        let hash = *envelope.tx_hash();
        let (nonce, max_fee) = (envelope.nonce(), envelope.max_fee_per_gas());
        let tip = envelope.max_priority_fee_per_gas().unwrap_or_default();
        let blob_fee = envelope.max_fee_per_blob_gas().unwrap_or_default();
        if self.pool.values().any(|tx| tx.hash == hash) {
            return refuse("already known");
        }
        if nonce < self.nonce(from) {
            return refuse("nonce too low");
        }
        if let Some(old) = self.pool.get(&(from, nonce)) {
            let percent = if old.blob_fee > 0 { 200 } else { 110 };
            let enough = |new: u128, old: u128| new * 100 >= old * percent;
            if !(enough(max_fee, old.max_fee)
                && enough(tip, old.tip)
                && enough(blob_fee, old.blob_fee))
            {
                return refuse("replacement transaction underpriced");
            }
        }
        let others = self.pool.iter().filter(|((account, _), _)| *account == from);
        if others.into_iter().any(|(_, tx)| (tx.blob_fee > 0) != (blob_fee > 0)) {
            return refuse("address already reserved");
        }
        let request = TransactionRequest { sidecar: None, ..envelope.into() };
        let tx = Pooled { hash, from, nonce, max_fee, tip, blob_fee, request };
        self.pool.insert((from, nonce), tx);
        self.sent.push(hash);
        Ok(hash)
    }
}

fn run(world: &mut World, request: &TransactionRequest, from: Address, block: u64) -> Ran {
    let Some(TxKind::Call(to)) = request.to else { return Ok((Bytes::new(), Vec::new())) };
    let Some(contract) = world.contracts.get_mut(&to) else {
        return Ok((Bytes::new(), Vec::new()));
    };
    let call = Call {
        from,
        data: request.input.input().cloned().unwrap_or_default(),
        value: request.value.unwrap_or_default(),
        blobs: request.blob_versioned_hashes.clone().unwrap_or_default(),
        block,
    };
    let mut trial = contract.copy();
    let ran = trial.run(&call)?;
    *contract = trial;
    Ok(ran)
}

fn parse<T: serde::de::DeserializeOwned>(value: &Value) -> Result<T, Value> {
    serde_json::from_value(value.clone())
        .map_err(|error| json!({ "code": -32602, "message": error.to_string() }))
}

impl Service<RequestPacket> for FakeL1 {
    type Response = ResponsePacket;
    type Error = TransportError;
    type Future = TransportFut<'static>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TransportError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, packet: RequestPacket) -> Self::Future {
        let mut inner = self.0.lock();
        let cut = match &mut inner.cut_after {
            Some(0) => {
                inner.cut_after = None;
                true
            }
            Some(more) => {
                *more -= 1;
                false
            }
            None => false,
        };
        let answer = if inner.down {
            Err(TransportErrorKind::custom_str("the fake L1 is down"))
        } else {
            serve(&mut inner, packet)
        };
        let answer = if cut { Err(TransportErrorKind::custom_str("cut")) } else { answer };
        Box::pin(std::future::ready(answer))
    }
}

fn serve(inner: &mut Inner, packet: RequestPacket) -> Result<ResponsePacket, TransportError> {
    let request = packet.serialize().map_err(TransportError::ser_err)?;
    let request: Value = serde_json::from_str(request.get()).map_err(TransportError::ser_err)?;
    let method = request["method"].as_str().unwrap_or_default();
    let mut response = json!({ "jsonrpc": "2.0", "id": request["id"] });
    match inner.answer(method, &request["params"]) {
        Ok(result) => response["result"] = result,
        Err(error) => response["error"] = error,
    }
    serde_json::from_value(response).map_err(TransportError::ser_err)
}

/// Sends a call from a fixed account of its own, as some user of L1; it is mined with the next block.
pub async fn send(l1: &FakeL1, to: Address, data: Bytes) {
    let key: crate::SigningKey =
        "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d"
            .parse()
            .expect("a fixed key");
    let raw = crate::sender::sign_plain(&key, l1.next_nonce(key.address()), to, data).await;
    l1.client().send_raw(&raw).await.expect("a fake L1 answers").expect("and takes it");
}
