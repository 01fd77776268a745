//! Batches on the real genesis, proven, damaged and refused.

use alloy_primitives::{Address, B256, Bytes, TxKind, U256, bytes};
use ethrex_program::{
    InputError, InvalidBatch, ProgramError, ProgramInput, kzg, prove, testing::batch,
};
use ethrex_protocol::{
    constants::{BRIDGE_L2, DEFAULT_L2_CHAIN_ID},
    deposit::PrivilegedMessage,
    fee::FeeConfig,
    merkle,
    messages::L1Message,
    rolling,
};
use ethrex_rules::testing::{TestRollup, signed, signer};
use ethrex_types::{GenesisAccount, Tx};

const CHAIN: u64 = DEFAULT_L2_CHAIN_ID;

fn deposit(chain_id: u64, id: u64, recipient: Address) -> Tx {
    let value = U256::from(1_000_000_000_000_000_000_u64);
    PrivilegedMessage::eth_deposit(chain_id, id, recipient, value).to_transaction(1)
}

fn withdrawal(nonce: u64) -> Tx {
    let call = ethrex_protocol::contracts::CommonBridgeL2::withdrawCall {
        receiverOnL1: Address::repeat_byte(0xaa),
    };
    signed(&signer(1), |tx| {
        tx.nonce = nonce;
        tx.to = TxKind::Call(BRIDGE_L2);
        tx.value = U256::from(5);
        tx.input = alloy_sol_types::SolCall::abi_encode(&call).into();
    })
}

/// Three blocks after one that is not in the batch.
fn sample() -> (ProgramInput, B256) {
    let recipient = signer(1).address();
    let mut rollup = TestRollup::default();
    rollup.build([deposit(CHAIN, 0, recipient)]);
    let initial = rollup.head().state_root;
    let blocks = [
        rollup.build([deposit(CHAIN, 1, recipient), withdrawal(0)]),
        rollup.build([]),
        rollup.build([
            deposit(CHAIN, 2, recipient),
            deposit(7, 0, recipient),
            withdrawal(1),
            withdrawal(2),
        ]),
    ];
    (batch(&rollup, &blocks), initial)
}

#[test]
fn a_batch_is_proven() {
    let (input, initial) = sample();
    let inputs = prove(&input).unwrap();
    let last = &input.blocks[2].header;
    assert_eq!(inputs.initial_state_root, initial);
    assert_eq!(inputs.final_state_root, last.state_root);
    assert_eq!(inputs.last_block_hash, last.hash_slow());
    assert_eq!((inputs.chain_id, inputs.non_privileged_count), (CHAIN, 3));

    let recipient = signer(1).address();
    let hashes: Vec<_> = [1, 2].map(|id| deposit(CHAIN, id, recipient).hash()).into();
    assert_eq!(inputs.l1_in_rolling_hash, rolling::versioned_hash(&hashes).unwrap());
    let [other] = inputs.l2_in_rolling_hashes[..] else { panic!("one other rollup") };
    assert_eq!((other.chain_id, rolling::count(other.rolling_hash)), (7, 1));

    let leaves: Vec<_> = (1..=3)
        .map(|id| {
            let receiver = Address::repeat_byte(0xaa);
            L1Message::eth_withdrawal(receiver, U256::from(5), U256::from(id)).leaf()
        })
        .collect();
    assert_eq!(inputs.l1_out_root, merkle::root(&leaves));
    assert!(inputs.balance_diffs.is_empty());
    assert_eq!(inputs.blob_versioned_hash, kzg::versioned_hash(&input.blob.unwrap().commitment));
}

#[test]
fn the_compact_form_and_the_json_lead_to_the_same_proof() {
    let (input, _) = sample();
    let bytes = input.encode();
    let json = serde_json::to_string(&input).unwrap();
    let decoded = ProgramInput::decode(&bytes).unwrap();
    assert_eq!(decoded, input);
    assert_eq!(serde_json::from_str::<ProgramInput>(&json).unwrap(), input);
    assert_eq!(prove(&decoded).unwrap(), prove(&input).unwrap());
    assert!(bytes.len() < json.len());
}

#[test]
fn the_json_has_the_documented_fields() {
    let (mut input, _) = sample();
    let json = serde_json::to_value(&input).unwrap();
    let mut fields: Vec<_> = json.as_object().unwrap().keys().cloned().collect();
    fields.sort();
    let expected = [
        "blob_commitment",
        "blob_proof",
        "blocks",
        "elasticity_multiplier",
        "execution_witness",
        "fee_configs",
    ];
    assert_eq!(fields, expected);
    assert_eq!(json["blob_commitment"].as_array().unwrap().len(), 48);
    assert_eq!(json["execution_witness"]["chain_config"]["chainId"], CHAIN);

    input.blob = None;
    let json = serde_json::to_value(&input).unwrap();
    assert_eq!(json["blob_proof"], serde_json::json!(vec![0; 48]));
    assert_eq!(serde_json::from_value::<ProgramInput>(json).unwrap(), input);
}

#[test]
fn bytes_cut_anywhere_are_an_error() {
    let (input, _) = sample();
    let bytes = input.encode();
    for cut in (0..bytes.len()).step_by(997) {
        assert!(ProgramInput::decode(&bytes[..cut]).is_err());
    }
    assert!(ProgramInput::decode(&[&bytes[..], &[0]].concat()).is_err());
}

#[test]
fn a_validium_publishes_nothing() {
    let (mut input, _) = sample();
    input.blob = None;
    assert_eq!(prove(&input).unwrap().blob_versioned_hash, B256::ZERO);
}

/// What `prove` says about the sample after `damage`.
fn refusal(damage: impl FnOnce(&mut ProgramInput)) -> ProgramError {
    let (mut input, _) = sample();
    damage(&mut input);
    prove(&input).expect_err("the damage shows")
}

#[test]
fn a_witness_that_lacks_anything_says_nothing_about_the_batch() {
    let (input, _) = sample();
    let insufficient = |damage: &dyn Fn(&mut ProgramInput)| {
        let mut input = input.clone();
        damage(&mut input);
        let refusal = prove(&input).unwrap_err();
        assert!(
            matches!(refusal, ProgramError::Input(InputError::Insufficient { .. })),
            "{refusal:?}"
        );
    };
    for index in 0..input.witness.state.len() {
        insufficient(&|input| {
            input.witness.state.remove(index);
        });
    }
    for index in 0..input.witness.codes.len() {
        insufficient(&|input| {
            input.witness.codes.remove(index);
        });
    }
    insufficient(&|input| input.witness.headers.clear());
}

#[test]
fn headers_of_the_batch_itself_need_no_witness() {
    let (mut input, _) = sample();
    let parent = input.blocks[0].header.parent_hash;
    input.witness.headers.retain(|header| alloy_primitives::keccak256(header) == parent);
    assert_eq!(input.witness.headers.len(), 1);
    prove(&input).unwrap();
}

/// The ancestor it asks for lies before the batch, and is not the parent of any of its blocks.
#[test]
fn a_block_may_ask_for_the_hash_of_a_distant_ancestor() {
    // SSTORE(0, BLOCKHASH(NUMBER - 4))
    let code = Some(bytes!("60044303405f5500"));
    let contract = Address::repeat_byte(0xbb);
    let account = GenesisAccount { code, ..GenesisAccount::default() };
    let mut rollup = TestRollup::new([(contract, account)]);
    let first = rollup.build([]).block.sealed().hash();
    rollup.build([]);
    rollup.build([]);
    let ask = PrivilegedMessage {
        chain_id: CHAIN,
        from: Address::ZERO,
        to: contract,
        transaction_id: 0,
        value: U256::ZERO,
        gas_limit: 100_000,
        data: Bytes::new(),
    };
    let blocks = [rollup.build([]), rollup.build([ask.to_transaction(0)])];
    assert_eq!(rollup.slot(contract, 0), U256::from_be_bytes(first.0));
    let mut input = batch(&rollup, &blocks);
    prove(&input).unwrap();

    input.witness.headers.retain(|header| alloy_primitives::keccak256(header) != first);
    let refusal = prove(&input).expect_err("the hash cannot be known");
    assert!(matches!(refusal, ProgramError::Input(InputError::Insufficient { number: 5, .. })));
}

#[test]
fn a_malformed_witness_is_not_a_verdict_on_the_batch() {
    let refusal = refusal(|input| input.witness.headers.push(Bytes::from_static(&[1, 2])));
    assert!(matches!(refusal, ProgramError::Input(InputError::Witness(_))));
}

#[test]
fn a_gap_between_blocks_is_invalid() {
    let refusal = refusal(|input| {
        input.blocks.remove(1);
        input.fee_configs.remove(1);
    });
    assert!(matches!(
        refusal,
        ProgramError::Invalid(InvalidBatch::NotConsecutive { number: 4, .. })
    ));
}

#[test]
fn blocks_in_another_order_are_invalid() {
    let refusal = refusal(|input| input.blocks.swap(1, 2));
    assert!(matches!(refusal, ProgramError::Invalid(InvalidBatch::NotConsecutive { .. })));
}

#[test]
fn a_transaction_left_out_is_invalid() {
    let refusal = refusal(|input| drop(input.blocks[2].body.transactions.pop()));
    assert!(matches!(refusal, ProgramError::Invalid(InvalidBatch::Block { number: 4, .. })));
}

#[test]
fn a_wrong_state_root_is_invalid() {
    let refusal = refusal(|input| input.blocks[2].header.state_root = B256::ZERO);
    assert!(matches!(refusal, ProgramError::Invalid(InvalidBatch::Block { number: 4, .. })));
}

#[test]
fn a_commitment_to_something_else_is_refused() {
    let other = {
        let mut rollup = TestRollup::default();
        let block = rollup.build([]);
        batch(&rollup, &[block]).blob
    };
    let refusal = refusal(|input| input.blob = other);
    assert!(matches!(refusal, ProgramError::Input(InputError::Blob(_))));
}

#[test]
fn fee_configs_that_are_not_executed_are_refused() {
    let vault = FeeConfig { base_fee_vault: Some(Address::ZERO), ..FeeConfig::default() };
    let with_vault = refusal(|input| input.fee_configs[1] = vault);
    assert!(matches!(with_vault, ProgramError::Input(InputError::FeeConfig { number: 3 })));
    let missing = refusal(|input| input.fee_configs.truncate(2));
    assert!(matches!(missing, ProgramError::Input(InputError::FeeConfigCount { .. })));
    let empty = refusal(|input| {
        input.blocks.clear();
        input.fee_configs.clear();
    });
    assert!(matches!(empty, ProgramError::Input(InputError::NoBlocks)));
}
