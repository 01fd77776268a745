//! Plans are run in a real EVM, on the genesis of the development L1.

use std::collections::BTreeMap;

use alloy_sol_types::{SolCall, SolEvent};
use ethrex_protocol::{constants::BRIDGE_L2, contracts::CommonBridgeL2};
use ethrex_stf::{BlockAttributes, BlockBuilder, BuildContext, BuiltBlock, Ethereum};
use ethrex_types::{
    ChainSpec, Receipt, SealedHeader, Tx,
    alloy_consensus::{Signed, TxEip1559},
    testing::DiffState,
};

use super::*;
use crate::{DeployConfig, genesis};

const DEPLOYER: Address = crate::dev::DEPLOYER.address;

fn terms() -> Terms {
    DeployConfig::dev(B256::repeat_byte(1)).terms().unwrap()
}

/// Runs transactions of the deployer in one block after the genesis.
fn run(requests: impl IntoIterator<Item = TxRequest>) -> BuiltBlock {
    let spec = ChainSpec::new(serde_json::from_str(genesis::L1).unwrap()).unwrap();
    let state = DiffState(spec.genesis_diff());
    let parent = SealedHeader::new(spec.genesis_header(B256::ZERO));
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
    let context = BuildContext::new(&spec, &parent, &attributes);
    let mut block = BlockBuilder::open(&context, &Ethereum, &state).unwrap();
    for (nonce, request) in requests.into_iter().enumerate() {
        let tx = TxEip1559 {
            chain_id: spec.chain_id(),
            nonce: nonce as u64,
            gas_limit: request.gas_limit.unwrap(),
            max_fee_per_gas: 2_000_000_000,
            to: request.to,
            value: request.value,
            input: request.data,
            ..TxEip1559::default()
        };
        let signature = alloy_primitives::Signature::test_signature();
        let tx = Tx::Eip1559(Signed::new_unhashed(tx, signature));
        block.push(tx, DEPLOYER).unwrap();
    }
    block.finish().unwrap()
}

fn succeeded(receipts: &[Receipt]) -> Vec<bool> {
    receipts.iter().map(|receipt| receipt.success()).collect()
}

fn code_at(block: &BuiltBlock, address: Address) -> Bytes {
    let account = block.diff.accounts.get(&address).and_then(|a| a.info);
    account.and_then(|info| block.diff.codes.get(&info.code_hash).cloned()).unwrap_or_default()
}

fn slots(block: &BuiltBlock, address: Address) -> BTreeMap<B256, U256> {
    block.diff.accounts[&address].storage.clone()
}

#[test]
fn one_block_holds_the_whole_deployment_and_ten_deposits() {
    let plan = Plan::new(&terms(), B256::ZERO);
    let steps = plan.steps.iter().map(|step| step.request.clone());
    let deposits = (1..=10)
        .map(|to| deposit(plan.contracts.bridge, Address::repeat_byte(to), U256::from(1_000)));
    let block = run(steps.chain(deposits));
    assert_eq!(succeeded(&block.receipts), [true; 14]);
    for step in &plan.steps {
        assert!(!code_at(&block, step.creates).is_empty(), "{}", step.part);
    }
    let Contracts { timelock, on_chain_proposer, bridge } = plan.contracts;
    for proxy in [timelock, on_chain_proposer, bridge] {
        assert_eq!(code_at(&block, proxy), artifacts::ERC1967_PROXY.runtime_code());
    }
    // The contracts name each other: each address stands in the storage of whoever must know it.
    let knows = |who: Address, whom: Address| {
        let word = U256::from_be_bytes(whom.into_word().0);
        slots(&block, who).values().any(|value| *value == word)
    };
    assert!(knows(timelock, on_chain_proposer) && knows(on_chain_proposer, bridge));
    assert!(knows(on_chain_proposer, timelock) && knows(bridge, on_chain_proposer));
    assert!(knows(bridge, terms().bridge_owner));

    let queued: Vec<_> = block.receipts[4..].iter().flat_map(|receipt| &receipt.logs).collect();
    assert_eq!(queued.len(), 10);
    let event = CommonBridge::PrivilegedTxSent::decode_log(queued[9]).unwrap().data;
    let mint = CommonBridgeL2::mintETHCall { to: Address::repeat_byte(10) }.abi_encode();
    assert_eq!((event.to, event.value, event.data.to_vec()), (BRIDGE_L2, U256::from(1_000), mint));
}

#[test]
fn gas_limits_leave_a_fifth_to_spare_and_fit_a_transaction() {
    const MAX_TX_GAS: u64 = 16_777_216;
    let many = Terms { sequencers: (1..=20).map(Address::repeat_byte).collect(), ..terms() };
    for terms in [terms(), many] {
        let plan = Plan::new(&terms, B256::ZERO);
        let mut requests: Vec<_> = plan.steps.iter().map(|step| step.request.clone()).collect();
        requests.push(deposit(plan.contracts.bridge, DEPLOYER, U256::from(1)));
        let limits: Vec<u64> = requests.iter().map(|r| r.gas_limit.unwrap()).collect();
        let block = run(requests);
        assert!(succeeded(&block.receipts).iter().all(|ok| *ok));
        let mut before = 0;
        for (receipt, limit) in block.receipts.iter().zip(limits) {
            let used = receipt.cumulative_gas_used - before;
            before = receipt.cumulative_gas_used;
            assert!(used + used / 5 <= limit && limit < MAX_TX_GAS, "{used} of {limit}");
        }
    }
}

#[test]
fn proxies_before_their_implementations_fail_as_a_whole() {
    let plan = Plan::new(&terms(), B256::ZERO);
    let block = run([plan.steps[3].request.clone()]);
    assert_eq!(succeeded(&block.receipts), [false]);
    assert!(code_at(&block, plan.contracts.timelock).is_empty());
}

#[test]
fn a_second_deployment_of_the_same_terms_changes_nothing() {
    let plan = Plan::new(&terms(), B256::ZERO);
    let steps: Vec<_> = plan.steps.iter().map(|step| step.request.clone()).collect();
    let block = run(steps.iter().chain(&steps).cloned());
    assert_eq!(succeeded(&block.receipts), [true, true, true, true, false, false, false, false]);
}

#[test]
fn every_argument_and_the_salt_move_the_addresses() {
    let base = Plan::new(&terms(), B256::ZERO).contracts;
    assert_eq!(base, Plan::new(&terms(), B256::ZERO).contracts);
    let variants = [
        Terms { sequencers: vec![DEPLOYER], ..terms() },
        Terms { owner: DEPLOYER, ..terms() },
        Terms { bridge_owner: DEPLOYER, ..terms() },
        Terms { inclusion_max_wait: Duration::from_secs(7), ..terms() },
        Terms { commit_hash: B256::repeat_byte(9), ..terms() },
        Terms { genesis_state_root: B256::ZERO, ..terms() },
        Terms { l2_chain_id: 7, ..terms() },
    ];
    for terms in variants {
        assert_ne!(base.bridge, Plan::new(&terms, B256::ZERO).contracts.bridge, "{terms:?}");
    }
    assert_ne!(base.bridge, Plan::new(&terms(), B256::repeat_byte(1)).contracts.bridge);
}

#[test]
fn ownership_needs_no_second_step() {
    // OpenZeppelin keeps the owner at the first, a pending owner at the second of these namespaced slots.
    let slot = |of: &str| {
        let id = alloy_primitives::keccak256(of);
        let base = alloy_primitives::keccak256(
            (U256::from_be_bytes(id.0) - U256::from(1)).to_be_bytes::<32>(),
        );
        B256::from(U256::from_be_bytes(base.0) & !U256::from(0xff))
    };
    let plan = Plan::new(&terms(), B256::ZERO);
    let block = run(plan.steps.iter().map(|step| step.request.clone()));
    let owner = slots(&block, plan.contracts.bridge)[&slot("openzeppelin.storage.Ownable")];
    assert_eq!(Address::from_word(owner.into()), terms().bridge_owner);
    let pending = slot("openzeppelin.storage.Ownable2Step");
    assert!(!slots(&block, plan.contracts.bridge).contains_key(&pending));
}
