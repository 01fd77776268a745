//! What one chain builds, another accepts: with the state, and without it.

#![expect(clippy::unwrap_used, reason = "tests unwrap")]

use std::sync::Arc;

use alloy_eips::eip2718::Encodable2718;
use alloy_network::{EthereumWallet, NetworkTransactionBuilder, TransactionBuilder};
use alloy_primitives::{Address, B256, Bytes, U256, address};
use alloy_rpc_types_eth::TransactionRequest;
use alloy_signer_local::PrivateKeySigner;
use ethrex_chain::{Chain, Prepared, Verdict};
use ethrex_stateless::{Witness, validate};
use ethrex_stf::{BlockAttributes, Ethereum, InvalidBlock};
use ethrex_storage::Storage;
use ethrex_types::{Block, ChainSpec, Genesis, SealedBlock, StateReader, Tx};

const GENESIS: &str = include_str!("../../../rollup/deploy/genesis/l1.json");
const RICH_KEY: &str = "0x385c546456b6a603a1cfcaa9ec9494ba4832da08dd6bcf4de9a71e4a01b74924";
const FRIEND: Address = address!("00000000000000000000000000000000000f0e1d");

fn chain() -> Chain {
    let genesis: Genesis = serde_json::from_str(GENESIS).unwrap();
    let spec = ChainSpec::new(genesis).unwrap();
    let storage = Storage::memory(&spec).unwrap();
    Chain::open(spec, Arc::new(Ethereum), storage).unwrap()
}

async fn signed(nonce: u64, to: Option<Address>, value: u64, input: Vec<u8>) -> (Tx, Address) {
    let signer: PrivateKeySigner = RICH_KEY.parse().unwrap();
    let sender = signer.address();
    let mut request = TransactionRequest::default()
        .with_nonce(nonce)
        .with_chain_id(9)
        .with_value(U256::from(value))
        .with_gas_limit(200_000)
        .with_max_fee_per_gas(2_000_000_000)
        .with_max_priority_fee_per_gas(1)
        .with_input(input);
    request = match to {
        Some(to) => request.with_to(to),
        None => request.into_create(),
    };
    let signed = request.build(&EthereumWallet::from(signer)).await.unwrap();
    let raw = signed.encoded_2718();
    let tx = alloy_eips::eip2718::Decodable2718::decode_2718(&mut raw.as_slice()).unwrap();
    (tx, sender)
}

fn attributes(timestamp: u64) -> BlockAttributes {
    BlockAttributes {
        timestamp,
        fee_recipient: Address::repeat_byte(7),
        prev_randao: B256::ZERO,
        withdrawals: None,
        parent_beacon_block_root: None,
        slot_number: None,
        desired_gas_limit: 25_000_000,
        extra_data: Bytes::new(),
    }
}

fn build(chain: &Chain, txs: &[(Tx, Address)]) -> Prepared {
    let parent = chain.head();
    let prepared = chain
        .build(&parent, &attributes(parent.timestamp + 1), |builder| {
            for (tx, sender) in txs {
                builder.push(tx.clone(), *sender).unwrap();
            }
            Ok(())
        })
        .unwrap();
    chain.store(prepared.clone()).unwrap();
    chain.publish(prepared.block.sealed().hash()).unwrap();
    prepared
}

/// A contract that stores its call data's first word in slot 0 and logs it, deployed and called.
const STORE_AND_LOG: &[u8] = &[
    0x60, 0x0e, 0x60, 0x0c, 0x5f, 0x39, 0x60, 0x0e, 0x5f, 0xf3, 0x00, 0x00, // init
    0x5f, 0x35, 0x80, 0x5f, 0x55, 0x5f, 0x52, 0x60, 0x20, 0x5f, 0xa0, 0x00, 0x00, 0x00,
];

#[tokio::test]
async fn built_blocks_import_elsewhere_and_validate_without_state() {
    let (ours, theirs) = (chain(), chain());
    let (deploy, sender) = signed(1, None, 0, STORE_AND_LOG.to_vec()).await;
    let contract = sender.create(1);
    let blocks = [
        vec![signed(0, Some(FRIEND), 5, vec![]).await, (deploy, sender)],
        vec![signed(2, Some(contract), 0, vec![9; 32]).await],
        vec![],
        vec![signed(3, Some(contract), 0, vec![0; 32]).await],
    ];
    for txs in &blocks {
        let prepared = build(&ours, txs);
        let block = prepared.block.sealed().clone();

        let witness = Witness::decode(&ours.witness(block.hash()).unwrap().unwrap()).unwrap();
        let validated =
            validate(ours.spec(), ours.rules().as_ref(), &prepared.block, &witness).unwrap();
        assert_eq!(validated.state_root, block.header().state_root);

        let verdict = theirs.import(block.clone()).unwrap();
        assert!(matches!(verdict, Verdict::Valid), "{verdict:?}");
        theirs.publish(block.hash()).unwrap();
    }
    let state = theirs.storage().state_at(ours.head().hash()).unwrap().unwrap();
    assert_eq!(state.account(FRIEND).unwrap().unwrap().balance, U256::from(5));
    assert_eq!(state.storage(contract, B256::ZERO).unwrap(), U256::ZERO);
    assert_eq!(state.root(), ours.head().state_root);
}

#[tokio::test]
async fn a_block_that_lies_is_invalid_and_leaves_no_trace() {
    let (ours, theirs) = (chain(), chain());
    let prepared = build(&ours, &[signed(0, Some(FRIEND), 5, vec![]).await]);
    let honest = prepared.block.sealed().block().clone();
    let lies: [fn(&mut Block); 5] = [
        |block| block.header.state_root = B256::repeat_byte(1),
        |block| block.header.receipts_root = B256::repeat_byte(1),
        |block| block.header.gas_used += 1,
        |block| block.body.transactions.clear(),
        |block| block.header.base_fee_per_gas = Some(1),
    ];
    for lie in lies {
        let mut block = honest.clone();
        lie(&mut block);
        let block = SealedBlock::seal(block);
        let verdict = theirs.import(block.clone()).unwrap();
        assert!(matches!(verdict, Verdict::Invalid(_)), "{verdict:?}");
        assert!(theirs.storage().header(block.hash()).unwrap().is_none());
    }
    let orphan = SealedBlock::seal(Block {
        header: ethrex_types::Header { parent_hash: B256::repeat_byte(3), ..honest.header.clone() },
        body: honest.body,
    });
    assert!(matches!(theirs.import(orphan).unwrap(), Verdict::UnknownParent));
}

#[tokio::test]
async fn a_witness_that_lacks_a_node_says_nothing_about_the_block() {
    let ours = chain();
    let prepared = build(&ours, &[signed(0, Some(FRIEND), 5, vec![]).await]);
    let whole = prepared.witness.unwrap();
    for index in 0..whole.state.len() {
        let mut witness = whole.clone();
        witness.state.remove(index);
        let witness = Witness::decode(&witness).unwrap();
        let error = validate(ours.spec(), ours.rules().as_ref(), &prepared.block, &witness)
            .expect_err("every node of the witness is needed");
        assert!(matches!(error, ethrex_stateless::ValidateError::Witness(_)), "{error:?}");
    }
}

#[tokio::test]
async fn a_false_state_root_is_found_without_the_state() {
    let ours = chain();
    let prepared = build(&ours, &[signed(0, Some(FRIEND), 5, vec![]).await]);
    let mut block = prepared.block.sealed().block().clone();
    block.header.state_root = B256::repeat_byte(1);
    let block = ethrex_types::RecoveredBlock::recover(SealedBlock::seal(block)).unwrap();
    let witness = Witness::decode(&prepared.witness.unwrap()).unwrap();
    let error = validate(ours.spec(), ours.rules().as_ref(), &block, &witness).unwrap_err();
    let ethrex_stateless::ValidateError::Invalid(InvalidBlock::Root { what, .. }) = error else {
        panic!("{error:?}")
    };
    assert_eq!(what, "state root");
}
