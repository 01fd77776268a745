//! Payloads whose builder breaks.

use std::{sync::Arc, time::Duration};

use alloy_eips::eip2718::Encodable2718;
use alloy_network::{EthereumWallet, NetworkTransactionBuilder, TransactionBuilder};
use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_rpc_types_eth::TransactionRequest;
use alloy_signer_local::PrivateKeySigner;
use ethrex_chain::{Chain, Payloads};
use ethrex_evm::{Payment, TxRules};
use ethrex_stf::{BlockAttributes, Rejected, Rules};
use ethrex_storage::Storage;
use ethrex_txpool::{Pool, PoolConfig};
use ethrex_types::{ChainSpec, Genesis, Tx};

const GENESIS: &str = include_str!("../../../rollup/deploy/genesis/l1.json");
const RICH_KEY: &str = "0x385c546456b6a603a1cfcaa9ec9494ba4832da08dd6bcf4de9a71e4a01b74924";
/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// Rules with a fault that the first transaction of a block meets.
#[derive(Debug)]
struct Broken;

impl TxRules for Broken {
    fn payment(&self, _tx_type: u8, _sender: Address) -> Payment {
        panic!("this is what the test is about")
    }
}

impl Rules for Broken {
    fn admit(&self, _tx: &Tx) -> Result<(), Rejected> {
        Ok(())
    }
}

#[tokio::test]
async fn who_watches_learns_that_no_payload_gets_better_any_more() {
    let genesis: Genesis = serde_json::from_str(GENESIS).unwrap();
    let spec = ChainSpec::new(genesis).unwrap();
    let storage = Storage::memory(&spec).unwrap();
    let rules: Arc<dyn Rules> = Arc::new(Broken);
    let chain = Chain::open_unwitnessed(spec.clone(), rules.clone(), storage.clone()).unwrap();
    let head = chain.head();
    let state = Arc::new(storage.state_at(head.hash()).unwrap().unwrap());
    let config = PoolConfig::standard();
    let pool = Pool::open(spec, rules, config, Arc::new(storage), head.clone(), state).unwrap();
    let signer: PrivateKeySigner = RICH_KEY.parse().unwrap();
    let tx = TransactionRequest::default()
        .with_to(Address::repeat_byte(1))
        .with_value(U256::from(1))
        .with_nonce(0)
        .with_chain_id(9)
        .with_gas_limit(21_000)
        .with_max_fee_per_gas(2_000_000_000)
        .with_max_priority_fee_per_gas(1)
        .build(&EthereumWallet::from(signer))
        .await
        .unwrap();
    pool.add_raw(&tx.encoded_2718()).unwrap();
    let payloads = Payloads::spawn(chain, pool, None).unwrap();
    let attributes = BlockAttributes {
        timestamp: head.timestamp + 12,
        fee_recipient: Address::repeat_byte(7),
        prev_randao: B256::ZERO,
        withdrawals: Some(Default::default()),
        parent_beacon_block_root: Some(B256::ZERO),
        slot_number: None,
        desired_gas_limit: 25_000_000,
        extra_data: Bytes::new(),
    };
    let id = payloads.start(&head, attributes).unwrap();
    tokio::time::timeout(PATIENCE, payloads.ended()).await.expect("it ends");
    let empty = payloads.get(id).unwrap();
    assert!(empty.block.body().transactions.is_empty());
}
