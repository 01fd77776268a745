use alloy_primitives::{Bytes, LogData};
use proptest::prelude::*;

use super::*;

fn l1_log(from: Address, data: B256, id: u64) -> Log {
    let event = L1MessageSent { senderOnL2: from, data, messageId: U256::from(id) };
    Log { address: MESSENGER, data: event.encode_log_data() }
}

fn message(dest: u64, from: Address, to: Address, value: u64, data: Bytes) -> L2Message {
    L2Message {
        source_chain_id: 10,
        dest_chain_id: U256::from(dest),
        from,
        to,
        tx_id: U256::from(3),
        value: U256::from(value),
        gas_limit: U256::from(50_000),
        data,
    }
}

fn mint(amount: U256) -> Bytes {
    crosschainMintERC20Call {
        tokenL1: Address::repeat_byte(1),
        tokenL2: Address::repeat_byte(2),
        destTokenL2: Address::repeat_byte(3),
        to: Address::repeat_byte(4),
        amount,
    }
    .abi_encode()
    .into()
}

const ALICE: Address = Address::repeat_byte(0xaa);
const BOB: Address = Address::repeat_byte(0xbb);

#[test]
fn the_topics_are_those_of_the_deployed_messenger() {
    assert_eq!(L1MessageSent::SIGNATURE_HASH[..4], [0x18, 0xd7, 0xb7, 0x05]);
    assert_eq!(L2MessageSent::SIGNATURE_HASH[..4], [0x3e, 0xf1, 0x04, 0x06]);
    assert_eq!(crosschainMintERC20Call::SELECTOR, [0xf0, 0x26, 0x31, 0x95]);
}

#[test]
fn only_logs_of_the_messenger_are_messages() {
    let ours = l1_log(BRIDGE_L2, B256::repeat_byte(1), 1);
    let mut elsewhere = l1_log(BRIDGE_L2, B256::repeat_byte(2), 2);
    elsewhere.address = ALICE;
    let other_event = Log { address: MESSENGER, data: LogData::default() };
    let logs = [other_event, elsewhere, ours, l1_log(BRIDGE_L2, B256::repeat_byte(3), 3)];
    let ids: Vec<_> = l1_messages(&logs).unwrap().iter().map(|m| m.message_id).collect();
    assert_eq!(ids, [U256::from(1), U256::from(3)]);
}

#[test]
fn a_message_that_does_not_decode_is_an_error() {
    let topics = vec![L1MessageSent::SIGNATURE_HASH];
    let log = Log::new_unchecked(MESSENGER, topics, Bytes::new());
    assert!(matches!(l1_messages(&[log]), Err(MessageError::Log(_))));
}

#[test]
fn a_withdrawal_leaf_is_what_the_bridge_on_l1_computes() {
    let amount = U256::from(5_000);
    let inner = keccak256(
        [ETH_TOKEN.as_slice(), ETH_TOKEN.as_slice(), ALICE.as_slice(), &amount.to_be_bytes::<32>()]
            .concat(),
    );
    let id = U256::from(9).to_be_bytes::<32>();
    let leaf = keccak256([BRIDGE_L2.as_slice(), inner.as_slice(), &id].concat());
    assert_eq!(L1Message::eth_withdrawal(ALICE, amount, U256::from(9)).leaf(), leaf);
}

#[test]
fn the_first_mint_message_of_a_transfer_is_not_counted_twice() {
    let messages = [
        message(20, BRIDGE_L2, BRIDGE_L2, 7, crate::deposit::mint_eth_calldata(ALICE)),
        message(20, ALICE, BOB, 7, Bytes::new()),
    ];
    let diffs = balance_diffs(&messages).unwrap();
    assert_eq!(diffs.len(), 1);
    assert_eq!(diffs[0].value, U256::from(7));
    assert_eq!(diffs[0].message_hashes, [messages[0].hash(), messages[1].hash()]);
}

#[test]
fn tokens_are_summed_per_triple_and_chains_are_sorted() {
    let messages = [
        message(30, BRIDGE_L2, BRIDGE_L2, 0, mint(U256::from(5))),
        message(20, ALICE, BOB, 1, Bytes::new()),
        message(30, BRIDGE_L2, BRIDGE_L2, 0, mint(U256::from(6))),
    ];
    let diffs = balance_diffs(&messages).unwrap();
    assert_eq!(diffs.iter().map(|d| d.chain_id.to::<u64>()).collect::<Vec<_>>(), [20, 30]);
    assert_eq!(diffs[1].value, U256::ZERO);
    assert_eq!(diffs[1].value_per_token.len(), 1);
    assert_eq!(diffs[1].value_per_token[0].value, U256::from(11));
}

#[test]
fn a_user_cannot_pass_call_data_for_a_token_transfer() {
    let diffs = balance_diffs(&[message(20, ALICE, BRIDGE_L2, 2, mint(U256::MAX))]).unwrap();
    assert_eq!(diffs[0].value, U256::from(2));
    assert_eq!(diffs[0].value_per_token, []);
}

#[test]
fn json_is_that_of_the_batch_rpc() {
    let diff =
        &balance_diffs(&[message(20, BRIDGE_L2, BRIDGE_L2, 0, mint(U256::from(5)))]).unwrap()[0];
    let json = serde_json::to_value(diff).unwrap();
    assert_eq!(json["chain_id"], "0x14");
    assert_eq!(json["value_per_token"][0]["value"], "0x5");
    assert_eq!(serde_json::from_value::<BalanceDiff>(json).unwrap(), *diff);
}

#[test]
fn an_l2_message_hashes_like_the_transaction_that_executes_it() {
    let message = message(20, ALICE, BOB, 7, Bytes::from_static(b"hello"));
    assert_eq!(message.hash(), message.to_privileged().unwrap().hash());
}

proptest! {
    #[test]
    fn logs_round_trip(ids in proptest::collection::vec(any::<u64>(), 0..10)) {
        let logs: Vec<_> = ids.iter().map(|id| l1_log(ALICE, B256::repeat_byte(1), *id)).collect();
        let messages = l1_messages(&logs).unwrap();
        prop_assert_eq!(messages.iter().map(|m| m.message_id.to::<u64>()).collect::<Vec<_>>(), ids);
        prop_assert_eq!(root(&messages), merkle::root(&leaves(&messages)));
    }

    #[test]
    fn reading_logs_never_panics(topics in proptest::collection::vec(any::<[u8; 32]>(), 0..4), data in proptest::collection::vec(any::<u8>(), 0..300)) {
        for signature in [L1MessageSent::SIGNATURE_HASH, L2MessageSent::SIGNATURE_HASH] {
            let topics = std::iter::once(signature).chain(topics.iter().map(|t| (*t).into())).collect();
            let logs = [Log::new_unchecked(MESSENGER, topics, data.clone().into())];
            let _ = l1_messages(&logs);
            let _ = l2_messages(1, &logs).map(|messages| balance_diffs(&messages));
        }
    }
}
