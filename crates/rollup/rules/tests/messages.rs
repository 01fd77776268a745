//! Messages from L1, executed in blocks of the real genesis.

use alloy_primitives::{Address, Bytes, TxKind, U256, bytes};
use alloy_sol_types::SolEvent;
use ethrex_protocol::{
    constants::{BRIDGE_L2, DEFAULT_L2_CHAIN_ID, MESSENGER},
    contracts::{CommonBridgeL2, Messenger},
    deposit::PrivilegedMessage,
    messages::{L1Message, l1_messages},
};
use ethrex_rules::testing::{FUNDS, TestBlock, TestRollup, signed, signer};
use ethrex_stf::{InvalidTx, NotIncluded, Rejected, RunError};
use ethrex_types::{
    GenesisAccount, Tx,
    alloy_consensus::{SignableTransaction, TxEip4844},
};

const RECIPIENT: Address = Address::repeat_byte(0xaa);
const CONTRACT: Address = Address::repeat_byte(0xbb);
const GAS_PRICE: u64 = 7_777;

fn deposit(id: u64, recipient: Address, value: u64) -> Tx {
    PrivilegedMessage::eth_deposit(DEFAULT_L2_CHAIN_ID, id, recipient, U256::from(value))
        .to_transaction(GAS_PRICE)
}

/// A message from `from` to `to`.
fn message(from: Address, to: Address, change: impl FnOnce(&mut PrivilegedMessage)) -> Tx {
    let mut message = PrivilegedMessage {
        chain_id: DEFAULT_L2_CHAIN_ID,
        from,
        to,
        transaction_id: 0,
        value: U256::ZERO,
        gas_limit: 200_000,
        data: Bytes::new(),
    };
    change(&mut message);
    message.to_transaction(GAS_PRICE)
}

fn contract(code: Bytes) -> (Address, GenesisAccount) {
    (CONTRACT, GenesisAccount { code: Some(code), ..GenesisAccount::default() })
}

/// The outcome of the only transaction of a block: success and gas used.
#[track_caller]
fn outcome(block: &TestBlock) -> (bool, u64) {
    let [receipt] = block.receipts.as_slice() else { panic!("one transaction") };
    (receipt.success(), receipt.cumulative_gas_used)
}

#[test]
fn a_deposit_mints_once_and_reaches_its_recipient() {
    let mut rollup = TestRollup::default();
    let block = rollup.build([deposit(0, RECIPIENT, 1_000)]);
    let (success, gas) = outcome(&block);
    assert!(success && gas < 105_000, "{gas}");
    assert_eq!(rollup.balance(RECIPIENT), U256::from(1_000));
    assert_eq!(rollup.balance(BRIDGE_L2), U256::ZERO);
    let log = block.receipts[0].logs.last().unwrap();
    assert_eq!(log.address, BRIDGE_L2);
    let event = CommonBridgeL2::DepositProcessed::decode_log_data(&log.data).unwrap();
    assert_eq!((event.receiver, event.amount), (RECIPIENT, U256::from(1_000)));

    rollup.build([deposit(1, RECIPIENT, 5), deposit(2, RECIPIENT, 6)]);
    assert_eq!(rollup.balance(RECIPIENT), U256::from(1_011));
}

#[test]
fn a_recipient_that_refuses_can_take_the_deposit_back_on_l1() {
    let always_reverts = bytes!("5f5ffd");
    let mut rollup = TestRollup::new([contract(always_reverts)]);
    let block = rollup.build([deposit(0, CONTRACT, 1_000)]);
    assert!(outcome(&block).0);
    let sent = l1_messages(&block.receipts[0].logs).unwrap();
    assert_eq!(sent, [L1Message::eth_withdrawal(CONTRACT, U256::from(1_000), U256::from(1))]);
    assert_eq!(rollup.balance(CONTRACT), U256::ZERO);
}

#[test]
fn a_recipient_that_burns_all_its_gas_can_take_the_deposit_back_on_l1() {
    let endless_loop = bytes!("5b5f56");
    let mut rollup = TestRollup::new([contract(endless_loop)]);
    let block = rollup.build([deposit(0, CONTRACT, 1_000)]);
    assert!(outcome(&block).0, "a deposit's gas suffices for the way back");
    assert_eq!(l1_messages(&block.receipts[0].logs).unwrap().len(), 1);
}

#[test]
fn a_recipient_that_delegates_to_greedy_code_can_take_the_deposit_back_on_l1() {
    let endless_loop = bytes!("5b5f56");
    let mut designator = vec![0xef, 0x01, 0x00];
    designator.extend(CONTRACT);
    let delegating = GenesisAccount {
        code: Some(designator.into()),
        nonce: Some(1),
        ..GenesisAccount::default()
    };
    let mut rollup = TestRollup::new([contract(endless_loop), (RECIPIENT, delegating)]);
    let block = rollup.build([deposit(0, RECIPIENT, 1_000)]);
    assert!(outcome(&block).0, "a deposit's gas suffices for the way back");
    let sent = l1_messages(&block.receipts[0].logs).unwrap();
    assert_eq!(sent, [L1Message::eth_withdrawal(RECIPIENT, U256::from(1_000), U256::from(1))]);
}

#[test]
fn what_was_minted_for_a_call_that_fails_vanishes() {
    let mut rollup = TestRollup::default();
    let unknown_function = message(BRIDGE_L2, BRIDGE_L2, |message| {
        message.value = U256::from(1_000);
        message.data = bytes!("01020304");
    });
    let block = rollup.build([unknown_function]);
    assert!(!outcome(&block).0);
    assert_eq!(rollup.balance(BRIDGE_L2), U256::ZERO);
    assert!(block.receipts[0].logs.is_empty());
}

#[test]
fn a_deposit_too_poor_in_gas_mints_nothing() {
    let mut rollup = TestRollup::default();
    let poor = message(BRIDGE_L2, BRIDGE_L2, |message| {
        message.value = U256::from(1_000);
        message.gas_limit = 20_000;
    });
    let block = rollup.build([poor]);
    assert_eq!(outcome(&block), (false, 20_000));
    assert_eq!(rollup.balance(BRIDGE_L2), U256::ZERO);
}

#[test]
fn a_mint_that_would_overflow_the_bridge_fails_without_effect() {
    let full = GenesisAccount { balance: U256::MAX, ..GenesisAccount::default() };
    let mut rollup = TestRollup::new([(BRIDGE_L2, full)]);
    let block = rollup.build([deposit(0, RECIPIENT, 1)]);
    assert_eq!(outcome(&block), (false, 105_000));
    assert_eq!(rollup.balance(BRIDGE_L2), U256::MAX);
    assert_eq!(rollup.balance(RECIPIENT), U256::ZERO);
}

#[test]
fn a_message_spends_what_its_sender_has() {
    let sender = signer(1).address();
    let mut rollup = TestRollup::funded(&[sender]);
    let block =
        rollup.build([message(sender, RECIPIENT, |message| message.value = U256::from(1_000))]);
    assert_eq!(outcome(&block), (true, 21_000));
    assert_eq!(rollup.balance(RECIPIENT), U256::from(1_000));
    assert_eq!(rollup.balance(sender), FUNDS - U256::from(1_000), "no fee is paid");
    assert_eq!(rollup.nonce(sender), 0);
    assert_eq!(rollup.balance(rollup.head().beneficiary), U256::ZERO, "no fee is earned");
}

#[test]
fn a_message_whose_sender_lacks_the_value_is_included_and_fails() {
    let sender = signer(1).address();
    let mut rollup = TestRollup::funded(&[sender]);
    let too_much = message(sender, RECIPIENT, |message| message.value = FUNDS + U256::from(1));
    let block = rollup.build([too_much]);
    assert_eq!(outcome(&block), (false, 200_000), "all gas is used");
    assert_eq!(rollup.balance(sender), FUNDS);
    assert_eq!(rollup.balance(RECIPIENT), U256::ZERO);
    assert_eq!(rollup.nonce(sender), 0);
}

#[test]
fn a_message_below_its_intrinsic_gas_is_included_and_fails() {
    let sender = signer(1).address();
    let mut rollup = TestRollup::funded(&[sender]);
    let cases: [(u64, usize); 4] = [(0, 0), (20_999, 0), (21_003, 1), (25_000, 1_000)];
    for (gas_limit, data) in cases {
        let block = rollup.build([message(sender, RECIPIENT, |message| {
            message.value = U256::from(1);
            message.gas_limit = gas_limit;
            message.data = vec![0; data].into();
        })]);
        assert_eq!(outcome(&block), (false, gas_limit));
    }
    assert_eq!(rollup.balance(sender), FUNDS);
    assert_eq!(rollup.nonce(sender), 0);
}

#[test]
fn a_message_whose_call_fails_gives_the_value_back() {
    let sender = signer(1).address();
    let mut rollup = TestRollup::new([
        contract(bytes!("5f5ffd")),
        (sender, GenesisAccount { balance: FUNDS, ..GenesisAccount::default() }),
    ]);
    let block = rollup.build([message(sender, CONTRACT, |message| message.value = U256::from(9))]);
    let (success, gas) = outcome(&block);
    assert!(!success && gas < 200_000, "a revert leaves gas unused: {gas}");
    assert_eq!(rollup.balance(sender), FUNDS);
    assert_eq!(rollup.balance(CONTRACT), U256::ZERO);
    assert_eq!(rollup.nonce(sender), 0);
}

#[test]
fn a_contract_can_be_the_sender_of_a_message() {
    let sender = Address::repeat_byte(0xcc);
    let code = Some(bytes!("00"));
    let mut rollup = TestRollup::new([(
        sender,
        GenesisAccount { code, balance: FUNDS, nonce: Some(1), ..GenesisAccount::default() },
    )]);
    let block = rollup.build([message(sender, RECIPIENT, |message| message.value = U256::from(4))]);
    assert_eq!(outcome(&block), (true, 21_000));
    assert_eq!(rollup.balance(RECIPIENT), U256::from(4));
    assert_eq!(rollup.nonce(sender), 1);
}

#[test]
fn gas_price_shows_the_fee_a_message_names() {
    let store_gas_price_and_caller = bytes!("3a5f553360015500");
    let mut rollup = TestRollup::new([contract(store_gas_price_and_caller)]);
    let block = rollup.build([message(RECIPIENT, CONTRACT, |_| ())]);
    assert!(outcome(&block).0);
    assert_eq!(rollup.slot(CONTRACT, 0), U256::from(GAS_PRICE));
    assert_eq!(rollup.slot(CONTRACT, 1), U256::from_be_bytes(RECIPIENT.into_word().0));
}

#[test]
fn messages_and_transactions_share_a_block() {
    let sender = signer(1);
    let mut rollup = TestRollup::funded(&[sender.address()]);
    let transfer = signed(&sender, |tx| {
        tx.to = TxKind::Call(RECIPIENT);
        tx.value = U256::from(3);
    });
    let block = rollup.build([deposit(0, sender.address(), 50), transfer]);
    assert!(block.receipts.iter().all(|receipt| receipt.success()));
    assert_eq!(rollup.nonce(sender.address()), 1);
    assert_eq!(rollup.balance(RECIPIENT), U256::from(3));
    let fees = FUNDS + U256::from(47) - rollup.balance(sender.address());
    assert!(fees > U256::from(21_000_u64 * 1_000_000), "an ordinary transaction pays: {fees}");
}

#[test]
fn a_withdrawal_burns_and_sends_a_message() {
    let sender = signer(1);
    let mut rollup = TestRollup::funded(&[sender.address()]);
    let withdraw = signed(&sender, |tx| {
        tx.to = TxKind::Call(BRIDGE_L2);
        tx.value = U256::from(77);
        tx.input = alloy_sol_types::SolCall::abi_encode(&CommonBridgeL2::withdrawCall {
            receiverOnL1: RECIPIENT,
        })
        .into();
    });
    let block = rollup.build([withdraw]);
    let logs = &block.receipts[0].logs;
    assert!(
        logs.iter().any(|log| log.address == MESSENGER
            && log.topics()[0] == Messenger::L1Message::SIGNATURE_HASH)
    );
    let sent = l1_messages(logs).unwrap();
    assert_eq!(sent, [L1Message::eth_withdrawal(RECIPIENT, U256::from(77), U256::from(1))]);
    assert_eq!(rollup.balance(BRIDGE_L2), U256::ZERO);
}

#[test]
fn blobs_have_no_place_on_the_rollup() {
    let signature = alloy_primitives::Signature::test_signature();
    let blob = Tx::Eip4844(TxEip4844::default().into_signed(signature));
    let refusal = TestRollup::default().refusal(&[blob]);
    assert!(matches!(refusal, RunError::Invalid(NotIncluded::Rejected(Rejected::Blobs))));
}

#[test]
fn a_message_that_does_not_fit_in_the_block_waits() {
    let mut rollup = TestRollup::new([contract(bytes!("5b5f56"))]);
    // Ten endless loops of 2^24 gas are more than the block has.
    let looping = || message(RECIPIENT, CONTRACT, |message| message.gas_limit = 16_777_216);
    let many: Vec<Tx> = (0..10).map(|_| looping()).collect();
    let refusal = rollup.refusal(&many);
    assert!(
        matches!(refusal, RunError::Invalid(NotIncluded::Invalid(InvalidTx::BlockFull { .. }))),
        "{refusal}"
    );
    let block = rollup.build([looping()]);
    assert_eq!(outcome(&block), (false, 16_777_216));
}
