//! Two branches of a chain, made by nodes that live, as a consensus client would hand them to one that is killed.

use std::io;

use alloy_eips::eip2718::Encodable2718 as _;
use alloy_primitives::{Address, B256, U256, hex};
use alloy_signer::SignerSync as _;
use alloy_signer_local::PrivateKeySigner;
use ethrex_types::alloy_consensus::{
    EthereumTxEnvelope, SignableTransaction as _, TxEip1559, TxEip4844,
};
use serde_json::{Value, json};

use crate::process::{Client, Home};

/// Who sends on each branch, and who sends what no block takes.
pub(crate) const KEYS: [&str; 3] = [
    "0x385c546456b6a603a1cfcaa9ec9494ba4832da08dd6bcf4de9a71e4a01b74924",
    "0xbcdf20249abf0ed6d944c0288fad489e33f66b3960d9e6229c1cd214ed3bbe31",
    "0x39725efee3fb28614de3bacaffe4cc4bd8c436257e2c8bb887c4b5c4be45e76d",
];
/// Has as many wei as transfers were mined.
pub(crate) const COUNTER: Address = Address::repeat_byte(0xc0);
const CHAIN_ID: u64 = 9;
const SLOT: u64 = 12;
const BEACON_ROOT: B256 = B256::repeat_byte(0xbb);
const ZERO: B256 = B256::ZERO;

/// A block, as newPayload wants it.
#[derive(Clone)]
pub(crate) struct Block {
    pub(crate) hash: B256,
    pub(crate) params: Vec<Value>,
    pub(crate) txs: Vec<B256>,
}

impl Block {
    /// Its transactions, as wallets send them.
    pub(crate) fn raw_txs(&self) -> &[Value] {
        self.params[0]["transactions"].as_array().unwrap()
    }
}

impl Block {
    pub(crate) fn offer(&self, to: &Client) -> io::Result<()> {
        let status = to.engine("engine_newPayloadV4", &self.params)?;
        assert_eq!(status["status"], "VALID", "{status}");
        Ok(())
    }
}

/// Makes a block the head; with attributes a payload is begun too, and its id returned.
pub(crate) fn follow(client: &Client, head: B256, attributes: Value) -> io::Result<Value> {
    let choice = json!({"headBlockHash": head, "safeBlockHash": ZERO, "finalizedBlockHash": ZERO});
    let updated = client.engine("engine_forkchoiceUpdatedV3", &[choice, attributes])?;
    assert_eq!(updated["payloadStatus"]["status"], "VALID", "{updated}");
    Ok(updated["payloadId"].clone())
}

/// Of a block at this height that differs from its siblings by `salt`.
pub(crate) fn attributes(genesis_time: u64, height: usize, salt: u8) -> Value {
    json!({
        "timestamp": format!("{:#x}", genesis_time + SLOT * height as u64),
        "prevRandao": B256::repeat_byte(salt),
        "suggestedFeeRecipient": Address::repeat_byte(0xfe),
        "withdrawals": [],
        "parentBeaconBlockRoot": BEACON_ROOT,
    })
}

/// A transfer of one wei, signed.
pub(crate) fn transfer(key: &str, nonce: u64) -> String {
    let wallet: PrivateKeySigner = key.parse().unwrap();
    let tx = TxEip1559 {
        chain_id: CHAIN_ID,
        nonce,
        gas_limit: 21_000,
        max_fee_per_gas: 20_000_000_000,
        max_priority_fee_per_gas: 1_000_000_000,
        to: COUNTER.into(),
        value: U256::from(1),
        ..TxEip1559::default()
    };
    let signature = wallet.sign_hash_sync(&tx.signature_hash()).unwrap();
    let tx = EthereumTxEnvelope::<TxEip4844>::Eip1559(tx.into_signed(signature));
    hex::encode_prefixed(tx.encoded_2718())
}

/// Of the genesis: its hash and its time.
pub(crate) fn genesis(client: &Client) -> (B256, u64) {
    let block = client.get("eth_getBlockByNumber", &[json!("0x0"), json!(false)]);
    let time = block["timestamp"].as_str().unwrap();
    (hash(&block["hash"]), u64::from_str_radix(&time[2..], 16).unwrap())
}

pub(crate) fn hash(value: &Value) -> B256 {
    value.as_str().unwrap_or_else(|| panic!("{value} is no hash")).parse().unwrap()
}

/// Has a node of its own make a chain of this length, a transfer in each block, on top of `trunk`.
pub(crate) fn grow(home: &Home, trunk: &[Block], length: usize, branch: u8) -> Vec<Block> {
    let node = home.start();
    let client = node.client;
    let (genesis, time) = genesis(&client);
    let mut chain = trunk.to_vec();
    for block in trunk {
        block.offer(&client).unwrap();
        follow(&client, block.hash, Value::Null).unwrap();
    }
    for height in trunk.len() + 1..=length {
        let (parent, nonce) = (chain.last().map_or(genesis, |block| block.hash), height as u64 - 1);
        let key = KEYS[usize::from(branch)];
        let nonce = if branch == 0 { nonce } else { nonce - trunk.len() as u64 };
        client.get("eth_sendRawTransaction", &[json!(transfer(key, nonce))]);
        let id = follow(&client, parent, attributes(time, height, branch)).unwrap();
        let built = client.engine("engine_getPayloadV5", &[id]).unwrap();
        let payload = &built["executionPayload"];
        let hash = hash(&payload["blockHash"]);
        let params = vec![
            payload.clone(),
            json!([]),
            json!(BEACON_ROOT),
            built["executionRequests"].clone(),
        ];
        let txs = payload["transactions"].as_array().unwrap();
        let txs: Vec<B256> = txs
            .iter()
            .map(|raw| alloy_primitives::keccak256(hex::decode(raw.as_str().unwrap()).unwrap()))
            .collect();
        assert_eq!(txs.len(), 1, "a block takes the transfer that waits");
        let block = Block { hash, params, txs };
        block.offer(&client).unwrap();
        follow(&client, hash, Value::Null).unwrap();
        chain.push(block);
    }
    chain
}
