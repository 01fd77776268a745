//! Our chain in memory, with the genesis that anvil gets too.

use std::sync::{Arc, LazyLock};

use alloy_primitives::{Address, B256, Bytes, U256, address};
use ethrex_chain::Chain;
use ethrex_rpc::{ApiConfig, Context, modules};
use ethrex_stf::{BlockAttributes, Ethereum, Rules};
use ethrex_storage::Storage;
use ethrex_txpool::{NoJournal, Pool, PoolConfig};
use ethrex_types::{ChainSpec, Fork, Genesis, GenesisAccount, system};
use jsonrpsee::Methods;
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::{contracts, scenario::Sent};

pub(crate) const ID: u64 = 31_337;
pub(crate) const COINBASE: Address = address!("00000000000000000000000000000000c01bba5e");
/// Of the genesis block; blocks follow every twelve seconds.
const START: u64 = 1_800_000_000;

pub(crate) const fn time(number: u64) -> u64 {
    START + 12 * number
}

pub(crate) fn spec() -> &'static ChainSpec {
    static SPEC: LazyLock<ChainSpec> = LazyLock::new(|| ChainSpec::new(genesis()).unwrap());
    &SPEC
}

fn genesis() -> Genesis {
    let mut genesis = Genesis {
        gas_limit: 30_000_000,
        timestamp: START,
        base_fee_per_gas: Some(1_000_000_000),
        ..Genesis::default()
    };
    let config = &mut genesis.config;
    config.chain_id = ID;
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
    for time in [
        &mut config.shanghai_time,
        &mut config.cancun_time,
        &mut config.prague_time,
        &mut config.osaka_time,
    ] {
        *time = Some(0);
    }
    system::install(&mut genesis, Fork::Osaka);
    for wallet in contracts::Wallet::ALL {
        let rich = GenesisAccount::default().with_balance(U256::from(10).pow(U256::from(21)));
        genesis.alloc.insert(wallet.address(), rich);
    }
    genesis.alloc.extend(contracts::genesis());
    genesis
}

/// The methods of our server over a chain in memory.
pub(crate) struct Ours {
    chain: Chain,
    pool: Pool,
    methods: Methods,
    runtime: Runtime,
}

impl Ours {
    pub(crate) fn start() -> Self {
        let spec = spec().clone();
        let storage = Storage::memory(&spec).unwrap();
        let rules: Arc<dyn Rules> = Arc::new(Ethereum);
        let chain = Chain::open(spec.clone(), Arc::clone(&rules), storage.clone()).unwrap();
        let head = chain.head();
        let state = Arc::new(storage.state_at(head.hash()).unwrap().unwrap());
        let config = PoolConfig::standard();
        let pool = Pool::open(spec, rules, config, Arc::new(NoJournal), head, state).unwrap();
        let api = ApiConfig::standard("ethrex/test".into());
        let methods = modules(&Context::new(chain.clone(), pool.clone(), api));
        Self { chain, pool, methods, runtime: Runtime::new().unwrap() }
    }

    /// Mines one block of these transactions. Returns its base fee.
    pub(crate) fn mine(&self, txs: &[Sent], time: u64) -> u64 {
        let parent = self.chain.head();
        let attributes = BlockAttributes {
            timestamp: time,
            fee_recipient: COINBASE,
            prev_randao: B256::ZERO,
            withdrawals: None,
            parent_beacon_block_root: None,
            slot_number: None,
            desired_gas_limit: parent.gas_limit,
            extra_data: Bytes::new(),
        };
        let prepared = self.chain.build(&parent, &attributes, |builder| {
            for tx in txs {
                let pushed = builder.push(tx.tx.clone(), tx.sender);
                assert!(pushed.is_ok(), "{}: {pushed:?}", tx.name);
            }
            Ok(())
        });
        self.chain.extend(prepared.unwrap(), &self.pool).unwrap();
        self.chain.head().base_fee_per_gas.unwrap()
    }

    /// The result, or the error as an answer.
    pub(crate) fn ask(&self, method: &str, params: &Value) -> Value {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let request = request.to_string();
        let call = self.methods.raw_json_request(&request, 1);
        let (answer, _) = self.runtime.block_on(call).unwrap();
        let answer: Value = serde_json::from_str(answer.get()).unwrap();
        answer.get("result").or_else(|| answer.get("error")).cloned().unwrap_or_default()
    }
}
