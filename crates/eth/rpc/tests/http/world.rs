//! A chain in memory behind a real socket.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    net::SocketAddr,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use alloy_eips::eip2718::Encodable2718;
use alloy_primitives::{Address, B256, Bytes, TxKind, U256, address, hex};
use alloy_signer::SignerSync;
use alloy_signer_local::PrivateKeySigner;
use alloy_sol_types::{Revert, SolError};
use ethrex_chain::Chain;
use ethrex_rpc::{
    ApiConfig, Context, Gate, Running, Server, ServerConfig, beacon, control, modules, testing,
};
use ethrex_stf::{BlockAttributes, Ethereum, Rules};
use ethrex_storage::Storage;
use ethrex_txpool::{NoJournal, Pool, PoolConfig};
use ethrex_types::{
    ChainSpec, Genesis, GenesisAccount, PooledTx, Tx,
    alloy_consensus::{SignableTransaction, TxEip1559, TxEip4844},
};
use jsonrpsee::Methods;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_util::sync::CancellationToken;

pub(crate) const CHAIN_ID: u64 = 9;
/// Counts its calls in slot 0, logs and returns the count.
pub(crate) const COUNTER: Address = address!("00000000000000000000000000000000000c0de1");
/// Reverts with "user error".
pub(crate) const REVERTER: Address = address!("00000000000000000000000000000000000c0de2");
/// Needs 50,000 gas at the time it asks, and uses almost none.
pub(crate) const HOARDER: Address = address!("00000000000000000000000000000000000c0de3");

pub(crate) struct World {
    pub(crate) chain: Chain,
    pub(crate) pool: Pool,
    pub(crate) address: SocketAddr,
    /// The same methods without the socket.
    pub(crate) methods: Methods,
    pub(crate) stop: CancellationToken,
    pub(crate) running: Option<Running>,
    wallet: PrivateKeySigner,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|config| config).await
    }

    pub(crate) async fn with(change: impl FnOnce(ServerConfig) -> ServerConfig) -> Self {
        Self::with_both(change, |config| config).await
    }

    pub(crate) async fn with_api(change: impl FnOnce(ApiConfig) -> ApiConfig) -> Self {
        Self::with_both(|config| config, change).await
    }

    /// On a chain under the rules of Osaka. It makes no blocks: their system contracts are absent.
    pub(crate) async fn of_osaka(change: impl FnOnce(ApiConfig) -> ApiConfig) -> Self {
        let osaka = |genesis: &mut Genesis| {
            (genesis.config.prague_time, genesis.config.osaka_time) = (Some(0), Some(0));
        };
        Self::made(osaka, |config| config, change).await
    }

    async fn with_both(
        change: impl FnOnce(ServerConfig) -> ServerConfig,
        change_api: impl FnOnce(ApiConfig) -> ApiConfig,
    ) -> Self {
        Self::made(|_| {}, change, change_api).await
    }

    async fn made(
        change_genesis: impl FnOnce(&mut Genesis),
        change: impl FnOnce(ServerConfig) -> ServerConfig,
        change_api: impl FnOnce(ApiConfig) -> ApiConfig,
    ) -> Self {
        let wallet = PrivateKeySigner::from_bytes(&B256::repeat_byte(7)).unwrap();
        let mut genesis = genesis(wallet.address());
        change_genesis(&mut genesis);
        let spec = ChainSpec::new(genesis).unwrap();
        let storage = Storage::memory(&spec).unwrap();
        let rules: Arc<dyn Rules> = Arc::new(Ethereum);
        let chain = Chain::open(spec.clone(), Arc::clone(&rules), storage.clone()).unwrap();
        let head = chain.head();
        let state = Arc::new(storage.state_at(head.hash()).unwrap().unwrap());
        let config = PoolConfig::standard();
        let pool = Pool::open(spec, rules, config, Arc::new(NoJournal), head, state).unwrap();
        let api = change_api(ApiConfig::standard("ethrex/test".into()));
        let context = Context::new(chain.clone(), pool.clone(), api);
        let mut methods = modules(&context);
        methods.merge(control(&context)).unwrap();
        methods.merge(testing(&context)).unwrap();
        let stop = CancellationToken::new();
        let running = Server::new(change(ServerConfig {
            websocket: Some(Gate::open()),
            ..ServerConfig::loopback(0)
        }))
        .add(methods.clone())
        .unwrap()
        .route(beacon::routes(&context))
        .start(stop.clone())
        .await
        .unwrap();
        let address = running.address();
        Self { chain, pool, address, methods, stop, running: Some(running), wallet }
    }

    pub(crate) fn sender(&self) -> Address {
        self.wallet.address()
    }

    pub(crate) fn sign(&self, nonce: u64, to: TxKind, value: u64, input: Bytes) -> PooledTx {
        let tx = TxEip1559 {
            chain_id: CHAIN_ID,
            nonce,
            gas_limit: 200_000,
            max_fee_per_gas: 3_000_000_000,
            max_priority_fee_per_gas: 1_000_000_000,
            to,
            value: U256::from(value),
            input,
            ..TxEip1559::default()
        };
        let signature = self.wallet.sign_hash_sync(&tx.signature_hash()).unwrap();
        PooledTx::Eip1559(tx.into_signed(signature))
    }

    /// A signed call, as a wallet sends it.
    pub(crate) fn raw(&self, nonce: u64, to: Address, value: u64) -> String {
        let tx = self.sign(nonce, TxKind::Call(to), value, Bytes::new());
        hex::encode_prefixed(tx.encoded_2718())
    }

    /// A transaction with blobs, as it stands in a block.
    pub(crate) fn blob_tx(&self, nonce: u64, blob_versioned_hashes: Vec<B256>) -> Tx {
        let tx = TxEip4844 {
            chain_id: CHAIN_ID,
            nonce,
            gas_limit: 21_000,
            max_fee_per_gas: 3_000_000_000,
            max_fee_per_blob_gas: 1,
            blob_versioned_hashes,
            ..TxEip4844::default()
        };
        let signature = self.wallet.sign_hash_sync(&tx.signature_hash()).unwrap();
        Tx::Eip4844(tx.into_signed(signature))
    }

    /// Builds a block from the pool and publishes it.
    pub(crate) fn mine(&self) -> B256 {
        let best = self.pool.best(0, None);
        self.mine_these(best.map(|tx| (tx.tx().clone(), tx.sender())).collect())
    }

    /// Builds a block of these transactions and publishes it.
    pub(crate) fn mine_these(&self, txs: Vec<(Tx, Address)>) -> B256 {
        self.mine_as(Address::repeat_byte(0xfe), txs)
    }

    /// The same for another miner, so that the block differs from its siblings.
    pub(crate) fn mine_as(&self, fee_recipient: Address, txs: Vec<(Tx, Address)>) -> B256 {
        let parent = self.chain.head();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let attributes = BlockAttributes {
            timestamp: now.max(parent.timestamp + 1),
            fee_recipient,
            prev_randao: B256::ZERO,
            withdrawals: None,
            parent_beacon_block_root: None,
            slot_number: None,
            desired_gas_limit: parent.gas_limit,
            extra_data: Bytes::new(),
        };
        let prepared = self
            .chain
            .build(&parent, &attributes, |builder| {
                for (tx, sender) in txs {
                    builder.push(tx, sender).unwrap();
                }
                Ok(())
            })
            .unwrap();
        let stored = self.chain.extend(prepared, &self.pool).unwrap();
        stored.block.sealed().hash()
    }

    /// The whole answer of one call.
    pub(crate) async fn ask(&self, method: &str, params: Value) -> Value {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let (status, body) = self.post(&request.to_string()).await;
        assert_eq!(status, 200, "{body}");
        serde_json::from_str(&body).unwrap()
    }

    /// The result of a call that must succeed.
    pub(crate) async fn get(&self, method: &str, params: Value) -> Value {
        let answer = self.ask(method, params).await;
        answer.get("result").unwrap_or_else(|| panic!("{method}: {answer}")).clone()
    }

    /// Code and message of a call that must fail.
    pub(crate) async fn error(&self, method: &str, params: Value) -> (i64, String) {
        let answer = self.ask(method, params).await;
        let error = answer.get("error").unwrap_or_else(|| panic!("{method}: {answer}"));
        (error["code"].as_i64().unwrap(), error["message"].as_str().unwrap().to_owned())
    }

    pub(crate) async fn post(&self, body: &str) -> (u16, String) {
        let (length, header) = (body.len(), "Content-Type: application/json");
        self.http(&format!(
            "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{header}\r\nContent-Length: {length}\r\n\r\n{body}"
        ))
        .await
    }

    pub(crate) async fn fetch(&self, path: &str) -> (u16, String) {
        self.http(&format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await
    }

    /// One request on a connection of its own: status and body.
    pub(crate) async fn http(&self, request: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        (status, body.to_owned())
    }
}

fn genesis(rich: Address) -> Genesis {
    let mut genesis = Genesis { gas_limit: 30_000_000, ..Genesis::default() };
    let config = &mut genesis.config;
    config.chain_id = CHAIN_ID;
    for block in [
        &mut config.homestead_block,
        &mut config.eip150_block,
        &mut config.eip155_block,
        &mut config.eip158_block,
        &mut config.byzantium_block,
        &mut config.constantinople_block,
        &mut config.petersburg_block,
        &mut config.istanbul_block,
        &mut config.berlin_block,
        &mut config.london_block,
    ] {
        *block = Some(0);
    }
    config.terminal_total_difficulty = Some(U256::ZERO);
    // Cancun: a later fork would need its system contracts in the genesis.
    config.shanghai_time = Some(0);
    config.cancun_time = Some(0);
    let code = |code: Vec<u8>| GenesisAccount {
        code: Some(code.into()),
        nonce: Some(1),
        ..GenesisAccount::default()
    };
    let counter = hex!("5f54600101805f555f52602a60205fa160205ff3").to_vec();
    let mut reverter = hex!("6064600a5f3960645ffd").to_vec();
    reverter.extend(Revert::from("user error").abi_encode());
    // GAS PUSH2 50000 LT: jumps over the INVALID if there is more gas than that.
    let hoarder = hex!("5a61c35010600957fe5b00").to_vec();
    genesis.alloc = [
        (rich, GenesisAccount::default().with_balance(U256::from(10).pow(U256::from(20)))),
        (COUNTER, code(counter)),
        (REVERTER, code(reverter)),
        (HOARDER, code(hoarder)),
    ]
    .into();
    genesis
}
