//! The namespace over a chain and a store in memory.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use alloy_primitives::{Address, B256, Bytes, U256, hex};
use alloy_sol_types::SolEvent;
use ethrex_chain::Chain;
use ethrex_protocol::{
    BatchNumber, L2Height,
    batch::{Batch, BlobsBundle},
    constants::{BRIDGE_L2, MESSENGER},
    contracts::Messenger,
    effects::BatchEffects,
    merkle,
};
use ethrex_rpc::{ApiConfig, Context};
use ethrex_stf::{BlockAttributes, Ethereum, Rules};
use ethrex_storage::Storage;
use ethrex_store::{Store, StoredBatch};
use ethrex_txpool::{NoJournal, Pool, PoolConfig};
use ethrex_types::{
    ChainSpec, Genesis, GenesisAccount, Tx,
    alloy_consensus::{
        SignableTransaction, TxLegacy, crypto::secp256k1, transaction::SignerRecoverable,
    },
};
use jsonrpsee::{RpcModule, core::RpcResult};
use serde_json::{Value, json};

struct World {
    chain: Chain,
    pool: Pool,
    store: Store,
    module: RpcModule<()>,
}

/// A messenger that sends one message to L1 whenever it is called: `L1Message(BRIDGE_L2, 0x02…02, count)`.
fn messenger() -> Bytes {
    // SLOAD(0) + 1, stored again, is the message id: topic 4. Data hash: topic 3. Sender: topic 2.
    let mut code = hex!("5f54600101805f55").to_vec();
    code.push(0x7f);
    code.extend([2; 32]);
    code.push(0x73);
    code.extend(BRIDGE_L2);
    code.push(0x7f);
    code.extend(Messenger::L1Message::SIGNATURE_HASH);
    // LOG4 of no data.
    code.extend(hex!("5f5fa400"));
    code.into()
}

fn key() -> B256 {
    B256::repeat_byte(7)
}

fn call(nonce: u64) -> Tx {
    let tx = TxLegacy {
        chain_id: Some(5),
        nonce,
        gas_price: 3_000_000_000,
        gas_limit: 100_000,
        to: MESSENGER.into(),
        ..TxLegacy::default()
    };
    let signature = secp256k1::sign_message(key(), tx.signature_hash()).unwrap();
    Tx::Legacy(tx.into_signed(signature))
}

impl World {
    fn new() -> Self {
        let mut genesis = Genesis { gas_limit: 30_000_000, ..Genesis::default() };
        genesis.config.chain_id = 5;
        genesis.config.london_block = Some(0);
        genesis.config.terminal_total_difficulty = Some(U256::ZERO);
        genesis.config.shanghai_time = Some(0);
        let rich = call(0).recover_signer().unwrap();
        genesis.alloc = [
            (rich, GenesisAccount::default().with_balance(U256::from(10).pow(U256::from(20)))),
            (MESSENGER, GenesisAccount::default().with_code(Some(messenger()))),
        ]
        .into();
        let spec = ChainSpec::new(genesis).unwrap();
        let storage = Storage::memory(&spec).unwrap();
        let rules: Arc<dyn Rules> = Arc::new(Ethereum);
        let chain = Chain::open(spec.clone(), Arc::clone(&rules), storage.clone()).unwrap();
        let head = chain.head();
        let state = Arc::new(storage.state_at(head.hash()).unwrap().unwrap());
        let config = PoolConfig::standard();
        let pool = Pool::open(spec, rules, config, Arc::new(NoJournal), head, state).unwrap();
        let store = Store::memory().unwrap();
        let context = Context::new(chain.clone(), pool.clone(), ApiConfig::standard("test".into()));
        let module = ethrex_rpc_ext::module(&context, &store).remove_context();
        Self { chain, pool, store, module }
    }

    /// Publishes a block with these transactions.
    fn mine(&self, txs: &[Tx]) {
        let parent = self.chain.head();
        let attributes = BlockAttributes {
            timestamp: parent.timestamp + 1,
            fee_recipient: Address::ZERO,
            prev_randao: B256::ZERO,
            withdrawals: None,
            parent_beacon_block_root: None,
            slot_number: None,
            desired_gas_limit: parent.gas_limit,
            extra_data: Bytes::new(),
        };
        let fill = |builder: &mut ethrex_stf::BlockBuilder<'_>| {
            for tx in txs {
                builder.push(tx.clone(), tx.recover_signer().unwrap()).unwrap();
            }
            Ok(())
        };
        let prepared = self.chain.build(&parent, &attributes, fill).unwrap();
        self.chain.extend(prepared, &self.pool).unwrap();
    }

    /// Seals the blocks from `first` to the head as a batch.
    fn seal(&self, number: u64, first: u64) -> Batch {
        let storage = self.chain.storage();
        let mut effects = BatchEffects::new(5);
        let head = self.chain.head();
        for height in first..=head.number {
            let hash = storage.canonical_hash(height).unwrap().unwrap();
            let block = storage.block(hash).unwrap().unwrap();
            let receipts = storage.receipts(hash).unwrap().unwrap();
            effects.add(block.sealed().block(), &receipts).unwrap();
        }
        let batch = Batch {
            number: BatchNumber(number),
            first_block: L2Height(first),
            last_block: L2Height(head.number),
            state_root: head.state_root,
            l1_in_messages_rolling_hash: B256::ZERO,
            l2_in_message_rolling_hashes: vec![],
            l1_out_message_hashes: effects.l1_out_leaves(),
            non_privileged_transactions: effects.non_privileged_count(),
            balance_diffs: vec![],
            blobs_bundle: BlobsBundle::default(),
            commit_tx: None,
            verify_tx: None,
        };
        let stored = StoredBatch {
            batch: batch.clone(),
            last_block_hash: head.hash(),
            blob_versioned_hash: B256::ZERO,
        };
        self.store.insert_batch(&stored).unwrap();
        batch
    }

    async fn get(&self, method: &str, params: Value) -> Value {
        let request = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let (answer, _) = self.module.raw_json_request(&request.to_string(), 1).await.unwrap();
        let answer: Value = serde_json::from_str(answer.get()).unwrap();
        answer.get("result").unwrap_or_else(|| panic!("{method}: {answer}")).clone()
    }
}

#[tokio::test]
async fn batches_are_found_by_number_and_by_block() {
    let world = World::new();
    assert_eq!(world.get("ethrex_batchNumber", json!([])).await, Value::Null);
    assert_eq!(world.get("ethrex_getBatchByNumber", json!(["0x1", false])).await, Value::Null);
    world.mine(&[call(0)]);
    world.mine(&[]);
    world.seal(1, 1);
    world.mine(&[]);
    assert_eq!(world.get("ethrex_batchNumber", json!([])).await, "0x1");
    let batch = world.get("ethrex_getBatchByNumber", json!(["0x1", false])).await;
    assert_eq!(batch["number"], 1);
    assert_eq!(batch["first_block"], 1);
    assert_eq!(batch["last_block"], 2);
    assert_eq!(batch["non_privileged_transactions"], 1);
    assert_eq!(batch["commit_tx"], Value::Null);
    assert_eq!(batch.get("block_hashes"), None);
    let with_hashes = world.get("ethrex_getBatchByNumber", json!(["0x1", true])).await;
    let storage = world.chain.storage();
    let hashes = [1, 2].map(|height| storage.canonical_hash(height).unwrap().unwrap());
    assert_eq!(with_hashes["block_hashes"], json!(hashes));
    assert_eq!(world.get("ethrex_getBatchByBlock", json!(["0x2"])).await, batch);
    assert_eq!(world.get("ethrex_getBatchByBlock", json!([hashes[0]])).await, batch);
    assert_eq!(world.get("ethrex_getBatchByBlock", json!(["latest"])).await, Value::Null);
    assert_eq!(world.get("ethrex_getBatchByBlock", json!(["0x99"])).await, Value::Null);
}

#[tokio::test]
async fn a_message_is_proven_from_the_moment_its_batch_is_sealed() {
    let world = World::new();
    let txs = [call(0), call(1), call(2)];
    world.mine(&txs);
    let ask = || world.get("ethrex_getL1MessageProof", json!([txs[1].hash()]));
    assert_eq!(ask().await, Value::Null);
    let batch = world.seal(1, 1);
    let proofs = ask().await;
    assert_eq!(proofs.as_array().unwrap().len(), 1);
    assert_eq!(proofs[0]["batch_number"], 1);
    assert_eq!(proofs[0]["message_id"], "0x2");
    assert_eq!(proofs[0]["message_hash"], json!(batch.l1_out_message_hashes[1]));
    let path: Vec<B256> = serde_json::from_value(proofs[0]["merkle_proof"].clone()).unwrap();
    let root = merkle::root(&batch.l1_out_message_hashes);
    assert!(merkle::verify(root, batch.l1_out_message_hashes[1], &path));
    assert_eq!(world.get("ethrex_getL1MessageProof", json!([B256::ZERO])).await, Value::Null);
}

#[tokio::test]
async fn without_a_fee_config_there_are_no_vaults_and_no_fees() {
    let world = World::new();
    for vault in ["BaseFeeVault", "OperatorFeeVault", "L1FeeVault"] {
        let method = format!("ethrex_get{vault}Address");
        assert_eq!(world.get(&method, json!(["latest"])).await, Value::Null);
    }
    assert_eq!(world.get("ethrex_getOperatorFee", json!(["latest"])).await, "0x0");
    assert_eq!(world.get("ethrex_getL1BlobBaseFee", json!(["latest"])).await, 0);
    let unknown: RpcResult<Value> =
        world.module.call("ethrex_getOperatorFee", ["0x99"]).await.map_err(|error| match error {
            jsonrpsee::core::server::MethodsError::JsonRpc(error) => error,
            other => panic!("{other}"),
        });
    assert_eq!(unknown.unwrap_err().message(), "header not found");
}
